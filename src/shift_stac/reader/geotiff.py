"""Writes maps as GeoTIFFs, block by block.

Band descriptions are wavelengths; GDAL's metadata domain ``IMAGERY`` has them in micrometres, as in
its raster data model. Format of ``cog``: OGC 21-026, Cloud Optimized GeoTIFF Standard 1.0.
"""

import tempfile
import threading
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
import rasterio.shutil
import rioxarray  # noqa: F401 - adds the accessor that writes
import xarray as xr
from rasterio.dtypes import check_dtype

from shift_stac.errors import MapError
from shift_stac.files import replacing
from shift_stac.reader.bands import along_wavelengths
from shift_stac.reader.local_paths import file_to_write

# Sides of a GeoTIFF's tiles are multiples of it.
_TILE_STEP = 16
_TILE = 512
_NM_PER_UM = 1000


def write_geotiff(raster: xr.DataArray, path: str | Path, *, cog: bool = False) -> None:
    """Write a map, block by block: each is computed once, and memory does not grow with the map.

    Parameters
    ----------
    raster
        Shaped ([wavelength,] y, x), from ``ds.swath.orthorectify``, or computed from such a map
        with its CRS.
    path
        Path of the file, which is replaced when the new one is complete; its folder exists.
    cog
        Whether to write it cloud-optimized, with overviews by nearest neighbour.

    Raises
    ------
    MapError
        It is not a map: it has other dimensions, no cells, no CRS, or values that a GeoTIFF cannot
        have; or the path is not one of a file in a folder that exists.
    OSError
        The file cannot be written.
    """
    raster = along_wavelengths(raster)
    if raster.dims not in (("y", "x"), ("wavelength", "y", "x")) or raster.rio.crs is None:
        msg = (
            f"this is not a map: it has the dimensions {raster.dims}, and the CRS {raster.rio.crs}; give "
            "what orthorectify made, shaped ([wavelength,] y, x), with its coordinate spatial_ref"
        )
        raise MapError(msg)
    if not raster.size or not check_dtype(raster.dtype):
        msg = f"a map of {raster.size} values of the type {raster.dtype} is not a GeoTIFF: give numbers"
        raise MapError(msg)
    path = file_to_write(path)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.stem}-") as folder,
        replacing(path) as finished,
    ):
        plain = Path(folder) / "plain.tif"
        _write_tiles(raster, plain)
        if cog:
            copy_as_cog(plain, finished, resampling="nearest")
        else:
            plain.replace(finished)


def copy_as_cog(tif: Path, cog: Path, *, resampling: str) -> None:
    """Copy a GeoTIFF to a cloud-optimized one; GDAL makes its overviews by this resampling."""
    rasterio.shutil.copy(
        tif,
        cog,
        driver="COG",
        compress="deflate",
        predictor="yes",
        blocksize=_TILE,
        overview_resampling=resampling,
        bigtiff="if_safer",
    )


def _write_tiles(raster: xr.DataArray, tif: Path) -> None:
    sides = {dim: sizes[0] for dim, sizes in raster.chunksizes.items()}
    # Blocks are whole tiles, so that no tile is written twice.
    tile = {
        axis: sides[dim] if sides.get(dim, 1) % _TILE_STEP == 0 else _TILE
        for axis, dim in (("blockysize", "y"), ("blockxsize", "x"))
    }
    # A map as small as a tile, or with other blocks.
    whole = raster.chunk(
        {"y": tile["blockysize"], "x": tile["blockxsize"]}
        | ({"wavelength": -1} if "wavelength" in raster.dims else {})
    )
    whole.rio.to_raster(
        tif,
        driver="GTiff",
        tiled=True,
        **tile,
        compress="deflate",
        bigtiff="if_safer",
        tags=_tags(raster),
        lock=threading.Lock(),
    )
    if "wavelength" not in raster.dims:
        return
    with rasterio.open(tif, "r+") as opened:
        for band, nm in enumerate(raster["wavelength"].to_numpy(), start=1):
            opened.set_band_description(band, f"{nm:.2f} nm")
            imagery = {"CENTRAL_WAVELENGTH_UM": f"{nm / _NM_PER_UM:.6f}"}
            if "fwhm" in raster.coords:
                width = float(raster["fwhm"].to_numpy()[band - 1])
                imagery["FWHM_UM"] = f"{width / _NM_PER_UM:.6f}"
            opened.update_tags(band, ns="IMAGERY", **imagery)


def _tags(raster: xr.DataArray) -> dict[str, Any]:
    told = {"variable": raster.name, **raster.attrs}
    if "time" in raster.coords and raster["time"].ndim == 0:
        told["TIFFTAG_DATETIME"] = raster["time"].dt.strftime("%Y:%m:%d %H:%M:%S").item()
        told["time"] = str(np.datetime_as_string(raster["time"].to_numpy(), unit="s")) + "Z"
    return {name: str(value) for name, value in told.items() if value is not None}
