"""Score an estimator's predictions."""

import math
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import is_classifier
from sklearn.metrics import (
    accuracy_score,
    log_loss,
    mean_absolute_error,
    median_absolute_error,
    precision_recall_fscore_support,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

CLASSIFICATION = [
    "accuracy",
    "balanced_accuracy",
    "precision",
    "recall",
    "f1",
    "log_loss",
    "roc_auc",
]
REGRESSION = ["r2", "mae", "rmse", "median_absolute_error"]
LOWER_IS_BETTER = ["log_loss", "mae", "rmse", "median_absolute_error"]


class Predictions(NamedTuple):
    """What an estimator says of some rows.

    `values` has the predicted target of each row; `probabilities`, if the estimator gives any, a
    column for each of `classes`, which a regression does not have.
    """

    values: np.ndarray
    probabilities: np.ndarray | None = None
    classes: np.ndarray | None = None


def predict(estimator: Any, features: pd.DataFrame) -> Predictions:
    values = estimator.predict(features)
    if not is_classifier(estimator):
        return Predictions(values)
    probabilities = None
    if hasattr(estimator, "predict_proba"):
        probabilities = estimator.predict_proba(features)
    return Predictions(values, probabilities, estimator.classes_)


def score(actual: pd.Series, predictions: Predictions) -> dict[str, float]:
    """Return the metrics of `predictions` for rows whose target is `actual`."""
    if predictions.classes is None:
        return score_numbers(actual, predictions.values)
    return score_classes(actual, *predictions)


def score_numbers(actual: pd.Series, predicted: np.ndarray) -> dict[str, float]:
    """Return R² (at most 1) and errors in the target's unit: mean and median absolute, RMSE."""
    return {
        "r2": r2_score(actual, predicted) if len(actual) > 1 else math.nan,
        "mae": mean_absolute_error(actual, predicted),
        "rmse": root_mean_squared_error(actual, predicted),
        "median_absolute_error": median_absolute_error(actual, predicted),
    }


def balanced_accuracy(actual: pd.Series, predicted: np.ndarray) -> float:
    """Return the mean recall of the classes that occur.

    It is scikit-learn's balanced_accuracy_score, which warns when others are predicted.
    """
    return recall_score(actual, predicted, labels=np.unique(actual), average="macro")


def score_classes(
    actual: pd.Series,
    predicted: np.ndarray,
    probabilities: np.ndarray | None,
    classes: np.ndarray,
) -> dict[str, float]:
    """Return fractions between 0 and 1 and, given `probabilities`, log loss (nats) and ROC AUC.

    Precision, recall and F1 are means over the classes. `probabilities` has a row a prediction
    and a column for each of `classes`. ROC AUC with more than two classes is the mean of each
    class against the rest. What is not defined, as for classes that do not occur, is nan.
    """
    # Numbers instead of names: on a million rows of text, the metrics take ten times as long.
    numbering = pd.Index(classes)
    actual, predicted = numbering.get_indexer(actual), numbering.get_indexer(predicted)
    precision, recall, f1, _ = precision_recall_fscore_support(
        actual, predicted, average="macro", zero_division=0
    )
    scores = {
        "accuracy": accuracy_score(actual, predicted),
        "balanced_accuracy": balanced_accuracy(actual, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
    if probabilities is not None:
        labels, present = np.arange(len(classes)), np.unique(actual)
        # -1 is a class that training did not see
        known = present[0] >= 0
        scores["log_loss"] = log_loss(actual, probabilities, labels=labels) if known else math.nan
        if not np.array_equal(present, labels):
            scores["roc_auc"] = math.nan
        elif len(classes) == 2:
            scores["roc_auc"] = roc_auc_score(actual, probabilities[:, 1])
        else:
            scores["roc_auc"] = roc_auc_score(actual, probabilities, multi_class="ovr")
    return scores


def baseline(known: pd.Series, actual: pd.Series) -> dict[str, float]:
    """Return the scores, for `actual`, of a model that knows no feature, only the target `known`.

    It predicts the mean, or the most frequent class and the classes' shares as probabilities.
    """
    rows = len(actual)
    if pd.api.types.is_float_dtype(known):
        return score(actual, Predictions(np.full(rows, known.mean())))
    shares = known.value_counts(normalize=True).sort_index()
    most = np.full(rows, shares.idxmax(), dtype=object)
    return score(actual, Predictions(most, np.tile(shares, (rows, 1)), shares.index.to_numpy()))


def per_class(actual: pd.Series, predictions: Predictions) -> pd.DataFrame:
    """Return a row for each class, the most frequent first.

    It holds the `class`, its `rows`, how often it is `predicted`, and precision, recall and F1,
    fractions between 0 and 1.
    """
    classes = pd.Index(predictions.classes)
    codes = classes.get_indexer(actual), classes.get_indexer(predictions.values)
    precision, recall, f1, rows = precision_recall_fscore_support(
        *codes, labels=np.arange(len(classes)), zero_division=0
    )
    predicted = np.bincount(codes[1], minlength=len(classes))
    table = {"class": classes, "rows": rows, "predicted": predicted}
    table = pd.DataFrame(table | {"precision": precision, "recall": recall, "f1": f1})
    return table.sort_values("rows", ascending=False, kind="stable")


def tidy(scores: dict[str, float]) -> dict[str, float]:
    """Return `scores` as plain numbers, without those that are not defined.

    Six digits: the rest is noise that differs between processors.
    """
    return {name: float(f"{value:.6g}") for name, value in scores.items() if not math.isnan(value)}
