"""The files of a flight line: which products there are, and what is known of each file.

These are the small values that the stages hand to each other. They hold paths and figures,
never pixels, so that they can cross a process or stand in a report.
"""

import re
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, field_validator

from shift_stac.flightline import FlightLine
from shift_stac.model import FrozenModel


class Product(StrEnum):
    """A product of a flight line on the portal."""

    RADIANCE = "radiance"
    REFLECTANCE = "reflectance"
    IGM = "igm"
    GLT = "glt"
    OBS = "obs"

    @property
    def called(self) -> str:
        """What it is called where people read of it."""
        titles = {
            Product.IGM: "input geometry (IGM)",
            Product.GLT: "lookup table (GLT)",
            Product.OBS: "observation geometry (OBS)",
        }
        return titles.get(self, self.value)


type ReadPart = Callable[[Product, int, int], bytes | None]
"""Reads of a product's data file, from an offset on, so many bytes; None if no parts are given."""

CAN_DO_WITHOUT = (Product.GLT, Product.OBS)
"""Products without which a store can be made. Whether they are optional, the campaign file says."""


class ObsBand(StrEnum):
    """A band of an OBS, in the order of AVIRIS-NG's files."""

    PATH_LENGTH = "path_length"
    TO_SENSOR_AZIMUTH = "to_sensor_azimuth"
    TO_SENSOR_ZENITH = "to_sensor_zenith"
    TO_SUN_AZIMUTH = "to_sun_azimuth"
    TO_SUN_ZENITH = "to_sun_zenith"
    SOLAR_PHASE = "solar_phase"
    SLOPE = "slope"
    ASPECT = "aspect"
    COSINE_I = "cosine_i"
    UTC_TIME = "utc_time"
    EARTH_SUN_DISTANCE = "earth_sun_distance"


# What a unit of radiance consists of, as UDUNITS writes it.
_POWER, _AREA, _WIDTH, _ANGLE = "[pnumkµμ]?W", "[cmk]?m-2", "[numµμ]?m-1", "sr-1"


def _is_radiance_unit(unit: str) -> str:
    parts = unit.split(" ")
    kinds = [
        sum(bool(re.fullmatch(kind, part)) for part in parts)
        for kind in (_POWER, _AREA, _WIDTH, _ANGLE)
    ]
    if unit != "1" and (kinds != [1, 1, 1, 1] or len(parts) != len(kinds)):
        msg = (
            f"{unit!r} is no unit of radiance: give power by area, wavelength and solid angle, such as "
            "'uW cm-2 nm-1 sr-1', or '1' for numbers without a unit"
        )
        raise ValueError(msg)
    return unit


type RadianceUnit = Annotated[str, AfterValidator(_is_radiance_unit)]
"""A unit of radiance as UDUNITS writes it."""

# A number of a file is one: true and "1" are none.
type Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Untold(FrozenModel):
    """What the campaign file says of a product's files, for headers that do not tell it.

    ``nodata`` marks missing values. A physical value is ``scale`` times the file's number, plus
    ``offset``, in ``unit``. ``bands`` are an OBS's, in the order of its file; an empty name is that of a band that
    is not taken.
    """

    nodata: Number | None = None
    scale: Number = 1.0
    offset: Number = 0.0
    unit: RadianceUnit | None = None
    bands: tuple[str, ...] = ()

    @field_validator("scale")
    @classmethod
    def _is_scale(cls, scale: float) -> float:
        if scale == 0:
            msg = "0 leaves no value its meaning: give a factor, or leave it out"
            raise ValueError(msg)
        return scale

    @field_validator("bands")
    @classmethod
    def _are_known(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        for number, name in enumerate(bands, start=1):
            if name and name not in {*ObsBand}:
                msg = (
                    f"{name!r} is no band of an OBS: {', '.join(ObsBand)} are, and '' is a band that "
                    "is not taken"
                )
                raise ValueError(msg)
            if name and name in bands[number:]:
                msg = f"{name!r} stands there twice"
                raise ValueError(msg)
        return bands


class ProductLevel(StrEnum):
    """Which of the cubes an ingest takes: radiance (L1), reflectance (L2), or both."""

    L1 = "L1"
    L2 = "L2"
    ALL = "all"

    @property
    def cubes(self) -> tuple[Product, ...]:
        """The cubes of this level."""
        return {
            ProductLevel.L1: (Product.RADIANCE,),
            ProductLevel.L2: (Product.REFLECTANCE,),
            ProductLevel.ALL: (Product.RADIANCE, Product.REFLECTANCE),
        }[self]

    def union(self, other: "ProductLevel") -> "ProductLevel":
        """The level that has the cubes of both."""
        return self if self is other else ProductLevel.ALL

    @property
    def products(self) -> tuple[Product, ...]:
        """The cubes, and the geometry that every level needs or can use."""
        return (*self.cubes, Product.IGM, Product.GLT, Product.OBS)


class RemoteFile(FrozenModel):
    """A file as the portal has it now.

    ``size`` is in bytes. ``etag`` and ``last_modified`` are the server's own words, and are
    None where it says nothing.
    """

    name: str
    url: str
    size: int
    etag: str | None = None
    last_modified: str | None = None

    def is_same(self, other: "RemoteFile") -> bool:
        """Whether the file is still the one that was seen another time, as far as can be told.

        By size, and by ETag if both times there was one, else by date.
        """
        if self.size != other.size:
            return False
        if self.etag and other.etag:
            return self.etag == other.etag
        if self.last_modified and other.last_modified:
            return self.last_modified == other.last_modified
        return True


class RemoteProduct(FrozenModel):
    """An ENVI pair on the portal: the flat binary, and its header.

    ``is_optional`` and ``untold`` are the campaign file's words: where an optional pair is damaged, it
    is left out.
    """

    product: Product
    data: RemoteFile
    header: RemoteFile
    is_optional: bool = False
    untold: Untold = Untold()

    @property
    def files(self) -> tuple[RemoteFile, RemoteFile]:
        """Header first: it is small, and says which size the data must have."""
        return self.header, self.data


class RemoteLine(FrozenModel):
    """What the portal has of one flight line, for the products asked for.

    ``notes`` say which optional products it has not, and why.
    """

    line: FlightLine
    portal_version: str
    products: tuple[RemoteProduct, ...]
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> Iterator[RemoteFile]:
        """Every file, headers before their data."""
        for product in self.products:
            yield from product.files

    @property
    def size(self) -> int:
        """The sum of the files' sizes in bytes."""
        return sum(file.size for file in self.files)


class SourceFile(RemoteFile):
    """A file that has arrived: where it lies now, and the SHA-256 of its bytes (hex)."""

    path: Path
    sha256: str


class SourceProduct(FrozenModel):
    """An ENVI pair on this machine; ``is_optional`` and ``untold`` as in :class:`RemoteProduct`."""

    product: Product
    data: SourceFile
    header: SourceFile
    is_optional: bool = False
    untold: Untold = Untold()


class SourceLine(FrozenModel):
    """Every file of one flight line, on this machine and verified.

    ``notes`` say which optional products did not come here, and why.
    """

    line: FlightLine
    portal_version: str
    products: tuple[SourceProduct, ...]
    notes: tuple[str, ...] = ()

    def get(self, product: Product) -> SourceProduct | None:
        """The pair of a product, or None where the line has none."""
        return next((pair for pair in self.products if pair.product == product), None)

    @property
    def files(self) -> Iterator[SourceFile]:
        """Every file, headers before their data."""
        for pair in self.products:
            yield pair.header
            yield pair.data
