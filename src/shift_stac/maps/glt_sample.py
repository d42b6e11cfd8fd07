"""Checks a lookup table (GLT) by a few of its rows, before its file is downloaded."""

from collections.abc import Callable, Iterable

import numpy as np

from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import read_lines
from shift_stac.errors import EnviError
from shift_stac.maps.glt import LARGEST_MEDIAN_OFFSET, PortalTable, portal_table, table_transform
from shift_stac.maps.grid import MapGrid
from shift_stac.swath.igm import InputGeometry
from shift_stac.swath.igm_values import mask_igm

# A table of at most this many bytes is read as a whole, if the whole IGM is here.
_FEW_BYTES = 4_000_000


def foresee_table(
    header: EnviHeader,
    igm: EnviHeader,
    places: Iterable[tuple[slice, InputGeometry]],
    read: Callable[[int, int], bytes],
) -> None:
    """Check a portal's table: the whole table of a short line, otherwise a row at each known place.

    Parameters
    ----------
    header, igm
        The headers of the table and of the line's IGM.
    places
        Scan lines of the line, and where their pixels are.
    read
        Reads of the table's file, from an offset on, so many bytes.

    Raises
    ------
    EnviError
        As :func:`shift_stac.maps.glt.portal_table`, as far as this is seen.
    """
    transform = table_transform(header)
    distances = [np.empty(0)]
    for lines, known in places:
        if lines == slice(0, igm.lines) and header.data_size <= _FEW_BYTES:
            whole = read_lines(header, slice(0, header.lines), read)
            portal_table(whole, known.data, known.crs)
            return
        grid = MapGrid(known.crs, transform, header.lines, header.samples)
        easting, northing, _ = mask_igm(known.data)
        rows, _, inside = grid.cells(easting[0], northing[0])
        if not inside.any():
            continue
        row = int(np.median(rows[inside]))
        part = slice(row, row + 1)
        image = read_lines(header, part, read)
        one_row = MapGrid(known.crs, transform, 1, header.samples)
        table = PortalTable.of(one_row, image)
        table.check_numbers(lines=igm.lines, samples=igm.samples)
        sample, line = (layer[0] for layer in table.read(slice(0, 1)))
        columns = np.flatnonzero((sample > 0) & (line > lines.start) & (line <= lines.stop))
        x, y = (centre[0, columns] for centre in grid.centres(part, slice(0, grid.width)))
        pixels = line[columns] - 1 - lines.start, sample[columns] - 1
        away = np.hypot(x - easting[pixels], y - northing[pixels]) / grid.cell_size
        distances.append(away[np.isfinite(away)])
    found = np.concatenate(distances)
    if found.size and np.median(found) > LARGEST_MEDIAN_OFFSET:
        msg = f"{header.name} puts pixels {np.median(found):.1f} cells from where the IGM puts them"
        raise EnviError(msg)
