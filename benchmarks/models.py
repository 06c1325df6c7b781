"""Score models on the tables of tables.py: python benchmarks/models.py NAME... > scores.csv

A NAME is an entry of `models` in a baked project's params.yaml, whose folder is the working
directory, or `skrub`, for its tabular_pipeline. A line for each table, model and seed of a split
into 70 % training and 30 % test rows: score (ROC AUC, or R²), and seconds to fit and to predict.
"""

import sys
import time
import warnings
from typing import Any

import pandas as pd
from sklearn.base import is_classifier
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from tables import TABLES

SEEDS = (0, 1)


def fit_entry(name: str, rows: pd.DataFrame, classify: bool) -> Any:
    sys.path.insert(0, "src")
    from support.models import create, fit
    from support.params import load_params

    specs = load_params("models") if classify else REGRESSORS
    params = load_params("train")
    return fit(create(name, specs[name], {}, params), rows, params)


# The project is the classifier that is baked by default; these are a regression's entries.
REGRESSORS = {
    "random_forest": {"class": "sklearn.ensemble.RandomForestRegressor"},
    "hist_gradient_boosting": {"class": "sklearn.ensemble.HistGradientBoostingRegressor"},
    "ridge": {"class": "sklearn.linear_model.Ridge"},
    "svr": {"class": "sklearn.svm.SVR"},
}
LINEAR = {"linear": ("logistic_regression", "ridge"), "svm": ("svc", "svr")}


def fit_named(name: str, rows: pd.DataFrame, classify: bool) -> Any:
    if name == "skrub":
        from skrub import tabular_pipeline

        pipeline = tabular_pipeline("classifier" if classify else "regressor")
        return pipeline.fit(rows.iloc[:, :-1], rows.iloc[:, -1])
    if name in LINEAR:
        name = LINEAR[name][0 if classify else 1]
    return fit_entry(name, rows, classify)


def score(estimator: Any, rows: pd.DataFrame) -> float:
    features, target = rows.iloc[:, :-1], rows.iloc[:, -1]
    if not is_classifier(estimator):
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


def main() -> None:
    warnings.simplefilter("ignore")
    print("table,model,seed,score,fit,predict")
    for name, make in TABLES.items():
        for seed in SEEDS:
            table = make(seed)
            target = table.columns[-1]
            classify = not pd.api.types.is_numeric_dtype(table[target])
            if not classify:
                table[target] = table[target].astype(float)
            stratify = table[target] if classify else None
            rows, others = train_test_split(
                table, test_size=0.3, random_state=seed, stratify=stratify
            )
            for model in sys.argv[1:]:
                start = time.perf_counter()
                estimator = fit_named(model, rows, classify)
                fitted = time.perf_counter()
                value = score(estimator, others)
                done = time.perf_counter()
                print(
                    f"{name},{model},{seed},{value:.4f},{fitted - start:.2f},{done - fitted:.2f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
