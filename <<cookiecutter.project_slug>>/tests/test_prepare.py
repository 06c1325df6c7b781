"""Stage prepare: what is read from a file, kept and said."""

import bz2
import gzip
import io
import json
import lzma
import re
import subprocess
import sys
import weakref
import zipfile
from datetime import time, timedelta
from decimal import Decimal

from prepare import prepare, sample
from support import reader
from support.duplicates import Duplicates, bits_of, hash_rows
from support.files import ROW_NAMES
from support.params import InputError
from support.reader import Loan, Table
from support.schema import Schema
from support.summary import summarise

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers import PREPARE


@pytest.fixture
def run(tmp_path):
    """A function that prepares a table, given as a frame or a file's content."""

    def run(
        content: pd.DataFrame | str | bytes, name: str = "t.csv", split_by: str = "", **changes
    ):
        path = tmp_path / name
        if isinstance(content, pd.DataFrame):
            content = content.to_csv(index=False)
        if content:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        params = PREPARE | {"raw": str(path)} | changes
        prepared = tmp_path / "prepared.parquet"
        report = prepare(Table(path, params), params, prepared, split_by)
        return pd.read_parquet(prepared), report

    return run


def notes(report):
    return {line["name"]: "; ".join(line["notes"]) for line in report["columns"] if line["notes"]}


NULL = r"\N"
TEXT = 'x,"the ""name""",label\n1.5,"a\nb",u\n2.5,c,u\n3.5,d,v\n4.5,d,v\n'


@pytest.mark.parametrize(
    ("content", "changes"),
    [
        (TEXT, {}),
        (TEXT.replace(".5,", ";5;").replace(",", ";").replace(";5;", ",5;"), {"separator": ";"}),
        (TEXT.replace(",", "\t"), {"separator": "\t"}),
        (
            TEXT.replace(",", "::")
            .replace('"a\nb"', "a b")
            .replace('"the ""name"""', 'the "name"'),
            {"separator": "::"},
        ),
        (TEXT.replace(",", "   "), {"separator": " "}),
        (TEXT.replace('""', '\\"'), {"escape": "\\"}),
        (TEXT.replace('""', "~").replace('"', "'").replace("~", '"'), {"quote": "'"}),
        (b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").replace("a\r\nb", "a\nb").encode(), {}),
        ("a title\n\n" + TEXT, {"skip": 1}),
        (TEXT.encode("utf-16"), {"encoding": "utf-16"}),
        (TEXT.encode("utf-32"), {"encoding": "utf-32"}),
        (gzip.compress(TEXT.encode(), mtime=0), {}),
        (bz2.compress(TEXT.encode()), {}),
        (lzma.compress(TEXT.encode()), {}),
    ],
)
def test_a_table_is_read_as_it_is_written(run, content, changes):
    table, _ = run(content, **changes)
    expected = pd.DataFrame(
        {
            "x": [1.5, 2.5, 3.5, 4.5],
            'the "name"': ["a b" if changes.get("separator") == "::" else "a\nb", "c", "d", "d"],
            "label": list("uuvv"),
        }
    )
    pd.testing.assert_frame_equal(table, expected)


def test_other_formats_hold_the_same_table(run, tmp_path, table):
    """Parquet, Feather, JSON lines, zstd, a zip archive, and a folder of parts."""
    table = table.assign(when=pd.date_range("2020", periods=24), code=[f"0{n}" for n in range(24)])
    table["at"] = [time(n, 5, 30 * (n % 2)) for n in range(24)]
    expected, _ = run(table)
    assert expected["at"].dt.hour.tolist() == [*range(24)]
    table.to_parquet(tmp_path / "t.parquet")
    table.to_feather(tmp_path / "t.feather")
    table.to_json(tmp_path / "t.jsonl", orient="records", lines=True, date_format="iso")
    table.to_json(tmp_path / "t.json", orient="records", date_format="iso")
    with zipfile.ZipFile(tmp_path / "t.zip", "w") as archive:
        archive.writestr("folder/t.csv", table.to_csv(index=False))
        archive.writestr("__MACOSX/._t.csv", "x")
        archive.writestr("folder/Data_Dictionary.txt", "x: how long")
    with pa.CompressedOutputStream(str(tmp_path / "t.zst"), "zstd") as file:
        file.write(table.to_csv(index=False).encode())
    (tmp_path / "parts").mkdir()
    for name in ("_SUCCESS", "~$0.xlsx", "Thumbs.db", "desktop.ini"):
        (tmp_path / "parts" / name).write_text("of another program")
    for number in range(3):
        part = table[number * 8 : number * 8 + 8]
        part.to_csv(tmp_path / f"parts/{number}.csv", index=False)
    for name in ("t.parquet", "t.feather", "t.jsonl", "t.json", "t.zip", "t.zst", "parts"):
        found, _ = run("", name=name)
        pd.testing.assert_frame_equal(found.astype({"x": expected["x"].dtype}), expected)


def test_where_numbers_have_no_decimals_other_columns_tell_the_mark(run, table):
    half = [f"{n},5" for n in range(24)]
    _, report = run(table.assign(x=half, y=range(24)).to_csv(index=False, sep=";"), separator=";")
    assert [line["written"].get("decimal") for line in report["columns"]] == [",", ",", None]


def test_a_column_whose_decimal_mark_is_unusual_is_told(run, table):
    codes = ["1,2", "3", "2,4", "1"] * 6
    _, report = run(table.assign(x=codes, y=np.arange(24) / 2))
    assert notes(report).keys() == {"x"}
    assert "decimals such as '1,2' (row 2), but other columns have" in notes(report)["x"]


def test_a_number_of_a_file_that_stays_text_is_what_is_stored(run, tmp_path):
    rows = [{"x": n, "z": [1.234, "x"][n % 2], "label": [1.234, 2.5][n % 2]} for n in range(24)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    prepared, report = run("", name="t.jsonl")
    assert prepared["z"].tolist() == ["1.234", "x"] * 12
    assert prepared["label"].tolist() == ["1.234", "2.5"] * 12
    texts = [{"x": ["1,500", 2.5, "2,750"][n % 3], "label": "ab"[n % 2]} for n in range(24)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, texts)))
    prepared, report = run("", name="t.jsonl")
    assert sorted(prepared["x"].unique()) == [2.5, 1500, 2750]
    assert "'1,500' (row 2) whose comma was taken to mark thousands" in notes(report)["x"]


def test_a_null_of_a_database_is_one_though_backslashes_escape(run):
    rows = ["x\tflag\tlabel\n"]
    rows += [f"{n}\t{['Y', 'N', NULL][n % 3]}\ta\\\t{'uv'[n % 2]}\n" for n in range(24)]
    prepared, _ = run("".join(rows), separator="\t", escape="\\")
    assert prepared["flag"].isna().tolist() == [False, False, True] * 8
    assert prepared["label"].unique().tolist() == ["a\tu", "a\tv"]


def test_a_gap_of_a_file_with_types_is_no_class(run, tmp_path):
    for values, settings in [
        ([0.0, 1.5, np.nan], {}),
        ([0.0, 1.5, -9.0], {"na_values": [-9]}),
    ]:
        columns = {"x": range(24), "label": pa.array(values * 8)}
        pq.write_table(pa.table(columns), tmp_path / "t.parquet")
        prepared, _ = run("", name="t.parquet", **settings)
        assert prepared["label"].tolist() == ["0", "1.5"] * 8


def test_numbers_that_a_file_stores_have_no_decimal_comma(run, tmp_path):
    rows = [{"x": n + 0.25, "comma": f"{n},5", "label": "ab"[n % 2]} for n in range(24)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    _, report = run("", name="t.jsonl")
    written = {line["name"]: line["written"] for line in report["columns"]}
    assert written["x"] == {} and written["comma"] == {"decimal": ","} and not notes(report)


def test_the_words_that_are_listed_are_gaps_however_a_file_stores_them(run, tmp_path):
    def write(rows):
        (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))

    write([{"x": f"{n},5" if n % 2 else 9.5, "y": n, "label": "ab"[n % 2]} for n in range(24)])
    prepared, _ = run("", name="t.jsonl", na_values=[9.5])
    assert prepared["x"].isna().tolist() == [n % 2 == 0 or n == 9 for n in range(24)]
    write([{"x": n, "label": -9 if n > 1200 else f"n{n % 50}"} for n in range(1500)])
    prepared, report = run("", name="t.jsonl", na_values=[-9])
    assert report["rows"]["dropped"]["no target"] == 299 and "-9" not in set(prepared["label"])
    days = pd.to_datetime(["1900-01-01", *["2024-01-02"] * 23])
    table = pd.DataFrame({"x": range(24), "day": days, "on": [True, False] * 12})
    table.assign(label=["a", "b"] * 12).to_parquet(tmp_path / "t.parquet")
    prepared, _ = run("", name="t.parquet", na_values=["1900-01-01", "True"])
    assert prepared["day"].isna().sum() == 1 and prepared["on"].isna().sum() == 12


def test_the_kinds_of_a_file_with_types_can_be_overruled(run, tmp_path):
    columns = {"x": range(24), "day": [20240101 + n for n in range(24)], "label": ["a", "b"] * 12}
    pd.DataFrame(columns).to_parquet(tmp_path / "t.parquet")
    prepared, _ = run("", name="t.parquet", columns={"day": "%Y%m%d", "x": "text"})
    assert prepared["day"].tolist() == pd.date_range("2024-01-01", periods=24).tolist()
    assert prepared["x"].tolist() == [str(n) for n in range(24)]
    with pytest.raises(InputError, match="day is 'date', but the file stores values of type int64"):
        run("", name="t.parquet", columns={"day": "date"})
    rows = [{"day": 20240101 + n, "label": "ab"[n % 2]} for n in range(24)]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    same, _ = run("", name="t.jsonl", dates="%Y%m%d")
    assert same["day"].tolist() == prepared["day"].tolist()


def test_a_second_odd_cell_far_below_is_as_one_near_by(run, in_small_parts):
    days = [f"2024-01-{n % 28 + 1:02d}" for n in range(600)]
    for place in (12, 550):
        days[place] = f"{place}.5"
    in_small_parts()
    table = pd.DataFrame({"x": days, "label": ["a", "b"] * 300})
    prepared, report = run(table, duplicates="keep")
    assert prepared["x"].tolist() == days and "row 14: '12.5'" in notes(report)["x"]


def test_a_word_that_is_listed_is_a_gap_in_any_row(run):
    rows = [f"{n},{'ab'[n % 2]}\n" for n in range(3000)]
    rows[2500] = "-999,a\n"
    prepared, report = run("x,label\n" + "".join(rows), na_values=[-999])
    assert prepared["x"].isna().sum() == report["columns"][0]["missing"] == 1


def test_a_row_of_a_folder_is_named_by_its_file(run, tmp_path):
    (tmp_path / "parts").mkdir()
    rows = [f"{n}.5,{n},{n}\n" for n in range(60)]
    for name, last in {"a.csv": "", "b.csv": "oops,2,3\n", "c.csv": "1.5,x,oh\n2.5,x,oh\n"}.items():
        (tmp_path / "parts" / name).write_text("x,y,label\n" + "".join(rows) + last)
    settings = {"name": "parts", "duplicates": "keep"}
    _, report = run("", **settings)
    assert "such as row 62 of b.csv: 'oops'" in notes(report)["x"]
    (tmp_path / "parts/b.csv").write_text("x,y,label\n\n1.5,1.5e300,3\n")
    _, report = run("", **settings)
    assert "1.5e+300 in row 3 of b.csv, too large for a model" in notes(report)["y"]
    (tmp_path / "parts/b.csv").write_text("x,y,label\n" + "".join(rows) + "oops,2,3\n")
    for message, changes in {
        "parts, row 62 of c.csv: label is 'oh', but the target": {"task": "regression"},
        "parts, row 26 of a.csv: y is '24', which is no time of day": {"columns": {"y": "%H"}},
        "parts, row 62 of b.csv: x is 'oops', but prepare.time": {"time": "x"},
        "parts, row 62 of b.csv: x, the group, is missing": {"group": "x", "na_values": ["oops"]},
    }.items():
        with pytest.raises(InputError, match=message):
            run("", **settings, **changes)


def test_a_row_of_a_folder_of_sheets_is_named_by_its_file(run, tmp_path):
    (tmp_path / "parts").mkdir()
    for name in ("a.xlsx", "b.xlsx"):
        table = pd.DataFrame({"x": range(30), "c": "u", "label": ["a", "b"] * 15})
        table.loc[3, "c"] = None if name == "b.xlsx" else "u"
        table.to_excel(tmp_path / "parts" / name, index=False)
    with pytest.raises(InputError, match="parts, row 5 of b.xlsx: c, the group, is missing"):
        run("", name="parts", group="c", duplicates="keep")


def test_rows_below_empty_lines_are_named_as_in_the_file(run, tmp_path):
    rows = "".join(f"{n}.5,{'ab'[n % 2]}\n" for n in range(24))
    _, report = run("\n\nx,label\n" + rows + "oops,a\n")
    assert "such as row 28: 'oops'" in notes(report)["x"]
    for encoding, end in (("utf-8", "\n"), ("utf-16", "\r\n"), ("utf-16-be", "\r\n")):
        text = f"x,label\n\n{rows}\n\noops,a\n5.5\n\nwell,b\n".replace("\n", end)
        more = {"encoding": encoding, "duplicates": "keep"}
        _, report = run((text + rows[:-2]).encode(encoding), **more)
        assert "such as row 29: 'oops'" in notes(report)["x"]
        assert "filled with gaps: 1, such as row 30" in report["notes"][0]
        with pytest.raises(InputError, match="row 32: x is 'well', but"):
            run(text.replace("oops", "3.5").encode(encoding), task="regression", target="x", **more)
    # Nor are lines inside a value rows.
    _, report = run('x,t,label\n1.5,"a\n\nb",a\n\noops,c,b\n' + rows.replace(",", ",t,"))
    assert "such as row 4: 'oops'" in notes(report)["x"]
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/a.csv").write_text("\n\nx,label\n" + rows + "\noops,a\n")
    (tmp_path / "parts/b.csv").write_text("x,label\n" + rows)
    _, report = run("", name="parts", duplicates="keep")
    assert "such as row 29 of a.csv: 'oops'" in notes(report)["x"]


def test_objects_of_a_folder_may_lack_values(run, tmp_path):
    (tmp_path / "parts").mkdir()
    for name, more in {"a": {}, "b": {"z": 5}}.items():
        rows = [{"x": n, "label": "uv"[n % 2]} | more for n in range(12)]
        (tmp_path / f"parts/{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    prepared, _ = run("", name="parts", duplicates="keep")
    assert prepared["z"].isna().tolist() == [True] * 12 + [False] * 12
    # A key may have the name of the column that tells the files of others.
    rows = [{"x": n, "label": "uv"[n % 2], "file": "s"} for n in range(12)]
    (tmp_path / "parts/c.jsonl").write_text("\n".join(map(json.dumps, rows)))
    prepared, _ = run("", name="parts", duplicates="keep", na_values=[])
    assert prepared["file"].isna().tolist() == [True] * 24 + [False] * 12


def test_rows_with_a_cell_more_than_the_header(run):
    ends = "".join(f"{n},{n % 5},{'ab'[n % 2]},\n" for n in range(24))
    prepared, report = run(f"x,y,label\n{ends}")
    assert prepared["y"].tolist()[:5] == [0, 1, 2, 3, 4] and not report["notes"]
    names = "".join(f"r{n},{n % 5},{'ab'[n % 2]}\n" for n in range(24))
    prepared, report = run(f"y,label\n{names}", duplicates="keep")
    assert prepared.columns.tolist() == ["Unnamed: 0", "y", "label"]
    assert report["notes"] == [ROW_NAMES]
    decimals = "".join(f"{n % 7},5,{'ab'[n % 2]}\n" for n in range(24))
    with pytest.raises(InputError, match="row 2 has 3 cells, but the header has 2"):
        run(f"y,label\n{decimals}")


def test_between_blanks_a_short_row_is_refused(run):
    rows = "".join(f"{n}   {'' if n == 5 else n % 3}   {'ab'[n % 2]}\n" for n in range(24))
    with pytest.raises(
        InputError, match="row 7 has 2 cells, .* nothing tells which one is missing"
    ):
        run(f"x  y  label\n{rows}", separator=" ")
    hash_tag = "".join(f"{n}.5 {'ab'[n % 2]}\n" for n in range(24))
    prepared, _ = run(f"# x label\n{hash_tag}", separator=" ")
    assert prepared.columns.tolist() == ["x", "label"]


def test_numbers_of_a_file_with_types_may_stand_for_gaps(run, tmp_path, table):
    marked = table.assign(x=[-9, *range(23)], y=[-9.0, *np.arange(23) / 2])
    marked.to_parquet(tmp_path / "t.parquet")
    prepared, report = run("", name="t.parquet", na_values=[-9, "none"])
    gaps = table.assign(x=[None, *range(23)], y=[None, *np.arange(23) / 2])
    expected, _ = run(gaps)
    pd.testing.assert_frame_equal(prepared, expected)
    assert [line["missing"] for line in report["columns"]][:2] == [1, 1]


@pytest.mark.parametrize(
    ("content", "changes", "message"),
    [
        (None, {}, r"t.csv not found: check its path, or fetch it with `dvc pull`"),
        (b" \n", {}, "t.csv cannot be read: it is empty"),
        (b"a,label\n", {}, "t.csv has no rows below its header"),
        (
            b"a,label\n,x\n,x\n1,\n",
            {"missing": "drop"},
            "left: .*1 no target.* 1 a feature missing",
        ),
        (b"a,label\n1,2,3\n", {}, "row 2 has 3 cells, but the header has 2"),
        (b"a,label\n1,2\n1,2,3\n", {}, "row 3 has 3 cells"),
        (b"a,label\n1,2\n\xe9,2\n", {}, "row 3 is no utf-8: byte 0xe9 at its position 1"),
        (b"a,label\n1,2\n", {"encoding": "utf-9"}, "unknown encoding: utf-9"),
        (b"a,label\n1,2\n", {"skip": 9}, "it is empty"),
        (b"<!DOCTYPE html><p>Sign in", {}, "it is a web page, not a table"),
        (b"%PDF-1.7", {}, "it is a PDF document"),
        (b"\x80\x04\x95", {}, "it is a pickle"),
        (b"version https://git-lfs", {}, "git lfs pull"),
        (gzip.compress(b"a,label\n" * 999, mtime=0)[:30], {}, "t.csv cannot be read"),
        (b"PAR1\x15 and no more", {}, "t.csv cannot be read"),
        (b'a,label\n1,x\n"2,y\n3,z\n', {}, "row 3 opens a quote that is never closed"),
        (b'a,label\n1,x\n2,"y\n3,z\n', {}, "row 3 opens a quote that is never closed"),
        (b'{"a": 1}\n{"a": \n', {}, "no JSON"),
        (
            b'{"a": 1, "label": 2}\n{"a": "x\\ud83d", "label": 3}\n',
            {},
            r"entry 2: a has \\ud83d, half of a character",
        ),
        (b'{"a": 1}\n[2]\n', {}, "entry 2 is no object"),
        (b'{"a": 1, "a": 2, "label": 3}\n', {}, "an object has 'a' more than once"),
        (b'{"a.b": 1, "a": {"b": 2}}\n', {}, "an entry has two values called 'a.b': rename one"),
    ],
)
def test_a_table_that_cannot_be_read_is_named(run, tmp_path, content, changes, message):
    with pytest.raises(InputError, match=message):
        run(content, **changes)
    assert not list(tmp_path.glob("prepared*"))


def test_an_archive_of_several_files_is_refused(run, tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv", "w") as archive:
        archive.writestr("../a.csv", "x")
        archive.writestr("b.csv", "x")
    with pytest.raises(InputError, match=r"holds 2 files \(../a.csv, b.csv\): unpack the one"):
        run("")


def test_parts_with_different_headers_are_refused(run, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/a.csv").write_text("x,label\n1,2\n")
    (tmp_path / "parts/b.csv").write_text("y,label\n1,2\n")
    with pytest.raises(InputError, match="b.csv has another header than a.csv: 'y'"):
        run("", name="parts")
    (tmp_path / "parts/b.csv").write_bytes(b"x,label\n\xe9,2\n")
    with pytest.raises(InputError, match="parts cannot be read: b.csv: row 2 is no utf-8"):
        run("", name="parts")


def test_parts_may_have_their_columns_in_another_order(run, tmp_path):
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts/a.csv").write_text("x,label\n1,u\n2,v\n")
    (tmp_path / "parts/b.csv").write_text("label,x\nu,3\nv,4\n")
    (tmp_path / "parts/c.csv").write_text("")
    (tmp_path / "parts/README.md").write_text("About these files")
    table, _ = run("", name="parts")
    assert table["x"].tolist() == [1, 2, 3, 4] and table["label"].tolist() == list("uvuv")


def test_parts_of_different_formats_are_refused_and_names_of_folders_told(run, tmp_path, table):
    (tmp_path / "parts/year=2023").mkdir(parents=True)
    table.to_parquet(tmp_path / "parts/year=2023/a.parquet")
    _, report = run("", name="parts")
    assert report["notes"] == ["folders such as year=2023 name no column: only `file` has them"]
    table.to_csv(tmp_path / "parts/b.csv", index=False)
    with pytest.raises(InputError, match="a.parquet is parquet, but b.csv is csv: make them alike"):
        run("", name="parts")


def test_parts_with_types_keep_what_both_hold(run, tmp_path):
    (tmp_path / "parts").mkdir()
    labels = {"label": ["u", "v"]}
    for name, values in {"a": [1, 2], "b": [2.5, 3.5], "c": [None, None]}.items():
        pd.DataFrame({"x": values} | labels).to_parquet(tmp_path / f"parts/{name}.parquet")
    table, _ = run("", name="parts", duplicates="keep")
    assert table["x"].tolist()[:4] == [1, 2, 2.5, 3.5] and table["x"][4:].isna().all()
    pd.DataFrame({"x": ["1", "2"]} | labels).to_parquet(tmp_path / "parts/d.parquet")
    with pytest.raises(InputError, match="d.parquet: x is of type string, in another .* double"):
        run("", name="parts")


def test_a_file_beside_the_table_in_an_archive_is_no_second_one(run, tmp_path):
    with zipfile.ZipFile(tmp_path / "t.csv", "w") as archive:
        archive.writestr("data/table.csv.gz", gzip.compress(b"x,label\n1,u\n2,v\n3,u\n4,v\n"))
        archive.writestr("data/README.txt", "About it")
        archive.writestr("LICENSE", "Free")
    assert run("")[0]["x"].tolist() == [1, 2, 3, 4]


def test_short_rows_are_filled_and_counted(run):
    table, report = run("x,y,label\n1,2,a\n3\n4,5,b,\n" + "6,7,a\n8,9,b\n", duplicates="keep")
    assert table["y"].tolist() == [2, 5, 7, 9]
    assert report["rows"] == {"raw": 5, "dropped": {"no target": 1}, "prepared": 4}
    assert "rows with fewer cells than the header, filled with gaps: 1, such as row 3" in summarise(
        report
    )


def test_a_header_may_begin_as_other_formats_do(run):
    rows = "".join(f"{n},{n % 5},{'ab'[n % 2]}\n" for n in range(24))
    for name in ("PAR1", "ARROW1", "FEA1", "BZh9"):
        prepared, _ = run(f"{name},x,label\n{rows}", duplicates="keep")
        assert prepared.columns.tolist() == [name, "x", "label"]


def test_names_that_repeat_are_told(run):
    table, report = run("x,x,label\n1,2,a\n3,4,a\n5,6,b\n7,8,b\n")
    assert table.columns.tolist() == ["x", "x.1", "label"]
    assert report["notes"] == ["the header has 'x' more than once: the second one is called x.1"]


def test_prepare_puts_the_target_last_and_keeps_the_order_of_the_rows(run, table):
    prepared, _ = run(table.assign(id="n"), features=["y", "x"])
    pd.testing.assert_frame_equal(prepared, table[["y", "x", "label"]])


def test_prepare_takes_every_column_that_has_no_other_role(run, table):
    more = table.assign(patient=[1, 2] * 12, note="n", nothing=None, some=["s", None] * 12)
    prepared, report = run(more, group="patient", drop=["y"])
    assert prepared.columns.tolist() == ["x", "some", "label"]
    assert prepared.index.name == "group"
    assert prepared.index.tolist() == more["patient"].astype(str).tolist()
    assert {line["name"]: line["role"] for line in report["columns"]} == {
        **dict.fromkeys(["y", "note", "nothing"], "unused"),
        **dict.fromkeys(["x", "some"], "feature"),
        "label": "target",
        "patient": "group",
    }


def test_what_prepare_decides_travels_with_the_table(run, table, tmp_path):
    prices = [f"{n},{n % 10}5" for n in range(24)]
    run(
        table.assign(price=prices, when="31.12.2024").to_csv(sep=";"),
        separator=";",
        drop=["Unnamed: 0"],
    )
    schema = Schema.of(tmp_path / "prepared.parquet")
    price, when = schema.column("price"), schema.column("when")
    assert (price.kind, price.decimal, when.kind, when.dates) == (
        "number",
        ",",
        "date",
        "day first",
    )
    assert schema.roles["when"] == "unused"
    assert schema.file["separator"] == ";"


def test_every_kind_has_its_type(run):
    table, report = run(
        "i,g,f,b,d,t,label\n"
        + "1,1,0.5,true,2020-01-01,u,a\n2,,1.5,false,2020-01-02 06:00,v,b\n" * 2,
        duplicates="keep",
    )
    assert table.dtypes.astype(str).tolist() == [
        "int64",
        *["float64"] * 3,
        "datetime64[us]",
        "str",
        "str",
    ]
    types = ["integer", "integer", "number", "boolean", "date", "text", "text"]
    assert [line["type"] for line in report["columns"]] == types
    assert table["b"].tolist() == [1, 0] * 2
    assert table["d"][1] == pd.Timestamp("2020-01-02 06:00")


@pytest.mark.parametrize(
    "odd", ["inf", "-Infinity", "12 or so", "", "12345678901234567890", "1e300"]
)
def test_integers_with_one_that_is_none_are_numbers(run, table, odd):
    cells = [*map(str, range(23)), odd]
    prepared, _ = run(table.assign(x=cells), columns={"x": "number"})
    assert prepared["x"][:23].tolist() == list(range(23))
    assert prepared["x"].dtype == "float64"


def test_integers_in_a_file_with_types_that_no_float_holds_are_text(run, tmp_path):
    large = [2**53 + 1, 2**53 + 2, None, 5]
    frame = pd.DataFrame({"id": pd.array(large, "Int64"), "x": [1, 2, 3, 4], "label": list("abab")})
    frame.to_parquet(tmp_path / "t.parquet")
    table, _ = run("", name="t.parquet")
    assert table["id"].tolist()[:2] == [str(number) for number in large[:2]]


def test_what_types_hold_keeps_its_value(run, tmp_path):
    """Decimals to the last digit, identifiers beyond int64, times of day, durations in seconds."""
    columns = {
        "price": pa.array([Decimal("1100.10"), Decimal("0.07")] * 2, pa.decimal128(12, 2)),
        "key": pa.array([2**64 - 1, 2**64 - 2, 7, 8], pa.uint64()),
        "code": pa.array([Decimal(10**20), Decimal(10**20 + 1)] * 2, pa.decimal128(21, 0)),
        "at": pa.array([time(10, 30), time(0, 0, 1)] * 2),
        "took": pa.array([timedelta(days=1), timedelta(milliseconds=1500)] * 2),
        "label": pa.array(list("uvuv")),
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table, _ = run("", name="t.parquet")
    assert table["price"].tolist()[:2] == [1100.10, 0.07]
    assert table["key"].tolist() == [str(2**64 - 1), str(2**64 - 2), "7", "8"]
    assert table["code"].tolist()[:2] == [str(10**20), str(10**20 + 1)]
    assert table["at"].astype(str).tolist()[:2] == ["1970-01-01 10:30:00", "1970-01-01 00:00:01"]
    assert table["took"].tolist()[:2] == [86400, 1.5]


def test_objects_inside_of_json_objects_are_columns(run):
    rows = ['{"a": {"b": %d, "c": {"d": 1e2}}, "l": [1.50, "x", {"k": true}], "label": "%s"}']
    rows += ['{"a": {"b": %d, "c": {}}, "l": [], "label": "%s"}']
    content = "\n".join(rows[n % 2] % (n, "uv"[n % 2]) for n in range(4))
    table, _ = run(content, name="t.jsonl", columns={"a.c.d": "number"})
    assert table["a.b"].tolist() == [0, 1, 2, 3]
    assert table["a.c.d"].tolist()[::2] == [100, 100] and table["a.c.d"][1::2].isna().all()
    assert table["l"][0] == '[1.50, "x", {"k": true}]'
    with pytest.raises(InputError, match="it is one object, .* make 'rows' in it a file by itself"):
        run('{"rows": [{"x": 1, "label": "u"}]}', name="t.json")


def test_the_target_of_a_regression_is_a_number_where_that_is_possible(run, table):
    cells = ["007", "1e3", "12345678901234567", *map(str, range(21))]
    prepared, _ = run(table.assign(label=cells), task="regression", duplicates="keep")
    assert prepared["label"].tolist() == [float(cell) for cell in cells]


def test_a_type_that_no_model_takes_is_said(run, tmp_path):
    frame = pd.DataFrame({"x": [1, 2, 3, 4], "list": [[1]] * 4, "label": list("abab")})
    frame.to_parquet(tmp_path / "t.parquet")
    table, report = run("", name="t.parquet")
    assert table.columns.tolist() == ["x", "label"]
    assert "holds values of type list<element: int64>" in notes(report)["list"]


def test_prepare_says_which_rows_it_drops_and_why(run, table):
    table["some"] = ["s", None] * 12
    table.loc[0, "label"] = None
    twice = pd.concat([table, table[-2:]])
    _, report = run(twice, missing="drop")
    dropped = {"duplicate": 2, "no target": 1, "a feature missing": 12}
    assert report["rows"] == {"raw": 26, "dropped": dropped, "prepared": 11}
    assert {line["name"]: line["missing"] for line in report["columns"]}["some"] == 0
    infinite = twice.assign(label=[*range(24), float("inf"), 25])
    _, report = run(infinite, task="regression")
    assert report["rows"]["dropped"]["no target"] == 1
    kept, report = run(twice, duplicates="keep")
    assert report["rows"] == {"raw": 26, "dropped": {"no target": 1}, "prepared": 25}
    assert "1 no target; 25 left" in summarise(report)
    assert kept["some"].isna().sum() == 13


def test_rows_that_differ_in_an_identifier_alone_are_duplicates_once_it_is_dropped(run, table):
    twice = pd.concat([table, table[-4:]]).reset_index(drop=True)
    twice["id"] = twice.index
    for drop, duplicates in ([], 0), (["id"], 4):
        _, report = run(twice, drop=drop)
        assert report["rows"]["dropped"]["duplicate"] == duplicates


def test_rows_that_repeat_by_chance_are_kept_unless_params_drop_them(run, table):
    few = pd.DataFrame({"sex": ["m", "f"] * 300, "crew": [*"abc"] * 200, "label": [*"yyn"] * 200})
    kept, report = run(few, duplicates="auto")
    assert len(kept) == 600 and not report["rows"]["dropped"].get("duplicate")
    assert "kept; prepare.duplicates decides" in report["notes"][-1]
    once, _ = run(few, duplicates="drop")
    assert len(once) == len(few.drop_duplicates())
    random = np.random.default_rng(0)
    claims = pd.DataFrame({"age": random.integers(18, 78, 2000), "fuel": [*"abcd"] * 500})
    claims["claim"] = np.where(random.random(2000) < 0.95, 0, random.integers(1, 9999, 2000))
    assert claims.nunique().prod() > 10 * len(claims), "but nearly all claims are 0"
    kept, _ = run(claims, duplicates="auto", target="claim", task="regression")
    assert len(kept) == 2000
    # A table that was appended to itself
    twice = pd.concat([table.assign(z=np.arange(len(table)) / 7)] * 2)
    once, report = run(twice, duplicates="auto")
    assert len(once) == len(table) and report["rows"]["dropped"]["duplicate"] == len(table)


def test_duplicates_are_found_across_parts():
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"x": rng.integers(0, 300, 900), "t": rng.choice(list("abc"), 900)})
    rows.loc[rows["x"] % 7 == 0, "t"] = None
    rows["t"] = rows["t"].astype("str")
    rows["more"] = rng.normal(size=900)
    for size in (1, 37, 900):
        for drop in (["more"], []):
            found = Duplicates()
            starts = range(0, 900, size)
            parts = [found.find(rows[start : start + size], drop) for start in starts]
            expected = rows.drop(columns=drop).duplicated()
            assert np.concatenate(parts).tolist() == expected.tolist()
    zeros = pd.DataFrame({"x": [0.0, -0.0, 1.0]})
    assert Duplicates().find(zeros).tolist() == zeros.duplicated().tolist() == [False, True, False]


def test_texts_are_told_apart_by_all_their_bytes():
    texts = ["", "a", "b", "ab", "ba", "a\0", "\0", *("x" * n for n in range(1, 40)), "ü", None]
    texts += ["x" * 12 + end for end in "abc"] + ["a" + "x" * 12, "x" * 6 + "a" + "x" * 6]
    column = pd.Series(texts, dtype="str")
    hashes = bits_of(column)
    assert len(set(hashes.tolist())) == len(texts)
    # Wherever a text lies in memory, and in however many parts
    for other in (column[::-1], pd.concat([column[5:], column[:5]]), column[3:9]):
        assert bits_of(other).tolist() == hashes[other.index].tolist()


def test_the_hash_of_a_text_is_none_of_another_row():
    numbers = pd.DataFrame({"x": range(1000), "t": pd.Series([None] * 1000, dtype="str")})
    letters = pd.DataFrame({"x": range(1000), "t": pd.Series(list("abcde") * 200, dtype="str")})
    rows = pd.concat([numbers, letters, letters.assign(t=letters["t"] * 9)])
    assert len(set(hash_rows(rows).tolist())) == len(rows)


@pytest.fixture
def in_small_parts(monkeypatch):
    """A function after which tables are read a few rows at a time."""

    def small():
        monkeypatch.setattr(reader, "BLOCK", 1000)
        monkeypatch.setattr(reader, "BATCH", 300)
        monkeypatch.setattr(reader, "ROWS", 7)

    return small


def test_a_table_in_many_parts_is_prepared_as_one(run, table, in_small_parts):
    more = pd.concat([table.assign(x=table["x"] + 24 * n) for n in range(20)]).assign(
        when=lambda t: pd.to_datetime(t["x"], unit="D"), some=["s", None] * 240
    )
    whole, report = run(more)
    in_small_parts()
    parts, other = run(more)
    pd.testing.assert_frame_equal(whole, parts)
    assert report == other
    slow, _ = run(more.to_csv(index=False).replace("\n", "\n\n"))
    pd.testing.assert_frame_equal(whole, slow)


# Reads a slow file until an error, and prints what is left of the file at the end
INTERRUPTED = """
import atexit, sys, time, weakref
from tqdm.utils import CallbackIOWrapper
class Slow(CallbackIOWrapper):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        files.append(weakref.ref(self))
        read = self.read
        self.wrapper_setattr("read", lambda *size: time.sleep(0.05) or read(*size))
files = []
atexit.register(lambda: print([file() for file in files]))
sys.path.insert(0, "src")
from support import reader
reader.CallbackIOWrapper, reader.BLOCK, reader.BATCH = Slow, 1000, 1
keys = ("encoding", "separator", "quote", "escape", "skip")
table = reader.Table(sys.argv[1], dict(zip(keys, ("utf-8", ",", '"', "", 0))))
batches = table.batches()
for batch in batches:
    raise OSError("no space left")
"""


def test_no_thread_has_a_file_when_an_error_ends_the_process(tmp_path):
    """It would abort in Arrow's thread, which cannot let go of it then."""
    (tmp_path / "t.csv").write_text("x,label\n" + "1,u\n" * 20_000)
    command = [sys.executable, "-c", INTERRUPTED, tmp_path / "t.csv"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "[None]\n"), done.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_what_arrow_has_read_of_a_file_is_not_pythons(encoding):
    """Its threads may keep it longer than the file."""
    views = []

    class File(io.BytesIO):
        def read(self, size=-1):
            view = memoryview(super().read(size))
            views.append(weakref.ref(view))
            return view

    stream = Loan(File(b"x" * 5000)).stream(encoding)
    buffers = [stream.read_buffer(1000) for _ in range(3)]
    assert [buffer.to_pybytes() for buffer in buffers] == [b"x" * 1000] * 3
    assert views and {view() for view in views} == {None}


@pytest.mark.parametrize(
    ("first", "later", "again"),
    [
        ("7 9", "8", False),
        ("7.5 9.5", "8", False),
        ("7 9", "8.5", True),  # no integers any more
        ("7 9", "", True),  # pandas has no gaps among integers
        ("7.5 9", "", False),
        ("7.5 9", "NULL", False),
        ("7.5 9", "or so", False),  # one cell unlike all others
        ("7.5 9", "1,234.5", True),
        ("1,234 9", "7.5", True),
        ("1.234 9", "5,5", True),  # it was no fraction
        ("05/06/2024 06/06/2024", "25/06/2024", True),
        ("2024-06-05 2024-06-06", "0000-00-00", False),
        ("red blue", "7", False),
        ("red blue", "NULL", False),
        ("NA x7", "7", False),
        ("red red", "red", False),
        ("7 7", "8", True),  # it was no feature
        ("- -", "7", True),
    ],
)
def test_later_rows_may_show_that_the_first_were_read_wrongly(
    run, in_small_parts, monkeypatch, first, later, again
):
    cells = first.split() * 150 + [later] + first.split() * 50
    content = "".join(f'{n}.5,"{cell}",{"ab"[n % 2]}\n' for n, cell in enumerate(cells))
    whole, report = run(f"x,some,label\n{content}")
    in_small_parts()
    times = []
    batches = Table.batches
    monkeypatch.setattr(Table, "batches", lambda table: times.append(1) or batches(table))
    parts, other = run(f"x,some,label\n{content}")
    pd.testing.assert_frame_equal(whole, parts)
    assert report == other
    assert len(times) == 1 + again


def test_a_sample_is_seeded_and_keeps_the_order(run, table):
    first, report = run(table, max_rows=10)
    second, _ = run(table, max_rows=10)
    pd.testing.assert_frame_equal(first, second)
    assert len(first) == 10 and first["x"].is_monotonic_increasing
    assert report["rows"]["dropped"]["not in the sample"] == 14
    assert sample(24, 0).all() and sample(24, 99).all()


def test_derived_columns_are_features(run, table, monkeypatch, tmp_path):
    def add_features(frame):
        assert "label" not in frame
        return frame.assign(total=frame["x"] + frame["y"], odd=frame["x"] % 2 == 1)

    monkeypatch.setattr("prepare.add_features", add_features)
    prepared, report = run(table)
    assert prepared.columns.tolist() == ["x", "y", "total", "odd", "label"]
    assert prepared["total"].tolist() == (table["x"] + table["y"]).tolist()
    assert prepared["odd"].tolist() == [0.0, 1.0] * 12
    assert report["columns"][-1]["name"] == "odd"
    prepared, _ = run(table, features=["total"], drop=["y"])
    assert prepared.columns.tolist() == ["total", "label"]
    with pytest.raises(InputError, match=r"no column 'totla'; did you mean 'total'"):
        run(table, features=["totla"])
    assert not (tmp_path / "prepared.parquet.part").exists()


def test_columns_of_the_file_may_be_overwritten(run, monkeypatch):
    """The report and the stages see what src/features.py makes of them."""
    table = pd.DataFrame(
        {
            "count": [*range(1, 13)] * 2,
            "share": [0.0, 0.5, 0.25] * 8,
            "size": ["S", "M", "L"] * 8,
            "day": pd.date_range("2024-02-27", periods=24),
            "label": ["a", "b"] * 12,
        }
    )

    def add_features(frame):
        frame["count"] = frame["count"] / 4
        frame["share"] = np.log(frame["share"])
        frame["size"] = frame["size"].map({"S": 1, "M": 2, "L": 3})
        frame["day"] = frame["day"].dt.day_name()
        return frame

    monkeypatch.setattr("prepare.add_features", add_features)
    prepared, report = run(table)
    assert prepared["count"].tolist() == (table["count"] / 4).tolist()
    assert prepared["size"].tolist() == [1.0, 2.0, 3.0] * 8
    assert prepared["day"].tolist() == table["day"].dt.day_name().tolist()
    assert prepared["share"].isna().sum() == 8 and "-inf" in notes(report)["share"]
    kinds = {line["name"]: line["type"] for line in report["columns"]}
    assert kinds == {
        "count": "number",
        "share": "number",
        "size": "number",
        "day": "text",
        "label": "text",
    }


def test_a_derived_type_that_changes_far_below_is_told(run, monkeypatch):
    for size in ("BLOCK", "BATCH"):
        monkeypatch.setattr(reader, size, 2**16)
    table = pd.DataFrame({"x": range(40_000), "label": ["a", "b"] * 20_000})

    def add_features(frame):
        return frame.assign(x=frame["x"] / np.where(frame["x"] > 30_000, 2, 1))

    monkeypatch.setattr("prepare.add_features", add_features)
    with pytest.raises(InputError, match="src/features.py: .*far below other types: .*x"):
        run(table)


def test_a_mistake_in_features_is_named(run, table, monkeypatch, tmp_path):
    monkeypatch.setattr("prepare.add_features", lambda frame: frame.assign(z=frame["x"].rank()))
    with pytest.raises(InputError, match="src/features.py: the values of z change"):
        run(table)
    assert not (tmp_path / "prepared.parquet").exists()


def test_each_file_of_a_folder_has_its_own_encoding(run, tmp_path):
    text = "".join(f"{['grün', 'weiß'][n % 2]},{n},{'ab'[n % 3 > 0]}\n" for n in range(24))
    (tmp_path / "parts").mkdir()
    for n, encoding in enumerate(["cp1252", "utf-8", "utf-16"]):
        (tmp_path / f"parts/{n}.csv").write_bytes(f"größe,x,label\n{text}".encode(encoding))
    prepared, _ = run("", "parts", encoding="cp1252", duplicates="keep")
    assert prepared["größe"].value_counts().to_dict() == {"grün": 36, "weiß": 36}


def test_categories_of_times_are_read(run, tmp_path):
    days = pd.date_range("2024-01-01", periods=24)
    table = pd.DataFrame(
        {
            "day": pd.Categorical(days),
            "delay": pd.Categorical(pd.to_timedelta([*range(24)], unit="s")),
            "x": range(24),
            "label": ["a", "b"] * 12,
        }
    )
    table.to_feather(tmp_path / "t.feather")
    prepared, _ = run("", "t.feather")
    assert prepared["day"].tolist() == days.tolist()
    assert prepared["delay"].tolist() == [*range(24)]


@pytest.mark.parametrize(
    ("settings", "features"),
    [
        ({}, ["when", "x"]),
        ({"drop": ["when"]}, ["x"]),
        ({"features": ["x", "when"]}, ["x", "when"]),
        ({"features": ["x"]}, ["x"]),
    ],
)
def test_the_time_is_a_feature_unless_it_is_left_out(run, settings, features):
    days = pd.date_range("2024-01-01", periods=24)
    table = pd.DataFrame({"when": days[::-1], "x": [*range(12)] * 2, "label": ["a", "b"] * 12})
    prepared, report = run(table, time="when", **settings)
    assert prepared.columns.tolist() == [*features, "label"]
    assert prepared.index.name == "time" and prepared.index.tolist() == days[::-1].tolist()
    role = "time" if "when" in features else "order"
    assert role in [line["role"] for line in report["columns"] if line["name"] == "when"]


def test_what_is_doubtful_in_a_time_is_told(run):
    for times, note in [
        ([20240101 + n for n in range(24)], "may hold days such as 20240101"),
        (["2024-01-01"] * 23 + ["9999-12-31"], "has dates from 2024-01-01 to 9999-12-31"),
        ([*range(23), -999], "has -999, far from the others"),
        ([1_700_000_000 + 60 * n for n in range(24)], "seconds since 1970, from 2023-11-14: if so"),
        ([1_700_000_000_000.0 + n for n in range(24)], "milliseconds since 1970, from 2023-11-14"),
        ([45_000 + n / 2 for n in range(24)], "hold the days of a spreadsheet, from 2023-03-15"),
        ([f"{2000 + n}.{n % 12 + 1:02d}" for n in range(24)], "months such as 2000.01, .*'%Y.%m'"),
        ([201_512 + 89 * (n > 11) for n in range(24)], "months such as 201512: .* takes '%Y%m'"),
    ]:
        table = pd.DataFrame({"when_ts": times, "x": range(24), "label": ["a", "b"] * 12})
        _, report = run(table, time="when_ts")
        assert re.search(note, notes(report)["when_ts"])
    assert "1970" not in str(run(table.rename(columns={"when_ts": "lifetime_value"}))[1])
    phones = pd.DataFrame({"phone": [1_700_000_000 + 77 * n for n in range(24)], "x": range(24)})
    halls = pd.DataFrame({"hall": [200_101 + 7 * n for n in range(24)], "x": range(24)})
    assert "months" not in str(run(halls.assign(label=["a", "b"] * 12))[1])
    assert "1970" not in str(run(phones.assign(label=["a", "b"] * 12))[1])


def test_a_class_may_have_the_name_of_its_column(run):
    for labels, told in [(["y", "n", "m"] * 30, False), (["y", *["n", "m"] * 30, "y"], True)]:
        table = pd.DataFrame({"x": range(len(labels)), "y": labels})
        _, report = run(table, target="y")
        assert ("is its own name" in str(notes(report))) is told


def test_a_group_may_stand_in_drop(run, table):
    prepared, _ = run(table.assign(y=[1, 2] * 12), group="y", drop=["y"])
    assert prepared.columns.tolist() == ["x", "label"] and prepared.index.name == "group"


def test_prepare_warns_of_what_looks_wrong_by_name(run, table):
    table = table.assign(
        Id=range(1, 25),
        patient_id=[n * n for n in range(24)],
        squares=[n * n for n in range(24)],
        name=[f"n{n}" for n in range(24)],
        mostly=[*map(str, range(20)), "a", "b", "c", "d"],
        group=1,
        huge=[1e300, *range(23)],
        day=[20240101 + n for n in range(12)] * 2,
        depth=[-999.0, *np.arange(23) / 2],
        when=[f"{year}-01-01" for year in range(1890, 1914)],
    )
    _, report = run(table)
    said = notes(report)
    # x of the fixture counts the rows as well
    assert said.keys() == {
        "x",
        "Id",
        "patient_id",
        "name",
        "mostly",
        "group",
        "huge",
        "day",
        "depth",
        "when",
    }
    assert "looks like an identifier" in said["patient_id"]
    assert "text because of 4 values that are no number, such as row 22: 'a'" in said["mostly"]
    assert "same value" in said["group"]
    assert "may hold days such as 20240101" in said["day"]
    assert said["depth"].startswith("has -999, far from the others")
    assert "1e+300 in row 2, too large for a model" in said["huge"]
    assert "has dates from 1890-01-01 to 1913-01-01; holds times: " in said["when"]
    assert "warning: x, Id, patient_id: looks like" in summarise(report)


@pytest.mark.parametrize(
    ("change", "settings", "message"),
    [
        ({}, {"features": ["x", "Y"]}, r"no column 'Y'; did you mean 'y'\?"),
        ({}, {"features": ["x", "x"]}, "'x' has two roles"),
        ({}, {"features": ["x", "label"]}, "'label' has two roles"),
        ({}, {"features": ["x"], "drop": ["x"]}, "'x' has two roles"),
        ({}, {"drop": ["label"]}, "'label' has two roles"),
        ({}, {"features": "x"}, "must be `all` or a list"),
        ({}, {"text": ["X"]}, r"no column 'X', which .*; did you mean 'x'\?"),
        ({}, {"columns": {"X": "text"}}, r"no column 'X', which .*; did you mean 'x'\?"),
        ({}, {"columns": {"x": "txt"}}, "params.yaml: prepare.columns: x is 'txt'; give text"),
        ({}, {"columns": {"x": "%Y"}}, "row 2: x is '0', which is no date that is written %Y"),
        ({}, {"dates": "dayfirst"}, "prepare.dates is 'dayfirst'; did you mean 'day first'"),
        ({}, {"dates": "%Q"}, "params.yaml: .*%Q is not understood"),
        ({}, {"drop": ["x", "y"]}, "no column that could be a feature"),
        ({}, {"target": ""}, "prepare.target names no column; there is x, y, label"),
        ({}, {"na_values": "NA"}, "prepare.na_values is 'NA'; give auto, or a list"),
        ({}, {"na_values": ["NA", None]}, "na_values lists None, .* write the word in quotes"),
        ({}, {"na_values": [True]}, "na_values lists True, .* write the word in quotes"),
        (
            {"x": ["inf", *range(23)]},
            {"time": "x"},
            "row 2: x, the time, is missing, or infinite",
        ),
        ({}, {"columns": {"x": None}}, "prepare.columns: x is 'None'; give text"),
        ({"y": None}, {"time": "y"}, "y has no values, but prepare.time"),
        (
            {},
            {"target": "Label"},
            r"no column 'Label'; did you mean 'label'\?",
        ),
        ({}, {"group": "x", "time": "y"}, "prepare.group or prepare.time, not both"),
        ({}, {"task": "regression"}, "row 2: label is 'a', but the target of a regression"),
        ({"label": [*range(23), "9.5.1"]}, {"task": "regression"}, "row 25: label is '9.5.1', but"),
        (
            {"label": [*range(10), "1,5", *range(12), "2.5"]},
            {"task": "regression"},
            "row (12|25): label is '(1,5|2.5)', and other rows are written in another way",
        ),
        ({"label": ["None", "NA"] * 12}, {"task": "regression"}, "row 2: label is 'None', but"),
        ({"label": "a"}, {}, "at least two classes"),
        ({"label": ["a", "null"] * 12}, {}, "is 'a' in every row; 'null' counts as missing"),
        ({"label": None}, {}, "label, the target, has no values"),
        (
            {"label": [f"2024-01-{day:02d}" for day in range(1, 25)]},
            {"task": "regression"},
            "label holds dates, but the target of a regression is a number",
        ),
        ({"label": ["a"] * 23 + ["b"]}, {}, "the class 'b' of label, the target, has a single row"),
        ({"label": [445] * 23 + [446]}, {}, "the class '446' of label"),
        (
            {"label": [n + 0.5 for n in range(24)]},
            {},
            "24 different numbers such as 0.5.* regression",
        ),
        ({"y": [None] * 23 + [1]}, {"group": "y"}, "row 2: y, the group, is missing"),
        ({"y": ["soon"] * 24}, {"time": "y"}, "row 2: y is 'soon', but prepare.time takes dates"),
        (
            {"y": ["2020-01-01"] * 23 + ["0000-00-00"]},
            {"time": "y"},
            "row 25: y is '0000-00-00', but prepare.time",
        ),
    ],
)
def test_prepare_names_what_is_wrong(run, table, tmp_path, change, settings, message):
    with pytest.raises(InputError, match=message):
        run(table.assign(**change), **settings)
    assert not list(tmp_path.glob("prepared*"))


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (["True", "FALSE"], [True, False]),
        (["1", "3"], [1, 3]),
        (["0.5", "1.5"], ["0.5", "1.5"]),
        (["1", "b"], ["1", "b"]),
        (["01", "1"], ["01", "1"]),
        (["$5", "$10"], ["$5", "$10"]),
        (["1,000", "2,000"], ["1,000", "2,000"]),
        (["None", "NA"], ["None", "NA"]),
        (["12345678901234567", "12345678901234568"], ["12345678901234567", "12345678901234568"]),
    ],
)
def test_labels_are_what_is_written(run, table, labels, expected):
    prepared, _ = run(table.assign(label=[*labels * 11, None, None]))
    assert prepared["label"].tolist() == expected * 11
