"""A converted line passes a CF checker."""

import pytest
import xarray as xr

from shift_stac.campaigns import load_campaign
from shift_stac.simulate import simulate_campaign
from shift_stac.store.conversion import convert_line
from shift_stac.store.glt_group import GLT_GROUP
from support.cf import export, problems
from support.sources import sources_in


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """A line with a portal's GLT, and one whose GLT is made; both have OBS."""
    root = tmp_path_factory.mktemp("cf")
    lines = simulate_campaign(root / "portal", lines=3, samples=20, scan_lines=30, bands=12)
    found = []
    for line in (lines["20220224"][0], lines["20220224"][2]):
        found.append(root / f"{line}.zarr")
        convert_line(sources_in(root / "portal", line, "v1"), found[-1], load_campaign())
    return found


@pytest.mark.heavy
@pytest.mark.parametrize("group", [None, GLT_GROUP], ids=["swath", "glt"])
@pytest.mark.parametrize("number", [0, 1], ids=["portal's GLT", "made GLT"])
def test_a_line_passes_the_cf_checker(stores, tmp_path, group, number):
    export(stores[number], group, tmp_path / "line.nc")
    assert problems(tmp_path / "line.nc") == []


@pytest.mark.heavy
def test_the_checker_finds_what_is_wrong(stores, tmp_path):
    export(stores[0], None, tmp_path / "line.nc")
    with xr.open_dataset(tmp_path / "line.nc") as opened:
        dataset = opened.load()
    dataset.latitude.attrs["units"] = "m"
    dataset.Radiance.attrs["standard_name"] = "brightness_of_things"
    dataset.to_netcdf(tmp_path / "bad.nc")
    found = " ".join(problems(tmp_path / "bad.nc"))
    assert "latitude" in found
    assert "brightness_of_things" in found


def test_every_variable_has_a_name_and_units_and_what_cf_names_has_its_standard_name(stores):
    with xr.open_zarr(stores[0]) as opened:
        for name, variable in opened.variables.items():
            assert variable.attrs["long_name"], name
            assert "units" in variable.attrs or name in ("projection", "good_wavelength"), name
        unnamed = {n for n, v in opened.variables.items() if "standard_name" not in v.attrs}
    # CF's table (version 93) has no name for these.
    assert unnamed == {
        "cosine_i", "fwhm", "good_wavelength", "path_length", "projection", "solar_phase",
        "utc_time", "x", "y",
    }  # fmt: skip
