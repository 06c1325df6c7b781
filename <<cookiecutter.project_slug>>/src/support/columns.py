"""The kind of values in a column, decided from the formats of all its cells.

Only the standard library: the template reads a table with this module before the project exists.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from support.cells import (
    BOOLEANS,
    CODES,
    COMMA,
    CURRENCY,
    DATES,
    GROUPED,
    MARK,
    NO_VALUES,
    NUMBERS,
    PERIODS,
    POINT,
    SPACE,
    SPACES,
    SPELLINGS,
    ZONED,
    Profile,
    as_stored,
    pattern_of,
    undecorate,
    with_year,
)

KINDS = ("text", "number", "boolean", "date")
# Patterns of what is a time of day without them
CLOCKS = ("%H:%M", "%H:%M:%S", "%H:%M:%S.%f", "%I:%M %p", "%I:%M:%S %p")
# What prepare.columns may say instead: the kind, and the parameter that it sets for one column
FORMATS = {
    **{f"decimal {mark}": ("number", {"decimal": mark}) for mark in ".,"},
    **{order: ("date", {"dates": order}) for order in DATES},
    **dict.fromkeys(CLOCKS, ("date", {"dates": "time of day"})),
}
# Text such as 1115-02 is a month only if its year is in this range.
YEARS = (1900, 2100)
# Names of columns that number the rows
IDENTIFIER = re.compile(
    r"(?i:(.*[ _.-])?(id|uuid|guid|pk)|(row|object|f)id|(row_?)?index|key|row_?names?"
    r"|Unnamed: 0([.][0-9]+)?|level_0|#|((row|lfd|s|sl|sr)[ _.]*)?(no|nr|num)[.]?)|.*[a-z]I[dD]"
)
# Words in times and dates, and a date with a month in any language
_IN_DATES = re.compile(
    "(?i)(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mon|tue|wed|thu|fri|sat|sun)[a-z]*"
    "|[ap]m?|at|m|t|z|w|q|utc|gmt|[bcemp][ds]t|[cew]es?t|msk|ist|jst|days?|h|uhr|[ck]w|week|min"
    "|[\u5e74\u6708\u65e5\u6642\u65f6\u5206\u79d2\u70b9]"  # Chinese and Japanese: year to second
    "|[\ub144\uc6d4\uc77c\uc2dc\ubd84\ucd08]"  # Korean
    "|\u6c11\u56fd|\u6c11\u570b|\u4ee4\u548c|\u5e73\u6210|\u662d\u548c"  # and their eras
)
# How months start in Western, Slavic and Turkish languages, if not as in English
_FOREIGN_MONTH = (
    "ene|gen|f\u00e9v|fev|m\u00e4r|maa|mrt|avr|abr|mai|mei|mag|maj|juin|juil|lug|giu|ao\u00fb|ago|set|okt|ott|out"
    "|d\u00e9c|dez|dic|sty|lut|kwi|cze|lip|sie|wrz|pa\u017a|lis|gru|oca|\u015fub|nis|haz|tem|a\u011fu|eyl|eki|kas"
    "|ara|\u044f\u043d\u0432|\u0444\u0435\u0432|\u043c\u0430\u0440|\u0430\u043f\u0440|\u043c\u0430\u0439|\u043c\u0430\u044f"
    "|\u0438\u044e\u043d|\u0438\u044e\u043b|\u0430\u0432\u0433|\u0441\u0435\u043d|\u043e\u043a\u0442|\u043d\u043e\u044f|\u0434\u0435\u043a"
    "|led|\u00fano|b\u0159e|dub|kv\u011b|\u010der|srp|z\u00e1\u0159|\u0159\u00edj|pro"  # Czech
    "|tam|hel|huh|tou|kes|hei|elo|syy|lok|jou|\u00e1pr|m\u00e1r|m\u00e1j|j\u00fan|j\u00fal"
    "|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec"
)
# A day, a month by its name, and a year; a month and a year; a date in digits beside a weekday; and
# times with words
_FOREIGN_DATE = re.compile(
    rf"(?i)([^\W\d_]+[.,]* +)?\d{{1,2}}(er)?[ ./-]+(de )?({_FOREIGN_MONTH})\w*[ ./-]+(del? )?(\d{{4}}|\d\d)\b.*"
    rf"|({_FOREIGN_MONTH})\w*[ ./-]+(de )?(19|20)\d\d"
    rf"|(19|20)\d\d[.]? ({_FOREIGN_MONTH})\w* \d{{1,2}}[.]?"
    r"|[^\W\d_]{2,10}[.,]* +\d{1,2}[./-]\d{1,2}[./-]\d{2,4}\b.*"
    r"|\d{1,4}[./-] ?\d{1,2}[./-] ?\d{1,4}[.]? .*\d[.:]\d\d.*"
    r"|\d{1,2}:\d\d(:\d\d)? [^\W\d_]{1,4}"
)
# Durations as ISO 8601 has them, and numbers to the base of 16
_OTHER_VALUE = re.compile("P(?=.)([0-9.,]+[YMWD])*(T([0-9.,]+[HMS])+)?|0x[0-9A-Fa-f]+")
# A date whose year has two digits; the month may be a word
_SHORT_YEAR = re.compile(
    r"(?:[A-Za-z]+,? )?(\d{1,2})(?:st|nd|rd|th|[.])?[./ -](\d{1,2}|[A-Za-z]{3,})[./ ,-]+(\d{2})(?![\d:])"
)
MONTHS = "janfebmaraprmayjunjulaugsepoctnovdec"
# The forms of numbers that are not integers, by decimal mark
_FRACTIONS = {
    ".": {
        "point",
        "point0",
        "point1",
        "point3",
        "commas_point",
        "spaces_point",
        "exponent",
        "exponent_whole",
        "stored",
    },
    ",": {"comma", "comma3", "points_comma", "spaces_comma", "exponent_comma"}
    | {"exponent_whole", "stored"},
}
# The forms of each kind that users may give a column
_FORMS_OF = {
    "number": NUMBERS["."] | NUMBERS[","] | CODES,
    "boolean": BOOLEANS,
    "date": frozenset().union(*DATES.values()),
}
# Patterns of dates that no column has on its own
PATTERNS = (
    "%H.%M Uhr",
    "%H:%M Uhr",
    "%d.%m.%y",
    "%d-%b",
    "%d %b",
    "%b-%d",
    "%b %d",
    "%b-%y",
    "%b %y",
    "%y-%b",
    "%y %b",
)
# Labels that spreadsheets give to sums
TOTAL = re.compile(
    "(?i)((grand|sub)[ -]?)?totals?|sums?|summe|gesamt(summe)?|insgesamt|average|mean|somme|suma|totale|"
    "moyenne|mittelwert|\u5408\u8ba1|\u603b\u8ba1|\u5408\u8a08"
)
# More different fractions are not classes.
SCALE = 20
# So many numbers such as 4,702 are hardly all decimals.
MANY_GROUPED = 20
# Rows repeat by chance if their columns' values have at most this many combinations per row.
CHANCE = 10
# More numeric classes are reported.
MANY_CLASSES = 50
# Trees compute in single precision, in which a larger number is infinite.
LARGEST = 3.4e38


@dataclass
class Column:
    """A column's name, its kind, and the format of its cells.

    `kind` is `empty`, `boolean`, `integer`, `number`, `date` or `text`. Numbers have a `decimal`
    mark, and may have a mark between `thousands`, a `unit`, brackets, or leading `zeros`, as texts
    may. Dates are `ISO8601`, `day first`, `month first`, or in a pattern such as '%d/%m/%Y'; if it is
    known, `all` or `none` of their times have `zones`. `dotted` are those such as 31.12.2024 or
    31 Dec 2024, of which none tells how 1/2/2024 is read; `periods` are `month` and `quarter` if
    they are such, and `day` if there are days as well. Each `time of day` is one on 1970-01-01,
    with the unit AM/PM if all have that. The words in `gaps` count as missing. `notes` are messages
    for the user.
    """

    name: str
    kind: str = "text"
    decimal: str = "."
    thousands: str = ""
    unit: str = ""
    zeros: bool = False
    dates: str = ""
    zones: str = ""
    dotted: bool = False
    periods: list[str] = field(default_factory=list)
    gaps: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def is_clock(self) -> bool:
        """Whether it holds times of day, which have no order."""
        pattern = "%" in self.dates and not re.search("%[YymdjbB]", self.dates)
        return pattern or self.dates == "time of day"

    def written(self) -> dict[str, Any]:
        """Return the format of the values, without defaults."""
        values = asdict(self)
        if self.kind not in ("number", "integer") or not (self.thousands or self.decimal != "."):
            del values["decimal"]
        return {key: values[key] for key in list(values)[2:-1] if values[key]}


@dataclass
class Hints:
    """Evidence from the unambiguous columns of a table for the other columns.

    `point` and `comma` count the columns whose decimal mark is certain, `lists` those whose decimal
    comma is not, `day` and `month` those whose dates are; `words` stand for gaps among numbers,
    dates or booleans.
    """

    separator: str
    point: int = 0
    comma: int = 0
    lists: int = 0
    day: int = 0
    month: int = 0
    words: set[str] = field(default_factory=set)

    def add(self, profile: Profile) -> None:
        if profile.is_text or 4 * profile.forms[""] > profile.filled:
            return  # one number among texts
        self.point += self.are_decimals(profile, ".")
        self.comma += self.are_decimals(profile, ",")
        self.lists += self.may_be_lists(profile)
        self.day += profile.count(["day_first", "day_dot"]) > 0
        self.month += profile.count(["month_first"]) > 0
        if profile.filled and not profile.forms[""]:
            self.words |= set(profile.words)

    def are_decimals(self, profile: Profile, mark: str) -> bool:
        """Return whether a column is evidence that this is the decimal mark of a table."""
        doubtful = may_be_versions(profile) if mark == "." else self.may_be_lists(profile)
        return shows(profile, mark) and not doubtful and not may_be_codes(profile)

    def may_be_lists(self, profile: Profile) -> bool:
        """Return whether values such as 1,3 may be lists: commas separate the columns as well."""
        alone = not profile.count(COMMA - {"comma"})
        return self.separator == "," and shows(profile, ",") and alone

    def others(self, profile: Profile) -> dict[str, int]:
        """Return the number of other columns with each decimal mark.

        Columns that may be lists count if there are several.
        """
        comma = self.comma + (self.lists if self.lists > 1 else 0)
        listed = self.lists > 1 and self.may_be_lists(profile)
        return {
            ".": self.point - self.are_decimals(profile, "."),
            ",": comma - (listed or self.are_decimals(profile, ",")),
        }


def shows(profile: Profile, mark: str) -> bool:
    """Return whether the numbers of a column show that this is their decimal mark.

    A few of them among many that may be grouped, such as 1,234, can be typing errors.
    """
    forms, grouped = (POINT, "point3") if mark == "." else (COMMA, "comma3")
    return 50 * profile.count(forms) > profile.count([grouped])


def may_be_codes(profile: Profile) -> bool:
    """Return whether all numbers have three groups of digits or more, as those of telephones have."""
    return any(0 < profile.count([form]) == profile.filled for form in ("points", "commas"))


def may_be_versions(profile: Profile) -> bool:
    """Return whether numbers such as 1.10 beside 1.9 may be versions; $1.10 is none, 1.10b may be."""
    bare = all(re.fullmatch("[A-Za-z]?", unit) for unit in profile.units)
    return bare and bool(profile.count(["point0"]) and profile.count(["point1"]))


def decide(
    profiles: dict[str, Profile], params: dict[str, Any], strict: Iterable[str] = ()
) -> list[Column]:
    """Return the columns of a table, each with the kind that preserves its cells.

    `profiles` has the profile of each column by name, and `params` is the section `prepare` of
    params.yaml. If the cells of a column have several readings, its other rows decide, then the
    other columns; if they cannot, a note says which reading was taken. In the columns `strict`, no
    cell counts as missing because it differs from the others.

    Raises ValueError when `params` gives a column an unknown kind.
    """
    hints = Hints(params["separator"])
    wanted = dict.fromkeys(params["text"], "text")
    wanted |= {name: str(kind) for name, kind in params["columns"].items()}
    if params.get("task") == "regression" and number_like(profiles.get(params["target"])):
        wanted = {params["target"]: "number"} | wanted
    for name, profile in profiles.items():
        if wanted.get(name) != "text" and name not in params.get("drop", []):
            hints.add(profile)
    columns = []
    for name, profile in profiles.items():
        kind = wanted.get(name, "")
        if kind and kind not in (*KINDS, *FORMATS) and "%" not in kind:
            known = ", ".join(one for one in (*KINDS, *FORMATS) if "%" not in one)
            raise ValueError(
                f"prepare.columns: {name} is {kind!r}; give {known}, or a "
                "pattern of dates such as '%d.%m.%Y'"
            )
        if "%" in kind:
            pattern_of(kind)
        kind, written = FORMATS.get(label := kind, (kind, {}))
        own = params | written | ({"forced": True} if written else {})
        column = _Decision(name, profile, hints, own, kind, name in strict).column
        if name in params["columns"]:
            check_kind(column, profile, kind, label)
        is_class = params.get("task") == "classification" and name == params.get("target")
        if is_class and column.kind not in ("text", "boolean") and type_of_labels(column) == "text":
            # Labels stay unchanged, so notes on how numbers or dates were read do not matter.
            column.notes = [note for note in column.notes if "taken as missing" in note]
        columns.append(column)
    return columns


def number_like(profile: Profile | None) -> bool:
    """Return whether all cells look like numbers; some may be codes, such as 1e5 or 007."""
    return bool(profile and profile.filled == profile.count(_FORMS_OF["number"]))


def check_kind(column: Column, profile: Profile, kind: str, label: str) -> None:
    """Raise ValueError for a column that is not of the kind that prepare.columns gives it.

    `label` is how it names that.
    """
    found = {"integer": "number"}.get(column.kind, column.kind)
    if kind not in _FORMS_OF or found in (kind, "empty"):
        return
    forms = DATES.get(label) or NUMBERS.get(label[-1:]) or _FORMS_OF[kind]
    places = profile.first.items()
    misfits = [place for form, place in places if form.removesuffix("*") not in forms]
    row, cell = min(misfits, default=min(profile.first.values(), default=(0, "")))
    raise ValueError(f"prepare.columns: {column.name} is {label!r}, but row {row} is {cell!r}")


class _Decision:
    """The decision on one column: the first kind that fits its cells."""

    def __init__(
        self,
        name: str,
        profile: Profile,
        hints: Hints,
        params: dict[str, Any],
        wanted: str,
        strict: bool,
    ) -> None:
        self.profile, self.hints, self.params = profile, hints, params
        self.known = profile.known
        self.wanted, self.strict = wanted, strict
        self.column = Column(name)
        if "%" in wanted:
            self.column.kind, self.column.dates = "date", wanted
        elif not profile.filled and not self.may_be_flag():
            self.column.kind = "empty"
        elif not (self.boolean() or self.number() or self.date()):
            self.text()
            return
        # Among numbers and dates, a word is not a value. But rows without a target are lost, and
        # none may be a number.
        self.column.gaps[:0] = sorted(profile.words)
        for word, number in profile.words.items() if profile.filled else ():
            if name == params.get("target") or re.fullmatch(r"[^\W\d_ ]{4,}", word):
                self.tell_word(word, number, "missing")

    def may_be_flag(self) -> bool:
        """Return whether a word in a column of only words and gaps may carry information."""
        words = self.profile.words
        doubtful = words.keys() - NO_VALUES - self.known.listed
        return bool(doubtful and (self.profile.blank and not self.strict or len(words) > 1))

    def tell_word(self, word: str, number: int, taken: str) -> None:
        if word in self.known.listed:
            return
        rows = f"{number} row{'s' * (number > 1)}"
        self.note(f"has {word!r} in {rows}, taken as {taken}; prepare.na_values decides")

    def wants(self, kind: str) -> bool:
        return self.wanted in ("", kind)

    def note(self, text: str) -> None:
        self.column.notes.append(text)

    def accept(self, kind: str, forms: frozenset[str], **written: Any) -> bool:
        """Give the column a kind if all or nearly all of its cells have one of some forms.

        A few other cells are typing errors, and a word in many rows stands for a gap. Both count as
        missing, and a note says so.
        """
        profile = self.profile
        fits = profile.count(forms)
        bad = profile.filled - fits
        if not fits:
            return False
        if bad:
            if self.strict or profile.is_text:
                return False
            misfits = {
                form: place
                for form, place in profile.first.items()
                if form.removesuffix("*") not in forms
            }
            words = [cell for cell in profile.others if not re.search("[0-9]", cell)]
            only_words = sum(profile.others[word] for word in words) == bad and len(words) <= 3
            few = bad * 100 <= profile.filled or (bad == 1 and profile.filled >= 20)
            if not (self.wanted or few or (only_words and bad <= profile.filled // 4)):
                return False
            # Only recorded cells can count as gaps in new rows as well.
            single = {cell for form, (_, cell) in misfits.items() if profile.forms[form] == 1}
            recorded = single | set(profile.others)
            if sum(profile.recorded[cell] for cell in recorded) != bad:
                return False
            row, cell = min(misfits.values())
            self.column.gaps += sorted(recorded)
            self.note(
                f"has {bad} value{'s' * (bad > 1)} taken as missing because the others are "
                f"{kind}s, such as row {row}: {cell!r}; name it in prepare.text to keep them"
            )
            if TOTAL.fullmatch(cell):
                self.note(f"has {cell!r} in row {row}: if the row sums up the others, remove it")
        self.column.kind = kind
        for key, value in written.items():
            setattr(self.column, key, value)
        return True

    def boolean(self) -> bool:
        profile = self.profile
        if not (self.wants("boolean") and self.accept("boolean", BOOLEANS)):
            return False
        spelt = [profile.first[form][1] for form in sorted(BOOLEANS) if profile.forms[form]]
        if spelt[1:]:
            spellings = " and ".join(map(repr, spelt))
            self.note(f"has {spellings}, taken as one way to write true or false")
        return True

    def number(self) -> bool:
        profile = self.profile
        numbers = NUMBERS["."] | NUMBERS[","] | (CODES if self.wanted else set())
        if not self.wants("number") or not profile.count(numbers):
            return False
        plain = {form.removesuffix("*") for form, number in profile.forms.items() if number}
        if not self.wanted and plain & CODES:
            return False
        sure = POINT | COMMA | {"point3", "comma3", "exponent_whole", "stored"}
        bare = "bare_exponent" in plain and not plain & sure
        if bare and not self.wanted:
            row, cell = profile.first_of("bare_exponent")
            self.note(f"is text: {cell!r} in row {row} may be a code; if not, see prepare.columns")
            return False
        units = {unit for unit in profile.units if unit}
        starred = sum(profile.units.values())
        if self.differ_in_unit(units):
            if starred <= profile.filled // 20 and len(profile.beside) <= SPELLINGS:
                # No more than typing errors
                self.profile = profile.without_units()
                return self.number()
            if len(units) <= 3 and not all(re.fullmatch("[A-Za-z]", unit) for unit in units):
                shown = ", ".join(sorted(units)) + " and none" * (len(units) == 1)
                self.note(f"is text: its numbers have different units, {shown}")
            return False
        mark, doubt = self.decimal_mark(plain)
        if doubt and not self.wanted and may_be_codes(profile):
            # Other columns have the mark of these groups as their decimal mark.
            row, cell = min(profile.first.values())
            self.note(f"is text: {cell!r} in row {row} may be a code; if not, see prepare.columns")
            return False
        thousands = ("," if mark == "." else ".") * bool(plain & GROUPED[mark])
        written = {
            "decimal": mark,
            "thousands": thousands + " " * bool(plain & SPACES),
            "unit": "".join(units) or "()" * bool(starred),
            "zeros": bool(plain & CODES),
        }
        if not self.accept("number", NUMBERS[mark] | (CODES if self.wanted else set()), **written):
            return False
        if not plain & (_FRACTIONS[mark] | {"bare_exponent", "infinite", "long"}):
            self.column.kind = "integer"
        if doubt:
            self.note(doubt)
        self.tell_marks(plain)
        return True

    def tell_marks(self, forms: set[str]) -> None:
        """Note how ambiguous marks in and next to numbers of these forms were read."""
        profile = self.profile
        # All in three groups or more, which codes such as those of telephones have as well
        codes = {"points": "points", "commas": "commas", "spaces": "blanks"}
        if len(forms) == 1 and (marks := codes.get(min(forms))):
            row, cell = profile.first_of(min(forms))
            if len(re.findall("[0-9]+", cell)) > 2:
                self.note(
                    f"has values such as {cell!r} (row {row}) whose {marks} were taken to mark "
                    "thousands; if they are codes, name it in prepare.text"
                )
        if may_be_versions(profile):
            (row, cell), (_, shorter) = profile.first_of("point0"), profile.first_of("point1")
            self.note(
                f"has {cell!r} (row {row}) beside {shorter!r}, taken as numbers, whose last zeros "
                "mean nothing; if they are versions or the like, name it in prepare.text"
            )
        behind = [cell for cell in profile.beside if re.search("[0-9]-$", cell)]
        if behind:
            self.note(
                f"has a minus behind numbers, such as {behind[0]!r}, taken as negative; else see "
                "prepare.text"
            )
        bracketed = set(profile.units) == {""} and profile.units[""] == profile.filled
        if bracketed and all(cell.startswith("(") for cell in profile.beside):
            self.note("has brackets around all numbers, taken as negative; else see prepare.text")

    def differ_in_unit(self, units: set[str]) -> bool:
        """Return whether some numbers have different units, or a unit that others lack.

        A sum of money may lack its currency.
        """
        profile = self.profile
        bare = profile.count(NUMBERS["."] | NUMBERS[","]) - sum(profile.units.values())
        money = all(re.fullmatch(CURRENCY, unit) for unit in units)
        return len(units) > 1 or (bare + profile.units[""] > 0 and not money)

    def decimal_mark(self, forms: set[str]) -> tuple[str, str]:
        """Return the decimal mark, and a note if it is unusual or nothing decides what it is."""
        profile, hints = self.profile, self.hints
        if (mark := self.params["decimal"]) != "auto":
            other = "." if mark == "," else ","
            # For all columns, it is for ambiguous ones: one that shows the other mark has that one.
            fits = profile.count(NUMBERS[mark]) >= profile.count(NUMBERS[other])
            if fits or "forced" in self.params:
                return mark, ""
        others = hints.others(profile)
        if forms & (POINT | COMMA):
            mark = "." if profile.count(POINT) >= profile.count(COMMA) else ","
            if others[mark] > 0 or shows(profile, mark):
                return mark, self.tell_contrary(mark, others)
        return self.likely_mark(others)

    def likely_mark(self, others: dict[str, int]) -> tuple[str, str]:
        """Return the decimal mark of numbers that do not show it, and a note if nothing does.

        `others` has the number of other columns with each mark.
        """
        profile = self.profile
        sign = "comma" if profile.count(["comma3"]) > profile.count(["point3"]) else "point"
        number = profile.count([f"{sign}3"])
        if profile.count(["stored", "stored_integer"]) == profile.filled:
            return ".", ""
        if not number:
            return "," if others[","] > 0 >= others["."] else ".", ""
        decimal, other = (",", ".") if sign == "comma" else (".", ",")
        if (others["."] > 0) != (others[","] > 0):
            mark = "." if others["."] > 0 else ","
            # 68.797 next to 252: of decimals, a whole number would hardly be written so.
            if mark != decimal or not profile.count(["integer"]):
                return mark, ""
        else:
            # Another column's lists may be decimals, if they agree with this one.
            commas = self.hints.separator == ";" if sign == "comma" else self.hints.lists
            mark = "," if commas else "."
            # 4,702 next to 28271: whoever groups the digits of one number groups them in all. But
            # of many decimals, some would not have three digits.
            if profile.count(["large"]) and number < MANY_GROUPED:
                mark = decimal
        row, cell = profile.first_of(f"{sign}3")
        role = "decimals" if mark == decimal else "thousands"
        return mark, (
            f"has {number} values such as {cell!r} (row {row}) whose {sign} was taken to mark "
            f"{role}; if that is wrong, set prepare.decimal to {other if mark == decimal else decimal!r}"
        )

    def tell_contrary(self, mark: str, others: dict[str, int]) -> str:
        """Return a note on a column whose decimal mark differs from that of other columns."""
        contrary = "." if mark == "," else ","
        usual = mark == ("," if self.hints.separator == ";" else ".")
        others_show = self.profile.count(COMMA - {"comma"})
        listed = mark == self.hints.separator and self.profile.forms["comma"] and not others_show
        if others[mark] > 0 or others[contrary] <= usual and not listed:
            return ""
        forms = COMMA if mark == "," else POINT
        row, cell = min(self.profile.first_of(form) for form in forms if self.profile.count([form]))
        if not others[contrary]:
            return (
                f"has values such as {cell!r} (row {row}), taken as decimals although commas "
                "separate the columns: if they are lists, name it in prepare.text"
            )
        return (
            f"has decimals such as {cell!r} (row {row}), but other columns have the decimal mark "
            f"{contrary!r}: if they are not decimals, name it in prepare.text"
        )

    def date(self) -> bool:
        profile, dates = self.profile, self.params["dates"]
        if not self.wants("date"):
            return False
        if dates not in ("auto", *DATES) and profile.count(["pattern"]):
            return self.accept("date", frozenset({"pattern", "stored_date"}), dates=dates)
        order, doubt = self.order_of_dates()
        periods = [form for form in sorted(PERIODS) if profile.forms[form]]
        if not self.wanted and not self.are_dates(order, periods):
            return False
        if not self.accept("date", DATES[order], **self.written_dates(order, periods)):
            return False
        if periods:
            what = "quarters" if "quarter" in periods else "months"
            self.note(f"holds {what}, taken as their first days")
        if doubt:
            self.note(doubt)
        self.tell_clocks(order)
        self.tell_mixed_dates(order)
        if not self.wanted:
            self.tell_short_years(order)
        return True

    def are_dates(self, order: str, periods: list[str]) -> bool:
        """Return whether cells in an order, and those in the forms `periods`, can hardly be others.

        Those that can are noted, except for durations such as 26:30.
        """
        profile = self.profile
        if order == "time of day":
            return not any(re.match("[-+\u2212]?[0-9]+:", cell) for cell in profile.others)
        if periods == ["season"]:
            row, cell = profile.first["season"]
            self.note(
                f"is text: {cell!r} in row {row} may be a year to the next one; if it is a month, see "
                "prepare.columns"
            )
            return False
        for row, cell in (profile.first[form] for form in periods):
            if not YEARS[0] <= int(re.findall("[0-9]{4}", cell)[0]) <= YEARS[1]:
                self.note(
                    f"is text: {cell!r} in row {row} may be a code; if not, see prepare.columns"
                )
                return False
        return True

    def written_dates(self, order: str, periods: list[str]) -> dict[str, Any]:
        """Return the format of dates in an order, some of them in the forms `periods`, see Column."""
        profile = self.profile
        known = profile.count(DATES[order])
        zoned = profile.count(ZONED)
        plain = profile.count(["iso", "iso_slash"])
        found = {"quarter" if form == "quarter" else "month" for form in periods}
        if periods and profile.count(DATES[order] - PERIODS):
            found.add("day")
        return {
            "dates": order,
            "zones": "all" if zoned == known else "none" * (plain == known),
            "dotted": self.is_dotted(order),
            "periods": sorted(found),
            "unit": "AM/PM" if profile.forms["clock_half"] == known > 0 else "",
        }

    def tell_clocks(self, order: str) -> None:
        """Note that cells were read as times of day, and which may be of the other half."""
        if order != "time of day":
            return
        profile = self.profile
        bare = profile.forms["clock"]
        if bare and profile.forms["clock_half"]:
            row, cell = profile.first["clock"]
            self.note(
                f"has {bare} time{'s' * (bare > 1)} without AM or PM, such as {cell!r} (row {row}), "
                "taken as they are"
            )
        if not self.wanted:
            self.note("was read as times of day; if it holds something else, see prepare.text")

    def tell_mixed_dates(self, order: str) -> None:
        """Note dates of which some come from elsewhere, it seems."""
        profile = self.profile
        swapped = [form for form in ("either", "day_first", "month_first") if profile.forms[form]]
        if profile.forms["stored_date"] and swapped:
            row, cell = min(profile.first[form] for form in swapped)
            self.note(
                f"has {profile.forms['stored_date']} dates that the file stores as such and others "
                f"as text, such as {cell!r} (row {row}): if a spreadsheet took the day for the month, "
                "the stored ones are swapped"
            )
        if profile.count(ZONED) and profile.count(DATES[order] - PERIODS - ZONED):
            row, cell = min(profile.first[form] for form in ZONED if form in profile.first)
            self.note(
                f"has times with a zone, such as {cell!r} (row {row}), and times without, taken as UTC"
            )

    def is_dotted(self, order: str) -> bool:
        """Return whether no date of the column or the table tells how 1/2/2024 is read."""
        profile = self.profile
        points, known = profile.forms["day_dot"], profile.count(DATES[order])
        named = profile.count(["day_name", "name_day"])
        if order != "day first" or not points + named:
            return False
        free = points + named + profile.forms["stored_date"] == known
        return free and (points == known or not self.hints.day)

    def tell_short_years(self, order: str) -> None:
        """Note how a two-digit year was read: it may also come first, or be in another century."""
        for row, cell in sorted(self.profile.first.values()):
            if found := _SHORT_YEAR.match(cell):
                day, month, year = found.groups()
                if order == "month first" and cell[len(day)] != ".":
                    day, month = month, day
                month = str(MONTHS.find(month[:3].lower()) // 3 + 1) if month.isalpha() else month
                century = 20 if int(year) <= 68 else 19
                self.note(
                    f"has years of two digits: {cell!r} (row {row}) was read as "
                    f"{century}{year}-{month:0>2}-{day:0>2}; else give prepare.columns its pattern, "
                    "such as '%y/%m/%d'"
                )
                return

    def order_of_dates(self) -> tuple[str, str]:
        """Return one of DATES, and a note if nothing decides which."""
        profile, hints = self.profile, self.hints
        fits = {order: profile.count(forms) for order, forms in DATES.items()}
        order = self.params["dates"]
        # For all columns, it is for ambiguous ones: one that is written otherwise is read otherwise.
        if fits.get(order, -1) == max(fits.values()) or "forced" in self.params and order in DATES:
            return order, ""
        day = profile.count(["day_first", "day_dot"])
        month = profile.count(["month_first"])
        either = profile.count(["either"])
        iso = profile.count(DATES["ISO8601"] - {"stored_date"})
        written = profile.count(DATES["day first"] | DATES["month first"])
        if fits["time of day"] > iso + written:
            return "time of day", ""
        if iso > day + month + either or written == profile.count(["stored_date"]):
            return "ISO8601", ""
        if day or month:
            return "day first" if day >= month else "month first", ""
        if not either or bool(hints.day) != bool(hints.month):
            return "month first" if hints.month else "day first", ""
        row, cell = profile.first["either"]
        order = "month first" if "/" in cell else "day first"
        return order, (
            f"has {either} dates such as {cell!r} (row {row}), which were read {order}; if that is "
            "wrong, set prepare.dates"
        )

    def text(self) -> None:
        """Decide which words are gaps in a column of text, and note surprises."""
        profile, words = self.profile, self.profile.words
        sure = NO_VALUES | self.hints.words | self.known.listed
        self.column.gaps = sorted(word for word in words if word in sure)
        stored = profile.count(["stored", "stored_integer"])
        self.column.zeros = profile.forms["zeros"] > 0 and not stored
        told = bool(self.column.notes)
        for word, number in words.items():
            self.tell_word(word, number, "missing" if word in sure else "a value")
        if not profile.filled and len(self.column.gaps) == len(words):
            self.column.kind = "empty"
        if not profile.is_text:
            self.compare()
        # If nearly all cells are padded, padding is the format of the file.
        if 0 < profile.padded < 0.9 * (profile.rows - profile.blank):
            self.note(f"has blanks around {profile.padded} values, which are left out")
        if self.wanted != "text" and not any(n.startswith("is text") for n in self.column.notes):
            self.explain(told)

    def compare(self) -> None:
        """Note different values that people may take for the same."""
        folded: dict[str, str] = {}
        for cell in self.profile.others:
            if (other := folded.setdefault(look_of(cell), cell)) == cell:
                continue
            case = other.casefold() == cell.casefold()
            how = "case alone" if case else "blanks or signs that hardly show"
            pair = f"{spelt(other, cell)} and {spelt(cell, other)}"
            self.note(f"has values that differ in {how}, such as {pair}")
            return

    def explain(self, told: bool) -> None:
        """Note why a column that looks like numbers or dates is text; other notes may have `told`."""
        profile = self.profile
        is_class = self.column.name == self.params.get("target")
        families = {
            "number": NUMBERS["."] | NUMBERS[","],
            "date": frozenset().union(*DATES.values(), {"pattern"}),
            "true or false": BOOLEANS,
        }
        what, forms = max(families.items(), key=lambda one: profile.count(one[1]))
        fits = profile.count(forms)
        # A word in many rows may stand for a gap.
        few = not is_class and len(profile.others) <= 2 and 10 * fits >= profile.filled
        if profile.filled > fits and (2 * fits > profile.filled or few):
            places = profile.first.items()
            row, cell = min(place for form, place in places if form.removesuffix("*") not in forms)
            note = (
                f"is text because of {profile.filled - fits} "
                f"{'values that are' if profile.filled - fits > 1 else 'value that is'} no {what}, such "
                f"as row {row}: {cell!r}"
            )
            words = sorted(profile.others)
            # <0.01 and 24:00 have a meaning.
            few &= not any(re.match("[<>\u2264\u2265~]|[-+\u2212]?[0-9]+:", word) for word in words)
            if few and sum(profile.others.values()) == profile.filled - fits:
                note += f"; if they are gaps, set prepare.na_values to {['auto', *words]}"
            self.note(note)
        elif fits and fits == profile.filled:
            row, cell = profile.first[min(profile.first, key=profile.forms.__getitem__)]
            self.note(
                f"is text because its {what}s are written in more than one way, such as row {row}: "
                f"{cell!r}"
            )
        elif told or is_class or not profile.others:
            return
        elif all(map(like_value, profile.others)) or have_unit(profile.others):
            row, cell = min((profile.rows_of[cell], cell) for cell in profile.others)
            found = [one for one in PATTERNS if have_pattern(profile.others, one)]
            how = "src/features.py can make a number or date of it"
            if found:
                how = f"prepare.columns takes its pattern, {' or '.join(map(repr, found))}"
            self.note(f"is text: {cell!r} in row {row} is not a recognised number or date; {how}")


def have_pattern(cells: Iterable[str], pattern: str) -> bool:
    """Return whether all cells are times in a pattern of strptime.

    >>> have_pattern(["0:30", "13:45"], "%H:%M"), have_pattern(["0:30", "24:30"], "%H:%M")
    (True, False)
    """
    year, pattern = with_year(pattern)
    try:
        for cell in cells:
            datetime.strptime(cell + year, pattern)
    except ValueError:
        return False
    return True


def have_unit(cells: Iterable[str]) -> bool:
    """Return whether all cells are numbers with the same text behind, which is no known unit.

    >>> have_unit(["6.5 l/100km", "7 l/100km"]), have_unit(["12 Elm St", "7 Oak St"])
    (True, False)
    """
    behind = {re.sub(r"^[-+\u2212]?\d[\d.,]*", "", cell) for cell in cells}
    return len(behind) == 1 and all(re.match(r"[-+\u2212]?\d", cell) for cell in cells)


def look_of(cell: str) -> str:
    """Return a text without barely visible differences.

    >>> look_of("New\\u00a0 York\\u200b"), look_of("Cafe\\u0301") == look_of("caf\\u00e9")
    ('new york', True)
    """
    shown = "".join(sign for sign in cell if unicodedata.category(sign) != "Cf")
    return " ".join(unicodedata.normalize("NFKC", shown).split()).casefold()


def spelt(text: str, other: str) -> str:
    """Return a text in quotes that shows how it differs from another.

    >>> spelt("caf\u00e9", "tea"), spelt("caf\u00e9", "cafe\u0301")
    ("'caf\u00e9'", "'caf\\\\xe9'")
    """
    alike = look_of(text) == look_of(other) and text.casefold() != other.casefold()
    return ascii(text) if alike else repr(text)


def like_value(cell: str) -> bool:
    """Return whether people may take a cell without a form for a number, a time or a date.

    >>> [like_value(cell) for cell in ("12:30", "1_000", "2024-W05", "3. März 2024", "13:45 Uhr")]
    [True, True, True, True, True]
    >>> like_value("PT1H30M"), like_value("0x1F")
    (True, True)
    >>> [like_value(cell) for cell in ("2024\u5e743\u670831\u65e5", "B 12", "P07")]
    [True, False, False]
    >>> [like_value(cell) for cell in ("05-Okt-24", "mai 2024", "Di 05.03.2024", "1er juin 2024")]
    [True, True, True, True]
    >>> [like_value(cell) for cell in ("Room 12", "Golf 2012", "5 main 24a", "12 Lipscomb 5")]
    [False, False, False, False]
    """
    words = re.findall(r"[^\W\d_]+", cell)
    if _OTHER_VALUE.fullmatch(cell):
        return True
    if cell.startswith("[") or re.match("(?i)[amptzh]m?[0-9]", cell):
        return False  # a list, from JSON, or a code
    return bool(re.search(r"\d", cell)) and (
        all(map(_IN_DATES.fullmatch, words)) or bool(_FOREIGN_DATE.fullmatch(cell))
    )


def gaps_in(column: Column, profile: Any) -> int:
    """Return how many cells of a column are missing."""
    if not isinstance(profile, Profile):
        return profile.blank
    seen = profile.recorded
    return profile.blank + sum(seen[word] for word in column.gaps)


def is_constant(column: Column, profile: Any) -> bool:
    """Return whether a column has the same value in all rows."""
    return column.kind == "empty" or (not profile.varies and not gaps_in(column, profile))


def type_of_labels(target: Column) -> str:
    """Return the type of a classification's target."""
    if target.unit or target.thousands:
        return "text"  # $5 is the name of a class
    return {"integer": "int64", "boolean": "bool"}.get(target.kind, "text")


def reader_of(column: Column) -> Callable[[str], Any]:
    """Return a function from a cell that fits the column to its value; a gap is None.

    It reads a few megabytes without Arrow. Two cells have the same value if they have the same
    value in values.py, except for dates, which stay strings.
    """
    if column.kind == "empty":
        return lambda cell: None
    gaps = {"", *column.gaps}
    if column.kind not in ("integer", "number"):
        spelt = str.lower if column.kind == "boolean" else as_stored
        return lambda cell: None if as_stored(cell) in gaps else spelt(cell)
    plain = (column.decimal, column.thousands, column.unit) == (".", "", "")

    def number(cell: str) -> float | None:
        if as_stored(cell) in gaps:
            return None
        cell = unmark_cell(cell, column)
        value = float(cell if plain and cell.isascii() else _plain(cell, column))
        return value if abs(value) <= LARGEST else None

    return number


def unmark_cell(cell: str, column: Column) -> str:
    """Return a number that its file stores as such in the format of its column, see values.unmark."""
    if not cell.endswith(MARK):
        return cell
    cell = as_stored(cell)
    return cell.replace(".", ",") if column.decimal == "," else cell


def _plain(cell: str, column: Column) -> str:
    """Return a number as Python writes it."""
    if column.unit:
        cell = (undecorate(cell) or [cell])[0]
    cell = re.sub(SPACE, "", re.sub("[\u2212\u2013]", "-", cell))
    if column.thousands:
        cell = cell.replace("," if column.decimal == "." else ".", "")
    return cell.replace(",", ".")


def misfit(name: str, profile: Any, kind: str = "text") -> str:
    """Return what keeps a column of this kind from being numeric, and the row of a single cell."""
    if kind == "date" or not isinstance(profile, Profile):
        return f"{name} holds {kind}s"
    families = [NUMBERS["."] | NUMBERS[","], frozenset({"pattern"}).union(*DATES.values())]
    forms = max(families, key=profile.count)
    places = [place for form, place in profile.first.items() if form.removesuffix("*") not in forms]
    if not profile.first and not profile.words:
        return f"{name} has no values"
    if not profile.first:
        row, word = min((profile.rows_of[word], word) for word in profile.words)
        return f"row {row}: {name} is {word!r}"
    if not places:
        rarest = min(profile.first, key=profile.forms.__getitem__)
        row, cell = profile.first[rarest]
        return f"row {row}: {name} is {cell!r}, and other rows are written in another way"
    row, cell = min(places)
    return f"row {row}: {name} is {cell!r}"


def repeat_by_chance(columns: Iterable[Collection[int]], rows: int) -> bool:
    """Return whether rows must repeat, given how many rows have each value of each column.

    Each column counts as so many values as would repeat as often if all were as frequent: the
    inverse of Simpson's index (1949).

    >>> repeat_by_chance([[50, 50], [98, 1, 1]], 100), repeat_by_chance([[1] * 100, [20] * 5], 100)
    (True, True)
    >>> repeat_by_chance([[1] * 100, [20] * 5, [20] * 5], 100)
    False
    """
    numbers = (sum(counts) ** 2 / sum(count**2 for count in counts) for counts in columns if counts)
    return math.prod(numbers) <= CHANCE * rows


def tell_classes(counts: dict[Any, int], name: str) -> list[str]:
    """Return notes on classes that are the same number or look alike, and on unlikely classes.

    >>> tell_classes({"1": 9, "1.0": 3}, "kind")
    ["has classes that may be one, such as '1' and '1.0': write them alike"]
    >>> tell_classes({"a": 90, "b": 30, "kind": 2}, "kind")
    ['is its own name in 2 rows: if they are headers of files that were joined, remove them']
    """
    notes: list[str] = []
    folded: dict[Any, str] = {}
    numbers = 0
    for label in map(str, counts):
        number, unit = undecorate(label) or (label, "")
        try:
            look: Any = (Decimal(number), unit)
            numbers += 1
        except InvalidOperation:
            look = look_of(label).rstrip(" .,;:")
        if (other := folded.setdefault(look, label)) != label and not notes:
            pair = f"{spelt(other, label)} and {spelt(label, other)}"
            notes.append(f"has classes that may be one, such as {pair}: write them alike")
    if numbers == len(counts) > MANY_CLASSES:
        notes.append(f"has {numbers} classes, all numbers: to predict a number, set prepare.task")
    rows = counts.get(name, 0)
    # As many as there may be files; a class may have this name.
    if 0 < 20 * rows <= sum(counts.values()):
        notes.append(
            f"is its own name in {rows} rows: if they are headers of files that were joined, remove "
            "them"
        )
    return notes


def tell_gaps(target: Column, classes: int) -> str:
    """Return which words of a target with too few `classes` count as missing; "" if none."""
    if classes > 1 or not target.gaps:
        return ""
    return f"; {', '.join(map(repr, target.gaps[:3]))} counts as missing, see prepare.na_values"


def class_problem(counts: dict[Any, int], name: str, repeated: int) -> str:
    """Return why classes with these numbers of rows cannot be told apart; "" if they can.

    `repeated` rows, which repeat others, are not counted.

    Classes are strings as in the file: a number with a fraction belongs to a scale.
    """
    if len(counts) < 2:
        only = f", but is {next(iter(counts))!r} in every row" if counts else ""
        return f"{name}, the target, needs at least two classes{only}"
    fractions = [
        one for one in counts if re.fullmatch(r"[+-]?[0-9]*[.,][0-9]*[1-9][0-9]*", str(one))
    ]
    if len(fractions) > SCALE:
        return (
            f"{name}, the target, has {len(counts)} different numbers such as {fractions[0]}: if a "
            "number is to be predicted, the task is regression"
        )
    single = [one for one, number in counts.items() if number < 2]
    if single:
        more = f", as have {len(single) - 1} more" if single[1:] else ""
        more += f" ({repeated} rows that repeat others are not counted)" if repeated else ""
        if name in map(str, single):
            return f"the class {name!r} of {name}, the target, may be a header in a lower row: remove it"
        return (
            f"the class {str(single[0])!r} of {name}, the target, has a single row{more}; give it "
            "more or remove it, or if a number is to be predicted, the task is regression"
        )
    return ""
