"""Stage prepare: raw table -> checked, typed table, and a report on its columns."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from support.columns import (
    LARGEST,
    Column,
    class_problem,
    repeat_by_chance,
    tell_classes,
    tell_gaps,
)
from support.duplicates import Duplicates
from support.params import InputError, load_params
from support.reader import Survey, Table, ahead
from support.schema import FILE, Schema, Writer, agree, decide_schema, find_roles, open_survey
from support.summary import (
    Values,
    advise,
    summarise,
    tell_dropped,
    tell_identifier,
    tell_stamps,
    warn_of_gaps,
)
from support.values import trim

import numpy as np
import pandas as pd
import pyarrow as pa

from features import add_features

PREPARED = Path("data/prepared.parquet")
REPORT = Path("results/data.json")

EXPECTED = {
    "raw": str,
    **FILE,
    "na_values": (str, list),
    "decimal": ["auto", ".", ","],
    "dates": str,
    "text": list,
    "columns": dict,
    "task": ["classification", "regression"],
    "target": str,
    "features": (str, list),
    "drop": list,
    "group": str,
    "time": str,
    "missing": ["impute", "drop"],
    "duplicates": ["auto", "drop", "keep"],
    "max_rows": int,
}


class SurpriseError(Exception):
    """Some rows show that earlier rows were read wrongly."""


class RepeatedError(Exception):
    """The dropped rows repeat others by chance."""


def sample(rows: int, number: int) -> np.ndarray:
    """Return which rows to keep: always the same `number` of them, or all if `number` is 0."""
    kept = np.ones(rows, dtype=bool)
    if 0 < number < rows:
        kept[:] = False
        kept[np.random.default_rng(0).choice(rows, number, replace=False)] = True
    return kept


def retype(frame: pd.DataFrame, schema: Schema, row: int) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return `frame` in the types that the stages know, and notes on its columns.

    `row` is the number of its first row.

    Values that no model can hold become missing.
    """
    columns, notes, whole = {}, {}, set(schema.whole)
    for name, column in frame.items():
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            columns[name] = column.astype("datetime64[us]")
        elif not pd.api.types.is_numeric_dtype(column.dtype):
            columns[name] = column.astype("str")
        else:
            numbers = column.astype("float64")
            large = np.abs(numbers.to_numpy()) > LARGEST
            if large.any():
                place = int(large.argmax())
                value = numbers.iloc[place]
                notes[name] = f"has {value:g} in row {row + place}, too large for a model: missing"
                numbers = numbers.mask(large)
            is_whole = name in whole and schema.column(name).kind == "integer"
            columns[name] = numbers.astype("int64") if is_whole else numbers
    return pd.DataFrame(columns, index=frame.index, copy=False), notes


def arrange(frame: pd.DataFrame, schema: Schema, source: str, first: int) -> pd.DataFrame:
    """Return the features, then the target, then the column that marks the test rows.

    `first` is the number of the first row of `source`.

    The index has the group or the time of each row, see support/rows.py.

    Raises InputError when a row has no group or time.
    """
    [target] = schema.names("target")
    arranged = frame[[*schema.features, target, *schema.names("split")]]
    if schema.labels != "text":
        arranged = arranged.astype({target: schema.labels})
    role, name = schema.key
    if not role:
        return arranged.reset_index(drop=True)
    values = frame[name]
    if values.isna().any():
        row = first + (values.isna().idxmax() - int(first))
        missing = "missing, or infinite" if pd.api.types.is_float_dtype(values) else "missing"
        raise InputError(
            f"{source}, row {row}: {name}, the {role}, is {missing}: fill it, or remove such rows"
        )
    return arranged.set_index(pd.Index(values, name=role))


class Preparation:
    """Writes the rows to use in batches, and counts what the report says about them.

    `row` is the number of the first row. `rows` is the number of all rows, if params.yaml asks for
    a sample.
    """

    def __init__(self, params: dict[str, Any], writer: Writer, row: int, rows: int = 0) -> None:
        self.params, self.source, self.writer = params, params["raw"], writer
        self.first_row = self.row = row  # the number of the next row
        self.dropped: Counter[str] = Counter()
        self._kept = sample(rows, params["max_rows"])
        if rows > self._kept.sum():
            self.dropped["not in the sample"] = int(rows - self._kept.sum())
        self._duplicates = Duplicates()
        # Identifiers, which belong in `drop`, would make every row unique.
        keys = params["group"], params["time"]
        self._left_out = [name for name in params["drop"] if name not in keys]
        self._classes: Counter[Any] = Counter()
        self._values: dict[str, Values] = {}
        self._notes: dict[str, str] = {}
        self._derived: list[Column] = []

    def add(self, batch: pa.RecordBatch, schema: Schema) -> None:
        """Write the rows to use from a batch that the survey has seen."""
        if not len(batch):
            return
        check = self.row == self.first_row
        frame = schema.frame(self.source, batch, self.row, add_features, seen=True, check=check)
        schema.add_derived(frame, self.params)
        self._derived = self._derived or schema.derived
        frame, notes = retype(frame, schema, self.row)
        self._notes = notes | self._notes
        if len(self._kept):
            frame = frame[self._kept[frame.index - self.first_row]]
        self.row += len(batch)
        frame = frame[self._select(frame, schema)]
        for name, column in frame.items():
            ordered = schema.column(name).kind in ("integer", "number", "date")
            self._values.setdefault(name, Values(ordered)).add(column)
        arranged = arrange(frame, schema, self.source, self.first_row)
        self._classes.update(arranged[self.params["target"]].value_counts().to_dict())
        self.writer.write(arranged)

    def _select(self, frame: pd.DataFrame, schema: Schema) -> np.ndarray:
        """Return which rows to use, and count why the others are dropped."""
        params, reasons = self.params, {}
        keep = np.ones(len(frame), dtype=bool)
        if params["duplicates"] != "keep":
            reasons["duplicate"] = self._duplicates.find(frame, self._left_out)
        reasons["no target"] = frame[params["target"]].isna().to_numpy()
        if params["missing"] == "drop":
            gaps = frame[schema.features].isna()
            reasons["a feature missing"] = gaps.any(axis="columns").to_numpy()
        for reason, some in reasons.items():
            self.dropped[reason] += int((keep & some).sum())
            keep &= ~some
        return keep

    def finish(self, schema: Schema, table: Table) -> dict[str, Any]:
        """Move the written table to its place, and return the report.

        Raises InputError when no rows are left, or the classes cannot be told apart; RepeatedError
        when `duplicates: auto` has dropped rows that it should keep.
        """
        params = self.params
        schema.adopt(self._derived, params)
        if params["duplicates"] == "auto" and self.dropped["duplicate"]:
            compared = [one for name, one in self._values.items() if name not in self._left_out]
            if repeat_by_chance([one.frequencies for one in compared], self.row - self.first_row):
                raise RepeatedError
        if not self.writer.rows:
            raise InputError(f"{self.source} has no rows left: {tell_dropped(self.dropped)}")
        if params["task"] == "classification":
            problem = class_problem(self._classes, params["target"], self.dropped["duplicate"])
            if problem:
                gaps = tell_gaps(schema.column(params["target"]), len(self._classes))
                raise InputError(f"{self.source}: {problem}{gaps}")
        texts = {name: self._values[name].texts for name in schema.features}
        schema.values = {name: some for name, some in texts.items() if some}
        self.writer.finish(schema)
        rows = {
            "raw": self.row - self.first_row,
            "dropped": dict(self.dropped),
            "prepared": self.writer.rows,
        }
        described = {one.name: one for one in [*schema.columns, *schema.derived]}
        columns = [self._describe(one, schema) for one in described.values()]
        report = {"source": self.source, "file": schema.file, "rows": rows}
        return report | {"notes": table.notes(), "columns": columns}

    def _describe(self, column: Column, schema: Schema) -> dict[str, Any]:
        name, role, values = column.name, schema.roles[column.name], self._values[column.name]
        notes = [*column.notes, *([self._notes[name]] if name in self._notes else [])]
        if column in schema.derived and values.known < 2:
            notes.append("has the same value in each row")
        elif role == "feature" and not values.distinct:
            notes.append("has no values in the rows that are used: add it to prepare.drop")
        if role in ("feature", "target", "time", "order"):
            notes += warn_of_gaps(column, values)
        if role == "target" and self.params["task"] == "classification":
            notes += tell_classes(self._classes, name)
        if role in ("feature", "time", "order"):
            # Days and times may count the rows, as identifiers do.
            told = tell_stamps(column, values)
            if role == "feature" and not told:
                told = tell_identifier(column, values)
            notes += told or advise(column, values, self.params["time"])
        line: dict[str, Any] = {"name": name, "role": role, "type": column.kind}
        line |= {"missing": values.missing, "distinct": values.distinct, "notes": notes}
        return line | {"written": column.written()}


def prepare(
    table: Table,
    params: dict[str, Any],
    path: Path,
    split_by: str = "",
    open_writer: Callable[[Path], Any] = Writer,
) -> dict[str, Any]:
    """Write the table for the next stages to `path`, and return a report.

    It has the columns that `arrange` returns; its rows keep their order. With `features: all`,
    columns without information are left out. `split_by` is split.column of params.yaml.

    Raises InputError for unusable input, with the column and, if possible, the row.
    """
    try:
        return prepare_once(table, params, path, split_by, open_writer)
    except RepeatedError:
        params = params | {"duplicates": "keep"}
        report = prepare_once(table, params, path, split_by, open_writer)
        report["notes"].append(
            "rows repeat others, as few values make it likely: kept; prepare.duplicates decides"
        )
        return report


def prepare_once(
    table: Table,
    params: dict[str, Any],
    path: Path,
    split_by: str,
    open_writer: Callable[[Path], Any],
) -> dict[str, Any]:
    """Do the work of `prepare`.

    Raises RepeatedError when it has dropped rows that it should keep.
    """
    roles = find_roles(table, params, split_by)
    survey = open_survey(table, params)

    def decide() -> Schema:
        return decide_schema(table, survey, params, roles)

    def add(preparation: Preparation, batch: pa.RecordBatch, schema: Schema) -> None:
        preparation.add(schema.unmarked(batch) if table.has_numbers else batch, schema)

    # The rows so far nearly always tell how to read the later ones. The table is read again only if
    # later rows show that this was wrong, or to draw a sample.
    if not params["max_rows"]:
        with suppress(SurpriseError), open_writer(path) as writer:
            preparation = Preparation(params, writer, table.first_row)
            for schema, batch in ahead(read_once(survey, decide, table.first_row)):
                try:
                    add(preparation, batch, schema)
                except InputError:
                    # It may be due to the schema so far; else the second reading tells it.
                    raise SurpriseError from None
            return preparation.finish(schema, table)
    for _ in survey:
        pass
    schema = decide()
    with open_writer(path) as writer:
        preparation = Preparation(params, writer, table.first_row, survey.rows)
        for batch in table.batches():
            columns = [trim(cells) for cells in batch.columns]
            trimmed = pa.RecordBatch.from_arrays(columns, names=batch.schema.names)
            add(preparation, trimmed, schema)
        return preparation.finish(schema, table)


def read_once(
    survey: Survey, decide: Callable[[], Schema], row: int
) -> Iterator[tuple[Schema, pa.RecordBatch]]:
    """Yield batches of rows as they are counted, each with the schema of the rows so far.

    `row` is the number of the first row. The last batch is empty, with the schema of all rows.

    Raises SurpriseError when the current schema would give earlier rows other values.
    """
    schema: Schema | None = None
    state, batch = None, None

    def again() -> Schema:
        try:
            later = decide()
        except InputError:
            # To be reported once all rows are counted
            raise SurpriseError from None
        if schema and not agree(schema, later, survey, row):
            raise SurpriseError
        return later

    for batch in survey:
        now = survey.state()
        if not schema or now != state:
            state, schema = now, again()
        yield schema, batch
        row += len(batch)
    if batch is None:
        raise SurpriseError  # no rows, which `decide` reports
    yield again(), batch[:0]


def main() -> None:
    params = load_params("prepare", EXPECTED)
    if params["max_rows"] < 0:
        raise InputError("params.yaml: prepare.max_rows must be 0 or more")
    split_by = load_params("split")["column"]
    report = prepare(Table(params["raw"], params), params, PREPARED, split_by)
    REPORT.parent.mkdir(exist_ok=True)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    REPORT.write_text(text, encoding="utf-8", newline="\n")
    print(summarise(report))


if __name__ == "__main__":
    main()
