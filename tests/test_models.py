"""Models of other packages, and several models in one run."""

import json
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import skops.io
import yaml
from helpers import STAGES, Project, stale
from support.model_file import load, save
from support.models import create, fit
from support.rows import Rows
from train import message_of


def read(project: Project, name: str) -> dict:
    return json.loads((project.path / name).read_text(encoding="utf-8"))


def hostile(labels: list | None) -> pd.DataFrame:
    """300 rows with gaps, names that XGBoost and LightGBM refuse, and `labels` or a number."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "size [cm] <b>": random.normal(size=300),
            "Farbe, 色": random.choice(["rot", "grün", "b[l]au"], 300),
            'a{}:"b"': random.integers(0, 1000, 300) / 8,
        }
    )
    for name in table:
        table.loc[random.choice(300, 20, replace=False), name] = None
    sums = table.iloc[:, 0].fillna(0) + 2 * (table.iloc[:, 1] == "rot")
    if labels is None:
        return table.assign(**{"ziel [€]": sums.round(3)})
    return table.assign(**{"ziel [€]": pd.qcut(sums, len(labels), labels)})


def add_entry(project: Project, kind: str, class_weight: str) -> None:
    """Add an entry of a class to params.yaml, and search it."""
    params = yaml.safe_load((project.path / "params.yaml").read_text(encoding="utf-8"))
    params["models"]["boosting"] = {
        "class": kind,
        "n_estimators": 50,
        "max_depth": 2,
        "learning_rate": 0.001,
        "search": {"learning_rate": {"low": 0.01, "high": 0.3, "log": True}},
    }
    params["train"]["model"] = "boosting"
    params["train"]["search"]["candidates"] = 2
    params["train"]["class_weight"] = class_weight
    (project.path / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")


def check_predictions(project: Project, labels: list | None) -> None:
    """New rows with gaps, and with a category that no row to fit had, are predicted."""
    rows = hostile(labels).iloc[:3, :-1].assign(**{"Farbe, 色": ["lila", None, "rot"]})
    rows.to_csv(project.path.parent / "new.csv", index=False)
    project.run("python src/predict.py ../new.csv -o ../predictions.csv")
    predicted = pd.read_csv(project.path.parent / "predictions.csv")
    assert len(predicted) == 3 and not predicted.isna().any().any()
    if labels:
        assert set(predicted["prediction"].astype(str)) <= set(map(str, labels))
        names = [f"probability of {label}" for label in sorted(labels)]
        assert list(predicted) == ["prediction", *names]


@pytest.mark.parametrize(
    ("kind", "labels", "types"),
    [
        (
            "xgboost.XGBClassifier",
            ["True", "False"],
            ["xgboost.core.Booster", "xgboost.sklearn.XGBClassifier"],
        ),
        pytest.param(
            "xgboost.XGBRegressor",
            None,
            ["xgboost.core.Booster", "xgboost.sklearn.XGBRegressor"],
            marks=pytest.mark.sweep,
        ),
        pytest.param(
            "lightgbm.LGBMClassifier",
            [3, 10, 7],
            [
                "collections.OrderedDict",
                "lightgbm.basic.Booster",
                "lightgbm.sklearn.LGBMClassifier",
            ],
            marks=pytest.mark.sweep,
        ),
        (
            "lightgbm.LGBMRegressor",
            None,
            ["collections.OrderedDict", "lightgbm.basic.Booster", "lightgbm.sklearn.LGBMRegressor"],
        ),
    ],
)
def test_any_estimator_by_dotted_path(bake, tmp_path, kind, labels, types):
    """By params.yaml alone, with the line that the first run says to paste."""
    hostile(labels).to_csv(tmp_path / "table.csv", index=False)
    task = "classification" if labels else "regression"
    answers = {"task": task, "data": str(tmp_path / "table.csv"), "target": "ziel [€]"}
    project = bake(tmp_path, project_slug="boosting", **answers)
    add_entry(project, kind, "balanced" if labels else "none")

    # Once through DVC, whose own part is the same for all
    if kind == "xgboost.XGBClassifier":
        output = project.run("dvc repro", status=255)
    else:
        output = project.scripts(*STAGES, status=1)
    class_name = kind.rpartition(".")[2]
    assert f"{class_name} is saved with types that are not trusted" in output
    assert f"  trusted_types: [{', '.join(types)}]" in output.splitlines()
    assert "Traceback" not in output and "learning_rate=" not in output
    # DVC takes its own .gitignore lines back when a first run fails.
    assert "?? data" not in project.run("git status --porcelain")
    project.set("evaluate.trusted_types", types)
    output = project.scripts("train", "evaluate")
    assert "warning" not in output.lower()
    scores = read(project, "results/metrics.json")
    metric = "balanced_accuracy" if labels else "r2"
    assert scores[metric] > scores["baseline"][metric] + 0.3
    candidates = pd.read_csv(project.path / "results/candidates.csv")
    assert len(candidates) == 3 and candidates[metric].is_monotonic_decreasing
    logged = yaml.safe_load((project.path / "results/params.yml").read_text())
    assert logged["model_class"] == class_name
    best = pytest.approx(candidates["learning_rate"][0])
    assert logged["model"]["learning_rate"] == best
    assert scores["search"].get("learning_rate", 0.001) == best
    before = project.outcome()
    project.run("python src/train.py")
    assert project.outcome() == before
    check_predictions(project, labels)


PARAMS = {
    "scale": True,
    "scale_target": True,
    "max_categories": 40,
    "class_weight": "balanced",
    "seed": 0,
}
LABELS = [["ä b", "[x]", "<y>"], [3, 10, 7], [True, False], ["1.0", "0.5"]]


@pytest.mark.parametrize("labels", LABELS)
@pytest.mark.parametrize("kind", ["xgboost.XGBClassifier", "lightgbm.LGBMClassifier"])
def test_classes_may_have_any_names(tmp_path, kind, labels):
    table = hostile(labels)
    rows = Rows(table.assign(**{"ziel [€]": np.array(table["ziel [€]"].tolist())}))
    spec = {"class": kind, "n_estimators": 20}
    model = fit(create("boosting", spec, {}, PARAMS), rows, PARAMS)
    save(model, path := tmp_path / "model.skops")
    again = load(path, skops.io.get_untrusted_types(file=path))
    assert again.classes_.tolist() == sorted(labels)
    predicted = again.predict(rows.features)
    assert (predicted == rows.target).mean() > 0.8
    assert set(predicted.tolist()) == set(labels)


@pytest.mark.parametrize("kind", ["xgboost.XGBRegressor", "lightgbm.LGBMRegressor"])
def test_an_argument_that_a_package_would_ignore_is_told(kind):
    params, rows = PARAMS | {"class_weight": "none"}, Rows(hostile(None))
    spec = {"class": kind, "n_estimators": 2}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit(create("boosting", spec, {}, params), rows, params)
    with pytest.warns(UserWarning, match="num_leafs") as warned:
        fit(create("boosting", spec, {"num_leafs": 7}, params), rows, params)
    [message] = map(message_of, warned)
    assert "num_leafs" in message and not re.search("[0-9]{2}:[0-9]{2}", message), (
        "a time would differ each time"
    )


@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("linear_model.TweedieRegressor", [{"power": 1.5}, {"power": 0, "link": "log"}]),
        (
            "neighbors.KNeighborsRegressor",
            [
                {"metric": metric, "algorithm": algorithm, "p": 3}
                for metric in ("minkowski", "manhattan", "chebyshev", "euclidean")
                for algorithm in ("kd_tree", "ball_tree")
            ],
        ),
        ("neural_network.MLPRegressor", [{"solver": solver} for solver in ("sgd", "adam")]),
    ],
)
def test_settings_of_scikit_learns_own_are_trusted(tmp_path, kind, settings):
    params, rows = PARAMS | {"class_weight": "none"}, Rows(hostile(None).assign(y=range(1, 301)))
    for setting in settings:
        model = create("own", {"class": f"sklearn.{kind}"}, setting, params)
        with warnings.catch_warnings(action="ignore"):
            fitted = fit(model, rows, params)
        save(fitted, path := tmp_path / "model.skops")
        same = load(path, []).predict(rows.features)
        assert (same == fitted.predict(rows.features)).all()


def test_boosting_gives_the_same_bytes_on_any_number_of_cores(bake, tmp_path):
    """So do a text, a time, a forest, and the average of both."""
    random = np.random.default_rng(0)
    table = pd.DataFrame(random.normal(size=(2000, 4))).add_prefix("x")
    table["shop"] = random.choice([f"shop {n}" for n in range(60)], 2000)
    words = ["blue", "small", "round", "old", "fast", "bright", "heavy", "cheap"]
    table["text"] = [" ".join(random.choice(words, 5)) for _ in range(2000)]
    table["when"] = pd.date_range("2024-01-01", periods=2000, freq="7h")
    table["y"] = table["x1"] * table["x2"] + random.normal(size=2000)
    table.to_csv(tmp_path / "table.csv", index=False)
    answers = {"task": "regression", "data": str(tmp_path / "table.csv"), "target": "y"}
    project = bake(tmp_path, project_slug="boosting", **answers)
    project.set("train.search.folds", 2)
    project.set("train.compare", ["random_forest"])
    project.set("train.average", 2)
    project.set("models.random_forest.n_estimators", 10)
    for script in ("prepare", "split"):
        project.run(f"python src/{script}.py")
    outcomes = []
    for threads, command in [("1", []), ("2", []), ("2", ["taskset", "--cpu-list", "0"])]:
        project.env = project.env | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        for script in ("compare.py random_forest", "train.py", "evaluate.py"):
            project.run([*command, "python", *f"src/{script}".split()])
        outcomes.append(project.outcome())
    assert {"models/model.skops", "results/scores.json", "results/report.md"} <= outcomes[0].keys()
    assert outcomes[0] == outcomes[1] == outcomes[2]


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
    found = read(project, "results/intervals.json")
    folds = [fold["cost_error"] for fold in read(project, "results/scores.json")["trials"]["folds"]]
    assert found["cv"]["std"]["cost_error"] == pytest.approx(np.std(folds), rel=1e-3)
    interval = found["test"]["cost_error"]
    assert interval["low"] < scores["cost_error"] < interval["high"]
    report = (project.path / "results/report.md").read_text(encoding="utf-8")
    assert f"\n| cost_error | {scores['cost_error']:.4g} |" in report
    assert "best of 2 in cross-validation, so that score is optimistic" in report
    assert "cv.cost_error" in project.run("dvc metrics show")


def test_several_models_are_compared_in_one_run_and_the_best_is_kept(project):
    names = ["hist_gradient_boosting", "logistic_regression"]
    project.set("models.hist_gradient_boosting.max_iter", 20)
    project.set("models.random_forest.n_estimators", 20)
    output = project.experiment(f"train.compare=[{','.join(names)}]", "train.average=3")
    for name in [*names, "random_forest"]:
        seconds = r"fit [0-9.]+ s a fold, predict [0-9.]+ s a fold"
        assert re.search(rf"\n{name}: balanced_accuracy 0.[0-9]+, {seconds}\n", output)
    ranking = pd.read_csv(project.path / "results/ranking.csv").set_index("model")
    assert ranking.index[0] == "(without features)"
    together = next(name for name in ranking.index if name.startswith("average of "))
    members = [name for name in ranking.index[1:] if name != together]
    assert together == f"average of {', '.join(members)}"
    assert set(members) == {*names, "random_forest"}
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


def test_editing_a_compared_entry_reruns_it_and_editing_another_does_not(project, in_process):
    project.set("train.compare", ["logistic_regression"])
    assert project.repro() == ["compare@logistic_regression", "train", "evaluate"]
    path = project.path / "params.yaml"
    text = path.read_text(encoding="utf-8")
    rerun = {"train", "evaluate"}
    for key, value, compared in [
        ("models.svc.C", 7.0, None),
        ("models.logistic_regression.C", 0.01, {"logistic_regression"}),
        # The first is not scored again.
        ("train.compare", ["logistic_regression", "svc"], {"svc"}),
        ("train.search.folds", 3, {"logistic_regression"}),
    ]:
        project.set(key, value)
        expected = set() if compared is None else rerun | {f"compare@{name}" for name in compared}
        assert stale() == expected, key
        path.write_text(text, encoding="utf-8")
    project.set("models.logistic_regression.C", 0.01)
    assert project.repro() == ["compare@logistic_regression", "train", "evaluate"]


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


def test_a_table_of_few_rows_starts_with_a_forest_and_others_with_boosting(render, tmp_path):
    """Of a folder of parts, the bake counts one alone."""
    (tmp_path / "parts").mkdir()
    tables = {"few.csv": (199, 3), "more.csv": (200, 3), "few.parquet": (199, 3)}
    tables |= {"many.csv": (500, 10), "many.parquet": (500, 10), "parts/a.csv": (99, 3)}
    tables |= {"countless.parquet": (22_002, 11_001)}
    for name, (rows, classes) in {**tables, "parts/b.csv": (99, 3)}.items():
        table = pd.DataFrame({"x": range(rows), "y": [f"c{row % classes}" for row in range(rows)]})
        write = table.to_parquet if name.endswith("parquet") else table.to_csv
        write(tmp_path / name, index=False)
    expected = dict.fromkeys(
        ("few.csv", "few.parquet", "many.csv", "many.parquet"), "random_forest"
    )
    expected |= dict.fromkeys(("more.csv", "parts"), "hist_gradient_boosting")
    expected["countless.parquet"] = "random_forest"
    for name, model in expected.items():
        answers = {
            "data": str(tmp_path / name),
            "target": "y",
            "project_slug": name.replace(".", "_"),
        }
        params = yaml.safe_load((render(tmp_path / "made", **answers) / "params.yaml").read_text())
        assert params["train"]["model"] == model
