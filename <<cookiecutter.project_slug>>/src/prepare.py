"""Stage prepare: raw CSV -> checked table of features and target."""

from pathlib import Path

import pandas as pd

from params import InputError, load_params, nearest

PREPARED = Path("data/prepared.parquet")


def read_csv(path: str | Path) -> pd.DataFrame:
    """Read a CSV file with a header. Raises InputError when it is missing or unreadable."""
    try:
        return pd.read_csv(path)
    except FileNotFoundError:
        raise InputError(f"{path} not found: check its path, or fetch it with `dvc pull`") from None
    except (OSError, UnicodeDecodeError, pd.errors.EmptyDataError, pd.errors.ParserError) as error:
        raise InputError(f"{path} cannot be read as a CSV: {str(error).strip()}") from None


def select(table: pd.DataFrame, columns: list[str], source: str | Path) -> pd.DataFrame:
    """Return the named columns of `table`, in this order.

    Raises InputError that names the missing columns and what is nearest to the first of them.
    """
    missing = [column for column in columns if column not in table.columns]
    if missing:
        others = [column for column in table.columns if column not in columns]
        names = ", ".join(map(repr, missing))
        raise InputError(f"{source} has no column {names}{nearest(missing[0], others)}")
    return table[columns]


def check_numeric(features: pd.DataFrame, source: str | Path) -> None:
    """Raise InputError for the first column that is not entirely made of finite numbers."""
    for name, column in features.items():
        numbers = pd.to_numeric(column, errors="coerce")
        bad = column[~numbers.abs().lt(float("inf"))]
        if len(bad):
            row, value = bad.index[0] + 2, bad.iloc[0]  # + 2: from 1, behind the header
            problem = "is empty" if pd.isna(value) else f"is {str(value)!r}, not a finite number"
            raise InputError(f"{source}, row {row}: {name} {problem}")


def prepare(
    table: pd.DataFrame, features: list[str], target: str, source: str | Path
) -> pd.DataFrame:
    """Return the features and, as the last column, the target; every row complete.

    Rows keep their order. `source` is the file's name, for messages.

    Raises InputError for an unknown column, a value that is not a number, a missing target,
    or a target with fewer than two classes.
    """
    if not isinstance(features, list) or not features or len(set(features)) < len(features):
        raise InputError("params.yaml: prepare.features must be a list of different columns")
    if target in features:
        raise InputError(f"params.yaml: prepare.features contains the target, {target!r}")
    prepared = select(table, [*features, target], source)
    check_numeric(prepared[features], source)
    if prepared[target].isna().any():
        row = prepared.index[prepared[target].isna()][0] + 2
        raise InputError(f"{source}, row {row}: {target}, the target, is empty")
    if prepared[target].nunique() < 2:
        raise InputError(f"{source}: {target}, the target, needs at least two classes")
    return prepared


def main() -> None:
    params = load_params("prepare", ["raw", "features", "target"])
    raw, features, target = params["raw"], params["features"], params["target"]
    table = prepare(read_csv(raw), features, target, raw)
    PREPARED.parent.mkdir(exist_ok=True)
    table.to_parquet(PREPARED, index=False)
    print(
        f"{raw}: {len(table)} rows, {len(features)} features, "
        f"{table[target].nunique()} classes of {target}"
    )


if __name__ == "__main__":
    main()
