"""Maps written as GeoTIFFs."""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import rasterio

import shift_stac
from shift_stac import open_flightline
from shift_stac.campaigns import load_campaign
from shift_stac.errors import MapError
from shift_stac.reader import orthorectify
from shift_stac.reader.orthorectify import MapView
from shift_stac.simulate import simulate_campaign
from shift_stac.store.conversion import convert_line
from support.sources import sources_in

PAGE = Path(__file__).resolve().parents[3] / "docs" / "how-to" / "read-the-archive.md"


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    root = tmp_path_factory.mktemp("line")
    flown = simulate_campaign(root / "portal", lines=1, samples=300, scan_lines=700, bands=12)
    (name,) = flown["20220224"]
    convert_line(sources_in(root / "portal", name, "v1"), root / "line.zarr", load_campaign())
    return open_flightline(root / "line.zarr")


@pytest.fixture
def computed(monkeypatch):
    """How often each block of a map is computed."""
    seen = Counter()
    compute = MapView.__getitem__

    def counted(view, key):
        seen[str(key)] += 1
        return compute(view, key)

    monkeypatch.setattr(MapView, "__getitem__", counted)
    return seen


@pytest.mark.heavy
def test_the_documented_way_writes_each_block_once(line, computed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(orthorectify, "_BLOCK_CELLS", 512)
    (documented,) = re.findall(r"^shift_stac\.write_geotiff\(.*$", PAGE.read_text(), re.MULTILINE)
    rgb = line.swath.orthorectify(bands=[672.6, 552.4, 447.2])
    assert rgb.data.npartitions > 1
    exec(documented, {"shift_stac": shift_stac, "rgb": rgb})
    assert len(computed) == rgb.data.npartitions
    assert set(computed.values()) == {1}
    with rasterio.open("rgb.tif") as opened:
        np.testing.assert_array_equal(opened.read(), rgb)
        assert opened.transform == rgb.rio.transform()
        assert opened.crs == rgb.rio.crs
        assert np.isnan(opened.nodata)
        assert set(opened.block_shapes) == {(512, 512)}
        assert opened.descriptions == tuple(f"{nm:.2f} nm" for nm in rgb.wavelength.values)
        assert opened.tags()["flight_line"] == line.attrs["flight_line"]
        assert opened.tags()["time"] == line.attrs["time_coverage_start"]
        imagery = opened.tags(1, ns="IMAGERY")
        assert float(imagery["CENTRAL_WAVELENGTH_UM"]) == pytest.approx(rgb.wavelength[0] / 1000)
    assert [path.name for path in tmp_path.iterdir()] == ["rgb.tif"]


@pytest.mark.heavy
@pytest.mark.parametrize("cog", [False, True])
@pytest.mark.parametrize("what", ["all bands", "one layer", "in memory"])
def test_maps_of_every_kind_are_written_unchanged(line, tmp_path, what, cog):
    found = line.swath.orthorectify(variable="Elevation" if what == "one layer" else None)
    if what == "in memory":
        found = found.isel(y=slice(3, 400), wavelength=[1, 2]).compute()
    shift_stac.write_geotiff(found, tmp_path / "map.tif", cog=cog)
    with rasterio.open(tmp_path / "map.tif") as opened:
        np.testing.assert_array_equal(opened.read().squeeze(), found.squeeze())
        layout = opened.tags(ns="IMAGE_STRUCTURE").get("LAYOUT")
        assert (layout == "COG") == cog
        # A map of one tile needs none.
        assert bool(opened.overviews(1)) == (cog and max(opened.shape) > 512)
        assert opened.descriptions[0].endswith(" nm") == (what != "one layer")
        assert opened.tags()["flight_line"] == line.attrs["flight_line"]


@pytest.mark.heavy
def test_arrays_that_are_no_maps_are_not_written(line, tmp_path):
    with pytest.raises(MapError, match="this is not a map"):
        shift_stac.write_geotiff(line.Reflectance, tmp_path / "map.tif")
    raster = line.swath.orthorectify(bands=[650])
    for values, said in (
        (raster > 0, "of the type bool"),
        (raster.isel(y=slice(0, 0)), "a map of 0 values"),
    ):
        with pytest.raises(MapError, match=said):
            shift_stac.write_geotiff(values, tmp_path / "map.tif")
    for path, said in (
        (tmp_path, "is a folder"),
        (tmp_path / "new" / "map.tif", "new is not a folder"),
        ("s3://bucket/map.tif", "is not a path of this machine"),
    ):
        with pytest.raises(MapError, match=said):
            shift_stac.write_geotiff(raster, path)
    assert not list(tmp_path.iterdir())
