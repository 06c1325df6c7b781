"""What a model and its scores should make one look at, before somebody believes them."""

from typing import NamedTuple

from support.metrics import score_numbers
from support.plots import draw_rows

import numpy as np
import pandas as pd
from sklearn.model_selection import cross_val_predict
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

# Rows that are looked at, and the features that may have leaked: the most important ones
ROWS = 2000
CANDIDATES = 3
# R² or accuracy from which a feature, or a sum of features, is the target in other words
DETERMINED = 0.995
# A part of a sum that moves the target by less than this share of its spread is left out.
SHARE = 0.01


class Finding(NamedTuple):
    """`code` mutes it, by findings.mute in params.yaml; `text` says what to do, on one line."""

    code: str
    text: str


def find(
    table: pd.DataFrame,
    scores: dict[str, float],
    baseline: dict[str, float],
    plots: dict[str, pd.DataFrame],
) -> list[Finding]:
    """Return the findings on the test `table`, its `scores`, those of the `baseline`, and `plots`,
    the tables of plots.plot_data.
    """
    features, target = table.iloc[:, :-1], table.iloc[:, -1]
    regression = "classes" not in plots
    metric = "r2" if regression else "balanced_accuracy"
    findings = compare_to_baseline(scores, baseline, metric)
    if not regression:
        findings += find_unpredicted(plots["classes"])
    if scores.get(metric, 0) > 0.95 and len(features) >= 50:
        rows = draw_rows(len(features), ROWS)
        some, known = features.iloc[rows], target.iloc[rows]
        if regression:
            findings += find_sum(some, known)
        important = plots["importance"]["feature"][:CANDIDATES]
        findings += find_single(some[important], known, regression)
    return findings


def compare_to_baseline(
    scores: dict[str, float], baseline: dict[str, float], metric: str
) -> list[Finding]:
    if scores.get(metric, np.inf) > baseline.get(metric, -np.inf):
        return []
    text = (
        f"{metric} is {scores[metric]:.3g} on the test, {baseline[metric]:.3g} without any feature: "
        "the model found nothing; look for other features, another model, or more rows"
    )
    return [Finding("no-better-than-baseline", text)]


def find_unpredicted(classes: pd.DataFrame) -> list[Finding]:
    never = classes[(classes["rows"] > 0) & (classes["predicted"] == 0)]
    if never.empty:
        return []
    names = ", ".join(
        f"{label} ({rows} test rows)"
        for label, rows in zip(never["class"], never["rows"], strict=True)
    )
    text = f"never predicted: {names}; set train.class_weight to balanced, or get more such rows"
    return [Finding("class-never-predicted", text)]


def find_sum(features: pd.DataFrame, target: pd.Series) -> list[Finding]:
    """Return whether the target is a weighted sum of two or more features."""
    numbers = features.select_dtypes("number")
    rows = numbers.notna().all(axis="columns").to_numpy()
    numbers, values = numbers[rows], target[rows].to_numpy(dtype="float64")
    if numbers.shape[1] < 2 or len(numbers) < 5 * numbers.shape[1]:
        return []
    spread = numbers.std(ddof=0).replace(0, 1)
    scaled = ((numbers - numbers.mean()) / spread).to_numpy()
    weights, *_ = np.linalg.lstsq(scaled, values - values.mean())
    parts = np.abs(weights) > SHARE * values.std()
    fitted = scaled[:, parts] @ weights[parts] + values.mean()
    if parts.sum() < 2 or score_numbers(pd.Series(values), fitted)["r2"] < DETERMINED:
        return []
    names = ", ".join(numbers.columns[parts])
    text = f"{names} add up to the target: add those that are not known beforehand to prepare.drop"
    return [Finding("leak-sum", text)]


def find_single(features: pd.DataFrame, target: pd.Series, regression: bool) -> list[Finding]:
    """Return the features each of which tells the target alone."""
    findings = []
    for name, column in features.items():
        if column.dtype == "str":
            column = column.astype("category").cat.codes
        known = column.notna().to_numpy()
        x, y = column[known].to_numpy()[:, None], target[known].to_numpy()
        if pd.api.types.is_datetime64_any_dtype(column):
            x = x.astype("int64")
        tree = DecisionTreeRegressor if regression else DecisionTreeClassifier
        predicted = cross_val_predict(tree(min_samples_leaf=2, random_state=0), x, y, cv=3)
        right = (
            score_numbers(pd.Series(y), predicted)["r2"] if regression else (predicted == y).mean()
        )
        if right >= DETERMINED:
            text = f"{name} alone tells the target: add it to prepare.drop unless it is known beforehand"
            findings.append(Finding("leak-feature", text))
    return findings
