"""Compare prepare and split with the pandas idiom: python benchmarks/reader.py [ROWS] [RUNS]

The table has 20 columns: ten numbers, four integers, three categories, a time, a name, and the class.
The idiom is that of tutorials: read_csv, dropna, to_csv; read_csv, train_test_split, two to_csv. Both
run in turn, each stage in a process of its own. Then once: the bake of that table beside copying and
hashing it, and predictions for all of its rows and for a tenth. Prints the medians of wall and CPU
seconds and the largest peak of memory, and writes them into benchmarks/README.md.
"""

import shutil
import subprocess
import sys
import tempfile
from itertools import islice
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import yaml
from measuring import ROOT, machine, measure, medians, ratios, write_section

SOURCE = ROOT / "<<cookiecutter.project_slug>>/src"
CLEAN = "import pandas as pd; pd.read_csv('t.csv').dropna().to_csv('clean.csv', index=False)"
SPLIT = """
import pandas as pd
from sklearn.model_selection import train_test_split
for part, name in zip(train_test_split(pd.read_csv("clean.csv"), test_size=0.3), ("train", "test")):
    part.to_csv(f"{name}.csv", index=False)
"""
PART = 1_000_000
TRAINED = 20_000  # rows of the model that predicts all
TITLE = "## Reading a table"


def write_table(path: Path, rows: int) -> None:
    """Write random rows, a million at a time."""
    writer: Any = None
    for start in range(0, rows, PART):
        number, rng = min(PART, rows - start), np.random.default_rng(start)
        columns = {f"x{n}": np.round(rng.normal(size=number), 4) for n in range(10)}
        columns |= {f"i{n}": rng.integers(0, 100_000, number) for n in range(4)}
        columns |= {f"c{n}": rng.choice(["red", "green", "blue"], number) for n in range(3)}
        times = pd.date_range("2000-01-01", periods=number, freq="min").shift(start)
        columns["time"] = times.strftime("%Y-%m-%d %H:%M:%S").astype(str)
        names = rng.integers(0, 1_000_000, number).astype(str)
        columns |= {
            "name": np.char.add("customer ", names),
            "label": rng.choice(["a", "b"], number),
        }
        table = pa.table(columns)
        writer = writer or pa.csv.CSVWriter(path, table.schema)
        writer.write_table(table)
    writer.close()


def make_project(folder: Path, bake: Path) -> None:
    """Lay out what the stages need: the table, the code, params.yaml."""
    (folder / "data/raw").mkdir(parents=True)
    (folder / "data/raw/t.csv").symlink_to(folder.parent / "t.csv")
    shutil.copytree(SOURCE, folder / "src")
    params = yaml.safe_load((bake / "params.yaml").read_text(encoding="utf-8"))
    params["prepare"] |= {"raw": "data/raw/t.csv", "target": "label", "features": "all"}
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def make_model(folder: Path) -> Path:
    """Return a project with a model of the table's first rows."""
    with (folder / "t.csv").open() as table, (folder / "some.csv").open("w") as some:
        some.writelines(islice(table, TRAINED + 1))
    bake = [
        "cookiecutter",
        str(ROOT),
        "--no-input",
        "--output-dir",
        str(folder),
        "project_slug=some",
    ]
    bake += [f"data={folder / 'some.csv'}", "target=label"]
    subprocess.run(bake, check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["dvc", "repro", "--quiet"], cwd=folder / "some", check=True)
    return folder / "some"


def measure_once(folder: Path, rows: int) -> list[str]:
    """Return a line of a table for each of the works that are measured once."""
    bake = ["cookiecutter", str(ROOT), "--no-input", "--output-dir", str(folder)]
    bake += ["project_slug=large", f"data={folder / 't.csv'}", "target=label"]
    copy = ["sh", "-c", "cp t.csv copy.csv && md5sum copy.csv"]
    project = make_model(folder)
    with (folder / "t.csv").open() as table, (folder / "tenth.csv").open("w") as tenth:
        tenth.writelines(islice(table, rows // 10 + 1))
    predict = [sys.executable, "src/predict.py", "-o", "predicted.csv"]
    works = {
        "bake": (bake, folder),
        "cp and md5sum": (copy, folder),
        "predict.py": ([*predict, str(folder / "t.csv")], project),
        "predict.py, a tenth of the rows": ([*predict, str(folder / "tenth.csv")], project),
    }
    costs = {label: measure([command], place) for label, (command, place) in works.items()}
    return [
        f"| {label} | {' | '.join(f'{value:.1f}' for value in cost)} |"
        for label, cost in costs.items()
    ]


def main() -> None:
    rows = int(sys.argv[1]) if sys.argv[1:] else PART
    runs = int(sys.argv[2]) if sys.argv[2:] else 5
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # In a process of its own: the memory of this one would count in those that it starts.
        writer = get_context("spawn").Process(target=write_table, args=(folder / "t.csv", rows))
        writer.start()
        writer.join()
        bake = ["cookiecutter", str(ROOT), "--no-input", "--output-dir", name]
        subprocess.run(bake, check=True, stdout=subprocess.DEVNULL)
        make_project(folder / "ours", folder / "iris-classifier")
        stages = [[sys.executable, f"src/{stage}.py"] for stage in ("prepare", "split")]
        idiom = [[sys.executable, "-c", code] for code in (CLEAN, SPLIT)]
        measured = [(measure(stages, folder / "ours"), measure(idiom, folder)) for _ in range(runs)]
        once = measure_once(folder, rows)
        size = (folder / "t.csv").stat().st_size / 1e6
    sides = list(zip(*measured, strict=True))
    lines = [
        f"{rows:,} rows, {size:,.0f} MB; {machine()}; medians of {runs} runs.",
        "",
        "| | wall, s | CPU, s | peak, MB |",
        "|---|---:|---:|---:|",
    ]
    for label, costs in zip(("prepare + split", "pandas idiom"), sides, strict=True):
        lines.append(f"| {label} | {' | '.join(f'{value:.1f}' for value in medians(costs))} |")
    shares = ratios(sides[1], sides[0])
    lines.append(f"| ratio | {' | '.join(f'{value:.1f} x' for value in shares)} |")
    lines += once
    print("\n".join(lines))
    write_section(TITLE, f"### {rows:,} rows", "\n".join(lines))


if __name__ == "__main__":
    main()
