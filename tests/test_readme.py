"""What the project's README shows and tells to type, in a project that was just made."""

import ast
import json
import re

import pandas as pd
import pytest
import yaml
from dvc.schema import COMPILED_MULTI_STAGE_SCHEMA
from helpers import ROOT, Project, blocks, hyperparameters, run, type_in

ROWS = "patient,date,Unit price (EUR),x,kind\n" + "".join(
    f"p{n % 10},2024-01-{n % 28 + 1:02},{n * 7 % 31}.5,{n * 3 % 13},{'ab'[n * 5 % 7 > 2]}\n"
    for n in range(60)
)


def fenced(project: Project, language: str) -> list[str]:
    text = (project.path / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def diabetes(bake, tmp_path_factory) -> Project:
    answers = {"task": "regression", "project_slug": "diabetes"}
    return bake(tmp_path_factory.mktemp("diabetes"), **answers)


@pytest.fixture(scope="module")
def clinic(bake, tmp_path_factory) -> Project:
    """A project on a table with a group, times, and a name with blanks and brackets."""
    folder = tmp_path_factory.mktemp("clinic")
    (folder / "clinic.csv").write_text(ROWS)
    answers = {"data": str(folder / "clinic.csv"), "target": "kind", "project_slug": "clinic"}
    return bake(folder, **answers)


def test_the_picture_is_the_graph_and_dvc_yaml_is_as_dvc_wants_it(baked, diabetes, subtests):
    for project in (baked, diabetes):
        with subtests.test(project.path.name):
            [picture] = fenced(project, "mermaid")
            drawn = project.run("dvc dag --mermaid")
            assert list(map(str.strip, picture.splitlines())) == [
                line.strip() for line in drawn.strip().splitlines()
            ]
            COMPILED_MULTI_STAGE_SCHEMA(yaml.safe_load((project.path / "dvc.yaml").read_text()))


def test_each_line_on_the_table_sets_what_it_says(clinic, tmp_path):
    """Stage prepare alone runs: it reads what these lines change."""
    project = clinic.copy(tmp_path / "clinic")
    roles, brackets, newer, other = blocks(project, "The table")
    price = "Unit price (EUR)"
    expected = [
        ("group", "patient"),
        ("time", "date"),
        ("drop", [price]),
        ("columns", {price: "number"}),
    ]
    typed = [*roles.splitlines(), *brackets.splitlines()]
    for line, (key, value) in zip(typed, expected, strict=True):
        type_in(project, f"{line} prepare")
        params = yaml.safe_load((project.path / "params.yaml").read_text())["prepare"]
        assert params[key] == value
        report = yaml.safe_load((project.path / "results/data.json").read_text())
        found = {column["name"]: column["role"] for column in report["columns"]}
        assert found["patient"] == ("group" if key == "group" else "feature")
        assert found[price] == ("unused" if key == "drop" else "feature")
        project.run("git checkout --quiet .")

    table = project.path / "data/raw/clinic.csv"
    text = table.read_text() + "p1,2024-02-01,1.5,2,a\n"
    table.unlink()
    table.write_text(text)
    type_in(project, newer.replace("dvc repro", "dvc repro prepare"))
    report = yaml.safe_load((project.path / "results/data.json").read_text())
    assert report["rows"]["raw"] == 61
    (project.path / "data/raw/my.csv").write_text("x,y\n1,2\n")
    type_in(project, other)
    assert (project.path / "data/raw/my.csv.dvc").exists()


def test_a_model_and_a_stage_are_added_as_the_readme_says(project):
    project.edit("params.yaml", "folds: 5", "folds: 0")
    model, stage = fenced(project, "yaml")
    script = next(text for text in fenced(project, "python") if "read_parquet" in text)
    with (project.path / "params.yaml").open("a") as params:
        params.write(model)
    (project.path / "src/describe.py").write_text(script)
    project.edit("dvc.yaml", "\nartifacts:", f"\n{stage}\nartifacts:")
    run, _ = blocks(project, "Change the code")
    output = type_in(project, run)
    assert "Running stage 'describe'" in output
    assert hyperparameters(project)["model_class"] == "ExtraTreesClassifier"
    assert "results/describe.csv" in project.run("git status --porcelain --untracked-files=all")
    project.run("python -m pytest -q -p no:cacheprovider tests/test_pipeline.py")
    assert project.repro() == []


def test_a_feature_and_a_metric_are_added_as_the_readme_says(project):
    feature = next(text for text in fenced(project, "python") if "add_features" in text)
    metric = next(text for text in fenced(project, "python") if "cost_error" in text)
    feature = feature.replace('"length"', '"PetalLengthCm"').replace('"width"', '"SepalWidthCm"')
    (project.path / "src/features.py").write_text(f"import pandas as pd\n\n\n{feature}")
    (project.path / "src/mymetrics.py").write_text(metric)
    pipeline = project.path / "dvc.yaml"
    own = r"( +- src/)(compare|train|evaluate)\.py\n"
    pipeline.write_text(re.sub(own, r"\g<0>\1mymetrics.py\n", pipeline.read_text()))
    [add] = re.findall(r"-S '(train.metrics=.*?)'", (project.path / "README.md").read_text())
    output = project.experiment(add, "prepare.features=[area,SepalLengthCm]")
    assert "cost_error" in output
    test = pd.read_parquet(project.path / "data/test.parquet")
    assert test.columns.tolist() == ["area", "SepalLengthCm", "Species"]

    project.run(
        "python -m pytest -q -p no:cacheprovider tests/test_predict.py tests/test_derived.py"
    )
    # New rows get the column as the rows for training did.
    project.run("python src/predict.py data/raw/iris.csv -o new.csv --keep-features")
    rows = pd.read_csv(project.path / "new.csv")
    code = (
        "import sys, pandas; sys.path.insert(0, 'src'); from support.model_file import load, MODEL; "
        "rows = pandas.read_csv('new.csv'); rows['area'] = rows.PetalLengthCm * rows.SepalWidthCm; "
        "print(load(MODEL, []).predict(rows[['area', 'SepalLengthCm']]).tolist())"
    )
    assert ast.literal_eval(project.run(["python", "-c", code])) == rows["prediction"].tolist()
    missing = rows.drop(columns="SepalWidthCm")
    missing.to_csv(project.path / "missing.csv", index=False)
    said = project.run("python src/predict.py missing.csv", status=1)
    assert "SepalWidthCm" in said and len(said.splitlines()) == 1


def test_each_knob_can_be_set_for_an_experiment(project):
    """One command sets them all, each to another value than it has."""

    def knobs(params: dict, start: str = "") -> dict[str, object]:
        found = {}
        for key, value in params.items():
            inner = isinstance(value, dict) and value
            found |= knobs(value, f"{start}{key}.") if inner else {f"{start}{key}": value}
        return found

    def other(value: object) -> object:
        if isinstance(value, bool):
            return not value
        if isinstance(value, (int, float)):
            return value + 1
        return [*value, "added"] if isinstance(value, list) else "other"

    path = project.path / "params.yaml"
    before = knobs(yaml.safe_load(path.read_text()))
    wanted = {key: other(value) for key, value in before.items() if value not in ({}, None)}
    settings = [f"--set-param={key}={json.dumps(value)}" for key, value in wanted.items()]
    project.run(["dvc", "exp", "run", "--queue", *settings])
    stash = project.run("git show refs/exps/celery/stash:params.yaml")
    set_to = knobs(yaml.safe_load(stash))
    assert {key: set_to[key] for key in wanted} == wanted
    assert {"prepare.dates", "train.positive", "train.scale_target", "findings.mute"} <= {*wanted}


def test_each_fault_in_the_readmes_table_names_its_test(template):
    text = (template / "README.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if re.match(r"\|.*\| .*`test_", line)]
    named = set(re.findall("`(test_[a-z0-9_]+)`", "".join(rows)))
    tests = "".join(path.read_text("utf-8") for path in (ROOT / "tests").glob("test_*.py"))
    assert len(rows) > 40 and named <= set(re.findall(r"^def (test_\w+)", tests, re.MULTILINE))


def test_what_one_shares_a_teammate_gets_as_the_readme_says(project, tmp_path, env):
    run("git init --quiet --bare --initial-branch=main code.git", tmp_path, env)
    project.run("git remote add origin ../code.git")
    project.experiments({"candidate": {"model": "svc"}})
    project.run("git checkout --quiet .")
    share, check, travel = blocks(project, "Share it")
    assert "files are there" in type_in(project, share)
    type_in(project, check)
    send, look, fetch = travel.splitlines()
    type_in(project, send, NAME="candidate")

    run("git clone --quiet code.git teammate", tmp_path, env)
    teammate = Project(tmp_path / "teammate", env)
    _, get, again, keep = blocks(teammate, "Run it")
    assert "files fetched" in type_in(teammate, get)
    assert "Running stage" not in type_in(teammate, again)
    assert "candidate" in type_in(teammate, look)
    type_in(teammate, fetch, NAME="candidate")
    assert "candidate" in teammate.run("dvc exp list")

    [predict] = blocks(teammate, "Predict")
    (teammate.path / "new.csv").symlink_to(teammate.path / "data/raw/iris.csv")
    type_in(teammate, predict)
    assert (teammate.path / "predictions.csv").read_bytes().count(b"\n") == 151

    project.set("train.model", "svc")
    type_in(project, keep)
    project.run("git push --quiet")
    teammate.run("git fetch --quiet")
    [brought] = blocks(teammate, "Files from others")
    assert "+  model: svc" in type_in(teammate, brought)

    tests, lint, style = blocks(teammate, "Change the code")[-1].splitlines()
    type_in(teammate, f"{tests} --collect-only -qq\n{lint}\n{style} --check")
