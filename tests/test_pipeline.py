"""What DVC does with the baked project: reruns, experiments, bytes, sharing."""

import re
from collections.abc import Iterator
from modulefinder import ModuleFinder
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from dvc.dependency import ParamsDependency
from dvc.repo import Repo
from forked import real
from helpers import MODELS, STAGES, Project, behind, hyperparameters, metrics, stale
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split
from sklearn.svm import SVC

# Of DVC's own, when it runs in this process
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:dvc")


@pytest.fixture
def new_rows(tmp_path, baked) -> Path:
    """A CSV of three rows without a target, in disorder, with an identifier."""
    table = pd.read_csv(baked.path / "data/raw/iris.csv").iloc[[0, 60, 120]]
    table = table.drop(columns="Species").assign(Id=["a", "b", "c"])[::-1]
    table.to_csv(tmp_path / "new.csv", index=False)
    return tmp_path / "new.csv"


def test_the_first_run_runs_all_stages_without_a_warning(reproduced):
    ran = re.findall(r"Running stage '(\w+)'", reproduced.output)
    assert ran == STAGES
    assert not re.search("warn|deprecat|error", reproduced.output, re.IGNORECASE)


def test_a_second_run_runs_nothing(project):
    assert project.repro() == []
    assert project.run("git status --porcelain") == ""


def keys(section: dict[str, Any], *above: str) -> Iterator[str]:
    for name, value in section.items():
        if isinstance(value, dict):
            yield from keys(value, *above, name)
        else:
            yield ".".join((*above, name))


def within(key: str, name: str) -> bool:
    return f"{key}.".startswith(f"{name}.")


def rerun(key: str, params: dict[str, Any]) -> list[str]:
    """Return the stages that a parameter should rerun; none if its model is not in use."""
    # Sections and keys that another stage than the one of their name reads
    readers = {"findings": "evaluate", "split.column": "prepare"}
    readers[f"models.{params['train']['model']}"] = "train"
    stage = next((readers[name] for name in readers if within(key, name)), key.split(".")[0])
    return [] if stage == "models" else STAGES[STAGES.index(stage) :]


def declared(repo: Repo) -> list[tuple[str, str]]:
    """Return each stage of dvc.yaml with each parameter, or section of them, that it names."""
    return [
        (stage.addressing, name)
        for stage in repo.index.stages
        for dependency in stage.deps
        if isinstance(dependency, ParamsDependency)
        for name in dependency.params
    ]


def test_each_parameter_is_declared_by_the_stage_that_reads_it(project, in_process, subtests):
    params = yaml.safe_load((project.path / "params.yaml").read_text(encoding="utf-8"))
    with Repo() as repo:
        for key in keys(params):
            with subtests.test(key):
                reading = {stage for stage, name in declared(repo) if within(key, name)}
                assert behind(repo, reading) == set(rerun(key, params))


def test_a_parameter_reruns_its_stage_and_those_behind_it(project, in_process, subtests):
    """By what DVC says, one of each name that is declared, and all that are not; one is run."""
    path = project.path / "params.yaml"
    text = path.read_text(encoding="utf-8")
    params = yaml.safe_load(text)

    def change(key: str) -> None:
        project.set(key, ["svc"] if key == "train.compare" else "another value")

    with Repo() as repo:
        names = {name for _, name in declared(repo)}
    for name in sorted(names):
        key = next(key for key in keys(params) if within(key, name))
        with subtests.test(f"{name}: {key} changes"):
            change(key)
            assert stale() == set(rerun(key, params))
        path.write_text(text, encoding="utf-8")
    unused = [key for key in keys(params) if not rerun(key, params)]
    for key in unused:
        change(key)
    assert len(unused) > 10 and stale() == set()
    path.write_text(text, encoding="utf-8")

    project.set("split.seed", 7)
    assert project.repro() == STAGES[1:]


def modules(stage: str, source: Path) -> set[str]:
    """Return the files in `source` that a stage's script imports, and that script."""
    finder = ModuleFinder([str(source)])
    finder.run_script(str(source / f"{stage}.py"))
    files = [Path(module.__file__) for module in finder.modules.values() if module.__file__]
    return {file.relative_to(source.parent).as_posix() for file in files if file.stem != "__init__"}


def test_a_module_reruns_the_stages_that_import_it(project, in_process):
    source = project.path / "src"
    used = {stage: modules(stage, source) for stage in STAGES}
    for file in source.rglob("[!_]*.py"):
        with file.open("a", encoding="utf-8") as text:
            text.write("# touched\n")
    with Repo() as repo:
        status = repo.status()
    for stage in STAGES:
        [dependencies] = [one["changed deps"] for one in status[stage] if "changed deps" in one]
        assert {name for name in dependencies if name.startswith("src/")} == used[stage]

    project.run("git checkout --quiet src")
    with (source / "support/models.py").open("a") as file:
        file.write("# touched\n")
    assert project.repro() == ["train", "evaluate"]


@pytest.mark.parametrize("model", MODELS)
def test_a_forced_run_changes_no_byte(compared, tmp_path, model):
    """Through DVC, and in one process, where a stage finds what another one left."""
    project = compared[model].copy(tmp_path / "project")
    before = project.outcome()
    if model == MODELS[0]:
        assert project.repro("--force") == STAGES
    else:
        project.scripts(*STAGES)
    assert project.outcome() == before


def test_a_clone_elsewhere_has_and_makes_the_same_bytes(project, tmp_path):
    project.run("dvc push")
    project.run(f"git clone --quiet {project.path} {tmp_path}/elsewhere/clone")
    clone = Project(tmp_path / "elsewhere/clone", project.env)
    clone.run("dvc pull")
    assert clone.outcome() == project.outcome()
    assert clone.repro() == []
    # Each of these has a seed of its own for the order of its sets.
    clone.env = real(clone.env)
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


def test_parity_with_the_tutorial(project):
    project.set("split.stratify", False)
    project.set("train.scale", False)
    project.set("train.search.folds", 0)
    table = pd.read_csv(project.path / "data/raw/iris.csv")
    model_classes = [RandomForestClassifier, LogisticRegression, SVC]
    project.scripts("prepare", "split")
    for name, model_class in zip(MODELS, model_classes, strict=True):
        if name != MODELS[0]:
            project.set("train.model", name)
        project.scripts("train", "evaluate")
        assert round(metrics(project)["accuracy"], 3) == tutorial_accuracy(table, model_class)
        assert hyperparameters(project)["model_class"] == model_class.__name__


def test_set_param_changes_one_line_and_keeps_the_comments(compared):
    project = compared["svc"]
    changed = project.run("git diff --unified=0 params.yaml").splitlines()[5:]
    assert changed == ["-  model: random_forest", "+  model: svc"]


def test_numbers_reach_the_estimator_as_numbers_and_a_plus_adds_an_argument(project):
    project.experiment(
        "train.model=svc", "models.svc.tol=1e-5", "models.svc.C=10", "+models.svc.degree=2"
    )
    assert "tol: 1e-05" in (project.path / "params.yaml").read_text()
    model = hyperparameters(project)["model"]
    assert (model["tol"], model["C"], model["degree"]) == (1e-5, 10, 2)


def test_an_experiment_in_a_copy_runs_its_own_code(project):
    """The queued experiment must not see what happens to the workspace after it was queued."""
    check = "    check_rows(rows, params)\n"
    project.edit("src/train.py", check, f"    print('queued')\n{check}")
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


def test_experiments_are_compared_applied_and_branched(compared, tmp_path):
    project = compared["logistic_regression"].copy(tmp_path / "project")
    expected = metrics(project)["accuracy"]
    project.run("dvc exp run --name svm -S train.model=svc -S models.svc.C=10")

    table = project.run("dvc exp show --csv --only-changed").splitlines()
    header = table[0].split(",")
    rows = {
        row["Experiment"] or row["rev"]: row
        for row in (dict(zip(header, line.split(","), strict=True)) for line in table[1:])
    }
    assert {"logistic_regression", "svm", "main"} <= rows.keys()
    assert float(rows["logistic_regression"]["accuracy"]) == pytest.approx(expected, abs=1e-5)
    assert rows["svm"]["train.model"] == "svc" and rows["svm"]["models.svc.C"] == "10"

    assert "results/metrics.json" in project.run("dvc metrics show")
    assert re.search(r"train\.model +random_forest +svc", project.run("dvc params diff"))
    assert all(stage in project.run("dvc dag") for stage in STAGES)
    for command in ("show", "diff main logistic_regression svm"):
        project.run(f"dvc plots {command}")
        page = (project.path / "dvc_plots/index.html").read_text()
        assert "Confusion matrix" in page and "Iris-virginica" in page
    Project(project.path / "src", project.env).run("dvc plots show")
    assert project.run("git status --porcelain dvc_plots") == ""

    project.run("git checkout --quiet --force .")
    project.run("dvc exp apply logistic_regression")
    assert metrics(project)["accuracy"] == expected
    project.run("git add .")
    project.run("git commit --quiet -m 'Logistic regression'")
    assert project.repro() == []
    project.run("dvc exp branch svm svm-branch")
    project.run("git checkout --quiet svm-branch")
    assert hyperparameters(project)["model"]["C"] == 10
    assert project.repro() == []


@pytest.mark.parametrize("model", MODELS)
def test_no_script_warns(compared, tmp_path, new_rows, model):
    """Nothing deprecated, nothing unsaid: any warning is an error here."""
    project = compared[model].copy(tmp_path / "project")
    project.scripts(*STAGES[0 if model == MODELS[0] else 2 :], options="-W error")
    project.run(f"python -W error src/predict.py {new_rows}")


def outputs(project: Project, stages: list[str]) -> set[str]:
    """Return the files that stages write."""
    declared = yaml.safe_load((project.path / "dvc.yaml").read_text())["stages"]
    outs = [out for stage in stages for out in declared[stage]["outs"]]
    outs += [metric for stage in stages for metric in declared[stage].get("metrics", [])]
    paths = [project.path / (out if isinstance(out, str) else next(iter(out))) for out in outs]
    return {
        file.relative_to(project.path).as_posix()
        for path in paths
        for file in (path, *path.rglob("*"))
    }


@pytest.mark.parametrize(
    ("setting", "message", "stage"),
    [
        ("train.model=svm", "Parameters 'models.svm' are missing from 'params.yaml'", "train"),
        ("split.test_size=1.5", "split.test_size is 1.5; give a fraction", "split"),
        ("prepare.raw=data/raw/no.csv", "No such file or directory", "prepare"),
        ("evaluate.trusted_types=1", "evaluate.trusted_types is 1; give a list", "evaluate"),
        ("split.test_szie=0.2", "Could not override 'split.test_szie'", None),
    ],
)
def test_a_bad_parameter_stops_its_stage_and_nothing_is_lost(project, setting, message, stage):
    before = project.outcome()
    behind = STAGES[STAGES.index(stage) :] if stage else []
    gone = outputs(project, behind)
    output = project.run(["dvc", "exp", "run", "--set-param", setting], status=255)
    assert message in output
    assert "Traceback" not in output
    if stage:
        assert f"failed to reproduce '{stage}'" in output
    # DVC takes away what the stage would have written; everything else is as it was.
    after = project.outcome()
    assert after.items() <= before.items()
    assert before.keys() - after.keys() <= gone
    project.run("git checkout --quiet .")
    project.run("dvc checkout")
    assert project.outcome() == before
    assert project.repro() == []


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("split.test_size", -1, "split.test_size is -1; give a fraction"),
        ("split.test_size", 0.01, "params.yaml: split of 150 rows"),
        ("split.seed", "x", "params.yaml: split.seed is 'x'; give a whole number"),
        ("prepare.features", ["petallengthcm"], "did you mean 'PetalLengthCm'?"),
        ("prepare.target", "Specie", "no column 'Specie'; did you mean 'Species'?"),
        ("models.random_forest.n_estimators", 0, "'n_estimators' parameter"),
        ("models.random_forest.class", "sklearn.svm.SVM", "no attribute 'SVM'"),
        ("train.search.folds", "x", "train.search.folds is 'x'; give a whole number"),
        ("train.search.metric", "auc", "train.search.metric is 'auc'; did you mean 'roc_auc'"),
    ],
)
def test_a_bad_parameter_ends_its_script_in_one_message(project, key, value, message):
    before = project.outcome()
    project.set(key, value)
    section = key.split(".")[0]
    script = "train" if section == "models" else section
    output = project.run(f"python src/{script}.py", status=1)
    assert message in output
    assert "Traceback" not in output
    assert project.outcome() == before


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
def test_predict_to_a_file_and_to_stdout(compared, tmp_path, new_rows, model):
    project = compared[model].copy(tmp_path / "project")
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
        ("", "../new.csv cannot be read: it is empty"),
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
