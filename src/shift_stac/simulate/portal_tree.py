"""Writes one simulated line as the portal's files of a real one."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from shift_stac.campaigns import Campaign
from shift_stac.campaigns.products import PortalVersion
from shift_stac.campaigns.simulation import Simulation
from shift_stac.envi.header_text import write_header
from shift_stac.files import replacing
from shift_stac.rows import row_blocks
from shift_stac.simulate.flight import Flight
from shift_stac.simulate.geometry import (
    filed_observation,
    look_down,
    lookup_table,
    observe,
    places,
)
from shift_stac.simulate.headers import cube_dtype, glt_header, line_headers
from shift_stac.simulate.radiometry import (
    NoisePool,
    gain_and_path,
    wavelength_axis,
)
from shift_stac.simulate.scene import abundances, spectra
from shift_stac.sources import Product, ProductLevel, Untold

_BLOCK_LINES = 64
_NODATA = -9999.0
_BAD_BAND = -0.01
# ISOFIT leaves out the bands that water vapour absorbs.
_GOOD_WINDOWS = ((380.0, 1340.0), (1450.0, 1800.0), (1970.0, 2500.0))
_RADIANCE_NOISE = 0.008


def write_line(
    root: Path,
    flight: Flight,
    campaign: Campaign,
    version: str,
    *,
    bands: int,
    seed: int,
    with_glt: bool,
    with_gaps: bool,
    season: bool = False,
) -> None:
    """Write all products of a flight line below a portal's root.

    Each file appears under its name when it is complete. Memory is bounded by a block of scan
    lines for the cubes; the GLT needs the whole geometry.
    """
    description, look = campaign.portal.version(version), campaign.simulation
    paths = {
        product: tuple(
            root / f"{location.path_for(flight.line, version)}{ending}"
            for ending in description.endings(location)
        )
        for product, location in description.products.items()
    }
    for data, _ in paths.values():
        data.parent.mkdir(parents=True, exist_ok=True)
    if not with_glt:
        # An earlier simulation with more lines may have left a GLT.
        for path in paths.pop(Product.GLT, ()):
            path.unlink(missing_ok=True)
    interleave = look.geometry_interleave.get(version, "bil")
    wavelengths = wavelength_axis(bands, look.detectors)

    with ExitStack() as stack:
        # Headers get their names after the data, because the stack is left in reverse order.
        asides = {
            product: (
                stack.enter_context(replacing(header)),
                stack.enter_context(replacing(data)),
            )
            for product, (data, header) in paths.items()
        }
        files = {
            product: stack.enter_context(data.open("wb")) for product, (_, data) in asides.items()
        }
        geometry = _write_blocks(
            flight,
            files,
            description,
            look,
            wavelengths,
            interleave,
            seed,
            with_gaps=with_gaps,
            season=season,
        )
        headers = line_headers(flight, campaign, version, wavelengths, _good(wavelengths))
        if Product.GLT in files:
            table, west, north = lookup_table(*geometry)
            _write_block(files[Product.GLT], table, interleave)
            headers[Product.GLT] |= glt_header(table, west, north, flight)
        for product, (header, _) in asides.items():
            write_header(header, headers[product])


def _write_blocks(
    flight: Flight,
    files: Mapping[Product, BinaryIO],
    description: PortalVersion,
    look: Simulation,
    wavelengths: NDArray[np.float64],
    interleave: str,
    seed: int,
    *,
    with_gaps: bool,
    season: bool,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Write cubes, IGM and OBS; return easting and northing, NaN where there is no location."""
    scan_lines, samples = len(flight.easting), len(flight.across)
    bands = len(wavelengths)
    random = np.random.default_rng(
        (seed, int(f"{flight.start:%Y%m%d}"), int(f"{flight.start:%H%M%S}"))
    )
    noise = NoisePool(random, bands * samples, bands * samples * scan_lines)
    materials = spectra(wavelengths).T.copy()
    good = _good(wavelengths)[:, None]
    cubes = {
        product: CubeNumbers(description.products[product], big_endian=look.big_endian)
        for product in ProductLevel.ALL.cubes
        if product in files
    }
    told_bands = description.products.get(Product.OBS, Untold()).bands
    located = np.empty((2, scan_lines, samples))
    day = flight.line.start.timetuple().tm_yday if season else None
    for rows in row_blocks(scan_lines, _BLOCK_LINES):
        view = look_down(flight, rows)
        obs = observe(flight, rows, view)
        cos_sun = float(np.cos(np.radians(obs[0, 4, 0])))
        gain, path = (part[:, None] for part in gain_and_path(wavelengths, cos_sun))
        gaps = _gaps(rows, scan_lines, samples) if with_gaps else np.zeros(view.x.shape, dtype=bool)
        igm = places(flight, view, look)
        igm.transpose(0, 2, 1)[gaps] = _nodata(description.products[Product.IGM])
        located[:, rows] = np.where(gaps, np.nan, (view.easting, view.northing))
        reflectance = np.matmul(materials, abundances(view.x, view.y, day))
        reflectance *= _shade(obs)[:, None, :]
        for number in range(reflectance.shape[0]):
            cube = reflectance[number]
            radiance = cube * gain + path + _RADIANCE_NOISE * noise.take((bands, samples))
            cube = np.where(good, (radiance - path) / np.maximum(gain, 1e-3), _BAD_BAND)
            for product, values in ((Product.RADIANCE, radiance), (Product.REFLECTANCE, cube)):
                if product in files:
                    files[product].write(cubes[product].written(values, gaps[number]))
        _write_block(files[Product.IGM], igm, interleave)
        if Product.OBS in files:
            _write_block(files[Product.OBS], filed_observation(obs, look, told_bands), interleave)
    return located[0], located[1]


def _shade(obs: NDArray[np.float64]) -> NDArray[np.float32]:
    """Return the light on a slope relative to flat ground."""
    slope, aspect = np.radians(90.0 - obs[:, 6]), np.radians(obs[:, 7] - 90.0)
    zenith, azimuth = np.radians(obs[:, 4]), np.radians(obs[:, 3])
    lit = np.cos(zenith) * np.cos(slope) + np.sin(zenith) * np.sin(slope) * np.cos(azimuth - aspect)
    return np.asarray(np.clip(lit / np.cos(zenith), 0.2, 2.0), dtype=np.float32)


def _gaps(rows: slice, scan_lines: int, samples: int) -> NDArray[np.bool_]:
    """Pixels without a location: the first scan lines, and a ragged edge in the middle."""
    line, sample = np.arange(rows.start, rows.stop)[:, None], np.arange(samples)[None, :]
    first = line < min(3, scan_lines // 2)
    middle = (line > scan_lines // 3) & (line < scan_lines // 2)
    return first | (middle & (sample < (samples // 40) * (1 + line % 2)))


def _good(wavelengths: NDArray[np.float64]) -> NDArray[np.bool_]:
    inside = [(wavelengths >= low) & (wavelengths <= high) for low, high in _GOOD_WINDOWS]
    return np.asarray(np.any(inside, axis=0))


def _nodata(untold: Untold) -> float:
    return _NODATA if untold.nodata is None else untold.nodata


class CubeNumbers:
    """The form of a cube's values in the file: floats, or whole numbers with the campaign's scale."""

    def __init__(self, untold: Untold, *, big_endian: bool) -> None:
        self._untold = untold
        self._dtype = cube_dtype(untold, big_endian=big_endian)

    def written(self, values: NDArray[np.floating[Any]], gaps: NDArray[np.bool_]) -> bytes:
        """A scan line shaped (bands, samples), with nodata in the gaps, which are shaped (samples,)."""
        if self._untold.offset:
            values = values - self._untold.offset
        if self._dtype.kind == "i":
            limits = np.iinfo(np.int16)
            values = np.rint(values / self._untold.scale).clip(limits.min, limits.max)
        values[:, gaps] = _nodata(self._untold)
        return values.astype(self._dtype).tobytes()


def _write_block(file: BinaryIO, block: NDArray[np.generic], interleave: str) -> None:
    """Append a block shaped (scan lines, bands, samples)."""
    ordered = block.transpose(0, 2, 1) if interleave == "bip" else block
    file.write(np.ascontiguousarray(ordered).tobytes())
