"""Writes a variable of a line as a GDAL VRT, with the line's places as geolocation arrays.

GDAL reads a store, but ignores its 2-D longitude and latitude. A VRT gives them in the metadata
domain ``GEOLOCATION`` (GDAL's RFC 4), by which gdalwarp, QGIS and rasterio put the line on any map.
GDAL interpolates between pixels' centres: a cell may show a neighbour of the pixel that
``orthorectify`` shows.
"""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import numpy as np
import xarray as xr

from shift_stac.crs import WGS84
from shift_stac.errors import MapError
from shift_stac.files import replacing
from shift_stac.reader.opening import open_flightline
from shift_stac.reader.store_address import store_address

# Names of numpy's types in a VRT.
_TYPES = {
    "uint8": "Byte",
    "int16": "Int16",
    "uint16": "UInt16",
    "int32": "Int32",
    "uint32": "UInt32",
    "int64": "Int64",
    "uint64": "UInt64",
    "float32": "Float32",
    "float64": "Float64",
}
_PLACES = ("longitude", "latitude")


def write_geolocation_vrt(
    href: Any, path: str | Path, *, variable: str = "Reflectance", base: str | Path | None = None
) -> None:
    """Write a VRT with which GDAL maps a variable of a published line: ``gdalwarp -geoloc``.

    Parameters
    ----------
    href, base
        The store, as :func:`shift_stac.open_flightline` takes it. The VRT has its absolute address,
        and no pixels.
    path
        Path of the VRT, which is replaced; its folder exists.
    variable
        Shaped ([wavelength,] y, x).

    Raises
    ------
    MapError
        The line has no such variable.
    StoreError
        The store does not exist.
    OSError
        The VRT cannot be written.
    """
    line = open_flightline(href, base=base)
    if variable not in line or line[variable].dims[-2:] != ("y", "x"):
        known = [str(name) for name, found in line.items() if found.dims[-2:] == ("y", "x")]
        msg = f"the line has no variable {variable!r} of pixels: choose one of {', '.join(known)}"
        raise MapError(msg)
    store = _for_gdal(store_address(href, base))
    document = _document(line, line[variable], store)
    ET.indent(document)
    with replacing(Path(path)) as finished:
        ET.ElementTree(document).write(finished, encoding="utf-8")


def _for_gdal(address: str) -> str:
    """Return an address as GDAL's file systems spell it."""
    parts = urlsplit(address)
    if parts.scheme == "s3":
        return f"/vsis3/{parts.netloc}{parts.path}"
    if parts.scheme in ("http", "https"):
        return f"/vsicurl/{address}"
    return str(Path(address).expanduser().absolute())


def _document(line: xr.Dataset, array: xr.DataArray, store: str) -> ET.Element:
    height, width = (line.sizes[dim] for dim in ("y", "x"))
    root = ET.Element("VRTDataset", rasterXSize=str(width), rasterYSize=str(height))
    places = ET.SubElement(root, "Metadata", domain="GEOLOCATION")
    told = {
        "SRS": WGS84.to_wkt("WKT1_GDAL"),
        "X_DATASET": _array(store, _PLACES[0]),
        "X_BAND": "1",
        "Y_DATASET": _array(store, _PLACES[1]),
        "Y_BAND": "1",
        "PIXEL_OFFSET": "0",
        "PIXEL_STEP": "1",
        "LINE_OFFSET": "0",
        "LINE_STEP": "1",
        "GEOREFERENCING_CONVENTION": "PIXEL_CENTER",
    }
    for key, value in told.items():
        ET.SubElement(places, "MDI", key=key).text = value
    wavelengths = array["wavelength"].to_numpy() if "wavelength" in array.coords else [None]
    dtype = np.dtype(array.encoding.get("dtype", array.dtype)).name
    for number, nm in enumerate(wavelengths, start=1):
        band = ET.SubElement(root, "VRTRasterBand", dataType=_TYPES[dtype], band=str(number))
        if nm is not None:
            ET.SubElement(band, "Description").text = f"{nm:g} nm"
        for element, key in (
            ("NoDataValue", "_FillValue"),
            ("Offset", "add_offset"),
            ("Scale", "scale_factor"),
        ):
            if key in array.encoding:
                ET.SubElement(band, element).text = repr(float(array.encoding[key]))
        source = ET.SubElement(band, "SimpleSource")
        ET.SubElement(source, "SourceFilename").text = _array(store, str(array.name))
        ET.SubElement(source, "SourceBand").text = str(number)
    return root


def _array(store: str, name: str) -> str:
    return f'ZARR:"{store}":/{name}'
