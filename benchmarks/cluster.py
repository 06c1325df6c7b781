"""Compare a search of 64 candidates on Dask workers with this machine: benchmarks/cluster.py

Bakes the default project, which needs cookiecutter, DVC and distributed on the PATH, and runs stage
train with 64 candidates here and with 1, 2 and 4 workers of two threads on this machine. Writes CPU
seconds of each process, and whether the results are the same bytes, into benchmarks/README.md.
"""

import os
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
from measuring import ROOT, machine, write_section

TITLE = "## A search on a Dask cluster"
COLUMNS = ["wall s", "train", "scheduler", "workers"]
CANDIDATES, FOLDS = 64, 5
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


def lay_out(folder: Path) -> Path:
    """Bake the default project, and run what comes before stage train."""
    bake = ["cookiecutter", str(ROOT), "--no-input", "--output-dir", str(folder)]
    subprocess.run(bake, check=True, stdout=subprocess.DEVNULL)
    project = folder / "iris-classifier"
    params = project / "params.yaml"
    text = params.read_text(encoding="utf-8")
    params.write_text(text.replace("candidates: 0", f"candidates: {CANDIDATES}"), encoding="utf-8")
    for stage in ("prepare", "split"):
        subprocess.run(["python", f"src/{stage}.py"], cwd=project, check=True)
    return project


def measure_train(project: Path, count: int, port: int) -> tuple[list[float], list[bytes]]:
    """Return the seconds of stage train with `count` workers, see COLUMNS, and what it made."""
    if not count:
        wall, cpu, results = train(project)
        return [wall, cpu, 0, 0], results
    with processes(project.parent, count, port) as started:
        start = [cpu_seconds(one) for one in started]
        wall, cpu, results = train(project, DASK_SCHEDULER_ADDRESS=f"tcp://127.0.0.1:{port}")
        end = [cpu_seconds(one) for one in started]
    scheduler, *workers = [after - before for before, after in zip(start, end, strict=True)]
    return [wall, cpu, scheduler, sum(workers)], results


def main() -> None:
    found: dict[int, list[list[float]]] = {0: [], 1: [], 2: [], 4: []}
    made = []
    with tempfile.TemporaryDirectory() as folder:
        project = lay_out(Path(folder))
        for run in range(RUNS):
            for count, rows in found.items():
                seconds, results = measure_train(project, count, port=28_100 + 10 * run + count)
                rows.append(seconds)
                made.append(results)
    same = all(one == made[0] for one in made)
    lines = [f"| where | {' | '.join(COLUMNS)} |", f"|---|{'---:|' * len(COLUMNS)}"]
    medians = {
        count: [statistics.median(one) for one in zip(*rows, strict=True)]
        for count, rows in found.items()
    }
    for count, values in medians.items():
        name = f"{count} worker{'s' * (count > 1)}" if count else "this machine"
        lines.append(f"| {name} | " + " | ".join(f"{one:.1f}" for one in values) + " |")
    scheduler, work = medians[4][2:]
    fits = CANDIDATES * FOLDS + 1  # the last is that of the best to all rows
    each = scheduler / fits
    head = (
        f"Stage train of the default project with {CANDIDATES} candidates in {FOLDS} folds, medians "
        f"of {RUNS} alternating runs; CPU seconds by process. {machine()}; written by `cluster.py`."
    )
    told = (
        f"Results: {'the same bytes in all runs' if same else '**not** the same bytes'}. With four "
        f"workers the scheduler takes {each * 1000:.0f} ms of CPU time a fold, a fold "
        f"{work / fits:.2f} s. On paper, it keeps 64 threads busy where a fold takes "
        f"{64 * each:.1f} s or more; as short as these, it keeps {work / scheduler:.0f}."
    )
    write_section(TITLE, f"### {CANDIDATES} candidates", "\n".join([head, "", *lines, "", told]))


if __name__ == "__main__":
    main()
