"""The content of a flight line's files, independent of their format.

All code that reads a line's values uses :class:`LineFiles`: the conversion, the validation of its
store, and a dry run, which has only the headers and a few scan lines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Protocol

from shift_stac.campaigns.spectral import SpectralRange
from shift_stac.envi.image import EnviImage, open_envi
from shift_stac.envi.line_headers import check_headers
from shift_stac.envi.radiance_unit import radiance_unit
from shift_stac.errors import EnviError
from shift_stac.files import read_bytes
from shift_stac.flightline import FlightLine
from shift_stac.sources import Product, SourceLine
from shift_stac.swath.cube_check import check_cube
from shift_stac.swath.igm import InputGeometry, place_igm
from shift_stac.swath.obs_bands import check_observation
from shift_stac.swath.observation import ObservationLayers
from shift_stac.swath.source_cube import SourceCube
from shift_stac.swath.spectral import SpectralAxis, shared_axis


class LineFiles(Protocol):
    """A flight line's opened files. Rasters are shaped (scan lines, bands, samples).

    Each method raises :class:`~shift_stac.errors.EnviError` if a file is missing, unreadable, or
    contradicts another file of the line.
    """

    def cube(self, product: Product) -> SourceCube:
        """Return radiance or reflectance, with bands in the order of increasing wavelengths."""

    def check_cube(self, product: Product, spectral: SpectralRange) -> None:
        """Refuse a cube whose values show a wrong header; see :func:`shift_stac.swath.cube_check.check_cube`."""

    def axis(self, cubes: Sequence[Product], spectral: SpectralRange) -> SpectralAxis:
        """Return the wavelengths that the cubes share; see :func:`shift_stac.swath.spectral.shared_axis`."""

    def places(self, fallback: str | None) -> InputGeometry:
        """Return the places of the pixels; see :func:`shift_stac.swath.igm.place_igm`."""

    def observation(self) -> ObservationLayers | None:
        """Return angles and times, in known layers; None if the line has none."""


@dataclass(frozen=True)
class EnviFiles:
    """A line whose products are ENVI rasters; implements :class:`LineFiles`.

    Parameters
    ----------
    line
        The line.
    open_raster
        Opens the raster of a product; returns None if the line has none.
    """

    line: FlightLine
    open_raster: Callable[[Product], EnviImage | None]

    def cube(self, product: Product) -> SourceCube:  # noqa: D102 - as the protocol's
        raster = self._needed(product)
        check_headers({product: raster.header, Product.IGM: self._igm.header})
        raster = raster.ascending()
        header = raster.header
        return SourceCube(
            name=header.name,
            data=raster.data,
            nodata=header.nodata,
            scale_factor=header.scale_factor,
            add_offset=header.add_offset,
            unit=radiance_unit(header) or header.campaign_unit,
        )

    def check_cube(self, product: Product, spectral: SpectralRange) -> None:  # noqa: D102
        raster = self._needed(product)
        check_cube(raster.header, spectral, partial(read_bytes, raster.path))

    def axis(self, cubes: Sequence[Product], spectral: SpectralRange) -> SpectralAxis:  # noqa: D102
        headers = [self._needed(product).header.ascending() for product in cubes]
        return shared_axis(headers, spectral.good_windows, spectral.bad_bands)

    def places(self, fallback: str | None) -> InputGeometry:  # noqa: D102
        return place_igm(self._igm, fallback)

    def observation(self) -> ObservationLayers | None:  # noqa: D102
        raster = self.open_raster(Product.OBS)
        if raster is None:
            return None
        check_observation(raster.header, self._igm.header)
        return ObservationLayers.of_envi(raster)

    @cached_property
    def _igm(self) -> EnviImage:
        return self._needed(Product.IGM)

    def _needed(self, product: Product) -> EnviImage:
        raster = self.open_raster(product)
        if raster is None:
            msg = f"{self.line}: the {product} file is missing, and the store needs it"
            raise EnviError(msg)
        return raster


def open_line(sources: SourceLine) -> LineFiles:
    """Open the files of a line; each is mapped when it is first used."""

    def open_raster(product: Product) -> EnviImage | None:
        pair = sources.get(product)
        return None if pair is None else open_envi(pair.data.path, pair.header.path, pair.untold)

    return EnviFiles(sources.line, open_raster)
