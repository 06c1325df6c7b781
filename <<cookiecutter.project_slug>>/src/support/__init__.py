"""Modules for the stages: rarely edited, and free of imports from the folder above.

Scripts import this package before any other, so that a missing package is reported in one line.
"""

import os
import sys
from types import TracebackType

if sys.version_info < (3, 11):  # noqa: UP036, others may run it
    sys.exit(
        f"Python 3.11 or later is needed, and {sys.executable} is {sys.version.split()[0]}: activate "
        "the project's environment, see README.md"
    )

SOURCE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
# The project, also of an experiment in a temporary folder
PROJECT = os.path.dirname(SOURCE).split(os.path.join(os.sep, ".dvc", "tmp", "exps"))[0]


def explain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Print in one line where a package is missing, or a file cannot be read or written.

    Other errors are printed as usual.
    """
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted", file=sys.stderr)
        return None
    files = issubclass(kind, OSError | MemoryError) or kind.__module__ == "pyarrow.lib"
    if not files and not issubclass(kind, ModuleNotFoundError):
        return sys.__excepthook__(kind, error, trace)
    import traceback

    frames = [frame for frame in traceback.extract_tb(trace) if "importlib" not in frame.filename]
    if files:
        frames = [frame for frame in frames if frame.filename.startswith(SOURCE)] or frames
        reason = " ".join(str(error).split()) or kind.__name__
        if issubclass(kind, MemoryError):
            reason = (
                "this machine's memory is not enough: prepare.max_rows keeps a sample of the rows"
            )
        elif kind.__module__ == "pyarrow.lib" or not getattr(error, "errno", True):
            reason += ": if the file is damaged, `dvc checkout` or `dvc pull` brings it back"
        elif kind is FileNotFoundError:
            reason += ": `dvc repro` makes it, `dvc pull` fetches it"
    else:
        activate = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
        reason = (
            f"{error} in {sys.executable}: activate the project's environment, `{activate}`, or run "
            "`pip install -r requirements.txt`"
        )
    file = os.path.relpath(frames[-1].filename)
    print(f"{file}, line {frames[-1].lineno}: {reason}", file=sys.stderr)


sys.excepthook = explain
# matplotlib keeps its list of fonts in the project, not in the home folder.
if os.path.isdir(os.path.join(PROJECT, ".dvc")):
    os.environ.setdefault("MPLCONFIGDIR", os.path.join(PROJECT, ".dvc", "tmp", "matplotlib"))
# Draw images only to files, except in notebooks. MPLBACKEND may name a missing backend.
if not os.environ.get("MPLBACKEND", "").startswith("module://"):
    os.environ.pop("MPLBACKEND", None)
for stream in (sys.stdout, sys.stderr):
    # A terminal that cannot show a column's name must not end a stage. A notebook can show any.
    if hasattr(stream, "reconfigure"):
        stream.reconfigure(errors="replace")
