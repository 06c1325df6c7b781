"""Each stage's functions on small tables."""

import io
from pathlib import Path

import pandas as pd
import pytest
import skops.io
from sklearn.preprocessing import FunctionTransformer

import models
import params
from evaluate import evaluate, hyperparameters
from params import InputError, load_params, nearest
from predict import predict
from prepare import prepare
from split import split
from train import train

TREE = {"tree": {"class": "sklearn.tree.DecisionTreeClassifier", "max_depth": 2}}


@pytest.fixture
def table() -> pd.DataFrame:
    """24 rows of two features and a target that the first feature gives away."""
    return pd.DataFrame({"x": range(24), "y": [0.5, 1.5] * 12, "label": ["a"] * 12 + ["b"] * 12})


@pytest.fixture
def estimator(table):
    return train(table, TREE, "tree", scale=True, seed=0)


def test_prepare_puts_the_target_last_and_keeps_the_order_of_the_rows(table):
    prepared = prepare(table.assign(id="n"), ["y", "x"], "label", "t.csv")
    pd.testing.assert_frame_equal(prepared, table[["y", "x", "label"]])


@pytest.mark.parametrize(
    ("change", "features", "message"),
    [
        ({}, ["x", "Y"], r"no column 'Y'; did you mean 'y'\?"),
        ({}, ["x", "x"], "different columns"),
        ({}, "x", "different columns"),
        ({}, ["x", "label"], "contains the target"),
        ({"y": ["?"] + [1] * 23}, ["y"], r"row 2: y is '\?', not a finite number"),
        ({"y": [1] * 23 + [float("nan")]}, ["y"], "row 25: y is empty"),
        ({"label": [None] + ["a"] * 23}, ["x"], "row 2: label, the target, is empty"),
        ({"label": "a"}, ["x"], "at least two classes"),
    ],
)
def test_prepare_names_what_is_wrong(table, change, features, message):
    with pytest.raises(InputError, match=message):
        prepare(table.assign(**change), features, "label", "t.csv")


def test_split_keeps_every_row_once_and_the_proportions_of_the_classes(table):
    parts = split(table, test_size=0.25, stratify=True, seed=0)
    assert [len(part) for part in parts] == [18, 6]
    pd.testing.assert_frame_equal(pd.concat(parts).sort_index(), table)
    assert [part["label"].eq("a").mean() for part in parts] == [0.5, 0.5]


@pytest.mark.parametrize("test_size", [0.0, 1.0, -0.3, 30, "0.3", True, 0.001])
def test_split_rejects_a_test_size_that_leaves_a_part_empty(table, test_size):
    with pytest.raises(InputError, match="params.yaml: split"):
        split(table, test_size, stratify=True, seed=0)


def test_train_passes_arguments_and_seed_to_the_model(estimator):
    assert estimator["model"].max_depth == 2
    assert estimator["model"].random_state == 0


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"class": "sklearn.tree.Bush"}, "has no attribute 'Bush'"),
        ({"class": "no_such_package.Tree"}, "No module named"),
        ({}, "needs a `class`"),
        ({"class": "builtins.dict"}, "no attribute 'get_params'"),
        ({**TREE["tree"], "depth": 3}, "unexpected keyword argument 'depth'"),
        ({**TREE["tree"], "max_depth": -1}, "must be an int in the range"),
    ],
)
def test_train_names_the_entry_that_does_not_work(table, spec, message):
    with pytest.raises(InputError, match=f"params.yaml: models.tree.*{message}"):
        train(table, {"tree": spec}, "tree", scale=True, seed=0)


def test_train_rejects_an_unknown_model(table):
    with pytest.raises(InputError, match=r"train.model is 'treee'; did you mean 'tree'\?"):
        train(table, TREE, "treee", scale=True, seed=0)


def test_every_model_of_params_yaml_learns(table):
    for name in (specs := load_params("models")):
        metrics, _ = evaluate(train(table, specs, name, scale=True, seed=0), table)
        assert metrics["accuracy"] > 0.5, name


def test_a_model_comes_back_from_the_same_bytes(table, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        models.save(train(table, TREE, "tree", scale=True, seed=0), path)
    assert first.read_bytes() == second.read_bytes()
    expected = train(table, TREE, "tree", scale=True, seed=0).predict_proba(table[["x", "y"]])
    assert (models.load(first).predict_proba(table[["x", "y"]]) == expected).all()


def test_a_model_with_an_unknown_type_is_not_loaded(tmp_path):
    # open stands for any function that a forged model could call.
    skops.io.dump(FunctionTransformer(func=io.open), tmp_path / "model")
    with pytest.raises(InputError, match="not trusted: .*open"):
        models.load(tmp_path / "model")


@pytest.mark.parametrize(("content", "message"), [(None, "not found"), (b"x", "not a model")])
def test_a_model_that_is_no_model_is_named(tmp_path, content, message):
    if content:
        (tmp_path / "model").write_bytes(content)
    with pytest.raises(InputError, match=message):
        models.load(tmp_path / "model")


def test_evaluate_scores_each_row(estimator, table):
    wrong = table.assign(label=["b"] * 6 + list(table["label"][6:]))
    metrics, predictions = evaluate(estimator, wrong)
    assert metrics["accuracy"] == 0.75
    assert predictions["actual"].tolist() == wrong["label"].tolist()
    assert predictions["predicted"].tolist() == table["label"].tolist()


def test_hyperparameters_include_defaults(estimator):
    logged = hyperparameters(estimator)
    assert logged["model_class"] == "DecisionTreeClassifier"
    assert logged["model"]["max_depth"] == 2
    assert logged["model"]["criterion"] == "gini"


def test_predict_carries_other_columns_and_gives_probabilities(estimator, table):
    result = predict(estimator, table[["y", "label", "x"]], "new.csv")
    names = ["label", "prediction", "probability of a", "probability of b"]
    assert result.columns.tolist() == names
    assert result["prediction"].tolist() == table["label"].tolist()


def test_predict_names_a_missing_feature(estimator, table):
    with pytest.raises(InputError, match="new.csv has no column 'y'"):
        predict(estimator, table.drop(columns="y"), "new.csv")


def test_load_params_reads_what_dvc_writes_as_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "PARAMS", tmp_path / "params.yaml")
    params.PARAMS.write_text("s: {a: 1e-05, b: -1E+3, c: 1.5e3, d: .5e1, e: 1e5x}", "utf-8")
    values = load_params("s")
    assert values == {"a": 1e-05, "b": -1000, "c": 1500, "d": 5, "e": "1e5x"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "run from the project's root folder"),
        ("s: {a: [}", "line 1"),
        ("other: {a: 1}", "section `s` is missing"),
        ("s: 1", "section `s` is missing or is not a mapping"),
        ("s: {a: 1, aa: 2}", r"unknown key s.aa; did you mean 'a'\?"),
        ("s: {}", "s.a is missing"),
    ],
)
def test_load_params_names_what_is_wrong(tmp_path, monkeypatch, text, message):
    monkeypatch.setattr(params, "PARAMS", tmp_path / "params.yaml")
    if text:
        Path(params.PARAMS).write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        load_params("s", ["a"])


def test_nearest_ignores_case_and_lists_choices_when_none_is_near():
    assert nearest("PETAL", ["sepal", "petal"]) == "; did you mean 'petal'?"
    assert nearest("zzz", ["sepal", "petal"]) == "; there is sepal, petal"
