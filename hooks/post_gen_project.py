"""Turn the rendered files into a git and DVC project with one commit.

Runs in the project's folder. Once files exist, nothing here fails the bake: the first command
that does not succeed ends the work, and it and those behind it are printed to be run by hand.
"""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

# The answers enter as data: as JSON they cannot close the string or escape from it.
ANSWERS = json.loads(
    r"""
<< cookiecutter | tojson >>
"""
)
REMOTE = json.loads(
    r"""
<< cookiecutter.remote | interpret_remote | tojson >>
"""
)
TABLE = json.loads(
    r"""
<< cookiecutter | interpret_table | tojson >>
"""
)
TOKEN = os.environ.get("DAGSHUB_USER_TOKEN", "").strip()
PROJECT = Path.cwd()
SETTINGS = "dvc-config"
ENVIRONMENT = {
    **os.environ,
    # Until core.analytics is set, `dvc init` would report its use.
    "DVC_NO_ANALYTICS": "true",
    # The formats that DVC's own git client reads, whatever is the user's default
    "GIT_DEFAULT_HASH": "sha1",
    "GIT_DEFAULT_REF_FORMAT": "files",
}


def run(command: list[str], timeout: float | None = None) -> subprocess.CompletedProcess:
    """Run a command quietly; one that cannot be run has status 127."""
    try:
        return subprocess.run(
            command,
            capture_output=True,
            check=False,
            text=True,
            errors="replace",
            timeout=timeout,
            env=ENVIRONMENT,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 127, "", str(error))


def say(text: str) -> None:
    """Print, if there is still somebody who reads, unlike behind `| head`."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave_other_repositories() -> None:
    """Forget the repository that the environment names, as in a git alias or a git hook."""
    for name in run(["git", "rev-parse", "--local-env-vars"]).stdout.split():
        ENVIRONMENT.pop(name, None)


def find_dvc() -> list[str]:
    """Return the command that runs DVC 3; empty if there is none.

    Looks in the Python that runs cookiecutter, then on PATH, then for uv, which can fetch it.
    """
    uvx = ["uvx", "--python", sys.executable, "--from", "dvc>=3.67,<4"]
    candidates = [["dvc"], [*uvx, "dvc"]]
    plugin = TABLE["plugin"]
    if plugin:
        # The others may lack what it takes to fetch the table.
        candidates.insert(0, [*uvx, "--with", plugin, "dvc"])
    if importlib.util.find_spec((plugin or "dvc").replace("-", "_")):
        candidates.insert(0, [sys.executable, "-m", "dvc"])
    for command in candidates:
        if shutil.which(command[0]):
            version = run([*command, "--version"], timeout=120)
            if version.returncode == 0 and version.stdout.startswith("3."):
                return command
    return []


def enclosing_repository() -> str | None:
    """Return the root of the git repository that the project becomes a part of, if any.

    A folder that an outer repository ignores is not a part of it.
    """
    root = run(["git", "rev-parse", "--show-toplevel"])
    if root.returncode or run(["git", "check-ignore", "--quiet", "."]).returncode == 0:
        return None
    return root.stdout.strip()


def steps(nested: bool) -> Iterator[list[str]]:
    """Yield the commands to run, in order; each may depend on those before it."""
    source, raw = TABLE["source"], TABLE["raw"]
    if source and "://" not in source:
        yield ["cp", source, raw]
    if not nested:
        yield ["git", "init", "--quiet"]
        yield ["git", "symbolic-ref", "HEAD", "refs/heads/main"]
        for key in ("name", "email"):
            if run(["git", "config", f"user.{key}"]).returncode:
                yield ["git", "config", f"user.{key}", ANSWERS[f"author_{key}"]]
    yield ["dvc", "init", *(["--subdir"] if nested else [])]
    # Only `dvc init` may make the folder.
    yield ["mv", SETTINGS, ".dvc/config"]
    yield ["mv", "plots", ".dvc/plots"]
    if "://" in source:
        yield ["dvc", "import-url", source, raw]
    else:
        yield ["dvc", "add", raw]
    if not nested:
        address = ANSWERS["git_remote"] or REMOTE["git"]
        if address:
            yield ["git", "remote", "add", "origin", address]
        yield ["git", "add", "--all"]
        yield ["git", "commit", "--quiet", "--message", f"Start {ANSWERS['project_name']}"]


def section(name: str, options: dict[str, str]) -> str:
    """Return a section of a DVC config file, which configobj reads."""
    lines = [f"[{name}]"]
    for option, value in options.items():
        # There are no escapes, but several kinds of quotes.
        mark = next(mark for mark in ('"', "'", "'''", '"""') if mark not in value)
        mark = "" if re.fullmatch(r"[\w./:-]+", value) else mark
        lines.append(f"    {option} = {mark}{value}{mark}")
    return "\n".join(lines) + "\n"


def write_settings() -> None:
    """Write DVC's config for `steps` to put in its place.

    Not by `dvc config`, which takes half a second for each and no letters but ASCII.
    """
    url = REMOTE["url"]
    if "://" not in url:
        # Absolute, so that a clone in any folder of this machine finds it.
        url = os.path.normpath(PROJECT.parent / os.path.expanduser(url))
    core = {"autostage": "true", "analytics": "false", "check_update": "false", "remote": "origin"}
    text = section("core", core) + section("'remote \"origin\"'", {"url": url} | REMOTE["options"])
    Path(SETTINGS).write_text(text, encoding="utf-8", newline="\n")


def log_in() -> None:
    """Write the token where DVC looks for it and git does not: .dvc/config.local.

    Not by `dvc remote modify`, whose arguments every user of this machine could see.
    """
    path = Path(".dvc/config.local")
    path.touch(mode=0o600)
    login = {option: value.format(token=TOKEN) for option, value in REMOTE["login"].items()}
    path.write_text(section("'remote \"origin\"'", login), encoding="utf-8")
    say("The token of DAGSHUB_USER_TOKEN is in .dvc/config.local, which git ignores.")


def reason(done: subprocess.CompletedProcess) -> str:
    """Return ": " and the line in which a command says why it failed, if it does."""
    lines = (done.stderr or done.stdout).strip().splitlines()
    errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
    return "".join(f": {line}" for line in (errors or lines[-1:])[:1])


def quote(command: list[str]) -> str:
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def main() -> None:
    # A terminal that cannot show a character must not end the bake.
    sys.stdout.reconfigure(errors="replace")
    for note in TABLE["notes"]:
        say(f"{TABLE['raw']}: {note}")
    say("Setting up git and DVC ...")
    leave_other_repositories()
    outer = enclosing_repository()
    write_settings()
    copy = "shutil.copytree(a, b) if os.path.isdir(a) else shutil.copyfile(a, b)"
    programs = {
        "dvc": find_dvc(),
        "python": [sys.executable],
        # Not every system has these commands.
        "cp": [sys.executable, "-c", f"import os, shutil, sys; a, b = sys.argv[1:]; {copy}"],
        "mv": [sys.executable, "-c", "import os, sys; os.replace(*sys.argv[1:])"],
    }
    commands = steps(nested=outer is not None)
    problem, left = None, []
    for command in commands:
        program = programs.get(command[0], command[:1])
        if not program:
            problem = "DVC was not found"
        else:
            done = run([*program, *command[1:]])
            if done.returncode == 0:
                if command[:2] == ["git", "config"]:
                    say(f"git had no {command[2]}: this repository now uses {command[3]!r}")
                continue
            problem = f"`{quote(command)}` failed{reason(done)}"
            if command[:2] == ["dvc", "init"]:
                # Half made, it would stop the next attempt.
                shutil.rmtree(".dvc", ignore_errors=True)
        left = [command, *commands]
        break
    hooks = ["python", "src/share.py", "hooks"]
    if problem:
        left.append(hooks)
    elif not outer and (told := run([sys.executable, *hooks[1:]]).stderr.strip()):
        # The project is complete without them.
        say(told)

    if REMOTE["login"]:
        if TOKEN and not problem:
            log_in()
        else:
            left.append(["python", "src/share.py", "login"])

    activate = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
    python = "python" if os.name == "nt" else "python3"
    say("")
    if problem:
        say(f"{PROJECT.name} has all its files, but {problem}. Run the rest by hand:")
    elif outer:
        say(
            f"{PROJECT.name} lies in the git repository {outer}: DVC was set up for its folder, "
            "nothing was committed and no git hooks were installed. Next:"
        )
    else:
        say(
            f"{PROJECT.name} is a git repository with one commit; DVC tracks {TABLE['raw']} and "
            "pushes to the remote `origin`. Next:"
        )
    say(
        f"  cd {quote([str(PROJECT)])} && {python} -m venv .venv && {activate} && "
        "pip install -r requirements.txt"
    )
    for command in left:
        say(f"  {quote(command)}")
    say("  dvc repro")


if __name__ == "__main__":
    try:
        main()
    except OSError as error:  # such as a full disk
        say(f"{PROJECT.name} has all its files, but {error}.")
