"""Stage train: training table and params.yaml -> fitted model and its cross-validated scores."""

import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from support.cluster import threads, workers
from support.metrics import baseline, predict, score, tidy
from support.model_file import MODEL, save
from support.models import create, fit, innermost
from support.params import InputError, first_line, load_params, nearest
from support.rows import Rows
from support.search import (
    COMPARED,
    EXPECTED,
    TRAIN,
    Folds,
    average,
    check_rows,
    edges,
    explain_fit,
    folds_of,
    print_candidates,
    rank,
    search,
)

import pandas as pd
import pyarrow.parquet as pq
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

SCORES = Path("results/scores.json")
CANDIDATES = Path("results/candidates.csv")
RANKING = Path("results/ranking.csv")


def train(
    rows: Rows,
    models: dict[str, Any],
    params: dict[str, Any],
    rivals: Sequence[dict[str, Any]] = (),
) -> tuple[BaseEstimator, dict[str, dict[str, Any]], pd.DataFrame]:
    """Fit the entry of `models` that `params` names, or the best of all candidates.

    `params` is the section `train` of params.yaml. Candidates are drawn from the model's own
    `search`. They compete with the unchanged model, with `rivals` (the results of stage compare for
    other entries), and with the average of the best.

    Returns the fitted estimator; its scores on the `training` rows and in cross-validation (`cv`,
    means over the folds), with the chosen setting (`search`) and how it was found (`trials`); and a
    row for each candidate, best first.

    Raises InputError for an unknown model, a model of the other task, a value that its class
    rejects, or rows of a single class.
    """
    name = params["model"]
    if name not in models:
        raise InputError(f"params.yaml: train.model is {name!r}{nearest(name, models)}")
    check_rows(rows, params)
    folds = folds_of(rows, params)
    with workers(rows.table, folds):
        candidates, specs = compete(rows, models, params, rivals, folds)
    try:
        estimator, scores, warned = fit_best(candidates[0], specs, rows, params)
    except ValueError as error:
        raise explain_fit(error, candidates[0]["model"], rows, folds) from None
    parts = describe_scores(scores, candidates, specs, params)
    parts["trials"]["warnings"] = warned
    # As objects: next to null, 3 would become 3.0, which some integer arguments reject.
    lines = [{"model": one["model"], **one["arguments"], **one["scores"]} for one in candidates]
    return estimator, parts, pd.DataFrame(lines, dtype=object)


def describe_scores(
    scores: dict[str, float],
    candidates: list[dict[str, Any]],
    specs: dict[str, Any],
    params: dict[str, Any],
) -> dict[str, dict[str, Any]]:
    """Return the scores of the best candidate and how it was found, as `train` does."""
    best = candidates[0]
    parts: dict[str, dict[str, Any]] = {"training": tidy(scores)}
    if best["folds"]:
        parts["cv"] = {key: best["scores"][key] for key in scores if key in best["scores"]}
    if len(candidates) > 1:
        parts["search"] = {"model": best["model"]} | best["setting"]
    parts["trials"] = {
        "number": len(candidates),
        "metric": params["search"]["metric"],
        "positive": params["positive"],
        "metrics": params["metrics"],
        "class_weight": params["class_weight"],
        "folds": best["folds"],
        "edges": edges_of_best(candidates, specs, params["search"]["metric"]),
    }
    return parts


def edges_of_best(
    candidates: list[dict[str, Any]], specs: dict[str, Any], metric: str
) -> list[str]:
    """Return where the best candidate lies at the edge of its space, see edges.

    If another of the same model and score lies at none, nothing better is likely beyond.
    """
    best = candidates[0]
    space = specs.get(best["model"], {}).get("search")
    rivals = [
        edges(one["setting"], space)
        for one in candidates
        if one["model"] == best["model"] and one["scores"].get(metric) == best["scores"].get(metric)
    ]
    return rivals[0] if all(rivals) else []


def compete(
    rows: Rows,
    models: dict[str, Any],
    params: dict[str, Any],
    rivals: Sequence[dict[str, Any]],
    folds: Folds,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the candidates, best first (see search.search), and their entries."""
    name, metric = params["model"], params["search"]["metric"]
    candidates = search(name, models[name], rows, folds, params)
    print_candidates(candidates, metric)
    specs = {name: models[name]}
    for rival in rivals:
        candidates += rival["candidates"]
        specs[rival["candidates"][0]["model"]] = rival["spec"]
    candidates = rank(candidates, metric)
    if params["average"]:
        mean = average(candidates, specs, rows, folds, params)
        print_candidates([mean], metric)
        candidates = rank([*candidates, mean], metric)
    return candidates, specs


def fit_best(
    best: dict[str, Any], specs: dict[str, Any], rows: Rows, params: dict[str, Any]
) -> tuple[BaseEstimator, dict[str, float], list[str]]:
    """Return a candidate's estimator fitted to all rows, its scores on them, and its warnings."""
    name = best["model"]
    model = best.get("models") or create(name, specs[name], best["setting"], params)
    # The sums of boosting, like those of linear algebra, differ in the last digits with the number
    # of threads.
    with (
        threads(rows.table),
        threadpool_limits(1),
        warnings.catch_warnings(record=True) as caught,
    ):
        estimator = fit(model, rows, params)
    warned = [f"{one.category.__name__}: {message_of(one)}" for one in caught]
    predictions = predict(estimator, rows.features, params["positive"])
    scores = score(rows.target, predictions, params["metrics"])
    return estimator, scores, list(dict.fromkeys(warned))


def message_of(warning: warnings.WarningMessage) -> str:
    """Return the first line of a warning, without the time and place that XGBoost writes before."""
    return first_line(re.sub(r"^\[[\d:]+\] WARNING: \S+:\s+", "", str(warning.message)))


def ranking(
    rows: Rows, folds: Folds, candidates: pd.DataFrame, params: dict[str, Any]
) -> pd.DataFrame:
    """Return the baseline, which uses no feature, then the best candidate of each entry."""
    target, scoring = rows.target, (params["positive"], params["metrics"])
    floors = [baseline(target.iloc[old], target.iloc[new], *scoring) for old, new in folds]
    floor = {"model": "(without features)"} | tidy(pd.DataFrame(floors).mean(skipna=False))
    best = candidates.drop_duplicates("model")
    names = [name for name in best if name in floor or name.removesuffix("_std") in floor]
    return pd.concat([pd.DataFrame([floor]), best[names]], ignore_index=True)


def main() -> None:
    params, rows = load_params("train", EXPECTED), Rows(pd.read_parquet(TRAIN))
    rivals = [
        json.loads((COMPARED / f"{name}.json").read_text(encoding="utf-8"))
        for name in params["compare"]
        if name != params["model"]
    ]
    # Results of linear algebra differ in the last digits with the number of threads.
    with threadpool_limits(1, user_api="blas"):
        estimator, scores, candidates = train(rows, load_params("models"), params, rivals)
    MODEL.parent.mkdir(exist_ok=True)
    SCORES.parent.mkdir(exist_ok=True)
    # The model carries its schema, so that new rows can be read.
    estimator.schema = json.loads(pq.read_schema(TRAIN).metadata[b"schema"])
    save(estimator, MODEL)
    SCORES.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8", newline="\n")
    ranked = ranking(rows, folds_of(rows, params), candidates, params)
    for table, path in [(candidates, CANDIDATES), (ranked, RANKING)]:
        table.to_csv(path, index=False, lineterminator="\n", na_rep="null")
    name, model = candidates["model"].iloc[0], innermost(estimator)
    # An average would print every one of its pipelines.
    print(name if model is estimator else f"{name}: {model}")
    for part in ("training", "cv"):
        values = scores.get(part, {})
        print(f"{part}: " + ", ".join(f"{name} {value:.4g}" for name, value in values.items()))
    if len(candidates) > 1:
        print(candidates.head().to_string(index=False))
    if rivals:
        print(ranked.to_string(index=False))


if __name__ == "__main__":
    main()
