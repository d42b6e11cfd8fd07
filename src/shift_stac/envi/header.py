"""The text header of an ENVI raster.

Format: L3Harris Geospatial, "ENVI Header Files". The variations handled here are those that the
AVIRIS family publishes; see the notes at each.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np

from shift_stac.errors import EnviError

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

_NANOMETRES_PER_UNIT = {
    "nanometers": 1.0,
    "nanometer": 1.0,
    "nm": 1.0,
    "micrometers": 1000.0,
    "micrometer": 1000.0,
    "microns": 1000.0,
    "um": 1000.0,
    "µm": 1000.0,
    "μm": 1000.0,
}
# Optical wavelengths are below this in micrometres and above it in nanometres.
_LARGEST_MICROMETRE_VALUE = 100.0

# GDAL and ENVI know the first; newer ISOFIT writes the second.
_NODATA_KEYS = ("data ignore value", "no data value")

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WAVELENGTH_IN_NAME = re.compile(
    rf"({_NUMBER})\s*(nanometers?|nm|micrometers?|microns?|um|µm|μm)?\s*\)?\s*$", re.IGNORECASE
)


@dataclass(frozen=True)
class EnviHeader:
    """What an ENVI header says.

    Wavelengths and fwhm are in nanometres, whatever the header's unit. ``dtype`` carries the byte
    order. ``good_bands`` is the header's ``bbl``. ``fields`` holds every entry as it was written,
    with lower-case keys.
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
    good_bands: tuple[bool, ...] | None = None
    nodata: float | None = None
    band_names: tuple[str, ...] = ()
    description: str = ""
    map_info: tuple[str, ...] | None = None
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def data_size(self) -> int:
        """Bytes that the data file must have."""
        return self.offset + self.samples * self.lines * self.bands * self.dtype.itemsize


def read_header(path: Path) -> EnviHeader:
    """Read an ENVI header file.

    Raises
    ------
    EnviError
        There is no such file, or :func:`parse_header` cannot understand it.
    """
    try:
        # latin-1 never fails; descriptions contain whatever the producer's editor left.
        text = path.read_bytes().decode("latin-1")
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise EnviError(msg) from error
    return parse_header(text, name=str(path))


def parse_header(text: str, *, name: str) -> EnviHeader:
    """Understand the text of an ENVI header.

    Parameters
    ----------
    text
        The whole header.
    name
        The file's name, for messages.

    Raises
    ------
    EnviError
        It is no ENVI header, lacks a required entry, or contradicts itself.
    """
    fields = _parse_fields(text, name)
    bands = _positive(fields, "bands", name)
    return EnviHeader(
        name=name,
        samples=_positive(fields, "samples", name),
        lines=_positive(fields, "lines", name),
        bands=bands,
        dtype=_dtype(fields, name),
        interleave=_interleave(fields, name),
        offset=_integer(fields, "header offset", name, default=0),
        wavelengths=_wavelengths(fields, bands, name),
        fwhm=_fwhm(fields, bands, name),
        good_bands=_good_bands(fields, bands, name),
        nodata=_nodata(fields, name),
        band_names=_items(fields.get("band names", "")),
        description=_unbrace(fields.get("description", "")),
        map_info=_items(fields["map info"]) if "map info" in fields else None,
        fields=MappingProxyType(fields),
    )


def write_header(path: Path, fields: Mapping[str, object]) -> None:
    """Write an ENVI header.

    Sequences are written as ``{ a , b }``, as the AVIRIS-NG pipeline does; everything else as
    its text. A text that spans lines must bring its own braces.
    """
    rows = ["ENVI"]
    for key, value in fields.items():
        if isinstance(value, (list, tuple, np.ndarray)):
            rows.append(f"{key} = {{ {' , '.join(str(entry) for entry in value)} }}")
        else:
            rows.append(f"{key} = {value}")
    path.write_text("\n".join(rows) + "\n", encoding="latin-1")


def _parse_fields(text: str, name: str) -> dict[str, str]:
    """Split a header into its entries; values in braces keep them, joined over lines."""
    rows = text.splitlines()
    if not rows or rows[0].strip().lstrip("ï»¿") != "ENVI":
        msg = f"{name} is not an ENVI header: its first line is not 'ENVI'"
        raise EnviError(msg)
    fields: dict[str, str] = {}
    remaining = iter(rows[1:])
    for row in remaining:
        if not row.strip() or row.lstrip().startswith(";"):
            continue
        key, equals, value = row.partition("=")
        if not equals:
            msg = f"{name}: the line {row[:80]!r} has no '='; the header is damaged"
            raise EnviError(msg)
        parts = [value.strip()]
        while parts[0].startswith("{") and not parts[-1].rstrip().endswith("}"):
            following = next(remaining, None)
            if following is None:
                msg = f"{name}: the entry {key.strip()!r} is never closed; the header is truncated"
                raise EnviError(msg)
            parts.append(following)
        fields[" ".join(key.lower().split())] = "\n".join(parts)
    return fields


def _unbrace(value: str) -> str:
    return value.strip().removeprefix("{").removesuffix("}").strip()


def _items(value: str) -> tuple[str, ...]:
    content = _unbrace(value)
    return tuple(entry.strip() for entry in content.split(",")) if content else ()


def _integer(fields: Mapping[str, str], key: str, name: str, *, default: int | None = None) -> int:
    text = fields.get(key)
    if text is None:
        if default is None:
            msg = f"{name} lacks the entry {key!r}"
            raise EnviError(msg)
        return default
    if not re.fullmatch(r"\d+", text.strip(), re.ASCII):
        msg = f"{name}: {key!r} is {text!r}, not a whole number of zero or more"
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
        msg = f"{name}: data type {code} is none that holds pixels: {sorted(_DATA_TYPES)}"
        raise EnviError(msg)
    order = _integer(fields, "byte order", name, default=0)
    if order not in (0, 1):
        msg = f"{name}: byte order {order} is neither 0 (little-endian) nor 1 (big-endian)"
        raise EnviError(msg)
    return np.dtype(("<", ">")[order] + _DATA_TYPES[code])


def _interleave(fields: Mapping[str, str], name: str) -> Interleave:
    match fields.get("interleave", "").strip().lower():
        case "bil":
            return "bil"
        case "bip":
            return "bip"
        case "bsq":
            return "bsq"
        case other:
            msg = f"{name}: interleave {other!r} is none of bil, bip, bsq"
            raise EnviError(msg)


def _numbers(fields: Mapping[str, str], key: str, bands: int, name: str) -> tuple[float, ...]:
    try:
        values = tuple(float(entry) for entry in _items(fields[key]))
    except ValueError as error:
        msg = f"{name}: the entry {key!r} holds something that is no number: {error}"
        raise EnviError(msg) from None
    if not np.all(np.isfinite(values)):
        msg = f"{name}: the entry {key!r} holds a value that is not finite"
        raise EnviError(msg)
    _check_count(len(values), bands, key, name)
    return values


def _check_count(count: int, bands: int, key: str, name: str) -> None:
    if count != bands:
        msg = f"{name}: {key!r} has {count} entries for {bands} bands"
        raise EnviError(msg)


def _unit_scale(unit: str | None, values: tuple[float, ...]) -> float:
    """Nanometres in one unit; by magnitude where the header does not tell a known unit."""
    known = _NANOMETRES_PER_UNIT.get((unit or "").strip().lower())
    if known is not None:
        return known
    return 1000.0 if max(values) < _LARGEST_MICROMETRE_VALUE else 1.0


def _scaled(values: tuple[float, ...], scale: float) -> tuple[float, ...]:
    # Scaling 0.37686 by 1000 leaves 376.85999999999996: nine digits are far below any
    # instrument's knowledge of its wavelengths, and make the two units agree.
    return values if scale == 1.0 else tuple(round(value * scale, 9) for value in values)


def _wavelengths(fields: Mapping[str, str], bands: int, name: str) -> tuple[float, ...] | None:
    if "wavelength" in fields:
        listed = _items(fields["wavelength"])
        # Geometry files of this family carry the radiance's list.
        if len(listed) != bands and "band names" in fields:
            return None
        values = _numbers(fields, "wavelength", bands, name)
        return _scaled(values, _unit_scale(fields.get("wavelength units"), values))
    return _wavelengths_from_names(_items(fields.get("band names", "")), bands)


def _wavelengths_from_names(names: tuple[str, ...], bands: int) -> tuple[float, ...] | None:
    """Read names such as ``Band 12 (431.96 nm)`` or ``0.43196 Micrometers``.

    Numbered names without units would read as wavelengths too, so a unit in each name, or a
    number that is the whole name, is asked for, and that the values ascend or descend.
    """
    matches = [_WAVELENGTH_IN_NAME.search(entry) for entry in names]
    if len(names) != bands or any(match is None for match in matches):
        return None
    found = [match for match in matches if match is not None]
    has_unit = all(match[2] for match in found)
    is_whole = all(match[1] == entry for match, entry in zip(found, names, strict=True))
    values = tuple(float(match[1]) for match in found)
    steps = np.diff(values)
    if not (has_unit or is_whole) or not (np.all(steps > 0) or np.all(steps < 0)):
        return None
    if is_whole and values[0] == round(values[0]) and np.all(steps == 1):
        return None  # a plain numbering of the bands
    return _scaled(values, _unit_scale(found[0][2], values))


def _fwhm(fields: Mapping[str, str], bands: int, name: str) -> tuple[float, ...] | None:
    if "fwhm" not in fields or len(_items(fields["fwhm"])) != bands:
        # As with wavelengths: geometry files may carry the radiance's list.
        return None
    values = _numbers(fields, "fwhm", bands, name)
    unit = fields.get("wavelength units")
    if _NANOMETRES_PER_UNIT.get((unit or "").strip().lower()) is None and "wavelength" in fields:
        # A width's own magnitude does not tell its unit; it is the wavelengths'.
        listed = tuple(float(entry) for entry in _items(fields["wavelength"]))
        return _scaled(values, _unit_scale(None, listed))
    return _scaled(values, _unit_scale(unit, values))


def _good_bands(fields: Mapping[str, str], bands: int, name: str) -> tuple[bool, ...] | None:
    if "bbl" not in fields:
        return None
    return tuple(value != 0 for value in _numbers(fields, "bbl", bands, name))


def _nodata(fields: Mapping[str, str], name: str) -> float | None:
    for key in _NODATA_KEYS:
        if key in fields:
            text = _unbrace(fields[key])
            try:
                return float(text)
            except ValueError:
                msg = f"{name}: {key!r} is {text!r}, not a number"
                raise EnviError(msg) from None
    return None
