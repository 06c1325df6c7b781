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
# Larger tables take a while to copy and to hash: that is shown on a terminal, the first by rich, which
# comes with cookiecutter, the second by DVC itself.
LARGE = 50 * 2**20  # bytes
COPY = """
import os, shutil, sys
source, raw = sys.argv[1:]
if os.path.isdir(source):
    shutil.copytree(source, raw)
elif os.path.getsize(source) > LARGE and sys.stderr.isatty():
    from rich.console import Console
    from rich.progress import Progress
    with Progress(console=Console(stderr=True), transient=True) as progress:
        with progress.open(source, "rb", description="Copying") as file, open(raw, "wb") as copy:
            shutil.copyfileobj(file, copy, 2**20)
else:
    shutil.copyfile(source, raw)
""".replace("LARGE", str(LARGE))
CURL = ["--fail", "--location", "--compressed", "--user-agent", "Mozilla/5.0", "--output"]
DOWNLOAD = """
import gzip, shutil, sys, urllib.request
agent, _, raw, url = sys.argv[-4:]
request = urllib.request.Request(url, headers={"User-Agent": agent})
with urllib.request.urlopen(request, timeout=30) as answer, open(raw, "wb") as copy:
    packed = answer.headers.get("Content-Encoding") == "gzip"
    shutil.copyfileobj(gzip.open(answer) if packed else answer, copy)
"""
ENVIRONMENT = {
    **os.environ,
    # Until core.analytics is set, `dvc init` would report its use.
    "DVC_NO_ANALYTICS": "true",
    # The formats that DVC's own git client reads, whatever is the user's default
    "GIT_DEFAULT_HASH": "sha1",
    "GIT_DEFAULT_REF_FORMAT": "files",
}


def run(
    command: list[str], timeout: float | None = None, shown: bool = False
) -> subprocess.CompletedProcess:
    """Run a command quietly, or with its stderr `shown`; one that cannot be run has status 127."""
    try:
        return subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=None if shown else subprocess.PIPE,
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
    if source and TABLE["copied"]:
        yield ["curl", *CURL, raw, source] if "://" in source else ["cp", source, raw]
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
    yield ["dvc", "add", raw] if TABLE["copied"] else ["dvc", "import-url", source, raw]
    if not nested:
        address = ANSWERS["git_remote"] or REMOTE["git"]
        if address:
            yield ["git", "remote", "add", "origin", address]
        yield ["git", "add", "--all"]
        yield ["git", "commit", "--quiet", "--message", f"Start {ANSWERS['project_name']}"]


def takes_long(source: str) -> bool:
    """Return whether the table is far away, many files, or large."""
    if not source or "://" in source:
        return bool(source)
    return os.path.isdir(source) or os.path.getsize(source) > LARGE


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
    lines = (done.stderr or done.stdout or "").strip().splitlines()
    errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
    return "".join(f": {line}" for line in (errors or lines[-1:])[:1])


def quote(command: list[str]) -> str:
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def carry_out(commands: Iterator[list[str]]) -> tuple[str, list[list[str]]]:
    """Run commands up to the first that fails; return what is wrong with it, and those left."""
    shown = takes_long(TABLE["source"]) and sys.stderr.isatty()
    programs = {
        "dvc": find_dvc(),
        "python": [sys.executable],
        # Not every system has these commands.
        "cp": [sys.executable, "-c", COPY],
        "curl": [sys.executable, "-c", DOWNLOAD],
        "mv": [sys.executable, "-c", "import os, sys; os.replace(*sys.argv[1:])"],
    }
    for command in commands:
        program = programs.get(command[0], command[:1])
        if not program:
            return "DVC was not found", [command, *commands]
        moves = command[0] in ("cp", "curl") or command[:2] in (
            ["dvc", "add"],
            ["dvc", "import-url"],
        )
        done = run([*program, *command[1:]], shown=shown and moves)
        if done.returncode:
            if command[:2] == ["dvc", "init"]:
                # Half made, it would stop the next attempt.
                shutil.rmtree(".dvc", ignore_errors=True)
            return f"`{quote(command)}` failed{reason(done)}", [command, *commands]
        if command[:2] == ["git", "config"]:
            say(f"git had no {command[2]}: this repository now uses {command[3]!r}")
    return "", []


def tell(problem: str, left: list[list[str]], outer: str | None) -> None:
    """Print what was done, and the commands that are left."""
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


def main() -> None:
    # A terminal that cannot show a character must not end the bake.
    sys.stdout.reconfigure(errors="replace")
    for note in TABLE["notes"]:
        say(f"{TABLE['raw']}: {note}")
    leave_other_repositories()
    outer = enclosing_repository()
    write_settings()
    say("Setting up git and DVC ...")
    problem, left = carry_out(steps(nested=outer is not None))
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
    tell(problem, left, outer)


if __name__ == "__main__":
    try:
        main()
    except OSError as error:  # such as a full disk
        say(f"{PROJECT.name} has all its files, but {error}.")
