"""DASK_SCHEDULER_ADDRESS: the work of train and compare on a Dask cluster, and the same bytes."""

import logging
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import joblib
import pandas as pd
import pytest
import yaml
from distributed import Client
from dvc.api import exp_show
from helpers import BIN, Project, run
from servers import free_ports
from support.cluster import ADDRESS, check_versions, workers
from support.params import InputError

METRIC = """

def hits(actual, predicted):
    return float((actual == predicted).mean())
"""


class Cluster:
    """A scheduler and workers of two threads each on this machine, each a process."""

    def __init__(self, env, folder, stack: ExitStack, count: int = 2) -> None:
        self.address = f"tcp://127.0.0.1:{free_ports(1)[0]}"
        # As a worker without Dask's nanny may be: linear algebra has all threads.
        self.env = env | {"OMP_NUM_THREADS": "2", "OPENBLAS_NUM_THREADS": "2"}
        self.folder, self.stack = folder, stack
        host, port = self.address.removeprefix("tcp://").split(":")
        self.scheduler = self.start("scheduler", "--host", host, "--port", port)
        self.workers = [self.add_worker() for _ in range(count)]

    def start(self, *command: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [BIN / "dask", *command, "--no-dashboard"],
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)
        return process

    def add_worker(self) -> subprocess.Popen:
        return self.start("worker", self.address, "--no-nanny", "--nthreads", "2")

    def finished(self, client) -> int:
        """Return how many batches of tasks the cluster has finished so far."""

        def count(dask_scheduler) -> int:
            prefixes = dask_scheduler.task_prefixes.items()
            return sum(one.state_counts["memory"] for name, one in prefixes if "batch_of" in name)

        return client.run_on_scheduler(count)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory, env):
    with ExitStack() as stack:
        cluster = Cluster(env, tmp_path_factory.mktemp("cluster"), stack)
        cluster.client = stack.enter_context(
            Client(cluster.address, timeout="60 s", set_as_default=False)
        )
        cluster.client.wait_for_workers(2, timeout=60)
        yield cluster


@pytest.fixture(scope="module")
def searched(tmp_path_factory, reproduced) -> Project:
    """A project whose models compete by candidates, scored by a function of its own too."""
    project = reproduced.copy(tmp_path_factory.mktemp("searched") / reproduced.path.name)
    with (project.path / "src/features.py").open("a") as file:
        file.write(METRIC)
    project.set("train.metrics", ["features.hits"])
    project.set("train.compare", ["logistic_regression"])
    project.set("train.search.candidates", 6)
    project.set("models.random_forest.n_estimators", 30)
    project.run("dvc repro")
    return project


def test_the_pipeline_through_a_cluster_makes_the_same_bytes(cluster, searched):
    before = searched.outcome()
    through = Project(searched.path, searched.env | {ADDRESS: cluster.address})
    stages = ["compare@logistic_regression", "train"]
    assert through.repro("--force", "--single-item", *stages) == stages
    after = searched.outcome()
    # A stage that ran comes last in the file.
    locks = [yaml.safe_load(one.pop("dvc.lock")) for one in (before, after)]
    assert locks[0] == locks[1]
    assert after == before
    assert cluster.finished(cluster.client) > 2


def test_a_worker_that_dies_changes_nothing(cluster, searched):
    before = searched.outcome()
    already = cluster.finished(cluster.client)
    process = subprocess.Popen(
        [BIN / "python", "src/train.py"],
        cwd=searched.path,
        env=searched.env | {ADDRESS: cluster.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while cluster.finished(cluster.client) == already:
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    assert any(cluster.client.processing().values())
    victim = cluster.workers.pop()
    victim.kill()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    assert len(cluster.client.scheduler_info()["workers"]) == 1
    assert searched.outcome() == before


def test_a_sweep_on_the_cluster_makes_what_the_queue_makes_here(
    cluster, reproduced, compared, tmp_path
):
    """One worker dies, one experiment fails; the others have their snapshot and the same hashes."""
    project = reproduced.copy(tmp_path / reproduced.path.name)
    project.run("dvc exp run --queue --name first -S train.model=svc")
    project.run("git commit --quiet --no-verify --allow-empty -m Other")
    project.edit("src/features.py", "    return table\n", "    return table  # queued\n")
    project.run("dvc exp run --queue --name second -S train.model=logistic_regression")
    # Its base is then on no branch, as one that was amended.
    project.run("git reset --quiet --hard HEAD~1")
    project.run("dvc exp run --queue --name bad -S train.model=svc -S models.svc.C=no")
    before = project.outcome()

    cluster.workers.append(cluster.add_worker())
    cluster.client.wait_for_workers(len(cluster.workers), timeout=60)
    addresses = cluster.client.run(os.getpid)
    sweep = subprocess.Popen(
        [BIN / "python", "src/sweep.py"],
        cwd=project.path,
        env=project.env | {ADDRESS: cluster.address},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while not (busy := [one for one, keys in cluster.client.processing().items() if keys]):
        assert sweep.poll() is None, sweep.stdout.read()
        time.sleep(0.05)
    [victim] = [one for one in cluster.workers if one.pid == addresses[busy[0]]]
    cluster.workers.remove(victim)
    victim.kill()
    output, _ = sweep.communicate(timeout=300)
    assert sweep.returncode == 1, output
    assert {"first: done", "second: done"} < set(output.splitlines())
    assert "bad: ERROR: failed to reproduce 'train'" in output and "Traceback" not in output
    assert output.splitlines()[-1] == "1 of 3 failed: they are still in the queue"
    assert project.outcome() == before and project.run("git status --porcelain") == ""

    rows = {row["Experiment"]: row for row in exp_show(str(project.path)) if row["Experiment"]}
    states = {name: row["State"] == "Queued" for name, row in rows.items()}
    assert states == {"first": False, "bad": True}
    lock = project.run(f"git show {rows['first']['rev']}:dvc.lock")
    assert lock == (compared["svc"].path / "dvc.lock").read_text()
    [second] = project.run("git for-each-ref --format=%(objectname) refs/exps/*/*/second").split()
    assert "# queued" in project.run(f"git show {second}:src/features.py")
    project.run("dvc exp apply first")
    assert project.outcome() == compared["svc"].outcome()


def test_a_sweep_sends_nothing_that_is_withheld(cluster, reproduced, tmp_path):
    project = reproduced.copy(tmp_path / "project")
    project.run("dvc exp run --queue --name one -S train.seed=7")
    model, withheld = "      - models/model.skops", ":\n          push: false"
    project.edit("dvc.yaml", f"{model}\n      - results/s", f"{model}{withheld}\n      - results/s")
    project.env = {**project.env, "DASK_SCHEDULER_ADDRESS": cluster.address}
    said = project.run("python src/sweep.py", status=1)
    assert said.startswith("models/model.skops is not to be shared, and workers")
    project.run("git checkout --quiet -b private")
    project.commit("Withhold the model")
    project.run("git checkout --quiet -")
    assert project.run("python src/sweep.py", status=1) == said, "another branch withholds it"
    assert project.run("python src/sweep.py --help").startswith("usage: sweep.py")


def test_a_sweep_needs_a_cluster_and_a_queue(cluster, reproduced):
    command = [BIN / "python", "src/sweep.py"]
    done = run(command, reproduced.path, reproduced.env, status=1)
    assert done.stdout.startswith(f"{ADDRESS} is not set") and done.stdout.count("\n") == 1
    env = reproduced.env | {ADDRESS: cluster.address}
    done = run(command, reproduced.path, env, status=1)
    assert done.stdout.startswith("the queue is empty") and done.stdout.count("\n") == 1


QUEUED = """
import sys
sys.path.insert(0, "src")
import sweep
for one in sweep.queued():
    print(one.name, *(" ".join(step[0][2:]) for step in one.steps()[1:3]), sep="; ")
"""


def test_what_was_queued_before_a_commit_is_found_and_who_committed(project, tmp_path):
    """Also where the email is in the environment alone."""
    for name in ("first", "second"):
        project.run(f"dvc exp run --queue --name {name} -S train.model=svc")
    project.run("git commit --quiet --no-verify --allow-empty -m More")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.gitconfig").write_text("[user]\nname = Ann\nuseConfigOnly = true\n")
    project.env = project.env | {"HOME": str(tmp_path / "home"), "GIT_AUTHOR_EMAIL": "a@x.org"}
    said = project.run(["python", "-c", QUEUED]).splitlines()
    assert said == [f"{name}; user.name Ann; user.email a@x.org" for name in ("first", "second")]
    del project.env["GIT_AUTHOR_EMAIL"]
    assert project.run(["python", "-c", QUEUED], status=1).startswith("Author identity unknown")


def test_a_dead_address_is_told_in_one_line_and_nothing_is_written(searched):
    before = searched.outcome()
    env = searched.env | {ADDRESS: f"tcp://127.0.0.1:{free_ports(1)[0]}"}
    done = run([BIN / "python", "src/train.py"], searched.path, env, status=1, timeout=60)
    assert done.stdout.count("\n") == 1 and "Traceback" not in done.stdout
    assert done.stdout.startswith(f"Dask cluster {env[ADDRESS]}: no answer")
    assert f"unset {ADDRESS}" in done.stdout
    assert searched.outcome() == before


def enter(address: str) -> str:
    """Return what is said of an address."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(InputError) as error:
        patch.setenv(ADDRESS, address)
        patch.setattr(logging, "disable", lambda: None)
        with workers(pd.DataFrame()):
            raise AssertionError
    return str(error.value)


@pytest.mark.parametrize("address", ["nowhere", "tcp://", "ftp://127.0.0.1:1", "tcp://127.0.0.1:x"])
def test_what_is_no_address_is_told_at_once(address):
    assert enter(address).startswith(f"Dask cluster {address}: no answer (")


def test_a_server_that_is_no_scheduler_is_told_after_a_while(tmp_path):
    [port] = free_ports(1)
    command = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    server = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        with ThreadPoolExecutor(1) as pool:
            assert "no answer" in pool.submit(enter, f"tcp://127.0.0.1:{port}").result(timeout=30)
    finally:
        server.kill()
        server.wait()


def test_a_lack_of_dask_is_told_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    assert "`pip install -c constraints.txt distributed`" in enter("tcp://127.0.0.1:1")


def test_without_an_address_dask_is_not_imported(monkeypatch):
    monkeypatch.delenv(ADDRESS, raising=False)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with workers(pd.DataFrame()):
        assert joblib.Parallel()(map(joblib.delayed(abs), [-1, 2])) == [1, 2]


@pytest.mark.parametrize("package", ["python", "sklearn", "numpy"])
def test_a_worker_with_another_version_is_refused(package):
    versions = dict.fromkeys(["python", "joblib", "numpy", "pandas", "scipy", "sklearn"], "3.1")
    here = {"packages": versions}
    check_versions({"client": here, "workers": {"tcp://a": here}})
    for other in ("3.2", None):
        there = {"packages": versions | {package: other}}
        with pytest.raises(InputError, match=f"tcp://b has {package} {other}, this machine 3.1"):
            check_versions({"client": here, "workers": {"tcp://a": here, "tcp://b": there}})
    with pytest.raises(InputError, match="no workers"):
        check_versions({"client": here, "workers": {}})
