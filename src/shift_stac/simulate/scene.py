"""The simulated landscape: terrain, land cover, and spectra of the cover.

Places are metres east and north of a point on the coast, the same for every line.
"""

import numpy as np
from numpy.typing import NDArray

from shift_stac.simulate.noise import cell_hash, smooth_noise

_FIELD_M = 420.0
_COAST_WIDTH_M = 60.0
# The range of days of the year on which fields are greenest. Each field has its own day. Hills are
# green after the winter's rain.
_FIRST_PEAK, _PEAKS_WITHIN = 60.0, 110.0
_HILLS_PEAK = 85.0


def elevation(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Metres above the sea: flat at the coast, hills inland. Shaped like x and y."""
    inland = np.clip((y - _coast(x)) / 4000.0, 0.0, 1.0)
    hills = 0.5 + 0.5 * smooth_noise(x / 1800, y / 1800, 11, octaves=3)
    return np.asarray(420.0 * inland * hills)


def _coast(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the northern limit of the sea."""
    return np.asarray(-900.0 + 500.0 * smooth_noise(x / 2600, np.zeros_like(x), 3, octaves=3))


def _ramp(values: NDArray[np.float64], width: float) -> NDArray[np.float64]:
    return np.clip(values / width + 0.5, 0.0, 1.0)


def abundances(
    x: NDArray[np.float64], y: NDArray[np.float64], day_of_year: int | None = None
) -> NDArray[np.float32]:
    """Share of vegetation, dry grass, soil, water and sand at each place; sums to one.

    Parameters
    ----------
    x, y
        Shaped (scan lines, samples), metres.
    day_of_year
        Day of the year, from 1, which sets the greenness of crops and hills; None for the greenest
        state.

    Returns
    -------
    numpy.ndarray
        Shaped (scan lines, materials, samples).
    """
    coast = _coast(x)
    land = _ramp(y - coast, _COAST_WIDTH_M)
    beach = np.clip(1 - np.abs(y - coast - 60) / 60, 0, 1)
    river_bed = 350.0 * smooth_noise(y / 1500, np.zeros_like(y), 5, octaves=2) + 250.0 * np.sin(
        y / 2100
    )
    river = 1 - _ramp(np.abs(((x - river_bed + 3000) % 6000) - 3000) - 18.0, 12.0)

    # Fields are in a grid that is rotated against the flight. Hills have no fields.
    turned = 0.35
    column = np.floor((x * np.cos(turned) + y * np.sin(turned)) / _FIELD_M).astype(np.int64)
    row = np.floor((y * np.cos(turned) - x * np.sin(turned)) / (_FIELD_M * 0.6)).astype(np.int64)
    crop, vigour = cell_hash(column, row, 17), cell_hash(column, row, 19)
    farmed = _ramp(230.0 - elevation(x, y), 40.0)
    wild = 0.5 + 0.5 * smooth_noise(x / 260, y / 260, 23, octaves=4)
    texture = 0.12 * smooth_noise(x / 22, y / 22, 29, octaves=2)

    green = np.clip(
        farmed * np.where(crop < 0.55, 0.55 + 0.4 * vigour, 0.02 + 0.14 * vigour)
        + (1 - farmed) * wild
        + texture,
        0,
        1,
    )
    if day_of_year is not None:
        peak = _FIRST_PEAK + _PEAKS_WITHIN * cell_hash(column, row, 31)
        # The rest is dry grass or bare soil, as between plants.
        green = green * _growth(day_of_year, farmed * peak + (1 - farmed) * _HILLS_PEAK)
    dry = (1 - green) * np.clip(
        farmed * np.where(crop > 0.75, 0.5 + 0.45 * vigour, 0.1) + (1 - farmed) * 0.7 - texture,
        0,
        1,
    )
    soil = 1 - green - dry
    dry_land = land * (1 - river)
    sand = dry_land * beach
    rest = dry_land - sand
    # Suspended sand makes the sea paler towards the shore.
    murky = 0.07 * np.exp(np.minimum(y - coast, 0) / 300) * (0.6 + 0.4 * wild)
    murky *= (1 - land) * (1 - dry_land)
    layers = (rest * green, rest * dry, rest * soil, 1 - dry_land - murky, sand + murky)
    return np.stack(layers, axis=1).astype(np.float32)


def _growth(day_of_year: int, peak: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the greenness on a day, 0 to 1, of vegetation that is greenest on another day.

    A double logistic curve (Beck et al. 2006, doi:10.1016/j.rse.2005.10.021): like grasslands of a
    Mediterranean climate, it becomes green slowly and withers quickly.
    """
    greening = 1 / (1 + np.exp(-(day_of_year - peak + 45) / 12))
    withering = 1 / (1 + np.exp((day_of_year - peak - 25) / 7))
    return np.asarray(0.08 + 0.92 * greening * withering)


def spectra(wavelengths: NDArray[np.float64]) -> NDArray[np.float32]:
    """Reflectance of vegetation, dry grass, soil, water and sand, shaped (materials, bands); wavelengths in nanometres.

    Shapes after the USGS Spectral Library (Kokaly et al. 2017, doi:10.3133/ds1035), drawn by
    hand from edges and absorption bands.
    """
    nm = wavelengths

    def edge(centre: float, width: float) -> NDArray[np.float64]:
        return np.asarray(1 / (1 + np.exp(-(nm - centre) / width)))

    def band(centre: float, width: float) -> NDArray[np.float64]:
        return np.asarray(np.exp(-(((nm - centre) / width) ** 2)))

    leaf_water = 1 - 0.15 * band(970, 40) - 0.2 * band(1200, 50)
    leaf_water = leaf_water - 0.65 * band(1450, 90) - 0.8 * band(1940, 120)
    vegetation = (
        0.035
        + 0.05 * band(552, 38)
        + 0.45 * edge(715, 13) * leaf_water * (1 - 0.55 * edge(1500, 250))
    )
    dry = 0.05 + 0.3 * edge(650, 130) * (1 - 0.2 * band(2100, 90) - 0.15 * band(2310, 40))
    soil = 0.04 + 0.25 * edge(720, 230) * (1 - 0.12 * band(2205, 25) - 0.1 * band(1915, 60))
    water = 0.05 * band(490, 95) + 0.008 * band(690, 10) + 0.002
    sand = 0.12 + 0.33 * edge(600, 160) * (1 - 0.08 * band(1930, 60))
    return np.stack((vegetation, dry, soil, water, sand)).astype(np.float32)
