"""The questions, answered in a terminal."""

import contextlib
import os
import pty
import subprocess
from pathlib import Path

import pytest
from helpers import BIN, run

COUNT = 11


@pytest.fixture
def answer(env, template, tmp_path):
    """A function that types lines into cookiecutter; returns its status and what is shown."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home/.gitconfig").write_bytes(Path(env["HOME"], ".gitconfig").read_bytes())

    def answer(*lines: str) -> tuple[int, str]:
        terminal, other = pty.openpty()
        process = subprocess.Popen(
            [BIN / "cookiecutter", template],
            cwd=tmp_path,
            env={**env, "HOME": str(tmp_path / "home"), "TERM": "dumb", "COLUMNS": "300"},
            stdin=other,
            stdout=other,
            stderr=other,
            start_new_session=True,
        )
        os.close(other)
        os.write(terminal, "".join(f"{line}\n" for line in lines).encode())
        shown = b""
        with contextlib.suppress(OSError):  # how Linux reports that the other side was closed
            while text := os.read(terminal, 1000):
                shown += text
        os.close(terminal)
        return process.wait(timeout=60), shown.decode()

    return answer


def test_typed_answers_arrive(answer, tmp_path, env):
    status, shown = answer("regression", "", "", "Größe << 5 %", "slug", *[""] * (COUNT - 5))
    assert status == 0 and "slug is a git repository with one commit" in shown
    assert f"[{COUNT}/{COUNT}]" in shown
    assert (tmp_path / "slug/README.md").read_text("utf-8").startswith("# Größe << 5 %\n")
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
    status, shown = answer(*lines, *[""] * (COUNT - len(lines)))
    *_, last = shown.strip().splitlines()
    assert status == 1 and said in last and "Traceback" not in shown
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
