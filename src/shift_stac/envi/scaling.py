"""The scaling from the numbers of an ENVI file to physical values."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.envi.header_text import number, number_items, plain, unbrace

MOST_PHYSICAL = 1e9
"""Larger values are not physical in any unit: they come from a wrong byte order or data type."""

# The same is true of smaller values, if most values are so small.
_LEAST = 1e-30


def absurd_values(values: NDArray[Any]) -> NDArray[Any]:
    """Return physical values that are too large for any unit, or, if most values are, too small.

    One such value that is repeated is a marker of missing values, not an error.
    """
    size = np.abs(values)
    tiny = (size > 0) & (size < _LEAST)
    found = size > MOST_PHYSICAL
    if tiny.sum() > values.size / 2:
        found |= tiny
    return np.asarray(values[found])


@dataclass(frozen=True)
class Scaling:
    """A physical value is ``factor`` times the file's number, plus ``offset``.

    ``fault`` says why the header's scaling cannot be used.
    """

    factor: float = 1.0
    offset: float = 0.0
    fault: str | None = None


# Keys of other programs. It is unknown whether numbers must be divided or multiplied by them.
_OTHER_KEY = re.compile(r"(?!reflectance )([a-z]+ )?scale( factors?)?")

_KEYS = ("reflectance scale factor", "data gain values", "data offset values")


def scaling(fields: Mapping[str, str], name: str, untold: Scaling) -> Scaling:
    """Read ``reflectance scale factor``, ``data gain values`` and ``data offset values``.

    Numbers are divided by the first, multiplied by the second, and the third is added. Gains that
    differ between bands are a fault: a store has one factor for a variable. ``untold`` is used if
    the header has none of the three.
    """
    if not any(number_items(unbrace(fields.get(key, ""))) for key in _KEYS):
        other = next((key for key in fields if _OTHER_KEY.fullmatch(key)), None)
        if other and untold == Scaling() and plain(fields[other]) not in ("", "1", "1.0"):
            fault = (
                f"{name}: {other!r} is {fields[other][:80]}, and it is not told whether numbers are divided "
                "by it; tell scale of the product in the campaign file"
            )
            return Scaling(fault=fault)
        return untold
    try:
        divisor, gain, offset = (
            _one(fields, key, default) for key, default in zip(_KEYS, (1.0, 1.0, 0.0), strict=True)
        )
    except ValueError as error:
        return Scaling(fault=f"{name}: {error}; give the file with physical values")
    if divisor != 1.0 and (gain != 1.0 or offset != 0.0):
        fault = (
            f"{name}: it has both 'reflectance scale factor' and 'data gain values' or 'data "
            "offset values'; remove the wrong one"
        )
        return Scaling(fault=fault)
    return Scaling(gain / divisor, offset)


def _one(fields: Mapping[str, str], key: str, default: float) -> float:
    """Return the single value of an entry, which may list it for each band."""
    entries = set(number_items(unbrace(fields.get(key, ""))))
    if not entries:
        return default
    try:
        values = {number(entry) for entry in entries}
    except ValueError:
        msg = f"{key!r} has an entry that is not a number"
        raise ValueError(msg) from None
    if len(values) > 1:
        msg = f"{key!r} differs from band to band, and a store has one for the whole cube"
        raise ValueError(msg)
    value = values.pop()
    if not math.isfinite(value) or (value <= 0 and default):
        msg = f"{key!r} is {value:g}, which loses all values"
        raise ValueError(msg)
    return value
