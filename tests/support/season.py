"""Stores of a season of small lines that overlap, and cubes of them by brute force."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from pyproj import CRS, Transformer
from scipy.spatial.distance import cdist

from shift_stac.campaigns import load_campaign
from shift_stac.maps.grid import FARTHEST_PIXEL
from shift_stac.simulate import flight, simulate_campaign
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.store.glt_group import read_grid
from support.sources import sources_in

CHUNKS = ChunkSizes(x=16, y=20, wavelength=10)


def make_season(
    folder: Path, dates: tuple[str, ...], *, lines: int = 2, samples: int = 40, scan_lines: int = 60
) -> list[Path]:
    """Make stores of lines that overlap, in both UTM zones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(flight, "_LINE_SPACING_M", 130.0)
        flown = simulate_campaign(
            folder / "portal",
            dates=dates,
            lines=lines,
            samples=samples,
            scan_lines=scan_lines,
            bands=12,
        )
    stores = []
    for line in (line for of_date in flown.values() for line in of_date):
        store = folder / f"{line}.zarr"
        sources = sources_in(folder / "portal", line, "v1")
        convert_line(sources, store, load_campaign(), ConversionOptions(chunks=CHUNKS))
        stores.append(store)
    return stores


def brute_force(
    lines: list[xr.Dataset], cube: xr.Dataset, rule: str, bands: list[int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return a day's values (bands, cells), and for each cell the index of its line in ``lines``.

    Every pixel of every line is compared with every cell.
    """
    x, y = (axis.ravel() for axis in np.meshgrid(cube.x.values, cube.y.values))
    values = np.full((len(bands), x.size), np.nan, dtype=np.float32)
    chosen = np.full(x.size, -1)
    best = np.full(x.size, np.inf)
    for number, ds in enumerate(lines):
        east, north, angle = (
            ds[name].values for name in ("Easting", "Northing", "to_sensor_zenith")
        )
        located = np.isfinite(east)
        cube_crs = CRS.from_wkt(cube.spatial_ref.attrs["spatial_ref"])
        to_line = Transformer.from_crs(cube_crs, ds.swath.crs, always_xy=True)
        places = np.column_stack(to_line.transform(x, y))
        of_pixels = np.column_stack((east[located], north[located]))
        # In parts that fit the cache of a processor.
        nearest, away = np.hstack(
            [
                (squared.argmin(axis=1), np.sqrt(squared.min(axis=1)))
                for part in np.array_split(places, len(places) // 100 + 1)
                for squared in [cdist(part, of_pixels, "sqeuclidean")]
            ]
        )
        nearest = nearest.astype(int)
        near = away <= FARTHEST_PIXEL * read_grid(ds).cell_size
        pixels = ds.Reflectance.values[bands][:, located][:, nearest]
        pixels[ds.good_wavelength.values[bands] != 1] = np.nan
        rank = {
            "nadir": angle[located][nearest],
            "first": np.full(x.size, number),
            "newest": np.full(x.size, -number),
        }[rule]
        take = near & np.isfinite(pixels).any(axis=0) & ((chosen < 0) | (rank < best))
        values[:, take], chosen[take], best[take] = pixels[:, take], number, rank[take]
    return values, chosen
