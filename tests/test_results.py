"""What people do with results: sweep, compare, keep, look, publish a version."""

import json
import re

import nbclient
import nbformat
import numpy as np
import pandas as pd
import pytest
import yaml
from helpers import (
    STAGES,
    Project,
    blocks,
    experiments,
    in_terminal,
    metrics,
    objects,
    run,
    type_in,
    wait_for_queue,
)


@pytest.fixture
def tried(compared, tmp_path) -> Project:
    """A copy of the project after the experiments `logistic_regression` and `svc`."""
    return compared["svc"].copy(tmp_path / "tried")


def test_the_sweep_of_the_readme(project, tmp_path):
    grid, search, apply, branch, version = blocks(project, "Sweep")
    init = ["git", "init", "--quiet", "--bare", "--initial-branch=main"]
    run([*init, tmp_path / "origin.git"], tmp_path, project.env)
    project.run(["git", "remote", "add", "origin", tmp_path / "origin.git"])
    project.run("git push --quiet --set-upstream origin main")

    queued, started, *rest = grid.splitlines(keepends=True)
    assert type_in(project, queued).count("Queued experiment") == 3
    type_in(project, started)
    wait_for_queue(project)
    shown = type_in(project, "".join(rest))
    found = experiments(project)
    models = {row["train.model"] for row in found.values()}
    assert models == {"random_forest", "logistic_regression", "svc"}
    # The best in cross-validation is on top.
    ranked = sorted(found, key=lambda name: -found[name]["cv.balanced_accuracy"])
    assert sorted(found, key=shown.index) == ranked
    notebook = (project.path / "notebooks/experiments.ipynb").read_text(encoding="utf-8")
    assert "cv.balanced_accuracy" in notebook and "sort_values(METRIC, ascending=False)" in notebook

    output = type_in(project, search)
    assert "search.C" in project.run("dvc exp show --no-pager --csv")
    candidates = pd.read_csv(project.path / "results/candidates.csv")
    assert len(candidates) == 21
    best = candidates["balanced_accuracy"].max()
    assert (
        metrics(project)["cv"]["balanced_accuracy"]
        == best
        > candidates["balanced_accuracy"].iloc[-1]
    )
    assert "svc: SVC(" in output
    project.run("git checkout --quiet .")
    project.run("dvc checkout")

    # The best that is not what is there already
    winner = next(name for name in ranked if found[name]["train.model"] != "random_forest")
    type_in(project, apply, NAME=winner)
    assert metrics(project)["accuracy"] == pytest.approx(found[winner]["accuracy"], abs=1e-5)
    assert project.repro() == []
    other = next(name for name in found if name != winner)
    type_in(project, branch, NAME=other)
    heads = project.run("git ls-remote --heads origin")
    assert "refs/heads/main" in heads and "refs/heads/winner" in heads
    assert project.run("git rev-parse main") == project.run("git rev-parse origin/main")

    expected = (project.path / "models/model.skops").read_bytes()
    type_in(project, version, **{"URL-OF-THIS-REPOSITORY": f"{tmp_path}/origin.git"})
    assert "model@v0.0.1" in project.run("git ls-remote --tags origin")
    assert (project.path / "model.skops").read_bytes() == expected


def test_the_experiments_of_the_readme(project):
    vary, *others = blocks(project, "Try variants")
    [look] = [block for block in others if "dvc params diff" in block]
    output = type_in(project, vary)
    assert output.count("Ran experiment") == 3 and "models.svc.C" in output
    table = output[output.index(" ─") :].splitlines()
    # DVC's own lines above and below are as wide as the terminal, and have a margin.
    assert len(table) > 6 and max(len(line.strip(" ─")) for line in table) <= 78
    output = type_in(project, look)
    assert re.search(r"train\.model +random_forest +svc", output)

    # The way back, which also removes what a comparison has left
    [compare] = [block for block in others if "train.compare" in block]
    output = type_in(project, compare)
    assert {"hist_gradient_boosting", "logistic_regression", "svc"} <= set(
        pd.read_csv(project.path / "results/ranking.csv")["model"]
    )
    text = (project.path / "README.md").read_text(encoding="utf-8")
    back = re.findall("`([^`]+)`", text[text.index("restore the last commit, run") :])[:3]
    assert [command.split()[0] for command in back] == ["git", "git", "dvc"]
    for command in back:
        project.run(command)
    assert project.run("git status --porcelain --ignored=no") == ""
    assert "up to date" in project.run("dvc status")
    type_in(project, vary.splitlines()[0])

    # As the README says, experiments belong to the commit that they started from.
    project.commit("The third")
    assert project.run("dvc exp list --name-only") == ""
    assert len(project.run("dvc exp list -A --name-only").splitlines()) == 5


def test_a_version_of_the_model_is_registered_and_got(tried, tmp_path):
    project = tried
    expected = (project.path / "models/model.skops").read_bytes()
    project.commit("Svc")
    project.run("gto register model")
    project.run("dvc exp apply logistic_regression")
    project.commit("Worse")
    project.run("gto register model")
    assert "v0.0.2" in project.run("gto show")
    (elsewhere := tmp_path / "elsewhere").mkdir()
    for options, content in [
        (["--rev", "v0.0.1"], expected),
        ([], (project.path / "models/model.skops").read_bytes()),
    ]:
        command = ["dvc", "artifacts", "get", project.path, "model", *options, "-o", "got.skops"]
        run([*command, "--force"], elsewhere, project.env)
        assert (elsewhere / "got.skops").read_bytes() == content
    assert content != expected


def test_three_commits_are_three_experiments_on_dagshub(tried):
    """A commit is one when a metrics CSV or a parameters file changes in it."""
    project = tried
    project.run("dvc exp run --name random-forest -S train.model=random_forest")
    for name in ("logistic_regression", "svc", "random-forest"):
        project.run(f"dvc exp apply {name}")
        project.commit(name)
    log = project.run("git log -3 --name-only --format=tformat:commit").split("commit\n")[1:]
    assert len(log) == 3
    for files in log:
        assert {"results/metrics.csv", "results/params.yml"} <= set(files.split())
    for revision, name in [("HEAD~2", "LogisticRegression"), ("HEAD~1", "SVC")]:
        logged = yaml.safe_load(project.run(f"git show {revision}:results/params.yml"))
        assert logged["model_class"] == name
        header, *rows = project.run(f"git show {revision}:results/metrics.csv").splitlines()
        assert header == "Name,Value,Timestamp,Step"
        names = {row.split(",")[0] for row in rows}
        assert names >= {'"accuracy"', '"cv.accuracy"', '"training.accuracy"'}
        assert {tuple(row.split(",")[2:]) for row in rows} == {("0", "1")}


def test_the_notebook_shows_all_experiments(tried, monkeypatch):
    project = tried
    path = project.path / "notebooks/experiments.ipynb"
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]
    for name, value in project.env.items():
        monkeypatch.setenv(name, value)
    client = nbclient.NotebookClient(
        notebook, timeout=120, resources={"metadata": {"path": str(path.parent)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    table, plot = [output["data"] for output in outputs if "data" in output]
    for name in ("main", "random_forest", "logistic_regression", "svc"):
        assert f"<td>{name}</td>" in table["text/html"]
    assert len(plot["image/png"]) > 5000
    assert "results/metrics.json" not in project.run("git status --porcelain notebooks")


# So often, Iris takes a while to read.
TIMES = 20_000


def test_long_work_shows_progress_on_a_terminal_and_not_in_a_log(project, template, tmp_path):
    project.set("models.random_forest.n_estimators", 20)
    project.set("train.search.candidates", 12)
    shown = in_terminal("python src/train.py", project.path, project.env)
    assert re.search(r"cross-validation: .*\d+/65", shown)
    logged = project.run("python src/train.py")
    assert "cross-validation" not in logged
    assert shown.splitlines()[-1].strip() == logged.splitlines()[-1].strip()

    project.set("train.search.candidates", 0)
    project.set("train.search.folds", 0)
    project.set("models.random_forest.n_estimators", 600)
    project.run("python src/train.py")
    shown = in_terminal("python src/evaluate.py", project.path, project.env)
    assert re.search(r"importance: .*\d+/16", shown)
    assert project.run("python src/evaluate.py").startswith("test: ")

    path = project.path / "data/raw/iris.csv"
    header, *rows = path.read_text().splitlines(keepends=True)
    path.unlink()
    path.write_text(header + "".join(rows) * TIMES)
    shown = in_terminal("python src/prepare.py", project.path, project.env)
    assert re.search(r"reading iris.csv: .*%", shown)
    logged = project.run("python src/prepare.py")
    assert "reading" not in logged
    count, repeated = len(rows) * TIMES, len(rows) * (TIMES - 1)
    assert logged.startswith(
        f"data/raw/iris.csv: {count} rows, dropped: {repeated} duplicate; {len(rows)} left"
    )
    assert f"warning: {repeated} rows repeat others" in logged

    project.set("models.random_forest.n_estimators", 1)
    project.run("python src/train.py")
    (project.path / "some.csv").write_text(header + "".join(rows) * (TIMES // 4))
    command = "python src/predict.py some.csv -o new.csv"
    shown = in_terminal(command, project.path, project.env)
    assert re.search(r"reading some.csv: +\d+%", shown)
    assert "reading" not in project.run(command)

    options = f"--no-input --output-dir '{tmp_path}' project_slug=more data={path} target=Species"
    shown = in_terminal(f"cookiecutter '{template}' {options}", project.path, project.env)
    assert re.search(r"Copying.*100%", shown, re.DOTALL)
    assert "is a git repository with one commit" in shown


MILLION = """
import sys
sys.path.insert(0, "src")
import numpy as np, pandas as pd
import evaluate, train
from support import model_file
from support.params import load_params
from support.rows import Rows

rng = np.random.default_rng(0)
table = pd.DataFrame(rng.normal(size=(1_000_000, 10)), columns=[f"x{n}" for n in range(10)])
signal = table["x0"] + table["x1"] * table["x2"] + rng.normal(size=len(table))
table["y"] = np.select([signal > 1, signal > 0], ["high", "middle"], "low")
table.to_parquet(evaluate.TEST)
table[:3000].to_parquet(evaluate.TRAIN)
table[:3000].to_parquet(evaluate.PREPARED)
settings = load_params("train")
settings["search"]["folds"] = 0
estimator, scores, _ = train.train(Rows(table[:3000]), load_params("models"), settings)
model_file.save(estimator, model_file.MODEL)
evaluate.main()
"""


def test_a_million_rows_leave_small_files(project):
    project.set("models.random_forest.n_estimators", 5)
    project.run(["python", "-c", MILLION])
    sizes = objects(project.path / "results")
    assert len(sizes) > 12
    assert {name: size for name, size in sizes.items() if size >= 1_000_000} == {}
    confusion = pd.read_csv(project.path / "results/plots/confusion.csv")
    assert confusion["count"].sum() == 1_000_000


def test_what_a_table_hides_reaches_the_report(bake, tmp_path):
    """Parts of the target, rows in order of time that are split at random, and rows twice."""
    random = np.random.default_rng(0)
    hours = pd.date_range("2024-03-01", periods=400, freq="h")
    casual = random.poisson(5 + 4 * np.sin(hours.hour / 4))
    table = pd.DataFrame({"when": hours, "casual": casual, "members": random.poisson(20, 400)})
    table["rides"] = table["casual"] + table["members"]
    pd.concat([table, table[:100]]).to_csv(tmp_path / "rides.csv", index=False)
    answers = {"task": "regression", "data": str(tmp_path / "rides.csv"), "target": "rides"}
    project = bake(tmp_path, project_slug="rides", **answers)
    project.set("prepare.duplicates", "keep")
    output = project.scripts(*STAGES)
    found = {
        line["code"]: line
        for line in json.loads((project.path / "results/findings.json").read_text())
    }
    assert {"leak-sum", "time-overlap", "same-rows"} <= found.keys()
    report = (project.path / "results/report.md").read_text(encoding="utf-8")
    for code, line in found.items():
        assert line["seen"] in report and f"\n{code}: {line['seen']}; {line['advice']}\n" in output
    project.set("prepare.duplicates", "drop")
    project.set("findings.mute", ["leak-sum"])
    output = project.scripts(*STAGES)
    assert "time-order: rows are in order of when" in output
    assert "leak-sum:" not in output and "same-rows:" not in output
    assert "leak-sum" not in (project.path / "results/findings.json").read_text()
