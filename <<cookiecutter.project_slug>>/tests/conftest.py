"""Fixtures that the tests share."""

import os

# Before scikit-learn is imported: on small tables threads wait for each other longer than they work.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pandas as pd
import pytest
from helpers import fit


@pytest.fixture(autouse=True)
def no_derived_columns(monkeypatch):
    """The tables of these tests lack the columns that your src/features.py needs."""
    for stage in ("prepare", "predict"):
        monkeypatch.setattr(f"{stage}.add_features", lambda table: table)


@pytest.fixture
def table() -> pd.DataFrame:
    """24 rows of two features and a target that the first feature gives away."""
    return pd.DataFrame({"x": range(24), "y": [0.5, 1.5] * 12, "label": ["a"] * 12 + ["b"] * 12})


@pytest.fixture
def estimator(table):
    return fit(table)
