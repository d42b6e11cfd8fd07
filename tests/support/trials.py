"""Faults that are tried many times: number of tries, seed, and the check after runs that were ended."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shift_stac.archive.catalog_validation import validate_catalog
from shift_stac.archive.inventory import take_inventory
from shift_stac.simulate import simulate_campaign
from shift_stac.storage.address import open_storage
from support.plain_items import CAMPAIGN
from support.webserver import serve_nginx

TRIES = int(os.environ.get("SHIFT_TEST_TRIES", "1"))
"""Tries of each fault: a few in the tests, many in ``make faults``."""

SEED = os.environ.get("SHIFT_TEST_SEED", "13")
"""Chooses moments, sizes and documents."""


@contextmanager
def serve_two_slow_lines(folder: Path, date: str) -> Iterator[str]:
    """Serve a portal with two lines whose cubes take half a second to arrive; yields its address."""
    root = folder / "portal"
    simulate_campaign(root, dates=[date], lines=2, samples=40, scan_lines=40, bands=60)
    with serve_nginx(root, folder / "nginx", slow="_rfl$|_clip$") as url:
        yield url


def faults_after_two_lines(store: str, work: Path) -> list[object]:
    """Return the faults of an archive that must have two lines, and the files left in a working folder."""
    storage = open_storage(store)
    check = validate_catalog(storage)
    inventory = take_inventory(storage, CAMPAIGN)
    files = [path for path in work.rglob("*") if path.is_file()]
    # Ledger and reports stay. Locks that nobody holds stay too, because waiting processes need the
    # same file.
    left = [path for path in files if path.suffix not in {".lock", ".json"}]
    return [*check.findings, *inventory.without_data, *left, *["items"] * (check.items != 2)]
