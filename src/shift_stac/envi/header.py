"""The text header of an ENVI raster.

Format: L3Harris Geospatial, "ENVI Header Files". The variations handled here are those that the
AVIRIS family publishes; see the notes at each.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from shift_stac.envi.header_text import (
    decode,
    items,
    number,
    number_items,
    parse_fields,
    plain,
    unbrace,
)
from shift_stac.envi.scaling import Scaling, scaling
from shift_stac.envi.wavelengths import band_axis, numbers
from shift_stac.errors import EnviError
from shift_stac.sources import Untold

NOTHING = Untold()
"""No values from a campaign file: a value that the header leaves out is unknown."""

Interleave = Literal["bil", "bip", "bsq"]

# "data type" codes of the ENVI header format. Strings and pointers (7, 8, 10, 11) hold no pixels.
_DATA_TYPES = {
    1: "u1",
    2: "i2",
    3: "i4",
    4: "f4",
    5: "f8",
    6: "c8",
    9: "c16",
    12: "u2",
    13: "u4",
    14: "i8",
    15: "u8",
}

# As Python writes a list of bands.
_TRUTH = {"true": "1", "false": "0"}

# As programs write that there is no value for missing numbers.
_NO_VALUE = ("", "none", "null", "n/a", "na", "undefined")

# GDAL and ENVI know the first; newer ISOFIT writes the second.
_NODATA_KEYS = ("data ignore value", "no data value")


@dataclass(frozen=True)
class EnviHeader:
    """The content of an ENVI header.

    Wavelengths and fwhm are in nanometres, whatever the header's unit. ``dtype`` carries the byte
    order. A physical value is ``scale_factor`` times the file's number, plus ``add_offset``.
    ``axis_fault`` and ``scale_fault`` say why the header's wavelengths or scale are wrong.
    ``good_bands`` is the header's ``bbl``. ``nodata`` is within the range of the data type.
    ``campaign_bands`` are the names of bands, and ``campaign_unit`` the unit, that the campaign
    file tells. ``fields`` holds every entry as it was written, with lower-case keys.
    """

    name: str
    samples: int
    lines: int
    bands: int
    dtype: np.dtype[Any]
    interleave: Interleave
    offset: int = 0
    wavelengths: tuple[float, ...] | None = None
    fwhm: tuple[float, ...] | None = None
    axis_fault: str | None = None
    scale_factor: float = 1.0
    add_offset: float = 0.0
    scale_fault: str | None = None
    good_bands: tuple[bool, ...] | None = None
    nodata: float | None = None
    band_names: tuple[str, ...] = ()
    campaign_bands: tuple[str, ...] = ()
    campaign_unit: str | None = None
    description: str = ""
    map_info: tuple[str, ...] | None = None
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def data_size(self) -> int:
        """Bytes that the data file must have."""
        return self.offset + self.samples * self.lines * self.bands * self.dtype.itemsize

    @property
    def descends(self) -> bool:
        """Whether the wavelengths of the bands decrease."""
        return bool(self.wavelengths and self.wavelengths[0] > self.wavelengths[-1])

    def ascending(self) -> "EnviHeader":
        """Return the header with the bands in the order of increasing wavelengths."""
        if not self.descends:
            return self
        return replace(
            self,
            wavelengths=self.wavelengths and self.wavelengths[::-1],
            fwhm=self.fwhm and self.fwhm[::-1],
            good_bands=self.good_bands and self.good_bands[::-1],
            band_names=self.band_names[::-1],
        )


def read_header(path: Path, untold: Untold = NOTHING) -> EnviHeader:
    """Read an ENVI header file; ``untold`` has the values that it leaves out.

    Raises
    ------
    EnviError
        The file cannot be read, or :func:`parse_header` refuses it.
    """
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise EnviError(msg) from error
    return parse_header(text, name=str(path), untold=untold)


def parse_header(text: str, *, name: str, untold: Untold = NOTHING) -> EnviHeader:
    """Parse the text of an ENVI header.

    Parameters
    ----------
    text
        The whole header.
    name
        The file's name, for messages.
    untold
        Values that the header leaves out.

    Raises
    ------
    EnviError
        It is not an ENVI header, lacks a required entry, or contradicts itself.
    """
    fields = parse_fields(text, name)
    _check_layout(fields, name)
    bands = _positive(fields, "bands", name)
    dtype = _dtype(fields, name)
    axis = band_axis(fields, bands, name)
    scale = scaling(fields, name, Scaling(untold.scale, untold.offset))
    return EnviHeader(
        name=name,
        samples=_positive(fields, "samples", name),
        lines=_positive(fields, "lines", name),
        bands=bands,
        dtype=dtype,
        interleave=_interleave(fields, name),
        offset=_integer(fields, "header offset", name, default=0),
        wavelengths=axis.wavelengths,
        fwhm=axis.fwhm,
        axis_fault=axis.fault,
        scale_factor=scale.factor,
        add_offset=scale.offset,
        scale_fault=scale.fault,
        good_bands=_good_bands(fields, bands, name),
        nodata=_nodata(fields, dtype, name, untold.nodata),
        band_names=items(fields.get("band names", "")),
        campaign_bands=untold.bands,
        campaign_unit=untold.unit,
        description=unbrace(fields.get("description", "")),
        map_info=items(fields["map info"]) if "map info" in fields else None,
        fields=MappingProxyType(fields),
    )


def can_hold(dtype: np.dtype[Any], value: float) -> bool:
    """Whether a data type of real numbers has a value, rounded where it is one of floats."""
    if dtype.kind not in "iu":
        return dtype.kind == "f"
    limits = np.iinfo(dtype)
    return value.is_integer() and limits.min <= value <= limits.max


def data_type(dtype: np.dtype[Any]) -> int:
    """Return the ENVI code of a data type of pixels."""
    return next(code for code, name in _DATA_TYPES.items() if np.dtype(name) == dtype)


def _check_layout(fields: Mapping[str, str], name: str) -> None:
    """Refuse compressed data, and data with frames."""
    if _integer(fields, "file compression", name, default=0):
        msg = f"{name}: its data are compressed; give them uncompressed"
        raise EnviError(msg)
    for key in ("major frame offsets", "minor frame offsets"):
        if any(entry not in {"", "0"} for entry in number_items(fields.get(key, ""))):
            msg = f"{name}: {key!r} is {fields[key]}; give the data without frames"
            raise EnviError(msg)


def _integer(fields: Mapping[str, str], key: str, name: str, *, default: int | None = None) -> int:
    text = plain(fields.get(key, ""))
    if not text:
        if default is None:
            msg = f"{name} lacks the entry {key!r}"
            raise EnviError(msg)
        return default
    # Some programs write all numbers as floats.
    text = re.sub(r"(?<=\d)\.0*$", "", text)
    if not re.fullmatch(r"\+?\d{1,18}", text, re.ASCII):
        msg = f"{name}: {key!r} is {text[:80]!r}, not a whole number of zero or more, of 18 digits at most"
        raise EnviError(msg)
    return int(text)


def _positive(fields: Mapping[str, str], key: str, name: str) -> int:
    value = _integer(fields, key, name)
    if value == 0:
        msg = f"{name}: {key!r} is 0; there is nothing to read"
        raise EnviError(msg)
    return value


def _dtype(fields: Mapping[str, str], name: str) -> np.dtype[Any]:
    code = _integer(fields, "data type", name)
    if code not in _DATA_TYPES:
        msg = f"{name}: data type {code} does not describe pixels: expected one of {sorted(_DATA_TYPES)}"
        raise EnviError(msg)
    order = _integer(fields, "byte order", name, default=0)
    if order not in (0, 1):
        msg = f"{name}: byte order {order} is neither 0 (little-endian) nor 1 (big-endian)"
        raise EnviError(msg)
    return np.dtype(("<", ">")[order] + _DATA_TYPES[code])


def _interleave(fields: Mapping[str, str], name: str) -> Interleave:
    match plain(fields.get("interleave", "")).lower():
        case "bil":
            return "bil"
        case "bip":
            return "bip"
        case "bsq":
            return "bsq"
        case other:
            msg = f"{name}: interleave {other!r} is none of bil, bip, bsq"
            raise EnviError(msg)


def _good_bands(fields: Mapping[str, str], bands: int, name: str) -> tuple[bool, ...] | None:
    if not number_items(fields.get("bbl", "")):
        return None
    words = re.sub(
        r"\b(true|false)\b",
        lambda word: _TRUTH[word[0].lower()],
        fields["bbl"],
        flags=re.IGNORECASE,
    )
    return tuple(value != 0 for value in numbers({"bbl": words}, "bbl", bands, name))


def _nodata(
    fields: Mapping[str, str], dtype: np.dtype[Any], name: str, untold: float | None
) -> float | None:
    """Return the nodata value in the file's data type."""
    told: dict[str, str] = {}
    for key in _NODATA_KEYS:
        text = plain(fields.get(key, ""))
        if text.lower() in _NO_VALUE:
            continue
        try:
            found = {str(number(entry)) for entry in items(text)}
        except ValueError:
            found = set()
        if len(found) != 1:
            msg = f"{name}: {key!r} is {text[:80]!r}, not a number; correct the header"
            raise EnviError(msg)
        told[key] = found.pop()
    if len(set(told.values())) > 1:
        both = " and ".join(f"{key!r} is {value}" for key, value in told.items())
        msg = f"{name}: {both}; remove the one that does not mark missing values"
        raise EnviError(msg)
    value = float(next(iter(told.values()))) if told else untold
    if value is None:
        return None
    if untold is not None and not can_hold(dtype, value):
        # No value can be marked by it: 16 bits without a sign have no -9999.
        value = untold
    if dtype.kind == "f" and np.isfinite(value):
        # The lowest double becomes the lowest float when a cube is written as floats.
        limit = float(np.finfo(dtype).max)
        # And the numbers of the file are rounded as this one is.
        return float(dtype.type(min(max(value, -limit), limit)))
    return value
