"""An archive is found and searched from a folder, S3 and the web, and its lines are opened."""

import json
from datetime import UTC, date, datetime
from pathlib import Path

import geopandas
import numpy as np
import pandas as pd
import pytest
import shapely

import shift_stac
from shift_stac.errors import CatalogError, MapError

pytestmark = pytest.mark.server


def test_an_archive_is_searched_and_opened_wherever_it_lies(address, published):
    archive = shift_stac.open_archive(address)
    assert len(archive.items) == 6
    place = archive.items.geometry.iloc[0].centroid
    found = archive.search(geometry=place, datetime="2022-03")
    expected = [
        row.id
        for row in geopandas.read_parquet(
            published / "archive/AVIRIS-NG/items.parquet"
        ).itertuples()
        if row.geometry.intersects(place) and row.id.startswith("ang202203")
    ]
    assert list(found.id) == expected != []
    for row in found.itertuples():
        hrefs = [row.store, *(asset["href"] for asset in row.assets.values())]
        hrefs += [link["href"] for link in row.links if link["rel"] != "cite-as"]
        assert all(href.startswith(f"{address}/") and ".." not in href for href in hrefs)
        line = archive.open(row.id)
        assert line.attrs["flight_line"] == row.id
        assert shift_stac.open_flightline(row).sizes == line.sizes
        assert np.isfinite(line.Reflectance[30, 40, 30].compute())
        line["Radiance"] = 0
        assert archive.open(row.id).Radiance.ndim == 3


def test_any_document_of_the_archive_leads_to_its_lines(published, monkeypatch):
    monkeypatch.chdir(published)
    whole = shift_stac.open_archive("archive")
    for name in ("catalog.json", "AVIRIS-NG/collection.json", "AVIRIS-NG/items.parquet"):
        other = shift_stac.open_archive(Path("archive") / name)
        assert list(other.items.store) == list(whole.items.store)
    assert all(Path(store).is_absolute() for store in whole.items.store)
    assert "6 lines, 2022-02-24 to 2022-04-05" in repr(whole)


@pytest.mark.parametrize(
    ("when", "dates"),
    [
        (None, ["20220224", "20220316", "20220405"]),
        ("2022", ["20220224", "20220316", "20220405"]),
        ("2022-03", ["20220316"]),
        ("20220316", ["20220316"]),
        ("2022-02/2022-03", ["20220224", "20220316"]),
        ("2022-03-16T00:00:00Z/..", ["20220316", "20220405"]),
        ("2022-03-16T20:00:00-08:00/..", ["20220405"]),
        (("2022-03-16", None), ["20220316", "20220405"]),
        ((None, date(2022, 3, 16)), ["20220224", "20220316"]),
        ((datetime(2022, 3, 1, tzinfo=UTC), datetime(2022, 3, 17, tzinfo=UTC)), ["20220316"]),
        (date(2022, 4, 5), ["20220405"]),
        (np.datetime64("2022-04-05T00:00"), []),
        (np.datetime64("2022-04"), ["20220405"]),
        (np.datetime64("2022-03-16"), ["20220316"]),
        (pd.Period("2022-03", "M"), ["20220316"]),
        (pd.to_datetime(["2022-03-01", "2022-03-17"]), ["20220316"]),
        ("2021", []),
    ],
)
def test_times_are_given_as_in_stac(archive, when, dates):
    found = archive.search(datetime=when)
    assert sorted({line[3:11] for line in found.id}) == dates


def test_the_end_of_a_line_is_in_its_time(archive):
    first = archive.items.iloc[0]
    middle = first.start_datetime + (first.end_datetime - first.start_datetime) / 2
    assert list(archive.search(datetime=middle).id) == [first.id]


def test_places_are_given_in_any_crs(archive):
    shape = archive.items.geometry.iloc[0]
    expected = list(archive.items[archive.items.intersects(shape)].id)
    assert 0 < len(expected) < 6
    frame = geopandas.GeoSeries([shape], crs="EPSG:4326")
    for place in (shape, shape.__geo_interface__, frame, frame.to_crs(32610), frame.to_frame("g")):
        assert list(archive.search(geometry=place).id) == expected
    west, south, east, north = archive.items.total_bounds
    assert len(archive.search(bbox=(west, south, east, north))) == 6
    utm = frame.to_crs(32610).total_bounds
    assert set(expected) <= set(archive.search(bbox=utm, bbox_crs="EPSG:32610").id)
    assert archive.search(bbox=(0, 0, 1, 1)).empty
    assert len(archive.search(bbox=(170, 0, -100, 60))) == 6
    assert archive.search(bbox=(170, 0, -170, 60)).empty


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"datetime": "March"}, "is not a time"),
        ({"datetime": 2022}, "is not a time"),
        ({"datetime": slice("2022-02", "2022-03")}, "is not a time"),
        ({"datetime": pd.NaT}, "is not a time"),
        ({"datetime": np.datetime64("NaT", "D")}, "is not a time"),
        ({"datetime": ("2022-04", "2022-03")}, "ends before"),
        ({"bbox": (-120, 34, -121, 35), "bbox_crs": "EPSG:32610"}, "is empty"),
        ({"bbox": (34.4, -120.1, 34.5, -120.0)}, "longitude first"),
        ({"bbox": "everywhere"}, "is not a box"),
        ({"bbox": (-120, 34)}, "west, south, east, north"),
        ({"geometry": shapely.Point(34.4, -120.1)}, "longitude first"),
        ({"geometry": shapely.Point()}, "is empty"),
        ({"geometry": geopandas.GeoSeries([shapely.Point(0, 0)])}, "no CRS"),
    ],
)
def test_invalid_places_and_times_are_errors(archive, asked, said):
    with pytest.raises(MapError, match=said):
        archive.search(**asked)


def test_an_address_without_an_archive_is_an_error(archive, published, tmp_path):
    with pytest.raises(CatalogError, match=r"catalog\.json cannot be read .*address"):
        shift_stac.open_archive(tmp_path / "nowhere")
    (tmp_path / "items.parquet").write_bytes(b"PAR1")
    with pytest.raises(CatalogError, match="is not a table of items"):
        shift_stac.open_archive(tmp_path / "items.parquet")
    collection = json.loads((published / "archive/AVIRIS-NG/collection.json").read_text())
    del collection["assets"]["items"]
    (tmp_path / "collection.json").write_text(json.dumps(collection))
    with pytest.raises(CatalogError, match="has no table of items"):
        shift_stac.open_archive(tmp_path / "collection.json")
    catalog = {"type": "Catalog", "links": [{"rel": "child", "href": "./collection.json"}]}
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    with pytest.raises(CatalogError, match="has no table of items"):
        shift_stac.open_archive(tmp_path)
    # A collection without a table, of cubes say, stands beside one of lines.
    lines = str(published / "archive" / "AVIRIS-NG" / "collection.json")
    catalog["links"].append({"rel": "child", "href": lines})
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    assert len(shift_stac.open_archive(tmp_path).items) == 6
    with pytest.raises(CatalogError, match="has no line ang20220224t000000"):
        archive.open("ang20220224t000000")


def test_a_cube_has_the_lines_of_a_place_and_a_time(archive):
    line = archive.items.iloc[0]
    cube = archive.cube(bbox=line.geometry.bounds, datetime="2022-02/2022-03", bands=[650, 860])
    assert cube.sizes["time"] == 2
    shown = cube.line.attrs["flag_meanings"].split()[1:]
    assert line.id in shown
    assert {name[3:11] for name in shown} == {"20220224", "20220316"}
    assert 0.3 < float(cube.Reflectance.notnull().mean()) < 0.9  # noqa: PD004 - of xarray
    again = archive.cube(like=cube.Reflectance[0, 0], datetime="2022-03-16", bands=[650, 860])
    np.testing.assert_array_equal(again.Reflectance[0], cube.Reflectance[1])
    with pytest.raises(MapError, match="was flown there"):
        archive.cube(bbox=line.geometry.bounds, datetime="2021")
