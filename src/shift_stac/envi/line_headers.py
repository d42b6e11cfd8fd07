"""Checks the headers of a line's files together, before any data are downloaded."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from shift_stac.envi.header import EnviHeader, can_hold
from shift_stac.envi.header_text import number, number_items, plain, unbrace
from shift_stac.errors import EnviError
from shift_stac.sources import Product, ProductLevel

# ISOFIT rounds wavelengths to 2 decimals and older products to 1. Half of the last of these
# digits is 1 % of AVIRIS-NG's band spacing of 5 nm, and far below any band's width.
ROUNDING_NM = 0.05

# From the far ultraviolet to the thermal infrared.
_SHORTEST_NM, _LONGEST_NM = 100.0, 20_000.0

DEFAULT_NODATA = -9999.0
"""AVIRIS-NG's nodata value, which headers often leave out."""

_IGM_BANDS = 3

_PERCENT = re.compile(r"%|per ?cent(age)?|pct", re.IGNORECASE)
_DIVISOR = "reflectance scale factor"

# A detector has at least this many bands of increasing wavelengths; fewer are an error of the
# header.
_LEAST_BANDS_OF_DETECTOR = 5


def check_headers(headers: Mapping[Product, EnviHeader]) -> None:
    """Refuse a line if its headers show that no store can be made.

    Parameters
    ----------
    headers
        Headers of the line's cubes and of its IGM; those of other products are ignored.

    Raises
    ------
    EnviError
        The files are not of one line, a cube has no usable wavelengths, its data type cannot
        represent a missing value, or a store cannot describe the scaling of its values.
    """
    cubes = {product: headers[product] for product in ProductLevel.ALL.cubes if product in headers}
    igm = headers.get(Product.IGM)
    if igm is not None and igm.bands != _IGM_BANDS:
        msg = f"{igm.name} has {igm.bands} bands; {Product.IGM} has {_IGM_BANDS}"
        raise EnviError(msg)
    if igm is not None and igm.dtype.kind == "c":
        msg = f"{igm.name} has data type {igm.dtype}: coordinates are real numbers, correct its data type"
        raise EnviError(msg)
    if igm is not None and (fault := scaled_geometry_fault(igm)):
        raise EnviError(fault)
    for product, cube in cubes.items():
        if igm is not None and (fault := swath_fault(cube, igm)):
            raise EnviError(fault)
        if cube.scale_fault is not None:
            raise EnviError(cube.scale_fault)
        if fault := _unit_fault(product, cube):
            raise EnviError(fault)
        if not can_hold(cube.dtype, nodata_of(cube)):
            msg = (
                f"{cube.name} has data type {cube.dtype}, which cannot represent {nodata_of(cube):g} for missing "
                'values: correct its "data ignore value" or "data type", or tell nodata of the product '
                "in the campaign file"
            )
            raise EnviError(msg)
    check_axes(list(cubes.values()))


def _unit_fault(product: Product, cube: EnviHeader) -> str | None:
    """Return why the numbers are not those of the product, by its header's unit or scale; or None."""
    if product is Product.REFLECTANCE:
        units = (
            plain(cube.fields.get(key, "")) for key in ("data units", "reflectance units", "units")
        )
        unit = next((unit for unit in units if _PERCENT.fullmatch(unit)), None)
        if unit and (cube.scale_factor, cube.add_offset) == (1.0, 0.0):
            return (
                f"{cube.name}: its unit is {unit!r}, and a reflectance is a share from 0 to 1; tell scale = 0.01 "
                "of the product in the campaign file"
            )
    elif cube.dtype.kind == "f" and any(
        _is_other(item, 1.0) for item in number_items(unbrace(cube.fields.get(_DIVISOR, "")))
    ):
        return f"{cube.name}: it is a radiance and has {_DIVISOR!r}; remove it, or write 'data gain values'"
    return None


class _Numbers(Protocol):
    """The numbers of a raster: a header, or an opened cube."""

    @property
    def dtype(self) -> np.dtype[Any]: ...
    @property
    def scale_factor(self) -> float: ...
    @property
    def add_offset(self) -> float: ...


def scale_note(product: Product, numbers: _Numbers) -> str | None:
    """Return what to say of a cube of whole numbers without a scale: they can hardly be physical values."""
    is_scaled = (numbers.scale_factor, numbers.add_offset) != (1.0, 0.0)
    if product not in ProductLevel.ALL.cubes or numbers.dtype.kind not in "iu" or is_scaled:
        return None
    found = (
        f"the {product} is of whole numbers, and neither header nor campaign file tells a scale: they "
        "are published as they are"
    )
    if product is Product.RADIANCE:
        found += "; gains in a file of their own, as AVIRIS-Classic's .gain, are not read"
    return found


_SCALES = {"reflectance scale factor": 1.0, "data gain values": 1.0, "data offset values": 0.0}


def scaled_geometry_fault(header: EnviHeader) -> str | None:
    """Return why scaled coordinates or angles cannot be used, or None.

    Lists that were copied from a cube's header have another length, and are ignored.
    """
    for key, unscaled in _SCALES.items():
        entries = number_items(unbrace(header.fields.get(key, "")))
        if len(entries) in {1, header.bands} and any(
            _is_other(entry, unscaled) for entry in entries
        ):
            return (
                f"{header.name}: {key!r} is {header.fields[key]}; only cubes may be scaled, give the "
                "file with physical values"
            )
    return None


def _is_other(entry: str, value: float) -> bool:
    try:
        return number(entry) != value
    except ValueError:
        return True


def swath_fault(header: EnviHeader, igm: EnviHeader) -> str | None:
    """Return why a file does not belong to the IGM's line, or None.

    Scan lines and samples must agree, since arrays are joined by position.
    """
    for axis, ours, theirs in (
        ("scan lines", header.lines, igm.lines),
        ("samples", header.samples, igm.samples),
    ):
        if ours != theirs:
            return (
                f"{header.name} has {ours} {axis} and {igm.name} has {theirs}: they are not of "
                "the same line or version"
            )
    return None


def check_axes(headers: Sequence[EnviHeader]) -> None:
    """Refuse cubes with different axes of wavelengths.

    Wavelengths increase (or decrease) over all bands, or within each of several overlapping
    detectors.

    Raises
    ------
    EnviError
        A cube has no wavelengths, they are not those of light or not monotonic within a detector,
        or two cubes differ by more than rounding.
    """
    for header in headers:
        if header.wavelengths is None:
            msg = header.axis_fault or (
                f"{header.name} names no wavelengths, so its bands cannot be placed on an axis"
            )
            raise EnviError(msg)
        _check_axis(header.name, np.asarray(header.wavelengths))
    for other in headers[1:]:
        _check_same(headers[0], other)


def _check_axis(name: str, wavelengths: np.ndarray) -> None:
    low, high = float(wavelengths.min()), float(wavelengths.max())
    if not (low > _SHORTEST_NM and high < _LONGEST_NM):
        msg = (
            f"{name}: {low:g} to {high:g} nm are not wavelengths of light; correct the "
            "wavelengths or their unit"
        )
        raise EnviError(msg)
    descends = wavelengths[0] > wavelengths[-1]
    rising = wavelengths[::-1] if descends else wavelengths
    steps = np.diff(rising)
    begins = np.flatnonzero(steps <= 0) + 1
    detectors = np.split(rising, begins)
    # Bands of one wavelength alone are a mistake; detectors that overlap fall back.
    overlap = min(map(len, detectors)) >= _LEAST_BANDS_OF_DETECTOR and (steps < 0).any()
    if len(detectors) == 1 or overlap:
        return
    place = int(begins[0])
    same = "have the same wavelength" if rising[place] == rising[place - 1] else "fall back"
    # Counted from 1, in the order of the file.
    bands = [len(rising) - at if descends else at + 1 for at in (place - 1, place)]
    msg = (
        f"{name}: bands {bands[0]} and {bands[1]} {same}, {rising[place - 1]:g} and "
        f"{rising[place]:g} nm; of detectors that overlap, wavelengths fall back, and each has "
        f"{_LEAST_BANDS_OF_DETECTOR} bands or more: correct the wavelengths"
    )
    raise EnviError(msg)


def _check_same(first: EnviHeader, other: EnviHeader) -> None:
    if other.bands != first.bands:
        msg = (
            f"{first.name} has {first.bands} bands and {other.name} has {other.bands}: "
            "the two are not of the same line or version"
        )
        raise EnviError(msg)
    ours, theirs = (np.asarray(header.ascending().wavelengths) for header in (first, other))
    worst = int(np.argmax(np.abs(ours - theirs)))
    if abs(ours[worst] - theirs[worst]) > ROUNDING_NM:
        left, right = ours[worst], theirs[worst]
        msg = (
            f"band {worst + 1} is at {left} nm in {first.name} and at {right} nm in {other.name}: "
            f"more than {ROUNDING_NM} nm of rounding"
        )
        raise EnviError(msg)


def nodata_of(header: EnviHeader) -> float:
    """Return the value that marks missing numbers of a cube, also if its header gives none."""
    return DEFAULT_NODATA if header.nodata is None else header.nodata
