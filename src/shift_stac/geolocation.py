"""From a line's input geometry to places on Earth: longitude, latitude and footprint."""

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from shapely.geometry import mapping

from shift_stac.errors import GeolocationError
from shift_stac.footprint import footprint
from shift_stac.igm import ground_sampling
from shift_stac.sources import FrozenModel


class GeolocationSummary(FrozenModel):
    """Where a line lies.

    ``crs`` is the line's own, as ``EPSG:32611``; ``gsd`` the ground sampling distance in metres
    (None for a single pixel); ``finite_share`` the share of pixels that have a location. ``bbox``
    (west, south, east, north) and ``footprint`` (a GeoJSON geometry) are in WGS 84 degrees.
    """

    crs: str
    gsd: float | None
    finite_share: float
    bbox: tuple[float, float, float, float]
    footprint: dict[str, Any]
    footprint_tolerance_m: float


@lru_cache(maxsize=16)
def _transformer(crs: str) -> Transformer:
    # pyproj gives every thread a context of its own.
    return Transformer.from_crs(crs, "EPSG:4326", always_xy=True)


def to_lonlat(
    easting: NDArray[np.float64], northing: NDArray[np.float64], crs: CRS
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Longitude and latitude, WGS 84 degrees; NaN stays NaN. Shapes are kept."""
    longitude, latitude = _transformer(crs.to_wkt()).transform(easting, northing)
    nowhere = ~np.isfinite(easting)
    longitude, latitude = np.asarray(longitude), np.asarray(latitude)
    longitude[nowhere] = latitude[nowhere] = np.nan
    return longitude, latitude


def summarize_geolocation(
    igm: NDArray[Any], crs: CRS, *, name: str, finite_share: float
) -> GeolocationSummary:
    """Footprint, bounding box and ground sampling of a line.

    Parameters
    ----------
    igm
        Shaped (scan lines, 3, samples), metres; may be memory-mapped.
    crs
        Of the IGM.
    name
        Of the IGM's file, for messages.
    finite_share
        Share of the pixels that have a location, counted while they were converted.

    Raises
    ------
    GeolocationError
        No pixel has a location.
    """
    if finite_share == 0:
        msg = f"{name}: no pixel has a location; the line cannot be placed on a map"
        raise GeolocationError(msg)
    gsd = ground_sampling(igm)
    outline, tolerance = footprint(igm, crs, gsd, name=name)
    epsg = crs.to_epsg()
    return GeolocationSummary(
        crs=f"EPSG:{epsg}" if epsg else crs.to_wkt(),
        gsd=gsd,
        finite_share=finite_share,
        bbox=outline.bounds,
        footprint=mapping(outline),
        footprint_tolerance_m=tolerance,
    )
