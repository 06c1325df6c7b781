"""Reject bad answers before cookiecutter writes anything.

A Jinja filter that cookiecutter.json applies after the last question. A pre_gen_project hook
could do the same, but cookiecutter shows a traceback below the hook's message; for the exception
raised here it prints the message alone and exits with status 1.
"""

import re
from collections.abc import Mapping

from cookiecutter.exceptions import FailedHookException
from cookiecutter.utils import simple_filter

# Windows opens devices under these names, with any suffix.
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
SLUG = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9_-])?")


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

    remote = answers["remote"].strip()
    if not remote:
        raise FailedHookException("remote is empty: give a folder, for example my-remote.")
    if "://" in remote:
        raise FailedHookException(
            f"remote: {remote!r} is no folder. Take the default, then run "
            "`dvc remote add --default --force origin URL` in the new project."
        )
    return "yes"
