"""What serves the stages: seldom edited, and imports nothing from the folder above.

Scripts import it before any package: then a package that is missing is told in one line.
"""

import os
import sys
from types import TracebackType


def explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print what to do about a missing package or too little memory, and other errors as ever."""
    if issubclass(kind, MemoryError):
        script = os.path.relpath(sys.argv[0])
        advice = "prepare.max_rows in params.yaml keeps a sample of the rows"
        print(f"{script}: this machine's memory is not enough: {advice}", file=sys.stderr)
        return None
    if not issubclass(kind, ModuleNotFoundError):
        return sys.__excepthook__(kind, error, trace)
    import traceback

    place = [frame for frame in traceback.extract_tb(trace) if "importlib" not in frame.filename]
    file = os.path.relpath(place[-1].filename)
    activate = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
    print(
        f"{file}, line {place[-1].lineno}: {error} in {sys.executable}: activate the project's "
        f"environment, `{activate}`, or run `pip install -r requirements.txt`",
        file=sys.stderr,
    )


sys.excepthook = explain
for stream in (sys.stdout, sys.stderr):
    # A terminal that cannot show a column's name must not end a stage. Notebooks' streams can.
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
