"""Cross-validate entries of `models`, and search among their candidates."""

import re
import time
import warnings
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from support.cluster import Task
from support.metrics import (
    CLASSIFICATION,
    OF_PROBABILITIES,
    REGRESSION,
    MetricError,
    apply_metric,
    load_metrics,
    lower_is_better,
    predict,
    score,
    tidy,
)
from support.model_file import check_types
from support.models import Model, create, fit
from support.params import InputError, first_line, nearest
from support.rows import Rows

import joblib
import numpy as np
import pandas as pd
from scipy.stats import loguniform, randint, uniform
from sklearn.base import BaseEstimator, clone, is_classifier, is_regressor
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    ParameterSampler,
    StratifiedGroupKFold,
    StratifiedKFold,
    TimeSeriesSplit,
)
from threadpoolctl import ThreadpoolController
from tqdm import tqdm

TRAIN = Path("data/train.parquet")
# One file per entry that competes with train.model
COMPARED = Path("results/compared")
# Expected in the section `train` of params.yaml
EXPECTED = {
    "model": str,
    "compare": list,
    "average": int,
    "scale": bool,
    "scale_target": bool,
    "max_categories": int,
    "class_weight": ["none", "balanced"],
    "positive": (str, int, float, bool),
    "metrics": list,
    "seed": int,
    "search": {"candidates": int, "folds": int, "metric": str},
}

Folds = list[tuple[np.ndarray, np.ndarray]]


def make_folds(rows: Rows, number: int, seed: int) -> Folds:
    """Return the rows to fit and the rows to score, by position, of each fold of `rows`.

    The folds follow the rule of the split: no group is on both sides; with times, only older rows
    are fitted; otherwise rows are drawn at random, with equal class proportions.

    Raises InputError when there are fewer groups, times or rows than folds.
    """
    key = rows.key
    if number < 2:
        raise InputError(f"params.yaml: train.search.folds is {number}; give 2 or more, or 0")
    available = key.nunique() if rows.by else len(rows)
    # A split by time needs one more part, older than the first fold.
    if available < number + (rows.by == "time"):
        raise InputError(
            f"params.yaml: train.search.folds is {number}, but the training table has only "
            f"{available} {rows.by or 'row'}s; lower it, or set it to 0"
        )
    # A class with fewer rows than folds is missing in some of them, with a warning. If all classes
    # are that rare, scikit-learn raises an error.
    stratify = rows.is_classification and rows.target.value_counts().max() >= number
    try:
        if rows.by == "time":
            times = key.unique().sort_values()
            return [
                (np.flatnonzero(key.isin(times[old])), np.flatnonzero(key.isin(times[new])))
                for old, new in TimeSeriesSplit(number).split(times)
            ]
        if rows.by == "group":
            kind, groups = (StratifiedGroupKFold if stratify else GroupKFold), key
        else:
            kind, groups = (StratifiedKFold if stratify else KFold), None
        splitter = kind(number, shuffle=True, random_state=seed)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "The least populated class")
            return list(splitter.split(rows.features, rows.target, groups))
    except ValueError as error:
        raise InputError(f"params.yaml: folds of train.search: {error}") from None


def folds_of(rows: Rows, params: dict[str, Any]) -> Folds:
    """Return the folds of `rows` that the section `train` of params.yaml asks for, perhaps none."""
    number = params["search"]["folds"]
    if number == 0:
        return []
    return make_folds(rows, number, params["seed"])


def range_of(values: dict[str, Any]) -> tuple[Any, bool]:
    """Return the distribution of a range, and whether it consists of integers."""
    low, high = values["low"], values["high"]
    whole = isinstance(low, int) and isinstance(high, int)
    if values.get("log"):
        return loguniform(low, high), whole
    return randint(low, high + 1) if whole else uniform(low, high - low), whole


def draw_candidates(name: str, space: Any, number: int, seed: int) -> list[dict[str, Any]]:
    """Return up to `number` different settings drawn from `space`, fewer if no more are found.

    `space` maps an argument to a list of values, or to a range: {low: 1, high: 9}, of integers if
    both ends are integers, and logarithmic with `log: true`.

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
            choices[argument], is_whole = range_of(values)
            choices[argument].rvs(random_state=seed)  # an empty range raises only now
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(
                f"params.yaml: models.{name}.search.{argument} must be a list of values, or "
                "{low: ..., high: ...}, perhaps with log: true"
            ) from None
        if is_whole:
            whole.add(argument)
        size = float("inf")
    # Ranges of integers may yield the same setting again.
    sampler = ParameterSampler(choices, int(min(20 * number, size)), random_state=seed)
    candidates: list[dict[str, Any]] = []
    for drawn in sampler:
        # NumPy's number types would end up in the results.
        one = {
            key: value.item() if isinstance(value, np.generic) else value
            for key, value in drawn.items()
        }
        one |= {key: round(one[key]) for key in whole}
        if one not in candidates and len(candidates) < number:
            candidates.append(one)
    return candidates


def check_rows(rows: Rows, params: dict[str, Any]) -> None:
    """Raise InputError for rows or parameters that no model can be fitted to."""
    search, target = params["search"], rows.target
    if params["max_categories"] < 1:
        raise InputError(
            f"params.yaml: train.max_categories is {params['max_categories']}; give 1 or more"
        )
    if search["candidates"] < 0:
        raise InputError("params.yaml: train.search.candidates must be 0 or more")
    several = search["candidates"] or params["compare"]
    if several and not search["folds"]:
        raise InputError("params.yaml: train.search.folds must be 2 or more to compare")
    check_metrics(rows, params)
    average, rivals = params["average"], {params["model"], *params["compare"]}
    if average and not 2 <= average <= len(rivals):
        raise InputError(
            f"params.yaml: train.average is {average}: give 0, or 2 to as many as train.model and "
            f"train.compare name, {len(rivals)}"
        )
    known = CLASSIFICATION if rows.is_classification else REGRESSION
    known = [*known, *load_metrics(params["metrics"])]
    metric = search["metric"]
    # Without a comparison, that of the other task does no harm.
    if metric not in known and (several or metric not in (*CLASSIFICATION, *REGRESSION)):
        raise InputError(f"params.yaml: train.search.metric is {metric!r}{nearest(metric, known)}")
    if rows.is_classification and target.nunique() < 2:
        raise InputError(
            f"{TRAIN} has a single class, {target.iloc[0]}: the others are in the test; change "
            "`split`, or prepare.group or prepare.time, in params.yaml"
        )
    # Trees compute in 32 bits; in other models, sums and squares of larger numbers are infinite.
    numbers = rows.features.select_dtypes("number")
    largest = numbers.abs().max()
    for name in largest.index[largest > np.finfo("float32").max]:
        value = numbers[name].loc[numbers[name].abs() == largest[name]].iloc[0]
        raise InputError(
            f"{TRAIN}: {name} holds {value}, more than a model can take (3.4e38): correct it in "
            "the raw table, or declare it as a gap in prepare.na_values"
        )


def check_metrics(rows: Rows, params: dict[str, Any]) -> None:
    """Raise InputError for a train.positive or train.metrics that cannot score `rows`."""
    target, positive = rows.target, params["positive"]
    if positive != "":
        classes = [str(one) for one in sorted(target.unique())] if rows.is_classification else []
        if len(classes) != 2:
            raise InputError(
                f"params.yaml: train.positive is {positive!r}, but the target has "
                f"{len(classes) or 'no'} classes, not two; set it to ''"
            )
        if str(positive) not in classes:
            raise InputError(
                f"params.yaml: train.positive is {positive!r}{nearest(positive, classes)}"
            )
    some = target.to_numpy()[np.linspace(0, len(target) - 1, 100).astype(int)]
    try:
        for name, function in load_metrics(params["metrics"]).items():
            apply_metric(name, function, some, some)
    except MetricError as error:
        raise InputError(f"params.yaml: {error}") from None


def rehearse(model: BaseEstimator, rows: Rows, params: dict[str, Any]) -> None:
    """Raise InputError if a fitted model could not be saved or loaded.

    Some types appear only in the fit, and a long fit would be wasted: this one has few rows and few
    trees or steps. It ignores errors, which the real fit on all rows will raise.
    """
    groups = [rows.target] if rows.is_classification else np.zeros(len(rows))
    some = Rows(rows.table.groupby(groups, sort=False).head(50)[:200])
    steps = {"n_estimators", "max_iter"} & model.get_params().keys()
    model = clone(model).set_params(**dict.fromkeys(steps, 2))
    try:
        with warnings.catch_warnings(action="ignore"), joblib.parallel_config("sequential"):
            estimator = fit(model, some, params)
    except ValueError:
        return
    check_types(estimator)


def fit_and_score(
    model: Model,
    params: dict[str, Any],
    table: pd.DataFrame,
    folds: Folds,
    number: int,
) -> dict[str, float]:
    """Fit `model` to the rows of a fold; return its scores on others, and the seconds it took.

    `table` is Rows.table: a cluster's worker does not know the class Rows beforehand.
    """
    rows, others = (Rows(table).take(positions) for positions in folds[number])
    start = time.perf_counter()
    # Warnings are reported for the fit to all rows, see train.fit_best.
    with warnings.catch_warnings(action="ignore"):
        estimator = fit(model, rows, params)
    fitted = time.perf_counter()
    predictions = predict(estimator, others.features, params["positive"])
    seconds = {"fit": fitted - start, "predict": time.perf_counter() - fitted}
    return score(others.target, predictions, params["metrics"]) | seconds


def cross_validate(
    models: Sequence[Model], rows: Rows, folds: Folds, params: dict[str, Any]
) -> list[pd.DataFrame]:
    """Return the scores and seconds of work of each of `models`, with a row for each fold.

    Everything that is learnt from rows, including preprocessing, is learnt again in each fold.
    """
    threads = ThreadpoolController()
    # Send the functions themselves: a cluster's worker could not import the project's code.
    params = params | {"metrics": load_metrics(params["metrics"])}
    works = [Task(partial(fit_and_score, model, params), threads) for model in models]
    # Runs where `workers` says; the scores do not depend on the place or number of workers.
    tasks = joblib.Parallel(return_as="generator")(
        joblib.delayed(work)(rows.table, folds, number)
        for work in works
        for number in range(len(folds))
    )
    # Show the bar only on terminals, and for longer work.
    total = len(models) * len(folds)
    progress = tqdm(tasks, "cross-validation", total, leave=False, disable=None, delay=0.2)
    scores = pd.DataFrame(list(progress))
    return [scores[start : start + len(folds)] for start in range(0, total, len(folds))]


def search(
    name: str, spec: dict[str, Any], rows: Rows, folds: Folds, params: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the candidates of an entry of `models`: the unchanged entry, then the drawn settings.

    Each has the name of the `model`; the `setting`, arguments that replace those of the entry; all
    searched `arguments`; its `scores`, means over the folds, with the standard deviation of the
    search's metric; the mean `seconds` of a fold; and the scores of each of the `folds`. Without
    folds there are no scores.

    Raises InputError for an entry of the other task, or a value that its class rejects.
    """
    settings: list[dict[str, Any]] = [{}]
    if number := params["search"]["candidates"]:
        settings += draw_candidates(name, spec.get("search"), number, params["seed"])
    # Report an invalid argument here: threads cannot end the stage.
    models = [create(name, spec, setting, params) for setting in settings]
    classify = rows.is_classification
    if not (is_classifier if classify else is_regressor)(models[0]):
        raise InputError(
            f"params.yaml: models.{name} ({spec['class']}) is no "
            f"{'classifier' if classify else 'regressor'}, but prepare.task asks for one"
        )
    metric, several = params["search"]["metric"], len(models) > 1 or params["compare"]
    if several and metric in OF_PROBABILITIES and not hasattr(models[0], "predict_proba"):
        raise InputError(
            f"params.yaml: train.search.metric: {metric} takes probabilities, and models.{name} "
            f"({spec['class']}) gives none"
        )
    # A value that is not a number may bring another type: a solver, a kernel, an estimator.
    tried = []
    for setting, model in zip(settings, models, strict=True):
        words = {key: one for key, one in setting.items() if not isinstance(one, int | float)}
        if words not in tried:
            rehearse(model, rows, params)
            tried.append(words)
    try:
        results = cross_validate(models, rows, folds, params) if folds else [None]
    except ValueError as error:
        raise explain_fit(error, name, rows, folds) from None

    arguments = {argument: None for setting in settings for argument in setting}
    known = spec | models[0].get_params()
    arguments = {argument: known.get(argument) for argument in arguments}
    return [
        candidate(name, setting, arguments | setting, result, metric)
        for setting, result in zip(settings, results, strict=True)
    ]


def candidate(
    name: str,
    setting: dict[str, Any],
    arguments: dict[str, Any],
    result: pd.DataFrame | None,
    metric: str,
) -> dict[str, Any]:
    """Return a candidate, as `search` does, with the means of `result`, one row per fold."""
    scores: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    if result is not None:
        means = dict(result.mean(skipna=False))
        seconds = {work: means.pop(work) for work in ("fit", "predict")}
        scores = tidy(means)
        if metric in scores:
            scores |= tidy({f"{metric}_std": result[metric].std(ddof=0)})
    return {
        "model": name,
        "setting": setting,
        "arguments": arguments,
        "scores": scores,
        "seconds": seconds,
        "folds": [] if result is None else scores_of_folds(result),
    }


def average(
    candidates: list[dict[str, Any]],
    specs: dict[str, Any],
    rows: Rows,
    folds: Folds,
    params: dict[str, Any],
) -> dict[str, Any]:
    """Return the average of the best entries as another candidate, with the names in `models`.

    `candidates` are sorted, best first; `specs` are their entries of `models`. Each entry takes
    part with its best candidate; a classifier must give probabilities.

    Raises InputError when fewer than two entries can take part.
    """
    best: dict[str, dict[str, Any]] = {}
    for one in candidates:
        best.setdefault(one["model"], one)
    models = {name: create(name, specs[name], one["setting"], params) for name, one in best.items()}
    if rows.is_classification:
        models = {name: one for name, one in models.items() if hasattr(one, "predict_proba")}
    models = dict(list(models.items())[: params["average"]])
    if len(models) < 2:
        raise InputError(
            "params.yaml: train.average takes two models that give probabilities: name others in "
            "train.compare"
        )
    name = f"average of {', '.join(models)}"
    [result] = cross_validate([models], rows, folds, params)
    return candidate(name, {}, {}, result, params["search"]["metric"]) | {"models": models}


def scores_of_folds(result: pd.DataFrame) -> list[dict[str, float]]:
    return [tidy(one) for one in result.drop(columns=["fit", "predict"]).to_dict("records")]


def edges(setting: dict[str, Any], space: dict[str, Any] | None) -> list[str]:
    """Return the arguments of `setting` that lie at the edge of their `space`, as NAME=VALUE.

    The edge is the first or the last twentieth of a range, or the smallest or largest number in a
    list of three or more. A count of 1 or a fraction of 0 or 1 is not an edge: nothing lies beyond.
    """
    found = []
    for name, value in setting.items():
        values = (space or {}).get(name)
        if isinstance(values, dict):
            low, high = values["low"], values["high"]
        else:
            numbers = [one for one in values or [] if type(one) in (int, float)]
            if len(numbers) < 3 or value not in numbers:
                continue
            low, high = min(numbers), max(numbers)
        if low == high:
            continue
        ends = np.array([low, value, high], dtype="float64")
        if isinstance(values, dict) and values.get("log"):
            ends = np.log(ends)
        share = (ends[1] - ends[0]) / (ends[2] - ends[0])
        at_low, at_high = share <= 0.05 and low not in (0, 1), share >= 0.95
        if at_low or (at_high and not (high == 1 and isinstance(high, float))):
            found.append(f"{name}={value:.4g} of {low:.4g} to {high:.4g}")
    return found


def rank(candidates: list[dict[str, Any]], metric: str) -> list[dict[str, Any]]:
    """Return `candidates` sorted by `metric`, best first; ties keep their order.

    Raises InputError when one of several candidates lacks the metric in a fold.
    """
    if len(candidates) < 2:
        return candidates
    without = dict.fromkeys(one["model"] for one in candidates if metric not in one["scores"])
    if without:
        raise InputError(
            f"params.yaml: train.search.metric: {metric} is not defined in every fold of "
            f"{', '.join(without)}; it may take "
            "a model that gives probabilities, and rows of each class"
        )
    sign = 1 if lower_is_better(metric) else -1
    return sorted(candidates, key=lambda candidate: sign * candidate["scores"][metric])


def print_candidates(candidates: list[dict[str, Any]], metric: str) -> None:
    """Print a line for the best of the candidates, with its scores and seconds."""
    for one in candidates[:5]:
        setting = ", ".join(f"{name}={value}" for name, value in one["setting"].items())
        score = one["scores"].get(metric)
        parts = [f"{metric} {score:.4g}"] if score is not None else []
        parts += [f"{work} {seconds:.2f} s a fold" for work, seconds in one["seconds"].items()]
        print(f"{one['model']}{f' ({setting})' if setting else ''}: {', '.join(parts)}")


def explain_fit(error: ValueError, name: str, rows: Rows, folds: Folds) -> InputError:
    """Return the error to show if a model cannot be fitted to `rows` or some of their folds."""
    if isinstance(error, MetricError):
        return InputError(f"params.yaml: {error}")
    # 445 instead of np.int64(445)
    problem = re.sub(r"np\.\w+\((.*?)\)", r"\1", first_line(error))
    if rows.is_classification:
        if any(rows.target.iloc[fitted].nunique() < 2 for fitted, _ in folds):
            problem += ". A fold has no other rows to fit: set train.search.folds to 0"
    elif re.search("valid range of the loss|strictly positive", problem) and rows.target.min() <= 0:
        problem = f"{problem.rstrip('.')}: the lowest value of the target is {rows.target.min():g}"
    elif re.search(r"\by\b|label|positiv|negativ", problem):
        problem += ". If it takes the target as it is, set train.scale_target to false"
    return InputError(f"params.yaml: models.{name}: {problem}")
