import mmap
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shift_stac.envi.header import parse_header, read_header
from shift_stac.envi.image import open_envi
from shift_stac.errors import EnviError
from shift_stac.sources import Untold
from shift_stac.swath.obs_bands import known_bands
from support.sources import write_envi

MINIMAL = """ENVI
samples = 3
lines = 2
bands = 4
data type = 4
interleave = bil
"""


def header(extra: str = "", text: str = MINIMAL):
    return parse_header(text + extra, name="some.hdr")


@given(
    interleave=st.sampled_from(["bil", "bip", "bsq"]),
    dtype=st.sampled_from(["<f4", ">f4", "<f8", ">f8", "<i4", ">i2", "<u2"]),
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    offset=st.sampled_from([0, 1, 512]),
)
def test_every_layout_reads_as_lines_bands_samples(interleave, dtype, shape, offset):
    data = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    with tempfile.TemporaryDirectory() as folder:
        path = write_envi(Path(folder) / "cube", data, interleave, **{"header offset": offset})
        image = open_envi(path)
        assert image.data.shape == shape
        assert image.data.dtype == np.dtype(dtype)
        np.testing.assert_array_equal(image.data, data)


def test_data_are_mapped_and_read_only(tmp_path):
    image = open_envi(write_envi(tmp_path / "cube", np.zeros((2, 3, 4), "<f4")))
    base = image.data
    while isinstance(base, np.ndarray):
        base = base.base
    assert isinstance(base, mmap.mmap)
    with pytest.raises(ValueError, match="read-only"):
        image.data[0, 0, 0] = 1


@pytest.mark.parametrize("change", [-1, 1])
def test_a_header_that_contradicts_its_file_is_refused_with_both_figures(tmp_path, change):
    path = write_envi(tmp_path / "cube", np.zeros((2, 3, 4), "<f4"))
    path.write_bytes(b"\0" * (96 + change))
    with pytest.raises(EnviError, match=rf"cube has {96 + change} bytes.*implies 96"):
        open_envi(path)


def test_a_missing_data_file_is_named(tmp_path):
    path = write_envi(tmp_path / "cube", np.zeros((2, 3, 4), "<f4"))
    path.unlink()
    with pytest.raises(EnviError, match="cube does not exist"):
        open_envi(path)


def test_a_missing_header_is_named(tmp_path):
    with pytest.raises(EnviError, match=r"absent\.hdr cannot be read"):
        read_header(tmp_path / "absent.hdr")


@pytest.mark.parametrize("unit", ["Micrometers", "um", "µm", "Unknown", ""])
def test_micrometres_become_nanometres(unit):
    parsed = header(
        f"wavelength units = {unit}\nwavelength = {{0.4, 0.5, 0.6, 2.5}}\nfwhm = {{.005,.005,.005,.006}}"
    )
    assert parsed.wavelengths == (400, 500, 600, 2500)
    assert parsed.fwhm == (5, 5, 5, 6)


@pytest.mark.parametrize("unit", ["Nanometers", "nm", "Unknown", ""])
def test_nanometres_stay(unit):
    parsed = header(f"wavelength units = {unit}\nwavelength = {{377.07, 500, 600, 2500}}")
    assert parsed.wavelengths == (377.07, 500, 600, 2500)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (
            "Band 1 (400.5 nm), Band 2 (500 nm), Band 3 (600 nm), Band 4 (700 nm)",
            (400.5, 500, 600, 700),
        ),
        (
            "0.4 Micrometers, 0.5 Micrometers, 0.6 Micrometers, 0.7 Micrometers",
            (400, 500, 600, 700),
        ),
        ("400.1, 405.1, 410.1, 415.1", (400.1, 405.1, 410.1, 415.1)),
        ("Band 1, Band 2, Band 3, Band 4", None),
        ("1, 2, 3, 4", None),
        ("Easting (m), Northing (m), Elevation (m), x", None),
    ],
)
def test_wavelengths_that_stand_only_in_band_names(names, expected):
    assert header(f"band names = {{{names}}}").wavelengths == expected


def test_a_geometry_file_that_carries_the_radiances_list_has_no_wavelengths():
    parsed = header(
        "band names = {a, b, c, d}\nwavelength = {400, 500, 600, 700, 800}\nfwhm = {5,5,5,5,5}"
    )
    assert parsed.wavelengths is None
    assert parsed.fwhm is None


@pytest.mark.parametrize("key", ["data ignore value", "no data value"])
def test_both_spellings_of_nodata(key):
    assert header(f"{key} = -9999").nodata == -9999


def test_bad_band_list():
    assert header("bbl = { 0 , 1 , 1.0 , 0.0 }").good_bands == (False, True, True, False)


def test_values_span_lines_and_keys_are_case_blind():
    parsed = header(
        "Description = {\n two\n lines = here}\n; a comment\nBAND  NAMES = {a,\n b,\n c, d}"
    )
    assert parsed.description == "two\n lines = here"
    assert parsed.band_names == ("a", "b", "c", "d")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no header", "first line is not 'ENVI'"),
        ("", "first line is not 'ENVI'"),
        (MINIMAL.replace("samples = 3\n", ""), "lacks the entry 'samples'"),
        (MINIMAL.replace("lines = 2", "lines = two"), "'lines' is 'two'"),
        (MINIMAL.replace("lines = 2", "lines = -2"), "'lines' is '-2'"),
        (MINIMAL.replace("bands = 4", "bands = 0"), "'bands' is 0"),
        (MINIMAL.replace("type = 4", "type = 7"), "data type 7"),
        (MINIMAL.replace("bil", "bob"), "interleave 'bob'"),
        (MINIMAL + "byte order = 2", "byte order 2"),
        (MINIMAL + "wavelength = {400, 500}", "'wavelength' has 2 entries for 4 bands"),
        (MINIMAL + "wavelength = {400, 500, x, 700}", "not a number"),
        (MINIMAL + "wavelength = {400, 500, nan, 700}", "not finite"),
        (MINIMAL + "bbl = {1, 1}", "'bbl' has 2 entries for 4 bands"),
        (MINIMAL + "wavelength = {400, 500,", "no closing brace"),
        (MINIMAL + "data ignore value = some", "not a number"),
    ],
)
def test_damaged_headers_are_refused_by_name_and_reason(text, message):
    with pytest.raises(EnviError, match=r"some\.hdr") as error:
        header(text=text)
    assert message in str(error.value)


def test_the_real_full_size_header(shared):
    (path,) = (shared / "samples/headers").glob("*.hdr")
    real = read_header(path)
    assert (real.samples, real.lines, real.bands) == (598, 14397, 425)
    assert real.dtype == np.dtype("<f4")
    assert real.interleave == "bil"
    assert real.wavelengths is not None
    assert real.wavelengths[0] == 377.071821
    assert real.nodata is None
    assert real.good_bands is None


@pytest.mark.parametrize("key", ["data ignore value", "no data value"])
def test_values_of_the_campaign_are_used_if_the_header_has_none(tmp_path, key):
    untold = Untold(nodata=-50, scale=1e-4, offset=2.0, bands=("slope", "", "aspect"))
    data = np.zeros((2, 3, 4), "<i2")
    silent = open_envi(write_envi(tmp_path / "silent", data), untold=untold).header
    assert (silent.nodata, silent.scale_factor, silent.add_offset) == (-50, 1e-4, 2.0)
    assert known_bands(silent) == {"slope": 0, "aspect": 2}
    words = {key: -9, "reflectance scale factor": 100, "band names": ["x", "Aspect", "UTC Time"]}
    telling = open_envi(write_envi(tmp_path / "telling", data, **words), untold=untold).header
    assert (telling.nodata, telling.scale_factor, telling.add_offset) == (-9, 0.01, 0.0)
    assert known_bands(telling) == {"aspect": 1, "utc_time": 2}
