import pytest

from shift_stac.envi.header import parse_header
from shift_stac.errors import EnviError
from shift_stac.sources import Product
from shift_stac.swath.header_check import check_line_headers
from shift_stac.swath.spectral import nearest_band, shared_axis

WINDOWS = [(400.0, 600.0)]


def cube(name: str, wavelengths: list[float] | None, extra: str = ""):
    bands = len(wavelengths or [1, 2, 3])
    listed = f"wavelength = {{{','.join(map(str, wavelengths))}}}\n" if wavelengths else ""
    return parse_header(
        f"ENVI\nsamples=1\nlines=1\nbands={bands}\ndata type=4\ninterleave=bil\n{listed}{extra}",
        name=name,
    )


def test_wavelengths_that_differ_by_rounding_share_the_first_ones():
    axis = shared_axis([cube("rdn", [377.071821, 500.0]), cube("rfl", [377.07, 500.04])], WINDOWS)
    assert axis.wavelengths == (377.071821, 500.0)


def test_really_different_wavelengths_are_an_error_with_both_values():
    with pytest.raises(EnviError, match=r"band 2 is at 500.0 nm in rdn and at 500.1 nm in rfl"):
        shared_axis([cube("rdn", [400, 500]), cube("rfl", [400, 500.1])], WINDOWS)


def test_another_number_of_bands_is_an_error():
    with pytest.raises(EnviError, match="rdn has 2 bands and rfl has 3"):
        shared_axis([cube("rdn", [400, 500]), cube("rfl", [400, 500, 600])], WINDOWS)


def test_a_cube_without_wavelengths_is_an_error():
    with pytest.raises(EnviError, match="rdn names no wavelengths"):
        shared_axis([cube("rdn", None)], WINDOWS)


def test_two_bands_at_one_wavelength_are_an_error():
    with pytest.raises(EnviError, match="same wavelength"):
        shared_axis([cube("rdn", [400, 400])], WINDOWS)


def test_the_bad_band_list_is_the_headers_else_the_windows():
    rdn, rfl = cube("rdn", [390, 500, 700]), cube("rfl", [390, 500, 700], "bbl = {1, 0, 1}")
    assert shared_axis([rdn, rfl], WINDOWS).good == (True, False, True)
    assert shared_axis([rdn], WINDOWS).good == (False, True, False)


def test_the_nearest_band_is_a_good_one_if_there_is_any():
    assert nearest_band((400, 500, 600), 490, (True, True, True)) == 1
    assert nearest_band((400, 500, 600), 490, (True, False, True)) == 0
    assert nearest_band((400, 500, 600), 490, (False, False, False)) == 1


def test_bad_bands_of_the_campaign_are_counted_from_one_and_are_there():
    rdn = cube("rdn", [400, 500, 600])
    assert shared_axis([rdn], [(400, 600)], [(1, 1), (3, 3)]).good == (False, True, False)
    with pytest.raises(EnviError, match=r"rdn.* has 3 bands, .*spectral\.bad_bands.* band 4"):
        check_line_headers({Product.RADIANCE: rdn}, None, [(2, 4)])
