"""A project of the template's first version, updated as the new project's README says."""

import io
import re
import subprocess
import tarfile
from pathlib import Path

import pytest
import yaml
from helpers import BIN, ROOT, STAGES, Project, blocks, give_up, objects, run
from support.params import ADDED, InputError, load_params

FIRST = "561f42d"


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """The first version of the template, from this repository's history."""
    command = ["git", "archive", FIRST]
    archive = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    if archive.returncode:
        give_up(f"this clone does not reach back to {FIRST}: git fetch --unshallow")
    path = tmp_path_factory.mktemp("first") / "cookiecutter-dvc-pipeline"
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(path, filter="data")
    return path


@pytest.fixture(scope="module")
def old(first, tmp_path_factory, env) -> Project:
    """Its project after a run with settings of the user's own; not to be changed."""
    folder = tmp_path_factory.mktemp("old")
    answers = ["--no-input", "--output-dir", folder, f"remote={folder / 'store'}"]
    run([BIN / "cookiecutter", first, *answers], folder, env)
    project = Project(folder / "iris-classifier", env)
    project.edit("params.yaml", "n_estimators: 100", "n_estimators: 5")
    project.edit("params.yaml", "test_size: 0.3", "test_size: 0.25")
    project.repro()
    project.run("git add .")
    project.run("git commit --quiet -m 'Five trees'")
    return project


def params(project: Project) -> dict:
    return yaml.safe_load((project.path / "params.yaml").read_text())


def keys(values: dict, prefix: str = "") -> set[str]:
    """Return the dotted names of all keys."""
    found = set()
    for key, value in values.items():
        found |= {prefix + key}
        if isinstance(value, dict):
            found |= keys(value, f"{prefix}{key}.")
    return found


def test_a_project_of_the_first_version_keeps_everything_when_it_is_updated(
    old, bake, tmp_path, env
):
    project = old.copy(tmp_path / old.path.name)
    before, mine, cached = project.outcome(), params(project), objects(old.path / ".dvc/cache")
    (folder := tmp_path / "newer").mkdir()
    newer = bake(folder, remote=str(old.path.parent / "store"))
    [update] = blocks(newer, "Update it")
    update = update.replace("../newer", str(folder))
    project.run(["sh", "-ec", update])

    assert project.run("git status --porcelain") == ""
    now = params(project)
    assert now["models"]["random_forest"] == mine["models"]["random_forest"]
    assert now["split"]["test_size"] == 0.25
    assert keys(mine) <= keys(now)
    assert project.repro() == STAGES
    assert cached.items() <= objects(project.path / ".dvc/cache").items()
    project.run("git add .")
    project.run("git commit --quiet -m 'With the newer template'")
    assert "files are there" in project.run("python src/share.py check --repair")

    project.run("git checkout --quiet main~2")
    project.run("dvc checkout --quiet")
    assert project.outcome() == before

    # The next update starts from the last one.
    project.run("git checkout --quiet main")
    with (newer.path / "README.md").open("a") as readme:
        readme.write("Newer still.\n")
    newer.run("git commit --quiet --all -m Newer")
    _, _, *again = update.splitlines()
    project.run(["sh", "-ec", "\n".join(again)])
    assert (project.path / "README.md").read_bytes() == (newer.path / "README.md").read_bytes()
    assert params(project) == now

    for place, line in ((newer, "of the template"), (project, "of the user")):
        with (place.path / "README.md").open("a") as readme:
            readme.write(f"A line {line}.\n")
        place.run(["git", "commit", "--quiet", "--all", "--message", line])
    said = project.run(["sh", "-ec", "\n".join(again)], status=1)
    assert "Merge conflict in README.md" in said
    text = (project.path / "README.md").read_text()
    assert re.search("<{7} HEAD\nA line of the user.\n={7}\nA line of the template.\n>{7}", text)


def test_an_update_of_a_folder_leaves_the_rest_of_its_repository(bake, tmp_path, env):
    outer = tmp_path / "outer"
    (outer / "ml").mkdir(parents=True)
    (outer / "a.txt").write_text("kept")
    run("git init --quiet", outer, env)
    for folder in (outer / "ml", tmp_path / "newer"):
        folder.mkdir(exist_ok=True)
    project = bake(outer / "ml")
    newer = bake(tmp_path / "newer")
    for place, name, line in ((project, "params.yaml", "mine"), (newer, "README.md", "newer")):
        place.run("git add --all :/")
        place.run("git commit --quiet --message All", status=None)
        with (place.path / name).open("a") as file:
            file.write(f"# {line}\n")
        (place.path / f"src/{line}.py").write_text("")
        place.run("git add --all")
        place.run("git commit --quiet --message More")
    newer.run("git rm --quiet src/compare.py")
    newer.run("git commit --quiet --message gone")
    before = {*run("git ls-files", outer, env).stdout.splitlines()}
    [update] = blocks(newer, "Update it")
    project.run(["sh", "-ec", update.replace("../newer", str(tmp_path / "newer"))])
    gone = (project.path / "src/compare.py").relative_to(outer).as_posix()
    assert before - {*run("git ls-files", outer, env).stdout.splitlines()} == {gone}
    assert (outer / "a.txt").read_text() == "kept"
    assert (project.path / "params.yaml").read_text().endswith("# mine\n")
    assert (project.path / "README.md").read_text().endswith("# newer\n")
    assert project.run("git status --porcelain") == ""


@pytest.mark.parametrize("name", ["my table.csv", "parts"])
def test_a_project_is_made_again_from_its_own_record(bake, template, tmp_path, name):
    """The file that it was made of may be gone."""
    source = tmp_path / name
    rows = "".join(f"{n % 7},{'ab'[n % 2]}\n" for n in range(14))
    if source.suffix:
        source.write_text(f"x,y\n{rows}")
    else:
        source.mkdir()
        (source / "a.csv").write_text(f"x,y\n{rows}")
    answers = {"data": str(source), "target": "y", "project_name": "Mine: 'x' #1"}
    project = bake(tmp_path, project_slug="mine", **answers)
    source.rename(tmp_path / "gone")
    text = (project.path / "README.md").read_text()
    command = re.search("`(cookiecutter .*--config-file.*)`", text)[1]
    project.run(command.replace("gh:OWNER/cookiecutter-dvc-pipeline", str(template)))
    newer = Project(project.path.parent / "newer" / project.path.name, project.env)
    tree = "git rev-parse HEAD^{tree}"
    assert newer.run(tree) == project.run(tree)
    assert newer.run("git log --format=%s") == project.run("git log --format=%s")


def test_the_hook_of_the_first_version_pushes_until_it_is_replaced(old, baked, tmp_path, env):
    project = baked.copy(tmp_path / "project")
    hook = project.path / ".git/hooks/pre-push"
    hook.write_bytes((old.path / ".git/hooks/pre-push").read_bytes())
    run("git init --quiet --bare code.git", tmp_path, env)
    project.run("git remote add origin ../code.git")
    assert "files are there" in project.run("git push origin main")


def test_each_stage_names_the_lines_that_older_parameters_lack(old, baked, tmp_path, monkeypatch):
    project = baked.copy(tmp_path / "project")
    added = keys(params(project)) - keys(params(old))
    assert {name for name in added if not name.startswith("models.")} == {*ADDED, "findings.mute"}
    file = project.path / "params.yaml"
    file.write_bytes((old.path / "params.yaml").read_bytes())
    monkeypatch.chdir(project.path)
    for stage in ("prepare", "split", "train"):
        said = project.run(["python", f"src/{stage}.py"], status=1)
        assert said.startswith("params.yaml: add below") and len(said.splitlines()) == 1
        section, *lines = re.findall("`(.*?)`", said)
        pasted = "\n  ".join([f"\n{section}", *lines])
        file.write_text(file.read_text().replace(f"\n{section}\n", f"{pasted}\n"))
    assert "Parameters 'findings' are missing" in project.run("dvc repro", status=255)
    with pytest.raises(InputError) as error:
        load_params("findings")
    with file.open("a") as text:
        text.write(f"{re.search('`(.*)`', str(error.value))[1]}\n")
    assert project.repro() == ["evaluate"]
