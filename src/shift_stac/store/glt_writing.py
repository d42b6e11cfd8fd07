"""Writes the group ``glt`` of a line's store: the portal's lookup table, or one computed from the IGM."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import dask.array
import numpy as np
import xarray as xr
import zarr
from zarr.storage import LocalStore

from shift_stac.envi.image import open_envi
from shift_stac.errors import EnviError
from shift_stac.maps.glt import BuiltTable, LookupTable, portal_table
from shift_stac.maps.grid import MapGrid, grid_attributes
from shift_stac.rows import row_blocks
from shift_stac.sources import SourceProduct
from shift_stac.store.codecs import geometry_codec
from shift_stac.store.glt_group import GLT_GROUP, GRID_MAPPING, LAYERS
from shift_stac.store.map_conventions import crs_code, with_conventions
from shift_stac.store.summary import MapSummary, TableOrigin
from shift_stac.swath.igm import InputGeometry
from shift_stac.swath.igm_crs import utm_zone_of_map

# Rows and columns of a chunk: 1 MB, so that a window of the map needs few chunks.
_CHUNK = 512


def choose_table(
    glt: SourceProduct | None, igm: InputGeometry
) -> tuple[LookupTable, TableOrigin, str | None]:
    """Return the portal's table of a line if it fits the IGM, otherwise one computed from the IGM.

    Parameters
    ----------
    glt
        The portal's table, if it has one.
    igm
        The places of the line's pixels.

    Returns
    -------
    tuple
        The table, its origin, and a note: why the portal's was not used, or what its header
        contradicts.

    Raises
    ------
    EnviError
        The portal's table does not fit, and is not optional.
    GeolocationError
        No table can be computed from the IGM.
    """
    note = None
    if glt is not None:
        try:
            image = open_envi(glt.data.path, glt.header.path)
            zone = utm_zone_of_map(image.header)
            if zone not in {None, igm.crs.utm_zone}:
                note = f"{image.header.name} says UTM zone {zone}, and the IGM {igm.crs.name}, which is used"
            return portal_table(image, igm.data, igm.crs), TableOrigin.PORTAL, note
        except EnviError as error:
            if not glt.is_optional:
                raise
            note = str(error)
    return BuiltTable(igm.data, igm.crs, name=igm.name), TableOrigin.IGM, note


def write_map_group(store: Path, glt: SourceProduct | None, igm: InputGeometry) -> MapSummary:
    """Write the group ``glt`` of a store, band by band, with metadata of its own.

    Raises
    ------
    GeolocationError
        No table can be computed from the IGM.
    OSError
        The store cannot be written.
    """
    table, origin, note = choose_table(glt, igm)
    grid = table.grid
    group = store / GLT_GROUP
    template, encoding = _template(grid, origin)
    where = LocalStore(group)
    template.to_zarr(where, mode="w", zarr_format=3, encoding=encoding, compute=False)
    arrays = [zarr.open_array(group / name, mode="r+") for name in LAYERS]
    for rows in row_blocks(grid.height, arrays[0].chunks[0]):
        for array, layer in zip(arrays, table.read(rows), strict=True):
            array[rows] = layer
    return MapSummary(
        origin=origin,
        crs=crs_code(igm.crs) or igm.crs.to_wkt(),
        transform=grid.transform[:6],
        shape=grid.shape,
        note=note,
    )


def _template(grid: MapGrid, origin: TableOrigin) -> tuple[xr.Dataset, dict[str, dict[str, Any]]]:
    chunks = (min(_CHUNK, grid.height), min(_CHUNK, grid.width))
    codec = geometry_codec()
    sources = {
        TableOrigin.PORTAL: "the GLT of the portal",
        TableOrigin.IGM: "nearest neighbours, computed from the IGM",
    }
    variables = {
        name: xr.Variable(
            ("map_y", "map_x"),
            dask.array.zeros(grid.shape, dtype=np.int32, chunks=-1),
            {
                "long_name": f"{what} of the swath to show in the cell",
                "comment": "counted from 1; 0: no pixel; negative: the nearest pixel, which lies "
                "in another cell",
                "source": sources[origin],
                "units": "1",
                "grid_mapping": GRID_MAPPING,
            },
        )
        for name, what in zip(LAYERS, ("sample", "scan line"), strict=True)
    }
    attributes = with_conventions(
        {
            "Conventions": "CF-1.11",
            "history": f"written by shift-stac {version('shift-stac')}",
            "title": "geographic lookup table: the pixel of the swath for each cell of the map",
        },
        grid,
        ("map_y", "map_x"),
    )
    dataset = xr.Dataset(variables, coords=_coordinates(grid), attrs=attributes)
    return dataset, {name: {"chunks": chunks, "compressors": (codec,)} for name in variables}


def _coordinates(grid: MapGrid) -> dict[str, xr.Variable]:
    attributes = {**grid_attributes(grid), "long_name": "place of the map's grid"}
    coordinates = {GRID_MAPPING: xr.Variable((), np.int32(0), attributes)}
    # Rows and columns of a rotated grid have no common coordinate.
    if grid.is_north_up:
        for axis, values in (("x", grid.x()), ("y", grid.y())):
            coordinates[f"map_{axis}"] = xr.Variable(
                (f"map_{axis}",),
                values,
                {
                    "standard_name": f"projection_{axis}_coordinate",
                    "long_name": f"{'easting' if axis == 'x' else 'northing'} of the cell's centre",
                    "units": "m",
                    "axis": axis.upper(),
                },
                {"_FillValue": None},
            )
    return coordinates
