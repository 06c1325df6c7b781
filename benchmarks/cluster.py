"""Compare a search of 64 candidates on Dask workers with this machine: benchmarks/cluster.py

Bakes the default project, which needs cookiecutter, DVC and distributed on the PATH, and runs stage
train with 64 candidates here and with 1, 2 and 4 workers of two threads on this machine. Writes CPU
seconds of each process, and whether the results are the same bytes, into benchmarks/README.md.
"""

import datetime
import os
import platform
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
from distributed import Client
from reader import write_section

ROOT = Path(__file__).parents[1]
HEAD = "# A search on a Dask cluster"
RUNS = 3
RESULTS = ["results/candidates.csv", "results/scores.json", "models/model.skops"]


def cpu_seconds(process: subprocess.Popen) -> float:
    times = psutil.Process(process.pid).cpu_times()
    return times.user + times.system


@contextmanager
def processes(folder: Path, count: int, port: int) -> Iterator[list[subprocess.Popen]]:
    """Run a scheduler and `count` workers, and yield them in this order."""
    address = f"tcp://127.0.0.1:{port}"
    commands = [["scheduler", "--host", "127.0.0.1", "--port", str(port)]]
    commands += [["worker", address, "--no-nanny", "--nthreads", "2"]] * count
    started = [
        subprocess.Popen(
            ["dask", *command, "--no-dashboard"], cwd=folder, stderr=subprocess.DEVNULL
        )
        for command in commands
    ]
    try:
        with Client(address, timeout="60 s", set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def train(project: Path, **settings: str) -> tuple[float, float, list[bytes]]:
    """Run stage train; return its wall and CPU seconds, and the bytes that it made."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        ["python", "src/train.py"],
        cwd=project,
        env=os.environ | settings,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, [(project / name).read_bytes() for name in RESULTS]


def main() -> None:
    rows: dict[int, list[tuple[float, ...]]] = {0: [], 1: [], 2: [], 4: []}
    made = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        bake = ["cookiecutter", str(ROOT), "--no-input", "--output-dir", temporary]
        subprocess.run(bake, check=True, stdout=subprocess.DEVNULL)
        project = folder / "iris-classifier"
        params = project / "params.yaml"
        text = params.read_text(encoding="utf-8")
        params.write_text(text.replace("candidates: 0", "candidates: 64"), encoding="utf-8")
        for stage in ("prepare", "split"):
            subprocess.run(["python", f"src/{stage}.py"], cwd=project, check=True)
        for run in range(RUNS):
            for count, found in rows.items():
                if not count:
                    wall, cpu, results = train(project)
                    found.append((wall, cpu, 0, 0))
                else:
                    port = 28_100 + 10 * run + count
                    with processes(folder, count, port) as (scheduler, *workers):
                        start = [cpu_seconds(one) for one in (scheduler, *workers)]
                        address = f"tcp://127.0.0.1:{port}"
                        wall, cpu, results = train(project, DASK_SCHEDULER_ADDRESS=address)
                        end = [cpu_seconds(one) for one in (scheduler, *workers)]
                    used = [after - before for before, after in zip(start, end, strict=True)]
                    found.append((wall, cpu, used[0], sum(used[1:])))
                made.append(results)
    same = all(one == made[0] for one in made)
    lines = ["| where | wall s | train | scheduler | workers |", "|---|---:|---:|---:|---:|"]
    medians = {
        count: [statistics.median(one) for one in zip(*rows[count], strict=True)] for count in rows
    }
    for count, values in medians.items():
        name = f"{count} worker{'s' * (count > 1)}" if count else "this machine"
        lines.append(f"| {name} | " + " | ".join(f"{one:.1f}" for one in values) + " |")
    scheduler, work = medians[4][2:]
    each = scheduler / (65 * 5)
    told = (
        f"Results: {'the same bytes in all runs' if same else '**not** the same bytes'}. With four "
        f"workers the scheduler takes {each * 1000:.0f} ms of CPU time a fold, a fold {work / 325:.2f} s. "
        f"On paper, it keeps 64 threads busy where a fold takes {64 * each:.1f} s or more; as short as "
        f"these, it keeps {work / scheduler:.0f}."
    )
    lines += ["", told]
    head = (
        f"{HEAD}\n\nStage train of the default project with 64 candidates in five folds, medians of "
        f"{RUNS} alternating runs; CPU seconds by process. {datetime.date.today()}, "
        f"{os.cpu_count()} cores, Python {platform.python_version()}; written by `cluster.py`."
    )
    write_section(HEAD, head.removeprefix(f"{HEAD}\n\n") + "\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
