"""Check and interpret the answers before cookiecutter writes anything.

These are Jinja filters. A pre_gen_project hook could reject answers too, but cookiecutter shows a
traceback below the hook's message. For the exception raised here, it prints only the message and
exits with status 1.
"""

import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml
from cookiecutter.config import get_user_config
from cookiecutter.exceptions import FailedHookException
from cookiecutter.utils import simple_filter
from slugify import slugify  # comes with cookiecutter

from addresses import check_git_remote, read_remote, refuse_secret
from raw_table import BUNDLED, DEVICES, inspect, stem

# Not cookiecutter's own choices: it shows a traceback for a wrong choice on the command line.
CHOICES = {
    "task": ["classification", "regression"],
    "mlflow": ["no", "yes"],
    "ci": ["none", "github", "gitlab"],
    "license": ["none", "MIT", "BSD-3-Clause", "Apache-2.0", "GPL-3.0-or-later"],
}
EXTRAS = ["agents", "devcontainer", "pre-commit"]
SLUG = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")
# Bytes that a project and its repository need, in addition to the table
ROOM = 4 * 2**20
# What git strips from the ends of a name: https://git-scm.com/docs/git-commit-tree
NO_NAME = "".join(map(chr, range(33))) + ".,:;<>\"\\'"
# Characters that change the visible order of text, or are not characters at all
DECEPTIVE = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufffe\uffff")


@simple_filter
def check_answers(answers: Mapping[str, str]) -> str:
    """Return "yes" when every answer can be used.

    Raises FailedHookException with a message for the user otherwise.
    """
    for name in answers:
        if not name.startswith("_"):
            check_text(name, answers[name])
    for name in CHOICES:
        choice(answers, name)
    check_extras(text(answers, "extras"))

    if not text(answers, "project_name").strip():
        raise FailedHookException("project_name is empty: give the project a title.")
    slug = text(answers, "project_slug")
    if not slug:
        raise FailedHookException("project_slug is empty: give the folder to create a name.")
    if not SLUG.fullmatch(slug) or DEVICES.fullmatch(slug):
        raise FailedHookException(
            f"project_slug: {slug[:110]!r} cannot name a folder on every system. Use letters, "
            "digits, '-', '_' and '.'; start with a letter or digit and do not end in a dot."
        )
    for name in ("author_name", "author_email"):
        if not text(answers, name).strip(NO_NAME):
            raise FailedHookException(f"{name}: git takes {answers[name]!r} for no name.")
    check_place(read_remote(text(answers, "remote"))["url"], slug, answers.get("_output_dir", ""))
    check_git_remote(text(answers, "git_remote"))
    read_table(answers)
    check_store()
    # cookiecutter sets it after the questions, before it writes anything; cruft does not.
    if answers.get("_output_dir"):
        check_room(answers["_output_dir"])
        place = Path(answers["_output_dir"], slug).resolve()
        if place.is_relative_to(Path(os.path.expanduser(text(answers, "data"))).resolve()):
            raise FailedHookException(
                f"data: {text(answers, 'data')!r} is a folder with the place of the project in it: "
                "give one that holds the table alone."
            )
    return "yes"


def existing(folder: str) -> str:
    """Return the folder, or the nearest above it that exists."""
    folder = os.path.abspath(folder)
    while not os.path.lexists(folder):
        folder = os.path.dirname(folder)
    return folder


def check_store() -> None:
    """Raise FailedHookException when cookiecutter cannot store the answers, because it would fail.

    Other programs that use the template store none, and a --config-file may name another folder.
    """
    if "cookiecutter.cli" not in sys.modules or "--config-file" in " ".join(sys.argv):
        return
    folder = get_user_config()["replay_dir"]
    if not os.access(existing(folder), os.W_OK):
        raise FailedHookException(
            f"cookiecutter may not store the answers in {folder}: run it as HOME=$(mktemp -d) "
            "cookiecutter ..., or with another replay_dir in a --config-file."
        )


def check_room(folder: str) -> None:
    """Raise FailedHookException when a project cannot be written into a folder, new or existing."""
    folder = existing(folder)
    if not os.path.isdir(folder) or not os.access(folder, os.W_OK):
        raise FailedHookException(f"{folder} is no folder that you may write to.")
    if shutil.disk_usage(folder).free < ROOM:
        raise FailedHookException(f"the disk of {folder} is full: a project takes 4 MB.")


def check_text(name: str, value: Any) -> None:
    """Raise FailedHookException unless an answer is a single line of text."""
    if not isinstance(value, str):
        raise FailedHookException(f"{name}: {value!r} is no text; in a file, put it in quotes.")
    for character in value:
        # Cc: control characters, Cs: halves of characters, Zl and Zp: other line breaks
        kind = unicodedata.category(character)
        if kind in ("Cc", "Cs", "Zl", "Zp") or character in DECEPTIVE:
            raise FailedHookException(
                f"{name}: {value[:60]!a} holds a line break or control character."
            )


def check_place(url: str, slug: str, folder: str = "") -> None:
    """Raise FailedHookException when a folder cannot have that name, or DVC cannot use it.

    In the project's own folder, `slug` in `folder`, git would treat the data as project files.
    """
    place = None if "://" in url else Path(folder, os.path.expanduser(url)).resolve()
    if place and place.is_relative_to(Path(folder, slug).resolve()):
        raise FailedHookException(f"remote: {url[:60]!r} is in the project: give a folder outside.")
    if place and re.match(r"\$\{?\w+\}?([/\\]|$)|%\w+%", url):
        raise FailedHookException(
            f"remote: {url[:60]!r} begins with a variable, which stays as it is: give the whole path, or ~/..."
        )
    # Text that .dvc/config cannot quote, or interprets, as DVC's progress bar interprets formats
    if re.search(r"%\(|[{}]", url) or ("'''" in url and '"""' in url):
        raise FailedHookException(f"remote: DVC cannot use a place called {url[:60]!r}.")
    if place and any(len(part.encode()) > 255 for part in re.split(r"[/\\]", url)):
        raise FailedHookException(f"remote: {url[:60]!r}... is too long for the name of a folder.")
    if place and os.name != "nt" and re.match(r"[A-Za-z]:[\\/]|\\\\|//", url):
        raise FailedHookException(
            f"remote: {url[:60]!r} is a Windows path: give it as this system sees it, such as /mnt/c/..."
        )
    if place and place.exists() and not place.is_dir():
        raise FailedHookException(f"remote: {url[:60]!r} is no folder.")


def text(answers: Mapping[str, str], name: str) -> str:
    """Return an answer. Raises FailedHookException unless it is text (a file may have a list)."""
    value: Any = answers.get(name)
    check_text(name, value)
    return value


def choice(answers: Mapping[str, str], name: str) -> str:
    """Return one of CHOICES. Raises FailedHookException when the answer is none of them."""
    value, choices = text(answers, name), CHOICES[name]
    if value not in choices:
        known = {one.casefold(): one for one in choices}
        close = get_close_matches(value.casefold(), known, n=1)
        hint = f"answer {', '.join(choices[:-1])} or {choices[-1]}."
        if close:
            hint = f"did you mean {known[close[0]]!r}?"
        raise FailedHookException(f"{name}: {value[:60]!r} is no choice; {hint}")
    return value


def check_extras(answer: str) -> None:
    """Raise FailedHookException unless an answer is `none` or words of EXTRAS."""
    for word in answer.split():
        if word not in EXTRAS and answer.strip() != "none":
            raise FailedHookException(
                f"extras: {word[:60]!r} is none of {', '.join(EXTRAS)}; "
                "give those that you want with blanks between, or none."
            )


@simple_filter
def suggest_name(answers: Mapping[str, str]) -> str:
    """Return a name for the project from its table."""
    _, name, _ = BUNDLED[choice(answers, "task")]
    data = text(answers, "data")
    if data == "bundled":
        return name
    words = re.sub(r"[\W_]+", " ", stem(data)).strip()
    return f"{words[:1].upper()}{words[1:]} {name.split()[-1]}".strip()


@simple_filter
def suggest_slug(answers: Mapping[str, str]) -> str:
    """Return a name for the project's folder."""
    return slugify(text(answers, "project_name"))


@simple_filter
def suggest_target(answers: Mapping[str, str]) -> str:
    """Return the target of a bundled table, or "": the target of another table is unknown."""
    target = BUNDLED[choice(answers, "task")][-1]
    return target if text(answers, "data") == "bundled" else ""


@simple_filter
def plan(answers: Mapping[str, str]) -> dict[str, Any]:
    """Return the data for hooks/post_gen_project.py: the arguments and the folder of set_up."""
    return {
        "template": str(Path(__file__).parent),
        "answers": {name: answers[name] for name in answers if not name.startswith("_")},
        "remote": read_remote(text(answers, "remote")),
        "table": read_table(answers),
    }


@simple_filter
def interpret_table(answers: Mapping[str, str]) -> dict[str, str]:
    """Interpret the answers `data`, `task` and `target`, see raw_table.inspect."""
    return read_table(answers)


def read_table(answers: Mapping[str, str]) -> dict[str, str]:
    data = text(answers, "data")
    if not data.strip():
        raise FailedHookException("data is empty: give bundled, a file, a folder, or a URL.")
    path = os.path.expanduser(data)
    # A file may have any name.
    if "://" in data or not os.path.exists(path):
        refuse_secret("data", data)
    # Reading a pipe would block, and works only once.
    if os.path.exists(path) and not (os.path.isfile(path) or os.path.isdir(path)):
        raise FailedHookException(f"data: {data!r} is neither a file nor a folder.")
    # The key of an object in a cloud may have blanks.
    special = r"[\s`\"<>\\]" if data.startswith("http") else r"[^\S ]|[`\"<>\\]"
    if "://" in data and re.search(special, data):
        raise FailedHookException(f"data: {data!r} is no URL: encode its special characters (%20).")
    return inspect(data, choice(answers, "task"), text(answers, "target"))


@simple_filter
def remote_options(answers: Mapping[str, str]) -> str:
    """Return the options of the DVC remote as lines of .dvc/config."""
    remote = read_remote(text(answers, "remote"))
    options = {"url": place_of(remote["url"], answers)} | remote["options"]
    return "\n".join(f"    {name} = {config_value(value)}" for name, value in options.items())


def place_of(url: str, answers: Mapping[str, str]) -> str:
    """Return the place of a DVC remote for .dvc/config.

    The path of a folder is absolute, so that a clone in any folder of this machine finds it. With
    cruft, which does not say where the project will be, it is relative to .dvc.
    """
    if "://" in url:
        return url
    folder = answers.get("_output_dir", "../..")
    return os.path.normpath(os.path.join(folder, os.path.expanduser(url)))


@simple_filter
def recorded(answers: Mapping[str, str]) -> str:
    """Return the template's version and the answers as a config file of cookiecutter.

    It can make the project again from its own folder: for a file, `data` is the project's copy.
    """
    kept = {name: value for name, value in answers.items() if not name.startswith("_")}
    table, url = read_table(answers), read_remote(text(answers, "remote"))["url"]
    if table["source"] and table["copied"]:
        kept["data"] = table["raw"]
    if "://" not in url:
        # The project is made again in a folder beside it, see "Update it" in its README.
        beside = answers.get("_output_dir", "..")
        kept["remote"] = place_of(url, {**answers, "_output_dir": beside})
    values = {"version": answers["_version"], "default_context": kept}
    return yaml.safe_dump(values, allow_unicode=True, sort_keys=False, width=10**6).strip()


def config_value(value: str) -> str:
    """Return `value` quoted for configobj, which has several kinds of quotes and no escapes.

    See https://configobj.readthedocs.io/en/latest/configobj.html#the-config-file-format
    """
    if re.fullmatch(r"[\w./:-]+", value):
        return value
    mark = next(mark for mark in ('"', "'", "'''", '"""') if mark not in value)
    return f"{mark}{value}{mark}"


@simple_filter
def yaml_scalar(value: str) -> str:
    """Return `value` as a YAML string on one line."""
    return _scalar(value)


def _scalar(value: str) -> str:
    # DVC and the project read YAML 1.2, where 1e5 is a number; PyYAML would not quote it.
    style = "'" if re.fullmatch(r"[-+.\d].*", value) else None
    dumped = yaml.safe_dump(value, allow_unicode=True, width=10**6, default_style=style)
    return dumped.removesuffix("...\n").strip()


@simple_filter
def yaml_list(values: list[str]) -> str:
    """Return `values` as a YAML list after a key, in DVC's format."""
    return "".join(f"\n  - {_scalar(value)}" for value in values) or " []"


@simple_filter
def as_markdown(value: str) -> str:
    """Return one line of text, escaped so that Markdown shows it as it is.

    https://spec.commonmark.org/0.31.2/#backslash-escapes
    """
    inline = r"\\(?=[!-/:-@\[-`{-~])|[`*\[\]<~]|(?<![^\W_])_|_(?![^\W_])|&(?=#|\w+;)|#+$"
    value = re.sub(inline, r"\\\g<0>", value.strip())
    # What starts a heading, a quote, a list or a line
    return re.sub(r"^([0-9]*)([-+=>#|.)])", r"\1\\\2", value)


@simple_filter
def plugins(answers: Mapping[str, str]) -> str:
    """Return the space-separated packages, besides DVC, that the remote and the table need."""
    table = read_table(answers)
    names = {read_remote(text(answers, "remote"))["plugin"], table["plugin"], table["reader"]}
    return " ".join(sorted(names - {""}))


@simple_filter
def interpret_remote(answer: str) -> dict[str, Any]:
    """Interpret an answer to the question `remote`, see read_remote."""
    return read_remote(answer)
