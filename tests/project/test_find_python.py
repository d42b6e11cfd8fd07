"""The places in which ``make install`` looks for a Python."""

import subprocess
import sys
from pathlib import Path

import pytest

FIND = Path(__file__).resolve().parents[2] / "tools" / "find-python"
# A path without any Python, but with the programs that the script itself needs.
PROGRAMS = ("bash", "env", "cat", "grep", "sort", "tail")


@pytest.fixture
def programs(tmp_path):
    for name in PROGRAMS:
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    return tmp_path


def find(programs, **variables):
    return subprocess.run(
        [FIND],
        env={"PATH": str(programs), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_python_that_only_uv_knows_is_found(programs):
    version = "{}.{}".format(*sys.version_info[:2])
    (programs / "uv").write_text(
        f'#!/usr/bin/env bash\n[ "$*" = "python find --no-project {version}" ] && echo {sys.executable}\n'
    )
    (programs / "uv").chmod(0o755)
    assert find(programs).stdout == f"{sys.executable}\n"


def test_a_python_that_is_named_is_taken_or_refused(programs):
    assert find(programs, PYTHON=sys.executable).stdout == f"{sys.executable}\n"
    refused = find(programs, PYTHON="/bin/true")
    assert refused.returncode == 1
    assert "PYTHON names /bin/true" in refused.stderr


def test_without_any_python_the_message_says_where_to_get_one(programs):
    done = find(programs)
    assert done.returncode == 1
    assert "python3-venv" in done.stderr
    assert "make install PYTHON=" in done.stderr
