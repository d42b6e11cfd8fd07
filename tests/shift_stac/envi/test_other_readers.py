"""Unambiguous headers that Spectral Python and GDAL read are read here in the same way."""

import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from spectral.io.envi import read_envi_header

from shift_stac.envi.header import parse_header, read_header
from shift_stac.envi.header_text import items
from shift_stac.errors import EnviError

LINES, SAMPLES, BANDS = 2, 3, 4
WAVELENGTHS = (400.5, 500.0, 600.25, 2500.0)
MINIMAL = f"""ENVI
samples = {SAMPLES}
lines = {LINES}
bands = {BANDS}
data type = 4
interleave = bil
header offset = 0
byte order = 0
"""
WAVELENGTH = "wavelength = {400.5, 500.0, 600.25, 2500.0}\n"


def written(folder: Path, content: bytes, size: int = 4 * LINES * SAMPLES * BANDS) -> Path:
    data = folder / "cube"
    data.write_bytes(np.arange(size // 4, dtype="<f4").tobytes())
    header = folder / "cube.hdr"
    header.write_bytes(content)
    return header


def by_spectral(header: Path) -> dict[str, object] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return read_envi_header(str(header))
        except Exception:  # noqa: BLE001 - whatever it raises, it does not read it
            return None


def by_gdal(header: Path) -> dict[str, object] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with rasterio.open(header.with_suffix("")) as raster:
                return {
                    "shape": (raster.height, raster.count, raster.width),
                    "type": raster.dtypes[0],
                }
        except rasterio.errors.RasterioError:
            return None


def check_alike(header: Path) -> None:
    """Our reader gives the same values as the others, as far as they read them."""
    ours, theirs, gdals = read_header(header), by_spectral(header), by_gdal(header)
    if theirs is not None:
        assert (ours.lines, ours.bands, ours.samples) == tuple(
            int(str(theirs[key])) for key in ("lines", "bands", "samples")
        )
        listed = theirs.get("wavelength")
        # Spectral Python keeps the empty entry behind a last comma.
        if isinstance(listed, list) and len(listed := [v for v in listed if v]) == ours.bands:
            assert [float(v) for v in items(ours.fields["wavelength"])] == [
                float(v) for v in listed
            ]
    if gdals is not None:
        assert (ours.lines, ours.bands, ours.samples) == gdals["shape"]
        assert ours.dtype.name == gdals["type"]


SPELLINGS = {
    "comma behind the last": "wavelength = {400.5, 500.0, 600.25, 2500.0, }\n",
    "comment inside the braces": "wavelength = {\n; centres\n400.5, 500.0,\n600.25, 2500.0}\n",
    "text behind the brace": "wavelength = {400.5, 500.0, 600.25, 2500.0 } ; nm\nfwhm = {5,5,5,5}\n",
    "a line without '='": "description = Reflectance of the line,\n  second line\n" + WAVELENGTH,
    "nested braces": "processing = { step {a}\n step {b}\n wavelength = {1}\n end }\n" + WAVELENGTH,
    "a brace too many": "processing = { step {a }\n" + WAVELENGTH,
    "byte 0x85": b"history = mosaic \x85 done\n" + WAVELENGTH.encode(),
    "UTF-8": "sensor operator = A. Ångström\nwavelength units = \N{MICRO SIGN}m\n"
    "wavelength = {.4005, .5, .60025, 2.5}\n",
    "square brackets": "wavelength = [ 400.5  500.0  600.25  2500.0 ]\n",
    "underscores": "wavelength_units = nm\n" + WAVELENGTH,
    "no value": "wavelength units =\nsensor type =\n" + WAVELENGTH,
    "a unit with its abbreviation": "wavelength units = Nanometers (nm)\n" + WAVELENGTH,
    "a unit in quotes": 'wavelength units = "Nanometers" ; of light\n' + WAVELENGTH,
    "lists without entries": "bbl = {}\nfwhm = { }\n" + WAVELENGTH,
    "no value for what is missing": "data ignore value =\n" + WAVELENGTH,
    "braces around a number": "data ignore value = { -9999 }\n" + WAVELENGTH,
    "the brace below its key": WAVELENGTH.replace("{", "\n {"),
    "units in brackets": "wavelength units = [nm].\n" + WAVELENGTH,
    "words for no value": "data ignore value = None\n" + WAVELENGTH,
    "bad bands of Python": "bbl = {True, False, True, True}\n" + WAVELENGTH,
    "numbers as floats": "byte order = 0.0\n" + WAVELENGTH,
    "carriage returns": WAVELENGTH.replace(", ", ",\r\n"),
}


def test_a_comment_that_holds_the_last_brace_closes_the_value(tmp_path):
    header = written(tmp_path, (MINIMAL + "description = {\n text\n; }\n" + WAVELENGTH).encode())
    assert read_header(header).wavelengths == WAVELENGTHS


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_spellings_of_the_world_are_read(tmp_path, spelling):
    extra = spelling if isinstance(spelling, bytes) else spelling.encode()
    header = written(tmp_path, MINIMAL.encode() + extra)
    check_alike(header)
    assert read_header(header).wavelengths == WAVELENGTHS
    assert by_gdal(header) is not None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("-1.#IND00", np.nan),
        ("1.#QNAN", np.nan),
        ("-nan(ind)", np.nan),
        ("1.#INF", np.inf),
        ("{-9999, -9999, -9999, -9999,}", -9999.0),
        # The lowest double is the lowest float once a cube is written as floats.
        ("-1.7976931348623157e+308", float(np.finfo("f4").min)),
        ("-3.4028235e+38", float(np.finfo("f4").min)),
    ],
)
def test_nodata_is_within_the_range_of_the_data_type(text, value):
    found = parse_header(f"{MINIMAL}data ignore value = {text}\n", name="some.hdr").nodata
    assert found == pytest.approx(value, nan_ok=True, rel=1e-12)
    with pytest.raises(EnviError, match="'data ignore value' is '-9999, 0', not a number"):
        parse_header(MINIMAL + "data ignore value = {-9999, 0}\n", name="some.hdr")


@pytest.mark.parametrize(
    ("unit", "listed", "widths", "expected"),
    [
        ("Wavenumber", "25000, 20000, 10000, 4000", "10, 10, 10, 4", ((400, 500, 1000, 2500), (0.16, 0.25, 1.0, 2.5))),
        ("GHz", "749481.145, 599584.916, 299792.458, 119916.9832", None, ((400, 500, 1000, 2500), None)),
        ("Meters", "4e-7, 5e-7, 1e-6, 2.5e-6", "5e-9,5e-9,5e-9,5e-9", ((400, 500, 1000, 2500), (5,) * 4)),
        ("nm", "4.0D2, 5.0d+2, 1000., 250000d-2", None, ((400, 500, 1000, 2500), None)),
        ("Angstroms", "4000, 5000, 10000, 25000", "50,50,50,50", ((400, 500, 1000, 2500), (5,) * 4)),
        # The width has a unit of its own.
        ("Micrometers", "0.400, 0.405, 0.410, 0.415", "5,5,5,5", ((400, 405, 410, 415), (5,) * 4)),
    ],
)  # fmt: skip
def test_units_in_the_header_are_converted(unit, listed, widths, expected):
    text = f"{MINIMAL}wavelength units = {unit}\nwavelength = {{{listed}}}\n"
    found = parse_header(text + (f"fwhm = {{{widths}}}" if widths else ""), name="some.hdr")
    assert found.wavelengths == pytest.approx(expected[0], rel=1e-8)
    assert found.fwhm == (expected[1] and pytest.approx(expected[1], rel=1e-5))


def test_widths_are_nanometres_if_wavelengths_are_in_band_names():
    names = "band names = {a (400 nm), b (405 nm), c (410 nm), d (415 nm)}\nfwhm = {5, 5, 5, 5}\n"
    assert parse_header(MINIMAL + names, name="some.hdr").fwhm == (5, 5, 5, 5)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("file compression = 1\n", "its data are compressed"),
        ("major frame offsets = {64, 0}\n", "'major frame offsets' is {64, 0}"),
        ("data ignore value = -9999\nno data value = 0\n", "remove the one that does not mark"),
        (WAVELENGTH + "fwhm = {5, 5, 5}\n", "'fwhm' has 3 entries for 4 bands"),
        (WAVELENGTH + "fwhm = {5, 5, 5, 0}\n", "a band has the fwhm 0"),
    ],
)
def test_headers_that_contradict_themselves_are_refused(rows, message):
    with pytest.raises(EnviError, match=rf"some\.hdr.*{message}"):
        parse_header(MINIMAL + rows, name="some.hdr")


def test_text_after_the_first_word_and_comments_are_ignored():
    text = MINIMAL.replace("ENVI\n", "ENVI Standard\n").replace("bil", "BIL ; by line")
    found = parse_header(text + "file compression = 0\nmajor frame offsets = {0, 0}\n", name="x")
    assert found.interleave == "bil"


def test_a_width_is_taken_in_the_unit_in_which_it_is_near_to_the_spacing():
    header = "band names = {0.4 um, 0.5 um, 0.6 um, 0.7 um}\nfwhm = {5.6, 5.6, 5.6, 5.6}\n"
    assert parse_header(MINIMAL + header, name="x").fwhm == (5.6,) * 4


def test_a_unit_that_is_not_of_light_is_a_fault_of_the_axis():
    found = parse_header(
        MINIMAL + "wavelength units = Index\nwavelength = {101, 102, 103, 104}\n", name="some.hdr"
    )
    assert found.wavelengths is None
    assert "some.hdr: the wavelengths' unit is 'Index'" in str(found.axis_fault)


word = st.text(st.sampled_from("ab =;,{}\u0085\u00e9\t."), max_size=12).map(
    lambda text: text.replace("{", "").replace("}", "")
)
space = st.sampled_from(["", " ", "  ", "\t"])
join = st.sampled_from([", ", ",", " , ", ",\n", ",\n; centres\n", ",\r\n "])


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """A sound header in one of the ways in which programs write it."""
    shape = {"samples": SAMPLES, "lines": LINES, "bands": BANDS, "data type": 4}
    rows = [f"{key}{draw(space)}={draw(space)}{value}" for key, value in shape.items()]
    rows += ["interleave = bil", "header offset = 0", "byte order = 0"]
    comma = draw(join)
    end = draw(st.sampled_from(["}", " }", ",}", "\n}", ", }"]))
    rows.append(f"wavelength = {{ {comma.join(map(str, WAVELENGTHS))}{end}")
    note = draw(word)
    extra = [f"description = {{ {note}\n {draw(word)} }}", f"; {note}", f"history = {note}", ""]
    rows += draw(st.lists(st.sampled_from(extra), max_size=3))
    end_of_line = draw(st.sampled_from(["\n", "\r\n"]))
    text = "ENVI\n" + "\n".join(draw(st.permutations(rows))) + "\n"
    return (
        text.replace("\r\n", "\n")
        .replace("\n", end_of_line)
        .encode(draw(st.sampled_from(["utf-8", "latin-1"])))
    )


@settings(deadline=None)
@given(headers())
def test_headers_as_programs_write_them_are_read_as_the_others_read_them(content):
    with tempfile.TemporaryDirectory() as folder:
        header = written(Path(folder), content)
        check_alike(header)
        assert read_header(header).wavelengths == WAVELENGTHS


@settings(deadline=None, max_examples=200)
@given(st.lists(st.sampled_from([*MINIMAL.splitlines(), WAVELENGTH, "{", "}", "=", ";", "1.#", ",", "nan", "-", "wavelength = {", "fwhm = {1,", "bbl ="])))  # fmt: skip
def test_any_header_gives_a_result_or_an_error_of_this_project(rows):
    try:
        parse_header("ENVI\n" + "\n".join(rows), name="some.hdr")
    except EnviError as error:
        assert "some.hdr" in str(error)  # noqa: PT017 - any other error fails the test


@pytest.mark.parametrize("generator", ["headers_and_values", "geometry", "more", "lookup_tables"])
def test_shared_cases_are_read_wherever_both_others_read_them(shared, tmp_path, generator):
    script = shared / "cases" / f"{generator}.py"
    if not script.exists():
        pytest.skip("the shared folder of cases is not here")
    subprocess.run([sys.executable, script, tmp_path], check=True, capture_output=True)
    refused = {}
    for header in sorted(tmp_path.rglob("*.hdr")):
        try:
            check_alike(header)
        except EnviError as error:
            refused[header] = str(error)
    for header, message in refused.items():
        assert str(header) in message
        # GDAL unpacks what is compressed, and Spectral Python takes it for pixels.
        is_no_plain_block = "compressed" in message or "frames" in message
        contradicts_itself = "entries for" in message or is_no_plain_block
        assert contradicts_itself or by_spectral(header) is None or by_gdal(header) is None, message
