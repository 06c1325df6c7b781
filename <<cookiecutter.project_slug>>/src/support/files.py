"""The format of a table's file, and its rows as text.

Only the standard library: the template reads a table with this module before the project exists.
"""

import bz2
import codecs
import csv
import gzip
import io
import json
import lzma
import os
import re
import zipfile
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, reduce
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Self, TextIO, cast

from support.cells import as_stored, stored

# Limits on the content of a table: a packed file of a few kilobytes may hold gigabytes without an
# end of line. In bytes, of a line or cell (Python's own limit is 128 kB) and of a workbook
LONGEST = 2**25
FIRST = 50  # rows that tell whether the header lacks a name
WORKBOOK, UNPACKED = 2**28, 2**30
COLUMNS = 200_000
CELLS = 20_000_000  # of a spreadsheet
csv.field_size_limit(LONGEST)
# A comma or semicolon with a blank separates cells that are quoted after the blank: "a", "b".
SEPARATORS = [", ", "; ", ",", ";", "\t", "|", " ", "::", ":", "^", "~", "\x01"]
# Lines to search for the header, and bytes in which rows are compared
HEADER_LINES = 200
SAMPLE = 64 * 1024

# Text between the entries of a JSON array
BETWEEN = re.compile(r"\s*,?\s*")

# The kind of a binary file, by its first bytes
MAGIC = {
    b"PAR1": "parquet",
    b"ARROW1": "feather",
    b"FEA1": "a Feather file of version 1",
    b"\xd0\xcf\x11\xe0": "excel",
    b"%PDF": "a PDF document",
    b"SQLite format 3": "an SQLite database",
    b"\x89HDF": "an HDF5 file",
    b"\x89PNG": "a picture",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
    b"7z\xbc\xaf": "a 7z archive",
    b"Rar!": "a RAR archive",
    b"\x1aE\xdf": "a video",
    b"RDX2\n": "an R workspace",
    b"RDX3\n": "an R workspace",
    b"<stata_dta>": "a Stata file",
    **dict.fromkeys([b"q\2\1\0", b"r\2\1\0", b"s\2\1\0"], "a Stata file"),
    b"\0" * 12 + b"\xc2\xea\x81\x60": "a SAS file",
    b"$FL2": "an SPSS file",
    b"\x93NUMPY": "a NumPy array",
    b"MATLAB 5.0": "a MATLAB file",
    b"Obj\1": "an Avro file",
}
# Hidden files, and those that describe a table, in a folder or an archive
NO_TABLE = re.compile(
    r"(?i)(^|/)([._][^/]*|~[$][^/]*|thumbs[.]db"
    r"|((data|columns?)[ _-]?)?(readme|licen[cs]e|citation|changelog|index|descriptions?|dictionary|codebook)([.]txt)?)$"
    r"|[.](ini|cff|md|rst|pdf|html?|docx?|names|png|jpe?g|ya?ml|py|ipynb|crc)$|(^|/)__MACOSX/|/$"
)
PACKED = {b"\x1f\x8b": ".gz", b"\xfd7zXZ": ".xz", b"\x28\xb5\x2f\xfd": ".zst"}
PACKED |= {f"BZh{level}1AY&".encode(): ".bz2" for level in range(1, 10)}
# What to know of rows that have a cell more than the header
ROW_NAMES = (
    "each row has a cell more than the header: the first ones are taken for names of the rows; if "
    "they are not, mend the header"
)
# The problem of a row whose last value continues to the end of the file
UNCLOSED = "opens a quote that is never closed"


class FileError(ValueError):
    """A file without a readable table. The message says what it is and what to do."""


def reason_of(error: Exception) -> str:
    """Return on one line why a file could not be read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else error
    text = "".join(letter if letter.isprintable() else " " for letter in str(reason))
    return " ".join(text.split()) or type(error).__name__


@dataclass
class Dialect:
    """The format of a text file, in the parameters of the same names in params.yaml."""

    encoding: str = "utf-8"
    separator: str = ","
    quote: str = '"'
    escape: str = ""
    skip: int = 0


def parts_of(path: Path) -> list[Path]:
    """Return the files of a table: itself, or those in the folder that may hold rows.

    Raises FileError when there are none, or one is a broken link.
    """
    if not path.is_dir():
        return [path]
    entries = sorted(path.rglob("*"))
    for one in entries:
        if not one.exists():
            raise FileError(f"{one.relative_to(path)} is a link to a file that is not there")
    files = [one for one in entries if one.is_file() and one.stat().st_size]
    tables = [
        one
        for one in files
        if not NO_TABLE.search(one.name)
        and not any(name.startswith(".") for name in one.relative_to(path).parts)
    ]
    if not tables:
        raise FileError("the folder holds no files that may be tables")
    return tables


def check_headers(headers: dict[Path, list[str]]) -> None:
    """Raise FileError unless all files of a folder have the same columns, in any order."""
    (first, names), *others = headers.items()
    for part, found in others:
        if different := set(found) ^ set(names):
            column = next(name for name in [*found, *names] if name in different)
            raise FileError(f"{part.name} has another header than {first.name}: {column!r}")


def check_kinds(kinds: dict[Path, str]) -> None:
    """Raise FileError when the files of a folder are of several kinds."""
    (first, kind), *others = kinds.items()
    for part, other in others:
        if other != kind:
            raise FileError(f"{part.name} is {other}, but {first.name} is {kind}: make them alike")


def suffix_of(start: bytes) -> str:
    """Return the suffix for a compressed file with these first bytes, or ""."""
    return next((suffix for magic, suffix in PACKED.items() if start.startswith(magic)), "")


def unpack(raw: IO[bytes]) -> IO[bytes]:
    """Return the content of a file, which may be compressed or a zip archive of one file.

    Raises FileError for an archive of several files, or a compression that Python lacks.
    """
    start = raw.read(8)
    raw.seek(0)
    suffix = suffix_of(start)
    if suffix == ".gz":
        return cast(IO[bytes], gzip.GzipFile(fileobj=raw))
    if suffix == ".bz2":
        return bz2.BZ2File(raw)
    if suffix == ".xz":
        return lzma.LZMAFile(raw)
    if suffix == ".zst":
        return _unpack_zstd(raw)
    if start.startswith(b"PK\x03\x04"):
        try:
            archive = zipfile.ZipFile(raw)
        except zipfile.BadZipFile:
            raise FileError("it is a damaged zip archive") from None
        if any(name.startswith("xl/") for name in archive.namelist()):
            raw.seek(0)
            return raw
        names = [one for one in archive.namelist() if not NO_TABLE.search(one)]
        if "content.xml" in names:
            raise FileError("it is an OpenDocument sheet: save it as .xlsx, CSV or Parquet")
        if len(names) != 1:
            listed = ", ".join(names[:5]) or "nothing"
            raise FileError(
                f"the archive holds {len(names)} files ({listed}): unpack the one to use"
            )
        if archive.getinfo(names[0]).flag_bits & 1:
            raise FileError("the archive is protected by a password: unpack it")
        content = archive.open(names[0])
        start = content.read(8)
        packed = suffix_of(start)
        content.seek(0)
        if start.startswith(b"PK\x03\x04") and unpack(content) is not content:
            raise FileError(f"the archive holds another archive ({names[0]}): unpack it")
        content.seek(0)
        return unpack(content) if packed else content
    return raw


def check_workbook(content: bytes) -> None:
    """Raise FileError for an Excel file that would take too much memory.

    Its reader allocates memory for all cells up to the last one, and if there is not enough, it
    ends the process.
    """
    if len(content) > WORKBOOK:
        raise FileError(f"it has more than {WORKBOOK // 2**20} MB: export it as CSV or Parquet")
    if not content.startswith(b"PK"):
        return  # the older format, whose sheets are small
    archive = zipfile.ZipFile(io.BytesIO(content))
    if sum(member.file_size for member in archive.infolist()) > UNPACKED:
        raise FileError(
            f"it has more than {UNPACKED // 2**30} GB unpacked: export it as CSV or Parquet"
        )
    for name in archive.namelist():
        rows, columns, last = 0, 0, b""
        with archive.open(name) as member:
            while block := member.read(2**20):  # which also checks the declared size
                if not name.startswith("xl/worksheets/"):
                    continue
                cells = re.findall(rb"""\br\s*=\s*["']([A-Z]+)([0-9]+)""", last + block)
                rows = max([rows, *(int(row) for _, row in cells)])
                columns = max([columns, *(_number(letters) for letters, _ in cells)])
                last = block[-50:]
        if rows * columns > CELLS:
            raise FileError(
                f"{name} has a cell in row {rows} and one in column {columns}: delete what is far "
                "from the table, or export it as CSV or Parquet"
            )
        if name.startswith("xl/worksheets/") and name.endswith(".bin"):
            raise FileError("it is a binary workbook: save it as .xlsx, CSV or Parquet")


def _number(letters: bytes) -> int:
    """Return the number of a spreadsheet's column: 1 for A, 27 for AA."""
    return reduce(lambda number, letter: 26 * number + letter - 64, letters, 0)


def _unpack_zstd(raw: IO[bytes]) -> IO[bytes]:
    with suppress(ImportError):
        from compression import zstd  # since Python 3.14

        return zstd.ZstdFile(raw)
    try:
        import pyarrow as pa
    except ImportError:
        raise FileError("this Python cannot unpack zstd") from None

    def start() -> Any:
        return pa.CompressedInputStream(pa.PythonFile(Borrowed(raw), "r"), "zstd")

    return io.BufferedReader(_Zstd(raw, start))


class Borrowed:
    """A file that stays open when Arrow closes it: its owner closes it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def close(self) -> None:
        pass


class _Zstd(io.RawIOBase):
    """The content that an Arrow stream unpacks. It cannot seek back: it starts again instead.

    Raises EOFError for a truncated file, like Python's own readers.
    """

    def __init__(self, raw: IO[bytes], start: Callable[[], Any]) -> None:
        self._raw, self._start = raw, start
        self._stream, self._place = start(), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: Any) -> int:
        try:
            content = self._stream.read(min(len(buffer), 2**16))
        except OSError as error:
            if "runcated" in str(error):
                raise EOFError("it ends too early") from None
            raise
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_END:
            while self.read(SAMPLE):
                pass
        place = offset + (0 if whence == os.SEEK_SET else self._place)
        if place < self._place:
            self._raw.seek(0)
            self._stream, self._place = self._start(), 0
        while self._place < place and self.read(min(SAMPLE, place - self._place)):
            pass
        return self._place


def kind_of(content: IO[bytes]) -> str:
    """Return csv, json, parquet, feather or excel for an unpacked file; rewinds it.

    Raises FileError for a file that is not a table.
    """
    start = content.read(2048)
    content.seek(0)
    if not start:
        raise FileError("it is empty")
    if start.startswith(b"PK\x03\x04"):
        return "excel"
    if start[257:262] == b"ustar":
        raise FileError("it is a tar archive: unpack the table in it")
    for magic, name in MAGIC.items():
        # A column may be called PAR1.
        is_text = magic.isalnum() and re.match(rb"[\t\n\r -~]", start[len(magic) :])
        if start.startswith(magic) and not is_text:
            if " " in name:
                raise FileError(f"it is {name}, not a table: export it as CSV or Parquet")
            return name
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    tags = rb"!doctype html|html|head|body|table|div|style|meta|script|center|font"
    if re.match(rb"(?i)<(?:%b)[\s>]|<!--|<\?xml" % tags, text):
        raise FileError(
            "it is a web page, not a table: is this the address of the file itself? What a spreadsheet "
            "opens as a table is to be saved as .xlsx or CSV"
        )
    if text.startswith(b"version https://git-lfs"):
        raise FileError("it is a pointer of Git LFS: fetch the file with `git lfs pull`")
    if is_utf16(start) and re.match(
        rb'[{\[]\s*[{\["]', text.replace(b"\0", b"").lstrip(b"\xff\xfe")
    ):
        raise FileError("it is JSON in UTF-16: save it in UTF-8")
    if re.match(rb'[{\[]\s*[{\["]', text) or text[:2] == b"{}":
        return "json"
    if b"\0" in start and not is_utf16(start):
        if start.count(0) < len(start) // 100:
            row = start.count(b"\n", 0, start.index(0)) + 1
            raise FileError(f"row {row} has a NUL byte, as no text has: mend the row")
        raise FileError("it is a binary file that is not known: export it as CSV or Parquet")
    return "csv"


def is_utf16(start: bytes) -> bool:
    zeros = [start[parity::2].count(0) for parity in (0, 1)]
    return (
        start[:2] in (b"\xff\xfe", b"\xfe\xff")
        or start[:4] == b"\0\0\xfe\xff"
        or (max(zeros) > 0.3 * len(start) > 9 * min(zeros))
    )


def encoding_of(content: IO[bytes], encoding: str) -> str:
    """Return the encoding of a text file if others of its table are in `encoding`.

    Text in another encoding hardly ever looks like UTF-8 with non-ASCII letters. The file is left at
    its start.
    """
    known = encoding.lower().replace("_", "-")
    try:
        content.seek(0)
        start = block = content.read(1000)
        if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            return "utf-16"
        wide = known.startswith("utf-16")
        if not wide and b"\0" in start and is_utf16(start):
            return "utf-16-be" if start[0] == 0 else "utf-16-le"
        if known in ("utf-8", "utf8") or wide and b"\0" in start:
            return encoding
        decoder, is_ascii = codecs.getincrementaldecoder("utf-8")(), not wide
        while block:
            is_ascii &= block.isascii()
            decoder.decode(block)
            block = content.read(2**20)
        decoder.decode(b"", final=True)
        return encoding if is_ascii else "utf-8"
    except UnicodeDecodeError:
        return encoding
    finally:
        content.seek(0)


def bad_byte(content: bytes, position: int, encoding: str) -> str:
    """Return what is wrong with the byte at `position`."""
    row = content.count(b"\n", 0, position) + 1
    column = position - content.rfind(b"\n", 0, position)
    return (
        f"row {row} is no {encoding}: byte {content[position]:#04x} at its position {column}; save "
        "the file in that encoding, or mend the row"
    )


class Lines(io.BufferedIOBase):
    """The bytes of a text. Raises FileError for a line of more than LONGEST."""

    name = ""  # TextIOWrapper reads it

    def __init__(self, content: IO[bytes]) -> None:
        self._content, self._length = content, 0

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1) -> bytes:
        block = self._content.read(size)
        # Fast but not exact: a block with an end of line counts as 0.
        self._length = 0 if b"\n" in block or b"\r" in block else self._length + len(block)
        if self._length > LONGEST:
            raise FileError(f"it has a line of more than {LONGEST // 2**20} MB: is it a table?")
        return block


def parse(lines: Iterable[str], dialect: Dialect) -> Iterator[list[str]]:
    """Return the rows of some lines with line ends; empty lines are skipped."""
    return (row for row, _ in parse_lines(lines, dialect) if row)


def parse_lines(lines: Iterable[str], dialect: Dialect) -> Iterator[tuple[list[str], str]]:
    """Yield the rows of some lines, each with the problem of its quotes; an empty line is []."""
    separator = dialect.separator
    blank = len(separator) == 2 and separator[1] == " "
    if len(separator) > 1 and not blank:
        split = (line.rstrip("\r\n").split(separator) for line in lines)
        yield from ((row if len(row) > 1 or row[0].strip() else [], "") for row in split)
        return
    if separator == " ":
        # Some write a tab before the last column.
        lines = (line.replace("\t", " ").strip(" \r\n") + "\n" for line in lines)
    open_reader = partial(
        csv.reader,
        delimiter=separator[:1],
        quotechar=dialect.quote or None,
        quoting=csv.QUOTE_MINIMAL if dialect.quote else csv.QUOTE_NONE,
        doublequote=not dialect.escape,
        escapechar=dialect.escape or None,
        skipinitialspace=blank or separator == " ",
    )
    taken, before, nul = io.StringIO(newline=""), 0, False

    def take() -> Iterator[str]:
        nonlocal nul
        for line in lines:
            nul = nul or "\0" in line
            taken.write(line)
            yield line

    for row in (rows := open_reader(take())):
        wrong = "has a NUL byte, as no text has" if nul else ""
        if rows.line_num > before + 1:
            taken.seek(0)
            wrong = wrong or check_quotes(open_reader(taken, strict=True), dialect.quote)
        taken.seek(0)
        taken.truncate()
        before = rows.line_num
        yield (row if len(row) > 1 or (row and row[0].strip()) else []), wrong


def check_quotes(row: Iterable[list[str]], quote: str) -> str:
    """Return the problem that a strict reader finds in the quotes of a row of several lines.

    Other readers take text after a closing quote as part of the value. A quote opened by mistake
    would then end at the next quote, some rows below.
    """
    try:
        list(row)
    except csv.Error as error:
        if "end of data" in str(error):
            return UNCLOSED
        return f"has {quote} in a value of several lines that is not doubled, or opens a quote by mistake"
    return ""


def encloses(lines: list[str], dialect: Dialect) -> bool:
    """Return whether the quotes between tabs enclose cells; databases write those of the text.

    >>> encloses(['"a"\\t1', '"b, c"\\t2'], Dialect("utf-8", "\\t"))
    True
    >>> encloses(['"The best" of\\t1', '"lone\\t2'], Dialect("utf-8", "\\t"))
    False
    """
    if dialect.separator != "\t" or not dialect.quote:
        return True
    quote = dialect.quote
    try:
        for _ in csv.reader(lines, delimiter="\t", quotechar=quote, strict=True):
            pass
    except csv.Error as error:
        cells = [cell for line in lines for cell in line.rstrip("\r\n").split("\t")]
        opened = [cell for cell in cells if cell.startswith(quote)]
        closed = [cell for cell in opened if len(cell) > 1 and cell.endswith(quote)]
        return "end of data" in str(error) or 2 * len(closed) >= len(opened)
    return True


def fit_of(lines: list[str], dialect: Dialect, target: str) -> tuple[bool, float, bool, int, float]:
    """Return whether the header has the target, the share of rows with its length, `encloses`, the
    number of its names.

    The share comes first rounded, because some rows may be ragged, and last exact.
    """
    try:
        header, *rows = parse(lines[dialect.skip : dialect.skip + 500], dialect)
    except (ValueError, csv.Error):
        return False, 0, False, 0, 0
    width = len(header)
    has = target in [name.strip() for name in header]
    even = sum(len(row) == width for row in rows) / len(rows) if rows else 1
    lengths = {len(row) for row in rows}
    if has and len(rows) > 1 and len(lengths) == 1:
        [length] = lengths
        # See TextRows; of shorter rows, the last columns are empty.
        even = 0.9 if length == width + 1 else 0.6 if 1 < length < width else even
    # The rest of n | w | y, split at blanks, is not a name.
    named = sum(bool(re.search(r"\w", name)) for name in header)
    share = round(even, 1) if width > 1 or has else 0
    return has, share, encloses(lines, dialect), named, even


def candidates(sample: str, separators: Iterable[str], skip: int) -> Iterator[Dialect]:
    """Yield the possible dialects of a text, the usual ones first."""
    for separator in separators:
        for quote, escape in (('"', ""), ('"', "\\"), ("'", ""), ("'", "\\"), ("", "")):
            if escape not in sample or quote == "'" and quote not in sample:
                continue
            # Where tabs stand between cells, a quote may be an inch, or open a title.
            if not quote and (separator != "\t" or '"' not in sample):
                continue
            if separator in (", ", "; ") and not re.search(
                f"{separator} *{quote}(?!{quote})", sample
            ):
                continue
            yield Dialect("utf-8", separator, quote, escape, skip)


def declared_separator(line: str) -> str:
    """Return the separator that a line above the header names, as Excel reads it; "" if none.

    >>> declared_separator("sep=;"), declared_separator("a;b")
    (';', '')
    """
    named = re.fullmatch(r'"?sep=(.)"?', line.strip("\ufeff\r\n"), re.IGNORECASE)
    return named[1] if named else ""


def find_dialect(sample: str, target: str, cut: bool) -> Dialect:
    """Return the dialect in which a line has the target, and the rows below it have its length.

    `cut` says that the last line of the sample may be cut off.
    """
    lines = list(io.StringIO(sample, newline=""))  # splitlines splits at more characters
    if not lines:
        raise FileError("it is empty")
    if cut and len(lines) > 1:
        lines.pop()
    named = declared_separator(lines[0])
    first, separators = (1, [named]) if named else (0, SEPARATORS)

    def best(skip: int) -> tuple[Dialect, bool]:
        """Return the dialect of the lines after the first `skip`, and whether it has the target."""
        found = max(
            candidates(sample, separators, skip), key=lambda one: fit_of(lines, one, target)
        )
        has, even, *_ = fit_of(lines, found, target)
        return found, has and even > 0.5

    dialect, fits = best(first)
    if named and not fits:
        # The declared separator may be another program's mistake.
        separators = SEPARATORS
        dialect, fits = best(first)
    if target and not fits:
        # Below a title, a line may have the target.
        below = range(first + 1, min(HEADER_LINES, len(lines)))
        for skip in sorted(below, key=lambda number: lines[number].startswith("#")):
            if target in lines[skip]:
                found, fits = best(skip)
                if fits:
                    return found
    return dialect


def names_of(header: list[str]) -> list[str]:
    """Return unique names of columns: missing and repeated ones are named as in pandas.

    No other name of the header is taken.

    >>> names_of(["", "x", " x "]), names_of(["x", "x", "x.1"])
    (['Unnamed: 0', 'x', 'x.1'], ['x', 'x.2', 'x.1'])
    """
    names: dict[str, None] = {}
    repeated: Counter[str] = Counter()
    bases = [cell.strip() or f"Unnamed: {position}" for position, cell in enumerate(header)]
    for base in bases:
        name = base
        while name in names or (name != base and name in bases):
            repeated[base] += 1
            name = f"{base}.{repeated[base]}"
        names[name] = None
    return list(names)


class Row(int):
    """The number of a row, counted without empty lines; as text, the number in its file.

    `tell` returns this text for such a number.

    >>> row = Row(2, lambda number: f"{number + 1} of a.csv")
    >>> f"row {row}", f"row {row + 10}", row + 10 == 12
    ('row 3 of a.csv', 'row 13 of a.csv', True)
    """

    tell: Callable[[int], str]

    def __new__(cls, number: int, tell: Callable[[int], str]) -> Self:
        row = super().__new__(cls, number)
        row.tell = tell
        return row

    def __add__(self, more: int) -> "Row":
        return Row(int(self) + more, self.tell)

    def __str__(self) -> str:
        return self.tell(int(self))

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)


class TextRows:
    """The rows of a text file, each as long as the header.

    `names` are the columns. `short` counts the rows so far that had fewer cells than the header and
    were filled with blank cells; `first_short` is the first of them. `first_row` is the number of
    the row below the header.

    If the text is `cut`, its last row may be incomplete, and is left out.

    Raises FileError for a row with more cells than the header or with unclosed quotes, or for a
    byte that does not decode.
    """

    def __init__(self, content: IO[bytes], kind: str, dialect: Dialect, cut: bool = False) -> None:
        self.short = self.first_short = 0
        self._content, self._dialect, self._cut = content, dialect, cut
        self._header = 1  # the row of the header
        # Rows below empty lines, counted from the header, and how many such lines are above them
        self._below: list[int] = []
        self._empty: list[int] = []
        rows = self._json() if kind == "json" else self._csv()
        try:
            header = next(rows)
        except StopIteration:
            raise FileError("it is empty") from None
        self.row_names = False
        if kind == "csv":
            first = list(islice(rows, FIRST))
            rows = chain(first, rows)
            short = dialect.separator == " " and header[0] == "#"
            if short and all(len(row) == len(header) - 1 for row in first):
                header = header[1:]  # as numpy.savetxt writes it
            self.row_names = may_be_row_names(first, len(header))
            if self.row_names:
                # R's write.table numbers the rows in an unnamed column.
                header = ["", *header]
        if len(header) > COLUMNS:
            raise FileError(f"it has more than {COLUMNS} columns: is the separator right?")
        self.raw_names = header
        self.first_row = self._header + 1
        self.names = names_of(header)
        self._rows = self._checked(rows)

    def __iter__(self) -> Iterator[list[str]]:
        return self._rows

    def number_of(self, position: int) -> int:
        """Return the number in the file of a row that was read; the first has position 0."""
        runs = bisect_right(self._below, position + 1)
        return self.first_row + position + (self._empty[runs - 1] if runs else 0)

    def _csv(self) -> Iterator[list[str]]:
        encoding = self._dialect.encoding
        # A byte order mark is not part of the first name.
        codec = "utf-8-sig" if encoding.lower().replace("_", "-") in ("utf-8", "utf8") else encoding
        text = io.TextIOWrapper(Lines(self._content), codec, newline="")
        try:
            for _ in range(self._dialect.skip):
                next(text, "")
            lines = map(partial(keep_nulls, dialect=self._dialect), text)
            escapes = self._dialect.escape == "\\" and len(self._dialect.separator) == 1
            rows = parse_lines(lines if escapes else text, self._dialect)
            width = blank = count = 0
            self._header = 0
            for number, (row, wrong) in enumerate(rows, start=1 + self._dialect.skip):
                if not row and not wrong:
                    blank += 1
                    continue
                if width == 1:
                    # In a single column, an empty line is a gap, except below the last row.
                    yield from [[""]] * blank
                elif width and blank:
                    self._below.append(count)
                    self._empty.append(number - self._header - count)
                width, blank, count = width or len(row), 0, count + 1
                self._header = self._header or number
                if self._cut and wrong == UNCLOSED:
                    return
                if wrong:
                    hint = "" if "NUL" in wrong else ", or set prepare.quote"
                    raise FileError(f"row {number} {wrong}: mend the row{hint}")
                yield row
        except UnicodeDecodeError as error:
            raise FileError(self._find_bad_byte(encoding) or str(error)) from None
        except UnicodeError as error:
            raise FileError(f"it is no {encoding}: {error}") from None
        except csv.Error as error:
            raise FileError(f"{error}: are separator, quote and escape right?") from None
        finally:
            with suppress(ValueError):
                text.detach()

    def _find_bad_byte(self, encoding: str) -> str:
        self._content.seek(0)
        lines = iter(partial(self._content.readline, LONGEST), b"")
        for number, line in enumerate(lines, start=1):
            try:
                line.decode(encoding)
            except UnicodeDecodeError as error:
                return bad_byte(b"\n" * (number - 1) + line, number - 1 + error.start, encoding)
        return ""

    def _json(self) -> Iterator[list[str]]:
        names: dict[str, None] = {}
        count, one = 0, {}
        for one in self._objects():
            count += 1
            names.update(dict.fromkeys(one))
            if len(names) > COLUMNS:
                break
        lists = {name: value for name, value in one.items() if isinstance(value, list) and value}
        tables = [name for name, value in lists.items() if isinstance(value[0], dict | list)]
        if count == 1 and tables:
            longest = max(tables, key=lambda name: len(one[name]))
            raise FileError(
                f"it is one object, not one for each row: make {longest!r} in it a file by itself"
            )
        columnar = len(lists) == len(one) > 1 and len(set(map(len, lists.values()))) == 1
        # pandas writes {"x": {"0": 1, "1": 2}} or {"0": {"x": 1}} by other settings.
        numbered = all(re.search(r"[.][0-9]+$|^[0-9]+[.]", name) for name in one)
        if count == 1 and (columnar or numbered and len(one) > 1):
            raise FileError(
                "it has all rows in one object: write an object for each row (in pandas, "
                "to_json(..., orient='records'))"
            )
        yield list(names)
        self._content.seek(0)
        for number, one in enumerate(self._objects(), start=1):
            cells = [_as_cell(one.get(name, "")) for name in names]
            try:
                "".join(cells).encode()
            except UnicodeEncodeError as error:
                half = error.object[error.start]
                name = next(name for name, cell in zip(names, cells, strict=True) if half in cell)
                raise FileError(
                    f"entry {number}: {name} has \\u{ord(half):04x}, half of a character"
                ) from None
            yield cells

    def _objects(self) -> Iterator[dict[str, Any]]:
        is_array = self._content.read(2048).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")
        self._content.seek(0)
        content = self._content if is_array else Lines(self._content)
        text = io.TextIOWrapper(content, "utf-8-sig")
        # Numbers stay as they are written.
        decoder = json.JSONDecoder(
            parse_float=Number,
            parse_int=Number,
            parse_constant=Number,
            object_pairs_hook=object_of,
        )
        number = 0
        try:
            entries = (
                array_of(text, decoder)
                if is_array
                else (decoder.decode(line) for line in text if line.strip())
            )
            for number, entry in enumerate(entries, start=1):
                if not isinstance(entry, dict):
                    raise FileError(f"entry {number} is no object with a value for each column")
                yield flat(entry)
        except json.JSONDecodeError as error:
            raise FileError(
                f"it is no JSON, or not an object in each line: entry {number + 1}: {error.msg}"
            ) from None
        except UnicodeDecodeError as error:
            raise FileError(self._find_bad_byte("utf-8") or str(error)) from None
        except RecursionError:
            raise FileError("its JSON is nested too deeply") from None
        finally:
            with suppress(ValueError):  # it may be closed
                text.detach()

    def _checked(self, rows: Iterator[list[str]]) -> Iterator[list[str]]:
        width = len(self.names)
        for position, row in enumerate(rows):
            if len(row) != width:
                number = self.number_of(position)
                if len(row) < width and self._dialect.separator == " ":
                    raise FileError(
                        f"row {number} has {len(row)} cells, but the header has {width}: between "
                        "blanks, nothing tells which one is missing"
                    )
                if len(row) < width:
                    self.short += 1
                    self.first_short = self.first_short or number
                    row = row + [""] * (width - len(row))
                elif any(cell.strip() for cell in row[width:]):
                    raise FileError(
                        f"row {number} has {len(row)} cells, but the header has {width}: is there a "
                        "separator inside a value, or a name missing in the header?"
                    )
                else:
                    row = row[:width]
            yield row


def may_be_row_names(rows: list[list[str]], width: int) -> bool:
    """Return whether the first cells of some rows name them, as R writes them without a header.

    They differ, and numbers rise. If not, a separator may be inside a value.

    >>> may_be_row_names([["1", "a"], ["2", "b"]], 1), may_be_row_names([["7", "5"], ["3", "5"]], 1)
    (True, False)
    """
    if len(rows) < 2 or any(len(row) != width + 1 for row in rows):
        return False
    names = [row[0] for row in rows]
    numbers = [int(name) for name in names if re.fullmatch("[0-9]+", name)]
    separated = any(row[-1].strip() for row in rows)  # else each row ends in a separator
    return separated and len(set(names)) == len(names) and numbers == sorted(numbers)


def keep_nulls(line: str, dialect: Dialect) -> str:
    """Return a line in which cells that are \\N, the null of databases, outlive unescaping.

    >>> keep_nulls("\\\\N,x", Dialect(escape="\\\\"))
    '\\\\\\\\N,x'
    """
    if "\\N" not in line:
        return line
    return re.sub(null_pattern(dialect.separator), r"\1\\\\N", line)


def null_pattern(separator: str) -> str:
    """Return the pattern of a cell that is \\N, and what stands before it."""
    mark = re.escape(separator)
    return rf"(?m)(^|{mark})\\N(?={mark}|\r?$)"


def array_of(text: TextIO, decoder: json.JSONDecoder) -> Iterator[Any]:
    """Yield the entries of a JSON array, holding only some in memory at a time.

    Raises JSONDecodeError for other text, and for an entry of more than LONGEST.
    """
    part, place = text.read(SAMPLE).lstrip()[1:], 0
    while True:
        if between := BETWEEN.match(part, place):
            place = between.end()
        if part.startswith("]", place):
            return
        try:
            entry, place = decoder.raw_decode(part, place)
        except json.JSONDecodeError:
            # It may continue in text that is not read yet.
            more = text.read(max(SAMPLE, len(part) - place))
            if not more or len(part) - place > LONGEST:
                raise
            part, place = part[place:] + more, 0
        else:
            yield entry


def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Raises FileError when it has a name twice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        name = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise FileError(f"an object has {name!r} more than once")
    return found


class Number(str):
    """A number in a JSON file, as the file spells it."""


def flat(entry: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return an object with the values of nested objects, under dotted names.

    Raises FileError when two values get the same name.

    >>> flat({"id": 1, "size": {"x": 2, "y": {"from": 3}}})
    {'id': 1, 'size.x': 2, 'size.y.from': 3}
    """
    found: dict[str, Any] = {}
    for name, value in entry.items():
        inside = flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {}
        inside = inside or {f"{prefix}{name}": value}
        if twice := found.keys() & inside.keys():
            raise FileError(f"an entry has two values called {min(twice)!r}: rename one")
        found |= inside
    return found


def _as_cell(value: Any) -> str:
    """Return a JSON value as a cell: a text without its quotes, any other value as in the file."""
    if value is None or value == {}:
        return ""
    if isinstance(value, Number):
        return stored(value)
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return f"[{', '.join(map(_in_list, value))}]"
    return json.dumps(value)


def _in_list(value: Any) -> str:
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)}: {_in_list(one)}" for key, one in value.items())
        return f"{{{', '.join(pairs)}}}"
    if value is None or isinstance(value, str) and not isinstance(value, Number):
        return json.dumps(value, ensure_ascii=False)
    return as_stored(_as_cell(value))
