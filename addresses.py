"""What the addresses among the answers mean: DVC remotes, DagsHub repositories, git remotes.

No secret may be a part of them: cookiecutter stores answers, and git keeps addresses.
"""

import os
import re
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote_plus, urlsplit

from cookiecutter.exceptions import FailedHookException

# DVC's remotes: the package that each needs, and its options for time limits in seconds, see
# https://doc.dvc.org/command-reference/remote/modify. By default DVC waits for minutes.
HTTP_LIMITS = {"connect_timeout": "5", "read_timeout": "30"}
REMOTES: dict[str, tuple[str, dict[str, str]]] = {
    "http": ("", HTTP_LIMITS),
    "https": ("", HTTP_LIMITS),
    "s3": ("dvc-s3", HTTP_LIMITS),
    "gs": ("dvc-gs", {}),
    "azure": ("dvc-azure", {"timeout": "30"}),
    "ssh": ("dvc-ssh", {"timeout": "30"}),
    "webdav": ("dvc-webdav", {"timeout": "30"}),
    "webdavs": ("dvc-webdav", {"timeout": "30"}),
}
# What other tools call them
ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "az": "azure", "abfs": "azure", "abfss": "azure"}
ALIASES |= {"wasbs": "azure", "sftp": "ssh", "scp": "ssh", "dav": "webdav", "davs": "webdavs"}
DAGSHUB = "https://dagshub.com"
# Pages of DagsHub's own, where an owner's name would stand
DAGSHUB_PAGES = {"api", "docs", "explore", "user"}
# They keep code, or pages for people; what DVC sends there is refused.
NO_REMOTES = re.compile(
    r"(www\.|gist\.)?(github\.com|gitlab\.com|bitbucket\.org|codeberg\.org|huggingface\.co|"
    r"kaggle\.com|dropbox\.com|(drive|docs)\.google\.com)",
    re.IGNORECASE,
)
# The pages of the clouds' storage, and how DVC calls it
STORAGE = [
    (r"([\w.-]+)\.s3[\w.-]*\.amazonaws\.com/(.*)", r"s3://\1/\2"),
    (r"s3[\w.-]*\.amazonaws\.com/(.*)", r"s3://\1"),
    (r"storage\.(?:googleapis|cloud\.google)\.com/(.*)", r"gs://\1"),
    (r"[\w-]+\.blob\.core\.windows\.net/(.*)", r"azure://\1"),
]

# Names of parameters that carry a right of access
SECRET_NAME = re.compile(
    r"sig|.*signature|.*token|.*secret.*|pass(word|wd|phrase)?|pwd|auth(orization)?|credentials?|"
    r".*-credential|jwt|hmac|sas|shared.?access.*|(.*[-_.a-z])?key([-_]?id)?|session.*",
    re.IGNORECASE,
)
# What well-known services begin their tokens with
SECRET = re.compile(
    r"(AKIA|ASIA)[0-9A-Z]{16}|gh[opsur]_\w{20}|github_pat_\w{20}|glpat-[\w-]{16}|hf_\w{20}|"
    r"xox[abp]-\w|eyJ[\w-]{10,}\.[\w-]{10,}\.|AccountKey=|SharedAccess\w*="
)


def refuse_secret(name: str, url: str) -> None:
    """Raise FailedHookException when the answer `name` has a secret in it, without repeating it."""
    scheme, separator, rest = url.partition("://")
    place = re.split(r"[/?#\\]", rest)[0] if separator else ""
    user, at, _ = place.rpartition("@")
    # Over ssh a user's name is part of the address.
    if at and (":" in user or scheme.lower() not in ("ssh", "git+ssh")):
        raise FailedHookException(
            f"{name}: leave user and password out of the {scheme}:// URL, they would be stored "
            "with it. The project's README.md says how to log in."
        )
    parameters = re.findall(r"[?&;#]([^=&;#]+)=[^&;#]", url)
    names = [found for found in parameters if SECRET_NAME.fullmatch(unquote_plus(found).strip())]
    if names or SECRET.search(url):
        what = f"({names[0]!r}) " if names else ""
        raise FailedHookException(
            f"{name}: the address holds a key or signature {what}that would be stored with it. "
            "Give an address without; a table can be downloaded and given as a file."
        )


def split(name: str, url: str) -> tuple[str, str, str]:
    """Return a URL's scheme, host and path.

    Raises FailedHookException when it has no host, or a malformed one.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises for one that is no number
    except ValueError:
        raise FailedHookException(f"{name}: {url!r} is no valid URL.") from None
    if not parts.netloc or re.search(r"\s", parts.netloc):
        raise FailedHookException(f"{name}: {url!r} is not understood: it has no host or bucket.")
    return parts.scheme, parts.netloc, parts.path


def read_dagshub(answer: str) -> tuple[str, str, str, str] | None:
    """Return address, owner, name and form ("", ".git", ...) of a DagsHub repository.

    Its pages and git's spellings are understood, with and without https://. None for any other
    address. DAGSHUB_CLIENT_HOST, which DagsHub's own client reads, is a server of one's own.

    Raises FailedHookException for an address of DagsHub that is no repository.
    """
    base = (os.environ.get("DAGSHUB_CLIENT_HOST") or DAGSHUB).rstrip("/")
    host = re.escape(urlsplit(base).netloc)
    match = re.fullmatch(
        rf"((https?|ssh|git)://)?([\w-]+@)?(www\.)?{host}([:/].*)?", answer, re.IGNORECASE
    )
    if not match:
        return None
    path = re.split(r"[?#]", match[5] or "")[0]
    found = re.fullmatch(
        r"[:/]/*([\w-][\w.-]*)/+([\w-][\w.-]*?)(\.git|\.dvc|\.s3|\.mlflow)?(/.*)?", path
    )
    if not found or found[1] in DAGSHUB_PAGES:
        raise FailedHookException(
            f"remote: {answer!r} is no DagsHub repository. Give {base}/OWNER/REPO."
        )
    owner, name, form, _ = found.groups()
    return f"{base}/{owner}/{name}", owner, name, form or ""


def refuse_typo(answer: str) -> None:
    """Raise FailedHookException for what looks like a URL but would be taken for a folder."""
    names = "|".join([*REMOTES, *ALIASES, "file", "git"])
    bare = re.sub(r"^(https?://|[\w.-]+@|//)", "", answer, flags=re.IGNORECASE)
    if NO_REMOTES.match(re.split(r"[/:?#]", re.sub(r"^\w+://([\w.-]+@)?", "", bare))[0]):
        raise FailedHookException(
            f"remote: {answer!r} cannot keep data for DVC. Give a folder, {DAGSHUB}/OWNER/REPO or "
            "storage such as s3://BUCKET/PATH; an address for the code is git_remote."
        )
    match = re.fullmatch(rf"({names})(:/?(?!/)|//|:///+)(.*)", answer, re.IGNORECASE)
    if match and "://" not in answer.replace(":///", ""):
        scheme, rest = match[1].lower(), match[3].lstrip("/\\")
        right = f"/{rest}" if scheme == "file" else f"{ALIASES.get(scheme, scheme)}://{rest}"
        raise FailedHookException(f"remote: {answer!r} is not understood: did you mean {right}?")
    match = re.fullmatch(r"([\w.-]+@[\w.-]+):(.*)", answer)
    if match:
        right = f"ssh://{match[1]}/{match[2].lstrip('/')}"
        raise FailedHookException(f"remote: {answer!r} is not understood: did you mean {right}?")


def read_remote(answer: str) -> dict[str, Any]:
    """Return what an answer to the question `remote` means.

    `url` and `options` are those of the DVC remote, `plugin` is the package that it needs, `git`
    the address of the git remote, `mlflow` that of the MLflow server, and `login` the options that
    hold credentials: for a DagsHub repository, with {token} in the token's place. What a remote
    does not have is empty.

    Raises FailedHookException with a message for the user when DVC has no such remote.
    """
    answer = answer.strip()
    remote = {
        "url": answer,
        "git": "",
        "mlflow": "",
        "plugin": "",
        "options": {"verify": "true"},
        "login": {},
    }
    if not answer:
        raise FailedHookException("remote is empty: give a folder or a URL.")
    refuse_secret("remote", answer)
    repository = read_dagshub(answer)
    if repository:
        return remote | dagshub_remote(*repository)
    refuse_typo(answer)
    scheme, separator, rest = answer.partition("://")
    if not separator:
        return remote

    scheme = scheme.lower()
    if scheme not in REMOTES:
        close = [ALIASES[scheme]] if scheme in ALIASES else get_close_matches(scheme, REMOTES, n=1)
        hint = f" Did you mean {close[0]}://{rest}?" if close else ""
        raise FailedHookException(
            f"remote: {answer!r} is not understood.{hint} Give a folder, {DAGSHUB}/OWNER/REPO, or "
            f"a URL that starts with {', '.join(f'{name}://' for name in REMOTES)}."
        )
    _, host, path = split("remote", answer)
    for pattern, right in STORAGE:
        match = re.fullmatch(pattern, f"{host}{path or '/'}", re.IGNORECASE)
        if match and scheme in ("http", "https"):
            raise FailedHookException(
                f"remote: {answer!r} takes no uploads: did you mean {match.expand(right)}?"
            )
    if re.search(r"[?#]", answer) and scheme in ("http", "https"):
        raise FailedHookException(
            f"remote: {answer!r} has a '?' or '#', behind which DVC cannot store anything: leave "
            "that part out."
        )
    remote["url"] = f"{scheme}://{rest}"
    remote["plugin"], limits = REMOTES[scheme]
    remote["options"] |= limits
    return remote


def dagshub_remote(repository: str, owner: str, name: str, form: str) -> dict[str, Any]:
    """Return what a DagsHub repository is as a remote, see read_remote."""
    remote = {
        "git": f"{repository}.git",
        "mlflow": f"{repository}.mlflow",
        "options": {"verify": "true"} | HTTP_LIMITS,
    }
    if form == ".s3":
        # DagsHub's bucket is called dvc in every repository; the endpoint tells them apart.
        remote["options"] |= {"endpointurl": f"{repository}.s3"}
        login = {"access_key_id": "{token}", "secret_access_key": "{token}"}
        return remote | {"url": "s3://dvc", "plugin": REMOTES["s3"][0], "login": login}
    login = {"auth": "basic", "user": owner, "password": "{token}"}
    return remote | {"url": f"{repository}.dvc", "login": login}


def check_git_remote(answer: str) -> None:
    """Raise FailedHookException for a `git_remote` that git would not take for an address."""
    refuse_secret("git_remote", answer)
    if answer.startswith("-") or re.search(r"\s", answer):
        raise FailedHookException(f"git_remote: {answer!r} is no address of a git repository.")
    if "://" in answer:
        split("git_remote", answer)
    elif NO_REMOTES.match(answer) or answer.lower().startswith("dagshub.com/"):
        raise FailedHookException(
            f"git_remote: {answer!r} is not understood: did you mean https://{answer}?"
        )
