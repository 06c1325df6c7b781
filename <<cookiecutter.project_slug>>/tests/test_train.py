"""Splits, folds, models and what they are fitted to."""

import io
import re
import sys
from types import ModuleType

from support import model_file, models
from support.cluster import SMALL, threads
from support.logs import hyperparameters
from support.metrics import score_classes, tidy
from support.params import InputError, load_params
from support.rows import Rows
from support.search import draw_candidates, folds_of, make_folds, search

import joblib
import numpy as np
import pandas as pd
import pytest
import skops.io
from helpers import TRAIN, TREE, evaluate, fit, split_frame, train
from sklearn.base import BaseEstimator, is_classifier
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import Ridge
from sklearn.metrics import balanced_accuracy_score
from sklearn.preprocessing import FunctionTransformer
from sklearn.tree import DecisionTreeClassifier
from threadpoolctl import threadpool_limits


def test_split_keeps_every_row_once_and_the_proportions_of_the_classes(table):
    parts = split_frame(table, test_size=0.25, stratify=True, seed=0)
    assert [len(part) for part in parts] == [18, 6]
    pd.testing.assert_frame_equal(pd.concat(parts).sort_index(), table)
    assert [part["label"].eq("a").mean() for part in parts] == [0.5, 0.5]


@pytest.mark.parametrize("seed", range(5))
def test_no_group_is_on_both_sides_of_a_split_or_fold(table, seed):
    groups = table.set_index(pd.Index(list("abcdefgh") * 3, name="group"))
    parts = split_frame(groups, test_size=0.25, stratify=True, seed=seed)
    assert sum(map(len, parts)) == len(table)
    pairs = [(part.index, other.index) for part, other in [parts]]
    for rows, others in make_folds(Rows(parts[0]), 3, seed=seed):
        pairs.append((parts[0].index[rows], parts[0].index[others]))
    with pytest.raises(InputError, match="folds is 9, but the training table has only 6 groups"):
        make_folds(Rows(parts[0]), 9, seed=seed)
    assert len(pairs) == 4
    for one, other in pairs:
        assert len(one) and len(other)
        assert not set(one) & set(other)


def test_the_newest_rows_are_the_test_in_a_split_and_in_each_fold(table):
    times = table.sample(frac=1, random_state=0)
    times.index = pd.Index(times["x"] // 2, name="time")  # two rows at each time
    train_rows, test_rows = split_frame(times, test_size=0.3, stratify=True, seed=0)
    assert len(train_rows) + len(test_rows) == len(table)
    pairs = [(train_rows.index, test_rows.index)]
    train_rows = train_rows.sample(frac=1, random_state=1)  # as a large table keeps its order
    for rows, others in make_folds(Rows(train_rows), 3, seed=0):
        pairs.append((train_rows.index[rows], train_rows.index[others]))
    assert len(pairs) == 4
    for old, new in pairs:
        assert old.max() < new.min()
    with pytest.raises(InputError, match="folds is 8, but the training table has only 8 times"):
        make_folds(Rows(train_rows), 8, seed=0)
    ten = table[:10].set_index(pd.Index(range(10), name="time"))
    assert [len(part) for part in split_frame(ten, test_size=0.9, stratify=False, seed=0)] == [1, 9]
    one_time = table.set_index(pd.Index([1] * 24, name="time"))
    with pytest.raises(InputError, match="none is older"):
        split_frame(one_time, test_size=0.3, stratify=True, seed=0)


@pytest.mark.parametrize("test_size", [0.0, 1.0, -0.3, 30, 0.001])
def test_split_rejects_a_test_size_that_leaves_a_part_empty(table, test_size):
    with pytest.raises(InputError, match="params.yaml: split"):
        split_frame(table, test_size=test_size, stratify=True, seed=0)


def test_preprocessing_learns_nothing_from_rows_outside_its_fold(table):
    """The median that fills a gap, and the texts that get a column, are those of the rows to fit."""
    table = table.assign(label=range(24)).astype({"label": float})
    table.loc[3, "y"] = None
    table.insert(0, "text", list("abcdefgh") * 3)
    for rows, _ in make_folds(Rows(table), 3, seed=0):
        estimator = fit(table.iloc[rows], model="linear", max_categories=8)
        branches = estimator["columns"].named_transformers_
        medians = branches["numbers"]["simpleimputer"].statistics_
        assert medians.tolist() == table[["x", "y"]].iloc[rows].median().tolist()
        known = branches["categories"]["onehotencoder"].categories_[0]
        assert known.tolist() == sorted(table["text"].iloc[rows].unique())


def test_a_fold_is_scored_by_what_its_own_rows_teach(table):
    texts = table.assign(x=[f"t{n}" for n in range(24)], label=["a", "b", "b"] * 8)
    texts = texts.drop(columns="y")
    folds = []
    # As in the stage: components of so few texts depend on the last digits.
    with threadpool_limits(1, user_api="blas"):
        _, scores, _ = train(texts, TREE, TRAIN)
        for rows, others in make_folds(Rows(texts), 3, seed=0):
            estimator = fit(texts.iloc[rows], search=TRAIN["search"] | {"folds": 0})
            folds.append(evaluate(estimator, texts.iloc[others])[0])
    assert scores["cv"] == pytest.approx(dict(pd.DataFrame(folds).mean()), rel=1e-4)


def test_rare_classes_are_spread_over_the_folds(table):
    table["label"] = ["a"] * 22 + ["rare"] * 2
    folds = make_folds(Rows(table), 3, seed=0)
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
    balanced = models.create("tree", TREE["tree"], {}, TRAIN | {"class_weight": "balanced"})
    assert balanced.class_weight == "balanced"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"class": "sklearn.tree.Bush"}, "has no attribute 'Bush'"),
        ({"class": "no_such_package.Tree"}, "No module named"),
        ({}, "needs a `class`"),
        ({"class": "builtins.dict"}, "no attribute 'get_params'"),
        ({"class": "catboost.CatBoostClassifier"}, "skops saves no such model .*; take Hist"),
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


class Own(DecisionTreeClassifier):
    """A model that model files may not contain unless params.yaml says so."""

    def fit(self, x, y, sample_weight=None):
        assert len(x) <= 100, "it is checked before the fit"
        return super().fit(x, y)


def test_a_model_that_could_not_be_loaded_is_refused_before_the_fit(table):
    many = pd.concat([table] * 50, ignore_index=True)
    with pytest.raises(InputError, match=r"Own .*not trusted.*\n  trusted_types: \[test_train.Own"):
        fit(many, {"tree": {"class": "test_train.Own"}})


class Open(DecisionTreeClassifier):
    """A model that holds what no file can."""

    def fit(self, x, y):
        self.rows_ = (row for row in x)
        return super().fit(x, y)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"metric": "canberra"}, r"\[sklearn.metrics._dist_metrics.CanberraDistance64\]$"),
        (
            {"search": {"metric": ["canberra"]}},
            r"\[sklearn.metrics._dist_metrics.CanberraDistance64\]$",
        ),
        ({"class": "test_train.Open"}, "skops cannot save Open: .*generator"),
    ],
)
def test_what_scikit_learn_or_a_setting_brings_is_refused_before_the_fit(
    table, monkeypatch, spec, message
):
    monkeypatch.setattr("support.search.cross_validate", None)
    spec = {"class": "sklearn.neighbors.KNeighborsClassifier"} | spec
    search = TRAIN["search"] | {"candidates": int("search" in spec)}
    with pytest.raises(InputError, match=message):
        fit(table, {"tree": spec}, search=search)


def test_a_model_that_few_rows_do_not_suit_is_fitted_to_all(table):
    many = pd.concat([table] * 9, ignore_index=True)
    spec = {"class": "sklearn.calibration.CalibratedClassifierCV", "cv": 60}
    assert len(fit(many, {"tree": spec})["model"].calibrated_classifiers_) == 60


def test_rows_are_weighed_for_a_classifier_without_class_weights(table):
    """As many rows of a rare class would do."""
    rare = pd.concat([table, table[:12], table[:12]]).sample(frac=1, random_state=0)
    spec = {"tree": {"class": "sklearn.naive_bayes.GaussianNB"}}
    balanced = fit(rare, spec, class_weight="balanced")["model"]
    assert balanced.class_prior_ == pytest.approx([0.5, 0.5])
    assert fit(rare, spec)["model"].class_prior_ == pytest.approx([0.75, 0.25])
    with pytest.raises(InputError, match="KNeighborsClassifier.*it takes no class_weight"):
        fit(
            rare,
            {"tree": {"class": "sklearn.neighbors.KNeighborsClassifier"}},
            class_weight="balanced",
        )


@pytest.mark.parametrize("value", [1.7e308, -4e38])
def test_a_number_that_no_model_can_take_is_named(table, value):
    table["y"] = table["y"].where(table.index != 7, value)
    with pytest.raises(InputError, match=f"y holds {re.escape(str(value))}, more than") as error:
        fit(table)
    assert "\n" not in str(error.value)


def test_a_class_of_numbers_is_written_as_such(table):
    table["label"] = [445] * 22 + [446] * 2
    linear = {"tree": {"class": "sklearn.linear_model.LogisticRegression"}}
    with pytest.raises(InputError, match="single class, 445|one class: 445"):
        fit(table[:23], linear, search=TRAIN["search"] | {"folds": 2})


class Counts(Ridge):
    """A regressor of counts that does not tell so in its tags."""

    def fit(self, x, y):
        if min(y) < 0:
            raise ValueError("counts must be positive")
        return super().fit(x, y)


@pytest.mark.parametrize(
    ("spec", "labels", "message"),
    [
        ("sklearn.linear_model.Ridge", [0, 1], r"\(sklearn.linear_model.Ridge\) is no classifier"),
        ("sklearn.tree.DecisionTreeClassifier", [0.5, 1.5], "is no regressor"),
        ("sklearn.decomposition.PCA", [0, 1], "is no classifier"),
        ("test_train.Counts", [0.5, 9.5], "positive.*set train.scale_target to false"),
        ("sklearn.tree.DecisionTreeClassifier", [1, 1], "train.parquet has a single class, 1"),
        (
            {"class": "sklearn.ensemble.HistGradientBoostingRegressor", "loss": "gamma"},
            [0.0, 9.5],
            "strictly positive y: the lowest value of the target is 0$",
        ),
        ("sklearn.linear_model.GammaRegressor", [0.0, 9.5], "lowest value of the target is 0$"),
        ("test_train.Broken", [0, 1], "models.tree: no$"),
    ],
)
def test_train_names_the_model_that_does_not_suit_the_table(table, spec, labels, message):
    with pytest.raises(InputError, match=message):
        spec = spec if isinstance(spec, dict) else {"class": spec}
        fit(table.assign(label=labels * 12), {"tree": spec})


@pytest.mark.parametrize(
    ("changes", "search", "message"),
    [
        ({"model": "treee"}, {}, r"train.model is 'treee'; did you mean 'tree'\?"),
        ({"class_weight": "balanced", "model": "linear"}, {}, "models.linear .*class_weight"),
        ({"average": 2}, {}, "train.average is 2: give 0, or 2 to .* name, 1$"),
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
            "metric: log_loss takes probabilities, and models.machine .*gives none",
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
    spec = {"class": "test_train.vote", "voting": "hard", "depth": 1}
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
    drawn = draw_candidates("m", space, 60, seed=0)
    assert drawn == draw_candidates("m", space, 60, seed=0)
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
    table = pd.concat([table] * 4, ignore_index=True)  # boosting wants 20 rows in a leaf
    numbers = table.assign(label=table["x"] * 2.5)
    for name in (specs := load_params("models")):
        classify = is_classifier(models.create(name, specs[name], {}, TRAIN))
        data = table if classify else numbers
        metrics, *_ = evaluate(fit(data, specs, model=name), data)
        assert metrics["accuracy" if classify else "r2"] > 0.5, name


def test_regression_is_scored_and_predicted_in_the_unit_of_the_target(table):
    numbers = table.assign(label=1000.0 + 10 * table["x"])
    metrics, _, plots = evaluate(fit(numbers, model="linear"), numbers)
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
        model_file.save(fit(table), path)
    assert first.read_bytes() == second.read_bytes()
    features = table.drop(columns="label")
    expected = fit(table).predict_proba(features)
    assert (model_file.load(first, []).predict_proba(features) == expected).all()


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
    model_file.save(estimator, tmp_path / "model")
    features = table.drop(columns="label")
    loaded = model_file.load(tmp_path / "model", [])
    assert (loaded.predict(features) == estimator.predict(features)).all()


def test_a_model_whose_package_is_missing_is_named(tmp_path, monkeypatch):
    package = ModuleType("vanished")
    package.Model = type("Model", (BaseEstimator,), {"__module__": "vanished"})
    monkeypatch.setitem(sys.modules, "vanished", package)
    skops.io.dump(package.Model(), tmp_path / "model")
    monkeypatch.delitem(sys.modules, "vanished")
    with pytest.raises(InputError, match="No module named 'vanished'; `pip install"):
        model_file.load(tmp_path / "model", ["vanished.Model"])


def test_a_model_with_an_unknown_type_is_not_loaded(tmp_path):
    # open stands for any function that a forged model could call.
    skops.io.dump(FunctionTransformer(func=io.open), tmp_path / "model")
    with pytest.raises(InputError, match="not trusted: .*open"):
        model_file.load(tmp_path / "model", [])


@pytest.mark.parametrize(("content", "message"), [(None, "not found"), (b"x", "not a model")])
def test_a_model_that_is_no_model_is_named(tmp_path, content, message):
    if content:
        (tmp_path / "model").write_bytes(content)
    with pytest.raises(InputError, match=message):
        model_file.load(tmp_path / "model", [])


def rival(name: str, table: pd.DataFrame, specs: dict) -> dict:
    """Return what stage compare would write of an entry."""
    rows = Rows(table)
    candidates = search(name, specs[name], rows, folds_of(rows, TRAIN), TRAIN)
    return {"spec": specs[name], "candidates": candidates}


@pytest.mark.parametrize(
    "spec",
    [
        {"class": "sklearn.linear_model.PoissonRegressor"},
        {"class": "sklearn.ensemble.HistGradientBoostingRegressor", "loss": "poisson"},
    ],
)
def test_counts_stay_counts_where_features_are_scaled(spec):
    random = np.random.default_rng(0)
    table = pd.DataFrame({"x": random.normal(size=200)})
    table["y"] = random.poisson(np.exp(1 + table["x"])).astype("float64")
    estimator = fit(table, {"counts": spec}, model="counts")
    predicted = estimator.predict(table[["x"]])
    assert predicted.min() > 0 and np.corrcoef(predicted, np.exp(table["x"]))[0, 1] > 0.9


@pytest.mark.parametrize("regression", [True, False])
@pytest.mark.parametrize(
    ("scale", "offset"), [(1, 0), (1e-7, 0), (1e-9, 0), (1e-12, 0), (30, 1.7e9)]
)
def test_trees_tell_numbers_apart_in_any_unit(regression, scale, offset):
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(300, 3)), columns=[*"abc"])
    y = 2 * table["a"] + table["b"] + 0.5 * random.normal(size=300)
    table = table * scale + offset
    table["y"] = y * scale if regression else np.where(y > 0, "u", "v")
    kind = "Regressor" if regression else "Classifier"
    spec = {"class": f"sklearn.ensemble.RandomForest{kind}", "n_estimators": 20, "random_state": 0}
    estimator = fit(table[:200], {"forest": spec}, model="forest")
    assert estimator.score(table.iloc[200:, :3], table["y"][200:]) > 0.8


def test_a_model_of_text_is_a_small_file(tmp_path):
    random = np.random.default_rng(0)
    words = [f"word{n}" for n in range(3000)]
    table = pd.DataFrame({"text": [" ".join(random.choice(words, 8)) for _ in range(2000)]})
    table["label"] = np.where(table["text"].str.contains("7"), "a", "b")
    specs = {"forest": {"class": "sklearn.linear_model.LogisticRegression"}}
    model_file.save(fit(table, specs, model="forest"), tmp_path / "model")
    assert (tmp_path / "model").stat().st_size < 2e6


@pytest.mark.parametrize("regression", [False, True])
def test_the_average_of_the_best_competes_and_comes_back_from_its_file(tmp_path, regression):
    """Two models that follow the noise, each in its own way, and take other columns each."""
    random = np.random.default_rng(0)
    table = pd.DataFrame({"x": random.normal(size=300), "step": random.choice(["u", "v"], 300)})
    target = 2 * table["x"] + 3 * (table["step"] == "u") * (table["x"] > 0)
    target += random.normal(size=300)
    table["y"] = target if regression else target > 1
    kind = "Regressor" if regression else "Classifier"
    specs = {
        "tree": {"class": f"sklearn.tree.DecisionTree{kind}", "max_depth": 6},
        "near": {"class": f"sklearn.neighbors.KNeighbors{kind}", "n_neighbors": 2},
    }
    metric = "r2" if regression else "log_loss"
    params = TRAIN | {"compare": ["near"], "average": 2}
    params["search"] = TRAIN["search"] | {"metric": metric}
    estimator, scores, candidates = train(table, specs, params, [rival("near", table, specs)])
    name = candidates["model"][0]
    assert min(candidates["model"]) == name == scores["search"]["model"]
    assert name.startswith("average of ") and {"tree", "near"} == set(name[11:].split(", "))

    features = table.iloc[:, :-1]
    members = [fit(table, specs, model=name) for name in specs]
    if regression:
        expected = np.mean([one.predict(features) for one in members], axis=0)
        predicted = estimator.predict
    else:
        expected = np.mean([one.predict_proba(features) for one in members], axis=0)
        predicted = estimator.predict_proba
    np.testing.assert_allclose(predicted(features), expected)
    paths = [tmp_path / "first", tmp_path / "second"]
    for path in paths:
        model_file.save(train(table, specs, params, [rival("near", table, specs)])[0], path)
    assert paths[0].read_bytes() == paths[1].read_bytes()
    loaded = model_file.load(paths[0], [])
    assert (loaded.predict(features) == estimator.predict(features)).all()
    assert list(loaded.feature_names_in_) == list(features)
    logged = hyperparameters(loaded)["model"]
    assert logged["tree"] == f"DecisionTree{kind}(max_depth=6, random_state=0)"


def test_an_average_takes_models_that_give_probabilities(table):
    params = TRAIN | {"compare": ["machine"], "average": 2}
    with pytest.raises(InputError, match="average takes two models that give probabilities"):
        train(table, TREE, params, [rival("machine", table, TREE)])
    rivals = [rival(name, table, TREE) for name in ("machine", "free")]
    params["compare"] = ["machine", "free"]
    _, _, candidates = train(table, TREE, params, rivals)
    assert set(candidates["model"]) & {"average of tree, free", "average of free, tree"}


def test_threads_fit_the_models_of_a_large_table_alone(table):
    with threads(table):
        assert joblib.Parallel().n_jobs == 1
    with threads(pd.concat([table] * SMALL)):
        assert joblib.Parallel().n_jobs == -1
