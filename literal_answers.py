"""Keep answers from being rendered as templates, and check those that no question asked for.

cookiecutter 2.7 renders answers from the command line and from configuration files like the
defaults in cookiecutter.json: `<%` in one would raise a traceback, and `<< ... >>` would be run.
"""

import json
import sys
from functools import cache
from pathlib import Path

from jinja2 import Environment
from jinja2.ext import Extension

if sys.version_info < (3, 11):  # noqa: UP036, others may run it
    sys.exit(
        f"Python 3.11 or later is needed, and cookiecutter runs in {sys.version.split()[0]}: install it "
        "with a newer one, for example `uvx --python 3.12 cookiecutter ...`"
    )

TEMPLATE = Path(__file__).parent


def times_of_modules() -> dict[Path, int]:
    """Return when each module that the template imports was changed."""
    modules = [
        *TEMPLATE.glob("*.py"),
        *TEMPLATE.glob("*cookiecutter.project_slug*/src/support/*.py"),
    ]
    return {path: path.stat().st_mtime_ns for path in modules}


IMPORTED = times_of_modules()


def forget_modules() -> None:
    """Have the template's modules imported again if they have changed.

    cruft bakes two versions, one after the other, in one process and in one folder.
    """
    if times_of_modules() != IMPORTED:
        own_templates.cache_clear()
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if file and Path(file) in IMPORTED:
                del sys.modules[name]


@cache
def own_templates() -> set[str]:
    """Return the texts that cookiecutter is meant to render: defaults, names of files, hooks."""
    questions = json.loads((TEMPLATE / "cookiecutter.json").read_text(encoding="utf-8"))
    texts = {default for default in questions.values() if isinstance(default, str)}
    texts |= {hook.read_text(encoding="utf-8") for hook in TEMPLATE.glob("hooks/*.py")}
    for folder in TEMPLATE.glob("*cookiecutter.project_slug*"):
        texts |= {folder.name} | {str(file.relative_to(folder)) for file in folder.rglob("*")}
    return texts


class LiteralAnswers(Extension):
    """Leave a text unchanged unless it is one of the template's own or a file.

    The name of the project's folder is the first text rendered after the questions, before anything
    is written: at that point, the answers of --replay are checked, too.
    """

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        forget_modules()

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        env: Environment = self.environment
        start, end = env.variable_start_string, env.variable_end_string
        if source == f"{start}cookiecutter.project_slug{end}":
            return f'{start} "" if cookiecutter | check_answers else "" {end}{source}'
        # Jinja would turn a carriage return into a line feed.
        starts = (start, env.block_start_string, env.comment_start_string, "\r")
        if name or not any(start in source for start in starts) or source in own_templates():
            return source
        # Escaped as numbers, so that no character can end the string.
        text = "".join(f"\\U{ord(character):08x}" for character in source)
        return f'{start} "{text}" {end}'
