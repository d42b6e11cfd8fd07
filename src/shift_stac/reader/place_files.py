"""Reads files of places: plots with their names, and the geometry of a place.

Every error names the file.
"""

import json
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from shift_stac.errors import MapError
from shift_stac.reader.places import Places
from shift_stac.reader.polygons import parse_geometry

_GEOJSON = (".geojson", ".json")
_GEOPARQUET = (".parquet", ".geoparquet")
_TABLE = ".csv"
# Advice about GDAL's drivers, which does not help here.
_ADVICE = "; It might help"


def read_plots(path: Path, parse: Callable[..., Places], **options: Any) -> Any:
    """Read a file of plots: GeoJSON, CSV, GeoParquet, or a format of GDAL such as GeoPackage.

    Parameters
    ----------
    path
        The file.
    parse
        :func:`~shift_stac.reader.places.parse_points` or
        :func:`~shift_stac.reader.places.parse_polygons`, which checks the plots.
    options
        Its options.

    Returns
    -------
    Any
        The plots, as ``parse`` takes them.

    Raises
    ------
    MapError
        The file cannot be read, or has no plots, or wrong ones.
    """
    with _named(path):
        found = _read(path)
        if not len(parse(found, **options).ids):
            msg = "it has no places: give at least one"
            raise MapError(msg)
    return found


def read_place(path: Path, parse: Callable[[Any], BaseGeometry] = parse_geometry) -> BaseGeometry:
    """Read a file of geometries, and return their union in WGS 84 degrees.

    Parameters
    ----------
    path
        The file, in a format of :func:`read_plots` other than CSV.
    parse
        :func:`~shift_stac.reader.polygons.parse_geometry`, or ``parse_polygon``, which accepts no
        points and lines.

    Raises
    ------
    MapError
        The file cannot be read, or has no geometry, or a wrong one.
    """
    with _named(path):
        if path.suffix.lower() == _TABLE:
            msg = "a table has no geometry: give GeoJSON, GeoPackage, a shapefile or GeoParquet"
            raise MapError(msg)
        return parse(_read(path))


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Name the file in errors about its content."""
    try:
        yield
    except MapError as error:
        msg = f"{path}: {error}"
        raise MapError(msg) from error


def _read(path: Path) -> Any:
    if not path.is_file():
        msg = "it is a folder: give a file" if path.is_dir() else "there is no such file"
        raise MapError(msg)
    if not path.stat().st_size:
        msg = "the file is empty"
        raise MapError(msg)
    try:
        suffix = path.suffix.lower()
        if suffix in _GEOJSON:
            # GDAL ignores a CRS that it does not know.
            return json.loads(path.read_text(encoding="utf-8-sig"))
        if suffix == _TABLE:
            return pd.read_csv(path)
        if suffix in _GEOPARQUET:
            return geopandas.read_parquet(path)
        with warnings.catch_warnings():
            # About rings that are not closed: an error follows where that matters.
            warnings.simplefilter("ignore", RuntimeWarning)
            return geopandas.read_file(path)
    except (OSError, RuntimeError, ValueError, ShapelyError) as error:
        reason = str(error).partition(_ADVICE)[0]
        msg = f"it cannot be read as places ({type(error).__name__}: {reason})"
        raise MapError(msg) from error
