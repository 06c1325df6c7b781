"""A table of four times the memory that the stages get: it streams."""

import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers import run

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import reader

ROWS = 30_000_000


@pytest.mark.soak
def test_a_table_four_times_larger_than_memory_is_prepared_and_split(bake, env, tmp_path):
    reader.write_table(tmp_path / "t.csv", ROWS)
    memory = (tmp_path / "t.csv").stat().st_size // 4
    reader.make_project(tmp_path / "project", bake(tmp_path).path)
    project = tmp_path / "project"

    for stage in ("prepare", "split"):
        command = ["prlimit", f"--data={memory}", sys.executable, f"src/{stage}.py"]
        run(command, project, env, timeout=1800)
    sizes = [
        pq.read_metadata(project / f"data/{part}.parquet").num_rows for part in ("train", "test")
    ]
    assert sizes == [ROWS * 7 // 10, ROWS * 3 // 10]
    train = pq.ParquetFile(project / "data/train.parquet").read_row_group(0).to_pandas()
    raw = pd.read_csv(tmp_path / "t.csv", nrows=len(train) * 2)
    assert train["name"].isin(raw["name"]).all()
