"""Flight lines: the unit in which an imaging spectrometer campaign is flown and published."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from shift_stac.errors import FlightLineError

_PATTERN = re.compile(r"ang(\d{8})t(\d{6})", re.ASCII)


@dataclass(frozen=True, order=True, slots=True)
class FlightLine:
    """One flight line of AVIRIS-NG, named by the UTC second at which it starts.

    Two lines are equal when their names are; they sort by time.

    Parameters
    ----------
    id
        The name as the portal spells it: ``angYYYYMMDDtHHNNSS``.

    Raises
    ------
    FlightLineError
        The name has another form, or names a day or time that no calendar has.
    """

    id: str

    def __post_init__(self) -> None:
        match = _PATTERN.fullmatch(self.id) if isinstance(self.id, str) else None
        if match is None:
            msg = (
                f"{self.id!r} is not a flight line: expected angYYYYMMDDtHHNNSS, "
                "for example ang20220224t195402"
            )
            raise FlightLineError(msg)
        try:
            self._parse_start()
        except ValueError as error:
            msg = f"{self.id!r} is not a flight line: its date or time does not exist ({error})"
            raise FlightLineError(msg) from None

    def _parse_start(self) -> datetime:
        return datetime.strptime(self.id, "ang%Y%m%dt%H%M%S").replace(tzinfo=UTC)

    @property
    def start(self) -> datetime:
        """The UTC time at which the line starts."""
        return self._parse_start()

    @property
    def date(self) -> str:
        """The UTC day as the portal's folders spell it, ``YYYYMMDD``."""
        return self.id[3:11]

    def __str__(self) -> str:
        return self.id

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Let models hold a line and write it as its name."""

        def parse(value: Any) -> FlightLine:
            return value if isinstance(value, FlightLine) else cls(value)

        return core_schema.no_info_plain_validator_function(
            parse,
            json_schema_input_schema=core_schema.str_schema(pattern=f"^{_PATTERN.pattern}$"),
            serialization=core_schema.to_string_ser_schema(),
        )


def as_flightline(name: str) -> FlightLine | None:
    """The flight line of this name; None where it is the name of something else."""
    try:
        return FlightLine(name)
    except FlightLineError:
        return None


def parse_date(text: str) -> str:
    """Check a flight date and return it as ``YYYYMMDD``.

    Accepts ``YYYYMMDD`` and ``YYYY-MM-DD``.

    Raises
    ------
    FlightLineError
        The text is no date, or no calendar has that day.
    """
    if re.fullmatch(r"\d{8}|\d{4}-\d{2}-\d{2}", text, re.ASCII):
        try:
            return date.fromisoformat(text).strftime("%Y%m%d")
        except ValueError:
            pass
    msg = f"{text!r} is not a date: expected YYYYMMDD, for example 20220224"
    raise FlightLineError(msg)
