"""The version comes from the tag, and without one from CITATION.cff."""

import runpy
import subprocess
from importlib.metadata import version as installed
from pathlib import Path

import shift_stac

ROOT = Path(__file__).resolve().parents[2]
VERSION = runpy.run_path(str(ROOT / "tools" / "version.py"))["version"]


def git(folder, *arguments):
    me = ("-c", "user.name=me", "-c", "user.email=me@example.org")
    subprocess.run(["git", "-C", folder, *me, *arguments], check=True, capture_output=True)


def test_a_tag_gives_the_version(tmp_path):
    (tmp_path / "CITATION.cff").write_text("version: 0.1.0\n")
    assert VERSION(tmp_path) == "0.1.0"
    git(tmp_path, "init")
    git(tmp_path, "commit", "--allow-empty", "-m", "first")
    assert VERSION(tmp_path) == "0.1.0"
    git(tmp_path, "tag", "v1.2.3rc1")
    assert VERSION(tmp_path) == "1.2.3rc1"
    git(tmp_path, "commit", "--allow-empty", "-m", "second")
    assert VERSION(tmp_path).startswith("1.2.3rc1+1.g")
    # Sources inside another project's folder.
    inside = tmp_path / "inside"
    inside.mkdir()
    (inside / "CITATION.cff").write_text("version: 0.2.0\n")
    assert VERSION(inside) == "0.2.0"


def test_the_package_tells_the_version_that_stores_and_items_record():
    assert shift_stac.__version__ == installed("shift-stac")
