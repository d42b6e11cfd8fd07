import json
import posixpath
import shutil
from pathlib import Path

import pystac
import pytest
import xarray as xr
import zarr

from shift_stac.archive.documents import read_published
from shift_stac.archive.inventory import prune, take_inventory
from shift_stac.archive.publication import link_missing, publish_data, publish_item, store_path
from shift_stac.campaigns import load_campaign
from shift_stac.errors import CatalogError
from shift_stac.flightline import FlightLine
from shift_stac.pictures.companion_files import draw_companions
from shift_stac.storage.base import WORKING
from shift_stac.storage.folder import FolderStorage
from shift_stac.store.checksums import write_manifest
from shift_stac.store.conversion import convert_line
from shift_stac.validation.result import Expectations
from shift_stac.validation.store_check import validate_store
from support.archive import is_clean
from support.sources import LINE, small_line

CAMPAIGN = load_campaign()
COLLECTION = "AVIRIS-NG/collection.json"
MONTH, DAY = "AVIRIS-NG/dates/2022-02.json", "AVIRIS-NG/dates/2022-02-24.json"


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted")
    sources = small_line(folder / "sources")
    store = folder / f"{LINE}.zarr"
    summary = convert_line(sources, store, CAMPAIGN)
    companions = draw_companions(store, summary, CAMPAIGN)
    validation = validate_store(store, Expectations.of_summary(summary), sources=sources)
    return sources, store, summary, companions, validation


class RecordingStorage(FolderStorage):
    """A folder that records the order in which files appear in it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.order: list[str] = []

    def write(self, path, content):
        super().write(path, content)
        if not path.startswith(WORKING):
            self.order.append(path)

    def publish_store(self, local, path, progress=None, checksums=None):
        super().publish_store(local, path, progress, checksums)
        self.order.append(path)


def publish(storage, converted):
    sources, store, summary, companions, validation = converted
    publish_data(storage, CAMPAIGN, LINE, store, companions)
    publish_item(storage, CAMPAIGN, summary, sources, companions, validation)


def test_data_come_first_then_pictures_then_the_item_and_last_the_parents(tmp_path, converted):
    storage = RecordingStorage(tmp_path)
    publish(storage, converted)
    assert storage.order == [
        f"aviris/20220224/{LINE}.zarr",
        f"aviris/20220224/{LINE}_quicklook.png",
        f"aviris/20220224/{LINE}_quicklook_bright.png",
        f"aviris/20220224/{LINE}_bands.png",
        f"aviris/20220224/{LINE}_overview.tif",
        f"aviris/20220224/{LINE}_footprint.geojson",
        f"aviris/20220224/{LINE}.zarr.sha256",
        f"AVIRIS-NG/{LINE}/{LINE}.json",
        DAY,
        MONTH,
        COLLECTION,
        "catalog.json",
    ]


def test_the_published_state_is_read_from_the_item(tmp_path, converted):
    sources, _, summary, _, *_ = converted
    storage = FolderStorage(tmp_path)
    assert read_published(storage, CAMPAIGN, LINE) == (None, False)
    publish(storage, converted)
    state, has_store = read_published(storage, CAMPAIGN, LINE)
    assert has_store
    assert state is not None
    assert state.fingerprint == summary.fingerprint
    assert state.level == "all"
    assert state.store_bytes == summary.size_bytes
    assert {file.name for file in state.files} == {file.name for file in sources.files}
    for file in sources.files:
        assert any(file.is_same(seen) and file.name == seen.name for seen in state.files)


def test_an_item_of_another_program_is_no_state(tmp_path, converted):
    storage = FolderStorage(tmp_path)
    item = b'{"id": "x", "properties": {}, "links": [], "assets": {}}'
    storage.write(f"AVIRIS-NG/{LINE}/{LINE}.json", item)
    assert read_published(storage, CAMPAIGN, LINE) == (None, False)


@pytest.mark.parametrize(
    "content", [b"", b"{half", b"[]", b"[" * 100_000, b"{}", b'{"id": "\\ud800"}']
)
def test_a_damaged_item_is_named(tmp_path, content):
    storage = FolderStorage(tmp_path)
    storage.write(f"AVIRIS-NG/{LINE}/{LINE}.json", content)
    with pytest.raises(CatalogError, match=rf"AVIRIS-NG/{LINE}/{LINE}\.json is"):
        read_published(storage, CAMPAIGN, LINE)


def test_publishing_again_changes_no_byte(tmp_path, converted):
    storage = FolderStorage(tmp_path)
    publish(storage, converted)
    before = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    publish(storage, converted)
    assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == before


def test_a_line_whose_run_died_before_the_parents_is_linked_later(tmp_path, converted):
    storage = FolderStorage(tmp_path)
    publish(storage, converted)
    complete = storage.read(COLLECTION)
    (tmp_path / COLLECTION).unlink()
    (tmp_path / "catalog.json").unlink()
    assert link_missing(storage, CAMPAIGN, [LINE]) == [LINE]
    assert storage.read(COLLECTION) == complete
    assert link_missing(storage, CAMPAIGN, [LINE]) == []
    (item,) = pystac.Catalog.from_file(str(tmp_path / "catalog.json")).get_items(recursive=True)
    assert item.id == LINE.id


def test_the_main_asset_opens_in_one_line(tmp_path, converted):
    storage = FolderStorage(tmp_path)
    publish(storage, converted)
    item = pystac.Item.from_file(str(tmp_path / f"AVIRIS-NG/{LINE}/{LINE}.json"))
    opened = xr.open_zarr(item.assets[f"{LINE}.zarr"].get_absolute_href())
    assert opened.attrs["flight_line"] == LINE.id
    assert store_path(CAMPAIGN, LINE) == f"aviris/20220224/{LINE}.zarr"


def test_other_items_are_neither_read_nor_written(tmp_path, converted):
    storage = FolderStorage(tmp_path)
    other = FlightLine("ang20220224t200332")
    publish(storage, converted)
    (tmp_path / f"AVIRIS-NG/{other}").mkdir()
    unreadable = tmp_path / f"AVIRIS-NG/{other}/{other}.json"
    unreadable.write_text("not even JSON")
    day = json.loads(storage.read(DAY))
    day["links"].append({"rel": "item", "href": f"../{other}/{other}.json"})
    storage.write(DAY, json.dumps(day).encode())
    publish(storage, converted)
    hrefs = [k["href"] for k in json.loads(storage.read(DAY))["links"] if k["rel"] == "item"]
    assert hrefs == [f"../{LINE}/{LINE}.json", f"../{other}/{other}.json"]
    assert unreadable.read_text() == "not even JSON"


@pytest.mark.parametrize("lost", ["catalog.json", COLLECTION, MONTH, DAY])
def test_lost_documents_between_catalog_and_line_are_made_again(tmp_path, converted, lost):
    storage = FolderStorage(tmp_path)
    publish(storage, converted)
    before = storage.read(lost)
    (tmp_path / lost).unlink()
    assert link_missing(storage, CAMPAIGN, [LINE]) == [LINE]
    assert storage.read(lost) == before


def test_a_line_that_is_replaced_leaves_the_old_store_to_its_readers(tmp_path, converted):
    storage = FolderStorage(tmp_path / "archive")
    publish(storage, converted)
    first = store_path(CAMPAIGN, LINE)
    sources, store, summary, companions, validation = converted
    other = tmp_path / f"{LINE}.zarr"
    shutil.copytree(store, other)
    group = zarr.open_group(other, mode="r+")
    group.attrs["comment"] = "another version"
    manifest = tmp_path / companions.manifest.name
    write_manifest(other, manifest)
    again = companions.model_copy(update={"manifest": manifest})
    reader = xr.open_zarr(tmp_path / "archive" / first, consolidated=False)
    place = publish_data(storage, CAMPAIGN, LINE, other, again)
    assert posixpath.dirname(posixpath.dirname(place)) == "aviris/20220224"
    assert read_published(storage, CAMPAIGN, LINE)[0].store_path == first
    planned_from, _ = read_published(storage, CAMPAIGN, LINE)
    publish_item(
        storage,
        CAMPAIGN,
        summary,
        sources,
        again,
        validation,
        planned_from=planned_from,
        store=place,
    )
    assert read_published(storage, CAMPAIGN, LINE)[0].store_path == place
    assert publish_data(storage, CAMPAIGN, LINE, other, again) == place
    item = pystac.Item.from_file(str(tmp_path / f"archive/AVIRIS-NG/{LINE}/{LINE}.json"))
    opened = xr.open_zarr(item.assets[f"{LINE}.zarr"].get_absolute_href(), consolidated=False)
    assert opened.attrs["comment"] == "another version"
    assert reader.Radiance.load().shape == opened.Radiance.shape
    inventory = take_inventory(storage, CAMPAIGN)
    assert {name for name in inventory.superseded if name.endswith(".zarr")} == {first}
    assert not inventory.orphans
    freed = prune(storage, CAMPAIGN, inventory)
    assert freed > summary.size_bytes
    assert is_clean(take_inventory(storage, CAMPAIGN))
    assert not (tmp_path / "archive" / first).exists()
    assert xr.open_zarr(tmp_path / "archive" / place, consolidated=False).Radiance.load().size


def test_other_links_of_the_catalog_stay(tmp_path, converted):
    storage = FolderStorage(tmp_path)
    publish(storage, converted)
    catalog = json.loads(storage.read("catalog.json"))
    other = {"rel": "child", "href": "./FIELD-SPECTRA/collection.json", "title": "by hand"}
    catalog["links"].append(other)
    storage.write("catalog.json", json.dumps(catalog).encode())
    publish(storage, converted)
    children = [k for k in json.loads(storage.read("catalog.json"))["links"] if k["rel"] == "child"]
    assert [child["href"] for child in children] == [f"./{COLLECTION}", other["href"]]
    assert children[1] == other
