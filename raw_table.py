"""Inspect the raw table before anything is written: its format, its columns, its target.

The meaning of cells is defined once, in the project's src/support. Its modules cells, columns and
files need only the standard library, because the Python that runs cookiecutter may lack pandas.
"""

import codecs
import io
import math
import os
import re
import sys
import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from difflib import get_close_matches
from functools import cache
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Self
from urllib.parse import urlsplit

from cookiecutter.exceptions import FailedHookException

# The folder's name has the template's delimiters, which differ in the portable form.
[TEMPLATE] = Path(__file__).parent.glob("*cookiecutter.project_slug*")
# Compiled files would be copied into projects.
sys.dont_write_bytecode = True
# Skip its __init__, which changes the output of the project's scripts.
sys.modules.setdefault("support", ModuleType("support")).__path__ = [str(TEMPLATE / "src/support")]

from support.cells import NUMBERS, POINT, Forms, Profile
from support.columns import (
    IDENTIFIER,
    Column,
    class_problem,
    decide,
    is_constant,
    misfit,
    reader_of,
    repeat_by_chance,
    spelt,
    tell_classes,
    tell_gaps,
    type_of_labels,
)
from support.files import (
    ROW_NAMES,
    SAMPLE,
    Dialect,
    FileError,
    Row,
    TextRows,
    check_headers,
    check_kinds,
    encoding_of,
    find_dialect,
    kind_of,
    parts_of,
    reason_of,
    suffix_of,
    unpack,
)

from code_pages import find_encoding

# Sources for `dvc import-url`, and the package that each one needs
SOURCES = {"http": "", "https": "", "s3": "dvc-s3", "gs": "dvc-gs", "azure": "dvc-azure"}
BUNDLED = {
    "classification": ("iris.csv", "Iris classifier", "Species"),
    "regression": ("diabetes.csv", "Diabetes regressor", "progression"),
}
FOLDER = "data/raw"
TEXTS = ("csv", "json")
SUFFIXES = {"csv": ".csv", "json": ".jsonl", "parquet": ".parquet", "feather": ".feather"}
# The package that the project needs to read a format
READERS = {"excel": "python-calamine"}
# The bake reads at most this many bytes of a table. Stage prepare reads all.
LIMIT = 8 << 20
UNPACKED = 1 << 20  # bytes at a time
# The name that pandas gives to an unnamed index in Parquet files
UNNAMED_INDEX = re.compile("__index_level_[0-9]+__")
# Windows opens devices under these names, with any suffix.
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
NETWORK_TIMEOUT = 30  # seconds
ROWS = 20_000
# The initial parameters of stage prepare
PARAMS: dict[str, Any] = {
    "na_values": "auto",
    "decimal": "auto",
    "dates": "auto",
    "text": [],
    "columns": {},
}
PARAMS |= {**vars(Dialect()), "sheet": "", "features": "all", "drop": [], "group": "", "time": ""}
PARAMS |= {"missing": "impute", "duplicates": "auto", "max_rows": 0}


def is_url(data: str) -> bool:
    return "://" in data


def stem(data: str) -> str:
    """Return the file name of a path or URL, without suffixes."""
    name = urlsplit(data).path if is_url(data) else os.path.expanduser(data)
    known = (
        "csv|tsv|tab|txt|data|jsonl?|ndjson|parquet|feather|arrow|xlsx?|xlsb|ods|zip|gz|bz2|xz|zst"
    )
    return re.sub(rf"(\.({known}))+$", "", Path(name).name, flags=re.IGNORECASE)


def decoded(blocks: Iterable[bytes], encoding: str | None) -> Iterator[bytes]:
    """Yield an answer of HTTP, which its server may have compressed: RFC 9110, 8.4.1.

    Raises OSError for bytes that are not in that encoding, or end too early.
    """
    if encoding not in ("gzip", "x-gzip", "deflate"):
        yield from blocks
        return
    unpack = None
    for block in blocks:
        try:
            while block:
                if unpack and unpack.eof and not (block := block.lstrip(b"\0")):
                    break  # zeros at the end
                if not unpack or unpack.eof:
                    # gzip may have several members. Some servers send deflate without its header,
                    # RFC 1950, 2.2.
                    headless = encoding == "deflate" and int.from_bytes(block[:2], "big") % 31
                    unpack = zlib.decompressobj(
                        -zlib.MAX_WBITS if headless else zlib.MAX_WBITS | 32
                    )
                yield unpack.decompress(block, UNPACKED)
                block = unpack.unconsumed_tail or unpack.unused_data
        except zlib.error as error:
            raise OSError(f"the server's answer is no {encoding}: {error}") from None
    if unpack:
        yield unpack.flush()
        if not unpack.eof:
            raise OSError(f"the server's answer in {encoding} ends too early")


def fetch_start(url: str) -> bytes | None:
    """Return the first bytes of a URL; None if this Python has no client for its kind."""
    if url.startswith("http"):
        # Some servers refuse Python's user agent, and some compress plain files.
        headers = {"User-Agent": "Mozilla/5.0 (cookiecutter)", "Accept-Encoding": "identity"}
        request = urllib.request.Request(url, headers=headers)
        with urllib.request.urlopen(request, timeout=NETWORK_TIMEOUT) as response:
            content = response.read(LIMIT + 1)
            if len(content) <= LIMIT and response.length:
                raise OSError(f"the server closed the connection {response.length} bytes too early")
            start = b""
            try:
                for part in decoded([content], response.headers.get("Content-Encoding")):
                    start += part
                    if len(start) > LIMIT:
                        break
            except OSError:
                if len(content) <= LIMIT:
                    raise
            return start
    try:
        import fsspec

        opened = fsspec.open(url.replace("azure://", "az://"), "rb")
    except ImportError:
        return None
    try:
        with opened as file:
            return file.read(LIMIT + 1)
    except Exception as error:  # noqa: BLE001 - each cloud's client has its own exceptions
        raise ValueError(str(error) or type(error).__name__) from None


def refuses_dvc(url: str) -> bool:
    """Return whether a server that sends this table to browsers refuses DVC's client."""
    if not url.startswith("http"):
        return False
    request = urllib.request.Request(url, headers={"User-Agent": "Python/3 aiohttp/3"})
    try:
        urllib.request.urlopen(request, timeout=NETWORK_TIMEOUT).close()
    except OSError:
        return True
    return False


def suggest(name: str, columns: list[str]) -> str:
    """Return a suggestion of the column closest to `name`, else the list of columns."""
    folded = {column.casefold(): column for column in columns}
    match = get_close_matches(name.casefold(), folded, n=1) if name else []
    if match:
        return f"did you mean {spelt(folded[match[0]], name)}?"
    listed = ", ".join(name if len(name) <= 80 else f"{name[:80]}..." for name in columns[:20])
    return f"it has {listed}{', ...' if columns[20:] else ''}"


def check_header(rows: TextRows, target: str) -> None:
    """Raise FileError unless the header has the target once."""
    cells = [cell.strip() for cell in rows.raw_names]
    if not target:
        raise FileError(f"target is empty: name the column to predict; {suggest('', rows.names)}")
    if target not in rows.names:
        forms = Forms()
        if any(forms.of(cell) in NUMBERS["."] | NUMBERS[","] for cell in cells):
            raise FileError(f"its first row is no header: {', '.join(cells[:5])}")
        raise FileError(
            f"it has no column {target!r} for the target; {suggest(target, rows.names)}"
        )
    if cells.count(target) > 1:
        raise FileError(f"it has more than one column {target!r}, the target")


def model_for(rows: float, classes: int) -> str:
    """Return the entry of `models` that a table with so many rows and classes (or 0) starts with.

    If it has few rows, or few of each class, boosting, whose leaves have 20 rows, scores worse: see
    benchmarks/README.md.
    """
    return "random_forest" if rows < max(200, 60 * classes) else "hist_gradient_boosting"


def profile(rows: TextRows, target: str) -> tuple[dict[str, Profile], list[str]]:
    """Return the profile of each column, and the columns that only number the rows."""
    first = rows.first_row
    forms = Forms(first_row=Row(first, lambda number: str(rows.number_of(number - first))))
    profiles = {name: Profile(forms) for name in rows.names}
    numbering: dict[str, set[str]] = {
        name: set()
        for name, cell in zip(rows.names, rows.raw_names, strict=True)
        if name != target and (IDENTIFIER.fullmatch(name) or not cell.strip())
    }
    number = 0
    while chunk := list(islice(rows, ROWS)):
        number += len(chunk)
        for name, cells in zip(rows.names, zip(*chunk, strict=True), strict=True):
            profiles[name].add(list(cells))
            if name in numbering:
                numbering[name].update(cells)
    if not number:
        raise FileError("it has no rows below its header")
    identifiers = [
        name
        for name, cells in numbering.items()
        if len(cells) == number > 1 and not profiles[name].count(POINT | {"point3", "stored"})
    ]
    return profiles, identifiers


def check_target_column(
    rows: TextRows,
    columns: dict[str, Column],
    profiles: dict[str, Profile],
    answers: dict[str, str],
    whole: bool,
) -> int:
    """Return the number of classes; 0 in a regression, or of a part of the table.

    Raises FileError unless the target suits the task in the rows that stage prepare keeps.
    """
    name, regression = answers["target"], answers["task"] == "regression"
    target, profile = columns[name], profiles[name]
    if target.kind == "empty" or not profile.filled and regression:
        raise FileError(f"{name}, the target, has no values")
    if regression and target.kind in ("text", "date"):
        what = misfit(name, profile, target.kind)
        units = (
            what.startswith(f"row {profile.known.first_row}:")
            * "; if that is a row of units, remove it"
        )
        raise FileError(f"{what}, but task=regression predicts a number{units}")
    if not whole:
        return 0
    if not regression:
        return check_classes_of(rows, columns, target)
    place, read = rows.names.index(name), reader_of(target)
    if all(read(row[place].strip()) is None for row in rows):
        row, cell = min(profile.first.values())
        raise FileError(f"{name}, the target, has no finite number: row {row} is {cell!r}")
    return 0


def check_classes_of(rows: TextRows, columns: dict[str, Column], target: Column) -> int:
    """Return the number of classes. Raises FileError unless two rows of each differ in `columns`."""
    labels = type_of_labels(target)
    if labels == "text":
        target.kind = "text"
    readers = [(rows.names.index(name), reader_of(one)) for name, one in columns.items()]
    place, read = rows.names.index(target.name), reader_of(target)
    counts: Counter[Any] = Counter()
    every: Counter[Any] = Counter()
    values: list[Counter[Any]] = [Counter() for _ in readers]
    seen, number_of_rows = set(), 0
    for row in rows:
        number_of_rows += 1
        label = read(row[place].strip())
        if label is None:
            continue
        label = int(label) if labels == "int64" else label
        every[label] += 1
        # Stage prepare drops rows that repeat others.
        cells = [value(row[number].strip()) for number, value in readers]
        if (key := hash(tuple(cells))) in seen:
            continue
        seen.add(key)
        counts[label] += 1
        for known, cell in zip(values, cells, strict=True):
            known[cell] += 1
    repeated = every.total() - counts.total()
    # It keeps them if they repeat by chance
    if repeat_by_chance([known.values() for known in values], number_of_rows):
        counts, repeated = every, 0
    if problem := class_problem(counts, target.name, repeated):
        raise FileError(problem + tell_gaps(target, len(counts)))
    target.notes += tell_classes(counts, target.name)
    return len(counts)


def read_text(start: bytes, kind: str, answers: dict[str, str], whole: bool) -> dict[str, Any]:
    """Return the dialect of a text file, the columns to drop, and notes on it.

    `start` is the content of the file or, unless it is `whole`, the first of its rows.

    Raises FileError unless it has a header with the target, and the target suits the task.
    """
    dialect, notes, target = Dialect(), [], answers["target"]
    if kind == "csv":
        encoding, guessed = find_encoding(start, whole)
        text = start[: 4 * SAMPLE].decode(encoding, "ignore").removeprefix("\ufeff")
        dialect = find_dialect(text, target, cut=len(start) > 4 * SAMPLE)
        dialect.encoding = encoding
        if guessed:
            notes.append(f"its encoding was guessed: {encoding}")
        if not dialect.quote:
            notes.append("its quotes do not enclose values, so they are parts of them")
        if dialect.skip:
            notes.append(f"its header is line {dialect.skip + 1}")
    rows = TextRows(io.BytesIO(start), kind, dialect, cut=not whole)
    check_header(rows, target)
    profiles, drop = profile(rows, target)
    params = PARAMS | answers | {"separator": dialect.separator if kind == "csv" else ""}
    columns = {one.name: one for one in decide(profiles, params, {target}) if one.name not in drop}
    if all(is_constant(columns[name], profiles[name]) for name in columns.keys() - {target}):
        raise FileError(f"it has no column that could be a feature of {target}")
    if drop:
        notes.append(tell_drop(drop))
    if rows.row_names:
        notes.append(ROW_NAMES)
    if rows.short:
        notes.append(
            f"{rows.short} rows have fewer cells than the header (the first is row "
            f"{rows.first_short}): filled with gaps"
        )
    classes = check_target_column(
        TextRows(io.BytesIO(start), kind, dialect, not whole), columns, profiles, answers, whole
    )
    notes += [f"{target} {note}" for note in columns[target].notes]
    model = model_for(profiles[target].rows if whole else math.inf, classes)
    return {**vars(dialect), "drop": drop, "notes": notes, "model": model}


def read(raw: IO[bytes], answers: dict[str, str], whole: bool) -> dict[str, Any]:
    """Return the `kind` and `suffix` of a file and, for text, the result of `read_text`.

    Unless `raw` is the `whole` table, the classes may have more rows elsewhere.
    """
    packed = suffix_of(raw.read(8))
    raw.seek(0)
    content = unpack(raw)
    kind = kind_of(content)
    if content is not raw and not packed:
        packed = ".zip"
    found = {"kind": kind, "suffix": SUFFIXES.get(kind, "") + packed}
    if kind not in TEXTS:
        return found
    beginning, complete = bytearray(), True
    try:
        # In small blocks: if a packed file is truncated, the last read is lost.
        while len(beginning) <= LIMIT and (more := content.read(1 << 16)):
            beginning += more
    except EOFError:
        if whole:
            raise
        # Otherwise the fetched bytes end in the middle of a packed file.
        complete = False
    start = bytes(beginning)
    cut = not complete or len(start) > LIMIT
    if cut and start.removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"["):
        return found | {"notes": ["it is one large JSON array, so stage prepare will check it"]}
    if cut:
        start = start[: start.rfind(b"\n") + 1]
        if not start:
            raise FileError(f"its first {LIMIT >> 20} MB have no end of line: is it a table?")
    text = read_text(start, kind, answers, whole and not cut)
    if cut:
        text["notes"].append(f"the bake looked at the first {LIMIT >> 20} MB of it")
    return found | text


class Unwritten:
    """Counts the rows that stage prepare would write."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, 0

    def write(self, frame: Any) -> None:
        self.rows += len(frame)

    def finish(self, schema: Any) -> None:
        pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def identifiers_in(report: dict[str, Any]) -> list[str]:
    """Return the features that identify rows, from their names and the notes of stage prepare."""
    return [
        line["name"]
        for line in report["columns"]
        if line["role"] == "feature"
        and (IDENTIFIER.fullmatch(line["name"]) or line["name"].startswith("Unnamed: "))
        and any(" identifier" in note for note in line["notes"])
    ]


def tell_drop(names: list[str]) -> str:
    return f"{', '.join(names)} identifies each row: it is in prepare.drop"


def check_stored(path: str, kind: str, answers: dict[str, str]) -> dict[str, Any]:
    """Prepare a file with typed columns, if this Python has a reader for it.

    Returns `drop`, `model`, `notes`, `sheet` and `skip`, see inspect.

    Raises FileError when stage prepare would refuse it.
    """
    later = {
        "notes": [f"this Python cannot look into a {kind} file, so stage prepare will check it"]
    }
    reader = READERS.get(kind, "pyarrow").replace("-", "_")
    if is_url(path) or not find_spec(reader):
        return later
    sys.path.insert(0, str(TEMPLATE / "src"))
    try:
        from prepare import prepare
        from support.params import InputError
        from support.reader import Table, find_sheet
    except ImportError:
        return later
    finally:
        sys.path.remove(str(TEMPLATE / "src"))
    params = PARAMS | answers | {"raw": path}

    def report_on(table: Any) -> dict[str, Any]:
        return prepare(table, params, Path("prepared.parquet"), open_writer=Unwritten)

    try:
        if kind == "excel":
            with parts_of(Path(path))[0].open("rb") as file:
                params["sheet"], params["skip"] = find_sheet(unpack(file), answers["target"])
        table = Table(path, params)
        params["drop"] = [name for name in table.names if UNNAMED_INDEX.fullmatch(name)]
        report = report_on(table)
        # Stage prepare reports identifiers; without them, it may find repeated rows.
        if more := identifiers_in(report):
            params["drop"] += more
            report = report_on(table)
    except InputError as error:
        raise FileError(str(error).removeprefix(path).lstrip(" :,")) from None
    return describe(report, params, table.first_row - 1)


def describe(report: dict[str, Any], params: dict[str, Any], header: int) -> dict[str, Any]:
    """Return what check_stored does; `header` is the row of the header."""
    drop = params["drop"]
    notes = [tell_drop(drop)] if drop else []
    if params["sheet"]:
        notes.append(f"it is sheet {params['sheet']!r} that has {params['target']}")
    if params["skip"]:
        notes.append(f"its header is row {header}")
    notes += report["notes"]
    target = next(column for column in report["columns"] if column["role"] == "target")
    # Counting stops at some number: "> 10000"
    classes = int(str(target["distinct"]).removeprefix("> "))
    model = model_for(report["rows"]["raw"], classes * (params["task"] == "classification"))
    found = {"sheet": params["sheet"], "skip": params["skip"], "model": model}
    return found | {"drop": drop, "notes": notes}


def check_address(data: str) -> str:
    """Return the package that DVC needs to fetch a URL.

    Raises FailedHookException for a URL that cannot be fetched.
    """
    parts = urlsplit(data)
    if parts.scheme not in SOURCES or not parts.netloc:
        raise FailedHookException(
            f"data: {data!r} is not understood. Give a file, or a URL that starts with "
            f"{', '.join(f'{scheme}://' for scheme in SOURCES)}."
        )
    return SOURCES[parts.scheme]


def look_at_url(url: str, answers: dict[str, str]) -> dict[str, Any]:
    """Return the result of `read` for the start of a URL, and how DVC fetches it, see inspect."""
    plugin = check_address(url)
    content = fetch_start(url)
    if content is None:
        suffix = "".join(Path(urlsplit(url).path).suffixes[-2:]) or ".csv"
        notes = ["this Python cannot fetch it, so stage prepare will check it"]
        return {"plugin": plugin, "copied": False, "suffix": suffix, "notes": notes}
    found = read(io.BytesIO(content), answers, whole=len(content) <= LIMIT)
    return found | {"plugin": plugin, "copied": refuses_dvc(url)}


def kind_in(part: Path) -> str:
    with part.open("rb") as file:
        return kind_of(unpack(file))


def names_in(part: Path, dialect: Dialect) -> list[str]:
    """Return the columns of a text file.

    Raises FileError, with the file's name, if it has no columns or, unless it is large, its rows
    differ in length.
    """
    try:
        with part.open("rb") as file:
            content = unpack(file)
            dialect = replace(dialect, encoding=encoding_of(content, dialect.encoding))
            rows = TextRows(content, kind_of(content), dialect)
            if part.stat().st_size <= LIMIT:
                for _ in rows:
                    pass
            return rows.names
    except FileError as error:
        raise FileError(f"{part.name}: {error}") from None


def look_at_path(path: Path, answers: dict[str, str]) -> dict[str, Any]:
    """Return the result of `read` for a file, or for the largest file in a folder."""
    first, *others = sorted(parts_of(path), key=lambda part: -part.stat().st_size)
    if others:
        check_kinds({part: kind_in(part) for part in (first, *others)})
    try:
        with first.open("rb") as file:
            found = read(file, answers, whole=not others)
    except FileError as error:
        raise FileError(f"{first.name}: {error}" if others else error) from None
    if others and found["kind"] == "csv":
        dialect = Dialect(**{key: found[key] for key in vars(Dialect())})
        check_headers({part: names_in(part, dialect) for part in (first, *others)})
    if others:
        found.setdefault("notes", []).append(f"the bake looked at {first.name} alone")
    return found


@cache
def inspect(data: str, task: str, target: str) -> dict[str, Any]:
    """Return what the project needs to know about the table that the answer `data` names.

    `source` is the absolute path or the URL ("" for a bundled table), `raw` its path in the
    project, `plugin` the package that DVC needs to fetch it, and `reader` the one that reads it.
    `copied` is true if DVC does not import it from its source: it is a file, or DVC may not read
    it. `encoding`, `separator`, `quote`, `escape`, `skip`, `sheet` and `drop` are parameters of the
    section `prepare`, and `model` of the section `train`. `notes` are messages for the user.
    Formats that this Python cannot read are left to stage prepare.

    Raises FailedHookException with a message for the user unless it is a table with that target.
    """
    answers = {"task": task, "target": target}
    table = {**vars(Dialect()), "plugin": "", "copied": True, "kind": "csv", "suffix": ".csv"}
    table |= {"drop": [], "notes": [], "sheet": "", "model": model_for(math.inf, 0)}
    name, _, _ = BUNDLED[task]
    path = next((TEMPLATE / FOLDER).glob(f"*{name}*"))
    source = "" if data == "bundled" else data
    if source and not is_url(data):
        source = os.path.abspath(os.path.expanduser(data))
        path = Path(source)
    try:
        table |= look_at_url(data, answers) if is_url(data) else look_at_path(path, answers)
        if table["kind"] not in TEXTS:
            place = data if is_url(data) else str(path)
            table |= check_stored(place, table["kind"], answers)
    except FailedHookException:
        raise
    except Exception as error:  # noqa: BLE001, each format's reader and each server has its own
        raise FailedHookException(f"data: {data}: {reason_of(error)}") from None
    if source:
        # Safe on every file system, in YAML and in commands
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", stem(data)).strip("-.") or "table"
        suffix = table["suffix"] or Path(urlsplit(data).path).suffix.lower()
        name = safe if path.is_dir() else f"{safe}{suffix}"
        if DEVICES.fullmatch(name) or name.endswith(".dvc"):
            name = f"table-{name.removesuffix('.dvc')}"  # DVC would read a .dvc file as its own
    if not source:
        table |= {"drop": [], "notes": [], "model": "random_forest"}
    table["reader"] = READERS.get(table["kind"], "")
    return table | {"source": source, "raw": f"{FOLDER}/{name}"}
