"""The overview of a line: true colour on the map, as a cloud-optimized GeoTIFF.

Format: OGC 21-026, Cloud Optimized GeoTIFF Standard 1.0, as GDAL's driver COG writes it.
"""

import tempfile
from pathlib import Path

import numpy as np
import rasterio
import xarray as xr
from rasterio.enums import ColorInterp
from rasterio.windows import Window

from shift_stac.files import replacing
from shift_stac.pictures.colour import ColourBands, find_stretch
from shift_stac.reader.geotiff import copy_as_cog
from shift_stac.reader.map_grids import north_up_grid
from shift_stac.reader.pixels import pixels_on
from shift_stac.rows import row_blocks

_TILE = 512
_CACHE_MB = 64


def write_overview(colour: ColourBands, swath: xr.Dataset, tif: Path) -> None:
    """Write the overview: red, green, blue and alpha of a byte, north-up, with overviews.

    In the line's own UTM zone, in cells of the line's lookup table. Cells without a pixel, and
    pixels without data, are transparent. Rows are written band by band.

    Parameters
    ----------
    colour
        The line's red, green and blue.
    swath
        The opened line, for its lookup table.
    tif
        Path of the file.
    """
    grid = north_up_grid(swath)
    rgba = find_stretch(colour.values).apply(colour.values)
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 4,
        "height": grid.height,
        "width": grid.width,
        "crs": rasterio.CRS.from_wkt(grid.crs.to_wkt()),
        "transform": grid.transform,
        "photometric": "RGB",
        "alpha": "unspecified",
        "tiled": True,
        "blockxsize": _TILE,
        "blockysize": _TILE,
        "compress": "deflate",
        "bigtiff": "if_safer",
    }
    with (
        tempfile.TemporaryDirectory(dir=tif.parent, prefix=f".{tif.stem}-") as folder,
        replacing(tif) as finished,
        rasterio.Env(GDAL_CACHEMAX=_CACHE_MB),
    ):
        plain = Path(folder) / "plain.tif"
        with rasterio.open(plain, "w", **profile) as opened:
            opened.colorinterp = (
                ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha,
            )  # fmt: skip
            for rows in row_blocks(grid.height, _TILE):
                line, sample = pixels_on(swath, grid, rows, slice(0, grid.width))
                cells = np.where((line >= 0)[..., None], rgba[line, sample], np.uint8(0))
                window = Window(0, rows.start, grid.width, rows.stop - rows.start)
                opened.write(np.moveaxis(cells, -1, 0), window=window)
        copy_as_cog(plain, finished, resampling="average")
