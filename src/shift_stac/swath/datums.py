"""The datums of UTM zones in headers, and whether a name is that of a CRS's datum."""

import re
from typing import NamedTuple

from pyproj import CRS
from pyproj.list import get_ellps_map

from shift_stac.crs import WGS84

NAMES_DATUM = re.compile(r"\bdatum\s*[:=]", re.IGNORECASE)
"""Words after which a datum stands."""


# Since 1994 they and WGS 84 have been the same within 0.1 m (EPSG, WGS 84's realizations).
_OF_THE_WORLD = re.compile(r"ITRF|IGS\d\d|IGb\d\d|WGS_?84 ?\(", re.IGNORECASE)


class NamedDatum(NamedTuple):
    """A datum: its spellings, and its EPSG codes.

    ``degrees`` is the code of its longitude and latitude; ``north`` and ``south`` are the codes
    before its first UTM zones.
    """

    name: re.Pattern[str]
    degrees: int
    north: int
    south: int | None


DATUMS = (
    NamedDatum(re.compile(r"NAD[ _-]?(19)?27|North America(n)?( Datum)?( of)? 1927", re.IGNORECASE), 4267, 26700, None),
    NamedDatum(re.compile(r"NAD[ _-]?(19)?83|North America(n)?( Datum)?( of)? 1983", re.IGNORECASE), 4269, 26900, None),
    NamedDatum(re.compile(r"WGS[ _-]?(19)?84", re.IGNORECASE), 4326, 32600, 32700),
)  # fmt: skip
"""Those that ENVI has for North America, and that of the world."""


def datum_in(text: str) -> NamedDatum | None:
    """Return the first of :data:`DATUMS` that a text names."""
    return next((known for known in DATUMS if known.name.search(text)), None)


def is_of(name: str, crs: CRS) -> bool:
    """Whether a name is that of a CRS's datum or ellipsoid, or one of :data:`DATUMS` that it has."""
    known = datum_in(name)
    geodetic = crs.geodetic_crs
    if geodetic is None:
        return False
    if known:
        return has_datum(CRS.from_epsg(known.degrees), geodetic)
    if _OF_THE_WORLD.match(name):
        return has_datum(WGS84, geodetic)
    ellipsoid = geodetic.ellipsoid
    for described in get_ellps_map().values():
        if _letters(str(described["description"])).startswith(_letters(name)):
            return ellipsoid is not None and described["a"] == ellipsoid.semi_major_metre
    names = [geodetic.name, crs.name, geodetic.datum.name if geodetic.datum else ""]
    names.append(ellipsoid.name if ellipsoid else "")
    return any(_letters(name) in _letters(known_name) for known_name in names)


def has_datum(one: CRS, other: CRS) -> bool:
    """Whether two CRS have the same datum."""
    if one.to_epsg() and one.to_epsg() == other.to_epsg():
        return True
    return one.datum is not None and one.datum == other.datum


def _letters(text: str) -> str:
    return re.sub(r"[\W_]", "", text).casefold()
