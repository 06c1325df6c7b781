"""Stage train: training table and params.yaml -> fitted model."""

from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.pipeline import Pipeline

from models import MODEL, build, save
from params import InputError, load_params, nearest

TRAIN = Path("data/train.parquet")


def train(
    table: pd.DataFrame, models: dict[str, Any], model: str, scale: bool, seed: int
) -> Pipeline:
    """Fit the entry of `models` that `model` names.

    `table` holds the features and, as its last column, the target.

    Raises InputError for an unknown model or a value that its class rejects.
    """
    if model not in models:
        raise InputError(f"params.yaml: train.model is {model!r}{nearest(model, models)}")
    estimator = build(model, models[model], scale, seed)
    features, target = table.iloc[:, :-1], table.iloc[:, -1]
    try:
        return estimator.fit(features, target)
    except ValueError as error:
        raise InputError(f"params.yaml: models.{model}: {error}") from None


def main() -> None:
    params = load_params("train", ["model", "scale", "seed"])
    estimator = train(pd.read_parquet(TRAIN), load_params("models"), **params)
    MODEL.parent.mkdir(exist_ok=True)
    save(estimator, MODEL)
    print(f"{params['model']}: {estimator['model']}")


if __name__ == "__main__":
    main()
