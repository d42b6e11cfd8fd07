"""A campaign's names: of its flight lines, and of the folders of its archive."""

from pydantic import field_validator

from shift_stac.campaigns.products import check_template
from shift_stac.campaigns.values import LONGEST_NAME
from shift_stac.errors import FlightLineError
from shift_stac.flightline import COMMON_PATTERN, FlightLine, example
from shift_stac.model import FrozenModel
from shift_stac.name_patterns import NamePattern

_STORED_FIELDS = {"date", "line"}


class LineNames(FrozenModel):
    """The form of a flight line's name.

    Parameters
    ----------
    name
        The pattern of the names (:mod:`shift_stac.name_patterns`). It needs ``{date:...}`` with year,
        month and day.
    """

    name: str = COMMON_PATTERN

    @field_validator("name")
    @classmethod
    def _tells_day(cls, name: str) -> str:
        pattern = NamePattern(name)
        if "*" in name:
            msg = f"{name!r} is open: write a part that differs from line to line as {{name}}"
            raise ValueError(msg)
        if not pattern.tells_day:
            msg = f"{name!r} tells no day: it has to hold {{date:...}}, with year, month and day"
            raise ValueError(msg)
        if len(name) > LONGEST_NAME:
            msg = f"a form of {len(name)} characters: give at most {LONGEST_NAME}, since files have the name"
            raise ValueError(msg)
        try:
            FlightLine(example(pattern), name)
        except FlightLineError:
            msg = (
                f"{name!r} makes names such as {example(pattern)!r}: a name of letters, digits, - and _ "
                "begins with a letter or a digit, since it is that of files and folders too"
            )
            raise ValueError(msg) from None
        return name

    @property
    def pattern(self) -> NamePattern:
        """The form."""
        return NamePattern(self.name)

    def read(self, name: str) -> FlightLine:
        """Return the flight line of a name.

        Raises
        ------
        FlightLineError
            It is not a name of a flight line.
        """
        return FlightLine(name, self.name)

    def find(self, name: str) -> FlightLine | None:
        """Return the flight line of a name; None if it is another name."""
        try:
            return self.read(name)
        except FlightLineError:
            return None


class ArchiveLayout(FrozenModel):
    """The folders of the data below the root of the store.

    Parameters
    ----------
    data
        The folder of a line's store and its companion files, in which ``{date}`` and ``{line}`` are
        filled in. Published links depend on it.
    """

    data: str

    @field_validator("data")
    @classmethod
    def _is_template(cls, data: str) -> str:
        # Folders of the store need complete names that all readers spell in the same way.
        folders = data.strip("/").split("/")
        if "*" in data or not all(folder and folder == folder.strip() for folder in folders):
            msg = (
                f"{data!r} names no folder of the store: give one such as 'aviris/{{date}}', without '*', "
                "'//', and spaces at the end of a name"
            )
            raise ValueError(msg)
        if max(map(len, folders)) > LONGEST_NAME:
            msg = f"a folder has a name of {max(map(len, folders))} characters: give at most {LONGEST_NAME}"
            raise ValueError(msg)
        return check_template(data, _STORED_FIELDS)

    def directory_for(self, line: FlightLine) -> str:
        """Return the folder of a line's store and its companion files."""
        return NamePattern(self.data).fill(line.start, line=line.id).strip("/")
