"""Stage split: prepared table -> training and test tables."""

from collections.abc import Sequence
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
# A table with more values is not held in memory: its rows stay in their order.
VALUES = 20_000_000


def split(
    key: pd.Series, role: str, test_size: float, stratify: bool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the training and of the test rows.

    `key` has a value for each row, and `role` says what it is, and so how to split:

    - `group`: each group stays in one part; `test_size` is a fraction of the groups.
    - `time`: the newest rows are the test set, and every training row is older than each of them.
      Both parts are sorted by time.
    - `target`: rows are drawn at random; `stratify` keeps the class proportions. They stay in the
      splitter's order, on which a forest's bootstrap depends.

    Raises InputError when `test_size` leaves a class or a part empty.
    """
    rows = np.arange(len(key))
    if role == "time":
        order = np.argsort(key.to_numpy(), kind="stable")
        times = key.to_numpy()[order]
        first = np.searchsorted(times, times[len(key) - max(round(len(key) * test_size), 1)])
        if not first:
            raise none_older(len(key), test_size)
        return order[:first], order[first:]
    # This import takes nearly a second; splits by time and of large tables do not need it.
    from sklearn.model_selection import GroupShuffleSplit, train_test_split

    try:
        if role == "group":
            splitter = GroupShuffleSplit(n_splits=1, test_size=test_size, random_state=seed)
            return next(splitter.split(rows, groups=key))
        # Small numbers in the order of the classes: they sort faster than the names
        classes = pd.Categorical(key).codes if stratify else None
        train, test = train_test_split(
            rows, test_size=test_size, random_state=seed, stratify=classes
        )
        return train, test
    except ValueError as error:
        problem = str(error).rstrip(".")
        if stratify and role == "target" and "classes" in problem:
            problem += "; or set split.stratify to false"
        raise InputError(f"params.yaml: split of {len(key)} rows: {problem}") from None


def check_stratify(target: pd.Series, stratify: bool) -> None:
    """Raise InputError if numbers are to be split by class."""
    if stratify and pd.api.types.is_float_dtype(target):
        raise InputError("params.yaml: split.stratify is for classes: set it to false")


def none_older(rows: int, test_size: float) -> InputError:
    return InputError(
        f"params.yaml: split of {rows} rows by time: none is older than the newest "
        f"{test_size:.0%}; lower split.test_size or name another prepare.time"
    )


def split_large(
    key: pd.Series, role: str, test_size: float, stratify: bool, seed: int
) -> np.ndarray:
    """Return whether each row of a large table is in the test set, by the rules of `split`.

    This takes a few bytes per row; scikit-learn's splitters take a hundred.

    Raises InputError when `test_size` leaves a part empty.
    """
    rng = np.random.default_rng(seed)
    test = np.zeros(len(key), dtype=bool)
    if role == "time":
        times = key.to_numpy()
        first = len(times) - max(round(len(times) * test_size), 1)
        test = times >= np.partition(times, first)[first]
        if test.all():
            raise none_older(len(key), test_size)
    elif role == "group":
        codes = pd.Categorical(key).codes
        groups = rng.permutation(codes.max() + 1)
        test = np.isin(codes, groups[: max(round(len(groups) * test_size), 1)])
    else:
        codes = pd.Categorical(key).codes if stratify else np.zeros(len(key), np.int8)
        for code in np.unique(codes):
            rows = np.flatnonzero(codes == code).astype(np.uint32)
            rng.shuffle(rows)
            test[rows[: round(len(rows) * test_size)]] = True
    if test.all() or not test.any():
        raise InputError(
            f"params.yaml: split of {len(key)} rows by {role}: one part is empty; change "
            "split.test_size"
        )
    return test


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


def read_key(path: Path, name: str, large: bool) -> pd.Series:
    """Return a column; a `large` one keeps each distinct text in memory once."""
    with pq.ParquetFile(path, read_dictionary=[name] if large else None) as file:
        return pd.Series(file.read([name]).column(name).to_pandas(), name=name)


def write_small(file: pq.ParquetFile, parts: dict[Path, np.ndarray], drop: list[str]) -> None:
    """Write the rows at some positions of a table to each path, without columns `drop`."""
    schema = stored_schema(file, drop)
    table = file.read(schema.names)
    for path, positions in parts.items():
        with open_writer(path, schema) as writer:
            writer.write_table(table.take(pa.array(positions)))


def write_large(file: pq.ParquetFile, parts: dict[Path, np.ndarray], drop: list[str]) -> None:
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
    if not 0 < params["test_size"] < 1:
        raise InputError(
            f"params.yaml: split.test_size is {params['test_size']!r}; "
            "give a fraction between 0 and 1, for example 0.3"
        )
    schema = Schema.of(PREPARED)
    with pq.ParquetFile(PREPARED) as file:
        rows, names = file.metadata.num_rows, file.schema_arrow.names
        large = rows * len(names) > VALUES
        role = schema.key[0] or "target"
        # It is the last column, after the target.
        key = read_key(PREPARED, column or names[-1], large)
        if role == "target" and not column:
            check_stratify(key, params["stratify"])
        if column or large:
            is_test = split_by(key, test) if column else split_large(key, role, **params)
            parts: Sequence[np.ndarray] = [~is_test, is_test]
            if not large:
                parts = [np.flatnonzero(part) for part in parts]
        else:
            parts = split(key, role, **params)
        save = write_large if large else write_small
        save(file, dict(zip((TRAIN, TEST), parts, strict=True)), drop=[column])
    numbers = [part.sum() if part.dtype == bool else len(part) for part in parts]
    by = f"by {column or role}" if column or role != "target" else "at random"
    print(f"{numbers[0]} training rows, {numbers[1]} test rows, {by}")


if __name__ == "__main__":
    main()
