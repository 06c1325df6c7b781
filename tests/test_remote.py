"""The answer `remote`: what it means, and what the project makes of it."""

import configparser
import re
import stat

import pytest
from cookiecutter.exceptions import FailedHookException

from addresses import REMOTES, read_remote

DAGSHUB = "https://dagshub.com/OWNER/my.repo-1"
TOKEN = "token-for-tests"


@pytest.mark.parametrize("answer", [DAGSHUB, f"{DAGSHUB}/", f"{DAGSHUB}.git", f"{DAGSHUB}.dvc"])
def test_a_dagshub_repository_is_git_remote_and_dvc_remote(answer):
    remote = read_remote(answer)
    assert remote["git"] == f"{DAGSHUB}.git"
    assert remote["url"] == f"{DAGSHUB}.dvc"
    assert remote["plugin"] == ""
    assert remote["login"] == {"auth": "basic", "user": "OWNER", "password": "{token}"}
    assert remote["options"].keys() == {"verify", "connect_timeout", "read_timeout"}


def test_dagshubs_s3_form():
    remote = read_remote(f"{DAGSHUB}.s3")
    assert remote["git"] == f"{DAGSHUB}.git"
    assert remote["url"] == "s3://dvc"
    assert remote["plugin"] == "dvc-s3"
    assert remote["options"]["endpointurl"] == f"{DAGSHUB}.s3"
    assert remote["login"] == {"access_key_id": "{token}", "secret_access_key": "{token}"}


def test_a_dagshub_of_ones_own_is_recognised_by_its_clients_variable(monkeypatch):
    own = "https://hub.example.com"
    assert read_remote(f"{own}/OWNER/REPO")["git"] == ""
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", f"{own}/")
    assert read_remote(f"{own}/OWNER/REPO")["git"] == f"{own}/OWNER/REPO.git"
    assert read_remote(f"{own}.org/OWNER/REPO")["git"] == ""
    assert read_remote(DAGSHUB)["git"] == ""
    monkeypatch.setenv("DAGSHUB_CLIENT_HOST", "hub.example.com")
    assert read_remote(f"{own}/OWNER/REPO")["git"] == f"{own}/OWNER/REPO.git"
    assert read_remote("/srv/store")["url"] == "/srv/store"


@pytest.mark.parametrize(
    ("answer", "plugin"),
    [
        ("/srv/store", ""),
        ("C:\\store", ""),
        ("s3://bucket/path", "dvc-s3"),
        ("gs://bucket/path", "dvc-gs"),
        ("azure://container/path", "dvc-azure"),
        ("ssh://me@host.example.com:22/path", "dvc-ssh"),
        ("webdav://example.com/path", "dvc-webdav"),
        ("webdavs://example.com/path", "dvc-webdav"),
        ("http://example.com/path", ""),
        ("https://example.com/path", ""),
    ],
)
def test_any_other_remote_keeps_its_url_and_names_its_plugin(answer, plugin):
    remote = read_remote(f" {answer} ")
    assert (remote["url"], remote["plugin"]) == (answer, plugin)
    assert remote["git"] == "" and remote["login"] == {}
    assert remote["options"]["verify"] == "true"


@pytest.mark.parametrize(
    "answer", ["https://a:b@example.com/x", "webdav://a@example.com", "ssh://a:b@c/d"]
)
def test_a_secret_in_a_url_is_refused_and_not_repeated(answer):
    with pytest.raises(FailedHookException, match="leave user and password out") as error:
        read_remote(answer)
    assert "example.com" not in str(error.value) and "a:b" not in str(error.value)


@pytest.mark.parametrize("scheme", REMOTES)
def test_dvc_takes_the_options_of_every_remote(baked, tmp_path, scheme):
    project = baked.copy(tmp_path / "project")
    remote = read_remote(f"{scheme}://host.example.com/path")
    project.run(["dvc", "remote", "add", "--force", "origin", remote["url"]])
    for option, value in remote["options"].items():
        project.run(["dvc", "remote", "modify", "origin", option, value])
    project.run("dvc remote list")


@pytest.mark.parametrize("scheme", [scheme for scheme in REMOTES if REMOTES[scheme][0]])
def test_the_plugin_of_a_remote_is_pinned(baked, scheme):
    plugin = REMOTES[scheme][0]
    assert re.search(rf"^{plugin}==\d", (baked.path / "constraints.txt").read_text(), re.MULTILINE)


def test_requirements_hold_the_plugin_and_nothing_else_more(baked, bake, tmp_path):
    project = bake(tmp_path, remote="s3://bucket/path")
    base = (baked.path / "requirements.txt").read_text().splitlines()
    lines = (project.path / "requirements.txt").read_text().splitlines()
    assert [line for line in lines if line not in base] == ["dvc-s3"]
    assert [line for line in base if line not in lines] == []


def test_a_token_in_the_environment_is_stored_outside_git(bake, tmp_path, env):
    project = bake(tmp_path, env={**env, "DAGSHUB_USER_TOKEN": TOKEN}, remote=DAGSHUB)
    assert "is in .dvc/config.local" in project.output
    assert TOKEN not in project.output
    assert project.run("git remote get-url origin") == f"{DAGSHUB}.git\n"
    assert project.run("dvc config remote.origin.url") == f"{DAGSHUB}.dvc\n"
    local = project.path / ".dvc/config.local"
    assert stat.S_IMODE(local.stat().st_mode) == 0o600
    for option, value in (("auth", "basic"), ("user", "OWNER"), ("password", TOKEN)):
        assert project.run(f"dvc config --local remote.origin.{option}") == f"{value}\n"
    holders = project.run(["grep", "-rl", TOKEN, "."]).splitlines()
    assert holders == ["./.dvc/config.local"]
    assert not re.search(TOKEN, "".join(p.read_text() for p in tmp_path.rglob("*.json")))
    assert project.run("git status --porcelain") == ""


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        (DAGSHUB, {"auth": "basic", "user": "OWNER", "password": TOKEN}),
        (f"{DAGSHUB}.s3", {"access_key_id": TOKEN, "secret_access_key": TOKEN}),
    ],
)
def test_without_a_token_the_printed_command_logs_in_later(bake, tmp_path, env, answer, options):
    project = bake(tmp_path, remote=answer)
    assert project.output.splitlines()[-2:] == ["  python src/share.py login", "  dvc repro"]
    assert not (project.path / ".dvc/config.local").exists()
    refused = project.run("python src/share.py login", status=1)
    assert refused == "no token: set DAGSHUB_USER_TOKEN, or run this in a terminal\n"

    project.env = {**env, "DAGSHUB_USER_TOKEN": TOKEN}
    output = project.run("python src/share.py login")
    assert output == "token stored in .dvc/config.local, which git ignores\n"
    config = configparser.ConfigParser()
    config.read(project.path / ".dvc/config.local")
    assert dict(config["'remote \"origin\"'"]) == options
    assert stat.S_IMODE((project.path / ".dvc/config.local").stat().st_mode) == 0o600
    assert project.run("git status --porcelain") == ""


def test_login_is_refused_where_there_is_no_token_to_give(baked, tmp_path):
    project = baked.copy(tmp_path / "project")
    project.env = {**project.env, "DAGSHUB_USER_TOKEN": TOKEN}
    output = project.run("python src/share.py login", status=1)
    assert "no token: run this in a terminal" in output and TOKEN not in output
    project.run("dvc remote modify --quiet origin url http://127.0.0.1:9/store")
    output = project.run("python src/share.py login", status=1)
    assert output == "no token: run this in a terminal\n"
    assert not (project.path / ".dvc/config.local").exists()
