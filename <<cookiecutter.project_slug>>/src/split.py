"""Stage split: prepared table -> training and test tables."""

from pathlib import Path

import pandas as pd
from sklearn.model_selection import train_test_split

from params import InputError, load_params

PREPARED = Path("data/prepared.parquet")
TRAIN = Path("data/train.parquet")
TEST = Path("data/test.parquet")


def split(
    table: pd.DataFrame, test_size: float, stratify: bool, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and the test rows of `table`, shuffled.

    `test_size` is a fraction of the rows. The target is the last column; with `stratify`,
    both parts hold its classes in the same proportions. The rows stay in the splitter's
    order, because a forest's bootstrap samples depend on it.

    Raises InputError when `test_size` is not a fraction or leaves a class or a part empty.
    """
    if isinstance(test_size, bool) or not isinstance(test_size, float) or not 0 < test_size < 1:
        raise InputError(
            f"params.yaml: split.test_size is {test_size!r}; "
            "give a fraction between 0 and 1, for example 0.3"
        )
    target = table.columns[-1]
    try:
        train, test = train_test_split(
            table,
            test_size=test_size,
            random_state=seed,
            stratify=table[target] if stratify else None,
        )
    except ValueError as error:
        raise InputError(f"params.yaml: split of {len(table)} rows: {error}") from None
    return train, test


def main() -> None:
    train, test = split(
        pd.read_parquet(PREPARED), **load_params("split", ["test_size", "stratify", "seed"])
    )
    train.to_parquet(TRAIN, index=False)
    test.to_parquet(TEST, index=False)
    print(f"{len(train)} training rows, {len(test)} test rows")


if __name__ == "__main__":
    main()
