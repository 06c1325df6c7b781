"""Share data and models through the DVC remote.

python src/share.py check    could a teammate get all that the last commit needs?
python src/share.py login    store a token for the remote, outside git
python src/share.py reach    does the remote answer as one?
python src/share.py hooks    let git push data and models first
"""

import argparse
import getpass
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

WRONG_TOKEN = "the token may have expired, or may not use this repository"
NO_REMOTE = "answers with a page where it has no object: a login page, or no DVC remote"

# Seconds to wait for the remote's first answer. A server may accept a connection and keep silent.
PATIENCE = 20

HOOK = """#!/bin/sh
# Finds DVC in .venv even where no environment is activated, as in an IDE.
PATH="$PWD/.venv/bin:$PWD/.venv/Scripts:$PATH"
if ! command -v dvc >/dev/null; then
    echo "{name}: DVC is not on PATH; activate the project's environment, or make it in .venv" >&2
    exit {status}
fi
{command}
"""
# Without DVC a commit or a checkout goes on. A push does not: git would point at data that nobody
# has. `dvc push` stands between two checks, because it waits for minutes where nobody answers,
# takes a login page for success, and uploads what the workspace needs, not what the commits need.
COMMANDS = {
    "pre-commit": 'exec dvc git-hook pre-commit "$@"',
    "post-checkout": r"""dvc git-hook post-checkout "$@" && exit
echo "post-checkout: \`dvc pull\` fetches the data of this commit" >&2""",
    "pre-push": """python src/share.py reach </dev/null && dvc git-hook pre-push "$@" </dev/null \\
    && python src/share.py check --pushed && exit
echo "git pushed nothing: the data has to be on the DVC remote first. Mend it and push again." >&2
exit 1""",
}


class SharingError(SystemExit):
    """What stands in the way of sharing. Python prints it without a traceback; status 1."""


def write_hooks() -> None:
    """Write the git hooks of `dvc install`, with a check after each push.

    Raises SharingError outside a git repository, or when there is another hook of that name.
    """
    # Not always .git/hooks: a worktree keeps them elsewhere, and core.hooksPath moves them.
    command = ["git", "rev-parse", "--git-path", "hooks"]
    answer = subprocess.run(command, check=False, capture_output=True, text=True)
    if answer.returncode:
        raise SharingError("this is no git repository: run `git init` first")
    folder = Path(answer.stdout.strip())
    for name in COMMANDS:
        path = folder / name
        if path.exists() and "dvc git-hook" not in path.read_text(encoding="utf-8"):
            raise SharingError(f"{path} exists: remove it, or add `dvc git-hook {name}` to it")
    folder.mkdir(parents=True, exist_ok=True)
    for name, command in COMMANDS.items():
        text = HOOK.format(name=name, status=int(name == "pre-push"), command=command)
        (folder / name).write_text(text, encoding="utf-8", newline="\n")
        (folder / name).chmod(0o755)


def login_options(config: dict[str, Any], token: str, user: str | None) -> dict[str, str]:
    """Return the options that hold `token` for a remote with these options.

    DagsHub accepts a token with any of its users' names; by default it is the one in the URL.

    Raises SharingError for a remote that takes no token.
    """
    url = urlsplit(config["url"])
    if url.scheme in ("http", "https"):
        return {"auth": "basic", "user": user or url.path.split("/")[1], "password": token}
    if url.scheme == "s3" and "endpointurl" in config:
        return {"access_key_id": token, "secret_access_key": token}
    raise SharingError(
        f"{config['url']} takes no token: https://doc.dvc.org/command-reference/remote/modify "
        "tells how to log in there"
    )


def log_in(repo: Any, name: str, user: str | None) -> None:
    """Store the token of DAGSHUB_USER_TOKEN, or one that is typed, in .dvc/config.local."""
    token = os.environ.get("DAGSHUB_USER_TOKEN", "")
    if not token and sys.stdin.isatty():
        token = getpass.getpass("Token (not shown): ")
    if not token:
        raise SharingError("no token: set DAGSHUB_USER_TOKEN, or run this in a terminal")
    options = login_options(repo.config["remote"][name], token, user)
    path = Path(repo.local_dvc_dir) / "config.local"
    path.touch()
    path.chmod(0o600)
    with repo.config.edit("local") as local:
        local["remote"].setdefault(name, {}).update(options)
    print(f"token stored in {path.relative_to(repo.root_dir)}, which git ignores")


def within(seconds: float, function: Callable, *arguments: Any) -> Any:
    """Return function(*arguments). Raises TimeoutError if that takes longer than `seconds`."""
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append(function(*arguments))
        except Exception as error:  # noqa: BLE001, it is raised again below
            outcome.append(error)

    # A daemon, so that the program can end while the call still waits
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError(f"no answer within {seconds:.0f} seconds")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def probe(odb: Any, config: dict[str, Any]) -> str | None:
    """Ask the remote for an object that cannot exist; return what is wrong with the answer.

    An HTTP server must say 404: one that shows a login page, or sends people there, does not.
    """
    path = odb.oid_to_path("0" * 32)
    is_http = urlsplit(config["url"]).scheme in ("http", "https")
    # Other ways to log in are left to DVC's own client.
    plain = config.get("auth") in (None, "basic") and not config.get("ask_password")
    if not (is_http and plain):
        try:
            odb.fs.info(path)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            return f"refuses access ({first_line(error)}): {WRONG_TOKEN}"
        return NO_REMOTE

    import requests  # comes with DVC

    auth = None
    if config.get("auth") == "basic":
        auth = (config.get("user", ""), config.get("password", ""))
    try:
        answer = requests.get(
            path,
            auth=auth,
            timeout=10,
            allow_redirects=False,
            stream=True,  # the status will do, a login page need not be read
            verify=config.get("ssl_verify", True),
        )
    except requests.Timeout:
        return "does not answer"
    except requests.ConnectionError:
        return "cannot be reached: is the address right, and the network up?"
    status = answer.status_code
    if status == 404:
        return None
    if status == 401:
        return "wants credentials, or other ones (401): run `python src/share.py login`"
    if status == 403:
        return f"refuses access (403): {WRONG_TOKEN}"
    if status == 200:
        return NO_REMOTE
    if 300 <= status < 400:
        return f"redirects to {answer.headers.get('Location')} ({status}): is the address right?"
    later = ": try again later" if status == 429 or status >= 500 else ""
    return f"answers {status} {answer.reason}{later}"


def reach(repo: Any, name: str) -> Any:
    """Return the object store of the remote `name`.

    Raises SharingError with what is wrong when it does not answer as one within PATIENCE seconds.
    """
    config = repo.config["remote"][name]
    try:
        odb = repo.cloud.get_remote_odb(name)
        problem = within(PATIENCE, probe, odb, config)
    except TimeoutError as error:
        problem = f"gives {error}"
    except Exception as error:  # noqa: BLE001, each kind of storage raises its own
        problem = f"cannot be used: {first_line(error)}"
    if problem:
        raise SharingError(f"{address(config)} {problem}")
    return odb


def address(config: dict[str, Any]) -> str:
    """Return the URL of a remote. DagsHub's S3 buckets are told apart by their endpoint alone."""
    return config.get("endpointurl") or config["url"]


def first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def needed_objects(repo: Any, odb: Any) -> dict[str, str]:
    """Return the hash of each object that the checked-out commit needs, and its file's path."""
    from dvc_data.hashfile.tree import Tree

    needed: dict[str, str] = {}
    for out in repo.index.outs:
        # Outputs without a hash were never made: there is nothing to share yet.
        if not out.use_cache or not out.hash_info:
            continue
        needed[out.hash_info.value] = str(out)
        if out.is_dir_checksum:
            try:
                tree = out.get_obj() or Tree.load(odb, out.hash_info)
            except FileNotFoundError:
                continue  # the list of files is itself an object, and will be reported missing
            for key, _, hash_info in tree:
                needed[hash_info.value] = "/".join((str(out), *key))
    return needed


def pushed_commits(refs: Iterable[str]) -> list[str]:
    """Return the commits that `git push` is about to send, from what git tells its hook.

    A line is "LOCAL-REF HASH REMOTE-REF HASH", see https://git-scm.com/docs/githooks#_pre_push;
    the first hash is all zeros where a branch is deleted.
    """
    tips = [line.split()[1] for line in refs]
    tips = [tip for tip in tips if tip.strip("0")]
    if not tips:
        return []
    command = ["git", "rev-list", *tips, "--not", "--remotes"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()


def check(repo: Any, name: str, commits: Iterable[str], repair: bool) -> str:
    """Return a line that says that all objects which `commits` need are on the remote `name`.

    The size of an object is compared where it is in the local cache. With `repair`, objects that
    are missing or damaged are uploaded from there.

    Raises SharingError with what is wrong otherwise.
    """
    odb = reach(repo, name)
    url = address(repo.config["remote"][name])
    needed: dict[str, str] = {}
    for commit in commits:
        with repo.switch(commit):
            needed |= needed_objects(repo, odb)
    paths = [odb.oid_to_path(oid) for oid in needed]
    # Ten objects a second are few even for a far server.
    limit = PATIENCE + len(paths) / 10
    try:
        found = within(limit, lambda: odb.fs.info(paths, batch_size=8, return_exceptions=True))
    except TimeoutError as error:
        raise SharingError(f"{url} gives {error}") from None

    bad = []
    for (oid, file), info in zip(needed.items(), found, strict=True):
        local = Path(repo.cache.local.oid_to_path(oid))
        if isinstance(info, FileNotFoundError):
            bad.append((oid, f"{file} is missing"))
        elif isinstance(info, Exception):
            bad.append((oid, f"{file} cannot be read: {first_line(info)}"))
        elif local.exists() and info["size"] not in (None, size := local.stat().st_size):
            bad.append((oid, f"{file} has {info['size']} bytes instead of {size}"))
    if bad and repair:
        for oid, what in bad:
            local, path = repo.cache.local.oid_to_path(oid), odb.oid_to_path(oid)
            if not Path(local).exists():
                raise SharingError(f"{what} on {url}, and this machine has no copy of it")
            try:
                # Stores write-protect objects. HTTP cannot remove any, but overwrites them.
                with suppress(FileNotFoundError, NotImplementedError):
                    odb.fs.remove(path)
                odb.fs.makedirs(odb.fs.parent(path), exist_ok=True)
                odb.fs.put_file(local, path)
            except Exception as error:  # noqa: BLE001
                raise SharingError(f"{what}, and {url} refuses it: {first_line(error)}") from None
        return check(repo, name, commits, repair=False)
    if len(bad) > 1 and all(isinstance(info, FileNotFoundError) for info in found):
        raise SharingError(
            f"{url} has none of the {len(bad)} files: is the address right, and was `dvc push` run?"
        )
    if bad:
        more = f" (and {len(bad) - 1} more)" if bad[1:] else ""
        raise SharingError(
            f"{bad[0][1]} on {url}{more}: run `dvc push`, and if that does not help, "
            "`python src/share.py check --repair`"
        )
    return f"{url}: all {len(needed)} files are there"


def main() -> None:
    summary, *_ = __doc__.splitlines()
    parser = argparse.ArgumentParser(description=summary)
    commands = parser.add_subparsers(dest="command", required=True)
    check_parser = commands.add_parser("check", help="could a teammate get all of this commit?")
    check_parser.add_argument("--repair", action="store_true", help="upload what is bad there")
    check_parser.add_argument(
        "--pushed", action="store_true", help="for the pre-push hook: repair all commits it names"
    )
    login_parser = commands.add_parser("login", help="store a token, outside git")
    login_parser.add_argument("--user", help="user name (default: the owner in the URL)")
    commands.add_parser("reach", help="does the remote answer as one?")
    commands.add_parser("hooks", help="let git push data and models first")
    arguments = parser.parse_args()
    if arguments.command == "hooks":
        return write_hooks()

    try:
        from dvc.exceptions import DvcException
        from dvc.repo import Repo
    except ModuleNotFoundError:
        raise SharingError("this Python has no DVC: activate the project's environment") from None
    try:
        repo = Repo()
        name = repo.config["core"].get("remote")
        if name not in repo.config["remote"]:
            raise SharingError("no default remote: run `dvc remote default NAME`")
        if arguments.command == "login":
            log_in(repo, name, arguments.user)
        elif arguments.command == "reach":
            reach(repo, name)
        else:
            commits = pushed_commits(sys.stdin) if arguments.pushed else ["HEAD"]
            print(check(repo, name, commits, arguments.repair or arguments.pushed))
    except DvcException as error:
        raise SharingError(first_line(error)) from None


if __name__ == "__main__":
    main()
