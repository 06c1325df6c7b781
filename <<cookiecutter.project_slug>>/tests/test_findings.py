"""Each finding is told of a table that has it, and not of one that has not."""

from evaluate import evaluate
from support.findings import find
from support.metrics import baseline

import numpy as np
import pandas as pd
import pytest
from helpers import TREE, fit

MODELS = TREE | {"deep": {"class": "sklearn.tree.DecisionTreeClassifier"}}


def codes(rows: pd.DataFrame, others: pd.DataFrame, model: str) -> dict[str, str]:
    """Return the findings on `others` of a model fitted to `rows`, and what they say."""
    scores, plots = evaluate(fit(rows, MODELS, model=model), others)
    floor = baseline(rows.iloc[:, -1], others.iloc[:, -1])
    return {finding.code: finding.text for finding in find(others, scores, floor, plots)}


@pytest.fixture
def noise() -> pd.DataFrame:
    random = np.random.default_rng(0)
    return pd.DataFrame(random.normal(size=(400, 4)), columns=["a", "b", "c", "d"])


@pytest.mark.parametrize("rounded", [False, True])
def test_features_that_add_up_to_the_target_are_named(noise, rounded):
    table = noise.assign(total=3.0 * noise["a"] + noise["c"])
    if rounded:
        table["total"] = table["total"].round(1)
    found = codes(table[:200], table[200:], "linear")
    assert found.keys() == {"leak-sum"} and found["leak-sum"].startswith("a, c add up")
    table["total"] += np.random.default_rng(1).normal(0, 0.5, 400)
    assert codes(table[:200], table[200:], "linear") == {}


def test_a_feature_that_alone_tells_the_target_is_named(noise):
    table = noise.assign(copy=np.where(noise["a"] > 0, 5.5, 7), label=noise["a"] > 0)
    table = table.drop(columns="a").astype({"label": str})
    found = codes(table[:200], table[200:], "tree")
    assert found.keys() == {"leak-feature"} and found["leak-feature"].startswith("copy alone")
    mixed = table.assign(copy=np.where(np.arange(400) % 10 == 0, 9, table["copy"]))
    assert codes(mixed[:200], mixed[200:], "tree") == {}


def test_a_model_that_is_no_better_than_the_baseline_is_told_so(noise):
    target = np.random.default_rng(2).normal(size=400)
    found = codes(noise[:200].assign(y=target[:200]), noise[200:].assign(y=target[200:]), "linear")
    assert found.keys() == {"no-better-than-baseline"}


def test_a_class_that_is_never_predicted_is_named(noise):
    label = np.where(noise["a"] > 0, "up", "down")
    label[::40] = "rare"
    table = noise.assign(label=label)
    found = codes(table[:200], table[200:], "tree")
    assert found.keys() == {"class-never-predicted"}
    assert "rare (5 test rows)" in found["class-never-predicted"]
