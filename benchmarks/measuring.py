"""Time commands side by side, and keep the figures in benchmarks/README.md."""

import os
import platform
import re
import statistics
import subprocess
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
README = Path(__file__).with_name("README.md")


class Cost(NamedTuple):
    """Wall and CPU seconds, and the largest resident memory of a process in MB."""

    wall: float
    cpu: float
    peak: float


def measure(commands: list[list[str]], folder: Path) -> Cost:
    """Run commands one after the other; their output is not shown.

    Raises SystemExit when one fails.
    """
    wall = cpu = peak = 0.0
    for command in commands:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        if status:
            raise SystemExit(f"{command} failed in {folder}")
        wall += time.perf_counter() - start
        cpu += usage.ru_utime + usage.ru_stime
        peak = max(peak, usage.ru_maxrss / 1024)
    return Cost(wall, cpu, peak)


def medians(runs: Sequence[Cost]) -> Cost:
    return Cost(*(statistics.median(part) for part in zip(*runs, strict=True)))


def ratios(runs: Sequence[Cost], others: Sequence[Cost]) -> Cost:
    """Return the medians of what `runs` took of the `others` beside them."""
    shares = [
        Cost(*(a / b for a, b in zip(one, other, strict=True)))
        for one, other in zip(runs, others, strict=True)
    ]
    return medians(shares)


def machine() -> str:
    return (
        f"{date.today()}, {os.cpu_count()} cores ({platform.machine()}), "
        f"Python {platform.python_version()}"
    )


def write_section(title: str, head: str, text: str) -> None:
    """Put `text` under `head` below `title` in the README, in the place of what is there."""
    page = README.read_text(encoding="utf-8")
    if f"\n{title}\n" not in page:
        page = f"{page.rstrip()}\n\n{title}\n"
    page = re.sub(rf"\n{re.escape(head)}\n.*?(?=\n#|\Z)", "", page, flags=re.DOTALL)
    start = page.index(f"\n{title}\n") + 1
    end = page.find("\n## ", start)
    end = len(page) if end < 0 else end
    part = f"{page[start:end].rstrip()}\n\n{head}\n\n{text}\n"
    README.write_text(page[:start] + part + page[end:], encoding="utf-8")
