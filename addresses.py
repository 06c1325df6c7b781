"""What the addresses among the answers mean: DVC remotes, DagsHub repositories, git remotes.

No secret may be a part of them: cookiecutter stores answers, and git keeps addresses.
"""

import os
import re
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote, unquote_plus, urlsplit

from cookiecutter.exceptions import FailedHookException

# DVC's remotes: the package that each one needs, and its time limits in seconds, see
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
# The CI variables that hold credentials, with the names of each cloud's own tools if possible; for
# other remotes, the content of DVC's .dvc/config.local
SECRETS = {
    "s3": "AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY",
    "gs": "GOOGLE_CREDENTIALS",
    "azure": "AZURE_STORAGE_CONNECTION_STRING",
}
# The names of these remotes in other tools
ALIASES = {"s3a": "s3", "s3n": "s3", "gcs": "gs", "az": "azure", "abfs": "azure", "abfss": "azure"}
ALIASES |= {"wasb": "azure", "wasbs": "azure", "sftp": "ssh", "scp": "ssh", "git+ssh": "ssh"}
ALIASES |= {"dav": "webdav", "davs": "webdavs"}
# DVC's remotes that need more settings than an address
OTHERS = {"gdrive": "dvc-gdrive", "hdfs": "dvc-hdfs", "webhdfs": "dvc-webhdfs", "oss": "dvc-oss"}
GIT_SCHEMES = {"http", "https", "ssh", "git", "git+ssh", "file"}
DAGSHUB = "https://dagshub.com"
# Pages of DagsHub in the position of an owner's name
DAGSHUB_PAGES = {
    "admin",
    "api",
    "docs",
    "explore",
    "org",
    "organizations",
    "repo",
    "settings",
    "user",
}
# Hosts of code or web pages, which refuse data from DVC
NO_REMOTES = re.compile(
    r"(www\.|gist\.)?(github\.com|gitlab\.com|bitbucket\.org|codeberg\.org|(ssh\.)?dev\.azure\.com|"
    r"[\w-]+\.visualstudio\.com|raw\.githubusercontent\.com|git\.sr\.ht|[\w-]+\.sharepoint\.com|"
    r"(docs|blog)\.dagshub\.com|huggingface\.co|hf\.co|kaggle\.com|dropbox\.com|(drive|docs)\.google\.com|onedrive\.live\.com|"
    r"zenodo\.org|figshare\.com|openml\.org|gitlab\.[\w.-]+|1drv\.ms|(app\.)?box\.com|"
    r"colab\.research\.google\.com)",
    re.IGNORECASE,
)
# Addresses and web pages of cloud storage, and DVC's URLs for them
LATER = r"s3://\2 and, after the bake, dvc remote modify origin endpointurl https://\1"
LATER_BY_NAME = r"s3://\1/\3 and, after the bake, dvc remote modify origin endpointurl https://\2"
STORAGE = [
    (r"([\w.-]+)\.s3[\w.-]*\.amazonaws\.com/(.*)", r"s3://\1/\2"),
    (r"s3[\w.-]*\.amazonaws\.com/(.*)", r"s3://\1"),
    (r"(?:[\w-]+\.)*console\.aws\.amazon\.com/s3/buckets/([^?]*).*", r"s3://\1"),
    (r"arn:aws[\w-]*:s3:::(.*)", r"s3://\1"),
    (r"([\w.-]+\.r2\.cloudflarestorage\.com)/(.*)", LATER),
    (r"([\w.-]+)\.([\w-]+\.digitaloceanspaces\.com)/(.*)", LATER_BY_NAME),
    (r"([\w-]+)\.(s3[\w-]*\.[\w.-]+)/(.*)", LATER_BY_NAME),
    (r"(s3[\w-]*\.[\w.-]+)/(.*)", LATER),
    (r"storage\.(?:googleapis|cloud\.google)\.com/(.*)", r"gs://\1"),
    (r"([\w.-]+)\.storage\.googleapis\.com/(.*)", r"gs://\1/\2"),
    (r"console\.cloud\.google\.com/storage/browser/([^?]*).*", r"gs://\1"),
    (r"[\w-]+\.(?:blob|dfs)\.core\.windows\.net/(.*)", r"azure://\1"),
]

# Mistyped addresses and other tools' spellings, and the right ones. A folder of such a name is
# given as ./NAME.
NAMES = "|".join(map(re.escape, [*REMOTES, *ALIASES, *OTHERS]))
SPELLINGS = [
    (r"[\"'`(<\[](.*://.*)[\"'`)>\]]", r"\1"),
    (r"dagshub:/*(.*)|dagshub/([\w.-]+/[\w.-]+)", rf"{DAGSHUB}/\1\2"),
    (r"file:/*(?:localhost/)?([a-z]:.*)", r"\1"),
    (r"file:/*(?:localhost/)?(.*)", r"/\1"),
    (rf"({NAMES})(?::/?(?!/)|//|:///+|;//)[/\\]*(.*)", r"\1://\2"),
    (r"[\w.-]{2,}:\d+/.*|(?:localhost|[\w.-]+\.\w+):\d+", r"http://\g<0>"),
    # As ssh and rsync understand them
    (r"([\w.-]+@(?:[\w.-]+|\[[\da-f:]+\])):/*(.*)", r"ssh://\1/\2"),
    (r"([\w.-]{2,}|\[[\da-f:]+\]):/(?!/)(.*)", r"ssh://\1/\2"),
    (r"([\w.-]{2,}):(?!/)(.*)", r"ssh://\1/\2 or, for a folder, ./\g<0>"),
    (r"[\w.-]+@[\w.-]+", r"ssh://\g<0>/PATH or, for a folder, ./\g<0>"),
    (r"/*((?:[\w-]+\.)+(?:com|org|net|io|dev|cloud|edu|gov)/.+)", r"https://\1"),
]

# Names of parameters that grant access, as plain_name returns them
SECRET_NAME = re.compile(
    r"(.*_)?(sig|pwd?|psw|otp|sid|pin|tkn|creds?|clave|senha|mdp)|.*signature|.*token(_.*)?|"
    r".*secret.*|.*pass(word|wort|wd|phrase|code).*|.*kennwort|.*contrase.*|mot_?de_?passe|pass|"
    r".*auth(_.*)?|(.*_)?authorization|.*credentials?|jwt|hmac|sas|shared_?access.*|private_?link|"
    r"view_?only|(.*[_a-z])?key(_?id)?|.*api_?key.*|(access|app)_?code|sess|.*session.*|.*cookie|"
    r"bearer|ticket|hdn\w+",
    re.IGNORECASE,
)
# Names of parameters whose values may be random, and grant nothing
PUBLIC_NAME = re.compile(
    r"(?!app_?id).*id|(.*_)?(hash|sha|md|checksum|etag|commit|ref|rev|revision|version|v)",
    re.IGNORECASE,
)
# Long values that are random: letters of both kinds with digits among them, or hexadecimal digits.
# Google's are followed by a time.
RANDOM = re.compile(
    r"(?=.*[a-z])(?=.*[A-Z])(?=(.*[a-zA-Z]\d+(?=[a-zA-Z])){3})[\w~-]{24,}|"
    r"(?=.*\d)(?=.*[a-fA-F])[\da-fA-F]{32,}|[\w-]{20,}:\d{10,13}"
)
# A link that expires is signed, by any other long parameter.
EXPIRES = re.compile(r"(.*[-_])?(e|ex|exp|expires?|expiry|expiration)=[0-9a-f]{8,}", re.IGNORECASE)
OPAQUE = re.compile(r"[\w-]+=[\w%~.+/-]{16,}=*")
# Prefixes of the tokens of well-known services
SECRET = re.compile(
    r"(AKIA|ASIA)[0-9A-Z]{16}|gh[opsur]_\w{20}|github_pat_\w{20}|glpat-[\w-]{16}|hf_\w{20}|"
    r"xox[abp]-\w|eyJ[\w-]{10,}\.[\w-]{10,}\.|AccountKey=|SharedAccess\w*=|AIza[\w-]{35}|"
    r"xoxe[.-]\w|gl(ptt|dt)-[\w-]{16}|SG\.[\w-]{16,}\.[\w-]{16}|pypi-AgEI\w|sk-\w{40}|"
    r"ya29\.[\w-]{20}|sk[-_](live|proj|ant)[-_]\w{8}|dapi[0-9a-f]{32}|dop_v1_\w{20}|npm_\w{20}|"
    r"hooks\.slack\.com/\w+/\w+/|discord(app)?\.com/api/webhooks/\d+/"
)
# A user and a password, in a URL or before a host; neither a port nor a path is a password.
PASSWORD = re.compile(
    r"(^[^/\\?#@\s]|(//|\\\\|(?<=\w:)/)(?!\[))[^/\\?#@\s]+?:(?!\d+([/?#]|$)|[/\\])[^@]*@"
    # A user name that is an e-mail address
    r"|@[^/\\?#@\s]+:(?!\d+([/?#]|$))[^/\\?#@\s]+@"
)


def plain_name(name: str) -> str:
    """Return a parameter's name with _ between its words, and without digits at its end."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])|[\s_.-]+", "_", unquote_plus(name))
    return re.sub(r"\d+$", "", apart).strip("_")


def is_secret(name: str, value: str) -> bool:
    """Return whether a parameter of a URL grants access."""
    # filter[token], token[] and __token__ are tokens.
    names = [plain_name(part) for part in re.split(r"[\[\]]+", unquote_plus(name))]
    if any(map(SECRET_NAME.fullmatch, names)):
        return True
    public = any(map(PUBLIC_NAME.fullmatch, names))
    return not public and bool(RANDOM.fullmatch(unquote_plus(value).rstrip("=")))


def refuse_secret(name: str, url: str) -> None:
    """Raise FailedHookException when the answer `name` contains a secret, without repeating it."""
    scheme, separator, rest = url.partition("://")
    place = re.split(r"[/?#\\]", rest)[0] if separator else ""
    # In these schemes, the text before the @ is a part of the address.
    named = scheme.lower() in ("ssh", "git+ssh") or ALIASES.get(scheme.lower()) == "azure"
    user = re.match(r"(?:[\w+.-]+://)?([^/\\?#@\s:]+)@", url)
    # Without a scheme, nobody is named before HOST/PATH; a key is no name of a user.
    bare = not separator and re.match(r"(?!git@)[^/\\?#@\s:]+@[\w-]+(\.[\w-]+)+/", url)
    key = user and re.fullmatch(r"(?=.*\d)[\w-]{30,}", user[1])
    if ("@" in place and not named) or bare or key or PASSWORD.search(unquote(url)):
        what = f"the {scheme}:// URL" if separator else "the address"
        raise FailedHookException(
            f"{name}: leave user and password out of {what}, they would be stored with it. The "
            "project's README.md says how to log in."
        )
    # Also the parameters of an address inside this one
    parameters = [
        found
        for text in (url, unquote_plus(url))
        for found in re.findall(r"[?&;#]([^=&;#?]+)=([^&;#?]+)", text)
    ]
    names = [found for found, value in parameters if is_secret(found, value)]
    whole = re.findall(r"[?&;]([^&;#?]+)", url)
    if any(map(EXPIRES.fullmatch, whole)):
        names += [one.partition("=")[0] for one in whole if OPAQUE.fullmatch(one)]
    # A function's key is a long code; a country has a code, too.
    names += re.findall(r"[?&](code)=[\w%/+=-]{20}", url, re.IGNORECASE)
    if names or SECRET.search(url):
        what = f"({names[0]!r}) " if names else ""
        raise FailedHookException(
            f"{name}: the address holds a key or signature {what}that would be stored with it. "
            "Give an address without; a table can be downloaded and given as a file."
        )


def host_of(name: str, url: str) -> str:
    """Return a URL's host, with its port.

    Raises FailedHookException when it has no host, or a malformed one.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises if it is not a number
    except ValueError:
        raise FailedHookException(f"{name}: {url!r} is no valid URL.") from None
    if not parts.hostname or re.search(r"\s", parts.netloc):
        raise FailedHookException(f"{name}: {url!r} is not understood: it has no host or bucket.")
    return parts.netloc


def read_dagshub(answer: str) -> tuple[str, str, str, str] | None:
    """Return address, owner, name and form ("", ".git", ...) of a DagsHub repository.

    Accepts its pages and git's spellings, with and without https://. Returns None for any other
    address. DAGSHUB_CLIENT_HOST, which DagsHub's client reads, names a self-hosted server.

    Raises FailedHookException for an address at DagsHub that is not a repository.
    """
    base = (os.environ.get("DAGSHUB_CLIENT_HOST", "").strip() or DAGSHUB).rstrip("/")
    base = base if "://" in base else f"https://{base}"
    host = re.escape(urlsplit(base).netloc)
    match = re.fullmatch(
        rf"((https?|ssh|git|git\+ssh)://)?([\w-]+@)?(www\.)?{host}\.?(?P<path>[:/].*)?",
        answer.replace("\\", "/"),
        re.IGNORECASE,
    )
    if not match:
        return None
    path = re.split(r"[?#]", match["path"] or "")[0]
    # A number before an owner and a name is the port.
    path = re.sub(r"^:\d+(?=/+[^/]+/+[^/])", "", path)
    found = re.fullmatch(
        r"[:/]*([\w-][\w.-]*)/+([\w-][\w.-]*?)(\.git|\.dvc|\.s3|\.mlflow)?(/.*)?",
        path,
        re.IGNORECASE,
    )
    if not found or found[1] in DAGSHUB_PAGES:
        raise FailedHookException(
            f"remote: {answer!r} is no DagsHub repository. Give {base}/OWNER/REPO."
        )
    owner, name, form, _ = found.groups()
    return f"{base}/{owner}/{name}", owner, name, (form or "").lower()


def refuse_code(answer: str) -> None:
    """Raise FailedHookException for a host of code or web pages, not of data for DVC."""
    host = re.split(r"[/:?#]", re.sub(r"^(\w+://|//)?([\w.-]+@)?", "", answer))[0]
    repository = r"((https?|ssh|git|git\+ssh)://|[\w.-]+@).*\.git/?"
    shorthand = r"(gh|gl|bb|github|gitlab|bitbucket):(?!\d).*"
    if NO_REMOTES.match(host) or re.fullmatch(f"{repository}|{shorthand}", answer, re.IGNORECASE):
        raise FailedHookException(
            f"remote: {answer!r} cannot keep data for DVC. Give a folder, {DAGSHUB}/OWNER/REPO or "
            "storage such as s3://BUCKET/PATH; an address for the code is git_remote."
        )


def meant(answer: str) -> str:
    """Return DVC's spelling of a misspelt or foreign address; "" for any other answer."""
    page = re.sub(r"^https?://", "", answer, flags=re.IGNORECASE)
    for text, spellings in ((page if "/" in page else f"{page}/", STORAGE), (answer, SPELLINGS)):
        for pattern, right in spellings:
            if match := re.fullmatch(pattern, text, re.IGNORECASE):
                scheme, separator, rest = match.expand(right).partition("://")
                scheme = ALIASES.get(scheme.lower(), scheme.lower()) if separator else scheme
                return f"{scheme}{separator}{rest}"
    return ""


def refuse_scheme(answer: str, scheme: str, rest: str) -> None:
    """Raise FailedHookException for a URL whose scheme is not in REMOTES."""
    if scheme in OTHERS:
        raise FailedHookException(
            f"remote: {scheme}:// takes settings of its own. Bake with a folder; then in the "
            f"project: pip install {OTHERS[scheme]}; dvc remote modify origin url {answer}"
        )
    close = [ALIASES[scheme]] if scheme in ALIASES else get_close_matches(scheme, REMOTES, n=1)
    if close == ["azure"]:
        # CONTAINER@ACCOUNT.dfs.core.windows.net/PATH
        rest = re.sub(r"@[^/]*", "", rest)
    hint = f" Did you mean {close[0]}://{rest}?" if close else ""
    raise FailedHookException(
        f"remote: {answer!r} is not understood.{hint} Give a folder, {DAGSHUB}/OWNER/REPO, or "
        f"a URL that starts with {', '.join(f'{name}://' for name in REMOTES)}."
    )


def read_remote(answer: str) -> dict[str, Any]:
    """Return what an answer to the question `remote` means.

    `url` and `options` belong to the DVC remote; `plugin` is the package that it needs, `git` the
    address of the git remote, `mlflow` the address of the MLflow server, `secrets` the names of the
    CI variables with its credentials, and `login` the options that hold credentials: for a DagsHub
    repository, with {token} in place of the token. Values that a remote does not have are empty.

    Raises FailedHookException with a message for the user when DVC has no such remote.
    """
    answer = answer.strip()
    remote: dict[str, Any] = dict.fromkeys(("git", "mlflow", "plugin", "secrets"), "")
    remote |= {"url": answer, "options": {"verify": "true"}, "login": {}}
    if not answer:
        raise FailedHookException("remote is empty: give a folder or a URL.")
    refuse_secret("remote", answer)
    if repository := read_dagshub(answer):
        return remote | dagshub_remote(*repository)
    refuse_code(answer)
    if right := meant(answer):
        raise FailedHookException(f"remote: {answer!r} is no DVC remote: did you mean {right}?")
    scheme, separator, rest = answer.partition("://")
    if not separator:
        return remote

    scheme = scheme.lower()
    if scheme not in REMOTES:
        refuse_scheme(answer, scheme, rest)
    host = host_of("remote", answer)
    if scheme in ("s3", "gs", "azure") and not re.fullmatch(r"arn:.*|[\w$][\w.-]*", host):
        raise FailedHookException(f"remote: {host!r} cannot be the name of a bucket or container.")
    if scheme in ("http", "https") and re.search(r"[?#]", answer):
        raise FailedHookException(
            "remote: the address has a '?' or '#', behind which DVC cannot store anything: leave "
            "that part out."
        )
    plugin, limits = REMOTES[scheme]
    options = remote["options"] | limits
    secrets = SECRETS.get(scheme, "DVC_CONFIG_LOCAL")
    remote |= {"plugin": plugin, "options": options, "secrets": secrets}
    return remote | {"url": f"{scheme}://{rest}"}


def dagshub_remote(repository: str, owner: str, name: str, form: str) -> dict[str, Any]:
    """Return the remote of a DagsHub repository, see read_remote."""
    remote: dict[str, Any] = {
        "git": f"{repository}.git",
        "mlflow": f"{repository}.mlflow",
        "secrets": "DAGSHUB_USER_TOKEN",
        "options": {"verify": "true"} | HTTP_LIMITS,
    }
    if form == ".s3":
        # The bucket is called dvc in every DagsHub repository; only the endpoint differs.
        remote["options"] |= {"endpointurl": f"{repository}.s3"}
        login = {"access_key_id": "{token}", "secret_access_key": "{token}"}
        return remote | {"url": "s3://dvc", "plugin": REMOTES["s3"][0], "login": login}
    login = {"auth": "basic", "user": owner, "password": "{token}"}
    return remote | {"url": f"{repository}.dvc", "login": login}


def check_git_remote(answer: str) -> None:
    """Raise FailedHookException for a `git_remote` that git would not accept as an address."""
    refuse_secret("git_remote", answer)
    scheme, separator, _ = answer.partition("://")
    known = not separator or scheme.lower() in GIT_SCHEMES
    # With :: git would run a program of that name.
    if not known or re.search(r"^-|^\w+::|\s", answer):
        raise FailedHookException(f"git_remote: {answer!r} is no address of a git repository.")
    if answer.lower() == "none":
        raise FailedHookException("git_remote: leave it empty if there is none.")
    if shorthand := re.fullmatch(
        r"(gh|gl|github|gitlab):/*([\w.-]+/[\w.-]+)", answer, re.IGNORECASE
    ):
        host = "gitlab.com" if shorthand[1].lower().startswith(("gl", "gitlab")) else "github.com"
        answer = f"{host}/{shorthand[2]}"
    if slip := re.fullmatch(r"(?:https?:/?(?!/)|git@(?=[\w.-]+/))(.*)", answer, re.IGNORECASE):
        answer = slip[1]
    if separator and scheme.lower() != "file":
        host_of("git_remote", answer)
    elif slip or re.match(rf"({NO_REMOTES.pattern}|dagshub\.com)/", answer, re.IGNORECASE):
        raise FailedHookException(
            f"git_remote: {answer!r} is not understood: did you mean https://{answer}?"
        )
    elif answer and not re.match(r"[/\\~]|[^/\\]+:", answer):
        raise FailedHookException(
            f"git_remote: {answer!r} would be taken from inside the project: give the whole path."
        )
