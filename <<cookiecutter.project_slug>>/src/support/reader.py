"""Read a table in batches of rows, from a file in any format."""

import atexit
import datetime
import io
import json
import re
from collections import Counter, deque
from collections.abc import Collection, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any
from weakref import WeakSet, ref

from support.cells import MARK, SPELLINGS, Forms, Profile, as_stored, stored
from support.files import (
    HEADER_LINES,
    ROW_NAMES,
    SAMPLE,
    WORKBOOK,
    Borrowed,
    Dialect,
    FileError,
    Row,
    TextRows,
    check_headers,
    check_kinds,
    check_workbook,
    encoding_of,
    kind_of,
    names_of,
    null_pattern,
    parts_of,
    reason_of,
    unpack,
)
from support.params import InputError
from support.values import TIMES, bytes_of, matches, split_units, trim

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from tqdm import tqdm
from tqdm.utils import CallbackIOWrapper

BLOCK = 2**21  # bytes that Arrow parses at a time: it reads some 30 blocks ahead
BATCH = 2**24  # approximate bytes per batch
ROWS = 50_000  # rows that Python parses at a time
POOL = ThreadPoolExecutor()  # for work in Arrow, which lets other threads run
# Types whose values keep their spelling in those that `plain` returns
KEPT = {
    pa.string(),
    pa.bool_(),
    pa.float64(),
    pa.timestamp("us"),
    pa.int8(),
    pa.int16(),
    pa.int32(),
}
KEPT |= {pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.large_string(), pa.null()}
# Iterators from `batches` that are not exhausted
READING: WeakSet[Generator[pa.RecordBatch]] = WeakSet()


@atexit.register
def stop() -> None:
    """Reclaim the open files when an error ends the process, see Loan."""
    for batches in list(READING):
        batches.close()


class Loan:
    """A file that Arrow's threads read ahead, and release some time later.

    A thread that releases a Python object while the interpreter exits would abort the process.
    """

    def __init__(self, content: IO[bytes]) -> None:
        self._handle: Borrowed | None = Borrowed(content)
        self._returned: SimpleQueue[ref] = SimpleQueue()
        self._watch = ref(self._handle, self._returned.put)

    def stream(self, encoding: str) -> pa.BufferedInputStream:
        """Return the file in UTF-8. Its buffer copies the data: Arrow owns what it holds."""
        stream = pa.PythonFile(self._handle, "r")
        if encoding.lower().replace("_", "-") not in ("utf-8", "utf8"):
            stream = pa.transcoding_input_stream(stream, encoding, "utf-8")
        return pa.BufferedInputStream(stream, BLOCK)

    def end(self) -> None:
        """Wait until no thread holds the file. Its streams must be deleted first."""
        self._handle = None
        self._returned.get()


class Nulls(io.RawIOBase):
    """The bytes of a text in which cells that are \\N, the null of databases, outlive unescaping."""

    def __init__(self, content: IO[bytes], dialect: Dialect) -> None:
        self._content, self._ready = content, b""
        self._null = re.compile(null_pattern(dialect.separator).encode())

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._ready:
            block = self._content.read(SAMPLE)
            self._ready = self._null.sub(rb"\1\\\\N", block + self._content.readline())
        part = self._ready[: len(buffer)]
        self._ready = self._ready[len(part) :]
        buffer[: len(part)] = part
        return len(part)


class Table:
    """The table of a file, or of a folder of files with the same header.

    `names` are its columns, and for a folder also `file`, the name of each row's file, unless there
    is another column of that name. `short` counts the rows with fewer cells than the header, and
    `first_row` is the number of the row below the header. `batches` can be called more than once.
    It returns cells as strings, unchanged, except for a Parquet or Feather file, whose columns keep
    their types, as far as `plain` keeps them. Those that `spelt` names are then there as strings as
    well, in columns whose names end with MARK.

    Raises InputError when the file is missing, or has no readable table.
    """

    def __init__(self, path: str | Path, params: dict[str, Any]) -> None:
        self.path, self.params = Path(path), params
        self.short, self.first_short = 0, ""
        self.first_row: int = 2
        self._below = 2  # the row below the header of the last sheet
        self.row_names = False
        # Names that occur more than once in the header, and what the second is called
        self.repeated: dict[str, str] = {}
        # The types that the columns of Parquet or Feather files become
        self._types: dict[str, pa.DataType] = {}
        # The time zones of columns of times in these files; "" for none
        self.zones: dict[str, str] = {}
        self.spelt: list[str] = []
        self.absent: list[str] = []
        # Columns of a type that no model takes, and that type
        self.unusable: dict[str, str] = {}
        # Arrow's parser needs rows of equal length; otherwise Python's parser reads them.
        self._ragged: set[Path] = set()
        self._kinds: dict[Path, str] = {}
        self._encodings: dict[Path, str] = {}
        self._first_rows: dict[Path, int] = {}
        # The number of the first row of each part that was read, and whether it has empty lines
        self._starts: dict[Path, int] = {}
        self._has_empty_lines: dict[Path, bool] = {}
        self._merged = self._rounded = 0
        with self._errors():
            self._parts = parts_of(self.path)
            self._headers = {part: self._names(part) for part in self._parts}
            self.names = self._headers[self._parts[0]]
            check_kinds(self._kinds)
            if self.is_json:
                # An object need not have a value for each column.
                self.names = list(dict.fromkeys(chain(*self._headers.values())))
            else:
                check_headers(self._headers)
            self._stored_names = self.names
            self.tells_file = self.path.is_dir() and "file" not in self.names
            if self.tells_file:
                self.names = [*self.names, "file"]
            self.first_row = Row(self.first_row, self._tell)

    @property
    def is_json(self) -> bool:
        return set(self._kinds.values()) == {"json"}

    @property
    def has_numbers(self) -> bool:
        """Whether the file stores numbers as numbers, although its cells are read as strings."""
        return not {"excel", "json"}.isdisjoint(self._kinds.values())

    @property
    def has_separator(self) -> bool:
        """Whether a sign separates the cells of a row, in some of the files."""
        return "csv" in self._kinds.values()

    def add_absent(self, names: list[str]) -> None:
        """Add columns that no object of the JSON file has: a missing key is a missing value."""
        self.absent = names
        self._stored_names = [*self._stored_names, *names]
        self.names = [*self.names, *names]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise InputError(
                f"{self.path} not found: check its path, or fetch it with `dvc pull`"
            ) from None
        except Exception as error:  # noqa: BLE001, each format's reader raises its own
            raise InputError(f"{self.path} cannot be read: {reason_of(error)}") from None

    def notes(self) -> list[str]:
        """Return notes on the header, and on the rows that `batches` has yielded."""
        notes = [
            f"the header has {name!r} more than once: the second one is called {second}"
            for name, second in sorted(self.repeated.items())
        ]
        if self.row_names:
            notes.append(ROW_NAMES)
        if self._merged:
            notes.append(
                f"merged cells: {self._merged}; the first of each has a value, the others none"
            )
        if self._rounded:
            notes.append(
                f"numbers of more than 15 digits, which a spreadsheet rounds: {self._rounded}"
            )
        if self.absent:
            notes.append(f"no object has {', '.join(map(repr, self.absent))}: taken as missing")
        folders = [part.relative_to(self.path).parent.as_posix() for part in self._parts]
        if "=" in folders[-1]:
            notes.append(f"folders such as {folders[-1]} name no column: only `file` has them")
        if self.short:
            notes.append(
                f"rows with fewer cells than the header, filled with gaps: {self.short}, such as "
                f"row {self.first_short}"
            )
        return notes

    def _dialect(self, part: Path) -> Dialect:
        keys = ("separator", "quote", "escape", "skip")
        return Dialect(self._encodings[part], **{key: self.params[key] for key in keys})

    def _names(self, part: Path) -> list[str]:
        with self._open(part) as (content, kind):
            self._kinds[part], self._first_rows[part] = kind, 2
            if kind in ("csv", "json"):
                encoding = self.params["encoding"]
                folder = self.path.is_dir() and kind == "csv"
                self._encodings[part] = encoding_of(content, encoding) if folder else encoding
                rows = TextRows(content, kind, self._dialect(part))
                seen: Counter[str] = Counter()
                for cell, name in zip(rows.raw_names, rows.names, strict=True):
                    if cell.strip():
                        seen[cell.strip()] += 1
                        if seen[cell.strip()] == 2:
                            self.repeated[cell.strip()] = name
                self.row_names = rows.row_names
                self.first_row = self._first_rows[part] = rows.first_row
                return rows.names
            if kind == "excel":
                header = next(self._sheet(content))
                self.first_row = self._first_rows[part] = self._below
                return header
            names, types, _ = _stored(content, kind)
            for name, one in zip(names, types, strict=True):
                if pa.types.is_timestamp(one):
                    self.zones[name] = one.tz or ""
                if not usable(one):
                    self.unusable[name] = str(one)
                here = plain(pa.nulls(0, one)).type
                self._types[name] = joint(self._types.get(name, here), here, name)
            return names

    @contextmanager
    def _open(self, part: Path, bar: tqdm | None = None) -> Iterator[tuple[IO[bytes], str]]:
        with part.open("rb") as raw:
            if not raw.seekable():
                raise FileError("it is a pipe, which can be read only once: write it to a file")
            told = raw if bar is None else CallbackIOWrapper(partial(advance, bar), raw, "read")
            content = unpack(told)
            try:
                yield content, kind_of(content)
            except FileError as error:
                raise FileError(
                    f"{part.name}: {error}" if len(self._parts) > 1 else error
                ) from None

    def batches(self) -> Generator[pa.RecordBatch]:
        """Return an iterator over batches of the rows, in order."""
        batches = self._read()
        READING.add(batches)
        return batches

    def _read(self) -> Generator[pa.RecordBatch]:
        self.short, self.first_short = 0, ""
        self._starts.clear()
        row = int(self.first_row)
        with (
            self._errors(),
            tqdm(
                desc=f"reading {self.path.name}",
                total=sum(part.stat().st_size for part in self._parts),
                unit="B",
                unit_scale=True,
                leave=False,
                disable=None,
                delay=0.2,
                miniters=0,
            ) as bar,
        ):
            for part in self._parts:
                self._starts[part] = row
                for batch in ahead(grouped(self._batches(part, bar))):
                    row += len(batch)
                    absent = set(self._stored_names) - set(self._headers[part])
                    for name in sorted(absent):
                        batch = batch.append_column(name, pa.repeat("", len(batch)))
                    spelt = [name for name in batch.schema.names if name.endswith(MARK)]
                    batch = batch.select([*self._stored_names, *spelt])
                    if self.tells_file:
                        file = pa.repeat(str(part.relative_to(self.path)), len(batch))
                        batch = batch.append_column("file", file)
                    # The file is read ahead: without this, the bar might never show.
                    bar.update(0)
                    yield batch

    def _name(self, number: int, part: Path) -> str:
        return f"{number} of {part.relative_to(self.path)}" if self.path.is_dir() else str(number)

    def _tell(self, row: int) -> str:
        """Return the number of a row in its file, and the file if there are several, see Row."""
        # Another thread may be reading.
        starts = [(start, part) for part, start in list(self._starts.items()) if start <= row]
        if not starts:
            return str(row)
        start, part = max(starts)
        number = self._first_rows[part] + row - start
        if self._may_have_empty_lines(part):
            with self._errors(), self._open(part) as (content, kind):
                rows = TextRows(content, kind, self._dialect(part))
                with suppress(FileError):
                    deque(islice(rows, row - start + 1), 0)
                number = rows.number_of(row - start)
        return self._name(number, part)

    def _may_have_empty_lines(self, part: Path) -> bool:
        """Return whether a text file may have empty lines, which do not count as rows."""
        if self._kinds[part] != "csv" or part in self._ragged:
            return self._kinds[part] == "csv"
        if part not in self._has_empty_lines:
            with self._errors(), self._open(part) as (content, _):
                pattern, end, found = re.compile(rb"\n\0?\r?\0?\n"), b"", False
                while not found and (block := content.read(SAMPLE)):
                    found, end = bool(pattern.search(end + block)), block[-3:]
            self._has_empty_lines[part] = found
        return self._has_empty_lines[part]

    def _batches(self, part: Path, bar: tqdm) -> Iterator[pa.RecordBatch]:
        done, names = 0, self._headers[part]
        separator = self.params["separator"]
        with self._open(part, bar) as (content, kind):
            if kind in ("parquet", "feather"):
                *_, batches = _stored(content, kind, self.spelt)
                for batch in batches:
                    types = batch.schema
                    for place, name in enumerate(types.names):
                        types = types.set(place, pa.field(name, self._types.get(name, pa.string())))
                    try:
                        yield batch.cast(types)
                    except pa.ArrowInvalid as error:
                        raise FileError(reason_of(error)) from None
                return
            if kind == "excel":
                yield from self._chunks(self._sheet(content), names, skip=1)
                return
            if (
                kind == "csv"
                and len(separator) == 1
                and separator != " "
                and len(names) > 1  # else an empty line is a gap
                and part not in self._ragged
                and not (self.params["escape"] and self._encodings[part].startswith("utf-16"))
            ):
                try:
                    for batch in self._arrow_csv(content, self._dialect(part), names):
                        done += len(batch)
                        yield batch
                    return
                except pa.ArrowInvalid:
                    self._ragged.add(part)
        with self._open(part) as (content, kind):
            rows = TextRows(content, kind, self._dialect(part))
            yield from self._chunks(iter(rows), names, skip=done)
            if rows.short:
                self.first_short = self.first_short or self._name(rows.first_short, part)
            self.short += rows.short

    def _arrow_csv(
        self, content: IO[bytes], dialect: Dialect, header: list[str]
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows of a CSV file, without interpreting their text.

        Raises ArrowInvalid when rows differ in length, and for bytes that do not decode.
        """
        escape = dialect.escape == "\\"
        source = io.BufferedReader(Nulls(content, dialect)) if escape else content
        loan, reader, skip = Loan(source), None, 1
        try:
            stream = loan.stream(dialect.encoding)
            reader = pa.csv.open_csv(stream, *self._arrow_options(dialect, len(header)))
            # The header is read as a row, and skipped: its names may repeat.
            last = None
            for batch in reader:
                if last:
                    yield last
                last = pa.RecordBatch.from_arrays(batch.slice(skip).columns, names=header)
                skip = 0
                if any(may_hold_rows(one, self.params["separator"], len(header)) for one in last):
                    raise pa.ArrowInvalid("a value may be several rows")
            if last and "\n" in (last.column(-1)[-1].as_py() or ""):
                raise pa.ArrowInvalid("the last value may be one whose quotes do not end")
            if last:
                yield last
        finally:
            stream = reader = None
            loan.end()

    def _arrow_options(self, dialect: Dialect, width: int) -> tuple[Any, ...]:
        names = [f"f{number}" for number in range(width)]
        return (
            pa.csv.ReadOptions(
                block_size=BLOCK,
                skip_rows=dialect.skip,
                autogenerate_column_names=True,
            ),
            pa.csv.ParseOptions(
                delimiter=dialect.separator,
                quote_char=dialect.quote or False,
                double_quote=not dialect.escape,
                escape_char=dialect.escape or False,
                newlines_in_values=True,
            ),
            pa.csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string())),
        )

    def _sheet(self, content: IO[bytes]) -> Iterator[list[str]]:
        """Yield the rows of an Excel sheet as text, first the names of the columns."""
        book = open_workbook(content)
        names = sheets_of(book)
        name = self.params["sheet"] or names[0]
        if name not in names:
            raise FileError(f"it has no sheet {name!r}; there is {', '.join(names)}")
        sheet, skip = book.get_sheet_by_name(name), self.params["skip"]
        rows = sheet.to_python()[skip:]
        if not rows:
            raise FileError(f"its sheet {name!r} is empty")
        header = sheet.start[0] + skip
        self._below = header + 2  # calamine counts from 0
        self._merged = sum(end[0] > header for _, end in sheet.merged_cell_ranges or [])
        large = (cell for row in rows for cell in row if isinstance(cell, float))
        self._rounded = sum(2**53 < abs(cell) < 1e22 for cell in large)
        yield names_of([as_stored(_excel_text(cell)) for cell in rows[0]])
        yield from ([_excel_text(cell) for cell in row] for row in rows[1:])

    def _chunks(
        self, rows: Iterator[list[str]], names: list[str], skip: int = 0
    ) -> Iterator[pa.RecordBatch]:
        rows = islice(rows, skip, None)
        while chunk := list(islice(rows, ROWS)):
            arrays = [pa.array(cells, pa.string()) for cells in zip(*chunk, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, names=names)


def open_workbook(content: IO[bytes]) -> Any:
    """Return the workbook in an Excel file."""
    try:
        from python_calamine import CalamineWorkbook
    except ImportError:
        raise FileError("it is an Excel file: `pip install python-calamine`") from None
    stored = content.read(WORKBOOK + 1)
    check_workbook(stored)
    try:
        return CalamineWorkbook.from_filelike(io.BytesIO(stored))
    except Exception as error:  # noqa: BLE001, calamine raises its own
        raise FileError(f"it is no Excel file that can be read: {error}") from None


def sheets_of(book: Any) -> list[str]:
    """Return the names of the sheets of a workbook, visible ones before hidden ones."""
    seen = [one.name for one in book.sheets_metadata if one.visible == type(one.visible).Visible]
    return sorted(book.sheet_names, key=lambda name: name not in seen)


def may_hold_rows(cells: pa.Array, separator: str, width: int) -> bool:
    """Return whether a string may be several rows that a stray quote has merged into one value.

    A row with such a value is as long as the header only if the value has the separators of all
    these lines. Text with a NUL byte is left to Python's parser as well.
    """
    content = bytes_of(cells)
    if not (content <= ord("\n")).any():
        return False
    if (content == 0).any():
        return True
    several = cells.filter(pc.match_substring(cells, "\n"))
    lines = pc.multiply(pc.count_substring(several, "\n"), width - 1)
    return bool(pc.any(pc.equal(pc.count_substring(several, separator), lines)).as_py())


def find_sheet(content: IO[bytes], target: str) -> tuple[str, int]:
    """Return the first sheet of an Excel file whose header has the target, and the rows above it.

    The sheet is "" if it is the first one, or if no header has the target.
    """
    book = open_workbook(content)
    names = sheets_of(book)
    for name in names:
        rows = book.get_sheet_by_name(name).to_python(nrows=HEADER_LINES)
        for number, row in enumerate(rows):
            if target in names_of([as_stored(_excel_text(cell)) for cell in row]):
                return name if name != names[0] else "", number
    return "", 0


def grouped(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the same rows in non-empty batches of about BATCH bytes."""
    group, size = [], 0
    for batch in batches:
        if len(batch):
            group.append(batch)
            size += batch.nbytes
        if size >= BATCH:
            yield pa.concat_batches(group)
            group, size = [], 0
    if group:
        yield pa.concat_batches(group)


def ahead(parts: Iterator[Any]) -> Iterator[Any]:
    """Yield the items of `parts`, reading the next one in the meantime."""
    with ThreadPoolExecutor(1) as pool:
        following = pool.submit(next, parts, None)
        while (part := following.result()) is not None:
            following = pool.submit(next, parts, None)
            yield part


def _stored(
    content: IO[bytes], kind: str, spelt: Collection[str] = ()
) -> tuple[list[str], list[pa.DataType], Iterator[pa.RecordBatch]]:
    """Return the columns' names and types and the rows of a Parquet or Feather file, see Table."""
    if kind == "parquet":
        import pyarrow.parquet as pq

        # Without this, Arrow would read ahead in its own threads, see Loan.
        file = pq.ParquetFile(content, pre_buffer=False)
        schema, batches = file.schema_arrow, file.iter_batches(ROWS * 2)
    else:
        file = pa.ipc.open_file(content)
        schema = file.schema
        batches = (file.get_batch(number) for number in range(file.num_record_batches))
    names = names_of(schema.names)

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            # Otherwise a damaged or forged file could end the process, or expose its memory.
            batch.validate(full=True)
            for start in range(0, len(batch), ROWS * 2):
                part = dict(zip(names, batch.slice(start, ROWS * 2).columns, strict=True))
                columns = {name: plain(column) for name, column in part.items()}
                odd = [name for name in spelt if part[name].type not in KEPT]
                columns |= {name + MARK: spell(part[name]) for name in odd}
                yield pa.RecordBatch.from_pydict(columns)

    return names, schema.types, rows()


def joint(one: pa.DataType, other: pa.DataType, name: str) -> pa.DataType:
    """Return the type that can hold a column of two files in a folder.

    Raises FileError if there is no such type.
    """
    numbers = {pa.int64(), pa.float64()}
    if pa.types.is_null(one) or {one, other} == numbers:
        return other if pa.types.is_null(one) else pa.float64()
    if one != other and not pa.types.is_null(other):
        raise FileError(f"{name} is of type {other}, in another file it is {one}")
    return one


def advance(bar: tqdm, size: int) -> None:
    # The first bytes are read more than once.
    bar.update(min(size, bar.total - bar.n))


def usable(kind: pa.DataType) -> bool:
    """Return whether a column of this type holds single values, or none at all."""
    return pa.types.is_null(kind) or not pa.types.is_null(plain(pa.nulls(0, kind)).type)


def plain(column: pa.Array) -> pa.Array:
    """Return a column in one of the types that this project uses.

    These are string, bool, int64, float64 and timestamp in microseconds. Integers that may not fit
    int64 become strings, as do times of day; durations become seconds; a type without single values,
    such as a list, becomes null.
    """
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_boolean(kind):
        return column
    if pa.types.is_uint64(kind) or (pa.types.is_decimal(kind) and kind.scale <= 0):
        return column.cast(pa.string())
    if pa.types.is_integer(kind):
        return column.cast(pa.int64())
    if pa.types.is_decimal(kind):
        # Arrow's own cast multiplies: 100.10 would become 100.10000000000001.
        return column.cast(pa.string()).cast(pa.float64())
    if pa.types.is_floating(kind):
        return column.cast(pa.float64(), safe=False)
    if pa.types.is_time(kind):
        # As other files have them, which have no such type
        text = column.cast(pa.time64("us"), safe=False).cast(pa.string())
        return pc.replace_substring_regex(text, r"[.]000000\z", "")
    if pa.types.is_duration(kind):
        count = column.cast(pa.duration("us"), safe=False).cast(pa.int64())
        return pc.divide(count.cast(pa.float64()), 1e6)
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        # Nanoseconds are cut off; larger units may have no number in microseconds.
        cut = pa.types.is_timestamp(kind) and kind.unit == "ns"
        try:
            times = column.cast(pa.timestamp("us"), safe=not cut)
        except pa.ArrowInvalid:
            raise FileError("it has a time that is not in the years 1 to 9999") from None
        ends = pc.min_max(times.cast(pa.int64())).as_py()
        if not TIMES[0] <= (ends["min"] or 0) <= (ends["max"] or 0) < TIMES[1]:
            raise FileError("it has a time that is not in the years 1 to 9999")
        return times
    return pa.nulls(len(column))


def spell(column: pa.Array) -> pa.Array:
    """Return the values of a column as strings that lose nothing, in Arrow's or Python's spelling.

    >>> spell(pa.array([0.1, None], pa.float32())).to_pylist()
    ['0.1', None]
    >>> spell(pa.array([["a"]])).to_pylist(), spell(pa.array([b"a"])).to_pylist()
    (['["a"]'], ['a'])
    """
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if pa.types.is_float16(kind):
        column = column.cast(pa.float32())
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return column.cast(pa.string())
    write = partial(json.dumps, default=str) if pa.types.is_nested(kind) else str
    texts = [
        one.decode(errors="backslashreplace") if isinstance(one, bytes) else one
        for one in column.to_pylist()
    ]
    return pa.array([None if one is None else write(one) for one in texts], pa.string())


def _excel_text(value: Any) -> str:
    """Return the text of a spreadsheet cell, with dates in ISO format."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e22:
        return stored(str(int(value)))
    if isinstance(value, datetime.timedelta):
        sign, seconds = "-" * (value.days < 0), abs(value)
        hours, rest = divmod(seconds, datetime.timedelta(hours=1))
        return f"{sign}{hours}{str(rest)[1:]}"
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return stored(str(value.date()))
    return stored(str(value)) if isinstance(value, float | int | datetime.date) else str(value)


@dataclass
class Stored:
    """A column with a type in its file; `exact` unless it has integers beyond 2**53."""

    type: pa.DataType
    exact: bool = True
    rows: int = 0
    blank: int = 0
    varies: bool = False
    constant: Any = None

    def add(self, column: pa.Array) -> None:
        self.rows += len(column)
        self.blank += column.null_count
        if self.type == pa.int64() and self.exact and len(column) > column.null_count:
            ends = pc.min_max(column).as_py()
            self.exact = max(abs(end) for end in ends.values()) <= 2**53


class Survey:
    """An iterator over the rows of a table that counts the formats of the cells in each column.

    It yields batches of stripped cells. `profiles` has the formats of the cells so far, or the type
    of a column that is not strings in the file; `rows` is the number of rows.
    """

    def __init__(self, table: Table, forms: Forms) -> None:
        self.profiles: dict[str, Profile | Stored] = {}
        self.rows = 0
        self._forms, self._batches = forms, table.batches()

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        return self

    def __next__(self) -> pa.RecordBatch:
        batch = next(self._batches)
        names = batch.schema.names
        for name, column in zip(names, batch.columns, strict=True):
            text = pa.types.is_string(column.type)
            self.profiles.setdefault(name, Profile(self._forms) if text else Stored(column.type))
        columns = list(POOL.map(self._count, names, batch.columns))
        self.rows += len(batch)
        return pa.RecordBatch.from_arrays(columns, names=names)

    def state(self) -> list[tuple[Any, ...]]:
        """Return what was seen, without counts: while this is unchanged, so are most decisions."""
        return [
            (one.varies, one.blank > 0, one.exact)
            if isinstance(one, Stored)
            else (
                one.varies,
                one.blank > 0,
                *map(len, (one.forms, one.words, one.others, one.units, one.beside)),
            )
            for one in self.profiles.values()
        ]

    def _count(self, name: str, column: pa.Array) -> pa.Array:
        profile = self.profiles[name]
        if not profile.varies:
            values = pc.unique(column[:1000]).to_pylist()
            if len(values) == 1:
                values = pc.unique(column).to_pylist()
            profile.varies = len({*values, profile.constant} - {None}) > 1
            profile.constant = values[0]
        if isinstance(profile, Profile):
            return count_cells(profile, column)
        profile.add(column)
        return column


def count_blanks(profile: Profile, cells: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Count empty cells, and cells with surrounding blanks.

    Returns all cells, stripped, and those that are not empty.
    """
    if cells.null_count:
        cells = cells.fill_null("")
    stripped = trim(cells)
    lengths = pc.binary_length(stripped)
    filled = pc.greater(lengths, 0)
    blank = len(cells) - (pc.sum(filled).as_py() or 0)
    profile.rows += len(cells)
    profile.blank += blank
    # The number of bytes tells whether each cell must be checked.
    if stripped is not cells and pc.sum(pc.binary_length(cells)).as_py() != pc.sum(lengths).as_py():
        profile.padded += pc.sum(pc.and_(filled, pc.not_equal(cells, stripped))).as_py() or 0
    return stripped, stripped.filter(filled) if blank else stripped


def count_cells(profile: Profile, cells: pa.Array) -> pa.Array:
    """Count a batch of cells of a column with Arrow, as Profile.add does.

    Returns the cells stripped.
    """
    start = profile.next_row
    stripped, rest = count_blanks(profile, cells)
    words = pa.array(
        [one + mark for one in profile.known.words for mark in ("", MARK)], pa.string()
    )

    def row_of(cell: str) -> int:
        return start + pc.index(stripped, cell).as_py()

    def add(part: pa.Array) -> None:
        if profile.is_text:
            is_word = pc.is_in(part, words)
            profile.forms[""] += len(part) - (pc.sum(is_word).as_py() or 0)
            part = part.filter(is_word)
        values, numbers = pc.value_counts(part).flatten()
        profile.add_counts(dict(zip(values.to_pylist(), numbers.to_pylist(), strict=True)), row_of)

    # Arrow counts the forms that are known to occur. A few cells reveal these forms, and often also
    # that a column is text.
    some = 0 if profile.forms else 1000
    if some and len(rest):
        add(rest[:some])
        rest = rest[some:]
    # Words that users list may have a form, such as -999.
    if profile.known.listed and len(rest):
        is_word = pc.is_in(rest, words)
        add(rest.filter(is_word))
        rest = rest.filter(pc.invert(is_word))
    # The user's pattern comes first: it may fit cells that also have another form.
    forms = ["pattern"] if "pattern" in profile.known.patterns else []
    forms += [one for one, _ in profile.forms.most_common() if one in profile.known.patterns]
    for form in dict.fromkeys(forms):
        if len(rest) and not profile.is_text:
            fits = matches(rest, profile.known.patterns[form])
            profile.forms[form] += pc.sum(fits).as_py()
            rest = rest.filter(pc.invert(fits))
    if len(rest) and len(profile.beside) > SPELLINGS and not profile.is_text:
        rest = count_units(profile, rest)
    if len(rest):
        add(rest)
    return stripped


def count_units(profile: Profile, cells: pa.Array) -> pa.Array:
    """Count numbers with units that are known to occur, and return the other cells."""
    numbers, units = split_units(cells)
    plain = pc.invert(matches(cells, ".*[(].*", ".*-"))
    known = pc.is_in(units, pa.array(sorted({*profile.units} - {""}), pa.string()))
    candidates = pc.and_(plain, known)
    rest = pc.invert(candidates)
    for form in [one for one in profile.forms if one.endswith("*")]:
        fits = pc.and_(candidates, matches(numbers, profile.known.patterns[form[:-1]]))
        profile.forms[form] += pc.sum(fits).as_py()
        values, counts = pc.value_counts(units.filter(fits)).flatten()
        profile.units.update(dict(zip(values.to_pylist(), counts.to_pylist(), strict=True)))
        candidates = pc.and_not(candidates, fits)
    return cells.filter(pc.or_(rest, candidates))
