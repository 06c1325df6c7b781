import pickle
import sys

import matplotlib.pyplot as plt
import pandas as pd
from dvclive import Live
from sklearn.metrics import accuracy_score, f1_score

with open(sys.argv[1], "rb") as file:
    model = pickle.load(file)
table = pd.read_csv(sys.argv[2])
features, actual = table.iloc[:, :-1], table.iloc[:, -1]
predicted = model.predict(features)
with Live("results", save_dvc_exp=False, dvcyaml=None) as live:
    live.summary["accuracy"] = accuracy_score(actual, predicted)
    live.summary["f1"] = f1_score(actual, predicted, average="macro")
    live.log_sklearn_plot("confusion_matrix", actual, predicted)
    figure, axes = plt.subplots()
    if hasattr(model, "feature_importances_"):
        importance = pd.Series(model.feature_importances_, features.columns)
        importance.sort_values().plot.barh(ax=axes)
    live.log_image("importance.png", figure)
