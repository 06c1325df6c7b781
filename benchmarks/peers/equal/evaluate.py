import pickle
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from dvclive import Live
from sklearn.calibration import CalibrationDisplay
from sklearn.inspection import permutation_importance
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    PrecisionRecallDisplay,
    RocCurveDisplay,
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)

PICTURES = Path("results/pictures")


def draw(name, display, classes, **arguments):
    """Draw a curve for each class, or for the second of two."""
    _, axes = plt.subplots()
    for position in [1] if len(classes) == 2 else range(len(classes)):
        scores = probabilities[:, position]
        display.from_predictions(
            actual == classes[position], scores, ax=axes, name=str(classes[position]), **arguments
        )
    plt.savefig(PICTURES / f"{name}.svg")


with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)
table = pd.read_csv(sys.argv[2])
features, actual = table.iloc[:, :-1], table.iloc[:, -1]
predicted, classes = model.predict(features), model.classes_
PICTURES.mkdir(parents=True, exist_ok=True)
if hasattr(model, "predict_proba"):
    probabilities = model.predict_proba(features)
else:
    probabilities = model.decision_function(features)
positive = probabilities[:, 1] if len(classes) == 2 else probabilities
with Live("results/evaluate", save_dvc_exp=False, dvcyaml=None) as live:
    live.summary["accuracy"] = accuracy_score(actual, predicted)
    live.summary["balanced_accuracy"] = balanced_accuracy_score(actual, predicted)
    live.summary["precision"] = precision_score(actual, predicted, average="macro")
    live.summary["recall"] = recall_score(actual, predicted, average="macro")
    live.summary["f1"] = f1_score(actual, predicted, average="macro")
    if hasattr(model, "predict_proba"):
        live.summary["log_loss"] = log_loss(actual, probabilities)
        live.summary["roc_auc"] = roc_auc_score(actual, positive, multi_class="ovr")
    live.log_sklearn_plot("confusion_matrix", actual, predicted)
    if len(classes) == 2:
        for kind in ("roc", "precision_recall", "calibration"):
            live.log_sklearn_plot(kind, actual == classes[1], positive)
    result = permutation_importance(
        model, features, actual, scoring="balanced_accuracy", n_repeats=5, random_state=0
    )
    importance = pd.Series(result.importances_mean, features.columns, name="importance")
    path = Path("results/evaluate/plots/sklearn/importance.csv")
    importance.rename_axis("feature").to_csv(path)
ConfusionMatrixDisplay.from_predictions(actual, predicted)
plt.savefig(PICTURES / "confusion.svg")
draw("roc", RocCurveDisplay, classes)
draw("precision_recall", PrecisionRecallDisplay, classes)
if hasattr(model, "predict_proba"):
    draw("calibration", CalibrationDisplay, classes)
_, axes = plt.subplots()
importance.sort_values().plot.barh(ax=axes)
plt.savefig(PICTURES / "importance.svg")
