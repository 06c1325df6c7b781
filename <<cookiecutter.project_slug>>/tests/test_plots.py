"""What the plots hold of wide tables."""

from support.plots import importance

import numpy as np
import pandas as pd
import pytest
from helpers import fit


@pytest.mark.parametrize("regression", [False, True])
def test_importance_of_a_wide_table_is_that_of_the_features_that_the_model_uses(regression):
    """150 features, two of which, a number and a text, tell the target; a third has only gaps."""
    random = np.random.default_rng(0)
    wide = pd.DataFrame(random.normal(size=(300, 148))).add_prefix("noise ")
    wide["word"], wide["empty"] = random.choice(["u", "v"], 300), np.nan
    target = wide["noise 7"] + 2 * (wide["word"] == "u")
    wide["label"] = target if regression else target > 1
    tree = "sklearn.tree.DecisionTree" + ("Regressor" if regression else "Classifier")
    estimator = fit(wide, {"tree": {"class": tree, "max_depth": 4}})
    calls = []

    class Counted(type(estimator)):
        def predict(self, x):
            calls.append(x.shape)
            return super().predict(x)

    estimator.__class__ = Counted
    table = importance(estimator, wide.iloc[:, :-1], wide["label"])
    assert list(table["feature"][:2]) == ["word", "noise 7"] and len(table) == 30
    assert len(calls) < 110 and set(calls) == {(300, 150)}
    assert "of the 100 most used" in table.attrs["title"]
