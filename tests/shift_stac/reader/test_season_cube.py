"""Cubes of many days: equal to brute force, lazy, and on the grid that was asked for."""

import numpy as np
import pytest
import shapely
import xarray as xr
import zarr
from pyproj import Transformer

from shift_stac import open_flightline, season_cube
from shift_stac.errors import MapError
from support.season import brute_force, make_season

DATES = ("20220224", "20220316")


@pytest.fixture(scope="module")
def season(tmp_path_factory):
    stores = make_season(tmp_path_factory.mktemp("season"), DATES, lines=3)
    # A part of one line has places but no values. There the line below it must be shown.
    reflectance = zarr.open_array(stores[1] / "Reflectance", mode="r+")
    reflectance[:, 20:30] = -9999.0
    return stores


def of_day(season, day):
    return [open_flightline(store) for store in season if DATES[day] in store.name]


@pytest.mark.heavy
@pytest.mark.parametrize("rule", ["nadir", "first", "newest"])
@pytest.mark.parametrize("resolution", [None, 12.5], ids=["pixels", "coarser"])
def test_every_cell_shows_what_brute_force_finds(season, rule, resolution):
    cube = season_cube(season, resolution=resolution, mosaic=rule).compute()
    assert cube.Reflectance.dims == ("time", "wavelength", "y", "x")
    bands = list(range(cube.sizes["wavelength"]))
    for day in range(len(DATES)):
        values, chosen = brute_force(of_day(season, day), cube, rule, bands)
        np.testing.assert_array_equal(cube.Reflectance[day].values.reshape(len(bands), -1), values)
        first_of_day = day * 3
        expected = np.where(chosen < 0, -1, chosen + first_of_day)
        np.testing.assert_array_equal(cube.line[day].values.ravel(), expected)
        # The rule had to decide: lines of both zones are shown.
        assert set(np.unique(chosen)) >= ({-1, 0, 1, 2} if rule == "nadir" else {-1, 0, 2})
    assert cube.line.attrs["flag_meanings"].split() == ["none", *(s.stem for s in season)]
    assert [str(d.date()) for d in cube.indexes["time"]] == ["2022-02-24", "2022-03-16"]


@pytest.mark.heavy
def test_a_window_of_the_lazy_cube_reads_no_more_lines_than_it_needs(season, tmp_path):
    cube = season_cube(season, bands=[650, 860])
    assert cube.Reflectance.chunks is not None
    # Only the lines of the day are read: those of the other day have lost their chunks.
    spared = [store for store in season if DATES[1] in store.name]
    hidden = [store.rename(tmp_path / store.name) for store in spared]
    try:
        window = cube.isel(time=0, x=slice(10, 20), y=slice(30, 40)).compute()
    finally:
        for place, store in zip(hidden, spared, strict=True):
            place.rename(store)
    assert int(window.Reflectance.count()) > 50
    xr.testing.assert_equal(window, cube.compute().isel(time=0, x=slice(10, 20), y=slice(30, 40)))


@pytest.mark.heavy
def test_the_grid_is_that_of_a_box_a_polygon_or_another_array(season):
    whole = season_cube(season, bands=[650, 860])
    assert whole.rio.resolution() == (5, -5)
    assert whole.rio.crs.to_epsg() == 32610  # of most lines
    west, south, east, north = whole.rio.transform_bounds("EPSG:4326")
    box = (west + 0.0012, south + 0.0012, east - 0.0012, north - 0.0012)
    part = season_cube(season, bands=[650, 860], bbox=box)
    xr.testing.assert_equal(part.compute(), whole.compute().sel(x=part.x, y=part.y))
    assert 20 < part.sizes["x"] < whole.sizes["x"]
    like = part.isel(time=0, wavelength=0).Reflectance
    same = season_cube(season, bands=[650, 860], like=like)
    xr.testing.assert_equal(same.compute(), part.compute())
    triangle = shapely.Polygon([(box[0], box[1]), (box[2], box[1]), (box[0], box[3])])
    inside = season_cube(season, bands=[650, 860], geometry=triangle).compute()
    to_degrees = Transformer.from_crs(32610, 4326, always_xy=True)
    longitude, latitude = to_degrees.transform(*np.meshgrid(inside.x, inside.y))
    within = shapely.contains_xy(triangle, longitude, latitude)
    expected = whole.compute().sel(x=inside.x, y=inside.y).where(within)
    # An edge that is straight in degrees is almost straight on the map, so that cells on it may be
    # on either side.
    differ = (inside.line.values >= 0) != (expected.line.values >= 0)
    assert differ.any(axis=0).sum() < 5
    assert 0.2 < (inside.line.values >= 0).mean() < 0.6
    other = season_cube(season, bands=[650], crs="EPSG:4326", resolution=1e-4)
    assert other.rio.crs.to_epsg() == 4326


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"bbox": (10, 50, 11, 51)}, "none of 6 lines reaches the grid"),
        ({"bands": [0.65]}, "nanometres"),
        ({"variable": "Radiancy"}, "has no variable Radiancy with bands"),
        ({"resolution": 0}, "a resolution of 0 makes no grid"),
        ({"resolution": 1e-9}, "finer than the line's pixels can be"),
        ({"resolution": "5"}, "a resolution of '5' makes no grid"),
        ({"mosaic": "middle"}, "choose one of nadir, first, newest"),
        ({"crs": "EPSG:5703"}, "NAVD88 height is not a CRS of maps"),
        ({"like": 5}, "like=5 is not an array"),
        ({"crs": 4326, "resolution": 5}, "larger than the whole place"),
        ({"bbox": (0, 0, 1, 1), "geometry": shapely.box(0, 0, 1, 1)}, "leave one of them out"),
        ({"lines": []}, "at least one"),
    ],
    ids=lambda value: "" if isinstance(value, str) else "-".join(value),
)
def test_invalid_requests_of_a_cube_are_errors_with_the_reason(season, options, says):
    with pytest.raises(MapError, match=says):
        season_cube(options.pop("lines", season), **options)


@pytest.mark.heavy
def test_a_line_that_is_given_twice_is_refused(season):
    with pytest.raises(MapError, match=f"{season[0].stem} is given more than once"):
        season_cube([*season, season[0]])
