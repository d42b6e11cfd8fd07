"""The files of a flight line: its products, and the size and version of each file.

These small values are passed between stages. They contain paths and numbers, never pixels, so that
they can be sent to another process or written into a report.
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
        """Its name in messages."""
        titles = {
            Product.IGM: "input geometry (IGM)",
            Product.GLT: "lookup table (GLT)",
            Product.OBS: "observation geometry (OBS)",
        }
        return titles.get(self, self.value)


type ReadPart = Callable[[Product, int, int], bytes | None]
"""Reads a number of bytes of a product's data file from an offset; None if the server gives no parts."""

CAN_DO_WITHOUT = (Product.GLT, Product.OBS)
"""Products that a store can do without. The campaign file says whether they are optional."""


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


# The factors of a unit of radiance, as UDUNITS writes them.
_POWER, _AREA, _WIDTH, _ANGLE = "[pnumkµμ]?W", "[cmk]?m-2", "[numµμ]?m-1", "sr-1"


def _is_radiance_unit(unit: str) -> str:
    parts = unit.split(" ")
    kinds = [
        sum(bool(re.fullmatch(kind, part)) for part in parts)
        for kind in (_POWER, _AREA, _WIDTH, _ANGLE)
    ]
    if unit != "1" and (kinds != [1, 1, 1, 1] or len(parts) != len(kinds)):
        msg = (
            f"{unit!r} is not a unit of radiance: give power by area, wavelength and solid angle, such as "
            "'uW cm-2 nm-1 sr-1', or '1' for numbers without a unit"
        )
        raise ValueError(msg)
    return unit


type RadianceUnit = Annotated[str, AfterValidator(_is_radiance_unit)]
"""A unit of radiance as UDUNITS writes it."""

# Only numbers of the file are accepted, and not true or "1".
type Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]


class Untold(FrozenModel):
    """Values of a product's files from the campaign file, for headers without them.

    A physical value is ``scale`` times the file's number, plus ``offset``, in ``unit``.

    Parameters
    ----------
    nodata
        The number that marks missing values; for cubes, IGM and OBS.
    scale
        The factor of the file's numbers; for cubes.
    offset
        What is added to the scaled numbers; for cubes.
    unit
        The unit of radiance as UDUNITS writes it; for radiance.
    bands
        The names of an OBS's bands, in the order of its file. A band with an empty name is not read.
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
            msg = "a scale of 0 loses all values: give another factor, or leave it out"
            raise ValueError(msg)
        return scale

    @field_validator("bands")
    @classmethod
    def _are_known(cls, bands: tuple[str, ...]) -> tuple[str, ...]:
        for number, name in enumerate(bands, start=1):
            if name and name not in {*ObsBand}:
                msg = f"{name!r} is not a band of an OBS: {', '.join(ObsBand)} are; '' leaves a band out"
                raise ValueError(msg)
            if name and name in bands[number:]:
                msg = f"{name!r} is given twice"
                raise ValueError(msg)
        return bands


class ProductLevel(StrEnum):
    """The cubes that an ingest takes: radiance (L1), reflectance (L2), or both."""

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
        """Return the level that has the cubes of both."""
        return self if self is other else ProductLevel.ALL

    @property
    def products(self) -> tuple[Product, ...]:
        """The cubes, and the geometry, which is the same for every level."""
        return (*self.cubes, Product.IGM, Product.GLT, Product.OBS)


class RemoteFile(FrozenModel):
    """A file as the portal has it now.

    ``size`` is in bytes. ``etag`` and ``last_modified`` are copied from the server's answer; None
    if it has none.
    """

    name: str
    url: str
    size: int
    etag: str | None = None
    last_modified: str | None = None

    def is_same(self, other: "RemoteFile") -> bool:
        """Whether the file is unchanged since an earlier look, as far as the server's answer shows.

        Compares the size, and the ETag if both have one, otherwise the date.
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

    ``is_optional`` and ``untold`` come from the campaign file; a damaged optional pair is left out.
    """

    product: Product
    data: RemoteFile
    header: RemoteFile
    is_optional: bool = False
    untold: Untold = Untold()

    @property
    def files(self) -> tuple[RemoteFile, RemoteFile]:
        """The files, header first: it is small, and gives the size that the data must have."""
        return self.header, self.data


class RemoteLine(FrozenModel):
    """The selected products of one flight line on the portal.

    ``notes`` list the optional products that are missing, and why.
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
    """A downloaded file: its path, and the SHA-256 of its bytes (hex)."""

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

    ``notes`` list the optional products that were left out, and why.
    """

    line: FlightLine
    portal_version: str
    products: tuple[SourceProduct, ...]
    notes: tuple[str, ...] = ()

    def get(self, product: Product) -> SourceProduct | None:
        """Return the pair of a product, or None if the line has none."""
        return next((pair for pair in self.products if pair.product == product), None)

    @property
    def files(self) -> Iterator[SourceFile]:
        """Every file, headers before their data."""
        for pair in self.products:
            yield pair.header
            yield pair.data
