"""Each stage's functions on small tables."""

import io
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.base import BaseEstimator, is_classifier
from sklearn.ensemble import VotingClassifier
from sklearn.metrics import average_precision_score, balanced_accuracy_score, roc_auc_score
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier

import models
import params
from evaluate import evaluate, hyperparameters, write_metrics_csv
from metrics import CLASSIFICATION, REGRESSION, score_classes, tidy
from params import InputError, load_params, nearest
from plots import precision_recall, roc
from predict import predict
from prepare import prepare, summarise
from report import draw, write_report
from split import split
from tables import convert, read_csv
from train import draw_candidates, make_folds, train

TREE = {
    "tree": {"class": "sklearn.tree.DecisionTreeClassifier", "max_depth": 2},
    "linear": {"class": "sklearn.linear_model.Ridge"},
    "free": {"class": "sklearn.tree.DecisionTreeClassifier", "search": {"max_depth": [1, 2]}},
    "machine": {"class": "sklearn.svm.SVC", "search": {"C": [1, 2]}},
    "misspelt": {"class": "sklearn.tree.DecisionTreeClassifier", "search": {"max_dept": [1, 2]}},
}
PREPARE = {
    "raw": "t.csv",
    "separator": ",",
    "decimal": ".",
    "encoding": "utf-8",
    "na_values": ["?"],
    "dates": "ISO8601",
    "task": "classification",
    "target": "label",
    "features": "all",
    "drop": [],
    "text": [],
    "group": "",
    "time": "",
    "missing": "impute",
    "duplicates": "drop",
}
TRAIN = {
    "model": "tree",
    "scale": True,
    "max_categories": 3,
    "class_weight": "none",
    "seed": 0,
    "search": {"candidates": 0, "folds": 3, "metric": "accuracy"},
}


@pytest.fixture
def table() -> pd.DataFrame:
    """24 rows of two features and a target that the first feature gives away."""
    return pd.DataFrame({"x": range(24), "y": [0.5, 1.5] * 12, "label": ["a"] * 12 + ["b"] * 12})


def fit(table: pd.DataFrame, models: dict[str, Any] = TREE, **changes: Any):
    estimator, _, _ = train(table, models, TRAIN | changes)
    return estimator


@pytest.fixture
def estimator(table):
    return fit(table)


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


def test_split_keeps_every_row_once_and_the_proportions_of_the_classes(table):
    parts = split(table, test_size=0.25, stratify=True, seed=0)
    assert [len(part) for part in parts] == [18, 6]
    pd.testing.assert_frame_equal(pd.concat(parts).sort_index(), table)
    assert [part["label"].eq("a").mean() for part in parts] == [0.5, 0.5]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides_of_a_split_or_fold(table, seed):
    groups = table.set_index(pd.Index(list("abcdefgh") * 3, name="group"))
    parts = split(groups, test_size=0.25, stratify=True, seed=seed)
    assert sum(map(len, parts)) == len(table)
    pairs = [(part.index, other.index) for part, other in [parts]]
    for rows, others in make_folds(parts[0], 3, classify=True, seed=seed):
        pairs.append((parts[0].index[rows], parts[0].index[others]))
    with pytest.raises(InputError, match="folds is 9, but the training table has only 6 groups"):
        make_folds(parts[0], 9, classify=True, seed=seed)
    assert len(pairs) == 4
    for one, other in pairs:
        assert len(one) and len(other)
        assert not set(one) & set(other)


def test_the_newest_rows_are_the_test_in_a_split_and_in_each_fold(table):
    times = table.sample(frac=1, random_state=0)
    times.index = pd.Index(times["x"] // 2, name="time")  # two rows at each time
    train_rows, test_rows = split(times, test_size=0.3, stratify=True, seed=0)
    assert len(train_rows) + len(test_rows) == len(table)
    pairs = [(train_rows.index, test_rows.index)]
    for rows, others in make_folds(train_rows, 3, classify=False, seed=0):
        pairs.append((train_rows.index[rows], train_rows.index[others]))
    assert len(pairs) == 4
    for old, new in pairs:
        assert old.max() < new.min()
    with pytest.raises(InputError, match="folds is 8, but the training table has only 8 times"):
        make_folds(train_rows, 8, classify=False, seed=0)
    ten = table[:10].set_index(pd.Index(range(10), name="time"))
    assert [len(part) for part in split(ten, test_size=0.9, stratify=False, seed=0)] == [1, 9]
    one_time = table.set_index(pd.Index([1] * 24, name="time"))
    with pytest.raises(InputError, match="none is older"):
        split(one_time, test_size=0.3, stratify=True, seed=0)


@pytest.mark.parametrize("test_size", [0.0, 1.0, -0.3, 30, 0.001])
def test_split_rejects_a_test_size_that_leaves_a_part_empty(table, test_size):
    with pytest.raises(InputError, match="params.yaml: split"):
        split(table, test_size, stratify=True, seed=0)


def test_preprocessing_learns_nothing_from_rows_outside_its_fold(table):
    """The median that fills a gap, and the texts that get a column, are those of the rows to fit."""
    table.loc[3, "y"] = None
    table.insert(0, "text", [f"t{n}" for n in range(24)])
    for rows, _ in make_folds(table, 3, classify=True, seed=0):
        estimator = fit(table.iloc[rows], search=TRAIN["search"] | {"folds": 0})
        imputer = estimator["columns"].named_transformers_["numbers"]["impute"]
        assert imputer.statistics_.tolist() == table[["x", "y"]].iloc[rows].median().tolist()
        encoder = estimator["columns"].named_transformers_["texts"]
        assert encoder.categories_[0].tolist() == table["text"].iloc[rows[:3]].tolist()


def test_a_fold_is_scored_by_what_its_own_rows_teach(table):
    texts = table.assign(x=[f"t{n}" for n in range(24)], label=["a", "b", "b"] * 8)
    texts = texts.drop(columns="y")
    _, scores, _ = train(texts, TREE, TRAIN)
    folds = []
    for rows, others in make_folds(texts, 3, classify=True, seed=0):
        estimator = fit(texts.iloc[rows], search=TRAIN["search"] | {"folds": 0})
        folds.append(evaluate(estimator, texts.iloc[others])[0])
    assert scores["cv"] == pytest.approx(dict(pd.DataFrame(folds).mean()), rel=1e-4)


def test_rare_classes_are_spread_over_the_folds(table):
    table["label"] = ["a"] * 22 + ["rare"] * 2
    folds = make_folds(table, 3, classify=True, seed=0)
    assert [table["label"].iloc[rows].eq("rare").sum() for _, rows in folds].count(1) == 2
    assert all(set(table["label"].iloc[rows]) == {"a", "rare"} for rows, _ in folds)
    table.loc[23, "label"] = "a"
    linear = {"tree": {"class": "sklearn.linear_model.LogisticRegression"}}
    with pytest.raises(InputError, match=r"only one class: 'a'\. A fold has no other rows to fit"):
        fit(table, linear)


def test_train_passes_arguments_and_seed_to_the_model(estimator):
    assert estimator["model"].max_depth == 2
    assert estimator["model"].random_state == 0
    assert estimator["model"].class_weight is None
    balanced = models.create("tree", TREE["tree"], {}, "balanced", seed=0)
    assert balanced.class_weight == "balanced"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"class": "sklearn.tree.Bush"}, "has no attribute 'Bush'"),
        ({"class": "no_such_package.Tree"}, "No module named"),
        ({}, "needs a `class`"),
        ({"class": "builtins.dict"}, "no attribute 'get_params'"),
        ({**TREE["tree"], "depth": 3}, "unexpected keyword argument 'depth'"),
        ({**TREE["tree"], "max_depth": -1}, "must be an int in the range"),
        ({**TREE["tree"], "class_weight": {"c": 2}}, "class_weight"),
    ],
)
def test_train_names_the_entry_that_does_not_work(table, spec, message):
    with pytest.raises(InputError, match=f"params.yaml: models.tree.*{message}"):
        fit(table, {"tree": spec})


class Broken(BaseEstimator):
    """A classifier that fails in a way of its own."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.estimator_type = "classifier"
        return tags

    def fit(self, x, y):
        raise Exception("no\nluck")  # noqa: TRY002


@pytest.mark.parametrize(
    ("spec", "labels", "message"),
    [
        ("sklearn.linear_model.Ridge", [0, 1], r"\(sklearn.linear_model.Ridge\) is no classifier"),
        ("sklearn.tree.DecisionTreeClassifier", [0.5, 1.5], "is no regressor"),
        ("sklearn.decomposition.PCA", [0, 1], "is no classifier"),
        ("sklearn.linear_model.PoissonRegressor", [0.5, 9.5], "y .*set train.scale to false"),
        ("sklearn.tree.DecisionTreeClassifier", [1, 1], "train.parquet has a single class, 1"),
        ("test_stages.Broken", [0, 1], "models.tree: no$"),
    ],
)
def test_train_names_the_model_that_does_not_suit_the_table(table, spec, labels, message):
    with pytest.raises(InputError, match=message):
        fit(table.assign(label=labels * 12), {"tree": {"class": spec}})


@pytest.mark.parametrize(
    ("changes", "search", "message"),
    [
        ({"model": "treee"}, {}, r"train.model is 'treee'; did you mean 'tree'\?"),
        ({"class_weight": "balanced", "model": "linear"}, {}, "models.linear .*class_weight"),
        ({"max_categories": 0}, {}, "train.max_categories is 0; give 1 or more"),
        ({}, {"folds": 1}, "train.search.folds"),
        ({}, {"folds": 25}, "folds is 25, but the training table has only 24 rows; lower it"),
        ({}, {"folds": 0, "candidates": 2}, "folds must be 2 or more"),
        ({}, {"candidates": 2}, "models.tree needs a `search`"),
        ({"model": "misspelt"}, {"candidates": 2}, "models.misspelt .*argument 'max_dept'"),
        (
            {"model": "free"},
            {"candidates": 2, "metric": "log_los"},
            r"metric is 'log_los'; did you mean 'log_loss'\?",
        ),
        (
            {"model": "machine"},
            {"candidates": 2, "metric": "log_loss"},
            "metric: log_loss is not defined in every fold",
        ),
    ],
)
def test_train_names_the_parameter_that_is_wrong(table, changes, search, message):
    with pytest.raises(InputError, match=f"params.yaml: .*{message}"):
        fit(table, **changes, search=TRAIN["search"] | search)


def test_the_best_candidate_is_fitted_and_all_are_kept(table):
    noisy = table.assign(y=np.random.default_rng(0).normal(size=24), x=table["x"] % 12)
    noisy["label"] = ["a", "b"] * 12  # a tree of depth 1 does not see which x are even
    spec = {"tree": {**TREE["tree"], "max_depth": 1, "search": {"max_depth": [1, 4, None]}}}
    search = {"candidates": 9, "folds": 3, "metric": "log_loss"}
    estimator, scores, candidates = train(noisy, spec, TRAIN | {"search": search})
    assert sorted(candidates["max_depth"], key=str) == [1, 1, 4, None]
    assert candidates["log_loss"].is_monotonic_increasing
    assert estimator["model"].max_depth == candidates["max_depth"].iloc[0]
    assert scores["cv"]["log_loss"] == candidates["log_loss"].min()


def vote(voting, depth):
    tree = DecisionTreeClassifier(max_depth=depth)
    return VotingClassifier([("tree", tree)], voting=voting)


def test_a_model_may_come_from_a_function_and_be_searched(table):
    spec = {"class": "test_stages.vote", "voting": "hard", "depth": 1}
    spec["search"] = {"voting": ["soft"]}
    search = {"candidates": 1, "folds": 3, "metric": "accuracy"}
    estimator, _, candidates = train(table, {"tree": spec}, TRAIN | {"search": search})
    assert candidates["voting"].tolist() == ["hard", "soft"]
    assert hyperparameters(estimator)["model_class"] == "VotingClassifier"


def test_candidates_are_drawn_from_lists_and_ranges():
    space = {
        "a": ["u", "v"],
        "b": {"low": 1, "high": 3},
        "c": {"low": 0.5, "high": 1},
        "d": {"low": 0.001, "high": 1000, "log": True},
    }
    drawn = draw_candidates("m", space, 200, seed=0)
    assert drawn == draw_candidates("m", space, 200, seed=0)
    columns = pd.DataFrame(drawn)
    assert set(columns["a"]) == {"u", "v"} and set(columns["b"]) == {1, 2, 3}
    assert columns["c"].between(0.5, 1).all() and columns["d"].between(0.001, 1000).all()
    assert 0.3 < columns["d"].lt(1).mean() < 0.7
    assert {type(value) for one in drawn for value in one.values()} == {str, int, float}
    small = {"a": {"low": 1, "high": 3}, "b": {"low": 1, "high": 4, "log": True}}
    drawn = draw_candidates("m", small, 50, seed=0)
    assert len({(one["a"], one["b"]) for one in drawn}) == len(drawn) == 12
    for bad in ({"a": 1}, {"a": []}, {"a": {"low": 1}}, {"a": {"low": 0, "high": 1, "log": True}}):
        with pytest.raises(InputError, match="models.m.search.a must be a list"):
            draw_candidates("m", bad, 2, seed=0)


def test_every_model_of_params_yaml_learns(table):
    numbers = table.assign(label=table["x"] * 2.5)
    for name in (specs := load_params("models")):
        classify = is_classifier(models.create(name, specs[name], {}, "none", seed=0))
        data = table if classify else numbers
        metrics, _ = evaluate(fit(data, specs, model=name), data)
        assert metrics["accuracy" if classify else "r2"] > 0.5, name


def test_gaps_and_unknown_texts_are_no_obstacle(table):
    table.insert(0, "text", list("aaabbbccddef") * 2)
    table.loc[::5, ["x", "text"]] = None
    estimator = fit(table)
    new = pd.DataFrame({"x": [None, 3], "y": [1, None], "text": ["new", None]})
    assert len(predict(estimator, new, "new.csv", "ISO8601")) == 2
    # two numbers, and a column for each of the three most frequent texts: a, b, and none
    encoder = estimator["columns"].named_transformers_["texts"]
    assert [str(name) for name in encoder.categories_[0]] == ["a", "b", "nan"]
    assert estimator["columns"].transform(table[:1]).shape == (1, 5)
    rest = estimator["columns"].transform(table.assign(text="c"))[:, 2:]
    assert not rest.any()


def test_regression_is_scored_and_predicted_in_the_unit_of_the_target(table):
    numbers = table.assign(label=1000.0 + 10 * table["x"])
    metrics, plots = evaluate(fit(numbers, model="linear"), numbers)
    errors = plots["predictions"]["residual"].abs()
    assert plots["predictions"]["actual"].tolist() == numbers["label"].tolist()
    assert 0 < metrics["mae"] == pytest.approx(errors.mean(), rel=1e-5)
    assert metrics["median_absolute_error"] == pytest.approx(errors.median(), rel=1e-5)
    assert metrics["rmse"] == pytest.approx((errors**2).mean() ** 0.5, rel=1e-5)
    assert metrics["r2"] == pytest.approx(
        1 - (errors**2).mean() / numbers["label"].var(ddof=0), rel=1e-5
    )


def test_small_numbers_keep_their_digits():
    assert tidy({"mae": 1.23456789e-9, "r2": 0.123456789}) == {"mae": 1.23457e-9, "r2": 0.123457}


def test_scores_that_are_not_defined_are_left_out():
    classes = np.array(["a", "b", "c"])
    probabilities = np.array([[0.8, 0.1, 0.1], [0.2, 0.2, 0.6]])
    actual, predicted = pd.Series(["a", "b"]), np.array(["a", "c"])
    scores = tidy(score_classes(actual, predicted, probabilities, classes))
    assert "roc_auc" not in scores
    assert scores["balanced_accuracy"] == 0.5
    assert scores["log_loss"] == pytest.approx(-np.log([0.8, 0.2]).mean(), abs=1e-6)
    unseen = score_classes(pd.Series(["a", "d"]), predicted, probabilities, classes)
    assert "log_loss" not in tidy(unseen)
    both = np.array(["a", "b"])
    assert score_classes(actual, both, None, both)["balanced_accuracy"] == (
        balanced_accuracy_score(actual, both)
    )


def test_a_model_comes_back_from_the_same_bytes(table, tmp_path):
    table.insert(0, "text", ["t", None] * 12)
    first, second = tmp_path / "first", tmp_path / "second"
    for path in (first, second):
        models.save(fit(table), path)
    assert first.read_bytes() == second.read_bytes()
    features = table.drop(columns="label")
    expected = fit(table).predict_proba(features)
    assert (models.load(first, []).predict_proba(features) == expected).all()


@pytest.mark.parametrize(
    "path",
    [
        "calibration.CalibratedClassifierCV",
        "ensemble.HistGradientBoostingClassifier",
        "gaussian_process.GaussianProcessClassifier",
        "neighbors.KNeighborsClassifier",
        "neural_network.MLPClassifier",
    ],
)
def test_a_model_of_scikit_learn_is_trusted(table, tmp_path, path):
    spec = {"class": f"sklearn.{path}"}
    if path.startswith("neural"):
        spec |= {"tol": 1.0}  # soon converged
    estimator = fit(table, {"tree": spec})
    models.save(estimator, tmp_path / "model")
    features = table.drop(columns="label")
    loaded = models.load(tmp_path / "model", [])
    assert (loaded.predict(features) == estimator.predict(features)).all()


def test_a_model_whose_package_is_missing_is_named(tmp_path, monkeypatch):
    package = ModuleType("vanished")
    package.Model = type("Model", (BaseEstimator,), {"__module__": "vanished"})
    monkeypatch.setitem(sys.modules, "vanished", package)
    skops.io.dump(package.Model(), tmp_path / "model")
    monkeypatch.delitem(sys.modules, "vanished")
    with pytest.raises(InputError, match="No module named 'vanished'; `pip install"):
        models.load(tmp_path / "model", ["vanished.Model"])


def test_a_model_with_an_unknown_type_is_not_loaded(tmp_path):
    # open stands for any function that a forged model could call.
    skops.io.dump(FunctionTransformer(func=io.open), tmp_path / "model")
    with pytest.raises(InputError, match="not trusted: .*open"):
        models.load(tmp_path / "model", [])


@pytest.mark.parametrize(("content", "message"), [(None, "not found"), (b"x", "not a model")])
def test_a_model_that_is_no_model_is_named(tmp_path, content, message):
    if content:
        (tmp_path / "model").write_bytes(content)
    with pytest.raises(InputError, match=message):
        models.load(tmp_path / "model", [])


def test_evaluate_scores_each_row(estimator, table):
    wrong = table.assign(label=["b"] * 6 + list(table["label"][6:]))
    metrics, plots = evaluate(estimator, wrong)
    assert metrics["accuracy"] == 0.75
    cells = plots["confusion"].set_index(["actual", "predicted"])["count"].to_dict()
    assert cells == {("a", "a"): 6, ("a", "b"): 0, ("b", "a"): 6, ("b", "b"): 12}


def test_every_metric_has_its_name(estimator, table):
    metrics, _ = evaluate(estimator, table)
    assert list(metrics) == CLASSIFICATION
    numbers = table.assign(label=table["x"] / 2)
    metrics, _ = evaluate(fit(numbers, model="linear"), numbers)
    assert list(metrics) == REGRESSION


def test_curves_hold_the_points_of_scikit_learns(table):
    """At a false positive rate or a recall that the curve passes through, its value is the same."""
    noisy = table.assign(x=table["x"].sample(frac=1, random_state=0).to_numpy())
    estimator = fit(noisy)
    _, plots = evaluate(estimator, noisy)
    scores = estimator.predict_proba(noisy[["x", "y"]])[:, 1]
    one = noisy["label"].eq("b")
    rates = plots["roc"]["true_positive_rate"].tolist()
    assert (rates[0], rates[-1]) == (0, 1)
    assert np.mean(rates) == pytest.approx(roc_auc_score(one, scores), abs=0.02)
    area = plots["precision_recall"]["precision"].mean()
    assert area == pytest.approx(average_precision_score(one, scores), abs=0.1)
    assert plots["calibration"]["rows"].sum() == len(noisy)
    stated = (plots["calibration"]["probability"] * plots["calibration"]["rows"]).sum()
    assert stated == pytest.approx(scores.sum())


@pytest.mark.parametrize("labels", ["abc", "abcd"])
def test_scores_of_pairs_of_classes_make_no_curve(table, labels):
    data = table.assign(label=list(labels) * (24 // len(labels)))
    spec = {"tree": {"class": "sklearn.svm.SVC", "decision_function_shape": "ovo"}}
    _, plots = evaluate(fit(data, spec), data)
    assert plots["roc"].empty and plots["precision_recall"].empty


def test_curves_that_are_not_defined_have_no_points():
    assert roc([]).empty and precision_recall([]).empty


def test_importance_finds_the_feature_that_matters(estimator, table):
    _, plots = evaluate(estimator, table)
    assert plots["importance"]["feature"].tolist() == ["x", "y"]
    assert plots["importance"]["importance"].tolist()[1] == 0
    assert plots["importance"]["importance"].tolist()[0] > 0.2


def test_plot_data_is_bounded():
    """Many rows, many classes, many features."""
    rows, classes = 3000, 25
    label = np.arange(rows) % classes
    many = pd.DataFrame({f"x{n}": (label + n) % classes for n in range(40)}).assign(label=label)
    for target in (label, label.astype(float)):
        model = "tree" if target is label else "linear"
        table = many.assign(label=target)
        _, plots = evaluate(fit(table[:600], model=model), table)
        assert plots["importance"].shape[0] == 30
        assert max(map(len, plots.values())) <= 1000
    _, plots = evaluate(fit(many[:600]), many)
    assert plots["confusion"]["count"].sum() == rows
    assert set(plots["confusion"]["actual"]) >= {"0", "(other)"}


def test_a_model_without_probabilities_has_curves_and_no_calibration(table):
    spec = {"tree": {"class": "sklearn.svm.SVC"}}
    for labels in (["a", "b"], ["a", "b", "c"]):
        data = table.assign(label=labels * (24 // len(labels)))
        metrics, plots = evaluate(fit(data, spec), data)
        assert "log_loss" not in metrics
        assert plots["calibration"].empty
        assert plots["roc"].notna().all(axis=None)


def test_report_shows_what_is_in_a_name(table, tmp_path):
    name = "a_b *c* | <d>\ne\x01"
    raw = table.rename(columns={"x": name})
    prepared, data = prepare(raw, PREPARE)
    estimator = fit(prepared)
    metrics, plots = evaluate(estimator, prepared)
    pictures = draw(plots, tmp_path)
    assert pictures == ["confusion", "roc", "precision_recall", "calibration", "importance"]
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    draw(plots, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    metrics |= {"training": {"accuracy": 1.0}}
    rows = {"training": 17, "test": 7}
    text = write_report(metrics, hyperparameters(estimator), data, rows, pictures)
    assert "\n| a_b \\*c\\* \\| \\<d\\> e | feature | integer | 0 | 24 |\n" in text
    assert "\n|  | Test | Training |\n" in text
    assert "\n| accuracy | 1 | 1 |\n" in text
    assert all(f"(plots/{picture}.svg)" in text for picture in pictures)


def test_metrics_are_listed_in_dagshubs_columns(tmp_path):
    write_metrics_csv({"r2": 0.5, "cv": {"r2": 0.25, "mae": 2}}, tmp_path / "metrics.csv")
    assert (tmp_path / "metrics.csv").read_text() == (
        'Name,Value,Timestamp,Step\n"r2",0.5,0,1\n"cv.r2",0.25,0,1\n"cv.mae",2,0,1\n'
    )


def test_hyperparameters_include_defaults(estimator, table):
    logged = hyperparameters(estimator)
    assert logged["model_class"] == "DecisionTreeClassifier"
    assert logged["model"]["max_depth"] == 2
    assert logged["model"]["criterion"] == "gini"
    linear = fit(table.assign(label=table["x"] / 2), model="linear")
    assert hyperparameters(linear)["model_class"] == "Ridge"


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


def test_load_params_reads_what_dvc_writes_as_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "PARAMS", tmp_path / "params.yaml")
    text = "s: {a: 1e-05, b: -1E+3, c: 1.5e3, d: .5e1, e: 1e5x, f: No, g: [on, true], h: False}"
    params.PARAMS.write_text(text, "utf-8")
    values = load_params("s")
    assert values.pop("f") == "No" and values.pop("g") == ["on", True]
    assert values == {"a": 1e-05, "b": -1000, "c": 1500, "d": 5, "e": "1e5x", "h": False}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "run from the project's root folder"),
        ("s: {a: [}", "line 1"),
        ("other: {a: 1}", "section `s` is missing"),
        ("s: 1", "section `s` is missing or is not a mapping"),
        ("s: {a: 1, aa: 2}", r"unknown key s.aa; did you mean 'a'\?"),
        ("s: {}", "s.a is missing"),
        ("s: {a: true}", "s.a is True; give a whole number"),
        ("s: {a: '1'}", "s.a is '1'; give a whole number"),
        ("s: {a: 1, b: [], c: yes}", "s.c is 'yes'; give a number"),
        ("s: {a: 1, b: 1, c: 1}", "s.b is 1; give a text or a list"),
        ("s: {a: 1, b: x, c: 1, d: upp}", r"s.d is 'upp'; did you mean 'up'\?"),
        ("s: {a: 1, b: x, c: 1, d: up, e: 1}", "s.e is 1; give f, g"),
        ("s: {a: 1, b: x, c: .1, d: down, e: {f: 1}}", "s.e.f is 1; give true or false"),
    ],
)
def test_load_params_names_what_is_wrong(tmp_path, monkeypatch, text, message):
    monkeypatch.setattr(params, "PARAMS", tmp_path / "params.yaml")
    if text:
        Path(params.PARAMS).write_text(text, encoding="utf-8")
    expected = {"a": int, "b": (str, list), "c": float, "d": ["up", "down"]}
    with pytest.raises(InputError, match=message):
        load_params("s", {**expected, "e": {"f": bool, "g": bool}})


def test_nearest_ignores_case_and_lists_choices_when_none_is_near():
    assert nearest("PETAL", ["sepal", "petal"]) == "; did you mean 'petal'?"
    assert nearest("zzz", ["sepal", "petal"]) == "; there is sepal, petal"
