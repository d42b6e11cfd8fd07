"""SHIFT-STAC: AVIRIS-NG flight lines as georeferenced Zarr stores with a STAC catalog."""

from shift_stac.errors import ShiftError
from shift_stac.flightline import FlightLine

__all__ = ["FlightLine", "ShiftError"]
