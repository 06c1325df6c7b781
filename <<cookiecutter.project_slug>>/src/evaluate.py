"""Stage evaluate: model and test table -> metrics, parameters and plot data."""

import csv
import inspect
import json
from pathlib import Path
from typing import Any

from support.findings import find
from support.metrics import baseline, predict, score, tidy
from support.model_file import MODEL, load
from support.models import innermost
from support.params import load_params
from support.plots import plot_data
from support.report import draw, write_report

import pandas as pd
import yaml
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

TRAIN = Path("data/train.parquet")
TEST = Path("data/test.parquet")
RESULTS = Path("results")
PLOTS = RESULTS / "plots"


def evaluate(
    estimator: BaseEstimator, table: pd.DataFrame
) -> tuple[dict[str, float], dict[str, pd.DataFrame]]:
    """Score `estimator` on `table`: features and, as the last column, the target.

    Returns the metrics, see metrics.py, and the data of each plot, see plots.py.
    """
    features, actual = table.iloc[:, :-1], table.iloc[:, -1]
    predictions = predict(estimator, features)
    plots = plot_data(estimator, features, actual, predictions)
    return tidy(score(actual, predictions)), plots


def hyperparameters(estimator: BaseEstimator) -> dict[str, Any]:
    """Return the model's class and every hyperparameter in effect, those that were set first.

    Those of an average are its models by their names.

    The layout is that of DagsHub's logger: `model_class`, and `model` from get_params() with
    everything but numbers, booleans, None and strings turned into a string. scikit-learn marks
    parameters that are on their way out, and have no effect, by the value "deprecated".
    """
    model = innermost(estimator)
    settings = model.get_params()
    if not isinstance(estimator, Pipeline):
        members = estimator.named_estimators_.items()
        settings = {name: innermost(one.estimator) for name, one in members}
    plain = (bool, int, float, str, type(None))
    values = {
        name: value if isinstance(value, plain) else " ".join(str(value).split())
        for name, value in settings.items()
        if not (isinstance(value, str) and value == "deprecated")
    }
    arguments = inspect.signature(type(model)).parameters
    defaults = {name: argument.default for name, argument in arguments.items()}
    # By their text: NaN is not equal to itself.
    values = dict(
        sorted(values.items(), key=lambda item: str(item[1]) == str(defaults.get(item[0])))
    )
    return {"model_class": type(model).__name__, "model": values}


def write_metrics_csv(metrics: dict[str, Any], path: Path) -> None:
    """Write metrics as DagsHub's logger does, those of a part as `part.name`.

    There are four columns, and quotes around what is no number but in the header. Timestamp is in
    epoch milliseconds, and always 0: with the time of the run, the file would differ each time, and
    so would the commit.
    """
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write("Name,Value,Timestamp,Step\n")
        rows = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        for name, value in metrics.items():
            parts = value if isinstance(value, dict) else {"": value}
            # A setting that a search chose may be a text.
            parts = {key: one for key, one in parts.items() if isinstance(one, int | float)}
            rows.writerows([f"{name}.{key}".rstrip("."), one, 0, 1] for key, one in parts.items())


def main() -> None:
    estimator = load(MODEL, **load_params("evaluate", {"trusted_types": list}))
    test = pd.read_parquet(TEST)
    scores, plots = evaluate(estimator, test)
    known = pd.read_parquet(TRAIN, columns=[test.columns[-1]]).iloc[:, 0]
    floor = tidy(baseline(known, test.iloc[:, -1]))
    training = json.loads((RESULTS / "scores.json").read_text(encoding="utf-8"))
    data = json.loads((RESULTS / "data.json").read_text(encoding="utf-8"))
    # Beside those of the test, training and cross-validation show how much is overfitting, and the
    # baseline how much the features tell.
    metrics = scores | training | {"baseline": floor}
    muted = load_params("findings", {"mute": list})["mute"]
    findings = [one for one in find(test, scores, floor, plots) if one.code not in muted]
    params = hyperparameters(estimator)
    ranking = pd.read_csv(RESULTS / "ranking.csv", na_values="null")

    PLOTS.mkdir(parents=True, exist_ok=True)
    for name, table in plots.items():
        path = PLOTS / f"{name}.csv"
        table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    rows = {"training": len(known), "test": len(test)}
    if "classes" in plots:
        counts = plots["classes"]["class"].map(known.value_counts())
        plots["classes"].insert(1, "training rows", counts.fillna(0).astype(int))
    write_metrics_csv(metrics, RESULTS / "metrics.csv")
    for name, text in {
        "metrics.json": json.dumps(metrics, indent=2) + "\n",
        "params.yml": yaml.safe_dump(params, sort_keys=False),
        "report.md": write_report(
            metrics, params, data, rows, draw(plots, PLOTS), findings, plots.get("classes"), ranking
        ),
    }.items():
        (RESULTS / name).write_text(text, encoding="utf-8", newline="\n")
    for finding in findings:
        print(f"{finding.code}: {finding.text}")
    print("test: " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items()))


if __name__ == "__main__":
    main()
