"""Turn a project's rendered files into a git and DVC project with one commit.

hooks/post_gen_project.py runs this in the project's folder. Once files exist, no error here fails
the bake: after the first command that fails, this module stops, and prints it and the remaining
commands for the user to run.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from io import TextIOWrapper
from pathlib import Path
from typing import Any

# Larger tables take a while to copy and to hash. On a terminal, rich, which comes with
# cookiecutter, shows the progress of the copy, and DVC shows that of the hash.
LARGE = 50 * 2**20  # bytes
CURL = ["--fail", "--location", "--compressed", "--user-agent", "Mozilla/5.0", "--output"]
HOOKS = ["python", "src/share.py", "hooks"]
LOGIN = ["python", "src/share.py", "login"]
ENVIRONMENT = {
    **os.environ,
    # Formats that DVC's git client can read, whatever the user's defaults
    "GIT_DEFAULT_HASH": "sha1",
    "GIT_DEFAULT_REF_FORMAT": "files",
}


def set_up(answers: dict[str, str], remote: dict[str, Any], table: dict[str, Any]) -> None:
    """Set up the project in this folder, and print what was done and what remains.

    `remote` and `table` are the interpreted answers, see addresses.read_remote and
    raw_table.inspect.
    """
    # A terminal that cannot show a character must not end the bake.
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    for note in table["notes"]:
        say(f"{table['raw']}: {note}")
    try:
        leave_other_repositories()
        outer = enclosing_repository()
        origin = answers["git_remote"] or remote["git"]
        settle_ci(answers["ci"], remote["url"], origin, outer)
        place = Path(os.path.normpath(Path.cwd().parent / os.path.expanduser(remote["url"])))
        if outer and "://" not in remote["url"] and place.is_relative_to(outer):
            ignore = f"/{place.relative_to(outer).as_posix()}/"
            say(f"The DVC remote lies in {outer}: add {ignore} to the .gitignore there.")
        ignore_raw(Path(table["raw"]))
        say("Setting up git and DVC ...")
        commands = steps(answers, origin, table, nested=bool(outer))
        problem, left = carry_out(commands, table)
        if problem:
            left.append(HOOKS)
        elif not outer and (told := run([sys.executable, "-EB", *HOOKS[1:]]).stderr.strip()):
            # The project is complete without them.
            say(told)
        if remote["login"] and (problem or not write_token(remote["login"])):
            left.append(LOGIN)
    except KeyboardInterrupt:
        say(f"Interrupted: remove {Path.cwd().name}, which is not complete, and bake it again.")
        sys.exit(130)
    except OSError as error:  # such as a full disk
        say(f"{Path.cwd().name} has all its files, but {error}.")
    else:
        tell(table["raw"], problem, left, outer)


def run(
    command: list[str], timeout: float | None = None, shown: bool = False
) -> subprocess.CompletedProcess:
    """Run a command quietly, or with its stderr `shown`; status 127 means that it cannot run."""
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
    """Print, unless nobody reads the output any more, as with `| head`."""
    try:
        print(text, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def leave_other_repositories() -> None:
    """Forget the repository that the environment names, for example in a git alias or hook."""
    for name in run(["git", "rev-parse", "--local-env-vars"]).stdout.split():
        ENVIRONMENT.pop(name, None)


def enclosing_repository() -> str:
    """Return the root of the git repository that contains the project, or "".

    A folder that an outer repository ignores is not a part of it.
    """
    root = run(["git", "rev-parse", "--show-toplevel"])
    around = [folder for folder in Path.cwd().parents if (folder / ".git").exists()]
    if root.returncode and around:
        say(f"The project is no part of the git repository {around[0]}: {reason(root)}")
    if root.returncode or run(["git", "check-ignore", "--quiet", "."]).returncode == 0:
        return ""
    return root.stdout.strip()


def settle_ci(ci: str, url: str, origin: str, outer: str) -> None:
    """Remove the folder of a workflow that was not chosen, and say if CI cannot work.

    `url` is that of the DVC remote, `origin` that of the git remote.
    """
    if ci != "github":
        # cookiecutter can skip files, but not folders. An existing folder may have other files.
        with suppress(OSError):
            os.removedirs(".github/workflows")
    if ci == "none":
        return
    if outer:
        here = Path(os.path.relpath(Path.cwd(), Path(outer).resolve())).as_posix()
        say(
            f"CI runs only what is at the root of a repository: move its file to {outer}, and have its "
            f"steps run in {here}."
        )
    if not outer and "dagshub.com" in origin:
        say(
            f"DagsHub runs no CI: mirror the code on {ci}.com, or answer git_remote with its address."
        )
    if "://" not in url:
        say("CI cannot reach a DVC remote that is a folder of this machine, see CI in README.md.")


def ignore_raw(raw: Path) -> None:
    """Keep the table out of git, as DVC does unless the user's own ignore file hides it."""
    file, line = raw.with_name(".gitignore"), f"/{raw.name}"
    known = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    if line not in known:
        raw.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n".join([*known, line, ""]), encoding="utf-8")


def steps(
    answers: dict[str, str], git_remote: str, table: dict[str, Any], nested: bool
) -> Iterator[list[str]]:
    """Yield the commands to run, in order; each may depend on the previous ones."""
    source, raw = table["source"], table["raw"]
    if source and table["copied"]:
        yield ["curl", *CURL, raw, source] if "://" in source else ["cp", "-R", source, raw]
        if os.path.isdir(source):
            yield ["find", raw, "-path", "*/.*", "-delete"]
    if not nested:
        yield ["git", "init", "--quiet"]
        yield ["git", "symbolic-ref", "HEAD", "refs/heads/main"]
        if git_remote:
            yield ["git", "remote", "add", "origin", git_remote]
        # The git identity may depend on the repository's place and remote.
        config_only = run(["git", "config", "--bool", "user.useConfigOnly"]).stdout == "true\n"
        for key in ("name", "email"):
            known = run(["git", "config", f"user.{key}"]).stdout
            if key == "email" and not config_only:
                known = known or os.environ.get("EMAIL", "")
            if not known:
                yield ["git", "config", f"user.{key}", answers[f"author_{key}"]]
    yield ["dvc", "init", *(["--subdir"] if nested else [])]
    yield ["dvc", "add", raw] if table["copied"] else ["dvc", "import-url", source, raw]
    if not nested:
        yield ["git", "add", "--all"]
        yield ["git", "commit", "--quiet", "--message", f"Start {answers['project_name']}"]


def carry_out(commands: Iterator[list[str]], table: dict[str, Any]) -> tuple[str, list[list[str]]]:
    """Run commands until one fails; return its problem, and the remaining commands."""
    dvc = find_dvc(table["plugin"])
    for command in commands:
        if command[0] == "dvc" and not dvc:
            problem = "DVC was not found"
        elif failure := do_step(command, dvc, table):
            problem = f"`{quote(command)}` failed: {failure}"
        else:
            if command[:2] == ["git", "config"]:
                say(f"git had no {command[2]}: this repository now uses {command[3]!r}")
            continue
        return problem, [one for one in (command, *commands) if not is_init(one)]
    return "", []


def find_dvc(plugin: str) -> list[str]:
    """Return the command that runs DVC 3 with a package that it needs; empty if there is none.

    Looks in the Python that runs cookiecutter, then on PATH, then for uv, which can fetch it.
    """
    try:
        if version(plugin or "dvc") and version("dvc").startswith("3."):
            return [sys.executable, "-m", "dvc"]
    except PackageNotFoundError:
        pass
    uvx = ["uvx", "--python", sys.executable, "--from", "dvc>=3.67,<4"]
    candidates = [["dvc"], [*uvx, "dvc"]]
    if plugin:
        # The other candidates may lack the package that fetches the table.
        candidates.insert(0, [*uvx, "--with", plugin, "dvc"])
    for command in candidates:
        if shutil.which(command[0]):
            done = run([*command, "--version"], timeout=120)
            if done.returncode == 0 and done.stdout.startswith("3."):
                return command
    return []


def do_step(command: list[str], dvc: list[str], table: dict[str, Any]) -> str:
    """Run a command of `steps`; return why it failed, or ""."""
    program, *arguments = command
    if program in ("cp", "curl"):
        try:
            fetch_table(table["source"], table["raw"])
        except Exception as error:  # noqa: BLE001, each kind of source raises its own
            remove(table["raw"])
            return f"{type(error).__name__}: {error}".splitlines()[0]
        return ""
    if program == "find":
        return ""  # fetch_table copies no hidden file
    if program != "dvc":
        done = run(command)
    elif is_init(command):
        done = initialise([*dvc, *arguments])
    else:
        done = run([*dvc, *arguments], shown=takes_long(table["source"]))
    return reason(done) if done.returncode else ""


def remove(path: str) -> None:
    """Remove a file or a folder, if it is there."""
    with suppress(OSError):
        os.unlink(path)
    shutil.rmtree(path, ignore_errors=True)


def fetch_table(source: str, raw: str) -> None:
    """Copy or download a table like `cp` and `curl`, which some systems lack."""
    from raw_table import decoded, parts_of

    if "://" in source:
        agent = CURL[CURL.index("--user-agent") + 1]
        request = urllib.request.Request(source, headers={"User-Agent": agent})
        with urllib.request.urlopen(request, timeout=30) as answer, open(raw, "wb") as file:
            blocks = iter(partial(answer.read, 2**20), b"")
            file.writelines(decoded(blocks, answer.headers.get("Content-Encoding")))
            if answer.length:
                raise OSError(f"the server closed the connection {answer.length} bytes too early")
        return
    # Of a folder, what the stages read: a hidden file, such as .env, would be shared with it.
    for part in parts_of(Path(source)):
        copy = Path(raw, part.relative_to(source))
        copy.parent.mkdir(parents=True, exist_ok=True)
        keep_private(part)
        copy_file(part, copy)


def keep_private(source: Path) -> None:
    """Let nobody into the project's folder who may not read the table: all may read DVC's copies."""
    mode = before = os.stat(".").st_mode & 0o7777
    for users in (0o070, 0o007):
        if not source.stat().st_mode & users & 0o444:
            mode &= ~users
    if mode != before:
        os.chmod(".", mode)
        say(f"{source} is not for all users of this machine: nor is the project's folder, now.")


def copy_file(source: Path, copy: Path) -> None:
    if takes_long(str(source)):
        from rich.console import Console
        from rich.progress import Progress

        with (
            Progress(console=Console(stderr=True), transient=True) as progress,
            progress.open(source, "rb", description="Copying") as table,
            copy.open("wb") as file,
        ):
            shutil.copyfileobj(table, file, 2**20)
    else:
        shutil.copyfile(source, copy)


def takes_long(source: str) -> bool:
    """Return whether a table is remote, a folder, or large, and a user waits at a terminal."""
    if not source or not sys.stderr.isatty():
        return False
    return "://" in source or os.path.isdir(source) or os.path.getsize(source) > LARGE


def is_init(command: list[str]) -> bool:
    return command[:2] == ["dvc", "init"]


def initialise(command: list[str]) -> subprocess.CompletedProcess:
    """Run `dvc init`, and put the project's settings into the folder that it makes.

    `dvc init` refuses an existing folder. If it fails, or DVC is missing, the project's own stays.
    """
    aside = Path(".dvc-settings")
    if aside.exists():  # a bake was killed here
        put_back(aside)
    os.rename(".dvc", aside)
    done = run(command)
    if done.returncode:
        shutil.rmtree(".dvc", ignore_errors=True)
    put_back(aside)
    return done


def put_back(aside: Path) -> None:
    """Move what is in a folder into .dvc, in place of what `dvc init` has made.

    With --overwrite-if-exists, the cache is there: its files are moved, not copied.
    """
    Path(".dvc").mkdir(exist_ok=True)
    for path in sorted(aside.iterdir()):
        made = Path(".dvc", path.name)
        if made.is_dir() and not made.is_symlink() and made.name != "cache":
            shutil.rmtree(made)
        os.replace(path, made)
    aside.rmdir()


def write_token(login: dict[str, str]) -> bool:
    """Write the token, if there is one, to config.local, which DVC reads and git ignores.

    `dvc remote modify` would show the token to every user of this machine. Returns whether it was
    written: a token that DVC's config cannot quote is left to DVC.
    """
    token = os.environ.get("DAGSHUB_USER_TOKEN", "").strip()
    if not token or re.search(r'["%\s]', token):
        return False
    path = Path(".dvc/config.local")
    path.touch(mode=0o600)
    lines = ["['remote \"origin\"']"]
    for option, value in login.items():
        lines.append(f'    {option} = "{value.format(token=token)}"')
    path.write_text("\n".join([*lines, ""]), encoding="utf-8")
    say("The token of DAGSHUB_USER_TOKEN is in .dvc/config.local, which git ignores.")
    return True


def reason(done: subprocess.CompletedProcess) -> str:
    """Return the line in which a command says why it failed, or its status."""
    lines = (done.stderr or done.stdout or "").strip().splitlines()
    errors = [line for line in lines if line.lower().startswith(("error", "fatal"))]
    why = (errors or lines[-1:] or [f"status {done.returncode}"])[0]
    # The project's own settings are correct.
    return f"{why} (in DVC's config of this user or system)" if "config file error" in why else why


def quote(command: list[str]) -> str:
    return subprocess.list2cmdline(command) if os.name == "nt" else shlex.join(command)


def tell(raw: str, problem: str, left: list[list[str]], outer: str) -> None:
    """Print what was done, and the remaining commands."""
    project = Path.cwd()
    activate = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
    python = "python" if os.name == "nt" else "python3"
    say("")
    if problem:
        say(f"{project.name} has all its files, but {problem}. Run the rest by hand:")
    elif outer == str(project):
        say(
            f"{project.name} was a git repository before: DVC was set up, nothing was committed and no "
            "git hooks were installed. Next:"
        )
    elif outer:
        say(
            f"{project.name} lies in the git repository {outer}: DVC was set up for its folder, "
            "nothing was committed and no git hooks were installed. Next:"
        )
    else:
        say(
            f"{project.name} is a git repository with one commit; DVC tracks {raw} and pushes to "
            "the remote `origin`. Next:"
        )
    say(
        f"  cd {quote([str(project)])} && {python} -m venv .venv && {activate} && "
        "pip install -r requirements.txt"
    )
    for command in left:
        say(f"  {quote(command)}")
    say("  dvc repro")
