"""A line's geographic lookup table (GLT): the pixel of the swath for each cell of the map.

Two layers of int32, sample and line, both counted from 1. Zero marks a cell without a pixel; a
negative pair marks a cell that contains no pixel's centre and shows the nearest pixel. This is the
format of the GLT files of the AVIRIS family (JPL, AVIRIS-NG Data Product Readme).
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS

from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import EnviImage, give_back
from shift_stac.envi.line_headers import scaled_geometry_fault
from shift_stac.errors import EnviError, GeolocationError
from shift_stac.maps.grid import FARTHEST_PIXEL, MapGrid, covering_grid
from shift_stac.rows import row_blocks, sampled_rows
from shift_stac.swath.igm_values import ground_sampling, mask_igm

# A pixel is offered to its own cell and to the eight around it, so it affects rows up to this many
# away.
_REACH = 2

# Metres, for a line of a single pixel, whose ground sampling is unknown.
_SINGLE_PIXEL_M = 5.0

# Scan lines of the IGM that are in memory at the same time.
_BLOCK_LINES = 128

# A map of a diagonal line has 14 times as many cells as the line has pixels. With far more cells,
# some pixels are at wrong places.
_MOST_CELLS_PER_PIXEL = 400
_FEW_CELLS = 4_000_000

# Cells at which a portal's table is compared with the IGM, and how many cells away the IGM may
# put the half of their pixels. No pixel is further from the centre of its cell than 0.71; a table
# that counts from 0, or whose map info is that of centres, is off by more.
_COMPARED_CELLS = 10_000
LARGEST_MEDIAN_OFFSET = 0.9
"""A table whose pixels are farther from their cells' centres, in the median and in cells, does not fit."""

_MAP_INFO_ENTRIES = 7


class LookupTable(Protocol):
    """A GLT of any origin; it is read in bands of rows, so that memory does not grow with the line."""

    @property
    def grid(self) -> MapGrid:
        """The grid of the table's cells."""

    def read(self, rows: slice) -> NDArray[np.int32]:
        """Return a band of the table, shaped (2, rows, columns): sample, line."""


@dataclass(frozen=True)
class PortalTable:
    """The GLT of a line on the portal."""

    grid: MapGrid
    image: EnviImage
    sample_band: int

    @classmethod
    def of(cls, grid: MapGrid, image: EnviImage) -> "PortalTable":
        """The table of a GLT. The names of its bands say whether the line comes first."""
        names = [name.lower() for name in image.header.band_names]
        swapped = len(names) == 2 and "line" in names[0] and "sample" in names[1]  # noqa: PLR2004
        return cls(grid, image, sample_band=int(swapped))

    def check_numbers(self, *, lines: int, samples: int) -> None:
        """Refuse a table that names pixels that the line does not have.

        Raises
        ------
        EnviError
            It is of another line, or of another version of it.
        """
        for rows in row_blocks(self.grid.height, _BLOCK_LINES):
            layers = self.read(rows)
            sample, line = np.abs(layers)
            if (
                (sample > samples).any()
                or (line > lines).any()
                or (np.sign(layers[0]) != np.sign(layers[1])).any()
            ):
                msg = (
                    f"{self.image.path} names samples to {sample.max()} and lines to {line.max()} of "
                    f"a line that has {samples} and {lines}: it belongs to another line or version"
                )
                raise EnviError(msg)

    def read(self, rows: slice) -> NDArray[np.int32]:
        """Return a band of the table, shaped (2, rows, columns): sample, line."""
        bands = [self.sample_band, 1 - self.sample_band]
        layers = np.array(self.image.data[rows][:, bands].transpose(1, 0, 2), dtype=np.int32)
        give_back(self.image.data)
        return layers


class BuiltTable:
    """A GLT made from the IGM: north-up, of square cells, in the line's own CRS.

    A cell is as large as the line's ground sampling. It shows the pixel whose centre is nearest to
    its own, if that is no further than :data:`~shift_stac.maps.grid.FARTHEST_PIXEL` cells; the
    first of those that are equally near. Ties are decided to 1e-7 of a cell's area.

    Parameters
    ----------
    igm
        Shaped (scan lines, 3, samples), metres; may be memory-mapped.
    crs
        CRS of the IGM.
    name
        Name of the IGM's file, for messages.

    Raises
    ------
    GeolocationError
        No pixel has a location, or some are too far away for a map.
    """

    def __init__(self, igm: NDArray[Any], crs: CRS, *, name: str = "the IGM") -> None:
        self._igm = igm
        size = ground_sampling(igm) or _SINGLE_PIXEL_M
        self._blocks = list(_block_bounds(igm))
        found = np.array([bounds for _, bounds in self._blocks])
        if found.size == 0:
            msg = f"{name}: no pixel has a location; the line cannot be placed on a map"
            raise GeolocationError(msg)
        (west, south), (east, north) = found[:, :2].min(axis=0), found[:, 2:].max(axis=0)
        # The pixel at the very edge lies in a cell too.
        edge = size * 1e-3
        self.grid = covering_grid((west - edge, south - edge, east + edge, north + edge), size, crs)
        cells, pixels = self.grid.height * self.grid.width, igm.shape[0] * igm.shape[2]
        if cells > max(_FEW_CELLS, _MOST_CELLS_PER_PIXEL * pixels):
            msg = (
                f"{name}: its pixels spread over {east - west:.0f} m x {north - south:.0f} m, which "
                "no flight line does; the IGM is damaged, download it again"
            )
            raise GeolocationError(msg)

    def read(self, rows: slice) -> NDArray[np.int32]:
        """Return a band of the table, shaped (2, rows, columns): sample, line."""
        height, width = rows.stop - rows.start, self.grid.width
        nearest = np.full((height, width), _NO_PIXEL, dtype=np.int64)
        occupied = np.zeros((height, width), dtype=np.bool_)
        samples = self._igm.shape[2]
        for lines, (_, south, _, north) in self._blocks:
            _, top = ~self.grid.transform @ (0.0, north)
            _, bottom = ~self.grid.transform @ (0.0, south)
            if bottom < rows.start - _REACH or top > rows.stop + _REACH:
                continue
            easting, northing, _ = mask_igm(self._igm[lines])
            column, row = ~self.grid.transform @ (easting.ravel(), northing.ravel())
            row = row - rows.start
            with np.errstate(invalid="ignore"):
                near = np.flatnonzero((row > -_REACH) & (row < height + _REACH))
            _scatter(nearest, occupied, row[near], column[near], near + lines.start * samples)
        line, sample = np.divmod(nearest & ((1 << _NUMBER_BITS) - 1), samples)
        sign = np.where(occupied, 1, -1)
        sign[nearest == _NO_PIXEL] = 0
        return np.stack(((sample + 1) * sign, (line + 1) * sign)).astype(np.int32)


# A candidate for a cell, packed so that the smaller one is the nearer, then the earlier pixel:
# the squared distance in 2^-24 cells, and the pixel's number.
_DISTANCE_SCALE = float(1 << 24)
_NUMBER_BITS = 34
_NO_PIXEL = np.iinfo(np.int64).max


def _scatter(
    nearest: NDArray[np.int64],
    occupied: NDArray[np.bool_],
    row: NDArray[np.float64],
    column: NDArray[np.float64],
    number: NDArray[np.intp],
) -> None:
    """Offer pixels to the cell in which each lies, and to its eight neighbours.

    ``nearest`` has the best offer so far, ``occupied`` the cells that contain a pixel's centre.
    """
    height, width = nearest.shape
    flat = nearest.reshape(-1)
    own_row, own_column = np.floor(row).astype(np.intp), np.floor(column).astype(np.intp)
    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            r, c = own_row + down, own_column + right
            away = (row - r - 0.5) ** 2 + (column - c - 0.5) ** 2
            offered = (
                (away <= FARTHEST_PIXEL**2) & (r >= 0) & (r < height) & (c >= 0) & (c < width)
            ).nonzero()[0]
            key = (away[offered] * _DISTANCE_SCALE).astype(np.int64) << _NUMBER_BITS
            np.minimum.at(flat, r[offered] * width + c[offered], key | number[offered])
    inside = (own_row >= 0) & (own_row < height) & (own_column >= 0) & (own_column < width)
    occupied[own_row[inside], own_column[inside]] = True


def _block_bounds(igm: NDArray[Any]) -> Iterator[tuple[slice, tuple[float, float, float, float]]]:
    """Yield west, south, east and north of each block of scan lines with a location."""
    for lines in row_blocks(igm.shape[0], _BLOCK_LINES):
        easting, northing, _ = mask_igm(igm[lines])
        located = np.isfinite(easting)
        if located.any():
            east, north = easting[located], northing[located]
            yield lines, (east.min(), north.min(), east.max(), north.max())


def portal_table(image: EnviImage, igm: NDArray[Any], crs: CRS) -> PortalTable:
    """Return the portal's GLT of a line, if it fits the line's IGM.

    The table's places are compared with the IGM, and the grid gets the IGM's CRS: some published
    tables have another zone in their header, but the IGM's coordinates.

    Parameters
    ----------
    image
        The GLT, shaped (rows, 2, columns).
    igm
        Shaped (scan lines, 3, samples), metres.
    crs
        CRS of the IGM.

    Raises
    ------
    EnviError
        It is not a GLT, has no map info, contains pixels that the line does not have, or places
        pixels differently from the IGM.
    """
    header = image.header
    grid = MapGrid(crs, table_transform(header), header.lines, header.samples)
    table = PortalTable.of(grid, image)
    table.check_numbers(lines=igm.shape[0], samples=igm.shape[2])
    _check_places(table, igm)
    return table


def table_transform(header: EnviHeader) -> Affine:
    """Return the affine transform of a GLT from its ENVI ``map info``.

    Its entries: projection, reference column and row (1 is the outer corner of the first cell),
    their easting and northing, width and height of a cell. ``rotation`` is in degrees, in the
    sense in which GDAL's ENVI driver takes it.

    Raises
    ------
    EnviError
        It is not the header of a GLT, or has no such map info.
    """
    if header.bands != 2 or header.dtype.kind not in "iu":  # noqa: PLR2004 - sample and line
        msg = f"{header.name} has {header.bands} bands of {header.dtype}: a GLT has 2 of whole numbers"
        raise EnviError(msg)
    if fault := scaled_geometry_fault(header):
        raise EnviError(fault)
    info = header.map_info or ()
    if info and info[0].lower().startswith("geographic"):
        msg = f"{header.name}: its map is in degrees, and the line's places are in metres"
        raise EnviError(msg)
    try:
        column, row, easting, northing, width, height = map(float, info[1:_MAP_INFO_ENTRIES])
        options = dict(entry.split("=", 1) for entry in info[_MAP_INFO_ENTRIES:] if "=" in entry)
        turn = math.radians(float({k.strip(): v for k, v in options.items()}.get("rotation", 0)))
        if not all(map(math.isfinite, (column, row, easting, northing, turn))) or not (
            0 < width < math.inf and 0 < height < math.inf
        ):
            raise ValueError(header.name)  # noqa: TRY301 - told as the others are
    except ValueError as error:
        msg = f"{header.name}: the map info {header.fields.get('map info')!r} places no grid"
        raise EnviError(msg) from error
    cosine, sine = math.cos(turn), math.sin(turn)
    steps = Affine(width * cosine, width * sine, 0, height * sine, -height * cosine, 0)
    return Affine.translation(easting, northing) @ steps @ Affine.translation(1 - column, 1 - row)


def _check_places(table: PortalTable, igm: NDArray[Any]) -> None:
    offset = median_offset(table, igm)
    if offset is None or offset > LARGEST_MEDIAN_OFFSET:
        found = "shows no pixel that has a location" if offset is None else (
            f"puts pixels {offset:.1f} cells from where the IGM puts them"
        )  # fmt: skip
        msg = f"{table.image.path} {found}"
        raise EnviError(msg)


def median_offset(table: LookupTable, igm: NDArray[Any]) -> float | None:
    """Return the median distance between a cell's centre and the pixel that it shows, in cells.

    From a sample of cells that contain a pixel; None if there are none.
    """
    sampled = sampled_rows(table.grid.height, 200)
    distances = []
    for row in sampled.tolist():
        rows = slice(row, row + 1)
        sample, line = (layer[0] for layer in table.read(rows))
        columns = np.flatnonzero(sample > 0)
        columns = columns[:: max(1, columns.size * sampled.size // _COMPARED_CELLS)]
        if columns.size == 0:
            continue
        pixels = igm[line[columns] - 1, :, sample[columns] - 1].reshape(columns.size, 3, 1)
        give_back(igm)
        easting, northing, _ = (part[:, 0] for part in mask_igm(pixels))
        x, y = table.grid.centres(rows, slice(0, table.grid.width))
        distances.append(np.hypot(x[0, columns] - easting, y[0, columns] - northing))
    found = np.concatenate(distances) if distances else np.empty(0)
    found = found[np.isfinite(found)]
    return float(np.median(found)) / table.grid.cell_size if found.size else None
