"""Stage prepare: raw CSV -> checked, typed table, and a report on its columns."""

import json
import re
from pathlib import Path
from typing import Any

from support.params import InputError, load_params, nearest
from support.tables import convert, first_text, read_csv, select

import pandas as pd

PREPARED = Path("data/prepared.parquet")
REPORT = Path("results/data.json")

EXPECTED = {
    "raw": str,
    "separator": str,
    "decimal": str,
    "encoding": str,
    "na_values": list,
    "dates": str,
    "task": ["classification", "regression"],
    "target": str,
    "features": (str, list),
    "drop": list,
    "text": list,
    "group": str,
    "time": str,
    "missing": ["impute", "drop"],
    "duplicates": ["drop", "keep"],
}
IDENTIFIER = re.compile(r"(?i:(.*[ _.-])?(id|uuid|guid|index|key))|.*[a-z]I[dD]")


def find_roles(table: pd.DataFrame, params: dict[str, Any]) -> dict[str, str]:
    """Return the role of each column of `table`: target, group, time, feature, or unused.

    Raises InputError when params.yaml names a column that is not there, or one twice.
    """
    source, features, drop = params["raw"], params["features"], params["drop"]
    roles = dict.fromkeys(table.columns, "feature" if features == "all" else "unused")
    if features != "all" and not (isinstance(features, list) and features):
        raise InputError("params.yaml: prepare.features must be `all` or a list of columns")
    if params["group"] and params["time"]:
        raise InputError("params.yaml: set prepare.group or prepare.time, not both")

    named = [(column, "unused") for column in drop]
    named += [(params[key], key) for key in ("target", "group", "time") if params[key]]
    if features != "all":
        named += [(column, "feature") for column in features]
    if not params["target"]:
        raise InputError(f"params.yaml: prepare.target names no column{nearest('', table.columns)}")
    select(table, [column for column, _ in named] + params["text"], source)
    seen: set[str] = set()
    for column, role in named:
        if column in seen:
            raise InputError(f"params.yaml: {column!r} has two roles under `prepare`")
        seen.add(column)
        roles[column] = role
    return roles


def advise(name: str, column: pd.Series, kind: str, distinct: int) -> str:
    """Return what to know about a feature, a column of the raw table, before it is used."""
    if kind == "text":
        numbers, values = pd.to_numeric(column, errors="coerce").count(), column.count()
        if numbers == values:
            return "is text though all its values are numbers: check prepare.decimal"
        if numbers > 0.9 * values:
            return f"is text because of {values - numbers} values, {first_text(column)}"
        if distinct == len(column):
            return "has another text in each row: if it is an identifier, add it to prepare.drop"
    if kind == "integer" and distinct == len(column):
        counter = column.max() - column.min() == len(column) - 1
        if counter or IDENTIFIER.fullmatch(name):
            return "looks like an identifier: add it to prepare.drop unless it is a measurement"
    return ""


def convert_target(target: pd.Series, params: dict[str, Any]) -> pd.Series:
    """Return the target, which has no gaps, as labels or as floating-point numbers, by the task.

    Raises InputError when it is not what the task needs: numbers, or classes of two rows each.
    """
    source, name = params["raw"], target.name
    if params["task"] == "regression":
        kind, numbers = convert(target, params["dates"])
        if kind == "text":
            raise InputError(
                f"{source}, {first_text(target)}, but the target of a regression is a number"
            )
        return numbers.astype("float64")
    labels = target.infer_objects()
    if pd.api.types.is_float_dtype(labels):
        # Whole numbers that had gaps between them; scikit-learn takes other fractions for a scale.
        labels = labels.astype("int64" if (labels % 1 == 0).all() else "str")
    counts = labels.value_counts()
    if len(counts) < 2:
        raise InputError(f"{source}: {name}, the target, needs at least two classes")
    if counts.iloc[-1] < 2:
        raise InputError(
            f"{source}: the class {counts.index[-1]!r} of {name}, the target, has a single row. "
            "Give it more, remove it, or set prepare.task to regression if a number is predicted"
        )
    return labels


def prepare(table: pd.DataFrame, params: dict[str, Any]) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the table for the next stages, and a report.

    The table holds the features and, as the last column, the target; its index is called `group`
    or `time` and holds that column, if there is one. Rows keep their order. A feature is a number
    or a text, perhaps missing; with `features: all`, those without information are left out.

    Raises InputError for what cannot be used, with the column and where possible the row.
    """
    roles = find_roles(table, params)
    source, target = params["raw"], params["target"]

    columns, lines = {}, []
    for name, column in table.items():
        if name in params["text"]:
            kind, columns[name] = "text", column.astype("str")
        else:
            kind, columns[name] = convert(column, params["dates"])
        missing, distinct = int(columns[name].isna().sum()), int(column.nunique())
        note = ""
        if roles[name] == "feature":
            if params["features"] == "all" and distinct + bool(missing) < 2:
                roles[name] = "unused"
                note = "has no values" if missing else "has the same value in each row"
            elif name not in params["text"]:
                note = advise(name, column, kind, distinct)
        line = {"name": name, "role": roles[name], "type": kind}
        lines.append({**line, "missing": missing, "distinct": distinct, "note": note})
    features = params["features"]
    if features == "all":
        features = [name for name, role in roles.items() if role == "feature"]
    if not features:
        raise InputError(f"{source} has no column that could be a feature of {target}")

    keep = pd.Series(True, index=table.index)
    dropped = {}

    def drop(reason: str, rows: pd.Series) -> None:
        nonlocal keep
        dropped[reason] = int((keep & rows).sum())
        keep &= ~rows

    if params["duplicates"] == "drop":
        # Identifiers, which belong into `drop`, would make every row unlike the others.
        drop("duplicate", table.drop(columns=params["drop"]).duplicated())
    drop("no target", columns[target].isna())
    if params["missing"] == "drop":
        drop("a feature missing", pd.DataFrame(columns)[features].isna().any(axis="columns"))
    if not keep.any():
        raise InputError(f"{source} has no rows left: {dropped}")

    prepared = pd.DataFrame({name: columns[name] for name in features})[keep]
    prepared[target] = convert_target(table[target][keep], params)
    for role in ("group", "time"):
        if name := params[role]:
            values = columns[name][keep]
            if values.isna().any():
                row = values.index[values.isna()][0] + 2
                raise InputError(f"{source}, row {row}: {name}, the {role}, is empty")
            if role == "time" and values.dtype == "str":
                raise InputError(
                    f"{source}, {first_text(values)}, neither a number nor a date in the format "
                    f"{params['dates']!r} of prepare.dates"
                )
            prepared.index = pd.Index(values, name=role)
    rows = {"raw": len(table), "dropped": dropped, "prepared": len(prepared)}
    return prepared, {"source": str(source), "rows": rows, "columns": lines}


def summarise(report: dict[str, Any]) -> str:
    """Return the report as lines for people: rows, a line a column, warnings."""
    rows = report["rows"]
    reasons = ", ".join(
        f"{number} {reason}" for reason, number in rows["dropped"].items() if number
    )
    lines = [
        f"{report['source']}: {rows['raw']} rows"
        + (f", dropped: {reasons}; {rows['prepared']} left" if reasons else "")
    ]
    # A name may hold a line break.
    cells = [[" ".join(str(cell).split()) for cell in line.values()] for line in report["columns"]]
    cells = [line[:-1] for line in cells]
    cells.insert(0, ["column", "role", "type", "missing", "distinct"])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for name, role, kind, *numbers in cells:
        texts = [text.ljust(width) for text, width in zip((name, role, kind), widths, strict=False)]
        texts += [text.rjust(width) for text, width in zip(numbers, widths[3:], strict=True)]
        lines.append("  ".join(texts))
    duplicates = rows["dropped"].get("duplicate", 0)
    if duplicates > 0.1 * rows["raw"]:
        lines.append(
            f"warning: {duplicates} rows repeat others; if they are observations of their own, "
            "set prepare.duplicates to keep"
        )
    lines += [
        f"warning: {line['name']} {line['note']}" for line in report["columns"] if line["note"]
    ]
    return "\n".join(lines)


def main() -> None:
    params = load_params("prepare", EXPECTED)
    table, report = prepare(read_csv(params["raw"], params, text=params["text"]), params)
    PREPARED.parent.mkdir(exist_ok=True)
    REPORT.parent.mkdir(exist_ok=True)
    table.to_parquet(PREPARED, index=table.index.name is not None)
    text = json.dumps(report, indent=2, ensure_ascii=False) + "\n"
    REPORT.write_text(text, encoding="utf-8", newline="\n")
    print(summarise(report))


if __name__ == "__main__":
    main()
