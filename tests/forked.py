"""Run Python's commands in forks of a process that has imported packages: that is most of a command.

The commands that `Forks` puts on PATH are found like the real ones, by a shell, DVC, git or a hook too.
Each is a process of its own, with the folder, environment, input and output that it was started with;
of the project and of this repository, each imports what it needs itself. What a fork could not do alike
is left to the real command: see `can_run`.
"""

import atexit
import gc
import importlib
import marshal
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import NamedTuple, NoReturn

import colorama
import numpy as np
import pygit2
from pygit2.enums import ConfigLevel

MODULES = [
    "arrow",
    "binaryornot.check",
    "celery",
    "charset_normalizer",
    "click",
    "dulwich.porcelain",
    "dvc.cli.parser",
    "dvc.repo",
    "dvc.repo.experiments.queue.celery",
    "jinja2",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "networkx",
    "pandas",
    "pyarrow.csv",
    "pyarrow.parquet",
    "pygit2",
    "requests",
    "rich.progress",
    "rich.prompt",
    "ruamel.yaml",
    "scipy.stats",
    "scmrepo.git",
    "skops.io",
    "slugify",
    "sklearn.ensemble",
    "sklearn.inspection",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.svm",
]
COMMANDS = ("cookiecutter", "dvc", "python")
# Variables that are read when a command needs them. Others are read when Python, git's library or DVC
# is imported, so that a command with another value of one starts anew.
FREE = (
    *("AWS_", "CELERY_", "COOKIECUTTER_", "DAGSHUB_", "DASK_", "DVC_", "GIT_", "HOME", "MLFLOW_"),
    *("OLDPWD", "PATH", "PWD", "SHLVL", "_"),
)
# Where Linux tells what confines a process: who it is, what it may do and how much it may use
CONFINED = ("Umask", "Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp")
# A command: it hands over its arguments and files, and ends as its fork ends. It imports next to
# nothing, as it is started often.
COMMAND = """\
#!{python} -IS
import _socket, marshal, os, sys

try:
    with open("/proc/self/status") as status, open("/proc/self/limits") as limits:
        confined = [line for line in status if line.startswith({confined})] + limits.readlines()
    request = marshal.dumps((sys.argv, os.getcwd(), dict(os.environ), confined))
    files = b"".join(file.to_bytes(4, sys.byteorder) for file in range(3))
    server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
    server.setsockopt(_socket.SOL_SOCKET, _socket.SO_SNDBUF, {size})
    server.connect({address!r})
    server.sendmsg([request], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
    answer = server.recv(8)
except OSError:
    answer = b"real"
if answer == b"real":
    command = {folder!r} + os.path.basename(sys.argv[0])
    os.execv(command, [command, *sys.argv[1:]])
status = int.from_bytes(answer, "little", signed=True) if answer else -9
if status < 0:
    os.kill(os.getpid(), -status)
os._exit(status)
"""
BIN = os.path.dirname(sys.executable)
SIZE = 1 << 20  # of a request, in bytes; a longer one is left to the real command


class Forks:
    """Runs the commands of an environment in forks; `env` is changed to find them on its PATH.

    `folder` is where the commands are, and the address of their server. On systems other than Linux
    there is none, and all are the real commands.
    """

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        address = folder / "server"
        text = COMMAND.format(
            python=sys.executable,
            confined=CONFINED,
            size=SIZE,
            address=str(address),
            folder=f"{BIN}/",
        )
        (commands := folder / "bin").mkdir()
        for name in COMMANDS:
            (commands / name).write_text(text)
            (commands / name).chmod(0o755)
        env["PATH"] = f"{commands}{os.pathsep}{env['PATH']}"
        self._server: subprocess.Popen | None = None
        if sys.platform != "linux":
            return
        command = [sys.executable, __file__, address]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._server = subprocess.Popen(command, env=env, **pipes)
        assert self._server.stdout.readline() == b"ready\n"
        # The first command is what the others are compared with.
        subprocess.run([commands / "python", "-c", ""], env=env, check=True)

    def stop(self) -> None:
        if self._server:
            self._server.communicate()


def real(env: dict[str, str]) -> dict[str, str]:
    """Return an environment with the real commands, for what is to be stopped or killed."""
    return {**env, "PATH": env["PATH"].partition(os.pathsep)[2]}


class Request(NamedTuple):
    """A command that was started."""

    argv: list[str]
    folder: str
    env: dict[str, str]
    confined: list[str]

    def can_run(self, first: "Request", files: list[int]) -> bool:
        """Return whether a fork does the same as the real command: `first` is one that does."""
        differing = {name for name, _ in self.env.items() ^ first.env.items()}
        return (
            self.confined == first.confined
            and all(name.startswith(FREE) for name in differing)
            and "HOME" in self.env
            and not any(map(os.isatty, files))
            and bool(self.script())
        )

    def script(self) -> list[str]:
        """Return the script to run, or "-c" and code, and its arguments; nothing if unknown."""
        match [os.path.basename(self.argv[0]), *self.argv[1:]]:
            case ["python", "-EB", script, *rest] | ["python", script, *rest] if script[0] != "-":
                return [script, *rest]
            # Processes of multiprocessing are handed more files than a fork is.
            case ["python", "-c", code, *rest] if not code.startswith("from multiprocessing"):
                return ["-c", code, *rest]
            case ["python", "-m", "dvc", *rest] | ["dvc", *rest]:
                return [f"{BIN}/dvc", *rest]
            case ["cookiecutter", *rest]:
                return [f"{BIN}/cookiecutter", *rest]
        return []


def serve(address: str) -> None:
    """Run commands in forks of this process until its input ends."""
    for name in MODULES:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    parent = os.dup(0)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(address)
        listener.listen(64)
        print("ready", flush=True)
        first = None
        while parent not in select.select([listener, parent], [], [])[0]:
            with listener.accept()[0] as connection:
                if first is None:
                    first, _ = receive(connection)
                    connection.send(b"real")
                elif os.fork() == 0:
                    keep(connection, first)


def receive(connection: socket.socket) -> tuple[Request, list[int]]:
    """Return a command, and its input, output and errors."""
    message, files, _, _ = socket.recv_fds(connection, SIZE, 3)
    return Request(*marshal.loads(message)), files


def keep(connection: socket.socket, first: Request) -> NoReturn:
    """Run a command in a fork, or have it run for real; kill it with the process that asked."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    request, files = receive(connection)
    if not request.can_run(first, files):
        connection.send(b"real")
        os._exit(0)
    pid = os.fork()
    if pid == 0:
        connection.close()
        execute(request, files)
    for file in (0, 1, 2, *files):
        os.close(file)
    if connection in select.select([os.pidfd_open(pid), connection], [], [])[0]:
        os.kill(pid, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    connection.send(status.to_bytes(8, "little", signed=True))
    os._exit(0)


def execute(request: Request, files: list[int]) -> NoReturn:
    """Be the command."""
    enter(request, files)
    script, *arguments = request.script()
    if script == f"{BIN}/dvc":
        # It does so when it is imported: what is no terminal gets no colours.
        colorama.init()
    status: object = 0
    try:
        if script == "-c":
            sys.argv = ["-c", *arguments[1:]]
            sys.path.insert(0, "")
            exec(arguments[0], {"__name__": "__main__"})  # noqa: S102, as Python does
        else:
            sys.argv = [script, *arguments]
            sys.path.insert(0, os.path.abspath(os.path.dirname(script)))
            runpy.run_path(script, run_name="__main__")
    except SystemExit as error:
        status = error.code
    except BaseException:  # noqa: BLE001, as Python does with what nothing catches
        sys.excepthook(*sys.exc_info())
        status = 1
    leave(status)


def enter(request: Request, files: list[int]) -> None:
    """Take over the files, folder and environment of a command."""
    for number, file in enumerate(files):
        os.dup2(file, number)
        os.close(file)
    # Python asks a file what it can do when it opens it.
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        old = getattr(sys, name)
        new = os.fdopen(number, mode, encoding=old.encoding, errors=old.errors, closefd=False)
        setattr(sys, name, new)
    sys.stderr.reconfigure(line_buffering=True)
    os.chdir(request.folder)
    os.environ.clear()
    os.environ.update(request.env)
    # What has been set as packages were imported: the home, and a state that is random
    pygit2.settings.search_path[ConfigLevel.GLOBAL] = request.env["HOME"]
    np.random.seed()
    # Nothing of this repository
    sys.path.remove(str(Path(__file__).parent))
    sys.dont_write_bytecode = request.argv[1:2] == ["-EB"]
    python = os.path.join(os.path.dirname(request.argv[0]), "python")
    if os.path.exists(python):
        # What a command starts by this path is a fork too: a hook, a worker of DVC's queue.
        sys.executable = python


def leave(status: object) -> NoReturn:
    """End as Python does; `status` is what sys.exit was given."""
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(status or 0) & 255)


if __name__ == "__main__":
    serve(sys.argv[1])
