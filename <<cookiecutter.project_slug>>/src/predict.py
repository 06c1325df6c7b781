"""Predict the target of new rows: python src/predict.py new.csv [-o predictions.csv]"""

import argparse
import csv
import os
import re
import secrets
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any

from support import PROJECT
from support.cells import MARK, as_stored
from support.files import declared_separator, encoding_of, kind_of, unpack
from support.metrics import predict
from support.model_file import MODEL, load
from support.params import InputError, load_params
from support.reader import Table
from support.schema import Schema, check_columns

import pandas as pd

from features import add_features

# Files of the project with a suffix that predictions may have
OWN = ("LICENSE", "constraints.txt", "requirements.txt")
# Times in this zone are read as those without one.
UTC = ("UTC", "Etc/UTC", "+00:00")


class NewValues:
    """Counts texts of new rows that no row for training had, where those had few different ones."""

    def __init__(self, values: dict[str, list[str]]) -> None:
        self.values = values
        self.filled: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.first: dict[str, str] = {}

    def add(self, frame: pd.DataFrame) -> None:
        for name in self.values.keys() & set(frame):
            cells = frame[name].dropna()
            unknown = cells[~cells.isin(self.values[name])]
            self.filled[name] += len(cells)
            self.unknown[name] += len(unknown)
            if len(unknown):
                self.first.setdefault(name, unknown.iloc[0])

    def notes(self) -> list[str]:
        """Return a note on each column most of whose texts are unknown."""
        return [
            f"{name}: {self.unknown[name]} of {self.filled[name]} values, such as {first!r}, are new "
            f"to the model, which knows {', '.join(self.values[name][:5])}"
            for name, first in sorted(self.first.items())
            if 2 * self.unknown[name] > self.filled[name]
        ]


def check_table(table: Table, schema: Schema, features: list[str]) -> None:
    """Raise InputError unless a table has the columns of its file from which `features` are made."""
    raw = {column.name for column in schema.columns}
    if table.row_names and table.names[0] not in raw:
        raise InputError(
            f"{table.path}: each row has a cell more than the header: is its separator "
            f"{schema.file['separator']!r}, and not inside a value?"
        )
    wanted = [name for name in features if name in raw]
    there = [name for name in wanted if name in table.names]
    if there and table.is_json:
        table.add_absent([name for name in wanted if name not in table.names])
    elif not there and len(table.names) > len(wanted) > 1:
        raise InputError(
            f"{table.path}, row {table.first_row - 1}: {', '.join(table.names[:5])} is no header with "
            f"{', '.join(wanted[:5])}: remove the lines above it"
        )
    check_columns(wanted, table.names, table.path)
    for name in features:
        zone, zones = table.zones.get(name), schema.column(name).zones if name in raw else ""
        if zone is not None and zones and (zones == "all") != bool(zone) and zone not in UTC:
            has = f"the zone {zone}" if zone else "no zone"
            raise InputError(f"{table.path}: times in {name} have {has}, unlike those for training")
        if name in table.unusable:
            kind = table.unusable[name]
            raise InputError(
                f"{table.path}: {name} holds values of type {kind}, which no model takes"
            )


def predict_rows(
    estimator: Any, table: Table, schema: Schema, keep: bool, new_values: NewValues
) -> Iterator[list[Any]]:
    """Yield the header, then a row for each row of `table`, in batches.

    A row has the table's columns that are not features, unchanged, and the column prepare.time
    (with `keep`, all columns); then `prediction` and, if the model gives probabilities,
    `probability of CLASS` for each class. The model reads each column as in training, and fills
    missing values. `new_values` counts the values that are new to it.

    Raises InputError for a missing feature, or a cell that is not of its feature's kind.
    """
    features = list(estimator.feature_names_in_)
    check_table(table, schema, features)
    used = set(features) - set(schema.names("time"))
    carried = [name for name in table.names if keep or name not in used]
    table.spelt = [name for name in carried if name != "file" or not table.tells_file]
    header: list[str] = []
    row = table.first_row
    for batch in table.batches():
        read = schema.unmarked(batch) if table.has_numbers else batch
        frame = schema.frame(table.path, read, row, add_features)
        row += len(batch)
        if missing := [name for name in features if name not in frame]:
            raise InputError(f"src/features.py makes no column {missing[0]!r} of these rows")
        new_values.add(frame[features])
        predictions = predict(estimator, frame[features])
        columns = {"prediction": predictions.values}
        if predictions.classes is not None and predictions.probabilities is not None:
            labels = [f"probability of {label}" for label in predictions.classes]
            columns |= dict(zip(labels, predictions.probabilities.T, strict=True))
        if not header:
            header = [*carried, *columns]
            if taken := [name for name in carried if name in columns]:
                raise InputError(f"{table.path} has a column {taken[0]!r} already: rename it")
            yield [header]
        spelt = set(batch.schema.names)
        names = [name + MARK if name + MARK in spelt else name for name in carried]
        values = [batch.column(name).to_pylist() for name in names]
        if table.has_numbers:
            values = [list(map(as_stored, cells)) for cells in values]
        values += [column.tolist() for column in columns.values()]
        yield list(zip(*values, strict=True))
    if not header:
        raise InputError(f"{table.path} has no rows")


def open_table(path: str, schema: Schema) -> Table:
    """Return a table of new rows, in the format of the training table as far as it has that.

    It may have another encoding, the separator that its first line declares for Excel, rightly or
    not, and no title or sheet of its own.

    Raises InputError for a table that cannot be read.
    """
    file, plain = schema.file, {"skip": 0, "sheet": ""}
    known = {"separator": file["separator"]}
    # Each kind of file raises its own errors, which the reader reports.
    with suppress(Exception), open(path, "rb") as raw:
        content = unpack(raw)
        if kind_of(content) == "csv":
            file = file | {"encoding": encoding_of(content, file["encoding"])}
            if separator := declared_separator(content.readline(100).decode("utf-8", "ignore")):
                plain["skip"] = 1
                file = file | {"separator": separator, "skip": max(1, file["skip"])}
    features = set(schema.features) & {column.name for column in schema.columns}
    for way in (file | plain, file | plain | known):
        if way == file:
            continue
        with suppress(InputError):
            table = Table(path, way)
            if features <= set(table.names):
                return table
    return Table(path, file)


@contextmanager
def output(path: str | None) -> Iterator[IO[str]]:
    """Open the output file, which appears once it is complete; stdout without a path.

    A device or a pipe is written as it is.
    """
    if not path:
        if sys.stdout is None:
            raise InputError("standard output is closed: name a file, -o FILE")
        if isinstance(sys.stdout, TextIOWrapper) and not sys.stdout.isatty():
            # The same bytes as a file has, whatever a terminal could show
            sys.stdout.reconfigure(encoding="utf-8", errors="strict", newline="")
        yield sys.stdout
        return
    # A link stays one, unless it leads into a cache of DVC, which keeps its files.
    target = Path(path).resolve()
    if re.search("/[0-9a-f]{2}/[0-9a-f]{30}$", target.as_posix()):
        target = Path(path).parent.resolve() / Path(path).name
    is_file = target.is_file() or not target.exists()
    # In containers, the number of a process is no name of its own.
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part") if is_file else target
    made = False
    try:
        with part.open("x" if is_file else "w", encoding="utf-8", newline="") as file:
            made = is_file
            if is_file and target.exists():
                shutil.copymode(target, part)
            yield file
        if is_file:
            part.replace(target)
    except OSError as error:
        raise InputError(f"cannot write {path}: {error}") from None
    finally:
        if made:
            part.unlink(missing_ok=True)


def belongs_to_project(path: Path) -> bool:
    """Return whether a path is a file that no earlier predictions can be."""
    if not path.is_file():
        return False
    if path.suffix.lower() not in ("", ".csv", ".tsv", ".txt"):
        return True
    path, root = path.resolve(), Path(PROJECT).resolve()
    if not path.is_relative_to(root):
        return False
    inside = path.relative_to(root).as_posix()
    if inside.startswith(("data/", ".")):
        return True
    # DVC's record names the results.
    record = root / "dvc.lock"
    known = record.read_text(encoding="utf-8") if record.exists() else ""
    return inside in OWN or f" path: {inside}\n" in known


def main() -> None:
    parser = argparse.ArgumentParser(description="Predict the target of the rows of a table.")
    parser.add_argument("table", help="file with the features, in the format of the raw table")
    parser.add_argument("-o", "--output", help="CSV file to write (default: print)")
    parser.add_argument("--keep-features", action="store_true", help="write all columns")
    arguments = parser.parse_args()
    # As when it is interrupted, no part of the output stays.
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda number, _: sys.exit(128 + number))

    # The table may be a folder of files. Resolve both, because a link may lead to the table.
    if arguments.output and Path(arguments.output).resolve().is_relative_to(
        Path(arguments.table).resolve()
    ):
        raise InputError(
            f"{arguments.output} is the table itself: write the predictions to another file"
        )
    if arguments.output and belongs_to_project(Path(arguments.output)):
        raise InputError(
            f"{arguments.output} is a file of the project: write the predictions to another file"
        )
    estimator = load(MODEL, **load_params("evaluate", {"trusted_types": list}))
    try:
        schema = Schema.from_dict(estimator.schema)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise InputError(
            f"{MODEL} does not say how its table was written: run `dvc repro`"
        ) from None
    table = open_table(arguments.table, schema)
    new_values = NewValues(schema.values)
    rows = predict_rows(estimator, table, schema, arguments.keep_features, new_values)
    try:
        with output(arguments.output) as file:
            writer = csv.writer(file, lineterminator="\n")
            for some in rows:
                writer.writerows(some)
    except BrokenPipeError:
        # The reader, such as `head`, has closed the pipe. Python would complain on exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    for note in [*table.notes(), *new_values.notes()]:
        print(f"warning: {table.path}: {note}", file=sys.stderr)


if __name__ == "__main__":
    main()
