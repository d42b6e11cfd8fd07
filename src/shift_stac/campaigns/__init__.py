"""The campaign file: everything specific to one campaign, as data."""

import math
import re
import tomllib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from shift_stac.campaigns.faults import spell_faults
from shift_stac.campaigns.products import PortalVersion, check_template
from shift_stac.campaigns.simulation import Simulation
from shift_stac.campaigns.values import (
    LONGEST_NAME,
    Doi,
    Id,
    License,
    Link,
    Text,
    Wavelength,
    Whole,
)
from shift_stac.errors import CampaignError, FlightLineError, NoCampaignError
from shift_stac.files import at_home
from shift_stac.flightline import COMMON_PATTERN, FlightLine, example
from shift_stac.model import FrozenModel
from shift_stac.name_patterns import NamePattern
from shift_stac.sources import RadianceUnit

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


class PortalDescription(FrozenModel):
    """The portal's root address, and its versions; the last is the default.

    Parameters
    ----------
    url
        The address of a server (https or http), or the absolute path of a folder.
    versions
        The versions by their names.
    """

    url: str
    versions: dict[Id, PortalVersion] = Field(min_length=1)

    @field_validator("url")
    @classmethod
    def _is_address(cls, url: str) -> str:
        """The address of a server, or a folder on the machine where a command runs."""
        is_address = re.fullmatch(r"https?://[^/\s]+(/\S*)?", url) or re.match(r"[/~]", url)
        if is_address and url.isprintable():
            return url
        msg = f"{url!r} is not an address of a portal: give one that begins with https:// or http://, or a whole path"
        raise ValueError(msg)

    @property
    def default_version(self) -> str:
        """The version to use if none is given."""
        return list(self.versions)[-1]

    def version(self, name: str) -> PortalVersion:
        """Return a version by its name.

        Raises
        ------
        CampaignError
            The campaign file describes no such version.
        """
        try:
            return self.versions[name]
        except KeyError:
            known = ", ".join(sorted(self.versions))
            msg = f"the campaign file describes no portal version {name!r}: it has {known}"
            raise CampaignError(msg) from None


class CatalogText(FrozenModel):
    """Id and texts of the STAC catalog.

    Parameters
    ----------
    id
        The id in STAC: letters, digits, ``.``, ``-`` and ``_``. For the collection it is also the
        name of its folder.
    title
        A title of some words.
    description
        A description of one or more sentences.
    """

    id: Id
    title: Text
    description: Text


class Provider(FrozenModel):
    """A STAC provider: an organisation that made, processed or offers the data.

    Parameters
    ----------
    name
        The name of the organisation.
    roles
        What it did for the data, in the words of STAC.
    url
        The address of its page.
    description
        More about its part in the data.
    """

    name: Text
    roles: tuple[Literal["licensor", "producer", "processor", "host"], ...]
    url: Link | None = None
    description: Text | None = None


class CollectionText(CatalogText):
    """Id, texts and credits of the STAC collection.

    Parameters
    ----------
    license
        The licence of the data as SPDX names it, or ``other``.
    keywords
        Words under which the collection is found.
    providers
        The organisations that made, processed or offer the data.
    doi
        The DOI of the data, such as ``10.3334/ORNLDAAC/2183``, without an address before it.
    citation
        How the data are cited.
    """

    license: License
    keywords: tuple[Text, ...] = ()
    providers: tuple[Provider, ...] = ()
    doi: Doi | None = None
    citation: Text | None = None


class ItemText(FrozenModel):
    """Properties of every STAC item of the campaign.

    Parameters
    ----------
    platform
        The name of the aircraft, or what kind of platform it is.
    instruments
        The names of the instruments; at least one.
    mission
        The name of the campaign or mission.
    constellation
        The name of a group of platforms to which this one belongs.
    """

    platform: Text
    instruments: tuple[Text, ...] = Field(min_length=1)
    mission: Text | None = None
    constellation: Text | None = None


# The shortest wavelength of optical instruments; smaller numbers are in another unit.
_SHORTEST_NM = 100.0


class SpectralRange(FrozenModel):
    """Spectral properties of the cubes whose headers do not have them.

    Parameters
    ----------
    good_windows
        Windows of wavelength, nanometres: bands with centres in one of them are good. They are used
        if no header of a line has a list of bad bands.
    bad_bands
        Ranges of bad bands by first and last number, counted from 1 in the order of the store. They
        are used together with ``good_windows``.
    radiance_unit
        The unit of radiance as UDUNITS writes it.
    """

    # Between the windows, water vapour absorbs the signal.
    good_windows: tuple[tuple[Wavelength, Wavelength], ...] = Field(
        default=((300.0, 1340.0), (1450.0, 1800.0), (1970.0, 2500.0)), min_length=1
    )
    bad_bands: tuple[tuple[Whole, Whole], ...] = ()
    radiance_unit: RadianceUnit = "uW cm-2 nm-1 sr-1"

    @field_validator("good_windows")
    @classmethod
    def _are_windows(
        cls, windows: tuple[tuple[float, float], ...]
    ) -> tuple[tuple[float, float], ...]:
        for low, high in windows:
            if not 0 <= low < high:
                msg = f"[{low:g}, {high:g}] is not a window: give two wavelengths in nanometres, the shorter first"
                raise ValueError(msg)
        if windows and max(high for _, high in windows) < _SHORTEST_NM:
            msg = f"no window reaches {_SHORTEST_NM:g}: give wavelengths in nanometres"
            raise ValueError(msg)
        return windows

    @field_validator("bad_bands")
    @classmethod
    def _are_ranges(cls, bands: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
        for first, last in bands:
            if not 1 <= first <= last:
                msg = f"[{first}, {last}] is not a range of bands: give the first and the last, counted from 1"
                raise ValueError(msg)
        return bands


class QuicklookBands(FrozenModel):
    """The bands of the true-colour picture.

    Parameters
    ----------
    rgb
        The wavelengths of red, green and blue, nanometres; the nearest good band of each is shown.
    """

    rgb: tuple[Wavelength, Wavelength, Wavelength] = (650.0, 550.0, 450.0)

    @field_validator("rgb")
    @classmethod
    def _are_nanometres(cls, rgb: tuple[float, float, float]) -> tuple[float, float, float]:
        if not all(_SHORTEST_NM <= band < math.inf for band in rgb):
            msg = f"{list(rgb)} are not wavelengths of light in nanometres: give three of {_SHORTEST_NM:g} or more"
            raise ValueError(msg)
        return rgb


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


class Campaign(FrozenModel):
    """A campaign: its portal, the texts of its catalog, and the layout of its archive.

    ``simulation`` describes simulated files, for tests without the campaign's data.
    """

    lines: LineNames = LineNames()
    portal: PortalDescription
    catalog: CatalogText
    collection: CollectionText
    item: ItemText
    spectral: SpectralRange = SpectralRange()
    quicklook: QuicklookBands = QuicklookBands()
    layout: ArchiveLayout = Field(default=ArchiveLayout(data="aviris/{date}"))
    simulation: Simulation = Simulation()

    @model_validator(mode="after")
    def _fit_each_other(self) -> Self:
        first = self.layout.data.strip("/").split("/")[0]
        if first in {self.collection.id, f"{self.collection.id}-cubes", "cubes"}:
            msg = (
                f"layout.data begins with {first!r}, where the catalog or the cubes lie: give the lines "
                "another folder"
            )
            raise ValueError(msg)
        if unknown := set(self.simulation.geometry_interleave) - set(self.portal.versions):
            msg = (
                f"simulation.geometry_interleave tells of {', '.join(sorted(unknown))}, and the portal's "
                f"versions are {', '.join(self.portal.versions)}"
            )
            raise ValueError(msg)
        return self


def is_campaign_table(table: Mapping[str, Any]) -> bool:
    """Whether the content of a TOML file is that of a campaign file: it has several of its tables."""
    own = [name for name in Campaign.model_fields if isinstance(table.get(name), Mapping)]
    # Another file may have one table of the same name.
    return len(own) > 1 or "portal" in own


def load_campaign(name_or_path: str | Path = "shift") -> Campaign:
    """Read a campaign file.

    Parameters
    ----------
    name_or_path
        The name of a campaign of the package (``shift``), or the path of a TOML file.

    Raises
    ------
    NoCampaignError
        The file is a TOML file of another kind.
    CampaignError
        The file does not exist, or is not a valid campaign file; the message names the key at
        fault.
    """
    bundled = files(__name__) / f"{name_or_path}.toml"
    path = bundled if bundled.is_file() else at_home(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{name_or_path} is neither a bundled campaign nor a file that can be read: {error}"
        raise CampaignError(msg) from error
    # tomllib's own error, no UTF-8, or a number of more digits than Python reads.
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not a campaign file: {error}"
        raise CampaignError(msg) from error
    if table and not is_campaign_table(table):
        msg = (
            f"{path} is read as a campaign file, and has not its tables "
            f"({', '.join(f'[{name}]' for name in Campaign.model_fields)}), but {', '.join(table)}"
        )
        raise NoCampaignError(msg)
    try:
        return Campaign.model_validate(table)
    except ValidationError as error:
        msg = f"{path} is not a campaign file: {spell_faults(error, Campaign)}"
        raise CampaignError(msg) from error
