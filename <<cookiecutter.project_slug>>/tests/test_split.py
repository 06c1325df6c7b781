"""Stage split: which rows are the test."""

import split as stage
from prepare import prepare
from split import split_by, write
from support.params import InputError
from support.reader import Table

import pandas as pd
import pyarrow.parquet as pq
import pytest
from helpers import PREPARE


@pytest.fixture
def prepared(tmp_path, table):
    """A function that prepares two files in a folder, the second of which is the test."""

    def prepared(**changes):
        (tmp_path / "raw").mkdir(exist_ok=True)
        table[:16].to_csv(tmp_path / "raw/train.csv", index=False)
        table[16:].to_csv(tmp_path / "raw/test.csv", index=False)
        params = PREPARE | {"raw": str(tmp_path / "raw")} | changes
        path = tmp_path / "prepared.parquet"
        prepare(Table(params["raw"], params), params, path, "file")
        return path

    return prepared


def test_a_column_says_which_rows_are_the_test(prepared, table, tmp_path):
    with pq.ParquetFile(prepared(group="y")) as file:
        column = file.read(["file"]).column(0).to_pandas()
        parts = split_by(column.rename("file"), ["test.csv"])
        write(file, {tmp_path / "a": parts[0], tmp_path / "b": parts[1]}, drop=["file"])
    for name, expected in {"a": table[:16], "b": table[16:]}.items():
        part = pd.read_parquet(tmp_path / name)
        assert part.index.name == "group" and part.columns.tolist() == ["x", "label"]
        assert part["x"].tolist() == expected["x"].tolist()


def test_the_name_of_a_file_is_no_feature(prepared):
    assert pd.read_parquet(prepared()).columns.tolist() == ["x", "y", "label", "file"]


def test_values_that_leave_a_part_empty_are_named():
    column = pd.Series(["1", "0", "1"], name="part")
    assert [part.tolist() for part in split_by(column, [1])] == [[1], [0, 2]]
    for test in ([2], [0, 1], []):
        with pytest.raises(InputError, match="split.test is .*, the split.column, has '1', '0'"):
            split_by(column, test)


def test_a_table_larger_than_memory_is_split_into_the_same_rows(prepared, tmp_path, monkeypatch):
    parts = {tmp_path / "a": [3, 1, 20], tmp_path / "b": [0, 2]}
    with pq.ParquetFile(prepared()) as file:
        write(file, parts, drop=["file"])
        whole = [pd.read_parquet(path) for path in parts]
        monkeypatch.setattr(stage, "VALUES", 10)
        write(file, parts, drop=["file"])
    for path, expected in zip(parts, whole, strict=True):
        found = pd.read_parquet(path).sort_values("x", ignore_index=True)
        pd.testing.assert_frame_equal(found, expected.sort_values("x", ignore_index=True))
