"""How the numbers of an ENVI file become physical values."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.envi.header_text import number, number_items, plain, unbrace

# No instrument counts as much in any unit, or as little in most of its values: numbers of another byte
# order or data type do.
_MOST, _LEAST = 1e9, 1e-30


def absurd_values(values: NDArray[Any]) -> NDArray[Any]:
    """The physical values that are beyond any unit; those near to nothing, where most are.

    One such value alone, again and again, is no number of another kind, but stands for none.
    """
    size = np.abs(values)
    tiny = (size > 0) & (size < _LEAST)
    found = size > _MOST
    if tiny.sum() > values.size / 2:
        found |= tiny
    return np.asarray(values[found])


@dataclass(frozen=True)
class Scaling:
    """A physical value is ``factor`` times the file's number, plus ``offset``.

    ``fault`` says why this does not hold for what the header tells.
    """

    factor: float = 1.0
    offset: float = 0.0
    fault: str | None = None


# Keys of other programs, of which nothing tells whether numbers are divided by it or multiplied.
_OTHER_KEY = re.compile(r"(?!reflectance )([a-z]+ )?scale( factors?)?")

_KEYS = ("reflectance scale factor", "data gain values", "data offset values")


def scaling(fields: Mapping[str, str], name: str, untold: Scaling) -> Scaling:
    """Read ``reflectance scale factor``, ``data gain values`` and ``data offset values``.

    Numbers are divided by the first, multiplied by the second, and the third is added. Gains that
    differ from band to band are a fault: a store tells one factor of a variable. ``untold`` holds
    where the header has none of the three.
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
            "offset values'; which of them holds is not told, remove the other"
        )
        return Scaling(fault=fault)
    return Scaling(gain / divisor, offset)


def _one(fields: Mapping[str, str], key: str, default: float) -> float:
    """The one value of an entry that may list it for each band."""
    entries = set(number_items(unbrace(fields.get(key, ""))))
    if not entries:
        return default
    try:
        values = {number(entry) for entry in entries}
    except ValueError:
        msg = f"{key!r} holds something that is no number"
        raise ValueError(msg) from None
    if len(values) > 1:
        msg = f"{key!r} differs from band to band, and a store tells one for the whole cube"
        raise ValueError(msg)
    value = values.pop()
    if not math.isfinite(value) or (value <= 0 and default):
        msg = f"{key!r} is {value:g}, with which no value has a meaning"
        raise ValueError(msg)
    return value
