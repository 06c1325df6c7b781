"""src/publish.py against a real MLflow server: what arrives there, and how failures end."""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import yaml
from forked import real
from helpers import Project
from helpers import run as run_command
from mlflow_server import MlflowServer
from servers import free_ports

# Its import would report its use otherwise.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType

DAGSHUB = "https://dagshub.com/OWNER/my.repo-1"
NAME = "iris-classifier"
COMMAND = "python src/publish.py"


@pytest.fixture(scope="session")
def server(tmp_path_factory, env):
    server = MlflowServer(tmp_path_factory.mktemp("mlflow"), env)
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def client(server, monkeypatch) -> MlflowClient:
    """MLflow's client with the rights of the server's administrator, who sees all runs."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", server.admin)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", server.password)
    monkeypatch.setenv("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return MlflowClient(server.url)


@pytest.fixture(scope="session")
def publisher(bake, env, tmp_path_factory) -> Project:
    """A project baked with mlflow=yes that names no server; not to be changed."""
    clean = {key: env[key] for key in env if not key.startswith(("MLFLOW_", "DAGSHUB_"))}
    return bake(tmp_path_factory.mktemp("publisher"), env=clean, mlflow="yes")


@pytest.fixture(scope="session")
def quick(publisher, tmp_path_factory) -> Project:
    """The same with quick stages, after `dvc repro` and a commit; not to be changed."""
    project = publisher.copy(tmp_path_factory.mktemp("quick") / NAME)
    project.quicken()
    project.repro()
    project.commit("Random forest")
    return project


@pytest.fixture
def project(quick, tmp_path) -> Project:
    """A copy of it, to be changed.

    Its name on the server is that of the test, so that it has runs and a model of its own.
    """
    project = quick.copy(tmp_path / NAME)
    project.env = dict(quick.env)
    project.edit("src/publish.py", f'PROJECT = "{NAME}"', f'PROJECT = "{tmp_path.name}"')
    project.commit("Name")
    return project


@pytest.fixture
def member(project, server) -> Project:
    """The project of somebody who may write to the server."""
    project.env |= {
        "MLFLOW_TRACKING_URI": server.url,
        "MLFLOW_TRACKING_USERNAME": server.admin,
        "MLFLOW_TRACKING_PASSWORD": server.password,
    }
    return project


def find_runs(
    client: MlflowClient, project: Project, view: int = ViewType.ACTIVE_ONLY
) -> list[Run]:
    experiment = client.get_experiment_by_name(project.path.parent.name)
    return client.search_runs([experiment.experiment_id], "", view) if experiment else []


def versions(client: MlflowClient, project: Project) -> list[str]:
    """Return the id of the run of each version of the project's registered model."""
    found = client.search_model_versions(f"name = '{project.path.parent.name}'")
    return sorted(version.run_id for version in found)


def artifacts(client: MlflowClient, run: Run, folder: str = "") -> dict[str, int]:
    """Return the path and the size of each file of a run."""
    sizes = {}
    for file in client.list_artifacts(run.info.run_id, folder):
        if file.is_dir:
            sizes |= artifacts(client, run, file.path)
        else:
            sizes[file.path] = file.file_size
    return sizes


def check(client: MlflowClient, project: Project, run: Run, folder: Path) -> None:
    """Assert that a run holds what its commit holds, each value once."""
    commit = run.data.tags["dvc.commit"]
    params, metrics, hyperparameters, lock = (
        yaml.safe_load(project.run(["git", "show", f"{commit}:{file}"]))
        for file in ("params.yaml", "results/metrics.json", "results/params.yml", "dvc.lock")
    )
    expected = {key: value for key, value in metrics.items() if not isinstance(value, dict)}
    for part in metrics.keys() - expected.keys():
        expected |= {f"{part}.{key}": value for key, value in metrics[part].items()}
    assert run.data.metrics == expected
    for key in run.data.metrics:
        [metric] = client.get_metric_history(run.info.run_id, key)
        assert metric.timestamp == run.info.start_time
    logged = run.data.params
    assert logged["train.seed"] == str(params["train"]["seed"])
    assert logged["prepare.features"] == str(params["prepare"]["features"])
    assert logged["models.random_forest.n_estimators"] == "5"
    assert not [key for key in logged if key.startswith("models.svc")], "not in use"
    assert logged["model_class"] == hyperparameters["model_class"]
    for key, value in hyperparameters["model"].items():
        assert logged[f"model.{key}"] == str(value)

    files = project.run(f"git ls-tree -r --name-only {commit} results").splitlines()
    assert "results/report.md" in files
    sizes = artifacts(client, run)
    assert sizes.keys() >= {*files, "results/candidates.csv", "model/model.skops"}
    for file in files:
        # MLflow gives an empty file no size.
        assert (sizes[file] or 0) == int(project.run(["git", "cat-file", "-s", f"{commit}:{file}"]))
    model = client.download_artifacts(run.info.run_id, "model/model.skops", folder)
    with open(model, "rb") as file:
        md5 = hashlib.file_digest(file, "md5").hexdigest()
    outs = {out["path"]: out["md5"] for out in lock["stages"]["train"]["outs"]}
    assert md5 == outs["models/model.skops"]
    assert run.info.start_time == 1000 * int(project.run(f"git log -1 --format=%ct {commit}"))


def kill_after(number: int, client: MlflowClient, project: Project) -> None:
    """Publish the experiments, and kill that when the last of `number` runs is half done."""
    process = subprocess.Popen(
        [*COMMAND.split(), "--experiments"],
        cwd=project.path,
        env=real(project.env),
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            time.sleep(0.02)
            # Held while the server is asked, it is killed in the state that the answer tells.
            process.send_signal(signal.SIGSTOP)
            assert process.poll() is None, "it ended by itself"
            runs = find_runs(client, project)
            if len(runs) >= number and "RUNNING" in {run.info.status for run in runs}:
                break
            process.send_signal(signal.SIGCONT)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("count", "kills"), [(4, [1, 2]), pytest.param(20, [2, 7, 13], marks=pytest.mark.soak)]
)
def test_killed_and_repeated_it_logs_each_experiment_once(member, client, tmp_path, count, kills):
    member.experiments({f"seed-{seed}": {"seed": seed} for seed in range(count)})
    before = member.run("git status --porcelain"), member.outcome()
    refs = member.run("git for-each-ref refs/exps --format=%(objectname)").split()
    assert len(set(refs)) >= count

    for number in kills:
        kill_after(number, client, member)
    output = member.run(f"{COMMAND} --experiments").splitlines()
    done = [line for line in output if line.endswith(": is there already")]
    assert len(done) >= kills[-1] - len(kills)
    assert len([line for line in output if line.endswith(": published")]) == count - len(done)

    runs = find_runs(client, member, ViewType.ALL)
    assert len(runs) == count
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.tags["dvc.commit"] for run in runs} <= set(refs)
    assert {run.data.params["train.seed"] for run in runs} == set(map(str, range(count)))
    names = {run.info.run_name for run in runs}
    assert names == set(member.run("dvc exp list --name-only").split())
    for run in runs:
        check(client, member, run, tmp_path)
    assert versions(client, member) == sorted(run.info.run_id for run in runs)

    output = member.run(f"{COMMAND} --experiments").splitlines()
    assert [line.rpartition(": ")[2] for line in output] == ["is there already"] * count
    assert len(find_runs(client, member, ViewType.ALL)) == count
    assert len(versions(client, member)) == count
    assert (member.run("git status --porcelain"), member.outcome()) == before


def test_the_last_commit_is_published_from_a_clone(member, client, tmp_path):
    """Without a cache: the model comes from the remote, and git gives names and keys to MLflow."""
    many = {f"what? é:{number}": [number] for number in range(120)}
    member.set("models.random_forest.search", many)
    member.set("prepare.na_values", [f"missing {number}" for number in range(1000)])
    member.repro()
    member.run(["git", "commit", "--quiet", "--all", "-m", 'It\'s "odd"; $(id) %s é\n\nBody'])
    member.run("dvc push")
    member.run(["git", "clone", "--quiet", ".", tmp_path / "clone"])
    clone = Project(tmp_path / "clone", member.env)

    output = clone.run(COMMAND)
    name = clone.run("git log -1 --format=%h").strip() + ' It\'s "odd"; $(id) %s é'
    assert output == f"{name}: published\n"
    assert clone.run("git status --porcelain") == ""
    assert not (clone.path / "models").exists()
    [run] = find_runs(client, member)
    assert run.info.run_name == name
    assert run.data.tags["mlflow.source.git.commit"] == clone.run("git rev-parse HEAD").strip()
    assert run.data.tags["mlflow.user"] == "Tester"
    check(client, member, run, tmp_path)
    for number in range(120):
        assert run.data.params[f"models.random_forest.search.what_ é_{number}"] == f"[{number}]"
    assert run.data.params["prepare.na_values"].startswith("['missing 0', 'missing 1'")

    # Interrupted before its last step, and begun twice by a request that was repeated
    run_id = run.info.run_id
    tags = {"dvc.commit": run.data.tags["dvc.commit"]}
    client.create_run(run.info.experiment_id, tags=tags)
    client.update_run(run_id, "FAILED")
    for _ in range(2):
        clone.run(f"{sys.executable} src/publish.py")
        [run] = find_runs(client, member)
        assert run.info.status == "FINISHED"
        check(client, member, run, tmp_path)
        assert versions(client, member) == [run.info.run_id]

    target = tmp_path / "download"
    source = f"models:/{tmp_path.name}/1"
    clone.run(["mlflow", "artifacts", "download", "--artifact-uri", source, "--dst-path", target])
    model = (member.path / "models/model.skops").read_bytes()
    assert (target / "model.skops").read_bytes() == model


def test_dagshubs_token_logs_in_on_dagshubs_address_and_nowhere_else(project, server, client):
    project.env |= {"DAGSHUB_CLIENT_HOST": server.url, "MLFLOW_TRACKING_URI": server.url}
    refused = project.run(COMMAND, status=1)
    project.env["DAGSHUB_USER_TOKEN"] = server.token
    assert project.run(COMMAND).endswith(": published\n")
    [run] = find_runs(client, project)
    assert run.info.status == "FINISHED" and versions(client, project) == [run.info.run_id]

    project.env["DAGSHUB_CLIENT_HOST"] = "https://dagshub.com"
    assert project.run(COMMAND, status=1) == refused
    del project.env["DAGSHUB_USER_TOKEN"]
    # As a project of that server would have it after `src/share.py login`
    project.edit("src/publish.py", 'ADDRESS = ""', f'ADDRESS = "{server.url}/"')
    project.run(f"dvc remote modify origin url {server.url}/OWNER/REPO.dvc")
    project.run(f"dvc remote modify --local origin password {server.token}")
    del project.env["MLFLOW_TRACKING_URI"]
    assert project.run(COMMAND).endswith(": is there already\n")
    project.run(
        f"dvc remote modify origin url {server.url.replace('127.0.0.1', 'localhost')}/x.dvc"
    )
    assert project.run(COMMAND, status=1) == refused


def test_a_wrong_password_ends_in_one_line_that_does_not_repeat_it(member, client):
    member.env["MLFLOW_TRACKING_PASSWORD"] = "another-password"
    output = member.run(COMMAND, status=1)
    assert output == (
        f"{member.env['MLFLOW_TRACKING_URI']} refuses access (401): set MLFLOW_TRACKING_USERNAME "
        "and MLFLOW_TRACKING_PASSWORD to those of somebody who may write there\n"
    )
    assert find_runs(client, member) == []


def test_what_cannot_be_published_does_not_hold_up_the_rest(member, client):
    member.experiments({"first": {"seed": 1}})
    lost = yaml.safe_load((member.path / "dvc.lock").read_text())["stages"]["train"]["outs"][0]
    member.experiments({"second": {"seed": 2}})
    member.run("git reset --quiet --hard")
    assert member.run("dvc exp list --name-only").split() == ["first", "second"]
    md5 = lost["md5"]
    cached = member.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]
    cached.unlink()
    published, problem = member.run(f"{COMMAND} --experiments", status=1).splitlines()
    assert published.endswith(": published")
    assert problem.endswith(
        ": models/model.skops is neither in DVC's cache nor on its remote; "
        "push it from where it was made"
    )
    [run] = find_runs(client, member)
    assert run.data.params["train.seed"] == "2"


def test_what_is_withheld_is_not_published(member, client):
    withheld = ":\n          push: false\n"
    member.edit("dvc.yaml", "- results/candidates.csv\n", f"- results/candidates.csv{withheld}")
    member.repro()
    member.commit("Withheld")
    # A teammate's clone does not have it.
    outs = yaml.safe_load((member.path / "dvc.lock").read_text())["stages"]["train"]["outs"]
    [md5] = [out["md5"] for out in outs if out["path"] == "results/candidates.csv"]
    (member.path / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()
    assert member.run(COMMAND).endswith(": published\n")
    [run] = find_runs(client, member)
    files = artifacts(client, run)
    assert "results/scores.json" in files and "results/candidates.csv" not in files
    member.experiments({"earlier": {"model": "logistic_regression"}})
    member.run("git checkout --quiet .")
    model = "- models/model.skops"
    member.edit("dvc.yaml", f"{model}\n      - results/s", f"{model}{withheld}      - results/s")
    # Withheld today, and shared in an experiment before
    assert "models/model.skops is not to be shared" in member.run(
        f"{COMMAND} --experiments", status=1
    )
    member.repro()
    member.commit("Withheld model")
    assert "models/model.skops is not to be shared" in member.run(COMMAND, status=1)
    # Nor is what lies in a folder that is withheld.
    member.edit("dvc.yaml", f"{model}{withheld}", f"- models{withheld}")
    member.repro()
    member.commit("Withheld folder")
    assert "models/model.skops is not to be shared" in member.run(COMMAND, status=1)


def test_a_project_in_a_larger_repository_is_published(member, client, env):
    outer = member.path.parent / "outer"
    (outer / "ml").mkdir(parents=True)
    shutil.rmtree(member.path / ".git")
    project = Project(member.path.rename(outer / "ml" / NAME), member.env)
    run_command("git init --quiet", outer, env)
    project.run("git config log.showSignature true")
    project.commit("All")
    assert project.run(COMMAND).endswith(": published\n")
    [found] = client.search_runs(
        [client.get_experiment_by_name(member.path.parent.name).experiment_id]
    )
    assert "model/model.skops" in artifacts(client, found, "model")


def test_without_a_server_it_ends_in_one_line(project):
    assert project.run(f"{COMMAND} --experiments", status=1) == (
        "no MLflow server is named: set MLFLOW_TRACKING_URI to its address\n"
    )
    [port] = free_ports(1)
    for address, message in [
        ("file:./runs", "MLFLOW_TRACKING_URI does not start with https:// or http://\n"),
        *[
            (
                address,
                "MLFLOW_TRACKING_URI is no valid address: signs in a password are %-encoded\n",
            )
            for address in (
                "http://[::1",
                "http://somebody:hid/den@127.0.0.1:1",
                "http://127.0.0.1:1?token=hidden",
            )
        ],
        (
            f"http://somebody:hidden@127.0.0.1:{port}/x/",
            f"http://127.0.0.1:{port}/x does not answer: is the address right, and the network up?\n",
        ),
    ]:
        project.env["MLFLOW_TRACKING_URI"] = address
        assert project.run(COMMAND, status=1, timeout=120) == message
    output = project.run(f"{COMMAND} --experiments", status=1)
    assert output == "there are no experiments: `dvc exp run` makes one\n"
    assert project.repro() == []
    assert project.run("git status --porcelain") == ""


class Answers(BaseHTTPRequestHandler):
    """Answers as an MLflow server whose experiment and run keep their files at two addresses."""

    experiment, run = "mlflow-artifacts:/1", "mlflow-artifacts:/1/2"

    def do_GET(self) -> None:
        info = {"run_id": "2", "artifact_uri": self.run, "status": "RUNNING", "start_time": 1}
        answer = {
            "experiment": {"experiment_id": "1", "artifact_location": self.experiment},
            "run": {"info": info, "data": {}},
        }
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        ({"experiment": "{folder}/elsewhere"}, "would have them written on this machine"),
        ({"run": "{folder}/elsewhere"}, "would have them written on this machine"),
        ({"run": "file://{folder}/elsewhere"}, "would have them written on this machine"),
        ({"run": "../elsewhere"}, "would have them written on this machine"),
        ({"run": ""}, "would have them written on this machine"),
        ({"run": {"host": "x"}}, "is no MLflow server, or answers what MLflow cannot read"),
        ({"run": "abfss://x@127.0.0.1/y"}, "takes that package: install it"),
    ],
)
def test_what_a_server_answers_writes_no_file_and_ends_in_one_line(
    project, tmp_path, answers, message
):
    folder = tmp_path / "given"
    given = {
        key: one.format(folder=folder) if isinstance(one, str) else one
        for key, one in answers.items()
    }
    handler = type("Hostile", (Answers,), given)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever).start()
        project.env["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{server.server_port}"
        output = project.run(COMMAND, status=1)
        server.shutdown()
    assert len(output.splitlines()) == 1 and message in output
    assert list(tmp_path.iterdir()) == [project.path], "the server named a folder elsewhere"
    assert project.run("git status --porcelain") == ""


def test_before_the_pipeline_ran_there_is_nothing_to_publish(publisher, tmp_path, server):
    project = publisher.copy(tmp_path / NAME)
    project.env = dict(publisher.env) | {
        "MLFLOW_TRACKING_URI": server.url,
        "MLFLOW_TRACKING_USERNAME": server.admin,
        "MLFLOW_TRACKING_PASSWORD": server.password,
    }
    run_command("git init --quiet other", tmp_path, project.env)
    for named in ({}, {"GIT_DIR": str(tmp_path / "other/.git")}):
        project.env |= named
        output = project.run(COMMAND, status=1)
        assert output.endswith(" Start Iris classifier has no dvc.lock: `dvc repro`, then commit\n")
        assert len(output.splitlines()) == 1


def test_dagshubs_address_is_filled_in(bake, tmp_path):
    project = bake(tmp_path, mlflow="yes", remote=DAGSHUB)
    script = (project.path / "src/publish.py").read_text(encoding="utf-8")
    assert f'\nADDRESS = "{DAGSHUB}.mlflow"\n' in script
    project.run("ruff check")
    project.run("ruff format --check")
    assert project.run("git status --porcelain") == ""


def test_the_pipeline_does_not_know_of_it(publisher, baked):
    assert (publisher.path / "dvc.yaml").read_text() == (baked.path / "dvc.yaml").read_text()
    ours, others = publisher.tracked(), baked.tracked()
    assert [name for name in ours if name not in others] == ["src/publish.py"]
    assert [name for name in others if name not in ours] == []


def test_without_it_there_is_no_trace_of_mlflow(baked):
    # One pins what any answer needs, the other records the answers.
    others = ("constraints.txt", ".template.yaml")
    names = [name for name in baked.tracked() if name not in others]
    assert baked.run(["grep", "-il", "mlflow", *names], status=1) == ""
    assert "mlflow-skinny==" in (baked.path / "constraints.txt").read_text()
