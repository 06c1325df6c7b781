"""Inspect the raw table before anything is written: its format, its columns, its target.

Only the standard library: the Python that runs cookiecutter need not have pandas.
"""

import csv
import gzip
import io
import os
import re
import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from http.client import HTTPException
from itertools import islice, zip_longest
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from cookiecutter.exceptions import FailedHookException

# DVC's sources for `dvc import-url`, and the package that each needs
SOURCES = {"http": "", "https": "", "s3": "dvc-s3", "gs": "dvc-gs", "azure": "dvc-azure"}
BUNDLED = {
    "classification": ("iris.csv", "Iris classifier", "Species"),
    "regression": ("diabetes.csv", "Diabetes regressor", "progression"),
}
TEMPLATE = Path(__file__).parent / "<<cookiecutter.project_slug>>"
FOLDER = "data/raw"

SEPARATORS = [",", ";", "\t", "|"]
# The common ones of those that pandas takes for missing, and the template's own "?"
MISSING = {"", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "NULL", "null", "None", "?"}
SAMPLE = 64 * 1024
SAMPLE_ROWS = 20  # at least, even if they are longer than that
# A cell may hold a long text: Python's own limit is 128 kB. The largest that fits a C long
csv.field_size_limit(2**31 - 1)
# Of a table on the network, only so many bytes are read before DVC fetches all of it.
NETWORK_LIMIT = 16 * 1024 * 1024
NETWORK_TIMEOUT = 30  # seconds


def is_url(data: str) -> bool:
    return "://" in data


def stem(data: str) -> str:
    """Return the file name of a path or URL, without suffixes."""
    name = urlsplit(data).path if is_url(data) else os.path.expanduser(data)
    return re.sub(r"(\.(csv|tsv|tab|txt|gz))+$", "", Path(name).name, flags=re.IGNORECASE)


def fetch(url: str) -> bytes | None:
    """Return the first bytes of a URL; None if this Python has no client for its kind."""
    if url.startswith("http"):
        with urllib.request.urlopen(url, timeout=NETWORK_TIMEOUT) as response:
            return response.read(NETWORK_LIMIT)
    try:
        import fsspec

        opened = fsspec.open(url.replace("azure://", "az://"), "rb")
    except ImportError:
        return None
    try:
        with opened as file:
            return file.read(NETWORK_LIMIT)
    except Exception as error:  # noqa: BLE001 - each cloud's client has exceptions of its own
        raise ValueError(str(error) or type(error).__name__) from None


def rows_of(sample: str, separator: str) -> list[list[str]]:
    """Return the rows of the sample, without the last if it may be cut off."""
    rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=separator) if row]
    return rows[:-1] if len(sample) >= SAMPLE and rows[1:] else rows


def find_separator(sample: str, target: str) -> str:
    """Return the separator with which the header has the target and the rows have one length."""

    def fits(separator: str) -> tuple[bool, bool, int]:
        rows = rows_of(sample, separator)
        width = len(rows[0])
        even = all(len(row) == width for row in rows[:50])
        return (target in rows[0], even and width > 1, width if even else 0)

    return max(SEPARATORS, key=fits)


def is_number(cell: str, decimal: str = ".") -> bool:
    try:
        float(cell.replace(decimal, ".") if decimal != "." else cell)
    except ValueError:
        return False
    return True


def find_decimal(rows: list[list[str]], separator: str) -> str:
    """Return ',' when a column holds numbers like 1,5, and none holds 1.5."""
    if any(re.fullmatch(r"-?\d+\.\d+", cell) for row in rows for cell in row):
        return "."
    # Between commas, "1,234" in quotes is rather a thousand.
    fraction = r",(\d{1,2}|\d{4,})" if separator == "," else r",\d+"
    for column in zip_longest(*rows, fillvalue=""):
        cells = [cell.strip() for cell in column if cell.strip() not in MISSING]
        # Not a list, such as 1,12,3
        if all(re.fullmatch(rf"-?\d+({fraction})?", cell) for cell in cells) and any(
            "," in cell for cell in cells
        ):
            return ","
    return "."


def nearest(name: str, columns: list[str]) -> str:
    """Return a suggestion of the column nearest to `name`, else the list of columns."""
    folded = {column.casefold(): column for column in columns}
    match = get_close_matches(name.casefold(), folded, n=1) if name else []
    if match:
        return f"did you mean {folded[match[0]]!r}?"
    return f"it has {', '.join(columns[:20])}{', ...' if columns[20:] else ''}"


def check_target(
    rows: Iterator[list[str]], position: int, target: str, task: str, decimal: str, whole: bool
) -> None:
    """Raise ValueError unless the column at `position` suits the task."""
    counts: Counter[str] = Counter()
    for number, row in enumerate(rows, start=2):
        value = row[position].strip() if position < len(row) else ""
        if value in MISSING:
            continue
        if task == "regression" and not is_number(value, decimal):
            raise ValueError(
                f"row {number}: {target} is {value!r}, but task=regression predicts a number"
            )
        # Of a number's values, it is enough to know that there are some.
        counts[value if task == "classification" else ""] += 1
    if not counts:
        raise ValueError(f"{target}, the target, has no values")
    if task == "classification" and whole:
        if len(counts) < 2:
            raise ValueError(f"{target}, the target, is {value!r} in every row")
        single = [label for label, count in counts.items() if count < 2]
        if single:
            raise ValueError(
                f"each class of {target} needs two rows, but {single[0]!r} has one"
                + (f", as have {len(single) - 1} more" if single[1:] else "")
                + "; to predict a number, answer task=regression"
            )


def read(text: IO[str], task: str, target: str, whole: bool) -> dict[str, str]:
    """Return the separator and the decimal point of a table.

    Raises ValueError unless it has a header with the target, and the target suits the task.
    """
    sample = text.read(SAMPLE)
    sample += "".join(islice(text, SAMPLE_ROWS))
    if not sample.strip():
        raise ValueError("it is empty")
    separator = find_separator(sample, target)
    header, *rows = rows_of(sample, separator)
    decimal = find_decimal(rows, separator)
    if target not in header:
        if any(is_number(cell, ",") for cell in header):
            raise ValueError(f"its first row is no header: {', '.join(header[:5])}")
        problem = f"it has no column {target!r} for the target"
        if not target:
            problem = "target is empty: name the column to predict"
        raise ValueError(f"{problem}; {nearest(target, header)}")
    if header.count(target) > 1:
        raise ValueError(f"it has more than one column {target!r}, the target")

    text.seek(0)
    lines = (row for row in csv.reader(text, delimiter=separator) if row)
    next(lines)
    try:
        check_target(lines, header.index(target), target, task, decimal, whole)
    except EOFError:
        if whole:
            raise
        # Otherwise the part that was fetched ends in the middle of a gzip file.
    return {"separator": separator, "decimal": decimal}


def read_any(raw: IO[bytes], task: str, target: str, whole: bool) -> dict[str, str]:
    """Return the format of a table, see read, with its `encoding` and `suffix`."""
    start = raw.read(SAMPLE)
    raw.seek(0)
    suffix = ".csv"
    if start.startswith(b"\x1f\x8b"):
        suffix = ".csv.gz"
        raw = gzip.GzipFile(fileobj=raw)
        start = raw.read(SAMPLE)
    # UTF-8, UTF-16 if its mark says so, else Windows' code page for Western Europe
    encodings = {"utf-8-sig": "utf-8", "cp1252": "cp1252"}
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = {"utf-16": "utf-16"}
    elif b"\0" in start:
        raise ValueError("it is a binary file, not text")
    for codec, encoding in encodings.items():
        raw.seek(0)
        text = io.TextIOWrapper(raw, codec, newline="")
        try:
            return read(text, task, target, whole) | {"encoding": encoding, "suffix": suffix}
        except UnicodeDecodeError:
            continue
        finally:
            text.detach()
    raise ValueError(f"its text is not in {' or '.join(encodings.values())}")


@cache
def inspect(data: str, task: str, target: str) -> dict[str, str]:
    """Return what the project has to know of the table that the answer `data` names.

    `source` is the file's absolute path or the URL (empty for a bundled table), `raw` where the
    project keeps it, `plugin` the package that DVC needs to fetch it, and `separator`, `decimal`
    and `encoding` are pandas'. A table on the network that this Python cannot reach is taken for
    plain CSV; stage prepare will check it.

    Raises FailedHookException with a message for the user when it is no table with that target.
    """
    table = {"plugin": "", "separator": ",", "decimal": ".", "encoding": "utf-8", "suffix": ".csv"}
    source = "" if data == "bundled" else data
    if is_url(data):
        parts = urlsplit(data)
        if parts.scheme not in SOURCES or not parts.netloc:
            raise FailedHookException(
                f"data: {data!r} is not understood. Give a CSV file, or a URL that starts with "
                f"{', '.join(f'{scheme}://' for scheme in SOURCES)}."
            )
        if parts.password or parts.username:
            # cookiecutter keeps answers in a file, and git keeps the table's address.
            raise FailedHookException(
                f"data: leave user and password out of the {parts.scheme}:// URL; they would be "
                "stored with it."
            )
        table["plugin"] = SOURCES[parts.scheme]
    elif source:
        source = os.path.abspath(os.path.expanduser(data))

    name, _, _ = BUNDLED[task]
    try:
        if is_url(data):
            content = fetch(data)
            if content is not None:
                whole = len(content) < NETWORK_LIMIT
                if not whole and not content.startswith(b"\x1f\x8b"):
                    content = content[: content.rfind(b"\n") + 1]
                table |= read_any(io.BytesIO(content), task, target, whole)
            elif urlsplit(data).path.endswith(".gz"):
                table["suffix"] = ".csv.gz"
        else:
            place = Path(source) if source else next((TEMPLATE / FOLDER).glob(f"*{name}*"))
            with place.open("rb") as file:
                table |= read_any(file, task, target, whole=True)
    except (OSError, EOFError, HTTPException, zlib.error, ValueError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise FailedHookException(f"data: {data}: {reason}") from None
    if source:
        # Safe on every file system, in YAML and in commands
        safe = re.sub(r"[^A-Za-z0-9._-]+", "-", stem(data)).strip("-.") or "table"
        name = f"{safe}{table['suffix']}"
    return table | {"source": source, "raw": f"{FOLDER}/{name}"}
