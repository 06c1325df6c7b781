"""Stage train: training table and params.yaml -> fitted model and its cross-validated scores."""

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.metrics import CLASSIFICATION, LOWER_IS_BETTER, REGRESSION, predict, score, tidy
from support.models import MODEL, build, create, innermost, save
from support.params import InputError, first_line, load_params, nearest

import joblib
import numpy as np
import pandas as pd
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    ParameterSampler,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from sklearn.pipeline import Pipeline
from tqdm import tqdm

TRAIN = Path("data/train.parquet")
SCORES = Path("results/scores.json")
CANDIDATES = Path("results/candidates.csv")

EXPECTED = {
    "model": str,
    "scale": bool,
    "max_categories": int,
    "class_weight": str,
    "seed": int,
    "search": {"candidates": int, "folds": int, "metric": str},
}

Folds = list[tuple[np.ndarray, np.ndarray]]
# From the rows to fit, the target as their last column, and arguments to an estimator
Fit = Callable[[pd.DataFrame, dict[str, Any]], Pipeline]


def make_folds(table: pd.DataFrame, number: int, classify: bool, seed: int) -> Folds:
    """Return the rows to fit and the rows to score, by position, of each fold of `table`.

    The folds follow the rule of the split: no group on both sides if the index is called `group`;
    only older rows to fit if it is `time`; otherwise at random, stratified to `classify`.

    Raises InputError when there are fewer groups, times or rows than folds.
    """
    key = table.index
    target = table.iloc[:, -1]
    if number < 2:
        raise InputError(f"params.yaml: train.search.folds is {number}; give 2 or more, or 0")
    available = key.nunique() if key.name else len(table)
    # What is older than the first fold of times takes one more.
    if available < number + (key.name == "time"):
        raise InputError(
            f"params.yaml: train.search.folds is {number}, but the training table has only "
            f"{available} {key.name or 'row'}s; lower it, or set it to 0"
        )
    # A class that is rarer than there are folds is missing in some of them, with a warning; if
    # all are, scikit-learn gives up.
    stratify = classify and target.value_counts().max() >= number
    try:
        if key.name == "time":
            times = key.unique()
            return [
                (np.flatnonzero(key.isin(times[old])), np.flatnonzero(key.isin(times[new])))
                for old, new in TimeSeriesSplit(number).split(times)
            ]
        if key.name == "group":
            kind, groups = (StratifiedGroupKFold if stratify else GroupKFold), key
        else:
            kind, groups = (StratifiedKFold if stratify else KFold), None
        splitter = kind(number, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class")
            return list(splitter.split(table, target, groups))
    except ValueError as error:
        raise InputError(f"params.yaml: folds of train.search: {error}") from None


def draw_candidates(name: str, space: Any, number: int, seed: int) -> list[dict[str, Any]]:
    """Return `number` settings drawn from `space`, different ones, fewer if no more are found.

    `space` gives an argument a list of values, or a range: {low: 1, high: 9}, of whole numbers if
    both are, and with `log: true` by order of magnitude.

    Raises InputError when `space` is malformed.
    """
    if not isinstance(space, dict) or not space:
        raise InputError(f"params.yaml: models.{name} needs a `search` to draw candidates from")
    choices: dict[str, Any] = {}
    whole = set()
    size = 1.0
    for argument, values in space.items():
        if isinstance(values, list) and values:
            choices[argument] = values
            size *= len(values)
            continue
        try:
            low, high = values["low"], values["high"]
            if isinstance(low, int) and isinstance(high, int):
                whole.add(argument)
            if values.get("log"):
                choices[argument] = loguniform(low, high)
            elif argument in whole:
                choices[argument] = randint(low, high + 1)
            else:
                choices[argument] = uniform(low, high - low)
            choices[argument].rvs(random_state=seed)  # an empty range says so only now
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(
                f"params.yaml: models.{name}.search.{argument} must be a list of values, or "
                "{low: ..., high: ...}, perhaps with log: true"
            ) from None
        size = float("inf")
    # Of ranges of whole numbers, the same may be drawn again.
    sampler = ParameterSampler(choices, int(min(20 * number, size)), random_state=seed)
    candidates: list[dict[str, Any]] = []
    for drawn in sampler:
        # NumPy's numbers would end up in the results as such.
        one = {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in drawn.items()
        }
        one |= {key: round(one[key]) for key in whole}
        if one not in candidates and len(candidates) < number:
            candidates.append(one)
    return candidates


def fit_and_score(
    fit: Fit, setting: dict[str, Any], table: pd.DataFrame, rows: np.ndarray, others: np.ndarray
) -> dict[str, float]:
    """Fit to some rows of `table`, and return the scores on others."""
    estimator = fit(table.iloc[rows], setting)
    test = table.iloc[others]
    return score(test.iloc[:, -1], predict(estimator, test.iloc[:, :-1]))


def cross_validate(
    fit: Fit,
    settings: list[dict[str, Any]],
    defaults: dict[str, Any],
    table: pd.DataFrame,
    folds: Folds,
    metric: str,
) -> pd.DataFrame:
    """Return a row for each of `settings`: its arguments, then the mean of each metric.

    The last column is the standard deviation of `metric` over the folds. Without folds there are
    no metrics. What a setting leaves out is as in `defaults`. Everything that is learnt from rows,
    preprocessing included, is learnt anew for each fold.

    Raises InputError when there are several settings and none has the metric in every fold.
    """
    # Threads share the table; the scores do not depend on how many there are.
    tasks = joblib.Parallel(n_jobs=-1, backend="threading", return_as="generator")(
        joblib.delayed(fit_and_score)(fit, setting, table, *fold)
        for setting in settings
        for fold in folds
    )
    # The bar is for terminals, and for what takes a while.
    total = len(settings) * len(folds)
    progress = tqdm(tasks, "cross-validation", total, leave=False, disable=None, delay=0.2)
    scores = pd.DataFrame(list(progress))

    names = dict.fromkeys(name for setting in settings for name in setting)
    rows = []
    for number, setting in enumerate(settings):
        row = {name: setting.get(name, defaults.get(name)) for name in names}
        if folds:
            part = scores[number * len(folds) : (number + 1) * len(folds)]
            row |= tidy(part.mean(skipna=False))
            if metric in part:
                row |= tidy({f"{metric}_std": part[metric].std(ddof=0)})
        rows.append(row)
    # As objects: beside null, 3 would become 3.0, which not every argument of whole numbers takes.
    candidates = pd.DataFrame(rows, dtype=object)
    if len(settings) > 1 and metric not in candidates:
        raise InputError(
            f"params.yaml: train.search.metric: {metric} is not defined in every fold; it may take "
            "a model that gives probabilities, and rows of each class"
        )
    return candidates


def train(
    table: pd.DataFrame, models: dict[str, Any], params: dict[str, Any]
) -> tuple[Pipeline, dict[str, dict[str, float]], pd.DataFrame]:
    """Fit the entry of `models` that `params` names, or the best of the candidates around it.

    `table` holds the features and, as its last column, the target. `params` is the section `train`
    of params.yaml: candidates are drawn from the model's own `search`, and the model as it stands
    competes with them.

    Returns the fitted estimator, its scores on the `training` table and, as means over the folds,
    in cross-validation (`cv`), and the candidates from the best to the worst, see `cross_validate`.

    Raises InputError for an unknown model, one of the other task, a value that its class rejects,
    or a table with a single class.
    """
    name, search, seed = params["model"], params["search"], params["seed"]
    if name not in models:
        raise InputError(f"params.yaml: train.model is {name!r}{nearest(name, models)}")
    features, target = table.iloc[:, :-1], table.iloc[:, -1]
    if params["max_categories"] < 1:
        raise InputError(
            f"params.yaml: train.max_categories is {params['max_categories']}; give 1 or more"
        )

    def model_of(setting: dict[str, Any]) -> BaseEstimator:
        return create(name, models[name], setting, params["class_weight"], seed)

    model = model_of({})
    classify = not pd.api.types.is_float_dtype(target)
    if not (is_classifier if classify else is_regressor)(model):
        raise InputError(
            f"params.yaml: models.{name} ({models[name]['class']}) is no "
            f"{'classifier' if classify else 'regressor'}, but prepare.task asks for one"
        )
    if classify and target.nunique() < 2:
        raise InputError(
            f"{TRAIN} has a single class, {target.iloc[0]}: the others are in the test; change "
            "`split`, or prepare.group or prepare.time, in params.yaml"
        )

    def fit(rows: pd.DataFrame, setting: dict[str, Any]) -> Pipeline:
        x, y = rows.iloc[:, :-1], rows.iloc[:, -1]
        try:
            estimator = build(model_of(setting), x, params["scale"], params["max_categories"])
            return estimator.fit(x, y)
        except Exception as error:
            # Each package raises its own kinds.
            raise ValueError(first_line(error)) from error

    metric = search["metric"]
    settings: list[dict[str, Any]] = [{}]
    folds: Folds = []
    if search["folds"]:
        folds = make_folds(table, search["folds"], classify, seed)
    if search["candidates"]:
        if not folds:
            raise InputError("params.yaml: train.search.folds must be 2 or more to compare")
        if search["candidates"] < 0:
            raise InputError("params.yaml: train.search.candidates must be 0 or more")
        known = CLASSIFICATION if classify else REGRESSION
        if metric not in known:
            raise InputError(
                f"params.yaml: train.search.metric is {metric!r}{nearest(metric, known)}"
            )
        space = models[name].get("search")
        settings += draw_candidates(name, space, search["candidates"], seed)
        for setting in settings:
            # An argument that it does not take is named here: threads cannot end the stage.
            model_of(setting)
    try:
        candidates = cross_validate(fit, settings, model.get_params(), table, folds, metric)
        if len(candidates) > 1:
            # Stable, so that the model as it stands wins a tie
            candidates = candidates.sort_values(
                metric, ascending=metric in LOWER_IS_BETTER, kind="stable"
            )
        with joblib.parallel_config(backend="threading", n_jobs=-1):
            estimator = fit(table, settings[candidates.index[0]])
        scores = {"training": tidy(score(target, predict(estimator, features)))}
    except ValueError as error:
        problem = first_line(error)
        if classify and any(target.iloc[rows].nunique() < 2 for rows, _ in folds):
            problem += ". A fold has no other rows to fit: set train.search.folds to 0"
        elif not classify and re.search(r"\by\b|label|positiv|negativ", problem):
            problem += ". If it takes the target as it is, set train.scale to false"
        raise InputError(f"params.yaml: models.{name}: {problem}") from None

    if folds:
        best = candidates.iloc[0]
        scores["cv"] = {key: float(best[key]) for key in scores["training"] if key in best}
    return estimator, scores, candidates


def main() -> None:
    params = load_params("train", EXPECTED)
    estimator, scores, candidates = train(pd.read_parquet(TRAIN), load_params("models"), params)
    MODEL.parent.mkdir(exist_ok=True)
    SCORES.parent.mkdir(exist_ok=True)
    save(estimator, MODEL)
    SCORES.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8", newline="\n")
    candidates.to_csv(CANDIDATES, index=False, lineterminator="\n", na_rep="null")
    print(f"{params['model']}: {innermost(estimator)}")
    for part, values in scores.items():
        print(f"{part}: " + ", ".join(f"{name} {value:.3f}" for name, value in values.items()))
    if len(candidates) > 1:
        print(candidates.head().to_string(index=False))


if __name__ == "__main__":
    main()
