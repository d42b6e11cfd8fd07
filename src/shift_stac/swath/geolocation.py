"""From a line's input geometry (IGM) to longitude, latitude and footprint."""

import json
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from shapely.geometry import MultiPolygon, Polygon

from shift_stac.crs import WGS84, transformer
from shift_stac.errors import GeolocationError
from shift_stac.model import FrozenModel
from shift_stac.swath.footprint import footprint
from shift_stac.swath.igm_values import ground_sampling


class GeolocationSummary(FrozenModel):
    """The location of a line.

    ``crs`` is the line's own, as ``EPSG:32611``; ``gsd`` the ground sampling distance in metres
    (None for a single pixel); ``finite_share`` the share of pixels that have a location. ``bbox``
    (west, south, east, north; west is the greater of a line that crosses the antimeridian, as
    RFC 7946 section 5.2 has it) and ``footprint`` (a GeoJSON geometry) are in WGS 84 degrees.
    ``footprint_tolerance_m`` bounds how far the footprint is from the true outline, in metres.
    """

    crs: str
    gsd: float | None
    finite_share: float
    bbox: tuple[float, float, float, float]
    footprint: dict[str, Any]
    footprint_tolerance_m: float


def to_lonlat(
    easting: NDArray[np.float64], northing: NDArray[np.float64], crs: CRS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return longitude and latitude, WGS 84 degrees, in the shape of the input; NaN stays NaN."""
    longitude, latitude = transformer(crs, WGS84).transform(easting, northing)
    nowhere = ~(np.isfinite(easting) & np.isfinite(northing))
    longitude, latitude = np.asarray(longitude), np.asarray(latitude)
    longitude[nowhere] = latitude[nowhere] = np.nan
    return longitude, latitude


def summarize_geolocation(
    igm: NDArray[Any], crs: CRS, *, name: str, finite_share: float
) -> GeolocationSummary:
    """Compute footprint, bounding box and ground sampling of a line.

    Parameters
    ----------
    igm
        Shaped (scan lines, 3, samples), metres; may be memory-mapped.
    crs
        CRS of the IGM.
    name
        Name of the IGM's file, for messages.
    finite_share
        Share of the pixels that have a location, counted while they were converted.

    Raises
    ------
    GeolocationError
        No pixel has a location, or those that have one enclose no area.
    """
    if finite_share == 0:
        msg = f"{name}: no pixel has a location; the line cannot be placed on a map"
        raise GeolocationError(msg)
    # STAC allows no gsd of zero, which pixels at a single place would have.
    gsd = ground_sampling(igm) or None
    outline, tolerance = footprint(igm, crs, gsd, name=name)
    epsg = crs.to_epsg()
    return GeolocationSummary(
        crs=f"EPSG:{epsg}" if epsg else crs.to_wkt(),
        gsd=gsd,
        finite_share=finite_share,
        bbox=_bounding_box(outline),
        # Lists, not shapely's tuples, so that a summary is the same after JSON.
        footprint=json.loads(shapely.to_geojson(outline)),
        footprint_tolerance_m=tolerance,
    )


def _bounding_box(outline: Polygon | MultiPolygon) -> tuple[float, float, float, float]:
    west, south, east, north = outline.bounds
    if east - west > 180 and isinstance(outline, MultiPolygon):  # noqa: PLR2004 - half a turn
        parts = [part.bounds for part in outline.geoms]
        west = min(bounds[0] for bounds in parts if bounds[0] > 0)
        east = max(bounds[2] for bounds in parts if bounds[2] < 0)
    return west, south, east, north
