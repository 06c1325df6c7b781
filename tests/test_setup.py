"""The README's commands, and requirements that install everywhere."""

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest
from helpers import MODELS, ROOT, STAGES, Project, run

PROJECT = ROOT / "<<cookiecutter.project_slug>>"
PLUGINS = ["dvc-azure", "dvc-gs", "dvc-s3", "dvc-ssh", "dvc-webdav"]
NEEDED = {"dvc", "scikit-learn", "mlflow-skinny", *PLUGINS}
# This environment takes the place of .venv.
MAKE = ["make", f"VENV={sys.prefix}", f"--assume-old={sys.prefix}/.ready"]


def test_make_demo_runs_and_makes_its_folder_anew(template, env, tmp_path):
    run(f"git clone --quiet {template} clone", tmp_path, env)
    clone = tmp_path / "clone"
    (clone / "demo").mkdir()
    (clone / "demo/left_behind.txt").touch()
    output = run([*MAKE, "demo"], clone, env).stdout
    table = output[output.rindex("Experiment") :]
    for model in MODELS:
        assert re.search(rf" 0\.9\d+ +0\.9\d+ +{model} ", table), table
    assert re.search(r"main .*\[svc\].*\[logistic\]", table, re.DOTALL), table
    assert "…" not in table
    assert "Traceback" not in output
    assert [path.name for path in (clone / "demo").iterdir() if path.is_file()] == []
    assert Project(clone / "demo/iris-classifier", env).repro() == []
    assert run("git status --porcelain", clone, env).stdout == ""


def test_the_readme_without_make_types_what_make_runs(template, env):
    blocks = re.findall(r"```sh\n(.*?)```", (template / "README.md").read_text(), re.DOTALL)
    environment, demo = max(blocks, key=len).split("cookiecutter", 1)
    # Inside another make, it would say which folder it is in.
    quiet = ["--no-print-directory", "--dry-run"]
    recipe = run([*MAKE, *quiet, "demo"], template, env).stdout
    commands = recipe.replace(" && \\\n", "\n").replace(" --default-config", "")
    assert commands.endswith(f"cookiecutter{demo}")

    ready = run(["make", *quiet, "VENV=.venv", ".venv/.ready"], template, env).stdout
    venv, activate, install = environment.splitlines()
    assert f"\n{venv}\n" in ready
    assert activate == ". .venv/bin/activate"
    packages = install.removeprefix("pip install -r ")
    assert re.search(rf"^\.venv/bin/python -m pip install .*{packages}$", ready, re.MULTILINE)


def test_every_package_is_pinned_on_every_platform(env, tmp_path, subtests):
    """What pip would install, whatever the answers, is pinned and has a wheel for that platform."""
    pins = (PROJECT / "constraints.txt").read_text().lower()
    names = {pin.split(";")[0].strip() for pin in pins.splitlines()}
    (tmp_path / "constraints.txt").write_text(pins)
    lines = (PROJECT / "requirements.txt").read_text().splitlines()
    lines = [line for line in lines if not line.startswith("<")]
    (tmp_path / "requirements.txt").write_text("\n".join([*lines, *PLUGINS]))

    command = ["uv", "pip", "compile", "--quiet", "--no-annotate", "--no-header"]
    # the only package that has no wheel; it is pure Python
    command += ["--only-binary", ":all:", "--no-binary", "antlr4-python3-runtime"]

    def resolve(platform: str, version: str) -> set[str]:
        target = ["--python-platform", platform, "--python-version", version]
        done = run([*command, *target, "requirements.txt"], tmp_path, env)
        return set(done.stdout.lower().splitlines())

    targets = list(product(["linux", "macos", "windows"], ["3.11", "3.12", "3.13", "3.14"]))
    # They wait for the index.
    with ThreadPoolExecutor(len(targets)) as pool:
        resolutions = [pool.submit(resolve, *target) for target in targets]
    for target, resolution in zip(targets, resolutions, strict=True):
        with subtests.test("-".join(target)):
            resolved = resolution.result()
            assert {pin.split("==")[0] for pin in resolved} >= NEEDED
            assert resolved <= names


def test_the_workflows_are_as_github_reads_them(env):
    files = [str(path.relative_to(ROOT)) for path in ROOT.glob(".github/workflows/*.yml")]
    assert len(files) == 2
    schemas = {"github-workflows": files, "dependabot": [".github/dependabot.yml"]}
    for schema, checked in schemas.items():
        run(["check-jsonschema", "--builtin-schema", f"vendor.{schema}", *checked], ROOT, env)
    run("zizmor --offline .github", ROOT, env)
    used = re.findall(r"uses: (\S+)@(\S+)", "".join((ROOT / file).read_text() for file in files))
    # One version of each action, by its commit
    assert len(dict(used)) == len(set(used)) and all(len(commit) == 40 for _, commit in used)


@pytest.mark.pythons
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_each_python_makes_the_same_bytes(reproduced, tmp_path, env, version):
    project = reproduced.copy(tmp_path / reproduced.path.name)
    run(["uv", "venv", "--python", version, tmp_path / "venv"], tmp_path, env)
    install = ["uv", "pip", "install", "--compile-bytecode", "--python", tmp_path / "venv"]
    project.run([*install, "--requirement", "requirements.txt"])
    project.env = {**env, "PATH": f"{tmp_path / 'venv/bin'}:{env['PATH']}"}
    assert f"Python {version}." in project.run("python --version")
    project.run("python -m pytest -q", timeout=1800)
    assert project.repro("--force") == STAGES
    assert project.run("git status --porcelain") == ""
