"""Score an estimator's predictions."""

import math
import pkgutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

from support.params import InputError, first_line

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.metrics import (
    average_precision_score,
    mean_absolute_error,
    median_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

OF_PROBABILITIES = ["log_loss", "roc_auc", "average_precision", "brier_score"]
CLASSIFICATION = [
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    *OF_PROBABILITIES,
]
REGRESSION = ["r2", "mae", "rmse", "median_absolute_error"]
LOWER_IS_BETTER = ["log_loss", "brier_score", "mae", "rmse", "median_absolute_error"]
# scikit-learn's rule for the names of functions that return a value to minimise
LOSSES = ("_error", "_loss", "_deviance")


class MetricError(ValueError):
    """A problem with a metric that train.metrics of params.yaml names."""


class Predictions(NamedTuple):
    """An estimator's predictions for some rows.

    `values` has the predicted target of each row. `probabilities`, if the estimator gives any, has
    a column for each of `classes`; a regression has no classes. With two classes, the second one
    is the positive class; `positive` says whether train.positive named it.
    """

    values: np.ndarray
    probabilities: np.ndarray | None = None
    classes: np.ndarray | None = None
    positive: bool = False


def predict(estimator: Any, features: pd.DataFrame, positive: Any = "") -> Predictions:
    """Return the predictions for `features`; `positive` is train.positive of params.yaml."""
    values = estimator.predict(features)
    if not is_classifier(estimator):
        return Predictions(values)
    probabilities = None
    if hasattr(estimator, "predict_proba"):
        probabilities = estimator.predict_proba(features)
    return put_second(Predictions(values, probabilities, estimator.classes_), positive)


def put_second(predictions: Predictions, positive: Any) -> Predictions:
    """Return `predictions` with the class `positive` as the second of two; "" names none."""
    classes, probabilities = predictions.classes, predictions.probabilities
    if positive == "" or classes is None:
        return predictions
    if len(classes) == 1 and str(classes[0]) != str(positive):
        # A fold in order of time may have been fitted to the other class alone.
        classes = np.append(classes, np.array([str(positive)]).astype(classes.dtype.type))
        if probabilities is not None:
            probabilities = np.column_stack([probabilities, np.zeros(len(probabilities))])
    elif str(classes[0]) == str(positive):
        classes = classes[::-1]
        probabilities = None if probabilities is None else probabilities[:, ::-1]
    return Predictions(predictions.values, probabilities, classes, positive=True)


def load_metrics(paths: Iterable[str]) -> dict[str, Callable[[np.ndarray, np.ndarray], float]]:
    """Return the functions of train.metrics, dotted paths, by their names.

    Raises InputError when one cannot be imported, or has the name of another metric.
    """
    functions: dict[str, Callable] = {}
    for path in paths:
        name = str(path).rpartition(".")[2]
        if name in functions or name in CLASSIFICATION + REGRESSION:
            raise InputError(
                f"params.yaml: train.metrics: {path}: there is a metric {name} already"
            )
        try:
            functions[name] = pkgutil.resolve_name(str(path))
        except Exception as error:  # noqa: BLE001, a module may raise anything
            raise InputError(f"params.yaml: train.metrics: {path}: {first_line(error)}") from None
        if not callable(functions[name]):
            raise InputError(f"params.yaml: train.metrics: {path} is no function")
    return functions


def apply_metric(name: str, function: Callable, actual: np.ndarray, predicted: np.ndarray) -> float:
    """Return `function` of the actual and the predicted targets, one of each per row.

    Raises MetricError when it fails or does not return a number.
    """
    try:
        return float(function(actual, predicted))
    except Exception as error:
        raise MetricError(f"train.metrics: {name}: {first_line(error)}") from error


def lower_is_better(metric: str) -> bool:
    return metric in LOWER_IS_BETTER or (
        metric not in CLASSIFICATION + REGRESSION and metric.endswith(LOSSES)
    )


def score(
    actual: pd.Series,
    predictions: Predictions,
    metrics: Iterable[str] | dict[str, Callable] = (),
) -> dict[str, float]:
    """Return the metrics of `predictions` for rows whose target is `actual`.

    `metrics` are those of train.metrics in params.yaml, or the result of `load_metrics` for them.
    Undefined metrics are nan.

    Raises MetricError when one of these fails.
    """
    if predictions.classes is None:
        scores = score_numbers(actual, predictions.values)
    else:
        scores = score_classes(actual, *predictions)
    functions = metrics if isinstance(metrics, dict) else load_metrics(metrics)
    for name, function in functions.items():
        scores[name] = apply_metric(name, function, actual.to_numpy(), predictions.values)
    return scores


def score_numbers(actual: pd.Series, predicted: np.ndarray) -> dict[str, float]:
    """Return R² (at most 1) and errors in the target's unit: mean and median absolute, RMSE.

    R² is nan if all rows have the same target.
    """
    varies = len(actual) > 1 and np.ptp(actual.to_numpy()) > 0
    return {
        "r2": r2_score(actual, predicted) if varies else math.nan,
        "mae": mean_absolute_error(actual, predicted),
        "rmse": root_mean_squared_error(actual, predicted),
        "median_absolute_error": median_absolute_error(actual, predicted),
    }


def balanced_accuracy(actual: pd.Series, predicted: np.ndarray) -> float:
    """Return the mean recall of the classes that occur.

    It equals scikit-learn's balanced_accuracy_score, which warns if other classes are predicted.
    """
    codes, classes = pd.factorize(actual)
    right = codes == classes.get_indexer(predicted)
    return float(np.mean(np.bincount(codes, right) / np.bincount(codes)))


def count_classes(codes: tuple[np.ndarray, np.ndarray], classes: int) -> list[np.ndarray]:
    """Return the number of correct, predicted and actual rows of each class.

    `codes` are the actual and the predicted classes by number. Unknown classes have the number -1,
    and come first in the result.
    """
    actual, predicted = codes[0] + 1, codes[1] + 1
    hits = np.bincount(actual[actual == predicted], minlength=classes + 1)
    return [hits, *(np.bincount(one, minlength=classes + 1) for one in (predicted, actual))]


def rates(
    hits: np.ndarray, predicted: np.ndarray, actual: np.ndarray, *, positive: bool = False
) -> dict[str, np.ndarray]:
    """Return accuracy, balanced accuracy, precision, recall and F1 from numbers of rows.

    The numbers come from `count_classes`, with the classes along the last axis. Precision, recall
    and F1 are means over the classes that occur or are predicted; with `positive`, those of the
    last class.
    """
    occurs, known = actual > 0, (actual > 0) | (predicted > 0)
    recall = hits / np.maximum(actual, 1)
    scores = {
        "accuracy": hits.sum(axis=-1) / actual.sum(axis=-1),
        "balanced_accuracy": recall.sum(axis=-1) / occurs.sum(axis=-1),
    }
    parts = {
        "precision": hits / np.maximum(predicted, 1),
        "recall": recall,
        "f1": 2 * hits / np.maximum(predicted + actual, 1),
    }
    for name, one in parts.items():
        scores[name] = one[..., -1] if positive else one.sum(axis=-1) / known.sum(axis=-1)
    return scores


def losses(actual: np.ndarray, probabilities: np.ndarray) -> dict[str, np.ndarray]:
    """Return the log loss (nats) and the Brier score of each row.

    `actual` has the column of `probabilities` for each row; -1, an unknown class, gives nan. The
    Brier score is the sum of the squared errors of the probabilities, from 0 to 2; with two
    classes, half of that, from 0 to 1. See
    https://scikit-learn.org/stable/modules/model_evaluation.html#brier-score-loss
    """
    stated = np.take_along_axis(probabilities, np.maximum(actual, 0)[:, None], axis=1)[:, 0]
    stated = np.where(actual < 0, np.nan, stated)
    smallest = np.finfo(probabilities.dtype).eps
    squares = np.einsum("ij,ij->i", probabilities, probabilities) - 2 * stated + 1
    return {
        "log_loss": -np.log(np.clip(stated, smallest, 1 - smallest)),
        "brier_score": squares / (2 if probabilities.shape[1] == 2 else 1),
    }


def score_classes(
    actual: pd.Series,
    predicted: np.ndarray,
    probabilities: np.ndarray | None,
    classes: np.ndarray,
    positive: bool = False,
) -> dict[str, float]:
    """Return fractions between 0 and 1 and, given `probabilities`, log loss and Brier score too.

    Precision, recall and F1 are means over the classes; with `positive`, those of the second.
    `probabilities` has a row per prediction and a column for each of `classes`. ROC AUC and average
    precision are those of the second of two classes; with more, the mean of one class against the
    rest. Undefined metrics, as for classes that do not occur, are nan.
    """
    # Numbers instead of names: with a million rows of text, the metrics take ten times as long.
    numbering = pd.Index(classes)
    codes = numbering.get_indexer(actual), numbering.get_indexer(predicted)
    scores = {
        name: float(value)
        for name, value in rates(*count_classes(codes, len(classes)), positive=positive).items()
    }
    if probabilities is None:
        return scores
    by_row = losses(codes[0], probabilities)
    scores["log_loss"] = float(by_row["log_loss"].mean())
    # A fold in order of time may have been fitted to a single class.
    complete = len(classes) > 1 and np.array_equal(np.unique(codes[0]), np.arange(len(classes)))
    told = (range(1, 2) if len(classes) == 2 else range(len(classes))) if complete else []
    for name, metric in [
        ("roc_auc", roc_auc_score),
        ("average_precision", average_precision_score),
    ]:
        each = [metric(codes[0] == code, probabilities[:, code]) for code in told]
        scores[name] = float(np.mean(each)) if each else math.nan
    scores["brier_score"] = float(by_row["brier_score"].mean())
    return scores


def baseline(
    known: pd.Series, actual: pd.Series, positive: Any = "", metrics: Iterable[str] = ()
) -> dict[str, float]:
    """Return the scores, for `actual`, of a model that uses no feature, only the target `known`.

    It predicts the mean, or the most frequent class with the class frequencies as probabilities.
    `positive` and `metrics` are those of the section `train` in params.yaml; a metric that fails for
    equal predictions is left out.
    """
    rows = len(actual)
    if pd.api.types.is_float_dtype(known):
        predictions = Predictions(np.full(rows, known.mean()))
    else:
        shares = known.value_counts(normalize=True).sort_index()
        classes = shares.index.to_numpy()
        most = np.full(rows, shares.idxmax(), dtype=classes.dtype)
        predictions = Predictions(most, np.tile(shares, (rows, 1)), classes)
    scores = score(actual, put_second(predictions, positive))
    for name, function in load_metrics(metrics).items():
        with suppress(MetricError):
            scores[name] = apply_metric(name, function, actual.to_numpy(), predictions.values)
    return scores


def per_class(actual: pd.Series, predictions: Predictions) -> pd.DataFrame:
    """Return a row for each class, the most frequent first.

    It has the `class`, its number of `rows`, the number of rows `predicted` as this class, and
    precision, recall and F1, fractions between 0 and 1.
    """
    classes = pd.Index(predictions.classes)
    codes = classes.get_indexer(actual), classes.get_indexer(predictions.values)
    hits, predicted, rows = (numbers[1:] for numbers in count_classes(codes, len(classes)))
    table = {
        "class": classes,
        "rows": rows,
        "predicted": predicted,
        "precision": hits / np.maximum(predicted, 1),
        "recall": hits / np.maximum(rows, 1),
        "f1": 2 * hits / np.maximum(predicted + rows, 1),
    }
    return pd.DataFrame(table).sort_values("rows", ascending=False, kind="stable")


def tidy(scores: dict[str, float]) -> dict[str, float]:
    """Return `scores` as plain numbers, without undefined ones.

    Six digits: the rest is noise that differs between processors.
    """
    return {name: float(f"{value:.6g}") for name, value in scores.items() if math.isfinite(value)}
