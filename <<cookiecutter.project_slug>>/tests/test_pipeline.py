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


def files_of(path: str) -> set[Path]:
    """Return the files in src/ of a module, or of what is in it, and of the packages around it.

    src/support/__init__.py says how errors are shown, and changes no result.
    """
    found: set[Path] = set()
    place = SOURCE
    for part in path.replace(":", ".").split("."):
        place /= part
        found |= {place.with_name(f"{part}.py"), place / "__init__.py"}
    return {one for one in found if one.exists()} - {SOURCE / "support/__init__.py"}


def modules_used(script: Path, known: frozenset[Path] = frozenset()) -> set[Path]:
    """Return `script` and the modules of src/ that it imports, directly or through another."""
    found = {script, *known}
    paths: set[str] = set()
    for node in parse(script):
        if isinstance(node, ast.Import):
            paths |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # One point is the package that the script is in, two the one around that.
            package = script.relative_to(SOURCE).parts[: -node.level or None]
            parts = [*(package if node.level else ()), *filter(None, [node.module])]
            paths |= {".".join([*parts, alias.name]) for alias in node.names}
    for module in sorted(file for path in paths for file in files_of(path)):
        if module not in found:
            found |= modules_used(module, frozenset(found))
    return found


def modules_by_path() -> set[Path]:
    """Return the modules of src/ that hold what params.yaml names by dotted path.

    These are estimators, under `models`, and the metrics of train.metrics.
    """
    params = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    found: set[Path] = set()
    paths = [*(model["class"] for model in params["models"].values()), *params["train"]["metrics"]]
    for path in paths:
        for module in files_of(path):
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
