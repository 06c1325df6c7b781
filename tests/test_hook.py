"""The post-generation hook where tools are missing or somebody else's repository is around."""

import os
import shlex
import shutil
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from helpers import BIN, Project, run

import set_up

DONE = "iris-classifier is a git repository with one commit"


@pytest.fixture(scope="session")
def python_without_dvc(tmp_path_factory, env) -> Path:
    """A virtual environment that holds cookiecutter and nothing else."""
    path = tmp_path_factory.mktemp("python") / "venv"
    run(["uv", "venv", "--quiet", "--python", sys.executable, path], BIN, env)
    python = path / "bin/python"
    install = ["uv", "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
    run([*install, f"cookiecutter=={version('cookiecutter')}"], BIN, env)
    return python


@pytest.fixture
def bake_with(tmp_path, env, template):
    """A function that bakes with a Python and with only sh and the named commands on PATH."""

    def bake_with(python: Path, *commands: str | Path, answers: tuple[str, ...] = ()) -> Project:
        (tools := tmp_path / "tools").mkdir()
        for command in ("sh", *commands):
            found = shutil.which(command, path=env["PATH"])
            assert found, command
            (tools / Path(command).name).symlink_to(found)
        few = {**env, "PATH": str(tools)}
        command = [python, "-m", "cookiecutter", template, "--no-input"]
        done = run([*command, "--output-dir", tmp_path, *answers], tmp_path, few)
        return Project(tmp_path / "iris-classifier", env, done.stdout)

    return bake_with


def repository(project: Project) -> dict:
    """Return what two bakes of the same answers have in common."""
    # These two differ in the path of the remote, and so in their hash.
    tree = project.run("git ls-tree -r HEAD").splitlines()
    hooks = (project.path / ".git/hooks").iterdir()
    return {
        "tree": [line for line in tree if not line.endswith((".dvc/config", ".template.yaml"))],
        "config": (project.path / ".dvc/config").read_text().replace(str(project.path.parent), ""),
        "status": project.run("git status --porcelain"),
        "branch": project.run("git branch --show-current"),
        # without the first line, which names the shell that DVC found on PATH
        "hooks": {
            hook.name: hook.read_text().splitlines()[1:]
            for hook in hooks
            if hook.suffix != ".sample"
        },
    }


def test_dvc_in_the_python_of_cookiecutter(bake_with, baked):
    project = bake_with(Path(sys.executable), "git")
    assert DONE in project.output
    assert repository(project) == repository(baked)


def test_dvc_on_path_is_asked_for_its_version_and_started_twice(
    bake_with, baked, python_without_dvc, tmp_path
):
    dvc, log = tmp_path / "dvc", tmp_path / "log"
    dvc.write_text(f'#!/bin/sh\necho "$@" >>{log}\nexec {BIN}/dvc "$@"\n')
    dvc.chmod(0o755)
    project = bake_with(python_without_dvc, "git", dvc)
    assert DONE in project.output
    assert log.read_text().splitlines() == ["--version", "init", "add data/raw/iris.csv"]
    assert repository(project) == repository(baked)


def test_dvc_through_uvx(bake_with, baked, python_without_dvc):
    project = bake_with(python_without_dvc, "git", "uv", "uvx", "dirname", "realpath")
    assert DONE in project.output
    assert repository(project) == repository(baked)


def left_to_do(project: Project) -> list[str]:
    """Return the commands that the hook printed, without those that make the environment."""
    commands = [line.strip() for line in project.output.splitlines() if line.startswith("  ")]
    assert commands[0].startswith(f"cd {project.path} && ")
    assert commands[0].endswith("pip install -r requirements.txt")
    return commands[1:]


def test_without_dvc_the_printed_commands_finish_the_job(bake_with, baked, python_without_dvc):
    project = bake_with(python_without_dvc, "git")
    assert "has all its files, but DVC was not found" in project.output
    commands = left_to_do(project)
    assert commands[0] == "dvc add data/raw/iris.csv" and commands[-1] == "dvc repro"
    for command in commands[:-1]:
        project.run(["sh", "-c", command])
    assert repository(project) == repository(baked)


def test_without_dvc_a_table_of_the_users_own_is_there_all_the_same(
    bake_with, baked, python_without_dvc, tmp_path
):
    shutil.copy(baked.path / "data/raw/iris.csv", tmp_path / "my irises.csv")
    answers = ("data=my irises.csv", "target=Species", "project_slug=iris-classifier")
    project = bake_with(python_without_dvc, "git", answers=answers)
    raw = project.path / "data/raw/my-irises.csv"
    assert raw.read_bytes() == (tmp_path / "my irises.csv").read_bytes()
    (tmp_path / "my irises.csv").unlink()
    for command in left_to_do(project)[:-1]:
        project.run(["sh", "-c", command])
    assert project.run("git status --porcelain") == ""
    assert project.repro("prepare") == ["prepare"]


def test_of_a_folder_what_is_read_is_copied_and_a_private_table_stays_private(bake, tmp_path):
    (folder := tmp_path / "visits").mkdir()
    rows = "".join(f"{n},{n % 2}\n" for n in range(18))
    for name in ("may.csv", "older/april.csv", ".env", ".git/config", "README.md"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"days,again\n{rows}")
    (folder / "may.csv").chmod(0o640)
    (work := tmp_path / "work").mkdir()
    project = bake(work, data=str(folder), target="again", project_slug="p")
    copied = (project.path / "data/raw/visits").rglob("*")
    assert sorted(path.name for path in copied) == ["april.csv", "may.csv", "older"]
    # DVC's copies are readable, but not for those who may not enter.
    assert project.path.stat().st_mode & 0o777 == 0o750 & work.stat().st_mode
    assert f"{folder}/may.csv is not for all users" in project.output


def test_a_terminal_that_cannot_show_a_name_does_not_end_the_bake(bake, tmp_path, env):
    ascii_only = {**env, "PYTHONIOENCODING": "ascii", "HOME": str(tmp_path / "nowhere")}
    project = bake(tmp_path, env=ascii_only, author_name="Zoë", remote="~nobody/store")
    assert "this repository now uses 'Zo?'" in project.output
    assert DONE in project.output
    assert project.run("git log -1 --format=%an") == "Zoë\n"


def test_without_a_home_the_bake_and_the_run_work(bake, tmp_path, env):
    homeless = {key: value for key, value in env.items() if key not in ("HOME", "USERPROFILE")}
    project = bake(tmp_path, env=homeless)
    assert DONE in project.output
    assert project.repro("prepare") == ["prepare"]


def test_a_bake_over_a_project_moves_no_byte_of_its_cache(reproduced, template, tmp_path):
    """Nor after one that was killed while `dvc init` ran."""
    project = reproduced.copy(tmp_path / reproduced.path.name)
    (project.path / "README.md").write_text("mine\n")

    def cache() -> dict[Path, tuple[int, float]]:
        found = (project.path / ".dvc/cache").rglob("*")
        return {
            path: (path.stat().st_ino, path.stat().st_mtime) for path in found if path.is_file()
        }

    before, config = cache(), (project.path / ".dvc/config").read_bytes()
    again = ["cookiecutter", template, "--no-input", "-f", "-s", "--output-dir", tmp_path]
    for killed in (False, True):
        if killed:
            (project.path / ".dvc").rename(project.path / ".dvc-settings")
        said = run(again, tmp_path, project.env).stdout
        assert "was a git repository before" in said and "but" not in said.splitlines()[-4]
        assert cache() == before and (project.path / ".dvc/config").read_bytes() == config
        assert not (project.path / ".dvc-settings").exists()
        assert (project.path / "README.md").read_text() == "mine\n"


def test_without_git_the_printed_commands_finish_the_job(bake_with, baked):
    project = bake_with(Path(sys.executable))
    assert "`git init --quiet` failed" in project.output
    commands = left_to_do(project)
    # git could not be asked for an identity, so the commands give one
    assert "git config user.email authors@example.com" in commands
    for command in commands[:-1]:
        project.run(["sh", "-c", command])
    assert repository(project) == repository(baked)


@pytest.mark.parametrize("script", ["echo 2.58.2", "echo 3.67.1; exit 1"])
def test_a_dvc_that_is_old_or_broken_counts_as_none(
    bake_with, python_without_dvc, script, tmp_path
):
    (tmp_path / "dvc").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "dvc").chmod(0o755)
    project = bake_with(python_without_dvc, "git", tmp_path / "dvc")
    assert "DVC was not found" in project.output


def test_a_step_that_fails_is_named_with_all_that_follow(bake, tmp_path, env):
    """A commit that git refuses, as with a signing key that is not there."""
    (home := tmp_path / "home").mkdir()
    shutil.copy(Path(env["HOME"]) / ".gitconfig", home)
    with (home / ".gitconfig").open("a") as config:
        config.write("[commit]\ngpgsign = true\n[gpg]\nprogram = no-such-program\n")
    project = bake(tmp_path, env={**env, "HOME": str(home)})
    assert "`git commit --quiet --message 'Start Iris classifier'` failed: " in project.output
    assert left_to_do(project) == [
        "git commit --quiet --message 'Start Iris classifier'",
        "python src/share.py hooks",
        "dvc repro",
    ]
    assert project.run("git diff --cached --quiet", status=1) == ""


def test_without_an_identity_the_repository_gets_the_authors(bake, tmp_path, env):
    (home := tmp_path / "home").mkdir()
    project = bake(
        tmp_path, env={**env, "HOME": str(home)}, author_name="Team", author_email="t@x.org"
    )
    assert "git had no user.name: this repository now uses 'Team'" in project.output
    assert "git had no user.email: this repository now uses 't@x.org'" in project.output
    assert project.run("git log -1 --format='%an %ae'") == "Team t@x.org\n"
    assert not (home / ".gitconfig").exists()


def test_an_identity_that_depends_on_the_repository_is_kept(bake, tmp_path, env):
    (home := tmp_path / "home").mkdir()
    for kind, key in ("work", "name"), ("team", "email"):
        (home / kind).write_text(f"[user]\n{key} = {kind}@x.org\n")
    (home / ".gitconfig").write_text(
        f'[includeIf "gitdir:{tmp_path}/"]\npath = {home}/work\n'
        f'[includeIf "hasconfig:remote.*.url:git@x.org:me/**"]\npath = {home}/team\n'
    )
    env = {**env, "HOME": str(home)}
    project = bake(tmp_path, env=env, git_remote="git@x.org:me/x.git")
    assert project.run("git log -1 --format='%an %ae'") == "work@x.org team@x.org\n"
    assert "git had no" not in project.output

    (tmp_path / "more").mkdir()
    project = bake(tmp_path / "more", env={**env, "EMAIL": "me@x.org"})
    assert project.run("git log -1 --format='%an %ae'") == "work@x.org me@x.org\n"
    assert "git had no" not in project.output

    with (home / ".gitconfig").open("a") as config:
        config.write("[user]\nuseConfigOnly\n")
    (tmp_path / "last").mkdir()
    project = bake(tmp_path / "last", env={**env, "EMAIL": "me@x.org"}, author_email="a@x.org")
    assert project.run("git log -1 --format='%an %ae'") == "work@x.org a@x.org\n"


@pytest.fixture
def outer(tmp_path, env) -> Path:
    """A git repository with a commit, and a hook of its own."""
    (path := tmp_path / "outer").mkdir()
    (path / "code.py").write_text("x = 1\n")
    (path / ".gitignore").write_text("scratch/\n")
    for command in ("git init --quiet", "git add .", "git commit --quiet -m Outer"):
        run(command, path, env)
    return path


def test_inside_another_repository_nothing_of_it_is_changed(bake, outer, env):
    hooks = sorted(os.listdir(outer / ".git/hooks"))
    project = bake(outer)
    assert f"lies in the git repository {outer}" in project.output
    assert "add /iris-classifier-remote/ to the .gitignore there" in project.output
    assert not (project.path / ".git").exists()
    assert run("git rev-list --count HEAD", outer, env).stdout == "1\n"
    assert sorted(os.listdir(outer / ".git/hooks")) == hooks
    assert (project.path / "data/raw/iris.csv.dvc").exists()
    assert project.repro("split") == ["prepare", "split"]
    run("git add .", outer, env)
    run("git commit --quiet -m Project", outer, env)
    assert project.repro("split") == []


def test_inside_a_repository_of_another_owner_gits_reason_is_told(bake, outer, env):
    if os.geteuid() == 0:
        for path in (outer, outer / ".git"):
            os.chown(path, 12345, 12345)
    else:
        # Only root can give files away; git's own tests set this.
        env = {**env, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    project = bake(outer, env=env)
    told = f"The project is no part of the git repository {outer}: fatal: detected dubious"
    assert [line for line in project.output.splitlines() if line.startswith(told)]
    if os.geteuid() == 0:
        assert DONE in project.output


def test_inside_an_ignored_folder_the_project_has_its_own_repository(bake, outer, env):
    (outer / "scratch").mkdir()
    project = bake(outer / "scratch")
    assert DONE in project.output
    assert (project.path / ".git").is_dir()
    assert run("git status --porcelain", outer, env).stdout == ""


def test_a_folder_that_is_copied_in_part_leaves_nothing(tmp_path, monkeypatch):
    """What is printed to be typed would copy the folder into the rest."""
    monkeypatch.chdir(tmp_path)
    for name in ("a.csv", "b.csv", ".env"):
        (tmp_path / "source" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "source" / name).write_text("x,y\n1,2\n")
    table = {"source": str(tmp_path / "source"), "raw": "data/raw/source", "copied": True}

    def copy_one(source: Path, copy: Path) -> None:
        if source.name == "b.csv":
            raise OSError("no space left")
        shutil.copy(source, copy)

    commands = list(set_up.steps({"project_name": "p"}, "", table, nested=True))
    monkeypatch.setattr("set_up.copy_file", copy_one)
    assert "no space left" in set_up.do_step(commands[0], [], table)
    assert not (tmp_path / "data/raw/source").exists()
    (tmp_path / "data/raw").mkdir(parents=True, exist_ok=True)
    for command in commands[:2]:
        run(shlex.join(command), tmp_path, {**os.environ})
    assert sorted(os.listdir(tmp_path / "data/raw/source")) == ["a.csv", "b.csv"]
