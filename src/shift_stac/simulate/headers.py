"""The headers of a simulated line, with the entries of real ones."""

import numpy as np
from numpy.typing import NDArray

from shift_stac.campaigns import Campaign
from shift_stac.campaigns.simulation import Simulation
from shift_stac.envi.header import data_type
from shift_stac.simulate.flight import PIXEL_M, Flight
from shift_stac.simulate.radiometry import band_widths
from shift_stac.sources import Product, Untold


def line_headers(
    flight: Flight,
    campaign: Campaign,
    version: str,
    wavelengths: NDArray[np.float64],
    good: NDArray[np.bool_],
) -> dict[Product, dict[str, object]]:
    """Entries of each header, except for the map of the GLT.

    Parameters
    ----------
    flight
        The line.
    campaign, version
        The campaign that has the files.
    wavelengths, good
        Band centres, nanometres, and which bands are good; shaped (bands,).
    """
    look = campaign.simulation
    description = campaign.portal.version(version)
    interleave = look.geometry_interleave.get(version, "bil")
    bands = len(wavelengths)
    is_micro = look.wavelength_unit == "Micrometers"

    def entries(
        text: str, count: int, data_type: int, order: str, file_type: str = "ENVI Standard"
    ) -> dict[str, object]:
        return {
            "description": f"{{\n  {text}}}",
            "samples": len(flight.across),
            "lines": len(flight.easting),
            "bands": count,
            "header offset": 0,
            "file type": file_type,
            "data type": data_type,
            "interleave": order,
            "byte order": 0,
        }

    def cube(product: Product, text: str, file_type: str = "ENVI Standard") -> dict[str, object]:
        location = description.products.get(product)
        code = data_type(cube_dtype(location or Untold()))
        return entries(text, bands, code, "bil", file_type) | {"byte order": int(look.big_endian)}

    def in_unit(nanometres: NDArray[np.float64]) -> list[float]:
        return [float(value) / 1000 if is_micro else float(value) for value in nanometres]

    widths = in_unit(band_widths(wavelengths))
    told_bands = description.products.get(Product.OBS, Untold()).bands
    obs = entries(f"{look.geometry_words} OBS", len(told_bands or look.obs_names), 5, interleave)
    return {
        Product.RADIANCE: cube(
            Product.RADIANCE,
            f"{campaign.item.instruments[0].upper()} Measured Radiances in uW nm-1 cm-2 sr-1",
            "ENVI",
        )
        | {
            "radiance version": version,
            "wavelength": in_unit(wavelengths),
            "fwhm": widths,
            "wavelength units": look.wavelength_unit,
            "smoothing factors": [1.0] * bands,
        },
        Product.REFLECTANCE: cube(Product.REFLECTANCE, "L2A Analytic per-pixel surface retrieval")
        | {
            "wavelength units": look.wavelength_unit if is_micro else "nm",
            "wavelength": in_unit(wavelengths.round(2)),
            "fwhm": widths,
        }
        | ({"bbl": [int(value) for value in good]} if look.tells_bad_bands else {}),
        Product.IGM: entries(_igm_text(flight, look), 3, 5, interleave)
        | {"band names": _IGM_NAMES[look.places], "line averaging": 9},
        # If the campaign file has the bands, the header does not.
        Product.OBS: obs | ({} if told_bands else {"band names": list(look.obs_names)}),
        Product.GLT: entries(f"{look.geometry_words} GLT (IGM sample, IGM line)", 2, 3, interleave),
    }


def cube_dtype(untold: Untold, *, big_endian: bool = False) -> np.dtype[np.generic]:
    """Return the data type of a cube: integers if the campaign file has a scale."""
    kind = "f4" if untold.scale == 1.0 else "i2"
    return np.dtype((">" if big_endian else "<") + kind)


_IGM_NAMES = {
    "metres": ["Easting (m)", "Northing (m)", "Elevation (m)"],
    "degrees": ["Longitude", "Latitude", "Elevation"],
}


def _igm_text(flight: Flight, look: Simulation) -> str:
    if look.places == "degrees":
        return f"{look.geometry_words} LOC (WGS-84 lon,lat,alt)"
    zone, half = _zone(flight)
    return f"{look.geometry_words} IGM (easting, northing, elevation)\nUTM zone {zone} {half}"


def _zone(flight: Flight) -> tuple[int, str]:
    code = flight.crs.to_epsg() or 0
    return code % 100, "North" if code < _FIRST_SOUTHERN else "South"


_FIRST_SOUTHERN = 32700  # EPSG's codes of WGS 84's UTM zones in the south come after it


def glt_header(
    table: NDArray[np.int32], west: float, north: float, flight: Flight
) -> dict[str, object]:
    """The entries of a GLT's header about its map, from easting and northing of its north-western corner."""
    zone, half = _zone(flight)
    return {
        "samples": table.shape[2],
        "lines": table.shape[0],
        "map info": f"{{UTM, 1, 1, {west:.3f}, {north:.3f}, {PIXEL_M}, {PIXEL_M}, {zone}, {half}, "
        "WGS-84, units=Meters, rotation=0.0}",
        "band names": ["GLT Sample Lookup", "GLT Line Lookup"],
        "line averaging": 9,
    }
