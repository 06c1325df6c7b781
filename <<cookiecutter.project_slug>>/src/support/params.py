"""Read params.yaml, and report mistakes in one line."""

import difflib
import math
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from unicodedata import normalize

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError

PARAMS = Path("params.yaml")
# Names of value types in messages
TYPES = {
    str: "a text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    list: "a list",
    dict: "a mapping",
}
# Keys missing in the template's first version, with their defaults as params.yaml spells them
ADDED = {
    "prepare.quote": "'\"'",
    "prepare.escape": "''",
    "prepare.skip": "0",
    "prepare.sheet": "''",
    "prepare.columns": "{}",
    "prepare.max_rows": "0",
    "split.column": "''",
    "split.test": "[test]",
    "train.average": "0",
    "train.compare": "[]",
    "train.metrics": "[]",
    "train.positive": "''",
    "train.scale_target": "true",
    "findings": "{mute: []}",
}
# More values than anybody would write into params.yaml
MANY = 1_000_000


class Constructor(SafeConstructor):
    """Makes the values of params.yaml.

    DVC writes the file with ruamel.yaml, which follows YAML 1.2: `No` and 12:30 are text, and 1e-05
    is a number. Digits after a zero, such as 007, are a code, and stay text.
    """

    def construct_yaml_int(self, node: Any) -> Any:
        text = self.construct_scalar(node)
        return text if re.fullmatch("[+-]?0[0-9]+", text) else super().construct_yaml_int(node)


Constructor.add_constructor("tag:yaml.org,2002:int", Constructor.construct_yaml_int)


class InputError(SystemExit):
    """A mistake in the data or in params.yaml, for the person who runs the stage.

    Uncaught, Python prints the message without a traceback and exits with status 1. Line breaks and
    terminal control characters in names or cells become blanks.
    """

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(map(printable, lines)))


def printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else " " for letter in text)


def load_params(section: str, expected: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return one section of params.yaml, which must match `expected`, see `check_value`.

    Raises InputError when the file, the section or a key is missing, unknown or malformed.
    """
    try:
        yaml = YAML(typ="safe", pure=True)
        yaml.Constructor = Constructor
        params = yaml.load(PARAMS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(
            f"{PARAMS} not found in {Path.cwd()}: run from the project's root folder"
        ) from None
    except MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else "?"
        raise InputError(f"{PARAMS}, line {line}: {error.problem}") from None
    except Exception as error:  # noqa: BLE001, an invalid value, or a file that is not text
        raise InputError(f"{PARAMS} cannot be read: {first_line(error)}") from None
    if size_of(params, {}) > MANY:
        raise InputError(f"{PARAMS}: its aliases stand for more than {MANY:,} values")

    values = params.get(section) if isinstance(params, dict) else None
    if values is None and section in ADDED:
        raise InputError(f"{PARAMS}: add the line `{section}: {ADDED[section]}`")
    if not isinstance(values, dict):
        raise InputError(f"{PARAMS}: section `{section}` is missing or is not a mapping")
    if expected is not None:
        check_value(section, values, expected)
    return values


def size_of(value: Any, known: dict[int, float]) -> float:
    """Return the number of values in an object from a YAML file, counting every use of an alias.

    A few lines can expand to billions of values; an object that contains itself is infinite.
    """
    if id(value) not in known:
        known[id(value)] = math.inf
        parts: Iterable[Any] = (
            value if isinstance(value, list) else getattr(value, "values", tuple)()
        )
        known[id(value)] = 1 + sum(size_of(part, known) for part in parts)
    return known[id(value)]


def check_value(name: str, value: Any, expected: Any) -> None:
    """Raise InputError that names the parameter unless its value is as expected.

    `expected` is a type or a tuple of types, a list of choices, or a mapping of keys to expected
    values. Exactly these keys must be present: a misspelt key would be ignored.
    """
    if isinstance(expected, dict):
        if not isinstance(value, dict):
            raise InputError(f"{PARAMS}: {name} is {value!r}; give {', '.join(expected)}")
        for key in value:
            if key not in expected:
                raise InputError(f"{PARAMS}: unknown key {name}.{key}{nearest(key, expected)}")
        for key in expected:
            if key not in value:
                raise InputError(f"{PARAMS}: {missing(name, expected.keys() - value.keys())}")
            check_value(f"{name}.{key}", value[key], expected[key])
    elif isinstance(expected, list):
        if value not in expected:
            raise InputError(f"{PARAMS}: {name} is {value!r}{nearest(value, expected)}")
    else:
        types = expected if isinstance(expected, tuple) else (expected,)
        # Not isinstance: true is not a number.
        if type(value) not in types and not (float in types and type(value) is int):
            kinds = " or ".join(TYPES[one] for one in types)
            raise InputError(f"{PARAMS}: {name} is {value!r}; give {kinds}")


def missing(section: str, keys: Iterable[str]) -> str:
    """Return the missing keys of a section, or the lines to add if a newer template needs them."""
    added = [name.split(".")[1] for name in ADDED if name in {f"{section}.{key}" for key in keys}]
    others = sorted(set(keys) - set(added))
    if others:
        return f"{section}.{others[0]} is missing"
    lines = ", ".join(f"`{key}: {ADDED[f'{section}.{key}']}`" for key in added)
    return f"add below `{section}:` these lines, with values of your own where needed: {lines}"


def first_line(error: object) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def nearest(name: object, choices: Iterable[object]) -> str:
    """Return "; did you mean 'x'?" for the choice closest to `name`, else a list of them."""
    names = [str(choice) for choice in choices]
    # Ignores case: capitals are the most common mistake in a column name.
    folded = {choice.casefold(): choice for choice in names}
    match = difflib.get_close_matches(str(name).casefold(), folded, n=1)
    if match:
        found = folded[match[0]]
        alike = normalize("NFKC", found) == normalize("NFKC", str(name))
        return f"; did you mean {ascii(found) if alike else repr(found)}?"
    listed = ", ".join(name if len(name) <= 80 else f"{name[:80]}..." for name in names[:20])
    return f"; there is {listed or 'nothing else'}{', ...' if names[20:] else ''}"
