"""The campaign file: everything that is particular to one campaign, as data."""

import re
import tomllib
from collections.abc import Collection, Mapping
from datetime import datetime
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from shift_stac.crs import parse_crs
from shift_stac.errors import CampaignError, FlightLineError, MapError, NoCampaignError
from shift_stac.files import at_home
from shift_stac.flightline import COMMON_PATTERN, FlightLine, example
from shift_stac.model import FrozenModel
from shift_stac.name_patterns import NamePattern
from shift_stac.sources import CAN_DO_WITHOUT, Product, ProductLevel

_FIELDS = {"version", "date", "line"}
_STORED_FIELDS = {"date", "line"}


def _check_template(text: str, fields: set[str] = _FIELDS) -> str:
    if re.search(r"\{(line|version)[:!]", text):
        msg = f"{text!r} has a ':' or '!' behind line or version: only names stand in braces there"
        raise ValueError(msg)
    for folder in text.split("/"):
        if unknown := NamePattern(folder).parts - fields:
            msg = f"{text!r} uses {sorted(unknown)}: only {sorted(fields)} are filled in"
            raise ValueError(msg)
    if not text.isprintable() or ".." in text.split("/"):
        msg = f"{text!r} has '..' or a control character in it, and leads to no place of its own"
        raise ValueError(msg)
    return text


def _check_name(text: str) -> str:
    if text.count("{line}") != 1 or "/" in text:
        msg = f"{text!r} is not the name of a line's file: it needs {{line}} once, and no '/'"
        raise ValueError(msg)
    return text


class ProductLocation(FrozenModel):
    """Where a portal version keeps a product: folder and file name, relative to its root.

    Both are patterns (:mod:`shift_stac.name_patterns`) in which ``{version}``, ``{date}`` and
    ``{line}`` are filled in. ``name`` is without the files' ending. An ``optional`` product that is
    missing, may not be read, or is damaged is left out; of any other, the line fails.
    """

    directory: str
    name: str
    optional: bool = False

    _templates = field_validator("directory", "name")(_check_template)
    _name = field_validator("name")(_check_name)

    def folders(
        self, version: str, start: datetime | None = None, line: str = ""
    ) -> list[NamePattern]:
        """The folders from the portal's root to the files, with all filled in that is given."""
        known = {"version": version} | ({"line": line} if line else {})
        return [
            NamePattern(folder).narrow(start, **known)
            for folder in self.directory.split("/")
            if folder
        ]

    def file_name(self, version: str, start: datetime | None = None, line: str = "") -> NamePattern:
        """The name of a data file without its ending, with all filled in that is given."""
        known = {"version": version} | ({"line": line} if line else {})
        return NamePattern(self.name).narrow(start, **known)

    def path_for(self, line: FlightLine, version: str) -> str:
        """The path of a line's data file without its ending; what is open in it is filled."""
        whole = f"{self.directory.strip('/')}/{self.name}".lstrip("/")
        return NamePattern(whole).fill(line.start, version=version, line=line.id)


class PortalVersion(FrozenModel):
    """One version of the portal's products.

    ``crs`` is the fallback of IGMs that name no zone. ``ending`` is that of every data file, and
    ``header`` tells whether ``.hdr`` is added to the data file's name or stands instead of the ending.
    """

    crs: str
    ending: str = Field(default="", pattern=r"^([.][A-Za-z0-9._-]+)?$")
    header: Literal["added", "instead"] = "added"
    products: dict[Product, ProductLocation]

    @property
    def header_ending(self) -> str:
        """What a header's name has behind the part that it shares with its data file's."""
        return f"{self.ending if self.header == 'added' else ''}.hdr"

    @field_validator("crs")
    @classmethod
    def _is_projected(cls, crs: str) -> str:
        try:
            found = parse_crs(crs)
        except MapError as error:
            raise ValueError(str(error)) from error
        if not found.is_projected:
            msg = f"{crs!r} is {found.name}, which is not projected: give a UTM zone, such as 'EPSG:32610'"
            raise ValueError(msg)
        return crs

    @field_validator("products")
    @classmethod
    def _needs_geometry(
        cls, products: dict[Product, ProductLocation]
    ) -> dict[Product, ProductLocation]:
        if Product.IGM not in products:
            msg = "a portal version needs the location of its igm files"
            raise ValueError(msg)
        for product, location in products.items():
            if location.optional and product not in CAN_DO_WITHOUT:
                msg = (
                    f"{product} cannot be optional: no store is made without it; "
                    f"{' and '.join(CAN_DO_WITHOUT)} can"
                )
                raise ValueError(msg)
        if not set(ProductLevel.ALL.cubes) & set(products):
            msg = "a portal version needs the location of its radiance or reflectance files"
            raise ValueError(msg)
        return products

    def check_products(self, level: ProductLevel, left_out: Collection[Product] = ()) -> None:
        """Refuse to be asked for products that this version has not, or without ones that it needs.

        Raises
        ------
        CampaignError
            It has no cube of the level, or one that is left out is not optional.
        """
        if lacking := set(level.cubes) - set(self.products):
            msg = (
                f"the campaign file describes no {' and '.join(sorted(lacking))} of this portal "
                f"version: it has {', '.join(self.products)}"
            )
            raise CampaignError(msg)
        for product in left_out:
            if product in self.products and not self.products[product].optional:
                msg = f"{product} cannot be left out: the campaign file does not say that it is optional"
                raise CampaignError(msg)


class LineNames(FrozenModel):
    """The form of a flight line's name; see :mod:`shift_stac.name_patterns`."""

    name: str = COMMON_PATTERN

    @field_validator("name")
    @classmethod
    def _tells_day(cls, name: str) -> str:
        pattern = NamePattern(name)
        if "*" in name:
            msg = f"{name!r} is open: a part that differs from line to line is written as {{name}}"
            raise ValueError(msg)
        if not pattern.tells_day:
            msg = f"{name!r} tells no day: it has to hold {{date:...}}, with year, month and day"
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
        """The flight line of a name.

        Raises
        ------
        FlightLineError
            It is the name of something else.
        """
        return FlightLine(name, self.name)

    def find(self, name: str) -> FlightLine | None:
        """The flight line of a name; None where it is the name of something else."""
        try:
            return self.read(name)
        except FlightLineError:
            return None


class PortalDescription(FrozenModel):
    """The portal's root address, and the versions that it holds."""

    url: str
    versions: dict[str, PortalVersion]

    def version(self, name: str) -> PortalVersion:
        """Look a version up by its name.

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


# What STAC's schemas refuse must be refused before the first line is converted. An id is also the
# name of a folder.
_Id = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$")]
_Text = Annotated[str, Field(min_length=1)]


class CatalogText(FrozenModel):
    """Id and texts of the STAC catalog."""

    id: _Id
    title: _Text
    description: _Text


class Provider(FrozenModel):
    """A STAC provider."""

    name: _Text
    roles: tuple[Literal["licensor", "producer", "processor", "host"], ...]
    url: str | None = None
    description: str | None = None


class CollectionText(CatalogText):
    """Id, texts and credits of the STAC collection."""

    license: str = Field(pattern=r"^[\w.+-]+$")
    keywords: tuple[str, ...] = ()
    providers: tuple[Provider, ...] = ()
    doi: str | None = Field(default=None, pattern=r"^10\.[0-9a-zA-Z]{4,}/\S+$")
    citation: str | None = None


class ItemText(FrozenModel):
    """What every STAC item of the campaign says of itself."""

    platform: str
    instruments: tuple[str, ...] = Field(min_length=1)
    mission: str | None = None
    constellation: str | None = None


class SpectralRange(FrozenModel):
    """What holds of the cubes if no header says otherwise.

    Windows of wavelength, nanometres, in which bands are good, and the radiance's unit as UDUNITS
    writes it.
    """

    good_windows: tuple[tuple[float, float], ...]
    radiance_unit: str = Field(default="uW cm-2 nm-1 sr-1", min_length=1)


class QuicklookBands(FrozenModel):
    """The wavelengths of the true-colour picture, nanometres: red, green, blue."""

    rgb: tuple[float, float, float]


class ArchiveLayout(FrozenModel):
    """Where data lie below the root of the store."""

    data: str

    @field_validator("data")
    @classmethod
    def _is_template(cls, data: str) -> str:
        return _check_template(data, _STORED_FIELDS)

    def directory_for(self, line: FlightLine) -> str:
        """The folder of a line's store and its companions."""
        return NamePattern(self.data).fill(line.start, line=line.id).strip("/")


class Campaign(FrozenModel):
    """A campaign: its portal, its catalog's texts, and where its archive keeps things."""

    lines: LineNames = LineNames()
    portal: PortalDescription
    catalog: CatalogText
    collection: CollectionText
    item: ItemText
    spectral: SpectralRange
    quicklook: QuicklookBands
    layout: ArchiveLayout = Field(default=ArchiveLayout(data="aviris/{date}"))


def is_campaign_table(table: Mapping[str, Any]) -> bool:
    """Whether what was read of a TOML file is of a campaign file: it has some of its tables."""
    own = [name for name in Campaign.model_fields if isinstance(table.get(name), Mapping)]
    # Other files may have one table of such a name.
    return len(own) > 1 or "portal" in own


def load_campaign(name_or_path: str | Path = "shift") -> Campaign:
    """Read a campaign file.

    Parameters
    ----------
    name_or_path
        The name of a campaign that comes with the package (``shift``), or the path of a TOML
        file of one's own.

    Raises
    ------
    NoCampaignError
        The file has the tables of something else.
    CampaignError
        There is no such file, or it is not a campaign file; the message names the key at fault.
    """
    bundled = files(__name__) / f"{name_or_path}.toml"
    path = bundled if bundled.is_file() else at_home(name_or_path)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        if table and not is_campaign_table(table):
            msg = (
                f"{path} is read as a campaign file, and has not its tables "
                f"({', '.join(f'[{name}]' for name in Campaign.model_fields)}), but {', '.join(table)}"
            )
            raise NoCampaignError(msg)
        return Campaign.model_validate(table)
    except OSError as error:
        msg = f"{name_or_path} is neither a bundled campaign nor a file that can be read: {error}"
        raise CampaignError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, ValidationError) as error:
        msg = f"{path} is not a campaign file: {error}"
        raise CampaignError(msg) from error
