import sys

import pandas as pd
import yaml
from sklearn.model_selection import train_test_split

with open("params.yaml") as file:
    params = yaml.safe_load(file)["split"]
table = pd.read_csv(sys.argv[1])
parts = train_test_split(
    table,
    test_size=params["test_size"],
    random_state=params["seed"],
    stratify=table.iloc[:, -1],
)
for part, path in zip(parts, sys.argv[2:], strict=True):
    part.to_csv(path, index=False)
