"""Selects items of a table by place and time."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import geopandas
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from shift_stac.crs import WGS84, parse_crs
from shift_stac.errors import MapError
from shift_stac.reader.polygons import parse_geometry, reproject, turned_to

_CORNERS = 4
_OPEN = ("", "..")
_CALENDAR_UNITS = ("Y", "M", "D")
# A year, a month or a day. pandas would accept words too, and complete them with the present year.
_CALENDAR = re.compile(r"\d{4}(-\d\d(-\d\d)?|\d{4})?")
# ISO 8601 in the profile of RFC 3339.
_MOMENT = re.compile(r"\d{4}-?\d\d-?\d\d[Tt ].+")


def search(
    items: geopandas.GeoDataFrame,
    *,
    geometry: Any,
    bbox: Sequence[float] | None,
    bbox_crs: Any,
    datetime: Any,
) -> geopandas.GeoDataFrame:
    """Return the rows whose footprint intersects a geometry and a box, flown in a time; see ``Archive.search``."""
    chosen = np.ones(len(items), dtype=bool)
    if geometry is not None:
        chosen &= _intersect(items, parse_geometry(geometry))
    if bbox is not None:
        chosen &= _intersect(items, parse_box(bbox, bbox_crs))
    if datetime is not None:
        chosen &= _flown(items, datetime)
    return items[chosen].reset_index(drop=True)


def _intersect(items: geopandas.GeoDataFrame, area: BaseGeometry) -> NDArray[np.bool_]:
    # Footprints are cut at 180 degrees, and an area may continue beyond them.
    found: NDArray[np.bool_] = items.intersects(turned_to(area, shapely.Point(0, 0))).to_numpy()
    return found


def parse_box(bbox: Sequence[float], crs: Any = WGS84) -> BaseGeometry:
    """Return a box (west, south, east, north) as a geometry in WGS 84 degrees.

    Raises
    ------
    MapError
        It is not a box.
    """
    try:
        corners = np.asarray(bbox, dtype=float)
    except (TypeError, ValueError):
        corners = np.empty(0)
    if corners.shape != (_CORNERS,) or not np.isfinite(corners).all():
        msg = f"bbox={bbox!r} is not a box: give west, south, east, north"
        raise MapError(msg)
    west, south, east, north = corners.tolist()
    source = parse_crs(crs)
    over_antimeridian = source.is_geographic and west > east
    if south > north or (west > east and not over_antimeridian):
        msg = f"bbox={bbox!r} is empty: give west, south, east, north"
        raise MapError(msg)
    if over_antimeridian:
        box = shapely.union(
            shapely.box(west, south, 180, north), shapely.box(-180, south, east, north)
        )
    else:
        box = shapely.box(west, south, east, north)
    return parse_geometry(box if source == WGS84 else reproject(box, source, WGS84))


def _flown(items: geopandas.GeoDataFrame, wanted: Any) -> NDArray[np.bool_]:
    """Return a mask of the items whose times overlap a time."""
    begin, end = parse_time(wanted)
    moments = items["datetime"]
    first, last = (
        items[name].fillna(moments) if name in items.columns else moments
        for name in ("start_datetime", "end_datetime")
    )
    chosen = np.ones(len(items), dtype=bool)
    if begin is not None:
        chosen &= (last >= begin).to_numpy()
    if end is not None:
        chosen &= (first <= end).to_numpy()
    return chosen


def parse_time(wanted: Any) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """Return begin and end of a time, in UTC; None if it is open.

    Raises
    ------
    MapError
        It is not a time.
    """
    if isinstance(wanted, str):
        parts = wanted.split("/")
    else:
        is_several = isinstance(wanted, list | tuple) or np.ndim(wanted) == 1
        parts = list(wanted) if is_several else [wanted]
    if not 1 <= len(parts) <= 2:  # noqa: PLR2004 - a moment, or begin and end
        msg = f"datetime={wanted!r} is not a time: give one time, or a begin and an end"
        raise MapError(msg)
    begin, end = _moments(parts[0])[0], _moments(parts[-1])[1]
    if begin is not None and end is not None and begin > end:
        msg = f"datetime={wanted!r} ends before it begins"
        raise MapError(msg)
    return begin, end


def _moments(told: Any) -> tuple[pd.Timestamp | None, pd.Timestamp | None]:
    """Return begin and end of a year, month, day or second, as given."""
    if told is None or (isinstance(told, str) and told in _OPEN):
        return None, None
    if isinstance(told, np.datetime64) and np.datetime_data(told)[0] in _CALENDAR_UNITS:
        # Its unit tells its length: a year, a month, or a day.
        told = str(told)
    is_text = isinstance(told, str)
    is_calendar = is_text and bool(_CALENDAR.fullmatch(told))
    is_moment = is_text and bool(_MOMENT.fullmatch(told))
    if not (is_calendar or is_moment or isinstance(told, date | np.datetime64 | pd.Period)):
        raise _no_time(told)
    try:
        if is_calendar or isinstance(told, pd.Period):
            period = pd.Period(told)
            return period.start_time.tz_localize("UTC"), period.end_time.tz_localize("UTC")
        moment = pd.Timestamp(told)
        if pd.isna(moment):
            raise _no_time(told)
        moment = moment.tz_localize("UTC") if moment.tz is None else moment.tz_convert("UTC")
    except (TypeError, ValueError, AttributeError) as error:
        raise _no_time(told) from error
    whole_day = isinstance(told, date) and not isinstance(told, datetime)
    return moment, moment + pd.Timedelta(days=1, microseconds=-1) if whole_day else moment


def _no_time(told: Any) -> MapError:
    return MapError(
        f"{told!r} is not a time: write it as 2022-03-16, 2022-03, or 2022-03-16T18:42:37Z"
    )
