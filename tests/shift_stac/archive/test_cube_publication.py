"""A cube is published completely, as its own version, and the catalog leads to it and to its lines."""

import hashlib
import json
from contextlib import ExitStack
from pathlib import Path

import pytest
import shapely
import xarray as xr

import shift_stac
from shift_stac.archive.catalog_validation import validate_catalog
from shift_stac.archive.cube_publication import (
    link_published,
    publish_cube,
    published_fingerprint,
)
from shift_stac.archive.inventory import take_inventory
from shift_stac.archive.rebuild import rebuild_catalog
from shift_stac.campaigns import load_campaign
from shift_stac.cubes.blocks import sealed, write_block
from shift_stac.cubes.building import begin_store, finish_store, missing_blocks
from shift_stac.cubes.check import check_cube
from shift_stac.cubes.planning import CubeRequest, plan_cube
from shift_stac.cubes.work_folder import WorkFolder
from shift_stac.errors import MapError, StorageError
from shift_stac.stac.hrefs import Hrefs
from shift_stac.store.template import StoreText
from support.archive import is_clean, publish_campaign
from support.s3 import serve_s3

pytestmark = pytest.mark.server
CAMPAIGN = load_campaign()
ITEM = "AVIRIS-NG-cubes/fields/fields.json"


@pytest.fixture(params=["folder", "S3"])
def storage(request, tmp_path, monkeypatch):
    with ExitStack() as stack:
        url = str(tmp_path / "archive")
        if request.param == "S3":
            bucket = stack.enter_context(serve_s3(tmp_path / "s3"))
            for name, value in bucket.environment.items():
                monkeypatch.setenv(name, value)
            url = f"{bucket.url}/archive"
        storage, _ = publish_campaign(url, tmp_path, lines=1)
        yield storage


def make(storage, folder: Path, **asked):
    options = storage.fsspec_options
    archive = shift_stac.open_archive(storage.url, storage_options=options)
    request = CubeRequest(name="fields", **({"bands": (650, 860), "resolution": 10} | asked))
    recipe, cube = plan_cube(archive, CAMPAIGN, request)
    work = WorkFolder(folder)
    text = StoreText.of_campaign(CAMPAIGN)
    recipe = begin_store(work, recipe, cube, text)
    for number in missing_blocks(work, recipe)[1]:
        write_block(folder, recipe.fingerprint, number, sealed(options))
    summary = finish_store(work, recipe)
    validation = check_cube(work.store("fields"), summary, options)
    files = {"manifest": work.manifest("fields")}
    return summary, work.store("fields"), files, validation


def test_a_cube_is_published_in_versions_with_links_to_its_lines(storage, tmp_path):
    hrefs = Hrefs.of(storage)
    assert published_fingerprint(storage, CAMPAIGN, "fields") is None
    made = make(storage, tmp_path / "first")
    published = publish_cube(storage, CAMPAIGN, *made, hrefs)
    assert published.item == ITEM
    item = json.loads(storage.read(ITEM))
    before = storage.find()
    publish_cube(storage, CAMPAIGN, *made, hrefs)
    assert storage.find() == before  # again, and nothing was written
    assert published_fingerprint(storage, CAMPAIGN, "fields") == made[0].recipe.fingerprint

    # A run that dies after the item leaves it without a link, which the next run makes.
    storage.remove(["AVIRIS-NG-cubes/collection.json"])
    assert len(validate_catalog(storage).findings) == 1
    link_published(storage, CAMPAIGN, "fields", hrefs)
    assert validate_catalog(storage).findings == ()
    sources = [
        hrefs.path_of(link["href"], ITEM) for link in item["links"] if link["rel"] == "derived_from"
    ]
    assert sources == [f"AVIRIS-NG/{s.line}/{s.line}.json" for s in made[0].recipe.sources]
    assert len(sources) == 3
    assert all(storage.read(source) for source in sources)
    place = hrefs.path_of(item["assets"]["fields.zarr"]["href"], ITEM)
    opened = xr.open_zarr(
        storage.href(place),
        storage_options=None if "://" not in storage.url else storage.fsspec_options,
    )
    assert opened.sizes["time"] == 3
    assert shapely.geometry.shape(item["geometry"]).is_valid
    manifest = storage.read(hrefs.path_of(item["assets"]["manifest"]["href"], ITEM)).decode()
    for row in manifest.splitlines():
        checksum, name = row.split("  ")
        content = storage.read(f"{place.rpartition('/')[0]}/{name}")
        assert hashlib.sha256(content).hexdigest() == checksum

    # Other lines make another version, and readers of the first continue.
    other = make(storage, tmp_path / "second", first_date="20220301")
    publish_cube(storage, CAMPAIGN, *other, hrefs)
    changed = json.loads(storage.read(ITEM))
    assert changed["properties"]["version"] != item["properties"]["version"]
    assert changed["properties"]["created"] == item["properties"]["created"]
    assert len([link for link in changed["links"] if link["rel"] == "derived_from"]) == 2
    assert storage.has_store(place)
    assert storage.has_store(changed["properties"]["shift:store_path"])

    # The rest of the archive is unchanged.
    assert (
        len(shift_stac.open_archive(storage.url, storage_options=storage.fsspec_options).items) == 3
    )
    rebuild_catalog(storage, CAMPAIGN, hrefs)
    assert validate_catalog(storage).findings == ()
    assert "AVIRIS-NG-cubes/collection.json" in storage.read("catalog.json").decode()
    assert is_clean(take_inventory(storage, CAMPAIGN))


def test_an_item_is_valid_by_all_schemas(storage, tmp_path, shared):
    made = make(storage, tmp_path / "first", geometry=None, crs="EPSG:32610")
    publish_cube(storage, CAMPAIGN, *made, Hrefs.of(storage))
    found = validate_catalog(storage, shared / "schemas")
    assert found.findings == ()
    assert found.unknown_schemas == ()


@pytest.mark.parametrize("storage", ["folder"], indirect=True)
def test_a_store_that_does_not_arrive_leaves_no_item(storage, tmp_path, monkeypatch):
    made = make(storage, tmp_path / "first")

    def refuse(*_: object) -> None:
        msg = "the disk is full"
        raise StorageError(msg)

    monkeypatch.setattr(storage, "publish_store", refuse)
    with pytest.raises(StorageError):
        publish_cube(storage, CAMPAIGN, *made, Hrefs.of(storage))
    assert storage.read(ITEM) is None
    assert "cubes" not in storage.read("catalog.json").decode()
    with pytest.raises(MapError, match="no line of"):
        make(storage, tmp_path / "none", dates=("20230101",))
