"""The commands of the tests, which are forks, do what the real ones do."""

import sys

import pytest
from forked import real
from helpers import run

WHERE = "import os, sys; print(os.getcwd(), sys.argv, sys.path, os.environ.get('DVC_X'))"
COMMANDS = [
    ["python", "-c", WHERE, "an argument"],
    ["python", "-c", "import sys; print('told'); sys.exit('why')"],
    ["python", "-c", "import sys; sys.exit(300)"],
    ["python", "-c", "import os; os.kill(os.getpid(), 9)"],
    ["python", "-c", "import atexit; atexit.register(print, 'at the end')"],
    ["python", "script.py", "a", "b"],
    ["python", "-W", "error", "-c", "import warnings; warnings.warn('told')"],
    ["sh", "-c", "echo typed | python -c 'print(input())'"],
    ["sh", "-c", "ulimit -n 77; umask 7; python -c 'import os; os.system(\"ulimit -n; umask\")'"],
    ["dvc", "version", "--no-such-option"],
    ["cookiecutter", "no-such-template"],
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command)[:40])
def test_a_fork_does_what_the_real_command_does(env, tmp_path, command):
    (tmp_path / "script.py").write_text(WHERE)
    env = {**env, "DVC_X": "1"}
    fork, other = (run(command, tmp_path, one, status=None) for one in (env, real(env)))
    assert (fork.returncode, fork.stdout) == (other.returncode, other.stdout)


def test_it_is_a_fork_unless_what_python_reads_at_its_start_differs(env, tmp_path):
    command = ["python", "-c", "import sys; print('pandas' in sys.modules)"]
    assert run(command, tmp_path, env).stdout == f"{sys.platform == 'linux'}\n"
    for other in (real(env), {**env, "PYTHONUTF8": "1"}):
        assert run(command, tmp_path, other).stdout == "False\n"
