"""Apply src/features.py to a table, and check what it returns."""

import re
from collections.abc import Callable

from support.params import InputError, first_line, nearest

import numpy as np
import pandas as pd

# So many rows show whether a value depends on other rows.
CHECKED = 1000
# What pandas finds in a column of Python objects, and the type to give it
OBJECTS = {
    "boolean": "float64",
    "date": "datetime64[us]",
    "datetime": "datetime64[us]",
    "datetime64": "datetime64[us]",
    "decimal": "float64",
    "empty": "str",
    "floating": "float64",
    "integer": "float64",
    "mixed-integer-float": "float64",
    "string": "str",
}

Function = Callable[[pd.DataFrame], pd.DataFrame]


class FeaturesError(InputError):
    """A mistake in src/features.py."""

    def __init__(self, message: str) -> None:
        super().__init__(f"src/features.py: {message}")


def derive(table: pd.DataFrame, add_features: Function, check: bool = False) -> pd.DataFrame:
    """Return what the user's function makes of a table: numbers, times and text, in its rows.

    With `check`, also find out whether values depend on other rows than their own.

    Raises InputError for a mistake in the function.
    """
    derived = apply(table, add_features)
    if check and len(table) > 1:
        # Neither the first rows nor the last ones, for the sake of sums and differences
        start = len(table) // 3
        part = slice(start, start + min(len(table) // 2, CHECKED))
        check_parts(apply(table[part], add_features), derived[part])
    return derived


def apply(table: pd.DataFrame, add_features: Function) -> pd.DataFrame:
    try:
        # What is infinite is told as too large.
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            derived = add_features(table.copy(deep=False))
    except KeyError as error:
        hint = nearest(error.args[0], list(table.columns))
        raise FeaturesError(f"add_features needs a column {error}{hint}") from None
    except Exception as error:  # noqa: BLE001, each mistake raises its own
        message = f"add_features: {type(error).__name__}: {first_line(error)}"
        raise FeaturesError(message) from None
    if problem := shape_problem(table, derived):
        raise FeaturesError(f"add_features {problem}")
    if not derived.index.equals(table.index):
        derived = derived.loc[table.index]  # the rows were sorted
    columns = {
        name: column if name in table and column.dtype == table[name].dtype else typed(column)
        for name, column in derived.items()
    }
    return pd.DataFrame(columns, index=table.index, copy=False)


def shape_problem(table: pd.DataFrame, derived: object) -> str:
    """Return what is wrong with the rows and the names of a derived table; "" if nothing is."""
    if not isinstance(derived, pd.DataFrame):
        what = "nothing" if derived is None else f"a {type(derived).__name__}"
        return f"returns {what}: end it with `return table`"
    if len(derived) != len(table):
        return f"returns {len(derived)} rows for {len(table)}: each row must stay"
    for name in table:
        if name not in derived:
            return f"takes away {name!r}: to leave it out, name it in prepare.drop"
    for name, again in zip(derived.columns, derived.columns.duplicated(), strict=True):
        if not isinstance(name, str):
            return f"names a column {name!r}: make it a text"
        if again:
            return f"returns two columns {name!r}"
    if not derived.index.sort_values().equals(table.index):
        return (
            "must keep the index of its table; after a merge that keeps the order of rows, "
            ".set_index(table.index) restores it"
        )
    return ""


def typed(column: pd.Series) -> pd.Series:
    """Return a derived column as `float64`, `datetime64[us]` or `str`; durations are seconds.

    >>> typed(pd.Series([True, None])).tolist(), typed(pd.Series([pd.Timedelta("1h")])).tolist()
    ([1.0, nan], [3600.0])

    Raises InputError for values that are none of these.
    """
    if isinstance(column.dtype, pd.IntervalDtype):
        column = column.astype("category")
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        if isinstance(dtype.categories.dtype, pd.IntervalDtype):
            # pandas spells numbers with or without .0, depending on the rows that are there.
            column = column.cat.rename_categories(lambda one: re.sub(r"[.]0\b", "", str(one)))
        numeric = pd.api.types.is_numeric_dtype(dtype.categories.dtype)
        return column.astype("float64" if numeric else "str")
    if isinstance(dtype, pd.PeriodDtype):
        column = column.dt.to_timestamp()
    elif isinstance(dtype, pd.DatetimeTZDtype):
        column = column.dt.tz_convert(None)
    found = pd.api.types.infer_dtype(column, skipna=True)
    if found.startswith("timedelta"):
        return column.astype("timedelta64[us]").dt.total_seconds()
    try:
        return column.astype(OBJECTS[found])
    except (KeyError, TypeError, ValueError, OverflowError):
        types = sorted({type(value).__name__ for value in column.dropna()})
        raise FeaturesError(
            f"{column.name} has values of type {' and '.join(types)}: make them numbers, times or "
            "text"
        ) from None


def check_parts(part: pd.DataFrame, whole: pd.DataFrame) -> None:
    """Raise InputError when rows have other values in a part of a table than in the whole."""
    for name in [*whole, *part]:
        if name in part and name in whole:
            some, same = part[name], whole[name]
            if some.isna().all():
                alike = same.isna().all()  # whatever the type of no values
            elif some.dtype == same.dtype == "float64":
                alike = np.allclose(some, same, rtol=1e-9, atol=0, equal_nan=True)
            else:
                alike = some.equals(same)
            if alike:
                continue
        raise FeaturesError(
            f"the values of {name} change when only some of the rows are there: each value must "
            "depend on its own row alone"
        )
