"""A line across 180 degrees is in one piece: its maps, windows, polygons, spectra and table."""

import io

import geopandas
import numpy as np
import pytest
import rasterio
import shapely

from shift_stac import open_flightline, season_cube, write_geotiff
from shift_stac.campaigns import load_campaign
from shift_stac.envi.image import open_envi
from shift_stac.errors import MapError
from shift_stac.reader.search import search
from shift_stac.sources import Product
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import merge_rows, tabulate_items
from shift_stac.store.conversion import convert_line
from support.sources import small_line, source_product, write_envi

LINES, SAMPLES, CELL = 20, 12, 5.0
# The corner of a line in zone 60 South, of which a good half lies west of 180 degrees.
EAST, NORTH = 819_341.0, 8_113_000.0


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    folder = tmp_path_factory.mktemp("line")
    sources = small_line(folder, lines=LINES, samples=SAMPLES)
    row, column = np.mgrid[0:LINES, 0:SAMPLES]
    places = (EAST + CELL * (column + 0.5), NORTH - CELL * (row + 0.5), 100.0 + column)
    igm = write_envi(
        folder / "igm", np.stack(places, axis=1).astype("<f8"), description="{UTM zone 60 South}"
    )
    pairs = (*sources.products[:2], source_product(Product.IGM, igm))
    store = folder / "line.zarr"
    summary = convert_line(sources.model_copy(update={"products": pairs}), store, load_campaign())
    return open_flightline(store), summary.geolocation.bbox


@pytest.mark.parametrize("resampling", ["nearest", "average"])
@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:3857"])
def test_a_map_is_in_one_piece_and_has_every_pixel(line, crs, resampling):
    ds, _ = line
    resolution = {"EPSG:4326": 2e-4, "EPSG:3857": 21.0}[crs] if resampling == "average" else None
    kept = {"bands": [450], "mask_bad_bands": False}
    found = ds.swath.orthorectify(crs=crs, resolution=resolution, resampling=resampling, **kept)
    # A coarse grid has cells at its edges with no centre of a pixel.
    assert np.isfinite(found).mean() > 0.7
    size = abs(found.rio.transform().a)
    metres = size * 111_320 * np.cos(np.radians(17)) if crs == "EPSG:4326" else size * np.cos(np.radians(17))  # fmt: skip
    assert metres == pytest.approx(5 if resolution is None else 20, rel=0.15)
    # A map beyond the edge can be given as the grid of another map.
    again = ds.swath.orthorectify(like=found, resampling=resampling, **kept)
    np.testing.assert_array_equal(again, found)


def test_windows_are_found_on_both_sides(line):
    ds, (west, south, east, north) = line
    assert west > east
    whole = ds.swath.orthorectify(bands=[450], crs="EPSG:4326")
    boxes = {
        "item": (west, south, east, north),
        "eastern": (west, south, 180, north),
        "western": (-180, south, east, north),
        "beyond": (180, south, east + 360, north),
        "the Earth": (-180, -80, 180, 80),
    }
    widths = {
        name: ds.swath.orthorectify(bands=[450], crs="EPSG:4326", bbox=box).sizes["x"]
        for name, box in boxes.items()
    }
    assert widths["the Earth"] == whole.sizes["x"]
    assert whole.sizes["x"] - 2 < widths["item"] <= whole.sizes["x"]
    assert widths["western"] == widths["beyond"] <= widths["eastern"] < whole.sizes["x"]
    assert ds.swath.orthorectify(bands=[450], bbox=boxes["item"]).shape == (1, LINES, SAMPLES)
    with pytest.raises(MapError, match="does not reach"):
        ds.swath.orthorectify(bands=[450], crs="EPSG:4326", bbox=(178, south, 179, north))


def test_polygons_count_the_pixels_of_both_sides_once(line):
    ds, (_, south, _, north) = line
    eastern, western, beyond, before, across = (
        shapely.box(west, south, east, north)
        for west, east in ((179, 180), (-180, -179), (180, 181), (-181, -180), (179, 181))
    )
    both = shapely.MultiPolygon([eastern, western])
    count = {
        name: int(ds.swath.polygon(area)["count"].max())
        for name, area in {
            "eastern": eastern, "western": western, "beyond": beyond, "before": before,
            "across": across, "both": both,
        }.items()
    }  # fmt: skip
    assert count["across"] == count["both"] == LINES * SAMPLES
    assert 0 < count["western"] == count["beyond"] < count["eastern"]
    assert count["before"] == count["eastern"]
    assert count["eastern"] + count["western"] == LINES * SAMPLES
    shares = [float(ds.swath.polygon(area)["share_on_line"]) for area in (across, both)]
    assert shares[0] == pytest.approx(shares[1], rel=1e-3)
    at = (ds.swath.spectrum(lon, (south + north) / 2) for lon in (180.0001, -179.9999))
    np.testing.assert_array_equal(*at)


def test_the_table_of_items_has_the_line_for_readers_that_go_by_its_box(line, tmp_path):
    _, (west, south, east, north) = line
    item = {
        "type": "Feature", "stac_version": "1.1.0", "id": "ang20220224t195402", "links": [],
        "geometry": shapely.geometry.mapping(shapely.box(west, south, 180, north)),
        "bbox": [west, south, east, north], "assets": {}, "stac_extensions": [],
        "properties": {"datetime": "2022-02-24T19:54:02Z"}, "collection": "AVIRIS-NG",
    }  # fmt: skip
    content = merge_rows(None, tabulate_items([item], load_campaign(), Hrefs()))
    for box in ((179.9, -18, 180, -17), (-180, -18, -179.9, -17)):
        assert len(geopandas.read_parquet(io.BytesIO(content), bbox=box)) == 1
    assert len(geopandas.read_parquet(io.BytesIO(content), bbox=(179.9, -16, 180, -15))) == 0


@pytest.mark.parametrize("form", ["item", "eastern", "western", "beyond", "UTM", "Mercator"])
def test_a_search_finds_it_by_boxes_and_polygons_in_any_crs(line, form):
    ds, (west, south, east, north) = line
    halves = [shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)]
    elsewhere = shapely.box(-120, 34, -119, 35)
    items = geopandas.GeoDataFrame(
        {"id": ["across", "elsewhere"]},
        geometry=[shapely.union_all(halves), elsewhere],
        crs=4326,
    )
    places = {name: ds[name].values for name in ("Easting", "Northing")}
    box, crs = {
        "item": ((west, south, east, north), 4326),
        "eastern": ((179.9, -18, 180, -17), 4326),
        "western": ((-180, -18, -179.9, -17), 4326),
        "beyond": ((180.0001, -18, 180.1, -17), 4326),
        "UTM": ((places["Easting"].min(), places["Northing"].min(), places["Easting"].max(), places["Northing"].max()), 32760),
        "Mercator": ((20_037_400, -1_930_000, 20_037_600, -1_920_000), 3857),
    }[form]  # fmt: skip
    none = {"geometry": None, "bbox": None, "bbox_crs": 4326, "datetime": None}
    assert list(search(items, **(none | {"bbox": box, "bbox_crs": crs})).id) == ["across"]
    if form == "item":
        return
    area = geopandas.GeoSeries([shapely.box(*box)], crs=crs)
    assert list(search(items, **(none | {"geometry": area})).id) == ["across"]
    # The polygon has the pixels of the line, and no others.
    count = int(ds.swath.polygon(area)["count"].max())
    inside = {"eastern": ds["longitude"] > 0, "western": ds["longitude"] < 0}.get(form)
    if inside is not None:
        assert count == int(inside.sum())
    elif form == "UTM":
        assert 0.7 * LINES * SAMPLES < count <= LINES * SAMPLES
    part = ds.swath.window(box, bbox_crs=crs)
    assert 0 < part.sizes["y"] <= LINES


def test_a_window_is_written_as_envi_and_as_a_geotiff(line, tmp_path):
    ds, box = line
    part = ds.swath.window(box)
    np.testing.assert_array_equal(part["longitude"], ds["longitude"])
    written = {
        path.name.rpartition("_")[2]: open_envi(path) for path in part.swath.to_envi(tmp_path)
    }
    np.testing.assert_array_equal(written["loc"].data[:, 0], ds["longitude"])
    made = ds.swath.orthorectify(bands=[450], crs="EPSG:4326", mask_bad_bands=False)
    write_geotiff(made, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as opened:
        assert opened.bounds.left < 180 < opened.bounds.right
        assert opened.width < 2 * SAMPLES


def test_a_cube_of_days_is_in_one_piece(line):
    ds, (west, south, east, north) = line
    whole = season_cube([ds], bands=[450], mask_bad_bands=False)["Reflectance"]
    assert int(np.isfinite(whole).sum()) == LINES * SAMPLES
    for area in (
        shapely.box(west, south, east + 360, north),
        shapely.box(west - 360, south, east, north),
    ):
        made = season_cube([ds], geometry=area, bands=[450], mask_bad_bands=False)["Reflectance"]
        assert made.sizes["x"] < 2 * SAMPLES
        assert int(np.isfinite(made).sum()) > 0.7 * LINES * SAMPLES
