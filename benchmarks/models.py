"""Score models on the tables of tables.py: python benchmarks/models.py NAME...

A NAME is an entry of `models` in a baked project; `linear`, its logistic or ridge regression; `best`, what
wins when all entries but the SVM, and the average of the best two, compete; `skrub`, for its
tabular_pipeline; `autogluon`, for its medium preset in 60 seconds; `repro`, for the seconds of a whole
`dvc repro`; or `few`, for entries fitted to few rows, or few of each class. skrub and autogluon need these
packages, and all but these two a baked project's.

Each is fitted to 70 % of the rows of a table and scored on the others, for each of SEEDS. scores.csv
keeps, for each table, model and seed, the score (ROC AUC, or R²) and the seconds to fit and to predict;
what was there of the NAMEs is replaced, and so are the tables of README.md.
"""

import contextlib
import subprocess
import sys
import tempfile
import time
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from measuring import ROOT, machine, write_section
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from tables import MANY_CLASSES, TABLES

SEEDS = (0, 1)
FEW = (50, 100, 200, 400)
FEW_PER_CLASS = (15, 30, 60, 120)
ENTRIES = ["hist_gradient_boosting", "random_forest", "linear"]
SCORES = Path(__file__).with_name("scores.csv")
TITLE = "## Models"
LINEAR = {"classification": "logistic_regression", "regression": "ridge"}
KEY = ["table", "model", "seed"]


def task_of(table: pd.DataFrame) -> str:
    return "regression" if pd.api.types.is_float_dtype(table.iloc[:, -1]) else "classification"


@cache
def make_project(task: str) -> Path:
    """Return a project with a table of one's own, whose code is on the path."""
    sys.path.insert(0, str(ROOT / "<<cookiecutter.project_slug>>/src"))
    folder = tempfile.mkdtemp()
    table = Path(folder, "table.csv")
    table.write_text("x,y\n" + "".join(f"{n % 7},{n % 2}\n" for n in range(14)))
    bake(table, "y", task, folder)
    return Path(folder, "project")


def params_of(task: str) -> dict[str, Any]:
    return yaml.safe_load((make_project(task) / "params.yaml").read_text(encoding="utf-8"))


def bake(table: Path, target: str, task: str, folder: str) -> None:
    answers = [f"data={table}", f"target={target}", f"task={task}", "project_slug=project"]
    command = ["cookiecutter", str(ROOT), "--no-input", "--output-dir", folder, *answers]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def fit_entry(name: str, rows: pd.DataFrame) -> Any:
    params = params_of(task_of(rows))
    from support.models import create, fit
    from support.rows import Rows

    model = create(name, params["models"][name], {}, params["train"])
    return fit(model, Rows(rows), params["train"])


def fit_best(table: pd.DataFrame) -> Any:
    """Return the winner by ROC AUC or R², without the SVM: its time grows faster than the rows."""
    task = task_of(table)
    params = params_of(task)
    from support.rows import Rows
    from support.search import folds_of, search
    from train import train

    models = {name: spec for name, spec in params["models"].items() if name not in ("svc", "svr")}
    first, *others = models
    change = {"model": first, "compare": others, "average": 2}
    metric = "r2" if task == "regression" else "roc_auc"
    rows = Rows(table)
    if rows.is_classification and rows.target.value_counts().min() < 5:
        metric = "log_loss"  # some folds do not have all classes
    params = params["train"] | change
    params["search"] = params["search"] | {"metric": metric}
    folds = folds_of(rows, params)
    # It reads the types that may be saved.
    with contextlib.chdir(make_project(task)):
        rivals = [
            {"spec": models[name], "candidates": search(name, models[name], rows, folds, params)}
            for name in others
        ]
        return train(rows, models, params, rivals)[0]


def fit_skrub(rows: pd.DataFrame) -> Any:
    from skrub import tabular_pipeline

    pipeline = tabular_pipeline("classifier" if task_of(rows) == "classification" else "regressor")
    return pipeline.fit(rows.iloc[:, :-1], rows.iloc[:, -1])


class AutoGluon:
    """AutoGluon's predictor with the interface of scikit-learn."""

    def __init__(self, rows: pd.DataFrame) -> None:
        from autogluon.tabular import TabularPredictor

        target = rows.columns[-1]
        classify = task_of(rows) == "classification"
        metric = ("roc_auc" if rows[target].nunique() == 2 else "roc_auc_ovr") if classify else "r2"
        folder = tempfile.mkdtemp()
        predictor = TabularPredictor(target, eval_metric=metric, path=folder, verbosity=0)
        self.predictor = predictor.fit(rows, presets="medium_quality", time_limit=60)
        self._estimator_type = "classifier" if classify else "regressor"
        self.classes_ = predictor.class_labels

    def predict(self, features: pd.DataFrame) -> Any:
        return self.predictor.predict(features)

    def predict_proba(self, features: pd.DataFrame) -> Any:
        return self.predictor.predict_proba(features)[self.classes_].to_numpy()


def fit_named(name: str, rows: pd.DataFrame) -> Any:
    others = {"best": fit_best, "skrub": fit_skrub, "autogluon": AutoGluon}
    if name in others:
        return others[name](rows)
    return fit_entry(LINEAR[task_of(rows)] if name == "linear" else name, rows)


def score(estimator: Any, rows: pd.DataFrame) -> float:
    features, target = rows.iloc[:, :-1], rows.iloc[:, -1]
    if task_of(rows) == "regression":
        return r2_score(target, estimator.predict(features))
    if hasattr(estimator, "predict_proba"):
        scores = estimator.predict_proba(features)
    else:
        scores = estimator.decision_function(features)
    if len(estimator.classes_) == 2:
        return roc_auc_score(target, scores if scores.ndim == 1 else scores[:, 1])
    if not hasattr(estimator, "predict_proba"):
        return float("nan")
    return roc_auc_score(target, scores, multi_class="ovr", labels=estimator.classes_)


def make_table(name: str, seed: int) -> pd.DataFrame:
    """Return a table of TABLES; numbers to predict are floats."""
    table = TABLES[name](seed)
    target = table.columns[-1]
    if pd.api.types.is_numeric_dtype(table[target]):
        table[target] = table[target].astype(float)
    return table


def measure(name: str, table: pd.DataFrame, seed: int) -> dict[str, float]:
    """Return the score on the test rows, and the seconds to fit and to predict."""
    target = table.columns[-1]
    stratify = table[target] if task_of(table) == "classification" else None
    rows, others = train_test_split(table, test_size=0.3, random_state=seed, stratify=stratify)
    start = time.perf_counter()
    if name == "repro":
        return {"fit": run_pipeline(table)}
    estimator = fit_named(name, rows)
    fitted = time.perf_counter()
    value = score(estimator, others)
    return {"score": value, "fit": fitted - start, "predict": time.perf_counter() - fitted}


def run_pipeline(table: pd.DataFrame) -> float:
    """Return the seconds of `dvc repro` in a project of `table`, as it is baked."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        table.to_csv(path, index=False)
        bake(path, table.columns[-1], task_of(table), folder)
        start = time.perf_counter()
        command = ["dvc", "repro", "--quiet"]
        subprocess.run(command, cwd=Path(folder, "project"), check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - start


def keep(row: dict[str, Any]) -> None:
    """Put `row` in the place of that of the same table, model and seed in scores.csv."""
    known = pd.read_csv(SCORES) if SCORES.exists() else pd.DataFrame(columns=KEY)
    scores = pd.concat([known, pd.DataFrame([row])]).drop_duplicates(KEY, keep="last")
    scores.round({"score": 4, "fit": 2, "predict": 2}).to_csv(SCORES, index=False)


def tell(scores: pd.DataFrame) -> None:
    """Write the means over the seeds into README.md."""
    means = scores.pivot_table(index="table", columns="model", values="score", sort=False)
    seconds = scores.pivot_table(index="table", columns="model", values="fit", sort=False)
    for head, table, digits in [("### Scores", means, 3), ("### Seconds to fit", seconds, 1)]:
        order = [name for name in (*ENTRIES, "best", "autogluon", "skrub") if name in table]
        table = table.loc[[*TABLES], [*order, *table.columns.difference(order)]]
        table.loc["**mean**"] = table.mean()
        lines = [
            "| " + " | ".join(["table", *table.columns]) + " |",
            "|---" + "|---:" * table.shape[1] + "|",
            *(
                f"| {name} | " + " | ".join(f"{value:.{digits}f}" for value in row) + " |"
                for name, row in zip(table.index, table.to_numpy(), strict=True)
            ),
        ]
        print("\n".join(lines))
        write_section(TITLE, head, f"{machine()}.\n\n" + "\n".join(lines))


def score_few(name: str, number: int) -> float:
    """Return the mean score of an entry that learns from so many rows, over tables that have more."""
    scores = []
    for label in TABLES:
        for seed in SEEDS:
            table = make_table(label, seed)
            target = table.columns[-1]
            table, classes = table.dropna(subset=target), None
            if task_of(table) == "classification":
                table = table.groupby(target).filter(lambda rows: len(rows) >= number / 10)
                classes = table[target]
            if len(table) < 1.3 * number:
                continue
            rows, others = train_test_split(
                table, train_size=number, random_state=seed, stratify=classes
            )
            # Worse than the mean of all is no more than that.
            scores.append(max(score(fit_named(name, rows), others[:5000]), 0))
    return sum(scores) / len(scores)


def tell_few() -> None:
    """Write what the entries score on few rows into README.md."""
    lines = [f"| rows to fit | {' | '.join(ENTRIES)} |", "|---:|---:|---:|---:|"]
    for number in FEW:
        scores = " | ".join(f"{score_few(name, number):.3f}" for name in ENTRIES)
        lines.append(f"| {number} | {scores} |")
        print(lines[-1], flush=True)
    write_section(TITLE, "### On few rows", f"{machine()}.\n\n" + "\n".join(lines))


def score_classes(label: str, name: str, number: int) -> float:
    """Return the mean score of an entry that learns from so many rows of each class."""
    scores = []
    for seed in SEEDS:
        table = MANY_CLASSES[label]()
        target = table.columns[-1]
        table = table.groupby(target).sample(frac=1, random_state=seed)
        place = table.groupby(target).cumcount()
        rows, others = table[place < number], table[(place >= number) & (place < number + 50)]
        scores.append(score(fit_named(name, rows), others))
    return sum(scores) / len(scores)


def tell_classes() -> None:
    """Write what the entries score on tables of many classes into README.md."""
    entries = ENTRIES[:2]
    lines = [f"| table | rows of each class | {' | '.join(entries)} |", "|---|---:|---:|---:|"]
    for label in MANY_CLASSES:
        for number in FEW_PER_CLASS:
            scores = " | ".join(f"{score_classes(label, name, number):.3f}" for name in entries)
            lines.append(f"| {label} | {number} | {scores} |")
            print(lines[-1], flush=True)
    write_section(TITLE, "### On many classes", f"{machine()}.\n\n" + "\n".join(lines))


def main() -> None:
    warnings.simplefilter("ignore")
    if "few" in sys.argv[1:]:
        tell_few()
        tell_classes()
    for name in [name for name in sys.argv[1:] if name != "few"]:
        for label in TABLES:
            for seed in SEEDS:
                costs = measure(name, make_table(label, seed), seed)
                row = {"table": label, "model": name, "seed": seed} | costs
                print(*row.values(), flush=True)
                keep(row)
    tell(pd.read_csv(SCORES))


if __name__ == "__main__":
    main()
