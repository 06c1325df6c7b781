"""The report of stage prepare on a table: a line for each column, with notes."""

import re
from typing import Any

from support.columns import IDENTIFIER, YEARS, Column

import pandas as pd

# Counting stops at this many different values.
DISTINCT = 10_000
# The years of numbers that may be times, and words in the names of columns that hold times
STAMPS = (pd.Timestamp("2000"), pd.Timestamp("2040"))
CLOCK = re.compile("(?i)(?<![a-z])(time|date|created|updated)|timestamp|epoch|(^|_)(ts|at)$")
# So many different texts are listed.
LISTED = 50


class Values:
    """Counts the values of a column that is read in parts; for `ordered` values, also the range."""

    def __init__(self, ordered: bool) -> None:
        self.ordered = ordered
        self.rows = self.missing = self.counted = 0
        self.low: Any = None
        self.high: Any = None
        self._counts = pd.Series(dtype="int64")

    def add(self, values: pd.Series) -> None:
        filled = int(values.count())
        self.rows += len(values)
        self.missing += len(values) - filled
        if not filled:
            return
        if len(self.seen) <= DISTINCT:
            self.counted += filled
            new = values.value_counts(sort=False)
            if len(self.seen):
                new = pd.concat([self._counts, new]).groupby(level=0, sort=False).sum()
            self._counts = new
        if self.ordered:
            low, high = values.min(), values.max()
            self.low = low if self.low is None else min(self.low, low)
            self.high = high if self.high is None else max(self.high, high)

    @property
    def seen(self) -> pd.Index:
        """The different values, as far as they are counted."""
        return self._counts.index

    @property
    def frequencies(self) -> list[int]:
        """The number of rows with each value, and with none, as far as they are counted."""
        return [*self._counts.tolist(), *([self.missing] if self.missing else [])]

    @property
    def distinct(self) -> int | str:
        return len(self.seen) if len(self.seen) <= DISTINCT else f"> {DISTINCT}"

    @property
    def known(self) -> int:
        """The number of different values, plus one for gaps, as far as they are counted."""
        return len(self.seen) + (self.missing > 0)

    @property
    def texts(self) -> list[str]:
        """The different values, if they are few texts."""
        few = len(self.seen) <= LISTED and self.seen.dtype == "str"
        return sorted(self.seen) if few else []

    @property
    def many(self) -> bool:
        return len(self.seen) > 10

    @property
    def all_differ(self) -> bool:
        """Whether there are no gaps and no repeated values, as far as they are counted."""
        return not self.missing and len(self.seen) == self.counted > 1

    @property
    def stand_in(self) -> str:
        """The number that may stand for a gap, see stand_in, as far as they are known."""
        return stand_in(list(self.seen))


def stand_in(numbers: list[float]) -> str:
    """Return which of some different numbers may stand for a gap; "" if none.

    By convention, it consists of nines. It is ten times as far from zero as the other numbers with
    its sign.

    >>> stand_in([3, -999, 41]), stand_in([1, 2, 9999.0]), stand_in([-99, -40, 12])
    ('-999', '9999', '')
    >>> stand_in([0.25, 14.75, 9999.9])
    '9999.9'
    """
    for number in (min(numbers, default=0), max(numbers, default=0)):
        spelt = f"{number:.15g}"
        if re.fullmatch("-?(99+|99+[.]9+)", spelt) and len(numbers) > 2:
            others = [one / number for one in numbers if one != number]
            if max(others) < 0.1:
                return spelt
    return ""


def warn_of_gaps(column: Column, values: Values) -> list[str]:
    """Return a note on a number that may stand for a gap, if there is one."""
    number = values.stand_in if column.kind in ("integer", "number") else ""
    plain = not (column.unit or column.thousands)
    how = (
        f"set prepare.na_values to [auto, '{number}']"
        if plain
        else "list it as it is written in prepare.na_values"
    )
    hint = f"has {number}, far from the others: if it stands for a gap, {how}"
    return [hint] if number else []


def tell_identifier(column: Column, values: Values) -> list[str]:
    """Return a note on a feature that looks like an identifier of the rows.

    In 1 % of the rows, it may be missing or repeated.
    """
    known, counted = values.seen, values.counted
    few = values.rows // 100
    repeats = counted - len(known)
    # Of a large table, the first values are counted alone.
    if len(known) < 2 or values.missing > few or repeats > min(few, counted // 100):
        return []
    if column.kind == "text":
        each = "each row" if values.all_differ else "nearly each row"
        return [f"has another text in {each}: if it is an identifier, add it to prepare.drop"]
    if column.kind not in ("integer", "number") or not (known % 1 == 0).all():
        return []
    low, high, rows = values.low, values.high, values.rows
    if low is None:  # of decimals, only the counted ones are known
        low, high, rows = known.min(), known.max(), counted + values.missing
    counter = abs(high - low - (rows - 1)) <= few
    if counter or IDENTIFIER.fullmatch(column.name):
        return ["looks like an identifier: add it to prepare.drop unless it is a measurement"]
    return []


def tell_stamps(column: Column, values: Values) -> list[str]:
    """Return a note on numbers that may be days, months or times."""
    if column.kind not in ("integer", "number") or values.low is None:
        return []
    whole = values.seen.to_numpy() if column.kind == "integer" else []
    for name, size, pattern in (("days", 10_000, "%Y%m%d"), ("months", 100, "%Y%m")):
        months = [number // (size // 100) % 100 for number in whole]
        if all(YEARS[0] <= end // size < YEARS[1] for end in (values.low, values.high)) and (
            months and 1 <= min(months) <= max(months) <= 12
        ):
            example = f"{name} such as {values.low:.0f}"
            return [f"may hold {example}: if so, prepare.columns takes {pattern!r} as its pattern"]
    ends = [values.low, values.high]
    if column.kind == "number" and all(YEARS[0] <= end < YEARS[1] for end in ends):
        months = [round(number % 1 * 100, 4) for number in values.seen]
        if len(months) > 2 and {*months} <= {*range(1, 13)} and len({*months}) > 2:
            note = (
                f"may hold months such as {values.low:.2f}, whose last zero means nothing to a number: "
                "if so, prepare.columns takes '%Y.%m' as its pattern"
            )
            return [note]
    if not CLOCK.search(column.name):
        return []
    for name, seconds, start, arguments in (
        ("seconds since 1970", 1.0, "1970-01-01", "unit='s'"),
        ("milliseconds since 1970", 1e-3, "1970-01-01", "unit='ms'"),
        ("the days of a spreadsheet", 86400.0, "1899-12-30", "unit='D', origin='1899-12-30'"),
    ):
        ends = [seconds * end / 86400 for end in (values.low, values.high)]
        if not max(map(abs, ends)) < 100_000:
            continue
        first, last = (pd.Timestamp(start) + pd.Timedelta(days=end) for end in ends)
        if STAMPS[0] <= first <= last <= STAMPS[1]:
            times = f"pd.to_datetime(table[{column.name!r}], {arguments})"
            what = f"may hold {name}, from {first.date()}"
            return [f"{what}: if so, src/features.py can make times of it: {times}"]
    return []


def advise(column: Column, values: Values, has_time: bool) -> list[str]:
    """Return notes on the values of a feature or a time that matter before its use."""
    notes: list[str] = []
    if column.kind == "date" and values.low is not None:
        if not YEARS[0] <= values.low.year <= values.high.year <= YEARS[1]:
            notes.append(f"has dates from {values.low.date()} to {values.high.date()}")
        if not has_time and values.many and not column.is_clock:
            notes.append(
                "holds times: to predict later rows from earlier ones, name it as prepare.time"
            )
    return notes


def tell_dropped(dropped: dict[str, int]) -> str:
    """Return the number of dropped rows for each reason.

    >>> tell_dropped({"duplicate": 2, "no target": 0, "a feature missing": 1})
    '2 duplicate, 1 a feature missing'
    """
    return ", ".join(f"{number} {reason}" for reason, number in dropped.items() if number)


def summarise(report: dict[str, Any]) -> str:
    """Return the report as readable lines: rows, a line per column, warnings."""
    rows = report["rows"]
    dropped = tell_dropped(rows["dropped"])
    lines = [
        f"{report['source']}: {rows['raw']} rows"
        + (f", dropped: {dropped}; {rows['prepared']} left" if dropped else "")
    ]
    header = ["column", "role", "type", "missing", "distinct"]
    # A name may hold a line break.
    cells = [
        [" ".join(str(line[key]).split()) for key in ["name", *header[1:]]]
        for line in report["columns"]
    ]
    cells.insert(0, header)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        texts = [text.ljust(width) for text, width in zip(line[:3], widths, strict=False)]
        texts += [text.rjust(width) for text, width in zip(line[3:], widths[3:], strict=True)]
        lines.append("  ".join(texts))
    duplicates = rows["dropped"].get("duplicate", 0)
    warnings = list(report["notes"])
    if duplicates > 0.1 * rows["raw"]:
        warnings.append(
            f"{duplicates} rows repeat others; if they are observations of their own, set "
            "prepare.duplicates to keep"
        )
    # Many columns may have the same note.
    told: dict[str, list[str]] = {}
    for line in report["columns"]:
        for note in line["notes"]:
            told.setdefault(note, []).append(line["name"])
    for note, names in told.items():
        more = f" (and {len(names) - 3} more)" if len(names) > 3 else ""
        warnings.append(f"{', '.join(names[:3])}{more}: {note}")
    return "\n".join(lines + [f"warning: {warning}" for warning in warnings])
