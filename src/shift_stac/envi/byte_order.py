"""Whether whole numbers were read in the byte order of their file.

Two bytes in the wrong order are still a whole number that a cube may hold, but neighbouring pixels
then differ at random, because the byte that changes least has become the least important one. The
*roughness* of numbers is the mean difference of neighbouring samples over the mean deviation of a
band. This was tried with a real scene of AVIRIS-Classic (Indian Pines, uint16, whole and in crops) and
real pixels of AVIRIS-NG in whole numbers. Numbers of the wrong order are 1.8 to 3.3 times as rough as
with their bytes swapped, and numbers of the right order at most 1.06 times. Noise, and small numbers, are
as rough in both orders, so that a wrong order of them is not found.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

MOST_ROUGHNESS = 1.6
"""Numbers that are rougher by this factor than with their bytes swapped are in the wrong order."""

# The number of neighbours that a roughness needs.
_LEAST_NEIGHBOURS = 200


def excess_roughness(numbers: NDArray[Any], nodata: float) -> float:
    """Return the roughness of whole numbers over that with swapped bytes.

    Parameters
    ----------
    numbers
        Shaped (..., samples).
    nodata
        Marks missing numbers, which are left out.

    Returns
    -------
    float
        1 for numbers that are not whole or have one byte, and for less than some hundred neighbours.
    """
    if numbers.dtype.kind not in "iu" or numbers.dtype.itemsize == 1:
        return 1.0
    known = numbers != numbers.dtype.type(nodata)
    pairs = known[..., 1:] & known[..., :-1]
    if pairs.sum() < _LEAST_NEIGHBOURS:
        return 1.0
    # Swapped bytes of an unchanged type: numbers of the other byte order.
    own, swapped = (
        _roughness(part.astype(np.float64), known, pairs) for part in (numbers, numbers.byteswap())
    )
    return own / swapped if swapped else 1.0


def _roughness(
    values: NDArray[np.float64], known: NDArray[np.bool_], pairs: NDArray[np.bool_]
) -> float:
    # A scan line without a known number has no mean, and numpy would warn of it.
    count = np.maximum(known.sum(axis=-1, keepdims=True), 1)
    middle = values.sum(axis=-1, keepdims=True, where=known) / count
    deviation = float(np.abs(values - middle)[known].mean())
    return float(np.abs(np.diff(values))[pairs].mean()) / deviation if deviation else 0.0
