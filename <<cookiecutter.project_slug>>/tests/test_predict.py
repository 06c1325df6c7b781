"""Predictions for new rows, which are read as the table was."""

import bz2
import datetime
import gzip
import json
import lzma
import os
import re
import threading
from contextlib import nullcontext
from dataclasses import asdict
from decimal import Decimal

from predict import NewValues, check_table, open_table, output, predict_rows
from prepare import prepare
from support.columns import Column
from support.params import InputError
from support.reader import Table
from support.schema import Schema
from support.values import MisfitError, read_values

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import PREPARE, fit

HEADER = "id,amount,day,sure,city,label\n"
ROWS = "".join(
    f'0{n},"{n},{n % 10}",{n % 28 + 1}.12.2024,{"true" if n % 3 else "FALSE"},{"NA" if n % 5 else "Rome"}'
    f",{'a' if n < 12 else 'b'}\n"
    for n in range(24)
)


@pytest.fixture
def model(tmp_path):
    """A model of a table with decimal commas, dates and codes, with its schema."""
    (tmp_path / "t.csv").write_text(HEADER + ROWS)
    params = PREPARE | {"raw": str(tmp_path / "t.csv"), "drop": ["id"]}
    path = tmp_path / "prepared.parquet"
    prepare(Table(params["raw"], params), params, path)
    table = pd.read_parquet(path)
    table["day"] = table["day"].astype("int64").astype("float64")
    estimator = fit(table)
    estimator.schema = asdict(Schema.of(path))
    return estimator


@pytest.fixture
def predict(model, tmp_path, monkeypatch):
    """A function that returns the predictions for new rows as a frame of texts."""

    def add_features(frame):
        return frame.assign(day=frame["day"].astype("int64").astype("float64"))

    monkeypatch.setattr("predict.add_features", add_features)

    def predict(content, keep=False):
        schema = Schema.from_dict(model.schema)
        (tmp_path / "new.csv").write_text(content)
        table = Table(tmp_path / "new.csv", schema.file)
        new_values = NewValues(schema.values)
        parts = predict_rows(model, table, schema, keep, new_values)
        header, *rows = [row for part in parts for row in part]
        found = pd.DataFrame(rows, columns=header)
        found.attrs["notes"] = new_values.notes()
        return found

    return predict


def test_other_columns_are_carried_over_as_they_are_written(predict):
    new = 'city,id,amount,note,code,sure,day\nNA,007,"1,5"," a ""b"" ",12e45,true,1.12.2024\n'
    result = predict(new)
    assert result.columns.tolist() == [
        "id",
        "note",
        "code",
        "prediction",
        "probability of a",
        "probability of b",
    ]
    assert result.iloc[0, :4].tolist() == ["007", ' a "b" ', "12e45", "a"]
    assert predict(new, keep=True).columns.tolist()[:3] == ["city", "id", "amount"]


def test_other_columns_of_any_type_are_carried_over_without_loss(predict, model, tmp_path):
    day = datetime.datetime(2024, 1, 2, 3, 4, 5)
    columns = {
        "exact": (pa.array([Decimal("12345678901234567.80")]), "12345678901234567.80"),
        "single": (pa.array([0.1], pa.float32()), "0.1"),
        "day": (pa.array([day.date()]), "2024-01-02"),
        "clock": (pa.array([day.time()]), "03:04:05"),
        "zone": (pa.array([day], pa.timestamp("us", "Asia/Kolkata")), "2024-01-02 08:34:05+05:30"),
        "fine": (
            pa.array([1_704_164_645_123_456_789], pa.timestamp("ns")),
            "2024-01-02 03:04:05.123456789",
        ),
        "list": (pa.array([["a", "b"]]), '["a", "b"]'),
        "bytes": (pa.array([b"abc"]), "abc"),
        "gap": (pa.array([None], pa.list_(pa.int8())), ""),
        "kind": (pa.array(["x"]).dictionary_encode(), "x"),
    }
    rows = {"amount": [1.5], "day": [day], "sure": [True], "city": ["Rome"]}
    rows |= {f"other {name}": one for name, (one, _) in columns.items()}
    pq.write_table(pa.table(rows), tmp_path / "new.parquet")
    schema = Schema.from_dict(model.schema)
    table = Table(tmp_path / "new.parquet", schema.file)
    [header], [row] = predict_rows(model, table, schema, False, NewValues({}))
    carried = dict(zip(header, row, strict=True))
    for name, (_, written) in columns.items():
        assert (carried[f"other {name}"] or "") == written


@pytest.mark.parametrize(
    ("zones", "zone", "message"),
    [
        ("all", None, "times in day have no zone, unlike"),
        ("none", "Asia/Kolkata", "times in day have the zone Asia/Kolkata, unlike"),
        ("none", "UTC", ""),
        ("all", "Asia/Kolkata", ""),
        ("", None, ""),
    ],
)
def test_times_with_a_zone_are_no_times_without_one(model, tmp_path, zones, zone, message):
    days = pa.array([datetime.datetime(2024, 1, 2, 3)], pa.timestamp("us", zone))
    pq.write_table(pa.table({"day": days}), tmp_path / "new.parquet")
    schema = Schema.from_dict(model.schema)
    schema.column("day").zones = zones
    table = Table(tmp_path / "new.parquet", schema.file)
    with pytest.raises(InputError, match=message) if message else nullcontext():
        check_table(table, schema, ["day"])


def test_a_time_on_a_day_is_no_time_of_day(model, tmp_path):
    """Nor is 4.403 a whole number: it may be 4403."""
    day = datetime.datetime(2024, 1, 2, 3)
    rows = {"amount": [1.5], "day": [day], "sure": [True], "city": ["Rome"]}
    pq.write_table(pa.table(rows), tmp_path / "new.parquet")
    schema = Schema.from_dict(model.schema)
    schema.column("day").dates = "time of day"
    table = Table(tmp_path / "new.parquet", schema.file)
    with pytest.raises(InputError, match="row 2: day is '2024-01-02 03:00:00', .* no time of day"):
        list(predict_rows(model, table, schema, False, NewValues({})))
    column = Column("x", "integer")
    assert read_values(pa.array(["4403", "4403.0", "7.5"]), column).to_pylist() == [4403, 4403, 7.5]
    with pytest.raises(MisfitError):
        read_values(pa.array(["4.403"]), column)


def test_the_time_is_used_and_carried_over(predict, model):
    model.schema["roles"]["day"] = "time"
    row = '1,"20,5",1.12.2024,true,x\n'
    result = predict(HEADER.replace(",label", "") + row)
    assert result.iloc[0, :2].tolist() == ["1", "1.12.2024"]
    with pytest.raises(InputError, match="no column 'day'"):
        predict("amount,sure,city\n1,true,x\n")


def test_the_target_of_new_rows_is_carried_over_whatever_it_is(predict):
    result = predict(HEADER + '1,"20,5",1.12.2024,true,x,?\n')
    assert result["label"].tolist() == ["?"] and result["prediction"].tolist() == ["b"]


def test_rows_are_predicted_in_parts_as_in_one(predict, monkeypatch):
    whole = predict(HEADER + ROWS)
    monkeypatch.setattr("support.reader.BLOCK", 300)
    pd.testing.assert_frame_equal(predict(HEADER + ROWS), whole)
    assert whole["prediction"].tolist() == ["a"] * 12 + ["b"] * 12


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ('"1.5",1.12.2024,true,x', "new.csv, row 3: amount is '1.5', which is no number"),
        ("2020-01-01,1.12.2024,true,x", "row 3: amount is '2020-01-01', which is no number"),
        ('"1,5",20241201,true,x', "row 3: day is '20241201', which is no date .* day first"),
        ('"1,5",2024-12-01,true,x', "row 3: day is '2024-12-01', which is no date"),
        ('"1,5",1.12.2024,7,x', "row 3: sure is '7', which is no true or false"),
        ("-inf,1.12.2024,true,x", "row 3: amount is '-inf', too large for a model"),
        ('"1,5e39",1.12.2024,true,x', "row 3: amount is '1,5e39', too large for a model"),
    ],
)
def test_a_cell_that_does_not_fit_is_named(predict, cells, message):
    header = "amount,day,sure,city\n"
    with pytest.raises(InputError, match=message):
        predict(f'{header}"2,5",2.12.2024,false,y\n{cells}\n')


@pytest.mark.parametrize("word", ["", "NA", "?", "#N/A", "null"])
def test_new_rows_may_have_gaps_where_the_table_had_none(predict, word):
    whole = predict('amount,day,sure,city\n,1.12.2024,,x\n"20,5",1.12.2024,true,x\n')
    gaps = f'amount,day,sure,city\n{word},1.12.2024,{word},x\n"20,5",1.12.2024,true,x\n'
    pd.testing.assert_frame_equal(predict(gaps), whole)


def test_the_words_of_na_values_are_gaps_in_new_rows_as_well(predict, model):
    header = "amount,day,sure,city\n"
    gap = predict(f"{header},1.12.2024,true,\n")
    model.schema["gaps"] = ["-999", "nowhere"]
    for city in ("", "nowhere"):
        new = f"{header}-999,1.12.2024,true,{city}\n"
        pd.testing.assert_frame_equal(predict(new), gap)


@pytest.mark.parametrize("amount", ["20.567", "20.5", "2.0567e1", "3"])
def test_a_number_that_is_stored_as_one_is_read_as_such(predict, amount):
    row = f'{{"amount": {amount}, "day": "1.12.2024", "sure": true, "city": "x"}}\n'
    comma = amount.replace(".", ",")
    expected = predict(f'amount,day,sure,city\n"{comma}",1.12.2024,true,x\n')
    pd.testing.assert_frame_equal(predict(row), expected)
    assert predict(row)["prediction"].tolist() == ["a" if amount == "3" else "b"]
    assert predict(row, keep=True)["amount"].tolist() == [amount]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "amount;city\n1,5;x\n",
            "new.csv has no column 'amount', .*; there is one, 'amount;city': is its separator",
        ),
        ("amount,city\n1,5\n", "new.csv has no column 'day', 'sure'; there is amount, city"),
        (HEADER, "new.csv has no rows"),
        (HEADER.replace("id", "prediction") + ROWS, "has a column 'prediction' already"),
        ("", "new.csv cannot be read: it is empty"),
    ],
)
def test_a_file_that_does_not_suit_the_model_is_named(predict, content, message):
    with pytest.raises(InputError, match=message):
        predict(content)


@pytest.mark.parametrize(
    ("trained", "written", "text", "expected"),
    [
        ("cp1252", "utf-8", "Zürich", "utf-8"),
        ("cp1252", "cp1252", "Zürich", "cp1252"),
        ("cp1252", "utf-8", "Basel", "cp1252"),
        ("cp1252", "utf-16", "Zürich", "utf-16"),
        ("utf-8", "utf-16", "Zürich", "utf-16"),
        ("utf-16", "utf-8", "Zürich", "utf-8"),
        ("utf-16-le", "utf-8", "Basel", "utf-8"),
        ("utf-16-le", "utf-16-le", "Basel", "utf-16-le"),
        ("utf-8", "utf-16-le", "Zürich", "utf-16-le"),
        ("cp1252", "utf-16-be", "Basel", "utf-16-be"),
    ],
)
def test_new_rows_may_be_in_another_encoding(model, tmp_path, trained, written, text, expected):
    schema, path = Schema.from_dict(model.schema), tmp_path / "new.csv"
    schema.file |= {"encoding": trained}
    path.write_bytes(gzip.compress(f"city\n{text}\n".encode(written)))
    table = open_table(str(path), schema)
    assert table.params["encoding"] == expected
    [batch] = table.batches()
    assert batch.column("city").to_pylist() == [text]


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_new_rows_need_no_title_and_no_sheet_of_the_same_name(model, tmp_path, suffix):
    """Those that have them are read as the table for training was."""
    schema, path = Schema.from_dict(model.schema), tmp_path / f"new.{suffix}"
    schema.file |= {"skip": 2, "sheet": "Data" if suffix == "xlsx" else ""}
    rows = pd.DataFrame({"amount": ["1,5"], "day": [1], "sure": ["true"], "city": ["Rome"]})
    for titles, sheet in [(2, "Data"), (0, "Sheet1")]:
        if suffix == "csv":
            path.write_text("A title\n" * titles + rows.to_csv(index=False))
        else:
            rows.to_excel(path, index=False, startrow=titles, sheet_name=sheet)
        table = open_table(str(path), schema)
        assert table.names == list(rows) and table.first_row == titles + 2


def test_a_model_of_a_file_with_types_reads_files_without(tmp_path):
    table = pd.DataFrame(
        {
            "when": pd.date_range("2024-02-28", periods=24, freq="h"),
            "x": [0.5, 1.5] * 12,
            "label": ["a", "b"] * 12,
        }
    )
    table.to_parquet(tmp_path / "t.parquet")
    params = PREPARE | {"raw": str(tmp_path / "t.parquet")}
    prepare(Table(params["raw"], params), params, tmp_path / "prepared.parquet")
    schema = Schema.of(tmp_path / "prepared.parquet")
    table.to_csv(tmp_path / "new.csv", index=False)
    new = open_table(str(tmp_path / "new.csv"), schema)
    [batch] = new.batches()
    frame = schema.frame("new.csv", batch, 2, lambda rows: rows)
    assert frame["when"].tolist() == table["when"].tolist()


def test_a_number_without_the_unit_of_its_column_is_refused_in_every_format(tmp_path):
    cells = "".join(f"{n / 100}%,{n} €,{'ab'[n % 2]}\n" for n in range(24))
    (tmp_path / "t.csv").write_text(f"share,price,label\n{cells}")
    params = PREPARE | {"raw": str(tmp_path / "t.csv")}
    prepare(Table(params["raw"], params), params, tmp_path / "prepared.parquet")
    schema = Schema.of(tmp_path / "prepared.parquet")
    for share, price in [(0.05, None), (None, 5.0)]:
        new = pd.DataFrame({"share": [share], "price": [price]}, dtype="float64")
        new.to_parquet(tmp_path / "new.parquet")
        [batch] = open_table(str(tmp_path / "new.parquet"), schema).batches()
        if share:  # 0.05 may be 5 %; a sum of money may lack its currency
            with pytest.raises(InputError, match="share is 0.05, which is no number in %"):
                schema.frame("new.parquet", batch, 2, lambda rows: rows)
        else:
            frame = schema.frame("new.parquet", batch, 2, lambda rows: rows)
            assert frame["price"].tolist() == [5.0]


def test_values_that_are_all_new_to_the_model_are_told(predict):
    rows = "amount,day,sure,city\n" + '"1,5",1.12.2024,true,{}\n' * 4
    [note] = predict(rows.format("ROME", "ROME", "Oslo", "Rome")).attrs["notes"]
    assert note.startswith("city: 3 of 4 values, such as 'ROME', are new") and note.endswith(
        "knows NA, Rome"
    )
    assert predict(rows.format("ROME", "Rome", "", "")).attrs["notes"] == []


def schema_of(folder, content):
    """Return the schema that stage prepare decides for a table with the target `label`."""
    (folder / "t.csv").write_text(content)
    params = PREPARE | {"raw": str(folder / "t.csv"), "duplicates": "keep"}
    prepare(Table(params["raw"], params), params, folder / "prepared.parquet")
    return Schema.of(folder / "prepared.parquet")


def test_new_objects_may_lack_keys(predict, model, tmp_path):
    rows = [{"amount": 1.5, "day": "1.12.2024", "city": "Rome"}, {"day": "1.12.2024"}]
    (tmp_path / "new.jsonl").write_text("\n".join(map(json.dumps, rows)))
    schema = Schema.from_dict(model.schema)
    table = open_table(str(tmp_path / "new.jsonl"), schema)
    parts = list(predict_rows(model, table, schema, False, NewValues({})))
    assert len(parts[1]) == 2
    [note] = table.notes()
    assert note == "no object has 'sure': taken as missing"
    (tmp_path / "new.jsonl").write_text('{"other": 1}\n{"other": 2}\n')
    with pytest.raises(InputError, match="new.jsonl has no column 'amount'"):
        list(
            predict_rows(
                model, open_table(str(tmp_path / "new.jsonl"), schema), schema, False, NewValues({})
            )
        )


def test_lines_above_the_header_of_new_rows_are_named(predict):
    with pytest.raises(
        InputError, match="new.csv, row 1: Report, of, the, year, 2024 is no header with"
    ):
        predict("Report,of,the,year,2024,all\n" + HEADER + ROWS)


def read_time(folder, trained: str, new: str, problem: str) -> None:
    """Read a time in the format of a table, whose times are `trained` with numbers from 1."""
    rows = "".join(f"{trained.format(n + 1)},{'ab'[n % 3 > 0]}\n" for n in range(24))
    schema = schema_of(folder, f"when,label\n{rows}")
    batch = pa.RecordBatch.from_pydict({"when": [new]})
    if not problem:
        assert schema.frame("new", batch, 2, lambda frame: frame)["when"].notna().all()
        return
    with pytest.raises(InputError, match=f"new, row 2: when is '{re.escape(new)}'.*(?:{problem})"):
        schema.frame("new", batch, 2, lambda frame: frame)


@pytest.mark.parametrize(
    ("trained", "new", "fits"),
    [
        ("2024-01-{:02d} 10:00", "2024-06-01 10:00", True),
        ("2024-01-{:02d} 10:00", "2024-06-01T10:00:00Z", True),
        ("2024-01-{:02d} 10:00", "2024-06-01 10:00+02:00", False),
        ("2024-01-{:02d} 10:00+02:00", "2024-06-01 10:00+01:00", True),
        ("2024-01-{:02d} 10:00+02:00", "2024-06-01 10:00", False),
        ("2024-01-{:02d} 10:00+02:00", "2024/06/01 10:00", False),
        ("2024/01/{:02d} 10:00", "2024-06-01 10:00", True),
        ("2024/01/{:02d} 10:00", "2024-06-01 10:00+02:00", False),
        ("2024.01.{:02d}", "2024/06/01 10:00 +0200", False),
        ("2024/01/{:02d} 10:00+02:00", "2024-06-01 10:00Z", True),
        ("2024/01/{:02d} 10:00+02:00", "2024.06.01", False),
    ],
)
def test_times_of_new_rows_have_a_zone_as_those_for_training(tmp_path, trained, new, fits):
    read_time(tmp_path, trained, new, "" if fits else "zone, unlike the times for training")


@pytest.mark.parametrize(
    ("trained", "new", "fits"),
    [
        ("{}.5.2024", "3.2.2025", True),
        ("{}.5.2024", "31/12/2024", True),
        ("{}.5.2024", "1/2/2024", False),
        ("{}/5/2024", "1/2/2024", True),
        ("May {} 2024", "1/2/2024", False),
        ("{}-May-24", "3-Feb-25", True),
        ("{}-May-24", "01-02-2024", False),
        ("{}-May-24", "13/02/2024", True),
        ("2024-05-{:0>2}", "2024/5/3", True),
        ("2024-05-{:0>2}", "2023Q2", False),
        ("2024-05-{:0>2}", "5/2023", False),
        ("20{:0>2}-01", "2011-12", True),
        ("20{:0>2}-01", "2011-12-03", False),
        ("20{:0>2}-01", "Q1 2011", False),
        ("20{:0>2} Q1", "2011Q4", True),
        ("20{:0>2} Q1", "2011-04", False),
        ("1:{:0>2} PM", "2:15 AM", True),
        ("1:{:0>2} PM", "14:15", True),
        ("1:{:0>2} PM", "02:15:00", True),
        ("1:{:0>2} PM", "2:15", False),
        ("1:{:0>2}", "2:15 PM", True),
    ],
)
def test_a_date_of_another_style_is_not_guessed(tmp_path, trained, new, fits):
    why = "the day or the month may be first|it is a |it has no AM or PM"
    read_time(tmp_path, trained, new, "" if fits else why)


@pytest.mark.parametrize(
    ("pack", "suffix"),
    [(gzip.compress, "gz"), (bz2.compress, "bz2"), (lzma.compress, "xz")],
)
def test_a_packed_file_that_is_damaged_is_refused(tmp_path, pack, suffix):
    schema = schema_of(tmp_path, "x,label\n" + "1.5,a\n2.5,b\n" * 9)
    path = tmp_path / f"new.csv.{suffix}"
    packed = pack(b"x\n" + b"1.5\n2.25\n" * 99)
    for damaged in (packed[:-9], packed[:30] + bytes(9) + packed[39:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read"):
            list(open_table(str(path), schema).batches())


def test_an_empty_line_of_a_single_column_is_a_row(tmp_path):
    (tmp_path / "new.csv").write_text('b\n1.5\n\n2.5\n""\n3.5\n\n')
    schema = schema_of(tmp_path, "b,label\n" + "1.5,x\n2.5,y\n" * 9)
    cells = [
        cell
        for batch in open_table(str(tmp_path / "new.csv"), schema).batches()
        for cell in batch[0]
    ]
    assert [cell.as_py() for cell in cells] == ["1.5", "", "2.5", "", "3.5"]


def test_new_rows_of_a_type_that_no_model_takes_are_refused(model, tmp_path):
    schema, path = Schema.from_dict(model.schema), tmp_path / "new.parquet"
    rows = {"amount": [1.5], "day": [b"x"], "sure": [True], "city": ["Rome"]}
    pq.write_table(pa.table(rows), path)
    with pytest.raises(InputError, match="day holds values of type binary, which no model takes"):
        next(predict_rows(model, Table(path, schema.file), schema, False, NewValues({})))


def test_a_large_whole_number_is_a_number_in_any_format(tmp_path):
    rows = "".join(f"{n}e14,{(n + 1) * 1e14:.1f},{'ab'[n % 2]}\n" for n in range(24))
    schema = schema_of(tmp_path, f"x,y,label\n{rows}")
    assert schema.column("y").kind == "number"
    for name, values in {"new.parquet": [2**53 + 1], "new.csv": ["9007199254740993.0"]}.items():
        table = pd.DataFrame({"x": [1.0], "y": values})
        table.to_parquet(tmp_path / name) if "parquet" in name else table.to_csv(
            tmp_path / name, index=False
        )
        [batch] = open_table(str(tmp_path / name), schema).batches()
        frame = schema.frame(name, batch.select(["y"]), 2, lambda rows: rows)
        assert frame["y"].tolist() == [2.0**53]


def test_words_for_gaps_are_gaps_in_the_text_of_new_rows(predict, model):
    """Where the table for training had none, as they would have been there."""
    schema = Schema.from_dict(model.schema)
    rows = pa.RecordBatch.from_pydict({"city": ["NULL", "#N/A", "Oslo"]})
    assert schema.frame("new", rows, 2, lambda frame: frame)["city"].isna().tolist() == [1, 1, 0]
    schema.gaps = [""]  # as `na_values: []` has it
    assert schema.frame("new", rows, 2, lambda frame: frame)["city"].notna().all()


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("columns", 0, "decimal"), ""),
        (("columns", 0, "gaps"), 3),
        (("columns", 0, "gaps"), [3]),
        (("columns", 0, "unit"), 3),
        (("columns", 0, "kind"), "object"),
        (("columns", 2, "dates"), "%Y%Y"),
        (("columns", 0, "name"), None),
        (("file",), {}),
        (("file", "skip"), 10**30),
        (("file", "separator"), ""),
        (("roles",), []),
        (("whole",), "x"),
        (("values",), {"city": 3}),
    ],
)
def test_a_forged_schema_is_refused(model, place, value):
    changed = json.loads(json.dumps(model.schema))
    assert Schema.from_dict(changed)
    *path, last = place
    inside = changed
    for key in path:
        inside = inside[key]
    inside[last] = value
    with pytest.raises((TypeError, ValueError, KeyError)):
        Schema.from_dict(changed)


def test_a_cell_more_than_the_header_in_new_rows_is_refused(predict):
    with pytest.raises(
        InputError, match="a cell more than the header: is its separator ',', and not inside"
    ):
        predict("amount,day,sure,city\n1,5,1.12.2024,true,x\n2,5,1.12.2024,true,x\n")
    same = predict('amount,day,sure,city\n"1",1.12.2024,true,x,\n"3",1.12.2024,true,x,\n')
    assert same["prediction"].tolist() == ["a", "a"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252"])
def test_a_separator_that_new_rows_declare_holds(model, tmp_path, encoding):
    schema, path = Schema.from_dict(model.schema), tmp_path / "new.csv"
    schema.file |= {"encoding": encoding}
    path.write_bytes("sep=;\r\ncity;amount\r\nRome;1,5\r\n".encode(encoding))
    table = open_table(str(path), schema)
    [batch] = table.batches()
    assert batch.to_pylist() == [{"city": "Rome", "amount": "1,5"}] and table.first_row == 3
    path.write_text('sep=;\ncity,amount,day,sure\nRome,"1,5",1.12.2024,true\n', encoding="utf-8")
    table = open_table(str(path), schema)
    assert table.names == ["city", "amount", "day", "sure"] and table.first_row == 3


def test_what_is_no_file_is_written_as_it_is_and_other_files_stay(tmp_path):
    (tmp_path / "o.csv.part").write_text("mine")
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "o.csv").symlink_to("real.csv")
    with output(str(tmp_path / "o.csv")) as file:
        file.write("new")
    assert (tmp_path / "o.csv").is_symlink() and (tmp_path / "real.csv").read_text() == "new"
    assert (tmp_path / "o.csv.part").read_text() == "mine" and len(os.listdir(tmp_path)) == 3

    # A link that DVC made is replaced: its cache keeps what it leads to.
    cached = tmp_path / f"cache/files/md5/0a/{'b' * 30}"
    cached.parent.mkdir(parents=True)
    cached.write_text("first")
    (tmp_path / "tracked.csv").symlink_to(cached)
    with output(str(tmp_path / "tracked.csv")) as file:
        file.write("second")
    assert cached.read_text() == "first" and (tmp_path / "tracked.csv").read_text() == "second"

    # A file keeps its permissions.
    (tmp_path / "real.csv").chmod(0o600)
    with output(str(tmp_path / "o.csv")) as file:
        file.write("newer")
    assert (tmp_path / "real.csv").stat().st_mode & 0o777 == 0o600

    os.mkfifo(tmp_path / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_text()))
    reader.start()
    with output(str(tmp_path / "pipe")) as file:
        file.write("rows")
    reader.join(5)
    assert read == ["rows"] and (tmp_path / "pipe").is_fifo()
    with output(os.devnull) as file:
        file.write("rows")
    missing = output(str(tmp_path / "nowhere/o.csv"))
    with pytest.raises(InputError, match="cannot write .*nowhere"), missing:
        pass
