"""Released tools of other makers read the archive: from a folder, over HTTP, from S3."""

import asyncio
import json
import warnings
from datetime import UTC, datetime

import geopandas
import httpx
import numpy as np
import odc.stac
import pyarrow.parquet as pq
import pystac
import pystac_client
import pytest
import rasterio
import rioxarray
import rustac
import s3fs
import shapely
import stac_geoparquet.arrow
import xarray as xr
import xpystac  # noqa: F401 - registers the engine
from pystac.validation import validate_dict

import shift_stac
from shift_stac.archive.catalog_validation import validate_catalog
from shift_stac.archive.inventory import take_inventory
from shift_stac.campaigns import load_campaign
from shift_stac.stac.hrefs import HrefOptions
from shift_stac.storage.address import open_storage
from support.archive import DATES, is_clean, publish_campaign
from support.s3 import serve_s3
from support.stac import use_schemas
from support.webserver import serve_nginx

# Warnings of the readers about themselves, and not about the archive.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")
    _, lines = publish_campaign(str(folder / "archive"), folder)
    return folder / "archive", lines


@pytest.fixture
def address(archive, tmp_path):
    with serve_nginx(archive[0], tmp_path) as url:
        yield url.rstrip("/")


def first_item(catalog):
    return min(catalog.get_items(recursive=True), key=lambda item: item.id)


def test_pystac_walks_validates_and_follows_every_asset(archive, shared):
    folder, lines = archive
    use_schemas(shared / "schemas")
    catalog = pystac.Catalog.from_file(str(folder / "catalog.json"))
    items = list(catalog.get_items(recursive=True))
    assert sorted(item.id for item in items) == [line.id for line in lines]
    for stac in [catalog, *catalog.get_children(), *items]:
        assert validate_dict(stac.to_dict())
    for item in items:
        assert item.get_collection().id == "AVIRIS-NG"
        assert item.get_parent().title == f"{item.datetime:%Y-%m-%d}"
        for asset in item.get_assets().values():
            assert asset.roles
            assert (folder / asset.get_absolute_href()).exists()
    assert validate_catalog(open_storage(str(folder)), shared / "schemas").unknown_schemas == ()


def test_pystac_client_reads_the_catalog_over_http(archive, address):
    client = pystac_client.Client.open(f"{address}/catalog.json")
    assert [c.id for c in client.get_collections()] == ["AVIRIS-NG"]
    items = list(client.get_collection("AVIRIS-NG").get_items(recursive=True))
    assert sorted(item.id for item in items) == [line.id for line in archive[1]]
    assert items[0].assets["thumbnail"].get_absolute_href().startswith(address)


def test_xpystac_opens_an_asset_as_a_dataset_in_one_line(archive):
    item = first_item(pystac.Catalog.from_file(str(archive[0] / "catalog.json")))
    item.make_asset_hrefs_absolute()
    ds = xr.open_dataset(item.assets[f"{item.id}.zarr"], engine="stac")
    assert ds.sizes["wavelength"] == 425
    assert ds.Reflectance.dims == ("wavelength", "y", "x")


def test_the_recommended_media_type_breaks_xpystac(archive):
    """The reason for the setting's default. If this test fails, the default may follow the advice."""
    item = first_item(pystac.Catalog.from_file(str(archive[0] / "catalog.json")))
    item.make_asset_hrefs_absolute()
    asset = item.assets[f"{item.id}.zarr"]
    assert asset.media_type == "application/vnd.zarr"
    asset.media_type = "application/vnd.zarr; version=3"
    with pytest.raises(UnboundLocalError):
        xr.open_dataset(asset, engine="stac")


def test_xarray_opens_the_published_address_over_http(archive, address):
    client = pystac_client.Client.open(f"{address}/catalog.json")
    item = first_item(client)
    href = item.assets[f"{item.id}.zarr"].get_absolute_href()
    ds = xr.open_dataset(href, engine="zarr", chunks=None)
    local = xr.open_zarr(archive[0] / "aviris" / DATES[0] / f"{item.id}.zarr", chunks=None)
    np.testing.assert_array_equal(ds.Reflectance[30].values, local.Reflectance[30].values)
    ours = shift_stac.open_flightline(href)
    assert ours.attrs["flight_line"] == item.id


def test_rasterio_and_rioxarray_read_overview_and_map(archive):
    item = first_item(pystac.Catalog.from_file(str(archive[0] / "catalog.json")))
    overview = item.assets["overview"].get_absolute_href()
    with rasterio.open(overview) as opened:
        assert opened.crs.to_epsg() == 32610
        west, south, east, north = rasterio.warp.transform_bounds(
            opened.crs, "EPSG:4326", *opened.bounds
        )
        assert (
            shapely.box(west, south, east, north)
            .buffer(1e-4)
            .contains(shapely.geometry.shape(item.geometry))
        )
    assert rioxarray.open_rasterio(overview).rio.crs.to_epsg() == 32610
    store = item.assets[f"{item.id}.zarr"].get_absolute_href()
    table = xr.open_zarr(store, group="glt", decode_coords="all", chunks=None)
    assert table.rio.crs.to_epsg() == 32610
    assert table.rio.transform().a == pytest.approx(item.properties["gsd"])


def test_odc_stac_stacks_the_overviews_of_two_dates(archive):
    """Without a description of the catalog's contents, and although the items have stores."""
    items = sorted(
        pystac.Catalog.from_file(str(archive[0] / "catalog.json")).get_items(recursive=True),
        key=lambda item: item.id,
    )
    own = odc.stac.load(items[:1], chunks={})
    assert sorted(own.data_vars) == [f"overview.{n}" for n in (1, 2, 3, 4)]
    with rasterio.open(items[0].assets["overview"].get_absolute_href()) as opened:
        assert own.odc.geobox.transform == opened.transform
        np.testing.assert_array_equal(own.to_array()[:, 0].values, opened.read())
    stack = odc.stac.load(items, bands=["overview.1"], crs="EPSG:32611", resolution=10)
    assert stack.sizes["time"] == len(items)
    assert (stack["overview.1"].max(("y", "x")) > 0).all()


def test_gdal_reads_cube_and_map_by_its_zarr_driver(archive):
    item = first_item(pystac.Catalog.from_file(str(archive[0] / "catalog.json")))
    store = item.assets[f"{item.id}.zarr"].get_absolute_href()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(f'ZARR:"{store}":/Reflectance') as cube:
            assert (cube.count, cube.height, cube.width) == (425, 90, 60)
            local = xr.open_zarr(store, chunks=None, mask_and_scale=False)
            np.testing.assert_array_equal(cube.read(31), local.Reflectance[30].values)
    with rasterio.open(f'ZARR:"{store}":/glt/glt_sample') as table:
        assert table.crs.to_epsg() == 32610
        assert table.transform.a == pytest.approx(item.properties["gsd"])
        assert table.transform.e == pytest.approx(-item.properties["gsd"])


def test_the_table_of_items_is_searched_by_polygon_and_date(archive):
    """In the way of the documentation."""
    folder, lines = archive
    items = geopandas.read_parquet(folder / "AVIRIS-NG/items.parquet")
    assert list(items.id) == [line.id for line in lines]
    start, end = datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 4, 1, tzinfo=UTC)
    wanted = items[lines[0].id == items.id].geometry.iloc[0].centroid.buffer(0.0005)
    found = items[items.intersects(wanted) & items.datetime.between(start, end)]
    expected = [
        row.id
        for row in items.itertuples()
        if row.geometry.intersects(wanted) and row.id.startswith("ang202203")
    ]
    assert list(found.id) == expected != []
    href = found.iloc[0].assets["zarr"]["href"]
    assert shift_stac.open_flightline(folder / "AVIRIS-NG" / href).sizes["wavelength"] == 425


def test_stac_geoparquet_and_rustac_read_the_table(archive):
    folder, lines = archive
    path = folder / "AVIRIS-NG/items.parquet"
    items = list(stac_geoparquet.arrow.stac_table_to_items(pq.read_table(path)))
    assert [item["id"] for item in items] == [line.id for line in lines]
    for item in items:
        validated = pystac.Item.from_dict(item)
        assert validated.properties["proj:code"] is None
        assert validated.datetime is not None
        assert validated.assets["zarr"].href.startswith("../aviris/")

    async def read():
        return await rustac.read(str(path))

    collection = asyncio.run(read())
    assert [item["id"] for item in collection["features"]] == [line.id for line in lines]


def test_the_collection_leads_to_table_and_page(archive):
    folder, _ = archive
    collection = pystac.Collection.from_file(str(folder / "AVIRIS-NG/collection.json"))
    for name, role in (("items", "stac-items"), ("page", "overview")):
        asset = collection.assets[name]
        assert role in asset.roles
        assert (folder / "AVIRIS-NG" / asset.href).is_file()


def test_from_s3_everything_reads_as_from_a_folder(archive, tmp_path, monkeypatch):
    with serve_s3(tmp_path / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        options = HrefOptions(hrefs="absolute")
        storage, lines = publish_campaign(bucket.url, tmp_path, options=options)
        fs = s3fs.S3FileSystem()
        item = json.loads(fs.cat(f"archive/AVIRIS-NG/{lines[0]}/{lines[0]}.json"))
        href = item["assets"][f"{lines[0]}.zarr"]["href"]
        assert href == f"s3://archive/aviris/{lines[0].date}/{lines[0]}.zarr"
        (own,) = (link["href"] for link in item["links"] if link["rel"] == "self")
        assert own == f"s3://archive/AVIRIS-NG/{lines[0]}/{lines[0]}.json"
        assert xr.open_zarr(href, chunks=None).sizes["wavelength"] == 425
        table = geopandas.read_parquet("s3://archive/AVIRIS-NG/items.parquet", filesystem=fs)
        assert list(table.id) == [line.id for line in lines]
        scheme = item["properties"]["storage:schemes"]["archive"]
        assert scheme["type"] == "custom-s3"
        assert scheme["bucket"] == "archive"
        assert item["assets"]["overview"]["storage:refs"] == ["archive"]
        assert is_clean(take_inventory(storage, load_campaign()))


def test_relative_hrefs_tell_the_other_ways(tmp_path, monkeypatch, shared):
    use_schemas(shared / "schemas")
    with serve_s3(tmp_path / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        options = HrefOptions(public_url="https://example.org/shift")
        storage, lines = publish_campaign(bucket.url, tmp_path, options=options, lines=1)
        item = json.loads(storage.read(f"AVIRIS-NG/{lines[0]}/{lines[0]}.json"))
        assert validate_dict(item)
        asset = item["assets"][f"{lines[0]}.zarr"]
        path = f"aviris/{lines[0].date}/{lines[0]}.zarr"
        assert asset["href"] == f"../../{path}"
        assert asset["alternate"]["https"]["href"] == f"https://example.org/shift/{path}"
        assert asset["alternate"]["s3"]["href"] == f"s3://archive/{path}"
        assert httpx.URL(asset["alternate"]["https"]["href"]).scheme == "https"
