"""Answers are data: each arrives as it was given, or is refused in one line."""

import ast
import csv
import json
import os
import shlex
import shutil
import tomllib
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import pytest
import yaml
from conftest import ROOT, run
from cookiecutter.exceptions import FailedHookException
from cookiecutter.generate import generate_context
from cookiecutter.utils import create_env_with_context
from dvc.config import Config
from helpers import shown_by_markdown
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from addresses import check_git_remote, read_remote, refuse_secret
from check_answers import check_place, check_text, existing, read_table
from raw_table import inspect

DELIMITERS = ["<<", ">>", "<%", "%>", "<#", "#>", "{{", "}}", "${", "$(", "`", "```", "'''", '"""']
PIECES = [
    *DELIMITERS,
    "\\",
    "\\n",
    "'",
    '"',
    " ",
    ": ",
    " #",
    "- ",
    "é",
    "漢",
    "👨‍👩‍👧",
    "שלום",
    "%s",
    "<!--",
]
CODE = "<< cookiecutter.__class__ >>"
lines = st.lists(st.sampled_from(PIECES) | st.text(st.characters(codec="utf-8"), max_size=5)).map(
    "".join
)


@given(lines)
@example("<% if %>")
@example("\r\n")
@example(CODE)
@example("<< '\\U0000003c' ~ \"x\" >>")
def test_an_answer_is_no_template(text):
    env = create_env_with_context(generate_context(str(ROOT / "cookiecutter.json")))
    assert env.from_string(text).render(cookiecutter={}) == text


@pytest.fixture(scope="module")
def files(render):
    """A function that renders the project's files for a small table into a new folder."""

    def files(output: Path, **answers: str) -> Path:
        table = output / "table.csv"
        with table.open("w", encoding="utf-8", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(["size", answers["target"]])
            rows.writerows([n, "ab"[n % 2]] for n in range(40))
        options = {"project_slug": "slug", "mlflow": "yes", "ci": "github"}
        return render(output, data=str(table), **options, **answers)

    return files


def hook(**answers: str) -> ModuleType:
    """Return the hook after the bake, rendered with answers, as a module."""
    env = create_env_with_context(generate_context(str(ROOT / "cookiecutter.json")))
    source = (ROOT / "hooks/post_gen_project.py").read_text(encoding="utf-8")
    defaults = {"remote": "store", "data": "bundled", "task": "classification"}
    answers = defaults | {"target": "Species"} | answers
    with TemporaryDirectory() as folder:
        path = Path(folder, "hook.py")
        path.write_text(env.from_string(source).render(cookiecutter=answers), encoding="utf-8")
        spec = spec_from_file_location("hook", path)
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


@settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
@given(st.fixed_dictionaries(dict.fromkeys(["project_name", "description", "author_name"], lines)))
def test_the_hook_gets_the_answers_as_they_are(answers):
    assert hook(**answers).PLAN["answers"].items() >= answers.items()


@settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))
@given(name=lines, description=lines, author=lines, email=lines, target=lines, remote=lines)
@example("a", "```", "a", "a", "a", "a")
@example("![x](https://e/p.png) <img src=x> #", "[l](https://e) a_b _c_ &amp; \\* \\a", *"aaaa")
@example("1. x_", "- [ ] <details> ~~x~~ **b** `c`", *"aaaa")
@example("* #", "2) # x", *"aaaa")
@example("a", "<!-- x", "a", "a", "yes", "a")
@example("x" * 10_000, "y" * 10_000, "z" * 10_000, "e" * 10_000, "t" * 10_000, "a")
@example("a", "a", "a", "a", "share <% of GDP", "a << b")
def test_answers_arrive_in_every_file_or_are_refused_in_one_line(
    files, name, description, author, email, target, remote
):
    answers = {"project_name": name, "description": description, "target": target}
    answers |= {"author_name": author, "author_email": email, "remote": remote}
    with TemporaryDirectory() as folder:
        try:
            project = files(Path(folder), **answers)
        except FailedHookException as error:
            assert len(str(error).splitlines()) == 1
            assert [path.name for path in Path(folder).iterdir()] == ["table.csv"]
            return
        for path in project.rglob("*"):
            if path.suffix == ".py":
                ast.parse(path.read_text(encoding="utf-8"))
        readme = (project / "README.md").read_text(encoding="utf-8")
        second = ("p", description.strip()) if description.strip() else ("h2", "Run it")
        assert shown_by_markdown(readme) == [("h1", name.strip()), second]
        params = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
        assert params["prepare"]["target"] == target
        yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))
        tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))
        json.loads((project / "notebooks/experiments.ipynb").read_text(encoding="utf-8"))


@pytest.mark.parametrize("start", ["```sh", "~~~", "<!-- ", "  <script>", "<pre>"])
def test_a_description_does_not_swallow_the_rest_of_the_readme(files, tmp_path, start):
    project = files(tmp_path, description=start, target="label")
    html = MarkdownIt().render((project / "README.md").read_text(encoding="utf-8"))
    assert "<h2>Run it</h2>" in html and "<h2>Predict</h2>" in html


@settings(deadline=None, suppress_health_check=list(HealthCheck))
@given(lines)
@example("100% 'of' \"us\" #1 ${y} \\")
@example("%(url)s")
def test_dvc_keeps_the_name_of_a_remote_folder_as_it_is(text):
    try:
        url = read_remote(f"/{text}")["url"]
        check_text("remote", url)
        check_place(url, "project")
    except FailedHookException:
        return
    env = create_env_with_context(generate_context(str(ROOT / "cookiecutter.json")))
    with TemporaryDirectory() as folder:
        options = env.filters["remote_options"]({"remote": url, "_output_dir": folder})
        text = f"['remote \"origin\"']\n{options}\n"
        Path(folder, "config").write_text(text, encoding="utf-8")
        assert Config(folder)["remote"]["origin"]["url"] == os.path.normpath(url)


PLACE = """<% $(id) `id` << "q" 'a' #1 \\n 漢 👨‍👩‍👧 שלום"""
HOSTILE = """<% if %> << limit >> <# x $(id) `id` ${y} {{ 7*7 }} "q" 'a' \\n 👨‍👩‍👧 שלום"""


@pytest.mark.parametrize("way", ["command line", "config file", "replay"])
def test_hostile_text_arrives_by_every_way(bake, template, env, tmp_path, way):
    answers = dict.fromkeys(["project_name", "description", "author_name"], HOSTILE)
    answers |= {"project_slug": "slug", "remote": str(tmp_path / PLACE)}
    (home := tmp_path / "home").mkdir()
    env = {**env, "HOME": str(home)}
    if way == "config file":
        (tmp_path / "config.yaml").write_text(yaml.safe_dump({"default_context": answers}))
        command = ["cookiecutter", template, "--no-input", "--config-file", "config.yaml"]
        run(command, tmp_path, env)
    else:
        bake(tmp_path, env=env, **answers)
    if way == "replay":
        shutil.rmtree(tmp_path / "slug")
        run(["cookiecutter", template, "--replay"], tmp_path, env)
    project = tmp_path / "slug"
    log = run(["git", "log", "-1", "--format=%s%n%an"], project, env).stdout
    assert log == f"Start {HOSTILE}\n{HOSTILE.replace('<', '').replace('>', '')}\n"
    assert shown_by_markdown((project / "README.md").read_text("utf-8")) == [
        ("h1", HOSTILE),
        ("p", HOSTILE),
    ]
    run("dvc push", project, env)
    assert list((tmp_path / PLACE).iterdir())


def test_answers_of_a_replay_are_checked_too(bake, template, env, tmp_path):
    (home := tmp_path / "home").mkdir()
    env = {**env, "HOME": str(home)}
    project = bake(tmp_path, env=env)
    [replay] = (home / ".cookiecutter_replay").iterdir()
    stored = json.loads(replay.read_text())
    stored["cookiecutter"]["description"] = "one\nimport two"
    replay.write_text(json.dumps(stored))
    shutil.rmtree(project.path)
    output = run(["cookiecutter", template, "--replay"], tmp_path, env, status=1).stdout
    assert "description: 'one\\nimport two' holds a line break" in output
    assert len(output.splitlines()) == 1
    assert not project.path.exists()


@pytest.mark.parametrize(
    ("answer", "value", "message"),
    [
        ("task", "clasification", "did you mean 'classification'?"),
        ("task", "", "answer classification or regression"),
        ("mlflow", "maybe", "answer no or yes"),
        ("ci", "circle", "answer none, github or gitlab"),
        ("ci", "GitHub", "did you mean 'github'?"),
        ("license", "gpl-3.0", "did you mean 'GPL-3.0-or-later'?"),
        ("extras", "agents,devcontainer", "is none of agents, devcontainer, pre-commit;"),
        ("extras", "none agents", "'none' is none of"),
        ("author_name", "<>", "git takes '<>' for no name"),
        ("author_email", "", "git takes '' for no name"),
        ("description", "a\u202eb", "control character"),
        ("remote", "x" * 300, "too long for the name of a folder"),
        ("git_remote", "--upload-pack=id", "no address of a git repository"),
        ("git_remote", "none", "leave it empty"),
        ("git_remote", "gh:me/repo", "did you mean https://github.com/me/repo?"),
        ("git_remote", "https:github.com/me/repo", "did you mean https://github.com/me/repo?"),
        ("git_remote", "git@github.com/me/repo", "did you mean https://github.com/me/repo?"),
        *[
            ("git_remote", path, "would be taken from inside the project")
            for path in ("./code.git", "../code.git", "code.git", "repos/code.git")
        ],
        ("git_remote", "gitlab.example.com/me/x", "did you mean https://gitlab.example.com/me/x?"),
        ("remote", "$HOME/store", "give the whole path, or ~/..."),
        ("remote", r"%USERPROFILE%\store", "begins with a variable"),
        ("remote", "//dagshub.com/me/repo", "did you mean https://dagshub.com/me/repo?"),
        ("remote", "./iris-classifier/store", "is in the project"),
        ("remote", __file__, "is no folder"),
        *[
            ("remote", path, "is a Windows path")
            for path in (r"C:\data\store", "D:/store", r"\\nas\share", "//nas/share/dvc")
            if os.name != "nt"
        ],
        ("data", " ", "give bundled, a file"),
        ("project_name", " ", "is empty: give the project a title"),
        ("data", "/dev/zero", "is neither a file nor a folder"),
        ("data", "https://127.0.0.1/a.csv?sig=s3cr3t", "holds a key or signature ('sig')"),
    ],
)
def test_a_wrong_answer_is_refused_in_one_line(bake, env, tmp_path, answer, value, message):
    (home := tmp_path / "home").mkdir()
    output = bake(tmp_path, status=1, env={**env, "HOME": str(home)}, **{answer: value}).output
    assert output.startswith(answer) and message in output
    assert len(output.splitlines()) == 1 and "s3cr3t" not in output
    # Not even cookiecutter's own store of answers has it.
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.parametrize("value", [["a"], {"a": 1}, True, None])
@pytest.mark.parametrize("answer", ["project_name", "task", "data", "remote", "mlflow"])
def test_an_answer_in_a_file_that_is_no_text_is_refused(template, env, tmp_path, answer, value):
    config = tmp_path / "config.yaml"
    config.write_text(yaml.safe_dump({"default_context": {answer: value}}))
    command = ["cookiecutter", template, "--no-input", "--config-file", config]
    output = run(command, tmp_path, env, status=None).stdout
    assert "Traceback" not in output
    done = (tmp_path / "a").exists() or "one commit" in output
    assert done or len(output.splitlines()) == 1


REPOSITORY = "https://dagshub.com/me/my.repo"


@pytest.mark.parametrize(
    "answer",
    [
        "dagshub.com/me/my.repo",
        "www.dagshub.com/me/my.repo/",
        "http://dagshub.com/me/my.repo",
        "https://www.DagsHub.com/me/my.repo",
        "HTTPS://dagshub.com//me/my.repo//",
        "git@dagshub.com:me/my.repo.git",
        "ssh://git@dagshub.com/me/my.repo.git",
        "https://dagshub.com/me/my.repo.mlflow",
        "https://dagshub.com/me/my.repo.git/",
        "https://dagshub.com/me/my.repo/src/main/data",
        "https://dagshub.com/me/my.repo?tab=data#readme",
        "https://dagshub.com/me/my.repo.mlflow/#/experiments/0",
        "https://dagshub.com:443/me/my.repo",
        "ssh://git@dagshub.com:22/me/my.repo.git",
        "git+ssh://git@dagshub.com/me/my.repo.git",
        "https://dagshub.com./me/my.repo.DVC",
        r"dagshub.com\me\my.repo",
    ],
)
def test_every_spelling_of_a_dagshub_repository_is_understood(answer):
    remote = read_remote(answer)
    assert remote["git"] == f"{REPOSITORY}.git" and remote["url"] == f"{REPOSITORY}.dvc"
    assert remote["mlflow"] == f"{REPOSITORY}.mlflow"
    assert remote["login"]["user"] == "me"


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("s3:/bucket/x", "s3://bucket/x"),
        ("S3:bucket/x", "s3://bucket/x"),
        ("s3//bucket/x", "s3://bucket/x"),
        ("s3:///bucket/x", "s3://bucket/x"),
        ("gcs://bucket/x", "gs://bucket/x"),
        ("abfs://container/x", "azure://container/x"),
        ("sftp://host/x", "ssh://host/x"),
        ("htps://host/x", "https://host/x"),
        ("https:/host/x", "https://host/x"),
        ("file:///srv/store", "mean /srv/store?"),
        ("file://localhost/srv/store", "mean /srv/store?"),
        ("file:///D:/store", "mean D:/store?"),
        ("me@host:srv/store", "ssh://me@host/srv/store"),
        ("host:/srv/store", "ssh://host/srv/store"),
        ("me@[2001:db8::7]:/srv", "ssh://me@[2001:db8::7]/srv"),
        ("host:9000/store", "http://host:9000/store"),
        ("localhost:9000", "http://localhost:9000"),
        ("data.example.org:8080", "http://data.example.org:8080"),
        ("<https://host/x>", "https://host/x?"),
        ('"s3://bucket/x"', "s3://bucket/x?"),
        ("dagshub:me/x", "https://dagshub.com/me/x"),
        ("data.example.org/store", "https://data.example.org/store"),
        ("https;//host/x", "https://host/x"),
        ("abfss://box@me.dfs.core.windows.net/x", "azure://box/x?"),
        ("wasbs://box@me.blob.core.windows.net/x", "azure://box/x?"),
        ("gdrive://folder", "pip install dvc-gdrive"),
        ("gdrive:folder", "gdrive://folder?"),
        ("nas.local:dvc", "ssh://nas.local/dvc or, for a folder, ./nas.local:dvc?"),
        ("host:", "ssh://host/ or"),
        ("rclone:x/y", "a folder, ./rclone:x/y?"),
        ("user@host", "ssh://user@host/PATH or, for a folder, ./user@host?"),
        ("dagshub/me/x", "https://dagshub.com/me/x?"),
        ("https://b.s3.eu-west-1.amazonaws.com/x", "s3://b/x"),
        ("https://storage.googleapis.com/b/x", "gs://b/x"),
        ("https://me.blob.core.windows.net/c/x", "azure://c/x"),
        ("https://me.dfs.core.windows.net/c/x", "azure://c/x"),
        ("https://b.storage.googleapis.com/x", "gs://b/x"),
        ("https://console.cloud.google.com/storage/browser/b/x?project=p", "gs://b/x?"),
        ("https://eu-west-1.console.aws.amazon.com/s3/buckets/b?tab=objects", "s3://b?"),
        ("arn:aws:s3:::b/x", "s3://b/x"),
        ("s3.amazonaws.com/b/x", "s3://b/x"),
        ("https://s3.eu-central-1.wasabisys.com/b/x", "s3://b/x and, after the bake"),
        ("https://b.s3.fr-par.scw.cloud/x", "s3://b/x and, after the bake"),
        ("https://b.nyc3.digitaloceanspaces.com/x", "endpointurl https://nyc3.digitalocean"),
        (
            "https://me.r2.cloudflarestorage.com/b",
            "endpointurl https://me.r2.cloudflarestorage.com",
        ),
        ("s3://bucket:9000/x", "cannot be the name of a bucket"),
        ("http://:9000/x", "no host"),
        *[
            (answer, "git_remote")
            for answer in (
                "https://github.com/me/x",
                "github.com/me/x",
                "git@gitlab.com:me/x.git",
                "ssh://git@bitbucket.org/me/x",
                "https://www.kaggle.com/me/x",
                "https://git.example.org/me/x.git",
                "git@ssh.dev.azure.com:v3/me/x/x",
                "gh:me/x",
                "https://me.visualstudio.com/p/_git/r",
                "https://hf.co/datasets/me/x",
                "https://me.sharepoint.com/sites/x",
                "https://1drv.ms/f/s!x",
                "https://app.box.com/folder/1",
                "https://colab.research.google.com/drive/x",
                "https://gitlab.example.com/me/x",
                "https://docs.dagshub.com/integration_guide/dvc",
            )
        ],
        ("https://dagshub.com/user/login", "OWNER/REPO"),
        ("https://dagshub.com/settings/tokens", "OWNER/REPO"),
        ("https://host:port/x", "no valid URL"),
        ("https://[::1/x", "no valid URL"),
        ("https://host/x?y=1", "leave that part out"),
    ],
)
def test_what_cannot_be_a_remote_is_refused_with_the_right_spelling(answer, right):
    with pytest.raises(FailedHookException) as error:
        read_remote(answer)
    assert right in str(error.value) and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "answer",
    ["store", "./a:b/c", "C:/store", r"C:\store", "~/store", "/a b/ü", "s3", "./me@home", "-x"]
    + ["./host:/srv", "my.com", "a=b", "//server/share", "./Case:7", "dagshub/store", "C:x"],
)
def test_a_folder_is_a_folder(answer):
    assert read_remote(answer)["url"] == answer


PARAMETERS = ["X-Amz-Signature", "X-Goog-Signature", "Signature", "sig", "token", "access_token"]
PARAMETERS += ["api_key", "apikey", "AWSAccessKeyId", "X-Amz-Security-Token", "password", "rlkey"]
PARAMETERS += [
    "temp_url_sig",
    "token[]",
    "filter[access_token]",
    "db_password",
    "_sid",
    "__token__",
]
PARAMETERS += ["PHPSESSIONID", "ticket", "hdnts", "Bearer"]
PARAMETERS += ["tempauth", "passwort", "kennwort", "senha", "clave", "mot_de_passe", "psw", "pin"]
PARAMETERS += ["user_credentials", "creds", "tkn", "X-Auth", "userauth", "basicauth", "auth_code"]
PARAMETERS += ["authCode", "access_code", "app_code", "api%20key", "apikey1", "sig2", "token_value"]
PARAMETERS += ["SharedAccessSignature", "auth", "jwt", "client_secret", "X%2DAmz%2DSignature"]


@pytest.mark.parametrize(
    "url",
    [
        *[f"https://host/x.csv?a=1&{name}=S3CR3T" for name in PARAMETERS],
        "https://host/x.csv#access_token=S3CR3T",
        "https://me:S3CR3T@host/x.csv",
        "https:/me:S3CR3T@host/x.csv",
        "ssh://me@example.com:S3CR3T@host/x.csv",
        "me@example.com:S3CR3T@host",
        "https://host/get?url=https%3A%2F%2Fstore%2Fx.csv%3Fsig%3DS3CR3T",
        f"https://host/pypi-AgEIcS3CR3T{'a' * 20}/x.csv",
        "https://S3CR3T@host/x.csv",
        "s3://AKIA:S3CR3T@bucket/x",
        "ssh://me:S3CR3T@host/x",
        "DefaultEndpointsProtocol=https;AccountName=a;AccountKey=S3CR3T==",
        f"https://host/ghp_S3CR3T{'a' * 20}/x.csv",
        f"https://host/sk_live_S3CR3T{'a' * 20}/x.csv",
        "https://host/x.csv;jsessionid=S3CR3T",
        f"https://host/x.csv?code=S3CR3T{'a' * 20}==",
        f"https://host/x.csv?ex=66a1b2c3&is=66a0b2c3&hm=S3CR3T{'0a' * 20}&",
        f"https://host/x.csv?md5=S3CR3T{'a' * 20}&expires=1764000000",
        f"https://host/x.csv?st=S3CR3T{'a' * 20}&e=1764000000",
        f"https://host/x.csv?appid=53C237{'0a' * 13}&S3CR3T",
        "https://host/x.csv?at=APZUnTVS3CR3Tabc-defghi:1712345678901",
        "https://host/x.csv?x=qS3CR3Tw9Zr4kLm2Np7TbVc1",
        "https://hooks.slack.com/services/T00/B00/S3CR3T",
        "https://host/x.csv?private_link=S3CR3T",
        "https://host/x.csv?view_only=S3CR3T",
        "https://me:S3CR3T/4@host/x",
        "https://me:S3CR3T#4@host/x",
        "ssh://me%3AS3CR3T@host/x",
        f"S3CR3T{'0a' * 17}@dagshub.com/me/x",
        f"S3CR3T{'0a' * 17}@github.com:me/x.git",
        f"ssh://S3CR3T{'0a' * 17}@host/x",
        "me:S3CR3T@host:/srv/x",
        "//me:S3CR3T@host/x",
        r"http:\\me:S3CR3T@host\x",
        "https://host/x.csv?from=ftp://me:S3CR3T@host/x",
    ],
)
@pytest.mark.parametrize(
    "check", [read_remote, check_git_remote, lambda url: refuse_secret("data", url)]
)
def test_a_secret_in_an_address_is_refused_and_not_repeated(check, url):
    with pytest.raises(FailedHookException) as error:
        check(url)
    assert "S3CR3T" not in str(error.value) and len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://host/x.csv?raw=true&format=csv&id=3&code=DE-NW",
        "https://host/x.csv?id=1Bxi-MVs0XRA5nFMdKvBdBZjgmUUqptlb&e=1&exp=2",
        "https://host/x.csv?keyword=a&category=b&resolution=1&accessType=DOWNLOAD&code=FR&bbox=1,2",
        "https://host/x.csv?id=1BxiMVs0XRA5nFMdKvBdBZjgmUUqptlbs74OgvE2upms&gid=0&format=csv",
        "https://host/x.csv?version=2024-01-01&sort=asc&author=me&passengers=2&spin=1&tokenizer=x",
        f"https://host/x.csv?sha256={'0a' * 32}&v={'1b' * 20}&pincode=560001&at=2024-01-01T00:00:00",
        "https://host/x.csv?resource_id=5b2a1e0c-93d4-4f6a-8c1b-2d3e4f5a6b7c&enclave=1",
        "https://host/x.csv?dataset=GlobalTemperature2020MonthlyMean&file=a1b2c3d4e5f6g7h8i9j0k1l2",
        "https://host/export?gid=0&sort=date&assign=1&design=2&monkey_island=1",
        "ssh://me@host/x.csv",
        "ssh://me@host:22/x.csv",
        "https://host/compass?compass=1&side=2&residence=3&q=a:b@c",
        "https://host:8080/a@b:c/x.csv",
        "http://[::1]:9000/a@b",
        "git@host:me/x",
        "C:/a@b.csv",
        "s3://bucket/a@b/x.csv",
        "data/my=table.csv",
    ],
)
def test_an_ordinary_address_holds_no_secret(url):
    refuse_secret("data", url)


@pytest.mark.parametrize(
    "name",
    ["me@example.com/My Drive/x.csv", "12:30@site.csv", "region=eu;key=5/x.csv", "x?token=1.csv"],
)
def test_a_file_that_is_there_may_have_any_name(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    answers = {"data": name, "task": "classification", "target": "label"}
    with pytest.raises(FailedHookException):
        read_table(answers)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text("x,label\n" + "".join(f"{n},{n % 2}\n" for n in range(9)))
    inspect.cache_clear()
    assert read_table(answers)["source"] == str(tmp_path / name)


@pytest.mark.parametrize(
    "address",
    ["git@github.com:me/x.git", "https://gitlab.com/me/x", "gitlab.example.com:me/x.git", ""]
    + ["file:///srv/x.git", "ssh://git@[::1]:22/x", "/srv/x.git", "~/x.git", r"C:\x.git"],
)
def test_code_may_live_elsewhere_than_data(bake, tmp_path, address):
    check_git_remote(address)
    if address.startswith("git@"):
        project = bake(tmp_path, git_remote=address, remote=REPOSITORY)
        assert project.run("git remote get-url origin") == f"{address}\n"
        assert project.run("dvc config remote.origin.url") == f"{REPOSITORY}.dvc\n"


@pytest.mark.parametrize("address", ["ext::touch", "s3://bucket/x", "ssh://", "https://[::1/x"])
def test_what_git_cannot_push_to_is_refused(address):
    with pytest.raises(FailedHookException):
        check_git_remote(address)


def test_a_reader_of_the_output_that_is_gone_does_not_undo_the_bake(template, env, tmp_path):
    bake = ["cookiecutter", str(template), "--no-input"]
    run(["sh", "-c", f"{shlex.join(bake)} 2>&1 | true"], tmp_path, env)
    assert run("git rev-list --count HEAD", tmp_path / "iris-classifier", env).stdout == "1\n"


def test_a_remote_in_the_project_is_refused_however_it_is_spelt(bake, tmp_path):
    for remote in (tmp_path / "p/store", f"../{tmp_path.name}/p/store", tmp_path / "q/../p"):
        output = bake(tmp_path, status=1, project_slug="p", remote=str(remote)).output
        assert "is in the project: give a folder outside" in output
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("folder", ["in", "in/side"])
def test_a_folder_that_holds_the_project_is_no_table(bake, tmp_path, folder):
    (tmp_path / "in/side").mkdir(parents=True)
    rows = "".join(f"{n},{n % 2}\n" for n in range(18))
    (tmp_path / "in/t.csv").write_text(f"x,label\n{rows}")
    data = str(tmp_path / "in/side/..")
    output = bake(tmp_path / folder, status=1, data=data, target="label", project_slug="p").output
    assert "is a folder with the place of the project in it" in output
    assert len(output.splitlines()) == 1 and not (tmp_path / folder / "p").exists()


def test_a_relative_folder_that_is_not_there_is_below_this_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert existing("no/such") == existing(str(tmp_path / "no")) == str(tmp_path)
