"""The wavelength axis that a flight line's cubes share."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shift_stac.envi.header import EnviHeader
from shift_stac.envi.line_headers import check_axes
from shift_stac.errors import EnviError


@dataclass(frozen=True)
class SpectralAxis:
    """Centres and widths of the bands in nanometres, and a mask of good bands.

    ``good_source`` is the origin of the bad band list.
    """

    wavelengths: tuple[float, ...]
    fwhm: tuple[float, ...] | None
    good: tuple[bool, ...]
    good_source: str

    @property
    def is_rising(self) -> bool:
        """Whether wavelengths increase over all bands; with overlapping detectors they do not."""
        return bool((np.diff(self.wavelengths) > 0).all())


def shared_axis(
    headers: Sequence[EnviHeader],
    good_windows: Sequence[tuple[float, float]],
    bad_bands: Sequence[tuple[int, int]] = (),
) -> SpectralAxis:
    """Join the wavelength axes of a line's cubes, by position.

    The order is increasing; overlapping detectors follow one another.

    The wavelengths are those of the first header; it should be the radiance's, which are not
    rounded. The bad band list is that of the first header with one.

    Parameters
    ----------
    headers
        Headers of one or more cubes of the same line.
    good_windows
        Ranges in nanometres, used where no header has a bad band list.
    bad_bands
        Ranges of bad bands by first and last number, counted from 1 in the order of the axis; used
        if no header has a bad band list.

    Raises
    ------
    EnviError
        As :func:`shift_stac.envi.line_headers.check_axes` and :func:`check_bad_bands`.
    """
    check_axes(headers)
    check_bad_bands(headers, bad_bands)
    headers = [header.ascending() for header in headers]
    wavelengths = np.asarray(headers[0].wavelengths, dtype=np.float64)
    listed = next((h for h in headers if h.good_bands is not None), None)
    if listed is not None and listed.good_bands is not None:
        good, source = listed.good_bands, "bad band list of the header"
    else:
        good = tuple(
            any(low <= value <= high for low, high in good_windows)
            and not any(first <= band <= last for first, last in bad_bands)
            for band, value in enumerate(wavelengths, start=1)
        )
        source = "atmospheric windows of the campaign"
        if bad_bands:
            source = "atmospheric windows and bad bands of the campaign"
    fwhm = next((h.fwhm for h in headers if h.fwhm is not None), None)
    return SpectralAxis(tuple(wavelengths.tolist()), fwhm, good, source)


def check_bad_bands(headers: Sequence[EnviHeader], bad_bands: Sequence[tuple[int, int]]) -> None:
    """Refuse cubes without all of the campaign's bad bands, if no header has a bad band list.

    Raises
    ------
    EnviError
        A number exceeds a cube's bands.
    """
    if any(header.good_bands is not None for header in headers):
        return
    for header in headers:
        for _, last in bad_bands:
            if last > header.bands:
                msg = (
                    f"{header.name} has {header.bands} bands, and spectral.bad_bands of the campaign "
                    f"file names band {last}: correct it there"
                )
                raise EnviError(msg)


def nearest_band(wavelengths: Sequence[float], wanted: float, good: Sequence[bool]) -> int:
    """Return the index of the band nearest to a wavelength in nanometres; good bands first."""
    distance = np.abs(np.asarray(wavelengths, dtype=np.float64) - wanted)
    usable = np.asarray(good, dtype=bool)
    if usable.any():
        distance[~usable] = np.inf
    return int(np.argmin(distance))
