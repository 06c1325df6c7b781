"""Files from strangers: a result or one line, nothing executed, memory bounded."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest
import skops.io
from cookiecutter.exceptions import FailedHookException
from prepare import prepare
from scipy.sparse import coo_array
from sklearn.preprocessing import FunctionTransformer
from support.files import Dialect
from support.model_file import load
from support.params import InputError
from support.reader import Table

from raw_table import inspect

FRAME = pd.DataFrame(
    {
        "number": range(60),
        "share": [number / 7 for number in range(60)],
        "wörd": [f"é{number % 5}" for number in range(60)],
        "day": pd.date_range("2024-01-01", periods=60),
        "class": ["a", "b"] * 30,
    }
)
CSV = FRAME.to_csv(index=False).encode()
AUTO = {"na_values": "auto", "decimal": "auto", "dates": "auto", "text": [], "columns": {}}
AUTO |= {"features": "all", "group": "", "time": "", "drop": [], "sheet": ""}
AUTO |= {"missing": "impute", "duplicates": "auto", "max_rows": 0}
AUTO |= {"task": "classification", "target": "class"} | vars(Dialect())
VARIANTS = 40


def zstd(content: bytes) -> bytes:
    with pa.BufferOutputStream() as packed:
        with pa.CompressedOutputStream(packed, "zstd") as stream:
            stream.write(content)
        return packed.getvalue().to_pybytes()


def zipped(members: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def written(write: Callable, *arguments, **options) -> bytes:
    content = io.BytesIO()
    write(*arguments, content, **options)
    return content.getvalue()


FILES = {
    "t.csv": CSV,
    "utf16.csv": FRAME.to_csv(index=False).encode("utf-16"),
    "t.csv.gz": gzip.compress(CSV),
    "t.csv.bz2": bz2.compress(CSV),
    "t.csv.xz": lzma.compress(CSV),
    "t.csv.zst": zstd(CSV),
    "t.csv.zip": zipped({"t.csv": CSV}),
    "t.jsonl": FRAME.to_json(orient="records", lines=True, date_format="iso").encode(),
    "t.json": FRAME.to_json(orient="records", date_format="iso").encode(),
    "t.parquet": written(FRAME.to_parquet),
    "packed.parquet": written(FRAME.to_parquet, compression="zstd"),
    "t.parquet.gz": gzip.compress(written(FRAME.to_parquet)),
    "t.feather": written(FRAME.to_feather),
    "plain.feather": written(FRAME.to_feather, compression="uncompressed"),
    "old.feather": b"FEA1" + bytes(200) + b"FEA1",
    "t.xlsx": written(FRAME.to_excel, index=False),
}


def damage(content: bytes, rng: random.Random) -> bytes:
    """Return `content` cut off, or with some bits, bytes or pieces changed."""
    if rng.random() < 0.3:
        return content[: rng.randrange(1, len(content))]
    changed = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 8])):
        place, length = rng.randrange(len(changed)), rng.randrange(1, 64)
        kind = rng.randrange(4)
        if kind == 0:
            changed[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[place : place + 8] = rng.choice([b"\0", b"\xff", b"\x7f", b"\x80"]) * 8
        elif kind == 2 and length < len(changed):
            del changed[place : place + length]
        else:
            changed[place:place] = changed[place : place + length]
    return bytes(changed)


def read_as_bake(path: Path) -> str:
    """Return why the bake refuses a table, or ""."""
    inspect.cache_clear()
    try:
        inspect(str(path), "classification", "class")
    except FailedHookException as error:
        return str(error)
    return ""


def read_as_stages(path: Path) -> str:
    """Return why `prepare` and `predict.py` refuse a table, or ""."""
    params = AUTO | {"raw": str(path)}
    prepared = path.with_name("prepared.parquet")
    try:
        report = prepare(Table(path, params), params, prepared)
    except InputError as error:
        assert not list(path.parent.glob("prepared*"))
        return str(error)
    assert pq.read_metadata(prepared).num_rows == report["rows"]["prepared"]
    prepared.unlink()
    return ""


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_table_is_read_or_refused_in_one_line(tmp_path, name):
    rng = random.Random(name)
    path = tmp_path / name
    refused = 0
    for _ in range(VARIANTS):
        path.write_bytes(damage(FILES[name], rng))
        for read in (read_as_bake, read_as_stages):
            said = read(path)
            assert len(said.splitlines()) <= 1
            refused += bool(said)
    assert refused


def test_a_workbook_with_a_damaged_part_is_read_or_refused_in_one_line(tmp_path):
    """Inside of the archive, whose checksums would show the damage."""
    rng, members = random.Random(0), unzipped(FILES["t.xlsx"])
    for _ in range(VARIANTS * 2):
        name = rng.choice(sorted(members))
        (tmp_path / "t.xlsx").write_bytes(zipped(members | {name: damage(members[name], rng)}))
        assert len(read_as_stages(tmp_path / "t.xlsx").splitlines()) <= 1


@pytest.mark.parametrize("year", [-5_000, 20_000])
def test_times_beyond_the_calendar_are_refused(tmp_path, year):
    seconds = pa.array([0, (year - 1970) * 31_556_952] * 30).cast(pa.timestamp("s"))
    table = pa.table({"when": seconds, "class": FRAME["class"]})
    pyarrow.feather.write_feather(table, str(tmp_path / "t.feather"))
    for read in (read_as_bake, read_as_stages):
        assert read(tmp_path / "t.feather").endswith("a time that is not in the years 1 to 9999")


# Half a gigabyte, in some kilobytes
MANY = 512
ROWS = b"number,class\n1,a\n2,b\n"
MEGABYTES = 1000


def bomb(pack: Callable[[bytes], bytes], start: bytes, unit: bytes) -> bytes:
    """Return a packed file; what gzip, bzip2, xz and zstd pack can be put together."""
    return pack(start) + pack(unit * ((1 << 20) // len(unit))) * MANY


def zip_bomb(name: str, start: bytes) -> bytes:
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open(name, "w") as member,
    ):
        member.write(start)
        for _ in range(2 * MANY + 1):
            member.write(b" " * (1 << 20))
    return packed.getvalue()


def far(cell: str) -> bytes:
    """Return a workbook with something in a cell far from the table."""
    members, sheet = unzipped(FILES["t.xlsx"]), "xl/worksheets/sheet1.xml"
    last = f'<row r="1048576"><c r="{cell}"><v>1</v></c></row></sheetData>'.encode()
    return zipped(members | {sheet: members[sheet].replace(b"</sheetData>", last)})


BOMBS = {
    "line.csv.gz": lambda: bomb(gzip.compress, ROWS, b"a"),
    "line.csv.zst": lambda: bomb(zstd, ROWS, b"a"),
    "line.csv.zip": lambda: zip_bomb("../../line.csv", ROWS),
    "header.csv.bz2": lambda: bomb(bz2.compress, b"number,class", b"a"),
    "columns.csv.xz": lambda: bomb(lzma.compress, b"number,class", b","),
    "many columns.csv": lambda: b"class" + b",a" * 300_000 + ROWS[12:],
    "quote.csv.gz": lambda: bomb(gzip.compress, ROWS + b'3,"', b"a\n"),
    "line.jsonl.gz": lambda: bomb(gzip.compress, b'{"number": 1, "class": "', b"a"),
    "array.json.gz": lambda: bomb(gzip.compress, b'[{"number": 1, "class": "a"}', b" "),
    "entry.json.gz": lambda: bomb(gzip.compress, b'[{"number": 1, "class": "', b"a"),
    "nested.jsonl": lambda: b'{"number": 1, "class": ' + b"[" * 100_000,
    "unpacked.xlsx": lambda: zip_bomb("xl/worksheets/sheet1.xml", b"<"),
    "packed.xlsx.gz": lambda: bomb(gzip.compress, b"PK\x03\x04", b"a"),
    "last cell.xlsx": lambda: far("XFD1048576"),
    "far cell.xlsx": lambda: far("BZ1048576"),
}
# In a process of its own, started by another one than this: a process counts what its parent took.
READ = """
import resource, sys
from pathlib import Path
folder, *paths = sys.argv[1:]
sys.path[:0] = paths
import test_untrusted
for file in sorted(Path(folder).iterdir()):
    for read in (test_untrusted.read_as_bake, test_untrusted.read_as_stages):
        said = read(file)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        print(peak, read.__name__, file.name, said, sep="\\t")
"""


def test_a_file_that_unpacks_to_gigabytes_takes_little_memory(tmp_path):
    (folder := tmp_path / "bombs").mkdir()
    for name, make in BOMBS.items():
        (folder / name).write_bytes(make())
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-W", "ignore", "-c", READ]
    command += [folder, *sys.path[:3]]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    output = done.stdout
    for line in output.splitlines():
        peak, read, name, said = line.split("\t")
        assert int(peak) < MEGABYTES, line
        # Of a large file, the bake looks at the start.
        assert said or read == "read_as_bake", line
    assert len(output.splitlines()) == 2 * len(BOMBS)
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted([*BOMBS, "bombs"])


@pytest.fixture(scope="module")
def model(reproduced) -> bytes:
    return (reproduced.path / "models/model.skops").read_bytes()


def refused(path: Path, content: bytes) -> str:
    """Return why `load` refuses a model, or "" if it is well."""
    path.write_bytes(content)
    try:
        load(path, [])
    except InputError as error:
        return str(error)
    return ""


def forge(node: dict | list, rng: random.Random) -> None:
    """Change something in a tree of JSON."""
    keys = list(node) if isinstance(node, dict) else list(range(len(node)))
    key = rng.choice(keys) if keys else None
    if keys and isinstance(node[key], dict | list) and node[key] and rng.random() < 0.9:
        forge(node[key], rng)
    elif keys:
        values = [None, True, -1, 10**30, "x", "../x", "a\nb", "os", "system", [], {}, "builtins"]
        node[key] = rng.choice([*values, "ObjectNode", "FunctionNode", "TypeNode", "MethodNode"])


def test_a_damaged_or_forged_model_is_loaded_or_refused_in_one_line(tmp_path, model):
    rng, members = random.Random(0), unzipped(model)
    said = []
    for _ in range(60):
        said.append(refused(tmp_path / "m.skops", damage(model, rng)))
        schema = json.loads(members["schema.json"])
        for _ in range(rng.choice([1, 3])):
            forge(schema, rng)
        forged = io.BytesIO()
        with zipfile.ZipFile(forged, "w") as archive:
            for name, content in {**members, "schema.json": json.dumps(schema)}.items():
                archive.writestr(name, content)
        said.append(refused(tmp_path / "m.skops", forged.getvalue()))
    assert max(len(line.splitlines()) for line in said) == 1
    assert sum(map(bool, said)) > len(said) / 2
    assert [path.name for path in tmp_path.iterdir()] == ["m.skops"]


class Trap:
    """What would write a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple:
        return Path.write_text, (self.path, "executed")


def test_a_model_that_would_run_code_or_fill_the_memory_is_refused(tmp_path, model):
    trap = tmp_path / "executed"
    call = partial(subprocess.run, ["touch", str(trap)])
    zeros = np.zeros(5_000_000, dtype="int64")
    for content, reason in {
        pickle.dumps(Trap(trap)): "File is not a zip file",
        skops.io.dumps(FunctionTransformer(call)): "types that are not trusted: subprocess.run",
        skops.io.dumps(Trap(trap)): "test_untrusted.Trap. If you know them",
        skops.io.dumps({"a": 1}): "it holds a dict",
        skops.io.dumps(coo_array((zeros, (zeros, zeros)))): "takes too much memory",
        zipped(unzipped(model)): "its parts are packed",
        zip_bomb("schema.json", b"["): "its parts are packed",
        b"": "File is not a zip file",
    }.items():
        said = refused(tmp_path / "m.skops", content)
        assert reason in said and len(said.splitlines()) == 1
    assert not trap.exists()


def test_what_comes_with_a_cloned_project_is_refused_in_one_line(project, tmp_path):
    path, model = project.path, project.path / "models/model.skops"
    rows = path / "data/raw/iris.csv"
    good, trap = model.read_bytes(), tmp_path / "executed"
    schema = json.loads(unzipped(good)["schema.json"])
    # The schema of the table, which the model carries, is another one.
    schema["content"]["content"].pop("schema")
    forged = io.BytesIO()
    with zipfile.ZipFile(forged, "w") as archive:
        for name, content in {**unzipped(good), "schema.json": json.dumps(schema)}.items():
            archive.writestr(name, content)
    forged = forged.getvalue()
    model.unlink()
    for content, scripts in {
        pickle.dumps(Trap(trap)): ["predict.py", "evaluate.py"],
        good[: len(good) // 2]: ["predict.py"],
        forged: ["predict.py"],
    }.items():
        model.write_bytes(content)
        for script in scripts:
            said = project.run(["python", f"src/{script}", rows], status=1)
            assert said.startswith("models/model.skops ") and len(said.splitlines()) == 1
    model.write_bytes(good)
    (tmp_path / "new.csv").write_bytes(rows.read_bytes()[:-3] + b"\xff\xfe\n")
    for name in ("test", "prepared"):
        (path / f"data/{name}.parquet").unlink()
        (path / f"data/{name}.parquet").write_bytes(b"PAR1" + bytes(100) + b"PAR1")
    for command in ("predict.py ../new.csv -o out.csv", "evaluate.py", "split.py"):
        said = project.run(f"python src/{command}", status=1)
        assert len(said.splitlines()) == 1, said
    assert not trap.exists() and not list(path.glob("out.csv*"))
