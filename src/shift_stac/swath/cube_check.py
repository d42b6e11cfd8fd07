"""Whether some scan lines of a cube hold numbers of a scene, as its header describes them."""

from collections.abc import Callable

import numpy as np

from shift_stac.campaigns.spectral import SpectralRange
from shift_stac.envi.byte_order import MOST_ROUGHNESS, excess_roughness
from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import read_values
from shift_stac.envi.interleave import better_interleave
from shift_stac.envi.line_headers import nodata_of
from shift_stac.envi.scaling import absurd_values
from shift_stac.errors import EnviError
from shift_stac.rows import sampled_rows
from shift_stac.swath.spectral import shared_axis

# A cube with at most this many scan lines is read as a whole.
_FEW_LINES = 64
# Number of places to look at if a cube has no value in the middle.
_PLACES_OF_VALUES = 8
# Number of good bands to read if each band is stored separately.
_SAMPLED_BANDS = 3


def check_cube(
    header: EnviHeader, spectral: SpectralRange, read: Callable[[int, int], bytes]
) -> None:
    """Refuse a cube of which a few scan lines show that its header or its file is wrong.

    Parameters
    ----------
    header
        The cube's, with the bands in the order of the file.
    spectral
        The campaign's: the good bands, if the header does not tell them.
    read
        Returns a number of bytes of the file from an offset.

    Raises
    ------
    EnviError
        Its numbers fit no unit, are in another byte order or interleave, or it has no value.
    """
    good = shared_axis([header], spectral.good_windows, spectral.bad_bands).good
    bands = np.flatnonzero(good) if any(good) else np.arange(header.bands)
    bands = header.bands - 1 - bands if header.descends else bands
    few = header.lines <= _FEW_LINES
    if header.interleave == "bsq" and not few:
        bands = bands[np.linspace(0, len(bands) - 1, _SAMPLED_BANDS + 2, dtype=int)[1:-1]]
    places = sampled_rows(header.lines, _PLACES_OF_VALUES).tolist()
    parts = (
        [slice(0, header.lines)]
        if few
        else [slice(row, row + 1) for row in (header.lines // 2, *places)]
    )
    nodata = nodata_of(header)
    for lines in parts:
        numbers = read_values(header, bands.tolist(), lines, read)
        known = numbers[np.isfinite(numbers) & (numbers != nodata)].astype(np.float64)
        absurd = absurd_values(known * header.scale_factor + header.add_offset)
        if len(np.unique(absurd)) > 1:
            msg = (
                f"{header.name}: {absurd.size} of {known.size} values of a scan line are too "
                "large or too small for any unit; check its byte order and data type"
            )
            raise EnviError(msg)
        if excess_roughness(numbers, nodata) > MOST_ROUGHNESS:
            msg = (
                f"{header.name}: neighbouring pixels have similar numbers only with swapped bytes; "
                "correct its byte order"
            )
            raise EnviError(msg)
        if known.size:
            break
    else:
        seen = "any scan line" if few else f"any of {len(parts)} scan lines of the whole line"
        msg = f"{header.name}: no good band has a value in {seen}; there is nothing to publish, download it again"
        raise EnviError(msg)
    if other := better_interleave(header, nodata, read):
        msg = (
            f"{header.name}: its interleave is {header.interleave}, but its numbers make a scene only as "
            f"{other}: neighbouring pixels have similar spectra in that order; correct its interleave"
        )
        raise EnviError(msg)
