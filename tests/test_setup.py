"""The README's commands, and requirements that install everywhere."""

import re
import sys
from itertools import product

import pytest
from conftest import Project, run

PLATFORMS = ["linux", "macos", "windows"]
VERSIONS = ["3.11", "3.12", "3.13"]


def test_make_demo_runs_twice(template, env, tmp_path):
    """In a clone, with this environment in the place of .venv."""
    run(f"git clone --quiet {template} clone", tmp_path, env)
    clone = tmp_path / "clone"
    for _ in range(2):
        command = ["make", "demo", f"VENV={sys.prefix}", f"--assume-old={sys.prefix}/.ready"]
        output = run(command, clone, env).stdout
        table = output[output.rindex("Experiment") :]
        for model in ("random_forest", "logistic_regression", "svc"):
            assert re.search(rf" 0\.9\d+ +0\.9\d+ +{model} ", table), table
        assert "…" not in table
        assert "Traceback" not in output
    assert Project(clone / "demo/iris-classifier", env).repro() == []
    assert run("git status --porcelain", clone, env).stdout == ""


@pytest.mark.parametrize(("platform", "version"), list(product(PLATFORMS, VERSIONS)))
def test_every_package_is_pinned_on_every_platform(baked, platform, version, tmp_path):
    """What pip would install is in constraints.txt, and has a wheel for that platform."""
    pins = set((baked.path / "constraints.txt").read_text().lower().splitlines())
    names = {pin.split(";")[0].strip() for pin in pins}
    command = ["uv", "pip", "compile", "--quiet", "--no-annotate", "--no-header"]
    command += ["--python-platform", platform, "--python-version", version]
    # the only package that has no wheel; it is pure Python
    command += ["--only-binary", ":all:", "--no-binary", "antlr4-python3-runtime"]
    output = baked.run([*command, "--output-file", tmp_path / "resolved", "requirements.txt"])
    resolved = set((tmp_path / "resolved").read_text().lower().splitlines())
    assert "scikit-learn==" in "".join(resolved), output
    assert resolved <= names


def test_the_readme_without_make(template, env, tmp_path):
    """The README's longest block, typed into a fresh clone."""
    run(f"git clone --quiet {template} clone", tmp_path, env)
    blocks = re.findall(r"```sh\n(.*?)```", (template / "README.md").read_text(), re.DOTALL)
    block = max(blocks, key=len)
    assert block.startswith("python3 -m venv .venv\n")
    output = run(["sh", "-ec", block], tmp_path / "clone", env).stdout
    table = output[output.rindex("Experiment") :]
    assert re.search(r"main .*\[svc\].*\[logistic\]", table, re.DOTALL), table
