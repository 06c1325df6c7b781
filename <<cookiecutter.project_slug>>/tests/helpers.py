"""A small table and models that the tests share."""

from typing import Any

import evaluate as stage_evaluate
import train as stage_train
from split import split
from support.rows import Rows

import pandas as pd

TREE = {
    "tree": {"class": "sklearn.tree.DecisionTreeClassifier", "max_depth": 2},
    "linear": {"class": "sklearn.linear_model.Ridge"},
    "free": {"class": "sklearn.tree.DecisionTreeClassifier", "search": {"max_depth": [1, 2]}},
    "machine": {"class": "sklearn.svm.SVC", "search": {"C": [1, 2]}},
    "misspelt": {"class": "sklearn.tree.DecisionTreeClassifier", "search": {"max_dept": [1, 2]}},
}
PREPARE = {
    "raw": "t.csv",
    "encoding": "utf-8",
    "separator": ",",
    "quote": '"',
    "escape": "",
    "skip": 0,
    "sheet": "",
    "na_values": "auto",
    "decimal": "auto",
    "dates": "auto",
    "text": [],
    "columns": {},
    "task": "classification",
    "target": "label",
    "features": "all",
    "drop": [],
    "group": "",
    "time": "",
    "missing": "impute",
    "duplicates": "drop",
    "max_rows": 0,
}
TRAIN = {
    "model": "tree",
    "compare": [],
    "average": 0,
    "scale": True,
    "scale_target": True,
    "max_categories": 3,
    "class_weight": "none",
    "positive": "",
    "metrics": [],
    "seed": 0,
    "search": {"candidates": 0, "folds": 3, "metric": "accuracy"},
}


def fit(table: pd.DataFrame, models: dict[str, Any] = TREE, **changes: Any):
    estimator, _, _ = train(table, models, TRAIN | changes)
    return estimator


def train(table: pd.DataFrame, *arguments: Any):
    return stage_train.train(Rows(table), *arguments)


def evaluate(estimator: Any, table: pd.DataFrame, *arguments: Any, **options: Any):
    return stage_evaluate.evaluate(estimator, Rows(table), *arguments, **options)


def split_frame(table: pd.DataFrame, **params: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training and the test rows of a prepared table."""
    key = table.index.to_series() if table.index.name else table.iloc[:, -1]
    train_rows, test_rows = split(key, table.index.name or "target", **params)
    return table.iloc[train_rows], table.iloc[test_rows]
