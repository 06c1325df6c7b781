"""One `git push` and its failures, over DVC's HTTP and S3, against real servers."""

import configparser
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from helpers import BIN, Project, hyperparameters, in_terminal, objects, run
from servers import MODES, STATUSES, TOKEN, UPLOADS, Host, Proxy

KINDS = {"http": "", "s3": ".s3"}
BIG = "data/raw/big.bin"
MODELS = {
    "logistic": "LogisticRegression",
    "machine": "SVC",
}
each_kind = pytest.mark.parametrize("kind", KINDS)


def one_kind(kind: str) -> pytest.MarkDecorator:
    """For what DVC does over either alike: one of them here, the other in `make sweep`."""
    [other] = KINDS.keys() - {kind}
    return pytest.mark.parametrize("kind", [kind, pytest.param(other, marks=pytest.mark.sweep)])


@pytest.fixture(scope="session")
def member(host, env, tmp_path_factory) -> dict[str, str]:
    """The environment of a member of OWNER: git knows the password, DAGSHUB_USER_TOKEN the token."""
    home = tmp_path_factory.mktemp("member")
    shutil.copy(Path(env["HOME"]) / ".gitconfig", home)
    with (home / ".gitconfig").open("a") as config:
        config.write("[credential]\nhelper = store\n")
    address = host.url.replace("//", f"//{host.user}:{host.token}@")
    (home / ".git-credentials").write_text(f"{address}\n")
    return {
        **env,
        "HOME": str(home),
        "DAGSHUB_CLIENT_HOST": host.url,
        "DAGSHUB_USER_TOKEN": host.token,
        # boto3 would try five times, ever more slowly.
        "AWS_MAX_ATTEMPTS": "2",
    }


@pytest.fixture(scope="session")
def originals(host, member, bake, tmp_path_factory) -> dict[str, Project]:
    """A project of each kind after `dvc repro` and a commit, not yet pushed."""
    projects = {}
    for kind, suffix in KINDS.items():
        url = host.create(f"original-{kind}")
        project = bake(tmp_path_factory.mktemp(kind), env=member, remote=f"{url}{suffix}")
        project.quicken()
        for other in projects.values():
            # What ran in one, DVC takes from its cache in the other.
            shutil.copytree(
                other.path / ".dvc/cache", project.path / ".dvc/cache", dirs_exist_ok=True
            )
        project.repro()
        project.commit("Random forest")
        projects[kind] = project
    return projects


@pytest.fixture
def share(host, originals, tmp_path) -> Callable[[str], Project]:
    """A function that copies a project of a kind, with an empty repository `shared` of its own."""

    def share(kind: str) -> Project:
        name = tmp_path.name
        url = host.create(name)
        project = originals[kind].copy(tmp_path / "project")
        project.env = dict(project.env)
        project.edit(".dvc/config", f"original-{kind}", name)
        project.run(f"git remote set-url origin {url}.git")
        project.commit("Address")
        return project

    return share


def teammate(project: Project, folder: str = "teammate") -> Project:
    """Clone what `project` pushed, as the README says."""
    path = project.path.with_name(folder)
    url = project.run("git remote get-url origin").strip()
    run(f"git clone --quiet {url} {path}", path.parent, project.env)
    clone = Project(path, project.env)
    clone.run("python src/share.py login")
    clone.run("python src/share.py hooks")
    return clone


def assert_complete(project: Project, clone: Project) -> None:
    clone.run("dvc pull")
    assert clone.outcome() == project.outcome()
    assert clone.repro() == []


def assert_shared(host: Host, project: Project) -> None:
    """Assert that the commit is pushed, and each object that DVC keeps in its full size."""
    assert project.run("git rev-parse origin/main") == project.run("git rev-parse HEAD")
    name = project.path.parent.name
    kept = objects(project.path / ".dvc/cache/files")
    assert len(kept) >= len(project.cached())
    sent = host.s3_objects(name) or objects(host.store(name))
    assert sent == {f"files/{path}": size for path, size in kept.items()}


def state(project: Project) -> tuple:
    """Return what a failed push must not change."""
    return (
        project.outcome(),
        project.run("git rev-parse HEAD"),
        project.run("git status --porcelain"),
        (project.path / ".dvc/config").read_bytes(),
    )


def address(project: Project) -> str:
    """Return the URL of the DVC remote, as messages name it."""
    remote = configparser.ConfigParser()
    remote.read(project.path / ".dvc/config")
    section = remote["'remote \"origin\"'"]
    return section.get("endpointurl", section["url"])


def published(project: Project) -> str:
    return project.run("git ls-remote --heads origin")


@each_kind
def test_one_push_shares_everything(share, kind):
    project = share(kind)
    project.run("git push --quiet --set-upstream origin main")
    clone = teammate(project)
    assert_complete(project, clone)
    assert f"all {len(clone.cached())} files are there" in clone.run("python src/share.py check")


@one_kind("http")
def test_experiments_travel(share, kind):
    project = share(kind)
    project.run("git push --quiet --set-upstream origin main")
    settings = {"logistic": "logistic_regression", "machine": "svc"}
    project.experiments({name: {"model": model} for name, model in settings.items()})
    project.run("git checkout --quiet .")
    project.run("dvc exp push origin logistic machine")
    clone = teammate(project)
    assert all(name in clone.run("dvc exp list origin") for name in MODELS)
    clone.run("dvc exp pull origin logistic machine")
    for name, class_name in MODELS.items():
        clone.run(f"dvc exp apply {name}")
        assert hyperparameters(clone)["model_class"] == class_name
        assert clone.repro() == []
        clone.run("git checkout --quiet .")


@one_kind("http")
def test_three_commits_as_in_the_tutorial_are_all_there_after_one_push(share, kind):
    """`dvc push` alone sends what the workspace needs: the last of the three models."""
    project = share(kind)
    expected = {project.run("git rev-parse HEAD").strip(): project.outcome()}
    for model in ("logistic_regression", "svc"):
        project.run(f"dvc exp run --set-param train.model={model}")
        project.run("git add .")
        project.run(f"git commit --quiet -m {model}")
        changed = project.run("git show --name-only --format=").split()
        assert {"results/params.yml", "dvc.lock"} <= set(changed)
        expected[project.run("git rev-parse HEAD").strip()] = project.outcome()
    project.run("git push --quiet --set-upstream origin main")
    clone = teammate(project)
    tip = project.run("git rev-parse HEAD").strip()
    for commit, outcome in expected.items():
        output = clone.run(f"git checkout --quiet {commit}")
        assert "`dvc pull` fetches the data of this commit" in output or commit == tip
        clone.run("dvc pull")
        assert clone.outcome() == outcome


SAID = {
    "401": "wants credentials, or other ones (401): run `python src/share.py login`",
    "403": "refuses access (403)",
    "413": "answers 413",
    "429": "answers 429",
    "503": "answers 503",
    "login": "answers with a page where it has no object",
    "redirect": "redirects to",
    "silent": "does not answer",
}
# The clients of DVC word a status in their own ways.
REASONS = {
    "401": "401|Unauthorized",
    "403": "403|Forbidden|Access Denied",
    "413": "413|Too Large",
    "429": "429|Too Many Requests",
    "503": "503|Service Unavailable|Slow Down",
}
EXPECTED = {
    "http": {mode: re.escape(said) for mode, said in SAID.items()},
    # which follows redirects
    "s3": {
        **REASONS,
        "login": SAID["login"],
        "redirect": SAID["login"],
        "silent": "gives no answer within",
    },
}


def assert_stopped(project: Project, output: str, before: tuple) -> None:
    """Assert that git pushed nothing, said so, and that the push changed nothing here."""
    assert "git pushed nothing: the data has to be on the DVC remote first." in output
    assert "Traceback" not in output
    assert published(project) == ""
    assert state(project) == before


@each_kind
def test_a_remote_that_fails_stops_the_push_with_one_line(share, host, kind, subtests):
    project = share(kind)
    before = state(project)
    for mode in MODES:
        with subtests.test(mode), host.failing(mode):
            # DVC itself waits for up to ten minutes.
            output = project.run("git push origin main", status=1, timeout=120)
            assert_stopped(project, output, before)
            said = [line for line in output.splitlines() if line.startswith(address(project))]
            assert len(said) == 1 and re.search(EXPECTED[kind][mode], said[0])
            if mode == MODES[0]:
                assert project.run("python src/share.py check", status=1) == f"{said[0]}\n"
    project.run("git push --quiet origin main")
    assert_shared(host, project)


@each_kind
def test_a_wrong_token_and_no_token_stop_the_push(share, host, kind):
    project = share(kind)
    before = state(project)
    local = project.path / ".dvc/config.local"
    right = local.read_text()
    for text in (right.replace(TOKEN, "another"), ""):
        local.write_text(text)
        output = project.run("git push origin main", status=1)
        assert_stopped(project, output, before)
        said = project.run("python src/share.py check", status=1)
        assert said in output and "another" not in output
        assert len(said.splitlines()) == 1
        if kind == "http":
            assert SAID["401"] in said
        else:
            assert "refuses access" in said or "credentials" in said
    project.run("python src/share.py login")
    project.run("git push --quiet origin main")
    assert_shared(host, project)


@each_kind
def test_a_server_that_is_gone_is_named_and_the_push_works_when_it_is_back(share, host, kind):
    project = share(kind)
    before = state(project)
    host.kill()
    try:
        project.run("git push origin main", status=128)
        said = project.run("python src/share.py check", status=1, timeout=120)
        assert said.startswith(address(project)) and len(said.splitlines()) == 1
        assert state(project) == before
    finally:
        host.start()
    project.run("git push --quiet origin main")
    assert_shared(host, project)


def test_a_host_that_does_not_exist_is_named(share):
    project = share("http")
    project.run("dvc remote modify origin url http://no-such-host.invalid/OWNER/REPO.dvc")
    said = project.run("python src/share.py check", status=1)
    assert said.startswith("http://no-such-host.invalid/OWNER/REPO.dvc cannot be reached")


def test_a_wrong_path_on_the_right_host_is_named(share, host):
    project = share("http")
    project.run(f"dvc remote modify origin url {host.url}/OWNER/none.dvc")
    said = project.run("python src/share.py check", status=1)
    assert said.startswith(
        f"{host.url}/OWNER/none.dvc has none of the {len(project.cached())} files: is the address right"
    )
    assert len(said.splitlines()) == 1


def add_big(project: Project, megabytes: int) -> None:
    """Commit a large file, which DVC tracks."""
    with (project.path / BIG).open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1 << 20))
    project.run(["dvc", "add", "--quiet", BIG])
    project.commit("Big")


@each_kind
def test_a_push_that_the_server_dies_in_is_repeated(share, host, kind):
    """256 MB, of which some have arrived when nginx is killed."""
    project = share(kind)
    project.run("git push --quiet origin main")
    add_big(project, 256)
    before, tip = state(project), published(project)
    log = (project.path.parent / "push.log").open("w+")
    push = subprocess.Popen(
        ["git", "push", "origin", "main"], cwd=project.path, env=project.env, stdout=log, stderr=log
    )
    parts = host.parts()
    while not any(size > 1 << 20 for size in host.arriving()) and host.parts() == parts:
        assert push.poll() is None, "the push ended before any of it arrived"
        time.sleep(0.002)
    host.kill()
    try:
        status = push.wait(timeout=300)
    finally:
        host.start()
    log.seek(0)
    output = log.read()
    assert status == 1, output
    assert "git pushed nothing" in output
    assert published(project) == tip
    assert state(project) == before
    project.run("git push --quiet origin main")
    clone = teammate(project)
    assert_complete(project, clone)
    assert (clone.path / BIG).read_bytes() == (project.path / BIG).read_bytes()


@pytest.fixture
def proxy(host):
    proxy = Proxy(host.port)
    yield proxy
    proxy.close()


@each_kind
def test_a_remote_that_goes_silent_in_the_middle_is_given_up_and_the_rest_follows(
    share, host, proxy, kind
):
    """After 4 of 16 MB, up and down; with limits of some seconds, and the fewest attempts."""
    project = share(kind)
    project.edit(".dvc/config", str(host.port), str(proxy.port))
    project.edit(".dvc/config", "read_timeout = 30", "read_timeout = 3")
    project.edit("src/support/remote.py", "SILENCE = 60", "SILENCE = 3")
    project.commit("Proxy")
    project.run("git push --quiet origin main")
    add_big(project, 16)
    before, tip = state(project), published(project)
    for command in ("git push origin main", "python src/share.py check --repair"):
        proxy.silence(upload=4 << 20)
        line, *others = project.run(command, status=1, timeout=300).splitlines()
        assert line == f"{address(project)} gives no answer within 3 seconds: try again later"
        assert command.startswith("python") == (not others)
        assert state(project) == before and published(project) == tip
        proxy.forward()
    project.run("git push --quiet origin main")

    clone = teammate(project)
    # Of S3, DVC's client asks five times for each attempt of boto3, with pauses between.
    clone.env = {**clone.env, "AWS_MAX_ATTEMPTS": "1"}
    clone.run("dvc remote modify --local origin read_timeout 1")
    proxy.silence(download=4 << 20)
    output = clone.run("dvc pull", status=1, timeout=300)
    assert "failed to pull data from the cloud" in output and "Traceback" not in output
    assert not (clone.path / BIG).exists()
    proxy.forward()
    assert_complete(project, clone)
    assert (clone.path / BIG).read_bytes() == (project.path / BIG).read_bytes()


def test_a_silent_git_server_is_given_up_with_the_settings_of_the_readme(
    baked, host, proxy, tmp_path
):
    project = baked.copy(tmp_path / "project")
    url = host.create("silent").replace(str(host.port), str(proxy.port))
    project.run(f"git remote add origin {url}.git")
    proxy.silence(download=0)
    readme = (project.path / "README.md").read_text(encoding="utf-8")
    for command in re.findall(r"git config http\.\w+ \d+", readme):
        project.run(command.replace(" 60", " 2"))
    assert "too slow" in project.run("git ls-remote origin", status=128, timeout=120)


def stored(project: Project, file: str) -> str:
    """Return the path of an output's object on a remote."""
    lock = yaml.safe_load((project.path / "dvc.lock").read_text())
    outs = [out for stage in lock["stages"].values() for out in stage["outs"]]
    [md5] = [out["md5"] for out in outs if out["path"] == file]
    return f"files/md5/{md5[:2]}/{md5[2:]}"


@pytest.mark.parametrize("damage", ["deleted", "truncated"])
@one_kind("s3")
def test_a_damaged_object_is_named_and_repaired(share, host, kind, damage):
    project = share(kind)
    name = project.path.parent.name
    project.run("git push --quiet origin main")
    key = stored(project, "models/model.skops")
    file = host.store(name) / key
    if kind == "http":
        file.unlink() if damage == "deleted" else os.truncate(file, 100)
    elif damage == "deleted":
        host.s3_delete(name, key)
    else:
        host.s3_put(name, key, (project.path / "models/model.skops").read_bytes()[:100])

    said = project.run("python src/share.py check", status=1)
    size = (project.path / "models/model.skops").stat().st_size
    problem = "is missing" if damage == "deleted" else f"has 100 bytes instead of {size}"
    assert said.startswith(f"models/model.skops {problem} on {address(project)}: ")
    clone = teammate(project)
    clone.run("dvc pull", status=1 if damage == "deleted" else None)
    model = clone.path / "models/model.skops"
    assert not model.exists() or model.stat().st_size == size

    assert f"all {len(project.cached())} files are there" in project.run(
        "python src/share.py check --repair"
    )
    assert_shared(host, project)
    clone.run("dvc pull")
    assert clone.outcome() == project.outcome()


def test_a_damaged_copy_here_does_not_replace_the_good_one_on_the_remote(project):
    project.run("dvc push")
    store = Path(project.run("dvc config remote.origin.url").strip())
    cache = project.path / ".dvc/cache/files/md5"
    key = stored(project, "models/model.skops").removeprefix("files/md5/")
    good = (store / "files/md5" / key).read_bytes()
    (cache / key).chmod(0o644)
    os.truncate(cache / key, 100)
    for command in ("check", "check --repair"):
        assert "files are there" in project.run(f"python src/share.py {command}")
    assert (store / "files/md5" / key).read_bytes() == good

    (store / "files/md5" / key).unlink()
    said = project.run("python src/share.py check --repair", status=1)
    assert (
        "models/model.skops is missing" in said and "this machine's copy of it is damaged" in said
    )
    assert not (store / "files/md5" / key).exists()


def test_data_that_another_worktree_has_is_pushed_from_there(project, tmp_path, env):
    run("git init --quiet --bare code.git", tmp_path, env)
    project.run(["git", "remote", "add", "origin", tmp_path / "code.git"])
    project.run("git push --quiet origin main")
    project.run("git worktree add --quiet -b side ../side")
    side = Project(tmp_path / "side", env)
    (side.path / "data/raw/new.csv").write_text("x\n1\n")
    side.run("dvc add --quiet data/raw/new.csv")
    side.commit("New")
    said = project.run("git push origin side", status=1)
    assert (
        "data/raw/new.csv is missing on" in said and f"is in {side.path}: push from there" in said
    )
    assert "files are there" in side.run("git push origin side")


def test_a_folder_as_remote_that_is_gone_is_told(project, tmp_path, env):
    run("git init --quiet --bare code.git", tmp_path, env)
    project.run(["git", "remote", "add", "origin", tmp_path / "code.git"])
    project.run(["dvc", "remote", "modify", "--local", "origin", "url", tmp_path / "store"])
    first = project.run("git push --quiet origin main")
    assert "files are there" in first and "the folder was not there" not in first
    (tmp_path / "store").rename(tmp_path / "unmounted")
    project.run("git commit --quiet --allow-empty -m Later")
    said = project.run("git push --quiet origin main")
    assert "files are there; the folder was not there: if it is" in said


def test_a_folder_as_remote_is_checked_and_repaired(project):
    project.run("dvc push")
    assert f"all {len(project.cached())} files are there" in project.run(
        "python src/share.py check"
    )
    store = Path(project.run("dvc config remote.origin.url").strip())
    (store / stored(project, "data/test.parquet")).unlink()
    said = project.run("python src/share.py check", status=1)
    assert said.startswith(f"data/test.parquet is missing on {store}: ")
    assert f"all {len(project.cached())} files are there" in project.run(
        "python src/share.py check --repair"
    )


def test_an_older_commit_that_cannot_be_read_or_lost_a_file_is_named(project, tmp_path, env):
    """One cannot be mended any more, and nobody can check it out; of the other, more may be lost."""
    run("git init --quiet --bare git", tmp_path, env)
    project.run(["git", "remote", "add", "origin", tmp_path / "git"])
    extra = project.path / "data/raw/extra.csv"
    for content in ("lost", "kept"):
        extra.write_text(content)
        project.run("dvc add --quiet data/raw/extra.csv")
        project.commit(content)
    file = project.path / "data/raw/extra.csv.dvc"
    for path, broken in (("dvc.yaml", "stages: [\n"), (file, file.read_text().split("  hash")[0])):
        whole = (project.path / path).read_text()
        (project.path / path).write_text(broken)
        project.run("git commit --quiet --all --no-verify -m Broken")
        (project.path / path).write_text(whole)
        project.commit("Mended")
    _, cut, _, broken, _, first, *_ = project.run("git log --format=%h --abbrev=7").split()
    cached = (project.path / ".dvc/cache").rglob("*")
    [lost] = [file for file in cached if file.is_file() and file.read_bytes() == b"lost"]
    lost.unlink()
    said = project.run("git push --quiet origin main", status=1)
    assert f"commit {broken} is left out: " in said and "dvc.yaml" in said
    assert f"commit {cut} is left out: a .dvc file has an output without 'path'" in said
    assert f"data/raw/extra.csv of commit {first} is missing on" in said
    assert "no copy of it" in said and "--no-verify" in said
    lost.write_text("lost")
    project.run("git push --quiet origin main")


def test_a_directory_that_lost_a_file_is_named(share, host):
    """DVC itself takes a directory for complete when its list of files is there."""
    project = share("http")
    folder = project.path / "data/raw/images"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.txt").write_text(f"image {number}")
    project.run("dvc add --quiet data/raw/images")
    project.commit("Images")
    project.run("git push --quiet origin main")
    objects = [file for file in host.store(project.path.parent.name).rglob("*") if file.is_file()]
    [lost] = [file for file in objects if file.read_bytes() == b"image 1"]
    lost.unlink()
    said = project.run("python src/share.py check", status=1)
    assert said.startswith("data/raw/images/1.txt is missing on")
    project.run("python src/share.py check --repair")
    assert lost.read_bytes() == b"image 1"


def test_git_works_where_no_environment_is_activated(share, host, tmp_path):
    """As in an IDE: without DVC commits go on and pushes stop; .venv in the project is found."""
    project = share("http")
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("git", "sh", "mktemp", "cat", "rm"):
        (tools / name).symlink_to(shutil.which(name))
    everything = project.env
    project.env = {**everything, "PATH": str(tools)}
    with (project.path / "README.md").open("a") as readme:
        readme.write("More.\n")
    output = project.run("git commit --quiet --all -m More")
    assert output == (
        "pre-commit: dvc is not on PATH; activate the project's environment, or make it in .venv\n"
    )
    output = project.run("git push --quiet origin main", status=1)
    assert "pre-push: dvc is not on PATH; activate the project's environment" in output
    (tools / "dvc").symlink_to(BIN / "dvc")
    output = project.run("git push --quiet origin main", status=1)
    assert "pre-push: python is not on PATH; activate the project's environment" in output
    assert published(project) == ""
    (project.path / ".venv").symlink_to(sys.prefix)
    project.run("git push --quiet origin main")
    project.env = everything
    assert_shared(host, project)


@pytest.mark.parametrize("said", ["", "what another hook says", "\n"])
def test_a_check_that_git_tells_nothing_is_of_the_last_commit(project, said):
    check = "python src/share.py check --pushed"
    assert "files are there" in project.run(["sh", "-c", f"echo '{said}' | {check}"])
    unknown = f"refs/heads/main {'5' * 40} refs/heads/main {'0' * 40}"
    [line] = project.run(["sh", "-c", f"echo {unknown} | {check}"], status=1).splitlines()
    assert line.startswith("fatal: bad object 5555")


def test_hooks_leave_a_hook_of_somebody_else_alone(share):
    project = share("http")
    hook = project.path / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\necho mine\n")
    output = project.run("python src/share.py hooks", status=1)
    assert output.startswith(
        f"{hook} was left unchanged; add this to it, or to what generates it: "
    )
    assert len(output.splitlines()) == 1
    assert "mine" in hook.read_text()


@each_kind
def test_a_remote_that_takes_no_upload_stops_the_push(share, host, kind, subtests):
    """Reading works: no right to write, a file over the limit, an overloaded store."""
    project = share(kind)
    before = state(project)
    for status in STATUSES:
        with subtests.test(status), host.failing(status + UPLOADS):
            output = project.run("git push origin main", status=1)
            assert re.search(REASONS[status], output), output
            assert_stopped(project, output, before)
    project.run("git push --quiet origin main")
    assert_shared(host, project)


def test_login_asks_for_the_token_without_showing_it(share):
    project = share("http")
    del project.env["DAGSHUB_USER_TOKEN"]
    project.run("dvc remote modify --local origin password another")
    login, prompt = "python src/share.py login", "Token (not shown): "
    shown = in_terminal(login, project.path, project.env, f"{TOKEN}\n", prompt)
    assert "token stored in .dvc/config.local" in shown and TOKEN not in shown
    assert project.run("dvc config --local remote.origin.password") == f"{TOKEN}\n"


def test_share_says_where_it_cannot_work(baked, tmp_path):
    project = baked.copy(tmp_path / "alone")
    for folder, command, said in [
        (".dvc", "check", "you are not inside of a DVC repository"),
        (".git", "hooks", "no git hooks were installed: fatal: not a git repository"),
    ]:
        shutil.rmtree(project.path / folder)
        output = project.run(["python", "src/share.py", command], status=1)
        assert said in output and len(output.splitlines()) == 1
    project = baked.copy(tmp_path / "project")
    project.run("dvc remote default --unset")
    output = project.run("python src/share.py check", status=1)
    assert output == "no default remote: run `dvc remote default NAME`\n"
