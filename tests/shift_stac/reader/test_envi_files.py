"""A line is written as ENVI files with the source's bits, which the readers of the field accept."""

from pathlib import Path

import numpy as np
import pytest
import spectral.io.envi

from shift_stac import open_flightline
from shift_stac.campaigns import load_campaign
from shift_stac.envi.image import open_envi
from shift_stac.errors import MapError
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.swath.igm_crs import crs_from_igm
from support.sources import sources_in


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    root = tmp_path_factory.mktemp("line")
    flown = simulate_campaign(root, lines=2, samples=40, scan_lines=70, bands=24)
    return sources_in(root, flown["20220224"][0], "v1")


@pytest.fixture(scope="module")
def line(sources, tmp_path_factory):
    store = tmp_path_factory.mktemp("archive") / f"{sources.line}.zarr"
    options = ConversionOptions(chunks=ChunkSizes(x=16, y=20, wavelength=10))
    convert_line(sources, store, load_campaign(), options)
    return open_flightline(store)


@pytest.mark.parametrize("variable", ["Radiance", "Reflectance"])
def test_a_line_comes_out_as_it_went_in(line, sources, tmp_path, variable):
    product = Product.RADIANCE if variable == "Radiance" else Product.REFLECTANCE
    cube, igm, *_ = line.swath.to_envi(tmp_path / "out", variable=variable)
    source = sources.get(product)
    assert source.data.path.name.startswith(cube.name)
    assert cube.read_bytes() == source.data.path.read_bytes()
    ours, theirs = (open_envi(path).ascending().header for path in (cube, source.data.path))
    # The portal rounds those of reflectance.
    np.testing.assert_allclose(ours.wavelengths, theirs.wavelengths, atol=0.005)
    assert ours.fwhm == theirs.fwhm
    assert theirs.good_bands in (None, ours.good_bands)
    before, after = open_envi(sources.get(Product.IGM).data.path), open_envi(igm)
    located = np.isfinite(line.Easting.values)
    assert 0 < located.mean() < 1
    for band in range(3):
        np.testing.assert_array_equal(after.data[:, band][located], before.data[:, band][located])
        assert (after.data[:, band][~located] == -9999).all()
    assert crs_from_igm(after.header, "EPSG:4326") == crs_from_igm(before.header, "EPSG:4326")


def test_spectral_python_reads_a_window_with_its_geometry(line, tmp_path):
    window = line.isel(y=slice(30, 50), x=slice(5, 35))
    paths = window.swath.to_envi(tmp_path)
    assert [path.name.rsplit("_")[-1] for path in paths] == ["rfl", "igm", "loc", "obs"]
    opened = [spectral.io.envi.open(f"{path}.hdr", path) for path in paths]
    cube, igm, loc, obs = opened
    np.testing.assert_array_equal(cube.bands.centers, line.wavelength)
    np.testing.assert_array_equal(cube.bands.bandwidths, line.fwhm)
    assert cube.metadata["bbl"] == list(line.good_wavelength.values)
    assert (cube.metadata["x start"], cube.metadata["y start"]) == ("6", "31")

    def same(image, band, variable):
        expected = window[variable].fillna(-9999).values
        np.testing.assert_array_equal(image.open_memmap(interleave="bip")[..., band], expected)

    np.testing.assert_array_equal(
        cube.open_memmap(interleave="bip"),
        window.Reflectance.transpose("y", "x", "wavelength").fillna(-9999),
    )
    for image, names in (
        (igm, ["Easting", "Northing", "Elevation"]),
        (loc, ["longitude", "latitude", "Elevation"]),
    ):
        for band, name in enumerate(names):
            same(image, band, name)
    for band, name in ((0, "path_length"), (4, "to_sun_zenith"), (9, "utc_time")):
        same(obs, band, name)
    assert obs.nbands == 11


def test_a_layer_that_a_line_does_not_have_keeps_its_place(line, tmp_path):
    *_, obs = line.drop_vars(["slope", "earth_sun_distance"]).swath.to_envi(tmp_path)
    values = open_envi(obs).data
    assert values.shape[1] == 10
    assert (values[:, 6] == -9999).all()
    np.testing.assert_array_equal(values[:, 9], line.utc_time.fillna(-9999))
    bare = line.drop_vars(
        [name for name in line.data_vars if line[name].attrs.get("units") == "degree"]
        + ["path_length", "cosine_i", "utc_time", "earth_sun_distance"]
    )
    assert len(bare.swath.to_envi(tmp_path / "bare")) == 3


def test_a_variable_that_is_no_cube_is_not_written(line, tmp_path):
    with pytest.raises(MapError, match="slope has no wavelengths"):
        line.swath.to_envi(tmp_path, variable="slope")
    for part, said in (
        (line.isel(y=slice(0, 0)), "has no pixels"),
        (line.drop_vars(["Elevation", "longitude"]), "has no Elevation, longitude"),
    ):
        with pytest.raises(MapError, match=said):
            part.swath.to_envi(tmp_path)
    with pytest.raises(MapError, match="is not a path of this machine"):
        line.swath.to_envi(Path("s3://bucket/line"))
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").touch()
    with pytest.raises(MapError, match="file is a file"):
        line.swath.to_envi(tmp_path / "file" / "line")
