"""What src/features.py may return, and what it is told."""

import re
from datetime import date

from support.derived import derive, typed
from support.params import InputError

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def table():
    """Nine rows, whose numbers start at 2 as those of a file do."""
    return pd.DataFrame(
        {
            "x": [4.0, 1.0, 6.0, 7.0, 2.0, 9.0, 3.0, 8.0, np.nan],
            "size": pd.Series([*"SMLSMLSM", None], dtype="str", index=range(2, 11)),
            "day": pd.date_range("2024-01-29", periods=9).astype("datetime64[us]"),
        },
        index=pd.RangeIndex(2, 11),
    )


@pytest.mark.parametrize(
    ("values", "expected", "dtype"),
    [
        ([True, None, False], [1.0, np.nan, 0.0], "float64"),
        (pd.array([1, None, 3], "Int64"), [1.0, np.nan, 3.0], "float64"),
        (pd.Categorical([2, 1, None]), [2.0, 1.0, np.nan], "float64"),
        (pd.Categorical(["u", None, "v"]), ["u", np.nan, "v"], "str"),
        (pd.cut([1, np.nan, 4], [0.0, 3.05, 6.0]), ["(0, 3.05]", np.nan, "(3.05, 6]"], "str"),
        (pd.to_timedelta(["90s", None, "1D"]), [90.0, np.nan, 86400.0], "float64"),
        ([date(2024, 2, 29), None], [pd.Timestamp(2024, 2, 29), pd.NaT], "datetime64[us]"),
        (pd.PeriodIndex(["2024-02"], freq="M"), [pd.Timestamp(2024, 2, 1)], "datetime64[us]"),
        (
            pd.to_datetime(["2024-07-01 12:00"]).tz_localize("Europe/Athens"),
            [pd.Timestamp(2024, 7, 1, 9)],
            "datetime64[us]",
        ),
    ],
)
def test_what_pandas_makes_of_columns_becomes_numbers_times_or_text(values, expected, dtype):
    column = typed(pd.Series(values))
    assert column.dtype == dtype
    pd.testing.assert_series_equal(column, pd.Series(expected, dtype=dtype))


def test_rows_that_change_places_are_put_back(table):
    derived = derive(table, lambda rows: rows.assign(z=rows["x"] * 2).sort_values("x"))
    pd.testing.assert_series_equal(derived["z"], table["x"] * 2, check_names=False)
    assert derived.index.equals(table.index)


def test_the_table_itself_is_not_changed(table):
    def overwrite(rows):
        rows["x"] = rows["x"] / 2
        return rows

    before = table.copy()
    assert derive(table, overwrite)["x"].equals(before["x"] / 2)
    pd.testing.assert_frame_equal(table, before)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda rows: rows.assign(z=rows["X"]), "needs a column 'X'; did you mean 'x'"),
        (lambda rows: rows[:3], "returns 3 rows for 9: each row must stay"),
        (lambda rows: rows.drop(columns="x"), "takes away 'x': .* name it in prepare.drop"),
        (lambda rows: pd.get_dummies(rows, columns=["size"]), "takes away 'size'"),
        (lambda rows: rows["x"] / "a", "add_features: .*Error: "),
        (lambda rows: None, "returns nothing: end it with `return table`"),
        (lambda rows: rows["x"], "returns a Series: end it with"),
        (lambda rows: rows.reset_index(drop=True), "must keep the index of its table"),
        (
            lambda rows: rows.assign(z=1).rename(columns={"z": 1}),
            "names a column 1: make it a text",
        ),
        (lambda rows: pd.concat([rows, rows[["x"]]], axis=1), "returns two columns 'x'"),
        (lambda rows: rows.assign(z=rows["size"].str.split("")), "z has values of type list"),
        (lambda rows: rows.assign(z=rows["day"].dt.time), "z has values of type time"),
        (lambda rows: rows.assign(z=[1, "a", None] * (len(rows) // 3)), "type int and str"),
    ],
)
def test_a_mistake_is_named(table, function, message):
    with pytest.raises(InputError, match=f"src/features.py: .*{message}"):
        derive(table, function)


@pytest.mark.parametrize(
    "value",
    [
        lambda rows: rows["x"] - rows["x"].mean(),
        lambda rows: rows["x"].shift(),
        lambda rows: rows["x"].shift(-1),
        lambda rows: rows["x"].cumsum(),
        lambda rows: rows["x"].rank(),
        lambda rows: rows.groupby("size")["x"].transform("max"),
        lambda rows: pd.qcut(rows["x"], 3),
        lambda rows: np.random.default_rng().normal(size=len(rows)),
        lambda rows: np.arange(len(rows)),
    ],
)
def test_a_value_that_depends_on_other_rows_is_told(table, value):
    message = "src/features.py: the values of z change when only some of the rows are there"
    with pytest.raises(InputError, match=re.escape(message)):
        derive(table, lambda rows: rows.assign(z=value(rows)), check=True)


def test_dummies_of_the_rows_that_are_there_are_told(table):
    with pytest.raises(InputError, match="change when only some of the rows"):
        derive(table, lambda rows: rows.join(pd.get_dummies(rows["day"].dt.month_name())), True)


@pytest.mark.parametrize(
    "value",
    [
        lambda rows: np.log(rows["x"]),
        lambda rows: rows["day"].where(rows["x"] > 8.5).dt.date,  # one row has a value
        lambda rows: rows["size"].str.lower(),
        lambda rows: pd.cut(rows["x"], [0, 3, 6, 9]),
        lambda rows: rows["day"] - pd.Timestamp(2024, 1, 1),
    ],
)
def test_a_value_of_its_own_row_passes(table, value):
    assert "z" in derive(table, lambda rows: rows.assign(z=value(rows)), check=True)
