import hashlib
import json
import shutil
import subprocess

import pytest

from shift_stac.store.checksums import read_manifest, write_manifest


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "line.zarr"
    for name in ("zarr.json", "a/zarr.json", "a/c/0", "a/c/10", "a/c/9"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(name))
    return folder


def check(folder):
    return subprocess.run(
        ["sha256sum", "--check", "--quiet", "line.zarr.sha256"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )


def test_sha256sum_checks_a_copy_and_names_what_differs(store, tmp_path):
    write_manifest(store, tmp_path / "line.zarr.sha256")
    assert check(tmp_path).returncode == 0
    copy = tmp_path / "copy"
    shutil.copytree(store, copy / "line.zarr")
    shutil.copy(tmp_path / "line.zarr.sha256", copy)
    (copy / "line.zarr/a/c/9").write_text("damaged")
    (copy / "line.zarr/a/c/0").unlink()
    done = check(copy)
    assert done.returncode == 1
    assert "line.zarr/a/c/9: FAILED" in done.stdout
    assert "line.zarr/a/c/0" in done.stdout + done.stderr


def test_the_manifest_lists_every_object_in_one_order(store, tmp_path):
    write_manifest(store, tmp_path / "line.zarr.sha256")
    text = (tmp_path / "line.zarr.sha256").read_text()
    assert [row.split("  ")[1] for row in text.splitlines()] == [
        "line.zarr/a/c/0",
        "line.zarr/a/c/10",
        "line.zarr/a/c/9",
        "line.zarr/a/zarr.json",
        "line.zarr/zarr.json",
    ]
    told = read_manifest(tmp_path / "line.zarr.sha256")
    assert told["a/c/9"] == hashlib.sha256((store / "a/c/9").read_bytes()).hexdigest()
