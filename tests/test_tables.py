"""Bakes with tables of the user's own: real ones, to the end, and broken ones, to one line."""

import gzip
import hashlib
import io
import json
import threading
import zlib
from datetime import date, timedelta
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from cookiecutter.exceptions import FailedHookException
from helpers import BIN, STAGES, Project, blocks, run, type_in
from openpyxl import Workbook
from prepare import prepare
from sklearn.datasets import load_breast_cancer, load_wine
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import balanced_accuracy_score, r2_score
from support.cells import stored
from support.params import InputError
from support.reader import Table
from support.schema import Schema

from raw_table import PARAMS, inspect


def packaged(path: str) -> Path:
    """Return a file that a package ships, without importing the package."""
    package, _, rest = path.partition("/")
    return Path(find_spec(package).submodule_search_locations[0], rest)


def breast_cancer(folder: Path) -> Path:
    """Boolean labels, gzipped."""
    frame = load_breast_cancer(as_frame=True).frame
    frame["target"] = frame["target"].astype(bool)
    frame.to_csv(folder / "tumours.csv.gz", index=False)
    return folder / "tumours.csv.gz"


def wine(folder: Path) -> Path:
    """Integer labels, as a spreadsheet in Europe writes them, and hard names."""
    frame = load_wine(as_frame=True).frame.rename(
        columns={"target": 'the "Rebe", übrigens', "alcohol": "Vol. %\nAlkohol", "hue": "l'éclat"}
    )
    text = frame.to_csv(index=False, sep=";", decimal=",", lineterminator="\r\n")
    (folder / "Wein (2024) é.csv").write_text("\ufeff" + text, encoding="utf-8", newline="")
    return folder / "Wein (2024) é.csv"


# The margin is what the test metric (balanced accuracy, whose floor is 1 / classes, or R², whose
# floor is about 0) must be above that of an estimator that does not look at the features.
TABLES = {
    "missing values, categories, labels of text": (
        "palmerpenguins/data/penguins.csv",
        {"task": "classification", "target": "species"},
        {},
        0.5,
    ),
    "groups, dates, constants, identifiers": (
        "palmerpenguins/data/penguins-raw.csv",
        {"task": "classification", "target": "Species"},
        {"prepare.group": "Individual ID", "prepare.drop": ["studyName", "Sample Number"]},
        0.5,
    ),
    "imbalanced": (
        "ISLP/data/Default.csv",
        {"task": "classification", "target": "default"},
        {"train.model": "logistic_regression", "train.class_weight": "balanced"},
        0.3,
    ),
    "binary": (breast_cancer, {"task": "classification", "target": "target"}, {}, 0.35),
    "decimal commas": (
        wine,
        {"task": "classification", "target": 'the "Rebe", übrigens'},
        {"train.model": "svc"},
        0.5,
    ),
    "times": (
        "vega_datasets/_data/seattle-weather.csv",
        {"task": "regression", "target": "temp_max"},
        {"prepare.time": "date"},
        0.6,
    ),
    "regression with categories, targets missing": (
        "ISLP/data/Hitters.csv",
        {"task": "regression", "target": "Salary"},
        {"train.model": "svr", "train.search.candidates": 5},
        0.25,
    ),
    "more than 50,000 rows": (
        "plotnine/data/diamonds.csv",
        {"task": "regression", "target": "price"},
        {},
        0.9,
    ),
}


def dummy_score(project: Project, task: str) -> float:
    train, test = (pd.read_parquet(project.path / f"data/{part}.parquet") for part in DATA)
    dummy = DummyClassifier() if task == "classification" else DummyRegressor()
    metric = balanced_accuracy_score if task == "classification" else r2_score
    dummy.fit(train.iloc[:, :-1], train.iloc[:, -1])
    return metric(test.iloc[:, -1], dummy.predict(test.iloc[:, :-1]))


DATA = ("train", "test")


# Class weights, gzip and decimal commas have tests of their own: these tables are for `make sweep`.
MORE = {"imbalanced", "binary", "decimal commas"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.sweep] * (name in MORE)) for name in TABLES],
)
def test_a_real_table_gives_a_sensible_model(bake, tmp_path, name):
    source, answers, settings, margin = TABLES[name]
    path = source(tmp_path) if callable(source) else packaged(source)
    content = path.read_bytes()
    project = bake(tmp_path, data=str(path), project_slug="project", **answers)
    assert project.run("git status --porcelain") == ""
    raw = yaml.safe_load((project.path / "params.yaml").read_text("utf-8"))["prepare"]["raw"]
    assert (project.path / raw).read_bytes() == content == path.read_bytes()
    assert raw not in project.tracked() and f"{raw}.dvc" in project.tracked()
    for key, value in settings.items():
        project.set(key, value)

    output = project.scripts(*STAGES)
    assert "Traceback" not in output and "Warning" not in output
    metrics = json.loads((project.path / "results/metrics.json").read_text())
    metric = "balanced_accuracy" if answers["task"] == "classification" else "r2"
    assert metrics[metric] > dummy_score(project, answers["task"]) + margin
    assert {*metrics["cv"]} <= {*metrics["training"]}
    report = json.loads((project.path / "results/data.json").read_text("utf-8"))
    rows = report["rows"]
    assert rows["raw"] == sum(rows["dropped"].values()) + rows["prepared"]
    assert all(" ".join(line["name"].split()) in output for line in report["columns"])

    parts = {part: pd.read_parquet(project.path / f"data/{part}.parquet") for part in DATA}
    assert sum(map(len, parts.values())) == rows["prepared"]
    if "prepare.group" in settings:
        assert not set(parts["train"].index) & set(parts["test"].index)
    if "prepare.time" in settings:
        assert parts["train"].index.max() < parts["test"].index.min()

    # New rows are read as the table was, whatever is missing in them.
    predicted = project.run(["python", "src/predict.py", path, "-o", "../predictions.csv"])
    assert predicted == ""
    assert len(pd.read_csv(tmp_path / "predictions.csv")) == rows["raw"]

    before = project.outcome()
    project.scripts(*STAGES)
    assert project.outcome() == before


def test_a_table_is_described_and_its_dubious_columns_are_named(bake, tmp_path):
    path = packaged("palmerpenguins/data/penguins-raw.csv")
    table = pd.read_csv(path).assign(Id=range(1000, 1344))
    table.to_csv(tmp_path / "with_id.csv", index=False)
    project = bake(tmp_path, data=str(tmp_path / "with_id.csv"), target="Species")
    assert "with_id.csv: Id identifies each row: it is in prepare.drop" in project.output
    project = Project(tmp_path / "with-id-classifier", project.env)
    assert yaml.safe_load((project.path / "params.yaml").read_text())["prepare"]["drop"] == ["Id"]
    output = project.scripts("prepare", "split")
    types = {
        line["name"]: (line["role"], line["type"])
        for line in json.loads((project.path / "results/data.json").read_text())["columns"]
    }
    assert types["Date Egg"] == ("feature", "date")
    assert types["Culmen Length (mm)"] == ("feature", "number")
    assert types["Sex"] == ("feature", "text")
    assert types["Stage"] == ("unused", "text")
    assert "Stage: has the same value in each row" in output
    # What the test above would show if the split ignored groups
    parts = [pd.read_parquet(project.path / f"data/{part}.parquet") for part in DATA]
    assert set(parts[0]["Individual ID"]) & set(parts[1]["Individual ID"])

    output = project.run("dvc exp run -S prepare.drop=[] prepare")
    assert "warning: Id: looks like an identifier" in output


def test_the_diabetes_table_is_scikit_learns(bake, tmp_path):
    from sklearn.datasets import load_diabetes

    project = bake(tmp_path, task="regression", project_slug="diabetes")
    table = pd.read_csv(project.path / "data/raw/diabetes.csv")
    frame = load_diabetes(as_frame=True, scaled=False).frame
    frame = frame.rename(columns={"target": "progression"})
    pd.testing.assert_frame_equal(table, frame, check_dtype=False)
    project.run("ruff check")
    project.run("ruff format --check")
    # Of the project's tests, those of its own files; what the others find is the same everywhere.
    tests = "tests/test_pipeline.py tests/test_train.py::test_every_model_of_params_yaml_learns"
    project.run(f"python -m pytest -q -p no:cacheprovider {tests}")
    assert project.run("git status --porcelain") == ""

    project.run("dvc repro")
    project.commit("Random forest")
    floor = dummy_score(project, "regression")
    metrics = json.loads((project.path / "results/metrics.json").read_text())
    assert {"r2", "mae", "rmse", "median_absolute_error"} < metrics.keys()
    project.run("dvc plots show")
    assert "Predicted against actual" in (project.path / "dvc_plots/index.html").read_text()

    queue, *_ = blocks(project, "Sweep")[0].splitlines(keepends=True)
    assert type_in(project, queue).count("Queued experiment") == 3
    [compare] = [block for block in blocks(project, "Try variants") if "train.compare" in block]
    type_in(project, compare)
    ranking = pd.read_csv(project.path / "results/ranking.csv").set_index("model")["r2"]
    models = {"random_forest", "ridge", "svr", "hist_gradient_boosting"}
    assert models < set(ranking.index) and ranking[list(models)].min() > floor + 0.3, ranking


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("measurement," * 6000 + "y\n" + "0," * 6000 + "1\n" + "2," * 6000 + "3\n", {}),
        (f'x,y\n"{"long " * 50_000}",1\nshort,2\n', {}),
        ('x,y\n"1,5",1\nNA,2\n', {}),
        ("x;y\n1,234;1\n5;2\n", {"separator": ";"}),
        ("x\ty\n1,234\t1\n5\t2\n", {"separator": "\t"}),
        ("x::y\n1::1\n5::2\n", {"separator": "::"}),
        ("x   y\n1   1\n 5   2\n", {"separator": " "}),
        ("sep=|\nx|y\n1,5|1\n5|2\n", {"separator": "|", "skip": 1}),
        ("sep=;\nx,y\n1.5,1\n5,2\n", {"separator": ",", "skip": 1}),
        ("Sales, 2024\n\nmade by us\nx,y\n1,1\n2,2\n", {"skip": 3}),
        ("# made by us\nx;y\n1;1\n2;2\n", {"separator": ";", "skip": 1}),
        ('"x", "y"\n"1, 5", "1"\n"2", "2"\n', {"separator": ", "}),
        ('"y"; "x"\n1; "a; b"\n2; "c"\n', {"separator": "; "}),
        ('x,y\n"he said, ""no"", twice",1\n2,2\n', {}),
        ("x | y\n1 | 1\n2 | 2\n", {"separator": "|"}),
        ("All of x and y below\nx,y\n1,1\n2,2\n", {"skip": 1}),
        ("x,y\n1,1e5\n2,02\n", {}),
        ("x,y\na\\,b,1\nc,2\n", {"escape": "\\"}),
        ("'x',y\n'1,5',1\n'2,5',2\n", {"quote": "'"}),
        ('x,y\n"a \\" b, c",1\n"d",2\n', {"escape": "\\"}),
        ("x,y\nMünchen,1\nBesançon,2\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("il,y\nMuğla,1\nIğdır,2\nÇanakkale,3\n".encode("cp1254"), {"encoding": "cp1254"}),
        ("bær,y\nÞorlákshöfn,1\nSauðárkrókur,2\n".encode("cp1252"), {"encoding": "cp1252"}),
        ("город,y\nМосква,1\nНовосибирск,2\nКазань,3\n".encode("cp1251"), {"encoding": "cp1251"}),
        ("x,y\n東京,1\n大阪,2\n".encode("cp932"), {"encoding": "cp932"}),
        ("x,y\nü,1\né,2\n".encode("utf-16"), {"encoding": "utf-16"}),
        ("x,y\nü,1\né,2\n".encode("utf-32"), {"encoding": "utf-32"}),
        ("\ufeffx,y\r\nü,1\r\né,2\r\n", {}),
    ],
)
def test_the_format_is_found(tmp_path, content, expected):
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    table = inspect(str(tmp_path / "t.csv"), "regression", "y")
    defaults = {"separator": ",", "quote": '"', "escape": "", "skip": 0, "encoding": "utf-8"}
    assert {key: table[key] for key in defaults} == defaults | expected
    guessed = not expected.get("encoding", "utf").startswith("utf")
    assert any("its encoding was guessed" in note for note in table["notes"]) == guessed


def test_a_column_that_only_numbers_the_rows_is_dropped(tmp_path):
    frame = pd.DataFrame({"x": range(9), "customer_id": range(7, 16), "label": list("uvw") * 3})
    frame.assign(price_id=1.5).to_csv(tmp_path / "t.csv")
    table = inspect(str(tmp_path / "t.csv"), "classification", "label")
    assert table["drop"] == ["Unnamed: 0", "customer_id"]
    assert "Unnamed: 0, customer_id identifies each row" in table["notes"][0]


def test_the_table_in_a_workbook_is_found(tmp_path):
    frame = pd.DataFrame({"x": range(8), "class": list("uvuvuvuv")})
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        pd.DataFrame().to_excel(book, sheet_name="About")
        frame.to_excel(book, sheet_name="Data", index=False, startrow=3, startcol=1)
        book.sheets["Data"]["B1"] = "All that we measured"
        for cells in ("B1:C1", "B5:B6"):
            book.sheets["Data"].merge_cells(cells)
    table = inspect(str(tmp_path / "t.xlsx"), "classification", "class")
    assert (table["sheet"], table["skip"]) == ("Data", 3)
    assert table["notes"] == [
        "it is sheet 'Data' that has class",
        "its header is row 4",
        "merged cells: 1; the first of each has a value, the others none",
    ]
    with pytest.raises(FailedHookException, match="its sheet 'About' is empty"):
        inspect(str(tmp_path / "t.xlsx"), "classification", "klass")


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_rows_below_a_title_have_the_numbers_that_people_see(tmp_path, suffix):
    frame = pd.DataFrame({"x": range(8), "class": list("uvuvuvuv")}, dtype=object)
    frame.loc[5, "x"] = "many"
    frame["patient"] = ["p", "q", "r", "s", "t", "u", None, "w"]
    path = tmp_path / f"t.{suffix}"
    if suffix == "csv":
        path.write_text(f"All that we measured\n\n\n{frame.to_csv(index=False)}")
    else:
        with pd.ExcelWriter(path) as book:
            frame.to_excel(book, index=False, startrow=3)
            book.sheets["Sheet1"]["A2"] = "All that we measured"
    table = inspect(str(path), "classification", "class")
    assert {"its header is line 4", "its header is row 4"} & {*table["notes"]}
    params = PARAMS | {name: table[name] for name in ("skip", "separator")}
    params |= {"task": "classification", "target": "class", "raw": path.name}
    report = prepare(Table(path, params), params, tmp_path / "p.parquet")
    assert "such as row 10: 'many'" in str(report["columns"]) and report["rows"]["raw"] == 8
    with pytest.raises(InputError, match=r"row 11: patient, the group, is missing"):
        prepare(Table(path, params), params | {"group": "patient"}, tmp_path / "p.parquet")


def prepared(path: Path, task: str, target: str, **more: object) -> tuple[pd.DataFrame, dict]:
    """Return what stage prepare makes of a table with the parameters that the bake finds."""
    inspect.cache_clear()
    table = inspect(str(path), task, target)
    params = PARAMS | {name: table[name] for name in PARAMS.keys() & table.keys()}
    params |= {"task": task, "target": target, "raw": path.name} | more
    report = prepare(Table(path, params), params, path.with_suffix(".parquet"))
    return pd.read_parquet(path.with_suffix(".parquet")), report


def test_rows_in_a_value_because_of_two_open_quotes_are_named(tmp_path):
    cells = ['"5 feet' if n in (40, 43) else "abc"[n % 3] for n in range(60)]
    rows = [f"{n},{cell},{n}" for n, cell in enumerate(cells)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *rows, ""]))
    params = PARAMS | {"task": "regression", "target": "y", "raw": "t.csv"}
    with pytest.raises(InputError, match=r"row 42 has \" in a value of several lines"):
        prepare(Table(tmp_path / "t.csv", params), params, tmp_path / "p.parquet")
    # A text of several lines is none, even with as many separators.
    rows = [f'{n},"so, it\nis, {n}\n",{n}' for n in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,y", *rows, ""]))
    frame, _ = prepared(tmp_path / "t.csv", "regression", "y")
    assert frame["b"][7] == "so, it\nis, 7"


@pytest.mark.parametrize("suffix", ["xlsx", "jsonl"])
def test_a_number_that_is_stored_as_one_has_one_reading(tmp_path, suffix):
    frame = pd.DataFrame(
        {
            "weight": [1.234, 2.125, 987.654] * 20,
            "price": ["0,50", "1.234,75", "12,25"] * 20,
            "y": [n + 0.125 for n in range(60)],
        }
    )
    path = tmp_path / f"t.{suffix}"
    if suffix == "xlsx":
        frame.to_excel(path, index=False)
    else:
        frame.to_json(path, orient="records", lines=True)
    found, report = prepared(path, "regression", "y")
    assert found["weight"].tolist() == frame["weight"].tolist()
    assert found["price"].tolist() == [0.5, 1234.75, 12.25] * 20
    assert found["y"].tolist() == frame["y"].tolist()
    assert not [line["notes"] for line in report["columns"] if line["notes"]]


def test_what_is_written_beside_numbers_keeps_its_meaning(tmp_path):
    """A dash for no cents, digits that a number would lose, decimals of a database."""
    frame = pd.DataFrame(
        {
            "fee": ["5.-", "CHF 7.50", "CHF 1'060.-"] * 20,
            "iban": [f"12 345 678 901 234 567 {n}" for n in range(100, 160)],
            "points": [f"12.345.678.901.234.{n}" for n in range(100, 160)],
            "y": range(60),
        }
    )
    frame.to_csv(tmp_path / "t.csv", index=False)
    found, _ = prepared(tmp_path / "t.csv", "regression", "y")
    assert found["fee"].tolist() == [5, 7.5, 1060] * 20
    assert found["iban"].tolist() == frame["iban"].tolist()
    assert found["points"].tolist() == frame["points"].tolist()


def test_the_index_of_r_has_no_name(tmp_path):
    rows = [f'"{n}" {n / 4} "{"abc"[n % 3]}" {n}' for n in range(1, 61)]
    (tmp_path / "t.txt").write_text("\n".join(['"a" "b" "y"', *rows, ""]))
    found, report = prepared(tmp_path / "t.txt", "regression", "y")
    assert list(found) == ["a", "b", "y"] and found["a"].tolist() == [n / 4 for n in range(1, 61)]
    assert found["y"].tolist() == list(range(1, 61)) and report["rows"]["dropped"]["duplicate"] == 0
    # One longer row is a mistake.
    rows[7] += " 3"
    (tmp_path / "t.txt").write_text("\n".join(['"i" "a" "b" "y"', *rows, ""]))
    inspect.cache_clear()
    with pytest.raises(FailedHookException, match="row 9 has 5 cells, but the header has 4"):
        inspect(str(tmp_path / "t.txt"), "regression", "y")


def test_a_comment_with_the_names_is_no_header(tmp_path):
    rows = "".join(f"{n},{'ab'[n % 2]},{n / 8}\n" for n in range(40))
    (tmp_path / "t.csv").write_text(f"# from the lab\n# columns: x, c, y\nx,c,y\n{rows}")
    found, _ = prepared(tmp_path / "t.csv", "regression", "y")
    assert list(found) == ["x", "c", "y"] and len(found) == 40


def test_a_nul_byte_is_named_wherever_it_is(tmp_path):
    rows = "".join(f"{n}.5,{'abc'[n % 3]},{n}\n" for n in range(9000))
    (tmp_path / "t.csv").write_bytes(f"a,b,y\n{rows}7.5,a\0,3\n8.5,b,4\n".encode())
    with pytest.raises(FailedHookException, match="row 9002 has a NUL byte"):
        inspect(str(tmp_path / "t.csv"), "regression", "y")
    params = PARAMS | {"task": "regression", "target": "y", "raw": "t.csv"}
    with pytest.raises(InputError, match="row 9002 has a NUL byte"):
        prepare(Table(tmp_path / "t.csv", params), params, tmp_path / "p.parquet")


@pytest.mark.parametrize(
    ("task", "cells", "note"),
    [
        ("classification", ["1", "1.0", "0", "0.0"], "may be one, such as '1' and '1.0'"),
        ("classification", [">5K", ">5K.", "<5K"], "may be one, such as '>5K' and '>5K.'"),
        ("classification", [f"${n}.1" for n in range(60)], "has 60 classes, all numbers"),
        ("classification", ["1,000", "2,000"], None),
        ("classification", ["(1)", "(2)"], None),
        ("classification", ["2024-01", "2024-02"], None),
        ("regression", [*map(str, range(119)), "Total"], "row 121: if the row sums up"),
        ("regression", ["1.5", "2.5", "NA", "<0.5"] * 3 + ["4.25"] * 9, "'<0.5'"),
    ],
)
def test_what_may_be_a_mistake_is_told(tmp_path, task, cells, note):
    cells = (cells * 200)[: max(120, 2 * len(cells))]
    target, name = ("t", "t") if task == "classification" else ("y", "t")
    frame = pd.DataFrame({"x": range(len(cells)), "t": cells, "y": range(len(cells))})
    frame.to_csv(tmp_path / "t.csv", index=False)
    _, report = prepared(tmp_path / "t.csv", task, target)
    [line] = [line for line in report["columns"] if line["name"] == name]
    told = "; ".join(line["notes"])
    assert note in told if note else not told
    if task == "classification":
        assert bool(note) == any(
            note.startswith("t has")
            for note in inspect(str(tmp_path / "t.csv"), task, target)["notes"]
        )


def test_a_class_of_rows_that_repeat_by_chance_is_one(tmp_path):
    rows = "m,a,y\nf,b,y\nm,c,n\n" * 60
    (tmp_path / "t.csv").write_text(f"sex,crew,label\n{rows}")
    found, report = prepared(tmp_path / "t.csv", "classification", "label")
    assert found["label"].value_counts().to_dict() == {"y": 120, "n": 60} and report["notes"]
    # Few combinations of values are frequent: four of five sizes are 0. Without repeated rows, the
    # class 1 would have a single one.
    rows = "".join(f"{n * (n % 5 == 0)},{n % 30},0\n" for n in range(3000)) + "0,1,1\n0,1,1\n"
    (tmp_path / "t.csv").write_text(f"size,crew,label\n{rows}")
    found, report = prepared(tmp_path / "t.csv", "classification", "label")
    assert found["label"].value_counts().to_dict() == {0: 3000, 1: 2} and report["notes"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"meta": [{"a": 1}], "data": [[1, 2], [3, 4], [5, 6]]}, "make 'data' in it a file"),
        ({"columns": ["x", "y"], "index": [0, 1], "data": [[1, 2], [3, 4]]}, "make 'data' in it"),
        ({"x": [1, 2, 3], "y": [4, 5, 6]}, "it has all rows in one object: write an object for"),
        ({"x": {"0": 1, "1": 2}, "y": {"0": 4, "1": 5}}, "it has all rows in one object: write"),
        ({"0": {"x": 1, "y": 4}, "1": {"x": 2, "y": 5}}, "it has all rows in one object: write"),
    ],
)
def test_json_of_another_layout_is_told(tmp_path, content, message):
    (tmp_path / "t.json").write_text(json.dumps(content))
    with pytest.raises(FailedHookException, match=message):
        inspect(str(tmp_path / "t.json"), "regression", "y")


def test_below_a_title_rows_may_lack_the_last_column(tmp_path):
    """As those of a logger do whose last column is for comments."""
    rows = "".join(f"{n},{n / 4},{'pq'[n % 2]}\n" for n in range(30))
    (tmp_path / "t.csv").write_text(f"Log of 3 May\na,b,label,comment\n{rows}")
    found, _ = prepared(tmp_path / "t.csv", "classification", "label")
    assert found["b"].tolist() == [n / 4 for n in range(30)] and set(found["label"]) == {"p", "q"}


def test_among_blanks_a_tab_may_stand_before_the_last_column(tmp_path):
    rows = "".join(f'{n}.5   {300 + n}    {n * 2}.25\t"chevrolet {n % 7}"\n' for n in range(30))
    (tmp_path / "t.data").write_text(f"mpg cyl y name\n{rows}")
    found, _ = prepared(tmp_path / "t.data", "regression", "y")
    assert found["name"].tolist() == [f"chevrolet {n % 7}" for n in range(30)]
    assert found["y"].tolist() == [n * 2 + 0.25 for n in range(30)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("x,label\n1,a\n2,b\n3,a\n4,b\nx,label\n5,a\n", "'label' of label, .* a header in a lower"),
        ("x" * 10**6 + "\n1\n2\n", r"it has x{80}\.\.\.$"),
    ],
)
def test_what_is_odd_in_a_header_is_told_in_few_words(tmp_path, content, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(FailedHookException, match=message):
        inspect(str(tmp_path / "t.csv"), "classification", "label")


def test_a_row_of_units_is_named_as_such(tmp_path):
    (tmp_path / "t.csv").write_text("x,y\nm/s,kg\n" + "1.5,2\n2.5,3\n" * 9)
    with pytest.raises(FailedHookException, match="row 2: y is 'kg', .* row of units, remove it"):
        inspect(str(tmp_path / "t.csv"), "regression", "y")


def test_a_hidden_sheet_is_not_the_first(tmp_path):
    frame = pd.DataFrame({"x": range(20), "class": ["a", "b"] * 10})
    with pd.ExcelWriter(tmp_path / "t.xlsx") as book:
        frame.assign(x=0).to_excel(book, sheet_name="Old", index=False)
        frame.to_excel(book, sheet_name="Now", index=False)
        book.sheets["Old"].sheet_state = "hidden"
        book.book.active = 1
    table = inspect(str(tmp_path / "t.xlsx"), "classification", "class")
    assert (table["sheet"], table["notes"]) == ("", [])
    [batch] = Table(tmp_path / "t.xlsx", PARAMS).batches()
    assert batch["x"].to_pylist() == [stored(str(n)) for n in range(20)]
    [batch] = Table(tmp_path / "t.xlsx", PARAMS | {"sheet": "Old"}).batches()
    assert set(batch["x"].to_pylist()) == {stored("0")}


def test_the_header_of_each_part_is_compared(tmp_path):
    (tmp_path / "a.csv").write_text(GOOD)
    (tmp_path / "b.csv").write_text(GOOD.replace("a,b,label", "b,a,label"))
    assert "looked at a.csv alone" in inspect(str(tmp_path), "classification", "label")["notes"][0]
    (tmp_path / "c.csv").write_text(GOOD.replace("a,b,label", "a,c,label"))
    inspect.cache_clear()
    with pytest.raises(FailedHookException, match="c.csv has another header than a.csv: 'c'"):
        inspect(str(tmp_path), "classification", "label")


def test_a_file_with_types_is_checked_where_that_is_possible(tmp_path, web):
    folder, url = web()
    frame = pd.DataFrame({"x": range(20), "label": ["a", "b"] * 10}).sample(16, random_state=0)
    frame.to_parquet(folder / "t.parquet")
    table = inspect(str(folder / "t.parquet"), "classification", "label")
    assert table["drop"] == ["__index_level_0__"] and "identifies each row" in table["notes"][0]
    with pytest.raises(FailedHookException, match=r"no column 'labl'; did you mean 'label'\?"):
        inspect(str(folder / "t.parquet"), "classification", "labl")
    frame.assign(one="a", lists=[[1]] * 16).to_parquet(folder / "u.parquet")
    with pytest.raises(FailedHookException, match="at least two classes, but is 'a' in every row"):
        inspect(str(folder / "u.parquet"), "classification", "one")
    with pytest.raises(FailedHookException, match="lists, the target, holds values of type list"):
        inspect(str(folder / "u.parquet"), "classification", "lists")
    table = inspect(f"{url}/t.parquet", "classification", "label")
    assert "stage prepare will check it" in table["notes"][0]
    assert table["raw"] == "data/raw/t.parquet"


# Of many values: such rows do not repeat by chance.
MORE = "".join(f"{n / 8},t{n},{'yes' if n % 2 else 'no'}\n" for n in range(30))
GOOD = "a,b,label\n1,x,yes\n2,y,no\n3,x,yes\n4,y,no\n"


@pytest.mark.parametrize(
    ("content", "answers", "message"),
    [
        (None, {}, "No such file or directory"),
        ("", {}, "it is empty"),
        (b"PK\x03\x04\0\0\0\0", {}, "zip"),
        (b"\0\1\2\3" * 99, {}, "it is a binary file"),
        (b"%PDF-1.7", {}, "it is a PDF document"),
        (b"r\2\1\0 of 1999", {}, "it is a Stata file"),
        (b"t.csv".ljust(257, b"\0") + b"ustar", {}, "it is a tar archive: unpack"),
        (GOOD.encode() * 9 + b"5,\0,no\n", {}, "row 46 has a NUL byte"),
        *[
            (f"{start}<p>Sign in", {}, "it is a web page, not a table")
            for start in ("<!DOCTYPE html>", '<table border="1">', "<!-- x -->\n<div>", "<style>")
        ],
        (GOOD.encode() + "5,ü,yes\n".encode() + b"6,\xe9,no\n", {}, "row 7 is no UTF-8: byte 0xe9"),
        (gzip.compress(GOOD.encode() * 99, mtime=0)[:50], {}, "Compressed file ended before"),
        ("5.1,3.5,x\n4.9,3,x\n", {}, "its first row is no header: 5.1, 3.5, x"),
        (GOOD, {"target": "lable"}, r"no column 'lable' for the target; did you mean 'label'\?"),
        (GOOD, {"target": "LABEL"}, r"did you mean 'label'\?"),
        (GOOD, {"target": "z"}, "no column 'z' for the target; it has a, b, label"),
        (GOOD, {"target": ""}, "target is empty: name the column to predict; it has a, b, label"),
        (GOOD.replace("a,b,", "a,label,"), {}, "more than one column 'label'"),
        (
            GOOD + "5,z,maybe\n",
            {},
            "the class 'maybe' of label, the target, has a single row; give",
        ),
        (
            GOOD + "4.75,y,no\n6.25,z,maybe\n" * 2 + MORE,
            {},
            r"has a single row \(2 rows that repeat others are",
        ),
        (GOOD.replace("no", "yes"), {}, "label, the target, .* is 'yes' in every row"),
        (GOOD + "5,x\n6,y,no,z\n", {}, "row 7 has 4 cells, but the header has 3"),
        ("a,label\n1,\n2,NA\n", {}, "label, the target, has no values"),
        ("a,label\n", {}, "no rows below its header"),
        ("a,b,label\n1,x,u\n1,x,v\n1,x,u\n1,x,v\n", {}, "no column that could be a feature"),
        ("x,label\n" + "".join(f"{n},{n}.5\n" for n in range(40)), {}, "the task is regression"),
        (GOOD, {"task": "regression"}, "row 2: label is 'yes', but task=regression predicts"),
        ("x,label\n1,\n2,inf\n3,nan\n4,1e400\n", {"task": "regression"}, "row 3 is 'inf'"),
        (
            GOOD.replace("yes", "3/15/2024").replace("no", "4/2/2024"),
            {"task": "regression"},
            "label holds dates, but task=regression predicts a number",
        ),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_the_bake_and_by_prepare(
    tmp_path, content, answers, message
):
    path = tmp_path / "table.csv"
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    answers = {"task": "classification", "target": "label"} | answers
    with pytest.raises(FailedHookException, match=f"^data: {path}: .*{message}") as error:
        inspect(str(path), **answers)
    assert "\n" not in str(error.value)
    # As the bake would have set it up
    params = PARAMS | answers | {"raw": str(path)}
    with pytest.raises((InputError, OSError)) as error:
        prepare(Table(path, params), params, tmp_path / "prepared.parquet")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.glob("prepared*"))


def test_a_refused_table_leaves_one_line_and_no_files(bake, tmp_path):
    (tmp_path / "t.csv").write_text(GOOD)
    (folder := tmp_path / "projects").mkdir()
    output = bake(folder, status=1, data=str(tmp_path / "t.csv"), target="lable").output
    assert output.startswith(f"data: {tmp_path}/t.csv: it has no column 'lable'")
    assert len(output.splitlines()) == 1
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("ftp://example.com/a.csv", "starts with http://, https://, s3://, gs://, azure://"),
        ("https://me:hidden@example.com/a.csv", "leave user and password out"),
        ("s3:///a.csv", "is not understood"),
        ("/dev/null", "is neither a file nor a folder"),
    ],
)
def test_an_address_that_cannot_be_used_ends_in_one_line(bake, tmp_path, data, message):
    output = bake(tmp_path, status=1, data=data, target="x").output
    assert message in output and "hidden" not in output
    assert len(output.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("target", ["yes", "a b", 'it\'s "x": {y}', "1e5", "no", "über 漢", "- #"])
def test_names_of_columns_are_data(render, env, tmp_path, target):
    frame = pd.DataFrame({"x": range(8), target: ["u", "v"] * 4})
    frame.to_csv(tmp_path / "t.csv", index=False)
    project = Project(render(tmp_path, data=str(tmp_path / "t.csv"), target=target), env)
    (tmp_path / "t.csv").rename(project.path / "data/raw/t.csv")
    assert "warning: x: looks like an identifier" in project.run("python src/prepare.py")
    table = pd.read_parquet(project.path / "data/prepared.parquet")
    assert table.columns.tolist() == ["x", target]


def test_a_tilde_is_home(bake, env, tmp_path):
    (tmp_path / "t.csv").write_text("x,- #\n1,u\n2,v\n3,u\n4,v\n")
    home = {"HOME": str(tmp_path), "GIT_CONFIG_GLOBAL": f"{env['HOME']}/.gitconfig"}
    project = bake(tmp_path, data="~/t.csv", target="- #", env={**env, **home}, project_slug="t")
    assert (project.path / "data/raw/t.csv").read_bytes() == (tmp_path / "t.csv").read_bytes()
    assert project.run("git status --porcelain") == ""


class Handler(SimpleHTTPRequestHandler):
    """Serve files with the ETag that DVC asks for."""

    def end_headers(self) -> None:
        file = Path(self.translate_path(self.path))
        if file.is_file():
            self.send_header("ETag", f'"{hashlib.sha256(file.read_bytes()).hexdigest()}"')
        super().end_headers()

    def log_message(self, *_) -> None:
        pass


@pytest.fixture
def web(tmp_path):
    """A function that serves a folder, and returns it and its URL."""
    servers = []

    def web(handler: type[SimpleHTTPRequestHandler] = Handler) -> tuple[Path, str]:
        (folder := tmp_path / "web").mkdir()
        server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=folder))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return folder, f"http://127.0.0.1:{server.server_port}"

    yield web
    for server in servers:
        server.shutdown()
        server.server_close()


def penguins(rows: int | None = None) -> bytes:
    table = pd.read_csv(packaged("palmerpenguins/data/penguins.csv"))
    return table.sample(rows or len(table), random_state=0).to_csv(index=False).encode()


def test_a_table_on_the_web_is_imported_and_updated(bake, tmp_path, web):
    folder, url = web()
    (folder / "penguins.csv").write_bytes(penguins(200))
    project = bake(
        tmp_path, data=f"{url}/penguins.csv?version=1", target="species", project_slug="project"
    )
    assert project.run("git status --porcelain") == ""
    prepared = project.path / "data/prepared.parquet"
    assert project.repro("prepare") == ["prepare"]
    before = prepared.read_bytes()
    project.commit("First")
    assert project.repro("prepare") == []

    (folder / "penguins.csv").write_bytes(penguins())
    assert project.repro("prepare") == []
    project.run("dvc update data/raw/penguins.csv.dvc")
    assert (project.path / "data/raw/penguins.csv").read_bytes() == penguins()
    assert project.repro("prepare") == ["prepare"]
    assert prepared.read_bytes() != before

    project.run("git reset --quiet --hard")
    project.run("dvc checkout data/raw/penguins.csv.dvc prepare")
    assert prepared.read_bytes() == before


class Choosy(Handler):
    """Takes browsers alone, has no HEAD, and packs what it sends, asked or not."""

    encoding, pack = "gzip", staticmethod(gzip.compress)

    def do_HEAD(self) -> None:
        self.send_error(405)

    def do_GET(self) -> None:
        if not self.headers["User-Agent"].startswith("Mozilla/"):
            self.send_error(403)
            return
        content = self.pack(Path(self.translate_path(self.path)).read_bytes())
        self.send_response(200)
        self.send_header("Content-Encoding", self.encoding)
        self.send_header("Content-Length", str(len(content)))
        SimpleHTTPRequestHandler.end_headers(self)
        self.wfile.write(content)


class Deflating(Choosy):
    encoding, pack = "deflate", staticmethod(zlib.compress)


class Headless(Choosy):
    """Packs as some servers do that take deflate at its word."""

    encoding = "deflate"

    @staticmethod
    def pack(content: bytes) -> bytes:
        return zlib.compress(content)[2:-4]


class InMembers(Choosy):
    """Packs as `cat one.gz other.gz` does, with zeros behind."""

    @staticmethod
    def pack(content: bytes) -> bytes:
        middle = content.index(b"\n", len(content) // 2) + 1
        return gzip.compress(content[:middle]) + gzip.compress(content[middle:]) + bytes(512)


class Broken(Choosy):
    pack = staticmethod(lambda content: gzip.compress(content)[:-9])


@pytest.mark.parametrize("server", [Choosy, Deflating, Headless, InMembers])
def test_a_table_whose_server_refuses_dvc_is_downloaded(bake, tmp_path, web, server):
    folder, url = web(server)
    (folder / "penguins.csv").write_bytes(penguins())
    project = bake(tmp_path, data=f"{url}/penguins.csv", target="species", project_slug="project")
    assert "is a git repository with one commit" in project.output
    assert (project.path / "data/raw/penguins.csv").read_bytes() == penguins()
    assert "deps" not in (project.path / "data/raw/penguins.csv.dvc").read_text()
    assert "dvc update" not in (project.path / "README.md").read_text()
    project.run("python src/prepare.py")


class Hasty(Choosy):
    """Closes the connection in the middle of the table."""

    def do_GET(self) -> None:
        content = Path(self.translate_path(self.path)).read_bytes()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        SimpleHTTPRequestHandler.end_headers(self)
        self.wfile.write(content[: content.rindex(b"\n", 0, len(content) // 2) + 1])


def test_a_table_that_arrives_in_part_is_refused(bake, tmp_path, web):
    folder, url = web(Hasty)
    (folder / "penguins.csv").write_bytes(penguins())
    output = bake(tmp_path, status=1, data=f"{url}/penguins.csv", target="species").output
    assert "the server closed the connection" in output and "bytes too early" in output
    assert len(output.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["web"]


def test_a_packed_answer_that_ends_too_early_is_refused(bake, tmp_path, web):
    folder, url = web(Broken)
    (folder / "penguins.csv").write_bytes(penguins())
    output = bake(tmp_path, status=1, data=f"{url}/penguins.csv", target="species").output
    assert "the server's answer in gzip ends too early" in output
    assert len(output.splitlines()) == 1


def test_a_table_on_the_web_is_checked_first(bake, tmp_path, web):
    folder, url = web()
    (folder / "login.csv").write_text("<!DOCTYPE html><title>Sign in</title>")
    for name, message in [("no.csv", "404"), ("login.csv", "it is a web page, not a table")]:
        output = bake(tmp_path, status=1, data=f"{url}/{name}", target="x").output
        assert output.startswith(f"data: {url}/{name}: ") and message in output
        assert len(output.splitlines()) == 1
    output = bake(tmp_path, status=1, data="http://127.0.0.1:9/x.csv", target="x").output
    assert "Connection refused" in output
    assert [path.name for path in tmp_path.iterdir()] == ["web"]


def test_a_table_in_s3_is_imported_and_updated(bake, tmp_path, host, env):
    host.create("tables")
    host.s3_put("tables", "penguins.csv", penguins(200))
    cloud = {
        **env,
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{host.moto_port}",
        "AWS_ACCESS_KEY_ID": "tests",
        "AWS_SECRET_ACCESS_KEY": "tests",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    answers = {"data": "s3://dvc-tables/penguins.csv", "project_slug": "project"}
    output = bake(tmp_path, status=1, env=cloud, **answers, target="specie").output
    assert "did you mean 'species'?" in output
    project = bake(tmp_path, env=cloud, **answers, target="species")
    project.env = cloud
    assert project.run("git status --porcelain") == ""
    assert "dvc-s3\n" in (project.path / "requirements.txt").read_text()
    assert project.repro("prepare") == ["prepare"]
    host.s3_put("tables", "penguins.csv", penguins())
    project.run("dvc update data/raw/penguins.csv.dvc")
    assert project.repro("prepare") == ["prepare"]
    report = json.loads((project.path / "results/data.json").read_text("utf-8"))
    assert report["rows"]["raw"] == len(pd.read_csv(io.BytesIO(penguins())))


def test_without_a_client_for_the_cloud_the_rest_is_printed(tmp_path, template, env):
    """The Python that runs cookiecutter knows neither DVC nor S3."""
    command = ["uvx", "--with", "pyyaml", "cookiecutter", template, "--no-input"]
    answers = ["data=s3://bucket/folder/My table.csv", "target=y", "project_slug=project"]
    few = {**env, "AWS_ENDPOINT_URL": "http://127.0.0.1:9", "PATH": f"{BIN}:{env['PATH']}"}
    done = run([*command, "--output-dir", tmp_path, *answers], tmp_path, few)
    assert "import-url" in done.stdout and "'s3://bucket/folder/My table.csv'" in done.stdout
    assert "Traceback" not in done.stdout
    params = yaml.safe_load((tmp_path / "project/params.yaml").read_text())
    assert params["prepare"]["raw"] == "data/raw/My-table.csv"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "data/raw/iris.csv cannot be read: it is empty"),
        ("SepalLengthCm,Species\n1,2,3\n", "row 2 has 3 cells, but the header has 2"),
        (
            "SepalLengthCm;SepalWidthCm;PetalLengthCm;Species\n1;1;1;a\n",
            "has no column 'Species'",
        ),
        (b"Species\n\xe9\n", "row 2 is no utf-8"),
    ],
)
def test_a_table_that_broke_later_stops_prepare_and_is_brought_back(project, content, message):
    before = project.outcome()
    raw = project.path / "data/raw/iris.csv"
    raw.unlink()
    raw.write_bytes(content if isinstance(content, bytes) else content.encode())
    output = project.run("dvc repro", status=255)
    assert message in output
    assert "Traceback" not in output
    assert not (project.path / "data/prepared.parquet").exists()
    project.run("git checkout --quiet .")
    project.run("dvc checkout")
    assert project.outcome() == before
    assert project.repro() == []


def test_all_files_of_a_folder_are_looked_at(tmp_path):
    (tmp_path / "0.csv").write_text("x,label\n")
    (tmp_path / "1.csv").write_text("x,label\n" + "1,a\n2,b\n" * 9)
    assert "looked at 1.csv" in inspect(str(tmp_path), "classification", "label")["notes"][0]
    (tmp_path / "2.csv").write_text("x,label\n3,a\n4,b,c\n")
    inspect.cache_clear()
    with pytest.raises(
        FailedHookException, match=r"2.csv: row 3 has 3 cells, but the header has 2"
    ):
        inspect(str(tmp_path), "classification", "label")
    (tmp_path / "2.csv").unlink()
    (tmp_path / "3.csv").symlink_to(tmp_path / "gone.csv")
    inspect.cache_clear()
    with pytest.raises(FailedHookException, match=r"3.csv is a link to a file that is not there"):
        inspect(str(tmp_path), "classification", "label")


def test_long_numbers_of_a_workbook_keep_their_digits(tmp_path):
    numbers = [1234567890123456, 1234567890123457] * 20
    frame = pd.DataFrame({"x": range(40), "label": numbers})
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    notes = inspect(str(tmp_path / "t.xlsx"), "classification", "label")["notes"]
    assert not [note for note in notes if "rounds" in note]
    frame["label"] = [10**17 + number % 2 * 64 for number in range(40)]
    frame.to_excel(tmp_path / "u.xlsx", index=False)
    notes = inspect(str(tmp_path / "u.xlsx"), "classification", "label")["notes"]
    assert "numbers of more than 15 digits, which a spreadsheet rounds: 40" in notes


def test_durations_and_two_kinds_of_dates_of_a_workbook_are_told(tmp_path):
    """As where a spreadsheet took days for months: it keeps as text what it cannot read so."""
    sheet = (book := Workbook()).active
    sheet.append(["took", "day", "label"])
    for n in range(40):
        day = date(2024, n % 12 + 1, n % 9 + 1) if n % 3 else f"{n % 12 + 1}/{n % 9 + 13}/2024"
        sheet.append([timedelta(hours=n // 20 * 26, minutes=n), day, "ab"[n % 2]])
    book.save(tmp_path / "t.xlsx")
    frame, report = prepared(tmp_path / "t.xlsx", "classification", "label")
    assert frame["took"][[3, 23]].tolist() == ["0:03:00", "26:23:00"]
    assert frame["day"][1] == pd.Timestamp(2024, 2, 2)
    told = {line["name"]: "; ".join(line["notes"]) for line in report["columns"]}
    assert "has 26 dates that the file stores as such and others as text" in told["day"]
    assert "is text: '26:20:00' in row 22" in told["took"]


def test_numbers_in_place_of_codes_with_zeros_are_refused(tmp_path):
    rows = "".join(f"0{n % 30 + 1000},{'ab'[n % 2]}\n" for n in range(60))
    (tmp_path / "t.csv").write_text(f"code,label\n{rows}")
    prepared(tmp_path / "t.csv", "classification", "label")
    schema = Schema.of(tmp_path / "t.parquet")
    numbers = pd.DataFrame({"code": [1001], "label": ["a"]})
    for frame, fits in ((numbers.astype({"code": str}), True), (numbers, False)):
        frame.to_excel(tmp_path / "new.xlsx", index=False)
        frame.to_parquet(tmp_path / "new.parquet")
        for name in ("new.xlsx", "new.parquet"):
            table = Table(tmp_path / name, PARAMS)
            [batch] = table.batches()
            read = schema.unmarked(batch) if table.has_numbers else batch
            if fits:
                assert schema.frame(name, read, 2, lambda one: one)["code"].tolist() == ["1001"]
                continue
            with pytest.raises(InputError, match=f"{name}, row 2: code is .*without the zeros"):
                schema.frame(name, read, 2, lambda one: one)


def test_a_folder_of_text_and_workbooks_is_refused(tmp_path):
    frame = pd.DataFrame({"x": range(400), "label": ["a", "b"] * 200})
    frame.to_csv(tmp_path / "1.csv", index=False)
    frame.to_excel(tmp_path / "2.xlsx", index=False)
    with pytest.raises(FailedHookException, match="1.csv is csv, but 2.xlsx is excel: make them"):
        inspect(str(tmp_path), "classification", "label")


@pytest.mark.parametrize("suffix", ["csv", "xlsx", "parquet"])
@pytest.mark.parametrize(
    "name", ["Unnamed: 0", "ID", "OBJECTID", "Lfd. Nr.", "S.No", "#", "customer_id"]
)
def test_a_column_that_numbers_the_rows_is_dropped_whatever_the_format(tmp_path, suffix, name):
    frame = pd.DataFrame({name: range(5, 29), "age": range(20, 44), "label": list("uv") * 12})
    write = {"csv": frame.to_csv, "xlsx": frame.to_excel, "parquet": frame.to_parquet}[suffix]
    write(tmp_path / f"t.{suffix}", index=False)
    assert inspect(str(tmp_path / f"t.{suffix}"), "classification", "label")["drop"] == [name]


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("aux.csv", "table-aux.csv"),
        ("NUL.csv", "table-NUL.csv"),
        ("scans.dvc/a.csv", "table-scans"),
    ],
)
def test_a_table_is_called_what_every_system_and_dvc_can_hold(tmp_path, name, raw):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("x,label\n" + "".join(f"{n},{n % 2}\n" for n in range(9)))
    data = path.parent if path.parent != tmp_path else path
    assert inspect(str(data), "classification", "label")["raw"] == f"data/raw/{raw}"


def test_a_table_of_many_parts_gives_the_same_bytes_on_any_number_of_cores(bake, tmp_path):
    """Read by Arrow, and by Python from a row on that is short."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(200_000, 8)).round(9)).add_prefix("x")
    table["town"] = random.choice([f"town number {n}" for n in range(2000)], len(table))
    table["class"] = random.choice(["a", "b"], len(table))
    text = table.to_csv(index=False)
    for name, content in {"even": text, "ragged": text.replace("\n", "\n0.5\n", 1)}.items():
        (tmp_path / f"{name}.csv").write_text(content)
        answers = {"data": str(tmp_path / f"{name}.csv"), "target": "class"}
        project = bake(tmp_path, project_slug=name, **answers)
        found = []
        for threads, command in [("1", []), ("2", []), ("2", ["taskset", "--cpu-list", "0"])]:
            project.env = project.env | {"OMP_NUM_THREADS": threads, "ARROW_IO_THREADS": threads}
            for script in ("prepare", "split"):
                project.run([*command, "python", f"src/{script}.py"])
            made = [*project.path.glob("data/*.parquet"), project.path / "results/data.json"]
            found.append({path: hashlib.sha256(path.read_bytes()).digest() for path in made})
        assert len(found[0]) == 4 and found[0] == found[1] == found[2]


def test_rows_of_the_test_are_those_that_a_column_or_a_file_names(bake, tmp_path):
    table = pd.DataFrame({"x": range(60), "part": ["fit", "fit", "held out"] * 20})
    table["class"] = ["a", "b"] * 30
    (tmp_path / "parts").mkdir()
    for name, some in (("2023", table[:40]), ("2024", table[40:])):
        some.to_csv(tmp_path / f"parts/{name}.csv", index=False)
    project = bake(
        tmp_path, project_slug="held", data=str(tmp_path / "parts"), target="class", extras="none"
    )
    project.set("prepare.drop", ["part"])
    for column, values, expected in (
        ("part", ["held out"], table["part"] == "held out"),
        ("file", ["2024.csv"], table["x"] >= 40),
    ):
        project.set("split.column", column)
        project.set("split.test", values)
        assert f"rows, by {column}" in project.scripts("prepare", "split")
        for name, rows in (("test", table[expected]), ("train", table[~expected])):
            found = pd.read_parquet(project.path / f"data/{name}.parquet")
            assert found["x"].tolist() == rows["x"].tolist()
            assert list(found) == ["x", "class"]
