"""A short run of the fuzzer; `make fuzz` takes longer."""

import platform
import sys

import pytest
from helpers import ROOT, run

FUZZ = [sys.executable, ROOT / "tests/fuzz.py"]


@pytest.mark.skipif(
    sys.platform != "linux" or platform.machine() != "x86_64",
    reason="tests/requirements.txt has atheris for Linux on x86_64 alone",
)
def test_whatever_is_parsed_there_is_a_result_or_one_line(env, tmp_path):
    said = run([*FUZZ, "all", "-runs=2000", "-seed=1"], tmp_path, env).stdout
    assert "number_of_executed_units: 2000" in said
