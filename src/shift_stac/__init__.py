"""SHIFT-STAC: AVIRIS-NG flight lines as georeferenced Zarr stores with a STAC catalog."""

from typing import TYPE_CHECKING, Any

from shift_stac.errors import ShiftError
from shift_stac.flightline import FlightLine

if TYPE_CHECKING:
    from shift_stac.reader.access import open_flightline
    from shift_stac.reader.geotiff import write_geotiff

__all__ = ["FlightLine", "ShiftError", "open_flightline", "write_geotiff"]


def __getattr__(name: str) -> Any:
    """Import the reader, and with it xarray and GDAL, only where it is used."""
    if name == "open_flightline":
        from shift_stac.reader.access import open_flightline  # noqa: PLC0415 - see above

        return open_flightline
    if name == "write_geotiff":
        from shift_stac.reader.geotiff import write_geotiff  # noqa: PLC0415 - see above

        return write_geotiff
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
