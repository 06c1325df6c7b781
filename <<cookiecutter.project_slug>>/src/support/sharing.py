"""Find the objects that commits need on the DVC remotes, and check that they are there."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from support.hooks import git
from support.params import InputError, first_line
from support.remote import address, reach, within

import pygit2  # comes with DVC
from dvc.exceptions import DvcException, NotDvcRepoError
from dvc.fs.callbacks import TqdmCallback
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.tree import Tree

# How many objects to ask a remote for at a time
BATCH = 100

# A remote's name and the kind of hash by which it keeps the objects
Store = tuple[str, str]


def home(repo: Any, out: Any) -> str:
    """Return the name of an output's remote, "" for an output that DVC never pushes.

    Raises InputError when there is no such remote.
    """
    if not (out.is_in_repo and out.can_push) or out.stage.is_repo_import:
        return ""
    name = out.remote or repo.config["core"].get("remote")
    if name not in repo.config["remote"]:
        if out.remote:
            raise InputError(f"{out}: .dvc/config has no remote {name!r}")
        raise InputError("no default remote: run `dvc remote default NAME`")
    return name


def shared_outs(repo: Any) -> list[Any]:
    """Return the outputs that DVC caches, withheld ones first, because they decide for others.

    Outputs without a hash do not exist yet, and cannot be shared.
    """
    outs = [out for out in repo.index.outs if out.use_cache and out.hash_info]
    return sorted(outs, key=lambda out: bool(home(repo, out)))


def remotes(repo: Any) -> list[str]:
    """Return the names of the default remote and of those that the workspace's outputs name."""
    names = {home(repo, out) for out in shared_outs(repo)} | {repo.config["core"].get("remote")}
    return sorted(names & repo.config["remote"].keys())


def objects(repo: Any, out: Any, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the hash of each object of an output, and its file's path below the output.

    The list of a directory's files is itself an object. It is read from the cache, else from the
    remote `name`, if any; a missing list yields no files.
    """
    yield out.hash_info.value, ()
    if not out.is_dir_checksum:
        return
    tree = out.get_obj()
    if not tree and name:
        odb = repo.cloud.get_remote_odb(name, hash_name=out.hash_name)
        url = address(repo.config["remote"][name])
        with suppress(FileNotFoundError):
            tree = within(url, Tree.load, odb, out.hash_info)
    for key, _, hash_info in tree or ():
        yield hash_info.value, key


# The remote of each path for which the workspace or a later commit decides; "" if it is withheld
Rules = dict[tuple[str, tuple[str, ...]], str]


def rule_for(rules: Rules, key: tuple[str, tuple[str, ...]], otherwise: Any) -> Any:
    """Return the remote of a path: a rule for a folder holds for what is in it."""
    place, path = key
    for end in range(len(path), 0, -1):
        if (place, path[:end]) in rules:
            return rules[place, path[:end]]
    return otherwise


def head() -> list[str]:
    """Return the commit of the workspace, if there is one yet."""
    return git("rev-parse", "--verify", "--quiet", "HEAD", fine=(0, 1)).split()


def is_behind(tips: Iterable[str]) -> bool:
    """Return whether one of the commits `tips` has commits that the workspace's own lacks."""
    return any(git("rev-list", "--max-count=1", tip, "--not", *head()) for tip in tips)


def others_that_withhold(pushed: Iterable[str], replaced: Iterable[str] = ()) -> list[str]:
    """Return the tips of other branches and tags, here or fetched, that may withhold data.

    They may be `pushed` as well. Those in the history of the workspace or of another pushed commit
    are not, nor are those that a push has `replaced`.

    Raises SystemExit where git cannot tell, as in a partial clone without its server.
    """
    now, pushed = head(), [commit for commit in pushed if commit != "HEAD"]
    if not now and not pushed:
        return []
    # Of a tag with a message, the commit
    commit = "%(if)%(*objectname)%(then)%(*objectname)%(else)%(objectname)%(end)"
    refs = f"--format={commit}", "refs/heads", "refs/remotes", "refs/tags"
    anchors = now + pushed
    unmerged = [{*git("for-each-ref", f"--no-merged={one}", *refs).split()} for one in anchors]
    latest = {*git("merge-base", "--independent", *anchors).split()} - {*now}
    others = sorted((set.intersection(*unmerged) | latest) - {*replaced})
    if not others:
        return []
    places = ["--", ":(top,glob)**/*.dvc", ":(top,glob)**/dvc.yaml"]
    found = git("grep", "-ilE", "push|remote", *others, *places, fine=(0, 1))
    return [tip for tip in others if tip in found]


def kept_back(repo: Any) -> list[tuple[Any, set[str]]]:
    """Return each output that a commit does not push to the default remote, and its hashes.

    Those of a content that the same commit pushes with another output are left out.
    """
    kept, pushed = [], set()
    for out in repo.index.outs:
        if out.use_cache and out.hash_info:
            oids = {oid for oid, _ in objects(repo, out, "")}
            if out.remote or not out.can_push:
                kept.append((out, oids))
            else:
                pushed |= oids
    return [(out, oids - pushed) for out, oids in kept]


@contextmanager
def opened(repo: Any, commit: str) -> Iterator[None]:
    """Switch a repository to a commit, or to its "workspace".

    Raises InputError for a .dvc file that ends early, of which DVC says nothing.
    """
    with repo.switch(commit):
        try:
            _ = repo.index.outs
        except KeyError as error:
            raise InputError(f"a .dvc file has an output without {error}") from None
        yield


def withheld_paths(repo: Any, commit: str) -> set[str]:
    """Return the outputs with `push: false` or a remote of their own, in a commit or today.

    Other branches decide as well, as for `git push`.
    """
    found = set()
    for place in (commit, "HEAD", "workspace", *others_that_withhold([commit])):
        with opened(repo, place):
            outs = [out for out in repo.index.outs if out.use_cache]
            found |= {str(out) for out in outs if not out.can_push or out.remote}
    return found


def decide_now(
    repo: Any, commits: dict[str, list[str]], replaced: Iterable[str]
) -> tuple[Rules, set[str], set[str]]:
    """Return what withholds data today, see needed_objects: paths, contents, and what is shared.

    Reports each file of the workspace or HEAD that only another branch withholds.
    """
    older = {parent for parents in commits.values() for parent in parents}
    behind = is_behind(commits.keys() - older)
    rules: Rules = {}
    contents: set[str] = set()
    shared: dict[str, str] = {}  # hashes, and a file of each
    files: dict[tuple[str, tuple[str, ...]], str] = {}  # the files at each path
    for place in ("workspace", "HEAD"):
        harmless = () if place == "workspace" else (DvcException, InputError)
        with suppress(NotDvcRepoError, *harmless), opened(repo, place):
            found = list(located(repo, rules))
            shared |= {oid: file for name, _, oid, file in found if name and oid not in contents}
            contents.update(oid for name, _, oid, _ in found if not name)
            files |= {out.index_key: str(out) for out in shared_outs(repo) if home(repo, out)}
    for tip in others_that_withhold(commits.keys() - older, replaced):
        try:
            with opened(repo, tip):
                kept = [(out.index_key, oids) for out, oids in kept_back(repo)]
        except NotDvcRepoError:
            continue
        except (DvcException, InputError) as error:
            print(f"commit {tip[:7]} of another branch cannot be read: {first_line(error)}")
            continue
        for key, oids in kept:
            # What the workspace decides about a path holds.
            if rule_for(rules, key, None) is None:
                rules[key] = ""
                contents |= oids
                stay = {shared.pop(oid) for oid in oids & shared.keys()}
                stay |= {files[key]} if key in files else set()
                for file in sorted(stay):
                    print(f"{file} stays here: commit {tip[:7]} of another branch withholds it")
    return rules, contents, set() if behind else set(shared)


def needed_objects(
    repo: Any, commits: dict[str, list[str]], replaced: Iterable[str] = ()
) -> dict[Store, dict[str, str]]:
    """Return the objects of `commits`: for each remote, each object's hash and its file's path.

    `commits` maps each commit to its parents. Data that is withheld today, by `push: false` or a
    remote of its own, must not be pushed with an older commit. So the workspace, which may lack
    files that HEAD has, then HEAD, then later commits decide for the same path and those below it in
    their ancestors, and for withheld content at any path, unless the workspace or the commit itself
    shares that content at another path. What another branch withholds is withheld as well: it may be
    newer than what is pushed; only the tips that a push has `replaced` are not. A workspace that lacks
    commits which are pushed shares nothing at another path. A commit that DVC cannot read is reported
    and skipped if others follow it: nobody can check its data out. A commit without the project needs
    no objects.
    """
    needed: dict[Store, dict[str, str]] = {}
    older = {parent for parents in commits.values() for parent in parents}
    paths_now, contents_now, shared = decide_now(repo, commits, replaced)
    now = (paths_now, contents_now)
    # What later commits decide for a commit: paths, and withheld contents
    rules: dict[str, tuple[Rules, set[str]]] = {}
    for commit in commits:
        decided, withheld = rules.get(commit) or deepcopy(now)
        try:
            with opened(repo, commit):
                found = list(located(repo, decided))
                for name, kind, oid, file in found:
                    if name and (oid in shared or oid not in withheld):
                        what = f"{file} of commit {commit[:7]}" if commit in older else file
                        needed.setdefault((name, kind), {}).setdefault(oid, what)
                withheld |= {oid for name, _, oid, _ in found if not name}
        except NotDvcRepoError:
            pass
        except (DvcException, InputError) as error:
            if commit not in older:
                raise
            print(f"commit {commit[:7]} is left out: {first_line(error)}")
        for parent in commits.get(commit, []):
            paths, contents = rules.setdefault(parent, deepcopy(now))
            paths |= decided | paths
            contents |= withheld
    return needed


def located(repo: Any, decided: Rules) -> Iterator[tuple[str, str, str, str]]:
    """Yield the remote, the kind of hash, the hash and the file of each object of a commit.

    The remote is "" for an object that is withheld. What the commit's outputs decide is added to
    `decided`, after what is there.
    """
    for out in shared_outs(repo):
        name = home(repo, out)
        if out.remote or not name:
            decided.setdefault(out.index_key, name)
        name = rule_for(decided, out.index_key, name)
        place, path = out.index_key
        for oid, below in objects(repo, out, name):
            remote = rule_for(decided, (place, (*path, *below)), name)
            yield remote, out.hash_name, oid, "/".join((str(out), *below))


def pushed_commits(refs: Iterable[str]) -> dict[str, list[str]]:
    """Return the commits that `git push` is about to send, mapped to their parents.

    Git passes lines "LOCAL-REF HASH REMOTE-REF HASH" to its hook, see
    https://git-scm.com/docs/githooks#_pre_push; the first hash is all zeros if a branch is deleted.
    Without lines, another hook may have read them: then it is the last commit.

    Raises SystemExit for a hash that git does not know.
    """
    found = [re.fullmatch(r"\S+ ([0-9a-f]{40,}) \S+ [0-9a-f]{40,}\s*", line) for line in refs]
    tips = [match[1] for match in found if match]
    if not tips:
        return {"HEAD": []}
    tips = [tip for tip in tips if tip.strip("0")]
    if not tips:
        return {}
    lines = git("rev-list", "--topo-order", "--parents", *tips, "--not", "--remotes").splitlines()
    return {commit: parents for commit, *parents in map(str.split, lines)}


def replaced_commits(refs: Iterable[str]) -> list[str]:
    """Return the commits that a push replaces by others, from the lines of pushed_commits."""
    found = [re.fullmatch(r"\S+ [0-9a-f]{40,} \S+ ([0-9a-f]{40,})\s*", line) for line in refs]
    return [match[1] for match in found if match]


def check_index(repo: Any) -> None:
    """Raise InputError when git's index has a form on which DVC would wait forever."""
    try:
        _ = pygit2.Repository(repo.scm.root_dir).index
    except pygit2.GitError as error:
        raise InputError(
            f"DVC cannot read git's index ({error}): git config core.splitIndex false; "
            "git config index.sparse false; git update-index --no-split-index"
        ) from None


def check_remote(
    repo: Any, commits: dict[str, list[str]], repair: bool, replaced: Iterable[str] = ()
) -> str:
    """Return a line for each remote that says that all objects which `commits` need are there.

    `commits` and `replaced` are those of needed_objects.

    With `repair`, missing or damaged objects are uploaded from the local cache.

    Raises InputError with the problem otherwise.
    """
    if not commits:
        return "there is nothing to share"
    check_index(repo)
    # First, because listing a directory may need a remote
    reached = remotes(repo)
    for name in reached:
        reach(repo, name)
    pushed = git("for-each-ref", "refs/remotes")
    lines = []
    for (name, kind), needed in needed_objects(repo, commits, replaced).items():
        if name not in reached:
            reach(repo, name)
        odb = repo.cloud.get_remote_odb(name, hash_name=kind)
        cache = repo.cache.local if kind == "md5" else repo.cache.legacy
        url = address(repo.config["remote"][name])
        folder = Path(odb.path.removesuffix(os.path.join(os.sep, "files", "md5")))
        lost = odb.fs.protocol == "local" and not folder.exists() and pushed
        bad = find_bad(cache, odb, needed, url)
        if bad and repair:
            upload(cache, odb, bad, url)
            bad = find_bad(cache, odb, needed, url)
        if bad:
            raise InputError(describe(bad, len(needed), url))
        missing = "; the folder was not there: if it is on a drive that is not, mount that, and push again"
        lines.append(f"{url}: all {len(needed)} files are there{missing if lost else ''}")
    return "\n".join(lines) or "there is nothing to share"


def find_bad(cache: Any, odb: Any, needed: dict[str, str], url: str) -> dict[str, str]:
    """Return the hash of each missing or damaged object on a remote, and its problem.

    The size of an object is compared if the object is in the local cache.

    Raises InputError when the remote does not answer in time.
    """
    paths = [odb.oid_to_path(oid) for oid in needed]
    found: list[Any] = []
    for start in range(0, len(paths), BATCH):
        batch = paths[start : start + BATCH]
        ask = partial(odb.fs.info, batch, batch_size=8, return_exceptions=True)
        found += within(url, ask)
    bad = {}
    for (oid, file), info in zip(needed.items(), found, strict=True):
        local = Path(cache.oid_to_path(oid))
        if isinstance(info, FileNotFoundError):
            bad[oid] = f"{file} is missing"
        elif isinstance(info, Exception):
            bad[oid] = f"{file} cannot be read: {first_line(info)}"
        elif (
            local.exists()
            and info["size"] not in (None, size := local.stat().st_size)
            and is_sound(cache, oid)
        ):
            bad[oid] = f"{file} has {info['size']} bytes instead of {size}"
    return bad


def is_sound(cache: Any, oid: str) -> bool:
    """Return whether the content of an object in the cache has its hash."""
    found = file_md5(cache.oid_to_path(oid), cache.fs, name=cache.hash_name)
    return found == oid.removesuffix(".dir")


def worktree_with(path: str) -> str:
    """Return the other worktree of this repository whose cache has an object; "" if none has."""
    listed = git("worktree", "list", "--porcelain")
    inside = git("rev-parse", "--show-prefix").strip()
    for place in re.findall("^worktree (.+)$", listed, re.MULTILINE):
        project = Path(place, inside)
        if (project / ".dvc/cache/files/md5" / path).exists():
            return str(project)
    return ""


def check_copies(cache: Any, bad: dict[str, str], url: str) -> None:
    """Raise InputError when the cache lacks an object of `bad`, or has a damaged one."""
    for oid, what in bad.items():
        path = Path(cache.oid_to_path(oid))
        if not path.exists():
            if place := worktree_with(path.relative_to(cache.path).as_posix()):
                raise InputError(
                    f"{what} on {url}, and a copy of it is in {place}: push from there"
                )
            raise InputError(
                f"{what} on {url}, and this machine has no copy of it: `dvc repro` makes again what "
                "a stage made; to go on without it, git push --no-verify"
            )
        if not is_sound(cache, oid):
            raise InputError(
                f"{what} on {url}, and this machine's copy of it is damaged: delete {path}, and fetch "
                "or make it again"
            )


def upload(cache: Any, odb: Any, bad: dict[str, str], url: str) -> None:
    """Upload objects from the local cache, in place of what the remote has.

    Raises InputError when the cache lacks an object, or the remote does not accept it.
    """
    check_copies(cache, bad, url)
    refused: dict[str, Exception] = {}

    def send(oids: list[str]) -> None:
        for oid in oids:
            # Stores write-protect objects. HTTP cannot remove objects, but overwrites them.
            if not bad[oid].endswith(" is missing"):
                with suppress(FileNotFoundError, NotImplementedError):
                    odb.fs.remove(odb.oid_to_path(oid))
        paths = [cache.oid_to_path(oid) for oid in oids]
        options = {"check_exists": False, "verify": False, "on_error": refused.__setitem__}
        odb.add(paths, cache.fs, oids, callback=bar, **options)

    # A directory's list of files goes last: it tells DVC that all the files are there.
    files = [oid for oid in bad if not oid.endswith(".dir")]
    lists = [oid for oid in bad if oid.endswith(".dir")]
    with TqdmCallback(desc="Pushing", unit="file") as bar:
        for oids in (files, lists):
            try:
                if odb.fs.protocol == "local":
                    send(oids)
                else:
                    within(url, send, oids, sending=True)
            except Exception as error:  # noqa: BLE001, each kind of storage raises its own
                refused[oids[0]] = error
            for oid, reason in refused.items():
                raise InputError(f"{bad[oid]}, and {url} does not take it: {first_line(reason)}")


def describe(bad: dict[str, str], total: int, url: str) -> str:
    """Return a description of the `bad` objects among `total` checked ones."""
    first, *others = bad.values()
    if others and len(bad) == total and all(what.endswith(" is missing") for what in bad.values()):
        return f"{url} has none of the {total} files: is the address right, and was `dvc push` run?"
    more = f" (and {len(others)} more)" if others else ""
    return (
        f"{first} on {url}{more}: run `dvc push`, and if that does not help, "
        "`python src/share.py check --repair`"
    )
