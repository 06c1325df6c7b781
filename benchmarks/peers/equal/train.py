import json
import pickle
import sys
from pathlib import Path

import pandas as pd
import yaml
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import StratifiedKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "precision": "precision_macro",
    "recall": "recall_macro",
    "f1": "f1_macro",
    "log_loss": "neg_log_loss",
    "roc_auc": "roc_auc_ovr",
}

with open("params.yaml") as file:
    params = yaml.safe_load(file)["train"]
table = pd.read_csv(sys.argv[1])
features, target = table.iloc[:, :-1], table.iloc[:, -1]
if params["model"] == "svc":
    model = SVC(random_state=params["seed"])
    METRICS.pop("log_loss")
    METRICS.pop("roc_auc")
else:
    model = RandomForestClassifier(
        n_estimators=params["n_estimators"], random_state=params["seed"], n_jobs=-1
    )
pipeline = make_pipeline(StandardScaler(), model)
folds = StratifiedKFold(5, shuffle=True, random_state=params["seed"])
scores = cross_validate(
    pipeline, features, target, cv=folds, scoring=METRICS, return_train_score=True
)
means = {name: values.mean() for name, values in scores.items() if not name.endswith("time")}
Path(sys.argv[3]).parent.mkdir(exist_ok=True)
Path(sys.argv[3]).write_text(json.dumps(means, indent=2))
pipeline.fit(features, target)
with open(sys.argv[2], "wb") as file:
    pickle.dump(pipeline, file)
