"""Types of settings: how their texts are read, and how forms show them."""

from pathlib import Path
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
)

from shift_stac.campaigns import load_campaign
from shift_stac.files import at_home
from shift_stac.flightline import FlightLine, parse_date
from shift_stac.sources import Product
from shift_stac.texts import split_commas


def _drop_repeated(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value))


def _flight_date(value: Any) -> Any:
    return parse_date(value.strip()) if isinstance(value, str) else value


# A server that checks no formats refuses other texts by the pattern.
_DATE_PATTERN = (
    "^20[0-9]{2}-?("
    "(0[13578]|1[02])-?(0[1-9]|[12][0-9]|3[01])"
    "|(0[469]|11)-?(0[1-9]|[12][0-9]|30)"
    "|02-?(0[1-9]|[12][0-9]))$"
)

FlightDate = Annotated[
    str,
    BeforeValidator(_flight_date),
    WithJsonSchema({"type": "string", "format": "date", "pattern": _DATE_PATTERN}),
]
"""A date as the portal spells it, YYYYMMDD; forms offer a calendar."""

Dates = Annotated[
    tuple[FlightDate, ...],
    BeforeValidator(split_commas),
    AfterValidator(_drop_repeated),
]
"""Dates, each once; as one text, separated by commas."""


def _check_box(value: tuple[float, ...]) -> tuple[float, ...]:
    if len(value) != _CORNERS or not (value[0] < value[2] and value[1] < value[3]):
        msg = "expected west,south,east,north: four numbers, west below east and south below north"
        raise ValueError(msg)
    if max(abs(value[0]), abs(value[2])) > _TURN or max(abs(value[1]), abs(value[3])) > _POLE:
        msg = "expected degrees: longitudes from -360 to 360, latitudes from -90 to 90"
        raise ValueError(msg)
    return value


_CORNERS, _TURN, _POLE = 4, 360, 90

Box = Annotated[tuple[float, ...], BeforeValidator(split_commas), AfterValidator(_check_box)]
"""West, south, east and north in degrees; as one text, separated by commas."""

Wavelengths = Annotated[
    tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], BeforeValidator(split_commas)
]
"""Wavelengths in nanometres; as one text, separated by commas."""

StuckHours = Annotated[
    float,
    Field(
        gt=0,
        description="hours without a begin or end of any stage, after which a run counts as "
        "stuck; choose more than a job may wait in the cluster's queue",
    ),
]
"""Hours after which a run without progress counts as stuck."""

STUCK_HOURS = 24.0

QuietDays = Annotated[
    float,
    Field(
        ge=0,
        description="days without a publication although lines are left to publish, after which "
        "operators get a notice; 0 for never",
    ),
]
"""Days after which an archive without a publication counts as quiet."""

QUIET_DAYS = 3.0

DryRun = Annotated[bool, Field(description="publish nothing; print what would be done, and why")]
"""Whether a run only reports what it would do."""

LeftOut = Annotated[tuple[Product, ...], BeforeValidator(split_commas)]
"""Products to leave out; as one text, separated by commas."""


def _of_campaign(value: Any, info: ValidationInfo) -> Any:
    """Parse names as lines of the chosen campaign."""
    names = split_commas(value)
    # If the campaign itself was refused, only that error is reported.
    if "campaign" not in info.data or not isinstance(names, tuple | list):
        return names
    read = load_campaign(info.data["campaign"]).lines.read
    return tuple(read(name) if isinstance(name, str) else name for name in names)


# The server checks only the pattern, and does not know which campaign will be chosen.
_NAME_PATTERN = "^[A-Za-z0-9][A-Za-z0-9_-]*$"

LineOfCampaign = Annotated[
    FlightLine,
    PlainSerializer(str),
    WithJsonSchema({"type": "string", "pattern": _NAME_PATTERN}),
]
"""A flight line, by its name in the options' campaign."""

Lines = Annotated[tuple[LineOfCampaign, ...], BeforeValidator(_of_campaign)]
"""Flight lines of the options' ``campaign``; as one text, separated by commas."""


def _check_crs(value: str) -> str:
    # Geospatial packages take a second to import, and most commands need none.
    from shift_stac.crs import parse_crs  # noqa: PLC0415 - see above

    parse_crs(value)
    return value


MapCRS = Annotated[str, AfterValidator(_check_crs)]
"""A CRS of maps, in any form that pyproj accepts."""


def _check_polygon_file(value: Path) -> Path:
    from shift_stac.reader.place_files import read_place  # noqa: PLC0415 - see above
    from shift_stac.reader.polygons import parse_polygon  # noqa: PLC0415 - see above

    read_place(value, parse_polygon)
    return value


UserPath = Annotated[Path, AfterValidator(at_home)]
"""A path; ``~`` is the home folder."""

PolygonFile = Annotated[UserPath, AfterValidator(_check_polygon_file)]
"""A file of polygons that can be read, such as GeoJSON or GeoPackage."""


def _check_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        msg = f"{value!r} is not a time zone: expected a name such as America/Los_Angeles"
        raise ValueError(msg) from error
    return value


TimeZone = Annotated[str, AfterValidator(_check_time_zone)]
"""Name of a time zone of the IANA database."""
