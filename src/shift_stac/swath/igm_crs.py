"""Reads the CRS from the header of a line's input geometry (IGM), in all forms in which it is given."""

import re
from collections.abc import Sequence

from pyproj import CRS
from pyproj.exceptions import CRSError

from shift_stac.crs import WGS84, are_alike, is_in_metres
from shift_stac.envi.header import EnviHeader
from shift_stac.envi.header_text import plain, unbrace
from shift_stac.errors import GeolocationError
from shift_stac.swath.crs_words import (
    datums_in,
    epsg_codes,
    is_part_of_a_crs,
    proj_string,
    projected_name,
    utm_zones,
    words_for_projection,
)
from shift_stac.swath.datums import DATUMS, NAMES_DATUM, NamedDatum, datum_in, has_datum, is_of

# Keys of programs other than ENVI for a CRS.
_CRS_KEY = re.compile(
    r"\b(projection|utm|zone|crs|srs|srid|wkid|wkt|epsg|proj4?|datum|ellipsoid|spheroid|geo info|projinfo|hemisphere|geolocation"
    r"|(coord|coordinate) sys(tem)?|(spatial )?ref(erence)?( system)?)\b|^grid$"
)
_NOTHING = ("", "none", "unknown", "arbitrary", "n/a", "0")
_READ_ELSEWHERE = (
    "description", "band names", "coordinate system string", "projection info", "map info",
)  # fmt: skip
_TELLS_METRES = re.compile(r"\beasting|\bnorthing", re.IGNORECASE)
_TELLS_DEGREES = re.compile(r"\blon(gitude)?\b|\blat(itude)?\b|\bgeographic\b", re.IGNORECASE)
_OTHER_UNIT = re.compile(
    r"\b(u\.?s\.?[- ]?)?(ft|feet|foot)\b|\b(km|kilomet(er|re)s?|cm|mm|miles?|yards?)\b"
    r"|\brad(ians?)?\b|\bgons?\b",
    re.IGNORECASE,
)
_COUNTS_WEST = re.compile(
    r"\b(longitude|lon)\b\s*[(\[]?\s*(deg(rees?)?)?\s*w(est)?\b", re.IGNORECASE
)
_LAST_ZONE = 60
# Metres.
_ALIKE = 3.0
# ENVI writes these if there is no map.
_NO_PROJECTION = re.compile(r"|(arbitrary|pixel)\b.*", re.IGNORECASE)


def crs_from_igm(header: EnviHeader, fallback: str | None) -> CRS | None:
    """Return the CRS of an IGM: projected, or longitude and latitude.

    It is taken from the first of these that has it: the description, the ``coordinate system
    string``, the map info, the fallback; None if there is none.

    Raises
    ------
    GeolocationError
        The header's CRS cannot be parsed, or the fallback is not a CRS.
    """
    if unit := _OTHER_UNIT.search(" ".join(header.band_names[:3]).replace("_", " ")):
        raise _not_understood(header, f"places in {unit[0]!r}")
    if west := _COUNTS_WEST.search(" ".join(header.band_names[:3])):
        raise _not_understood(header, f"places that count to the west, {west[0]!r}")
    described, in_system = _from_description(header), _from_coordinate_system(header)
    # ENVI names a projection there; its parameters are in the coordinate system string.
    is_told = described or in_system
    in_map = _from_map_info(header) if not is_told or utm_zone_of_map(header) else None
    found = is_told or in_map
    found = found and _agreed(header, found, described, in_system, in_map)
    if found is None and header.fields.get("projection info"):
        raise _not_understood(header, f"projection info {header.fields['projection info']}")
    if found is None and tells_degrees(header):
        return _degrees_in_words(header)
    if found is not None or fallback is None:
        return found
    try:
        crs = CRS.from_user_input(fallback)
    except CRSError as error:
        msg = f"{fallback!r}, the portal version's CRS in the campaign file, is none: {error}"
        raise GeolocationError(msg) from error
    _check_datum(header, crs)
    return crs


def tells_degrees(header: EnviHeader) -> bool:
    """Whether the header says that the bands are longitude and latitude."""
    texts = (header.description, *header.band_names[:2])
    return any(_TELLS_DEGREES.search(text.replace("_", " ")) for text in texts)


def tells_metres(header: EnviHeader) -> bool:
    """Whether the header says that the bands are easting and northing."""
    return any(_TELLS_METRES.search(text) for text in (header.description, *header.band_names[:2]))


def _from_description(header: EnviHeader) -> CRS | None:
    """Return the projected CRS that the header's words give, or else their longitude and latitude."""
    text = _told_in_words(header)
    told = _told_projected(header, text)
    parts = []
    for code in dict.fromkeys(epsg_codes(text)):
        try:
            told.append(_parsed(header, f"EPSG:{code}"))
        except GeolocationError:
            if not is_part_of_a_crs(code):
                raise
            parts.append(code)
    if not told:
        if parts or (words := words_for_projection(text)):
            raise _not_understood(
                header, f"{text.strip()!r}" if parts else f"{words!r} in {text.strip()!r}"
            )
        return None
    found = next((crs for crs in told if crs.is_projected), told[0])
    for other in told:
        if not _agree(other, found):
            raise _not_understood(header, f"{found.name} in its description, and {other.name}")
    return found


def _told_projected(header: EnviHeader, text: str) -> list[CRS]:
    """Return what a name in EPSG's form, a UTM zone, and a PROJ string give."""
    told = []
    if (name := projected_name(text)) and (named := _named(name)):
        told.append(named)
    elif zones := utm_zones(text):
        told.append(_from_zone(header, text, zones))
    if text_of_proj := proj_string(text):
        told.append(_parsed(header, text_of_proj))
    return told


def _named(name: str) -> CRS | None:
    """Return the CRS of exactly this name."""
    try:
        crs = CRS.from_user_input(name)
    except CRSError:
        return None
    epsg = crs.to_epsg()
    return CRS.from_epsg(epsg) if epsg and crs.name.lower() == name.lower() else None


def _from_zone(header: EnviHeader, text: str, zones: Sequence[re.Match[str]]) -> CRS:
    """Return the zone in a description, if it has one; a latitude band's letter is not a hemisphere."""
    number, between, hemisphere = zones[0].groups()
    if hemisphere.upper() == "S" and not between:
        told = f"{zones[0][0]!r}, where S may be the south, or the letter of a band in the north"
        raise _not_understood(header, told)
    if len({(zone[1], zone[3][:1].upper()) for zone in zones}) > 1:
        raise _not_understood(header, f"more than one zone in the description {text!r}")
    datum = datum_in(text) or next(
        (known for known in DATUMS if known.degrees in epsg_codes(text)), None
    )
    others = datums_in(text)
    if datum is None and all(is_of(name, WGS84) for name in others):
        if not others and NAMES_DATUM.search(text):
            raise _not_understood(header, f"the datum of {text!r}")
        datum = DATUMS[-1]
    if datum:
        found = _utm(header, number, hemisphere, datum)
    else:
        found = _parsed(header, f"{others[0]} / UTM zone {number}{hemisphere[:1].upper()}")
    if strange := next((name for name in others if not is_of(name, found)), None):
        raise _not_understood(header, f"{found.name} and {strange} in its description")
    return found


def _agreed(
    header: EnviHeader, found: CRS, described: CRS | None, in_system: CRS | None, in_map: CRS | None
) -> CRS:
    """Return the CRS that was found, if no other entry contradicts it."""
    if described is not None:
        told = f"UTM zone {described.utm_zone} in its description, and"
        if in_system is not None and in_system.utm_zone != described.utm_zone:
            raise _not_understood(
                header, f"{told} {in_system.name} in its coordinate system string"
            )
        if (other := utm_zone_of_map(header)) not in {None, described.utm_zone}:
            raise _not_understood(header, f"{told} {other} in its map info")
    for other_crs in (in_system, in_map):
        if not other_crs or _are_alike(other_crs, found):
            continue
        # A description may have only the zone, and another entry its datum.
        if found is not described or _tells_datum(header):
            both = f"{found.name} in one place, and {other_crs.name} in another"
            raise _not_understood(header, both)
        found = other_crs
    return found


def _agree(one: CRS, other: CRS) -> bool:
    """Whether a CRS in a description does not contradict another one, of the places of a line."""
    if one.is_projected:
        return _are_alike(one, other)
    # Heights say nothing about places; longitude and latitude say the datum.
    geodetic = other.geodetic_crs
    return not one.is_geographic or geodetic is None or has_datum(one, geodetic)


def _are_alike(one: CRS, other: CRS) -> bool:
    """Whether two CRS give almost the same place for the same numbers, as WGS 84 and NAD 83 do."""
    return are_alike(one, other, (500_000.0, 4_000_000.0), within=_ALIKE)


def _told_in_words(header: EnviHeader) -> str:
    """Return description, names of bands, and entries of keys that only the writing program knows."""
    others = (
        f"{key}: {plain(value)}"
        for key, value in header.fields.items()
        if (_CRS_KEY.search(key) or _gives_crs(value))
        and key not in _READ_ELSEWHERE
        and plain(value).lower() not in _NOTHING
    )
    return "\n".join((header.description, *header.band_names[:3], *others))


def _gives_crs(text: str) -> bool:
    """Whether the entry of any key gives a zone, a code or a PROJ string, as a history may."""
    return bool(utm_zones(text) or epsg_codes(text) or proj_string(text))


def _check_datum(header: EnviHeader, fallback: CRS) -> None:
    """Refuse a header with a datum, but without a zone, if the campaign's CRS has another datum."""
    text = _told_in_words(header)
    geodetic = fallback.geodetic_crs
    told = datum_in(text)
    if told and geodetic and geodetic.to_epsg() != told.degrees:
        raise _not_understood(header, f"a datum, and {fallback.name} is the campaign file's CRS")
    names = datums_in(text)
    if not told and not names and (word := NAMES_DATUM.search(text)):
        raise _not_understood(header, f"the {word[0]} of {text!r}")
    if strange := next((name for name in names if not is_of(name, fallback)), None):
        both = f"the datum {strange}, and {fallback.name} is the campaign file's CRS"
        raise _not_understood(header, both)


def _degrees_in_words(header: EnviHeader) -> CRS:
    text = _told_in_words(header)
    datum = datum_in(text)
    names = datums_in(text)
    if datum is None and not names and NAMES_DATUM.search(text):
        raise _not_understood(header, f"the datum of {text!r}")
    found = WGS84 if datum is None else CRS.from_epsg(datum.degrees)
    if strange := next((name for name in names if not is_of(name, found)), None):
        raise _not_understood(header, f"the datum {strange} in {text!r}")
    return found


def _tells_datum(header: EnviHeader) -> bool:
    text = _told_in_words(header)
    return bool(datum_in(text) or datums_in(text) or proj_string(text) or epsg_codes(text))


def _from_coordinate_system(header: EnviHeader) -> CRS | None:
    text = unbrace(header.fields.get("coordinate system string", ""))
    # ENVI writes this if there is none.
    if not text or re.match(r'(LOCAL_CS|ENGCRS|PROJCS\["(Arbitrary|Pixel))', text, re.IGNORECASE):
        return None
    return _parsed(header, text)


def utm_zone_of_map(header: EnviHeader) -> str | None:
    """Return zone and hemisphere of a map info, as ``11N``; None if it has no UTM zone."""
    info = header.map_info or ("",)
    if info[0].upper() != "UTM" or len(info) <= 8:  # noqa: PLR2004 - as below
        return None
    return f"{info[7]}{info[8][:1].upper()}"


def _from_map_info(header: EnviHeader) -> CRS | None:
    # Its entries: projection, x, y, easting, northing, dx, dy, [zone, hemisphere,] datum, units=.
    info = header.map_info or ("",)
    projection = info[0].upper()
    if _NO_PROJECTION.fullmatch(projection):
        return None
    written = f"map info {', '.join(info)!r}"
    units = next(
        (entry for entry in info if entry.replace(" ", "").lower().startswith("units=")), ""
    )
    if units and not re.search(r"=\s*(met(er|re)s?|m|deg(ree)?s?)$", units, re.IGNORECASE):
        raise _not_understood(header, written)
    if projection == "UTM" and len(info) > 8:  # noqa: PLR2004 - as above
        return _utm(header, info[7], info[8], _datum(header, info[9:], written))
    if projection.startswith("GEOGRAPHIC"):
        return CRS.from_epsg(_datum(header, info[7:], written).degrees)
    raise _not_understood(header, written)


def _datum(header: EnviHeader, entries: Sequence[str], written: str) -> NamedDatum:
    named = next((entry for entry in entries if "=" not in entry), "WGS-84")
    for known in DATUMS:
        if known.name.fullmatch(named):
            return known
    raise _not_understood(header, written)


def _utm(header: EnviHeader, number: str, hemisphere: str, datum: NamedDatum) -> CRS:
    north = hemisphere[:1].upper() == "N"
    if not (
        number.isdecimal()
        and 1 <= int(number) <= _LAST_ZONE
        and hemisphere[:1].upper() in ("N", "S")
    ):
        msg = (
            f"{header.name} says UTM zone {number} {hemisphere}: UTM has zones 1 to {_LAST_ZONE}, "
            "North and South; correct the header, or download it again"
        )
        raise GeolocationError(msg)
    before = datum.north if north else datum.south
    if before is None:
        raise _not_understood(header, f"southern zone {number} of a datum of North America")
    try:
        return CRS.from_epsg(before + int(number))
    except CRSError:
        raise _not_understood(header, f"zone {number} of a datum of North America") from None


def _parsed(header: EnviHeader, text: str) -> CRS:
    try:
        crs = CRS.from_user_input(text)
    except CRSError:
        raise _not_understood(header, f"{text!r}") from None
    if crs.is_projected and not is_in_metres(crs):
        raise _not_understood(header, f"{text!r}, which is not in metres")
    # PROJ's confidence is about 50 where only a name or the kind of projection matches: that may be
    # another CRS.
    epsg = crs.to_epsg(min_confidence=70)
    return CRS.from_epsg(epsg) if epsg else crs


def _not_understood(header: EnviHeader, told: str) -> GeolocationError:
    return GeolocationError(
        f"{header.name} has a CRS that is not understood: {told}; correct the header, for example "
        "to 'UTM zone 10 North' in its description"
    )
