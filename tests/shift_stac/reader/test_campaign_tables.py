"""Tables of plots on all lines and dates are equal to a computation from every pixel."""

import json
import re
from collections import Counter

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely
from pyproj import Transformer

import shift_stac
from shift_stac.errors import MapError
from shift_stac.maps.grid import FARTHEST_PIXEL
from shift_stac.reader import envi_files
from shift_stac.reader.campaign_tables import campaign_table, lines_and_places
from shift_stac.reader.places import parse_points
from shift_stac.reader.plots import nearest_rows
from shift_stac.store.glt_group import read_grid
from support.webserver import serve_nginx

pytestmark = pytest.mark.server

BANDS = [672.6, 860]
ANGLES = ["to_sensor_zenith", "to_sensor_azimuth", "to_sun_zenith", "to_sun_azimuth"]


@pytest.fixture(scope="module")
def lines(published):
    """Every line, with all of its geometry in memory."""
    archive = shift_stac.open_archive(published / "archive")
    names = ["Easting", "Northing", "longitude", "latitude", *ANGLES]
    found = {}
    for name in archive.items.id:
        ds = archive.open(name)
        found[name] = ds, {variable: ds[variable].to_numpy() for variable in names}
    return found


def places_on(lines, count=12):
    """Points on and beside the lines, the same at each call."""
    rng = np.random.default_rng(7)
    places = []
    for _, geometry in lines.values():
        located = np.flatnonzero(np.isfinite(geometry["longitude"]))
        for pixel in rng.choice(located, count // 6, replace=False):
            lon, lat = geometry["longitude"].flat[pixel], geometry["latitude"].flat[pixel]
            places.append((lon + rng.normal(0, 4e-5), lat + rng.normal(0, 4e-5)))
    return np.array([*places, (-119.5, 34.0)])


def plots(lines):
    places = places_on(lines)
    names = [f"plot {number}" for number in range(len(places))]
    return geopandas.GeoDataFrame(
        {"id": names, "crop": "vine"}, geometry=shapely.points(places), crs="EPSG:4326"
    )


def zones(lines):
    """Squares of 60 m, one of which is smaller than a pixel, and one far from all lines."""
    frame = plots(lines)
    sides = [30.0] * len(frame)
    sides[2] = 0.4
    metres = frame.to_crs(32610)
    return metres.set_geometry(metres.buffer(sides, cap_style="square"))


def nearest(ds, geometry, lon, lat):
    """Scan line, sample and distance of the nearest of all pixels, if a map would show that pixel."""
    to_line = Transformer.from_crs(4326, ds.swath.crs, always_xy=True)
    east, north = to_line.transform(lon, lat)
    away = np.hypot(geometry["Easting"] - east, geometry["Northing"] - north)
    away = np.where(np.isfinite(away), away, np.inf)
    y, x = np.unravel_index(np.argmin(away), away.shape)
    if away[y, x] > FARTHEST_PIXEL * read_grid(ds).cell_size:
        return None
    return int(y), int(x), away[y, x]


def test_spectra_are_those_of_the_nearest_of_all_pixels(address, lines):
    frame = plots(lines)
    table = shift_stac.open_archive(address).spectra(frame)
    expected = []
    for name, point in zip(frame.id, frame.geometry, strict=True):
        for line, (ds, geometry) in lines.items():
            if (found := nearest(ds, geometry, point.x, point.y)) is None:
                continue
            y, x, distance = found
            values = ds.Reflectance[:, y, x].where(ds.good_wavelength == 1).to_numpy()
            rows = pd.DataFrame({"wavelength": ds.wavelength.to_numpy(), "Reflectance": values})
            told = {"id": name, "line": line, "y": y, "x": x, "distance": distance}
            told["time"] = pd.Timestamp(ds.attrs["time_coverage_start"])
            told |= {angle: geometry[angle][y, x] for angle in ANGLES}
            expected.append(rows.assign(**told))
    expected = pd.concat(expected, ignore_index=True)
    assert expected.id.nunique() == 12
    assert expected.line.nunique() == 6
    order = ["id", "line", "time", "y", "x", "distance", *ANGLES, "wavelength", "Reflectance"]
    assert list(table.columns) == order
    pd.testing.assert_frame_equal(
        table.sort_values(["id", "line", "wavelength"], ignore_index=True),
        expected[order].sort_values(["id", "line", "wavelength"], ignore_index=True),
        check_dtype=False,
        rtol=1e-12,
    )
    assert table.groupby("id").time.apply(lambda times: times.is_monotonic_increasing).all()
    assert list(table.id.unique()) == [name for name in frame.id if name in set(table.id)]


def test_zones_have_the_statistics_of_their_pixels(address, lines):
    frame = zones(lines)
    table = shift_stac.open_archive(address).zonal(frame, bands=BANDS)
    seen = 0
    for name, area in zip(frame.id, frame.to_crs(4326).geometry, strict=True):
        for line, (ds, geometry) in lines.items():
            inside = shapely.contains_xy(area, geometry["longitude"], geometry["latitude"])
            rows = table[(table.id == name) & (table.line == line)]
            if not inside.any():
                assert (rows["count"] == 0).all()
                assert rows["mean"].isna().all()
                continue
            seen += 1
            values = ds.Reflectance.sel(wavelength=BANDS, method="nearest").to_numpy()[:, inside]
            values = values.astype(float)
            np.testing.assert_allclose(rows["mean"], np.nanmean(values, axis=1), rtol=1e-12)
            np.testing.assert_allclose(rows["std"], np.nanstd(values, axis=1), rtol=1e-8)
            assert list(rows["count"]) == list(np.isfinite(values).sum(axis=1))
            assert rows.share_on_line.between(0, 1).all()
            np.testing.assert_allclose(
                rows.to_sun_zenith, np.nanmean(geometry["to_sun_zenith"][inside]), rtol=1e-6
            )
            turned = np.exp(1j * np.radians(geometry["to_sun_azimuth"][inside].astype(float)))
            mean = np.degrees(np.angle(np.nanmean(turned))) % 360
            np.testing.assert_allclose(rows.to_sun_azimuth, mean, rtol=1e-6)
            one = ds.swath.polygon(area).sel(wavelength=BANDS, method="nearest")
            np.testing.assert_allclose(rows["mean"], one["mean"], rtol=1e-12)
    assert seen > 12
    assert (table[table.id == "plot 2"]["count"] == 0).all()
    assert "plot 12" not in set(table.id)


def test_a_lasso_gives_each_pixel(address, lines):
    (line, (ds, geometry)), *_ = lines.items()
    places = np.column_stack(
        [geometry["longitude"][30:60:10, 20], geometry["latitude"][30:60:10, 20]]
    )
    lasso = shapely.LineString(places).buffer(2e-4)
    table = shift_stac.open_archive(address).pixels(lasso, datetime="2022-02-24", wide=True)
    own = table[table.line == line]
    inside = shapely.contains_xy(lasso, geometry["longitude"], geometry["latitude"])
    y, x = np.nonzero(inside)
    assert y.size > 50
    own = own.sort_values(["y", "x"])
    assert (list(own.y), list(own.x), set(own.id)) == (list(y), list(x), {0})
    np.testing.assert_array_equal(own.longitude, geometry["longitude"][inside])
    bands = [name for name in table.columns if re.fullmatch(r"\d+\.\d\d", name)]
    np.testing.assert_array_equal(
        own[bands].to_numpy(), ds.Reflectance.where(ds.good_wavelength == 1).to_numpy()[:, inside].T
    )
    assert set(table.line) <= {name for name in lines if name.startswith("ang20220224")}


def test_each_chunk_is_read_once(published, lines, tmp_path, monkeypatch):
    # Of 25 scan lines, where chunks have 20, and the first of a part 15.
    monkeypatch.setattr(envi_files, "_BLOCK_BYTES", 25 * 60 * 425 * 4)
    with serve_nginx(published / "archive", tmp_path) as url:
        archive = shift_stac.open_archive(url)
        part = archive.open(next(iter(lines))).isel(y=slice(5, None))
        for ask in (
            lambda: archive.spectra(plots(lines)),
            lambda: archive.zonal(zones(lines)),
            lambda: archive.pixels(zones(lines)),
            lambda: part.swath.to_envi(tmp_path / "envi"),
        ):
            (tmp_path / "access.log").write_text("")
            assert len(ask())
            asked = Counter(re.findall(r'"GET (\S+/c/\S+) ', (tmp_path / "access.log").read_text()))
            assert sum("/Reflectance/" in path for path in asked) > 12
            # IGM and LOC both have the elevation.
            assert {n for path, n in asked.items() if "/Elevation/" not in path} == {1}


def test_points_are_given_in_many_forms(published, lines):
    archive = shift_stac.open_archive(published / "archive")
    frame = plots(lines)
    by_name = archive.spectra(frame, bands=BANDS)
    lon, lat = frame.geometry.x, frame.geometry.y
    utm = frame.to_crs(32611)
    for points, options in (
        (utm, {}),
        (frame.set_index("id").geometry, {}),
        (pd.DataFrame({"id": frame.id, "lon": lon, "lat": lat}), {}),
        (pd.DataFrame({"Latitude": lat, "Longitude": lon, "plot": frame.id}), {"ids": "plot"}),
        (
            pd.DataFrame({"id": frame.id, "Easting": utm.geometry.x, "Northing": utm.geometry.y}),
            {"crs": 32611},
        ),
        (
            # The CRS has one of the two pairs.
            pd.DataFrame(utm.assign(x=utm.geometry.x, y=utm.geometry.y, lon=lon, lat=lat)),
            {"crs": "EPSG:32611"},
        ),
        (pd.DataFrame({"id": frame.id, "x": lon + 360, "y": lat}), {"crs": "EPSG:4326"}),
        (json.loads(frame.to_json()), {}),
        (frame.to_json(), {}),
        (utm.set_crs(None, allow_override=True), {"crs": 32611}),
    ):
        found = archive.spectra(points, bands=BANDS, **options)
        pd.testing.assert_frame_equal(found, by_name, rtol=1e-6, atol=1e-4)
    numbered = archive.spectra(np.column_stack([lon, lat]), bands=BANDS)
    assert list("plot " + numbered.id.astype(str)) == list(by_name.id)
    one = archive.spectra(frame.geometry.iloc[0], bands=BANDS)
    assert set(one.id) == {0}


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([(-120.0, np.nan)], "the place 0: a coordinate is NaN"),
        ([(34.4, -120.0)], "the place 0: longitude 34.4, latitude -120 is not a place"),
        ([(770000.0, 3818000.0)], "the place 0: .* is not a place: give WGS 84 degrees"),
        (geopandas.GeoSeries([shapely.Point(-120, 34)]), "have no CRS"),
        (
            geopandas.GeoSeries([None, shapely.Point(1, 1)], crs=4326),
            "the place 0 is missing or empty",
        ),
        (geopandas.GeoSeries([shapely.box(0, 0, 1, 1)], crs=4326), "is a polygon: give points"),
        (geopandas.GeoSeries([shapely.Point(0, 0)] * 2, index=["a", "a"], crs=4326), "twice"),
        (
            pd.DataFrame({"id": ["a"], "x": [1], "y": [2]}),
            "columns id, x, y: .* their projected CRS",
        ),
        (
            pd.DataFrame({"id": ["a"], "lon": [None], "lat": [2]}),
            "the place a: a coordinate is NaN",
        ),
        (
            pd.DataFrame({"id": ["a", None], "lon": [1, 2], "lat": [1, 2]}),
            "the place in row 1 has no name",
        ),
        ([1, 2, 3], r"pairs of longitude and latitude, shaped \(points, 2\), not \(3,\)"),
        ("plots.csv", "these are not places"),
    ],
)
def test_invalid_points_are_errors(published, points, said):
    with pytest.raises(MapError, match=said):
        shift_stac.open_archive(published / "archive").spectra(points)


def test_a_crs_that_is_given_twice_is_refused(published, lines):
    archive = shift_stac.open_archive(published / "archive")
    with pytest.raises(MapError, match="another one"):
        archive.spectra(plots(lines), crs="EPSG:32610")
    with pytest.raises(MapError, match="has no column 'plot' of names; it has id, crop"):
        archive.spectra(plots(lines), ids="plot")
    with pytest.raises(MapError, match="plot 0 has no area"):
        archive.zonal(plots(lines))
    with pytest.raises(MapError, match=r"ang\S+: the line has no band at 0.65 nm"):
        archive.spectra(plots(lines), bands=[0.65])
    with pytest.raises(MapError, match="none of the lines there has a variable 'Albedo'"):
        archive.spectra(plots(lines), variable="Albedo")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"also": "slope"}, r"give one of names, such as \['slope'\]"),
        ({"also": ["Radiance"]}, r"ang\S+: also='Radiance' has no single value"),
        ({"also": ["y"]}, r"ang\S+: also='y' has no single value"),
        ({"bands": [650, 860, 650], "wide": True}, "names a wavelength twice"),
    ],
)
def test_invalid_columns_are_errors(archive, lines, asked, said):
    with pytest.raises(MapError, match=said):
        archive.spectra(places_on(lines), **asked)


def test_lines_without_the_variable_are_left_out_and_named(published, lines):
    archive = shift_stac.open_archive(published / "archive")
    without, *others = archive.items.id

    def open_line(name):
        ds = archive.open(name)
        return ds.drop_vars("Reflectance") if name == without else ds

    wanted = {"bands": BANDS, "also": [], "mask_bad_bands": True, "wide": False}
    ask = archive.items, open_line, parse_points(plots(lines)), nearest_rows, ()
    with pytest.warns(UserWarning, match=f"no Reflectance and are left out: {without}$"):
        table = campaign_table(*ask, variable=None, **wanted)
    assert set(table.line) == set(others)
    assert set(campaign_table(*ask, variable="Radiance", **wanted).line) == set(archive.items.id)


def test_lines_are_found_across_the_antimeridian_and_a_little_beside_their_outlines():
    east, west = shapely.box(179.99, -17, 180, -16.9), shapely.box(-180, -17, -179.99, -16.9)
    outlines = [shapely.union(east, west), shapely.box(179.99, -17, 180, -16.9)]
    items = geopandas.GeoDataFrame({"id": ["a", "b"], "gsd": 5.0}, geometry=outlines, crs=4326)
    longitudes = {179.995: "ab", -179.995: "a", 180.005: "a", -180.005: "ab"}
    # An outline is simplified: 20 m beside it, and across the line, pixels may lie.
    longitudes |= {179.9998 - 0.01: "ab", -179.9998: "ab", 179.98: "", -179.98: ""}
    places = parse_points([(lon, -16.95) for lon in longitudes])
    found = lines_and_places(items, places.geometries)
    seen = dict.fromkeys(longitudes, "")
    for row, numbers in found.items():
        for number in numbers:
            seen[list(longitudes)[number]] += items["id"][row]
    assert seen == longitudes


def test_tables_are_written_and_read_again(published, lines, tmp_path):
    archive = shift_stac.open_archive(published / "archive")
    table = archive.spectra(plots(lines), bands=BANDS)
    table.to_parquet(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "t.parquet"), table)
    table.to_csv(tmp_path / "t.csv", index=False)
    back = pd.read_csv(tmp_path / "t.csv", parse_dates=["time"])
    pd.testing.assert_frame_equal(back, table, check_dtype=False, rtol=1e-6)
    wide = archive.spectra(plots(lines), bands=BANDS, wide=True)
    assert len(wide) == len(table) / 2
    assert list(wide.columns[-2:]) == ["672.6", "860"]
    np.testing.assert_array_equal(wide.iloc[:, -2:].to_numpy().ravel(), table.Reflectance)
    as_text = archive.spectra(plots(lines), bands=[str(nm) for nm in BANDS], wide=True)
    pd.testing.assert_frame_equal(as_text, wide)
    slope = archive.spectra(plots(lines), variable="slope", also=["Elevation"])
    assert list(slope.columns) == ["id", "line", "time", "y", "x", "distance", "Elevation", "slope"]
    assert len(slope) == len(wide)
    # Places around a line, beside its outline, and far from all lines.
    beside = shapely.get_coordinates(archive.items.geometry.iloc[0].buffer(3e-4))
    nothing = archive.spectra([*beside, (0, 0)], datetime="2022-02")
    assert (len(nothing), list(nothing.columns)[:3]) == (0, ["id", "line", "time"])
    assert list(archive.spectra([]).columns) == list(nothing.columns)
