"""The columns of a table and their roles: decided by stage prepare, carried by the model."""

import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, get_origin

from support.cells import DATES, NO_VALUES, Forms, Profile, listed_gaps, pattern_of
from support.columns import (
    FORMATS,
    LARGEST,
    Column,
    decide,
    gaps_in,
    is_constant,
    misfit,
    type_of_labels,
)
from support.derived import FeaturesError, derive
from support.params import InputError, first_line, nearest
from support.reader import POOL, Stored, Survey, Table
from support.values import TYPES, MisfitError, read_values, unmark

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

KEY = b"schema"
# The kind of a column by NumPy's code of its type; other types are text
KINDS = {"b": "number", "i": "number", "u": "number", "f": "number", "M": "date"}
COARSE = {"integer": "number", "boolean": "number"}
MOST_SKIPPED = 10_000
# The parameters that describe the file format
FILE = {"encoding": str, "separator": str, "quote": str, "escape": str, "skip": int, "sheet": str}
STORED = {
    pa.int64(): "integer",
    pa.float64(): "number",
    pa.bool_(): "boolean",
    pa.timestamp("us"): "date",
    pa.null(): "empty",
}


@dataclass
class Schema:
    """The description of the training table that a model needs to read new rows in the same way.

    `file` is the format of the file, see FILE. `columns` are the columns of the file, `derived`
    those that src/features.py adds or gives another kind; `roles` has the role of each: target,
    group, time (which is a feature as well), order (a time that is not a feature), split, feature
    or unused. `labels` is the type of a classification's target, and `whole` names the integers
    without gaps. `gaps` are the words of prepare.na_values, if it is a list; [""] if that is empty.
    `values` has the different texts of features that have few.
    """

    file: dict[str, Any]
    columns: list[Column]
    roles: dict[str, str]
    labels: str = "float64"
    whole: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    values: dict[str, list[str]] = field(default_factory=dict)
    derived: list[Column] = field(default_factory=list)

    @classmethod
    def of(cls, path: Path) -> "Schema":
        """Return the schema of a table that stage prepare or split wrote."""
        return cls.from_dict(json.loads(pq.read_metadata(path).metadata[KEY]))

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "Schema":
        """Return the schema that asdict has made `values` of.

        Raises ValueError, TypeError or KeyError for values that it cannot have made: a model's file
        may be forged.
        """
        for key in ("columns", "derived"):
            values = values | {key: [Column(**column) for column in values[key]]}
        schema = cls(**values)
        check_attributes(schema)
        for column in [*schema.columns, *schema.derived]:
            check_attributes(column)
            known = column.dates in ("", *DATES) or pattern_of(column.dates)
            if not known or column.kind not in TYPES or column.decimal not in (".", ","):
                raise ValueError(column.name)
        file = schema.file
        if {*file} != {*FILE} or not all(isinstance(file[key], FILE[key]) for key in FILE):
            raise ValueError("file")
        if not all(isinstance(one, list) for one in schema.values.values()):
            raise TypeError("values")
        if not 0 <= file["skip"] < MOST_SKIPPED or not file["separator"]:
            raise ValueError("file")
        return schema

    def names(self, role: str) -> list[str]:
        return [name for name, one in self.roles.items() if one == role]

    @property
    def features(self) -> list[str]:
        return [name for name, one in self.roles.items() if one in ("feature", "time")]

    @property
    def key(self) -> tuple[str, str]:
        """The key that the split respects, `group` or `time`, and its column; "" without a key."""
        kinds = {"group": "group", "time": "time", "order": "time"}
        keys = [(kinds[one], name) for name, one in self.roles.items() if one in kinds]
        return keys[0] if keys else ("", "")

    @cached_property
    def _by_name(self) -> dict[str, Column]:
        return {one.name: one for one in [*self.columns, *self.derived]}

    def column(self, name: str) -> Column:
        return self._by_name[name]

    def add_derived(self, frame: pd.DataFrame, params: dict[str, Any]) -> None:
        """Add the columns of `frame` that the file does not have, or has in another kind.

        Raises InputError when params.yaml names a feature that neither of them has.
        """
        known, derived = {column.name: column for column in self.columns}, []
        for name in frame.columns.difference(self.names("target"), sort=False):
            kind = KINDS.get(frame[name].dtype.kind, "text")
            column = known.get(name)
            if not column:
                derived.append(Column(name, kind))
            elif column.kind != "empty" and kind != COARSE.get(column.kind, column.kind):
                derived.append(replace(column, kind=kind))
            elif name in self.whole and not is_whole(frame[name]):
                derived.append(replace(column, kind="number"))
        self.adopt(derived, params)
        check_columns(self.names("feature"), frame.columns, params["raw"])

    def adopt(self, derived: list[Column], params: dict[str, Any]) -> None:
        self.derived = derived
        self.__dict__.pop("_by_name", None)
        for column in derived:
            role = "feature" if params["features"] == "all" else "unused"
            self.roles.setdefault(column.name, role)

    def frame(
        self,
        source: str | Path,
        batch: pa.RecordBatch,
        row: int,
        add_features: Callable[[pd.DataFrame], pd.DataFrame],
        seen: bool = False,
        check: bool = False,
    ) -> pd.DataFrame:
        """Return a batch of rows with the types of their columns; the first of them is `row`.

        The index has the number of each row. `add_features` adds derived columns. The target is
        included if the file has it, but `add_features` does not see it, because new rows have none.
        If the rows were not `seen` when the schema was decided, a column that the model does not
        need is left out when its cells do not fit. With `check`, `add_features` is, see `derive`.

        Raises InputError for a cell that does not fit its column.
        """
        names = set(batch.schema.names)
        there = [one for one in self.columns if one.name in names]
        # If several cells do not fit, the error names the first column's.
        values = POOL.map(lambda one: self._read(source, batch, one, row, seen), there)
        columns = {
            one.name: some for one, some in zip(there, values, strict=True) if some is not None
        }
        frame = pa.table(columns).to_pandas(split_blocks=True)
        frame.index = pd.RangeIndex(row, row + len(frame))
        hidden = frame[[name for name in self.names("target") if name in frame]]
        derived = derive(frame.drop(columns=hidden.columns), add_features, check)
        if not seen:
            # As in stage prepare, values that no model can hold are missing.
            numbers = derived.select_dtypes("float64").columns
            derived[numbers] = derived[numbers].where(derived[numbers].abs() <= LARGEST)
        return pd.concat([derived.drop(columns=hidden.columns, errors="ignore"), hidden], axis=1)

    def unmarked(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return rows of a file that stores numbers, each cell in the format of its column."""
        places = {name: place for place, name in enumerate(batch.schema.names)}
        for column in self.columns:
            if column.name in places:
                place = places[column.name]
                cells = unmark(batch.column(place), column, self.gaps)
                batch = batch.set_column(place, column.name, cells)
        return batch

    def _read(
        self, source: str | Path, batch: pa.RecordBatch, column: Column, row: int, seen: bool
    ) -> pa.Array | None:
        """Return the values of a column; None if, not `seen`, they neither fit nor matter."""
        cells = batch.column(column.name)
        # For strings that were seen, `column.gaps` has all of these words.
        words = [] if seen and pa.types.is_string(cells.type) else self.gaps
        if not seen and not words:
            words = sorted(NO_VALUES)
        try:
            values = read_values(cells, replace(column, gaps=column.gaps + words), seen)
        except MisfitError as misfit:
            if not seen and self.roles[column.name] in ("unused", "target"):
                return None
            kind = {"integer": "number", "boolean": "true or false"}.get(column.kind, column.kind)
            if column.is_clock:
                kind = "time of day"
            how = f" that is written {column.dates}" if column.dates and kind == "date" else ""
            how += f" in {column.unit}" if column.unit.strip("()") else ""
            cell = misfit.cell if isinstance(misfit.cell, str | float) else str(misfit.cell)
            if column.kind == "integer" and re.fullmatch("[0-9]+[.][0-9]+", str(cell)):
                kind = "whole number"
            why = f": {misfit.why}" if misfit.why else f", which is no {kind}{how}"
            raise InputError(
                f"{source}, row {row + misfit.position}: {column.name} is {cell!r}{why}"
            ) from None
        is_feature = self.roles[column.name] in ("feature", "time")
        if not seen and is_feature and pa.types.is_floating(values.type):
            large = pc.greater(pc.abs(values), LARGEST).fill_null(False)
            if pc.any(large).as_py():
                position = pc.index(large, True).as_py()
                raise InputError(
                    f"{source}, row {row + position}: {column.name} is "
                    f"{cells[position].as_py()!r}, too large for a model"
                )
        # Models need 1 and 0, and pandas has no gaps among booleans.
        return values.cast(pa.float64()) if column.kind == "boolean" else values


def is_whole(numbers: pd.Series) -> bool:
    values = numbers.to_numpy()
    return bool((np.isfinite(values) & (values == np.floor(values))).all())


def check_attributes(values: Schema | Column) -> None:
    """Raise TypeError for an attribute that is not of its type; lists hold strings or columns."""
    for one in fields(values):
        value = getattr(values, one.name)
        kind: Any = get_origin(one.type) or one.type
        inside = {type(item) for item in value} if isinstance(value, list) else set()
        if not isinstance(value, kind) or not inside <= {str, Column}:
            raise TypeError(one.name)


def open_survey(table: Table, params: dict[str, Any]) -> Survey:
    """Return the survey by which the schema of a table is decided.

    Raises InputError for an invalid pattern of dates.
    """
    dates, words = params["dates"], params["na_values"]
    if isinstance(words, str) and words != "auto":
        raise InputError(
            f"params.yaml: prepare.na_values is {words!r}; give auto, or a list of words"
        )
    for word in words:
        if type(word) not in (str, int, float):
            raise InputError(
                f"params.yaml: prepare.na_values lists {word!r}, which is no text to YAML: write the "
                "word in quotes"
            )
    if dates not in ("auto", *DATES) and "%" not in dates:
        hint = nearest(dates, ["auto", *DATES])
        raise InputError(f"params.yaml: prepare.dates is {dates!r}{hint}, or a pattern")
    try:
        pattern = dates if "%" in dates else ""
        return Survey(table, Forms(params["na_values"], pattern, table.first_row))
    except ValueError as error:
        raise InputError(f"params.yaml: {error}") from None


def decide_schema(
    table: Table, survey: Survey, params: dict[str, Any], roles: dict[str, str]
) -> Schema:
    """Return the schema of a table, from the cells that `survey` has seen.

    `params` is the section `prepare` of params.yaml, and `roles` come from it.

    Raises InputError when the table does not fit them.
    """
    source, target, time = params["raw"], params["target"], params["time"]
    profiles, roles = survey.profiles, dict(roles)
    if not profiles:
        raise InputError(f"{table.path} has no rows below its header")
    columns = decide_columns(table, profiles, params, roles)
    schema = Schema({key: params[key] for key in FILE}, list(columns.values()), roles)
    if params["na_values"] != "auto":
        usual = NO_VALUES if "auto" in params["na_values"] else set()
        schema.gaps = sorted(listed_gaps(params["na_values"]) | usual) or [""]
    for name, column in columns.items():
        may_have_gaps = isinstance(profiles[name], Stored) and any(schema.gaps)
        if column.kind == "integer" and not gaps_in(column, profiles[name]) and not may_have_gaps:
            schema.whole.append(name)
        constant = is_constant(column, profiles[name])
        if constant and roles[name] == "feature" and params["features"] == "all":
            roles[name] = "unused"
            why = "has the same value in each row"
            column.notes.append(emptiness(name, table) if column.kind == "empty" else why)
    if not schema.features and params["features"] == "all":
        raise InputError(f"{source} has no column that could be a feature of {target}")
    settle_target(schema, table, profiles[target], params)
    if time:
        check_time(columns[time], profiles[time], source)
    return schema


def settle_target(
    schema: Schema, table: Table, profile: Profile | Stored, params: dict[str, Any]
) -> None:
    """Give the schema the type of its labels, in a classification.

    Raises InputError when the target does not suit the task.
    """
    source, name = params["raw"], params["target"]
    target = schema.column(name)
    if target.kind == "empty":
        raise InputError(f"{source}: {name}, the target, {emptiness(name, table)}")
    if params["task"] == "classification":
        schema.labels = type_of_labels(target)
        if schema.labels == "text":
            target.kind = "text"
    elif target.kind in ("text", "date"):
        wrong = misfit(name, profile, target.kind)
        raise InputError(f"{source}, {wrong}, but the target of a regression is a number")


def check_time(column: Column, profile: Profile | Stored, source: str) -> None:
    """Raise InputError when the column prepare.time has no order of time."""
    if column.is_clock:
        raise InputError(
            f"{source}: {column.name} holds times of day, but prepare.time takes dates or numbers"
        )
    if column.kind not in ("date", "number", "integer"):
        wrong = misfit(column.name, profile)
        raise InputError(f"{source}, {wrong}, but prepare.time takes dates or numbers")


def emptiness(name: str, table: Table) -> str:
    """Return why a column of a table is empty."""
    if name in table.unusable:
        return f"holds values of type {table.unusable[name]}, which no model takes"
    return "has no values"


def decide_columns(
    table: Table,
    profiles: dict[str, Profile | Stored],
    params: dict[str, Any],
    roles: dict[str, str],
) -> dict[str, Column]:
    """Return the column of each name, decided from the formats of its cells.

    Raises InputError for a parameter that does not apply.
    """
    # Groups, parts and files are compared as text.
    apart = [name for name, role in roles.items() if role in ("group", "split")]
    apart += ["file"] * table.tells_file
    params = params | {"text": [*params["text"], *apart]}
    if not table.has_separator:
        params["separator"] = ""
    texts = {name: one for name, one in profiles.items() if isinstance(one, Profile)}
    try:
        decided = decide(texts, params, strict=(params["target"], params["time"]))
    except ValueError as error:
        raise InputError(f"params.yaml: {error}") from None
    columns = {column.name: column for column in decided}
    for name, one in profiles.items():
        if isinstance(one, Stored):
            kind = STORED[one.type] if one.exact and name not in params["text"] else "text"
            # New rows may be in a file without types.
            columns[name] = Column(name, kind, dates="ISO8601" if kind == "date" else "")
            if kind == "date" and name in table.zones:
                columns[name].zones = "all" if table.zones[name] else "none"
            if name in params["columns"]:
                columns[name] = give_kind(columns[name], params["columns"][name], one)
    return {name: columns[name] for name in table.names}


def give_kind(column: Column, kind: Any, stored: Stored) -> Column:
    """Return a column of a file with types in the kind that prepare.columns gives it.

    Raises InputError where its type has no such values.
    """
    kinds = {"integer": "number"}
    kind, _ = FORMATS.get(str(kind), (kind, {}))
    if kind == "text":
        return replace(column, kind="text")
    if "%" in str(kind) and (pa.types.is_int64(stored.type) or pa.types.is_timestamp(stored.type)):
        return replace(column, kind="date", dates=kind)
    if kind != kinds.get(column.kind, column.kind) and column.kind != "empty":
        raise InputError(
            f"params.yaml: prepare.columns: {column.name} is {kind!r}, but the file stores values of "
            f"type {stored.type}"
        )
    return column


def agree(earlier: Schema, later: Schema, survey: Survey, row: int) -> bool:
    """Return whether the rows before `row` have the same values in both schemas.

    The later schema was decided from more rows, which may have further words for gaps.
    """
    if any(earlier.roles[name] != role for name, role in later.roles.items()):
        return False
    if (earlier.labels, earlier.whole) != (later.labels, later.whole):
        return False
    for one, other in zip(earlier.columns, later.columns, strict=True):
        same: dict[str, Any] = {
            "gaps": [],
            "notes": [],
            "zones": "",
            "dotted": False,
            "periods": [],
        }
        if one.kind == "date":
            same["unit"] = ""
        elif one.kind == "text":
            same["zeros"] = False
        if one.kind == "integer" and not one.thousands:
            same["decimal"] = "."
        if replace(one, **same) != replace(other, **same):
            return False
        new = set(other.gaps) - set(one.gaps)
        if len(one.gaps) + len(new) != len(other.gaps):
            return False
        profile = survey.profiles[one.name]
        if isinstance(profile, Profile) and any(profile.rows_of[word] < row for word in new):
            return False
    return True


def find_roles(table: Table, params: dict[str, Any], split_by: str = "") -> dict[str, str]:
    """Return the role of each column: target, group, time, split, feature, or unused.

    A list of features may name derived columns, which are not in the file. `split_by` is the column
    that marks the test rows, if any.

    Raises InputError when `params` names another missing column, or a column twice.
    """
    names = table.names
    source, features = params["raw"], params["features"]
    if features != "all" and not (isinstance(features, list) and features):
        raise InputError("params.yaml: prepare.features must be `all` or a list of columns")
    if params["group"] and params["time"]:
        raise InputError("params.yaml: set prepare.group or prepare.time, not both")
    if not params["target"]:
        raise InputError(f"params.yaml: prepare.target names no column{nearest('', names)}")
    keys = [(params[key], key) for key in ("target", "group", "time") if params[key]]
    keys += [(split_by, "split")] * bool(split_by)
    listed, drop = [] if features == "all" else features, params["drop"]
    wanted = dict.fromkeys(drop, "prepare.drop")
    for name, key in keys:
        wanted.setdefault(name, "split.column" if key == "split" else f"prepare.{key}")
    wanted[params["target"]] = ""  # its name says enough
    check_columns(wanted, names, source)
    # In the order of the list, if `features` is a list
    roles = dict.fromkeys([*listed, *names], "unused" if listed else "feature")
    roles |= dict.fromkeys(listed, "feature") | dict.fromkeys(drop, "unused")
    used = roles.get(params["time"])
    roles |= dict(keys)
    if used == "unused":
        roles[params["time"]] = "order"
    # A time may be a feature or not; groups and parts never are, so `drop` may name them.
    named = Counter(column for column, _ in keys)
    named.update(column for column in drop if roles[column] in ("unused", "target"))
    named.update(column for column in listed if column != params["time"])
    for column, times in named.items():
        if times > 1:
            raise InputError(f"params.yaml: {column!r} has two roles under `prepare`")
    if table.tells_file and features == "all" and roles["file"] == "feature":
        roles["file"] = "unused"
    wanted = dict.fromkeys(params["text"], "prepare.text")
    check_columns(wanted | dict.fromkeys(params["columns"], "prepare.columns"), names, source)
    if params["target"] in table.repeated:
        raise InputError(f"{source} has more than one column {params['target']!r}, the target")
    return roles


def check_columns(
    wanted: Iterable[str] | dict[str, str], names: Iterable[str], source: str | Path
) -> None:
    """Raise InputError with the missing columns and the closest match to the first.

    `wanted` may map each column to the parameter that names it, or "".
    """
    names = list(names)
    missing = [column for column in wanted if column not in names]
    if missing:
        listed = ", ".join(map(repr, missing))
        if isinstance(wanted, dict) and wanted[missing[0]]:
            listed += f", which {wanted[missing[0]]} names"
        hint = nearest(missing[0], names)
        lone = [name for name in names if name != "file"]
        joined = len(lone) == 1 and re.search(r"[;,\t|]", lone[0])
        if joined and (len(missing) > 1 or missing[0] in lone[0]):
            hint = f"; there is one, {lone[0]!r}: is its separator another one?"
        raise InputError(f"{source} has no column {listed}{hint}")


def open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a Parquet file.

    Numbers hardly repeat, so a dictionary would only take time; so would the range of each column,
    which no stage reads.
    """
    texts = [field.name for field in schema if pa.types.is_large_string(field.type)]
    return pq.ParquetWriter(
        path, schema, use_dictionary=texts, compression="lz4", write_statistics=False
    )


class Writer:
    """Writes frames to a Parquet file, which appears once it is complete."""

    def __init__(self, path: Path) -> None:
        self.path, self.rows = path, 0
        self._part = path.with_name(f"{path.name}.part")
        self._writer: Any = None  # created once the first rows give the column types
        # One batch is written while the next is prepared.
        self._pool = ThreadPoolExecutor(1)
        self._writing: Future | None = None

    def write(self, frame: pd.DataFrame) -> None:
        """Write a batch of rows; the columns keep the types of the first batch."""
        if not len(frame):
            return
        self.rows += len(frame)
        keep = frame.index.name is not None
        if not self._writer:
            self.path.parent.mkdir(exist_ok=True)
            first = pa.Schema.from_pandas(frame, preserve_index=keep)
            self._writer = open_writer(self._part, first)
        try:
            table = pa.Table.from_pandas(frame, self._writer.schema, preserve_index=keep)
        except (pa.ArrowInvalid, pa.ArrowTypeError, KeyError) as error:
            message = f"add_features gives rows far below other types: {first_line(error)}"
            raise FeaturesError(message) from None
        self._wait()
        self._writing = self._pool.submit(self._writer.write_table, table)

    def _wait(self) -> None:
        if self._writing:
            self._writing.result()

    def finish(self, schema: Schema) -> None:
        """Move the file, with its schema, to its place."""
        self._wait()
        self._writer.add_key_value_metadata({KEY: json.dumps(asdict(schema)).encode()})
        self._writer.close()
        os.replace(self._part, self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._pool.shutdown()
            if self._writer:
                self._writer.close()
        finally:
            self._part.unlink(missing_ok=True)
