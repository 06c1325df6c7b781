"""The project's scripts where the environment is not as they need it."""

import ast
import re
import signal
import subprocess
import sys
import time

import pytest
from helpers import BIN, run

ESTIMATOR = """\
from sklearn.linear_model import LogisticRegression


class Mine(LogisticRegression):
    pass
"""
METRIC = """\
def cost_error(actual, predicted):
    return 2 * (actual != predicted).sum()
"""


@pytest.mark.parametrize("script", ["prepare", "split", "train", "evaluate", "predict"])
def test_a_missing_package_is_told_in_one_line(baked, script):
    # Without site, a Python has no packages.
    said = baked.run([sys.executable, "-S", f"src/{script}.py"], status=1)
    assert "line " in said and "No module named" in said
    assert "activate the project's environment, `. .venv/bin/activate`" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("script", ["prepare", "split", "train", "evaluate"])
def test_an_older_python_is_told_in_one_line(baked, script):
    path = baked.path / f"src/{script}.py"
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    code = (
        "import runpy, sys; sys.version_info = (3, 9, 18); sys.version = '3.9.18 (main)'; "
        f"sys.path.insert(0, 'src'); runpy.run_path('{path}', run_name='__main__')"
    )
    said = baked.run([sys.executable, "-c", code], status=1)
    assert said.startswith("Python 3.11 or later is needed, and /") and " is 3.9.18: " in said
    assert len(said.splitlines()) == 1


def test_a_cookiecutter_in_an_older_python_says_so_in_one_line(template, tmp_path, env):
    code = (
        "import sys; sys.version_info = (3, 10, 13); sys.version = '3.10.13 (main)'; "
        "from cookiecutter.__main__ import main; main()"
    )
    command = [BIN / "python", "-c", code, template, "--no-input"]
    done = run(command, tmp_path, env, status=1)
    assert done.stdout.startswith(
        "Python 3.11 or later is needed, and cookiecutter runs in 3.10.13"
    )
    assert len(done.stdout.splitlines()) == 1 and not list(tmp_path.iterdir())


def test_requirements_name_each_package_that_the_code_imports(baked):
    """So that no package is there only because another one needs it."""
    named = {"pyyaml": "yaml", "scikit-learn": "sklearn", "ruamel.yaml": "ruamel"}
    # Optional, told where they are missing
    optional = {"cloudpickle", "distributed", "mlflow", "vl_convert", "python_calamine"}
    lines = (baked.path / "requirements.txt").read_text().splitlines()
    packages = [re.match(r"[\w.-]*", line)[0].lower() for line in lines]
    there = {named.get(package, package) for package in packages}
    there |= {path.stem for path in (baked.path / "src").iterdir()}
    imported = set()
    for path in (baked.path / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                imported.add(node.module.split(".")[0])
    # What belongs to DVC, and a module of newer Pythons
    imported -= {name for name in imported if name.startswith("dvc_")} | {
        "scmrepo",
        "fsspec",
        "pygit2",
        "compression",
    }
    assert imported - there - set(sys.stdlib_module_names) <= optional
    assert "python-calamine" not in packages and {"joblib", "scipy"} <= imported


def test_without_dvc_the_check_says_so_in_one_line(baked):
    said = baked.run([sys.executable, "-S", "src/share.py", "check"], status=1)
    assert said.startswith("src/share.py, line ") and "No module named 'dvc'" in said
    assert len(said.splitlines()) == 1


def test_too_little_memory_is_told_in_one_line(baked):
    code = "import sys; sys.path.append('src'); import support; bytearray(1 << 60)"
    said = baked.run([sys.executable, "-c", code], status=1)
    assert "this machine's memory is not enough: prepare.max_rows" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_a_name_that_the_terminal_cannot_show_does_not_end_a_stage(baked, tmp_path, encoding):
    project = baked.copy(tmp_path / "project")
    table = project.path / "data/raw/iris.csv"
    text = table.read_text(encoding="utf-8")
    table.unlink()
    table.write_text(text.replace("PetalWidthCm", "重さ", 1), encoding="utf-8")
    project.env = {**project.env, "PYTHONIOENCODING": encoding}
    assert "??" in project.run("python src/prepare.py")
    assert (project.path / "data/prepared.parquet").exists()


def test_what_is_ones_own_has_to_be_declared(baked, tmp_path):
    project = baked.copy(tmp_path / "project")
    for name, text in {"mymodel": ESTIMATOR, "mymetrics": METRIC}.items():
        (project.path / f"src/{name}.py").write_text(text)
    project.edit("params.yaml", "  metrics: []", "  metrics: [mymetrics.cost_error]")
    params = project.path / "params.yaml"
    params.write_text(f"{params.read_text()}  mine:\n    class: mymodel.Mine\n")
    check = "python -m pytest -q -p no:cacheprovider tests/test_pipeline.py"
    output = project.run(check, status=1)
    stages = ("compare", "train", "evaluate")
    missing = "['src/mymetrics.py', 'src/mymodel.py']"
    for stage in stages:
        assert f"dvc.yaml: add to the deps of {stage}: {missing}" in output
    pipeline = project.path / "dvc.yaml"
    own = re.compile(rf"( +- src/)({'|'.join(stages)})\.py\n")
    pipeline.write_text(own.sub(r"\g<0>\1mymodel.py\n\1mymetrics.py\n", pipeline.read_text()))
    project.run(check)


def test_packages_of_ones_own_have_to_be_declared_with_all_their_modules(baked, tmp_path):
    """However params.yaml spells the path of what is in them."""
    project = baked.copy(tmp_path / "project")
    paths = {"one": "one.Mine", "three": "three.model.Mine", "two": "two:Mine"}
    files = {"geo/area": "def area(table):\n    return table\n"}
    for name in paths:
        files[f"{name}/__init__"] = "from .model import Mine\n"
        files[f"{name}/depths"] = f"import {name}.model\n\nDEPTH = 3\n"
        files[f"{name}/model"] = f"from .depths import DEPTH\n{ESTIMATOR}"
    for name, text in files.items():
        (project.path / f"src/{name}.py").parent.mkdir(exist_ok=True)
        (project.path / f"src/{name}.py").write_text(text)
    project.edit("src/features.py", "import pandas", "from geo import area\nimport pandas")
    params = project.path / "params.yaml"
    entries = "".join(f"  {name}:\n    class: {path}\n" for name, path in paths.items())
    params.write_text(f"{params.read_text()}{entries}")
    output = project.run("python -m pytest -q -p no:cacheprovider tests/test_pipeline.py", status=1)
    modules = sorted(f"src/{name}.py" for name in files if name != "geo/area")
    for stage in ("compare", "train", "evaluate"):
        assert f"dvc.yaml: add to the deps of {stage}: {modules}" in output
    assert "dvc.yaml: add to the deps of prepare: ['src/geo/area.py']" in output


def test_predictions_on_standard_output_are_the_bytes_of_a_file(reproduced, tmp_path):
    """Whatever its encoding is; where it is closed, one line says so."""
    project = reproduced.copy(tmp_path / "project")
    rows = (project.path / "data/raw/iris.csv").read_text(encoding="utf-8").splitlines()
    named = [f"{row},{'place' if number == 0 else 'Zürich 重'}" for number, row in enumerate(rows)]
    (project.path / "new.csv").write_text("\n".join(named), encoding="utf-8")
    project.env = {**project.env, "PYTHONIOENCODING": "ascii"}
    predict = "python src/predict.py new.csv"
    project.run(["sh", "-c", f"{predict} > one.csv && {predict} -o other.csv"])
    written = (project.path / "one.csv").read_bytes()
    assert written == (project.path / "other.csv").read_bytes() and "重".encode() in written
    said = project.run(["sh", "-c", "cat new.csv | python src/predict.py /dev/stdin"], status=1)
    assert said == (
        "/dev/stdin cannot be read: it is a pipe, which can be read only once: write it to a file\n"
    )
    said = project.run(["sh", "-c", f"{predict} >&-"], status=1)
    assert said == "standard output is closed: name a file, -o FILE\n"


def test_predictions_are_not_written_over_their_table(reproduced, tmp_path):
    project = reproduced.copy(tmp_path / "project")
    table = project.path / "data/raw/iris.csv"
    (project.path / "link.csv").symlink_to(table)
    before = table.read_bytes()
    for output in ("data/raw/iris.csv", "data/../data/raw/iris.csv", "link.csv"):
        said = project.run(f"python src/predict.py data/raw/iris.csv -o {output}", status=1)
        assert said == f"{output} is the table itself: write the predictions to another file\n"
        assert table.read_bytes() == before
    (tmp_path / "new.csv").write_bytes(before)
    own = ["requirements.txt", ".gitignore", ".dvc/config", "results/metrics.csv"]
    for output in ("models/model.skops", "params.yaml", "data/raw/iris.csv", *own):
        before = (project.path / output).read_bytes()
        said = project.run(f"python src/predict.py ../new.csv -o {output}", status=1)
        assert said == f"{output} is a file of the project: write the predictions to another file\n"
        assert (project.path / output).read_bytes() == before
    for _ in range(2):
        project.run("python src/predict.py ../new.csv -o results/new.csv")
    assert project.run("python src/compare.py", status=1).startswith("usage: compare.py ENTRY")


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_predictions_that_are_ended_leave_no_part(reproduced, tmp_path, name):
    header, *rows = (reproduced.path / "data/raw/iris.csv").read_text().splitlines(keepends=True)
    (tmp_path / "new.csv").write_text(header + "".join(rows) * 5000)
    command = [BIN / "python", "src/predict.py", tmp_path / "new.csv", "-o", tmp_path / "out.csv"]
    process = subprocess.Popen(command, cwd=reproduced.path, env=reproduced.env)
    try:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob("*.part")):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(getattr(signal, name))
        assert process.wait(timeout=60) == 128 + getattr(signal, name)
    finally:
        process.kill()
    assert [path.name for path in tmp_path.iterdir()] == ["new.csv"]


def test_a_persons_own_settings_of_matplotlib_do_not_change_pictures(reproduced, tmp_path):
    project = reproduced.copy(tmp_path / "project")
    (config := tmp_path / "config").mkdir()
    (config / "matplotlibrc").write_text("font.size: 20\ntext.usetex: True\naxes.facecolor: red\n")
    project.env = {**project.env, "MPLCONFIGDIR": str(config), "MPLBACKEND": "nonsense"}
    project.run("python src/evaluate.py")
    assert project.run("git status --porcelain --untracked-files=no results") == ""


def test_an_interrupted_stage_shows_no_traceback(baked):
    code = "import sys; sys.path.append('src'); import support; raise KeyboardInterrupt"
    done = subprocess.run(
        [sys.executable, "-c", code],
        check=False,
        cwd=baked.path,
        env=baked.env,
        capture_output=True,
        text=True,
    )
    assert done.returncode and done.stderr == "interrupted\n"
