"""The servers that stand in for DagsHub do what DagsHub does, with the clients people use."""

import base64
from http.client import HTTPConnection

import pytest
from helpers import Project, objects
from servers import STATUSES, UPLOADS, Host

LOGIN = f"{Host.user}:{Host.token}"


@pytest.fixture
def data(tmp_path, env) -> Project:
    """A git repository where DVC tracks a file and a folder with two files."""
    project = Project(tmp_path / "data", {**env, "GIT_TERMINAL_PROMPT": "0"})
    project.path.mkdir()
    project.run("git init --quiet --initial-branch=main")
    project.run("dvc init --quiet")
    (project.path / "table.csv").write_text("x,y\n1,2\n")
    (project.path / "images").mkdir()
    for number in range(2):
        (project.path / f"images/{number}.txt").write_text(f"image {number}\n")
    project.run("dvc add --quiet table.csv images")
    project.run("git add .")
    project.run("git commit --quiet -m Data")
    return project


def with_login(url: str, token: str) -> str:
    return url.replace("http://", f"http://{Host.user}:{token}@")


def clone(project: Project) -> Project:
    """Clone a project next to itself, without its DVC cache and its `--local` settings."""
    path = project.path.with_name("clone")
    project.run(["git", "clone", "--quiet", project.path, path])
    return Project(path, project.env)


def request(host: Host, method: str, path: str, login: str = "") -> tuple[int, str]:
    """Return the status and the body (or where it sends to) of an answer."""
    connection = HTTPConnection("127.0.0.1", host.port, timeout=2)
    authorization = base64.b64encode(login.encode()).decode()
    connection.request(method, path, b"content", {"Authorization": f"Basic {authorization}"})
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, answer.getheader("Location") or body


def same_files(first: Project, second: Project) -> bool:
    names = ["table.csv", "images/0.txt", "images/1.txt"]
    return all(
        (first.path / name).read_bytes() == (second.path / name).read_bytes() for name in names
    )


def test_git_wants_the_token(host, data):
    url = host.create("with-git") + ".git"
    for refused in (url, with_login(url, "wrong")):
        assert data.run(["git", "push", refused, "main"], status=128)
        assert data.run(["git", "ls-remote", refused], status=128)

    data.run(["git", "push", "--quiet", with_login(url, host.token), "main"])
    path = data.path.with_name("clone")
    data.run(["git", "clone", "--quiet", with_login(url, host.token), path])
    pushed = data.run("git rev-parse main")
    assert Project(path, data.env).run("git rev-parse origin/HEAD") == pushed


def test_dvc_over_http(host, data):
    url = host.create("over-http") + ".dvc"
    data.run(["dvc", "remote", "add", "--default", "origin", url])
    data.run("git commit --quiet --all -m Remote")
    team = clone(data)
    for project, token in ((data, "wrong"), (team, host.token)):
        for setting in (["auth", "basic"], ["user", host.user], ["password", token]):
            project.run(["dvc", "remote", "modify", "--local", "origin", *setting])

    assert "401" in data.run("dvc push", status=1)
    assert objects(host.store("over-http")) == {}

    data.run(["dvc", "remote", "modify", "--local", "origin", "password", host.token])
    assert "4 files pushed" in data.run("dvc push")
    cache = objects(data.path / ".dvc/cache")
    assert objects(host.store("over-http")) == cache and len(cache) == 4

    team.run("dvc pull")
    assert same_files(data, team)


def test_dvc_over_s3(host, data):
    url = host.create("over-s3") + ".s3"
    data.run("dvc remote add --default origin s3://dvc")
    data.run(["dvc", "remote", "modify", "origin", "endpointurl", url])
    data.run("git commit --quiet --all -m Remote")
    team = clone(data)
    for project, token in ((data, "wrong"), (team, host.token)):
        for name in ("access_key_id", "secret_access_key"):
            project.run(["dvc", "remote", "modify", "--local", "origin", name, token])

    assert "Forbidden" in data.run("dvc push", status=255)
    assert host.s3_objects("over-s3") == {}

    data.run(["dvc", "remote", "modify", "--local", "origin", "access_key_id", host.token])
    assert "4 files pushed" in data.run("dvc push")
    cache = objects(data.path / ".dvc/cache")
    assert host.s3_objects("over-s3") == cache and len(cache) == 4

    host.create("another")
    assert host.s3_objects("another") == {}
    team.run("dvc pull")
    assert same_files(data, team)

    lost, truncated, *_ = cache
    host.s3_delete("over-s3", lost)
    host.s3_put("over-s3", truncated, b"")
    del cache[lost]
    assert host.s3_objects("over-s3") == {**cache, truncated: 0}


@pytest.fixture(scope="module")
def paths(host) -> list[str]:
    """Where DVC would send an object over HTTP and over S3."""
    host.create("failing")
    return [f"/{host.user}/failing.dvc/files/md5/00/11", f"/{host.user}/failing.s3/dvc/00/11"]


def ask(host: Host, paths: list[str]) -> set[tuple[int, str]]:
    """Return the different answers to reading and writing."""
    return {request(host, method, path) for method in ("GET", "POST", "PUT") for path in paths}


@pytest.mark.parametrize("status", STATUSES)
def test_an_error_for_every_request(host, paths, status):
    with host.failing(status):
        answers = ask(host, paths)
        assert {answer for answer, _ in answers} == {int(status)}
    assert request(host, "GET", paths[0], LOGIN)[0] == 404


@pytest.mark.parametrize("status", STATUSES)
def test_an_error_for_uploads_alone(host, paths, status):
    with host.failing(status + UPLOADS):
        assert {request(host, "POST", path)[0] for path in paths} == {int(status)}
        assert request(host, "GET", paths[0], LOGIN)[0] == 404


def test_a_login_page_for_every_request(host, paths):
    with host.failing("login"):
        ((status, page),) = ask(host, paths)
        assert request(host, "HEAD", paths[0]) == (200, "")
    assert status == 200 and "Sign in" in page
    with host.failing("redirect"):
        assert ask(host, paths) == {(302, f"{host.url}/login")}
        assert request(host, "GET", "/login") == (200, page)


def test_no_answer(host, paths):
    with host.failing("silent"):
        for path in paths:
            with pytest.raises(TimeoutError):
                request(host, "POST", path)


def test_open_connections_see_a_failure_at_once(host, paths):
    connection = HTTPConnection("127.0.0.1", host.port, timeout=2)
    statuses = []
    for mode in (None, "503", None, "403"):
        host.fail(mode)
        connection.request("GET", paths[0])
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    host.fail(None)
    assert statuses == [401, 503, 401, 403]


def test_git_goes_on_while_dvc_fails(host, data):
    url = with_login(host.create("git-goes-on"), host.token) + ".git"
    with host.failing("503"):
        data.run(["git", "push", "--quiet", url, "main"])


def test_a_crash_loses_nothing(host, paths):
    before = host.url
    assert request(host, "POST", paths[0], LOGIN)[0] == 201
    host.kill()
    with pytest.raises(ConnectionRefusedError):
        request(host, "GET", paths[0], LOGIN)
    host.start()
    assert host.url == before
    assert request(host, "GET", paths[0], LOGIN) == (200, "content")
