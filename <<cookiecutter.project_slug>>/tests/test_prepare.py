"""The raw table, and new rows: what is read, kept and said."""

from pathlib import Path
from typing import Any

from predict import predict
from prepare import prepare, summarise
from support.params import InputError
from support.tables import convert, read_csv

import pandas as pd
import pytest
from helpers import PREPARE


def read(tmp_path: Path, content: str | bytes, **changes: Any) -> pd.DataFrame:
    path = tmp_path / "t.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_csv(path, PREPARE | changes)


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        ('x,"the ""name"""\n1.5,"a\nb"\n', {}),
        ('x;"the ""name"""\n1,5;"a\nb"\n', {"separator": ";", "decimal": ","}),
        ('x\t"the ""name"""\n1.5\t"a\nb"\n', {"separator": "\t"}),
        (b'\xef\xbb\xbfx,"the ""name"""\r\n1.5,"a\nb"\r\n', {}),
    ],
)
def test_a_table_is_read_as_it_is_written(tmp_path, content, changes):
    table = read(tmp_path, content, **changes)
    pd.testing.assert_frame_equal(table, pd.DataFrame({"x": [1.5], 'the "name"': ["a\nb"]}))


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        ("", {}, "t.csv cannot be read: No columns"),
        ("a,b\n1,2,3\n", {}, "more cells than its header"),
        ("a,b\n1,2\n1,2,3\n", {}, "Expected 2 fields in line 3, saw 3"),
        (b"a,b\n\xe9,2\n", {}, "t.csv cannot be read: 'utf-8' codec"),
        ("a,b\n1,2\n", {"encoding": "utf-9"}, "unknown encoding: utf-9. Check separator, decimal"),
        ("a,b\n1,2\n", {"separator": ""}, "t.csv cannot be read"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(tmp_path, content, changes, message):
    with pytest.raises(InputError, match=message):
        read(tmp_path, content, **changes)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([1, 2], "integer", [1, 2]),
        ([1.0, None], "integer", [1, None]),
        ([1.5, float("inf")], "number", [1.5, None]),
        ([True, False], "boolean", [1, 0]),
        ([True, None], "boolean", [1, None]),
        (["1970-01-02", "1970/01/03 12:00"], "date", [1, 2.5]),
        (["1970-01-02T01:00+01:00", None], "date", [1, None]),
        (["1970-01-02", "x"], "text", ["1970-01-02", "x"]),
        (["a", None], "text", ["a", None]),
        ([None, None], "empty", [None, None]),
    ],
)
def test_a_column_is_converted_to_numbers_or_text(values, kind, expected):
    found, converted = convert(pd.Series(values), "ISO8601")
    assert found == kind
    assert converted.dtype == "str" if kind == "text" else converted.dtype.kind in "if"
    assert [None if pd.isna(value) else value for value in converted] == expected


@pytest.mark.parametrize("word", ["now", "Today", " today "])
def test_a_word_for_the_time_of_the_run_is_no_date(word):
    assert convert(pd.Series(["2020-01-01", word]), "ISO8601")[0] == "text"


def test_dates_follow_their_pattern():
    assert convert(pd.Series(["02/01/1970"]), "%d/%m/%Y")[1].tolist() == [1]
    assert convert(pd.Series(["02/01/1970"]), "ISO8601")[0] == "text"
    assert convert(pd.Series([2011970, 31011970]), "%d%m%Y")[1].tolist() == [1, 30]
    assert convert(pd.Series([2011970, 32011970]), "%d%m%Y")[0] == "integer"
    assert convert(pd.Series([19700102.0, None]), "%Y%m%d")[1].tolist()[0] == 1
    with pytest.raises(InputError, match=r"params.yaml: prepare.dates: .*bad directive"):
        convert(pd.Series(["02/01/1970"]), "%d/%Q")


def test_prepare_puts_the_target_last_and_keeps_the_order_of_the_rows(table):
    prepared, _ = prepare(table.assign(id="n"), PREPARE | {"features": ["y", "x"]})
    pd.testing.assert_frame_equal(prepared, table[["y", "x", "label"]])


def test_prepare_takes_every_column_that_has_no_other_role(table):
    more = table.assign(patient=[1, 2] * 12, note="n", nothing=None, some=["s", None] * 12)
    prepared, report = prepare(more, PREPARE | {"group": "patient", "drop": ["y"]})
    assert prepared.columns.tolist() == ["x", "some", "label"]
    assert prepared.index.name == "group"
    assert prepared.index.tolist() == more["patient"].tolist()
    assert {line["name"]: line["role"] for line in report["columns"]} == {
        **dict.fromkeys(["y", "note", "nothing"], "unused"),
        **dict.fromkeys(["x", "some"], "feature"),
        "label": "target",
        "patient": "group",
    }


def test_codes_that_are_named_stay_text(tmp_path):
    (tmp_path / "t.csv").write_text("zip,model,label\n" + "01234,2023,a\n02345,2024,b\n" * 2)
    params = PREPARE | {"text": ["zip", "model"], "duplicates": "keep"}
    prepared, report = prepare(read_csv(tmp_path / "t.csv", params, params["text"]), params)
    assert prepared["zip"].tolist() == ["01234", "02345"] * 2
    assert prepared["model"].tolist() == ["2023", "2024"] * 2
    for line in report["columns"]:
        assert (line["type"], line["note"]) == ("text", "")


def test_prepare_says_which_rows_it_drops_and_why(table):
    table["some"] = ["s", None] * 12
    table.loc[0, "label"] = None
    twice = pd.concat([table, table[-2:]])
    _, report = prepare(twice.reset_index(drop=True), PREPARE | {"missing": "drop"})
    dropped = {"duplicate": 2, "no target": 1, "a feature missing": 12}
    assert report["rows"] == {"raw": 26, "dropped": dropped, "prepared": 11}
    infinite = twice.reset_index(drop=True).assign(label=[*range(24), float("inf"), 25])
    _, report = prepare(infinite, PREPARE | {"task": "regression"})
    assert report["rows"]["dropped"]["no target"] == 1
    kept, report = prepare(twice.reset_index(drop=True), PREPARE | {"duplicates": "keep"})
    assert report["rows"] == {"raw": 26, "dropped": {"no target": 1}, "prepared": 25}
    assert "1 no target; 25 left" in summarise(report)
    assert kept["some"].isna().sum() == 13


def test_rows_that_differ_in_an_identifier_alone_are_duplicates_once_it_is_dropped(table):
    twice = pd.concat([table, table[-4:]]).reset_index(drop=True)
    twice["id"] = twice.index
    for drop, duplicates in ([], 0), (["id"], 4):
        _, report = prepare(twice, PREPARE | {"drop": drop})
        assert report["rows"]["dropped"]["duplicate"] == duplicates


def test_prepare_warns_of_what_looks_wrong_by_name(table):
    table = table.assign(
        Id=range(1, 25),
        patient_id=[n * n for n in range(24)],
        squares=[n * n for n in range(24)],
        name=[f"n{n}" for n in range(24)],
        mostly=[*map(str, range(23)), "unknown"],
        group=1,
    )
    _, report = prepare(table, PREPARE)
    warnings = {
        line.split()[1]: line
        for line in summarise(report).splitlines()
        if line.startswith("warning: ")
    }
    # x of the fixture counts the rows as well
    assert warnings.keys() == {"x", "Id", "patient_id", "name", "mostly", "group"}
    assert "looks like an identifier" in warnings["patient_id"]
    assert "text because of 1 values, row 25: mostly is 'unknown'" in warnings["mostly"]
    assert "same value" in warnings["group"]


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({}, {"features": ["x", "Y"]}, r"no column 'Y'; did you mean 'y'\?"),
        ({}, {"features": ["x", "x"]}, "'x' has two roles"),
        ({}, {"features": ["x", "label"]}, "'label' has two roles"),
        ({}, {"features": "x"}, "must be `all` or a list"),
        ({}, {"text": ["X"]}, r"no column 'X'; did you mean 'x'\?"),
        ({}, {"drop": ["x", "y"]}, "no column that could be a feature"),
        ({}, {"target": ""}, "prepare.target names no column; there is x, y, label"),
        ({}, {"target": "Label"}, r"no column 'Label'; did you mean 'label'\?"),
        ({}, {"group": "x", "time": "y"}, "prepare.group or prepare.time, not both"),
        ({}, {"task": "regression"}, "row 2: label is 'a', but the target of a regression"),
        ({"label": "a"}, {}, "at least two classes"),
        ({"label": None}, {}, "no rows left"),
        ({"label": ["a"] * 23 + ["b"]}, {}, "the class 'b' of label, the target, has a single row"),
        ({"y": [None] * 23 + [1]}, {"group": "y"}, "row 2: y, the group, is empty"),
        ({"y": ["soon"] * 24}, {"time": "y"}, "row 2: y is 'soon', neither a number nor a date"),
    ],
)
def test_prepare_names_what_is_wrong(table, change, settings, message):
    with pytest.raises(InputError, match=message):
        prepare(table.assign(**change), PREPARE | settings)


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([True, False], [True, False]),
        ([1.0, 3.0], [1, 3]),
        ([0.5, 1.5], ["0.5", "1.5"]),
        (["1", "b"], ["1", "b"]),
    ],
)
def test_labels_keep_their_type(table, labels, expected):
    prepared, _ = prepare(table.assign(label=pd.Series([*labels * 11, None, None])), PREPARE)
    assert prepared["label"].tolist() == expected * 11


def test_predict_carries_other_columns_and_gives_probabilities(estimator, table):
    result = predict(estimator, table[["y", "label", "x"]], "new.csv", "ISO8601")
    names = ["label", "prediction", "probability of a", "probability of b"]
    assert result.columns.tolist() == names
    assert result["prediction"].tolist() == table["label"].tolist()


def test_predict_names_numbers_that_are_written_otherwise(estimator, table):
    new = table.astype({"x": "str"})
    with pytest.raises(InputError, match=r"row 2: x is '0' \(is prepare.decimal right\?\), but"):
        predict(estimator, new, "new.csv", "ISO8601")


def test_predict_names_a_missing_feature(estimator, table):
    with pytest.raises(InputError, match="new.csv has no column 'y'"):
        predict(estimator, table.drop(columns="y"), "new.csv", "ISO8601")
