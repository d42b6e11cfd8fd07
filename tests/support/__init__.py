"""Helpers that tests import: real servers, and what to do if a program is missing."""

import os
import shutil
from typing import NoReturn

import pytest

# tests/conftest.py sets this for each test. Outside of tests, as in benchmarks, servers may be
# started.
servers_are_expected = True

STRICT = os.environ.get("SHIFT_TEST_STRICT") == "1"


def missing(what: str) -> NoReturn:
    """Skip the test because something is missing. In CI (SHIFT_TEST_STRICT=1) that is a failure."""
    if STRICT:
        pytest.fail(f"{what}: in CI nothing may be missing")
    pytest.skip(what)


def require_program(*names: str) -> str:
    """Return the path of the first of these programs that is installed."""
    for name in names:
        if path := shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/sbin"):
            return path
    missing(f"{' or '.join(names)} is not installed (.ci/run installs it)")
