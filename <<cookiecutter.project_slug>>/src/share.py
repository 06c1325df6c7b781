"""Share data and models through the DVC remote.

python src/share.py check    check that a teammate could fetch all data of the last commit
python src/share.py login    store a token for the remote, outside git
python src/share.py hooks    make git push data and models before code
"""

import argparse
import json
import os
import shlex
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from support import hooks


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Share data and models through the DVC remote.")
    commands = parser.add_subparsers(dest="command", required=True)
    check = commands.add_parser("check", help="could a teammate get all of this commit?")
    check.add_argument("--repair", action="store_true", help="upload missing or damaged files")
    check.add_argument(
        "--pushed",
        action="store_true",
        help="for the pre-push hook: upload what its commits need",
    )
    login = commands.add_parser("login", help="store a token, outside git")
    login.add_argument("--user", help="user name (default: the owner in the URL)")
    # Git hooks of the template's first version call it before the check.
    commands.add_parser("reach")
    hooks = commands.add_parser("hooks", help="let git push data and models first")
    hooks.add_argument("--remove", action="store_true", help="take the hooks away again")
    return parser.parse_args()


def is_readable(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except FileNotFoundError:
        return True
    except ValueError:
        return False
    return True


def mend_locks(folder: Path) -> None:
    """Remove the leftovers of a killed DVC that would stop every later run.

    These are DVC's list of files in use, if it is empty or incomplete, and git's locks on the
    references of experiments.
    """
    # All worktrees of a repository share it
    shared = folder / hooks.git("rev-parse", "--git-common-dir")
    left = [*(shared / "refs/exps").rglob("*.lock")]
    if not is_readable(folder / ".dvc/tmp/rwlock"):
        left.append(folder / ".dvc/tmp/rwlock")
    for path in left:
        with suppress(FileNotFoundError):
            if is_left(path):
                path.unlink()
                print(f"removed {os.path.relpath(path, folder)}, which a killed DVC had left")


def is_left(path: Path) -> bool:
    """Return whether no other process is about to write a file, or has just written it."""
    before = path.stat().st_mtime
    # A wrong clock may have dated it in the future.
    if abs(time.time() - before) < 2:
        time.sleep(2)
    return path.stat().st_mtime == before


def content_of(path: Path, schema: Any) -> Any:
    """Return what DVC reads in dvc.lock or a .dvc file; None if it is cut off or damaged."""
    from dvc.exceptions import DvcException
    from dvc.utils import strictyaml

    try:
        return strictyaml.load(str(path), schema)[0]
    except DvcException:
        return None


def in_conflict(name: str) -> bool:
    """Return whether a file is unreadable because a merge left two versions in it."""
    return bool(hooks.git("ls-files", "--unmerged", "--", name))


def mend_record(folder: Path) -> None:
    """Put back the dvc.lock of the last commit if a killed DVC left a part of it, else remove it."""
    from dvc.dvcfile import Lockfile

    path = folder / "dvc.lock"

    def is_whole() -> bool:
        return not path.exists() or content_of(path, Lockfile.SCHEMA) is not None

    if is_whole() or in_conflict(path.name) or not is_left(path):
        return
    # The last commit may have none, or a damaged one.
    with suppress(SystemExit):
        hooks.git("checkout", "HEAD", "--", path.name)
    if is_whole():
        print("put back dvc.lock of the last commit: a killed DVC had left a part of it")
    else:
        path.unlink()
        print("removed dvc.lock, of which a killed DVC had left a part: `dvc repro` makes it again")


def check_pointers(folder: Path) -> None:
    """Raise SystemExit for a .dvc file that is cut off: DVC fails on it, or sees no data in it."""
    from dvc.dvcfile import SingleStageFile

    listed = "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", "*.dvc"
    for name in hooks.git(*listed).split("\0")[:-1]:
        if not (folder / name).exists():
            continue
        outs = (content_of(folder / name, SingleStageFile.SCHEMA) or {}).get("outs")
        if not all("path" in out for out in outs or [{}]) and not in_conflict(name):
            command = shlex.join(["git", "checkout", "HEAD", "--", name])
            if not hooks.git("ls-files", "--", name):
                data = shlex.quote(name.removesuffix(".dvc"))
                command = f"rm {shlex.quote(name)} && dvc add {data}"
            raise SystemExit(f"{name} is cut off or damaged: {command}")


def use_remote(repo: Any, arguments: argparse.Namespace) -> None:
    """Run a command that works with the DVC remote."""
    from support import remote, sharing

    if arguments.command == "login":
        name = repo.config["core"].get("remote")
        if name not in repo.config["remote"]:
            raise SystemExit("no default remote: run `dvc remote default NAME`")
        remote.log_in(repo, name, arguments.user)
    else:
        mend_record(hooks.ROOT)
        check_pointers(hooks.ROOT)
        refs = list(sys.stdin) if arguments.pushed else []
        commits = sharing.pushed_commits(refs) if arguments.pushed else {"HEAD": []}
        repair = arguments.repair or arguments.pushed
        print(sharing.check_remote(repo, commits, repair, sharing.replaced_commits(refs)))


def main() -> None:
    arguments = parse_arguments()
    if arguments.command == "hooks":
        return hooks.remove() if arguments.remove else hooks.install()
    if arguments.command == "reach":
        return None
    from dvc.exceptions import DvcException
    from dvc.repo import Repo

    try:
        mend_locks(hooks.ROOT)
        use_remote(Repo(str(hooks.ROOT)), arguments)
    except (DvcException, OSError) as error:
        raise SystemExit(str(error).splitlines()[0]) from None


if __name__ == "__main__":
    main()
