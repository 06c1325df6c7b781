"""Read the values of cells by the kind and format of their column."""

import datetime
import re
from contextlib import suppress

from support.cells import (
    BOOLEANS,
    CONTRARY,
    CURRENCY,
    DATES,
    DECORATED,
    FORMS,
    GROUPED,
    MARK,
    MAYBE_VALUES,
    NEGATIVE,
    NO_VALUES,
    NUMBERS,
    PERIODS,
    PLURAL,
    SIGNS,
    SPACE,
    SPACES,
    ZONED,
    as_stored,
    with_year,
)
from support.columns import Column

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# From the year 1 to before the year 10000, in microseconds since 1970
TIMES = (-62_135_596_800_000_000, 253_402_300_800_000_000)
# The type of each kind's values
TYPES = {
    "boolean": pa.bool_(),
    "integer": pa.float64(),
    "number": pa.float64(),
    "date": pa.timestamp("us"),
    "text": pa.string(),
    "empty": pa.null(),
}
LOST_ZEROS = "the file stores a number, without the zeros with which codes for training begin"
# The formats that Arrow reads by itself: decimal, thousands, unit, dates
PLAIN = {(".", "", "", ""), (".", "", "", "ISO8601")}
# The time of a day, or the fraction of a second, that is zero, as Arrow writes it
_ZERO_TIME = r"( 00:00:00)?[.]000000\z"
# A date, and the parts of the time that may follow it
_PARTS = (
    r"\A(?P<date>.*?)(?:(?:T|,? |:)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2}))?"
    r"(?:[.,](?P<fraction>[0-9]{1,9}))?(?:[ \x{a0}\x{202f}]?(?P<half>[AaPp])[.]?[Mm][.]?)?"
    r"(?: ?(?P<zone>Z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?))?)?\z"
)
_WEEKDAYS = "(?i:(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )"
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]


class MisfitError(ValueError):
    """A cell that does not fit its column's kind, at `position` among the given cells.

    `why` tells more than that, if it is not "".
    """

    def __init__(self, position: int, cell: object, why: str = "") -> None:
        super().__init__(position, cell, why)
        self.position, self.cell, self.why = position, cell, why


def trim(cells: pa.Array) -> pa.Array:
    """Return strings without surrounding blanks, and other values unchanged."""
    if not pa.types.is_string(cells.type) or not may_have_blanks(cells):
        return cells
    # Strips the same characters as Python's strip.
    return pc.utf8_trim_whitespace(cells)


def may_have_blanks(cells: pa.Array) -> bool:
    """Return whether strings have bytes that may belong to blanks, cheaper than checking each cell.

    Any non-ASCII byte may.
    """
    # Those from ! to the end of ASCII become 0 to 94.
    return bool((bytes_of(cells) - np.uint8(ord("!")) > 94).any())


def bytes_of(cells: pa.StringArray) -> np.ndarray:
    """Return the concatenated bytes of all cells."""
    _, offsets, content = cells.buffers()
    if content is None:
        return np.array([], np.uint8)
    ends = np.frombuffer(offsets, np.int32)[[cells.offset, cells.offset + len(cells)]]
    return np.frombuffer(content, np.uint8)[slice(*ends)]


def matches(cells: pa.Array, *patterns: str) -> pa.Array:
    """Return whether each whole string matches one of the patterns."""
    return pc.match_substring_regex(cells, rf"\A(?:{'|'.join(patterns)})\z")


def split_units(cells: pa.Array) -> tuple[pa.Array, pa.Array]:
    """Return the numbers in cells and their units, as cells.undecorate does.

    Any other cell is in both unchanged. Brackets or a trailing minus mean a minus.
    """
    numbers = pc.replace_substring_regex(cells, f"\\A{DECORATED}\\z", r"\2\5")
    absolute = pc.replace_substring_regex(numbers, rf"\A{SIGNS}", "")
    negative = matches(cells, NEGATIVE)
    numbers = pc.if_else(negative, pc.binary_join_element_wise("-", absolute, ""), numbers)
    units = pc.replace_substring_regex(cells, f"\\A{DECORATED}\\z", r"\3\7")
    units = pc.replace_substring_regex(units, f"{PLURAL}$", r"\1")
    paired = pc.equal(pc.count_substring(cells, "("), pc.count_substring(cells, ")"))
    read = pc.and_not(paired, pc.and_(negative, matches(cells, CONTRARY)))
    return pc.if_else(read, numbers, cells), pc.if_else(read, units, cells)


def unmark(cells: pa.Array, column: Column, gaps: list[str]) -> pa.Array:
    """Return cells without MARK, those that their file stores as such in the format of the column.

    Those that are one of the `gaps` become blank: in that format, they would be another word.
    """
    if not pa.types.is_string(cells.type):
        return cells
    if words := [word + MARK for word in {*column.gaps, *gaps}]:
        cells = pc.if_else(pc.is_in(cells, pa.array(sorted(words), pa.string())), "", cells)
    if "%" in column.dates:
        encoded = cells.dictionary_encode()
        known = [_as_pattern(value, column.dates) for value in encoded.dictionary.to_pylist()]
        return pa.array(known, pa.string()).take(encoded.indices)
    patterns = {}
    if column.kind in ("number", "integer") and column.decimal == ",":
        patterns[rf"\A(-?[0-9]+)[.]([0-9]+(?:[eE][+-]?[0-9]+)?){MARK}\z"] = r"\1,\2"
    day = rf"\A([0-9]+)-([0-9]+)-([0-9]+)(.*){MARK}\z"
    if column.dates == "day first":
        patterns[day] = r"\3.\2.\1\4"
    elif column.dates == "month first":
        patterns[day] = r"\2/\3/\1\4"
    if column.kind != "text" or not column.zeros:
        patterns[rf"{MARK}\z"] = ""
    for pattern, written in patterns.items():
        cells = pc.replace_substring_regex(cells, pattern, written)
    return cells


def _as_pattern(cell: str, dates: str) -> str:
    """Return a date that its file stores as such in a pattern of strftime, any other cell unchanged."""
    bare = as_stored(cell)
    if bare != cell and "-" in bare[1:]:
        with suppress(ValueError):
            return datetime.datetime.fromisoformat(bare).strftime(dates)
    return bare


def read_values(cells: pa.Array, column: Column, seen: bool = False) -> pa.Array:
    """Return the values of cells in the type of the column's kind, see TYPES; gaps are null.

    `cells` are strings, or have a type that reader.plain returns. If they were `seen` when the
    column was decided, they are stripped already, and the format of plain numbers and dates need
    not be checked again.

    Raises MisfitError for the first cell that does not fit the column.
    """
    if not pa.types.is_string(cells.type):
        return _read_stored(cells, column)
    if not seen:
        cells = trim(cells)
    gaps = pc.equal(pc.binary_length(cells), 0)
    words = set(column.gaps)
    if not seen and column.kind != "text":
        # The training rows may have had no gaps.
        words |= NO_VALUES | MAYBE_VALUES
    if words:
        gaps = pc.or_(gaps, pc.is_in(cells, pa.array(sorted(words), pa.string())))
    if pc.any(gaps).as_py():
        cells = pc.if_else(gaps, None, cells)
    if column.kind == "text":
        if not column.zeros:
            return cells
        if not seen:
            _check(cells, pc.invert(pc.ends_with(cells, MARK)), LOST_ZEROS)
        return pc.replace_substring(cells, MARK, "")
    if column.kind == "empty":
        return pa.nulls(len(cells))
    if column.kind == "date" and not seen:
        _check_dates(cells, column)
    mark = "." if column.kind == "integer" else column.decimal
    if seen and (mark, column.thousands, column.unit, column.dates) in PLAIN:
        with suppress(pa.ArrowInvalid):
            return cells.cast(TYPES[column.kind])
    if column.kind == "boolean":
        _check(cells, matches(cells, *(FORMS[form] for form in sorted(BOOLEANS))))
        return pc.equal(pc.utf8_lower(cells), "true")
    return (_read_dates if column.kind == "date" else _read_numbers)(cells, column)


def _check(cells: pa.Array, fits: pa.Array, why: str = "") -> None:
    """Raise MisfitError for the first of the cells that does not fit."""
    fits = fits.fill_null(True)
    if not pc.all(fits).as_py():
        position = pc.index(fits, False).as_py()
        cell = cells[position].as_py()
        raise MisfitError(position, as_stored(cell) if isinstance(cell, str) else cell, why)


def _check_dates(cells: pa.Array, column: Column) -> None:
    """Raise MisfitError for a date that has several readings, none of which the column tells."""
    if column.zones:
        _check_zones(cells, column.zones)
    if column.dotted:
        # It comes from elsewhere.
        swapped = matches(cells, FORMS["either"])
        why = "the day or the month may be first, and no date for training tells which"
        _check(cells, pc.invert(swapped), why)
    if column.unit == "AM/PM":
        # 02:30:00 is how programs write it, by 24 hours.
        bare = matches(cells, "(?:0?[1-9]|1[0-2]):[0-9]{2}|[1-9]:[0-9]{2}:[0-9]{2}.*[0-9]")
        _check(cells, pc.invert(bare), "it has no AM or PM, unlike the times for training")
    if column.dates == "ISO8601":
        known = column.periods or ["day"]
        forms = {"quarter": {"quarter"}, "month": PERIODS - {"quarter"}}
        forms["day"] = DATES["ISO8601"] - PERIODS
        for other in sorted(forms.keys() - {*known}):
            patterns = [FORMS[form] for form in sorted(forms[other])]
            why = f"it is a {other}, and each date for training a {' or a '.join(known)}"
            _check(cells, pc.invert(matches(cells, *patterns)), why)


def _check_zones(cells: pa.Array, zones: str) -> None:
    """Raise MisfitError for a time that has a zone, or has none, unlike all times for training."""
    with_zone = matches(cells, *(FORMS[form] for form in sorted(ZONED)))
    if zones == "all":
        times = matches(cells, FORMS["iso"], FORMS["iso_slash"])
        _check(cells, pc.invert(times), "it has no zone, unlike the times for training")
    else:
        # What is in UTC is read as what has no zone.
        in_utc = pc.match_substring_regex(cells, r"(Z|UTC|GMT|[+-]00(:?00)?)\z")
        fits = pc.or_(pc.invert(with_zone), in_utc)
        _check(cells, fits, "it has a zone, unlike the times for training")


def _read_stored(cells: pa.Array, column: Column) -> pa.Array:
    """Return values from a file with typed columns."""
    wanted = TYPES[column.kind]
    if column.is_clock:
        _check(cells, pc.is_null(cells))  # a time on a day is another
    if pa.types.is_null(cells.type) or column.kind == "empty":
        return pa.nulls(len(cells), wanted)
    if cells.type in (pa.int64(), pa.float64()):
        gaps = pa.array([float("nan"), *_numbers_in(column.gaps)])
        cells = pc.if_else(pc.is_in(cells.cast(pa.float64(), safe=False), gaps), None, cells)
        if wanted == pa.float64():
            if column.unit.strip("()") and not re.fullmatch(CURRENCY, column.unit):
                _check(cells, pc.is_null(cells))  # 0.05 may be 5 %
            return cells.cast(wanted, safe=False)
        if column.kind == "text" and column.zeros:
            _check(cells, pc.is_null(cells), LOST_ZEROS)
        if "%" in column.dates:
            return _read_pattern(cells.cast(pa.string()), column.dates)
    elif column.gaps:
        # As a text file would have them; a day without its time
        written = pc.replace_substring_regex(cells.cast(pa.string()), _ZERO_TIME, "")
        words = {spelt for word in column.gaps for spelt in (word, word.lower())}
        cells = pc.if_else(pc.is_in(written, pa.array(sorted(words))), None, cells)
    if cells.type != wanted and column.kind != "text":
        _check(cells, pc.is_null(cells))
    if pa.types.is_timestamp(cells.type) and column.kind == "text":
        return pc.replace_substring_regex(cells.cast(wanted), _ZERO_TIME, "")
    return cells.cast(wanted)


def _numbers_in(words: list[str]) -> list[float]:
    found = []
    for word in words:
        with suppress(ValueError):
            found.append(float(word))
    return found


def _read_numbers(cells: pa.Array, column: Column) -> pa.Array:
    """Return numbers, without their units and marks."""
    numbers = cells
    if column.unit:
        numbers, units = split_units(cells)
        # Infinity is a number, not a unit.
        units = pc.if_else(matches(cells, FORMS["infinite"]), "", units)
        known = [column.unit] if column.unit != "()" else []
        if not known or re.fullmatch(CURRENCY, column.unit):
            known.append("")
        _check(cells, pc.or_(pc.is_null(cells), pc.is_in(units, pa.array(known, pa.string()))))
    forms = NUMBERS[column.decimal]
    if "," not in column.thousands and "." not in column.thousands:
        forms = forms - GROUPED[column.decimal]
    if " " not in column.thousands:
        forms = forms - SPACES
    if column.kind == "integer" and column.decimal == ".":
        forms = forms - {"point3"}  # 4.403 may be 4403
    if column.zeros:
        forms = forms | {"zeros", "long"}
    _check(cells, matches(numbers, *(FORMS[form] for form in sorted(forms))))
    numbers = pc.replace_substring_regex(numbers, "[\u2212\u2013]", "-")
    if " " in column.thousands:
        numbers = pc.replace_substring_regex(numbers, SPACE, "")
    if column.thousands:
        numbers = pc.replace_substring(numbers, "," if column.decimal == "." else ".", "")
    if column.decimal == ",":
        numbers = pc.replace_substring(numbers, ",", ".")
    return numbers.cast(pa.float64())


def _read_dates(cells: pa.Array, column: Column) -> pa.Array:
    """Return points in time, in UTC if the cells have a zone."""
    if column.dates not in DATES:
        return _read_pattern(cells, column.dates)
    _check(cells, matches(cells, *(FORMS[form] for form in sorted(DATES[column.dates]))))
    if column.dates == "time of day":
        # 8.30 pm and 8 pm
        cells = pc.replace_substring_regex(cells, r"^(\d{1,2})[.](\d\d)", r"\1:\2")
        cells = pc.replace_substring_regex(cells, r"^(\d{1,2})([^\d:])", r"\1:00\2")
        cells = pc.binary_join_element_wise("1970-01-01", cells, " ")
    with suppress(pa.ArrowInvalid):
        return cells.cast(pa.timestamp("us"))
    # Not all are in ISO 8601, so read them part by part
    date, *time = pc.extract_regex(cells, _PARTS).flatten()
    day = _as_iso(date, column.dates).cast(pa.timestamp("us")).cast(pa.int64())
    times = pc.add(day, _microseconds(*time))
    # In UTC, the last hours of 9999 may be in a year that Python does not have.
    for bound, limit in ((pc.max_element_wise, TIMES[0]), (pc.min_element_wise, TIMES[1] - 1)):
        times = bound(times, pa.scalar(limit, pa.int64()), skip_nulls=False)
    return times.cast(pa.timestamp("us"))


def _as_iso(dates: pa.Array, order: str) -> pa.Array:
    """Convert dates in any known format to ISO 8601."""
    days = dates
    for number in range(1, 5):
        days = pc.replace_substring_regex(
            days,
            rf"^(\d{{4}})[ -]?[Qq]{number}$|^[Qq]{number}[ /-]?(\d{{4}})$",
            rf"\1\2-{3 * number - 2}",
        )
    dates = days
    named = matches(dates, ".*[A-Za-z].*")
    if pc.any(named).as_py():
        days = pc.replace_substring_regex(days, rf"^{_WEEKDAYS}|(\d)(st|nd|rd|th)\b", r"\2")
        month_first = matches(days, "[A-Za-z].*")
        for number, month in enumerate(_MONTHS, start=1):
            days = pc.replace_substring_regex(days, f"(?i){month}[a-z]*", f".{number}.")
        days = pc.replace_substring_regex(days, "[ ,./-]+", ".")
        # Jan 31, 2024 is now .1.31.2024, and Jan 2024 .1.2024
        days = pc.if_else(
            month_first, pc.replace_substring_regex(days, r"^[.](\d+)[.](\d+)", r"\2.\1"), days
        )
        days = pc.if_else(named, days, dates)
    parts = r"\3-\1-\2" if order == "month first" else r"\3-\2-\1"
    for pattern, iso in {
        r"^(\d{1,2})[/-](\d{1,2})[/-](\d{4}|\d\d)$": parts,
        r"^(\d{1,2})[.](\d{1,2})[.](\d{4}|\d\d)$": r"\3-\2-\1",
        r"^([0-5]\d|6[0-8])-": r"20\1-",  # as POSIX reads years of two digits
        r"^(\d\d)-": r"19\1-",
        r"^(\d{4})[./](\d{1,2})[./]": r"\1-\2-",
        r"^(\d{1,2})/(\d{4})$": r"\2-\1",
        r"^(\d{4})[/.](\d{1,2})$": r"\1-\2",
        r"^(\d{4})-(\d)(-|$)": r"\1-0\2\3",
        r"^(\d{4}-\d\d)-(\d)$": r"\1-0\2",
        r"^(\d{4}-\d\d)$": r"\1-01",
    }.items():
        days = pc.replace_substring_regex(days, pattern, iso)
    return days


def _microseconds(
    hour: pa.Array,
    minute: pa.Array,
    second: pa.Array,
    fraction: pa.Array,
    half: pa.Array,
    zone: pa.Array,
) -> pa.Array:
    """Return the time since midnight in UTC; missing parts are empty strings."""

    def whole(text: pa.Array) -> pa.Array:
        return pc.if_else(pc.equal(pc.binary_length(text), 0), "0", text).cast(pa.int64())

    half = pc.utf8_lower(half)
    hours = whole(hour)
    # 12 am is 0, 12 pm is 12; some write 13:00 PM.
    hours = pc.if_else(pc.and_(pc.not_equal(half, ""), pc.equal(hours, 12)), 0, hours)
    later = pc.and_(pc.equal(half, "p"), pc.less(hours, 12))
    hours = pc.add(hours, pc.if_else(later, 12, 0))
    zone = pc.replace_substring_regex(zone, "Z|UTC|GMT|:", "")
    ahead = pc.add(
        pc.multiply(whole(pc.utf8_slice_codeunits(zone, 1, 3)), 60),
        whole(pc.utf8_slice_codeunits(zone, 3, 5)),
    )
    ahead = pc.if_else(pc.starts_with(zone, "-"), pc.negate(ahead), ahead)
    minutes = pc.subtract(pc.add(pc.multiply(hours, 60), whole(minute)), ahead)
    seconds = pc.add(pc.multiply(minutes, 60), whole(second))
    micro = whole(pc.utf8_slice_codeunits(pc.utf8_rpad(fraction, 6, "0"), 0, 6))
    return pc.add(pc.multiply(seconds, 1_000_000), micro)


def _read_pattern(cells: pa.Array, dates: str) -> pa.Array:
    """Return points in time from cells in a strftime pattern."""
    digits = datetime.datetime(2000, 1, 1).strftime(dates)
    # With %d%m%Y, 1022020 is 1 February.
    width = len(digits) if digits.isdigit() else 0
    year, dates = with_year(dates)
    # Not Arrow's strptime, whose directives differ between systems
    encoded = cells.dictionary_encode()
    known = {}
    for value in encoded.dictionary.to_pylist():
        try:
            known[value] = datetime.datetime.strptime(value.rjust(width, "0") + year, dates)
        except ValueError:
            _check(cells, pc.not_equal(cells, value))
    found = pa.array([known[value] for value in encoded.dictionary.to_pylist()], pa.timestamp("us"))
    return found.take(encoded.indices)
