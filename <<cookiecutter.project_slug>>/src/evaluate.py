"""Stage evaluate: model and test table -> metrics, parameters and plot data."""

import csv
import json
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    precision_recall_fscore_support,
)
from sklearn.pipeline import Pipeline

from models import MODEL, load

TEST = Path("data/test.parquet")
RESULTS = Path("results")


def evaluate(estimator: Pipeline, table: pd.DataFrame) -> tuple[dict[str, float], pd.DataFrame]:
    """Score `estimator` on `table`: features and, as the last column, the target.

    Returns the metrics (fractions between 0 and 1; precision, recall and F1 are means over the
    classes) and a frame of the `actual` and `predicted` class of each row.
    """
    features, actual = table.iloc[:, :-1], table.iloc[:, -1]
    predicted = estimator.predict(features)
    precision, recall, f1, _ = precision_recall_fscore_support(
        actual, predicted, average="macro", zero_division=0
    )
    metrics = {
        "accuracy": accuracy_score(actual, predicted),
        "balanced_accuracy": balanced_accuracy_score(actual, predicted),
        "precision": precision,
        "recall": recall,
        "f1": f1,
    }
    # Six decimals: the rest is noise that differs between processors.
    metrics = {name: round(float(value), 6) for name, value in metrics.items()}
    return metrics, pd.DataFrame({"actual": actual.to_numpy(), "predicted": predicted})


def hyperparameters(estimator: Pipeline) -> dict[str, Any]:
    """Return the model's class and every hyperparameter in effect, defaults included.

    The layout is that of DagsHub's logger: `model_class`, and `model` from get_params() with
    everything but numbers, booleans, None and strings turned into a string. scikit-learn marks
    parameters that are on their way out, and have no effect, by the value "deprecated".
    """
    model = estimator["model"]
    plain = (bool, int, float, str, type(None))
    return {
        "model_class": type(model).__name__,
        "model": {
            name: value if isinstance(value, plain) else str(value)
            for name, value in model.get_params().items()
            if not (isinstance(value, str) and value == "deprecated")
        },
    }


def write_metrics_csv(metrics: dict[str, float], path: Path) -> None:
    """Write metrics in the four columns that DagsHub reads.

    Timestamp is in epoch milliseconds. It is always 0: with the time of the run, the file would
    differ each time, and so would the commit.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["Name", "Value", "Timestamp", "Step"])
        rows.writerows([name, value, 0, 1] for name, value in metrics.items())


def main() -> None:
    estimator = load(MODEL)
    metrics, predictions = evaluate(estimator, pd.read_parquet(TEST))

    (RESULTS / "plots").mkdir(parents=True, exist_ok=True)
    predictions.to_csv(RESULTS / "plots/predictions.csv", index=False, lineterminator="\n")
    write_metrics_csv(metrics, RESULTS / "metrics.csv")
    for name, text in [
        ("metrics.json", json.dumps(metrics, indent=2) + "\n"),
        ("params.yml", yaml.safe_dump(hyperparameters(estimator), sort_keys=False)),
    ]:
        (RESULTS / name).write_text(text, encoding="utf-8", newline="\n")
    print(", ".join(f"{name} {value:.3f}" for name, value in metrics.items()))


if __name__ == "__main__":
    main()
