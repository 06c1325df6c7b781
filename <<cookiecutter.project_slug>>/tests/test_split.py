"""Stage split: which rows are the test."""

from prepare import prepare
from split import read_key, split, split_by, write
from support.params import InputError
from support.reader import Table
from support.schema import KEY

import numpy as np
import pandas as pd
import pyarrow as pa
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
    path = prepared(group="y")
    is_test = split_by(read_key(path, "file"), ["test.csv"])
    with pq.ParquetFile(path) as file:
        write(file, {tmp_path / "a": ~is_test, tmp_path / "b": is_test}, drop=["file"])
    for name, expected in {"a": table[:16], "b": table[16:]}.items():
        part = pd.read_parquet(tmp_path / name)
        assert part.index.name == "group" and part.columns.tolist() == ["x", "label"]
        assert part["x"].tolist() == expected["x"].tolist()


def test_the_name_of_a_file_is_no_feature(prepared):
    assert pd.read_parquet(prepared()).columns.tolist() == ["x", "y", "label", "file"]


def test_values_that_leave_a_part_empty_are_named():
    column = pd.Series(["1", "0", "1"], name="part")
    assert split_by(column, [1]).tolist() == [True, False, True]
    for test in ([2], [0, 1], []):
        with pytest.raises(InputError, match="split.test is .*, the split.column, has '1', '0'"):
            split_by(column, test)


def test_each_row_is_written_to_its_part_in_order(tmp_path):
    table = pd.DataFrame({"x": range(100), "file": "a.csv"})
    with pq.ParquetWriter(tmp_path / "all", pa.Schema.from_pandas(table)) as writer:
        for start in range(0, 100, 30):  # parts of a row group each
            writer.write_table(pa.Table.from_pandas(table[start : start + 30]))
        writer.add_key_value_metadata({KEY: b"{}"})
    chosen = np.isin(np.arange(100), [0, 29, 30, 31, 99])
    with pq.ParquetFile(tmp_path / "all") as file:
        write(file, {tmp_path / "a": chosen, tmp_path / "b": ~chosen}, drop=["file"])
    for name, rows in (("a", chosen), ("b", ~chosen)):
        part = pd.read_parquet(tmp_path / name)
        assert (
            part.columns.tolist() == ["x"] and part["x"].tolist() == np.flatnonzero(rows).tolist()
        )
        assert pq.read_metadata(tmp_path / name).metadata[KEY] == b"{}"


@pytest.mark.parametrize(
    ("counts", "size"),
    [
        ({"a": 50, "b": 50, "c": 50}, 0.3),
        ({"a": 700, "b": 203, "c": 97}, 0.25),
        ({"a": 2, "b": 2, "c": 2, "d": 3}, 0.5),
        ({"a": 997, "b": 2, "c": 2}, 0.9),
        ({name: 4 for name in "abcdefghij"}, 0.3),
    ],
)
def test_each_class_is_in_the_parts_as_in_the_table(counts, size):
    names = pd.Series([name for name, number in counts.items() for _ in range(number)])
    key = names.sample(frac=1, random_state=1, ignore_index=True)
    settings = {"test_size": size, "stratify": True, "seed": 0}
    test = split(key, "target", **settings)
    assert test.sum() == min(round(len(key) * size), len(key) - len(counts))
    for name, number in counts.items():
        # A row of each class is for training in any case.
        share = test.sum() / (len(key) - len(counts))
        assert abs((key[test] == name).sum() - share * (number - 1)) <= 1
        assert (key[~test] == name).any()
    assert split(key, "target", **settings).tolist() == test.tolist()
    others = [split(key, "target", **settings | {"seed": seed}).tolist() for seed in range(1, 5)]
    assert any(other != test.tolist() for other in others)
    # Numbers in the place of names, and texts that are stored once, are split alike.
    for other in (key.map(ord), key.astype("category")):
        assert split(other, "target", **settings).tolist() == test.tolist()


def test_rows_are_drawn_from_everywhere():
    key = pd.Series(np.arange(10_000.0))
    test = split(key, "target", test_size=0.3, stratify=False, seed=0)
    assert test.sum() == 3000
    # 500 binomial draws of 20: their variance is 20 x 0.3 x 0.7, less than a percent corrected.
    spread = test.reshape(-1, 20).sum(axis=1).var() / (20 * 0.3 * 0.7)
    assert 0.8 < spread < 1.2


def test_a_group_is_in_one_part():
    rng = np.random.default_rng(0)
    settings = {"test_size": 0.3, "stratify": True, "seed": 0}
    group = pd.Series(rng.integers(0, 50, 1000))
    test = split(group, "group", **settings)
    assert group[test].nunique() == 15 and not set(group[test]) & set(group[~test])
    with pytest.raises(InputError, match="by group: one part is empty"):
        split(group * 0, "group", **settings)
    with pytest.raises(InputError, match="none is older"):
        split(group * 0, "time", **settings)


def test_a_number_is_no_class():
    for rows in (24, 100_000):
        with pytest.raises(InputError, match="split.stratify is for classes: set it to false"):
            split(pd.Series(np.arange(rows) / 7), "target", 0.3, True, 0)
