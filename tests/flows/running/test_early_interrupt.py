"""Ctrl-C while a command's modules are imported."""

import subprocess
import sys

import pytest

from flows.running.early_interrupt import end_plainly

# The first module that flows imports after the hook is set interrupts.
_INTERRUPTED = """
import sys
from importlib.abc import MetaPathFinder

class Interrupt(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "flows.running.hints":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.orig_argv[1:] = {arguments}
import flows
"""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-m", "flows.campaign"], ["interrupted; nothing was begun"]),
        (["my_script.py"], None),
    ],
)
def test_a_command_ends_with_a_sentence_and_other_programs_are_not_changed(arguments, said):
    program = _INTERRUPTED.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    lines = done.stderr.splitlines()
    assert lines == said if said else lines[-1] == "KeyboardInterrupt"


def test_another_error_keeps_its_traceback(monkeypatch, capsys):
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "flows.campaign"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    end_plainly()
    sys.excepthook(ValueError, ValueError("odd"), None)
    assert "ValueError: odd" in capsys.readouterr().err
