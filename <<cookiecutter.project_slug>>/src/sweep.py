"""Run the queued experiments on a Dask cluster: python src/sweep.py

DASK_SCHEDULER_ADDRESS names the scheduler. Workers fetch data from the DVC remote, and send the
outputs of an experiment there; finished experiments come back, and `dvc exp show` lists them. An
experiment that fails, or is not finished when this script is stopped, stays in the queue.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from support.cluster import ADDRESS, connect, send
from support.hooks import ROOT, git
from support.params import InputError, first_line

from tqdm import tqdm

# A command, the folder to run it in (relative to the clone), and its input
Step = tuple[list[str], str, bytes | None]


class Snapshot(NamedTuple):
    """A queued experiment."""

    name: str
    base: str  # the commit that it belongs to
    changes: bytes  # since `base`, as a patch

    @property
    def ref(self) -> str:
        """The reference under which DVC keeps the finished experiment."""
        return f"refs/exps/{self.base[:2]}/{self.base[2:]}/{self.name}"

    def steps(self) -> list[Step]:
        """Return the steps that turn a bundle of the commits into a bundle of the experiment."""
        inside = os.path.relpath(ROOT, git("rev-parse", "--show-toplevel"))
        # The experiments of a worker share the data that they fetch.
        cache = os.path.relpath("../../dvc-cache", inside)
        return [
            (["git", "clone", "--quiet", "--no-checkout", "../bundle", "."], ".", None),
            *(
                (["git", "config", f"user.{key}", value], ".", None)
                for key, value in identity().items()
            ),
            (["git", "checkout", "--quiet", "-b", "sweep", self.base], ".", None),
            *(
                [(["git", "apply", "--whitespace=nowarn"], ".", self.changes)]
                if self.changes
                else []
            ),
            (["dvc", "cache", "dir", "--local", cache], inside, None),
            (["dvc", "exp", "run", "--pull", "--name", self.name], inside, None),
            (["dvc", "push"], inside, None),
            (["git", "bundle", "create", "--quiet", "../bundle", self.ref], ".", None),
        ]


def identity() -> dict[str, str]:
    """Return the name and the email that git commits with: either may be in the environment."""
    name, email = git("var", "GIT_AUTHOR_IDENT").rpartition("> ")[0].split(" <")
    return {"name": name, "email": email}


def output_of(command: list[str]) -> bytes:
    """Return the output of a command; raise SystemExit with its error if it fails."""
    if command[0] == "dvc":
        command = [sys.executable, "-m", *command]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True)
    if done.returncode:
        lines = (
            done.stderr.decode(errors="replace").strip() or f"{' '.join(command)}: failed"
        ).splitlines()
        raise SystemExit(lines[0].removeprefix("ERROR: "))
    return done.stdout


def queued() -> list[Snapshot]:
    """Return the experiments that `dvc exp run --queue` has queued, oldest first.

    DVC keeps each as a commit in the form of a git stash: its parent is the experiment's base.
    """
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        # Not exp_show, which leaves out those of older commits
        entries = list(Repo(str(ROOT)).experiments.celery_queue.iter_queued())
    except DvcException as error:
        raise SystemExit(first_line(error)) from None
    snapshots = []
    for name, commit in [(entry.name, entry.stash_rev) for entry in entries]:
        base = git("rev-parse", f"{commit}^1")
        # As `git apply` reads them, whatever the user's settings
        plain = "--binary --full-index --no-color --no-ext-diff --no-textconv --no-relative"
        prefixes = ["--src-prefix=a/", "--dst-prefix=b/"]
        changes = output_of(["git", "diff", *plain.split(), *prefixes, base, commit])
        snapshots.append(Snapshot(name, base, changes))
    return snapshots


def perform(commits: bytes, steps: list[Step]) -> bytes:
    """Run an experiment in its own clone, on a worker that has no code of this project.

    `commits` and the returned value are git bundles.

    Raises RuntimeError with the error of a command that fails.
    """
    import os
    import subprocess
    import sys
    import tempfile
    from pathlib import Path

    from distributed import get_worker

    env = {key: value for key, value in os.environ.items() if not key.startswith(("DASK", "GIT_"))}
    env["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), env.get("PATH", "")])
    with tempfile.TemporaryDirectory(dir=get_worker().local_directory) as folder:
        bundle, clone = Path(folder, "bundle"), Path(folder, "clone")
        clone.mkdir()
        bundle.write_bytes(commits)
        for command, inside, content in steps:
            start = [sys.executable, "-m"] if command[0] == "dvc" else []
            done = subprocess.run(
                [*start, *command],
                input=content,
                cwd=clone / inside,
                env=env,
                check=False,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            if done.returncode:
                lines = done.stdout.decode(errors="replace").strip().splitlines()
                errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
                raise RuntimeError((errors or lines[-1:] or [" ".join(command)])[0])
        return bundle.read_bytes()


def keep(bundle: bytes, snapshot: Snapshot) -> None:
    """Add a finished experiment to this repository, dequeue it, and fetch its data."""
    from dvc.repo import Repo

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "bundle")
        path.write_bytes(bundle)
        output_of(["git", "fetch", "--quiet", str(path), f"+{snapshot.ref}:{snapshot.ref}"])
    output_of(["dvc", "queue", "remove", snapshot.name])
    # As `dvc exp pull` does, so that `dvc exp apply` finds it
    Repo(str(ROOT)).fetch(revs=[git("rev-parse", snapshot.ref)], workspace=False)


def check_withheld(snapshots: list[Snapshot]) -> None:
    """Raise SystemExit if an output is withheld: workers would send it to the remote."""
    from support.sharing import withheld_paths

    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    repo = Repo(str(ROOT))
    own = {str(out) for out in repo.index.outs}
    try:
        withheld = set().union(*(withheld_paths(repo, one.base) for one in snapshots))
    except (DvcException, InputError) as error:
        raise SystemExit(first_line(error)) from None
    for path in sorted(own):
        if {path, *map(str, Path(path).parents)} & withheld:
            raise SystemExit(
                f"{path} is not to be shared, and workers could not send it back otherwise: `dvc queue "
                "start` runs the queue on this machine"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the queued experiments on a Dask cluster.")
    parser.parse_args()
    address = os.environ.get(ADDRESS)
    if not address:
        raise SystemExit(
            f"{ADDRESS} is not set: it names a cluster's scheduler; `dvc queue start` runs the "
            "queue on this machine"
        )
    snapshots = queued()
    if not snapshots:
        raise SystemExit("the queue is empty: `dvc exp run --queue -S ...` queues an experiment")
    check_withheld(snapshots)
    failed = 0
    with connect(address) as client:
        from distributed import as_completed

        output_of(["dvc", "push"])
        # A base that was amended is on no branch.
        bases = sorted({one.base for one in snapshots})
        bundle = ["git", "bundle", "create", "--quiet", "-", "HEAD", "--branches", *bases]
        commits = send(output_of(bundle), client)
        futures = {
            client.submit(perform, commits, one.steps(), pure=False): one for one in snapshots
        }
        finished = as_completed(list(futures), loop=client.loop)
        for future in tqdm(finished, "experiments", len(futures), disable=None):
            name = futures[future].name
            try:
                keep(future.result(), futures[future])
                print(f"{name}: done")
            except (Exception, SystemExit) as error:  # noqa: BLE001, a cluster can fail in many ways
                failed += 1
                print(f"{name}: {first_line(error)}")
    if failed:
        raise SystemExit(f"{failed} of {len(snapshots)} failed: they are still in the queue")


if __name__ == "__main__":
    main()
