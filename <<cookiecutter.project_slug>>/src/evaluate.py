"""Stage evaluate: model and test table -> metrics, findings, plot data and a report."""

import json
from pathlib import Path
from typing import Any

from support.findings import Evidence, Finding, find
from support.intervals import intervals
from support.logs import encoding, hyperparameters, write_metrics_csv
from support.metrics import MetricError, baseline, predict, score, tidy
from support.model_file import MODEL, load
from support.params import InputError, load_params
from support.plots import plot_data
from support.report import draw_pictures, write_report
from support.rows import Rows

import pandas as pd
import pyarrow.parquet as pq
import yaml
from sklearn.base import BaseEstimator

PREPARED = Path("data/prepared.parquet")
TRAIN = Path("data/train.parquet")
TEST = Path("data/test.parquet")
RESULTS = Path("results")
PLOTS = RESULTS / "plots"
# The first rows of the prepared table, in which the findings look for an order
FIRST = 50_000


def evaluate(
    estimator: BaseEstimator,
    rows: Rows,
    positive: Any = "",
    metrics: list[str] | None = None,
) -> tuple[dict[str, float], dict[str, dict[str, float]], dict[str, pd.DataFrame]]:
    """Score `estimator` on `rows`.

    `positive` and `metrics` are those of the section `train` in params.yaml. Returns the metrics,
    see metrics.py, their intervals, see intervals.py, and the data of each plot, see plots.py.
    """
    features, actual = rows.features, rows.target
    predictions = predict(estimator, features, positive)
    scores = tidy(score(actual, predictions, metrics or ()))
    spread = intervals(actual, predictions, scores, metrics or ())
    return scores, spread, plot_data(estimator, features, actual, predictions)


def read_json(name: str) -> dict[str, Any]:
    return json.loads((RESULTS / name).read_text(encoding="utf-8"))


def read_training(test: Rows, data: dict[str, Any]) -> tuple[Rows, Rows]:
    """Return columns of the training rows, and the first prepared rows, for the findings.

    The columns are the times and the target, or all if rows may repeat others: stage prepare does
    not count rows as repeated if they differ in the column that marks the test rows.
    """
    columns = [*test.features.select_dtypes("datetime"), test.target.name]
    everything = list(test.table)
    with pq.ParquetFile(PREPARED) as file:
        first = next(file.iter_batches(FIRST, columns=everything)).to_pandas()[everything]
    by_column = any(line["role"] == "split" for line in data["columns"])
    if by_column or "duplicate" not in data["rows"]["dropped"]:
        columns = list(test.table)
    return Rows(pd.read_parquet(TRAIN, columns=columns)[columns]), Rows(first)


def write_text(name: str, text: str) -> None:
    (RESULTS / name).write_text(text, encoding="utf-8", newline="\n")


def write_json(name: str, values: Any) -> None:
    write_text(name, json.dumps(values, indent=2) + "\n")


def write_results(
    estimator: BaseEstimator,
    metrics: dict[str, Any],
    evidence: Evidence,
    findings: list[Finding],
    data: dict[str, Any],
) -> None:
    """Write the files of this stage in results/; `data` is the content of results/data.json."""
    plots, known = evidence.plots, evidence.training.target
    folds = tidy(pd.DataFrame(evidence.trials["folds"]).std(ddof=0).to_dict())
    params = hyperparameters(estimator)
    PLOTS.mkdir(parents=True, exist_ok=True)
    for name, table in plots.items():
        path = PLOTS / f"{name}.csv"
        table.to_csv(path, index=False, float_format="%.6g", lineterminator="\n")
    write_metrics_csv(metrics, RESULTS / "metrics.csv")
    write_json("metrics.json", metrics)
    write_json("intervals.json", {"test": evidence.intervals, "cv": {"std": folds}})
    write_json("findings.json", [finding._asdict() for finding in findings])
    write_text("params.yml", yaml.safe_dump(params, sort_keys=False))
    if "classes" in plots:
        counts = plots["classes"]["class"].map(known.value_counts())
        plots["classes"].insert(1, "training rows", counts.fillna(0).astype(int))
    report = write_report(
        metrics=metrics,
        hyperparameters=params,
        data=data,
        rows={"training": len(known), "test": len(evidence.test)},
        pictures=draw_pictures(plots, PLOTS),
        plots=plots,
        intervals=evidence.intervals,
        folds=folds,
        trials=evidence.trials,
        encoding=encoding(estimator),
        findings=findings,
        ranking=pd.read_csv(RESULTS / "ranking.csv", na_values="null"),
    )
    write_text("report.md", report)


def main() -> None:
    estimator = load(MODEL, **load_params("evaluate", {"trusted_types": list}))
    mute = load_params("findings", {"mute": list})["mute"]
    test = Rows(pd.read_parquet(TEST))
    data, fitted = read_json("data.json"), read_json("scores.json")
    training, first = read_training(test, data)
    trials = fitted.pop("trials")
    scoring = trials["positive"], trials["metrics"]
    try:
        scores, spread, plots = evaluate(estimator, test, *scoring)
        floor = tidy(baseline(training.target, test.target, *scoring))
    except MetricError as error:
        raise InputError(f"params.yaml: {error}") from None
    evidence = Evidence(
        test=test,
        training=training,
        first=first,
        scores=scores,
        intervals=spread,
        baseline=floor,
        fitted=fitted["training"],
        plots=plots,
        trials=trials,
        columns=data["columns"],
    )
    findings = find(evidence, mute)
    # Next to the test scores, training and cross-validation scores show how much is overfitting,
    # and the baseline shows how much the features contribute.
    metrics = scores | fitted | {"baseline": floor}
    write_results(estimator, metrics, evidence, findings, data)
    for code, seen, advice in findings:
        print(f"{code}: {seen}; {advice}")
    print("test: " + ", ".join(f"{name} {value:.4g}" for name, value in scores.items()))


if __name__ == "__main__":
    main()
