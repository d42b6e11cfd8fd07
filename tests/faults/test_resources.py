"""A run that lacks room, files or rights ends with a reason, and the next run that has them
completes.

The commands are real. Each runs with the next one in a namespace of mounts.
"""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from shift_stac.archive.catalog_validation import validate_catalog
from shift_stac.archive.inventory import take_inventory
from shift_stac.simulate import simulate_campaign
from shift_stac.storage.folder import FolderStorage
from support import require_program
from support.plain_items import CAMPAIGN
from support.trials import SEED, TRIES

DATE = "20220224"
MIB = 2**20

# Mount the scarce resource, run the command, remove the scarcity, run it again, and copy the
# archive to a place that is visible outside.
_SCRIPT = """
set -u
cd "$1"; short=$2; shift 2
eval "$short"
"$@" >first.out 2>first.err; echo $? >first.status
eval "$MEND"
"$@" >second.out 2>second.err; echo $? >second.status
mkdir seen && cp -a store/. seen/
"""


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    root = tmp_path_factory.mktemp("portal")
    simulate_campaign(root, dates=[DATE], lines=2, samples=100, scan_lines=120, bands=60)
    return root


@pytest.fixture
def known(environment, prefect_api):
    return environment | {"PREFECT_API_URL": prefect_api}


def run_twice(folder: Path, environment, portal: Path, short: str, mend: str, about: str) -> str:
    """Return the output of the first command, and check that the second completed its work."""
    folder.mkdir(parents=True, exist_ok=True)
    space = [require_program("unshare"), "--mount"]
    space += [] if os.geteuid() == 0 else ["--map-root-user"]
    ingest = [sys.executable, "-m", "flows.ingest", "--date", DATE, "--portal", str(portal)]
    subprocess.run(
        [*space, "bash", "-c", _SCRIPT, "bash", str(folder), short, *ingest],
        env=environment | {"MEND": mend},
        check=True,
        timeout=400,
    )
    said = "".join((folder / f"first.{name}").read_text() for name in ("out", "err"))
    second = "".join((folder / f"second.{name}").read_text() for name in ("out", "err"))
    assert (folder / "second.status").read_text() == "0\n", f"{about}: {second[-3000:]}"
    assert "Traceback" not in said, f"{about}: {said[-3000:]}"
    archive = FolderStorage(folder / "seen")
    assert len(list((folder / "seen" / "AVIRIS-NG").glob("ang*/ang*.json"))) == 2, about
    assert not [p for p in (folder / "seen").rglob("*") if p.name.endswith((".part", ".in"))], about
    assert validate_catalog(archive).findings == (), about
    assert not take_inventory(archive, CAMPAIGN).without_data, about
    return said


@pytest.mark.parametrize("attempt", range(TRIES))
@pytest.mark.parametrize("where", [pytest.param("work", marks=pytest.mark.slow), "store"])
def test_a_full_disk(where, attempt, tried, portal, known, tmp_path):
    tried(f"resources: a full disk, {where}")
    chance = random.Random(f"{SEED} {where} {attempt}")
    # From a disk that holds nothing to one that holds nearly all.
    size = int(chance.uniform(0.05, 1) * 8 * MIB)
    about = f"seed {SEED}, {size} bytes for {where}"
    said = run_twice(
        tmp_path / "run",
        known,
        portal,
        f"mkdir {where} && mount -t tmpfs -o size={size} none {where}",
        f"mount -o remount,size=1G {where}",
        about,
    )
    status = (tmp_path / "run/first.status").read_text()
    assert status == "0\n" or "No space left" in said or "room" in said, f"{about}: {said[-3000:]}"


@pytest.mark.slow
def test_a_store_that_is_read_only(tried, portal, known, tmp_path):
    tried("resources: a read-only store")
    said = run_twice(
        tmp_path / "run",
        known,
        portal,
        "mkdir store && mount -t tmpfs -o ro none store",
        "mount -o remount,rw store",
        "read-only",
    )
    assert (tmp_path / "run/first.status").read_text() == "1\n"
    assert "Read-only file system" in said


@pytest.mark.slow
@pytest.mark.parametrize("files", [40, 60, 80, 100, 120])
def test_too_few_open_files(files, tried, portal, known, tmp_path):
    tried("resources: too few open files")
    run_twice(
        tmp_path / "run",
        known,
        portal,
        f"ulimit -Sn {files}",
        "ulimit -Sn 1024",
        f"{files} files",
    )


@pytest.mark.slow
def test_a_folder_with_spaces_and_letters_of_all_kinds(tried, portal, known, tmp_path):
    tried("resources: a path with spaces, quotes and Unicode")
    folder = tmp_path / "a b 'ünï' \"日本\" $(x) [/] %2F #;&"
    run_twice(folder, known, portal, "true", "true", "path")
    assert (folder / "first.status").read_text() == "0\n"
