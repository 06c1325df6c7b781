"""Probe the DVC remote, and store a token for it."""

import getpass
import os
import re
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from support.params import InputError, first_line

WRONG_TOKEN = "the token may have expired, or may not use this repository"
NO_REMOTE = "answers with a page where it has no object: a login page, or no DVC remote"

# Seconds to wait for an answer. A server may accept a connection and stay silent.
PATIENCE = 20
# The same for files, which a server may check for a while after the upload
SILENCE = 60


def login_options(config: dict[str, Any], token: str, user: str | None) -> dict[str, str]:
    """Return the options that hold `token` for a remote with these options.

    DagsHub accepts a token with any user name; the default is the name in the URL.

    Raises InputError for a remote that accepts no token.
    """
    url = urlsplit(config["url"])
    owner = url.path.strip("/").partition("/")[0] or "token"
    if url.scheme in ("http", "https"):
        return {"auth": "basic", "user": user or owner, "password": token}
    if url.scheme == "s3" and "endpointurl" in config:
        return {"access_key_id": token, "secret_access_key": token}
    raise InputError(
        f"{address(config)} takes no token: https://doc.dvc.org/command-reference/remote/modify "
        "tells how to log in there"
    )


def log_in(repo: Any, name: str, user: str | None) -> None:
    """Store a token in .dvc/config.local: that of DAGSHUB_USER_TOKEN for DagsHub, else a typed one."""
    config = repo.config["remote"][name]
    # No other server may see DagsHub's token. Its addresses end so, on a server of one's own as well.
    at_dagshub = address(config).endswith((".dvc", ".s3"))
    token = os.environ.get("DAGSHUB_USER_TOKEN", "") if at_dagshub else ""
    if not token and sys.stdin.isatty():
        token = getpass.getpass("Token (not shown): ")
    if not token:
        how = "set DAGSHUB_USER_TOKEN, or " if at_dagshub else ""
        raise InputError(f"no token: {how}run this in a terminal")
    options = login_options(config, token, user)
    path = Path(repo.local_dvc_dir) / "config.local"
    path.touch()
    path.chmod(0o600)
    with repo.config.edit("local") as local:
        local["remote"].setdefault(name, {}).update(options)
    print(f"token stored in {path.relative_to(repo.root_dir)}, which git ignores")


def traffic() -> int:
    """Return how many bytes this process has received, and sent with acknowledgement.

    The two fields of Linux's `struct tcp_info` (linux/tcp.h) are tcpi_bytes_acked and
    tcpi_bytes_received. On a system without them, the result is 0.
    """
    total = 0
    for name in os.listdir("/proc/self/fd") if sys.platform == "linux" else ():
        # Raised by other sockets, and by those that another thread has closed
        with suppress(OSError):
            if not stat.S_ISSOCK(os.stat(int(name)).st_mode):
                continue
            with socket.fromfd(int(name), socket.AF_INET, socket.SOCK_STREAM) as connection:
                info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 136)
            total += sum(struct.unpack_from("=QQ", info, 120))
    return total


def within(url: str, function: Callable, *arguments: Any, sending: bool = False) -> Any:
    """Return function(*arguments), which queries `url`, or sends files there if `sending`.

    DVC's own limits apply while it waits for an answer, not while it sends.

    Raises InputError if the other side is silent for PATIENCE seconds, or for SILENCE when sending.
    On a system that does not count bytes, a query has PATIENCE seconds in all, and sending has no
    limit.
    """
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append(function(*arguments))
        except Exception as error:  # noqa: BLE001, it is raised again below
            outcome.append(error)

    # A daemon thread, so that the program can end while the call still waits
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    limit = SILENCE if sending else PATIENCE
    since, before = time.monotonic(), 0
    while thread.is_alive():
        thread.join(0.5)
        if (now := traffic()) != before:
            since, before = time.monotonic(), now
        if time.monotonic() - since > limit and (before or not sending):
            break
    if not outcome:
        raise InputError(f"{url} gives no answer within {limit} seconds: try again later")
    if isinstance(outcome[0], Exception):
        raise outcome[0]
    return outcome[0]


def probe(odb: Any, config: dict[str, Any]) -> str | None:
    """Ask the remote for an object that cannot exist; return what is wrong with the answer.

    An HTTP server must answer 404; a login page, or a redirect to one, is not a DVC remote.
    """
    path = odb.oid_to_path("0" * 32)
    is_http = urlsplit(config["url"]).scheme in ("http", "https")
    # DVC's own client handles other ways to log in.
    plain = config.get("auth") in (None, "basic") and not config.get("ask_password")
    if not (is_http and plain):
        try:
            odb.fs.info(path)
        except FileNotFoundError:
            return None
        except PermissionError as error:
            return f"refuses access ({first_line(error)}): {WRONG_TOKEN}"
        return NO_REMOTE
    return _ask(path, config)


def _ask(url: str, config: dict[str, Any]) -> str | None:
    """Return what is wrong with an HTTP server's answer for an object that it does not have."""
    import requests  # comes with DVC

    auth = None
    if config.get("auth") == "basic":
        auth = (config.get("user", ""), config.get("password", ""))
    try:
        answer = requests.get(
            url,
            auth=auth,
            timeout=10,
            allow_redirects=False,
            stream=True,  # the status is enough, a login page need not be read
            verify=config.get("ssl_verify", True),
        )
    except requests.Timeout:
        return "does not answer"
    except requests.exceptions.SSLError:
        return (
            "has a certificate that is not trusted here: dvc remote modify NAME ssl_verify takes "
            "the file of its authority's"
        )
    except requests.exceptions.ProxyError:
        return "cannot be reached through the proxy that the environment names"
    except requests.ConnectionError:
        return "cannot be reached: is the address right, and the network up?"
    status = answer.status_code
    if status == 404:
        return None
    if status == 401:
        return "wants credentials, or other ones (401): run `python src/share.py login`"
    if status == 403:
        return f"refuses access (403): {WRONG_TOKEN}"
    if status == 200:
        return NO_REMOTE
    if 300 <= status < 400:
        place = hide(answer.headers.get("Location", "nothing"))
        return f"redirects to {place} ({status}): is the address right?"
    later = ": try again later" if status == 429 or status >= 500 else ""
    return f"answers {status} {answer.reason}{later}"


def reach(repo: Any, name: str) -> Any:
    """Return the object store of the remote `name`.

    Raises InputError with the problem if it does not answer as a remote within PATIENCE seconds.
    """
    config = repo.config["remote"][name]
    try:
        odb = repo.cloud.get_remote_odb(name)
        problem = within(address(config), probe, odb, config)
    except Exception as error:  # noqa: BLE001, each kind of storage raises its own
        said = first_line(error).replace(str(config["url"]), address(config))
        problem = f"cannot be used: {said}"
    if problem:
        raise InputError(f"{address(config)} {problem}")
    return odb


def address(config: dict[str, Any]) -> str:
    """Return the URL of a remote for display, without a password or signature.

    DagsHub's S3 buckets differ only in their endpoint.

    >>> address({"url": "https://me:secret@host/x?sig=1"}), address({"url": "ssh://me@host/x"})
    ('https://host/x', 'ssh://me@host/x')
    >>> hide("http://me:a/b@c@host:1/x"), hide("https://host/x@y"), hide("https://token@host")
    ('http://host:1/x', 'https://host/x@y', 'https://host')
    """
    return hide(config.get("endpointurl") or config["url"])


def hide(url: str) -> str:
    """Return a URL without its password and parameters; any other place unchanged.

    The user of a web address may be a token.
    """
    if "://" not in url:
        return url
    scheme, rest = re.split("[?#]", url)[0].split("://", 1)
    # A password may have signs that end a name in a correct address.
    if user := re.match("([^:/@]*)(:.*)?@", rest):
        name = "" if scheme.lower() in ("http", "https") else f"{user[1]}@"
        rest = name + rest[user.end() :]
    return f"{scheme}://{rest}"
