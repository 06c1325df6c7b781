"""Models of other packages, and several models in one run."""

import json

import pandas as pd
import pytest
import yaml
from helpers import Project
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.metrics import balanced_accuracy_score, r2_score

STAGES = ["prepare", "split", "train", "evaluate"]


def read(project: Project, name: str) -> dict:
    return json.loads((project.path / name).read_text(encoding="utf-8"))


def floor(project: Project, classify: bool) -> float:
    """Return the score, on the project's test rows, of a model that knows no feature."""
    train, test = (
        pd.read_parquet(project.path / f"data/{part}.parquet") for part in ("train", "test")
    )
    dummy = DummyClassifier() if classify else DummyRegressor()
    metric = balanced_accuracy_score if classify else r2_score
    dummy.fit(train.iloc[:, :-1], train.iloc[:, -1])
    return metric(test.iloc[:, -1], dummy.predict(test.iloc[:, :-1]))


@pytest.mark.parametrize(
    ("task", "kind", "types"),
    [
        ("classification", "xgboost.XGBClassifier", ["xgboost.core.Booster", "xgboost.sklearn."]),
        ("regression", "xgboost.XGBRegressor", ["xgboost.core.Booster", "xgboost.sklearn."]),
        (
            "classification",
            "lightgbm.LGBMClassifier",
            ["collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn."],
        ),
    ],
)
def test_any_estimator_by_dotted_path(bake, tmp_path, task, kind, types):
    """By params.yaml alone, with the line that the first run says to paste."""
    project = bake(tmp_path, task=task, project_slug="boosting")
    params = yaml.safe_load((project.path / "params.yaml").read_text())
    params["models"]["boosting"] = {
        "class": kind,
        "n_estimators": 50,
        "max_depth": 2,
        "search": {"learning_rate": {"low": 0.01, "high": 0.3, "log": True}},
    }
    params["train"]["model"] = "boosting"
    params["train"]["search"]["candidates"] = 4
    (project.path / "params.yaml").write_text(yaml.safe_dump(params))

    output = project.run("dvc repro", status=255)
    class_name = kind.rpartition(".")[2]
    types = [*types[:-1], types[-1] + class_name]
    assert f"{class_name} is saved with types that are not trusted" in output
    assert f"  trusted_types: [{', '.join(types)}]" in output.splitlines()
    assert "Traceback" not in output and "learning_rate=" not in output
    # DVC takes its own .gitignore lines back when a first run fails.
    assert "?? data" not in project.run("git status --porcelain")
    project.set("evaluate.trusted_types", types)
    output = project.run("dvc repro")
    assert "warning" not in output.lower()
    scores = read(project, "results/metrics.json")
    metric = "balanced_accuracy" if task == "classification" else "r2"
    assert scores[metric] > floor(project, task == "classification") + 0.3
    candidates = pd.read_csv(project.path / "results/candidates.csv")
    assert len(candidates) == 5 and candidates[metric].is_monotonic_decreasing
    logged = yaml.safe_load((project.path / "results/params.yml").read_text())
    assert logged["model_class"] == class_name
    best = pytest.approx(candidates["learning_rate"][0])
    assert logged["model"]["learning_rate"] == best
    if "learning_rate" in scores["search"]:
        assert scores["search"]["learning_rate"] == best
    before = project.outcome()
    assert project.repro("--force") == STAGES
    assert project.outcome() == before


OWN = """
def cost_error(actual, predicted):
    return 10 * (actual != predicted).sum()
"""


def test_a_metric_of_ones_own_stands_beside_the_others(project):
    (project.path / "src/mymetrics.py").write_text(OWN)
    project.set("train.metrics", ["mymetrics.cost_error"])
    project.set("train.search.metric", "cost_error")
    project.set("models.random_forest.n_estimators", 5)
    output = project.experiment("train.compare=[logistic_regression]")
    assert "warning" not in output.lower() and "Traceback" not in output
    scores = read(project, "results/metrics.json")
    test = pd.read_parquet(project.path / "data/test.parquet")
    assert scores["cost_error"] == pytest.approx(10 * len(test) * (1 - scores["accuracy"]), abs=1)
    assert scores["baseline"]["cost_error"] == pytest.approx(10 * len(test) * 2 / 3)
    ranking = pd.read_csv(project.path / "results/ranking.csv")
    assert ranking["cost_error"][1:].is_monotonic_increasing
    assert scores["cv"]["cost_error"] == ranking["cost_error"][1] < scores["baseline"]["cost_error"]
    interval = read(project, "results/intervals.json")["test"]["cost_error"]
    assert interval["low"] < scores["cost_error"] < interval["high"]
    report = (project.path / "results/report.md").read_text(encoding="utf-8")
    assert f"\n| cost_error | {scores['cost_error']:.4g} |" in report
    assert "best of 2 in cross-validation, so that score is optimistic" in report
    assert "cv.cost_error" in project.run("dvc metrics show")


def test_several_models_are_compared_in_one_run_and_the_best_is_kept(project):
    names = ["hist_gradient_boosting", "logistic_regression"]
    output = project.experiment(f"train.compare=[{','.join(names)}]")
    for name in [*names, "random_forest"]:
        assert f"\n{name}: balanced_accuracy 0." in output and "s a fold" in output
    ranking = pd.read_csv(project.path / "results/ranking.csv").set_index("model")
    assert ranking.index[0] == "(without features)"
    assert set(ranking.index[1:]) == {*names, "random_forest"}
    ranked = ranking["balanced_accuracy"]
    assert ranked[1:].is_monotonic_decreasing and ranked.iloc[0] == pytest.approx(1 / 3)
    scores = read(project, "results/metrics.json")
    assert scores["search"] == {"model": ranking.index[1]}
    assert scores["cv"]["accuracy"] == ranking["accuracy"].iloc[1]
    report = (project.path / "results/report.md").read_text(encoding="utf-8")
    assert "\n| (without features) | 0.3333 |" in report
    assert "search.model" in project.run("dvc metrics show")
    assert ranking.index[1] in project.run("dvc exp show --no-pager --csv")

    before = project.outcome()
    forced = project.repro("--force")
    assert sorted(forced) == sorted([*STAGES, *(f"compare@{name}" for name in names)])
    assert project.outcome() == before


def test_editing_a_compared_entry_reruns_it_and_editing_another_does_not(project):
    project.set("train.compare", ["logistic_regression"])
    assert project.repro()[:2] == ["compare@logistic_regression", "train"]
    project.set("models.svc.C", 7.0)
    assert project.repro() == []
    project.set("models.logistic_regression.C", 0.01)
    assert project.repro()[:2] == ["compare@logistic_regression", "train"]
    project.set("train.compare", ["logistic_regression", "svc"])
    assert project.repro()[:2] == ["compare@svc", "train"], "the first is not scored again"
    project.set("train.search.folds", 3)
    compared = {"compare@svc", "compare@logistic_regression"}
    assert set(project.repro()) == compared | {"train", "evaluate"}


def test_a_compared_entry_is_searched_too(project):
    project.experiment("train.compare=[logistic_regression]", "train.search.candidates=2")
    candidates = pd.read_csv(project.path / "results/candidates.csv")
    assert candidates["model"].value_counts().to_dict() == {
        "random_forest": 3,
        "logistic_regression": 3,
    }
    assert candidates["balanced_accuracy"].is_monotonic_decreasing


def test_a_compared_entry_that_does_not_exist_is_named(project):
    project.set("train.compare", ["svm"])
    output = project.run("dvc repro", status=255)
    assert "'models.svm'" in output and "Traceback" not in output
