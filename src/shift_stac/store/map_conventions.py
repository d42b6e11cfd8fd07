"""Attributes of a group about the grid of its maps, by the Zarr conventions ``spatial`` and ``proj``."""

from collections.abc import Mapping, Sequence
from typing import Any

import zarr_cm
from pyproj import CRS

from shift_stac.maps.grid import MapGrid


def crs_code(crs: CRS) -> str | None:
    """Return the code of a CRS, such as ``EPSG:32610``; None if it has none."""
    authority = crs.to_authority()
    return ":".join(authority) if authority else None


def with_conventions(
    attributes: Mapping[str, Any], grid: MapGrid, dimensions: Sequence[str]
) -> dict[str, Any]:
    """Return a group's attributes with the place of its grid.

    https://github.com/zarr-conventions, as their reference library writes them.

    Parameters
    ----------
    attributes
        The other attributes of the group.
    grid
        The grid of its arrays.
    dimensions
        The names of rows and columns.
    """
    found = zarr_cm.spatial.insert(
        dict(attributes),
        zarr_cm.spatial.create(
            dimensions=list(dimensions),
            transform=list(grid.transform[:6]),
            transform_type="affine",
            registration="pixel",
            shape=list(grid.shape),
            bbox=list(grid.bounds),
        ),
    )
    code = crs_code(grid.crs)
    wkt2 = None if code else grid.crs.to_wkt()
    return dict(zarr_cm.proj.insert(found, zarr_cm.proj.create(code=code, wkt2=wkt2)))
