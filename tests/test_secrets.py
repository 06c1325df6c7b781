"""A token that is planted by each documented way is nowhere but where the README says."""

import base64
import contextlib
import secrets
import shutil
import subprocess
import threading
from pathlib import Path
from typing import Self

import pytest
from helpers import Project, in_terminal, run
from servers import free_ports


class Watch:
    """Looks for a secret in the arguments of all processes while it is entered."""

    def __init__(self, secret: str) -> None:
        self.secret, self.seen, self.samples = secret.encode(), set(), 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def _sample(self) -> None:
        while not self._ended.wait(0.005):
            self.samples += 1
            for file in Path("/proc").glob("[0-9]*/cmdline"):
                with contextlib.suppress(OSError):
                    arguments = file.read_bytes()
                    if self.secret in arguments:
                        self.seen.add(arguments)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


@pytest.fixture
def planted(env, tmp_path):
    """A token, and an environment that has it, with a home and a temporary folder of its own."""
    for name in ("home", "temporary", "work"):
        (tmp_path / name).mkdir()
    shutil.copy(Path(env["HOME"]) / ".gitconfig", tmp_path / "home")
    token, [port] = secrets.token_hex(20), free_ports(1)
    return token, {
        **env,
        "HOME": str(tmp_path / "home"),
        "TMPDIR": str(tmp_path / "temporary"),
        "DVC_SITE_CACHE_DIR": str(tmp_path / "home/site"),
        # Nobody listens there: what fails must not show it either.
        "DAGSHUB_CLIENT_HOST": f"http://127.0.0.1:{port}",
        "DAGSHUB_USER_TOKEN": token,
        "AWS_MAX_ATTEMPTS": "1",
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    }


def places(folder: Path, token: str) -> list[str]:
    """Return the files below a folder, and the objects of its repositories, that hold a token."""
    forms = [token.encode(), base64.b64encode(f"OWNER:{token}".encode())]
    found = [
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    ]
    for git in folder.rglob(".git"):
        command = ["git", "-C", git.parent, "cat-file", "--batch-all-objects", "--batch"]
        objects = subprocess.run(command, check=True, capture_output=True).stdout
        assert b"params.yaml" in objects
        found += [f"{git}: objects"] * any(form in objects for form in forms)
    return found


@pytest.mark.parametrize("form", ["", ".s3"])
def test_a_token_is_in_the_local_config_and_nowhere_else(bake, planted, tmp_path, form):
    token, env = planted
    with Watch(token) as watch:
        address = f"{env['DAGSHUB_CLIENT_HOST']}/OWNER/REPO{form}"
        project = bake(tmp_path / "work", env=env, remote=address, mlflow="yes")
        shown = [project.output]
        local = project.path / ".dvc/config.local"
        kept = [local.relative_to(tmp_path).as_posix()]
        assert places(tmp_path, token) == kept
        assert local.stat().st_mode & 0o777 == 0o600

        # Of `share.py login` in its two ways, and with a token of before
        local.unlink()
        shown.append(project.run("python src/share.py login"))
        assert places(tmp_path, token) == kept
        local.write_text("")
        local.chmod(0o644)
        project.env = {name: env[name] for name in env if name != "DAGSHUB_USER_TOKEN"}
        login, prompt = "python src/share.py login", "Token (not shown): "
        shown.append(in_terminal(login, project.path, project.env, f"{token}\n", prompt))
        assert local.stat().st_mode & 0o777 == 0o600

        # What uses it, and fails
        project.env = {**env, "MLFLOW_TRACKING_PASSWORD": token, "AWS_SECRET_ACCESS_KEY": token}
        for command in (
            "python src/share.py check",
            "python src/publish.py",
            "git push origin main",
            "dvc push --verbose",
            "dvc remote list",
            "dvc status --cloud",
        ):
            shown.append(project.run(command, status=None, timeout=120))
    assert places(tmp_path, token) == kept
    assert not [text for text in shown if token in text]
    assert watch.samples > 50 and not watch.seen


@pytest.mark.parametrize("form", ["", ".s3"])
def test_a_push_and_a_pull_that_work_leave_the_token_where_it_was(
    bake, planted, host, tmp_path, form
):
    _, env = planted
    env = {**env, "DAGSHUB_CLIENT_HOST": host.url, "DAGSHUB_USER_TOKEN": host.token}
    # As people have it: git's own helper, which is not ours to search
    with (tmp_path / "home/.gitconfig").open("a") as config:
        config.write("[credential]\nhelper = store\n")
    address = host.url.replace("//", f"//{host.user}:{host.token}@")
    (tmp_path / "home/.git-credentials").write_text(f"{address}\n")
    url = host.create(f"planted{form}")
    with Watch(host.token) as watch:
        project = bake(tmp_path / "work", env=env, remote=f"{url}{form}")
        shown = [project.output, project.run("git push --verbose origin main")]
        clone = Project(tmp_path / "work/clone", env)
        shown.append(run(["git", "clone", url + ".git", clone.path], tmp_path, env).stdout)
        shown.append(clone.run("python src/share.py login"))
        shown.append(clone.run("dvc pull --verbose data/raw/iris.csv.dvc"))
    assert "all 1 files are there" in shown[1] and (clone.path / "data/raw/iris.csv").exists()
    assert not [text for text in shown if host.token in text]
    kept = [f"work/{name}/.dvc/config.local" for name in ("iris-classifier", "clone")]
    assert sorted(places(tmp_path, host.token)) == sorted(["home/.git-credentials", *kept])
    assert watch.samples > 50 and not watch.seen


def test_a_secret_among_the_answers_is_stored_nowhere(bake, planted, tmp_path):
    token, env = planted
    for answers in (
        {"remote": f"https://OWNER:{token}@example.com/x"},
        {"remote": f"s3://bucket/x?AWSAccessKeyId={token}"},
        {"git_remote": f"https://{token}@github.com/OWNER/REPO.git"},
        {"data": f"https://example.com/x.csv?X-Amz-Signature={token}", "target": "y"},
    ):
        output = bake(tmp_path / "work", status=1, env=env, **answers).output
        assert token not in output and len(output.splitlines()) == 1
        assert places(tmp_path, token) == []


def test_the_watch_and_the_search_find_what_is_there(tmp_path, env):
    token = secrets.token_hex(20)
    with Watch(token) as watch:
        subprocess.run(["sh", "-c", "sleep 0.3", token], check=True)
    assert len(watch.seen) == 1
    project = Project(tmp_path, env)
    project.run("git init --quiet")
    (tmp_path / "params.yaml").write_text(token)
    project.run("git add params.yaml")
    project.run("git commit --quiet -m params.yaml")
    (tmp_path / "params.yaml").unlink()
    assert places(tmp_path, token) == [f"{tmp_path}/.git: objects"]
