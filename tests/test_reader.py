"""The bake's reader and the project's are one: random tables in random dialects."""

import bz2
import csv
import gc
import gzip
import io
import json
import lzma
import random
import re
import zipfile
from contextlib import suppress
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from cookiecutter.exceptions import FailedHookException
from features import add_features
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prepare import prepare
from support.cells import FORMS, Forms, Profile, undecorate
from support.columns import decide
from support.files import Dialect, TextRows, find_dialect
from support.params import InputError
from support.reader import Survey, Table, count_cells
from support.schema import Schema
from support.values import split_units

import raw_table
from raw_table import inspect, profile

PARAMS = {"na_values": "auto", "decimal": "auto", "dates": "auto", "text": [], "columns": {}}
PARAMS |= {"sheet": "", **vars(Dialect())}
many = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

# What people write into cells: numbers, dates and words as they come, and any text at all
plain = st.sampled_from(
    [
        "1",
        "-2",
        "007",
        "4,702",
        "7.823",
        "1.234,5",
        "1'000",
        "12e45",
        "1e-05",
        "5%",
        "$3",
        "(4)",
        "NA",
        "None",
        "null",
        "-",
        "?",
        "true",
        "FALSE",
        "inf",
        "2024-02-29",
        "2023-02-29",
        "31.12.2024",
        "1/2/24",
        "12/31/2024",
        "2024-05",
        "1115-02",
        "3,14",
        ".5",
        "5.",
        "+1",
        "--",
    ]
    + ["5 kg", "6kg", "7 lb", "8 days", "9-", "(3 kg)", "R$ 2,00", "12e45 kg", "\u20133"]
    + ["16MAY2023", "Tue, 16 May 2023 1:20 PM", "05/16/2023", "31 Apr 2022", "0001-01-01"]
    + ["Jan 2024", "Sept. 2023", "2024Q3", "q1 1999", "3/2024", "2024/03", "12:30", ",5"]
    + ["1:20:05 pm", "25:10"]
    + ["9999-12-31 23:59-05", "29.02.21", "May 16th, 2023", "2023.5.16", "16-May-23"]
    + ["", " ", " x ", "3 Jan 2024", "1 234", "2020-01-01 10:00", "1\u00a0000", "12345678901234567"]
)
text = st.text(
    st.characters(codec="utf-8", exclude_characters="\r\0", exclude_categories=["Cs"]), max_size=8
)
cells = plain | text
columns = st.lists(cells, min_size=1, max_size=30)


@st.composite
def tables(draw) -> list[list[str]]:
    width = draw(st.integers(2, 4))
    rows = draw(st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=20))
    # A row of one kind of blank alone is no row.
    return [["a", "b", "c", "y"][-width:], *([*row[:-1], "z"] for row in rows)]


@many
@given(st.lists(st.text(st.sampled_from("()+-\u2212$%,. 05em"), min_size=1), min_size=1))
def test_arrow_and_python_take_the_same_signs_and_units_away(some):
    cells = [cell.strip() for cell in some]
    numbers, units = (part.to_pylist() for part in split_units(pa.array(cells)))
    for cell, number, unit in zip(cells, numbers, units, strict=True):
        if Forms().of(cell).endswith("*"):
            expected, expected_unit = undecorate(cell)
            # Arrow reads 5.- francs as 5.
            assert number in (expected, re.sub("[.,]0$", "", expected)), cell
            assert unit == expected_unit, cell


@many
@given(columns)
def test_arrow_and_python_see_the_same_forms(some):
    one, other = Profile(Forms()), Profile(Forms())
    for part in (some, some[::-1]):
        one.add(part)
        count_cells(other, pa.array(part, pa.string()))
    for key in ("rows", "blank", "padded", "words", "units"):
        assert getattr(one, key) == getattr(other, key), key
    assert one.is_text == other.is_text
    if not one.is_text:
        assert (one.forms, one.others, one.first) == (other.forms, other.others, other.first)
    [decided] = decide({"x": one}, PARAMS)
    [again] = decide({"x": other}, PARAMS)
    assert decided == again or one.is_text


@many
@given(cells)
def test_a_cell_has_one_form_at_most(cell):
    assert sum(bool(re.fullmatch(form, cell)) for form in FORMS.values()) <= 1


@many
@given(
    tables(),
    st.sampled_from([",", ";", "\t", "|", "::"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    st.booleans(),
    st.sampled_from([bytes, gzip.compress, bz2.compress, lzma.compress]),
)
def test_what_is_written_is_read(tmp_path, table, separator, end, encoding, quoted, pack):
    if separator == "::":
        # Between such separators, nothing is quoted.
        table = [
            [
                cell.translate(str.maketrans("", "", '"\n:\v\f\x1c\x1d\x1e\x85\u2028\u2029'))
                for cell in row
            ]
            for row in table
        ]
        content = "".join(separator.join(row) + end for row in table)
    else:
        file = io.StringIO()
        quoting = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
        csv.writer(file, delimiter=separator, lineterminator=end, quoting=quoting).writerows(table)
        content = file.getvalue()
    path = tmp_path / "t.csv"
    path.write_bytes(pack(content.encode(encoding)))
    params = {**PARAMS, "separator": separator, "encoding": encoding.removesuffix("-sig")}
    assert cells_of(Table(path, params)) == [tuple(row) for row in table[1:]]


@many
@given(tables(), st.sampled_from([",", ";", "\t", "|"]), st.integers(0, 3))
def test_the_dialect_is_found_by_the_target(table, separator, titles):
    file = io.StringIO()
    file.write("A title of some words\n" * titles)
    csv.writer(file, delimiter=separator, lineterminator="\n").writerows(table)
    dialect = find_dialect(file.getvalue(), "y", cut=False)
    content = io.BytesIO(file.getvalue().encode())
    assert list(TextRows(content, "csv", dialect)) == table[1:]
    assert dialect.skip == titles


def cells_of(table: Table) -> list[tuple[str, ...]]:
    return [
        row
        for batch in table.batches()
        for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]


def write_zip(frame: pd.DataFrame, path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("folder/t.csv", frame.to_csv(index=False))
        archive.writestr("__MACOSX/._t.csv", "what macOS adds")


def write_zstd(frame: pd.DataFrame, path: Path) -> None:
    with pa.output_stream(path, compression="zstd") as file:
        file.write(frame.to_csv(index=False).encode())


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])
def test_of_a_packed_file_the_beginning_is_enough(tmp_path, suffix):
    """As of a URL, of which the bake fetches that alone."""
    numbers = random.Random(0).choices(range(10**6), k=400_000)
    path = tmp_path / f"t.csv{suffix}"
    frame = pd.DataFrame({"x": numbers, "y": ["a", "b"] * 200_000})
    write_zstd(frame, path) if suffix == ".zst" else frame.to_csv(path, index=False)
    answers = {"task": "classification", "target": "y"}
    whole = path.read_bytes()
    for content, cut in [(whole, False), (whole[: len(whole) // 2], True)]:
        found = raw_table.read(io.BytesIO(content), answers, whole=not cut)
        assert found["suffix"] == f".csv{suffix}"
        assert any("the bake looked at the first" in note for note in found["notes"]) == cut
    with pytest.raises(EOFError):
        raw_table.read(io.BytesIO(content), answers, whole=True)


def write_parts(frame: pd.DataFrame, path: Path) -> None:
    path.mkdir()
    for name, part in {"a": frame[: len(frame) // 2], "b": frame[len(frame) // 2 :]}.items():
        part.to_csv(path / f"{name}.csv", index=False)


FORMATS = {
    "csv": lambda frame, path: frame.to_csv(path, index=False),
    "jsonl": lambda frame, path: frame.to_json(path, orient="records", lines=True),
    "json": lambda frame, path: frame.to_json(path, orient="records"),
    "parquet": lambda frame, path: frame.to_parquet(path),
    "feather": lambda frame, path: frame.to_feather(path),
    "xlsx": lambda frame, path: frame.to_excel(path, index=False),
    "zst": write_zstd,
    "zip": write_zip,
    "folder": write_parts,
}


@pytest.mark.parametrize("kind", FORMATS)
@settings(many, max_examples=30)
@given(tables())
def test_every_format_holds_the_same_cells(tmp_path_factory, kind, table):
    # What Excel cannot hold, or takes for a formula
    unfit = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|^=|_x[0-9A-Fa-f]{4}_")
    if kind == "xlsx":
        # Nor does it keep blanks around a text.
        table = [[unfit.sub("", cell).strip() for cell in row] for row in table]
    header, *rows = table
    path = tmp_path_factory.mktemp("format") / f"t.{kind}"
    FORMATS[kind](pd.DataFrame(rows, columns=header), path)
    read = Table(path, PARAMS)
    expected = [tuple(row) for row in rows]
    if kind == "folder":
        files = ["a.csv"] * (len(rows) // 2) + ["b.csv"] * (len(rows) - len(rows) // 2)
        expected = [(*row, file) for row, file in zip(expected, files, strict=True)]
    assert cells_of(read) == expected


# Cells of everyday tables, on whose dialect two readers should agree
words = st.text("abcdefghijklmnopqrstuvwxyzäß ,;|'", min_size=1, max_size=12).map(str.strip)
everyday = st.sampled_from(
    [
        st.integers(-10_000, 10_000).map(str),
        st.floats(-100, 100).map("{:.2f}".format),
        st.dates().map(str),
        st.sampled_from(["yes", "no"]),
        words.filter(bool),
    ]
)


@settings(many, max_examples=100)
@given(st.data(), st.sampled_from([",", ";", "\t", "|"]), st.sampled_from(['"', "'"]))
def test_duckdb_finds_the_same_dialect_and_reads_the_same_cells(tmp_path, data, separator, quote):
    kinds = data.draw(st.lists(everyday, min_size=2, max_size=5))
    rows = data.draw(st.lists(st.tuples(*kinds), min_size=10, max_size=20))
    names = [*(f"column {n}" for n in range(len(kinds))), "target"]
    file = io.StringIO()
    writer = csv.writer(file, delimiter=separator, quotechar=quote, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerows([names, *([*row, "t"] for row in rows)])
    path = tmp_path / "t.csv"
    path.write_text(file.getvalue(), encoding="utf-8", newline="")

    dialect = find_dialect(file.getvalue(), "target", cut=False)
    [found] = duckdb.sql(f"from sniff_csv('{path}', header=true)").fetchall()
    assert (dialect.separator, dialect.quote) == (found[0], found[1]) == (separator, quote)
    expected = duckdb.sql(f"from read_csv('{path}', header=true, all_varchar=true)").fetchall()
    table = Table(path, PARAMS | vars(dialect))
    assert cells_of(table) == expected and table.names == names


def drawn(some: list[list[str]], rows: int, rng: random.Random) -> dict[str, list[str]]:
    """Return a column of cells drawn from each list, by its name."""
    return {f"c{n}": rng.choices(cells, k=rows) for n, cells in enumerate(some)}


@settings(many, max_examples=200)
@given(st.lists(columns, min_size=1, max_size=4), st.integers(0, 2**32))
def test_the_bake_decides_as_prepare_does(tmp_path, some, seed):
    frame = drawn(some, 40, random.Random(seed))
    path = tmp_path / "t.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*frame, "y"])
        writer.writerows([*row, n] for n, row in enumerate(zip(*frame.values(), strict=True)))
    with path.open("rb") as file:
        profiles, _ = profile(TextRows(file, "csv", Dialect()), "y")
    kinds = {one.name: one.kind for one in decide(profiles, PARAMS)}
    survey = Survey(Table(path, PARAMS), Forms())
    assert sum(map(len, survey)) == survey.rows == 40
    assert {one.name: one.kind for one in decide(survey.profiles, PARAMS)} == kinds


# Few values, in several spellings, some of which no model can hold
FEW = ["1", "1.0", "+1", "2", "inf", "1e400", "nan", "", "NA", "-", "true", "TRUE", "a", "A "]
FEW += ["1,5", "1,50", "$1", "(1)", "2024-01-02"]


@settings(many, max_examples=100)
@given(
    st.lists(st.lists(st.sampled_from(FEW), min_size=1, max_size=3), min_size=2, max_size=3),
    st.integers(2, 12),
    st.sampled_from(["csv", "jsonl", "parquet"]),
    st.sampled_from(["classification", "regression"]),
    st.integers(0, 2**32),
)
def test_the_bake_accepts_what_prepare_does(tmp_path, some, rows, kind, task, seed):
    frame = pd.DataFrame(drawn(some, rows, random.Random(seed)))
    if kind == "parquet":
        frame["c0"] = pd.to_numeric(frame["c0"], errors="coerce")
    path = tmp_path / f"t.{kind}"
    FORMATS[kind](frame, path)
    params = PARAMS | {"raw": str(path), "task": task, "target": "c0", "features": "all"}
    params |= {"drop": [], "group": "", "time": "", "missing": "impute", "duplicates": "auto"}
    said = []
    inspect.cache_clear()
    for check in (
        lambda: inspect(str(path), task, "c0"),
        lambda: prepare(Table(path, params), params | {"max_rows": 0}, tmp_path / "p.parquet"),
    ):
        said.append("")
        try:
            check()
        except (FailedHookException, InputError) as error:
            said[-1] = str(error)
    assert bool(said[0]) == bool(said[1]), said


@settings(many, max_examples=150)
@given(st.lists(columns, min_size=2, max_size=4), st.integers(0, 2**32))
def test_what_prepare_accepts_it_reads_again_as_new_rows(tmp_path, some, seed):
    """Other errors than an InputError would be tracebacks."""
    rng = random.Random(seed)
    frame = drawn(some, 30, rng)
    path = tmp_path / "t.csv"
    pd.DataFrame(frame).to_csv(path, index=False)
    task = rng.choice(["classification", "regression"])
    params = PARAMS | {"raw": str(path), "task": task, "target": "c0", "features": "all"}
    params |= {"drop": [], "group": "", "time": "", "missing": "impute", "duplicates": "keep"}
    table = Table(path, params)
    with suppress(InputError):
        prepare(table, params | {"max_rows": 0}, tmp_path / "prepared.parquet")
        schema = Schema.of(tmp_path / "prepared.parquet")
        prepared = pd.read_parquet(tmp_path / "prepared.parquet").reset_index(drop=True)
        [batch] = table.batches()
        new = schema.frame(path, batch, 2, add_features)
        for name in schema.names("feature"):
            # As the target has gaps, some rows may not have been prepared.
            assert {*prepared[name].dropna()} <= {*new[name].dropna()}


def test_an_array_of_json_is_closed_without_a_word(tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr("sys.unraisablehook", said.append)
    rows = [{"x": n, "y": n / 2} for n in range(9)]
    (tmp_path / "t.json").write_text(json.dumps(rows))
    inspect(str(tmp_path / "t.json"), "regression", "y")
    gc.collect()
    assert not said


def test_the_bake_says_what_it_looked_at(tmp_path, monkeypatch):
    rows = "".join(f"{n % 7},{'uv'[n % 2]}\n" for n in range(5000))
    (tmp_path / "t.csv").write_text(f"x,y\n{rows}9,w\n")
    with pytest.raises(Exception, match="the class 'w' of y, the target, has a single row"):
        inspect(str(tmp_path / "t.csv"), "classification", "y")
    monkeypatch.setattr("raw_table.LIMIT", 1 << 12)
    inspect.cache_clear()
    found = inspect(str(tmp_path / "t.csv"), "classification", "y")
    assert found["notes"] == ["the bake looked at the first 0 MB of it"]
    for mark in (b"", b"\xef\xbb\xbf"):
        path = tmp_path / f"{len(mark)}.json"
        path.write_bytes(mark + json.dumps([{"x": n, "y": "u"} for n in range(999)]).encode())
        found = inspect(str(path), "classification", "y")
        assert found["notes"] == ["it is one large JSON array, so stage prepare will check it"]


def test_excel_is_read_as_it_shows(bake, tmp_path):
    """The first sheet or a named one; whole numbers without a point, codes with their zeros."""
    frame = pd.DataFrame(
        {
            "code": [f"00{n}" for n in range(24)],
            "size": [n / 2 for n in range(24)],
            "day": pd.date_range("2024-01-01", periods=24),
            "sold": [True, False] * 12,
            "class": ["a"] * 12 + ["b"] * 12,
        }
    )
    with pd.ExcelWriter(tmp_path / "book.xlsx") as book:
        frame.to_excel(book, sheet_name="first", index=False)
        frame[::-1].to_excel(book, sheet_name="second", index=False)
    project = bake(tmp_path, data=str(tmp_path / "book.xlsx"), target="class", project_slug="p")
    assert "python-calamine\n" in (project.path / "requirements.txt").read_text()
    project.run("dvc repro prepare")
    report = json.loads((project.path / "results/data.json").read_text())
    types = {line["name"]: line["type"] for line in report["columns"]}
    assert list(types.values()) == ["text", "number", "date", "boolean", "text"]
    table = pd.read_parquet(project.path / "data/prepared.parquet")
    assert table["code"].tolist() == frame["code"].tolist()
    assert table["day"].tolist() == frame["day"].tolist()
    project.set("prepare.sheet", "second")
    project.run("dvc repro prepare")
    table = pd.read_parquet(project.path / "data/prepared.parquet")
    assert table["size"].tolist() == frame["size"].tolist()[::-1]
    project.set("prepare.sheet", "third")
    output = project.run("dvc repro prepare", status=255)
    assert "it has no sheet 'third'; there is first, second" in output
    (tmp_path / "broken.xlsx").write_bytes(Path(tmp_path / "book.xlsx").read_bytes()[:2000])
    output = bake(tmp_path, status=1, data=str(tmp_path / "broken.xlsx"), target="class").output
    assert len(output.splitlines()) == 1 and "damaged zip archive" in output


@pytest.mark.parametrize(
    "notes",
    [
        ['"lone'] * 2,  # two cells of rows that are not next to each other
        ['"The best" of them'] * 30,
        ['"lone', 'an "inside" one'],
    ],
)
def test_quotes_that_enclose_no_cells_are_parts_of_them(tmp_path, notes):
    """As databases write text between tabs."""
    cells = [f"{notes[n // 3 % len(notes)]} {n}" if n % 3 == 1 else f"fine {n}" for n in range(90)]
    cells[6:80:9] = ["plain"] * len(cells[6:80:9])
    rows = "".join(f"{n}\t{cell}\t{n / 3:.2f}\t{'ab'[n % 2]}\n" for n, cell in enumerate(cells))
    path = tmp_path / "t.tsv"
    path.write_text(f"row\tnote\tsize\ty\n{rows}")
    found = inspect(str(path), "classification", "y")
    assert found["quote"] == "" and "its quotes do not enclose values" in found["notes"][0]
    table = Table(path, PARAMS | {key: found[key] for key in vars(Dialect())})
    assert [row[1] for row in cells_of(table)] == cells


def test_a_slip_does_not_make_quotes_parts_of_all_cells(tmp_path):
    rows = "".join(f'"{n}"\t"a, {n}"\t"{"ab"[n % 2]}"\n' for n in range(60))
    path = tmp_path / "t.tsv"
    path.write_text(f'"row"\t"note"\t"y"\n{rows}"61"\t"The best" of them\t"a"\n')
    assert inspect(str(path), "classification", "y")["quote"] == '"'
