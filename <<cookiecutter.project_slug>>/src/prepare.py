"""Stage prepare: raw table -> checked, typed table, and a report on its columns."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from support.columns import class_problem
from support.duplicates import Duplicates
from support.params import InputError, load_params
from support.reader import Table
from support.schema import FILE, Schema, Writer, decide_schema
from support.summary import Values, advise, summarise
from support.values import LARGEST

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

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
    "duplicates": ["drop", "keep"],
    "max_rows": int,
}


def sample(rows: int, number: int) -> np.ndarray:
    """Return which of the rows are kept: `number` of them, always the same; all, if that is 0."""
    kept = np.ones(rows, dtype=bool)
    if 0 < number < rows:
        kept[:] = False
        kept[np.random.default_rng(0).choice(rows, number, replace=False)] = True
    return kept


def tidy(frame: pd.DataFrame, schema: Schema) -> pd.DataFrame:
    """Return `frame` in the types that the stages know; what no model can hold is missing."""
    columns = {}
    for name, column in frame.items():
        if pd.api.types.is_datetime64_any_dtype(column.dtype):
            columns[name] = column.astype("datetime64[us]")
        elif not pd.api.types.is_numeric_dtype(column.dtype):
            columns[name] = column.astype("str")
        else:
            numbers = column.astype("float64")
            ends = pc.min_max(pa.array(numbers.to_numpy())).as_py()
            if max(-(ends["min"] or 0), ends["max"] or 0) > LARGEST:
                large = numbers.abs() > LARGEST
                row = large.idxmax()
                schema.column(name).notes.append(
                    f"has {numbers[row]:g} in row {row}, too large for a model: missing"
                )
                numbers = numbers.mask(large)
            columns[name] = numbers.astype("int64") if name in schema.whole else numbers
    return pd.DataFrame(columns, index=frame.index)


def arrange(frame: pd.DataFrame, schema: Schema, source: str) -> pd.DataFrame:
    """Return the features, then the target, then the column that says which rows are the test.

    The index is called `group` or `time` and holds that column, if there is one.

    Raises InputError when a row has none.
    """
    [target] = schema.names("target")
    arranged = frame[[*schema.names("feature"), target, *schema.names("split")]]
    if schema.labels != "text":
        arranged = arranged.astype({target: schema.labels})
    for role in ("group", "time"):
        for name in schema.names(role):
            values = frame[name]
            if values.isna().any():
                raise InputError(
                    f"{source}, row {values.isna().idxmax()}: {name}, the {role}, is empty"
                )
            return arranged.set_index(pd.Index(values, name=role))
    return arranged.reset_index(drop=True)


def prepare(table: Table, params: dict[str, Any], path: Path, split_by: str = "") -> dict[str, Any]:
    """Write the table for the next stages to `path`, and return a report.

    It has the columns that `arrange` returns; its rows keep their order. With `features: all`,
    columns without information are left out. `split_by` is split.column of params.yaml.

    Raises InputError for what cannot be used, with the column and where possible the row.
    """
    schema, rows = decide_schema(table, params, split_by)
    source, target = params["raw"], params["target"]
    kept = sample(rows, params["max_rows"])
    duplicates, classes, values = Duplicates(), Counter(), {}
    dropped = Counter({"not in the sample": rows - int(kept.sum())} if not kept.all() else {})
    with Writer(path, schema) as writer:
        for _, frame in schema.frames(table, add_features, seen=True):
            schema.add_derived(frame, params)
            frame = tidy(frame, schema)
            frame = frame[kept[frame.index - 2]]
            reasons = {}
            if params["duplicates"] == "drop":
                # Identifiers, which belong in `drop`, would make every row unlike the others.
                reasons["duplicate"] = duplicates.find(frame.drop(columns=params["drop"]))
            reasons["no target"] = frame[target].isna().to_numpy()
            if params["missing"] == "drop":
                gaps = frame[schema.names("feature")].isna()
                reasons["a feature missing"] = gaps.any(axis="columns").to_numpy()
            keep = np.ones(len(frame), dtype=bool)
            for reason, some in reasons.items():
                dropped[reason] += int((keep & some).sum())
                keep &= ~some
            frame = frame[keep]
            for name, column in frame.items():
                ordered = schema.column(name).kind in ("integer", "date")
                values.setdefault(name, Values(ordered)).add(column)
            arranged = arrange(frame, schema, source)
            classes.update(arranged[target].value_counts().to_dict())
            writer.write(arranged)
        if not writer.rows:
            raise InputError(f"{source} has no rows left: {dict(dropped)}")
        if params["task"] == "classification":
            problem = class_problem(classes, target, dropped["duplicate"])
            if problem:
                raise InputError(f"{source}: {problem}")
    lines = []
    for column in [*schema.columns, *schema.derived]:
        role, found = schema.roles[column.name], values[column.name]
        notes = column.notes + (advise(column, found, params["time"]) if role == "feature" else [])
        line = {"name": column.name, "role": role, "type": column.kind}
        line |= {"missing": found.missing, "distinct": found.distinct, "notes": notes}
        lines.append(line | {"written": column.written()})
    counts = {"raw": rows, "dropped": dict(dropped), "prepared": writer.rows}
    notes = table.notes()
    return {"source": source, "file": schema.file, "rows": counts, "notes": notes, "columns": lines}


def main() -> None:
    params = load_params("prepare", EXPECTED)
    split_by = load_params("split")["column"]
    report = prepare(Table(params["raw"], params), params, PREPARED, split_by)
    REPORT.parent.mkdir(exist_ok=True)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    REPORT.write_text(text, encoding="utf-8", newline="\n")
    print(summarise(report))


if __name__ == "__main__":
    main()
