"""Stage split: prepared table -> training and test tables."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from support.params import InputError, load_params
from support.reader import ahead
from support.schema import KEY, Schema, open_writer

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

PREPARED = Path("data/prepared.parquet")
TRAIN = Path("data/train.parquet")
TEST = Path("data/test.parquet")

EXPECTED = {"test_size": float, "stratify": bool, "seed": int, "column": str, "test": list}


def split(key: pd.Series, role: str, test_size: float, stratify: bool, seed: int) -> np.ndarray:
    """Return whether each row is in the test set. This takes a few bytes per row.

    `key` has a value for each row, and `role` says what it is, and so how to split:

    - `group`: each group stays in one part; `test_size` is a fraction of the groups.
    - `time`: the newest rows are the test set, and every training row is older than each of them.
    - `target`: rows are drawn at random; `stratify` keeps the class proportions.

    Raises InputError when `test_size` is no fraction or leaves a part empty, or numbers would be
    classes.
    """
    if not 0 < test_size < 1:
        raise InputError(
            f"params.yaml: split.test_size is {test_size!r}; give a fraction between 0 and 1, for "
            "example 0.3"
        )
    # The numbers of this generator never change between versions of NumPy.
    rng = np.random.RandomState(seed)
    if role == "time":
        times = key.to_numpy()
        first = len(times) - max(round(len(times) * test_size), 1)
        test = times >= np.partition(times, first)[first]
        if test.all():
            raise InputError(
                f"params.yaml: split of {len(key)} rows by time: none is older than the newest "
                f"{test_size:.0%}; lower split.test_size or name another prepare.time"
            )
        return test
    if role == "group":
        codes = pd.Categorical(key).codes
        groups = rng.permutation(codes.max() + 1)
        test = np.isin(codes, groups[: max(round(len(groups) * test_size), 1)])
    elif stratify and pd.api.types.is_float_dtype(key):
        raise InputError("params.yaml: split.stratify is for classes: set it to false")
    else:
        test = np.zeros(len(key), dtype=bool)
        test[draw(key if stratify else np.zeros(len(key)), test_size, rng)] = True
    if test.all() or not test.any():
        raise InputError(
            f"params.yaml: split of {len(key)} rows by {role}: one part is empty; change "
            "split.test_size"
        )
    return test


def draw(labels: pd.Series | np.ndarray, fraction: float, rng: np.random.RandomState) -> np.ndarray:
    """Return the positions of a fraction of all rows, and of those of each label.

    A row of each label is left out.
    """
    codes = pd.Categorical(labels).codes
    rows = np.arange(len(codes), dtype=np.uint32)
    rng.shuffle(rows)
    rows = rows[np.argsort(codes[rows], kind="stable")]
    firsts = np.flatnonzero(np.diff(codes[rows], prepend=-1))
    rows = np.delete(rows, firsts)
    # At equal distances in the order of the labels
    number = min(round(len(codes) * fraction), len(rows))
    return rows[((np.arange(number) + 0.5) * len(rows) / max(number, 1)).astype(np.int64)]


def split_by(column: pd.Series, test: list[Any]) -> np.ndarray:
    """Return whether each row is in the test set: its `column` has one of the values `test`.

    Raises InputError when all rows are, or none.
    """
    named = column.isin([str(value) for value in test]).to_numpy()
    if named.all() or not named.any():
        values = ", ".join(map(repr, column.unique()[:10].tolist()))
        raise InputError(
            f"params.yaml: split.test is {test}, but {column.name}, the split.column, has "
            f"{values}: name some of these"
        )
    return named


def read_key(path: Path, name: str) -> pd.Series:
    """Return a column of a table, with each distinct text in memory once."""
    with pq.ParquetFile(path, read_dictionary=[name]) as file:
        return pd.Series(file.read([name]).column(name).to_pandas(), name=name)


def write(file: pq.ParquetFile, parts: dict[Path, np.ndarray], drop: list[str]) -> None:
    """Write the rows whose mask is true to each path, in batches, without columns `drop`."""
    schema = stored_schema(file, drop)
    with ExitStack() as stack:
        writers = [stack.enter_context(open_writer(path, schema)) for path in parts]
        pool = stack.enter_context(ThreadPoolExecutor())
        groups = (file.read_row_group(n, schema.names) for n in range(file.num_row_groups))
        start = 0
        for table in ahead(groups):
            end = start + len(table)

            def write_part(writer, chosen, table=table, some=slice(start, end)) -> None:
                writer.write_table(table.filter(pa.array(chosen[some])))

            # Both parts at once
            list(pool.map(write_part, writers, parts.values()))
            start = end


def stored_schema(file: pq.ParquetFile, drop: list[str]) -> pa.Schema:
    """Return the columns to write, with the metadata of stage prepare."""
    schema = file.schema_arrow
    for name in set(schema.names) & set(drop):
        schema = schema.remove(schema.get_field_index(name))
    return schema.with_metadata(schema.metadata | {KEY: file.metadata.metadata[KEY]})


def main() -> None:
    params = load_params("split", EXPECTED)
    column, test = params.pop("column"), params.pop("test")
    schema = Schema.of(PREPARED)
    role = schema.key[0] or "target"
    # The target is the last column, and after it comes the group or time.
    key = read_key(PREPARED, column or pq.read_schema(PREPARED).names[-1])
    is_test = split_by(key, test) if column else split(key, role, **params)
    with pq.ParquetFile(PREPARED) as file:
        write(file, {TRAIN: ~is_test, TEST: is_test}, drop=[column])
    by = f"by {column or role}" if column or role != "target" else "at random"
    print(f"{(~is_test).sum()} training rows, {is_test.sum()} test rows, {by}")


if __name__ == "__main__":
    main()
