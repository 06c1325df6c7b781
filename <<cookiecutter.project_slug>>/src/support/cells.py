"""The formats of the cells in a table.

Every cell starts as text. Its *form* is its format: `integer`, `comma3` (4,702), `iso`
(2024-12-31) and so on. A *profile* counts the forms of a column; columns.py decides from it.

Only the standard library: the template reads a table with this module before the project exists.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from copy import copy
from functools import cached_property
from typing import Any

# Words that stand for a missing value, and words that may: Namibia's code is NA, and None is an
# answer like any other.
NO_VALUES = frozenset(
    {"NaN", "nan", "NAN", "NaT", "<NA>", "NULL", "null", "Null", r"\N", "N/A", "n/a", "?"}
    | {"#N/A", "#NA", "#VALUE!", "#DIV/0!", "#REF!", "#NAME?", "#NUM!", "#NULL!", "#NV", "#WERT!"}
    | {
        "#BEZUG!",
        "#ZAHL!",
        "#VALEUR!",
        "#NOMBRE?",
        "#\u00a1VALOR!",
        "#\u00a1DIV/0!",
        "#N/D",
        "#N/B",
    }
    | {"N/a", "Nan", "-nan", "-NaN", "1.#QNAN", "-1.#IND", "<NULL>", "[NULL]", "<null>"}
)
MAYBE_VALUES = frozenset(
    {"NA", "na", "n.a.", "N.A.", "None", "none", "NONE", "nil", "(null)", "-", "--", "---", "."}
    | {"..", "*", "missing", "Missing", "unknown", "Unknown", "UNKNOWN", "undefined", "TBD"}
    | {"n.d.", "N.D.", "n/d", "N/D", "s/d", "S/D", "k.A.", "k. A.", "keine Angabe", "unbekannt"}
    | {"inconnu", "desconocido", "desconhecido", "not available", "Not available", "Not Available"}
    | {"(blank)", "(empty)", "(Leer)", "\u2013", "\u2014"}
)
# A number or date that its file stores as such ends with this character, which no text uses: a text
# beside it tells nothing of its decimal mark, nor it of the text's.
MARK = "\ue000"
# A profile keeps this many different cells without a form. With more, the column is text.
SPELLINGS = 20

# The forms are regular expressions that Python and RE2, Arrow's engine, read alike.
# Includes the typographic minus, and a dash used as a minus
SIGNS = "[+\u2212\u2013-]"
_SIGN = f"{SIGNS}?"
# At most 15 digits: a floating-point number would lose the last of more.
_WHOLE = "(?:0|[1-9][0-9]{0,14})"
# A fraction shows that it is a number, however long.
_LONG = "(?:0|[1-9][0-9]*)"
_GROUP = "[1-9][0-9]{0,2}"
_UNGROUPED = "(?:0|[1-9][0-9]{3,})"
_OTHER = "(?:[0-9]{1,2}|[0-9]{4,})"
_MORE = "(?:[0-9]|[0-9]{3,})"
SPACE = "[ '\u2019\u00a0\u2009\u202f]"
# Includes the year 1, from which some databases count
_YEAR = "(?:[1-9][0-9]{3}|0001)"
_LEAP_YEAR = "(?:[1-9][0-9](?:0[48]|[2468][048]|[13579][26])|(?:[2468][048]|[13579][26])00)"
# Two digits are a year from 1969 to 2068, as POSIX reads %y.
_SHORT = f"(?:{_YEAR}|[0-9]{{2}})"
_TWO_DIGITS = ("[0-9]{2}", "(?:[02468][048]|[13579][26])")
_SHORT_LEAP = f"(?:{_LEAP_YEAR}|{_TWO_DIGITS[1]})"
# The names of the months, by number of days
_NAMES = (
    "(?i:jan|january|mar|march|may|jul|july|aug|august|oct|october|dec|december)",
    "(?i:apr|april|jun|june|sept?|september|nov|november)",
    "(?i:feb|february)",
)
_MONTH = f"(?:{'|'.join(_NAMES)})"
_WEEKDAY = "(?i:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*,? )?"
_ZONE = " ?(?:Z|UTC|GMT|[+-][0-2][0-9](?::?[0-5][0-9])?)"
# Browsers write a no-break space.
_HALF = "[ \u00a0\u202f]?[AaPp][.]?[Mm][.]?"
_HOURS = "(?:[01]?[0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:[.,][0-9]{1,9})?)?"
_CLOCK = f"{_HOURS}(?:{_HALF})?"
_AT = f"(?:T|,? |:){_CLOCK}"
_TIME = f"(?:{_AT}(?:{_ZONE})?)?"


def _day(
    order: str,
    year: str = _YEAR,
    leap_year: str = _LEAP_YEAR,
    zero: str = "0?",
    from_13: bool = False,
    names: bool = False,
) -> str:
    """Return the pattern of a valid date; `order` is, for example, "{d}/{m}/{y}".

    `zero` precedes days and months below 10; with `names`, months are words.
    """
    long, short, february = _NAMES
    if not names:
        long, short, february = f"(?:{zero}[13578]|1[02])", f"(?:{zero}[469]|11)", f"{zero}2"
    first = "1[3-9]" if from_13 else f"{zero}[1-9]|1[0-9]"
    days = [
        (year, long, f"(?:{first}|2[0-9]|3[01])"),
        (year, short, f"(?:{first}|2[0-9]|30)"),
        (year, february, f"(?:{first}|2[0-8])"),
        (leap_year, february, "29"),
    ]
    return "(?:" + "|".join(order.format(y=y, m=m, d=d) for y, m, d in days) + ")"


def _large_day(order: str) -> str:
    """Return the pattern of a date in which day and month cannot be swapped."""
    slashes = _day(order.format(s="/"), _SHORT, _SHORT_LEAP, from_13=True)
    return f"(?:{slashes}|{_day(order.format(s='-'), from_13=True)})"


_DAY_NAME = "{d}(?:st|nd|rd|th|[.])?[ /-]{m}[ ,/-] ?{y}"
_NAME_DAY = "{m}[ -]{d}(?:st|nd|rd|th)?,? {y}"
_TWELVE = "(?:0?[1-9]|1[0-2])"
_DATES = {
    "iso": _day("{y}-{m}-{d}"),
    "iso_slash": f"(?:{_day('{y}/{m}/{d}')}|{_day('{y}[.]{m}[.]{d}')})",
    # Day and month could be swapped.
    "either": f"{_TWELVE}(?:/{_TWELVE}/{_SHORT}|-{_TWELVE}-{_YEAR})",
    "day_first": _large_day("{{d}}{s}{{m}}{s}{{y}}"),
    "month_first": _large_day("{{m}}{s}{{d}}{s}{{y}}"),
    "day_dot": f"(?:{_day(r'{d}[.]{m}[.]{y}')}|{_day(r'{d}[.]{m}[.]{y}', *_TWO_DIGITS, zero='0')})",
    "day_name": f"{_WEEKDAY}{_day(_DAY_NAME, _SHORT, _SHORT_LEAP, names=True)}"
    f"|{_day('{d}{m}{y}', names=True)}",
    "name_day": f"{_WEEKDAY}{_day(_NAME_DAY, names=True)}",
}
# 2009-10 is October, or a season that ends in the next year: its two-digit years are one apart.
_SEASONS = "|".join(f"{year:02d}[/-]{year + 1:02d}" for year in range(12))
_MONTHS = "|".join(
    ["(?:1[2-9]|[2-9][0-9]){s}(?:0[1-9]|1[0-2])"]
    + [f"{year:02d}{{s}}{m:02d}" for year in range(12) for m in range(1, 13) if m != year + 1]
)
# A cell has at most one form, so that Arrow can count each form independently.
FORMS = {
    "integer": f"{_SIGN}(?:0|[1-9][0-9]{{0,2}})",
    "large": f"{_SIGN}[1-9][0-9]{{3,14}}",
    # 7.823 and 4,702 have two readings; with more or fewer digits on either side they have one.
    "point3": f"{_SIGN}{_GROUP}[.][0-9]{{3}}",
    "point": f"{_SIGN}(?:{_LONG}?[.]{_MORE}[1-9]|{_UNGROUPED}?[.][0-9]{{2}}[1-9]|{_LONG}[.])",
    # 1.9 and 1.10 may be versions.
    "point1": f"{_SIGN}{_LONG}?[.][0-9]",
    "point0": f"{_SIGN}(?:{_LONG}?[.]{_MORE}0|{_UNGROUPED}?[.][0-9]{{2}}0)",
    "comma3": f"{_SIGN}{_GROUP},[0-9]{{3}}",
    "comma": f"{_SIGN}(?:{_LONG}?,{_OTHER}|{_UNGROUPED}?,[0-9]{{3}})",
    "points": f"{_SIGN}{_GROUP}(?:[.][0-9]{{3}}){{2,4}}",
    "commas": f"{_SIGN}{_GROUP}(?:,[0-9]{{2,3}}){{1,3}},[0-9]{{3}}",
    "points_comma": f"{_SIGN}{_GROUP}(?:[.][0-9]{{3}}){{1,4}},[0-9]+",
    "commas_point": f"{_SIGN}{_GROUP}(?:,[0-9]{{2,3}}){{0,3}},[0-9]{{3}}[.][0-9]+",
    "spaces": f"{_SIGN}{_GROUP}(?:{SPACE}[0-9]{{3}}){{1,4}}",
    "spaces_point": f"{_SIGN}{_GROUP}(?:{SPACE}[0-9]{{3}}){{1,4}}[.][0-9]+",
    "spaces_comma": f"{_SIGN}{_GROUP}(?:{SPACE}[0-9]{{3}}){{1,4}},[0-9]+",
    "exponent": f"{_SIGN}(?:[0-9]+[.][0-9]*|[.][0-9]+)[eE]{_SIGN}[0-9]{{1,3}}",
    "exponent_whole": f"{_SIGN}[0-9]+[eE]{SIGNS}[0-9]{{1,3}}",
    "exponent_comma": f"{_SIGN}[0-9]+,[0-9]+[eE]{_SIGN}[0-9]{{1,3}}",
    # 12e45 may be a number or a code.
    "bare_exponent": f"{_SIGN}[0-9]+[eE][0-9]{{1,3}}",
    "infinite": f"{_SIGN}(?i:inf|infinity)",
    # As numbers, 007 would lose its zeros, and a long one its last digits.
    "zeros": f"{_SIGN}0[0-9]+",
    "long": f"{_SIGN}[1-9][0-9]{{15,}}",
    "boolean": "true|false",
    "boolean_title": "True|False",
    "boolean_upper": "TRUE|FALSE",
    # Months and quarters
    "season": f"[1-9][0-9](?:{_SEASONS})",
    "month": f"[1-9][0-9](?:{_MONTHS.format(s='-')})",
    "month_slash": f"[1-9][0-9](?:{_MONTHS.format(s='/')})|(?:0?[1-9]|1[0-2])/{_YEAR}",
    "month_name": f"{_MONTH}[.]?,?[ -]{_YEAR}",
    "quarter": f"(?:{_YEAR}[ -]?[Qq][1-4]|[Qq][1-4][ /-]?{_YEAR})",
    **{name: f"(?:{day}){_TIME}" for name, day in _DATES.items()},
    "iso": f"(?:{_DATES['iso']})(?:{_AT})?",
    "iso_zone": f"(?:{_DATES['iso']}){_AT}{_ZONE}",
    "iso_slash": f"{_DATES['iso_slash']}(?:{_AT})?",
    "iso_slash_zone": f"{_DATES['iso_slash']}{_AT}{_ZONE}",
    "clock": _HOURS,
    "clock_half": f"{_HOURS}{_HALF}|{_TWELVE}(?:[.][0-5][0-9])?{_HALF}",
    "stored_integer": f"-?{_WHOLE}{MARK}",
    "stored": f"-?[0-9]+(?:[.][0-9]+(?:[eE][+-]?[0-9]{{1,3}})?|[eE][+-]?[0-9]{{1,3}}){MARK}",
    "stored_date": f"(?:{_DATES['iso']})(?:{_AT})?{MARK}",
}
# What may stand next to a number: a currency (in Shift-JIS, the yen is a backslash), a percent
# sign, brackets or a trailing minus, which accountants write, or a unit, such as km/h
CURRENCY = (
    "[A-Z]{0,3}[$\\\\\u00a2-\u00a5\u20a0-\u20bf\uff04\uffe1\uffe5]|USD|EUR|GBP|CHF|JPY|CNY|INR|CAD|AUD"
    "|NZD|SEK|NOK|DKK|ISK|PLN|CZK|HUF|RON|BGN|UAH|RUB|TRY|ILS|ZAR|BRL|MXN|ARS|CLP|COP|KRW|TWD|HKD"
    "|SGD|THB|IDR|MYR|PHP|VND|AED|SAR|EGP|NGN|KES"
    "|Rs[.]?|RM|kr[.]?|Fr[.]|z\u0142|K\u010d|Ft|TL|\u0440\u0443\u0431[.]?"
)
# No fraction, as in 5\u00bd, and no sign that does not show
_LETTER = "A-Za-z\u00b0\u00b5\u00ba\u00c0-\u1fff\u2030-\u214f\u2190-\ufefe"
_UNIT = f"[{_LETTER}\"'%][{_LETTER}/\u00b2\u00b3\u00b7\u00b9]{{0,9}}[.]?"
DECORATED = (
    f"(?P<open>[(])?(?P<minus>{SIGNS})? ?(?P<before>{CURRENCY})?[ \u00a0\u202f]?(?P<inner>[(])?"
    f"(?P<number>{_SIGN}[0-9.,](?:[0-9.,eE+\u2212\u2013-]|{SPACE})*?)"
    "(?P<whole>[.,](?:--?|[\u2013\u2014]))?"  # 5.- is 5 francs
    f"[ \u00a0\u202f]?(?P<after>{CURRENCY}|{_UNIT})?(?P<close>[)])?(?P<behind>-)?"
)
_DECORATED = re.compile(DECORATED)
# Brackets or a minus at the end, which is not that of 5.- francs
NEGATIVE = ".*(?:[(].*|[^.,-]-|[^0-9.,][.]-)"
# A plus beside brackets and a minus on both sides contradict themselves.
CONTRARY = f"[^0-9]*[+][^0-9]*[(].*|[^0-9]*[(][^0-9]*[+].*|[^0-9(]*{SIGNS}[^0-9(]*[0-9][^(]*-"
# Days and day are one unit.
PLURAL = "([A-Za-z]{2,})s"

# The forms that a decimal mark can turn into numbers, and the forms that reveal the mark
POINT = frozenset(
    {"point", "point1", "point0", "commas", "commas_point", "spaces_point", "exponent"}
)
COMMA = frozenset({"comma", "points", "points_comma", "spaces_comma", "exponent_comma"})
_ANY = {"integer", "large", "point3", "comma3", "spaces", "bare_exponent", "exponent_whole"}
_ANY |= {"infinite", "stored", "stored_integer"}
NUMBERS = {".": POINT | _ANY, ",": COMMA | _ANY}
BOOLEANS = frozenset({"boolean", "boolean_title", "boolean_upper"})
# Those that would lose digits as numbers
CODES = frozenset({"zeros", "long"})
# The forms in which marks or blanks group the digits
GROUPED = {
    ".": frozenset({"comma3", "commas", "commas_point"}),
    ",": frozenset({"point3", "points", "points_comma"}),
}
SPACES = frozenset({"spaces", "spaces_point", "spaces_comma"})
PERIODS = frozenset({"season", "month", "month_slash", "month_name", "quarter"})
ZONED = frozenset({"iso_zone", "iso_slash_zone"})
# The forms of dates, by their first part
DATES = {
    "ISO8601": PERIODS | {"iso", "iso_slash", "stored_date"} | ZONED,
    "day first": frozenset(
        {"day_first", "day_dot", "either", "day_name", "name_day", "stored_date"}
    ),
    "month first": frozenset({"month_first", "either", "day_name", "name_day", "stored_date"}),
    "time of day": frozenset({"clock", "clock_half"}),
}


def stored(value: str) -> str:
    """Return a number or date that a file stores as such, marked unless it is like no such value.

    >>> stored("1.5") == "1.5" + MARK, stored("NaN"), as_stored(stored("1.5"))
    (True, 'NaN', '1.5')
    """
    forms = (FORMS[form] for form in ("stored", "stored_integer", "stored_date"))
    return value + MARK if re.fullmatch("|".join(forms), value + MARK) else value


def as_stored(cell: str) -> str:
    """Return a cell without the mark of `stored`."""
    return cell.removesuffix(MARK)


def undecorate(cell: str) -> tuple[str, str] | None:
    """Return the number in a cell and its unit or sign; None if the cell has neither.

    >>> undecorate("$ 1,234.50"), undecorate("(12)"), undecorate("5 %"), undecorate("-5")
    (('1,234.50', '$'), ('-12', ''), ('5', '%'), None)
    >>> undecorate("$(3)"), undecorate("4.20-"), undecorate("2 days"), undecorate("CHF 5.-")
    (('-3', '$'), ('-4.20', ''), ('2', 'day'), ('5.0', 'CHF'))
    >>> undecorate("(-3)"), undecorate("(+3)"), undecorate("-3-")
    (('-3', ''), None, None)
    """
    match = _DECORATED.fullmatch(cell)
    if not match or cell.count("(") != cell.count(")"):
        return None
    if match["after"] and re.fullmatch(f"{_HALF}|(?i:Uhr)", match["after"]):
        return None  # 8.30 pm
    negative = re.fullmatch(NEGATIVE, cell)
    if negative and re.fullmatch(CONTRARY, cell):
        return None
    unit = re.sub(f"{PLURAL}$", r"\1", (match["before"] or "") + (match["after"] or ""))
    if not unit and not negative and not match["whole"]:
        return None
    # Its mark is the decimal mark: 12.000,- is written as 12.000,0 may be.
    fraction = f"{match['whole'][0]}0" if match["whole"] else ""
    number = (match["minus"] or "") + match["number"]
    if negative:
        number = "-" + re.sub(f"\\A{SIGNS}", "", number)
    return number + fraction, unit


def pattern_of(dates: str) -> str:
    """Return the regular expression of a pattern of dates, such as '%d/%m/%Y'.

    Raises ValueError for an unknown or repeated directive.
    """
    digits = {
        "Y": "[0-9]{4}",
        "y": "[0-9]{2}",
        "j": "[0-9]{1,3}",
        "f": "[0-9]{1,6}",
        "p": "[AaPp][Mm]",
    }
    digits |= dict.fromkeys("dmHIMS", "[0-9]{1,2}") | dict.fromkeys("bB", _MONTH)
    parts = re.split("%(.)", dates)
    unknown = [one for one in parts[1::2] if one not in digits]
    if unknown:
        raise ValueError(f"%{unknown[0]} is not understood")
    if twice := [one for one in parts[1::2] if parts[1::2].count(one) > 1]:
        raise ValueError(f"{dates!r} has %{twice[0]} twice")
    parts[::2] = map(re.escape, parts[::2])
    parts[1::2] = [digits[one] for one in parts[1::2]]
    return "".join(parts)


def with_year(dates: str) -> tuple[str, str]:
    """Return what to add to a cell, and its pattern, so that it has a year.

    That is a leap year if it has a day or a month, and the year of times of day if it has neither.

    >>> with_year("%d-%b"), with_year("%d.%m.%y"), with_year("%H.%M")
    ((' 2000', '%d-%b %Y'), ('', '%d.%m.%y'), (' 1970', '%H.%M %Y'))
    """
    if re.search("%[Yy]", dates):
        return "", dates
    return " 2000" if re.search("%[mdjbB]", dates) else " 1970", f"{dates} %Y"


def spellings(words: Iterable[Any]) -> frozenset[str]:
    """Return the spellings of some words for gaps; numbers with either mark, and further zeros.

    >>> found = spellings([-9, 99.5, "NA"])
    >>> all(one in found for one in ("-9", "-9.", "-9,000", "99.5", "99,50", "NA")), "99" in found
    (True, False)
    """
    found = set()
    for word in map(str, words):
        found.add(word)
        if parts := re.fullmatch("([+-]?[0-9]+)(?:[.,]([0-9]*?)0*)?", word):
            whole, fraction = parts[1], parts[2] or ""
            found |= {whole, f"{whole}."} if not fraction else set()
            ends = [fraction + "0" * number for number in range(7)]
            found |= {whole + mark + end for mark in ".," for end in ends if end}
    return frozenset(found)


def listed_gaps(na_values: str | list[Any]) -> frozenset[str]:
    """Return the spellings of the words that na_values in params.yaml lists, see Forms."""
    listed = [] if isinstance(na_values, str) else [word for word in na_values if word != "auto"]
    return spellings(listed)


class Forms:
    """The forms and words that the cells of a table are compared with.

    `words` may stand for a gap: those of `na_values` in params.yaml and, if that is `auto` or lists
    it, the usual ones. `listed` are those that do in any case. `dates` is a pattern that takes precedence over the other forms, or "".
    `first_row` is the number of the row below the header.
    """

    def __init__(
        self, na_values: str | list[Any] = "auto", dates: str = "", first_row: int = 2
    ) -> None:
        self.first_row = first_row
        self.listed = listed_gaps(na_values)
        self.auto = "auto" in na_values
        self.words = self.listed | (NO_VALUES | MAYBE_VALUES if self.auto else set())
        pattern = f"(?:{pattern_of(dates)}){MARK}?" if dates else ""
        self.patterns = ({"pattern": pattern} if dates else {}) | FORMS

    @cached_property
    def _pattern(self) -> re.Pattern:
        return re.compile("|".join(f"(?P<{key}>{one})" for key, one in self.patterns.items()))

    def of(self, cell: str) -> str:
        """Return the form of a cell without blanks around it; "" if it has none.

        A number with a unit or sign next to it has the number's form and a star.

        >>> [Forms().of(cell) for cell in ("12", "007", "4,702", "12e45", "31.12.2024", "5%", "x")]
        ['integer', 'zeros', 'comma3', 'bare_exponent', 'day_dot', 'integer*', '']
        """
        if match := self._pattern.fullmatch(cell):
            return str(match.lastgroup)
        if parts := undecorate(cell):
            match = self._pattern.fullmatch(parts[0])
            if match and match.lastgroup in NUMBERS["."] | NUMBERS[","]:
                return f"{match.lastgroup}*"
        return ""


class Profile:
    """The formats of the cells of a column, counted over its rows.

    `forms` counts the cells of each form ("" for none), `words` the cells that may stand for a gap,
    and `others` the first SPELLINGS different cells without a form. `units` counts the units of
    numbers, and `beside` the first SPELLINGS of such cells.
    `varies` tells whether there are two different cells; otherwise `constant` is the only one.
    `first` has the row and the cell of each form's first occurrence, and `rows_of` the row of each
    word and other. Rows count as in a spreadsheet: the header is row 1, if nothing is above it.
    """

    def __init__(self, forms: Forms) -> None:
        self.known = forms
        self.rows = self.blank = self.padded = 0
        self.varies = False
        self.constant: str | None = None
        self.forms: Counter[str] = Counter()
        self.units: Counter[str] = Counter()
        self.words: Counter[str] = Counter()
        self.others: Counter[str] = Counter()
        self.beside: Counter[str] = Counter()
        self.first: dict[str, tuple[int, str]] = {}
        self.rows_of: dict[str, int] = {}

    @property
    def is_text(self) -> bool:
        """Whether no further cell could make it anything but text."""
        return len(self.others) > SPELLINGS

    @property
    def next_row(self) -> int:
        """The number of the row after those counted so far."""
        return self.known.first_row + self.rows

    @property
    def filled(self) -> int:
        """The number of cells that are neither blank nor one of the words."""
        return sum(self.forms.values())

    def count(self, forms: Iterable[str]) -> int:
        """Return the number of cells in some forms, with or without a unit."""
        return sum(self.forms[form] + self.forms[f"{form}*"] for form in forms)

    @property
    def recorded(self) -> Counter[str]:
        """The cells whose spelling is known, with their numbers: all words, and others that are rare."""
        single = [cell for form, (_, cell) in self.first.items() if self.forms[form] == 1]
        found = self.words + self.others + self.beside
        return found + Counter(cell for cell in single if cell not in found)

    def first_of(self, form: str) -> tuple[int, str]:
        """Return the row and the cell where a form first occurs, with or without a unit."""
        return min(self.first[one] for one in (form, f"{form}*") if one in self.first)

    def without_units(self) -> "Profile":
        """Return the same profile, in which numbers with a unit have no form."""
        other = copy(self)
        other.forms, other.first = self.forms.copy(), self.first.copy()
        other.others, other.units, other.beside = self.others + self.beside, Counter(), Counter()
        for form in [form for form in self.forms if form.endswith("*")]:
            other.forms[""] += other.forms.pop(form)
            other.first[""] = min(other.first.pop(form), other.first.get("", (self.next_row, "")))
        return other

    def add(self, cells: list[str]) -> None:
        """Count the cells of another batch of rows."""
        self.varies |= len({*cells, self.constant} - {None}) > 1
        self.constant = cells[0]
        stripped: Counter[str] = Counter()
        for cell, number in Counter(cells).items():
            text = cell.strip()
            self.padded += number if text and text != cell else 0
            stripped[text] += number
        self.blank += stripped.pop("", 0)

        def row_of(text: str) -> int:
            place = (n for n, cell in enumerate(cells) if cell.strip() == text)
            return self.next_row + next(place)

        self.add_counts(stripped, row_of)
        self.rows += len(cells)

    def add_counts(self, counts: dict[str, int], row_of: Callable[[str], int]) -> None:
        """Count stripped cells; `row_of` finds the first row of a cell."""
        for cell, number in counts.items():
            word = as_stored(cell)
            if word in self.known.words:
                self.words[word] += number
                if word not in self.rows_of:
                    self.rows_of[word] = row_of(cell)
                continue
            form = "" if self.is_text else self.known.of(cell)
            if form.endswith("*") and (parts := undecorate(cell)):
                _, unit = parts
                # So many units are not units, but second halves of codes.
                if unit not in self.units and len(self.units) > SPELLINGS:
                    form = ""
                else:
                    self.units[unit] += number
                    if cell in self.beside or len(self.beside) <= SPELLINGS:
                        self.beside[cell] += number
                        self.rows_of.setdefault(cell, row_of(cell))
            self.forms[form] += number
            if not form and (cell in self.others or not self.is_text):
                self.others[cell] += number
                if cell not in self.rows_of:
                    self.rows_of[cell] = row_of(cell)
            if form not in self.first:
                self.first[form] = (row_of(cell), word)
                self.rows_of.setdefault(word, self.first[form][0])
