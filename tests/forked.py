"""Run DVC and scripts in forks of a process that has imported packages: that is most of a command.

Each command is a process of its own, with its own folder, environment and output. Of the project,
each imports its own modules.
"""

import multiprocessing
import os
import runpy
import sys
import tempfile
from pathlib import Path

import pygit2
from pygit2.enums import ConfigLevel

MODULES = [
    "celery",
    "dulwich.porcelain",
    "dvc.cli.parser",
    "dvc.repo",
    "dvc.repo.experiments.queue.celery",
    "matplotlib.backends.backend_svg",
    "matplotlib.figure",
    "networkx",
    "pandas",
    "pyarrow.csv",
    "pyarrow.parquet",
    "pygit2",
    "requests",
    "ruamel.yaml",
    "scipy.stats",
    "scmrepo.git",
    "skops.io",
    "sklearn.ensemble",
    "sklearn.inspection",
    "sklearn.linear_model",
    "sklearn.model_selection",
    "sklearn.pipeline",
    "sklearn.svm",
]
# Variables that are read when a command needs them. Others are read when Python, git's library or DVC
# is imported, so that a command with another value of one starts anew.
FREE = ("AWS_", "DAGSHUB_", "DASK_", "DVC_", "HOME", "MLFLOW_")


class Forks:
    """Runs `dvc` and `python` in forks of a process with the environment `env`."""

    def __init__(self, env: dict[str, str]) -> None:
        self._env = env
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(MODULES)
        before = dict(os.environ)
        os.environ.clear()
        os.environ.update(env)
        try:
            # The first process starts the server.
            first = self._context.Process(target=os.getpid)
            first.start()
            first.join()
        finally:
            os.environ.clear()
            os.environ.update(before)

    def can_run(self, arguments: list[str], env: dict[str, str]) -> bool:
        """Return whether a command is DVC or Python, and its environment differs in what is FREE.

        Options of Python are none of a fork.
        """
        differing = {name for name, _ in env.items() ^ self._env.items()}
        if "HOME" not in env:
            return False
        script = arguments[0] == "python" and (arguments[1] == "-c" or arguments[1][0] != "-")
        return (script or arguments[0] == "dvc") and all(one.startswith(FREE) for one in differing)

    def run(
        self, arguments: list[str], cwd: Path, env: dict[str, str], timeout: float
    ) -> tuple[int, str]:
        """Run a command and return its exit status and output, stdout and stderr as one.

        Raises TimeoutError after `timeout` seconds.
        """
        with tempfile.NamedTemporaryFile("r") as output:
            process = self._context.Process(target=execute, args=(arguments, cwd, env, output.name))
            process.start()
            process.join(timeout)
            if process.exitcode is None:
                process.kill()
                raise TimeoutError(f"{arguments} took more than {timeout} seconds")
            return process.exitcode, output.read()


def execute(arguments: list[str], cwd: Path, env: dict[str, str], output: str) -> None:
    """Be `dvc` or `python` with these arguments."""
    for file, flags, targets in [(os.devnull, os.O_RDONLY, [0]), (output, os.O_WRONLY, [1, 2])]:
        descriptor = os.open(file, flags)
        for target in targets:
            os.dup2(descriptor, target)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    multiprocessing.set_start_method(None, force=True)
    # What it has read when it was imported
    pygit2.settings.search_path[ConfigLevel.GLOBAL] = env["HOME"]
    # Nothing of this repository, which pytest can import
    sys.path[:] = [path for path in sys.path if path.startswith((sys.prefix, sys.base_prefix))]
    if arguments[0] == "dvc":
        from dvc.cli import main

        sys.argv = arguments
        sys.exit(main(arguments[1:]))
    try:
        if arguments[1] == "-c":
            sys.argv = ["-c", *arguments[3:]]
            sys.path.insert(0, "")
            exec(arguments[2], {"__name__": "__main__"})  # noqa: S102, as Python does
        else:
            sys.argv = arguments[1:]
            sys.path.insert(0, os.path.abspath(os.path.dirname(arguments[1])))
            runpy.run_path(arguments[1], run_name="__main__")
    except Exception:  # noqa: BLE001, as Python does with what nothing catches
        sys.excepthook(*sys.exc_info())
        sys.exit(1)
