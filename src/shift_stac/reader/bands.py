"""Finds bands by wavelength."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from shift_stac.errors import MapError
from shift_stac.store.store_format import BAND_DIM, SPECTRAL_DIM


def along_wavelengths[Found: (xr.DataArray, xr.Dataset)](found: Found) -> Found:
    """Return a variable with ``wavelength`` as the spectral dimension, also if bands have only numbers."""
    return found.swap_dims({BAND_DIM: SPECTRAL_DIM}) if BAND_DIM in found.dims else found


def along_bands[Found: (xr.DataArray, xr.Dataset)](found: Found) -> Found:
    """Undo :func:`along_wavelengths`; anything else is unchanged."""
    has_numbers = BAND_DIM in found.coords and found.coords[BAND_DIM].dims == (SPECTRAL_DIM,)
    return found.swap_dims({SPECTRAL_DIM: BAND_DIM}) if has_numbers else found


def bands_of(variable: xr.DataArray, wanted: Sequence[float]) -> list[int]:
    """Return the nearest band of a variable to each wavelength; see :func:`find_bands`."""
    widths = variable["fwhm"].to_numpy() if "fwhm" in variable.coords else None
    return find_bands(variable["wavelength"].to_numpy(), widths, wanted)


def find_bands(
    centres: NDArray[Any], widths: NDArray[Any] | None, wanted: Sequence[float]
) -> list[int]:
    """Return the nearest band to each wavelength.

    Parameters
    ----------
    centres
        The centres of the bands, nm.
    widths
        Full widths at half maximum, nm, if they are known.
    wanted
        Wavelengths, nm.

    Raises
    ------
    MapError
        A wavelength is not a number, or is further from the nearest band than the band's width and
        half the distance to its neighbour.
    """
    if isinstance(wanted, str) or not np.iterable(wanted) or not len(wanted):
        msg = (
            f"bands={wanted!r} is not a list: give one of wavelengths in nanometres, such as [650]"
        )
        raise MapError(msg)
    spacing = np.abs(np.gradient(centres)) if len(centres) > 1 else np.zeros(1)
    reach = spacing / 2 if widths is None else np.fmax(spacing / 2, widths)
    found = []
    for asked in wanted:
        try:
            nm = float(asked)
        except (TypeError, ValueError) as error:
            msg = f"{asked!r} is not a wavelength: give numbers in nanometres"
            raise MapError(msg) from error
        place = int(np.argmin(np.abs(centres - nm)))
        # Not "greater than": comparisons with NaN are false.
        if not abs(centres[place] - nm) <= reach[place]:
            hint = (
                f"; {nm:g} um is {nm * 1000:g} nm"
                if min(centres) <= nm * 1000 <= max(centres)
                else ""
            )
            msg = (
                f"the line has no band at {nm:g} nm: its bands go from {min(centres):.1f} to "
                f"{max(centres):.1f} nm, and wavelengths are given in nanometres{hint}"
            )
            raise MapError(msg)
        found.append(place)
    return found
