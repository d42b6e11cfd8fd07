"""The simulated landscape, and the light that comes from it."""

import numpy as np
import pytest

from shift_stac.simulate.noise import cell_hash, smooth_noise
from shift_stac.simulate.radiometry import (
    gain_and_path,
    sun_irradiance,
    transmittance,
    wavelength_axis,
)
from shift_stac.simulate.scene import abundances, elevation, spectra

NM = wavelength_axis(425)
MATERIALS = ("vegetation", "dry grass", "soil", "water", "sand")


def spectrum(material: str) -> np.ndarray:
    return spectra(NM)[MATERIALS.index(material)]


def at(values: np.ndarray, nm: float) -> float:
    return float(values[np.abs(NM - nm).argmin()])


@pytest.fixture(scope="module")
def country():
    """Places in a grid of 12 by 10 kilometres."""
    x, y = np.meshgrid(np.arange(-6000, 6000, 40.0), np.arange(-4000, 6000, 40.0))
    return x, y, abundances(x, y).transpose(1, 0, 2)


def test_shares_are_none_below_zero_and_sum_to_one(country):
    *_, shares = country
    assert shares.shape[0] == len(MATERIALS)
    assert shares.min() > -1e-6
    np.testing.assert_allclose(shares.sum(axis=0), 1, atol=1e-5)


def test_every_material_covers_a_part_of_the_country(country):
    *_, shares = country
    assert np.all(np.mean(shares > 0.5, axis=(1, 2)) > 0.005)


def test_the_sea_is_level_and_lies_in_the_south(country):
    x, y, shares = country
    water = shares[MATERIALS.index("water")]
    assert water[0].min() > 0.8
    assert water[-1].mean() < 0.1
    height = elevation(x, y)
    assert height[0].max() == 0
    assert height.min() >= 0
    assert 100 < height.max() <= 420


def test_a_place_looks_the_same_from_every_line(country):
    x, y, shares = country
    np.testing.assert_array_equal(
        abundances(x[40:50, 7:9], y[40:50, 7:9]).transpose(1, 0, 2), shares[:, 40:50, 7:9]
    )


def test_vegetation_has_a_red_edge_and_the_absorptions_of_leaf_water():
    leaf = spectrum("vegetation")
    red, infrared = at(leaf, 670), at(leaf, 860)
    assert (infrared - red) / (infrared + red) > 0.7
    assert at(leaf, 552) > red
    for centre, side in ((970, 900), (1200, 1080), (1450, 1650), (1940, 2150)):
        assert at(leaf, centre) < 0.95 * at(leaf, side)


def test_water_is_dark_and_blue_green():
    water = spectrum("water")
    assert 450 < NM[water.argmax()] < 580
    assert water.max() < 0.1
    assert water[NM > 800].max() < 0.01


@pytest.mark.parametrize("material", ["soil", "dry grass", "sand"])
def test_bare_ground_brightens_from_blue_to_infrared_without_a_red_edge(material):
    ground = spectrum(material)
    assert at(ground, 450) < at(ground, 670) < at(ground, 1650)
    red, infrared = at(ground, 670), at(ground, 860)
    assert (infrared - red) / (infrared + red) < 0.4


def test_all_reflectances_are_between_zero_and_one():
    assert spectra(NM).min() >= 0
    assert spectra(NM).max() < 1


def test_water_vapour_lets_nothing_through_where_bands_are_bad():
    through = transmittance(NM)
    assert np.all((through >= 0) & (through <= 1))
    assert at(through, 1395) < 1e-3
    assert at(through, 1875) < 1e-3
    assert at(through, 1650) > 0.85


def test_fields_are_green_in_their_time_and_hills_before_summer():
    x, y = np.meshgrid(np.arange(0, 3000, 40.0), np.arange(0, 3000, 40.0))
    days = range(40, 240, 10)
    green = np.stack([abundances(x, y, day)[:, 0] for day in days])
    np.testing.assert_allclose(abundances(x, y, 100).sum(axis=1), 1, atol=1e-5)
    lush = green.max(axis=0) > 0.4
    peaks = np.array(days)[green.argmax(axis=0)][lush]
    # One field is greenest when another is dry already.
    assert np.percentile(peaks, 5) < 80
    assert np.percentile(peaks, 95) > 130
    assert np.median(green[-1][lush]) < 0.15
    # They are no greener than in the picture without a date, in which all fields are at their
    # greenest.
    assert (green <= abundances(x, y)[:, 0] + 1e-6).all()


def test_the_suns_irradiance_sums_to_the_solar_constant():
    nm = np.arange(100.0, 200_000.0, 5.0)
    # 1 uW cm-2 is 0.01 W m-2. IAU 2015 resolution B3: 1361 W m-2.
    assert sun_irradiance(nm).sum() * 5.0 * 0.01 == pytest.approx(1361, rel=0.01)


def test_the_radiance_of_a_white_surface_goes_with_the_suns_height():
    gain, path = gain_and_path(NM, 1.0)
    np.testing.assert_allclose(gain * np.pi, sun_irradiance(NM) * transmittance(NM), rtol=1e-5)
    assert np.all(np.diff(path) < 0)  # air scatters blue light
    half, _ = gain_and_path(NM, 0.5)
    np.testing.assert_allclose(half, gain / 2, rtol=1e-6)


@pytest.mark.parametrize("bands", [1, 2, 30, 425])
def test_fewer_bands_are_spread_over_the_range(bands):
    axis = wavelength_axis(bands)
    assert len(axis) == bands
    assert axis[0] == pytest.approx(377.071821)
    assert axis[-1] == pytest.approx(377.071821 if bands == 1 else 2501.311821)


def test_noise_is_smooth_bounded_and_the_place_s_own():
    x = np.linspace(-5, 5, 2001)
    values = smooth_noise(x, 0.3 + 0 * x, 5)
    assert np.abs(values).max() <= 1
    assert np.abs(np.diff(values)).max() < 0.03
    assert np.std(values) > 0.2
    np.testing.assert_array_equal(smooth_noise(x[7:9], np.full(2, 0.3), 5), values[7:9])
    assert not np.allclose(smooth_noise(x, 0.3 + 0 * x, 6), values)


def test_cells_are_drawn_evenly_and_negative_cells_too():
    column, row = np.meshgrid(np.arange(-100, 100), np.arange(-100, 100))
    values = cell_hash(column, row, 1)
    assert values.min() >= 0
    assert values.max() < 1
    counts = np.histogram(values, bins=10, range=(0, 1))[0]
    assert np.all(np.abs(counts / values.size - 0.1) < 0.01)
    assert abs(np.corrcoef(values[:, 1:].ravel(), values[:, :-1].ravel())[0, 1]) < 0.03
