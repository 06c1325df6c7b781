"""Stage split: which rows are the test."""

from prepare import prepare
from split import (
    check_stratify,
    read_key,
    split,
    split_by,
    split_large,
    write_large,
    write_small,
)
from support.params import InputError
from support.reader import Table
from support.schema import Schema

import numpy as np
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
    path = prepared(group="y")
    with pq.ParquetFile(path) as file:
        is_test = split_by(read_key(path, "file", large=False), ["test.csv"])
        same = split_by(read_key(path, "file", large=True), ["test.csv"])
        assert is_test.tolist() == same.tolist()
        parts = [np.flatnonzero(~is_test), np.flatnonzero(is_test)]
        write_small(
            file, dict(zip([tmp_path / "a", tmp_path / "b"], parts, strict=True)), drop=["file"]
        )
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


def test_a_table_larger_than_memory_is_written_as_another(prepared, tmp_path):
    rows = np.array([0, 2, 3, 20])
    with pq.ParquetFile(prepared()) as file:
        chosen = np.isin(np.arange(file.metadata.num_rows), rows)
        write_small(file, {tmp_path / "a": rows}, drop=["file"])
        write_large(file, {tmp_path / "b": chosen, tmp_path / "c": ~chosen}, drop=["file"])
    whole, part, rest = (pd.read_parquet(tmp_path / name) for name in "abc")
    pd.testing.assert_frame_equal(whole, part)
    assert len(rest) == 20 and not rest["x"].isin(part["x"]).any()
    assert Schema.of(tmp_path / "c") == Schema.of(tmp_path / "prepared.parquet")


def test_a_table_larger_than_memory_is_split_by_the_same_rules():
    settings = {"test_size": 0.3, "stratify": True, "seed": 0}
    rng = np.random.default_rng(0)
    label = pd.Series(rng.choice(list("abc"), 1000, p=[0.7, 0.2, 0.1]))
    group = pd.Series(rng.integers(0, 50, 1000))
    _, by_sklearn = split(label, "target", **settings)
    test = split_large(label, "target", **settings)
    assert split_large(label, "target", **settings).tolist() == test.tolist()
    assert split_large(label, "target", **settings | {"seed": 1}).tolist() != test.tolist()
    counts = label[test].value_counts() - label[by_sklearn].value_counts()
    assert counts.abs().max() <= 1
    assert split_large(label, "target", **settings | {"stratify": False}).sum() == len(by_sklearn)

    test = split_large(group, "group", **settings)
    assert group[test].nunique() == 15 and not set(group[test]) & set(group[~test])
    _, by_time = split(group, "time", **settings)
    assert np.flatnonzero(split_large(group, "time", **settings)).tolist() == sorted(by_time)
    with pytest.raises(InputError, match="none is older"):
        split_large(group * 0, "time", **settings)
    with pytest.raises(InputError, match="by group: one part is empty"):
        split_large(group * 0, "group", **settings)


def test_a_number_is_no_class():
    check_stratify(pd.Series(["a", "b"]), stratify=True)
    check_stratify(pd.Series([0.5, 1.5]), stratify=False)
    with pytest.raises(InputError, match="split.stratify is for classes: set it to false"):
        check_stratify(pd.Series([0.5, 1.5]), stratify=True)
