"""What DVC does not push stays here: outputs with `push: false`, a remote of their own, imports."""

import shutil
from pathlib import Path

import pytest
import yaml
from conftest import Project, run

CHECK = "python src/share.py check"
SECRET = b"patient,diagnosis\n1,secret\n"


@pytest.fixture
def shared(reproduced, tmp_path, env) -> Project:
    """A project whose git and DVC remotes are folders, with a second DVC remote `private`."""
    project = reproduced.copy(tmp_path / "project")
    run("git init --quiet --bare git", tmp_path, env)
    project.run("git remote add origin ../git")
    project.run(["dvc", "remote", "modify", "origin", "url", tmp_path / "store"])
    project.run(["dvc", "remote", "add", "private", tmp_path / "private"])
    project.commit("Remotes")
    return project


def track(project: Project, file: str, content: bytes = SECRET, **options: object) -> None:
    """Add a file to DVC, with options of its output."""
    path = project.path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    target = file if path.parent == project.path / "data/raw" else str(Path(file).parent)
    project.run(["dvc", "add", "--quiet", target])
    set_output(project, f"{target}.dvc", **options)


def set_output(project: Project, file: str, **options: object) -> None:
    path = project.path / file
    content = yaml.safe_load(path.read_text())
    content["outs"][0] |= options
    path.write_text(yaml.safe_dump(content))


def rename_and_withhold(project: Project) -> None:
    """Give data/raw/before.csv another name, under which it is withheld."""
    project.run("git mv data/raw/before.csv.dvc data/raw/after.csv.dvc")
    project.edit("data/raw/after.csv.dvc", "before.csv", "after.csv")
    set_output(project, "data/raw/after.csv.dvc", push=False)


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.rglob("*") if path.is_file()]


def push_as_the_hook_does(project: Project) -> None:
    """Let the check after `dvc push` upload what the commits need."""
    tip = project.run("git rev-parse HEAD").strip()
    line = f"refs/heads/main {tip} refs/heads/main {'0' * 40}"
    project.run(["sh", "-c", f"echo {line} | {CHECK} --pushed"])


def test_what_is_not_to_be_pushed_stays_here(shared, tmp_path):
    track(shared, "data/raw/patients.csv", push=False)
    track(shared, "data/raw/scans/1.txt", push=False)
    shared.edit(
        "dvc.yaml",
        "      - models/model.skops\n      - results/s",
        "      - models/model.skops:\n          push: false\n      - results/s",
    )
    shared.commit()
    output = shared.run("git push --quiet origin main")
    assert f"all {len(shared.cached())} files are there" in output
    shared.run(f"{CHECK} --repair")
    stored = contents(tmp_path / "store")
    assert SECRET not in stored
    assert (shared.path / "models/model.skops").read_bytes() not in stored
    assert (shared.path / "data/test.parquet").read_bytes() in stored


@pytest.mark.parametrize("committed", [True, False])
def test_what_is_withheld_now_does_not_leave_with_an_older_commit(shared, tmp_path, committed):
    track(shared, "data/raw/before.csv")
    shared.commit()
    rename_and_withhold(shared)
    if committed:
        shared.commit()
    push_as_the_hook_does(shared)
    shared.run(f"{CHECK} --repair")
    assert SECRET not in contents(tmp_path / "store")
    assert (shared.path / "data/test.parquet").read_bytes() in contents(tmp_path / "store")


@pytest.mark.parametrize("how", ["  push: False", "  remote: secret"])
@pytest.mark.parametrize("place", ["older commit", "fetched branch"])
def test_another_branch_that_withholds_data_decides(shared, tmp_path, place, how):
    """A newer one here, or one that was fetched; this one may not know its remote."""
    track(shared, "data/raw/patients.csv")
    shared.commit()
    shared.run("git branch open")
    with (shared.path / "data/raw/patients.csv.dvc").open("a") as file:
        file.write(f"{how}\n")
    shared.run(["dvc", "remote", "add", "--quiet", "secret", tmp_path / "secret"])
    shared.commit()
    if place == "fetched branch":
        tip = shared.run("git rev-parse HEAD").strip()
        shared.run(f"git update-ref refs/remotes/origin/main {tip}")
        shared.run("git reset --quiet --hard HEAD~1")
        (shared.path / "mine.md").write_text("mine")
        shared.commit()
    else:
        shared.run("git checkout --quiet open")
    output = shared.run("git push --quiet origin HEAD:refs/heads/mine")
    assert "data/raw/patients.csv stays here" in output
    shared.run(f"{CHECK} --repair")
    # From elsewhere, and where the environment names another repository
    run("git init --quiet other", tmp_path, shared.env)
    check = ["python", shared.path / "src/share.py", "check", "--repair"]
    for named in ({}, {"GIT_DIR": str(tmp_path / "other/.git")}):
        assert "files are there" in run(check, tmp_path, shared.env | named).stdout
    stored = contents(tmp_path / "store")
    assert SECRET not in stored
    assert (shared.path / "data/test.parquet").read_bytes() in stored


def test_a_branch_that_withholds_no_more_than_this_one_does_not_decide(shared, tmp_path):
    """Nor does the history of what is pushed, nor what a push replaces."""
    track(shared, "data/raw/patients.csv", push=False)
    track(shared, "data/raw/copy.csv")
    shared.commit()
    shared.run("git branch same")
    shared.run("git commit --quiet --allow-empty -m More")
    assert "stays here" not in shared.run("git push --quiet origin main")
    assert SECRET in contents(tmp_path / "store"), "as the same content is shared elsewhere"

    shared.run("git checkout --quiet -b shy")
    set_output(shared, "data/raw/copy.csv.dvc", push=False)
    shared.commit()
    shared.run("git push --quiet origin shy")
    set_output(shared, "data/raw/copy.csv.dvc", push=True)
    shared.run("git commit --quiet --all --amend -m Open")
    assert "stays here" not in shared.run("git push --quiet --force origin shy")


def test_what_is_also_shared_leaves_although_the_same_is_withheld_elsewhere(shared, tmp_path):
    """Such as an empty file: without it, nobody could fetch what is shared."""
    track(shared, "data/secret/key.csv", push=False)
    (shared.path / "data/secret/none.csv").touch()
    shared.run("dvc add --quiet data/secret")
    set_output(shared, "data/secret.dvc", push=False)
    (shared.path / "data/open").mkdir()
    (shared.path / "data/open/none.csv").touch()
    track(shared, "data/open/all.csv", b"x\n1\n")
    shared.commit()
    shared.run("git push --quiet origin main")
    stored = contents(tmp_path / "store")
    assert b"" in stored and SECRET not in stored
    clone = tmp_path / "clone"
    run(
        ["git", "clone", "--quiet", "--branch", "main", tmp_path / "git", clone],
        tmp_path,
        shared.env,
    )
    run("dvc pull data/open", clone, shared.env)
    assert sorted(path.name for path in (clone / "data/open").iterdir()) == ["all.csv", "none.csv"]


def test_another_version_of_what_is_withheld_now_does_not_leave_either(shared, tmp_path):
    for number in range(2):
        track(shared, "data/raw/patients.csv", SECRET + b"%d" % number)
        shared.commit()
    set_output(shared, "data/raw/patients.csv.dvc", push=False)
    push_as_the_hook_does(shared)
    assert not [content for content in contents(tmp_path / "store") if SECRET in content]


def test_what_another_branch_withholds_is_sent_where_it_is_shared(shared, tmp_path):
    shared.run("git push --quiet origin main")
    track(shared, "data/raw/rows.csv", b"x\n1\n")
    shared.commit()
    shared.run("git checkout --quiet -b private HEAD~1")
    track(shared, "data/raw/rows.csv", SECRET, push=False)
    shared.commit()
    shared.run("git checkout --quiet main")
    # Whether one branch is pushed or both, the path stays here, until no branch withholds it.
    for refs in ("main", "--all"):
        output = shared.run(f"git push --quiet origin {refs}")
        assert "data/raw/rows.csv stays here" in output
        assert not {b"x\n1\n", SECRET} & set(contents(tmp_path / "store"))
    shared.run("git branch --quiet --delete --force private")
    shared.run("git update-ref -d refs/remotes/origin/private")
    shared.run(f"{CHECK} --repair")
    stored = contents(tmp_path / "store")
    assert b"x\n1\n" in stored and SECRET not in stored


@pytest.mark.parametrize("refs", ["--all", "main private", "--mirror", "main kept", "main"])
def test_what_a_branch_withholds_stays_however_it_is_pushed(shared, tmp_path, refs):
    """With it, or with a tag in its place, or alone; and whatever the environment makes of paths."""
    track(shared, "data/raw/patients.csv")
    shared.commit()
    shared.run("git checkout --quiet -b private")
    set_output(shared, "data/raw/patients.csv.dvc", push=False)
    shared.commit()
    shared.run("git checkout --quiet main")
    shared.run("git commit --quiet --allow-empty -m More")
    if "kept" in refs or refs == "main":
        shared.run("git tag --annotate kept private -m Kept")
        shared.run("git branch --quiet --delete --force private")
    shared.env = shared.env | {"GIT_LITERAL_PATHSPECS": "1"}
    assert "data/raw/patients.csv stays here" in shared.run(f"git push --quiet origin {refs}")
    stored = contents(tmp_path / "store")
    assert SECRET not in stored
    assert (shared.path / "data/test.parquet").read_bytes() in stored


def test_where_git_cannot_tell_what_is_withheld_nothing_leaves(shared, tmp_path):
    """In a partial clone, whose server is away."""
    shared.run("git push --quiet origin main")
    shared.run("git checkout --quiet -b private")
    track(shared, "data/raw/patients.csv", push=False)
    shared.commit()
    shared.run("git push --quiet origin private")
    server = tmp_path / "git"
    run("git config uploadpack.allowFilter true", server, shared.env)
    options = "--quiet --filter=blob:none --branch main"
    run(f"git clone {options} {server.as_uri()} partial", tmp_path, shared.env)
    partial = Project(tmp_path / "partial", shared.env)
    partial.run("dvc pull --quiet")
    server.rename(tmp_path / "away")
    said = partial.run(f"{CHECK} --repair", status=1)
    assert said.startswith("fatal: ") and len(said.splitlines()) == 1, said


def test_an_output_with_a_remote_of_its_own_is_sent_and_looked_for_there(shared, tmp_path):
    track(shared, "data/raw/patients.csv", remote="private")
    track(shared, "data/raw/scans/1.txt", SECRET * 2, remote="private")
    shared.commit()
    output = shared.run("git push --quiet origin main")
    assert {SECRET, SECRET * 2} <= set(contents(tmp_path / "private"))
    for folder in ("store", "private"):
        assert f"{tmp_path}/{folder}: all" in output

    shutil.rmtree(tmp_path / "private/files")
    assert f"{tmp_path}/private has none of" in shared.run(CHECK, status=1)
    shared.run(f"{CHECK} --repair")
    assert {SECRET, SECRET * 2} <= set(contents(tmp_path / "private"))
    assert {SECRET, SECRET * 2}.isdisjoint(contents(tmp_path / "store"))


def test_a_remote_that_is_not_configured_is_named(shared):
    track(shared, "data/raw/patients.csv", remote="nowhere")
    shared.commit()
    said = shared.run(CHECK, status=1)
    assert said == "data/raw/patients.csv: .dvc/config has no remote 'nowhere'\n"


def test_an_import_from_another_repository_is_neither_sent_nor_demanded(
    shared, baked, tmp_path, env
):
    source = baked.copy(tmp_path / "source")
    track(source, "data/raw/patients.csv")
    source.commit()
    shared.run("dvc import --quiet ../source data/raw/patients.csv -o data/raw/theirs.csv")
    shared.commit()
    push_as_the_hook_does(shared)
    assert SECRET not in contents(tmp_path / "store")


def test_a_project_with_no_default_remote_can_share_what_names_its_own(baked, tmp_path):
    project = baked.copy(tmp_path / "project")
    project.run("dvc remote default --unset")
    project.run(["dvc", "remote", "modify", "origin", "url", tmp_path / "store"])
    set_output(project, "data/raw/iris.csv.dvc", remote="origin")
    project.commit()
    assert f"{tmp_path}/store: all 1 files" in project.run(f"{CHECK} --repair")


@pytest.mark.parametrize("folder_first", [False, True])
def test_what_is_withheld_in_a_folder_or_as_one_does_not_leave_with_an_older_commit(
    shared, tmp_path, folder_first
):
    """A file was tracked, then the folder around it; or the folder, then one file in it."""
    (shared.path / "data/raw/pat").mkdir()
    (shared.path / "data/raw/pat/a.csv").write_bytes(SECRET)
    targets = ["data/raw/pat/a.csv", "data/raw/pat"][:: -1 if folder_first else 1]
    shared.run(["dvc", "add", "--quiet", targets[0]])
    shared.commit()
    shared.run(["dvc", "remove", f"{targets[0]}.dvc"])
    shared.run("git rm -rq --cached --ignore-unmatch data/raw/pat data/raw/pat.dvc")
    (shared.path / "data/raw/pat/.gitignore").unlink(missing_ok=True)
    (shared.path / "data/raw/pat/a.csv").write_bytes(SECRET + b"2,another\n")
    shared.run(["dvc", "add", "--quiet", targets[1]])
    set_output(shared, f"{targets[1]}.dvc", push=False)
    shared.commit()
    push_as_the_hook_does(shared)
    assert SECRET not in contents(tmp_path / "store")


def test_a_newer_commit_decides_although_an_older_one_is_checked_out(shared, tmp_path):
    track(shared, "data/raw/before.csv")
    shared.commit()
    rename_and_withhold(shared)
    shared.commit()
    shared.run("git checkout --quiet HEAD~1")
    shared.run("git push --quiet origin main")
    assert SECRET not in contents(tmp_path / "store")
    assert (shared.path / "data/test.parquet").read_bytes() in contents(tmp_path / "store")


def test_a_pushed_branch_decides_although_another_one_is_checked_out(shared, tmp_path):
    track(shared, "data/raw/before.csv")
    shared.commit()
    shared.run("git branch other")
    rename_and_withhold(shared)
    shared.commit()
    shared.run("git checkout --quiet other")
    shared.run("git commit --quiet --allow-empty -m Diverged")
    shared.run("git push --quiet origin main")
    assert SECRET not in contents(tmp_path / "store")
    assert (shared.path / "data/test.parquet").read_bytes() in contents(tmp_path / "store")


@pytest.mark.parametrize("sparse", [True, False])
def test_head_decides_although_the_workspace_lacks_the_file(shared, tmp_path, sparse):
    track(shared, "data/raw/patients.csv")
    shared.commit()
    shared.run("git tag v1")
    set_output(shared, "data/raw/patients.csv.dvc", push=False)
    shared.commit()
    if sparse:
        shared.run("git sparse-checkout set src .dvc models notebooks tests")
    else:
        (shared.path / "data/raw/patients.csv.dvc").unlink()
    shared.run("git push --quiet origin v1")
    assert SECRET not in contents(tmp_path / "store")


def test_a_branch_shares_what_it_withholds_elsewhere_from_any_other_branch(shared, tmp_path):
    shared.run("git checkout --quiet -b other")
    track(shared, "data/open/labels.csv", b"")
    track(shared, "data/secret/labels.csv", b"", push=False)
    shared.commit()
    shared.run("git checkout --quiet main")
    shared.run("git push --quiet origin other")
    assert b"" in contents(tmp_path / "store")


def test_from_a_branch_without_the_project_no_code_is_pushed_without_data(shared, tmp_path):
    shared.run("git checkout --quiet -b feature")
    track(shared, "data/raw/new.csv")
    shared.commit()
    shared.run("git checkout --quiet --orphan pages")
    shared.run("git rm -rfq .")
    (shared.path / "index.html").write_text("<p>")
    shared.run("git add index.html")
    shared.run("git commit --quiet -m Page")
    assert "git_hook.sh" in shared.run("git push origin feature", status=1)
    assert SECRET not in contents(tmp_path / "store")
    shared.run("git push --quiet origin pages")


def test_a_branch_can_be_deleted_while_the_remote_is_gone(shared, tmp_path):
    shared.run("git push --quiet origin main main:other")
    shared.run("dvc remote modify origin url /dev/null/store")
    shared.run("git push --quiet --delete origin other")
    assert "other" not in shared.run("git ls-remote origin")
