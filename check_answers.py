"""Check and interpret the answers before cookiecutter writes anything.

Jinja filters. A pre_gen_project hook could reject answers too, but cookiecutter shows a
traceback below the hook's message; for the exception raised here it prints the message alone and
exits with status 1.
"""

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import yaml
from cookiecutter.exceptions import FailedHookException
from cookiecutter.utils import simple_filter

from raw_table import BUNDLED, inspect, stem

# Windows opens devices under these names, with any suffix.
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
SLUG = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")

# DVC's remotes: the package that each needs, and its options for time limits in seconds, see
# https://doc.dvc.org/command-reference/remote/modify. By default DVC waits for minutes.
HTTP_LIMITS = {"connect_timeout": "5", "read_timeout": "30"}
REMOTES: dict[str, tuple[str, dict[str, str]]] = {
    "http": ("", HTTP_LIMITS),
    "https": ("", HTTP_LIMITS),
    "s3": ("dvc-s3", HTTP_LIMITS),
    "gs": ("dvc-gs", {}),
    "azure": ("dvc-azure", {"timeout": "30"}),
    "ssh": ("dvc-ssh", {"timeout": "30"}),
    "webdav": ("dvc-webdav", {"timeout": "30"}),
    "webdavs": ("dvc-webdav", {"timeout": "30"}),
}
DAGSHUB = "https://dagshub.com"


@simple_filter
def check_answers(answers: Mapping[str, str]) -> str:
    """Return "yes" when every answer can be used.

    Raises FailedHookException with a message for the user otherwise.
    """
    for name, value in answers.items():
        if isinstance(value, str) and not value.isprintable():
            raise FailedHookException(f"{name}: {value!r} holds a line break or control character.")

    slug = answers["project_slug"]
    if not slug:
        raise FailedHookException("project_slug is empty: give the folder to create a name.")
    if not SLUG.fullmatch(slug) or DEVICES.fullmatch(slug):
        raise FailedHookException(
            f"project_slug: {slug!r} cannot name a folder on every system. Use letters, digits, "
            "'-', '_' and '.'; start with a letter or digit and do not end in a dot."
        )
    read_remote(answers["remote"])
    read_table(answers)
    return "yes"


@simple_filter
def suggest_name(answers: Mapping[str, str]) -> str:
    """Return a name for the project from its table."""
    _, name, _ = BUNDLED[answers["task"]]
    if answers["data"] == "bundled":
        return name
    words = re.sub(r"[\W_]+", " ", stem(answers["data"])).strip()
    return f"{words[:1].upper()}{words[1:]} {name.split()[-1]}".strip()


@simple_filter
def suggest_target(answers: Mapping[str, str]) -> str:
    """Return the target of a bundled table; another table has none that could be guessed."""
    return BUNDLED[answers["task"]][-1] if answers["data"] == "bundled" else ""


@simple_filter
def interpret_table(answers: Mapping[str, str]) -> dict[str, str]:
    """Return what the answers `data`, `task` and `target` mean, see raw_table.inspect."""
    return read_table(answers)


def read_table(answers: Mapping[str, str]) -> dict[str, str]:
    return inspect(answers["data"], answers["task"], answers["target"])


@simple_filter
def yaml_scalar(value: str) -> str:
    """Return `value` as YAML writes a string, on one line."""
    return _scalar(value)


def _scalar(value: str) -> str:
    # DVC and the project read YAML 1.2, where 1e5 is a number; PyYAML would not quote it.
    style = "'" if re.fullmatch(r"[-+.\d].*", value) else None
    text = yaml.safe_dump(value, allow_unicode=True, width=10**6, default_style=style)
    return text.removesuffix("...\n").strip()


@simple_filter
def yaml_list(values: list[str]) -> str:
    """Return `values` as DVC writes a list behind a key."""
    return "".join(f"\n  - {_scalar(value)}" for value in values) or " []"


@simple_filter
def plugins(answers: Mapping[str, str]) -> str:
    """Return the packages beside DVC that the remote and the table need, with spaces between."""
    table = read_table(answers)
    names = {read_remote(answers["remote"])["plugin"], table["plugin"], table["reader"]}
    return " ".join(sorted(names - {""}))


@simple_filter
def interpret_remote(answer: str) -> dict[str, Any]:
    """Return what an answer to the question `remote` means, see read_remote."""
    return read_remote(answer)


def read_remote(answer: str) -> dict[str, Any]:
    """Return what an answer to the question `remote` means.

    `url` and `options` are those of the DVC remote, `plugin` is the package that it needs, `git`
    the address of the git remote, `mlflow` that of the MLflow server, and `login` the options that
    hold credentials: for a DagsHub repository, with {token} in the token's place. What a remote
    does not have is empty.

    Raises FailedHookException with a message for the user when DVC has no such remote.
    """
    answer = answer.strip()
    scheme, separator, _ = answer.partition("://")
    remote = {
        "url": answer,
        "git": "",
        "mlflow": "",
        "plugin": "",
        "options": {"verify": "true"},
        "login": {},
    }
    if not answer:
        raise FailedHookException("remote is empty: give a folder or a URL.")
    if not separator:
        return remote

    parts = urlsplit(answer)
    if scheme not in REMOTES or not parts.netloc:
        raise FailedHookException(
            f"remote: {answer!r} is not understood. Give a folder, {DAGSHUB}/OWNER/REPO, or a URL "
            f"that starts with {', '.join(f'{name}://' for name in REMOTES)}."
        )
    if parts.password or (parts.username and scheme != "ssh"):
        # cookiecutter keeps answers in a file, so they must not hold secrets; nor may messages.
        raise FailedHookException(
            f"remote: leave user and password out of the {scheme}:// URL; cookiecutter would "
            "store them. The project's README.md says how to log in."
        )
    remote["plugin"], limits = REMOTES[scheme]
    remote["options"] |= limits

    # The variable that DagsHub's own client reads, for a server of one's own
    host = (os.environ.get("DAGSHUB_CLIENT_HOST") or DAGSHUB).rstrip("/")
    if answer != host and not answer.startswith(f"{host}/"):
        return remote
    match = re.fullmatch(r"/([\w.-]+)/([\w.-]+?)(\.git|\.dvc|\.s3)?/?", answer[len(host) :])
    if not match:
        raise FailedHookException(
            f"remote: {answer!r} is no DagsHub repository. Give {host}/OWNER/REPO."
        )
    owner, name, form = match.groups()
    repository = f"{host}/{owner}/{name}"
    remote["git"] = f"{repository}.git"
    remote["mlflow"] = f"{repository}.mlflow"
    if form == ".s3":
        # DagsHub's bucket is called dvc in every repository; the endpoint tells them apart.
        remote["url"] = "s3://dvc"
        remote["plugin"] = REMOTES["s3"][0]
        remote["options"] |= {"endpointurl": f"{repository}.s3"}
        remote["login"] = {"access_key_id": "{token}", "secret_access_key": "{token}"}
    else:
        remote["url"] = f"{repository}.dvc"
        remote["login"] = {"auth": "basic", "user": owner, "password": "{token}"}
    return remote
