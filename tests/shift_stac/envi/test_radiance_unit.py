import pytest

from shift_stac.envi.header import parse_header
from shift_stac.envi.radiance_unit import radiance_unit

MINIMAL = "ENVI\nsamples = 1\nlines = 1\nbands = 1\ndata type = 4\ninterleave = bil\n"


@pytest.mark.parametrize(
    ("row", "unit"),
    [
        (
            "description = {\n  AVIRIS-NG Measured Radiances in uW nm-1 cm-2 sr-1}",
            "uW cm-2 nm-1 sr-1",
        ),
        ("description = {Radiance (\N{MICRO SIGN}W/cm^2/nm/sr)}", "uW cm-2 nm-1 sr-1"),
        ("description = {W m-2 um-1 sr-1}", "W m-2 um-1 sr-1"),
        ("data units = mW/(m^2 sr nm)", "mW m-2 nm-1 sr-1"),
        ("radiance units = microwatts per centimeter^2 nanometer steradian", "uW cm-2 nm-1 sr-1"),
        ("description = {W/m2/sr/micron}", "W m-2 um-1 sr-1"),
        ("data units = micro-Watts/cm^2/nm/sr", "uW cm-2 nm-1 sr-1"),
        ("description = {nW/cm2/sr/nm}", "nW cm-2 nm-1 sr-1"),
        ("description = {W/m²/sr/µm}", "W m-2 um-1 sr-1"),
        ("description = {W m^{-2} um^{-1} sr^{-1}}", "W m-2 um-1 sr-1"),
        ("description = {W/(m**2 sr um)}", "W m-2 um-1 sr-1"),
        ("data units = 10^-6 W/cm2/nm/sr", "10^-6 W/cm2/nm/sr"),
        ("data units = 10*W/m2/sr/um", "10*W/m2/sr/um"),
        ("description = {Measured radiance, 10 W lamp}", None),
        ("description = {Raw counts}", None),
        ("sensor type = Unknown", None),
        ("data units = DN", "DN"),
        ("radiance units = mW m-2 sr-1 (cm-1)-1", "mW m-2 sr-1 (cm-1)-1"),
        ("data units = Unknown", None),
    ],
)
def test_a_unit_of_radiance_is_read_in_all_spellings(row, unit):
    assert radiance_unit(parse_header(f"{MINIMAL}{row}\n", name="some.hdr")) == unit
