"""Coverage-guided fuzzing of everything of ours that parses: a result, or our own error in one line.

python tests/fuzz.py 600                   each of TARGETS for its share of so many seconds
python tests/fuzz.py cells -runs=1000      one of them, or `all`, with options of libFuzzer

A failure is shown with its traceback and the bytes that cause it, to become an example in a test.
"""

import io
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from traceback import extract_tb

import atheris

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "<<cookiecutter.project_slug>>/src"
sys.path[:0] = [str(ROOT), str(SOURCE)]

OURS = ["addresses", "check_answers", "prepare", "raw_table", "support"]

with atheris.instrument_imports(include=OURS):
    from prepare import prepare
    from support.cells import NUMBERS, Forms
    from support.columns import Column
    from support.files import Dialect, FileError, reason_of
    from support.params import InputError, load_params
    from support.reader import Table
    from support.report import escape, shorten, table_of
    from support.schema import Schema, check_columns
    from support.values import MisfitError, matches, read_values

    import raw_table
    from addresses import check_git_remote, read_remote
    from check_answers import _scalar, check_place, check_text

import pyarrow as pa
from cookiecutter.exceptions import FailedHookException
from markdown_it import MarkdownIt
from ruamel.yaml import YAML

ANSWERS = {"task": "classification", "target": "class"}
PARAMS = {"na_values": "auto", "decimal": "auto", "dates": "auto", "text": [], "columns": {}}
PARAMS |= {"features": "all", "group": "", "time": "", "drop": [], "sheet": "", **ANSWERS}
PARAMS |= {"missing": "impute", "duplicates": "auto", "max_rows": 0}
# Mistakes of ours, which the code that reads a file must not take for what is wrong with the file
MISTAKES = (AttributeError, IndexError, KeyError, TypeError, AssertionError, NameError)


@contextmanager
def refused(*errors: type[BaseException]):
    """Let pass an error of ours with one line that stands for no mistake of ours."""
    try:
        yield
    except errors as error:
        # The bake shows a FileError by reason_of.
        said = reason_of(error) if isinstance(error, FileError) else str(error)
        assert len(said.splitlines()) == 1, said
        cause = error.__context__
        if isinstance(cause, MISTAKES):
            frames = extract_tb(cause.__traceback__)
            assert not Path(frames[-1].filename).is_relative_to(ROOT), f"{frames[-1]}: {cause!r}"


def fuzz_text(content: bytes) -> None:
    """The bake's look at a text: its encoding, its dialect, its columns, its target."""
    with refused(FileError):
        if raw_table.kind_of(io.BytesIO(content)) in raw_table.TEXTS:
            raw_table.read(io.BytesIO(content), ANSWERS, whole=len(content) % 2 == 0)


def fuzz_table(content: bytes) -> None:
    """Stage prepare: any file, read as the bake says if it can, else as a plain CSV file."""
    path = Path("table")
    path.write_bytes(content)
    params = PARAMS | vars(Dialect()) | {"raw": str(path)}
    try:
        found = raw_table.read(io.BytesIO(content), ANSWERS, whole=True)
        params |= {key: found[key] for key in vars(Dialect()) if key in found}
    except Exception as error:  # noqa: BLE001, fuzz_text is for these
        params["encoding"] = "utf-8" if content else str(error)
    with refused(InputError):
        table = Table(path, params)
        prepare(table, params, Path("prepared.parquet"))


COLUMNS = [Column("size", "number"), Column("price", "number", ",", "."), Column("word")]
COLUMNS += [Column("sure", "boolean"), Column("day", "date", dates="ISO8601")]
COLUMNS += [Column("date", "date", dates="day first"), Column("share", "number", unit="%")]
COLUMNS += [Column("pattern", "date", dates="%d/%m/%y %H:%M")]


def fuzz_predict(content: bytes) -> None:
    """New rows for a model that knows how its columns are written."""
    path = Path("new")
    path.write_bytes(content)
    roles = dict.fromkeys([column.name for column in COLUMNS], "feature")
    with refused(InputError):
        schema = Schema(vars(Dialect()) | {"sheet": ""}, COLUMNS, roles)
        table = Table(path, schema.file)
        check_columns(roles, table.names, path)
        for batch in table.batches():
            assert len(schema.frame(path, batch, 2, lambda frame: frame)) == len(batch)


def fuzz_cells(content: bytes) -> None:
    """Python and Arrow read a cell alike, and a number is that of Python."""
    cell = content.decode("utf-8", "ignore").strip()
    if not cell or "\0" in cell:
        return
    known = Forms()
    form = known.of(cell)
    found = [
        one for one in known.patterns if matches(pa.array([cell]), known.patterns[one])[0].as_py()
    ]
    assert found == [form] * (bool(form) and form[-1] != "*"), (cell, form, found)
    for column in COLUMNS:
        with refused(MisfitError) if column.kind != "text" else refused():
            [value] = read_values(pa.array([cell]), column).to_pylist()
            if (
                column.name == "size"
                and form in NUMBERS["."]
                and not set(cell) & set(" '’,\u00a0\u202f")
            ):
                assert value == float(cell.replace("\u2212", "-")), cell


def fuzz_pattern(content: bytes) -> None:
    """A pattern of dates, as prepare.dates takes it, and a cell."""
    dates, _, cell = content.decode("utf-8", "ignore").partition("\n")
    try:
        forms = Forms(dates=dates)
    except ValueError:
        return
    if "%" in dates:
        forms.of(cell)
        with refused(MisfitError):
            read_values(pa.array([cell]), Column("x", "date", dates=dates))


def fuzz_addresses(content: bytes) -> None:
    """Addresses among the answers, and the folder's name."""
    text = content.decode("utf-8", "surrogateescape")
    with refused(FailedHookException):
        check_text("remote", text)
        with refused(FailedHookException):
            check_git_remote(text)
        check_place(read_remote(text)["url"], "project")


def fuzz_yaml(content: bytes) -> None:
    """An answer comes back from YAML as it was."""
    text = content.decode("utf-8", "ignore")
    try:
        check_text("target", text)
    except FailedHookException:
        return
    written = _scalar(text)
    assert YAML(typ="safe", pure=True).load(f"a: {written}\nb: 1\n") == {"a": text, "b": 1}, written


def fuzz_params(content: bytes) -> None:
    """Any params.yaml."""
    Path("params.yaml").write_bytes(content)
    with refused(InputError):
        load_params("split", {"test_size": float, "stratify": bool, "test": list, "column": str})


def fuzz_report(content: bytes) -> None:
    """A name stands in the report's table as it is, and nothing else."""
    text = content.decode("utf-8", "ignore")
    shorten(text)
    html = MarkdownIt("commonmark").enable("table").render(table_of(["a", "b"], [[text, text]]))
    assert html.count("<td") == 2 and html.count("<tr") == 2, html
    for tag in ("<a", "<img", "<em", "<strong", "<code", "<script", "<!--", "<s>"):
        assert tag not in html, (escape(text), html)


TARGETS: dict[str, Callable[[bytes], None]] = {
    name.removeprefix("fuzz_"): function
    for name, function in list(globals().items())
    if name.startswith("fuzz_")
}
ROWS = "size,price,word,sure,day,date,share,pattern,class\n" + "".join(
    f'{n}.5,"1.{n:03},5",é{n % 3},{"TRUE" if n % 2 else "false"},2024-01-{n:02}T10:00:00Z,'
    f"{n}.12.24,{n}%,{n}/1/24 7:05,{'ab'[n % 2]}\n"
    for n in range(10, 30)
)
WORDS = ["-1,234.5", "1e5", "1.234,5", "31.12.2024 11:59 pm", "(12)", "€ 5", "2024-02-29", "inf"]
SEEDS = {
    "text": [ROWS, f"sep=;\n{ROWS}".replace(",", ";"), f"Title\n{ROWS}", '[{"class": "a"}]'],
    "table": [ROWS, '{"class": "a", "x": 1.5}\n{"class": "b", "x": null}\n'],
    "predict": [ROWS, ROWS.replace(",", "\t")],
    "cells": WORDS,
    "pattern": [
        "%d/%m/%Y %H:%M:%S\n31/12/2024 10:00:00",
        "%b %d, %y %I %p\nMay 1, 24 3 PM",
        "%j%Y\n3662024",
    ],
    "addresses": ["s3://bucket/a", "git@dagshub.com:me/x.git", "https://me:x@host:1/a?sig=1#b"],
    "yaml": ["No", "1e5", "12:30", "'\"#: &*!|>%@`", "é漢👨‍👩‍👧"],
    "params": [
        (SOURCE.parent / "params.yaml").read_text("utf-8").replace("<", ""),
        "split: {a: 1}",
    ],
    "report": ["a|b*c_d_`e`[f](g)<b>$x$~~y~~", "![a](b)\\|"],
}


def fuzz_all(content: bytes) -> None:
    """The target that the first byte says: all of them in one process."""
    functions = list(TARGETS.values())
    functions[content[0] % len(functions) if content else 0](content[1:])


def seeds(name: str) -> list[bytes]:
    """Return what the search starts from."""
    if name == "all":
        return [bytes([n]) + one for n, target in enumerate(TARGETS) for one in seeds(target)]
    texts = [text.encode() for text in SEEDS[name]]
    return texts + [ROWS.encode("utf-16")] * (name == "table")


def run(name: str, *options: str) -> int:
    """Fuzz a target in a process of its own; return its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        (corpus := Path(folder, "corpus")).mkdir()
        for number, content in enumerate(seeds(name)):
            (corpus / str(number)).write_bytes(content)
        limits = ["-timeout=20", "-rss_limit_mb=3000", "-max_len=4096", "-verbosity=0"]
        limits += ["-print_final_stats=1", "-artifact_prefix=failed-"]
        command = [
            sys.executable,
            "-W",
            "ignore",
            Path(__file__).resolve(),
            "--run",
            name,
            *limits,
            *options,
        ]
        print(f"{name}:", flush=True)
        status = subprocess.run([*command, corpus], check=False, cwd=folder).returncode
        for failed in Path(folder).glob("failed-*"):
            print(f"{name} fails on {failed.read_bytes()!r}")
        return status


def main() -> None:
    first, *options = sys.argv[1:]
    if first == "--run":
        name, *options = options
        atheris.Setup([name, *options], TARGETS.get(name, fuzz_all))
        atheris.Fuzz()
    elif first in (*TARGETS, "all"):
        sys.exit(run(first, *options))
    else:
        limit = f"-max_total_time={max(1, int(first) // len(TARGETS))}"
        sys.exit(max(abs(run(name, limit, *options)) for name in TARGETS))


if __name__ == "__main__":
    main()
