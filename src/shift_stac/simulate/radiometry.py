"""From reflectance to radiance at the sensor, with noise."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from shift_stac.campaigns.simulation import Simulation

# Strength, centre and width (nm) of the absorptions of water vapour, oxygen and carbon dioxide.
_ABSORPTIONS = (
    (0.35, 760.5, 3.5),
    (0.25, 820.0, 12.0),
    (0.75, 940.0, 28.0),
    (0.8, 1130.0, 32.0),
    (6.0, 1395.0, 42.0),
    (6.0, 1875.0, 55.0),
    (0.45, 2010.0, 22.0),
    (2.5, 2560.0, 70.0),
)
_SUN_TEMPERATURE_K = 5778.0
_SUN_SOLID_ANGLE_SR = 6.794e-5
_NOISE_POOL = 1 << 21
# A header with a detector of fewer bands counts as an error.
_LEAST_BANDS_OF_DETECTOR = 5


def wavelength_axis(
    bands: int, detectors: Sequence[tuple[float, float, int]] = Simulation().detectors
) -> NDArray[np.float64]:
    """Band centres in nanometres, one detector after another.

    Each detector has its first centre, its spacing and its number of bands. Fewer bands are spread over
    the same range; so few that a detector would have next to none are those of one detector.
    """
    ends = np.cumsum([count for _, _, count in detectors])
    shared = np.diff(np.round(ends * bands / ends[-1]).astype(int), prepend=0)
    if len(detectors) > 1 and shared.min() < _LEAST_BANDS_OF_DETECTOR:
        first, last = detectors[0], detectors[-1]
        return np.linspace(first[0], last[0] + last[1] * (last[2] - 1), bands)
    return np.concatenate(
        [
            first + spacing * np.linspace(0, count - 1, wanted)
            for (first, spacing, count), wanted in zip(detectors, shared, strict=True)
        ]
    )


def band_widths(wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Full widths at half maximum in nanometres, as the instrument's grow with wavelength."""
    return np.asarray(np.round(5.57 + 0.0002 * (wavelengths - wavelengths[0]), 2))


def transmittance(wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the transmittance of the atmosphere, down and up."""
    depth = 0.008 * (wavelengths / 1000.0) ** -4 + 0.06 * (wavelengths / 1000.0) ** -1
    for strength, centre, width in _ABSORPTIONS:
        depth = depth + strength * np.exp(-(((wavelengths - centre) / width) ** 2))
    return np.asarray(np.exp(-2.2 * depth))


def sun_irradiance(wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the irradiance of a black body of the sun's size and temperature (Planck), uW cm-2 nm-1."""
    metres = wavelengths * 1e-9
    exponent = 6.62607015e-34 * 2.99792458e8 / (metres * 1.380649e-23 * _SUN_TEMPERATURE_K)
    radiance = 2 * 6.62607015e-34 * 2.99792458e8**2 / metres**5 / np.expm1(exponent)
    # W m-2 m-1 is 1e-7 uW cm-2 nm-1.
    return np.asarray(radiance * _SUN_SOLID_ANGLE_SR * 1e-7)


def gain_and_path(
    wavelengths: NDArray[np.float64], cos_sun: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Radiance of a reflectance of one, and of none, uW cm-2 nm-1 sr-1."""
    irradiance = sun_irradiance(wavelengths) * cos_sun
    gain = irradiance * transmittance(wavelengths) / np.pi
    path = 0.012 * irradiance * (wavelengths / 500.0) ** -4
    return gain.astype(np.float32), path.astype(np.float32)


class NoisePool:
    """Normal noise, drawn once and read from random places.

    Drawing it anew would take longer than all the rest.

    Parameters
    ----------
    random
        Draws the noise, and the places.
    size
        The size of the largest part that is taken at once.
    total
        The size of all parts together: no more than that is drawn.
    """

    def __init__(self, random: np.random.Generator, size: int, total: int) -> None:
        drawn = max(min(_NOISE_POOL, total), 2 * size)
        self._pool = random.standard_normal(drawn, dtype=np.float32)
        self._random = random

    def take(self, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Return a view of the pool with this shape."""
        size = int(np.prod(shape))
        start = int(self._random.integers(0, len(self._pool) - size))
        return self._pool[start : start + size].reshape(shape)
