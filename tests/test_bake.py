"""What cookiecutter leaves behind, and what it refuses."""

import ast
import configparser
import json
import re
import shutil
import tomllib
from collections import Counter
from itertools import combinations, product
from pathlib import Path

import pandas as pd
import pytest
import yaml
from helpers import ROOT, STAGES, Project, run, shown_by_markdown
from sklearn.datasets import load_iris


def test_the_project_is_a_repository_with_one_commit(baked):
    assert baked.run("git branch --show-current") == "main\n"
    assert baked.run("git rev-list --count --all") == "1\n"
    assert baked.run("git status --porcelain") == ""
    assert baked.run("dvc status --quiet data/raw/iris.csv.dvc") == ""
    assert baked.run("git log -1 --format=%an,%s") == "Tester,Start Iris classifier\n"


def test_dvc_is_configured(baked):
    config = configparser.ConfigParser()
    config.read(baked.path / ".dvc/config")
    assert dict(config["core"]) == {
        "autostage": "true",
        "analytics": "false",
        "check_update": "false",
        "no_scm": "false",
        "remote": "origin",
    }
    assert dict(config["'remote \"origin\"'"]) == {
        "url": str(baked.path.with_name("iris-classifier-remote")),
        "verify": "true",
    }
    for hook in ("pre-commit", "pre-push", "post-checkout"):
        assert f"git_hook.sh {hook}" in (baked.path / ".git/hooks" / hook).read_text()


def test_the_table_is_tracked_by_dvc_and_not_by_git(baked):
    tracked = baked.tracked()
    assert "data/raw/iris.csv.dvc" in tracked
    assert "data/raw/iris.csv" not in tracked
    assert (baked.path / "data/raw/iris.csv").exists()


def test_the_table_is_the_tutorials(baked):
    """Fisher's measurements as UCI has them, with its two well-known errors (rows 35 and 38)."""
    table = pd.read_csv(baked.path / "data/raw/iris.csv")
    bunch = load_iris(as_frame=True)
    names = ["SepalLengthCm", "SepalWidthCm", "PetalLengthCm", "PetalWidthCm"]
    assert table.columns.tolist() == ["Id", *names, "Species"]
    assert table["Id"].tolist() == list(range(1, 151))
    species = ["Iris-" + bunch.target_names[label] for label in bunch.target]
    assert table["Species"].tolist() == species
    expected = bunch.data.set_axis(names, axis="columns")
    expected.loc[34, "PetalWidthCm"] = 0.1
    expected.loc[37, ["SepalWidthCm", "PetalLengthCm"]] = [3.1, 1.5]
    pd.testing.assert_frame_equal(table[names], expected)


def test_the_last_lines_say_what_was_done_and_what_to_do(baked):
    *_, done, install, repro = baked.output.splitlines()
    assert "one commit" in done and "data/raw/iris.csv" in done and "`origin`" in done
    assert install.startswith(f"  cd {baked.path} && ")
    assert repro == "  dvc repro"
    assert "warning" not in baked.output.lower()


def check_text(name: str, text: str) -> None:
    """Assert that a file of a project shows nothing of the template that it was made of."""
    assert not re.search(r"<<|(?<!>)>>(?!>)|<%|%>|<#|#>|cookiecutter\.", text), name
    assert not text.startswith("\n"), name
    assert text.endswith("\n") and not text.endswith("\n\n"), name
    assert not re.search(r"[ \t]\n", text), name
    assert not re.search(r"\n\n\n\n" if name.endswith(".py") else r"\n\n\n", text), name


def test_files_are_rendered_without_scars(baked):
    for name in baked.tracked():
        check_text(name, (baked.path / name).read_text(encoding="utf-8"))


def test_dagshub_is_named_only_where_it_is_the_remote(baked):
    assert "DagsHub" not in (baked.path / "README.md").read_text()


PARSERS = {
    ".yaml": yaml.safe_load,
    ".yml": yaml.safe_load,
    ".dvc": yaml.safe_load,
    ".json": json.loads,
    ".toml": tomllib.loads,
}


def test_every_structured_file_parses(baked):
    parsed = Counter()
    for name in baked.tracked():
        suffix = "." + name.rpartition(".")[2]
        if suffix in PARSERS:
            assert PARSERS[suffix]((baked.path / name).read_text(encoding="utf-8")), name
            parsed[suffix] += 1
    assert parsed.keys() >= {".yaml", ".dvc", ".toml"}


def test_file_names_are_legal_on_windows(baked):
    names = baked.tracked()
    for part in {part for name in names for part in name.split("/")}:
        assert not re.search(r'[<>:"|?*\\\x00-\x1f]|[. ]$', part), part
        assert not re.fullmatch(r"(?i)(con|prn|aux|nul|com\d|lpt\d)(\..*)?", part), part
    assert len({name.casefold() for name in names}) == len(names)


def test_the_projects_own_style_is_right(baked):
    baked.run("ruff check --no-cache")
    baked.run("ruff format --no-cache --check")


@pytest.mark.parametrize("half", [0, 1])
def test_the_projects_own_tests_pass(baked, tmp_path, half):
    """Half of them each, as two tests run at a time."""
    project = baked.copy(tmp_path / "project")
    files = sorted(project.path.glob("tests/test_*.py"))[half::2]
    project.run(["python", "-m", "pytest", "-p", "no:cacheprovider", *files])
    assert project.run("git status --porcelain") == ""


def test_the_template_passes_the_same_checks(env, baked):
    baked.run(["ruff", "check", "--no-cache", ROOT])
    baked.run(["ruff", "format", "--no-cache", "--check", ROOT])


def test_no_two_functions_have_one_name(render, tmp_path):
    """But `main`, and what a class of functions has."""
    project = render(tmp_path, mlflow="yes", ci="github")
    for files in (project.rglob("src/**/*.py"), [*ROOT.glob("*.py"), *ROOT.glob("hooks/*.py")]):
        names = Counter(
            node.name
            for file in files
            for node in ast.parse(file.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
        )
        assert [name for name, number in names.items() if number > 1] in (["main"], [])


def test_annotations_are_right(env, render, tmp_path):
    project = render(tmp_path, mlflow="yes", ci="github")
    check = ["mypy", "--cache-dir", tmp_path, "--config-file", ROOT / "pyproject.toml"]
    assert "no issues found" in run(check, ROOT, env).stdout
    assert "no issues found" in run([*check, "src"], project, env).stdout


ANSWERS = {
    "task": ["classification", "regression"],
    "data": ["bundled", "table.csv", "table.parquet", "table.xlsx"],
    "remote": [
        "store",
        "https://dagshub.com/me/repo",
        "https://dagshub.com/me/repo.s3",
        "s3://b/x",
    ],
    "git_remote": ["", "https://example.com/code.git"],
    "mlflow": ["no", "yes"],
    "extras": ["none", "agents devcontainer pre-commit"],
    "ci": ["none", "github", "gitlab"],
}
COMBINATIONS = list(product(*ANSWERS.values()))


def pairwise() -> list[tuple[str, ...]]:
    """Return combinations in which each two values of any two answers meet."""
    pairs = {
        values: set(combinations(zip(ANSWERS, values, strict=True), 2)) for values in COMBINATIONS
    }
    chosen, left = [], set().union(*pairs.values())
    while left:
        chosen.append(max(COMBINATIONS, key=lambda values: len(pairs[values] & left)))
        left -= pairs[chosen[-1]]
    return chosen


PAIRS = pairwise()


def use_table(answers: dict[str, str], folder: Path) -> dict[str, str]:
    """Return answers with a table in the folder, unless they take a bundled one."""
    if answers["data"] == "bundled":
        return answers
    frame = pd.DataFrame({"size": range(60), "color": ["red", "blue", "green"] * 20})
    frame["price"] = frame["size"] * 1.5 + (frame["color"] == "red") * 9
    frame["class"] = ["a", "b"] * 30
    path = folder / answers["data"]
    writers = {"csv": "to_csv", "parquet": "to_parquet", "xlsx": "to_excel"}
    getattr(frame, writers[path.suffix[1:]])(path, index=False)
    target = "class" if answers["task"] == "classification" else "price"
    return answers | {"data": str(path), "target": target}


def check_files(render, folder: Path, env: dict[str, str], chosen: list[tuple[str, ...]]) -> None:
    """Assert that the projects of some combinations of answers are well-formed."""
    for number, values in enumerate(chosen):
        answers = use_table(dict(zip(ANSWERS, values, strict=True)), folder)
        project = render(folder, project_slug=f"project-{number}", **answers)
        for file in project.rglob("*"):
            name = f"{'-'.join(values)}: {file.relative_to(project)}"
            if not file.is_file() or "raw" in file.parts:
                continue
            check_text(name, text := file.read_text(encoding="utf-8"))
            assert file.suffix not in PARSERS or PARSERS[file.suffix](text), name
        assert (project / "src/gate.py").exists() == (answers["ci"] != "none")
        assert (project / "src/publish.py").exists() == (answers["mlflow"] == "yes")
    run("ruff check --no-cache", folder, env)
    run("ruff format --no-cache --check", folder, env)
    workflows = {
        "github-workflows": [*folder.glob("*/.github/workflows/*.yml")],
        "gitlab-ci": [*folder.glob("*/.gitlab-ci.yml")],
    }
    assert sum(map(len, workflows.values())) == sum(values[-1] != "none" for values in chosen)
    for schema, files in workflows.items():
        run(["check-jsonschema", "--builtin-schema", f"vendor.{schema}", *files], folder, env)
    run(["zizmor", "--offline", *workflows["github-workflows"]], folder, env)


def test_every_pair_of_answers_makes_a_well_formed_project(render, tmp_path, env):
    check_files(render, tmp_path, env, PAIRS)


@pytest.mark.sweep
def test_every_combination_of_answers_makes_a_well_formed_project(render, tmp_path, env):
    check_files(render, tmp_path, env, COMBINATIONS)


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param(answers, marks=[pytest.mark.sweep] * (answers not in PAIRS))
        for answers in COMBINATIONS
    ],
    ids="-".join,
)
def test_combinations_of_answers_are_baked_and_run(bake, tmp_path, answers):
    """Of each two answers each two values here, all combinations in `make sweep`."""
    answers = use_table(dict(zip(ANSWERS, answers, strict=True)), tmp_path)
    project = bake(tmp_path, project_slug="project", **answers)
    assert "is a git repository with one commit" in project.output
    assert project.run("git status --porcelain") == ""
    assert project.run("dvc stage list --name-only").split() == STAGES
    project.scripts(*STAGES)
    assert (project.path / "results/report.md").is_file()


HOSTILE = r"""It's "quoted" \n """ + '"""' + r" `id` $(id) {{ x }} %s ${y} <b> é 漢"


def test_answers_are_data_wherever_they_end_up(bake, tmp_path, env):
    (home := tmp_path / "home").mkdir()
    anonymous = {**env, "HOME": str(home)}
    project = bake(
        tmp_path,
        env=anonymous,
        project_name=HOSTILE,
        project_slug="hostile",
        description=HOSTILE,
        author_name=HOSTILE,
        author_email="a'b@example.com",
        remote="a store; 'x' $(id)",
    )
    assert project.run("git log -1 --format=%s") == f"Start {HOSTILE}\n"
    # git itself strips characters that would break its header from a name
    assert project.run("git log -1 --format=%an") == HOSTILE.replace("<b>", "b") + "\n"
    readme = (project.path / "README.md").read_text("utf-8")
    assert shown_by_markdown(readme) == [("h1", HOSTILE), ("p", HOSTILE)]
    assert project.run("dvc config remote.origin.url") == f"{tmp_path}/a store; 'x' $(id)\n"
    project.run("dvc push")
    assert (tmp_path / "a store; 'x' $(id)").is_dir()


@pytest.mark.parametrize(
    ("answer", "value", "message"),
    [
        ("project_slug", "", "project_slug is empty"),
        *product(
            ["project_slug"],
            [
                "a/b",
                "..",
                ".git",
                "-x",
                "x.",
                "con",
                "Aux.txt",
                "a b",
                "a\\b",
                "a:b",
                "ü",
                "x" * 101,
            ],
            ["cannot name a folder"],
        ),
        ("project_slug", "a\nb", "line break"),
        ("project_name", "a\nb", "line break"),
        ("project_name", "!!!", "project_slug is empty"),
        ("remote", " ", "remote is empty"),
        ("remote", "ftp://example.com/x", "starts with http://, https://, s3://, gs://"),
        ("remote", "s3://", "is not understood"),
        ("remote", "https://dagshub.com/OWNER", "Give https://dagshub.com/OWNER/REPO"),
        ("remote", "https://me:hidden@example.com/x", "leave user and password out"),
    ],
)
def test_a_bad_answer_ends_in_one_message_and_no_files(bake, tmp_path, answer, value, message):
    output = bake(tmp_path, status=1, **{answer: value}).output
    assert message in output
    assert answer in output or answer == "project_name"
    assert len(output.splitlines()) == 1
    assert "hidden" not in output
    assert list(tmp_path.iterdir()) == []


def test_caches_that_tools_left_in_the_template_do_no_harm(template, tmp_path, env):
    shutil.copytree(template, tmp_path / "template")
    project = tmp_path / "template/<<cookiecutter.project_slug>>"
    for cache in (".ruff_cache/0.1/x", "src/__pycache__/params.pyc"):
        (project / cache).parent.mkdir(parents=True)
        (project / cache).write_bytes(b"<< \x89 <%")
    run("cookiecutter template --no-input", tmp_path, env)
    baked = Project(tmp_path / "iris-classifier", env)
    assert baked.run("git status --porcelain") == ""
    assert not [name for name in baked.tracked() if "cache" in name]


def test_an_existing_folder_is_left_alone(bake, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/notes.txt").write_text("keep")
    output = bake(tmp_path, status=1, project_slug="mine").output
    assert output == f'Error: "{tmp_path}/mine" directory already exists\n'
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["notes.txt"]
    assert (tmp_path / "mine/notes.txt").read_text() == "keep"


def test_the_readmes_first_command_works(template, tmp_path, env):
    """In a fresh Python that uv makes, with a folder in GitHub's place to clone from."""
    command = "uvx --with dvc cookiecutter gh:OWNER/cookiecutter-dvc-pipeline"
    assert f"```sh\n{command}\n" in (template / "README.md").read_text()
    config = {
        "abbreviations": {"gh": f"file://{template.parents[1]}/{{0}}.git"},
        "cookiecutters_dir": "clones",
    }
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    run(f"{command} --no-input --config-file config.yaml", tmp_path, env)
    project = Project(tmp_path / "iris-classifier", env)
    assert project.run("git status --porcelain") == ""
    assert project.run("git rev-list --count HEAD") == "1\n"
