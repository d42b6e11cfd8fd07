"""What a campaign says of wavelengths: good windows, bad bands, the unit of radiance, true colour."""

import math

from pydantic import Field, field_validator

from shift_stac.campaigns.values import Wavelength, Whole
from shift_stac.model import FrozenModel
from shift_stac.sources import RadianceUnit

# The shortest wavelength of optical instruments; smaller numbers are in another unit.
_SHORTEST_NM = 100.0


class SpectralRange(FrozenModel):
    """Spectral properties of the cubes whose headers do not have them.

    Parameters
    ----------
    good_windows
        Windows of wavelength, nanometres: bands with centres in one of them are good. They are used
        if no header of a line has a list of bad bands.
    bad_bands
        Ranges of bad bands by first and last number, counted from 1 in the order of the store. They
        are used together with ``good_windows``.
    radiance_unit
        The unit of radiance as UDUNITS writes it.
    """

    # Between the windows, water vapour absorbs the signal.
    good_windows: tuple[tuple[Wavelength, Wavelength], ...] = Field(
        default=((300.0, 1340.0), (1450.0, 1800.0), (1970.0, 2500.0)), min_length=1
    )
    bad_bands: tuple[tuple[Whole, Whole], ...] = ()
    radiance_unit: RadianceUnit = "uW cm-2 nm-1 sr-1"

    @field_validator("good_windows")
    @classmethod
    def _are_windows(
        cls, windows: tuple[tuple[float, float], ...]
    ) -> tuple[tuple[float, float], ...]:
        for low, high in windows:
            if not 0 <= low < high:
                msg = f"[{low:g}, {high:g}] is not a window: give two wavelengths in nanometres, the shorter first"
                raise ValueError(msg)
        if windows and max(high for _, high in windows) < _SHORTEST_NM:
            msg = f"no window reaches {_SHORTEST_NM:g}: give wavelengths in nanometres"
            raise ValueError(msg)
        return windows

    @field_validator("bad_bands")
    @classmethod
    def _are_ranges(cls, bands: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        for first, last in bands:
            if not 1 <= first <= last:
                msg = f"[{first}, {last}] is not a range of bands: give the first and the last, counted from 1"
                raise ValueError(msg)
        return bands


class QuicklookBands(FrozenModel):
    """The bands of the true-colour picture.

    Parameters
    ----------
    rgb
        The wavelengths of red, green and blue, nanometres; the nearest good band of each is shown.
    """

    rgb: tuple[Wavelength, Wavelength, Wavelength] = (650.0, 550.0, 450.0)

    @field_validator("rgb")
    @classmethod
    def _are_nanometres(cls, rgb: tuple[float, float, float]) -> tuple[float, float, float]:
        if not all(_SHORTEST_NM <= band < math.inf for band in rgb):
            msg = f"{list(rgb)} are not wavelengths of light in nanometres: give three of {_SHORTEST_NM:g} or more"
            raise ValueError(msg)
        return rgb
