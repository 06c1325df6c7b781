"""Answers that add a file, and uv beside pip."""

import json
import re
import tomllib
from html import escape
from importlib.metadata import files as files_of
from pathlib import Path

import pytest
from helpers import BIN, ROOT, Project, run
from markdown_it import MarkdownIt

EXTRAS = {
    "agents": "AGENTS.md",
    "devcontainer": ".devcontainer.json",
    "pre-commit": ".pre-commit-config.yaml",
}


@pytest.fixture(scope="module")
def full(tmp_path_factory, bake, env) -> Project:
    """A project with a license and all extras; the user's ignore file hides what they add."""
    folder = tmp_path_factory.mktemp("full")
    (folder / "ignore").write_text(".*\nLICENSE\n*.md\n*.json\n*.yaml\n")
    ignore = {"COUNT": "1", "KEY_0": "core.excludesFile", "VALUE_0": str(folder / "ignore")}
    env = env | {f"GIT_CONFIG_{key}": value for key, value in ignore.items()}
    answers = {"license": "BSD-3-Clause", "extras": " ".join(EXTRAS), "author_name": "Ada << 1 >>"}
    answers["project_slug"] = "dvc_"
    return bake(folder, env=env, **answers)


def test_what_an_answer_adds_is_there_for_it_alone(full, baked):
    assert set(full.tracked()) == {*baked.tracked(), "LICENSE", *EXTRAS.values()}
    named = re.compile("pre-commit (install|>=)|devcontainer|AGENTS|license|LICENSE", re.MULTILINE)
    for name in ("README.md", "requirements.txt", "pyproject.toml", ".gitignore"):
        assert not named.search((baked.path / name).read_text())
    full.run("ruff check")
    full.run("ruff format --check")


@pytest.mark.parametrize(
    ("name", "package", "start"),
    [
        ("MIT", "pytest", "Permission is hereby granted"),
        ("BSD-3-Clause", "joblib", "Redistribution and use"),
        ("Apache-2.0", "dvc-http", "Apache License"),
        ("GPL-3.0-or-later", "numpy", "GNU GENERAL PUBLIC LICENSE"),
    ],
)
def test_a_license_has_the_words_of_those_that_packages_ship(name, package, start):
    """NumPy's file holds the GPL among others, for a library that its wheel contains."""

    def words(text: str) -> str:
        return " ".join(word for word in text.split() if word != "*")

    [path] = ROOT.glob(f'<<*/<% if cookiecutter.license == "{name}" %>LICENSE*')
    text = path.read_text(encoding="utf-8")
    shipped = "".join(
        file.read_text(encoding="utf-8")
        for file in files_of(package)
        if re.fullmatch(r"(LICENSE|COPYING)(\.\w+)?", file.name)
    )
    # Title and holder are each package's own.
    assert words(text[text.index(start) :]) in words(shipped)


def test_the_license_names_its_holder(full):
    assert (full.path / "LICENSE").read_text().splitlines()[2] == "Copyright (c) Ada << 1 >>"
    readme = MarkdownIt().render((full.path / "README.md").read_text())
    assert f"{escape('Ada << 1 >>')}. BSD-3-Clause, see <code>LICENSE</code>." in readme


def test_what_agents_are_told_is_so(full):
    text = (full.path / "AGENTS.md").read_text()
    assert len(text.splitlines()) < 60
    [commands] = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    readme = (full.path / "README.md").read_text()
    assert [line for line in commands.splitlines() if line not in readme] == []
    made = {"results/report.md", "models/"}
    named = set(re.findall(r"`([\w./-]+(?:/|\.\w+))`", text)) - made
    assert {"dvc.yaml", "src/features.py", "src/support/"} <= named
    assert [name for name in named if not (full.path / name).exists()] == ["dvc.lock"]


def test_a_container_is_made_ready_by_the_readmes_commands(full, tmp_path, env):
    container = json.loads((full.path / ".devcontainer.json").read_text())
    commands = container["postCreateCommand"].split(" && ")
    readme = (full.path / "README.md").read_text()
    assert len(commands) == 5
    for command in commands:
        assert re.search(rf"^{re.escape(command)}( |$)", readme, re.MULTILINE), command
    home = {**env, "HOME": str(tmp_path)}
    run(["sh", "-c", container["onCreateCommand"]], full.path, home)
    said = run("git config --global safe.directory", full.path, home).stdout
    assert said == f"{full.path}\n"


def test_a_commit_is_checked_by_what_is_in_venv(full, tmp_path, env):
    """As in an IDE: no environment is activated."""
    project = full.copy(tmp_path / "project")
    project.env = {**env, "PRE_COMMIT_HOME": str(tmp_path / "cache"), "PATH": "/usr/bin:/bin"}
    project.run([BIN / "pre-commit", "install"])
    (project.path / ".venv").symlink_to(BIN.parent)
    script = project.path / "src/split.py"
    tidy = script.read_text()
    script.write_text(f"{tidy}\n\nimport  os\n")
    said = project.run("git commit --all -m Untidy", status=1)
    assert "F401" in said and "1 file reformatted" in said
    script.write_text(f"{tidy}# Tidy\n")
    said = project.run("git commit --all -m Tidy")
    assert said.count("Passed") == 2 and "DVC is not on PATH" not in said
    assert project.run("git status --porcelain --untracked-files=no") == ""


def test_the_name_for_uv_is_valid_and_no_dependencys(full):
    """uv refuses a project that has the name of a package on which it depends."""
    text = (full.path / "pyproject.toml").read_text()
    assert tomllib.loads(text)["project"]["name"] == "dvc-pipeline"
    assert "-pipeline==" not in (full.path / "constraints.txt").read_text()


def test_uv_installs_what_pip_installs_and_runs_it(reproduced, tmp_path, env):
    project = reproduced.copy(tmp_path / "project")
    project.env = {**env, "PATH": f"/usr/bin:/bin:{tmp_path}"}
    (tmp_path / "uv").symlink_to(BIN / "uv")
    project.run(["uv", "sync", "--quiet", "--python", Path(BIN / "python").resolve()])
    installed = project.run("uv pip freeze").splitlines()
    compiled = project.run("uv pip compile --quiet --no-annotate --no-header requirements.txt")
    assert sorted(installed) == sorted(compiled.splitlines())
    assert "Running stage 'split'" in project.run("uv run dvc repro --force --single-item split")
    assert project.run("git status --porcelain") == ""
    # A package that is added to the list is there after the next call.
    with (project.path / "requirements.txt").open("a") as file:
        file.write("iniconfig\n")
    assert "iniconfig" in project.run("uv tree --depth 1")
