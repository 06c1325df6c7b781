"""What DVC does with the baked project: reruns, experiments, bytes, sharing."""

import re

import pandas as pd
import pytest
import yaml
from conftest import Project
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

STAGES = ["prepare", "split", "train", "evaluate"]
MODELS = ["random_forest", "logistic_regression", "svc"]


def metrics(project: Project) -> dict[str, float]:
    return yaml.safe_load((project.path / "results/metrics.json").read_text())


def hyperparameters(project: Project) -> dict:
    return yaml.safe_load((project.path / "results/params.yml").read_text())


@pytest.fixture
def new_rows(project):
    """Three rows without a target, an identifier and a column in disorder, as CSV."""
    table = pd.read_csv(project.path / "data/raw/iris.csv").iloc[[0, 60, 120]]
    table = table.drop(columns="Species").assign(Id=["a", "b", "c"])[::-1]
    table.to_csv(project.path.with_name("new.csv"), index=False)
    return table


def test_the_first_run_runs_all_stages_without_a_warning(reproduced):
    ran = re.findall(r"Running stage '(\w+)'", reproduced.output)
    assert ran == STAGES
    assert not re.search("warn|deprecat|error", reproduced.output, re.IGNORECASE)


def test_a_second_run_runs_nothing(project):
    assert project.repro() == []
    assert project.run("git status --porcelain") == ""


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("models.svc.C", 9.0, []),
        ("models.random_forest.n_estimators", 10, STAGES[2:]),
        ("train.model", "svc", STAGES[2:]),
        ("train.scale", False, ["train"]),  # a forest needs no scale: the same model
        ("train.seed", 7, STAGES[2:]),
        ("split.test_size", 0.4, STAGES[1:]),
        ("split.stratify", False, STAGES[1:]),
        ("split.seed", 7, STAGES[1:]),
        ("train.search.folds", 3, STAGES[2:]),
        ("evaluate.trusted_types", ["x.Y"], STAGES[3:]),
        ("prepare.features", ["PetalLengthCm", "PetalWidthCm"], STAGES),
    ],
)
def test_a_parameter_reruns_the_stages_that_depend_on_it(project, key, value, expected):
    project.set(key, value)
    assert project.repro() == expected


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("support/params", STAGES),
        ("support/models", ["train", "evaluate"]),
        ("support/encoders", ["train", "evaluate"]),
        ("support/search", ["train"]),
        ("support/findings", ["evaluate"]),
        ("support/metrics", ["train", "evaluate"]),
        ("support/tables", ["prepare"]),
        *[(stage, [stage]) for stage in STAGES],
        ("predict", []),
    ],
)
def test_a_module_reruns_the_stages_that_import_it(project, module, expected):
    with (project.path / f"src/{module}.py").open("a") as file:
        file.write("# touched\n")
    assert project.repro() == expected


@pytest.mark.parametrize("model", MODELS)
def test_a_forced_run_changes_no_byte(project, model):
    project.experiment(f"train.model={model}")
    before = project.outcome()
    assert project.repro("--force") == STAGES
    assert project.outcome() == before


def test_a_clone_elsewhere_has_and_makes_the_same_bytes(project, tmp_path):
    project.run("dvc push")
    project.run(f"git clone --quiet {project.path} {tmp_path}/elsewhere/clone")
    clone = Project(tmp_path / "elsewhere/clone", project.env)
    clone.run("dvc pull")
    assert clone.outcome() == project.outcome()
    assert clone.repro() == []
    assert clone.repro("--force") == STAGES
    assert clone.outcome() == project.outcome()


def tutorial_accuracy(table: pd.DataFrame, model_class: type) -> float:
    """Return what the tutorial's `model_run` logs for a model class, its typo mended."""
    x = table[["SepalLengthCm", "SepalWidthCm", "PetalLengthCm"]]
    y = table["Species"]
    x_train, x_test, y_train, y_test = train_test_split(
        x, y, test_size=0.3, shuffle=True, random_state=42
    )
    model = model_class(random_state=42)
    model.fit(x_train, y_train)
    return round(accuracy_score(y_test, model.predict(x_test)), 3)


@pytest.mark.parametrize(
    ("name", "model_class"),
    list(zip(MODELS, [RandomForestClassifier, LogisticRegression, SVC], strict=True)),
)
def test_parity_with_the_tutorial(project, name, model_class):
    project.experiment("split.stratify=false", "train.scale=false", f"train.model={name}")
    table = pd.read_csv(project.path / "data/raw/iris.csv")
    assert round(metrics(project)["accuracy"], 3) == tutorial_accuracy(table, model_class)
    assert hyperparameters(project)["model_class"] == model_class.__name__


def test_set_param_changes_one_line_and_keeps_the_comments(project):
    project.experiment("train.model=svc")
    changed = project.run("git diff --unified=0 params.yaml").splitlines()[5:]
    assert changed == ["-  model: random_forest", "+  model: svc"]


def test_a_small_number_reaches_the_estimator_as_a_number(project):
    project.experiment("train.model=svc", "models.svc.tol=1e-5", "models.svc.C=10")
    assert "tol: 1e-05" in (project.path / "params.yaml").read_text()
    assert hyperparameters(project)["model"]["tol"] == 1e-5
    assert hyperparameters(project)["model"]["C"] == 10


def test_a_new_argument_of_a_model_is_added_with_a_plus(project):
    project.experiment("train.model=svc", "+models.svc.degree=2")
    assert hyperparameters(project)["model"]["degree"] == 2


def test_an_experiment_in_a_copy_runs_its_own_code(project):
    """The queued experiment must not see what happens to the workspace after it was queued."""
    project.edit(
        "src/train.py",
        "    check(table, params)",
        "    print('queued')\n    check(table, params)",
    )
    project.run("dvc exp run --queue --name queued --set-param train.model=svc")
    project.edit("src/train.py", "print('queued')", "raise SystemExit('workspace')")
    project.run("dvc exp run --run-all")
    assert "raise SystemExit" in (project.path / "src/train.py").read_text()
    assert hyperparameters(project)["model_class"] == "RandomForestClassifier"
    project.run("git checkout --quiet .")
    project.run("dvc exp apply queued")
    assert "print('queued')" in (project.path / "src/train.py").read_text()
    assert hyperparameters(project)["model_class"] == "SVC"


def test_an_experiment_in_a_temporary_folder_leaves_the_workspace(project):
    before = project.outcome()
    project.run("dvc exp run --temp --name aside --set-param train.model=svc")
    assert project.outcome() == before
    assert project.run("git status --porcelain") == ""
    project.run("dvc exp apply aside")
    assert hyperparameters(project)["model_class"] == "SVC"


def test_experiments_are_compared_applied_and_branched(project):
    project.run("dvc exp run --name lr --set-param train.model=logistic_regression")
    expected = metrics(project)["accuracy"]
    project.run("dvc exp run --name svm -S train.model=svc -S models.svc.C=10")

    table = project.run("dvc exp show --csv --only-changed").splitlines()
    header = table[0].split(",")
    rows = {
        row["Experiment"] or row["rev"]: row
        for row in (dict(zip(header, line.split(","), strict=True)) for line in table[1:])
    }
    assert {"lr", "svm", "main"} <= rows.keys()
    assert float(rows["lr"]["accuracy"]) == pytest.approx(expected, abs=1e-5)
    assert rows["svm"]["train.model"] == "svc" and rows["svm"]["models.svc.C"] == "10"

    assert "results/metrics.json" in project.run("dvc metrics show")
    assert re.search(r"train\.model +random_forest +svc", project.run("dvc params diff"))
    assert all(stage in project.run("dvc dag") for stage in STAGES)
    for command in ("show", "diff main lr svm"):
        project.run(f"dvc plots {command}")
        page = (project.path / "dvc_plots/index.html").read_text()
        assert "Confusion matrix" in page and "Iris-virginica" in page
    Project(project.path / "src", project.env).run("dvc plots show")
    assert project.run("git status --porcelain dvc_plots") == ""

    project.run("git checkout --quiet --force .")
    project.run("dvc exp apply lr")
    assert metrics(project)["accuracy"] == expected
    project.run("git add .")
    project.run("git commit --quiet -m 'Logistic regression'")
    assert project.repro() == []
    project.run("dvc exp branch svm svm-branch")
    project.run("git checkout --quiet svm-branch")
    assert hyperparameters(project)["model"]["C"] == 10
    assert project.repro() == []


@pytest.mark.parametrize("model", MODELS)
def test_no_script_warns(project, new_rows, model):
    """Nothing deprecated, nothing unsaid: any warning is an error here."""
    if model != MODELS[0]:
        project.set("train.model", model)
    for script in [*(f"{stage}.py" for stage in STAGES), "predict.py ../new.csv"]:
        project.run(f"python -W error src/{script}")


@pytest.mark.parametrize(
    ("settings", "message", "stage"),
    [
        (["train.model=svm"], "Parameters 'models.svm' are missing from 'params.yaml'", "train"),
        (["split.test_size=1.5"], "split.test_size is 1.5; give a fraction", "split"),
        (["split.test_size=-1"], "split.test_size is -1; give a fraction", "split"),
        (["split.test_size=0.01"], "params.yaml: split of 150 rows", "split"),
        (["prepare.raw=data/raw/no.csv"], "No such file or directory", "prepare"),
        (["prepare.features=[petallengthcm]"], "did you mean 'PetalLengthCm'?", "prepare"),
        (["prepare.target=Specie"], "no column 'Specie'; did you mean 'Species'?", "prepare"),
        (["models.random_forest.n_estimators=0"], "'n_estimators' parameter", "train"),
        (["models.random_forest.class=sklearn.svm.SVM"], "no attribute 'SVM'", "train"),
        (["split.seed=x"], "params.yaml: split.seed is 'x'; give a whole number", "split"),
        (["train.search.folds=x"], "train.search.folds is 'x'; give a whole number", "train"),
        (["split.test_szie=0.2"], "Could not override 'split.test_szie'", None),
    ],
)
def test_a_bad_parameter_ends_in_one_message_and_loses_nothing(project, settings, message, stage):
    before = project.outcome()
    output = project.run(["dvc", "exp", "run", "--set-param", *settings], status=255)
    assert message in output
    assert "Traceback" not in output
    if stage:
        assert f"failed to reproduce '{stage}'" in output
    assert (project.path / "dvc.lock").read_bytes() == before["dvc.lock"]
    project.run("git checkout --quiet .")
    project.run("dvc checkout")
    assert project.outcome() == before
    assert project.repro() == []


def test_a_missing_table_is_named(project):
    (project.path / "data/raw/iris.csv").unlink()
    output = project.run("dvc repro", status=255)
    assert "missing data 'source': data/raw/iris.csv" in output
    assert "Traceback" not in output
    output = project.run("python src/prepare.py", status=1)
    assert output == ("data/raw/iris.csv not found: check its path, or fetch it with `dvc pull`\n")
    project.run("dvc checkout")
    assert project.repro() == []


@pytest.mark.parametrize("model", MODELS)
def test_predict_to_a_file_and_to_stdout(project, new_rows, model):
    project.experiment(f"train.model={model}")
    printed = project.run("python src/predict.py ../new.csv")
    project.run("python src/predict.py ../new.csv --output ../predictions.csv")
    path = project.path.with_name("predictions.csv")
    assert path.read_text() == printed

    predictions = pd.read_csv(path)
    assert predictions["Id"].tolist() == ["c", "b", "a"]
    classes = ["Iris-setosa", "Iris-versicolor", "Iris-virginica"]
    assert predictions["prediction"].tolist() == classes[::-1]
    probabilities = predictions.filter(like="probability of")
    if model == "svc":
        assert probabilities.empty
    else:
        assert probabilities.columns.tolist() == [f"probability of {name}" for name in classes]
        assert probabilities.sum(axis="columns").tolist() == pytest.approx([1, 1, 1])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "../new.csv not found"),
        ("", "../new.csv cannot be read: No columns"),
        ("SepalWidthCm,petallengthcm\n1,2\n", "no column 'SepalLengthCm', 'PetalLengthCm'"),
        ("SepalLengthCm,SepalWidthCm,PetalLengthCm\n", "../new.csv has no rows"),
        ("SepalLengthCm,SepalWidthCm,PetalLengthCm\n1,2,x\n", "row 2: PetalLengthCm is 'x'"),
    ],
)
def test_predict_names_what_is_wrong_with_its_input(project, content, message):
    if content is not None:
        project.path.with_name("new.csv").write_text(content)
    output = project.run("python src/predict.py ../new.csv -o ../predictions.csv", status=1)
    assert message in output
    assert len(output.splitlines()) == 1
    assert not project.path.with_name("predictions.csv").exists()


def test_predict_names_a_missing_model_and_an_output_that_cannot_be_written(project, new_rows):
    output = project.run("python src/predict.py ../new.csv -o ../no/folder.csv", status=1)
    assert output.startswith("cannot write ../no/folder.csv: ")
    (project.path / "models/model.skops").unlink()
    output = project.run("python src/predict.py ../new.csv", status=1)
    assert output.startswith("models/model.skops not found: ")
    assert len(output.splitlines()) == 1
