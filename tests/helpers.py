"""What the tests share: a baked project, commands, and what they left behind."""

import contextlib
import json
import os
import pty
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path

import networkx
import pandas as pd
import pytest
import yaml
from dvc.repo import Repo
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
STAGES = ["prepare", "split", "train", "evaluate"]
MODELS = ["random_forest", "logistic_regression", "svc"]
RESULTS = ["dvc.lock", "models/model.skops", "results"]
SCRIPTS = (
    "import sys; sys.path.insert(0, 'src'); [__import__(name).main() for name in sys.argv[1:]]"
)
# As `dvc exp run --name ... --set-param ...` of stage train, one after the other
EXPERIMENTS = """
import json, sys
from pathlib import Path
import yaml
from dvc.repo import Repo
sys.path.insert(0, "src")
import evaluate, train
path = Path("params.yaml")
text = path.read_text()
for name, settings in json.loads(sys.argv[1]).items():
    params = yaml.safe_load(text)
    for key, value in settings.items():
        params["train"][key] = value
    path.write_text(yaml.safe_dump(params, sort_keys=False))
    train.main()
    evaluate.main()
    with Repo() as repo:
        repo.commit(force=True)
        repo.experiments.save(name=name)
"""


def run(
    command: str | list,
    cwd: Path,
    env: dict[str, str],
    status: int | None = 0,
    timeout: float = 600,
) -> subprocess.CompletedProcess:
    """Run a command without a shell; its stdout and stderr come back as one `stdout`.

    With `status=None` any exit status will do. A test fails after `timeout` seconds.
    """
    arguments = shlex.split(command) if isinstance(command, str) else list(map(str, command))
    # Not a pipe: a worker of DVC's queue that lingers, as DVC's sometimes do, would keep it open.
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(
            arguments,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=timeout,
        )
        output.seek(0)
        done.stdout = output.read()
    if status is not None:
        assert done.returncode == status, f"{command}\n{done.stdout}"
    return done


def in_terminal(
    command: str | list, cwd: Path, env: dict[str, str], text: str = "", prompt: str = "", status=0
) -> str:
    """Run a command in a terminal, type `text` once it shows `prompt`, and return all it shows."""
    terminal, other = pty.openpty()
    termios.tcsetwinsize(other, (24, 80))
    process = subprocess.Popen(
        shlex.split(command) if isinstance(command, str) else command,
        cwd=cwd,
        env=env,
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    )
    os.close(other)
    shown = b""
    while prompt.encode() not in shown:
        shown += os.read(terminal, 65536)
    os.write(terminal, text.encode())
    with contextlib.suppress(OSError):  # how Linux reports that the other side was closed
        while part := os.read(terminal, 65536):
            shown += part
    os.close(terminal)
    assert process.wait(timeout=60) == status, shown.decode()
    return shown.decode()


@dataclass
class Project:
    """A baked project and the environment to run commands in it."""

    path: Path
    env: dict[str, str]
    output: str = field(default="", repr=False)

    def run(self, command: str | list, status: int | None = 0, timeout: float = 600) -> str:
        return run(command, self.path, self.env, status, timeout).stdout

    def repro(self, *options: str) -> list[str]:
        """Run `dvc repro` and return the stages that it ran."""
        lines = self.run(["dvc", "repro", *options]).splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage")]

    def scripts(self, *stages: str, options: str = "", status: int = 0) -> str:
        """Run the scripts of stages in one process: what all of them import is imported once."""
        return self.run(["python", *options.split(), "-c", SCRIPTS, *stages], status)

    def experiments(self, settings: dict[str, dict[str, object]]) -> None:
        """Make experiments in one process, each by its name and what it sets of section `train`.

        The workspace is left with the last.
        """
        self.run(["python", "-c", EXPERIMENTS, json.dumps(settings)])

    def experiment(self, *settings: str) -> str:
        options = [option for setting in settings for option in ("--set-param", setting)]
        return self.run(["dvc", "exp", "run", *options])

    def set(self, key: str, value: object) -> None:
        """Change a parameter as a user's editor would."""
        path = self.path / "params.yaml"
        params = yaml.safe_load(path.read_text(encoding="utf-8"))
        *sections, name = key.split(".")
        section = params
        for part in sections:
            section = section[part]
        assert name in section and section[name] != value, key
        section[name] = value
        path.write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")

    def edit(self, file: str, old: str, new: str) -> None:
        text = (self.path / file).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} is {text.count(old)} times in {file}"
        (self.path / file).write_text(text.replace(old, new), encoding="utf-8")

    def tracked(self) -> list[str]:
        return self.run("git ls-files -z").split("\0")[:-1]

    def outcome(self) -> dict[str, bytes]:
        """Return the content of everything that must not differ between two runs."""
        files = [
            file
            for name in RESULTS
            for file in (self.path / name, *(self.path / name).rglob("*"))
            if file.is_file()
        ]
        assert len(files) >= 5
        return {file.relative_to(self.path).as_posix(): file.read_bytes() for file in files}

    def cached(self) -> list[str]:
        """Return the files that DVC pushes: those of .dvc files, and the outputs not in git."""
        stages = yaml.safe_load((self.path / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        outs = [
            out for stage in stages.values() for out in stage.get("outs", []) if type(out) is str
        ]
        for name in self.tracked():
            if name.endswith(".dvc"):
                file = self.path / name
                added = yaml.safe_load(file.read_text(encoding="utf-8"))["outs"]
                outs += [
                    (file.parent / out["path"]).relative_to(self.path).as_posix()
                    for out in added
                    if out.get("push", True)
                ]
        return outs

    def commit(self, message: str = "Changes") -> None:
        """Commit all changes, without the second that DVC's hook takes to look for others."""
        self.run("git add .")
        self.run(["git", "commit", "--quiet", "--no-verify", "--message", message])

    def quicken(self) -> None:
        """Make the stages quick, for tests that assert no score."""
        self.set("models.random_forest.n_estimators", 5)
        self.set("train.search.folds", 0)

    def copy(self, path: Path) -> "Project":
        shutil.copytree(self.path, path, symlinks=True)
        return Project(path, self.env)


def behind(repo: Repo, stages: set[str]) -> set[str]:
    """Return some stages and those behind them: if the first change, `dvc repro` runs all."""
    # An edge of DVC's graph leads from a stage to one that it depends on.
    names = {stage.addressing: stage for stage in repo.index.graph}
    return {
        other.addressing
        for name in stages
        for other in (names[name], *networkx.ancestors(repo.index.graph, names[name]))
    }


def stale() -> set[str]:
    """Return the stages that `dvc repro` would run in this process's folder."""
    with Repo() as repo:
        return behind(repo, set(repo.status()))


def give_up(reason: str) -> None:
    """Skip a test for what a machine may lack; in CI, fail it."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)


def need(packages: list[str]) -> None:
    """Give up a test for lack of Debian packages."""
    if packages:
        give_up(f"not installed: apt-get install --no-install-recommends {' '.join(packages)}")


def objects(folder: Path) -> dict[str, int]:
    """Return the size of each file in a folder and those below it."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}


def metrics(project: Project) -> dict:
    return json.loads((project.path / "results/metrics.json").read_text())


def hyperparameters(project: Project) -> dict:
    return yaml.safe_load((project.path / "results/params.yml").read_text())


def blocks(project: Project, heading: str) -> list[str]:
    """Return the shell blocks of a section of the project's README."""
    text = (project.path / "README.md").read_text(encoding="utf-8")
    section = re.search(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return re.findall(r"```sh\n(.*?)```", section[1], re.DOTALL)


def type_in(project: Project, block: str, **names: str) -> str:
    for name, value in names.items():
        assert name in block
        block = block.replace(name, value)
    return project.run(["sh", "-ec", block])


def experiments(project: Project) -> dict[str, dict]:
    """Return the named experiments, each with its columns of `dvc exp show`."""
    (project.path.parent / "table.csv").write_text(project.run("dvc exp show --csv"))
    table = pd.read_csv(project.path.parent / "table.csv")
    return table.dropna(subset="Experiment").set_index("Experiment").to_dict("index")


def wait_for_queue(project: Project) -> None:
    deadline = time.monotonic() + 300
    while re.search("Queued|Running", status := project.run("dvc queue status")):
        assert time.monotonic() < deadline, status
        time.sleep(1)
    assert "Failed" not in status


def shown_by_markdown(readme: str) -> list[tuple[str, str]]:
    """Return the tag and the text of the first two blocks as Markdown shows them, and nothing else."""
    blocks = []
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(readme)
    for opening, inline in zip(tokens[0:6:3], tokens[1:6:3], strict=True):
        assert {one.type for one in inline.children or []} <= {"text"}, inline.children
        blocks.append((opening.tag, "".join(one.content for one in inline.children or [])))
    return blocks
