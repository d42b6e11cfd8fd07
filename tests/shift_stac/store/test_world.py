"""Lines in the forms of other instruments and programs: the store has their physical values."""

import numpy as np
import pytest
import xarray as xr
import zarr
from pyproj import CRS

import shift_stac
from shift_stac.campaigns import load_campaign
from shift_stac.crs import WGS84, transformer
from shift_stac.envi.header import read_header
from shift_stac.envi.line_headers import check_headers, scale_note
from shift_stac.errors import EnviError
from shift_stac.pictures.colour import read_colour
from shift_stac.sources import Product, SourceLine, Untold
from shift_stac.store.conversion import convert_line
from shift_stac.validation.result import Expectations
from shift_stac.validation.store_check import validate_store
from support.sources import small_line, source_product, write_envi

NM = np.linspace(450, 2450, 6)
UNITS = {"wavelength": NM.tolist(), "wavelength units": "Nanometers"}


def line_of(folder, data: np.ndarray, **fields: object) -> SourceLine:
    """A small line with another reflectance."""
    lines, _, samples = data.shape
    plain = small_line(folder, lines=lines, samples=samples)
    path = write_envi(folder / "rfl", data, **(UNITS | fields))
    pairs = (source_product(Product.REFLECTANCE, path), *plain.products[::2])
    return plain.model_copy(update={"products": pairs})


def stored(folder, sources: SourceLine):
    store = folder / "line.zarr"
    summary = convert_line(sources, store, load_campaign())
    validation = validate_store(store, Expectations.of_summary(summary), sources=sources)
    assert validation.passed, validation.sentence
    return store, summary, validation


@pytest.mark.parametrize(
    ("fields", "factor", "offset"),
    [
        ({"reflectance scale factor": 10000}, 1e-4, 0.0),
        ({"data gain values": [0.0001] * 6, "data offset values": [0.0] * 6}, 1e-4, 0.0),
        ({"data gain values": [0.0002] * 6, "data offset values": [-0.1] * 6}, 2e-4, -0.1),
    ],
)
def test_scaled_numbers_keep_their_bits_and_open_as_physical_values(
    tmp_path, fields, factor, offset
):
    numbers = np.random.default_rng(0).integers(500, 5000, (5, 6, 7)).astype("<i2")
    numbers[0, :, 0] = -9999
    sources = line_of(tmp_path, numbers, **fields, **{"data ignore value": -9999})
    store, summary, validation = stored(tmp_path, sources)
    raw = xr.open_zarr(store, mask_and_scale=False, consolidated=True)["Reflectance"]
    assert raw.dtype == np.int16
    np.testing.assert_array_equal(raw.transpose("y", "wavelength", "x"), numbers)
    expected = np.where(numbers == -9999, np.nan, numbers * factor + offset)
    swath = shift_stac.open_flightline(store)
    found = swath["Reflectance"].transpose("y", "wavelength", "x")
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-9)
    colour = read_colour(store, summary, (650, 850, 450))
    assert np.nanmax(colour.values) == pytest.approx(np.nanmax(expected[:, [0, 1]]), rel=1e-5)
    described = next(v for v in summary.variables if v.name == "Reflectance")
    assert (described.scale_factor, described.add_offset) == (factor, offset)
    assert not [text for text in validation.warnings if text.startswith("Reflectance")]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"data gain values": [1, 1, 1, 1, 1, 2]}, "'data gain values' differs from band to band"),
        ({"reflectance scale factor": 0}, "which loses all values"),
        ({"reflectance scale factor": -1}, "which loses all values"),
        ({"reflectance scale factor": 10, "data gain values": [2] * 6}, "remove the wrong one"),
        ({"data scale factor": 10000}, "'data scale factor' is 10000, .* in the campaign file"),
        ({"wavelength units": "Index"}, "'Index'"),
        ({"wavelength": [450, 500, 600, 590, 700, 800]}, "fall back"),
        ({"wavelength": [450, 500, 600, 600, 700, 800]}, "have the same wavelength"),
        ({"wavelength units": "Micrometers"}, "not wavelengths of light"),
    ],
)
def test_values_that_no_store_can_express_are_refused_by_the_header(tmp_path, fields, message):
    sources = line_of(tmp_path, np.ones((5, 6, 7), "<f4"), **fields)
    with pytest.raises(EnviError, match=rf"rfl\.hdr.*{message}"):
        convert_line(sources, tmp_path / "line.zarr", load_campaign())


def test_bands_of_falling_wavelengths_are_turned_round(tmp_path):
    data = np.random.default_rng(0).random((5, 6, 7)).astype("<f4")
    turned = {
        "wavelength": NM[::-1].tolist(),
        "fwhm": [6, 5, 4, 3, 2, 1],
        "bbl": [0, 1, 1, 1, 1, 1],
    }
    store, summary, _ = stored(tmp_path, line_of(tmp_path, data, **turned))
    swath = shift_stac.open_flightline(store)
    np.testing.assert_array_equal(swath["wavelength"], NM)
    np.testing.assert_array_equal(
        swath["Reflectance"].transpose("y", "wavelength", "x"), data[:, ::-1]
    )
    assert swath["fwhm"].values.tolist() == [1, 2, 3, 4, 5, 6]
    assert summary.good_bands == (True,) * 5 + (False,)


@pytest.mark.parametrize(
    ("description", "unit"), [("{W m-2 um-1 sr-1}", "W m-2 um-1 sr-1"), ("{rdn}", "pW")]
)
def test_the_unit_of_radiance_is_the_headers_else_the_campaigns(tmp_path, description, unit):
    sources = small_line(tmp_path)
    header = sources.get(Product.RADIANCE).header.path
    header.write_text(header.read_text() + f"description = {description}\n")
    campaign = load_campaign()
    spectral = campaign.spectral.model_copy(update={"radiance_unit": "pW"})
    store = tmp_path / "line.zarr"
    convert_line(sources, store, campaign.model_copy(update={"spectral": spectral}))
    assert shift_stac.open_flightline(store)["Radiance"].attrs["units"] == unit


@pytest.mark.parametrize("held", [-0.01, 0.5, None])
def test_the_comment_tells_of_bad_bands_only_what_they_hold(tmp_path, held):
    data = np.random.default_rng(0).random((5, 6, 7)).astype("<f4")
    if held is not None:
        data[:, 2] = held
        data[1, 2, 3] = -9999
    store, _, _ = stored(tmp_path, line_of(tmp_path, data, bbl=[1, 1, 0, 1, 1, 1]))
    comment = shift_stac.open_flightline(store)["Reflectance"].attrs["comment"]
    assert ("bad" in comment or "not good" in comment) == (held is not None)
    assert (f"has {held:g} in bands" in comment) if held is not None else True


def test_the_comment_on_bad_bands_is_of_all_scan_lines(tmp_path):
    data = np.random.default_rng(0).random((101, 6, 7)).astype("<f4")
    bad = {"bbl": [0, 1, 0, 0, 1, 1]}
    data[:, [0, 2, 3]] = -0.01
    for name, value in (("same", -0.01), ("other", 0.2)):
        data[50, 3, 6] = value
        store, _, _ = stored(tmp_path / name, line_of(tmp_path / name, data, **bad))
        comment = shift_stac.open_flightline(store)["Reflectance"].attrs["comment"]
        assert ("has -0.01 in bands" in comment) == (name == "same")


def test_the_lowest_double_of_a_header_is_missing_in_floats(tmp_path):
    data = np.full((5, 6, 7), 0.25, "<f4")
    data[2] = np.finfo("f4").min
    sources = line_of(tmp_path, data, **{"data ignore value": "-1.7976931348623157e+308"})
    swath = shift_stac.open_flightline(stored(tmp_path, sources)[0])
    assert np.isnan(swath["Reflectance"].isel(y=2)).all()
    assert float(swath["Reflectance"].mean()) == 0.25


@pytest.mark.parametrize("damage", ["a web page", "a scan line short", "cut", "ten bands", "GLT"])
def test_a_damaged_optional_file_is_left_out_and_noted(tmp_path, damage):
    plain = small_line(tmp_path)
    shape = {"a scan line short": (4, 11, 7), "ten bands": (5, 10, 7)}.get(damage, (5, 11, 7))
    product = Product.GLT if damage == "GLT" else Product.OBS
    path = write_envi(tmp_path / "extra", np.ones(shape, "<f8"))
    if damage == "a web page":
        path.with_name("extra.hdr").write_text("<html>not here</html>")
    elif damage == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    elif damage == "GLT":
        write_envi(path, np.ones((3, 2, 3), "<i4"), **{"map info": "{UTM, 1, 1, 0, 0, 5, 5, 10, North, WGS-84, rotation=inf}"})  # fmt: skip
    pair = source_product(product, path)
    required = plain.model_copy(update={"products": (*plain.products, pair)})
    with pytest.raises(EnviError, match="extra"):
        convert_line(required, tmp_path / "line.zarr", load_campaign())
    optional = pair.model_copy(update={"is_optional": True})
    sources = plain.model_copy(update={"products": (*plain.products, optional)})
    store, summary, _ = stored(tmp_path, sources)
    assert summary.observation is None
    assert "to_sun_zenith" not in shift_stac.open_flightline(store)
    (note,) = summary.all_notes
    assert "left out" in note
    assert "extra" in note
    assert str(tmp_path) not in note


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: np.where(np.arange(5)[:, None, None] == 0, -0.99, data), "below zero"),
        (lambda data: np.where(np.arange(5)[:, None, None] == 0, 0.0, data), "exactly zero"),
        (lambda data: data * 100, "percent"),
        (
            lambda data: np.where(np.arange(5)[:, None, None] == 0, 65535.0, data),
            "20.0% of the values are above 100",
        ),
        (lambda data: np.where(np.arange(5)[:, None, None] == 0, 1e30, data), "fill value"),
        (lambda data: data / 10_000, "the numbers may already be scaled"),
    ],
)
def test_odd_values_are_noted_and_pass(tmp_path, change, message):
    data = 0.3 + 0.01 * np.random.default_rng(0).random((5, 6, 7))
    _, _, validation = stored(tmp_path, line_of(tmp_path, change(data).astype("<f4")))
    (warning,) = (text for text in validation.warnings if text.startswith("Reflectance"))
    assert message in warning
    assert warning in validation.figures()["warnings"]
    assert warning in validation.sentence


SMOOTH = 1000 + 37 * np.add.outer(np.arange(9), np.add.outer(np.arange(6), np.arange(7)))


def test_every_infinite_value_of_a_cube_is_counted(tmp_path):
    data = 0.3 + 0.01 * np.random.default_rng(0).random((90, 6, 7)).astype("<f4")
    data[40, 3, 2] = data[41, 0, 0] = -np.inf
    data[3, 1] = np.nan
    data[5] = -9999
    sources = line_of(tmp_path, data, **{"data ignore value": -9999})
    notes = " ".join(stored(tmp_path, sources)[1].notes)
    assert "2 of 3780 values of the reflectance are infinite" in notes
    assert "7 of 3780 values of the reflectance are NaN" in notes


@pytest.mark.parametrize("dtype", ["<f4", "<i2"])
def test_numbers_of_another_byte_order_are_no_reflectance(tmp_path, dtype):
    data = SMOOTH.astype(dtype)
    fields = {"reflectance scale factor": 10000}
    store, summary, _ = stored(tmp_path, line_of(tmp_path, data, **fields))
    # A store of an earlier version, which did not look at the source.
    array = zarr.open_array(store / "Reflectance", mode="r+")
    array[:] = array[:].byteswap()
    validation = validate_store(store, Expectations.of_summary(summary))
    assert not validation.passed
    assert "byte order" in validation.sentence
    sources = line_of(tmp_path, data.byteswap(), **fields)
    with pytest.raises(EnviError, match=r"rfl\.hdr.*byte order"):
        convert_line(sources, store, load_campaign())
    assert (store / "zarr.json").exists()


def test_whole_numbers_of_which_nobody_tells_a_scale_are_noted(tmp_path):
    numbers = np.random.default_rng(0).integers(500, 5000, (5, 6, 7)).astype("<i2")
    _, summary, validation = stored(tmp_path, line_of(tmp_path, numbers))
    assert "the reflectance is of whole numbers" in " ".join(summary.notes)
    header = read_header(line_of(tmp_path, numbers).get(Product.REFLECTANCE).header.path)
    assert "the radiance is of whole numbers" in scale_note(Product.RADIANCE, header)
    assert scale_note(Product.IGM, header) is None
    assert "have a scale that the header does not give" in " ".join(validation.warnings)


def test_nodata_that_the_type_does_not_have_is_the_campaigns_or_refused(tmp_path):
    data = np.ones((5, 6, 7), "<u2")
    sources = line_of(tmp_path, data, **{"data ignore value": -9999})
    with pytest.raises(
        EnviError, match=r"rfl\.hdr .* cannot represent -9999 .* in the campaign file"
    ):
        convert_line(sources, tmp_path / "line.zarr", load_campaign())
    header = sources.get(Product.REFLECTANCE).header.path
    assert read_header(header, Untold(nodata=0)).nodata == 0


@pytest.mark.parametrize(
    "row",
    ["reflectance scale factor = 10", "data gain values = {2, 2, 2}", "data offset values = 5"],
)
def test_geometry_in_other_numbers_than_physical_ones_is_refused_by_its_header(tmp_path, row):
    sources = line_of(tmp_path, np.ones((5, 6, 7), "<f4"))
    header = sources.get(Product.IGM).header.path
    header.write_text(f"{header.read_text()}{row}\n")
    with pytest.raises(EnviError, match=rf"igm\.hdr: '{row.split(' =')[0]}' .* only cubes"):
        convert_line(sources, tmp_path / "line.zarr", load_campaign())


def test_a_crs_without_a_code_goes_through_store_map_and_reader(tmp_path):
    own = CRS("+proj=tmerc +lon_0=-117 +k=0.9999 +x_0=700000 +datum=WGS84 +units=m")
    sources = line_of(tmp_path, np.ones((5, 6, 7), "<f4"))
    header = sources.get(Product.IGM).header.path
    text = header.read_text().replace("UTM zone 10 North", "own grid")
    told = own.to_wkt("WKT1_ESRI")
    header.write_text(f"{text}coordinate system string = {{{told}}}\n")
    store, summary, _ = stored(tmp_path, sources)
    line = shift_stac.open_flightline(store)
    picture = line.swath.orthorectify(bands=[650])
    assert CRS(summary.map.crs) == line.swath.crs == CRS(picture.rio.crs)
    pixel = line.isel(y=2, x=3)
    place = float(pixel["longitude"]), float(pixel["latitude"])
    expected = float(pixel["Easting"]), float(pixel["Northing"])
    assert transformer(WGS84, own).transform(*place) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    ("product", "fields", "words"),
    [
        (Product.REFLECTANCE, {"data units": "Percent"}, "its unit is 'Percent'"),
        (Product.REFLECTANCE, {"units": "%"}, "its unit is '%'"),
        (Product.RADIANCE, {"reflectance scale factor": 10000}, "it is a radiance"),
    ],
)
def test_a_unit_or_a_scale_of_another_product_is_refused(tmp_path, product, fields, words):
    data = np.full((5, 6, 7), 20, "<f4")
    header = read_header(line_of(tmp_path, data, **fields).get(Product.REFLECTANCE).header.path)
    with pytest.raises(EnviError, match=words):
        check_headers({product: header})
    scaled = {"data units": "Percent", "data gain values": [0.01] * 6}
    header = read_header(line_of(tmp_path, data, **scaled).get(Product.REFLECTANCE).header.path)
    check_headers({Product.REFLECTANCE: header})


def test_widths_have_their_own_unit(tmp_path):
    data = np.full((5, 6, 7), 0.2, "<f4")
    widths = {"fwhm": [56.0] * 6, "fwhm units": "Angstroms"}
    header = line_of(tmp_path, data, **widths).get(Product.REFLECTANCE).header.path
    assert read_header(header).fwhm == (5.6,) * 6
    other = line_of(tmp_path, data, **(widths | {"fwhm units": "bands"}))
    with pytest.raises(EnviError, match="'fwhm units' is 'bands'"):
        read_header(other.get(Product.REFLECTANCE).header.path)
