"""The questions, answered in a terminal."""

import json
from pathlib import Path

import pytest
from helpers import BIN, ROOT, in_terminal, run, shown_by_markdown

QUESTIONS = json.loads((ROOT / "cookiecutter.json").read_text())
COUNT = len([name for name in QUESTIONS if not name.startswith("_")])


@pytest.fixture
def answer(env, template, tmp_path):
    """A function that types lines into cookiecutter, and returns what is shown."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.gitconfig").write_bytes(Path(env["HOME"], ".gitconfig").read_bytes())

    def answer(*lines: str, status: int = 0) -> str:
        home = {"HOME": str(tmp_path / "home"), "TERM": "dumb", "COLUMNS": "300"}
        text = "".join(f"{line}\n" for line in lines)
        command = [BIN / "cookiecutter", template]
        return in_terminal(command, tmp_path, env | home, text, status=status)

    return answer


def test_typed_answers_arrive(answer, tmp_path, env):
    shown = answer("regression", "", "", "Größe << 5 %", "slug", *[""] * (COUNT - 5))
    assert "slug is a git repository with one commit" in shown
    assert f"[{COUNT}/{COUNT}]" in shown
    title, _ = shown_by_markdown((tmp_path / "slug/README.md").read_text("utf-8"))
    assert title == ("h1", "Größe << 5 %")
    log = run("git log -1 --format=%s", tmp_path / "slug", env).stdout
    assert log == "Start Größe << 5 %\n"


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["regresion"], "task: 'regresion' is no choice; did you mean 'regression'?"),
        (["", "", "", "", "no/slug"], "project_slug: 'no/slug' cannot name a folder"),
        (["", "no such.csv", "y"], "no such.csv: No such file"),
    ],
)
def test_a_wrong_typed_answer_ends_in_one_line_below_the_question(answer, tmp_path, lines, said):
    shown = answer(*lines, *[""] * (COUNT - len(lines)), status=1)
    *_, last = shown.strip().splitlines()
    assert said in last and "Traceback" not in shown
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
