"""Reads the unit of radiance from an ENVI header, in all common spellings."""

import re

from shift_stac.envi.header import EnviHeader
from shift_stac.envi.header_text import plain

# Keys that programs use for it; otherwise the description is searched.
_KEYS = ("data units", "radiance units", "units")

_MICRO = "(?:u|µ|μ|micro)"
_PREFIXES = {"m": "m", "milli": "m", "n": "n", "nano": "n", "k": "k", "kilo": "k"}
_POWER = re.compile(
    rf"(?<![a-z])({_MICRO}|{'|'.join(_PREFIXES)})?[\s-]*(?:W(?![a-z])|watts?)", re.IGNORECASE
)
# A number before it: a factor, which no name of a unit has.
_FACTOR = re.compile(r"[\d)}][\s*x\xd7\xb7]*$")
_AREA = re.compile(
    r"(c|centi)?(?:m|met(?:er|re)s?)\s*(?:\^|\*\*)?\s*[({]?\s*-?\s*[2²]", re.IGNORECASE
)
_WIDTH = re.compile(
    rf"(nm|nanomet(?:er|re)s?)|{_MICRO}(?:m|met(?:er|re)s?|n)(?![a-z])", re.IGNORECASE
)
_ANGLE = re.compile(r"sr(?![a-z])|steradian", re.IGNORECASE)
_UNTOLD = ("unknown", "none", "radiance")
# The longest spelling of a unit, in characters.
_LONGEST = 60


def radiance_unit(header: EnviHeader) -> str | None:
    """Return the unit as UDUNITS and CF write it, such as ``uW cm-2 nm-1 sr-1``.

    A unit that is not power by area, wavelength and solid angle, such as ``DN``, is returned as the
    header writes it; None if the header has none.
    """
    for text in (*(header.fields.get(key, "") for key in _KEYS), header.description):
        for power in _POWER.finditer(text):
            if _FACTOR.search(text[: power.start()]):
                continue
            rest = text[power.end() : power.end() + _LONGEST]
            area, width, angle = (part.search(rest) for part in (_AREA, _WIDTH, _ANGLE))
            if area and width and angle:
                prefix = _PREFIXES.get(power[1].lower(), "u") if power[1] else ""
                return f"{prefix}W {'cm' if area[1] else 'm'}-2 {'nm' if width[1] else 'um'}-1 sr-1"
    told = (plain(header.fields.get(key, "")) for key in _KEYS)
    return next((text for text in told if text and text.lower() not in _UNTOLD), None)
