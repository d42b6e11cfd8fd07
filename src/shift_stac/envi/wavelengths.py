"""Wavelengths and widths of an ENVI header's bands, in nanometres whatever the header's unit."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shift_stac.envi.header_text import items, number, number_items, plain
from shift_stac.errors import EnviError


@dataclass(frozen=True)
class SpectralUnit:
    """A unit of the spectral axis.

    Nanometres are ``factor`` times the value, or ``factor`` divided by the value for wavenumbers
    and frequencies.
    """

    factor: float
    inverse: bool = False


_NANOMETRE, _MICROMETRE = SpectralUnit(1.0), SpectralUnit(1000.0)

# The units that ENVI's documentation lists, and other spellings of them; both signs for micro.
_SPELLINGS = {
    _NANOMETRE: "nanometers nanometer nanometres nanometre nm",
    _MICROMETRE: "micrometers micrometer micrometres micrometre microns micron um µm μm",
    SpectralUnit(1e6): "millimeters millimeter millimetres millimetre mm",
    SpectralUnit(1e7): "centimeters centimeter centimetres centimetre cm",
    SpectralUnit(1e9): "meters meter metres metre m",
    SpectralUnit(0.1): "angstroms angstrom ångströms ångström å",
    SpectralUnit(1e7, inverse=True): "wavenumber wavenumbers cm-1 cm^-1 1/cm",
    # The speed of light in nanometres times the unit.
    SpectralUnit(2.99792458e8, inverse=True): "ghz gigahertz",
    SpectralUnit(2.99792458e11, inverse=True): "mhz megahertz",
}
_UNITS = {word: unit for unit, words in _SPELLINGS.items() for word in words.split()}

# ENVI writes this word if the producer gave no unit.
_UNTOLD = ("", "unknown")

# Optical wavelengths are below this in micrometres and above it in nanometres.
_LARGEST_MICROMETRE_VALUE = 100.0

# The width of a band is about the distance to the next band, or less if bands are few. A width that
# is a thousand times larger or smaller is in the other of the two units.
_LEAST_WIDTH_BY_SPACING, _MOST_WIDTH_BY_SPACING = 1 / 300, 30.0

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_WAVELENGTH_IN_NAME = re.compile(
    rf"({_NUMBER})\s*(nanometers?|nm|micrometers?|microns?|um|µm|μm)?\s*\)?\s*$", re.IGNORECASE
)


@dataclass(frozen=True)
class BandAxis:
    """Centres and full widths of the bands in nanometres.

    ``fault`` says why the header's wavelengths cannot be used.
    """

    wavelengths: tuple[float, ...] | None = None
    fwhm: tuple[float, ...] | None = None
    fault: str | None = None


def band_axis(fields: Mapping[str, str], bands: int, name: str) -> BandAxis:
    """Read a header's wavelengths and widths.

    A unit in the header is converted. Without a unit, or with ``Unknown``, values below 100 are
    micrometres. A unit that is not spectral (``Index``) is a fault of the axis, not an error,
    because geometry files have such units too.

    Raises
    ------
    EnviError
        The wavelengths or widths of a cube are not numbers, or too few or too many.
    """
    told = plain(fields.get("wavelength units", ""))
    # The word without an abbreviation in parentheses after it.
    word = told.lower().strip("[]. ")
    unit = _UNITS.get(re.sub(r"\s*\([^()]*\)$", "", word) or word.strip("()"))
    if unit is None and word not in _UNTOLD:
        fault = (
            f"{name}: the wavelengths' unit is {told!r}; expected one of nanometers, micrometers, "
            "millimeters, centimeters, meters, angstroms, wavenumber, GHz, MHz; correct the header"
        )
        return BandAxis(fault=fault)
    listed = number_items(fields.get("wavelength", ""))
    if listed:
        # Geometry files of AVIRIS have the list of the radiance.
        if len(listed) != bands and "band names" in fields:
            return BandAxis()
        values = numbers(fields, "wavelength", bands, name)
        unit = unit or _by_magnitude(values)
    else:
        found = _from_names(items(fields.get("band names", "")), bands)
        if found is None:
            return BandAxis()
        values, named = found
        unit = named or unit or _by_magnitude(values)
    if min(values) <= 0:
        return BandAxis(
            fault=f"{name}: a band has the wavelength {min(values):g}; correct the header"
        )
    wavelengths = _converted(values, unit)
    return BandAxis(wavelengths, _fwhm(fields, values, wavelengths, unit, name))


def numbers(fields: Mapping[str, str], key: str, bands: int, name: str) -> tuple[float, ...]:
    """Return a header's list with one finite number for each band.

    Raises
    ------
    EnviError
        The list has other values, or another length.
    """
    try:
        values = tuple(number(entry) for entry in number_items(fields[key]))
    except ValueError as error:
        msg = f"{name}: the entry {key!r} has a part that is not a number: {error}"
        raise EnviError(msg) from None
    if not np.all(np.isfinite(values)):
        msg = f"{name}: the entry {key!r} has a value that is not finite"
        raise EnviError(msg)
    if len(values) != bands:
        msg = f"{name}: {key!r} has {len(values)} entries for {bands} bands"
        raise EnviError(msg)
    return values


def _by_magnitude(values: tuple[float, ...]) -> SpectralUnit:
    return _MICROMETRE if max(values) < _LARGEST_MICROMETRE_VALUE else _NANOMETRE


def _converted(values: tuple[float, ...], unit: SpectralUnit) -> tuple[float, ...]:
    if unit == _NANOMETRE:
        return values
    # 0.37686 times 1000 is 376.85999999999996: rounding to nine digits, far below the accuracy of
    # any instrument, makes the two units agree.
    return tuple(
        round(unit.factor / value if unit.inverse else unit.factor * value, 9) for value in values
    )


def _from_names(
    names: tuple[str, ...], bands: int
) -> tuple[tuple[float, ...], SpectralUnit | None] | None:
    """Read names such as ``Band 12 (431.96 nm)`` or ``0.43196 Micrometers``.

    Numbered names without units look like wavelengths too. So each name needs a unit, or has to be
    a number alone, and the values have to increase or decrease.
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
    return values, _UNITS[found[0][2].lower()] if has_unit else None


def _fwhm(
    fields: Mapping[str, str],
    values: tuple[float, ...],
    wavelengths: tuple[float, ...],
    unit: SpectralUnit,
    name: str,
) -> tuple[float, ...] | None:
    listed = number_items(fields.get("fwhm", ""))
    if not listed or (len(listed) != len(values) and "wavelength" not in fields):
        # As with wavelengths, geometry files may have the list of the radiance.
        return None
    widths = np.asarray(numbers(fields, "fwhm", len(values), name))
    if (widths <= 0).any():
        msg = f"{name}: a band has the fwhm {widths.min():g}; correct the header, or remove 'fwhm'"
        raise EnviError(msg)
    told = plain(fields.get("fwhm units", "")).lower()
    if told not in _UNTOLD:
        if told not in _UNITS or _UNITS[told].inverse:
            msg = f"{name}: 'fwhm units' is {told!r}; give widths in nanometres or another unit of length"
            raise EnviError(msg)
        return _converted(tuple(widths.tolist()), _UNITS[told])
    if unit.inverse:
        # The difference of the wavelengths of the band's two edges.
        centres = np.asarray(values)
        edges = centres**2 - (widths / 2) ** 2
        return tuple(np.round(unit.factor * widths / edges, 9).tolist())
    other = _MICROMETRE if unit == _NANOMETRE else _NANOMETRE
    for candidate in (unit, other):
        found = _converted(tuple(widths.tolist()), candidate)
        if _fits(found, wavelengths):
            return found
    return _converted(tuple(widths.tolist()), unit)


def _fits(widths: tuple[float, ...], wavelengths: tuple[float, ...]) -> bool:
    if len(widths) == 1:
        return True
    share = float(np.median(widths)) / float(np.median(np.abs(np.diff(wavelengths))) or 1.0)
    return _LEAST_WIDTH_BY_SPACING <= share <= _MOST_WIDTH_BY_SPACING
