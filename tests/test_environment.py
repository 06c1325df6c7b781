"""Nothing outside the project is written, whatever the user's git and DVC settings are."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from cookiecutter.exceptions import FailedHookException
from forked import real
from helpers import BIN, Project, run

from check_answers import check_room

NAMES = ["post-checkout", "pre-commit", "pre-push"]
HOOKS = "python src/share.py hooks"


def files(*folders: Path) -> dict[Path, bytes]:
    """Return the content of all files below `folders`.

    Without git's index, which it refreshes, and the answers, which cookiecutter keeps.
    """
    return {
        path: path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and path.name != "index" and path.parent.name != ".cookiecutter_replay"
    }


def installed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".sample")


@pytest.fixture
def home(tmp_path, env) -> Path:
    """A home of its own, with git's identity."""
    (path := tmp_path / "home").mkdir()
    shutil.copy(Path(env["HOME"]) / ".gitconfig", path)
    return path


@pytest.fixture
def settings(home, env):
    """A function that adds to the user's git config and returns the environment."""

    def settings(text: str) -> dict[str, str]:
        with (home / ".gitconfig").open("a") as config:
            config.write(f"{text}\n")
        return {**env, "HOME": str(home)}

    return settings


@pytest.fixture
def another(tmp_path, env) -> Project:
    """Another repository of the same user, with something to push."""
    run("git init --quiet --bare another.git", tmp_path, env)
    run("git clone --quiet another.git another", tmp_path, env)
    project = Project(tmp_path / "another", env)
    project.run("git commit --quiet --allow-empty -m Another")
    return project


def test_a_hooks_folder_of_all_repositories_is_left_alone(bake, settings, another, home, tmp_path):
    shared = tmp_path / "all hooks"
    shared.mkdir()
    env = settings(f'[core]\nhooksPath = "{shared}"')
    before = files(home, another.path)
    (tmp_path / "work").mkdir()
    project = bake(tmp_path / "work", env=env)
    assert files(home, another.path) == before
    assert installed(shared) == [] == installed(project.path / ".git/hooks")
    said = next(line for line in project.output.splitlines() if "no git hooks" in line)
    assert said.startswith(f"no git hooks were installed: git takes hooks from {shared}, outside")
    assert "one commit" in project.output
    another.env = env
    another.run("git push --quiet origin HEAD")

    command = said.partition("instead: ")[2].partition(";")[0]
    project.run(command)
    project.run(HOOKS)
    assert installed(project.path / ".git/hooks") == NAMES
    assert files(home, another.path, shared).keys() == {*before, *files(another.path)}


def test_hooks_of_all_repositories_below_a_home_that_is_one_are_left_alone(
    baked, home, settings, tmp_path
):
    env = settings(f"[core]\nhooksPath = {home}/.githooks")
    run("git init --quiet", home, env)
    project = baked.copy(home / "project")
    shutil.rmtree(project.path / ".git")
    project.env = env
    said = project.run(HOOKS, status=1)
    assert "as for all repositories" in said and len(said.splitlines()) == 1
    assert not (home / ".githooks").exists()


@pytest.mark.parametrize(
    "where", ["system", "included", "environment", "local", "link", "no folder", "empty"]
)
def test_hooks_go_nowhere_outside_the_repository(baked, tmp_path, settings, where):
    project = baked.copy(tmp_path / "project")
    for name in NAMES:
        (project.path / ".git/hooks" / name).unlink()
    (shared := tmp_path / "shared").mkdir()
    section = f"[core]\nhooksPath = {shared}\n"
    (tmp_path / "config").write_text(section)
    project.env = settings("")
    if where == "system":
        project.env["GIT_CONFIG_SYSTEM"] = str(tmp_path / "config")
    elif where == "included":
        project.env = settings(f"[include]\npath = {tmp_path / 'config'}")
    elif where == "environment":
        values = {"COUNT": "1", "KEY_0": "core.hooksPath", "VALUE_0": str(shared)}
        project.env |= {f"GIT_CONFIG_{key}": value for key, value in values.items()}
    elif where == "local":
        project.run("git config core.hooksPath ../shared")
    elif where == "link":
        shutil.rmtree(project.path / ".git/hooks")
        (project.path / ".git/hooks").symlink_to(shared)
    else:
        project.run(["git", "config", "core.hooksPath", "" if where == "empty" else "/dev/null"])
    # What the environment sets holds for one command, and the hooks for all.
    status = 0 if where == "environment" else 1
    said = project.run(HOOKS, status=status)
    assert list(shared.iterdir()) == []
    if status:
        why = project.run(f"{HOOKS} --remove", status=1)
        assert why.startswith("git takes hooks from ") and len(why.splitlines()) == 1
        assert said == f"no git hooks were installed: {why}"
    if where == "link":
        project.run(said.partition("instead: ")[2].partition(";")[0])
        project.run(HOOKS)
        assert installed(project.path / ".git/own-hooks") == NAMES and not installed(shared)


def test_a_hooks_folder_in_the_repository_is_used(baked, tmp_path):
    project = baked.copy(tmp_path / "project")
    project.run("git config core.hooksPath .githooks")
    project.run(HOOKS)
    assert installed(project.path / ".githooks") == NAMES


@pytest.fixture
def named(tmp_path, env) -> Project:
    """A repository for the environment to name, with a file that is not committed."""
    run("git init --quiet named", tmp_path, env)
    project = Project(tmp_path / "named", env)
    project.run("git commit --quiet --allow-empty -m Named")
    (project.path / "draft.txt").write_text("draft")
    return project


@pytest.mark.parametrize("variables", [["DIR", "WORK_TREE"], ["INDEX_FILE", "OBJECT_DIRECTORY"]])
def test_a_repository_that_the_environment_names_is_not_touched(
    bake, env, named, tmp_path, variables
):
    """As in a git alias or a git hook that calls cookiecutter."""
    git = named.path / ".git"
    values = {"DIR": git, "WORK_TREE": named.path, "INDEX_FILE": git / "index"}
    values |= {"OBJECT_DIRECTORY": git / "objects", "COMMON_DIR": git}
    names = {f"GIT_{name}": str(values[name]) for name in variables}
    before = files(named.path)
    project = bake(tmp_path, env={**env, **names})
    assert files(named.path) == before
    assert "iris-classifier is a git repository with one commit" in project.output
    project.env = env
    assert project.run("git status --porcelain") == ""
    project.run("git fsck --no-progress")
    assert installed(project.path / ".git/hooks") == NAMES

    project.env = {**env, "GIT_DIR": str(git), "GIT_WORK_TREE": str(named.path)}
    project.run(HOOKS)
    assert files(named.path) == before


@pytest.fixture
def nested(tmp_path, env, baked) -> Project:
    """The project as a folder of a larger repository, which has somewhere to push to."""
    run("git init --quiet --bare larger.git", tmp_path, env)
    run("git clone --quiet larger.git larger", tmp_path, env)
    path = tmp_path / "larger/models of ours/iris"
    path.parent.mkdir()
    shutil.copytree(baked.path, path, ignore=shutil.ignore_patterns(".git"))
    shutil.rmtree(path / ".dvc/tmp")
    project = Project(path, env)
    project.run(["dvc", "remote", "modify", "origin", "url", tmp_path / "store"])
    project.run("git add .")
    project.run("git commit --quiet -m Project")
    return project


def test_in_a_larger_repository_its_push_sends_the_data_of_the_project(nested, tmp_path):
    project = nested
    project.run(HOOKS)
    outer = Project(tmp_path / "larger", project.env)
    # Also its commits before the project
    outer.run("git push --quiet origin HEAD")
    assert "all 1 files are there" in project.run("python src/share.py check")
    # A branch that has no such project is pushed as ever.
    outer.run("git checkout --quiet --orphan pages")
    outer.run("git rm -r --quiet --cached .")
    shutil.rmtree(project.path)
    outer.run("git commit --quiet --allow-empty -m Pages")
    outer.run("git push --quiet origin pages")


def test_two_projects_in_one_repository_do_not_replace_each_others_hooks(nested, tmp_path):
    nested.run(HOOKS)
    hooks = tmp_path / "larger/.git/hooks"
    before = files(hooks)
    second = nested.copy(nested.path.with_name("second"))
    said = second.run(HOOKS, status=1)
    assert files(hooks) == before
    assert len(said.splitlines()) == len(NAMES)
    second.run(f"{HOOKS} --remove")
    assert files(hooks) == before
    nested.run(f"{HOOKS} --remove")
    assert installed(hooks) == []


def test_two_projects_in_one_repository_each_send_their_data(bake, tmp_path, env):
    run("git init --quiet --bare git", tmp_path, env)
    run("git init --quiet larger", tmp_path, env)
    outer = Project(tmp_path / "larger", env)
    outer.run("git commit --quiet --allow-empty -m Before")
    outer.run("git remote add origin ../git")
    first, second = (bake(outer.path, project_slug=name) for name in ("one", "two"))
    outer.run("git add .")
    outer.run("git commit --quiet -m Projects")
    first.run(HOOKS)
    lines = [line.split(": ", 1)[1] for line in second.run(HOOKS, status=1).splitlines()]
    for name, line in zip(
        NAMES, sorted(lines, key=lambda one: NAMES.index(name_in(one))), strict=True
    ):
        with (outer.path / ".git/hooks" / name).open("a") as hook:
            hook.write(f"{line}\n")
    assert second.run(HOOKS) == first.run(HOOKS) == ""
    before = files(outer.path / ".git/hooks")
    outer.run("git push --quiet origin HEAD")
    for project in (first, second):
        assert "all 1 files are there" in project.run("python src/share.py check")
    assert files(outer.path / ".git/hooks") == before
    first.run(f"{HOOKS} --remove")
    left = (outer.path / ".git/hooks/pre-push").read_text()
    assert "two/src" in left and "one/src" not in left


def name_in(line: str) -> str:
    return next(name for name in NAMES if f"git_hook.sh {name}" in line)


def test_a_hook_behind_ours_gets_what_git_says(reproduced, tmp_path, env):
    """Such as that of Git LFS."""
    project = reproduced.copy(tmp_path / "project")
    run("git init --quiet --bare git", tmp_path, env)
    project.run("git remote add origin ../git")
    with (project.path / ".git/hooks/pre-push").open("a") as hook:
        hook.write('echo "they get $(cat)"\n')
    project.run(["dvc", "remote", "modify", "--local", "origin", "url", tmp_path / "store"])
    (tmp := tmp_path / "tmp").mkdir()
    project.env = {**env, "TMPDIR": str(tmp)}
    said = project.run("git push --quiet origin main")
    tip = project.run("git rev-parse HEAD").strip()
    assert "files are there" in said and f"they get refs/heads/main {tip}" in said
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "store").touch()
    project.run("git commit --quiet --allow-empty -m More")
    said = project.run("git push --quiet origin main", status=1)
    assert "git pushed nothing" in said and "they get" not in said
    assert not list(tmp.iterdir())


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_a_worktree_and_a_submodule_have_hooks(reproduced, tmp_path, env, kind):
    project = reproduced.copy(tmp_path / "project")
    if kind == "worktree":
        project.run("git worktree add --quiet -b second ../second")
        tree, hooks = Project(tmp_path / "second", env), project.path / ".git/hooks"
    else:
        run("git init --quiet outer", tmp_path, env)
        outer = Project(tmp_path / "outer", env)
        outer.run("git submodule --quiet add ../project inner")
        tree, hooks = Project(outer.path / "inner", env), outer.path / ".git/modules/inner/hooks"
        assert installed(outer.path / ".git/hooks") == []
    run("git init --quiet --bare shared.git", tmp_path, env)
    tree.run(HOOKS)
    assert installed(hooks) == NAMES
    tree.run(["git", "remote", "set-url", "origin", tmp_path / "shared.git"], status=None)
    tree.run(["git", "remote", "add", "origin", tmp_path / "shared.git"], status=None)
    tree.run("dvc pull --allow-missing", status=None)
    tree.run(["dvc", "cache", "dir", "--local", project.path / ".dvc/cache"])
    tree.run("git commit --quiet --allow-empty -m More")
    tree.run("git push --quiet origin HEAD")
    assert "files are there" in tree.run("python src/share.py check")
    tree.run("dvc checkout --quiet")
    assert tree.repro() == []
    tree.run("dvc repro --single-item --force split")
    assert tree.run("git status --porcelain") == ""


@pytest.mark.parametrize("kind", ["worktree", "submodule"])
def test_a_bake_in_a_worktree_or_a_submodule_is_a_folder_of_it(bake, tmp_path, env, kind):
    run("git init --quiet larger", tmp_path, env)
    larger = Project(tmp_path / "larger", env)
    larger.run("git commit --quiet --allow-empty -m Before")
    if kind == "worktree":
        larger.run("git worktree add --quiet -b second ../tree")
    else:
        run("git init --quiet outer", tmp_path, env)
        run("git submodule --quiet add ../larger tree", tmp_path / "outer", env)
    tree = Project(tmp_path / ("tree" if kind == "worktree" else "outer/tree"), env)
    project = bake(tree.path)
    assert not (project.path / ".git").exists()
    changed = tree.run("git status --porcelain").splitlines()
    assert all(line[3:].startswith("iris-classifier/") for line in changed)
    tree.run("git add .")
    tree.run("git commit --quiet -m Project")
    run("git init --quiet --bare shared.git", tmp_path, env)
    tree.run(["git", "remote", "set-url", "origin", tmp_path / "shared.git"], status=None)
    tree.run(["git", "remote", "add", "origin", tmp_path / "shared.git"], status=None)
    project.run(HOOKS)
    tree.run("git push --quiet origin HEAD")
    assert "all 1 files are there" in project.run("python src/share.py check")


def test_settings_of_python_keep_no_hook_away(bake, env, tmp_path):
    """Without docstrings, and with the scripts' folder not on Python's path."""
    env = {**env, "PYTHONOPTIMIZE": "2", "PYTHONSAFEPATH": "1"}
    project = bake(tmp_path, env=env)
    assert "one commit" in project.output and "Traceback" not in project.output
    assert installed(project.path / ".git/hooks") == NAMES
    run("git init --quiet --bare shared.git", tmp_path, env)
    project.run(["git", "remote", "add", "origin", tmp_path / "shared.git"])
    assert "all 1 files are there" in project.run("git push origin main")


def mine(path: Path, text: str = "#!/bin/sh\necho mine\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_hook_that_is_there_stays_and_the_line_to_add_works(reproduced, tmp_path, env):
    project = reproduced.copy(tmp_path / "project")
    run("git init --quiet --bare shared.git", tmp_path, env)
    project.run(f"{HOOKS} --remove")
    hook = mine(project.path / ".git/hooks/pre-push")
    said = project.run(HOOKS, status=1)
    assert hook.read_text() == "#!/bin/sh\necho mine\n"
    assert installed(hook.parent) == NAMES
    [line] = said.splitlines()
    assert line.startswith(f"{hook} was left unchanged; add this to it, or to what generates it: ")
    with hook.open("a") as file:
        file.write(f"{line.partition('generates it: ')[2]}\n")
    assert project.run(HOOKS) == ""
    project.run(["git", "remote", "add", "origin", tmp_path / "shared.git"])
    output = project.run("git push origin main")
    assert "mine" in output and "files are there" in output

    with_line = hook.read_text()
    project.run(f"{HOOKS} --remove")
    assert installed(hook.parent) == ["pre-push"] and hook.read_text() == with_line


def test_a_hook_that_ends_in_exec_is_told_apart(baked, tmp_path):
    """As those of overcommit: what stands behind it is not run."""
    project = baked.copy(tmp_path / "project")
    hook = mine(project.path / ".git/hooks/pre-commit", "#!/bin/sh\n  exec true\n")
    [line] = project.run(HOOKS, status=1).splitlines()
    assert line.startswith(
        f"{hook} was left unchanged; add this to it above its exec, or to what generates it:"
    )


def test_a_new_branch_before_the_first_run_needs_no_advice(baked, tmp_path):
    project = baked.copy(tmp_path / "project")
    assert project.run("git checkout --quiet -b branch") == ""
    table = project.path / "data/raw/iris.csv"
    before = table.read_bytes()
    table.write_bytes(before + before.splitlines(keepends=True)[-1])
    project.run("dvc add --quiet data/raw/iris.csv")
    project.commit("More")
    assert project.run("git checkout --quiet main") == "" and table.read_bytes() == before
    table.unlink()
    assert project.run("git checkout --quiet -- README.md") == "" and not table.exists()


@pytest.mark.parametrize("ran", [True, False], ids=["ran", "fresh"])
def test_a_table_that_was_edited_is_told_at_a_checkout(baked, reproduced, tmp_path, ran):
    project = (reproduced if ran else baked).copy(tmp_path / "project")
    table = project.path / "data/raw/iris.csv"
    before = table.read_bytes()
    table.write_bytes(before + before.splitlines(keepends=True)[-1])
    said = project.run("git checkout -b branch").splitlines()
    assert said[-1] == (
        "post-checkout: data/raw/iris.csv was edited: `dvc add data/raw/iris.csv` keeps that, "
        "`dvc checkout --force` drops it"
    )
    assert ran or len(said) == 2
    project.run("dvc checkout --force data/raw/iris.csv")
    assert table.read_bytes() == before and project.run("git checkout --quiet main") == ""


def test_a_user_who_turns_git_off_for_dvc_has_no_table_in_git(bake, home, env, tmp_path):
    (home / ".config/dvc").mkdir(parents=True)
    (home / ".config/dvc/config").write_text("[core]\n    no_scm = true\n")
    project = bake(tmp_path, env={**env, "HOME": str(home)})
    assert "one commit" in project.output
    assert not [file for file in project.tracked() if file.endswith(".csv")]
    assert project.run("git status --porcelain") == ""


def test_a_hook_in_another_language_is_told_apart(baked, tmp_path):
    project = baked.copy(tmp_path / "project")
    hook = mine(project.path / ".git/hooks/pre-push", "#!/usr/bin/env python3\nprint(1)\n")
    [line] = project.run(HOOKS, status=1).splitlines()
    assert line.startswith(f"{hook} is no script of sh; one that calls it could begin with: ")


def test_a_line_behind_the_end_of_a_hook_does_not_count(baked, tmp_path):
    project = baked.copy(tmp_path / "project")
    script = "#!/bin/sh\n# git_hook.sh pre-push\nif false; then\n  exit 1\nfi\nexit 0\n"
    hook = mine(project.path / ".git/hooks/pre-push", script)
    [line] = project.run(HOOKS, status=1).splitlines()
    assert (
        f"{hook} was left unchanged; add this to it above its exit, or to what generates it: "
        in line
    )
    call = line.partition("generates it: ")[2]
    hook.write_text(f"{script}{call}\n")
    assert project.run(HOOKS, status=1).splitlines() == [line]
    hook.write_text(script.replace("exit 0", f"{call}\nexit 0"))
    assert project.run(HOOKS) == ""


def test_a_sparse_checkout_without_the_code_pushes_nothing(reproduced, tmp_path, env):
    project = reproduced.copy(tmp_path / "project")
    run("git init --quiet --bare git", tmp_path, env)
    project.run("git remote add origin ../git")
    project.run("git status")  # git leaves out only what it has seen to be unchanged
    project.run("git sparse-checkout set data")
    assert not (project.path / "src/share.py").exists()
    (project.path / "data/note.txt").write_text("more")
    project.commit("More")
    said = project.run("git push --quiet origin main", status=1)
    assert "src/support/git_hook.sh" in said and "Traceback" not in said
    assert project.run("git ls-remote origin") == ""
    project.run("git sparse-checkout disable")
    project.run("git push --quiet origin main")


PRE_COMMIT = """
default_install_hook_types: [pre-commit, pre-push]
repos:
  - repo: local
    hooks:
      - {id: theirs, name: theirs, entry: 'true', language: system, always_run: true}
"""


@pytest.fixture
def pre_commit(reproduced, tmp_path, env) -> Project:
    """A copy of the project with a configuration of pre-commit, not yet installed."""
    project = reproduced.copy(tmp_path / "project")
    project.env = {**env, "PRE_COMMIT_HOME": str(tmp_path / "cache")}
    (project.path / ".pre-commit-config.yaml").write_text(PRE_COMMIT)
    project.run("git add .")
    return project


def test_pre_commits_hooks_and_ours_both_run(pre_commit, tmp_path):
    project, hooks = pre_commit, pre_commit.path / ".git/hooks"
    project.run(f"{HOOKS} --remove")
    project.run("pre-commit install")
    for _ in range(2):
        assert project.run(HOOKS) == ""
        assert installed(hooks) == sorted([*NAMES, "pre-commit.legacy", "pre-push.legacy"])
        project.run("pre-commit install")

    run("git init --quiet --bare shared.git", tmp_path, project.env)
    project.run(["git", "remote", "add", "origin", tmp_path / "shared.git"])
    assert "theirs" in project.run("git commit -m Checks")
    # Of two branches, pre-commit tells its own hooks of one; only the other has other data.
    project.run("git checkout --quiet -b second")
    table = project.path / "data/raw/iris.csv"
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:-1]))
    project.run("dvc commit --force data/raw/iris.csv.dvc")
    project.run("git commit --quiet --all -m Shorter")
    output = project.run("git push origin main second")
    assert "theirs" in output and f"all {len(project.cached()) + 1} files are there" in output

    project.run("dvc remote modify origin url /dev/null/store")
    project.run("git commit --quiet --all -m Elsewhere")
    assert "git pushed nothing" in project.run("git push origin second", status=1)
    assert project.run("git rev-parse origin/second") == project.run("git rev-parse second~1")

    project.run(f"{HOOKS} --remove")
    assert installed(hooks) == ["pre-commit", "pre-push"]


def test_pre_commit_takes_our_hooks_over_and_gives_them_back(pre_commit):
    hooks = pre_commit.path / ".git/hooks"
    before = files(hooks)
    pre_commit.run("pre-commit install")
    taken = files(hooks)
    assert installed(hooks) == sorted([*NAMES, "pre-commit.legacy", "pre-push.legacy"])
    assert pre_commit.run(HOOKS) == "" and files(hooks) == taken
    pre_commit.run("pre-commit uninstall")
    assert files(hooks) == before
    legacy = mine(hooks / "pre-push.legacy")
    pre_commit.run("pre-commit install --hook-type pre-commit")
    (hooks / "pre-commit.legacy").write_bytes(legacy.read_bytes())
    [line] = pre_commit.run(HOOKS, status=1).splitlines()
    assert line.startswith(f"{hooks}/pre-commit.legacy was left unchanged; add this to it")


def test_a_hook_that_reads_what_git_sends_leaves_the_check_of_the_last_commit(
    reproduced, tmp_path, env
):
    project = reproduced.copy(tmp_path / "project")
    run("git init --quiet --bare shared.git", tmp_path, env)
    hook = project.path / ".git/hooks/pre-push"
    hook.write_text(hook.read_text().replace("#!/bin/sh", "#!/bin/sh\ncat >/dev/null"))
    project.run(["git", "remote", "add", "origin", tmp_path / "shared.git"])
    assert f"all {len(project.cached())} files" in project.run("git push origin main")


def test_hooks_of_a_git_template_and_of_a_hook_manager_are_kept(bake, settings, home, tmp_path):
    own = mine(home / "template/hooks/pre-commit")
    project = bake(tmp_path, env=settings(f"[init]\ntemplateDir = {home / 'template'}"))
    assert (project.path / ".git/hooks/pre-commit").read_text() == own.read_text()
    assert "pre-commit was left unchanged; add this to it" in project.output
    assert "one commit" in project.output

    # As husky does it: a folder of scripts that it makes anew
    manager = project.path / ".husky/_"
    for name in NAMES:
        mine(manager / name)
    before = files(manager)
    project.run("git config core.hooksPath .husky/_")
    assert len(project.run(HOOKS, status=1).splitlines()) == len(NAMES)
    assert files(manager) == before


# As husky 9 writes them: each hook in its folder sources `h`, which runs the script of its name
# beside that folder.
HUSKY = {
    "h": """\
script=$(dirname "$(dirname "$0")")/$(basename "$0")
[ -f "$script" ] || exit 0
sh -e "$script" "$@"
status=$?
[ $status = 0 ] || echo "husky - $(basename "$0") script failed (code $status)"
exit $status
""",
    **dict.fromkeys([*NAMES, "commit-msg"], '#!/usr/bin/env sh\n. "${0%/*}/h"\n'),
}


def install_husky(project: Project) -> None:
    for name, text in HUSKY.items():
        mine(project.path / ".husky/_" / name, text)
    project.run("git config core.hooksPath .husky/_")


def test_the_lines_to_add_to_husky_outlive_its_next_installation(reproduced, tmp_path, env):
    project = reproduced.copy(tmp_path / "project")
    install_husky(project)
    mine(project.path / ".husky/pre-commit", "echo mine\n")
    before = files(project.path / ".husky")
    said = project.run(HOOKS, status=1).splitlines()
    assert len(said) == len(NAMES) and files(project.path / ".husky") == before
    for line in said:
        place, _, added = line.partition("; add to ")[2].partition(": ")
        assert Path(place).parent == project.path / ".husky" and Path(place).name in NAMES
        with Path(place).open("a") as script:
            script.write(f"{added}\n")
    shutil.rmtree(project.path / ".husky/_")
    install_husky(project)
    assert project.run(HOOKS) == ""
    run("git init --quiet --bare shared.git", tmp_path, env)
    project.run(["git", "remote", "add", "origin", tmp_path / "shared.git"])
    assert "mine" in project.run("git commit --allow-empty -m More")
    assert f"all {len(project.cached())} files" in project.run("git push origin main")
    project.run("dvc remote modify origin url /dev/null/store")
    project.run("git commit --allow-empty -m Again")
    assert "husky - pre-push script failed" in project.run("git push origin main:x", status=1)


def test_a_link_in_the_hooks_folder_is_not_written_through(baked, tmp_path):
    project = baked.copy(tmp_path / "project")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes((project.path / ".git/hooks/pre-push").read_bytes())
    (project.path / ".git/hooks/pre-push").unlink()
    (project.path / ".git/hooks/pre-push").symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    project.run(HOOKS, status=None)
    project.run(f"{HOOKS} --remove")
    assert elsewhere.read_bytes() == before
    assert (project.path / ".git/hooks/pre-push").is_symlink()


def suffixes_and_folders(names: list[str]) -> list[str]:
    """Return ignore patterns that hide every file of a project, in more than one way."""
    paths = [Path(name) for name in names]
    folders = {f"{part}{end}" for path in paths for part in path.parts[:-1] for end in ("", "/")}
    return sorted(folders | {f"*{path.suffix or path.name}" for path in paths} | {".*", "*.swp"})


def test_a_users_ignore_file_hides_nothing_of_the_project(
    bake, reproduced, settings, home, tmp_path
):
    patterns = suffixes_and_folders(reproduced.tracked())
    assert {"results/", "*.svg", "*.csv", "*.dvc", ".dvc", "src"} <= set(patterns)
    secrets = ["*secret*", "*.pem", "*.key", "credentials*", "*~", "*.bak", "._*", ".#*"]
    secrets += ["Untitled*.ipynb", "local.py"]
    (home / "ignore").write_text("\n".join([*patterns, *secrets]))
    project = bake(tmp_path, env=settings("[core]\nexcludesFile = ~/ignore"))
    assert "one commit" in project.output
    project.repro()
    hidden = [
        "secrets.yaml",
        ".secrets.toml",
        "credentials.txt",
        "src/private.pem",
        "src/train.py~",
    ]
    hidden += ["notebooks/credentials", "results/table.csv.bak", "tests/x.pem"]
    hidden += ["data/raw/server.key", "data/raw/credentials.json", "src/secrets.py"]
    hidden += [
        "tests/local.py",
        "src/local.py",
        "src/support/._cells.py",
        "notebooks/Untitled1.ipynb",
    ]
    hidden += [
        "results/._metrics.json",
        "results/compared/.#svc.json",
        ".github/workflows/local.yml",
    ]
    for junk in (".DS_Store", ".env", "src/.idea/workspace.xml", "notes.swp", *hidden):
        (project.path / junk).parent.mkdir(parents=True, exist_ok=True)
        (project.path / junk).write_text("not the project's")
    (project.path / "results/describe.csv").write_text("of a stage of one's own")
    project.run("git add .")
    assert {*project.tracked()} == {*reproduced.tracked(), "results/describe.csv"}


@pytest.mark.parametrize(("task", "ci"), [("classification", "github"), ("regression", "gitlab")])
def test_an_ignore_file_that_hides_all_hides_nothing_that_is_baked(
    render, settings, home, tmp_path, task, ci
):
    (home / "ignore").write_text("*\n")
    extras = "agents devcontainer pre-commit"
    answers = {"task": task, "ci": ci, "mlflow": "yes", "license": "MIT", "extras": extras}
    project = Project(render(tmp_path, **answers), settings("[core]\nexcludesFile = ~/ignore"))
    baked = {path for path in project.path.rglob("*") if path.is_file()}
    project.run("git init --quiet")
    project.run("git add .")
    table = next((project.path / "data/raw").iterdir())
    assert {project.path / name for name in project.tracked()} == baked - {table}


SETTINGS = """
[init]
    defaultObjectFormat = sha256
    defaultRefFormat = reftable
[core]
    attributesFile = ~/attributes
    autocrlf = true
    fsmonitor = true
    quotePath = true
    splitIndex = true
    untrackedCache = true
[feature]
    manyFiles = true
[filter "lfs"]
    process = git-lfs filter-process
    required = true
[index]
    skipHash = true
    version = 4
[status]
    showUntrackedFiles = no
[push]
    default = nothing
[url "file://{folder}/"]
    insteadOf = https://example.org/OWNER/
"""
DVC_SETTINGS = """
[core]
    remote = theirs
    analytics = true
['remote "theirs"']
    url = /nowhere
[cache]
    type = symlink
"""


def test_the_users_settings_of_git_and_dvc_leave_the_same_project(
    bake, reproduced, settings, home, tmp_path
):
    (home / ".config/dvc").mkdir(parents=True)
    (home / ".config/dvc/config").write_text(DVC_SETTINGS)
    # As `git lfs track` writes them
    (home / "attributes").write_text(
        "*.csv filter=lfs diff=lfs merge=lfs -text\n*.[djpsty]* filter=lfs\n*.ipynb filter=strip\n"
    )
    env = settings(SETTINGS.replace("{folder}", str(tmp_path)))
    env |= {"GIT_DEFAULT_HASH": "sha256", "GIT_DEFAULT_REF_FORMAT": "reftable"}
    address = "https://example.org/OWNER/shared.git"
    project = bake(tmp_path, env=env, git_remote=address)
    assert "one commit" in project.output
    assert project.run("git config remote.origin.url") == f"{address}\n"
    assert project.run("git rev-parse --show-object-format") == "sha1\n"
    assert b"\r" not in (project.path / "README.md").read_bytes()
    filters = project.run(["git", "check-attr", "filter", "--", *project.tracked()]).splitlines()
    others = [line for line in filters if not line.endswith(": unspecified")]
    assert others == ["notebooks/experiments.ipynb: filter: strip"]
    project.repro()
    project.run("git add .")
    project.run("git commit --quiet -m 'Random forest'")
    assert project.outcome() == reproduced.outcome()
    run("git init --quiet --bare shared.git", tmp_path, {**env, "GIT_DEFAULT_HASH": "sha1"})
    output = project.run("git push origin main")
    assert f"{project.path}-remote: all {len(project.cached())} files are there" in output
    assert (tmp_path / "shared.git/refs/heads/main").exists(), "git takes the other address"


def test_an_index_that_dvc_cannot_read_is_told(reproduced, tmp_path):
    """As in a clone without the hooks. DVC itself would wait for ever."""
    project = reproduced.copy(tmp_path / "project")
    project.run("git config core.splitIndex true")
    project.run("git update-index --split-index")
    said = project.run("python src/share.py check", status=1, timeout=60)
    assert said.startswith("DVC cannot read git's index (") and len(said.splitlines()) == 1
    for command in said.partition("): ")[2].split("; "):
        project.run(command)
    assert " files" in project.run("python src/share.py check", status=None, timeout=60)


def test_a_cache_of_somebody_else_is_named(bake, env, baked, tmp_path):
    """As where DVC's site_cache_dir belongs to another user: a folder that cannot be made."""
    env = {**env, "DVC_SITE_CACHE_DIR": "/dev/null/cache"}
    project = bake(tmp_path, env=env)
    assert "`dvc init` failed: ERROR: unexpected error - [Errno 20]" in project.output
    assert "/dev/null/cache" in project.output and "Traceback" not in project.output
    # The printed commands work: nothing is left half made.
    project.env = baked.env
    lines = [line.strip() for line in project.output.splitlines() if line.startswith("  ")]
    for line in lines[lines.index("dvc add data/raw/iris.csv") : -1]:
        project.run(["sh", "-c", line])
    assert project.run("git rev-list --count HEAD") == "1\n"
    project = baked.copy(tmp_path / "project")
    project.env = env
    said = project.run("python src/share.py check", status=1)
    assert "/dev/null/cache" in said and len(said.splitlines()) == 1


def test_a_repository_of_another_owner_is_refused_with_gits_own_reason(baked, tmp_path):
    project = baked.copy(tmp_path / "project")
    if os.geteuid() == 0:
        for path in (project.path, project.path / ".git"):
            os.chown(path, 12345, 12345)
    else:
        # Only root can give files away; git's own tests set this.
        project.env = {**project.env, "GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    said = project.run(HOOKS, status=1)
    assert said.startswith("no git hooks were installed: fatal: detected dubious ownership")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(("content", "shift"), [("", -10), ('{"write": {', 86400)])
def test_what_a_killed_dvc_leaves_is_mended(reproduced, tmp_path, content, shift):
    project = reproduced.copy(tmp_path / "project")
    lock = project.path / ".dvc/tmp/rwlock"
    lock.write_text(content)
    os.utime(lock, (time.time() + shift,) * 2)
    project.edit("params.yaml", "n_estimators: 100", "n_estimators: 10")
    assert "RWLock-file '.dvc/tmp/rwlock'. JSON structure is corrupted" in project.run(
        "dvc repro", status=255
    )
    project.run("dvc push")
    assert "removed .dvc/tmp/rwlock" in project.run("python src/share.py check", status=None)
    assert project.repro() == ["train", "evaluate"]


def test_a_record_that_a_killed_dvc_left_incomplete_is_mended(project):
    project.run("dvc push")
    lock = project.path / "dvc.lock"
    whole = lock.read_bytes()

    def check(content: bytes) -> str:
        lock.write_bytes(content)
        os.utime(lock, (time.time() - 10,) * 2)
        return project.run("python src/share.py check").splitlines()[0]

    for content in (b"", whole[: whole.index(b"path:") + 2], bytes(len(whole))):
        assert check(content).startswith("put back dvc.lock of the last commit: ")
        assert lock.read_bytes() == whole and project.run("git status --porcelain") == ""
    project.run("git rm --quiet --cached dvc.lock")
    project.run("git commit --quiet --no-verify -m None")
    assert check(b"").startswith("removed dvc.lock, of which ") and not lock.exists()
    assert project.repro("split") == [] and lock.exists()


def test_a_dvc_file_that_is_cut_off_is_named_with_the_command_that_mends_it(project):
    project.run("dvc push")
    pointer = project.path / "data/raw/iris.csv.dvc"
    whole = pointer.read_bytes()
    for content in (b"", b"outs:\n", whole[: whole.index(b"\n", 10)], bytes(40)):
        pointer.write_bytes(content)
        said = project.run("python src/share.py check", status=1)
        assert said.startswith("data/raw/iris.csv.dvc is cut off or damaged: git checkout ")
        assert len(said.splitlines()) == 1
        project.run(said.partition("damaged: ")[2])
        assert pointer.read_bytes() == whole
    assert "files are there" in project.run("python src/share.py check")
    # As a killed `dvc add` leaves it: git does not know it.
    (project.path / "data/raw/extra.csv").write_text("x")
    pointer = project.path / "data/raw/extra.csv.dvc"
    pointer.write_text("outs:\n- md5: 9dd4e461268c8034f5c8564e155c67a6\n")
    said = project.run("python src/share.py check", status=1)
    assert said == f"data/raw/extra.csv.dvc is cut off or damaged: {said.partition('damaged: ')[2]}"
    project.run(["sh", "-c", said.partition("damaged: ")[2]])
    assert "path: extra.csv" in pointer.read_text()
    project.run("python src/share.py check --repair")


# Python imports it at each start.
NO_NETWORK = """
import socket
def refuse(*arguments, **options):
    with open({log!r}, "a") as log:
        print(arguments, file=log)
    raise OSError(101, "Network is unreachable")
def connect(self, address, way=socket.socket.connect):
    return way(self, address) if self.family == socket.AF_UNIX else refuse(address)
socket.socket.connect, socket.getaddrinfo = connect, refuse
"""


def test_without_a_network_all_works_that_needs_none_and_the_rest_says_so(bake, env, tmp_path):
    log = tmp_path / "log"
    (tmp_path / "sitecustomize.py").write_text(NO_NETWORK.format(log=str(log)))
    env = {**env, "PYTHONPATH": str(tmp_path)}
    project = bake(tmp_path, env=env, remote="https://dagshub.com/OWNER/REPO")
    assert "one commit" in project.output
    project.run("dvc repro prepare")
    assert not log.exists()
    for command in ("python src/share.py check", "python src/share.py check --repair"):
        said = project.run(command, status=1)
        assert said.startswith("https://dagshub.com/OWNER/REPO.dvc cannot be reached: is the")
        assert len(said.splitlines()) == 1
    table = {"data": "https://example.org/t.csv", "target": "y", "project_slug": "p"}
    said = bake(tmp_path, status=1, env=env, **table).output
    assert said.startswith("data: https://example.org/t.csv: ") and len(said.splitlines()) == 1
    assert log.exists()


def test_a_lock_is_removed_from_a_worktree_as_well(baked, tmp_path):
    project = baked.copy(tmp_path / "project")
    project.run("git worktree add --quiet --detach ../tree")
    lock = project.path / ".git/refs/exps/ab/cd.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    os.utime(lock, (time.time() - 10,) * 2)
    said = run("python src/share.py check", tmp_path / "tree", project.env, status=None).stdout
    assert "cd.lock, which a killed DVC had left" in said and not lock.exists()


def test_a_lock_that_a_killed_experiment_leaves_is_removed(project):
    lock = project.path / ".git/refs/exps/exec/EXEC_BRANCH.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    said = project.run("dvc exp run", status=255)
    assert str(lock) in said and "File exists" in said
    assert f"removed {lock.relative_to(project.path)}" in project.run(
        "python src/share.py check", status=None
    )
    project.run("dvc exp run")


def locked(*command: str | Path) -> list[str | Path]:
    """Return a command that heeds permissions, as root's commands do not."""
    drop = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    return [*(drop if os.geteuid() == 0 else []), *command]


def test_a_folder_that_one_may_not_write_to_is_told_before_anything_is_written(
    template, env, home, tmp_path
):
    bake = locked(BIN / "cookiecutter", template, "--no-input", "--output-dir", tmp_path / "work")
    for folder, said in {
        home: f"cookiecutter may not store the answers in {home}/.cookiecutter_replay/",
        tmp_path / "work": f"{tmp_path}/work is no folder that you may write to",
    }.items():
        folder.mkdir(exist_ok=True)
        folder.chmod(0o555)
        output = run(bake, tmp_path, {**env, "HOME": str(home)}, status=1).stdout
        assert output.startswith(said) and len(output.splitlines()) == 1, output
        folder.chmod(0o755)
    assert list((tmp_path / "work").iterdir()) == []


@pytest.mark.parametrize("link", [False, True])
def test_a_place_that_is_no_folder_is_told(template, env, tmp_path, link):
    place = tmp_path / "place"
    place.symlink_to("nowhere") if link else place.touch()
    command = [BIN / "cookiecutter", template, "--no-input", "--output-dir", place]
    output = run(command, tmp_path, env, status=1).stdout
    assert output.startswith(f"{place} is no folder") and len(output.splitlines()) == 1


def test_a_full_disk_is_told_before_anything_is_written(bake, tmp_path, monkeypatch):
    (folder := tmp_path / "disk").mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", folder]
    if subprocess.run(mount, check=False, stderr=subprocess.DEVNULL).returncode:
        # As in most containers: what the bake calls, told of such a disk
        monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=400 * 2**10))
        with pytest.raises(FailedHookException, match="is full: a project takes"):
            check_room(str(folder))
        return
    try:
        output = bake(folder, status=1).output
        assert f"the disk of {folder} is full: a project takes" in output
        assert len(output.splitlines()) == 1 and list(folder.iterdir()) == []
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_disk_that_fills_up_leaves_what_was_there(project, reproduced):
    """A limit on the length of files stands for it: writing fails in the middle of each."""
    new = project.path / "data/raw/iris.csv"
    # CPython would cut off the modules that it compiles.
    project.env = {**project.env, "PYTHONDONTWRITEBYTECODE": "1"}
    prepared = (project.path / "data/prepared.parquet").read_bytes()
    # The last stage first, which needs what the others write
    for script, kilobytes in {
        f"predict.py {new} -o predictions.csv": 2,
        "evaluate.py": 2,
        "train.py": 100,
        "split.py": 2,
        "prepare.py": 2,
    }.items():
        command = f"ulimit -f {kilobytes}; exec python src/{script}"
        said = project.run(["bash", "-c", command], status=1).splitlines()
        assert "File too large" in said[-1], said
        assert not [line for line in said if "Traceback" in line or "Exception" in line]
    assert not list(project.path.glob("data/*.part")) + list(project.path.glob("pred*"))
    assert (project.path / "data/prepared.parquet").read_bytes() == prepared
    project.edit("params.yaml", "n_estimators: 100", "n_estimators: 101")
    failed = project.run(["bash", "-c", "ulimit -f 600; exec dvc repro"], status=None)
    assert "failed to reproduce 'train'" in failed
    project.edit("params.yaml", "n_estimators: 101", "n_estimators: 100")
    project.run("dvc repro")
    assert project.outcome() == reproduced.outcome()


def test_in_a_read_only_folder_each_command_says_so_in_one_line(reproduced, tmp_path, home):
    project = reproduced.copy(tmp_path / "project")
    project.env = {**project.env, "HOME": str(home)}
    paths = [home, project.path, *project.path.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~0o222)
    for script in ("prepare.py", "share.py hooks", "predict.py data/raw/iris.csv -o new.csv"):
        said = project.run(locked("sh", "-c", f"python src/{script}"), status=1)
        assert "Permission denied" in said and len(said.splitlines()) == 1, said
    predictions = project.run(locked("python", "src/predict.py", "data/raw/iris.csv"))
    assert len(predictions.splitlines()) == 151
    for path in paths:
        path.chmod(path.stat().st_mode | 0o200)


def test_spaces_quotes_and_letters_of_any_script_in_every_path(bake, env, tmp_path):
    folder = tmp_path / "Größe 漢字 'a' \"b\" $c & شكل"
    for name in ("home", "temporary", "work"):
        (folder / name).mkdir(parents=True)
    shutil.copy(Path(env["HOME"]) / ".gitconfig", folder / "home")
    env = {**env, "HOME": str(folder / "home"), "TMPDIR": str(folder / "temporary")}
    env |= {"DVC_SITE_CACHE_DIR": str(folder / "site"), "LC_ALL": "C"}
    table = folder / "wörk 表.csv"
    table.write_text("größe,art\n" + "".join(f"{n},{'äö'[n % 2]}\n" for n in range(60)), "utf-8")
    answers = {"data": str(table), "target": "art", "remote": str(folder / "störe 1")}
    project = bake(folder / "work", env=env, project_slug="p", **answers)
    assert "p is a git repository with one commit" in project.output
    project.set("train.search.folds", 0)
    project.repro()
    project.run("git add .")
    project.run("git commit --quiet -m Run")
    run("git init --quiet --bare shared.git", folder, env)
    project.run(["git", "remote", "add", "origin", folder / "shared.git"])
    assert f"all {len(project.cached())} files are there" in project.run("git push origin main")
    project.run(
        ["git", "clone", "--quiet", "--branch", "main", folder / "shared.git", folder / "clone é"]
    )
    clone = Project(folder / "clone é", env)
    clone.run("dvc pull")
    assert clone.outcome() == project.outcome() and clone.repro() == []
    new = [sys.executable, "src/predict.py", table, "-o", folder / "außen.csv"]
    clone.run(new)
    assert len((folder / "außen.csv").read_text("utf-8").splitlines()) == 61


def test_a_push_without_a_temporary_folder_says_so(reproduced, tmp_path):
    project = reproduced.copy(tmp_path / "project")
    run("git init --quiet --bare git", tmp_path, project.env)
    project.run(["git", "remote", "add", "origin", tmp_path / "git"])
    project.env = project.env | {"TMPDIR": "/nowhere"}
    said = project.run("git push --quiet origin main", status=1)
    assert "pre-push: /nowhere is no folder to write to: set TMPDIR" in said.splitlines()
    assert run("git for-each-ref", tmp_path / "git", project.env).stdout == ""


def test_a_push_from_elsewhere_says_where_it_works(reproduced, tmp_path):
    project = reproduced.copy(tmp_path / "project")
    run("git init --quiet --bare git", tmp_path, project.env)
    command = ["git", "--git-dir", project.path / ".git", "push", tmp_path / "git", "main:main"]
    said = run(command, tmp_path, project.env, status=1).stdout
    assert (
        f"pre-push: src/support/git_hook.sh is not in {tmp_path}: git push in the project" in said
    )
    assert run("git for-each-ref", tmp_path / "git", project.env).stdout == ""


def test_nothing_is_written_into_the_home(reproduced, tmp_path):
    project = reproduced.copy(tmp_path / "project")
    (home := tmp_path / "home").mkdir()
    own = ("XDG_", "MPL")
    env = {name: value for name, value in real(project.env).items() if not name.startswith(own)}
    project.env = env | {"HOME": str(home)}
    (home / ".gitconfig").write_text("[user]\nname = Tester\nemail = tester@example.com\n")
    run("git init --quiet --bare git", tmp_path, project.env)
    project.run(["git", "remote", "add", "origin", tmp_path / "git"])
    for command in (
        "dvc repro --force --quiet",
        "dvc exp run --quiet --set-param train.model=svc",
        "dvc exp run --quiet --temp --set-param models.svc.C=2",
        "git push --quiet origin main",
        "python src/predict.py data/raw/iris.csv -o new.csv",
    ):
        project.run(command)
    assert [path.name for path in home.rglob("*")] == [".gitconfig"]
    assert (project.path / ".dvc/tmp/matplotlib").exists()
