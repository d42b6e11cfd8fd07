"""Maps and spectra of a published line, from a folder, from S3 and over HTTP."""

import json
import shutil

import geopandas
import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 - adds the accessor
import shapely
import xarray as xr
import zarr
from pyproj import CRS, Transformer

from shift_stac import open_flightline
from shift_stac.campaigns import load_campaign
from shift_stac.envi.image import open_envi
from shift_stac.errors import MapError, StoreError
from shift_stac.maps.grid import FARTHEST_PIXEL
from shift_stac.pictures.colour import read_colour
from shift_stac.pictures.overview import write_overview
from shift_stac.reader import pixels
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.store.glt_group import read_grid
from support.s3 import serve_s3
from support.sources import source_product, sources_in, write_envi
from support.webserver import serve_nginx

RGB = [672.6, 552.4, 447.2]
CHUNKS = ChunkSizes(x=16, y=20, wavelength=10)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Four lines in both zones that fly north and south, with gaps, and one without a GLT."""
    root = tmp_path_factory.mktemp("lines")
    flown = simulate_campaign(root / "portal", lines=4, samples=60, scan_lines=150, bands=24)
    found = []
    for line in flown["20220224"]:
        sources = sources_in(root / "portal", line, "v1")
        store = root / "archive" / f"{line}.zarr"
        convert_line(sources, store, load_campaign(), ConversionOptions(chunks=CHUNKS))
        found.append((sources, store))
    return found


@pytest.fixture(scope="module")
def opened(lines):
    return [open_flightline(store) for _, store in lines]


@pytest.fixture(params=range(4), ids=lambda n: f"line {n}")
def line(lines, opened, request):
    return lines[request.param][0], opened[request.param]


def arrays(sources, *products):
    return [np.asarray(open_envi(sources.get(product).data.path).data) for product in products]


def naive(sources, ds, bands):
    """The value of each cell from the source files: that of the table's pixel, or NaN."""
    (cube,) = arrays(sources, Product.REFLECTANCE)
    cube = np.where(cube == -9999, np.nan, cube)
    sample, line = np.abs(ds.glt_sample.values), np.abs(ds.glt_line.values)
    centres = ds.wavelength.values
    chosen = [int(np.argmin(abs(centres - nm))) for nm in bands]
    out = cube[line - 1, :, sample - 1][..., chosen]
    return np.moveaxis(np.where((line > 0)[..., None], out, np.nan), -1, 0)


def test_the_dataset_is_lazy_and_carries_its_table(line):
    _, ds = line
    assert set(ds.Reflectance.dims) == {"wavelength", "y", "x"}
    assert ds.glt_line.dims == ("map_y", "map_x")
    assert ds.Reflectance.chunks is not None
    assert ds.good_wavelength.chunks is None


def test_a_map_shows_in_each_cell_the_pixel_of_the_table(line):
    sources, ds = line
    result = ds.swath.orthorectify(bands=RGB)
    assert result.chunks is not None
    assert result.dims == ("wavelength", "y", "x")
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, naive(sources, ds, RGB).astype(np.float32))
    np.testing.assert_allclose(result.wavelength, RGB, atol=60)
    assert CRS(result.rio.crs) == ds.swath.crs


def test_bad_bands_are_missing_in_maps_unless_they_are_asked_for(line):
    sources, ds = line
    good = ds.good_wavelength.values == 1
    assert 0 < good.sum() < good.size
    masked = ds.swath.orthorectify().compute()
    assert masked[~good].isnull().all()
    whole = ds.swath.orthorectify(mask_bad_bands=False).compute()
    np.testing.assert_array_equal(whole, naive(sources, ds, ds.wavelength.values))
    np.testing.assert_array_equal(masked[good], whole[good])
    assert bool(ds.swath.orthorectify(variable="Elevation").notnull().any())


def test_a_cell_lies_where_longitude_and_latitude_say(line):
    """The map's elevation at a cell is that of the swath's pixel at the same place."""
    _, ds = line
    band = ds.swath.orthorectify(variable="longitude").compute()
    other = ds.swath.orthorectify(variable="latitude").compute()
    to_degrees = Transformer.from_crs(band.rio.crs, 4326, always_xy=True)
    x, y = np.meshgrid(band.x, band.y)
    longitude, latitude = to_degrees.transform(x, y)
    shown = np.isfinite(band.values)
    assert shown.mean() > 0.3
    metres = np.hypot(
        (band.values - longitude)[shown] * 111_195 * np.cos(np.radians(34.5)),
        (other.values - latitude)[shown] * 111_195,
    )
    # A pixel anywhere in its cell, or, where the portal filled a hole, anywhere in the next.
    assert metres.max() <= 5 * 1.5 * np.sqrt(2) + 0.1
    assert np.median(metres) < 2.5


@pytest.mark.parametrize("crs", [None, "EPSG:4326", "EPSG:32610", "EPSG:32611", "EPSG:3310"])
def test_any_crs_shows_the_same_places(line, crs):
    _, ds = line
    result = ds.swath.orthorectify(variable="Easting", crs=crs).compute()
    if crs is not None:
        assert result.rio.crs.to_string() == crs
    to_line = Transformer.from_crs(result.rio.crs, ds.swath.crs, always_xy=True)
    easting, _ = to_line.transform(*np.meshgrid(result.x, result.y))
    shown = np.isfinite(result.values)
    assert np.abs(result.values - easting)[shown].max() <= 5 * 1.5 * np.sqrt(2) + 2.6
    # About as many cells as the line's own map has pixels.
    assert 0.6 < shown.sum() / np.isfinite(ds.Easting.values).sum() < 1.8


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("crs", "resolution"),
    [("EPSG:4326", None), ("EPSG:3310", 2), (None, 5.5), (None, 23)],
    ids=["degrees", "finer", "other cells", "coarser"],
)
def test_on_any_grid_a_cell_shows_the_nearest_of_all_pixels(line, crs, resolution, monkeypatch):
    _, ds = line
    monkeypatch.setattr(pixels, "_MOST_PIXELS", 2000)
    result = ds.swath.orthorectify(variable="Northing", crs=crs, resolution=resolution)
    to_line = Transformer.from_crs(result.rio.crs, ds.swath.crs, always_xy=True)
    x, y = np.meshgrid(result.x, result.y)
    some = np.random.default_rng(1).choice(x.size, min(x.size, 500), replace=False)
    places = np.column_stack(to_line.transform(x.flat[some], y.flat[some]))
    located = np.isfinite(ds.Easting.values)
    east, north = (ds[name].values[located] for name in ("Easting", "Northing"))
    away = np.hypot(east - places[:, :1], north - places[:, 1:])
    shown = away.min(axis=1) <= FARTHEST_PIXEL * read_grid(ds).cell_size
    assert 0.2 < shown.mean() < 0.95
    expected = np.where(shown, north[away.argmin(axis=1)], np.nan)
    np.testing.assert_array_equal(result.values.flat[some], expected)


def test_a_line_across_120_degrees_west_is_whole_in_either_zone(tmp_path):
    (name,) = simulate_campaign(tmp_path, lines=1, samples=160, scan_lines=120, bands=5)["20220224"]
    store = tmp_path / "line.zarr"
    summary = convert_line(sources_in(tmp_path, name, "v1"), store, load_campaign())
    west, _, east, _ = summary.geolocation.bbox
    assert west < -120.002 < -119.999 < east
    ds = open_flightline(store)
    assert ds.swath.crs.to_epsg() == 32610
    other = ds.swath.orthorectify(variable="longitude", crs="EPSG:32611")
    to_degrees = Transformer.from_crs(32611, 4326, always_xy=True)
    longitude, _ = to_degrees.transform(*np.meshgrid(other.x, other.y))
    shown = np.isfinite(other.values)
    assert 0.9 < shown.sum() / ds.longitude.size < 1.1
    assert np.abs(other.values - longitude)[shown].max() < 15 / 91_000
    assert other.values[shown].min() < -120.002
    assert other.values[shown].max() > -119.999
    area = shapely.box(-120.001, 34, -119.9995, 35)
    inside = shapely.contains_xy(area, ds.longitude.values, ds.latitude.values)
    assert int(ds.swath.polygon(area)["count"].max()) == inside.sum() > 1000


def test_a_box_is_a_window_of_the_whole(line):
    _, ds = line
    whole = ds.swath.orthorectify(bands=[650]).compute()
    lon, lat = (float(ds[name].isel(y=70, x=30)) for name in ("longitude", "latitude"))
    box = (lon - 5e-4, lat - 4e-4, lon + 5e-4, lat + 4e-4)
    window = ds.swath.orthorectify(bands=[650], bbox=box)
    assert window.sizes["x"] < 30
    xr.testing.assert_equal(window.compute(), whole.sel(x=window.x, y=window.y))
    assert bool(window.notnull().any())
    west, south, east, north = window.rio.transform_bounds("EPSG:4326")
    assert west <= box[0] < box[2] <= east
    assert south <= box[1] < box[3] <= north
    degrees = ds.swath.orthorectify(bands=[650], bbox=box, crs="EPSG:4326")
    west, south, east, north = degrees.rio.bounds()
    assert west <= box[0] + 1e-9
    assert north >= box[3] - 1e-9
    utm = ds.swath.orthorectify(bands=[650], bbox=window.rio.bounds(), bbox_crs=ds.swath.crs)
    xr.testing.assert_equal(utm, window)


def test_lines_of_one_resolution_match_and_a_given_grid_is_taken_to_the_bit(opened):
    first, second = opened[:2]
    grids = [
        ds.swath.orthorectify(bands=[650], crs="EPSG:3310", resolution=7) for ds in (first, second)
    ]
    for axis in ("x", "y"):
        steps = np.concatenate([grid[axis].values for grid in grids]) / 7
        np.testing.assert_allclose(steps - np.floor(steps), 0.5, atol=1e-6)
    narrow = first.swath.orthorectify(bands=[650], crs="EPSG:3310", resolution=11)
    # As wide as both lines.
    common = narrow.reindex(x=narrow.x.values[0] + 11 * np.arange(400))
    stack = xr.concat(
        [ds.swath.orthorectify(bands=[650], like=common) for ds in (first, second)],
        dim="line",
        join="exact",
    )
    assert stack.sizes == {"line": 2, "wavelength": 1, **{d: common.sizes[d] for d in ("y", "x")}}
    np.testing.assert_array_equal(stack.isel(line=0), common)
    assert bool(stack.isel(line=1).notnull().any())


def test_options_that_contradict_each_other_or_make_no_map_are_refused(lines, opened):
    ds = opened[0]
    grid = ds.swath.orthorectify(bands=[650])
    with pytest.raises(MapError, match="like gives the whole grid"):
        ds.swath.orthorectify(like=grid, crs="EPSG:4326")
    with pytest.raises(MapError, match="like has no CRS"):
        ds.swath.orthorectify(like=grid.drop_vars("spatial_ref"))
    with pytest.raises(MapError, match="like is not north-up"):
        ds.swath.orthorectify(
            like=grid.isel(y=slice(None, None, -1)).drop_attrs().rio.write_crs(32610)
        )
    with pytest.raises(MapError, match="does not reach into the box"):
        ds.swath.orthorectify(bbox=(10, 50, 11, 51))
    with pytest.raises(MapError, match="does not reach into the box"):
        ds.swath.orthorectify(bbox=(10, 50, 11, 51), crs="EPSG:4326")
    with pytest.raises(MapError, match="resolution of 0"):
        ds.swath.orthorectify(resolution=0)
    with pytest.raises(MapError, match="are not numbers"):
        ds.swath.spectrum("west", 34)
    with pytest.raises(MapError, match=r"larger than the whole line.*degree"):
        ds.swath.orthorectify(crs=4326, resolution=5)
    with pytest.raises(MapError, match=r"finer than the line's pixels.*metre"):
        ds.swath.orthorectify(resolution=5e-5)
    far = grid.assign_coords(x=grid.x + 40_000)
    with pytest.raises(MapError, match="does not reach into the grid of like"):
        ds.swath.orthorectify(like=far)
    with pytest.raises(MapError, match="no variable 'fwhm' of pixels"):
        ds.swath.orthorectify(variable="fwhm")
    with pytest.raises(MapError, match="open the line with shift_stac"):
        xr.open_zarr(lines[0][1]).swath.orthorectify()


def test_a_part_of_a_line_is_mapped_where_it_lies(opened):
    ds = opened[1]
    part = ds.isel(y=slice(40, 90), x=slice(10, 50))
    whole = ds.swath.orthorectify(variable="Northing").compute()
    found = part.swath.orthorectify(variable="Northing").compute()
    line, sample = np.abs(ds.glt_line.values) - 1, np.abs(ds.glt_sample.values) - 1
    inside = (line >= 40) & (line < 90) & (sample >= 10) & (sample < 50)
    np.testing.assert_array_equal(found, whole.where(inside))


@pytest.mark.parametrize(
    ("bands", "says"),
    [
        ([0.65], "nanometres; 0.65 um is 650 nm"),
        ([10000], "377.1 to 2501"),
        ([float("nan")], "no band at nan nm"),
        ("650", "is not a list"),
        (650, "is not a list"),
        ([], "is not a list"),
        (["red"], "is not a wavelength"),
    ],
)
def test_a_wavelength_that_no_band_has_is_an_error_that_says_nanometres(opened, bands, says):
    ds = opened[0]
    with pytest.raises(MapError, match=says) as raised:
        ds.swath.orthorectify(bands=bands)
    assert "nanometres" in str(raised.value)


def test_the_accessor_shadows_no_method_of_xarray(opened):
    ds = opened[0]
    moved = ds[["Elevation"]].shift(y=1)
    np.testing.assert_array_equal(moved.Elevation[1:], ds.Elevation[:-1])
    assert bool(moved.Elevation[0].isnull().all())


def test_only_the_chunks_that_a_window_needs_are_read(lines, tmp_path):
    """All other chunks are removed. If they were read, zarr would give zeros."""
    _, store = lines[1]
    copy = tmp_path / "line.zarr"
    shutil.copytree(store, copy)
    ds = open_flightline(store)
    lon, lat = (float(ds[name].isel(y=30, x=24)) for name in ("longitude", "latitude"))
    box = (lon - 8e-5, lat - 8e-5, lon + 8e-5, lat + 8e-5)
    expected = ds.swath.orthorectify(bands=[ds.wavelength[3]], bbox=box).compute()
    kept = {"c/0/1/1"}
    for chunk in (copy / "Reflectance" / "c").rglob("*"):
        if chunk.is_file() and chunk.relative_to(copy / "Reflectance").as_posix() not in kept:
            chunk.write_bytes(b"damaged")
    found = open_flightline(copy).swath.orthorectify(bands=[ds.wavelength[3]], bbox=box)
    np.testing.assert_array_equal(found, expected)
    assert int(expected.count()) > 4


def nearest_pixel(ds, lon, lat):
    """Line and sample of the pixel whose centre is nearest, by comparison with all pixels."""
    to_map = Transformer.from_crs(4326, ds.swath.crs, always_xy=True)
    east, north = to_map.transform(lon, lat)
    away = np.hypot(ds.Easting.values - east, ds.Northing.values - north)
    return np.unravel_index(np.nanargmin(away), away.shape)


def test_a_spectrum_is_that_of_the_nearest_pixel(line):
    sources, ds = line
    (cube,) = arrays(sources, Product.REFLECTANCE)
    random = np.random.default_rng(1)
    for y, x in zip(random.integers(2, 148, 12), random.integers(2, 58, 12), strict=True):
        lon, lat = (float(ds[name][y, x]) for name in ("longitude", "latitude"))
        if not np.isfinite(lon):
            continue
        lon, lat = lon + random.uniform(-3e-5, 3e-5), lat + random.uniform(-3e-5, 3e-5)
        found = ds.swath.spectrum(lon, lat)
        expected = nearest_pixel(ds, lon, lat)
        assert (int(found.y), int(found.x)) == expected
        good = ds.good_wavelength.values == 1
        np.testing.assert_array_equal(found.values[good], cube[expected[0], good, expected[1]])
        assert np.isnan(found.values[~good]).all()
        assert (~good).any()
        assert 0 <= float(found.distance) < 5 * np.sqrt(2)
        whole = ds.swath.spectrum(lon, lat, mask_bad_bands=False)
        np.testing.assert_array_equal(whole, cube[expected[0], :, expected[1]])
    (radiance,) = arrays(sources, Product.RADIANCE)
    found = ds.swath.spectrum(lon, lat, variable="Radiance", mask_bad_bands=False)
    np.testing.assert_array_equal(found, radiance[int(found.y), :, int(found.x)])


def test_there_is_no_spectrum_outside_the_line(opened):
    ds = opened[0]
    lon, lat = (float(ds[name][75, 59]) for name in ("longitude", "latitude"))
    ds.swath.spectrum(lon + 3e-5, lat)
    for where in ((lon + 3e-3, lat), (10.0, 50.0)):
        with pytest.raises(MapError, match="the line has no pixel at longitude"):
            ds.swath.spectrum(*where)


def square(ds, metres, y=75, x=30):
    lon, lat = (float(ds[name][y, x]) for name in ("longitude", "latitude"))
    half = metres / 2 / 111_195
    return shapely.box(lon - half * 1.21, lat - half, lon + half * 1.21, lat + half)


@pytest.mark.parametrize("metres", [30, 200, 5000])
def test_a_polygon_counts_each_pixel_whose_centre_lies_in_it_once(line, metres):
    sources, ds = line
    area = square(ds, metres)
    inside = shapely.contains_xy(area, ds.longitude.values, ds.latitude.values)
    (cube,) = arrays(sources, Product.REFLECTANCE)
    chosen = np.where(cube == -9999, np.nan, cube).astype(float).transpose(1, 0, 2)[:, inside]
    found = ds.swath.polygon(shapely.geometry.mapping(area))
    good = ds.good_wavelength.values == 1
    assert inside.sum() > 20
    np.testing.assert_array_equal(
        found["count"].values[good], np.isfinite(chosen).sum(axis=1)[good]
    )
    np.testing.assert_allclose(found["mean"][good], np.nanmean(chosen, axis=1)[good], rtol=1e-9)
    np.testing.assert_allclose(found["std"][good], np.nanstd(chosen, axis=1)[good], rtol=1e-6)
    assert found["mean"][~good].isnull().all()
    assert (found["count"].values[~good] == 0).all()


def test_polygons_are_understood_in_each_form_of_geojson(opened):
    ds = opened[1]
    area = square(ds, 100)
    geometry = shapely.geometry.mapping(area)
    feature = {"type": "Feature", "properties": {}, "geometry": geometry}
    left, right = (
        shapely.geometry.mapping(part)
        for part in (
            area.intersection(shapely.box(-180, -90, area.centroid.x, 90)),
            area.intersection(shapely.box(area.centroid.x, -90, 180, 90)),
        )
    )
    halves = [{"type": "Feature", "properties": {}, "geometry": part} for part in (left, right)]
    expected = ds.swath.polygon(geometry)
    for form in (
        area,
        feature,
        json.dumps(feature),
        {"type": "FeatureCollection", "features": halves},
        {"type": "MultiPolygon", "coordinates": [geometry["coordinates"]]},
    ):
        xr.testing.assert_allclose(ds.swath.polygon(form), expected)


def test_a_polygon_lies_where_its_crs_says(opened):
    ds = opened[1]
    area = square(ds, 100)
    expected = ds.swath.polygon(area)
    frame = geopandas.GeoDataFrame(geometry=[area], crs=4326)
    for form in (frame.to_crs(32610), frame.to_crs(3310).geometry):
        xr.testing.assert_allclose(ds.swath.polygon(form), expected)
    old = shapely.geometry.mapping(frame.to_crs(32610).geometry[0])
    old["crs"] = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32610"}}
    xr.testing.assert_allclose(ds.swath.polygon(old), expected)


def test_a_polygon_tells_how_much_of_it_lies_on_the_line(line):
    _, ds = line
    assert float(ds.swath.polygon(square(ds, 60)).share_on_line) == pytest.approx(1)
    shown = ds.swath.orthorectify(variable="Easting").count() * read_grid(ds).cell_size ** 2
    for metres in (3000, 300_000):
        found = float(ds.swath.polygon(square(ds, metres)).share_on_line)
        # A degree is not equally long at all latitudes.
        assert found == pytest.approx(float(shown) / metres**2, rel=0.05)


def test_the_slope_of_a_place_and_of_a_polygon(opened):
    ds = opened[1]
    lon, lat = (float(ds[name][75, 30]) for name in ("longitude", "latitude"))
    assert float(ds.swath.spectrum(lon, lat, variable="slope")) == float(ds.slope[75, 30])
    area = square(ds, 100)
    inside = shapely.contains_xy(area, ds.longitude.values, ds.latitude.values)
    found = ds.swath.polygon(area, variable="slope")
    assert found["mean"].dims == ()
    np.testing.assert_allclose(found["mean"], ds.slope.values[inside].mean(dtype=float))
    assert int(found["count"]) == inside.sum()


@pytest.mark.parametrize("place", [(34.4, -120.05), (float("nan"), 34.4), (-120, float("inf"))])
def test_invalid_places_have_no_spectrum(opened, place):
    with pytest.raises(MapError, match=r"longitude first|NaN or infinite"):
        opened[0].swath.spectrum(*place)


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        ({"type": "Polygon", "coordinates": [[(0, 1), (float("nan"), 2), (2, 0), (0, 1)]]}, "NaN"),
        (shapely.box(34.4, -120.1, 34.5, -120.0), "longitude first"),
        ("no json", "not a GeoJSON geometry"),
        ({"type": "Point", "coordinates": [0, 0]}, "not a polygon with an area"),
        ({"type": "Polygon", "coordinates": []}, "is empty"),
        ({"features": []}, "not a GeoJSON geometry"),
        (7, "not a GeoJSON geometry"),
        (shapely.box(10, 50, 11, 51), "no pixel in the polygon"),
    ],
    ids=str,
)
def test_polygons_that_do_not_fit_the_line_are_refused(opened, form, reason):
    with pytest.raises(MapError, match=reason):
        opened[0].swath.polygon(form)


def test_a_polygon_smaller_than_a_pixel_is_refused_with_this_reason(opened):
    ds = opened[1]
    lon, lat = (float(ds[name][75, 30]) for name in ("longitude", "latitude"))
    with pytest.raises(MapError, match="smaller than a pixel"):
        ds.swath.polygon(shapely.box(lon + 1e-6, lat + 1e-6, lon + 3e-6, lat + 3e-6))


def test_maps_spectra_and_polygons_tell_the_line_and_its_time(line):
    sources, ds = line
    lon, lat = (float(ds[name][75, 30]) for name in ("longitude", "latitude"))
    for found in (
        ds.swath.orthorectify(bands=RGB),
        ds.swath.spectrum(lon, lat),
        ds.swath.polygon(square(ds, 60)),
    ):
        assert str(found.flight_line.values) == found.attrs["flight_line"] == sources.line.id
        assert found.time.values == np.datetime64(sources.line.start.replace(tzinfo=None))
        assert found.attrs["source"] == ds.attrs["source"]


@pytest.mark.heavy
@pytest.mark.parametrize("sharded", [False, True])
def test_a_part_of_a_line_is_written_and_mapped_again(lines, tmp_path, sharded):
    sources, store = lines[1]
    if sharded:
        store = tmp_path / "sharded.zarr"
        options = ConversionOptions(chunks=CHUNKS, sharded=True)
        convert_line(sources, store, load_campaign(), options)
    ds = open_flightline(store)
    for number, part in enumerate(
        (ds.isel(y=slice(40, 90)), ds.isel(y=slice(37, 91), x=slice(10, 50)).chunk("auto"))
    ):
        part.to_zarr(tmp_path / f"{number}.zarr", consolidated=False)
        found = xr.open_zarr(tmp_path / f"{number}.zarr", consolidated=False)
        xr.testing.assert_equal(found, part)
        maps = [each.swath.orthorectify(bands=RGB).compute() for each in (found, part)]
        xr.testing.assert_identical(*maps)


@pytest.mark.server
@pytest.mark.parametrize("where", ["s3", "http"])
def test_lines_open_from_a_bucket_and_over_http_as_from_a_folder(
    lines, tmp_path, monkeypatch, where
):
    _, store = lines[3]
    local = open_flightline(store)
    area = square(local, 60)
    if where == "http":
        server = serve_nginx(store.parent, tmp_path / "nginx")
    else:
        server = serve_s3(tmp_path / "s3")
    with server as served:
        if where == "s3":
            shutil.copytree(store, served.folder / store.name)
            for name, value in served.environment.items():
                monkeypatch.setenv(name, value)
        remote = open_flightline(f"{served.url if where == 's3' else served}/{store.name}")
        maps = [ds.swath.orthorectify(bands=RGB).compute() for ds in (local, remote)]
        xr.testing.assert_identical(*maps)
        xr.testing.assert_identical(*[ds.swath.polygon(area) for ds in (local, remote)])
        lon, lat = area.centroid.x, area.centroid.y
        xr.testing.assert_identical(*[ds.swath.spectrum(lon, lat) for ds in (local, remote)])


@pytest.fixture(scope="module")
def rotated(lines, tmp_path_factory):
    """A line with a portal's table that is rotated by 30 degrees, as real ones are along the flight."""
    sources, _ = lines[1]
    root = tmp_path_factory.mktemp("rotated")
    igm = open_envi(sources.get(Product.IGM).data.path).data
    east, north = igm[:, 0], igm[:, 1]
    turn = np.radians(30)
    # Columns run along (cos, sin), rows along (sin, -cos), from a corner beyond all pixels.
    along = (east - east.mean()) * np.cos(turn) + (north - north.mean()) * np.sin(turn)
    down = (east - east.mean()) * np.sin(turn) - (north - north.mean()) * np.cos(turn)
    left, top = along.min() - 1, down.min() - 1
    column, row = ((along - left) // 5).astype(int), ((down - top) // 5).astype(int)
    glt = np.zeros((row.max() + 1, 2, column.max() + 1), dtype="<i4")
    line, sample = np.indices(east.shape)
    glt[row, 0, column], glt[row, 1, column] = sample + 1, line + 1
    corner = (
        east.mean() + left * np.cos(turn) + top * np.sin(turn),
        north.mean() + left * np.sin(turn) - top * np.cos(turn),
    )
    info = (
        f"{{UTM, 1, 1, {corner[0]:.6f}, {corner[1]:.6f}, 5, 5, 10, North, WGS-84, units=Meters, "
        "rotation=30.0}"
    )
    path = write_envi(root / "glt", glt, **{"map info": info})
    products = tuple(
        source_product(Product.GLT, path) if pair.product is Product.GLT else pair
        for pair in sources.products
    )
    store = root / "line.zarr"
    options = ConversionOptions(chunks=CHUNKS)
    turned = sources.model_copy(update={"products": products})
    return store, convert_line(turned, store, load_campaign(), options)


def test_a_rotated_table_of_the_portal_is_kept_and_its_maps_are_north_up(rotated, tmp_path):
    store, summary = rotated
    assert summary.map.origin == "portal"
    assert summary.map.transform[1] != 0
    table = xr.open_zarr(store, group="glt").glt_line
    np.testing.assert_allclose(table.rio.transform()[:6], summary.map.transform)
    ds = open_flightline(store)
    assert "map_x" not in ds.coords
    result = ds.swath.orthorectify(variable="Easting").compute()
    assert result.rio.transform().is_rectilinear
    easting, _ = np.meshgrid(result.x, result.y)
    shown = np.isfinite(result.values)
    assert np.abs(result.values - easting)[shown].max() < 5 * np.sqrt(2) + 0.1
    # Cells of the table without a pixel stay empty, because it has no infill.
    assert 0.7 < shown.sum() / np.isfinite(ds.Easting.values).sum() < 1.1
    colour = read_colour(store, summary, (672.6, 552.4, 447.2))
    write_overview(colour, ds, tmp_path / "o.tif")
    with rasterio.open(tmp_path / "o.tif") as opened:
        assert opened.transform == result.rio.transform()
        np.testing.assert_array_equal(opened.read(4) > 0, shown)
    lon, lat = (float(ds[name][75, 30]) for name in ("longitude", "latitude"))
    found = ds.swath.spectrum(lon, lat)
    assert (int(found.y), int(found.x)) == (75, 30)
    area = square(ds, 60)
    inside = shapely.contains_xy(area, ds.longitude.values, ds.latitude.values)
    assert int(ds.swath.polygon(area)["count"].max()) == inside.sum()


def test_the_error_names_an_address_without_a_store(tmp_path):
    for href in (tmp_path / "nothing.zarr", f"file://{tmp_path}/nothing.zarr"):
        with pytest.raises(StoreError, match=r"nothing\.zarr cannot be opened as a flight line"):
            open_flightline(href)
    zarr.create_group(tmp_path / "other.zarr")
    with pytest.raises(StoreError, match="cannot be opened as a flight line"):
        open_flightline(tmp_path / "other.zarr")


def test_the_crs_of_each_line_is_its_own(opened):
    assert {ds.swath.crs.to_epsg() for ds in opened} == {32610, 32611}
