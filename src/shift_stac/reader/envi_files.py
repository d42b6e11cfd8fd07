"""Writes a line, or a part of it, as ENVI files, for programs that read only these.

Names and bands are those of JPL's products, whose order ISOFIT and HyTools expect: cube, input
geometry (IGM), locations (LOC) and observation geometry (OBS). Format: L3Harris Geospatial, "ENVI
Header Files".
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pyproj import CRS

from shift_stac.envi.header import data_type
from shift_stac.envi.header_text import write_header
from shift_stac.envi.line_headers import DEFAULT_NODATA
from shift_stac.errors import MapError
from shift_stac.files import replacing
from shift_stac.swath.obs_bands import OBS_LAYERS

_SUFFIXES = {"Radiance": "rdn", "Reflectance": "rfl"}
_IGM = ("Easting", "Northing", "Elevation")
_LOC = ("longitude", "latitude", "Elevation")

# Bytes in memory at the same time; more if a row of chunks is larger.
_BLOCK_BYTES = 96_000_000


@dataclass(frozen=True)
class _EnviFile:
    """A file: the end of its name, and its variables, each shaped ([wavelength,] y, x).

    None stands for a variable that the line does not have.
    """

    suffix: str
    variables: tuple[xr.DataArray | None, ...]
    text: str
    entries: dict[str, object] = field(default_factory=dict)


def write_envi(swath: xr.Dataset, cube: xr.DataArray, crs: CRS, folder: Path) -> list[Path]:
    """Write a cube and its geometry; see ``ds.swath.to_envi``.

    Parameters
    ----------
    swath
        The line, or scan lines and samples of it.
    cube
        A variable of it, shaped (wavelength, y, x).
    crs
        CRS of Easting and Northing.
    folder
        The folder; it is created if it does not exist.

    Returns
    -------
    list of Path
        The files of pixels; each has its header beside it.

    Raises
    ------
    MapError
        The variable has no wavelengths, the part no pixels, the line no IGM or LOC, or the folder is
        a file.
    OSError
        They cannot be written.
    """
    if "wavelength" not in cube.dims:
        msg = f"{cube.name} has no wavelengths: choose a cube; its geometry is written beside it"
        raise MapError(msg)
    if not cube.size:
        msg = (
            f"this part of the line has no pixels, but the sizes {dict(cube.sizes)}: choose another"
        )
        raise MapError(msg)
    if missing := [name for name in dict.fromkeys((*_IGM, *_LOC)) if name not in swath.variables]:
        msg = f"the line has no {', '.join(missing)}, which its IGM and LOC need: keep its geometry"
        raise MapError(msg)
    if blocking := next((part for part in (folder, *folder.parents) if part.is_file()), None):
        msg = f"{blocking} is a file: give another folder for the ENVI files"
        raise MapError(msg)
    folder.mkdir(parents=True, exist_ok=True)
    line = swath.attrs.get("flight_line", "line")
    written = []
    for file in _files(swath, cube, crs):
        path = folder / f"{line}_{file.suffix}"
        _write(file, path, line, _window(swath))
        written.append(path)
    return written


def _files(swath: xr.Dataset, cube: xr.DataArray, crs: CRS) -> Iterator[_EnviFile]:
    name = str(cube.name)
    yield _EnviFile(
        _SUFFIXES.get(name, name.lower()),
        (cube,),
        f"{cube.attrs.get('long_name', name)} in {cube.attrs.get('units', '1')}",
        _spectral(cube),
    )
    yield _EnviFile(
        "igm",
        tuple(swath[name] for name in _IGM),
        f"IGM (easting, northing, elevation), {_spelled(crs)}",
        {
            "coordinate system string": f"{{{crs.to_wkt('WKT1_ESRI')}}}",
            "band names": [f"{name} (m)" for name in _IGM],
        },
    )
    yield _EnviFile(
        "loc",
        tuple(swath[name] for name in _LOC),
        "LOC (longitude, latitude, elevation)",
        {"band names": ["Longitude (WGS-84)", "Latitude (WGS-84)", "Elevation (m)"]},
    )
    present = [place for place, layer in enumerate(OBS_LAYERS) if layer.name in swath]
    if present:
        layers = OBS_LAYERS[: present[-1] + 1]
        yield _EnviFile(
            "obs",
            tuple(swath.get(layer.name) for layer in layers),
            "OBS, slope and aspect of the terrain as they are, not as AVIRIS-NG's files tell them",
            {"band names": [f"{layer.name} ({layer.attributes['units']})" for layer in layers]},
        )


def _spectral(cube: xr.DataArray) -> dict[str, object]:
    """Return the entries of a header about the bands."""
    told = {
        "wavelength units": "Nanometers",
        "wavelength": cube["wavelength"].to_numpy().tolist(),
    }
    if "fwhm" in cube.coords:
        told["fwhm"] = cube["fwhm"].to_numpy().tolist()
    return told | {"bbl": cube["good_wavelength"].to_numpy().astype(int).tolist()}


def _spelled(crs: CRS) -> str:
    """Spell a CRS as in the descriptions of IGM headers."""
    code = crs.to_epsg()
    zone = crs.utm_zone if code and code // 100 in _WGS84_UTM else None
    if zone is not None:
        return f"UTM zone {zone[:-1]} {'North' if zone[-1] == 'N' else 'South'}, WGS-84"
    return f"EPSG:{code}" if code else str(crs.name)


# The first digits of EPSG's codes of its zones, north and south.
_WGS84_UTM = (326, 327)


def _window(swath: xr.Dataset) -> dict[str, object]:
    """Return where a part of a line begins in it, counted from 1; empty if it is not a window."""
    told: dict[str, object] = {}
    for dim in ("x", "y"):
        present = swath[dim].to_numpy()
        if (np.diff(present) != 1).any():
            return {}
        told[f"{dim} start"] = int(present[0]) + 1
    return told


def _write(file: _EnviFile, path: Path, line: str, window: dict[str, object]) -> None:
    variables = [variable for variable in file.variables if variable is not None]
    like = variables[0]
    dtype = np.result_type(*variables)
    bands = sum(1 if v is None else v.sizes.get("wavelength", 1) for v in file.variables)
    nodata = _nodata(like)
    rows = _BLOCK_BYTES // (bands * like.sizes["x"] * dtype.itemsize)
    with replacing(path) as aside:
        with aside.open("wb") as opened:
            for block in _blocks(like, rows):
                layers = [_layers(v, block, like, nodata) for v in file.variables]
                values = np.concatenate(layers, axis=1).astype(dtype, copy=False)
                opened.write(np.ascontiguousarray(values).data)
        with replacing(path.with_name(f"{path.name}.hdr")) as header:
            write_header(
                header,
                {
                    "description": f"{{{line}: {file.text}}}",
                    "samples": like.sizes["x"],
                    "lines": like.sizes["y"],
                    "bands": bands,
                    "header offset": 0,
                    "file type": "ENVI Standard",
                    "data type": data_type(dtype),
                    "interleave": "bil",
                    # The byte order of this machine: 0 is little-endian.
                    "byte order": int(np.dtype("=i2") == np.dtype(">i2")),
                    "data ignore value": f"{nodata:g}",
                    **file.entries,
                    **window,
                },
            )


def _blocks(like: xr.DataArray, rows: int) -> Iterator[slice]:
    """Yield scan lines in blocks of whole chunks, so that no chunk is read twice."""
    chunks = like.variable.chunksizes.get("y", (like.sizes["y"],))
    start = stop = 0
    for size in chunks:
        if start < stop and stop + size - start > rows:
            yield slice(start, stop)
            start = stop
        stop += size
    yield slice(start, stop)


def _nodata(variable: xr.DataArray) -> float:
    """Return the nodata value of the store if it is a number; ISOFIT knows only -9999."""
    told = float(variable.encoding.get("_FillValue", DEFAULT_NODATA))
    scaled = "scale_factor" in variable.encoding or "add_offset" in variable.encoding
    return told if np.isfinite(told) and not scaled else DEFAULT_NODATA


def _layers(
    variable: xr.DataArray | None, block: slice, like: xr.DataArray, nodata: float
) -> NDArray[Any]:
    """Return scan lines of a variable, shaped (scan lines, bands, samples), the order of BIL."""
    if variable is None:
        return np.full((block.stop - block.start, 1, like.sizes["x"]), nodata)
    part = variable.isel(y=block)
    if "wavelength" not in part.dims:
        part = part.expand_dims("wavelength")
    values = part.transpose("y", "wavelength", "x").to_numpy()
    if values.dtype.kind == "f":
        values = np.where(np.isnan(values), values.dtype.type(nodata), values)
    return values
