"""Stage split: prepared table -> training and test tables."""

from pathlib import Path

from support.params import InputError, load_params

import pandas as pd
from sklearn.model_selection import GroupShuffleSplit, train_test_split

PREPARED = Path("data/prepared.parquet")
TRAIN = Path("data/train.parquet")
TEST = Path("data/test.parquet")

EXPECTED = {"test_size": float, "stratify": bool, "seed": int}


def split(
    table: pd.DataFrame, test_size: float, stratify: bool, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and the test rows of `table`.

    `test_size` is a fraction of the rows. The table's index decides what a part may hold:

    - `group`: all rows of a group are in one part; `test_size` is the fraction of the groups.
    - `time`: the newest rows are the test, and every training row is older than each of them.
      Both parts are in the order of time.
    - none: rows at random; with `stratify`, the target's classes (the last column) in the same
      proportions. They stay in the splitter's order, on which a forest's bootstrap depends.

    Raises InputError when `test_size` is not a fraction or leaves a class or a part empty.
    """
    if not 0 < test_size < 1:
        raise InputError(
            f"params.yaml: split.test_size is {test_size!r}; "
            "give a fraction between 0 and 1, for example 0.3"
        )
    if table.index.name == "time":
        table = table.sort_index(kind="stable")
        first = table.index[len(table) - max(round(len(table) * test_size), 1)]
        train, test = table[table.index < first], table[table.index >= first]
        if train.empty:
            raise InputError(
                f"params.yaml: split of {len(table)} rows by time: none is older than the newest "
                f"{test_size:.0%}; lower split.test_size or name another prepare.time"
            )
        return train, test
    try:
        if table.index.name == "group":
            splitter = GroupShuffleSplit(n_splits=1, test_size=test_size, random_state=seed)
            train_rows, test_rows = next(splitter.split(table, groups=table.index))
            return table.iloc[train_rows], table.iloc[test_rows]
        train, test = train_test_split(
            table,
            test_size=test_size,
            random_state=seed,
            stratify=table.iloc[:, -1] if stratify else None,
        )
    except ValueError as error:
        raise InputError(f"params.yaml: split of {len(table)} rows: {error}") from None
    return train, test


def main() -> None:
    table = pd.read_parquet(PREPARED)
    train, test = split(table, **load_params("split", EXPECTED))
    for part, path in [(train, TRAIN), (test, TEST)]:
        part.to_parquet(path, index=table.index.name is not None)
    by = f"by {table.index.name}" if table.index.name else "at random"
    print(f"{len(train)} training rows, {len(test)} test rows, {by}")


if __name__ == "__main__":
    main()
