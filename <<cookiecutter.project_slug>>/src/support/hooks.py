"""Git hooks that send data before code, and fetch it after a checkout.

Only the standard library: the bake runs this in a Python that need not have any package.
"""

import os
import re
import shlex
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("pre-commit", "post-checkout", "pre-push")
MARK = "# Written by `python src/share.py hooks`"
# How the hooks of the template's first version begin
FORMER = "#!/bin/sh\n# Finds DVC in .venv even where no environment is activated, as in an IDE.\n"


@cache
def environment() -> dict[str, str]:
    """Return the environment without the repository that it may name."""
    command = ["git", "rev-parse", "--local-env-vars"]
    local = subprocess.run(command, check=False, capture_output=True, text=True).stdout.split()
    return {name: value for name, value in os.environ.items() if name not in local}


@cache
def git(*arguments: str) -> str:
    """Return what git says of this project's repository, not of one that the environment names.

    Raises SystemExit with git's own reason.
    """
    try:
        done = subprocess.run(
            ["git", *arguments],
            cwd=ROOT,
            env=environment(),
            check=False,
            capture_output=True,
            text=True,
        )
    except OSError as error:
        raise SystemExit(f"git cannot be run: {error.strerror}") from None
    if done.returncode:
        raise SystemExit(f"no git hooks were installed: {done.stderr.strip().splitlines()[0]}")
    return done.stdout.removesuffix("\n")


def hooks_folder() -> Path:
    """Return the folder where git looks for the hooks of this project's repository.

    Raises SystemExit when that is outside the repository: other repositories would run them, too.
    """
    top = Path(git("rev-parse", "--show-toplevel")).resolve()
    # The same for all worktrees of a repository
    shared = (ROOT / git("rev-parse", "--git-common-dir")).resolve()
    # Not of "hooks" itself: for an empty core.hooksPath git looks for /pre-push, and says "./".
    folder = (ROOT / git("rev-parse", "--git-path", "hooks/pre-push")).parent
    place = folder.resolve()
    if not (place.is_relative_to(shared) or place.is_relative_to(top)):
        own = shlex.quote(os.path.relpath(shared / "hooks", top))
        raise SystemExit(
            f"no git hooks were installed: git takes them from {folder}, outside this repository. "
            f"To use hooks of its own instead: git config core.hooksPath {own}; then "
            "python src/share.py hooks"
        )
    return folder


def call(name: str) -> str:
    """Return the line of sh that runs a hook; git starts hooks at the root of the repository."""
    script = shlex.quote(git("rev-parse", "--show-prefix") + "src/support/git_hook.sh")
    # Not every branch of a repository need have it.
    return f'[ ! -f {script} ] || sh {script} {name} "$@" || exit'


def is_ours(path: Path) -> bool:
    """Tell whether this project has written a hook, not another one in the same repository."""
    if path.is_symlink() or not path.is_file():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    return (MARK in text and call(path.name) in text) or text.startswith(FORMER)


def what_runs(path: Path) -> Path:
    """Return the script that a hook runs: husky makes anew what git runs, in its folder `_`."""
    if path.parent.name == "_" and (path.parent / "h").exists():
        return path.parents[1] / path.name
    return path


def install() -> None:
    """Write the hooks; others of their names stay, and the line to add to them is printed.

    Raises SystemExit when there are such, or the hooks would not be this repository's alone.
    """
    folder = hooks_folder()
    left = []
    for name in NAMES:
        path, line = folder / name, call(name)
        if path.is_symlink() or (path.exists() and not is_ours(path)):
            script = what_runs(path)
            text = script.read_bytes() if script.exists() else b""
            if f"git_hook.sh {name}".encode() in text:
                continue
            if script == path:
                # Nothing behind an `exec` is run.
                where = " above its exec" if re.search(rb"(?m)^\s*exec\b", text) else ""
                left.append(f"{path} stays as it is; add to it{where}, or to what makes it: {line}")
            else:
                left.append(f"{path} is made by husky; add to {script}: {line}")
            continue
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{MARK}, taken away by `hooks --remove`\n{line}\n", "utf-8")
        path.chmod(0o755)
    settings = git("config", "--list").lower()
    if re.search(r"^core\.splitindex(=(true|yes|on|1))?$", settings, re.MULTILINE):
        # DVC waits for ever where it meets a split index.
        git("config", "core.splitIndex", "false")
        git("update-index", "--no-split-index")
    if left:
        raise SystemExit("\n".join(left))


def remove() -> None:
    """Take away the hooks that `install` has written, and nothing else."""
    folder = hooks_folder()
    for name in NAMES:
        if is_ours(folder / name):
            (folder / name).unlink()
