"""Metrics against scikit-learn's, and how sure they are against a bootstrap of rows."""

from string import ascii_lowercase
from typing import Any

from support.intervals import intervals
from support.metrics import (
    CLASSIFICATION,
    REGRESSION,
    Predictions,
    baseline,
    per_class,
    put_second,
    score,
    score_classes,
)
from support.params import InputError

import numpy as np
import pandas as pd
import pytest
from helpers import TRAIN, TREE, evaluate, fit, train
from sklearn import metrics as sk

OWN = """
def cost(actual, predicted):
    return 5 * ((actual == "a") & (predicted == "b")).sum() + (predicted == "a").sum()


def cost_loss(actual, predicted):
    return cost(actual, predicted)


def broken(actual, predicted):
    raise RuntimeError("no such luck\\nat all")


def words(actual, predicted):
    return "much"


def picky(actual, predicted):
    assert len(set(predicted)) == 2
    return 2
"""


@pytest.fixture
def own(tmp_path, monkeypatch) -> None:
    (tmp_path / "mymetrics.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)


def stated(rows: int, classes: str, seed: int = 0) -> tuple[pd.Series, Predictions]:
    """Return targets and predictions that tell something of them; the first class is frequent."""
    random = np.random.default_rng(seed)
    codes = random.integers(len(classes), size=rows) * (random.random(rows) < 0.7)
    logits = random.normal(size=(rows, len(classes)))
    logits[np.arange(rows), codes] += 1.5
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = np.array(list(classes), dtype=object)
    return pd.Series(names[codes]), Predictions(names[logits.argmax(axis=1)], probabilities, names)


@pytest.mark.parametrize("classes", ["ab", "abc"])
def test_metrics_are_those_of_scikit_learn(classes):
    actual, predictions = stated(300, classes)
    predicted, probabilities = predictions.values, predictions.probabilities
    column = probabilities[:, 1] if len(classes) == 2 else probabilities
    members = actual == "b" if len(classes) == 2 else pd.get_dummies(actual).to_numpy()
    precision, recall, f1, _ = sk.precision_recall_fscore_support(
        actual, predicted, average="macro"
    )
    expected = {
        "accuracy": sk.accuracy_score(actual, predicted),
        "balanced_accuracy": sk.balanced_accuracy_score(actual, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "log_loss": sk.log_loss(actual, probabilities),
        "roc_auc": sk.roc_auc_score(members, column),
        "average_precision": sk.average_precision_score(members, column),
        "brier_score": sk.brier_score_loss(
            actual, column, pos_label="b" if column.ndim == 1 else None
        ),
    }
    assert list(expected) == CLASSIFICATION
    assert score(actual, predictions) == pytest.approx(expected)
    each = sk.precision_recall_fscore_support(actual, predicted, labels=list(classes))
    table = per_class(actual, predictions).set_index("class").loc[list(classes)]
    assert np.allclose(table[["precision", "recall", "f1", "rows"]].to_numpy().T, each)


def test_classes_that_one_side_lacks_count_as_in_scikit_learn():
    predictions = Predictions(np.array(list("abcab"), dtype=object), classes=np.array(list("abc")))
    for actual in (pd.Series(list("abbaz")), pd.Series(list("aabba"))):
        scores = score(actual, predictions)
        for name in ("precision", "recall", "f1"):
            metric = getattr(sk, f"{name}_score")
            expected = metric(actual, predictions.values, average="macro", zero_division=0)
            assert scores[name] == pytest.approx(expected)
        assert scores["accuracy"] == sk.accuracy_score(actual, predictions.values)


@pytest.mark.parametrize("positive", ["a", "b"])
def test_precision_recall_and_f1_are_of_the_class_that_is_named(positive):
    actual, predictions = stated(300, "ab")
    named = put_second(predictions, positive)
    scores = score(actual, named)
    for name in ("precision", "recall", "f1"):
        expected = getattr(sk, f"{name}_score")(actual, predictions.values, pos_label=positive)
        assert scores[name] == pytest.approx(expected)
    column = predictions.probabilities[:, "ab".index(positive)]
    expected = sk.average_precision_score(actual == positive, column)
    assert scores["average_precision"] == pytest.approx(expected)
    unnamed = score(actual, predictions)
    for name in ("accuracy", "balanced_accuracy", "log_loss", "roc_auc", "brier_score"):
        assert scores[name] == pytest.approx(unnamed[name]), name
    floor = baseline(actual, actual, positive)
    assert floor["recall"] == (positive == actual.mode()[0])


@pytest.mark.parametrize(("known", "positive"), [("no", "yes"), (0, 1), (0, "1")])
def test_a_fold_that_knows_one_class_alone_never_predicts_the_other(known, positive):
    actual = pd.Series([known, known, type(known)(positive), known])
    classes = np.array([known])
    for kind in [classes.dtype, object] if known == "no" else [classes.dtype]:
        predictions = Predictions(classes.repeat(4), np.ones((4, 1)), classes.astype(kind))
        for name, rates in {positive: (0, 0), known: (0.75, 1)}.items():
            scores = score(actual, put_second(predictions, name))
            assert (scores["precision"], scores["recall"]) == rates
            assert scores["accuracy"] == 0.75


def test_the_positive_class_holds_in_training_and_cross_validation(table):
    changed = table.assign(label=table["label"].where(table["x"] % 5 > 0, "a"))
    recall = {}
    for positive in ("a", "b"):
        _, scores, _ = train(changed, TREE, TRAIN | {"positive": positive})
        recall[positive] = [scores[part]["recall"] for part in ("training", "cv")]
    estimator = fit(changed)
    predicted = estimator.predict(changed[["x", "y"]])
    for positive, (training, _) in recall.items():
        expected = sk.recall_score(changed["label"], predicted, pos_label=positive)
        assert training == pytest.approx(expected, abs=1e-5)
    assert recall["a"][1] != recall["b"][1]


@pytest.mark.parametrize(
    ("positive", "labels", "message"),
    [
        ("c", "ab", "train.positive is 'c'; there is a, b"),
        ("B", "ab", "train.positive is 'B'; did you mean 'b'?"),
        ("a", "abc", "train.positive is 'a', but the target has 3 classes, not two"),
    ],
)
def test_a_positive_class_that_is_none_is_told(table, positive, labels, message):
    data = table.assign(label=list(labels) * (24 // len(labels)))
    with pytest.raises(InputError, match=message):
        train(data, TREE, TRAIN | {"positive": positive})


def test_a_class_of_numbers_or_booleans_can_be_named(table):
    for values in ([0, 1], [False, True]):
        labels = pd.Series(values * 12).sample(frac=1, random_state=0).to_numpy()
        params = TRAIN | {"positive": values[0]}
        _, scores, _ = train(table.assign(label=labels), TREE, params)
        assert scores["training"]["recall"] != pytest.approx(
            scores["training"]["balanced_accuracy"]
        )


def spread(draw: Any, rows: int, number: int = 100) -> pd.DataFrame:
    """Return the ends of the interval of what `draw` makes of rows drawn anew."""
    random = np.random.default_rng(1)
    draws = pd.DataFrame([draw(random.integers(rows, size=rows)) for _ in range(number)])
    return draws.quantile([0.025, 0.975])


@pytest.mark.parametrize(("classes", "rows"), [("ab", 200), ("abc", 600)])
def test_intervals_are_those_of_rows_drawn_anew(classes, rows):
    actual, predictions = stated(rows, classes)

    def draw(some: np.ndarray) -> dict[str, float]:
        values, probabilities = predictions.values[some], predictions.probabilities[some]
        again = Predictions(values, probabilities, predictions.classes)
        return score(actual.iloc[some], again)

    scores = score(actual, predictions)
    found, expected = intervals(actual, predictions, scores), spread(draw, rows)
    assert found.keys() == set(CLASSIFICATION)
    for name, ends in found.items():
        assert ends["low"] < scores[name] < ends["high"]
        width = np.ptp(expected[name])
        assert list(ends.values()) == pytest.approx(expected[name].tolist(), abs=0.35 * width), name


def test_rankings_of_many_classes_have_intervals(monkeypatch):
    actual, predictions = stated(1300, ascii_lowercase)
    scores = score(actual, predictions)
    widths = []
    for classes in (25, 26):  # of more, fewer draws are ranked
        monkeypatch.setattr("support.intervals.CLASSES", classes)
        found = intervals(actual, predictions, scores)
        assert found.keys() == set(CLASSIFICATION)
        widths.append([found[name]["high"] - found[name]["low"] for name in sorted(found)])
    assert widths[0] == pytest.approx(widths[1], rel=0.3) and widths[0] != widths[1]


def test_intervals_of_errors_are_those_of_rows_drawn_anew():
    random = np.random.default_rng(0)
    actual = pd.Series(1000 + random.normal(size=1500))
    predictions = Predictions(actual.to_numpy() + random.standard_t(4, size=1500) / 2)
    scores = score(actual, predictions)
    found = intervals(actual, predictions, scores)
    expected = spread(
        lambda some: score(actual.iloc[some], Predictions(predictions.values[some])), 1500
    )
    assert list(found) == REGRESSION
    for name, ends in found.items():
        width = np.ptp(expected[name])
        assert list(ends.values()) == pytest.approx(expected[name].tolist(), abs=0.35 * width), name


@pytest.mark.parametrize("role", ["group", "time"])
def test_rows_that_belong_together_are_drawn_together(role):
    """Errors that a group, or a stretch of time, shares tell less than as many of their own."""
    random = np.random.default_rng(0)
    order = random.permutation(1500)  # the rows may come in any
    shared = np.repeat(random.normal(size=30), 50)[order]
    plain = pd.Series(np.zeros(1500))
    index = pd.Index(order // (50 if role == "group" else 1), name=role)
    width = {}
    for name, actual in {"rows": plain, role: plain.set_axis(index)}.items():
        scores = score(actual, Predictions(shared))
        width[name] = np.ptp(list(intervals(actual, Predictions(shared), scores)["mae"].values()))
    assert width[role] > 3 * width["rows"]


@pytest.mark.parametrize(("rows", "groups"), [(40, 40), (120, 12)])
def test_in_95_of_100_small_tests_the_interval_holds_the_score(rows, groups):
    """Though most have hardly an error, which drawing rows anew cannot make more."""
    random, held = np.random.default_rng(0), []
    alone, shared = 0.02, 0.01  # how likely a row is wrong by itself, or with its group
    for _ in range(200):
        group = np.arange(rows) % groups
        wrong = (random.random(rows) < alone) | (random.random(groups) < shared)[group]
        actual = pd.Series(np.resize(["a", "b"], rows), index=pd.Index(group, name="group"))
        predictions = Predictions(np.where(wrong, "c", actual), None, np.array(["a", "b", "c"]))
        ends = intervals(actual, predictions, score(actual, predictions))["accuracy"]
        held.append(ends["low"] <= (1 - alone) * (1 - shared) <= ends["high"])
    assert np.mean(held) > 0.92


@pytest.mark.parametrize("recall", [0.3, 0.9])
def test_an_interval_knows_how_few_rows_a_class_has(recall):
    random, rows, rare, others = np.random.default_rng(0), 500, 5, 0.995
    actual = pd.Series(["no"] * (rows - rare) + ["yes"] * rare)
    held = []
    for _ in range(100):
        right = random.random(rows) < np.where(actual == "yes", recall, others)
        predicted = np.where(right, actual, np.where(actual == "yes", "no", "yes"))
        predictions = Predictions(predicted, None, np.array(["no", "yes"]), positive=True)
        found = intervals(actual, predictions, score(actual, predictions))
        for name, true in {"recall": recall, "balanced_accuracy": (recall + others) / 2}.items():
            held.append(found[name]["low"] <= true <= found[name]["high"])
    assert np.mean(held) > 0.92


@pytest.mark.parametrize("classes", ["ab", "abc"])
@pytest.mark.parametrize("rows", [45, 3000])
def test_a_perfect_ranking_may_be_luck(classes, rows):
    places = np.arange(rows) % len(classes)
    probabilities = np.random.default_rng(0).uniform(0.1, 0.2, (rows, len(classes)))
    probabilities[np.arange(rows), places] += 2
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    names = np.array(list(classes))
    actual = pd.Series(names[places])
    predictions = Predictions(names[places], probabilities, names)
    found = intervals(actual, predictions, score(actual, predictions))
    for name in ("roc_auc", "average_precision", "balanced_accuracy", "f1"):
        assert 1 - 40 / rows < found[name]["low"] < 1 - 1 / rows and found[name]["high"] == 1


@pytest.mark.filterwarnings("error")
def test_curves_of_a_model_that_knows_one_class_are_not_defined():
    """As of the first folds of rows in order of time, where a class comes late."""
    actual, one = pd.Series(["a", "a", "b"]), np.array(["a"])
    for rows in (actual[:2], actual):
        scores = score_classes(rows, np.repeat(one, len(rows)), np.ones((len(rows), 1)), one)
        assert np.isnan(scores["roc_auc"]) and np.isnan(scores["average_precision"])
    assert scores["accuracy"] == 2 / 3


def test_r2_of_a_constant_target_is_not_defined():
    for predicted in (np.zeros(9), np.arange(9.0)):
        assert np.isnan(score(pd.Series(np.zeros(9)), Predictions(predicted))["r2"])


def test_one_row_has_no_interval(table):
    estimator = fit(table)
    _, found, _ = evaluate(estimator, table[:1])
    assert found == {}


def test_a_metric_of_ones_own_stands_beside_the_others(own, table):
    paths = ["mymetrics.cost"]
    changed = table.assign(label=table["label"].where(table["x"] % 5 > 0, "a"))
    _, scores, candidates = train(changed, TREE, TRAIN | {"metrics": paths})
    estimator = fit(changed)
    actual, predicted = changed["label"], estimator.predict(changed[["x", "y"]])
    expected = 5 * ((actual == "a") & (predicted == "b")).sum() + (predicted == "a").sum()
    assert scores["training"]["cost"] == expected
    assert candidates["cost"][0] == scores["cv"]["cost"]
    found, ends, _ = evaluate(estimator, changed, metrics=paths)
    assert found["cost"] == expected
    assert ends["cost"]["low"] <= expected <= ends["cost"]["high"]
    assert baseline(actual, actual, "", paths)["cost"] == 24


@pytest.mark.parametrize("labels", [(0, 1), (False, True), ("no", "yes")])
def test_metrics_of_a_library_take_classes_of_any_type(table, labels):
    path = "sklearn.metrics.matthews_corrcoef"
    classes = table["label"].map(dict(zip("ab", labels, strict=True)))
    _, scores, _ = train(table.assign(label=classes), TREE, TRAIN | {"metrics": [path]})
    predicted = fit(table.assign(label=classes)).predict(table[["x", "y"]])
    assert scores["training"]["matthews_corrcoef"] == sk.matthews_corrcoef(classes, predicted)


def test_a_metric_that_equal_predictions_lack_leaves_the_baseline_out(own, table):
    actual = table["label"]
    assert "picky" not in baseline(actual, actual, "", ["mymetrics.picky"])
    _, scores, _ = train(table, TREE, TRAIN | {"metrics": ["mymetrics.picky"]})
    assert scores["cv"]["picky"] == 2


@pytest.mark.parametrize(("metric", "best"), [("cost", max), ("cost_loss", min)])
def test_a_metric_of_ones_own_decides_a_search(own, table, metric, best):
    noisy = table.assign(x=table["x"].sample(frac=1, random_state=0).to_numpy())
    search = {"candidates": 2, "folds": 3, "metric": metric}
    params = TRAIN | {"model": "free", "metrics": [f"mymetrics.{metric}"], "search": search}
    _, scores, candidates = train(noisy, TREE, params)
    assert candidates[metric].nunique() > 1
    assert scores["cv"][metric] == best(candidates[metric])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("mymetrics.no", "train.metrics: mymetrics.no: .*no attribute 'no'"),
        ("nowhere.cost", "train.metrics: nowhere.cost: No module named 'nowhere'"),
        ("mymetrics.broken", "train.metrics: broken: no such luck$"),
        ("mymetrics.words", "train.metrics: words: could not convert"),
        ("sklearn.metrics.f1", "there is a metric f1 already"),
        ("mymetrics", "train.metrics: mymetrics is no function"),
    ],
)
def test_a_metric_that_cannot_be_used_is_told(own, table, path, message):
    with pytest.raises(InputError, match=message):
        train(table, TREE, TRAIN | {"metrics": [path]})
