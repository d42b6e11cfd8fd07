"""The structure of a line's Zarr store: its variables, attributes and encodings, without pixels.

Zarr v3 with consolidated metadata, CF-1.11 conventions: a swath with 2-D longitude and latitude,
and Easting and Northing in the line's own UTM zone.
"""

from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Self

import dask.array
import numpy as np
import xarray as xr
from pyproj import CRS

from shift_stac.campaigns import Campaign
from shift_stac.crs import cf_parameters
from shift_stac.flightline import FlightLine, Span, utc_text
from shift_stac.model import FrozenModel
from shift_stac.sources import Product
from shift_stac.store.chunking import ChunkSizes, geometry_chunks, shard_shape
from shift_stac.store.codecs import cube_codec, geometry_codec
from shift_stac.store.store_format import BAND_DIM, CUBE_NAMES, SPECTRAL_DIM, STORE_FORMAT
from shift_stac.swath.observation import ObservationLayers
from shift_stac.swath.source_cube import SourceCube
from shift_stac.swath.spectral import SpectralAxis

# The CRS belongs only to Easting and Northing. The cubes' x and y count pixels of the swath and
# have no CRS: a reader that finds one places the line near the equator. Readers look for a CRS in
# the grid mapping, in a coordinate of the name spatial_ref (rioxarray), and in an attribute
# spatial_ref or crs_wkt of any variable (odc-geo). So it is given here by CF's parameters, and in
# full in the group glt. If CF cannot express it, it is only in the group.
_GRID_MAPPING = "projection"

_CUBE_ATTRIBUTES: dict[Product, dict[str, Any]] = {
    Product.RADIANCE: {
        "standard_name": "upwelling_radiance_per_unit_wavelength_in_air",
        "long_name": "measured radiance at sensor",
    },
    Product.REFLECTANCE: {
        "standard_name": "surface_bidirectional_reflectance",
        "long_name": "surface reflectance",
        "units": "1",
        "comment": "a value below 0 is noise of a dark pixel, and valid",
    },
}

_LOCATION_ATTRIBUTES: dict[str, dict[str, Any]] = {
    "Easting": {
        "standard_name": "projection_x_coordinate",
        "long_name": "easting of the pixel centre",
        "units": "m",
        "grid_mapping": _GRID_MAPPING,
    },
    "Northing": {
        "standard_name": "projection_y_coordinate",
        "long_name": "northing of the pixel centre",
        "units": "m",
        "grid_mapping": _GRID_MAPPING,
    },
    "Elevation": {
        "standard_name": "surface_altitude",
        "long_name": "elevation of the ground",
        "units": "m",
    },
    "longitude": {
        "standard_name": "longitude",
        "long_name": "longitude of the pixel centre, WGS 84",
        "units": "degrees_east",
    },
    "latitude": {
        "standard_name": "latitude",
        "long_name": "latitude of the pixel centre, WGS 84",
        "units": "degrees_north",
    },
}
# As coordinates they follow a variable when it is selected, so that
# `store.Radiance.plot(x="longitude", y="latitude")` works.
_COORDINATES = ("longitude", "latitude", "Easting", "Northing")


class StoreText(FrozenModel):
    """The campaign's texts in the store's attributes.

    ``radiance_unit`` is used for a radiance whose header has no unit.
    """

    title: str
    institution: str
    platform: str
    instruments: tuple[str, ...]
    references: str | None = None
    radiance_unit: str

    @classmethod
    def of_campaign(cls, campaign: Campaign) -> Self:
        """Return the texts of a campaign."""
        collection = campaign.collection
        producers = [p.name for p in collection.providers if "producer" in p.roles]
        return cls(
            title=collection.title,
            institution=", ".join(producers) or "unknown",
            platform=campaign.item.platform,
            instruments=campaign.item.instruments,
            radiance_unit=campaign.spectral.radiance_unit,
            references=f"https://doi.org/{collection.doi}" if collection.doi else None,
        )

    def attributes(self, name: str) -> dict[str, str]:
        """Return the global attributes that CF 1.11 recommends, for a store of that name."""
        found = {
            "Conventions": "CF-1.11",
            "title": f"{self.title}: {name}",
            "institution": self.institution,
            "source": f"{', '.join(self.instruments)} on {self.platform}",
        }
        return found | ({"references": self.references} if self.references else {})


def store_template(
    line: FlightLine,
    cubes: Mapping[Product, SourceCube],
    axis: SpectralAxis,
    crs: CRS,
    chunks: ChunkSizes,
    *,
    sharded: bool = False,
    observation: ObservationLayers | None,
    span: Span,
    text: StoreText,
) -> tuple[xr.Dataset, dict[str, dict[str, Any]]]:
    """Describe the store of a line.

    Parameters
    ----------
    line
        The flight line.
    cubes
        The cubes to be stored; all of one shape.
    axis
        The wavelengths that they share.
    crs
        CRS of the line's Easting and Northing.
    chunks
        Chunk sizes of the cubes, which do not exceed their shape.
    sharded
        Whether each row of chunks is packed into one object.
    observation
        The OBS layers, where the line has them.
    span
        Start of the line, and its end if the name does not have the start, UTC.
    text
        Global attributes.

    Returns
    -------
    tuple
        A dataset whose large variables are lazy zeros, shaped (wavelength, y, x) and (y, x), or
        (band, y, x) where wavelengths fall back, and
        the encoding of each variable for :meth:`xarray.Dataset.to_zarr`.
    """
    lines, bands, samples = next(iter(cubes.values())).data.shape
    spectral = SPECTRAL_DIM if axis.is_rising else BAND_DIM
    shape = {spectral: bands, "y": lines, "x": samples}
    cube_encoding: dict[str, Any] = {
        "chunks": (chunks.wavelength, chunks.y, chunks.x),
        "compressors": (cube_codec(),),
    }
    if sharded:
        cube_encoding["shards"] = shard_shape(chunks, bands=bands, lines=lines, samples=samples)
    flat_encoding = {
        "chunks": geometry_chunks(chunks, lines=lines, samples=samples),
        "compressors": (geometry_codec(),),
        "_FillValue": np.nan,
    }

    variables: dict[str, xr.Variable] = {}
    encoding: dict[str, dict[str, Any]] = {}
    for product, cube in cubes.items():
        name = CUBE_NAMES[product]
        dtype = cube.dtype.newbyteorder("=")
        nodata = dtype.type(cube.fill)
        variables[name] = _lazy(
            (spectral, "y", "x"),
            shape,
            dtype,
            _cube_attributes(product, cube, text.radiance_unit),
        )
        encoding[name] = cube_encoding | {"_FillValue": nodata, "fill_value": float(nodata)}
    parameters = cf_parameters(crs)
    for name, location in _LOCATION_ATTRIBUTES.items():
        attributes = dict(location)
        if parameters is None:
            attributes.pop("grid_mapping", None)
        variables[name] = _lazy(("y", "x"), shape, np.float64, attributes)
        encoding[name] = flat_encoding
    if observation is not None:
        for layer in observation.layers:
            comment = observation.comment(layer.name)
            attributes = layer.attributes | ({"comment": comment} if comment else {})
            variables[layer.name] = _lazy(("y", "x"), shape, layer.dtype, attributes)
            encoding[layer.name] = flat_encoding

    coordinates = _axis_coordinates(axis, spectral, shape) | {
        name: variables.pop(name) for name in _COORDINATES
    }
    dataset = xr.Dataset(variables, coords=coordinates, attrs=_global_attributes(line, span, text))
    dataset[_GRID_MAPPING] = xr.Variable(
        (),
        np.int32(0),
        {
            **(_unnamed(crs) if parameters is None else parameters),
            "long_name": "map projection of Easting and Northing",
        },
    )
    return dataset, encoding


def _unnamed(crs: CRS) -> dict[str, str]:
    return {
        "projected_crs_name": crs.name,
        "comment": "CF cannot express this projection; its WKT is that of map_ref in the group glt",
    }


def bad_bands_comment(value: float, comment: str) -> str:
    """Return the comment of a reflectance whose bad bands all hold one physical value."""
    return f"the source has {value:g} in bands that are not good_wavelength; {comment}"


def _cube_attributes(product: Product, cube: SourceCube, untold_unit: str) -> dict[str, Any]:
    attributes = dict(_CUBE_ATTRIBUTES[product])
    if product is Product.RADIANCE:
        attributes["units"] = cube.unit or untold_unit
    # add_offset is left out if it is 0: with it, xarray reads 16 bits as float64.
    if cube.scale_factor != 1.0 or cube.add_offset != 0.0:
        attributes["scale_factor"] = cube.scale_factor
    if cube.add_offset != 0.0:
        attributes["add_offset"] = cube.add_offset
    return attributes


def _lazy(
    dims: tuple[str, ...], shape: Mapping[str, int], dtype: Any, attributes: Mapping[str, Any]
) -> xr.Variable:
    # One dask chunk: pixels are written by region later, never through this array.
    zeros = dask.array.zeros(tuple(shape[dim] for dim in dims), dtype=dtype, chunks=-1)
    return xr.Variable(dims, zeros, dict(attributes))


def _axis_coordinates(
    axis: SpectralAxis, spectral: str, shape: Mapping[str, int]
) -> dict[str, xr.Variable]:
    wavelength = xr.Variable(
        (spectral,),
        np.asarray(axis.wavelengths),
        {
            "standard_name": "sensor_band_central_radiation_wavelength",
            "long_name": "centre of the band",
            "units": "nm",
        },
        {"_FillValue": None},
    )
    good = xr.Variable(
        (spectral,),
        np.asarray(axis.good, dtype=np.int8),
        {
            "long_name": "whether the band is usable",
            "flag_values": np.array([0, 1], dtype=np.int8),
            "flag_meanings": "bad good",
            "comment": f"from the {axis.good_source}",
        },
    )
    coordinates = {"wavelength": wavelength, "good_wavelength": good}
    if axis.fwhm is not None:
        coordinates["fwhm"] = xr.Variable(
            (spectral,),
            np.asarray(axis.fwhm),
            {"long_name": "full width of the band at half maximum", "units": "nm"},
            {"_FillValue": None},
        )
    if spectral == BAND_DIM:
        # Labels must increase: selection by decreasing wavelengths is not reliable.
        coordinates[BAND_DIM] = xr.Variable(
            (BAND_DIM,),
            np.arange(1, shape[BAND_DIM] + 1, dtype=np.int32),
            {"long_name": "number of the band, counted from 1", "units": "1"},
        )
    for name, meaning in (
        ("x", "sample across the flight direction, counted from 0"),
        ("y", "scan line along the flight direction, counted from 0"),
    ):
        # No standard name: these are positions in the swath, not on the map.
        coordinates[name] = xr.Variable(
            (name,), np.arange(shape[name], dtype=np.int32), {"long_name": meaning, "units": "1"}
        )
    return coordinates


def _global_attributes(line: FlightLine, span: Span, text: StoreText) -> dict[str, Any]:
    start, end = (moment and utc_text(moment) for moment in span)
    return {
        **text.attributes(line.id),
        # No date: the same input makes the same bytes.
        "history": f"written from ENVI files by shift-stac {version('shift-stac')}",
        "flight_line": line.id,
        "store_format": STORE_FORMAT,
        "time_coverage_start": start,
        **({"time_coverage_end": end} if end else {}),
    }
