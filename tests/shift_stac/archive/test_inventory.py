import json
import os
import tracemalloc
from datetime import UTC, datetime

import pytest

from shift_stac.archive.catalog_validation import validate_catalog
from shift_stac.archive.inventory import prune, read_items, take_inventory
from shift_stac.campaigns import load_campaign
from shift_stac.storage.base import StoredFile
from shift_stac.storage.folder import FolderStorage

CAMPAIGN = load_campaign()
OBJECTS = 30_000
MODIFIED = datetime(2022, 3, 1, tzinfo=UTC)


class LongLine(FolderStorage):
    """A folder with a store of very many objects, which need not be written."""

    def walk(self, folder=""):
        yield from super().walk(folder)
        if not folder:
            for number in range(OBJECTS):
                path = f"aviris/20220224/ang20220224t000000.zarr/Radiance/c/{number}/0/0"
                yield path, StoredFile(1000, MODIFIED)


@pytest.mark.parametrize(
    "look", [lambda storage: take_inventory(storage, CAMPAIGN), validate_catalog]
)
def test_memory_does_not_grow_with_the_objects_of_an_archive(tmp_path, look):
    storage = LongLine(tmp_path)
    catalog = {"type": "Catalog", "id": "x", "description": "x", "stac_version": "1.1.0"}
    storage.write("catalog.json", json.dumps(catalog | {"links": []}).encode())
    look(FolderStorage(tmp_path))
    tracemalloc.start()
    found = look(storage)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100 * OBJECTS
    orphans = getattr(found, "orphans", None)
    assert orphans in (None, {"aviris/20220224/ang20220224t000000.zarr": 1000 * OBJECTS})


def test_a_store_that_is_written_since_the_inventory_is_left(tmp_path):
    storage = FolderStorage(tmp_path)
    place = "aviris/20220224/ang20220224t000000.zarr"
    beside = "aviris/20220224/ang20220224t000000_quicklook.png"
    for path in (f"{place}/zarr.json", f"{place}/a/zarr.json", f"{place}/a/c/0", beside):
        storage.write(path, b"1234")
        os.utime(tmp_path / path, (1.6e9, 1.6e9))
    found = take_inventory(storage, CAMPAIGN, older_than=MODIFIED)
    assert found.orphans == {place: 12, beside: 4}
    storage.write(f"{place}/a/c/0", b"5678")
    assert take_inventory(storage, CAMPAIGN, older_than=MODIFIED).orphans == {beside: 4}
    assert prune(storage, CAMPAIGN, found) == 4
    assert len(storage.find()) == 3
    assert prune(storage, CAMPAIGN, take_inventory(storage, CAMPAIGN)) == 12
    assert not storage.find()


def test_items_are_read_only_a_little_ahead(tmp_path):
    read = []

    class Counting(FolderStorage):
        def read(self, path):
            read.append(path)
            return b'{"id": "%s", "links": [], "assets": {}, "properties": {}}' % path.encode()

    paths = [str(number) for number in range(1000)]
    items = read_items(Counting(tmp_path), paths)
    assert next(items)["id"] == "0"
    assert len(read) <= 100
    assert [item["id"] for item in items] == paths[1:]
