"""Cells of coarser maps show the mean of all pixels whose centres lie in them."""

import numpy as np
import pytest
import xarray as xr
from pyproj import Transformer

from shift_stac import open_flightline
from shift_stac.campaigns import load_campaign
from shift_stac.errors import MapError
from shift_stac.reader import averages, orthorectify, values
from shift_stac.simulate import simulate_campaign
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from support.sources import sources_in


@pytest.fixture(scope="module", params=[0, 1], ids=["with gaps", "whole"])
def line(tmp_path_factory, request):
    root = tmp_path_factory.mktemp("line")
    flown = simulate_campaign(root / "portal", lines=2, samples=50, scan_lines=100, bands=8)
    options = ConversionOptions(chunks=ChunkSizes(x=16, y=20, wavelength=5))
    sources = sources_in(root / "portal", flown["20220224"][request.param], "v1")
    convert_line(sources, root / "line.zarr", load_campaign(), options)
    return open_flightline(root / "line.zarr")


def by_cell(ds, found, name, bands=...):
    """The mean of each cell, computed from all pixels."""
    to_map = Transformer.from_crs(ds.swath.crs, found.rio.crs, always_xy=True)
    located = np.isfinite(ds.Easting.values)
    x, y = to_map.transform(ds.Easting.values[located], ds.Northing.values[located])
    column, row = ~found.rio.transform() * (x, y)
    row, column = np.floor(row).astype(int), np.floor(column).astype(int)
    there = (row >= 0) & (row < found.shape[-2]) & (column >= 0) & (column < found.shape[-1])
    pixels = np.moveaxis(ds[name].values[..., located][..., there].astype(float), -1, 0)
    total, count = (np.zeros((*found.shape[-2:], *pixels.shape[1:])) for _ in range(2))
    np.add.at(total, (row[there], column[there]), np.nan_to_num(pixels))
    np.add.at(count, (row[there], column[there]), np.isfinite(pixels))
    with np.errstate(invalid="ignore"):
        expected = total / count
    return np.moveaxis(expected, (0, 1), (-2, -1))


@pytest.mark.heavy
@pytest.mark.parametrize("blocks", ["one", "many"])
@pytest.mark.parametrize(
    ("crs", "resolution"), [(None, 23), ("EPSG:3310", 31), ("EPSG:4326", 4e-4)]
)
def test_a_coarse_cell_shows_the_mean_of_its_pixels(line, crs, resolution, blocks, monkeypatch):
    if blocks == "many":
        monkeypatch.setattr(averages, "_MOST_PIXELS", 2000)
        monkeypatch.setattr(orthorectify, "_BLOCK_CELLS", 16)
        monkeypatch.setattr(values, "_READ_BYTES", 20_000)
    found = line.swath.orthorectify(crs=crs, resolution=resolution, resampling="average")
    assert found.attrs["cell_methods"] == "area: mean"
    good = line.good_wavelength.values == 1
    expected = by_cell(line, found, "Reflectance").astype(np.float32)
    np.testing.assert_allclose(found.values[good], expected[good], rtol=1e-6)
    assert found[~good].isnull().all()
    assert 0 < (~good).sum() < good.size
    assert 0.1 < np.isfinite(expected).mean() < 0.95
    slope = line.swath.orthorectify(
        crs=crs, resolution=resolution, variable="slope", resampling="average"
    )
    np.testing.assert_allclose(slope, by_cell(line, found, "slope"), rtol=1e-6)
    part = line.isel(y=slice(31, 75))
    there = part.swath.orthorectify(
        like=found, bands=[line.wavelength[4]], resampling="average", mask_bad_bands=False
    )
    np.testing.assert_allclose(
        there[0], by_cell(part, found, "Reflectance")[4].astype(np.float32), rtol=1e-6
    )
    assert bool(there.isnull().any())


def test_a_mean_needs_cells_that_are_no_finer_than_pixels(line):
    own = line.swath.orthorectify(variable="slope", resampling="average")
    assert bool(own.notnull().any())
    for asked in ({"resolution": 4.9}, {"resolution": 3e-5, "crs": 4326}):
        with pytest.raises(MapError, match="finer than the line's pixels"):
            line.swath.orthorectify(**asked, resampling="average")
    with pytest.raises(MapError, match="nearest, average"):
        line.swath.orthorectify(resampling="cubic")
    xr.testing.assert_identical(
        line.swath.orthorectify(variable="slope", resampling="nearest"),
        line.swath.orthorectify(variable="slope"),
    )
