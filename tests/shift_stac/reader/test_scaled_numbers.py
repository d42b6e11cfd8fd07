"""Every way to the values of a cube of whole numbers gives its physical values, as xarray decodes them."""

import numpy as np
import pytest
import rasterio
import shapely
import xarray as xr
from pyproj import Transformer

import shift_stac
from shift_stac.archive.search_pages import refresh_search_pages
from shift_stac.campaigns import load_campaign
from shift_stac.envi.image import open_envi
from shift_stac.pictures.colour import read_colour
from shift_stac.sources import Product
from shift_stac.stac.hrefs import Hrefs
from shift_stac.storage.address import open_storage
from support.archive import publish_sources
from support.sources import small_line, source_product, write_envi

LINES, SAMPLES, BANDS = 12, 10, 6
NM = np.linspace(450, 2450, BANDS)
SPECTRAL = {"wavelength": NM.tolist(), "wavelength units": "Nanometers", "data ignore value": -9999}
# Gain and offset of a radiance, and the factor by which a reflectance was multiplied: the first is read as
# float64, the second as float32.
FIELDS = {
    "Radiance": {"data gain values": [0.003] * BANDS, "data offset values": [-0.7] * BANDS},
    "Reflectance": {"reflectance scale factor": 10000},
}
FACTORS = {"Radiance": (0.003, -0.7), "Reflectance": (1e-4, 0.0)}
EVERYTHING = {"bands": NM.tolist(), "mask_bad_bands": False}


@pytest.fixture(scope="module")
def scaled(tmp_path_factory):
    """A published line of whole numbers: its archive, its store, and its numbers."""
    root = tmp_path_factory.mktemp("scaled")
    plain = small_line(root, lines=LINES, samples=SAMPLES)
    random, numbers, pairs = np.random.default_rng(0), {}, []
    for name, product in (("Radiance", Product.RADIANCE), ("Reflectance", Product.REFLECTANCE)):
        # Pixels that are alike where they are neighbours, as those of a scene.
        base = 1000 + 20 * np.arange(LINES)[:, None, None] + 300 * np.arange(BANDS)[None, :, None]
        data = (base + random.integers(0, 9, (LINES, BANDS, SAMPLES))).astype("<i2")
        data[3, 2, 4] = -9999
        numbers[name] = data
        path = write_envi(root / name, data, **(SPECTRAL | FIELDS[name]))
        pairs.append(source_product(product, path))
    sources = plain.model_copy(update={"products": (*pairs, plain.products[2])})
    storage, campaign = open_storage(str(root / "archive")), load_campaign()
    hrefs = Hrefs.of(storage)
    summary = publish_sources(storage, sources, root, campaign, hrefs)
    refresh_search_pages(storage, campaign, hrefs, lines=[sources.line])
    return root / "archive", root / f"{sources.line}.zarr", numbers, summary


@pytest.fixture(params=["Radiance", "Reflectance"])
def cube(scaled, request):
    """The name of a cube, the opened line, and what xarray decodes, shaped (wavelength, y, x)."""
    _, store, numbers, _ = scaled
    name = request.param
    decoded = xr.open_zarr(store)[name].load()
    factor, offset = FACTORS[name]
    physical = np.where(numbers[name] == -9999, np.nan, numbers[name] * factor + offset)
    np.testing.assert_allclose(decoded, physical.transpose(1, 0, 2), rtol=1e-6)
    return name, shift_stac.open_flightline(store), decoded.values


def area_of(line):
    """A polygon around some pixels, degrees, and which pixels these are."""
    y, x = slice(2, 7), slice(3, 9)
    east, north = (line[name].values[y, x] for name in ("Easting", "Northing"))
    box = shapely.box(east.min() - 2, north.min() - 2, east.max() + 2, north.max() + 2)
    turn = Transformer.from_crs(line.swath.crs, "EPSG:4326", always_xy=True)
    return shapely.transform(box, turn.transform, interleaved=False), (slice(None), y, x)


def test_the_opened_line_its_windows_and_its_spectra(cube):
    name, line, decoded = cube
    np.testing.assert_array_equal(line[name], decoded)
    assert line[name].dtype == decoded.dtype
    area, _ = area_of(line)
    part = line.swath.window(area.bounds)
    np.testing.assert_array_equal(part[name], decoded[:, part["y"], :][:, :, part["x"]])
    at = float(line["longitude"][3, 4]), float(line["latitude"][3, 4])
    spectrum = line.swath.spectrum(*at, variable=name, mask_bad_bands=False)
    np.testing.assert_array_equal(spectrum, decoded[:, 3, 4])
    spectra = line.swath.spectra([at], variable=name, mask_bad_bands=False)
    found = spectra if isinstance(spectra, xr.DataArray) else spectra[name]
    np.testing.assert_array_equal(np.squeeze(found), decoded[:, 3, 4])


def test_maps_and_geotiffs(cube, tmp_path):
    name, line, decoded = cube
    made = line.swath.orthorectify(variable=name, **EVERYTHING)
    rows, columns = (np.abs(line[layer].values) for layer in ("glt_line", "glt_sample"))
    expected = np.where(rows == 0, np.nan, decoded[:, rows - 1, columns - 1])
    np.testing.assert_array_equal(made, expected)
    assert made.dtype == decoded.dtype
    shift_stac.write_geotiff(made, tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as opened:
        np.testing.assert_array_equal(opened.read(), made)
        assert set(opened.scales) == {1.0}
        assert set(opened.offsets) == {0.0}
    averaged = line.swath.orthorectify(
        variable=name, resolution=10.0, resampling="average", **EVERYTHING
    )
    assert np.nanmin(decoded) <= np.nanmin(averaged) <= np.nanmax(averaged) <= np.nanmax(decoded)


def test_polygons_and_tables(scaled, cube):
    name, line, decoded = cube
    area, where = area_of(line)
    values = decoded[where].reshape(BANDS, -1).astype(float)
    found = line.swath.polygon(area, variable=name, mask_bad_bands=False)
    np.testing.assert_array_equal(found["count"], np.isfinite(values).sum(axis=1))
    np.testing.assert_allclose(found["mean"], np.nanmean(values, axis=1), rtol=1e-12)
    np.testing.assert_allclose(found["std"], np.nanstd(values, axis=1), rtol=1e-9)
    archive = shift_stac.open_archive(scaled[0])
    asked = {"variable": name, "also": (), "mask_bad_bands": False}
    zonal = archive.zonal([area], **asked)
    np.testing.assert_array_equal(zonal["mean"], found["mean"])
    np.testing.assert_array_equal(zonal["count"], found["count"])
    pixels = archive.pixels([area], **asked)
    value = pixels[pixels.columns.intersection(["value", name])[0]]
    expected = decoded[pixels["wavelength"].map({w: i for i, w in enumerate(NM)}), pixels["y"], pixels["x"]]  # fmt: skip
    np.testing.assert_array_equal(value, expected)
    assert len(pixels) == values.size


def test_a_cube_of_days(scaled, cube):
    name, line, decoded = cube
    made = shift_stac.open_archive(scaled[0]).cube(
        geometry=shapely.box(*line.swath.orthorectify(variable=name, bands=[450], crs="EPSG:4326", mask_bad_bands=False).rio.bounds()),
        crs=line.swath.crs, variable=name, **EVERYTHING,
    )  # fmt: skip
    shown = made[name].isel(time=0)
    values = shown.values[np.isfinite(shown.values)]
    # A cube of days is of float32.
    assert np.isin(values, decoded.astype("f4")).all()
    assert values.size > 0.8 * decoded.size


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_envi_files_and_gdals_geolocation(cube, tmp_path):
    name, line, decoded = cube
    line.swath.to_envi(tmp_path, variable=name)
    (path,) = (p for p in tmp_path.iterdir() if p.name.endswith(("_rdn", "_rfl")))
    image = open_envi(path)
    written = image.data.transpose(1, 0, 2)
    assert written.dtype == decoded.dtype
    assert (image.header.scale_factor, image.header.add_offset) == (1.0, 0.0)
    np.testing.assert_array_equal(
        np.where(written == image.header.nodata, np.nan, written), decoded
    )
    shift_stac.write_geolocation_vrt(line.encoding["source"], tmp_path / "line.vrt", variable=name)
    with rasterio.open(tmp_path / "line.vrt") as opened:
        scaled = opened.read(masked=True).astype(float) * opened.scales[0] + opened.offsets[0]
    np.testing.assert_allclose(scaled.filled(np.nan), decoded, rtol=1e-6)


def test_pictures(scaled):
    _, store, numbers, summary = scaled
    colour = read_colour(store, summary, (650, 850, 450))
    expected = numbers["Reflectance"].astype(float) / 10000
    assert np.nanmax(colour.values) == pytest.approx(expected[:, [0, 1]].max(), rel=1e-5)
