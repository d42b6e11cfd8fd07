"""SHIFT-STAC: AVIRIS-NG flight lines as georeferenced Zarr stores with a STAC catalog."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from shift_stac.errors import ShiftError
from shift_stac.flightline import FlightLine

if TYPE_CHECKING:
    from shift_stac.reader.archive import Archive, open_archive
    from shift_stac.reader.geolocation_vrt import write_geolocation_vrt
    from shift_stac.reader.geotiff import write_geotiff
    from shift_stac.reader.opening import open_flightline
    from shift_stac.reader.season_cube import season_cube

__all__ = [
    "Archive",
    "FlightLine",
    "ShiftError",
    "open_archive",
    "open_flightline",
    "season_cube",
    "write_geolocation_vrt",
    "write_geotiff",
]

_READER = {
    "Archive": "archive",
    "open_archive": "archive",
    "open_flightline": "opening",
    "season_cube": "season_cube",
    "write_geolocation_vrt": "geolocation_vrt",
    "write_geotiff": "geotiff",
}


def __getattr__(name: str) -> Any:
    """Import the reader, and with it xarray and GDAL, when it is first used."""
    if name == "__version__":
        return import_module("importlib.metadata").version("shift-stac")
    if name not in _READER:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"shift_stac.reader.{_READER[name]}"), name)
