"""dvc.yaml must agree with the code.

DVC does not look into the scripts: a module or a section of params.yaml that a stage uses but
does not declare changes without a rerun, and the stage serves stale results.
"""

import ast
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src"
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
# A stage that runs for each item of a list has what it does one level down.
STAGES = {name: stage.get("do", stage) for name, stage in STAGES.items()}

each_stage = pytest.mark.parametrize("name", STAGES)


def parse(script: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(script.read_text(encoding="utf-8"))))


def modules_used(script: Path) -> set[Path]:
    """Return `script` and the modules of src/ that it imports, directly or through another."""
    names: set[str] = set()
    for node in parse(script):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    found = {script}
    for module in (SOURCE / f"{name.replace('.', '/')}.py" for name in names):
        if module.exists():
            found |= modules_used(module)
    return found


def modules_by_path() -> set[Path]:
    """Return the modules of src/ that hold what params.yaml names by dotted path.

    These are estimators, under `models`, and the metrics of train.metrics.
    """
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    found: set[Path] = set()
    paths = [*(model["class"] for model in params["models"].values()), *params["train"]["metrics"]]
    for path in paths:
        module = SOURCE / f"{path.rpartition('.')[0].replace('.', '/')}.py"
        if module.exists():
            found |= modules_used(module)
    return found


def script_of(name: str) -> Path:
    command, script, *_ = STAGES[name]["cmd"].split()
    assert command == "python"
    return ROOT / script


@each_stage
def test_deps_are_the_modules_that_the_stage_imports(name):
    declared = {dep for dep in STAGES[name]["deps"] if dep.startswith("src/")}
    modules = modules_used(script_of(name))
    if SOURCE / "support/models.py" in modules:
        modules |= modules_by_path()
    used = {module.relative_to(ROOT).as_posix() for module in modules}
    assert not used - declared, f"dvc.yaml: add to the deps of {name}: {sorted(used - declared)}"
    assert not declared - used, f"dvc.yaml: {name} does not use {sorted(declared - used)}"


@each_stage
def test_params_are_the_sections_that_the_stage_reads(name):
    declared = {param.split(".")[0] for param in STAGES[name].get("params", [])}
    read = {
        node.args[0].value
        for node in parse(script_of(name))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "load_params"
    }
    assert declared == read
