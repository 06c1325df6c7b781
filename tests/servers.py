"""Real servers on 127.0.0.1 that speak DagsHub's protocols: git, DVC over HTTP, DVC over S3.

One nginx is the public face, as dagshub.com is. Behind it are git's own HTTP backend, nginx's
WebDAV module and moto's S3.
"""

import math
import os
import random
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from pathlib import Path
from string import Template
from urllib.parse import quote
from xml.etree import ElementTree

TOKEN = secrets.token_hex(20)
MOTO = "moto[server]==5.2.5"
STATUSES = ["401", "403", "413", "429", "503"]
MODES = [*STATUSES, "login", "redirect", "silent"]
# behind a status: only for requests that write
UPLOADS = "-uploads"


class Config(Template):
    """A template for nginx, whose own variables start with a dollar sign."""

    delimiter = "@"


# nginx looks for the mode's file at every request, so that a change needs no reload, and
# connections which are open already see it too.
FAIL_WITH_STATUS = Config("""
    if (-f @folder/mode/@status) { return @status; }
    if (-f @folder/mode/@status$uploads) { return @status; }
""")
FAIL = Config("""
    @statuses
    if (-f @folder/mode/login) { rewrite ^ /login last; }
    if (-f @folder/mode/redirect) { return 302 /login; }
    if (-f @folder/mode/silent) { rewrite ^ /silent last; }
""")

# dvc-http uploads with POST, which WebDAV does not know, and nginx picks a location before it
# could change the method: hence the second server, which gets POST as PUT.
NGINX = Config("""
@user
pid nginx.pid;
events {}
http {
    access_log access.log;
    client_body_temp_path temp/body;
    fastcgi_temp_path temp/fastcgi;
    proxy_temp_path temp/proxy;
    scgi_temp_path temp/scgi;
    uwsgi_temp_path temp/uwsgi;

    auth_basic_user_file users;
    client_max_body_size 0;
    default_type text/html;
    map $request_method $dav_method { default $request_method; POST PUT; }
    map $request_method $uploads { default -none; POST @uploads; PUT @uploads; }
    map $http_authorization $s3_token { default wrong; "~Credential=@token/" right; }

    server {
        listen 127.0.0.1:@port;

        location ~ ^/@owner/[^/]+\\.git/ {
            auth_basic DagsHub;
            fastcgi_pass unix:@folder/git.sock;
            fastcgi_param SCRIPT_FILENAME @git_backend;
            fastcgi_param GIT_HTTP_EXPORT_ALL 1;
            fastcgi_param GIT_PROJECT_ROOT @folder/git;
            fastcgi_param PATH_INFO $uri;
            fastcgi_param QUERY_STRING $query_string;
            fastcgi_param REQUEST_METHOD $request_method;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_param CONTENT_LENGTH $content_length;
        }

        location ~ ^/@owner/(?<name>[^/]+)\\.dvc/ {
            @fail
            if (!-d @folder/dvc/@owner/$name.dvc) { return 404; }
            auth_basic DagsHub;
            proxy_pass http://unix:@folder/dav.sock;
            proxy_method $dav_method;
            proxy_http_version 1.1;
            proxy_request_buffering off;
        }

        location ~ ^/@owner/[^/]+\\.s3/dvc(/|$) {
            @fail
            if ($s3_token = wrong) { return 403; }
            rewrite ^/@owner/([^/]+)\\.s3/dvc(.*)$ /dvc-$1$2 break;
            proxy_pass http://127.0.0.1:@moto_port;
        }

        location = /login {
            return 200 "<!DOCTYPE html><title>Sign in</title><form>Password: <input></form>";
        }

        location = /silent {
            internal;
            proxy_pass http://unix:@folder/silent.sock;
            proxy_read_timeout 1h;
        }
    }

    server {
        listen unix:@folder/dav.sock;
        root @folder/dvc;
        dav_methods PUT DELETE;
        create_full_put_path on;
    }
}
""")


def executable(name: str) -> str | None:
    """Find a command, also where Debian keeps daemons, which is not on every user's PATH."""
    return shutil.which(name, path=f"{os.environ['PATH']}{os.pathsep}/usr/sbin")


def git_backend() -> Path:
    folder = subprocess.check_output(["git", "--exec-path"], text=True).strip()
    return Path(folder, "git-http-backend")


def missing() -> list[str]:
    """Return the Debian packages that `Host` needs and that are not installed."""
    found = {
        "nginx-light": executable("nginx"),
        "fcgiwrap": executable("fcgiwrap"),
        "git": git_backend().exists(),
    }
    return [package for package, is_there in found.items() if not is_there]


def tool(requirement: str, *command: object) -> list[object]:
    """Return a command of a tool that the project must not depend on; uv installs it once."""
    return ["uvx", "--quiet", "--from", requirement, *command]


def free_ports(count: int) -> list[int]:
    """Return ports that nobody listens on.

    They are below those that systems give out by themselves, which others could get at any time.
    """
    ports: set[int] = set()
    while len(ports) < count:
        port = random.randrange(20_000, 32_768)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            ports.add(port)
    return list(ports)


def listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()
    return listener


def accepts(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


class Host:
    """A DagsHub with one user, on a free port, with all its files in `folder`.

    `/OWNER/NAME.git` and `/OWNER/NAME.dvc` want the user and the token as basic authentication,
    `/OWNER/NAME.s3` wants the token as access key; the secret key is not checked.
    `env` is the environment of the servers; `uvx` and `git` are on its PATH.
    """

    user = "OWNER"
    token = TOKEN

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder, self.env = folder, env
        self.port, self.moto_port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self._processes: dict[str, subprocess.Popen] = {}
        for name in ("mode", "temp"):
            (folder / name).mkdir()
        (folder / "users").write_text(f"{self.user}:{{PLAIN}}{self.token}\n")
        (folder / "nginx.conf").write_text(self._config())
        # connections are taken by the kernel, and nothing ever reads them
        self._silent = listen(folder / "silent.sock")

    def _config(self) -> str:
        statuses = [FAIL_WITH_STATUS.substitute(folder=self.folder, status=s) for s in STATUSES]
        return NGINX.substitute(
            # root's nginx would otherwise serve as a user who cannot enter the folder
            user="user root;" if os.geteuid() == 0 else "",
            owner=self.user,
            token=self.token,
            uploads=UPLOADS,
            folder=self.folder,
            port=self.port,
            moto_port=self.moto_port,
            git_backend=git_backend(),
            fail=FAIL.substitute(folder=self.folder, statuses="\n".join(statuses)),
        )

    def start(self) -> None:
        """Start the servers that do not run, and return when they accept connections.

        Raises RuntimeError with the log of a server that ends at once.
        """
        if "moto" not in self._processes:
            moto = tool(MOTO, "moto_server", "-H", "127.0.0.1", "-p", self.moto_port)
            self._launch("moto", *moto)
            self._wait("moto", self.moto_port)
        if "fcgiwrap" not in self._processes:
            with listen(self.folder / "git.sock") as listener:
                self._launch("fcgiwrap", executable("fcgiwrap"), "-c", 4, stdin=listener)
        if "nginx" not in self._processes:
            # left behind by a kill, and nginx does not replace them
            (self.folder / "dav.sock").unlink(missing_ok=True)
            shutil.rmtree(self.folder / "temp/body", ignore_errors=True)
            nginx = [executable("nginx"), "-p", self.folder, "-c", "nginx.conf", "-e", "stderr"]
            self._launch("nginx", *nginx, "-g", "daemon off;")
            self._wait("nginx", self.port)

    def _launch(self, name: str, *command: object, stdin: object = subprocess.DEVNULL) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                list(map(str, command)),
                cwd=self.folder,
                env=self.env,
                stdin=stdin,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _wait(self, name: str, port: int) -> None:
        deadline = time.monotonic() + 600
        while not accepts(port):
            if self._processes[name].poll() is not None or time.monotonic() > deadline:
                log = (self.folder / f"{name}.log").read_text()
                raise RuntimeError(f"{name} does not listen on port {port}:\n{log}")
            time.sleep(0.02)

    def _end(self, name: str) -> None:
        # a server leads its process group, and its workers may outlive it
        process = self._processes.pop(name)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def kill(self) -> None:
        """Take the public face down as a crash would; `start` brings it back on the same port."""
        self._end("nginx")
        while accepts(self.port):
            time.sleep(0.02)

    def stop(self) -> None:
        """End all servers and their children."""
        for name in list(self._processes):
            self._end(name)
        self._silent.close()

    def create(self, name: str) -> str:
        """Make an empty repository with empty DVC stores, and return its URL without suffix."""
        repository = self.folder / "git" / self.user / f"{name}.git"
        for command in (
            ["git", "init", "--quiet", "--bare", "--initial-branch=main", repository],
            ["git", "-C", repository, "config", "http.receivepack", "true"],
        ):
            subprocess.run(command, env=self.env, check=True)
        self.store(name).mkdir(parents=True)
        self._s3("PUT", name)
        return f"{self.url}/{self.user}/{name}"

    def store(self, name: str) -> Path:
        """Return the folder of what was pushed with DVC over HTTP."""
        return self.folder / "dvc" / self.user / f"{name}.dvc"

    def parts(self) -> int:
        """Return how many parts of large S3 objects have arrived so far."""
        return (self.folder / "access.log").read_text().count("partNumber=")

    def arriving(self) -> list[int]:
        """Return how many bytes there are of each upload over HTTP that is under way."""
        sizes = []
        for file in (self.folder / "temp/body").iterdir():
            with suppress(FileNotFoundError):  # it has arrived in the meantime
                sizes.append(file.stat().st_size)
        return sizes

    def s3_objects(self, name: str) -> dict[str, int]:
        """Return the size of each object that was pushed with DVC over S3."""
        listing = ElementTree.fromstring(self._s3("GET", name, "?list-type=2&max-keys=1000000"))
        return {
            item.findtext("{*}Key"): int(item.findtext("{*}Size"))
            for item in listing.iterfind("{*}Contents")
        }

    def s3_delete(self, name: str, key: str) -> None:
        self._s3("DELETE", name, f"/{quote(key)}")

    def s3_put(self, name: str, key: str, content: bytes) -> None:
        self._s3("PUT", name, f"/{quote(key)}", content)

    def _s3(self, method: str, name: str, rest: str = "", content: bytes = b"") -> bytes:
        # moto wants requests to be signed, and does not check the signature
        signed = "AWS4-HMAC-SHA256 Credential=tests/20200101/us-east-1/s3/aws4_request"
        connection = HTTPConnection("127.0.0.1", self.moto_port, timeout=60)
        connection.request(method, f"/dvc-{name}{rest}", content, {"Authorization": signed})
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        if response.status >= 300:
            raise RuntimeError(f"{method} {name}{rest}: {response.status} {answer.decode()}")
        return answer

    def fail(self, mode: str | None) -> None:
        """From now on answer every DVC request as `mode` says; git goes on as before.

        A number is the status of every answer, or with UPLOADS behind it of those to writing
        requests. "login" answers 200 with a login page, and
        "redirect" sends to that page. "silent" takes requests and does not answer. None answers
        normally again.
        """
        if mode not in (None, *MODES, *(status + UPLOADS for status in STATUSES)):
            raise ValueError(f"no such mode: {mode!r}; known: {', '.join(MODES)}")
        for file in (self.folder / "mode").iterdir():
            file.unlink()
        if mode:
            (self.folder / "mode" / mode).touch()

    @contextmanager
    def failing(self, mode: str) -> Iterator[None]:
        """Fail as `fail` does until the block ends."""
        self.fail(mode)
        try:
            yield
        finally:
            self.fail(None)


class Proxy:
    """A relay to another port of 127.0.0.1, on a free port of its own, that can go silent.

    `silence(upload=N)` lets N more bytes pass to the server, `silence(download=N)` to the client.
    From then on nothing passes in either direction, while connections stay open and new ones are
    accepted: as behind a network that drops out, or where a server's disk hangs. `forward()` ends
    that for new connections.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        [self.port] = free_ports(1)
        self._listener = socket.create_server(("127.0.0.1", self.port))
        self._sockets: list[socket.socket] = []
        self.forward()
        threading.Thread(target=self._accept, daemon=True).start()

    def forward(self) -> None:
        self._left: dict[str, float] = {"upload": math.inf, "download": math.inf}
        self._speech = threading.Event()
        self._speech.set()

    def silence(self, **left: int) -> None:
        self._left |= left

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                if not self._speech.is_set():
                    continue
                server = socket.create_connection(("127.0.0.1", self.target))
                self._sockets.append(server)
                for ends in ((client, server, "upload"), (server, client, "download")):
                    threading.Thread(target=self._relay, args=ends, daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket, direction: str) -> None:
        speech, left = self._speech, self._left
        with suppress(OSError):  # an end was closed
            while speech.is_set():
                data = source.recv(1 << 16)
                if len(data) > left[direction]:
                    speech.clear()
                if not speech.is_set():
                    return
                left[direction] -= len(data)
                if not data:
                    break
                sink.sendall(data)
            if speech.is_set():
                sink.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._listener.close()
        for end in self._sockets:
            end.close()
