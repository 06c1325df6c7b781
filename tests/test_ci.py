"""The project's CI: the shell of each job, run in clean clones against a remote on this machine."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pytest
import yaml
from helpers import MODELS, Project, blocks, run

WORKFLOW = ".github/workflows/project.yml"
NAMES = [
    "Install",
    "Report what changes",
    "Check the style",
    "Test",
    "Fetch the data, all of which has to be on the remote",
    "Reproduce what is committed",
    "Hold the metrics against their limits and the target branch",
]
INSTALL, REPORT, STYLE, TEST, FETCH, REPRODUCE, GATE = NAMES
URL = "https://example.com/OWNER/REPO/raw"


@pytest.fixture(scope="module")
def author(compared, baked_files, tmp_path_factory) -> Project:
    """The reproduced project with the files of ci=github, shared with its data. Not to be changed.

    Its branch `change` has the results of another model.
    """
    folder = tmp_path_factory.mktemp("author")
    run("git init --quiet --bare code.git", folder, compared[MODELS[0]].env)
    project = compared[MODELS[-1]].copy(folder / "iris-classifier")
    # The data goes with the push; nothing else is left to DVC's hooks.
    for hook in ("pre-commit", "post-checkout"):
        (project.path / ".git/hooks" / hook).unlink()
    project.run("git checkout --quiet -b change")
    project.commit(MODELS[-1])
    for branch in ("main", "change"):
        project.run(["git", "checkout", "--quiet", branch])
        choose_ci(project, baked_files["github"], folder / "store")
        project.commit("CI")
    project.run("git remote add origin ../code.git")
    project.run("git push --quiet origin main change")
    return project


def choose_ci(project: Project, files: Path, store: Path) -> None:
    """Add to a project what the answer `ci` adds, and give it a DVC remote of its own."""
    for name in (
        WORKFLOW,
        "README.md",
        "src/gate.py",
        "src/support/changes.sh",
        "tests/test_gate.py",
    ):
        (project.path / name).parent.mkdir(parents=True, exist_ok=True)
        (project.path / name).write_bytes((files / name).read_bytes())
    gate = yaml.safe_load((files / "params.yaml").read_text())["gate"]
    with (project.path / "params.yaml").open("a") as params:
        yaml.safe_dump({"gate": gate}, params)
    url = project.run("dvc config remote.origin.url").strip()
    project.edit(".dvc/config", f"url = {url}\n", f"url = {store}\n")


def clone(author: Project, folder: Path) -> Project:
    """Return what a runner checks out for a pull request of the branch `change` for main."""
    run(
        ["git", "clone", "--quiet", author.path.parent / "code.git", folder],
        folder.parent,
        author.env,
    )
    project = Project(folder, author.env)
    project.run("git checkout --quiet --detach origin/change")
    return project


class Outcome(NamedTuple):
    """The names of the steps that ran, then "passed" unless one failed; what they said and left."""

    ran: list[str]
    said: str
    outputs: str


def variables(project: Project, trusted: bool, files: dict[str, Path]) -> dict[str, str]:
    """Return what a runner sets for a pull request; the packages are there, and no index is asked."""
    return project.env | {
        **{name: str(path) for name, path in files.items()},
        "COMMIT": project.run("git rev-parse HEAD").strip(),
        "GITHUB_REPOSITORY": "OWNER/REPO",
        "GITHUB_SERVER_URL": "https://example.com",
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        # Of the project's tests, those of the gate will do.
        "PYTEST_ADDOPTS": "tests/test_gate.py",
        "TARGET": "origin/main",
        "TRUSTED": str(trusted).lower(),
    }


def job(project: Project, trusted: bool = True, start: str = INSTALL, end: str = GATE) -> Outcome:
    """Run steps of the job `check` as GitHub's runner does, up to the first that fails."""
    check = yaml.safe_load((project.path / WORKFLOW).read_text())["jobs"]["check"]
    steps = [step for step in check["steps"] if "run" in step]
    assert [step["name"] for step in steps] == NAMES
    (folder := project.path.parent / "runner").mkdir(exist_ok=True)
    files = {name: folder / name for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
    env = variables(project, trusted, files)
    assert check["env"].keys() <= env.keys()
    files["GITHUB_OUTPUT"].write_text("fetched=true\n" if start == REPRODUCE else "")
    ran, said = [], ""
    for step in steps[NAMES.index(start) : NAMES.index(end) + 1]:
        outputs = files["GITHUB_OUTPUT"].read_text()
        if "if" in step:
            [output] = re.fullmatch(r"steps.data.outputs.(\w+) == 'true'", step["if"]).groups()
            if f"{output}=true" not in outputs:
                continue
        # Neither variables of the repository nor secrets are set.
        values = dict.fromkeys(step.get("env", {}), "")
        done = run(["bash", "-e", "-c", step["run"]], project.path, env | values, status=None)
        ran, said = [*ran, step["name"]], said + done.stdout
        if done.returncode:
            break
    else:
        ran.append("passed")
    return Outcome(ran, said, files["GITHUB_OUTPUT"].read_text())


@pytest.fixture(scope="module")
def checked(author, tmp_path_factory) -> tuple[Project, Outcome]:
    """The clone after all steps, not to be changed, and how they ended."""
    project = clone(author, tmp_path_factory.mktemp("checked") / "clone")
    return project, job(project)


@pytest.fixture
def copy(checked, tmp_path) -> Project:
    """A copy of that clone, to be changed."""
    return checked[0].copy(tmp_path / "clone")


def test_a_pull_request_passes_and_its_report_shows_what_it_changes(checked):
    project, (ran, said, outputs) = checked
    assert ran == [*NAMES, "passed"], said
    assert "Running stage 'evaluate'" in said and "Running stage 'train'" not in said
    assert outputs.split() == ["comment=true", "fetched=true"]
    report = (project.path / "report.md").read_text()
    assert (project.path.parent / "runner/GITHUB_STEP_SUMMARY").read_text() == report
    value = json.loads((project.path / "results/metrics.json").read_text())["balanced_accuracy"]
    assert re.search(
        rf"^\| balanced_accuracy \| {value:g} \| .* \| passes \|$", report, re.MULTILINE
    )
    models = rf"{MODELS[0]} +\| {MODELS[-1]}"
    assert re.search(rf"^\| train.model +\| {models} +\|$", report, re.MULTILINE)
    assert re.search(r"^\| accuracy +\| [\d.]+ +\| [\d.]+ +\| -?[\d.]+ +\|$", report, re.MULTILINE)
    pictures = re.findall(rf"!\[\]\({URL}/(\w+)/(results/plots/\w+\.svg)\)", report)
    assert len(pictures) > 1
    for revision, file in pictures:
        project.run(["git", "cat-file", "-e", f"{revision}:{file}"])
    assert {revision for revision, _ in pictures} == set(
        project.run("git rev-parse HEAD origin/main").split()
    )
    assert "origin/main" in (project.path / "dvc_plots/index.html").read_text()


def test_results_that_do_not_reproduce_fail(copy):
    """Neither metrics that were edited nor a parameter that was changed without a run pass."""
    metrics = json.loads((copy.path / "results/metrics.json").read_text())
    metrics["accuracy"] += 0.01
    (copy.path / "results/metrics.json").write_text(json.dumps(metrics))
    copy.set("findings.mute", ["useless-feature"])
    copy.commit()
    ran, said, _ = job(copy, start=REPRODUCE)
    assert ran == [REPRODUCE]
    assert "dvc.lock" in said and "results/metrics.json" in said
    assert said.endswith("merge the target branch, run dvc repro, and commit\n")


@pytest.mark.parametrize("trusted", [True, False], ids=["own", "fork"])
def test_data_that_was_not_pushed_fails_unless_a_fork_may_not_read_it(copy, tmp_path, trusted):
    (tmp_path / "empty").mkdir()
    copy.run(f"dvc remote modify --local origin url {tmp_path / 'empty'}")
    ran, said, outputs = job(copy, trusted, start=FETCH, end=REPRODUCE)
    assert "has none of the" in said and outputs == ""
    assert ran == ([FETCH] if trusted else [FETCH, "passed"])


@pytest.mark.parametrize("name", ["data/raw/iris.csv", "data/test.parquet"])
def test_data_that_is_withheld_is_neither_demanded_nor_needed(copy, name):
    path = copy.path / (f"{name}.dvc" if "raw" in name else "dvc.lock")
    content = yaml.safe_load(path.read_text())
    outs = content["outs"] if "raw" in name else content["stages"]["split"]["outs"]
    [md5] = [out["md5"] for out in outs if out["path"] in name]
    if "raw" in name:
        outs[0]["push"] = False
        path.write_text(yaml.safe_dump(content))
    else:
        copy.edit("dvc.yaml", f"      - {name}\n\n", f"      - {name}:\n          push: false\n\n")
    copy.commit("Withheld")
    store = Path(copy.run("dvc config remote.origin.url").strip())
    cache = Path(copy.run("dvc cache dir").strip())
    objects = [place / "files/md5" / md5[:2] / md5[2:] for place in (store, cache)]
    before = objects[0].read_bytes()
    try:
        for one in objects:
            one.unlink(missing_ok=True)
        (copy.path / name).unlink(missing_ok=True)
        ran, said, _ = job(copy, start=FETCH, end=REPRODUCE)
        assert ran == [FETCH, REPRODUCE, "passed"], said
        assert ("Running stage 'evaluate'" in said) == ("raw" in name)
        assert "Running stage 'prepare'" not in said and "Running stage 'split'" not in said
    finally:
        objects[0].write_bytes(before)  # the store is that of all tests


@pytest.mark.parametrize("gone", [True, False], ids=["no branch", "no results"])
def test_a_report_of_nothing_is_one_line(copy, gone):
    if not gone:
        (copy.path / "results/metrics.json").unlink()
    said = copy.run(f"sh src/support/changes.sh {'origin/gone' if gone else 'origin/main'} HEAD x")
    expected = "origin/gone is no commit of this clone" if gone else "There are no results yet"
    assert said.startswith(expected) and len(said.splitlines()) == 1


def test_names_in_the_report_are_no_markdown(copy):
    copy.set("prepare.columns", {"<b>x</b>": "text", "@somebody": "text", "![y](z)": "text"})
    picture = "ü](b) @all|<img>.svg"
    shutil.copy(copy.path / "results/plots/roc.svg", copy.path / "results/plots" / picture)
    copy.commit()
    said = copy.run(f"sh src/support/changes.sh origin/main HEAD {URL}")
    [row] = [line for line in said.splitlines() if "ü" in line]
    assert row.startswith(r"| ü\](b) &#64;all\|&lt;img> | ![](")
    address = re.search(rf"{URL}/HEAD/(\S+)\) \|$", row)[1]
    assert unquote(address) == f"results/plots/{picture}" and ")" not in address
    for name in ("&lt;b>x&lt;/b>", "&#64;somebody", r"!\[y](z)"):
        assert f"prepare.columns.{name}" in said
    assert not re.search("@somebody|@all|<b>|<img>", said)


def test_before_the_first_run_it_says_so(copy):
    copy.run("git rm --quiet --cached dvc.lock")
    (copy.path / "dvc.lock").unlink()
    ran, said, _ = job(copy, start=FETCH)
    assert ran == [FETCH] and "there are no results yet: run dvc repro" in said


def test_a_metric_worse_than_its_limit_or_the_target_branch_fails(copy):
    metrics = json.loads(copy.run("git show origin/main:results/metrics.json"))
    limits = {"balanced_accuracy": 0.999, "log_loss": 99}
    worse = metrics | {"log_loss": metrics["log_loss"] * 1.1}
    (copy.path / "results/metrics.json").write_text(json.dumps(worse))
    copy.set("gate.limits", limits)
    ran, said, _ = job(copy, start=GATE)
    assert ran == [GATE]
    first, second = said.splitlines()[-2:]
    assert first == (
        f"balanced_accuracy is {metrics['balanced_accuracy']:g}, below its limit of 0.999"
    )
    was = f"above the {metrics['log_loss']:g} of the target branch"
    assert second == f"log_loss is {worse['log_loss']:g}, more than 0.05 of it {was}"
    # The environment may name another repository, as in a hook.
    run("git init --quiet other", copy.path.parent, copy.env)
    copy.env = {**copy.env, "GIT_DIR": str(copy.path.parent / "other/.git")}
    assert copy.run("python src/gate.py origin/main", status=1).splitlines()[-2:] == [first, second]


def test_a_fault_of_style_fails(copy):
    (copy.path / "src/mine.py").write_text("import os\n")
    ran, said, _ = job(copy, start=STYLE, end=STYLE)
    assert ran == [STYLE] and "F401" in said
    (copy.path / "src/mine.py").write_text("x=1\n")
    ran, said, _ = job(copy, start=STYLE, end=STYLE)
    assert ran == [STYLE] and "src/mine.py" in said and "1 file would be reformatted" in said


@pytest.mark.sweep
def test_the_commands_of_the_readme_report_the_same(copy):
    copy.run("git branch --force main origin/main")
    [block] = [block for block in blocks(copy, "CI") if "changes.sh" in block]
    said = copy.run(["sh", "-ec", block])
    assert "| balanced_accuracy |" in said and "## Parameters" in said


class Comments(BaseHTTPRequestHandler):
    """The comments of a pull request, as the platforms keep them: a list of bodies."""

    def reply(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.reply(
            [
                {"id": number, "body": body, "user": {"login": login}}
                for number, (login, body) in enumerate(self.server.comments)
            ]
        )

    def write(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        self.server.requests.append((self.command, self.path, dict(self.headers)))
        comment = ("github-actions[bot]", body)
        if self.command == "POST":
            self.server.comments.append(comment)
        else:
            self.server.comments[int(self.path.rpartition("/")[2])] = comment
        self.reply({})

    do_POST = do_PATCH = do_PUT = write

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def platform() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Comments) as server:
        server.comments, server.requests = [("somebody", "Looks good")], []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_the_comment_of_github_is_written_once_and_renewed(baked_files, platform, tmp_path, env):
    comment = yaml.safe_load((baked_files["github"] / WORKFLOW).read_text())["jobs"]["comment"]
    [step] = [step for step in comment["steps"] if "run" in step]
    assert comment["permissions"] == {"pull-requests": "write"} and step["shell"] == "python"
    variables = {
        "GITHUB_API_URL": f"http://127.0.0.1:{platform.server_port}",
        "GITHUB_REPOSITORY": "OWNER/REPO",
        "NUMBER": "7",
        "TOKEN": "a-token",
    }
    for report in ("One 漢", "Two"):
        (tmp_path / "report.md").write_text(report, encoding="utf-8")
        run(["python", "-c", step["run"]], tmp_path, env | variables)
        assert len(platform.comments) == 2 and platform.comments[1][1].endswith(f"\n{report}")
    assert [(command, path) for command, path, _ in platform.requests] == [
        ("POST", "/repos/OWNER/REPO/issues/7/comments"),
        ("PATCH", "/repos/OWNER/REPO/issues/comments/1"),
    ]
    assert {headers["Authorization"] for *_, headers in platform.requests} == {"Bearer a-token"}


def test_the_comment_of_gitlab_is_written_once_and_renewed(baked_files, platform, tmp_path, env):
    comment = yaml.safe_load((baked_files["gitlab"] / ".gitlab-ci.yml").read_text())["comment"]
    variables = {
        "CI_API_V4_URL": f"http://127.0.0.1:{platform.server_port}/api/v4",
        "CI_PROJECT_ID": "3",
        "CI_MERGE_REQUEST_IID": "7",
        "COMMENT_TOKEN": "a-token",
    }
    for report in ("One 漢", "Two"):
        (tmp_path / "report.md").write_text(report, encoding="utf-8")
        run(["bash", "-ec", *comment["script"]], tmp_path, env | variables)
        assert len(platform.comments) == 2 and platform.comments[1][1].endswith(f"\n{report}")
    notes = "/api/v4/projects/3/merge_requests/7/notes"
    assert [request[:2] for request in platform.requests] == [
        ("POST", notes),
        ("PUT", f"{notes}/1"),
    ]


@pytest.fixture(scope="module")
def baked_files(render, tmp_path_factory) -> dict[str, Path]:
    """The files of a project for each platform."""
    folder = tmp_path_factory.mktemp("files")
    return {ci: render(folder, ci=ci, project_slug=ci) for ci in ("none", "github", "gitlab")}


def commands(shell: str) -> list[str]:
    """Return the commands that check the project, in order, without what they take from variables."""
    tools = r"pip|sh|ruff|pytest|dvc|git add|git --no-pager|python src"
    return re.findall(rf"(?:^|elif |if ! |&& )((?:{tools})\b[^\"$>&;\n]*)", shell, re.MULTILINE)


def test_gitlab_runs_the_same_commands_as_github(baked_files):
    check = yaml.safe_load((baked_files["github"] / WORKFLOW).read_text())["jobs"]["check"]
    github = "\n".join(step["run"] for step in check["steps"] if "run" in step)
    check = yaml.safe_load((baked_files["gitlab"] / ".gitlab-ci.yml").read_text())["check"]
    shell = re.sub(r"\n +", "\n", f"{github}\n--\n" + "\n".join(check["script"]))
    found = [commands(part) for part in shell.split("\n--\n")]
    assert found[0] == found[1]
    assert len(found[0]) == 12 and {"pytest", "dvc pull --allow-missing"} <= {
        one.strip() for one in found[0]
    }


def test_without_ci_nothing_of_it_is_there(baked_files):
    project = baked_files["none"]
    for file in project.rglob("*"):
        assert not re.search("gate|gitlab|changes.sh", file.name), file
        if file.suffix in (".md", ".yaml", ".py", ".txt") and file.name != ".template.yaml":
            assert not re.search(r"\bCI\b|GitLab|\bgate\b|changes\.sh", file.read_text("utf-8")), (
                file
            )
    assert not [*project.glob(".github/**/*.yml")]


def test_without_a_workflow_its_folder_is_gone(baked):
    assert not (baked.path / ".github").exists()


REMOTES = {
    "https://dagshub.com/me/repo": ["DAGSHUB_USER_TOKEN"],
    "s3://bucket/path": ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"],
    "gs://bucket/path": ["GOOGLE_CREDENTIALS"],
    "azure://container/path": ["AZURE_STORAGE_CONNECTION_STRING"],
    "webdavs://example.com/path": ["DVC_CONFIG_LOCAL"],
    "store": [],
}


@pytest.mark.parametrize("remote", REMOTES)
def test_the_secrets_that_a_remote_needs_reach_one_step_and_are_in_the_readme(
    render, tmp_path, env, remote
):
    names = REMOTES[remote]
    project = Project(render(tmp_path, ci="github", remote=remote), env)
    text = (project.path / WORKFLOW).read_text()
    assert re.findall(r"secrets\.(\w+)", text) == names
    check = yaml.safe_load(text)["jobs"]["check"]
    [step] = [step for step in check["steps"] if step.get("name") == FETCH]
    assert list(step.get("env", {})) == names
    [readme] = re.findall(
        r"^## CI\n(.*?)^## ", (project.path / "README.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert [name for name in names if f"`{name}`" not in readme] == []
    assert ("CI cannot reach" in readme) == (remote == "store")

    # What it writes, up to the check that ends it: the project has no results.
    (tmp_path / "runner").mkdir()
    run("git init --quiet", project.path, env)
    secrets = dict.fromkeys(names, "a secret") | {"RUNNER_TEMP": str(tmp_path / "runner")}
    done = run(["bash", "-e", "-c", step["run"]], project.path, env | secrets, status=1)
    assert "there are no results yet" in done.stdout and "a secret" not in done.stdout
    written = [project.path / ".dvc/config.local", tmp_path / "runner/google.json"]
    texts = [path.read_text() for path in written if path.exists()]
    expected = bool(names) and not names[0].startswith(("AWS", "AZURE"))
    assert ["a secret" in text for text in texts] == [True] * expected


def test_the_bake_says_where_ci_does_not_work(bake, tmp_path, env):
    run("git init --quiet", tmp_path, env)
    project = bake(tmp_path, ci="github")
    root = f"CI runs only what is at the root of a repository: move its file to {tmp_path}, and have its "
    assert f"{root}steps run in iris-classifier." in project.output
    assert "CI cannot reach a DVC remote that is a folder of this machine" in project.output
    assert (project.path / WORKFLOW).exists()


@pytest.mark.parametrize(
    ("code", "told"), [("", True), ("https://gitlab.com/me/repo.git", False)], ids=["data", "code"]
)
def test_the_bake_says_that_ci_needs_a_home_for_the_code(bake, tmp_path, code, told):
    project = bake(tmp_path, ci="gitlab", remote="https://dagshub.com/me/repo", git_remote=code)
    assert ("DagsHub runs no CI: mirror the code on gitlab.com" in project.output) == told


@pytest.mark.sweep
@pytest.mark.parametrize("fork", [False, True], ids=["own", "fork"])
def test_the_job_of_gitlab_passes(author, baked_files, tmp_path, fork):
    project = clone(author, tmp_path / "clone")
    file = baked_files["gitlab"] / ".gitlab-ci.yml"
    script = yaml.safe_load(file.read_text())["check"]["script"]
    variables = {
        "CI_COMMIT_SHA": project.run("git rev-parse HEAD").strip(),
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": project.run("git rev-parse origin/main").strip(),
        "CI_MERGE_REQUEST_IID": "7",
        "CI_MERGE_REQUEST_PROJECT_ID": "3",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_PROJECT_ID": "4" if fork else "3",
        "CI_PROJECT_URL": "https://example.com/OWNER/REPO",
        "PIP_NO_DEPS": "1",
        "PIP_NO_INDEX": "1",
        "PYTEST_ADDOPTS": "tests/test_gate.py",
    }
    if fork:
        (tmp_path / "empty").mkdir()
        project.run(f"dvc remote modify --local origin url {tmp_path / 'empty'}")
    shell = "\n".join(script)
    done = subprocess.run(
        ["bash", "-eo", "pipefail", "-c", shell],
        cwd=project.path,
        env=project.env | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ("nothing is run again" in done.stdout) == fork
    assert ("Running stage 'evaluate'" in done.stdout) == (not fork)
    assert "train.model" in (project.path / "report.md").read_text()
