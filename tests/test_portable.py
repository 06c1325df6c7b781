"""The form of the template for Windows, and cruft, which reads it."""

import json
import re

import pytest
from helpers import ROOT, Project, run
from jinja2 import Environment

import portable

# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
FORBIDDEN = re.compile(
    r'[<>:"/\\|?*\x00-\x1f]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)', re.IGNORECASE
)

DAGSHUB = "https://dagshub.com/me/repo"


@pytest.fixture(scope="module")
def form(tmp_path_factory, env):
    """A git repository of the portable form."""
    path = tmp_path_factory.mktemp("portable") / "template"
    portable.write(path)
    for command in ("git init --quiet", "git add --all", "git commit --quiet -m Template"):
        run(command, path, env)
    return path


def test_it_replaces_no_other_folder(tmp_path, monkeypatch, env):
    run(f"git clone --quiet {ROOT} clone", tmp_path, env)
    (tmp_path / "thesis.txt").write_text("precious")
    monkeypatch.setattr("portable.ROOT", tmp_path / "clone")
    for folder in (tmp_path, tmp_path / "clone"):
        with pytest.raises(SystemExit, match="is not empty, and no portable form"):
            portable.write(folder)
    assert (tmp_path / "thesis.txt").exists() and (tmp_path / "clone/portable.py").exists()
    portable.write(tmp_path / "form")
    (tmp_path / "form/old.txt").write_text("of an earlier version")
    portable.write(tmp_path / "form")
    assert not (tmp_path / "form/old.txt").exists()


def test_windows_allows_its_names(form):
    paths = [path.relative_to(form) for path in form.rglob("*") if ".git" not in path.parts]
    assert len(paths) > len(portable.files())
    assert not [part for path in paths for part in path.parts if FORBIDDEN.search(part)]
    assert len({str(path).casefold() for path in paths}) == len(paths)


def test_a_template_is_converted_and_nothing_else():
    own = json.loads((ROOT / "cookiecutter.json").read_text())["_jinja2_env_vars"]
    text = "${{ a }} << 1 << 2 >>\n<% if x %>b<% endif %><# d #>\n"
    expected = "${{ a }} {{= 1 << 2 =}}\n{%= if x =%}b{%= endif =%}{#= d =#}\n"
    assert portable.convert(text, own) == expected
    with pytest.raises(ValueError, match="from line 1 on: {%= is a delimiter of the portable form"):
        portable.convert("a\nb {%= c", own)


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"task": "regression", "mlflow": "yes", "ci": "github", "remote": DAGSHUB},
        {"data": "TABLE", "target": "y", "project_name": "It's << x >> {{= y =}}", "ci": "gitlab"}
        | {"license": "GPL-3.0-or-later", "extras": "agents devcontainer pre-commit"},
    ],
    ids=["default", "regression", "table"],
)
def test_it_makes_the_same_commit(bake, form, tmp_path, env, answers):
    table = tmp_path / "table.csv"
    table.write_text("x,y\n" + "".join(f"{n % 7},{'ab'[n % 2]}\n" for n in range(14)))
    answers = {"remote": str(tmp_path / "store"), "project_slug": "project"} | answers
    answers = {key: value.replace("TABLE", str(table)) for key, value in answers.items()}
    # Of the same second, the same files make the same hash.
    date = "2024-01-01T00:00:00Z"
    env = {**env, "GIT_AUTHOR_DATE": date, "GIT_COMMITTER_DATE": date}
    (tmp_path / "one").mkdir()
    one = bake(tmp_path / "one", env=env, **answers)
    settings = [f"{name}={value}" for name, value in answers.items()]
    run(
        ["cookiecutter", form, "--no-input", "--output-dir", tmp_path / "two", *settings], form, env
    )
    other = Project(tmp_path / "two/project", env)
    assert other.run("git rev-parse HEAD") == one.run("git rev-parse HEAD")
    assert other.run("git status --porcelain") == ""


def test_cruft_keeps_the_users_edits(form, tmp_path, env):
    # As in README.md
    skip = "--skip .git --skip .dvc/tmp --skip .dvc/cache"
    assert f"cruft create {skip}" in (ROOT / "README.md").read_text()
    run(f"cruft create {skip} --no-input --output-dir {tmp_path} {form}", tmp_path, env)
    project = Project(tmp_path / "iris-classifier", env)
    project.run("git add .cruft.json")
    project.run("git commit --quiet -m Cruft")
    assert "diff --git" not in project.run("cruft diff")
    assert project.run("dvc repro") and project.run("dvc push")
    assert (tmp_path / "iris-classifier-remote").is_dir()
    # Made again beside it, as its README says, it has the same remote.
    (tmp_path / "newer").mkdir()
    again = f"cookiecutter {form} --no-input --config-file .template.yaml --output-dir ../newer"
    project.run(again)
    newer = Project(tmp_path / "newer/iris-classifier", env)
    url = newer.run("dvc config remote.origin.url").strip()
    assert url == str(tmp_path / "iris-classifier-remote")
    project.edit("src/split.py", "# A table with more values", "# MINE: a table with more values")
    project.set("train.seed", 7)
    project.run("git add .")
    project.run("git commit --quiet -m Mine")
    assert "# MINE" in project.run("cruft diff")
    path = next(form.glob("*slug*/src/split.py"))
    path.write_text(path.read_text() + "# newer\n")
    # A newer version may have more extensions.
    with (form / "check_answers.py").open("a") as code:
        code.write("\n\n@simple_filter\ndef newer(value):\n    return value\n")
    questions = (form / "cookiecutter.json").read_text()
    more = questions.replace('"check_answers.plan"', '"check_answers.plan", "check_answers.newer"')
    assert more != questions
    (form / "cookiecutter.json").write_text(more)
    run("git commit --quiet --all -m Newer", form, env)
    project.run("cruft update --skip-apply-ask")
    text = (project.path / "src/split.py").read_text()
    assert "# MINE" in text and text.endswith("# newer\n")
    assert "seed: 7" in (project.path / "params.yaml").read_text()
    assert "src/split.py" in project.run("git status --porcelain")


def test_the_delimiters_lose_no_character_of_any_file():
    own = json.loads((ROOT / "cookiecutter.json").read_text())["_jinja2_env_vars"]
    delimiters = {key: own[key] for key in portable.PORTABLE}
    env = Environment(keep_trailing_newline=True, **delimiters)
    for path in portable.files():
        if path.parts[0] in portable.FOLDERS:
            text = (ROOT / path).read_text()
            assert "".join(value for *_, value in env.lex(text)) == text
