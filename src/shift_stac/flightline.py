"""Flight lines: the unit in which an imaging spectrometer campaign is flown and published."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache, total_ordering
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from shift_stac.errors import FlightLineError
from shift_stac.name_patterns import Moment, NamePattern, moment_of

COMMON_PATTERN = "{instrument}{date:YYYYMMDD}t{time:HHMMSS}[_{segment:000}]"
"""The form of name that AVIRIS-NG, AVIRIS-3, PRISM and EMIT share."""

type Span = tuple[datetime, datetime | None]
"""Start and end, UTC; None for an unknown end."""

_DATE = re.compile(
    r"(?P<date_YYYY>\d{4})(?P<dash>-?)(?P<date_MM>\d\d)(?P=dash)(?P<date_DD>\d\d)", re.ASCII
)
# The name is also used for files, folders, links and Zarr stores.
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*", re.ASCII)

UNTIMED = "neither the line's name nor an OBS gives a time of day: start and end are those of the day, UTC"
"""A note on a line of which only the day is known."""

# From the first second of a day to its last.
_DAY = timedelta(days=1, seconds=-1)

# An arbitrary time for examples.
_EXAMPLE = datetime(2022, 2, 24, 19, 54, 2, tzinfo=UTC)


@total_ordering
@dataclass(frozen=True, slots=True)
class FlightLine:
    """One flight line; its name has the day on which it starts, UTC, and mostly the second.

    Two lines are equal when their names are; they sort by time, and else by name.

    Parameters
    ----------
    id
        The name as the portal spells it, without characters that a path could not have.
    pattern
        The pattern of the name from the campaign file; see
        :mod:`shift_stac.name_patterns`.

    Raises
    ------
    FlightLineError
        The name has another form, or a date or time that does not exist.
    """

    id: str
    pattern: str = field(default=COMMON_PATTERN, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not _SAFE.fullmatch(self.id):
            raise FlightLineError(self._refusal())
        try:
            found = _moment(self.id, self.pattern)
        except ValueError as error:
            msg = f"{self.id!r} is not a flight line: its date or time does not exist ({error})"
            raise FlightLineError(msg) from None
        if found is None:
            raise FlightLineError(self._refusal())

    def _refusal(self) -> str:
        form = NamePattern(self.pattern)
        return f"{self.id!r} is not a flight line: expected {form}, for example {example(form)}"

    @property
    def _moment(self) -> Moment:
        found = _moment(self.id, self.pattern)
        # Checked when the line was made.
        assert found is not None  # noqa: S101
        return found

    @property
    def start(self) -> datetime:
        """The UTC time at which the line starts; midnight of its day if :attr:`has_time` is false."""
        return self._moment.start

    @property
    def has_time(self) -> bool:
        """Whether the name has a time of day."""
        return self._moment.has_time

    @property
    def span(self) -> Span:
        """The start and None; for a name without a time, the first and last second of its day, UTC."""
        return self.start, None if self.has_time else self.start + _DAY

    @property
    def date(self) -> str:
        """The UTC day, ``YYYYMMDD``."""
        return f"{self.start:%Y%m%d}"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, FlightLine):
            return NotImplemented
        return (self.start, self.id) < (other.start, other.id)

    def __str__(self) -> str:
        return self.id

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Let models have lines as fields, written as names, with the pattern if it is not the default."""

        def parse(value: Any) -> FlightLine:
            if isinstance(value, Mapping):
                pattern = value.get("pattern")
                if not isinstance(pattern, str):
                    msg = f"{value!r} is not a flight line: its id and pattern are needed"
                    raise FlightLineError(msg)
                return cls(value.get("id", ""), pattern)
            return value if isinstance(value, FlightLine) else cls(value)

        def write(line: FlightLine) -> Any:
            if line.pattern == COMMON_PATTERN:
                return line.id
            return {"id": line.id, "pattern": line.pattern}

        return core_schema.no_info_plain_validator_function(
            parse,
            json_schema_input_schema=core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(write),
        )


@cache
def _moment(name: str, pattern: str) -> Moment | None:
    return NamePattern(pattern).moment(name)


def example(pattern: NamePattern) -> str:
    """Return an example of a name of this form."""
    return pattern.fill(_EXAMPLE)


def is_date(text: str) -> bool:
    """Whether a text is a date ``YYYYMMDD``."""
    try:
        return parse_date(text) == text
    except FlightLineError:
        return False


def parse_date(text: str) -> str:
    """Check a flight date and return it as ``YYYYMMDD``.

    Accepts ``YYYYMMDD`` and ``YYYY-MM-DD``.

    Raises
    ------
    FlightLineError
        The text is not a date, or the day does not exist.
    """
    if match := _DATE.fullmatch(text):
        try:
            if found := moment_of(match.groupdict()):
                return f"{found.start:%Y%m%d}"
        except ValueError:
            pass
    msg = f"{text!r} is not a date: expected YYYYMMDD, for example 20220224"
    raise FlightLineError(msg)


def utc_text(moment: datetime) -> str:
    """Return a time in UTC as STAC and CF write it: ISO 8601, with ``Z``."""
    return moment.isoformat().replace("+00:00", "Z")
