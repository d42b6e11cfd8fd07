"""The group ``glt`` of a line's store: the lookup table that turns the swath into a map.

Its dimensions are ``map_y`` and ``map_x``, because ``y`` and ``x`` are those of the swath. The grid
is described in three ways. One is a CF grid mapping with GDAL's ``GeoTransform``, which rioxarray reads
too. The second is the Zarr conventions ``spatial`` and ``proj`` (https://github.com/zarr-conventions), as
their reference library writes them. The third, on a grid that is not rotated, is the coordinates of the
cells' centres. GDAL 3.12 uses these coordinates, and cannot place a rotated table.
"""

import xarray as xr
from affine import Affine

from shift_stac.crs import parse_crs
from shift_stac.errors import MapError
from shift_stac.maps.grid import MapGrid

GLT_GROUP = "glt"
LAYERS = ("glt_sample", "glt_line")
GRID_MAPPING = "map_ref"

# The grid's CRS, under a name that no map reader looks for.
_HIDDEN_CRS = "map_crs"


def read_grid(dataset: xr.Dataset) -> MapGrid:
    """The grid of an opened lookup table.

    Raises
    ------
    MapError
        The dataset has no grid, or a damaged one.
    """
    try:
        attributes = dataset[GRID_MAPPING].attrs
        coefficients = [float(value) for value in attributes["GeoTransform"].split()]
        transform = Affine.from_gdal(*coefficients)
        crs = parse_crs(attributes.get(_HIDDEN_CRS) or attributes["spatial_ref"])
        height, width = dataset[LAYERS[0]].shape
    except (KeyError, TypeError, ValueError) as error:
        msg = (
            f"the lookup table has no usable grid ({error}): open the line with "
            "shift_stac.open_flightline, or ingest it again"
        )
        raise MapError(msg) from error
    return MapGrid(crs, transform, height, width)


def hide_crs(table: xr.Dataset) -> xr.Dataset:
    """Rename the CRS of a lookup table that is part of its line, so that only :func:`read_grid` finds it.

    Readers that search each coordinate for a CRS (odc-geo) would take it as the CRS of the cubes,
    whose x and y count pixels.
    """
    table = table.copy()
    place = table[GRID_MAPPING]
    wkt = place.attrs.get("spatial_ref")
    kept = {k: v for k, v in place.attrs.items() if k not in ("spatial_ref", "crs_wkt")}
    table[GRID_MAPPING] = place.copy()
    table[GRID_MAPPING].attrs = {**kept, _HIDDEN_CRS: wkt}
    return table
