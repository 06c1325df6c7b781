"""A real MLflow server on 127.0.0.1 with basic authentication, as DagsHub has one."""

import json
import os
import signal
import subprocess
import time
from base64 import b64encode
from contextlib import suppress
from http.client import HTTPConnection
from pathlib import Path

from servers import accepts, free_ports, tool

# The newest that the client in constraints.txt talks to; [auth] adds what basic-auth needs.
MLFLOW = "mlflow[auth]==3.17.2"

AUTHENTICATION = """[mlflow]
default_permission = READ
database_uri = sqlite:///{folder}/users.db
admin_username = {admin}
admin_password = {password}
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
auth_cache_ttl_seconds = 60
"""


class MlflowServer:
    """An MLflow server on a free port, with all its files in `folder`.

    It has an administrator and, like DagsHub, a user whose name and password are a token.
    `env` is the environment of the server; `uvx` is on its PATH.
    """

    admin = "admin"
    password = "password-for-tests"
    token = "token-for-tests"

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self.folder = folder
        [self.port] = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {
            **env,
            "MLFLOW_AUTH_CONFIG_PATH": str(folder / "basic_auth.ini"),
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_FLASK_SERVER_SECRET_KEY": "key-for-tests",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        self._process: subprocess.Popen | None = None

    def start(self) -> None:
        """Install and start the server, and return when it has its users.

        Raises RuntimeError with the server's log when it ends at once.
        """
        text = AUTHENTICATION.format(folder=self.folder, admin=self.admin, password=self.password)
        (self.folder / "basic_auth.ini").write_text(text)
        command = tool(MLFLOW, "mlflow", "server", "--app-name", "basic-auth", "--workers", "1")
        command += ["--host", "127.0.0.1", "--port", str(self.port)]
        command += ["--backend-store-uri", f"sqlite:///{self.folder}/runs.db"]
        command += ["--artifacts-destination", self.folder / "artifacts"]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + 600
        while not accepts(self.port):
            if self._process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "server.log").read_text()
                raise RuntimeError(f"MLflow does not listen on port {self.port}:\n{log}")
            time.sleep(0.1)
        self._create_user(self.token, self.token)

    def _create_user(self, name: str, password: str) -> None:
        login = b64encode(f"{self.admin}:{self.password}".encode()).decode()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(
            "POST",
            "/api/2.0/mlflow/users/create",
            json.dumps({"username": name, "password": password}),
            {"Authorization": f"Basic {login}", "Content-Type": "application/json"},
        )
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"MLflow answers {answer.status}: {answer.read().decode()}")
        connection.close()

    def stop(self) -> None:
        """End the server and its workers, which are in a process group of their own."""
        if self._process:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
