"""Each kind of damage is found by its check, and a good store passes all checks."""

import json
import shutil

import numpy as np
import pytest
import s3fs
import zarr

from shift_stac.campaigns import load_campaign
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product, ProductLevel
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.validation.result import Expectations, Validation
from shift_stac.validation.sampling import chunk_corners
from shift_stac.validation.store_check import validate_store
from support.s3 import serve_s3
from support.sources import small_line, sources_in
from support.webserver import serve_nginx

CAMPAIGN = load_campaign()
ALL = ["opens", "structure", "chunks", "wavelengths", "geolocation", "map", "values", "geometry"]
CHUNKS = ChunkSizes(x=20, y=30, wavelength=7)


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """A line with gaps and OBS, converted."""
    root = tmp_path_factory.mktemp("good")
    lines = simulate_campaign(root / "portal", lines=2, samples=40, scan_lines=80, bands=20)
    sources = sources_in(root / "portal", lines["20220224"][0], "v1")
    store = root / "line.zarr"
    summary = convert_line(sources, store, CAMPAIGN, ConversionOptions(chunks=CHUNKS))
    return sources, store, Expectations.of_summary(summary)


@pytest.fixture
def damaged(good, tmp_path):
    """A copy that a test may damage, and what its validation finds."""
    sources, store, expected = good
    copy = tmp_path / "line.zarr"
    shutil.copytree(store, copy)

    def found(**options):
        return validate_store(copy, expected, **({"sources": sources} | options))

    return copy, found


def failures(validation):
    return {check.name: check.detail for check in validation.checks if not check.passed}


def test_a_good_store_passes_every_check(good):
    sources, store, expected = good
    found = validate_store(store, expected, sources=sources)
    assert [check.name for check in found.checks] == ALL
    assert found.passed, found.sentence
    assert found.sentence == "8 checks passed"
    assert found.blocks == 16
    assert found.located_share == pytest.approx(expected.located_share, abs=1e-6)
    assert found.located_share < 1
    assert 0 < found.nodata_share["Radiance"] < 0.2
    assert set(found.negative_share) == {"Radiance", "Reflectance"}
    assert found.figures()["passed"] is True
    assert Validation.model_validate_json(found.model_dump_json()) == found


def test_all_blocks_can_be_asked_for_and_then_shares_are_exact(good):
    sources, store, expected = good
    found = validate_store(store, expected, sources=sources, blocks=None)
    assert found.blocks == 2 * 3 * 3 * 2
    cube = zarr.open_array(store / "Reflectance", mode="r")[:]
    nodata = cube == -9999
    assert found.nodata_share["Reflectance"] == pytest.approx(nodata.mean(), abs=1e-6)
    good_bands = zarr.open_array(store / "good_wavelength", mode="r")[:] == 1
    values = cube[good_bands][~nodata[good_bands]]
    assert found.negative_share["Reflectance"] == pytest.approx((values < 0).mean(), abs=1e-6)


def test_a_published_store_is_checked_without_its_source(good):
    _, store, expected = good
    found = validate_store(store, expected)
    assert found.passed
    assert [check.name for check in found.checks] == ALL[:-1]


def test_the_first_and_the_last_chunk_are_always_among_the_sampled(good):
    array = zarr.open_array(good[1] / "Radiance", mode="r")
    for count in (2, 5, None):
        corners = chunk_corners(array, count)
        assert corners[0] == (slice(0, 7), slice(0, 30), slice(0, 20))
        assert corners[-1] == (slice(14, 20), slice(60, 80), slice(20, 40))
        assert len(corners) == (count or 18)


def test_a_missing_chunk_is_found_though_zarr_would_read_it_as_nodata(damaged):
    store, found = damaged
    (store / "Radiance/c/1/1/0").unlink()
    assert failures(found(sources=None, blocks=1)) == {
        "chunks": "1 of 63 chunks are missing or empty, first Radiance/c/1/1/0"
    }


def test_an_empty_chunk_is_found(damaged):
    store, found = damaged
    (store / "glt/glt_line/c/0/0").write_bytes(b"")
    assert failures(found())["chunks"].endswith("first glt/glt_line/c/0/0")


def test_a_truncated_chunk_is_found_by_size_and_by_reading(damaged):
    store, found = damaged
    chunk = store / "Reflectance/c/0/0/0"
    chunk.write_bytes(chunk.read_bytes()[:-9])
    wrong = failures(found())
    assert set(wrong) == {"chunks", "values"}
    assert "bytes, not" in wrong["chunks"]


def test_a_stray_object_is_found(damaged):
    store, found = damaged
    (store / "stray").write_text("x")
    assert set(failures(found())) == {"chunks"}


@pytest.mark.parametrize("bit", [1, 0x80000000], ids=["last digit", "sign of zero"])
def test_one_bit_that_is_not_the_sources_is_found_in_a_sampled_block(damaged, bit):
    store, found = damaged
    array = zarr.open_array(store / "Radiance", mode="r+")
    block = array[14:20, 60:80, 20:40]
    block.view(np.uint32)[3, 4, 5] ^= np.uint32(bit)
    array[14:20, 60:80, 20:40] = block
    assert failures(found())["values"] == (
        "Radiance: 1 of 2400 values of bands 14 to 19, scan lines 60 to 79, samples 20 to 39 are "
        "not the source's"
    )


def test_geometry_that_is_not_the_sources_is_found(damaged):
    store, found = damaged
    for name in ("utc_time", "latitude"):
        array = zarr.open_array(store / name, mode="r+")
        kept = array[:]
        array[70, 7] = kept[70, 7] + 1e-6
        assert failures(found())["geometry"].startswith(f"{name}, scan lines")
        array[:] = kept


def test_a_cube_of_nodata_is_found(damaged):
    store, found = damaged
    zarr.open_array(store / "Reflectance", mode="r+")[:] = -9999.0
    wrong = failures(found(sources=None))
    assert wrong["values"] == "Reflectance: no sampled value is data"


def change_attribute(store, change):
    path = store / "zarr.json"
    root = json.loads(path.read_text())
    change(root["consolidated_metadata"]["metadata"])
    path.write_text(json.dumps(root))


def test_wavelengths_that_do_not_ascend_are_found(damaged):
    store, found = damaged
    array = zarr.open_array(store / "wavelength", mode="r+")
    kept = array[:]
    array[5] = array[3]
    assert failures(found())["wavelengths"] == "they do not ascend"
    array[:] = kept / 1000
    assert "are not nanometres" in failures(found())["wavelengths"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [(np.nan, "only one of longitude and latitude"), (200.0, "are not on Earth")],
)
def test_invalid_places_are_found(damaged, value, reason):
    store, found = damaged
    zarr.open_array(store / "latitude", mode="r+")[79, 3] = value
    assert reason in failures(found())["geolocation"]


def test_lost_locations_are_found(damaged):
    store, found = damaged
    for name in ("longitude", "latitude"):
        zarr.open_array(store / name, mode="r+")[78:] = np.nan
    assert "of the pixels are located, not" in failures(found())["geolocation"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [(9999, "names pixels that the line has not"), (0, "shows no pixel")],
)
def test_an_invalid_table_is_found(damaged, value, reason):
    store, found = damaged
    zarr.open_array(store / "glt" / "glt_line", mode="r+")[:] = value
    assert reason in failures(found())["map"]


def test_a_shape_that_differs_from_the_expected_one_is_found(good):
    sources, store, expected = good
    other = expected.model_copy(update={"shape": {"wavelength": 20, "y": 81, "x": 40}})
    found = validate_store(store, other, sources=sources)
    assert failures(found)["structure"] == "Radiance has 80 along y, not 81"


def test_one_check_reports_a_store_that_does_not_open(good, tmp_path):
    _, _, expected = good
    found = validate_store(tmp_path / "nothing.zarr", expected)
    assert [check.name for check in found.checks] == ["opens"]
    assert not found.passed
    assert "nothing.zarr cannot be opened as a flight line" in found.sentence


def test_a_store_of_one_cube_is_good(tmp_path):
    sources = small_line(tmp_path / "in")
    options = ConversionOptions(level=ProductLevel.L1)
    summary = convert_line(sources, tmp_path / "line.zarr", CAMPAIGN, options)
    found = validate_store(
        tmp_path / "line.zarr", Expectations.of_summary(summary), sources=sources
    )
    assert found.passed, found.sentence
    assert set(found.nodata_share) == {"Radiance"}
    assert sources.get(Product.OBS) is None


@pytest.mark.server
@pytest.mark.parametrize("where", ["s3", "http"])
def test_stores_in_a_bucket_and_behind_a_web_server(good, tmp_path, monkeypatch, where):
    _, store, expected = good
    if where == "http":
        with serve_nginx(store.parent, tmp_path / "nginx") as url:
            found = validate_store(f"{url}/{store.name}", expected)
        assert [check.name for check in found.checks] == [n for n in ALL[:-1] if n != "chunks"]
        assert found.passed, found.sentence
        return
    with serve_s3(tmp_path / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        target = bucket.folder / "a" / store.name
        shutil.copytree(store, target)
        href = f"{bucket.url}/a/{store.name}"
        found = validate_store(href, expected)
        assert found.passed, found.sentence
        s3fs.S3FileSystem(skip_instance_cache=True).rm_file(f"{href}/Radiance/c/1/1/0")
        assert set(failures(validate_store(href, expected, blocks=1))) == {"chunks"}
