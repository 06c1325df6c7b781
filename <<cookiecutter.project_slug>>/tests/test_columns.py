"""What a cell means: forms, the kinds of columns, and the values that are read from them."""

import doctest
import re
from datetime import datetime
from importlib import import_module
from pathlib import Path

from support import cells
from support.cells import Forms, Profile
from support.columns import decide
from support.reader import count_cells
from support.values import MisfitError, read_values

import pyarrow as pa
import pytest
from helpers import PREPARE


def columns_of(table, strict=(), **changes):
    """Return the column that each list of cells makes, by its name."""
    params = PREPARE | changes
    forms = Forms(params["na_values"], params["dates"] if "%" in params["dates"] else "")
    profiles = {name: Profile(forms) for name in table}
    for name, some in table.items():
        profiles[name].add(some)
    return {column.name: column for column in decide(profiles, params, strict)}


def at(*parts):
    """Return a time of day as columns of such times have it."""
    return datetime(1970, 1, 1, *parts)


def values_of(cells, **changes):
    column = columns_of({"x": cells}, **changes)["x"]
    return column.kind, read_values(pa.array(cells), column).to_pylist()


SUPPORT = Path(cells.__file__).parent
EXAMPLES = sorted(one.stem for one in SUPPORT.glob("*.py") if ">>>" in one.read_text("utf-8"))


@pytest.mark.parametrize("module", EXAMPLES)
def test_examples_in_docstrings(module):
    found = doctest.testmod(import_module(f"support.{module}"))
    assert found.attempted and not found.failed


@pytest.mark.parametrize(
    ("given", "kind", "expected"),
    [
        (["1", "-2", "+3"], "integer", [1, -2, 3]),
        (["1.5", " 2 ", "\t", ""], "number", [1.5, 2, None, None]),
        (["4,702", "999", "28,271"], "integer", [4702, 999, 28271]),
        (["1,234.5", "1,234,567.25"], "number", [1234.5, 1234567.25]),
        (["12,34,567", "1,00,000.5"], "number", [1234567, 100000.5]),
        (["70,8", "7.823"], "number", [70.8, 7823]),
        (["7.823", "1.234.567", "70"], "integer", [7823, 1234567, 70]),
        ([",5", "-,25"], "number", [0.5, -0.25]),
        (["11.239,75", "3"], "number", [11239.75, 3]),
        (["4,702", "28271"], "number", [4.702, 28271]),
        (["1 234,5", "12", "1\u202f000"], "number", [1234.5, 12, 1000]),
        (["1'234.50", "2'000'000"], "number", [1234.5, 2000000]),
        (["$1,234.50", "$5", "-$7", "($3)"], "number", [1234.5, 5, -7, -3]),
        (["\\1,234", "\\500"], "integer", [1234, 500]),
        (["12 €", "1.234,50 €"], "number", [12, 1234.5]),
        (["5%", "6 %", "-7%"], "integer", [5, 6, -7]),
        (["(3)", "4", "5"], "integer", [-3, 4, 5]),
        (["(-3)", "4", "$-5-"], "text", ["(-3)", "4", "$-5-"]),
        (["(-3)", "4", "-(5)"], "integer", [-3, 4, -5]),
        (["(+3)", "4"], "text", ["(+3)", "4"]),
        (["-3-", "4"], "text", ["-3-", "4"]),
        (["(4)", "-Infinity", "1,234"], "number", [-4, float("-inf"), 1234]),
        (["$ (3.50)", "US$4", "$5"], "text", ["$ (3.50)", "US$4", "$5"]),
        (["R$ 1.234,50", "R$(3,00)", ""], "number", [1234.5, -3, None]),
        (["1 200,50 kr", "-40 kr"], "number", [1200.5, -40]),
        (["4.20-", "1,234.00", "5"], "number", [-4.2, 1234, 5]),
        (["82 km/h", "97.5km/h", ""], "number", [82, 97.5, None]),
        (["1 day", "12 days"], "integer", [1, 12]),
        (["21,5 °C", "–3 °C"], "number", [21.5, -3]),
        (["1.5K", "2M", "900"], "text", ["1.5K", "2M", "900"]),
        (["3 lb", "4 kg"], "text", ["3 lb", "4 kg"]),
        (["3 lb", "4-"], "text", ["3 lb", "4-"]),
        (["1\u2009234", "12\u2009000"], "integer", [1234, 12000]),
        (["\u22125", "4", "\u22121,234"], "integer", [-5, 4, -1234]),
        (["1e-05", "1.5E+3", "2"], "number", [1e-05, 1500, 2]),
        (["0.5", "1e5"], "number", [0.5, 100000]),
        (["NaN", "1", "NA", "-"], "integer", [None, 1, None, None]),
        (["007", "12"], "text", ["007", "12"]),
        (["12345678901234567", ""], "text", ["12345678901234567", None]),
        (["12e45", "3"], "text", ["12e45", "3"]),
        (["5%", "6", "7%"], "text", ["5%", "6", "7%"]),
        (["$5", "€6"], "text", ["$5", "€6"]),
        (["1.2.3", "1.5"], "text", ["1.2.3", "1.5"]),
        (["TRUE", "false", ""], "boolean", [True, False, None]),
        (["None", "NA", "x"], "text", ["None", "NA", "x"]),
        (["NULL", "x"], "text", [None, "x"]),
        (["#NV", "1", "k.A.", "n/d", "\u2013", "-1.#IND"], "integer", [None, 1, *[None] * 4]),
        (["", " "], "empty", [None, None]),
        (["NA", "NA"], "empty", [None, None]),
    ],
)
def test_numbers_and_words_are_what_is_written(given, kind, expected):
    assert values_of(given) == (kind, expected)


DAY_16 = datetime(2023, 5, 16, 13, 20)
EARLY_17 = datetime(2023, 5, 17, 1, 20, 5)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["2024-02-29", "2024/3/1"], [datetime(2024, 2, 29), datetime(2024, 3, 1)]),
        (["9999-12-31", "1066-10-14"], [datetime(9999, 12, 31), datetime(1066, 10, 14)]),
        (
            ["2020-01-02 03:04:05.25", "2020-01-02T03:04"],
            [datetime(2020, 1, 2, 3, 4, 5, 250000), datetime(2020, 1, 2, 3, 4)],
        ),
        (
            ["2020-01-02T00:30:00+01:00", "2020-01-02T00:30Z"],
            [datetime(2020, 1, 1, 23, 30), datetime(2020, 1, 2, 0, 30)],
        ),
        (["31.12.2024", "1.2.2024"], [datetime(2024, 12, 31), datetime(2024, 2, 1)]),
        (["31/12/24", "01/02/70"], [datetime(2024, 12, 31), datetime(1970, 2, 1)]),
        (
            ["12/31/2024 5:30 PM", "1/2/2024 12:15 am"],
            [datetime(2024, 12, 31, 17, 30), datetime(2024, 1, 2, 0, 15)],
        ),
        (["3 Jan 2024", "12-December-2023"], [datetime(2024, 1, 3), datetime(2023, 12, 12)]),
        (["Sept 3, 2024", "May 12, 2023"], [datetime(2024, 9, 3), datetime(2023, 5, 12)]),
        (["2024-02", "2023-11"], [datetime(2024, 2, 1), datetime(2023, 11, 1)]),
        (["Jan 2024", "December-2023"], [datetime(2024, 1, 1), datetime(2023, 12, 1)]),
        (["Sept. 2024", "May, 2023"], [datetime(2024, 9, 1), datetime(2023, 5, 1)]),
        (["01/2024", "2023/12"], [datetime(2024, 1, 1), datetime(2023, 12, 1)]),
        (["2024Q1", "2023 q4"], [datetime(2024, 1, 1), datetime(2023, 10, 1)]),
        (["Q2 2024", "2023-Q3"], [datetime(2024, 4, 1), datetime(2023, 7, 1)]),
        (["2021.7.4", "0001-01-01"], [datetime(2021, 7, 4), datetime(1, 1, 1)]),
        (["5/6/2023 13:20 PM", "5/16/2023 1:20 p.m."], [datetime(2023, 5, 6, 13, 20), DAY_16]),
        (["2023-05-16 15:20+02", "2023-05-16 07:50-0530"], [DAY_16, DAY_16]),
        (["16MAY2023:13:20:00", "16/May/2023:15:20:00 +0200"], [DAY_16, DAY_16]),
        (["Tue, 16 May 2023 13:20:00 GMT", "16. may 2023 13:20"], [DAY_16, DAY_16]),
        (["May 16th, 2023 1:20 PM", "Tuesday, May 16, 2023 13:20"], [DAY_16, DAY_16]),
        (["16-May-23 13:20", "03.01.99"], [DAY_16, datetime(1999, 1, 3)]),
        (["5/16/2023 13:20", "16 May 2023 1:20 pm"], [DAY_16, DAY_16]),
        (
            ["9999-12-31T23:30:00-01:00", "0001-01-01T00:30:00+01:00"],
            [datetime.max, datetime.min],
        ),
        (["8:30", "23:05:09.5"], [at(8, 30), at(23, 5, 9, 500000)]),
        (["12:15 am", "1:20 P.M."], [at(0, 15), at(13, 20)]),
        (["8.30pm", "12 am", "7 p.m.", "19:05"], [at(20, 30), at(0, 0), at(19, 0), at(19, 5)]),
        (["5/16/2023, 1:20\u202fPM", "5/17/2023, 1:20:05\u202fAM"], [DAY_16, EARLY_17]),
    ],
)
def test_dates_are_what_is_written(given, expected):
    assert values_of([*given, ""]) == ("date", [*expected, None])


@pytest.mark.parametrize(
    "given",
    [
        ["2023-02-29", "2024-01-01"],
        ["1115-02", "2040-07"],
        ["31/12/2024", "12/31/2024"],
        ["now", "today"],
        ["32.01.2024", "01.13.2024"],
        ["12-10-05", "11-10-05"],
        ["31 Apr 2022", "1 Mar 2022"],
        ["Feb 29, 2021", "Feb 28, 2021"],
        ["29.02.21", "01.03.21"],
    ],
)
def test_what_only_looks_like_a_date_is_text(given):
    assert values_of(given * 2) == ("text", given * 2)


def test_dates_follow_their_pattern():
    assert values_of(["2011970", "31011970"], dates="%d%m%Y")[1] == [
        datetime(1970, 1, 2),
        datetime(1970, 1, 31),
    ]
    assert values_of(["02/01/1970"], dates="day first")[1] == [datetime(1970, 1, 2)]
    assert values_of(["02/01/1970"], dates="month first")[1] == [datetime(1970, 2, 1)]
    assert values_of(["19700102", "5"], columns={"x": "%Y%m%d"}, na_values=["5"])[1][0].day == 2
    with pytest.raises(ValueError, match="%Q is not understood"):
        Forms("auto", "%d/%Q")


def test_one_number_without_its_mark_does_not_make_decimals_of_the_others():
    """1,200 among 1500: many of three digits behind the mark are hardly all decimals."""
    rents = ["1,200", "950", "2,000", "1,850"] * 9 + ["1500"]
    found = columns_of({"a": rents})
    assert (found["a"].kind, found["a"].thousands) == ("integer", ",")
    assert "whose comma was taken to mark thousands" in found["a"].notes[0]
    found = columns_of({"a": ["4,702", "28271"], "b": ["70.25"]})
    assert found["a"].kind == "integer" and not found["a"].notes


@pytest.mark.parametrize(
    ("cells", "mark"), [(["12.000,- €", "95,- €"], ","), (["CHF 12,000.-", "CHF 95.-"], ".")]
)
def test_the_mark_of_no_cents_is_the_decimal_mark(cells, mark):
    [column] = columns_of({"price": cells}).values()
    assert column.decimal == mark and not column.notes
    assert read_values(pa.array(cells), column).to_pylist() == [12_000, 95]


def test_codes_in_groups_say_nothing_of_other_columns():
    telephones = [f"612.345.{n}" for n in range(100, 130)]
    found = columns_of({"tel": telephones, "weight": ["1.125", "2.375"]})
    assert found["weight"].kind == "number"
    assert "may be a code" in columns_of({"tel": telephones, "x": ["1.5"]})["tel"].notes[0]
    for some in (telephones, ["101,205,310", "99,128,200"]):
        [column] = columns_of({"code": some}).values()
        assert column.kind == "integer" and "if they are codes" in column.notes[0]


def test_whole_numbers_have_the_thousands_that_other_columns_tell():
    columns = {"people": ["141.891", "268.459"], "area": ["73,2", "16,8"]}
    for separator in ";,":
        people = columns_of(columns, separator=separator)["people"]
        assert (people.kind, people.decimal, people.thousands) == ("integer", ",", ".")
        values = read_values(pa.array(columns["people"]), people)
        assert values.to_pylist() == [141_891, 268_459]
        # Commas separate the columns as well: 73,2 may be a list.
        assert ("taken to mark thousands" in "".join(people.notes)) == (separator == ",")


@pytest.mark.parametrize(
    ("doubtful", "cells"),
    [(["1,3", "2", "1,2"], ["906,035", "941,200"]), (["1.9", "1.10", "2.0"], ["498.491", "7.200"])],
)
def test_lists_and_versions_do_not_tell_how_others_are_written(doubtful, cells):
    other = columns_of({"x": cells, "answers": doubtful})["x"]
    alone = columns_of({"x": cells})["x"]
    assert other == alone and "was taken to mark" in "".join(alone.notes)
    # Several columns of such numbers are hardly all lists.
    many = {"x": ["906.035", "1.200"], "a": ["1,3", "7"], "b": ["22,5", "1,2"]}
    assert columns_of(many)["x"].decimal == "," and not columns_of(many)["x"].notes


def test_lists_that_look_like_decimals_are_told():
    [column] = columns_of({"chosen": ["1", "1,2", "3,10"]}).values()
    assert column.kind == "number" and "if they are lists, name it" in column.notes[0]
    assert columns_of({"size": ["5½", "6½"]})["size"].kind == "text"


def test_times_without_am_or_pm_among_others_are_told():
    column = columns_of({"x": ["2:30 PM", "9:15 AM", "1:10"]})["x"]
    assert (column.dates, column.unit) == ("time of day", "")
    assert column.notes[0].startswith("has 1 time without AM or PM, such as '1:10' (row 4)")
    assert columns_of({"x": ["2:30 PM", "9:15 AM"]})["x"].unit == "AM/PM"
    [column] = columns_of({"x": ["2.30 Uhr"]}, columns={"x": "%H.%M Uhr"}).values()
    assert column.is_clock


def test_thousands_that_another_column_makes_decimals_are_told():
    """Unless the other is named as text, or left out, which then tells nothing."""
    table = {"version": ["1.1", "1.2", "2.0"], "visits": ["68.797", "252", "28.271"]}
    column = columns_of(table)["visits"]
    assert column.kind == "number" and "set prepare.decimal to ','" in column.notes[0]
    decimals = {"version": table["version"], "weight": ["1.125", "2.375", "7.250"]}
    assert not columns_of(decimals)["weight"].notes
    lists = {"answers": ["5,7", "1,2"], "n": ["98,736", "548"]}
    for params in ({"text": ["answers"]}, {"columns": {"answers": "text"}}, {"drop": ["answers"]}):
        column = columns_of(lists, **params)["n"]
        assert (column.kind, column.thousands) == ("integer", ",")
    days = {"code": ["20/8/12"], "due": ["4/5/2024"]}
    assert columns_of(days)["due"].dates == "day first"
    column = columns_of(days, text=["code"])["due"]
    assert column.dates == "month first" and "set prepare.dates" in column.notes[0]


def test_numbers_of_one_precision_are_no_versions():
    found = columns_of(
        {"price": ["1.50", "1.55"], "size": ["1.5", "1.55"], "cost": ["$1.50", "$1.5"]}
    )
    assert not any(column.notes for column in found.values())


def test_other_columns_decide_what_one_leaves_open():
    """Decimal marks, the order of day and month, and which words are gaps."""
    found = columns_of({"a": ["7.823"], "b": ["70,8"]}, separator=";")
    assert found["a"].kind == "integer" and not found["a"].notes
    found = columns_of({"a": ["1,100"] * 60 + ["1,23"], "b": ["0.25"]})  # one may be a mistake
    assert (found["a"].kind, found["a"].gaps) == ("integer", ["1,23"])
    found = columns_of({"a": ["01/02/2024"], "b": ["31/12/2024"], "c": ["12/10/2024"]})
    assert {column.dates for column in found.values()} == {"day first"}
    assert not any(column.notes for column in found.values())
    found = columns_of({"a": ["1", "NA"], "b": ["x", "NA"]})
    assert found["b"].gaps == ["NA"]
    assert "'NA' in 1 row, taken as missing" in found["b"].notes[0]


@pytest.mark.parametrize(
    ("given", "note"),
    [
        (
            ["4,702", "999"],
            "1 values such as '4,702' .row 2. whose comma was taken to mark thousands",
        ),
        (
            ["7.823"],
            "'7.823' .row 2. whose point was taken to mark decimals.* prepare.decimal to ','",
        ),
        (["01/02/2024"], "'01/02/2024' .row 2., which were read month first; .* prepare.dates"),
        (["None", "x"], "has 'None' in 1 row, taken as a value; prepare.na_values decides"),
        (["yes", "yes ", "no"], "blanks around 1 values"),
        (["2020-01-01"] * 59 + ["0000-00-00"], "1 value taken as missing .* row 61: '0000-00-00'"),
        (["1"] * 60 + ["unknown."] * 9, "9 values taken as missing .* row 62: 'unknown.'"),
        (["1"] * 30 + ["A1", "B2", "C3"], "text because of 3 values .* row 32: 'A1'"),
        (["12e45", "3"], "'12e45' in row 2 may be a code"),
        (["12e45 kg", "3 kg"], "'12e45 kg' in row 2 may be a code"),
        (["1115Q2", "1116Q1"], "'1115Q2' in row 2 may be a code"),
        (["Jan 2024"], "holds months, taken as their first days"),
        (["8:30"], "was read as times of day; if it holds something else, see prepare.text"),
        (
            ["8:30"] * 200 + ["30:15"],
            "text because of 1 value that is no date, .*row 202: '30:15'",
        ),
        (["8:30"] * 60 + ["-2:11"], "text because of 1 value that is no date, .*: '-2:11'$"),
        (["8:30"] * 23 + ["24:00"], "text because of 1 value that is no date, .*: '24:00'$"),
        (["Jan-20", "Feb-14"], "takes its pattern, '%b-%d' or '%b-%y'$"),
        (["26:30", "100:00"], "'26:30' in row 2 is not a recognised number or date"),
        (
            ["2024-01-01T10:00", "2024-01-02T10:00+02:00"],
            "times with a zone, such as '2024-01-02T10:00.02:00' .row 3., and times without, taken",
        ),
        (["0.25"] * 60 + ["1,25"], "1 value taken as missing .* row 62: '1,25'"),
        (["0.25"] * 60 + ["1,25", "1,5"], "more than one way, such as row 62: '1,25'"),
        (["2009-10", "2010-11"], "text: '2009-10' in row 2 may be a year to the next one"),
        (["2009/10", "2013/14"], "text: '2009/10' in row 2 may be a year to the next one"),
        (["2009-10", "2009-11"], "holds months, taken as their first days"),
        (["2024Q1"], "holds quarters, taken as their first days"),
        (["true", "1", "false"], "text because of 1 value that is no true or false, .* row 3"),
        *[
            (
                ["", cell],
                f"is text: {re.escape(repr(cell))} in row 3 is not a recognised number or date",
            )
            for cell in ("1_000", "\u0663", "1/2", "3-5", "--5", "1.000.00", "\ufeff1")
            + (
                "Jan-24",
                "2024-W05",
                "01-02-24",
                "15. März 2024",
                "15 de mayo de 2024",
                "+12024-01-01",
            )
            + ("2024-01-01 10:00 CEST", "2024-01-01 24:00", "20240101T101112", "1. Jan. 2024")
        ],
        (["TRUE", "False", "FALSE"], "'False' and 'TRUE', taken as one way to write true or false"),
        (["Yes", "no", "yes"], "differ in case alone, such as 'Yes' and 'yes'"),
        (["1115-02", "2040-07"], "'1115-02' in row 2 may be a code"),
        (["5%", "6"], "different units, % and none"),
        (["16.5 kmpl", "20 km/kg"], "different units, km/kg, kmpl"),
        (["7"] * 60 + ["8x"], "1 value taken as missing .* row 62: '8x'"),
        (["192.168.100.101", "192.168.100.102"], "points were taken to mark thousands"),
        (["552 100 554", "552 100 611"], "'552 100 554' .row 2. whose blanks were taken to mark"),
        (["1.9", "1.10", "1.11"], "has '1.10' .row 3. beside '1.9', taken as numbers"),
        (["1.9b", "1.10b"], "has '1.10b' .row 3. beside '1.9b', taken as numbers"),
        (["18.35 Uhr", "8.05 Uhr"], "prepare.columns takes its pattern, '%H.%M Uhr'$"),
        (["5-", "12"], "has a minus behind numbers, such as '5-', taken as negative"),
        (["7"] * 60 + ["8x", "9 y"], "text because of 2 values .* row 62: '8x'"),
    ],
)
def test_what_was_taken_is_said(given, note):
    column = columns_of({"x": given})["x"]
    assert len(column.notes) == 1 and re.search(note, column.notes[0]), column.notes


def test_parameters_overrule():
    assert values_of(["4,702"], decimal=",") == ("number", [4.702])
    assert values_of(["None", "x"], na_values=["None"]) == ("text", [None, "x"])
    assert values_of(["NULL", "x"], na_values=[]) == ("text", ["NULL", "x"])
    assert values_of(["-999", "5"], na_values=["-999"]) == ("integer", [None, 5])
    assert values_of(["7", "8"], text=["x"]) == ("text", ["7", "8"])
    assert values_of(["12e45", "007"], columns={"x": "number"}) == ("number", [12e45, 7])
    assert values_of(["007", "012"], columns={"x": "number"}) == ("integer", [7, 12])
    assert values_of(["4,702"], columns={"x": "decimal ,"}) == ("number", [4.702])
    assert values_of(["1/2/2024"], columns={"x": "day first"})[1] == [datetime(2024, 2, 1)]
    assert values_of(["8:30:05"], columns={"x": "%H:%M"})[1] == [at(8, 30, 5)]
    with pytest.raises(ValueError, match="x is 'nmber'; give text, number"):
        values_of(["1"], columns={"x": "nmber"})


@pytest.mark.parametrize(
    ("given", "kind"), [(["0", "1"], "boolean"), (["w1", "w2"], "date"), (["w1", "w2"], "number")]
)
def test_a_column_that_is_not_of_the_kind_it_is_given_is_refused(given, kind):
    with pytest.raises(ValueError, match=f"x is '{kind}', but row 2 is '{given[0]}'"):
        values_of(given, columns={"x": kind})


def test_in_strict_columns_nothing_is_missing_for_being_different():
    assert columns_of({"x": ["1"] * 200 + ["two"]}, strict=["x"])["x"].kind == "text"


@pytest.mark.parametrize(
    ("seen", "new"),
    [
        (["2020-01-01"], "20200101"),
        (["1.5", "2"], "2020-01-01"),
        (["true", "false"], "7"),
        (["1", "2"], "4,702"),
        (["5%"], "6"),
        (["$5"], "€6"),
        (["5 kg"], "6 lb"),
        (["(5)"], "6 kg"),
        (["31.12.2024"], "2024-12-31"),
        (["1", "2"], "unknown."),
        (["5 kg"], "(6 kg"),
        (["$5"], "THB 5"),
    ],
)
def test_a_new_cell_of_another_kind_is_refused(seen, new):
    column = columns_of({"x": seen})["x"]
    with pytest.raises(MisfitError) as error:
        read_values(pa.array([seen[0], None, new]), column)
    assert (error.value.position, error.value.cell) == (2, new)


def test_arrow_counts_as_python_does():
    some = ["1", " 2", "", "NA", "1.5", "x", "2020-01-01", "$3", "4,702", "true", "  ", "é"]
    # More units than are remembered: Arrow counts them by itself.
    some += [f"{n} kg" for n in range(30)] + ["(5 kg)", "7.5 days", "6-", "1 day", "8 q("]
    one, other = Profile(Forms()), Profile(Forms())
    for part in (some, some[::-1] * 300):
        one.add(part)
        count_cells(other, pa.array(part))
    for key in ("rows", "blank", "padded", "forms", "units", "words", "others", "first"):
        assert getattr(one, key) == getattr(other, key), key
    assert one.beside.keys() == other.beside.keys()


def notes_on(cells, **changes):
    """Return the kind and the notes that a column of these cells gets."""
    column = columns_of({"x": cells}, **changes)["x"]
    return column.kind, "; ".join(column.notes)


@pytest.mark.parametrize(
    ("cells", "changes", "kind", "note"),
    [
        # A word that takes rows away, or may stand for a number
        (
            ["0", "1", "unknown"] * 9,
            {"target": "x"},
            "integer",
            "has 'unknown' in 9 rows, taken as m",
        ),
        (["True", "False", "NA"] * 9, {"target": "x"}, "boolean", "has 'NA' in 9 rows, taken as m"),
        (["1", "2", "none"] * 9, {}, "integer", "has 'none' in 9 rows, taken as missing"),
        (["1", "2", "NA"] * 9, {}, "integer", ""),
        (["1", "2", "none"] * 9, {"na_values": ["none"]}, "integer", ""),
        # A word beside blanks
        (["x", "", ""] * 9, {}, "text", ""),
        (["*", "", ""] * 9, {}, "text", "has '*' in 9 rows, taken as a value"),
        (["NULL", "", ""] * 9, {}, "empty", ""),
        (["none"] * 9, {}, "empty", ""),
        (["*", "", ""] * 9, {"na_values": ["*"]}, "empty", ""),
        # All in brackets
        (["(1999)", "(2007)"], {}, "integer", "has brackets around all numbers, taken as negative"),
        (["(19.5)", "20"], {}, "number", ""),
        # Years of two digits
        (["24/03/31", "23/11/30"], {}, "date", "'24/03/31' (row 2) was read as 2031-03-24"),
        (["13.02.45", "1.2.1968"], {}, "date", "'13.02.45' (row 2) was read as 2045-02-13"),
        (["2/28/71"], {}, "date", "'2/28/71' (row 2) was read as 1971-02-28"),
        (["01-JAN-40", "2-Sep-41"], {}, "date", "'01-JAN-40' (row 2) was read as 2040-01-01"),
        (["Mon, 6 Dec 71"], {}, "date", "'Mon, 6 Dec 71' (row 2) was read as 1971-12-06"),
        (["01-JAN-1940", "6 Dec 1971 10:30"], {}, "date", ""),
        # Why it is text, whatever stands for a gap
        (
            ["11-02-11", "NaN", "12-03-12"] * 9,
            {},
            "text",
            "'11-02-11' in row 2 is not a recognised",
        ),
        (["6.5 l/100km", "7 l/100km"], {}, "text", "'6.5 l/100km' in row 2 is not a recognised"),
        (["12 Elm St", "7 Oak St"], {}, "text", ""),
        (["August 3, 2000 at 11:02 AM"], {}, "text", "in row 2 is not a recognised"),
        (["3 srpna 2000", "1 ledna 2001"], {}, "text", "in row 2 is not a recognised"),
        (["2000. augusztus 3."], {}, "text", "in row 2 is not a recognised"),
        (["24/03/31"], {"columns": {"x": "%y/%m/%d"}}, "date", ""),
        (["31/03/2024"], {}, "date", ""),
    ],
)
def test_what_has_two_readings_is_told(cells, changes, kind, note):
    found, said = notes_on(cells, **changes)
    assert found == kind
    assert note in said if note else not said


def test_listed_words_come_beside_the_usual_ones_or_in_their_place():
    cells = ["NA", "5.5", "-999", "7"] * 9
    assert values_of(cells, na_values=["auto", "-999"]) == ("number", [None, 5.5, None, 7] * 9)
    kind, said = notes_on(cells, na_values=["-999"])
    assert kind == "text" and "text because of 9 values that are no number" in said
    names = ["NULL", "None", "gone", "x"]
    expected = ("text", [None, "None", None, "x"])
    assert values_of(names, na_values=["auto", "gone"]) == expected
    assert "'None' in 1 row, taken as a value" in notes_on(names, na_values=["auto", "gone"])[1]


def test_a_parameter_for_all_columns_decides_the_ambiguous_ones():
    days = {"a": ["2024-01-02", "2024-05-06"], "b": ["02/01/2024", "06/05/2023"]}
    for dates in ("day first", "month first", "%d/%m/%Y"):
        found = columns_of(days, dates=dates)
        written = [one.dates for one in found.values()]
        assert written == ["ISO8601", dates] and not any(one.notes for one in found.values())
    numbers = {"a": ["12.5", "3"], "b": ["3,75", "4"], "c": ["4,702", "9,999"]}
    for decimal in (".", ","):
        found = columns_of(numbers, decimal=decimal)
        assert [one.decimal for one in found.values()] == [".", ",", decimal]
        assert [one.kind for one in found.values()][:2] == ["number", "number"]


def test_a_date_without_a_year_is_in_a_leap_year():
    found = values_of(["24-Jan", "29-Feb"], columns={"x": "%d-%b"})
    assert found == ("date", [datetime(2000, 1, 24), datetime(2000, 2, 29)])


@pytest.mark.parametrize("word", ["no data", "k.o."])
def test_a_word_that_half_of_the_rows_hold_is_told(word):
    kind, said = notes_on([word] * 80 + [f"{n}.5" for n in range(40)])
    assert kind == "text" and f"80 values that are no number, such as row 2: '{word}'" in said
    assert f"if they are gaps, set prepare.na_values to ['auto', '{word}']" in said
    assert values_of([word, "5.5"], na_values=["auto", word]) == ("number", [None, 5.5])
    sizes = ["S", "M", "L", "XL", "38", "40"] * 20
    assert notes_on(sizes) == ("text", "")


@pytest.mark.parametrize(
    ("kind", "cells"),
    [
        ("decimal .", ["1,05", "2,5"]),
        ("decimal ,", ["1.05", "2.5"]),
        ("day first", ["1/13/2024", "2/14/2024"]),
        ("month first", ["13/1/2024", "14/3/2024"]),
        ("ISO8601", ["1/2/2024", "2/3/2024"]),
    ],
)
def test_a_format_that_a_column_does_not_have_is_refused(kind, cells):
    with pytest.raises(ValueError, match=f"x is '{kind}', but row 2 is '{cells[0]}'"):
        columns_of({"x": cells}, columns={"x": kind})


@pytest.mark.parametrize("cell", ["1.1.24", "24-Jan", "Jan 24", "3/4", "192.168.0.1", "0x1F"])
def test_what_a_note_advises_can_be_done(cell):
    kind, said = notes_on([cell] * 30)
    assert kind == "text" and "is not a recognised number or date" in said
    if found := re.search("takes its pattern, '(.*?)'", said):
        kind, values = values_of([cell], columns={"x": found[1]})
        assert kind == "date" and None not in values
    else:
        assert "features.py" in said


@pytest.mark.parametrize("word", ["-999", -999, -999.0, "-999,0"])
@pytest.mark.parametrize("cell", ["-999", "-999.0", "-999.0000"])
def test_a_number_for_a_gap_is_found_however_it_is_written(word, cell):
    kind, values = values_of(["5.5", cell, "7.25"], na_values=[word, "NA"])
    assert (kind, values) == ("number", [5.5, None, 7.25])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Z\u00fcrich", "Zu\u0308rich"),
        ("La Paz", "La\u00a0Paz"),
        ("go  on", "go on"),
        ("ok", "ok\u200b"),
    ],
)
def test_values_that_look_alike_are_told(one, other):
    kind, note = notes_on([one, other, "else"] * 9)
    assert kind == "text"
    assert note == (
        f"has values that differ in blanks or signs that hardly show, such as {one!a} and {other!a}"
    )


def test_a_number_among_texts_says_nothing_of_other_columns():
    table = {"x": ["1.234", "12.500", "2.000"] * 9, "note": ["good", "2,5", "bad"] * 9}
    assert "set prepare.decimal to ','" in columns_of(table)["x"].notes[0]
    table["note"] = ["3,25", "2,5", ""] * 9
    told = columns_of(table, separator=";")["x"]
    assert told.thousands == "." and not told.notes
