"""The data of the plots: small tables for a test set of any size."""

from typing import Any

from support.metrics import Predictions, balanced_accuracy, per_class

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.inspection import permutation_importance
from sklearn.metrics import precision_recall_curve, r2_score, roc_curve
from tqdm import tqdm

# Limits on the size of the files and the time to make them
CLASSES = 20
CURVES = 9
CURVE_POINTS = 101
CURVE_ROWS = 100_000
BINS = 10
FEATURES = 30
IMPORTANCE_ROWS = 1000
IMPORTANCE_REPEATS = 5
IMPORTANCE_FEATURES = 100
SCATTER_ROWS = 1000
SIZES = 5


def draw_rows(total: int, number: int) -> np.ndarray:
    """Return `number` positions below `total`, sorted and always the same; or all."""
    if total <= number:
        return np.arange(total)
    return np.sort(np.random.default_rng(0).choice(total, number, replace=False))


def draw_each(target: pd.Series, number: int) -> np.ndarray:
    """Return `number` positions in `target` as draw_rows does, with classes as equal as possible.

    >>> draw_each(pd.Series(["a"] * 6 + ["b"] * 2), 4)[-2:]
    array([6, 7])
    """
    rows = len(target)
    if rows <= number or pd.api.types.is_float_dtype(target):
        return draw_rows(rows, number)
    order = np.random.default_rng(0).permutation(rows)
    turn = pd.Series(order).groupby(target.to_numpy()[order]).cumcount()
    return np.sort(order[np.argsort(turn.to_numpy(), kind="stable")[:number]])


def confusion(actual: pd.Series, predicted: np.ndarray) -> pd.DataFrame:
    """Return the `count` of each pair of `actual` and `predicted` class.

    The table has all pairs of the most frequent classes; the other classes are combined.
    """
    classes = actual.value_counts().index[:CLASSES]
    labels = [str(label) for label in sorted(classes)]
    others = "(other)"
    while others in labels:
        others = f"({others})"  # a class may have this name
    pair = [pd.Series(values, dtype=object) for values in (actual.to_numpy(), predicted)]
    pair = [values.where(values.isin(classes), others).astype(str) for values in pair]
    if any((values == others).any() for values in pair):
        labels.append(others)
    table = pd.crosstab(*pair).reindex(index=labels, columns=labels, fill_value=0)
    table = table.rename_axis(index="actual", columns="predicted")
    return table.stack().rename("count").reset_index()


def is_pairwise(estimator: Any) -> bool:
    """Return whether a support vector machine scores pairs of classes instead of classes."""
    return estimator.get_params().get("model__decision_function_shape") == "ovo"


def one_against_rest(
    actual: pd.Series, scores: np.ndarray, classes: np.ndarray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return, for each class with a defined curve, which rows belong to it, and all scores.

    The keys name the class and its number of rows, the most frequent first. With two classes, only
    the second one is returned.
    """
    columns = scores.T if scores.ndim == 2 else [None, scores]
    pairs = list(zip(classes, columns, strict=True))
    if len(classes) == 2:
        del pairs[0]
    else:
        by_label, frequent = dict(pairs), actual.value_counts().index[:CLASSES]
        pairs = [(label, by_label[label]) for label in frequent if label in by_label]
    told = {label: (actual.to_numpy() == label, column) for label, column in pairs}
    # Neither all rows nor none: a curve would be undefined.
    return {
        f"{label} ({one.sum()} rows)": (one, column)
        for label, (one, column) in told.items()
        if 0 < one.sum() < len(one)
    }


def curve_table(curves: dict[str, tuple[np.ndarray, np.ndarray]], x: str, y: str) -> pd.DataFrame:
    """Return curves, each with increasing values of `x` and values of `y`, by `class`.

    Each curve has points at equal steps between 0 and 1.
    """
    grid = np.linspace(0, 1, CURVE_POINTS)
    parts = [
        pd.DataFrame({"class": name, x: grid, y: np.interp(grid, *one)})
        for name, one in curves.items()
    ]
    return pd.concat(parts) if parts else pd.DataFrame(columns=["class", x, y])


def mean_curve(table: pd.DataFrame) -> pd.DataFrame:
    """Return the mean over the classes of the curves of `roc` or `precision_recall`."""
    _, x, y = table.columns
    points = table.groupby("class").cumcount()
    return table.groupby(points)[[x, y]].mean()


def roc(pairs: dict[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """Return the ROC curve of each class at equal steps of false positives."""
    curves = {}
    for name, (one, scores) in pairs.items():
        false, true, _ = roc_curve(one, scores)
        curves[name] = (false, true)
    table = curve_table(curves, "false_positive_rate", "true_positive_rate")
    # Start at the origin; true positives without any false positive come second.
    origins = pd.DataFrame({"class": list(curves), table.columns[1]: 0.0, table.columns[2]: 0.0})
    places = {name: place for place, name in enumerate(curves)}
    return pd.concat([origins, table]).sort_values(
        "class", kind="stable", key=lambda names: names.map(places)
    )


def precision_recall(pairs: dict[str, tuple[np.ndarray, np.ndarray]]) -> pd.DataFrame:
    """Return the precision of each class at equal steps of recall."""
    curves = {}
    for name, (one, scores) in pairs.items():
        precision, recall, _ = precision_recall_curve(one, scores)
        curves[name] = (recall[::-1], precision[::-1])
    return curve_table(curves, "recall", "precision")


def calibration(
    actual: pd.Series, predicted: np.ndarray, probabilities: np.ndarray, classes: np.ndarray
) -> pd.DataFrame:
    """Return the mean `probability` of each bin of equal width, and the `fraction` that was right.

    With two classes, it is the probability of the second; with more, of the predicted class.
    """
    if len(classes) == 2:
        stated, right = probabilities[:, 1], actual.to_numpy() == classes[1]
    else:
        stated, right = probabilities.max(axis=1), actual.to_numpy() == predicted
    bins = np.minimum((stated * BINS).astype(int), BINS - 1)
    table = pd.DataFrame({"probability": stated, "fraction": right.astype(float), "rows": 1})
    return table.groupby(bins).agg({"probability": "mean", "fraction": "mean", "rows": "sum"})


def most_used(estimator: Any, features: pd.DataFrame) -> pd.DataFrame:
    """Return the IMPORTANCE_FEATURES columns with which a forest best imitates `estimator`."""
    classify = hasattr(estimator, "classes_")
    if hasattr(estimator, "predict_proba"):
        predicted = estimator.predict_proba(features)
    else:
        predicted = estimator.predict(features)
        predicted = pd.get_dummies(predicted) if classify else predicted
    forest = ExtraTreesRegressor(max_features=0.3, min_samples_leaf=3, random_state=0)
    # Ranks turn times and texts into numbers as well.
    forest.fit(features.rank().to_numpy(), predicted)
    best = np.argsort(-forest.feature_importances_, kind="stable")[:IMPORTANCE_FEATURES]
    return features.iloc[:, np.sort(best)]


def importance(estimator: Any, features: pd.DataFrame, actual: pd.Series) -> pd.DataFrame:
    """Return the loss of score when each feature is shuffled, largest first.

    The score is the balanced accuracy or R². See
    https://scikit-learn.org/stable/modules/permutation_importance.html
    With more than IMPORTANCE_FEATURES features, only those that the model uses most are shuffled.
    """
    rows = draw_each(actual, IMPORTANCE_ROWS)
    features, actual = features.iloc[rows], actual.iloc[rows]
    shuffled = features
    if features.shape[1] > IMPORTANCE_FEATURES:
        shuffled = most_used(estimator, features)
    others = features.drop(columns=list(shuffled))
    repeats = IMPORTANCE_REPEATS if features.shape[1] <= FEATURES else 1
    metric = balanced_accuracy if hasattr(estimator, "classes_") else r2_score
    total = 1 + repeats * shuffled.shape[1]
    # Show the bar only on terminals, and for many columns.
    with tqdm(desc="importance", total=total, leave=False, disable=None, delay=0.2) as bar:

        def score(model: Any, x: pd.DataFrame, y: pd.Series) -> float:
            bar.update()
            every = x if others.empty else pd.concat([x, others], axis=1)[list(features)]
            return metric(y, model.predict(every))

        result = permutation_importance(
            estimator, shuffled, actual, scoring=score, n_repeats=repeats, random_state=0
        )
    table = pd.DataFrame({"feature": shuffled.columns, "importance": result.importances_mean})
    table = table.sort_values("importance", ascending=False, kind="stable")[:FEATURES]
    if shuffled is not features:
        table.attrs["title"] = f"Permutation importance, of the {shuffled.shape[1]} most used"
    return table


def residuals(actual: pd.Series, predicted: np.ndarray) -> pd.DataFrame:
    """Return a sample of rows: `actual` and `predicted` target, and their difference `residual`."""
    table = pd.DataFrame({"actual": actual.to_numpy(), "predicted": predicted})
    table["residual"] = table["actual"] - table["predicted"]
    return table.iloc[draw_rows(len(table), SCATTER_ROWS)]


def errors_by_size(actual: pd.Series, predicted: np.ndarray) -> pd.DataFrame:
    """Return the errors, in the target's unit, of rows whose target is `from` one value `to` another.

    There are up to SIZES parts with about equal numbers of rows. `mean_error` is positive if
    predictions are too high; the others are the mean and the median of absolute errors.
    """
    values = actual.to_numpy()
    errors = predicted - values
    edges = np.unique(np.quantile(values, np.linspace(0, 1, SIZES + 1)[1:-1]))
    parts = np.searchsorted(edges, values)
    lines = []
    for part in np.unique(parts):
        target, error = values[parts == part], errors[parts == part]
        lines.append(
            {
                "from": target.min(),
                "to": target.max(),
                "rows": len(target),
                "mean_error": error.mean(),
                "mae": np.abs(error).mean(),
                "median_absolute_error": np.median(np.abs(error)),
            }
        )
    return pd.DataFrame(lines)


def plot_data(
    estimator: Any, features: pd.DataFrame, actual: pd.Series, predictions: Predictions
) -> dict[str, pd.DataFrame]:
    """Return the table of each plot by name; a plot that is undefined for a model has no rows.

    A classification has confusion, roc and precision_recall (the mean over the classes, and each
    class), calibration and classes (see metrics.per_class), a regression predictions and errors, and
    both importance.
    """
    if predictions.classes is None:
        tables = {
            "predictions": residuals(actual, predictions.values),
            "errors": errors_by_size(actual, predictions.values),
        }
    else:
        rows = draw_rows(len(features), CURVE_ROWS)
        some = actual.iloc[rows]
        scores = predictions.probabilities
        if scores is not None:
            scores = scores[rows]
        elif hasattr(estimator, "decision_function") and not is_pairwise(estimator):
            scores = estimator.decision_function(features.iloc[rows])
            if scores.ndim == 1 and predictions.classes[0] != estimator.classes_[0]:
                scores = -scores  # they were scores of the other class
        pairs = {} if scores is None else one_against_rest(some, scores, predictions.classes)
        drawn = dict(list(pairs.items())[:CURVES])
        stated = pd.DataFrame(columns=["probability", "fraction", "rows"])
        if predictions.probabilities is not None:
            stated = calibration(some, predictions.values[rows], scores, predictions.classes)
        tables = {
            "confusion": confusion(actual, predictions.values),
            "roc": mean_curve(roc(pairs)),
            "roc_classes": roc(drawn),
            "precision_recall": mean_curve(precision_recall(pairs)),
            "precision_recall_classes": precision_recall(drawn),
            "calibration": stated,
            "classes": per_class(actual, predictions),
        }
        for name in ("roc_classes", "precision_recall_classes"):
            tables[name].attrs["left_out"] = len(pairs) > len(drawn)
    return {**tables, "importance": importance(estimator, features, actual)}
