"""params.yaml, and what is said of its mistakes."""

from pathlib import Path

from support import params
from support.params import InputError, load_params, nearest

import pytest


def test_load_params_reads_what_dvc_writes_as_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "PARAMS", tmp_path / "params.yaml")
    text = "s: {a: 1e-05, b: -1E+3, c: 1.5e3, d: 5.e0, e: 1e5x, f: No, g: [on, true], h: False, i: 12:30}"
    params.PARAMS.write_text(text, "utf-8")
    values = load_params("s")
    assert (
        values.pop("i") == "12:30" and values.pop("f") == "No" and values.pop("g") == ["on", True]
    )
    assert values == {"a": 1e-05, "b": -1000, "c": 1500, "d": 5, "e": "1e5x", "h": False}
    params.PARAMS.write_text("s: {words: [00, 007, -03, 0, 10, -9, 0o17], seed: 0}")
    assert load_params("s") == {"words": ["00", "007", "-03", 0, 10, -9, 15], "seed": 0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "run from the project's root folder"),
        ("s: {a: [}", "line 1"),
        ("other: {a: 1}", "section `s` is missing"),
        ("s: 1", "section `s` is missing or is not a mapping"),
        ("s: {a: 1, aa: 2}", r"unknown key s.aa; did you mean 'a'\?"),
        ("s: {}", "s.a is missing"),
        ("s: {a: true}", "s.a is True; give a whole number"),
        ("s: {a: '1'}", "s.a is '1'; give a whole number"),
        ("s: {a: 1, b: [], c: yes}", "s.c is 'yes'; give a number"),
        ("s: {a: 1, b: 1, c: 1}", "s.b is 1; give a text or a list"),
        ("s: {a: 1, b: x, c: 1, d: upp}", r"s.d is 'upp'; did you mean 'up'\?"),
        ("s: {a: 1, b: x, c: 1, d: up, e: 1}", "s.e is 1; give f, g"),
        ("s: {a: 1, b: x, c: .1, d: down, e: {f: 1}}", "s.e.f is 1; give true or false"),
    ],
)
def test_load_params_names_what_is_wrong(tmp_path, monkeypatch, text, message):
    monkeypatch.setattr(params, "PARAMS", tmp_path / "params.yaml")
    if text:
        Path(params.PARAMS).write_text(text, encoding="utf-8")
    expected = {"a": int, "b": (str, list), "c": float, "d": ["up", "down"]}
    with pytest.raises(InputError, match=message):
        load_params("s", {**expected, "e": {"f": bool, "g": bool}})


def test_aliases_that_stand_for_billions_of_values_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "PARAMS", tmp_path / "params.yaml")
    lists = ["&a0 [x, x, x, x, x, x, x, x]"]
    lists += [f"&a{n} [{', '.join([f'*a{n - 1}'] * 8)}]" for n in range(1, 12)]
    for text in ("[" + ", ".join(lists) + "]", "&a [*a]"):
        params.PARAMS.write_text(f"prepare:\n  drop: {text}\n")
        with pytest.raises(InputError, match="its aliases stand for more than"):
            load_params("prepare", {"drop": list})
    params.PARAMS.write_text("prepare: {drop: &a [x, y], text: *a}\n")
    assert load_params("prepare")["text"] == ["x", "y"]


def test_lines_that_older_parameters_lack_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(params, "PARAMS", tmp_path / "params.yaml")
    monkeypatch.setattr(params, "ADDED", {"s.b": "[]", "s.c": "'x'", "t": "{a: 1}"})
    params.PARAMS.write_text("s: {a: 1}", "utf-8")
    with pytest.raises(InputError, match=r"add below `s:` .*`b: \[\]`, `c: 'x'`$"):
        load_params("s", {"a": int, "b": list, "c": str})
    with pytest.raises(InputError, match=r"add the line `t: {a: 1}`$"):
        load_params("t", {"a": int})


def test_nearest_ignores_case_and_lists_choices_when_none_is_near():
    assert nearest("PETAL", ["sepal", "petal"]) == "; did you mean 'petal'?"
    assert nearest("zzz", ["sepal", "petal"]) == "; there is sepal, petal"
    assert "did you mean 'pe\\u0301tale'?" in nearest("p\u00e9tale", ["pe\u0301tale", "x"])
