"""Write the template in a form whose names Windows allows: python portable.py [FOLDER]

Windows forbids < > and " in names. The portable form differs from this one only in its template
delimiters, and makes the same projects on every system. These delimiters begin like Jinja's usual
ones, by which cruft recognises a template, but do not occur in text outside templates.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment

ROOT = Path(__file__).parent
PORTABLE = {
    "variable_start_string": "{{=",
    "variable_end_string": "=}}",
    "block_start_string": "{%=",
    "block_end_string": "=%}",
    "comment_start_string": "{#=",
    "comment_end_string": "=#}",
}
FOLDERS = ("hooks", "<<cookiecutter.project_slug>>")


def convert(text: str, own: dict[str, str]) -> str:
    """Return a template with PORTABLE's delimiters instead of its `own`.

    Raises ValueError when its text contains a delimiter of PORTABLE.
    """
    env = Environment(keep_trailing_newline=True, **{key: own[key] for key in PORTABLE})
    names = {key.removesuffix("_string").replace("start", "begin"): key for key in PORTABLE}
    parts = []
    for line, token, value in env.lex(text):
        if token in names:
            value = value.replace(own[names[token]], PORTABLE[names[token]])
        elif taken := [one for one in PORTABLE.values() if one in value]:
            raise ValueError(f"from line {line} on: {taken[0]} is a delimiter of the portable form")
        parts.append(value)
    return "".join(parts)


def convert_questions(text: str) -> str:
    """Return cookiecutter.json with the portable delimiters in its templates and settings."""
    questions = json.loads(text)
    own = questions["_jinja2_env_vars"]

    def converted(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: converted(one) for key, one in value.items()}
        if isinstance(value, list):
            return [converted(one) for one in value]
        return convert(value, own) if isinstance(value, str) else value

    questions = {key: converted(value) for key, value in questions.items() if value is not own}
    questions["_jinja2_env_vars"] = own | PORTABLE
    return json.dumps(questions, indent=2, ensure_ascii=False) + "\n"


def files() -> list[Path]:
    """Return the files that cookiecutter needs or people read, without ignored ones."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.check_output(command, cwd=ROOT, text=True)
    paths = map(Path, listed.split("\0")[:-1])
    kept = (".py", ".md", ".json")
    return [
        path
        for path in paths
        if path.parts[0] in (*FOLDERS, "LICENSE", ".gitattributes")
        or (len(path.parts) == 1 and path.suffix in kept)
    ]


def write(folder: Path) -> None:
    """Write the portable form into a folder, replacing one that was written before.

    Raises SystemExit for a folder with other contents.
    """
    paths = files()
    if (
        folder.exists()
        and any(folder.iterdir())
        and (not (folder / "cookiecutter.json").is_file() or ROOT.is_relative_to(folder.resolve()))
    ):
        raise SystemExit(f"{folder} is not empty, and no portable form: name another folder")
    questions = (ROOT / "cookiecutter.json").read_text(encoding="utf-8")
    own = json.loads(questions)["_jinja2_env_vars"]
    shutil.rmtree(folder, ignore_errors=True)
    for path in paths:
        name = convert(path.as_posix(), own).replace('"', "'")
        content = (ROOT / path).read_bytes()
        if path.name == "cookiecutter.json":
            content = convert_questions(questions).encode()
        elif len(path.parts) > 1:
            content = convert(content.decode(), own).encode()
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod((ROOT / path).stat().st_mode)


if __name__ == "__main__":
    write(Path(sys.argv[1] if sys.argv[1:] else ROOT / "portable"))
