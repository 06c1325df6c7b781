"""Bake projects with the real cookiecutter, git and DVC, and run them."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import servers
import support  # noqa: F401, the whole package, before raw_table has its modules alone
import yaml
from cookiecutter.main import cookiecutter
from forked import Forks
from helpers import BIN, MODELS, ROOT, Project, need, run
from xdist.scheduler import LoadScopeScheduling

# Files that share what takes long to make: servers, a browser, projects after their runs
GROUPS = [
    {"test_secrets.py", "test_servers.py", "test_sharing.py", "test_withheld.py"},
    {"test_publish.py"},
    {"test_ci.py", "test_pages.py", "test_pipeline.py", "test_results.py"},
    {"test_crashes.py"},
    {"test_upgrade.py"},
    {"test_extras.py"},
]


class Groups(LoadScopeScheduling):
    """Give each group of files to one worker, and then test by test what levels the workers.

    `--dist loadgroup` would do, but pytest 9.2 does not see the groups of xdist 3.8.
    """

    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.split("::")[0]).name
        return next((str(group) for group in GROUPS if file in group), nodeid)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log) -> Groups:
    return Groups(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Start with the tests of tables and of set-up, which take longest, and end with short ones."""
    items.sort(key=lambda item: item.path.name, reverse=True)


@pytest.fixture(scope="session")
def env(tmp_path_factory) -> Iterator[dict[str, str]]:
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
    env = {
        **inherited,
        "HOME": str(home),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "DVC_SITE_CACHE_DIR": str(home / "dvc"),
        "DVC_NO_ANALYTICS": "1",
        "UV_CACHE_DIR": uv_cache,
        # Two tests at a time have two cores: their threads would wait for each other.
        "OMP_NUM_THREADS": "1",
        # The tests reach the package index and nothing else.
        "UV_PYTHON_DOWNLOADS": "never",
        "COLUMNS": "80",
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }
    forks = Forks(tmp_path_factory.mktemp("forks"), env)
    yield env
    forks.stop()


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
        done = run([*command, *settings], folder, env, status)
        return Project(folder / answers.get("project_slug", "iris-classifier"), env, done.stdout)

    return bake


@pytest.fixture(scope="session")
def render(tmp_path_factory, template):
    """A function that writes the files of a project into a folder, and runs no hook."""
    folder = tmp_path_factory.mktemp("render")
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump({"replay_dir": str(folder / "replay")}))

    def render(folder: Path, **answers: str) -> Path:
        project = cookiecutter(
            str(template),
            no_input=True,
            extra_context=answers,
            output_dir=str(folder),
            config_file=str(config),
            accept_hooks=False,
        )
        return Path(project)

    return render


@pytest.fixture(scope="session")
def baked(tmp_path_factory, bake) -> Project:
    """The default project as it was baked; not to be changed."""
    return bake(tmp_path_factory.mktemp("baked"))


@pytest.fixture(scope="session")
def reproduced(tmp_path_factory, baked) -> Project:
    """The default project after `dvc repro` and a commit; not to be changed."""
    project = baked.copy(tmp_path_factory.mktemp("reproduced") / baked.path.name)
    project.output = project.run("dvc repro")
    project.commit("Random forest")
    return project


@pytest.fixture(scope="session")
def compared(tmp_path_factory, reproduced) -> dict[str, Project]:
    """The reproduced project by the model in its workspace; not to be changed.

    The models but for the first are experiments of their names; the last has them all.
    """
    project = reproduced
    projects = {MODELS[0]: project}
    for name in MODELS[1:]:
        project = project.copy(tmp_path_factory.mktemp(name) / project.path.name)
        project.run(f"dvc exp run --name {name} --set-param train.model={name}")
        projects[name] = project
    return projects


@pytest.fixture
def project(tmp_path, reproduced) -> Project:
    """A copy of the reproduced project, to be changed."""
    return reproduced.copy(tmp_path / reproduced.path.name)


@pytest.fixture
def in_process(project, monkeypatch):
    """DVC of this process sees the project as its commands do: in its folder and environment."""
    monkeypatch.chdir(project.path)
    for name, value in project.env.items():
        monkeypatch.setenv(name, value)


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
