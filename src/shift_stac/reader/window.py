"""Cuts the part of a swath in a box on the map."""

from collections.abc import Sequence
from typing import Any

import xarray as xr

from shift_stac.crs import parse_crs
from shift_stac.maps.grid import transform_bounds
from shift_stac.reader.map_grids import outside
from shift_stac.reader.pixels import pixels_of, region_around
from shift_stac.store.glt_group import read_grid


def window(swath: xr.Dataset, bbox: Sequence[float], bbox_crs: Any) -> xr.Dataset:
    """Return scan lines and samples around the pixels in a box; see ``ds.swath.window``.

    Raises
    ------
    MapError
        The line does not reach into the box, or the box is invalid.
    """
    grid = read_grid(swath)
    found = region_around(
        swath,
        *pixels_of(swath, *grid.window(transform_bounds(bbox, parse_crs(bbox_crs), grid.crs))),
    )
    if found is None:
        raise outside(bbox)
    return swath.isel(found)
