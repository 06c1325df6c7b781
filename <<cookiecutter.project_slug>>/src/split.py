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
from sklearn.model_selection import GroupShuffleSplit, train_test_split

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

    `key` has a value for each row, and `role` says what it is and so what a part may hold:

    - `group`: all rows of a group are in one part; `test_size` is the fraction of the groups.
    - `time`: the newest rows are the test, and every training row is older than each of them.
      Both parts are in the order of time.
    - `target`: rows at random; with `stratify`, the classes in the same proportions. They are in
      the splitter's order, on which a forest's bootstrap depends.

    Raises InputError when `test_size` is not a fraction or leaves a class or a part empty.
    """
    if not 0 < test_size < 1:
        raise InputError(
            f"params.yaml: split.test_size is {test_size!r}; "
            "give a fraction between 0 and 1, for example 0.3"
        )
    rows = np.arange(len(key))
    if role == "time":
        order = np.argsort(key.to_numpy(), kind="stable")
        times = key.to_numpy()[order]
        first = np.searchsorted(times, times[len(key) - max(round(len(key) * test_size), 1)])
        if not first:
            raise InputError(
                f"params.yaml: split of {len(key)} rows by time: none is older than the newest "
                f"{test_size:.0%}; lower split.test_size or name another prepare.time"
            )
        return order[:first], order[first:]
    try:
        if role == "group":
            splitter = GroupShuffleSplit(n_splits=1, test_size=test_size, random_state=seed)
            return next(splitter.split(rows, groups=key))
        # Small numbers in the order of the classes, which are faster to sort than their names
        classes = pd.Categorical(key).codes if stratify else None
        train, test = train_test_split(
            rows, test_size=test_size, random_state=seed, stratify=classes
        )
        return train, test
    except ValueError as error:
        raise InputError(f"params.yaml: split of {len(key)} rows: {error}") from None


def split_by(column: pd.Series, test: list[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the rows whose `column` has none of the values `test`, and the rest.

    Raises InputError when there are none of the one or the other.
    """
    named = column.isin([str(value) for value in test]).to_numpy()
    if named.all() or not named.any():
        values = ", ".join(map(repr, column.unique()[:10].tolist()))
        raise InputError(
            f"params.yaml: split.test is {test}, but {column.name}, the split.column, has "
            f"{values}: name some of these"
        )
    return np.flatnonzero(~named), np.flatnonzero(named)


def write(file: pq.ParquetFile, parts: dict[Path, np.ndarray], drop: list[str]) -> None:
    """Write some rows of a table, given by their positions, to each path, without columns `drop`."""
    schema, rows = file.schema_arrow, file.metadata.num_rows
    stored = {KEY: file.metadata.metadata[KEY]}
    schema = schema.with_metadata(schema.metadata | stored)
    if unneeded := set(schema.names) & set(drop):
        schema = schema.remove(schema.get_field_index(unneeded.pop()))
    if rows * len(schema) <= VALUES:
        table = file.read(schema.names)
        for path, positions in parts.items():
            with open_writer(path, schema) as writer:
                writer.write_table(table.take(pa.array(positions)))
        return
    with ExitStack() as stack:
        writers = []
        for path, positions in parts.items():
            chosen = np.zeros(rows, dtype=bool)
            chosen[positions] = True
            writers.append((stack.enter_context(open_writer(path, schema)), chosen))
        pool = stack.enter_context(ThreadPoolExecutor())
        start = 0
        groups = (file.read_row_group(n, schema.names) for n in range(file.num_row_groups))
        for table in ahead(groups):
            end = start + len(table)

            def write_part(writer, chosen, table=table, some=slice(start, end)) -> None:
                writer.write_table(table.filter(pa.array(chosen[some])))

            # Both parts at once
            list(pool.map(write_part, *zip(*writers, strict=True)))
            start = end


def main() -> None:
    params = load_params("split", EXPECTED)
    column, test = params.pop("column"), params.pop("test")
    schema = Schema.of(PREPARED)
    with pq.ParquetFile(PREPARED) as file:

        def read(name: str) -> pd.Series:
            return pd.Series(file.read([name]).column(name).to_pandas(), name=name)

        if column:
            parts, by = split_by(read(column), test), f"by {column}"
        else:
            role = next((one for one in ("group", "time") if schema.names(one)), "target")
            # It is the last column, behind the target.
            parts = split(read(file.schema_arrow.names[-1]), role, **params)
            by = "at random" if role == "target" else f"by {role}"
        write(file, dict(zip((TRAIN, TEST), parts, strict=True)), drop=[column])
    print(f"{len(parts[0])} training rows, {len(parts[1])} test rows, {by}")


if __name__ == "__main__":
    main()
