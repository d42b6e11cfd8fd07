"""Finds words for a CRS in the text of a header: UTM zones, codes, PROJ strings, and names.

A text without any such word has no CRS, so that the campaign's CRS holds. The names are those of PROJ's
database, so that no list of them has to be kept here.
"""

import re
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from functools import cache

from pyproj.database import get_codes, get_units_map, query_crs_info
from pyproj.enums import PJType
from pyproj.list import get_ellps_map, get_proj_operations_map

# A hemisphere ends there, or one of these follows: "UTM zone 10, South Coast" has none.
_HEMISPHERE = (
    r"(?:hemisphere[\s:=_]*)?(north|south|n|s)(?:ern)?(?![a-z])(?=\s*(?:$|[\n,;:()\[\]{}|+<\"'-]|\.\s*$|/\s"
    r"|hemisphere|WGS|NAD|EPSG|datum|ellipsoid|easting|units?\b|met(?:er|re)s?\b|[a-z]+[ -]?\d))"
)
_ZONE = re.compile(
    r"(?:UTM|Universal Transverse Mercator(?: \(UTM\))?)(?:-(?=\w)|[\s,_]*)(?:zone)?[\s:=_]*([-+]?\d+)"
    rf"([\s,;(_-]*){_HEMISPHERE}",
    re.IGNORECASE | re.MULTILINE,
)
# Words between the projection's name and its zone.
_ZONE_ALONE = re.compile(
    rf"\bzone(?:\s*(?:number|no\.?))?[\s:=_]*(\d+)([\s,;(_-]*){_HEMISPHERE}",
    re.IGNORECASE | re.MULTILINE,
)
_NAMES_UTM = re.compile(r"\bUTM\b|Universal Transverse Mercator", re.IGNORECASE)
_PROJ = re.compile(r"\+proj=[\w.+-]+(?:\s+\+\w+(?:=[\w.+@-]+(?:,[\w.+@-]+)*)?)*")
_EPSG = re.compile(
    r"(?:(?:EPSG|ESPG)(?:[/:][\d.]*[/:]|[\s:]*(?:code)?[\s:=]*)|\b(?:SRID|WKID|CRS|SRS)[\s:=]*)(\d+)",
    re.IGNORECASE,
)
# Words for a CRS, besides the names that PROJ's database has.
_WORDS = re.compile(
    r"\bUTM|\bzone\b|\+proj|EPSG|PROJC|GEOGC|\bAlbers|\bLambert|Mercator|Stereographic|Sinusoidal"
    r"|State ?Plane|\bESRI:|\bGauss\b|Kr(ue|ü|u)ger|OSGB|\b(National|Irish|Swiss) Grid|\bMGA ?\d|\bNZTM"
    r"|CH1903|\bLV ?(03|95)\b|\bRD New|Equal[- ]?Area|Equirectangular|Cylindrical|Conic|Azimuthal"
    r"|\b(fuseau|huso)[\s:=]*\d|\bUPS\b|\bCassini-|Carr[ée]e|\bHotine|California \(?Teale|\bLo ?\d\d"
    r"|\bSWEREF|\bRT ?(38|90)\b|\bLAEA\b|\bMGRS\b|\bUSNG\b|\bTM ?\d|\bWKT\b"
    r"|\b(projection|crs|srs|proj4?|spatial ref\w*)\s*[:=]|(?<![\w.-])([1-9]|[1-5]\d|60) ?(?-i:[NS])\b(?! *\d)",
    re.IGNORECASE,
)
# Spellings of datums that PROJ's database does not have.
_OTHER_SPELLINGS = (
    (re.compile(r"\b(ED[ -]50|European( Datum)?( of)? (19)?50)\b", re.IGNORECASE), "ED50"),
    (re.compile(r"\b(SAD[ -]69|South American( Datum)?( of)? 1969)\b", re.IGNORECASE), "SAD69"),
    (re.compile(r"\bWGS[ _-]?(19)?72\b", re.IGNORECASE), "WGS 72"),
    (re.compile(r"\bPulkovo( 1942)?\b|\bS-42\b", re.IGNORECASE), "Pulkovo 1942"),
    (re.compile(r"\bTokyo (Mean|Datum)\b", re.IGNORECASE), "Tokyo"),
    (re.compile(r"\bPZ-?90\b", re.IGNORECASE), "PZ-90"),
    (re.compile(r"\b(GDA|JGD|NZGD|AGD|RGF) ?\d\d(\d\d)?\b|\bKorean? ?(19|20)\d\d\b"), ""),
    (re.compile(r"\b(Krass?owsky|Hayford|International ?19\d\d|Clarke ?18\d\d)\b", re.IGNORECASE), ""),
    (re.compile(r"\b(Bessel|Everest) ?1[89]?\d\d\b", re.IGNORECASE), ""),
)  # fmt: skip
# Operations of PROJ that are not projections, and names that are ordinary words as well.
_NO_PROJECTION = re.compile(
    r"transform|shift|model|coordinate|operation|alias|lat/long|evaluation|conversion|order|offset"
    r"|UTM|^(Airy|Euler|Fahey|Times|S2|Nell|Central|Hammer|Lagrange|Natural Earth|Geocentric)\b",
    re.IGNORECASE,
)
# Names of CRS that are first of all names of places: a flight may be over one of them.
_PLACES = frozenset(
    re.sub(r"\W", "", name)
    for name in [
        "accra",
        "agadez",
        "bellevue",
        "bioko",
        "bissau",
        "bonaire",
        "cape",
        "cape canaveral",
        "carthage",
        "cote d'ivoire",
        "deception island",
        "douala",
        "fort marigot",
        "gambia",
        "grand comoros",
        "greek",
        "guyane francaise",
        "jordan",
        "lake",
        "lisbon",
        "lome",
        "majuro",
        "makassar",
        "massawa",
        "mount dillon",
        "oman",
        "padang",
        "pohnpei",
        "pointe noire",
        "porto santo",
        "principe",
        "puerto rico",
        "saba",
        "sao tome",
        "sint eustatius",
        "south yemen",
        "st. george island",
        "st. lawrence island",
        "st. paul island",
        "sudan",
        "tete",
        "tokyo",
    ]
)
# A text of these words alone names no datum: PROJ's database, which takes 0.3 s to read, is not needed.
_ORDINARY = frozenset(
    [
        "ang",
        "aig",
        "vswir",
        "rt",
        "ortho",
        "igm",
        "aviris",
        "prism",
        "easting",
        "northing",
        "elevation",
        "latitude",
        "longitude",
        "lon",
        "lat",
        "alt",
        "height",
        "m",
        "meters",
        "metres",
        "degrees",
        "deg",
        "utm",
        "zone",
        "north",
        "south",
        "n",
        "s",
        "wgs",
        "84",
        "1984",
        "wgs84",
        "float64",
        "of",
        "the",
        "in",
        "and",
    ]
)
_ON_EARTH = ("EPSG", "ESRI", "IGNF")
_IN_DEGREES = (PJType.GEOGRAPHIC_2D_CRS, PJType.GEOGRAPHIC_3D_CRS, PJType.GEOCENTRIC_CRS)
_PARTS = (
    PJType.DATUM_ENSEMBLE,
    PJType.GEODETIC_REFERENCE_FRAME,
    PJType.DYNAMIC_GEODETIC_REFERENCE_FRAME,
    PJType.VERTICAL_REFERENCE_FRAME,
    PJType.ELLIPSOID,
    PJType.PRIME_MERIDIAN,
    PJType.CONVERSION,
)
_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 8
# Names with fewer characters are compared as they are written.
_LONG = 6
_SHORTEST = 4


def utm_zones(text: str) -> list[re.Match[str]]:
    """Return the UTM zones in a text: number, what stands before the hemisphere, hemisphere."""
    found = list(_ZONE.finditer(text))
    if not found and _NAMES_UTM.search(text):
        found = list(_ZONE_ALONE.finditer(text))
    return found


def projected_name(text: str) -> str | None:
    """Return a name in EPSG's form, such as ``WGS 84 / UTM zone 11N``, in which N is the hemisphere."""
    if " / " not in text:
        return None
    written = text.casefold()
    names = _names_in(text, _projection_names())
    return next((name for name in names if " / " in name and name.casefold() in written), None)


def proj_string(text: str) -> str | None:
    """Return the PROJ string in a text."""
    match = _PROJ.search(text)
    return match[0] if match else None


def epsg_codes(text: str) -> list[int]:
    """Return all codes of EPSG in a text, of CRS and of other objects."""
    return [int(code) for code in _EPSG.findall(text)]


def is_part_of_a_crs(code: int) -> bool:
    """Whether a code of EPSG is that of a datum, ellipsoid, prime meridian, projection or unit."""
    units = {unit.code for unit in get_units_map(auth_name="EPSG").values()}
    return str(code) in units.union(*(get_codes("EPSG", part) for part in _PARTS))


def datums_in(text: str) -> list[str]:
    """Return datums and ellipsoids in a text, under PROJ's names where it has them."""
    found = [] if _is_ordinary(text) else _names_in(text, _datum_names())
    for spelling, name in _OTHER_SPELLINGS:
        found += [name or match[0] for match in spelling.finditer(text)]
    return list(dict.fromkeys(found))


def words_for_projection(text: str) -> str | None:
    """Return words of a text that name a projected CRS or a projection; None if it has none."""
    if match := _WORDS.search(text):
        return match[0]
    return None if _is_ordinary(text) else next(iter(_names_in(text, _projection_names())), None)


def _is_ordinary(text: str) -> bool:
    return _ORDINARY.issuperset(word.casefold() for word in _WORD.findall(text))


def _names_in(text: str, known: Mapping[str, str]) -> list[str]:
    words = _WORD.findall(text)
    found = []
    start = 0
    while start < len(words):
        for count in range(min(_MOST_WORDS, len(words) - start), 0, -1):
            name = "".join(words[start : start + count])
            if (key := name.casefold() if len(name) >= _LONG else name) in known and (
                len(name) >= _LONG or count == 1
            ):
                found.append(known[key])
                start += count - 1
                break
        start += 1
    return found


def _by_letters(names: Iterable[str]) -> dict[str, str]:
    """Return names under their letters and digits alone."""
    found = {}
    for name in names:
        letters = re.sub(r"[\W_]", "", name)
        if len(letters) >= _SHORTEST or re.fullmatch(r"[A-Z]{3}", letters):
            found[letters.casefold() if len(letters) >= _LONG else letters] = name
    return {
        letters: name
        for letters, name in found.items()
        if letters.casefold() not in _PLACES and not letters.isdecimal()
    }


@cache
def _database() -> tuple[AbstractSet[str], AbstractSet[str]]:
    """Return PROJ's names of systems in degrees, and of projected ones."""
    in_degrees, projected = set(), set()
    for known in query_crs_info(allow_deprecated=True):
        if known.auth_name not in _ON_EARTH:
            continue
        if known.type == PJType.PROJECTED_CRS:
            projected.add(known.name)
        elif known.type in _IN_DEGREES:
            in_degrees.add(known.name)
            # Without a digit, that is a place, or a celestial body.
            if re.search(r"\d", known.name):
                in_degrees.add(known.name.removeprefix("GCS_"))
    return in_degrees, projected


@cache
def _datum_names() -> Mapping[str, str]:
    in_degrees, projected = _database()
    ellipsoids = (str(ellipsoid["description"]) for ellipsoid in get_ellps_map().values())
    names = {name for name in ellipsoids if re.search(r"\d{4}", name)} | in_degrees
    names |= {name.partition(" / ")[0] for name in projected if " / " in name}
    names |= {name.split("(")[0].strip() for name in names}
    return _by_letters(sorted(names))


@cache
def _projection_names() -> Mapping[str, str]:
    _, projected = _database()
    operations = get_proj_operations_map().values()
    names = {name.split("(")[0].strip() for name in operations if not _NO_PROJECTION.search(name)}
    # A part without a digit may be a place, as in "NAD83 / Montana".
    parts = (part for name in projected for part in name.split(" / ")[1:])
    return _by_letters(
        sorted(names | projected | {part for part in parts if re.search(r"\d", part)})
    )
