"""The wavelength axis that a flight line's cubes share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shift_stac.envi.header import EnviHeader
from shift_stac.errors import EnviError

# ISOFIT rounds wavelengths to 2 decimals and older products to 1. Half of the last of these
# digits is 1 % of AVIRIS-NG's band spacing of 5 nm, and far below any band's width.
ROUNDING_NM = 0.05


@dataclass(frozen=True)
class SpectralAxis:
    """Centres and widths of the bands in nanometres, and which of them are good.

    ``good_source`` tells where the bad band list came from.
    """

    wavelengths: tuple[float, ...]
    fwhm: tuple[float, ...] | None
    good: tuple[bool, ...]
    good_source: str


def shared_axis(
    headers: Sequence[EnviHeader], good_windows: Sequence[tuple[float, float]]
) -> SpectralAxis:
    """Join the wavelength axes of a line's cubes, by position.

    The first header that is given the axis; it should be the radiance's, whose wavelengths are
    not rounded. The bad band list is that of the first header that has one.

    Parameters
    ----------
    headers
        Of one or more cubes of the same line.
    good_windows
        Ranges in nanometres, used where no header has a bad band list.

    Raises
    ------
    EnviError
        A cube has no wavelengths, their count differs, or two cubes disagree by more than
        rounding explains.
    """
    for header in headers:
        if header.wavelengths is None:
            msg = (
                header.axis_fault
                or f"{header.name} names no wavelengths, so its bands cannot be placed on an axis"
            )
            raise EnviError(msg)
    first = headers[0]
    wavelengths = np.asarray(first.wavelengths, dtype=np.float64)
    for other in headers[1:]:
        _check_same(first, other)
    if np.any(np.diff(wavelengths) == 0) or not np.all(np.isfinite(wavelengths)):
        msg = f"{first.name}: two bands have the same wavelength"
        raise EnviError(msg)
    listed = next((h for h in headers if h.good_bands is not None), None)
    if listed is not None and listed.good_bands is not None:
        good, source = listed.good_bands, "bad band list of the header"
    else:
        good = tuple(
            any(low <= value <= high for low, high in good_windows) for value in wavelengths
        )
        source = "atmospheric windows of the campaign"
    fwhm = next((h.fwhm for h in headers if h.fwhm is not None), None)
    return SpectralAxis(tuple(wavelengths.tolist()), fwhm, good, source)


def _check_same(first: EnviHeader, other: EnviHeader) -> None:
    if other.bands != first.bands:
        msg = (
            f"{first.name} has {first.bands} bands and {other.name} has {other.bands}: "
            "the two are not of the same line or version"
        )
        raise EnviError(msg)
    ours, theirs = np.asarray(first.wavelengths), np.asarray(other.wavelengths)
    worst = int(np.argmax(np.abs(ours - theirs)))
    if abs(ours[worst] - theirs[worst]) > ROUNDING_NM:
        left, right = ours[worst], theirs[worst]
        msg = (
            f"band {worst + 1} is at {left} nm in {first.name} and at {right} nm in {other.name}: "
            f"more than the {ROUNDING_NM} nm that rounding explains"
        )
        raise EnviError(msg)


def nearest_band(wavelengths: Sequence[float], wanted: float, good: Sequence[bool]) -> int:
    """Index of the band nearest to a wavelength in nanometres, among the good ones if any is."""
    distance = np.abs(np.asarray(wavelengths, dtype=np.float64) - wanted)
    usable = np.asarray(good, dtype=bool)
    if usable.any():
        distance[~usable] = np.inf
    return int(np.argmin(distance))
