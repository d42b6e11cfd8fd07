"""The paths of a campaign's products on a portal, and values that their headers leave out."""

import re
from collections.abc import Collection
from datetime import datetime
from typing import Literal, NamedTuple, Self

from pydantic import field_validator, model_validator

from shift_stac.campaigns.values import Ending, Flag, HeaderEnding, Level
from shift_stac.crs import check_crs_of_lines, parse_crs
from shift_stac.errors import CampaignError, MapError
from shift_stac.flightline import FlightLine
from shift_stac.model import FrozenModel
from shift_stac.name_patterns import NamePattern
from shift_stac.sources import CAN_DO_WITHOUT, Product, ProductLevel, Untold

_FIELDS = {"version", "date", "line"}


def check_template(text: str, fields: set[str] = _FIELDS) -> str:
    """Refuse a path with fields other than these, or that leads out of its folder."""
    if re.search(r"\{(line|version)[:!]", text):
        msg = f"{text!r} has a ':' or '!' behind line or version: only names stand in braces there"
        raise ValueError(msg)
    for folder in text.split("/"):
        if unknown := NamePattern(folder).parts - fields:
            msg = f"{text!r} uses {sorted(unknown)}: only {sorted(fields)} can be used"
            raise ValueError(msg)
    if not text.isprintable() or ".." in text.split("/"):
        msg = f"{text!r} has '..' or a control character in it: remove it"
        raise ValueError(msg)
    return text


def _check_name(text: str) -> str:
    if text.count("{line}") != 1 or "/" in text:
        msg = f"{text!r} is not the name of a line's file: it needs {{line}} once, and no '/'"
        raise ValueError(msg)
    return text


_CUBES = ProductLevel.ALL.cubes
# The keys that only some products have.
_TOLD_OF: dict[str, tuple[Product, ...]] = {
    "level": _CUBES,
    "scale": _CUBES,
    "offset": _CUBES,
    "nodata": (*_CUBES, Product.IGM, Product.OBS),
    "bands": (Product.OBS,),
    "unit": (Product.RADIANCE,),
}
_LEVELS = {Product.RADIANCE: "L1B", Product.REFLECTANCE: "L2A"}


type HeaderPlace = Literal["added", "instead"]


class Endings(NamedTuple):
    """The ends of the names of data files and headers, after the part that both share."""

    data: str
    header: str


class ProductLocation(Untold):
    """The path of a product in a portal version, and values that its headers leave out.

    Parameters
    ----------
    directory
        The folder of the files below the portal's root: a pattern (:mod:`shift_stac.name_patterns`)
        in which ``{version}``, ``{date}`` and ``{line}`` are filled in.
    name
        The name of a line's files without their ending: a pattern in which ``{line}`` stands once.
    optional
        Whether a line does without the product if it is missing, unreadable or damaged. Without
        this, the line fails. Only GLT and OBS can be optional, and they are unless the file says
        ``false``.
    level
        The processing level of a cube, as the items name it: L1B for radiance and L2A for
        reflectance if it is not given.
    ending
        The ending of the data files, if it is not that of the portal version.
    header
        See the key of the portal version, which is used if it is not given here.
    header_ending
        The ending of the headers, if it is not that of the portal version.
    """

    directory: str
    name: str
    optional: Flag | None = None
    level: Level | None = None
    ending: Ending | None = None
    header: HeaderPlace | None = None
    header_ending: HeaderEnding | None = None

    _templates = field_validator("directory", "name")(check_template)
    _name = field_validator("name")(_check_name)

    def is_optional(self, product: Product) -> bool:
        """Whether lines can do without this product."""
        return product in CAN_DO_WITHOUT if self.optional is None else self.optional

    @property
    def untold(self) -> Untold:
        """Values of the product's files that their headers leave out."""
        return Untold(**{name: getattr(self, name) for name in Untold.model_fields})

    def folders(
        self, version: str, start: datetime | None = None, line: str = ""
    ) -> list[NamePattern]:
        """Return the folders from the portal's root to the files, with the given fields filled in."""
        known = {"version": version} | ({"line": line} if line else {})
        return [
            NamePattern(folder).narrow(start, **known)
            for folder in self.directory.split("/")
            if folder
        ]

    def file_name(self, version: str, start: datetime | None = None, line: str = "") -> NamePattern:
        """Return the name of a data file without its ending, with the given fields filled in."""
        known = {"version": version} | ({"line": line} if line else {})
        return NamePattern(self.name).narrow(start, **known)

    def path_for(self, line: FlightLine, version: str) -> str:
        """Return the path of a line's data file without its ending, with open parts filled in."""
        whole = f"{self.directory.strip('/')}/{self.name}".lstrip("/")
        return NamePattern(whole).fill(line.start, version=version, line=line.id)


class PortalVersion(FrozenModel):
    """One version of the portal's products.

    Parameters
    ----------
    crs
        The CRS of IGMs whose headers name no zone, such as ``EPSG:32610``. IGMs in degrees do not
        need it.
    ending
        The ending of data files, such as ``.img``; empty if they have none.
    header
        The place of ``header_ending``: ``added`` to the whole name of the data file, or ``instead``
        of the data file's ending.
    header_ending
        The ending of headers.
    products
        The products by their names; ``igm`` and at least one cube are needed.
    """

    crs: str | None = None
    ending: Ending = ""
    header: HeaderPlace = "added"
    header_ending: HeaderEnding = ".hdr"
    products: dict[Product, ProductLocation]

    def endings(self, location: ProductLocation) -> Endings:
        """The endings of a product's files."""
        data = self.ending if location.ending is None else location.ending
        header = location.header_ending or self.header_ending
        is_added = (location.header or self.header) == "added"
        return Endings(data, f"{data}{header}" if is_added else header)

    @model_validator(mode="after")
    def _tells_files_apart(self) -> Self:
        """Each file is of one product, and data or header."""
        owners: dict[str, str] = {}
        for product, location in self.products.items():
            folder = "/".join(filter(None, location.directory.split("/")))
            for ending in self.endings(location):
                path = f"{folder}/{location.name}{ending}".lstrip("/")
                if path in owners:
                    other = owners[path]
                    both = "data and headers" if other == product else f"{other} and {product}"
                    msg = f"products.{product}: {both} have one name, {path!r}: give each its own"
                    raise ValueError(msg)
                owners[path] = product
        return self

    @field_validator("crs")
    @classmethod
    def _holds_lines(cls, crs: str | None) -> str | None:
        if crs is None:
            return None
        try:
            check_crs_of_lines(parse_crs(crs))
        except MapError as error:
            msg = f"{crs!r}: {error}"
            raise ValueError(msg) from error
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
            for key in location.model_fields_set & set(_TOLD_OF):
                if product not in _TOLD_OF[key]:
                    msg = f"{product}.{key} has no meaning: {key} belongs to {', '.join(_TOLD_OF[key])}"
                    raise ValueError(msg)
        if not set(ProductLevel.ALL.cubes) & set(products):
            msg = "a portal version needs the location of its radiance or reflectance files"
            raise ValueError(msg)
        return products

    @property
    def level(self) -> ProductLevel:
        """All cubes of this version."""
        if Product.RADIANCE not in self.products:
            return ProductLevel.L2
        return ProductLevel.ALL if Product.REFLECTANCE in self.products else ProductLevel.L1

    def processing_level(self, level: ProductLevel) -> str:
        """Return the processing level of a store of these cubes: the level of the last one."""
        product = level.cubes[-1]
        location = self.products.get(product)
        return (location and location.level) or _LEVELS[product]

    def check_products(self, level: ProductLevel, left_out: Collection[Product] = ()) -> None:
        """Check that this version has the products of a level, and that those left out are optional.

        Raises
        ------
        CampaignError
            It has no cube of the level, or a product that is left out is not optional.
        """
        if lacking := set(level.cubes) - set(self.products):
            msg = (
                f"the campaign file describes no {' and '.join(sorted(lacking))} of this portal "
                f"version: it has {', '.join(self.products)}; ask for another product"
            )
            raise CampaignError(msg)
        for product in left_out:
            if product in self.products and not self.products[product].is_optional(product):
                msg = f"{product} cannot be left out: the campaign file does not say that it is optional"
                raise CampaignError(msg)
