"""Writing one invented line as the files that the portal has of a real one."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from shift_stac.campaigns.products import PortalVersion
from shift_stac.envi.header_text import write_header
from shift_stac.files import replacing
from shift_stac.rows import row_blocks
from shift_stac.simulate.flight import PIXEL_M, Flight
from shift_stac.simulate.geometry import look, lookup_table, observe
from shift_stac.simulate.radiometry import (
    NoisePool,
    band_widths,
    gain_and_path,
    wavelength_axis,
)
from shift_stac.simulate.scene import abundances, spectra
from shift_stac.sources import Product

_BLOCK_LINES = 64
_NODATA = -9999.0
_BAD_BAND = -0.01
# ISOFIT leaves out what water vapour hides.
_GOOD_WINDOWS = ((380.0, 1340.0), (1450.0, 1800.0), (1970.0, 2500.0))
_RADIANCE_NOISE = 0.008

# v0 geometry is interleaved by pixel, v1 by line.
_GEOMETRY_INTERLEAVE = {"v0": "bip"}


def write_line(
    root: Path,
    flight: Flight,
    description: PortalVersion,
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
    paths = {
        product: root / location.path_for(flight.line, version)
        for product, location in description.products.items()
    }
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)

    def data_of(path: Path) -> Path:
        return path.with_name(path.name + description.ending)

    def header_of(path: Path) -> Path:
        return path.with_name(path.name + description.header_ending)

    if not with_glt and (glt := paths.pop(Product.GLT, None)):
        # A campaign of more lines, written here before, may have left one.
        header_of(glt).unlink(missing_ok=True)
        data_of(glt).unlink(missing_ok=True)
    interleave = _GEOMETRY_INTERLEAVE.get(version, "bil")
    wavelengths = wavelength_axis(bands)
    scan_lines, samples = len(flight.easting), len(flight.across)

    with ExitStack() as stack:
        # Headers take their places after the data, as they leave the stack in reverse order.
        asides = {
            product: (
                stack.enter_context(replacing(header_of(path))),
                stack.enter_context(replacing(data_of(path))),
            )
            for product, path in paths.items()
        }
        files = {
            product: stack.enter_context(data.open("wb")) for product, (_, data) in asides.items()
        }
        geometry = _write_blocks(
            flight, files, wavelengths, interleave, seed, with_gaps=with_gaps, season=season
        )
        headers = _headers(flight, version, interleave, wavelengths, (scan_lines, samples))
        if Product.GLT in files:
            table, west, north = lookup_table(*geometry)
            _write_block(files[Product.GLT], table, interleave)
            headers[Product.GLT] |= _glt_header(table, west, north, flight)
        for product, (header, _) in asides.items():
            write_header(header, headers[product])


def _write_blocks(
    flight: Flight,
    files: Mapping[Product, BinaryIO],
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
    noise = NoisePool(random, bands * samples)
    materials = spectra(wavelengths).T.copy()
    good = _good(wavelengths)
    located = np.empty((2, scan_lines, samples))
    day = flight.line.start.timetuple().tm_yday if season else None
    for rows in row_blocks(scan_lines, _BLOCK_LINES):
        view = look(flight, rows)
        obs = observe(flight, rows, view)
        cos_sun = float(np.cos(np.radians(obs[0, 4, 0])))
        gain, path = (part[:, None] for part in gain_and_path(wavelengths, cos_sun))
        gaps = _gaps(rows, scan_lines, samples) if with_gaps else np.zeros(view.x.shape, dtype=bool)
        igm = np.stack((view.easting, view.northing, view.ground), axis=1)
        igm.transpose(0, 2, 1)[gaps] = _NODATA
        located[:, rows] = np.where(gaps, np.nan, (view.easting, view.northing))
        reflectance = np.matmul(materials, abundances(view.x, view.y, day))
        reflectance *= _shade(obs)[:, None, :]
        for number in range(reflectance.shape[0]):
            cube = reflectance[number]
            radiance = cube * gain + path + _RADIANCE_NOISE * noise.take((bands, samples))
            cube = np.where(good, (radiance - path) / np.maximum(gain, 1e-3), _BAD_BAND)
            if gaps[number].any():
                radiance[:, gaps[number]] = _NODATA
                cube[:, gaps[number]] = _NODATA
            if Product.RADIANCE in files:
                files[Product.RADIANCE].write(radiance.astype("<f4").tobytes())
            if Product.REFLECTANCE in files:
                files[Product.REFLECTANCE].write(cube.astype("<f4").tobytes())
        _write_block(files[Product.IGM], igm, interleave)
        if Product.OBS in files:
            _write_block(files[Product.OBS], obs, interleave)
    return located[0], located[1]


def _shade(obs: NDArray[np.float64]) -> NDArray[np.float32]:
    """How much more or less light a slope gets than flat ground."""
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
    return np.asarray(np.any(inside, axis=0))[:, None]


def _write_block(file: BinaryIO, block: NDArray[np.generic], interleave: str) -> None:
    """Append a block shaped (scan lines, bands, samples)."""
    ordered = block.transpose(0, 2, 1) if interleave == "bip" else block
    file.write(np.ascontiguousarray(ordered).tobytes())


def _headers(
    flight: Flight,
    version: str,
    interleave: str,
    wavelengths: NDArray[np.float64],
    shape: tuple[int, int],
) -> dict[Product, dict[str, object]]:
    """Entries of each header, in the order and the words of the real ones."""
    zone = flight.crs.to_epsg() or 0
    bands = len(wavelengths)
    widths = [float(width) for width in band_widths(wavelengths)]

    def entries(
        text: str, count: int, data_type: int, order: str, file_type: str = "ENVI Standard"
    ) -> dict[str, object]:
        return {
            "description": f"{{\n  {text}}}",
            "samples": shape[1],
            "lines": shape[0],
            "bands": count,
            "header offset": 0,
            "file type": file_type,
            "data type": data_type,
            "interleave": order,
            "byte order": 0,
        }

    rounded = [round(float(value), 2) for value in wavelengths]
    return {
        Product.RADIANCE: entries(
            "AVIRIS-NG Measured Radiances in uW nm-1 cm-2 sr-1", bands, 4, "bil", "ENVI"
        )
        | {
            "radiance version": version,
            "wavelength": [float(value) for value in wavelengths],
            "fwhm": widths,
            "wavelength units": "Nanometers",
            "smoothing factors": [1.0] * bands,
        },
        Product.REFLECTANCE: entries("L2A Analytic per-pixel surface retrieval", bands, 4, "bil")
        | {
            "wavelength units": "nm",
            "wavelength": rounded,
            "fwhm": widths,
            "bbl": [int(value) for value in _good(wavelengths)[:, 0]],
        },
        Product.IGM: entries(
            "ANG AIG VSWIR RT-Ortho IGM (easting, northing, elevation)\n"
            f"UTM zone {zone % 100} North",
            3,
            5,
            interleave,
        )
        | {"band names": ["Easting (m)", "Northing (m)", "Elevation (m)"], "line averaging": 9},
        Product.OBS: entries("ANG AIG VSWIR RT-Ortho OBS", 11, 5, interleave)
        | {"band names": list(_OBS_NAMES)},
        Product.GLT: entries("ANG AIG VSWIR RT-Ortho GLT (IGM sample, IGM line)", 2, 3, interleave),
    }


_OBS_NAMES = (
    "Path length (m)",
    "To-sensor azimuth (0 to 360 degrees cw from N)",
    "To-sensor zenith (0 to 90 degrees from zenith)",
    "To-sun azimuth (0 to 360 degrees cw from N)",
    "To-sun zenith (0 to 90 degrees from zenith)",
    "Solar phase",
    "Slope",
    "Aspect",
    "Cosine(i)",
    "UTC Time",
    "Earth-sun distance (AU)",
)


def _glt_header(
    table: NDArray[np.int32], west: float, north: float, flight: Flight
) -> dict[str, object]:
    zone = (flight.crs.to_epsg() or 0) % 100
    return {
        "samples": table.shape[2],
        "lines": table.shape[0],
        "map info": f"{{UTM, 1, 1, {west:.3f}, {north:.3f}, {PIXEL_M}, {PIXEL_M}, {zone}, North, "
        "WGS-84, units=Meters, rotation=0.0}",
        "band names": ["GLT Sample Lookup", "GLT Line Lookup"],
        "line averaging": 9,
    }
