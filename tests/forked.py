"""Run DVC in a fork of a process that has imported it: most of a short command is imports.

Each command is a process of its own, with its own folder, environment and output.
"""

import multiprocessing
import os
import sys
import tempfile
from pathlib import Path

MODULES = [
    "celery",
    "dulwich.porcelain",
    "dvc.cli.parser",
    "dvc.repo",
    "dvc.repo.experiments.queue.celery",
    "networkx",
    "pygit2",
    "requests",
    "ruamel.yaml",
    "scmrepo.git",
]
# Variables that are read when a command needs them. Others are read when Python, git's library or DVC
# is imported, so that a command with another value of one starts anew.
FREE = ("AWS_", "DAGSHUB_", "DASK_", "DVC_", "MLFLOW_")


class Forks:
    """Runs DVC's command line in forks of a process with the environment `env`."""

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
        """Return whether a command is DVC's, and its environment differs in what is FREE alone."""
        differing = {name for name, _ in env.items() ^ self._env.items()}
        return arguments[0] == "dvc" and all(name.startswith(FREE) for name in differing)

    def run(
        self, arguments: list[str], cwd: Path, env: dict[str, str], timeout: float
    ) -> tuple[int, str]:
        """Run `dvc` and return its exit status and output, stdout and stderr as one.

        Raises TimeoutError after `timeout` seconds.
        """
        with tempfile.NamedTemporaryFile("r") as output:
            process = self._context.Process(target=dvc, args=(arguments, cwd, env, output.name))
            process.start()
            process.join(timeout)
            if process.exitcode is None:
                process.kill()
                raise TimeoutError(f"{arguments} took more than {timeout} seconds")
            return process.exitcode, output.read()


def dvc(arguments: list[str], cwd: Path, env: dict[str, str], output: str) -> None:
    """Be `dvc` with these arguments."""
    from dvc.cli import main

    for file, flags, targets in [(os.devnull, os.O_RDONLY, [0]), (output, os.O_WRONLY, [1, 2])]:
        descriptor = os.open(file, flags)
        for target in targets:
            os.dup2(descriptor, target)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = arguments
    sys.exit(main(arguments[1:]))
