"""Stage train: training table and params.yaml -> fitted model and its cross-validated scores."""

import json
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from support.metrics import predict, score, tidy
from support.model_file import MODEL, save
from support.models import create, fit, innermost
from support.params import InputError, load_params, nearest
from support.search import (
    EXPECTED,
    TRAIN,
    check,
    explain,
    is_classification,
    make_folds,
    rank,
    search,
)

SCORES = Path("results/scores.json")
CANDIDATES = Path("results/candidates.csv")


def train(
    table: pd.DataFrame, models: dict[str, Any], params: dict[str, Any]
) -> tuple[Pipeline, dict[str, dict[str, float]], pd.DataFrame]:
    """Fit the entry of `models` that `params` names, or the best of the candidates around it.

    `table` holds the features and, as its last column, the target. `params` is the section `train`
    of params.yaml: candidates are drawn from the model's own `search`, and the model as it stands
    competes with them.

    Returns the fitted estimator, its scores on the `training` table and, as means over the folds,
    in cross-validation (`cv`), and a row for each candidate from the best to the worst.

    Raises InputError for an unknown model, one of the other task, a value that its class rejects,
    or a table with a single class.
    """
    name = params["model"]
    if name not in models:
        raise InputError(f"params.yaml: train.model is {name!r}{nearest(name, models)}")
    check(table, params)
    number, classify = params["search"]["folds"], is_classification(table)
    folds = make_folds(table, number, classify, params["seed"]) if number else []
    candidates = rank(search(name, models[name], table, folds, params), params["search"]["metric"])
    best = candidates[0]
    try:
        with joblib.parallel_config(backend="threading", n_jobs=-1):
            model = create(name, models[name], best["setting"], params)
            estimator = fit(model, table, params)
        scores = score(table.iloc[:, -1], predict(estimator, table.iloc[:, :-1]))
    except ValueError as error:
        raise explain(error, name, table, folds) from None
    parts = {"training": tidy(scores)}
    if folds:
        parts["cv"] = {key: best["scores"][key] for key in scores if key in best["scores"]}
    # As objects: beside null, 3 would become 3.0, which not every argument of whole numbers takes.
    rows = [{"model": one["model"], **one["arguments"], **one["scores"]} for one in candidates]
    return estimator, parts, pd.DataFrame(rows, dtype=object)


def main() -> None:
    params = load_params("train", EXPECTED)
    # What linear algebra computes differs in the last digits with the number of its threads.
    with threadpool_limits(1, user_api="blas"):
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
