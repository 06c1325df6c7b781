"""Stage split: prepared table -> training and test tables."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from support.params import InputError, load_params
from support.schema import Schema, open_writer

PREPARED = Path("data/prepared.parquet")
TRAIN = Path("data/train.parquet")
TEST = Path("data/test.parquet")

EXPECTED = {"test_size": float, "stratify": bool, "seed": int}
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
        # Numbers in the order of the classes, which are faster to sort than their names
        classes = pd.factorize(key, sort=True)[0] if stratify else None
        train, test = train_test_split(
            rows, test_size=test_size, random_state=seed, stratify=classes
        )
        return train, test
    except ValueError as error:
        raise InputError(f"params.yaml: split of {len(key)} rows: {error}") from None


def write(file: pq.ParquetFile, parts: dict[Path, np.ndarray]) -> None:
    """Write some rows of a table, given by their positions, to each path."""
    schema, rows = file.schema_arrow, file.metadata.num_rows
    if rows * len(schema) <= VALUES:
        table = file.read()
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
        start = 0
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            for writer, chosen in writers:
                writer.write_table(table.filter(pa.array(chosen[start : start + len(table)])))
            start += len(table)


def main() -> None:
    params = load_params("split", EXPECTED)
    with pq.ParquetFile(PREPARED) as file:
        schema = Schema.of(PREPARED)
        role = next((one for one in ("group", "time") if schema.names(one)), "target")
        # It is the last column, behind the target.
        key = file.read([file.schema_arrow.names[-1]]).column(0).to_pandas()
        train, test = split(key, role, **params)
        write(file, {TRAIN: train, TEST: test})
    by = "at random" if role == "target" else f"by {role}"
    print(f"{len(train)} training rows, {len(test)} test rows, {by}")


if __name__ == "__main__":
    main()
