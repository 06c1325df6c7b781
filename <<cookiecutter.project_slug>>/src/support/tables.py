"""Read CSV files, and tell what kind of values a column holds."""

import io
import math
import os
import warnings
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.params import InputError, nearest

import pandas as pd
from tqdm import tqdm


class FileWithProgress(io.FileIO):
    """A file that shows on a terminal how much of it was read, if that takes long."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(path)
        self.bar = tqdm(
            desc=f"reading {Path(path).name}",
            total=os.fstat(self.fileno()).st_size,
            unit="B",
            unit_scale=True,
            leave=False,
            disable=None,
            delay=0.2,
        )

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        self.bar.update(count)
        return count

    def close(self) -> None:
        # Python closes a file that could not be opened as well.
        if hasattr(self, "bar"):
            self.bar.close()
        super().close()


def read_csv(path: str | Path, params: dict[str, Any], text: Iterable[str] = ()) -> pd.DataFrame:
    """Return the table of a CSV file with a header, every cell in the type that pandas infers.

    `params` is the section `prepare` of params.yaml; a name that ends in .gz is decompressed.
    The columns in `text` are read as strings, whatever they look like.

    Raises InputError when the file is missing or cannot be read in this format.
    """
    try:
        with warnings.catch_warnings(), io.BufferedReader(FileWithProgress(path)) as file:
            # A row with more cells than the header would lose them with a warning.
            warnings.simplefilter("error", pd.errors.ParserWarning)
            return pd.read_csv(
                file,
                compression="gzip" if str(path).endswith(".gz") else None,
                sep=params["separator"],
                decimal=params["decimal"],
                encoding=params["encoding"],
                na_values=params["na_values"],
                dtype=dict.fromkeys(text, "str"),
                index_col=False,
                low_memory=False,
            )
    except FileNotFoundError:
        raise InputError(f"{path} not found: check its path, or fetch it with `dvc pull`") from None
    except pd.errors.ParserWarning:
        raise InputError(
            f"{path} cannot be read: its rows have more cells than its header"
        ) from None
    except (OSError, EOFError, zlib.error, ValueError, TypeError, LookupError) as error:
        raise InputError(
            f"{path} cannot be read: {str(error).strip()}. Check separator, decimal and encoding "
            "under `prepare` in params.yaml"
        ) from None


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


def convert(column: pd.Series, dates: str) -> tuple[str, pd.Series]:
    """Return the kind of a column, and its values as a model takes them.

    A number stays one, but infinite ones count as missing. A boolean becomes 1.0 or 0.0, a date
    in the format `dates` the days since 1970-01-01 in UTC; all else is text. One value that is
    no number makes the whole column text. A column without any value is `empty`.
    """
    if column.isna().all():
        return "empty", column.astype("float64")
    kind = pd.api.types.infer_dtype(column, skipna=True)
    if kind == "boolean":
        return "boolean", column.astype("float64")
    if kind in ("integer", "floating"):
        numbers = column.astype("float64") if column.dtype == object else column
        numbers = numbers.mask(numbers.abs() == math.inf)
        if not (numbers.dropna() % 1 == 0).all():
            return "number", numbers
        # By a pattern like %d%m%Y, 1022020 is the first of February.
        digits = pd.Timestamp(0).strftime(dates)
        if digits.isdigit() and numbers.max() < 10 ** len(digits):
            texts = numbers.astype("Int64").astype("str").str.zfill(len(digits))
            if (days := to_days(texts, dates)) is not None:
                return "date", days
        return "integer", numbers
    texts = column.astype("str")
    days = to_days(texts, dates)
    return ("text", texts) if days is None else ("date", days)


def to_days(texts: pd.Series, dates: str) -> pd.Series | None:
    """Return dates in the format `dates` as days since 1970-01-01 in UTC; None if one is no date.

    Raises InputError when there is no such format.
    """
    # The first value tells most columns of text without a look at the others.
    for some in (texts.dropna().iloc[:1], texts):
        try:
            times = pd.to_datetime(some, format=dates, utc=True, errors="coerce")
        except ValueError as error:
            raise InputError(f"params.yaml: prepare.dates: {error}") from None
        if not times.notna().equals(some.notna()):
            return None
    # To pandas, these are dates that differ with each run.
    if texts.str.strip().str.lower().isin(["now", "today"]).any():
        return None
    return (times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)


def first_text(column: pd.Series) -> str:
    """Return where the first value of `column` is that is no number, and the value."""
    bad = column[pd.to_numeric(column, errors="coerce").isna() & column.notna()]
    hint = ""
    if bad.empty:
        bad, hint = column.dropna(), " (is prepare.decimal right?)"
    # rows from 1, behind the header
    return f"row {bad.index[0] + 2}: {column.name} is {bad.iloc[0]!r}{hint}"
