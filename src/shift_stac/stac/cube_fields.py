"""Fields of an item about a store's bands, axes and variables."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from shift_stac.campaigns import Campaign
from shift_stac.store.store_format import CUBE_NAMES
from shift_stac.store.summary import StoreSummary
from shift_stac.swath.spectral import nearest_band


def band_fields(summary: StoreSummary, campaign: Campaign) -> list[dict[str, Any]]:
    """Return a store's bands; the bands of its true-colour picture have common names."""
    common = {
        nearest_band(summary.wavelengths, wavelength, summary.good_bands): name
        for name, wavelength in zip(("red", "green", "blue"), campaign.quicklook.rgb, strict=True)
    }
    return describe_bands(summary.wavelengths, summary.fwhm, common)


def describe_bands(
    wavelengths: Sequence[float],
    fwhm: Sequence[float] | None,
    common: Mapping[int, str] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """Return bands with centre and width in micrometres, as in the eo extension.

    Parameters
    ----------
    wavelengths, fwhm
        Centres and widths of the bands, nm.
    common
        Common names of some of them.
    """
    bands = []
    for number, wavelength in enumerate(wavelengths):
        band: dict[str, Any] = {
            "name": f"{number + 1}",
            "eo:center_wavelength": round(wavelength / 1000, 7),
        }
        if fwhm is not None:
            band["eo:full_width_half_max"] = round(fwhm[number] / 1000, 7)
        if number in common:
            band["eo:common_name"] = common[number]
        bands.append(band)
    return bands


def cube_dimensions(summary: StoreSummary) -> dict[str, Any]:
    """Return the store's axes, as in the datacube extension."""
    places = {"x": "sample, across the flight direction", "y": "scan line, along the flight"}
    dimensions: dict[str, Any] = {
        # Not of type "spatial": these axes count pixels, and have no reference system.
        name: {
            "type": "pixel",
            "description": f"{meaning}, counted from 0",
            "extent": [0, summary.shape[name] - 1],
            "step": 1,
        }
        for name, meaning in places.items()
    }
    cube = next(v for v in summary.variables if v.name in CUBE_NAMES.values())
    dimensions[cube.dims[0]] = spectral_dimension(summary.wavelengths)
    return dimensions


def spectral_dimension(wavelengths: Sequence[float]) -> dict[str, Any]:
    """Return the axis of wavelengths, nm."""
    return {
        "type": "spectral",
        "description": "centre of the band",
        "extent": [min(wavelengths), max(wavelengths)],
        "unit": "nm",
    }


def cube_variables(summary: StoreSummary) -> dict[str, Any]:
    """Return the store's variables, as in the datacube extension."""
    described = {}
    for variable in summary.variables:
        entry: dict[str, Any] = {
            "type": "data" if variable.name in CUBE_NAMES.values() else "auxiliary",
            "description": variable.long_name,
            "dimensions": list(variable.dims),
            "unit": variable.units,
            "data_type": variable.dtype,
            "nodata": _nodata(variable.nodata),
        }
        if (variable.scale_factor, variable.add_offset) != (1.0, 0.0):
            # As in CF: data_type and nodata are of the stored numbers, the unit of physical values.
            entry |= {"scale_factor": variable.scale_factor, "add_offset": variable.add_offset}
        described[variable.name] = entry
    return described


def _nodata(value: float | None) -> float | str:
    """Return a nodata value as STAC spells it, since JSON has no NaN and no infinity."""
    if value is None or math.isnan(value):
        return "nan"
    return value if math.isfinite(value) else str(value)
