"""Compare the pipeline with what people write by hand: python benchmarks/pipeline.py [WORK]...

The peers are in peers/: `plain`, four scripts in the style of DVC's public examples, and `equal`, which
does by scikit-learn and DVCLive what ours does: cross-validation, seven metrics, permutation importance
and five pictures. Each WORK, all of WORKS by default, runs in turn in ours and in its peers. Medians and
ratios are printed and written into benchmarks/README.md. Needs dvclive.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from measuring import ROOT, Cost, machine, measure, medians, ratios, write_section
from reader import write_table

PEERS = Path(__file__).with_name("peers")
STAGES = ("prepare", "split", "train", "evaluate")
RUNS = 5
TITLE = "## The pipeline"
# The peers read the table that the project is made with, without its identifiers.
RAW = "data/raw/iris.csv"
number = count(1)


def run(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def commit(folder: Path) -> None:
    run(["git", "add", "."], folder)
    run(["git", "commit", "--quiet", "--message", "As it is"], folder)


def start(folder: Path) -> None:
    """Make a git and DVC repository of a folder, and run its pipeline once."""
    run(["git", "init", "--quiet"], folder)
    run(["dvc", "init", "--quiet"], folder)
    if (folder / "data/raw.csv").exists():
        run(["dvc", "add", "--quiet", "data/raw.csv"], folder)
    commit(folder)
    run(["dvc", "repro", "--quiet"], folder)
    commit(folder)


def make_ours(folder: Path) -> Path:
    run(bake_command(folder), folder)
    ours = folder / "iris-classifier"
    run(["dvc", "repro", "--quiet"], ours)
    commit(ours)
    return ours


def bake_command(folder: Path) -> list[str]:
    return [
        "cookiecutter",
        str(ROOT),
        "--no-input",
        "--default-config",
        "--output-dir",
        str(folder),
    ]


def make_peer(name: str, folder: Path, table: pd.DataFrame) -> Path:
    """Lay out a peer; `equal` replaces two of the files of `plain`."""
    peer = folder / name
    for source in dict.fromkeys(["plain", name]):
        shutil.copytree(PEERS / source, peer, dirs_exist_ok=True)
    (peer / "data").mkdir()
    table.to_csv(peer / "data/raw.csv", index=False)
    start(peer)
    return peer


def make_trivial(folder: Path) -> Path:
    """Lay out four stages, each of which writes one file."""
    trivial, stages = folder / "trivial", {}
    before: list[str] = []
    trivial.mkdir()
    for stage in STAGES:
        out = f"{stage}.txt"
        code = f"import pathlib; pathlib.Path('{out}').touch()\n"
        (trivial / f"{stage}.py").write_text(code)
        stages[stage] = {
            "cmd": f"python {stage}.py",
            "deps": [f"{stage}.py", *before],
            "outs": [out],
        }
        before = [out]
    (trivial / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}))
    start(trivial)
    return trivial


def by_hand(ours: Path) -> list[list[str]]:
    """Return what one types to turn the files of `ours` into the same repository."""
    listed = subprocess.check_output(["dvc", "config", "--project", "--list"], cwd=ours, text=True)
    options = dict(line.split("=", 1) for line in listed.splitlines())
    url = options.pop("remote.origin.url")
    del options["core.remote"]
    return [
        ["git", "init", "--quiet"],
        ["dvc", "init", "--quiet"],
        ["dvc", "remote", "add", "--default", "origin", url],
        *(["dvc", "config", name, value] for name, value in options.items()),
        ["dvc", "add", RAW],
        ["dvc", "install"],
        ["git", "add", "."],
        ["git", "commit", "--quiet", "--message", "Start"],
    ]


def alternate(*sides: Callable[[], Cost], runs: int = RUNS) -> list[list[Cost]]:
    """Run the sides in turn; return the costs of each."""
    costs = [[side() for side in sides] for _ in range(runs)]
    return [list(side) for side in zip(*costs, strict=True)]


def bake(folder: Path) -> Iterator[str]:
    typed = by_hand(make_ours(folder))

    def ours() -> Cost:
        return measure([bake_command(fresh(folder))], folder)

    def hand() -> Cost:
        project = fresh(folder)
        shutil.copytree(
            folder / "iris-classifier",
            project,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns(".git", ".dvc", "dvc.lock", "iris.csv.dvc"),
        )
        return measure(typed, project)

    mine, other = alternate(ours, hand)
    yield row("bake, `--no-input`", "0.6 x by hand", mine, {"by hand": other})


def fresh(folder: Path) -> Path:
    path = folder / f"new{next(number)}"
    path.mkdir()
    return path


def iris(ours: Path) -> pd.DataFrame:
    return pd.read_csv(ours / RAW).drop(columns="Id")


def repro(folder: Path) -> Iterator[str]:
    ours = make_ours(folder)
    peers = {name: make_peer(name, folder, iris(ours)) for name in ("equal", "plain")}
    trivial = {"four trivial stages": make_trivial(folder)}
    yield beside(
        "`dvc repro`, cold, Iris",
        "0.9 x equal, 1.1 x plain",
        lambda: ["dvc", "repro", "--force"],
        ours,
        peers,
    )
    yield beside("`dvc repro`, nothing changed", "1.1 x", lambda: ["dvc", "repro"], ours, trivial)
    yield beside(
        "`dvc exp run -S train.model=svc`",
        "0.9 x equal",
        lambda: experiment("svc"),
        ours,
        {"equal": peers["equal"]},
    )


def experiment(model: str) -> list[str]:
    """Return an experiment that was not run before: DVC does not repeat those."""
    settings = [f"train.model={model}", f"train.seed={next(number)}"]
    return ["dvc", "exp", "run", *(word for one in settings for word in ("-S", one))]


def experiments(folder: Path, total: int = 20) -> Iterator[str]:
    ours = make_ours(folder)
    equal = make_peer("equal", folder, iris(ours))

    def one(project: Path) -> Cost:
        return measure([experiment("random_forest")], project)

    mine, other = alternate(lambda: one(ours), lambda: one(equal), runs=total)
    yield row(f"{total} experiments, one after the other", "0.9 x equal", mine, {"equal": other})
    half = total // 2
    yield row("of these, the second half", "1.0 x", mine[half:], {"the first half": mine[:half]})

    def queued(project: Path) -> Cost:
        queue = [[*experiment("random_forest"), "--queue"] for _ in range(total)]
        # A worker of its own would run on when the command has ended.
        return measure([*queue, ["dvc", "exp", "run", "--run-all"]], project)

    mine, other = alternate(lambda: queued(ours), lambda: queued(equal), runs=1)
    yield row(f"{total} experiments, by the queue", "0.9 x equal", mine, {"equal": other})


def large_test(folder: Path, rows: int = 1_000_000) -> Iterator[str]:
    """Two classes and ten features; the model is fitted to 5,000 other rows."""
    rng, total = np.random.default_rng(0), rows + 5000
    table = pd.DataFrame(rng.normal(size=(total, 10)).round(4), columns=[*"abcdefghij"])
    margin = table[["a", "b", "c"]].sum(axis=1) + rng.normal(size=total)
    part = np.where(np.arange(total) < 5000, "train", "test")
    table = table.assign(part=part, label=np.where(margin > 0, "yes", "no"))
    ours, equal = make_ours(folder), make_peer("equal", folder, iris(folder / "iris-classifier"))
    table.to_csv(ours / "data/raw/large.csv", index=False)
    change = {"raw": "data/raw/large.csv", "target": "label", "features": "all"}
    set_params(ours, {"prepare": change, "split": {"column": "part"}})
    measure([stage(ours, name) for name in ("prepare", "split", "train")], ours)
    for name in ("train", "test"):
        rows_of = table[table["part"] == name].drop(columns="part")
        rows_of.to_csv(equal / f"data/{name}.csv", index=False)
    python = sys.executable
    measure([[python, "train.py", "data/train.csv", "model.pkl", "results/cv.json"]], equal)
    command = [python, "evaluate.py", "model.pkl", "data/test.csv"]
    mine, other = alternate(
        lambda: measure([stage(ours, "evaluate")], ours),
        lambda: measure([command], equal),
        runs=1,  # the peer takes minutes
    )
    yield row(
        f"`evaluate`, {rows:,} test rows, a single run", "0.33 x equal", mine, {"equal": other}
    )
    sizes = [
        sum(path.stat().st_size for path in (project / plots).rglob("*") if path.is_file())
        for project, plots in ((ours, "results/plots"), (equal, "results"))
    ]
    yield f"| its plot files, MB | 0.05 x equal | {sizes[0] / 1e6:.2f} | | | equal: {sizes[0] / sizes[1]:.3f} x | |"


def set_params(project: Path, changes: dict[str, dict]) -> None:
    path = project / "params.yaml"
    params = yaml.safe_load(path.read_text(encoding="utf-8"))
    for section, values in changes.items():
        params[section] |= values
    path.write_text(yaml.safe_dump(params), encoding="utf-8")


def stage(project: Path, name: str) -> list[str]:
    return [sys.executable, str(project / f"src/{name}.py")]


def growth(folder: Path) -> Iterator[str]:
    """Each stage on a table of 20 columns and ten times the rows, with gradient boosting."""
    ours = make_ours(folder)
    before: dict[str, dict[str, list[Cost]]] = {}
    change = {"raw": "data/raw/large.csv", "target": "label", "features": "all"}
    set_params(ours, {"prepare": change, "train": {"model": "hist_gradient_boosting"}})
    for rows in (10_000, 100_000, 1_000_000, 10_000_000):
        write_table(ours / "data/raw/large.csv", rows)
        for name in STAGES:
            cost = [measure([stage(ours, name)], ours)]
            yield row(f"`{name}`, {rows:,} rows", "11 x", cost, before.get(name, {}))
            before[name] = {"a tenth": cost}


def imports(folder: Path) -> Iterator[str]:
    """What each stage imports: the seconds of each package's own modules, uncontended."""
    ours = make_ours(folder)
    for name in STAGES:
        command = [sys.executable, "-X", "importtime", f"src/{name}.py"]
        done = subprocess.run(command, cwd=ours, check=True, capture_output=True, text=True)
        cost: dict[str, float] = defaultdict(float)
        for own, module in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", done.stderr):
            cost[module.partition(".")[0]] += int(own) / 1e6
        first = sorted(cost, key=cost.__getitem__, reverse=True)[:8]
        most = ", ".join(f"{package} {cost[package]:.2f}" for package in first)
        yield f"| imports of `{name}` | | {sum(cost.values()):.2f} | | | {most} | |"


def beside(
    work: str,
    goal: str,
    command: Callable[[], list[str]],
    ours: Path,
    peers: dict[str, Path],
) -> str:
    """Run the same command in ours and in each peer."""
    sides = [
        lambda folder=folder: measure([command()], folder) for folder in (ours, *peers.values())
    ]
    mine, *others = alternate(*sides)
    return row(work, goal, mine, dict(zip(peers, others, strict=True)))


def row(work: str, goal: str, ours: list[Cost], peers: dict[str, list[Cost]]) -> str:
    cost = medians(ours)
    wall, cpu = (
        ", ".join(f"{name} {ratios(ours, other)[part]:.2f} x" for name, other in peers.items())
        for part in (0, 1)
    )
    return (
        f"| {work} | {goal} | {cost.wall:.1f} | {cost.cpu:.1f} | {cost.peak:.0f} | {wall} | {cpu} |"
    )


WORKS = {work.__name__: work for work in (bake, repro, experiments, large_test, growth, imports)}


def main() -> None:
    os.environ |= {"DVC_NO_ANALYTICS": "true", "DVC_TEST": "false"}
    for name in sys.argv[1:] or WORKS:
        with tempfile.TemporaryDirectory() as folder:
            lines = [
                f"{machine()}; medians of runs that alternate, {RUNS} where it is not said.",
                "",
                "| work | goal | wall, s | CPU, s | peak, MB | wall beside | CPU beside |",
                "|---|---|---:|---:|---:|---|---|",
            ]
            for line in WORKS[name](Path(folder)):
                print(line, flush=True)
                lines.append(line)
        write_section(TITLE, f"### {name}", "\n".join(lines))


if __name__ == "__main__":
    main()
