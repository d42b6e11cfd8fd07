"""The bands of an OBS file: their names, units and possible values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shift_stac.envi.header import EnviHeader
from shift_stac.envi.line_headers import scaled_geometry_fault, swath_fault
from shift_stac.errors import EnviError
from shift_stac.sources import ObsBand


@dataclass(frozen=True)
class ObservationLayer:
    """One band of an OBS file as a variable of the store.

    ``possible`` bounds its values, in its unit. The band's name in a header begins with the
    variable's name or with one of the ``other_names``, in lower case with underscores.
    """

    name: str
    attributes: dict[str, Any] = field(hash=False)
    dtype: type[np.floating[Any]] = np.float32
    possible: tuple[float, float] = (-np.inf, np.inf)
    other_names: tuple[str, ...] = ()


def _layer(
    name: ObsBand,
    long_name: str,
    units: str,
    possible: tuple[float, float],
    *other_names: str,
    dtype: type[np.floating[Any]] = np.float32,
    **more: str,
) -> ObservationLayer:
    attributes = {**more, "long_name": long_name, "units": units}
    return ObservationLayer(str(name), attributes, dtype, possible, other_names)


# Azimuths are written from 0 to 360 or from -180 to 180.
_TURN = (-360.0, 360.0)
# Times are wrapped into one day if they are at most two days off.
DAY_HOURS, _MOST_HOURS_OFF = 24.0, 48.0

# In the order of the file's bands. Angles in float32 are exact to 2e-5 degrees; the time of day
# needs float64, because successive scan lines are 3e-6 hours apart.
OBS_LAYERS = (
    _layer(ObsBand.PATH_LENGTH, "distance from sensor to ground", "m", (1, 1e6)),
    _layer(
        ObsBand.TO_SENSOR_AZIMUTH,
        "azimuth from ground to sensor, clockwise from north",
        "degree",
        _TURN,
        standard_name="sensor_azimuth_angle",
    ),
    _layer(
        ObsBand.TO_SENSOR_ZENITH,
        "zenith angle from ground to sensor",
        "degree",
        (0, 90),
        standard_name="sensor_zenith_angle",
    ),
    _layer(
        ObsBand.TO_SUN_AZIMUTH,
        "azimuth from ground to sun, clockwise from north",
        "degree",
        _TURN,
        standard_name="solar_azimuth_angle",
    ),
    _layer(
        ObsBand.TO_SUN_ZENITH,
        "zenith angle from ground to sun",
        "degree",
        (0, 90),
        standard_name="solar_zenith_angle",
    ),
    _layer(
        ObsBand.SOLAR_PHASE,
        "angle between the directions to sensor and to sun",
        "degree",
        (0, 180),
        "phase",
    ),
    _layer(
        ObsBand.SLOPE, "slope of the terrain", "degree", (0, 90), standard_name="ground_slope_angle"
    ),
    _layer(
        ObsBand.ASPECT,
        "direction that the slope faces, clockwise from north",
        "degree",
        _TURN,
        standard_name="ground_slope_direction",
    ),
    _layer(
        ObsBand.COSINE_I,
        "cosine of the angle between the sun and the terrain's normal",
        "1",
        (-1, 1),
        "cos_i",
    ),
    _layer(
        ObsBand.UTC_TIME,
        "time of day of the observation, UTC",
        "hour",
        (-_MOST_HOURS_OFF, DAY_HOURS + _MOST_HOURS_OFF),
        "time_utc",
        "utc",
        dtype=np.float64,
    ),
    _layer(
        ObsBand.EARTH_SUN_DISTANCE,
        "distance from Earth to sun",
        "ua",
        (0.9, 1.1),
        standard_name="distance_from_sun",
    ),
)
# A unit in a band's name that differs from its layer's unit; radians become degrees.
_OTHER_UNIT = re.compile(
    r"[(\[]\s*(km|kilomet\w*|ft|feet|foot|miles?|cm|mm|%|percent|per cent|permille|mrad|millirad\w*|gons?|grads?"
    r"|s|sec\w*|min(utes?)?|days?)\s*[)\]]|\bin (percent|kilomet\w*|feet|seconds|minutes|days)\b",
    re.IGNORECASE,
)
# Rounding puts a level slope at -1e-14 and the cosine of a zenith sun above 1.
_ROUNDING = 1e-6


# As programs name a band whose name is not known.
_NO_NAME = re.compile(r"_?(band|b|layer|channel|obs)?_?\d*_?")
_LAYERS = {layer.name: layer for layer in OBS_LAYERS}


def known_bands(header: EnviHeader) -> dict[str, int]:
    """Return the band of each layer in the file.

    ``To-sun zenith (0 to 90 degrees from zenith)`` is ``to_sun_zenith``. Unknown names, two bands
    with the same name, and bands in another unit than their layer's are ignored. If there are no
    names, the bands are those of the campaign file, or those of :data:`OBS_LAYERS` in this order,
    if the number is the same.
    """
    spelled = [re.sub(r"[^a-z0-9]+", "_", name.lower()) for name in header.band_names]
    found: dict[str, int] = {}
    if len(spelled) == header.bands:
        for layer in OBS_LAYERS:
            known = (layer.name, *layer.other_names)
            bands = [band for band, text in enumerate(spelled) if text.startswith(known)]
            if len(bands) == 1 and not _OTHER_UNIT.search(header.band_names[bands[0]]):
                found[layer.name] = bands[0]
    told = header.campaign_bands or tuple(_LAYERS)
    # Names that mean something else are not the usual bands in the usual order.
    has_other_names = not header.campaign_bands and not all(map(_NO_NAME.fullmatch, spelled))
    if found or header.bands != len(told) or has_other_names:
        return found
    return {name: band for band, name in enumerate(told) if name}


def in_radians(header: EnviHeader, bands: Mapping[str, int]) -> frozenset[str]:
    """Return the layers whose band name has radians, as ``Slope (rad)`` of AVIRIS-3."""
    return frozenset(
        name
        for name, band in bands.items()
        if band < len(header.band_names)
        and re.search(r"\brad(ians?)?\b", header.band_names[band], re.IGNORECASE)
    )


def check_observation(header: EnviHeader, igm: EnviHeader) -> None:
    """Refuse an OBS that does not belong to the IGM's line, or has no known band.

    Raises
    ------
    EnviError
        Its scan lines or samples differ, its numbers are complex, or neither the names nor the
        number of its bands are known.
    """
    if fault := swath_fault(header, igm):
        raise EnviError(fault)
    if fault := scaled_geometry_fault(header):
        raise EnviError(fault)
    if header.dtype.kind == "c":
        msg = f"{header.name} has data type {header.dtype}: angles are real numbers"
        raise EnviError(msg)
    if not known_bands(header):
        msg = (
            f"{header.name} has {header.bands} bands with no known name; the campaign file gives "
            f"{len(header.campaign_bands or OBS_LAYERS)} (key bands of its product obs)"
        )
        raise EnviError(msg)


def is_impossible(name: str, values: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return a mask of values that the layer of that name cannot have; NaN is False."""
    low, high = _LAYERS[name].possible
    return np.asarray((values < low - _ROUNDING) | (values > high + _ROUNDING))
