"""Reads the CRS from the header of a line's input geometry (IGM), in all forms in which it is given."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pyproj import CRS
from pyproj.exceptions import CRSError

from shift_stac.crs import WGS84, is_in_metres, transformer
from shift_stac.envi.header import EnviHeader
from shift_stac.envi.header_text import plain, unbrace
from shift_stac.envi.line_headers import check_headers
from shift_stac.errors import GeolocationError
from shift_stac.sources import Product, ProductLevel
from shift_stac.swath.spectral import check_bad_bands

_ZONE = re.compile(
    r"(?:UTM|Universal Transverse Mercator(?: \(UTM\))?)(?:-(?=\w)|[\s,_]*)(?:zone)?[\s:=_]*([-+]?\d+)"
    r"([\s,(_-]*)(?:hemisphere[\s:=_]*)?(north|south|n\b|s\b)",
    re.IGNORECASE,
)
# Words between the projection's name and its zone.
_ZONE_ALONE = re.compile(
    r"\bzone(?:\s*(?:number|no\.?))?[\s:=_]*(\d+)([\s,(_-]*)(?:hemisphere[\s:=_]*)?(north|south|n\b|s\b)",
    re.IGNORECASE,
)
_NAMES_UTM = re.compile(r"\bUTM\b|Universal Transverse Mercator", re.IGNORECASE)
# A name in EPSG's form, in which the letter is the hemisphere.
_EPSG_NAME = re.compile(r"[A-Z][\w()-]*(?: [\w()-]+)* / [A-Z]+ zone \d+[NS]?\b")
_PROJ = re.compile(r"\+proj=[^\n{}]+")
_EPSG = re.compile(
    r"(?:EPSG(?:[/:][\d.]*[/:]|[\s:]*(?:code)?[\s:=]*)|\b(?:SRID|WKID|CRS|SRS)[\s:=]*)(\d+)",
    re.IGNORECASE,
)
# Words of a description that indicate a CRS.
_TELLS_CRS = re.compile(
    r"\bUTM|\bzone\b|\+proj|EPSG|PROJC|GEOGC|\bAlbers|\bLambert|Mercator|Stereographic|Sinusoidal"
    r"|State ?Plane|\bESRI:|\bGauss\b|Kr(ue|ü|u)ger|OSGB|\b(National|Irish|Swiss) Grid|\bMGA ?\d|\bNZTM"
    r"|CH1903|\bLV ?(03|95)\b|\bRD New|Equal[- ]?Area|Equirectangular|Cylindrical|Conic|Azimuthal"
    r"|\b(fuseau|huso)[\s:=]*\d|\bUPS\b|Robinson proj|Mollweide|Homolosine|\bCassini-|Carr[ée]e"
    r"|\bHotine|California \(?Teale|\bLo ?\d\d|\bSWEREF|\bRT ?(38|90)\b|\bLAEA\b|\bKrovak|\bS-JTSK|\bMGRS\b|\bUSNG\b"
    r"|\bTM ?\d|\bWKT\b|\b(projection|crs|srs|proj4?|spatial ref\w*)\s*[:=]|(?<![\w.-])([1-9]|[1-5]\d|60) ?[NS]\b(?! *\d)",
    re.IGNORECASE,
)
# Keys of programs other than ENVI for a CRS.
_CRS_KEY = re.compile(
    r"\b(projection|utm|zone|crs|srs|srid|wkid|wkt|epsg|proj4?|datum|ellipsoid|spheroid|geo info"
    r"|(coord|coordinate) sys(tem)?|(spatial )?ref(erence)?( system)?)\b|^grid$"
)
_NOTHING = ("", "none", "unknown", "arbitrary", "n/a", "0")
_READ_ELSEWHERE = ("coordinate system string", "projection info", "map info")
# Datums besides those below. Some have UTM zones, under a name that PROJ knows.
_OTHER_DATUM = re.compile(
    r"\b(ETRS ?89|SIRGAS ?2000|ED[- ]?50|GDA ?\d+|JGD ?\d+|NZGD ?\d+|SAD ?69|PSAD ?56|Pulkovo|Tokyo"
    r"|European ?19\d\d|CGCS ?2000|Hartebeesthoek|WGS[ -]?(?:19)?72|AGD ?\d+|Arc ?19\d\d|RGF ?93"
    r"|Clarke ?18\d\d|Corrego Alegre|OSGB ?36|Indian ?19\d\d|Kertau|Beijing ?19\d\d|Xian ?19\d\d"
    r"|Korea(n)? ?(19|20)\d\d|S-42|PZ-?90|DHDN|Puerto Rico ?19\d\d|Everest ?1\d\d\d|Bessel ?18\d\d"
    r"|Krass?owsky|Hayford|International ?19\d\d)\b",
    re.IGNORECASE,
)
_NAMES_DATUM = re.compile(r"\bdatum\s*[:=]", re.IGNORECASE)
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


class _Datum(NamedTuple):
    """A datum: its spellings, and its EPSG codes.

    ``degrees`` is the code of its longitude and latitude; ``north`` and ``south`` are the codes
    before its first UTM zones.
    """

    name: re.Pattern[str]
    degrees: int
    north: int
    south: int | None


_DATUMS = (
    _Datum(re.compile(r"NAD[ _-]?(19)?27|North America(n)?( Datum)?( of)? 1927", re.IGNORECASE), 4267, 26700, None),
    _Datum(re.compile(r"NAD[ _-]?(19)?83|North America(n)?( Datum)?( of)? 1983", re.IGNORECASE), 4269, 26900, None),
    _Datum(re.compile(r"WGS[ _-]?(19)?84", re.IGNORECASE), 4326, 32600, 32700),
)  # fmt: skip
# ENVI writes these if there is no map.
_NO_PROJECTION = re.compile(r"|(arbitrary|pixel)\b.*", re.IGNORECASE)


def check_line(
    headers: Mapping[Product, EnviHeader],
    fallback: str | None,
    bad_bands: Sequence[tuple[int, int]] = (),
) -> None:
    """Refuse a line if its headers show that no store can be made.

    Parameters
    ----------
    headers
        Of the line's cubes, of its IGM, and of its GLT.
    fallback
        CRS of an IGM without one, from the campaign file.
    bad_bands
        Those of the campaign file.

    Raises
    ------
    EnviError
        As :func:`shift_stac.envi.line_headers.check_headers`, or
        :func:`shift_stac.swath.spectral.check_bad_bands`.
    GeolocationError
        As :func:`crs_from_igm`; or the IGM has no CRS, and the GLT has another one than the
        fallback.
    """
    check_headers(headers)
    cubes = [headers[product] for product in ProductLevel.ALL.cubes if product in headers]
    check_bad_bands(cubes, bad_bands)
    if igm := headers.get(Product.IGM):
        crs = crs_from_igm(igm, fallback)
        glt = headers.get(Product.GLT)
        # The zone of the IGM takes precedence: some published GLTs have another zone in their
        # header.
        if glt and crs and tells_metres(igm) and crs_from_igm(igm, None) is None:
            other = _utm_zone_of_map(glt)
            if other not in {None, crs.utm_zone}:
                msg = (
                    f"{igm.name} has no zone, {glt.name} has UTM zone {other}, and the campaign "
                    f"file {crs.utm_zone}; give the right one in the IGM's description"
                )
                raise GeolocationError(msg)


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
    in_map = _from_map_info(header) if not is_told or _utm_zone_of_map(header) else None
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
    text = _told_in_words(header)
    if (name := _EPSG_NAME.search(text)) and (named := _named(name[0])):
        return named
    zones = list(_ZONE.finditer(text))
    if zones or (_NAMES_UTM.search(text) and (zones := list(_ZONE_ALONE.finditer(text)))):
        zone = _from_zone(header, zones)
        code = _EPSG.search(text)
        if code and not _are_alike(coded := _parsed(header, f"EPSG:{code[1]}"), zone):
            raise _not_understood(header, f"{zone.name} in its description, and {coded.name}")
        return zone
    if match := _PROJ.search(text):
        return _parsed(header, match[0].strip())
    if match := _EPSG.search(text):
        return _parsed(header, f"EPSG:{match[1]}")
    if _TELLS_CRS.search(text):
        raise _not_understood(header, f"{text.strip()!r}")
    return None


def _named(name: str) -> CRS | None:
    """Return the CRS of exactly this name."""
    try:
        crs = CRS.from_user_input(name)
    except CRSError:
        return None
    epsg = crs.to_epsg()
    return CRS.from_epsg(epsg) if epsg and crs.name.lower() == name.lower() else None


def _from_zone(header: EnviHeader, zones: Sequence[re.Match[str]]) -> CRS:
    """Return the zone in a description, if it has one; a latitude band's letter is no hemisphere."""
    text = _told_in_words(header)
    number, between, hemisphere = zones[0].groups()
    if hemisphere.upper() == "S" and not between:
        told = f"{zones[0][0]!r}, where S may be the south, or the letter of a band in the north"
        raise _not_understood(header, told)
    if len({(zone[1], zone[3][:1].upper()) for zone in zones}) > 1:
        raise _not_understood(header, f"more than one zone in the description {text!r}")
    if other := _OTHER_DATUM.search(text):
        name = re.sub(r"(?<=[A-Z]) ?(?=\d{4})", " ", other[1].upper().replace("-", ""))
        return _parsed(header, f"{name} / UTM zone {number}{hemisphere[:1].upper()}")
    datum = next((known for known in _DATUMS if known.name.search(text)), None)
    if datum is None and _NAMES_DATUM.search(text):
        raise _not_understood(header, f"the datum of {text!r}")
    datum = datum or _DATUMS[-1]
    return _utm(header, number, hemisphere, datum)


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
        if (other := _utm_zone_of_map(header)) not in {None, described.utm_zone}:
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


def _are_alike(one: CRS, other: CRS) -> bool:
    """Whether two CRS give almost the same place for the same numbers, as WGS 84 and NAD 83 do."""
    if one.equals(other, ignore_axis_order=True) or not (one.is_projected and other.is_projected):
        return one.equals(other, ignore_axis_order=True)
    place = (500_000.0, 4_000_000.0)
    return math.dist(transformer(one, other).transform(*place), place) < _ALIKE


def _told_in_words(header: EnviHeader) -> str:
    """Return description, names of bands, and entries of keys that only the writing program knows."""
    others = (
        f"{key}: {plain(value)}"
        for key, value in header.fields.items()
        if _CRS_KEY.search(key)
        and key not in _READ_ELSEWHERE
        and plain(value).lower() not in _NOTHING
    )
    return "\n".join((header.description, *header.band_names[:3], *others))


def _check_datum(header: EnviHeader, fallback: CRS) -> None:
    """Refuse a header with a datum, but without a zone, if the campaign's CRS has another datum."""
    text = _told_in_words(header)
    told = next((known for known in _DATUMS if known.name.search(text)), None)
    geodetic = fallback.geodetic_crs
    if told and geodetic and geodetic.to_epsg() != told.degrees:
        raise _not_understood(header, f"a datum, and {fallback.name} is the campaign file's CRS")
    if not told and (other := _OTHER_DATUM.search(text) or _NAMES_DATUM.search(text)):
        letters, known = (
            re.sub(r"[^a-z0-9]", "", name.lower()) for name in (other[0], fallback.name)
        )
        if letters not in known:
            raise _not_understood(header, f"the datum of {text!r}")


def _degrees_in_words(header: EnviHeader) -> CRS:
    text = _told_in_words(header)
    datum = next((known for known in _DATUMS if known.name.search(text)), None)
    if datum is None and (_OTHER_DATUM.search(text) or _NAMES_DATUM.search(text)):
        raise _not_understood(header, f"the datum of {text!r}")
    return WGS84 if datum is None else CRS.from_epsg(datum.degrees)


def _tells_datum(header: EnviHeader) -> bool:
    text = _told_in_words(header)
    tell = (*(known.name for known in _DATUMS), _OTHER_DATUM, _PROJ, _EPSG)
    return any(pattern.search(text) for pattern in tell)


def _from_coordinate_system(header: EnviHeader) -> CRS | None:
    text = unbrace(header.fields.get("coordinate system string", ""))
    # ENVI writes this if there is none.
    if not text or re.match(r'(LOCAL_CS|ENGCRS|PROJCS\["(Arbitrary|Pixel))', text, re.IGNORECASE):
        return None
    return _parsed(header, text)


def _utm_zone_of_map(header: EnviHeader) -> str | None:
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


def _datum(header: EnviHeader, entries: Sequence[str], written: str) -> "_Datum":
    named = next((entry for entry in entries if "=" not in entry), "WGS-84")
    for known in _DATUMS:
        if known.name.fullmatch(named):
            return known
    raise _not_understood(header, written)


def _utm(header: EnviHeader, number: str, hemisphere: str, datum: _Datum) -> CRS:
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
