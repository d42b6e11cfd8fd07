"""Statistics of the pixels in a polygon."""

from typing import Any

import xarray as xr

from shift_stac.errors import MapError
from shift_stac.reader.ahead import PixelsAhead
from shift_stac.reader.polygons import parse_polygon
from shift_stac.reader.zones import find_zones, statistics


def polygon(swath: xr.Dataset, variable: xr.DataArray, geometry: Any) -> xr.Dataset:
    """Return statistics over the pixels whose centres lie in a polygon.

    Each pixel of the swath counts once, as it was measured; nothing is resampled.

    Parameters
    ----------
    swath
        A line with its lookup table.
    variable
        A variable of it, shaped ([wavelength,] y, x).
    geometry
        Polygon or multipolygon, as for :func:`~shift_stac.reader.polygons.parse_polygon`.

    Returns
    -------
    xarray.Dataset
        ``mean``, ``std`` (of the population) and ``count`` of the pixels that have data, shaped
        (wavelength,), or scalars, float64. The coordinate ``share_on_line`` is the share of the
        polygon's area that the line's map covers, 0 to 1.

    Raises
    ------
    MapError
        The geometry is not a polygon, or contains no pixel's centre.
    """
    ahead = PixelsAhead(variable)
    (zone,) = find_zones(swath, [parse_polygon(geometry)], ahead)
    if zone is None:
        msg = "the line has no pixel in the polygon: compare it with the line's footprint"
        raise MapError(msg)
    if not zone.line.size:
        msg = "no pixel's centre lies in the polygon: it is smaller than a pixel; ask for the spectrum of a point"
        raise MapError(msg)
    found = statistics(variable, [zone], ahead=ahead)
    spectral = {
        name: coordinate.variable
        for name, coordinate in variable.coords.items()
        if coordinate.dims == ("wavelength",)
    }
    units = {"units": variable.attrs.get("units", "1")}
    what = variable.attrs.get("long_name", variable.name)
    told = {
        "mean": (found.mean, {"long_name": f"mean {what}"} | units),
        "std": (found.std, {"long_name": f"standard deviation of {what}"} | units),
        "count": (found.count, {"long_name": "pixels", "units": "1"}),
    }
    share = {"long_name": "part of the polygon's area that the line's map covers", "units": "1"}
    dataset = xr.Dataset(
        {
            name: ("wavelength", values[0], attributes)
            for name, (values, attributes) in told.items()
        },
        coords=spectral | {"share_on_line": xr.Variable((), zone.share, share)},
    )
    return dataset if "wavelength" in variable.dims else dataset.isel(wavelength=0)
