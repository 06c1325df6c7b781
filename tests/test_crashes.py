"""`kill -9` at random moments: the same command again ends in the bytes of an undisturbed run.

Where it does not run at once, it prints one line that the project's README has a remedy for.
"""

import os
import random
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from forked import real
from helpers import BIN, Project, objects, run, wait_for_queue

# What the user is shown, and what the project's README says to do then
REMEDIES = {
    r"\"iris-classifier\" directory already exists": ["rm -r iris-classifier"],
    r"RWLock-file .* JSON structure is corrupted": ["python src/share.py check"],
    r"refs/exps/\S+\.lock'\): \[Errno 17\] File exists": ["python src/share.py check"],
    r"is busy, it is being blocked by": ["rm .dvc/tmp/rwlock"],
}
PREDICT = "python src/predict.py data/raw/iris.csv -o predictions.csv"


def kill(command: str, project: Project, seconds: float) -> bool:
    """Kill a command and its children after some seconds; tell whether it still ran."""
    process = subprocess.Popen(
        shlex.split(command),
        cwd=project.path,
        env=real(project.env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True


def again(command: str, project: Project) -> list[str]:
    """Run a command until it ends well, with the remedies that it asks for; return these."""
    taken: list[str] = []
    while len(taken) < 5:
        done = run(command, project.path, project.env, status=None)
        if done.returncode == 0:
            return taken
        found = [does for shown, does in REMEDIES.items() if re.search(shown, done.stdout)]
        assert found, done.stdout
        for remedy in found[0]:
            taken.append(remedy)
            project.run(remedy, status=None)
    raise AssertionError(f"{command} does not end well after {taken}")


@dataclass
class Case:
    """A command that can be killed: what it starts from, and what it leaves."""

    command: str
    start: Callable[[Path], Project]
    outcome: Callable[[Project], dict]


def stored(project: Project) -> dict:
    store = objects(project.path.parent / "store")
    return {name: size for name, size in store.items() if name.startswith("files/md5")}


def pushed(project: Project) -> dict:
    head = project.run("git rev-parse HEAD")
    assert project.run("git ls-remote origin main").split()[:1] == head.split()
    return stored(project)


def baked(project: Project) -> dict:
    made = Project(project.path / "iris-classifier", project.env)
    assert made.run("git status --porcelain") == ""
    tree = made.run("git ls-tree -r HEAD").splitlines()
    # Its path is in it.
    return {"tree": [line for line in tree if not line.endswith((".dvc/config", ".template.yaml"))]}


def predicted(project: Project) -> dict:
    return {"predictions": (project.path / "predictions.csv").read_bytes()}


@pytest.fixture(scope="module")
def cases(bake, tmp_path_factory, env, template) -> dict[str, Case]:
    fresh = bake(tmp_path_factory.mktemp("fresh"))
    fresh.quicken()
    fresh.run("dvc remote modify origin url ../../store")
    fresh.run("git remote add origin ../code.git")
    fresh.commit("Quick")
    done = fresh.copy(tmp_path_factory.mktemp("done") / fresh.path.name)
    done.repro()
    done.commit("Random forest")

    def copy_of(project: Project) -> Callable[[Path], Project]:
        def start(folder: Path) -> Project:
            run("git init --quiet --bare --initial-branch=main code.git", folder, env)
            return project.copy(folder / project.path.name)

        return start

    def empty(folder: Path) -> Project:
        (folder / "work").mkdir()
        return Project(folder / "work", env)

    bake_command = f"{BIN}/cookiecutter {template} --no-input"
    svc = "dvc exp run --name svc --set-param train.model=svc"
    return {
        "bake": Case(bake_command, empty, baked),
        "repro": Case("dvc repro", copy_of(fresh), Project.outcome),
        "exp run": Case(svc, copy_of(done), Project.outcome),
        "dvc push": Case("dvc push", copy_of(done), stored),
        "git push": Case("git push origin main", copy_of(done), pushed),
        "predict": Case(PREDICT, copy_of(done), predicted),
    }


@pytest.fixture
def crash(cases, tmp_path):
    """A function that kills a kind of command `times` times and returns the remedies taken."""

    def crash(kind: str, times: int) -> list[list[str]]:
        case = cases[kind]
        seed = int(os.environ.get("CRASH_SEED", random.randrange(1 << 32)))
        print(f"CRASH_SEED={seed} repeats the moments")
        moments = random.Random(seed)
        (undisturbed := tmp_path / "undisturbed").mkdir()
        project = case.start(undisturbed)
        start = time.monotonic()
        project.run(case.command)
        duration = time.monotonic() - start
        expected = case.outcome(project)
        remedies = []
        while len(remedies) < times:
            (folder := tmp_path / "crashed").mkdir()
            project = case.start(folder)
            seconds = moments.uniform(0, duration)
            start = time.monotonic()
            if kill(case.command, project, seconds):
                print(f"{kind}: killed after {seconds:.3f} s", end=" ")
                remedies.append(again(case.command, project))
                print(remedies[-1])
                assert case.outcome(project) == expected
            else:
                duration = time.monotonic() - start
            shutil.rmtree(folder)
        return remedies

    return crash


# Twelve in all, most of what is over soon
FEW = {"bake": 1, "repro": 1, "exp run": 1, "dvc push": 3, "git push": 3, "predict": 3}


@pytest.mark.parametrize(("kind", "times"), FEW.items())
def test_after_a_crash_the_same_command_ends_well(crash, kind, times):
    crash(kind, times)


# Each takes a second or two, an experiment ten.
SOAK = {"bake": 30, "repro": 40, "exp run": 20, "dvc push": 40, "git push": 40, "predict": 40}


@pytest.mark.soak
@pytest.mark.parametrize(("kind", "times"), SOAK.items())
def test_after_many_crashes_the_same_command_ends_well(crash, kind, times):
    crash(kind, times)


def folder(parent: Path, name: str) -> Path:
    (path := parent / name).mkdir()
    return path


def at_once(command: str, *projects: Project) -> list[tuple[int, str]]:
    """Run a command in several projects at the same time; return each status and output."""
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    processes = [
        subprocess.Popen(shlex.split(command), cwd=one.path, env=one.env, text=True, **options)
        for one in projects
    ]
    outputs = [process.communicate(timeout=300)[0] for process in processes]
    return [
        (process.returncode, output) for process, output in zip(processes, outputs, strict=True)
    ]


# Runs a command that heeds Ctrl-C, which a shell may have its background jobs ignore.
HEEDS = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execvp(sys.argv[1], sys.argv[1:])
"""


def test_an_interrupted_bake_says_what_to_do(template, env, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HEEDS, "cookiecutter", template, "--no-input", "project_slug=p"],
        cwd=tmp_path,
        env=real(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while not (tmp_path / "p/.git").exists():
        assert process.poll() is None
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode and "Traceback" not in output
    assert "Interrupted: remove p, which is not complete, and bake it again." in output


def test_of_two_runs_at_once_both_end_well_or_one_says_why(cases, tmp_path):
    project = cases["repro"].start(tmp_path)
    outcomes = at_once("dvc repro", project, project)
    assert 0 in dict(outcomes), outcomes
    for status, output in outcomes:
        assert status == 0 or re.search("Unable to acquire lock|is busy", output), output
        print(status, output)
    project.repro()
    assert project.repro() == []
    alone = cases["repro"].start(folder(tmp_path, "alone"))
    alone.repro()
    assert project.outcome() == alone.outcome()


def test_two_workers_of_the_queue_leave_what_single_runs_leave(cases, tmp_path):
    project = cases["exp run"].start(tmp_path)
    names = {"svc": "train.model=svc", "small": "models.random_forest.n_estimators=3"}
    for name, setting in names.items():
        project.run(f"dvc exp run --queue --name {name} --set-param {setting}")
    project.run("dvc queue start --jobs 2")
    wait_for_queue(project)
    for name, setting in names.items():
        project.run(f"dvc exp apply {name}")
        alone = cases["exp run"].start(folder(tmp_path, name))
        alone.experiment(setting)
        assert project.outcome() == alone.outcome()


def test_two_clones_push_at_once(cases, tmp_path, env):
    first = cases["git push"].start(tmp_path)
    first.run("git push --quiet origin main")
    run("git clone --quiet code.git second", tmp_path, env)
    second = Project(tmp_path / "second", env)
    second.run("python src/share.py hooks")
    for number, project in enumerate((first, second)):
        project.run(f"git checkout --quiet -b branch-{number}")
        # Two files of the same content and one of its own
        for name, content in (("same", b"same" * 1_000_000), (f"own-{number}", b"%d" % number)):
            (project.path / "data/raw" / name).write_bytes(content)
            project.run(f"dvc add --quiet data/raw/{name}")
        project.run("git add .")
        project.run("git commit --quiet -m Files")
    for status, output in at_once("git push origin HEAD", first, second):
        assert status == 0 and "files are there" in output, output
    for project in (first, second):
        project.run("python src/share.py check")
