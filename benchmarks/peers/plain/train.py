import pickle
import sys

import pandas as pd
import yaml
from sklearn.ensemble import RandomForestClassifier
from sklearn.svm import SVC

with open("params.yaml") as file:
    params = yaml.safe_load(file)["train"]
table = pd.read_csv(sys.argv[1])
if params["model"] == "svc":
    model = SVC(random_state=params["seed"])
else:
    model = RandomForestClassifier(n_estimators=params["n_estimators"], random_state=params["seed"])
model.fit(table.iloc[:, :-1], table.iloc[:, -1])
with open(sys.argv[2], "wb") as file:
    pickle.dump(model, file)
