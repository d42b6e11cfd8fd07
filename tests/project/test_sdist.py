"""The archive of the sources has what git has."""

import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="the sources are not a clone")
def test_the_sdist_has_all_that_stands_at_the_top():
    listed = subprocess.check_output(["git", "-C", ROOT, "ls-files"], text=True).splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    included = project["tool"]["hatch"]["build"]["targets"]["sdist"]["only-include"]
    assert sorted(included) == sorted({name.partition("/")[0] for name in listed})
