"""A small table and models that the tests share."""

from typing import Any

from train import train

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
    "separator": ",",
    "decimal": ".",
    "encoding": "utf-8",
    "na_values": ["?"],
    "dates": "ISO8601",
    "task": "classification",
    "target": "label",
    "features": "all",
    "drop": [],
    "text": [],
    "group": "",
    "time": "",
    "missing": "impute",
    "duplicates": "drop",
}
TRAIN = {
    "model": "tree",
    "scale": True,
    "max_categories": 3,
    "class_weight": "none",
    "seed": 0,
    "search": {"candidates": 0, "folds": 3, "metric": "accuracy"},
}


def fit(table: pd.DataFrame, models: dict[str, Any] = TREE, **changes: Any):
    estimator, _, _ = train(table, models, TRAIN | changes)
    return estimator
