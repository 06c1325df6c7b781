"""The release workflow's shell, run against a repository on this machine."""

import json
import os
import re

import pytest
import yaml
from helpers import ROOT, Project, run

import portable

TOKEN = "a-token"
PUBLISH = "Commit it to the branch portable"


@pytest.fixture
def github(tmp_path, env):
    """Where the workflow pushes to: an empty repository, in the place of GitHub's."""
    run("git init --quiet --bare OWNER/template.git", tmp_path, env)
    address = f"https://x-access-token:{TOKEN}@example.com/OWNER/template"
    url = f"url.file://{tmp_path}/OWNER/template.git.insteadOf"
    settings = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": url, "GIT_CONFIG_VALUE_0": address}
    return Project(tmp_path / "OWNER/template.git", env | settings)


def test_the_version_has_its_section_and_actions_have_one_version():
    version = json.loads((ROOT / "cookiecutter.json").read_text())["_version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search("^## (.*)$", changes, re.MULTILINE)[1] == version
    folders = [ROOT / ".github/workflows", ROOT / "<<cookiecutter.project_slug>>/.github/workflows"]
    used = {
        tuple(line.split()[-3:])
        for folder in folders
        for file in folder.iterdir()
        for line in file.read_text(encoding="utf-8").splitlines()
        if " uses: " in line
    }
    names = [action.split("@")[0] for action, *_ in used]
    assert len(names) >= 4 and sorted(names) == sorted(set(names)), "as the bot renews them"


def publish(github: Project, tag: str, runner) -> None:
    portable.write(runner / "portable")
    with (runner / "portable/README.md").open("a") as readme:
        readme.write(f"{tag}\n")
    workflow = yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text())
    [step] = [s for s in workflow["jobs"]["portable"]["steps"] if s.get("name") == PUBLISH]
    variables = {
        "GITHUB_ACTOR": "somebody",
        "GITHUB_REF_NAME": tag,
        "GITHUB_REPOSITORY": "OWNER/template",
        "GITHUB_SERVER_URL": "https://example.com",
        "RUNNER_TEMP": str(runner),
        "TOKEN": TOKEN,
    }
    run(["bash", "-e", "-c", step["run"]], runner, github.env | variables)


def test_each_release_is_a_commit_on_the_branch_that_windows_reads(github, tmp_path):
    for tag in ("v1.0.0", "v1.1.0"):
        (tmp_path / tag).mkdir()
        publish(github, tag, tmp_path / tag)
    # cruft looks up the release that it has recorded in the branch's history.
    assert github.run("git log --format=%s portable").split() == ["v1.1.0", "v1.0.0"]
    assert github.run("git tag").split() == ["portable-v1.0.0", "portable-v1.1.0"]
    assert github.run("git show portable:README.md").endswith("v1.1.0\n")
    names = github.run("git ls-tree -r -z --name-only portable").split("\0")[:-1]
    assert not [name for name in names if set(name) & set('<>"')]
    assert sum(path.is_file() for path in (tmp_path / "v1.1.0/portable").rglob("[!.]*")) > 50
    command = ["cookiecutter", f"file://{github.path}", "--checkout", "portable", "--no-input"]
    made = run([*command, "--output-dir", tmp_path / "made"], tmp_path, github.env).stdout
    assert "is a git repository with one commit" in made
    assert os.listdir(tmp_path / "made") == ["iris-classifier"]
