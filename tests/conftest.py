"""Bake projects with the real cookiecutter, git and DVC, and run them."""

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import servers
import yaml

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
RESULTS = ["dvc.lock", "models/model.skops", "results"]


def run(
    command: str | list, cwd: Path, env: dict[str, str], status: int | None = 0
) -> subprocess.CompletedProcess:
    """Run a command without a shell; its stdout and stderr come back as one `stdout`.

    With `status=None` any exit status will do.
    """
    arguments = shlex.split(command) if isinstance(command, str) else list(map(str, command))
    done = subprocess.run(
        arguments,
        cwd=cwd,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        text=True,
        timeout=600,
    )
    if status is not None:
        assert done.returncode == status, f"{command}\n{done.stdout}"
    return done


@dataclass
class Project:
    """A baked project and the environment to run commands in it."""

    path: Path
    env: dict[str, str]
    output: str = field(default="", repr=False)

    def run(self, command: str | list, status: int | None = 0) -> str:
        return run(command, self.path, self.env, status).stdout

    def repro(self, *options: str) -> list[str]:
        """Run `dvc repro` and return the stages that it ran."""
        lines = self.run(["dvc", "repro", *options]).splitlines()
        return [line.split("'")[1] for line in lines if line.startswith("Running stage")]

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
        path.write_text(yaml.safe_dump(params), encoding="utf-8")

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
        """Return the files that DVC keeps: the raw table, and the outputs that git does not hold."""
        stages = yaml.safe_load((self.path / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
        raw = stages["prepare"]["deps"][:1]
        outs = [out for stage in stages.values() for out in stage.get("outs", [])]
        return raw + [out for out in outs if type(out) is str]

    def copy(self, path: Path) -> "Project":
        shutil.copytree(self.path, path, symlinks=True)
        return Project(path, self.env)


@pytest.fixture(scope="session")
def env(tmp_path_factory) -> dict[str, str]:
    """An environment with a home of its own, a git identity, and this Python's commands."""
    home = tmp_path_factory.mktemp("home")
    (home / ".gitconfig").write_text(
        "[user]\nname = Tester\nemail = tester@example.com\n"
        '[init]\ndefaultBranch = trunk\n[protocol "file"]\nallow = always\n'
    )
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GIT_", "DVC_", "COOKIECUTTER_", "PYTEST", "PYTHON", "VIRTUAL_ENV"))
    }
    uv_cache = subprocess.check_output([BIN / "uv", "cache", "dir"], text=True).strip()
    return {
        **inherited,
        "HOME": str(home),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "DVC_SITE_CACHE_DIR": str(home / "dvc"),
        "UV_CACHE_DIR": uv_cache,
        "COLUMNS": "80",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


@pytest.fixture(scope="session")
def template(tmp_path_factory, env) -> Path:
    """A git repository of the template as in the working tree, without what git ignores."""
    path = tmp_path_factory.mktemp("github") / "OWNER/cookiecutter-dvc-pipeline.git"
    command = "git ls-files -z --cached --others --exclude-standard"
    for name in run(command, ROOT, env).stdout.split("\0")[:-1]:
        if (ROOT / name).exists():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, path / name)
    for command in ("git init --quiet", "git add --all", "git commit --quiet -m Template"):
        run(command, path, env)
    return path


@pytest.fixture(scope="session")
def bake(env, template):
    """A function that bakes the template into a folder."""

    def bake(folder: Path, status: int = 0, env: dict[str, str] = env, **answers: str) -> Project:
        command = ["cookiecutter", template, "--no-input", "--output-dir", folder]
        settings = [f"{name}={value}" for name, value in answers.items()]
        done = run([BIN / command[0], *command[1:], *settings], folder, env, status)
        return Project(folder / answers.get("project_slug", "iris-classifier"), env, done.stdout)

    return bake


@pytest.fixture(scope="session")
def baked(tmp_path_factory, bake) -> Project:
    """The default project as it was baked; not to be changed."""
    return bake(tmp_path_factory.mktemp("baked"))


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory, baked) -> Project:
    """The default project after `dvc repro` and a commit; not to be changed."""
    project = baked.copy(tmp_path_factory.mktemp("reproduced") / baked.path.name)
    project.output = project.run("dvc repro")
    project.run("git add .")
    project.run("git commit --quiet -m 'Random forest'")
    return project


@pytest.fixture
def project(tmp_path, reproduced) -> Project:
    """A copy of the reproduced project, to be changed."""
    return reproduced.copy(tmp_path / reproduced.path.name)


def need(packages: list[str]) -> None:
    """Skip a test for lack of Debian packages; in CI, fail it."""
    if packages:
        install = f"apt-get install --no-install-recommends {' '.join(packages)}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"not installed: {install}")


@pytest.fixture(scope="session")
def host(tmp_path_factory, env):
    """The servers, for the whole session."""
    need(servers.missing())
    host = servers.Host(tmp_path_factory.mktemp("servers"), env)
    try:
        host.start()
        yield host
    finally:
        host.stop()
