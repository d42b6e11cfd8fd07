"""Sampled blocks of a store: what their values are like, and whether they are the source's."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray

from shift_stac.crs import parse_crs
from shift_stac.envi.image import open_envi
from shift_stac.errors import InvalidStoreError
from shift_stac.sources import Product, SourceLine
from shift_stac.store.store_format import CUBE_NAMES
from shift_stac.swath.geolocation import to_lonlat
from shift_stac.swath.igm import mask_igm
from shift_stac.swath.observation import OBS_LAYERS, ObservationLayers

_CUBES = {name: product for product, name in CUBE_NAMES.items()}


@dataclass
class Shares:
    """Counted values of a cube, and how many of them are nodata, and negative in good bands."""

    values: int = 0
    nodata: int = 0
    good: int = 0
    negative: int = 0

    def count(self, block: NDArray[Any], nodata: float, good: NDArray[np.bool_]) -> None:
        """Add a block shaped (bands, scan lines, samples)."""
        missing = ~np.isfinite(block) | (block == nodata)
        self.values += block.size
        self.nodata += int(missing.sum())
        self.good += int((~missing[good]).sum())
        self.negative += int((block[good][~missing[good]] < 0).sum())


@dataclass
class Sample:
    """What the sampled blocks of a store told; by the cube's name."""

    blocks: int = 0
    shares: dict[str, Shares] = field(default_factory=dict)


def chunk_corners(array: zarr.Array[Any], count: int | None) -> list[tuple[slice, ...]]:
    """Chunks of an array: the first, the last and evenly spread others; None for all of them."""
    grid = [-(-size // chunk) for size, chunk in zip(array.shape, array.chunks, strict=True)]
    total = int(np.prod(grid))
    wanted = total if count is None else min(count, total)
    numbers = np.unique(np.linspace(0, total - 1, wanted).round().astype(int))
    places = zip(*np.unravel_index(numbers, grid), strict=True)
    return [
        tuple(
            slice(int(n) * chunk, min((int(n) + 1) * chunk, size))
            for n, chunk, size in zip(place, array.chunks, array.shape, strict=True)
        )
        for place in places
    ]


def sample_cubes(
    group: zarr.Group, good: NDArray[np.bool_], blocks: int | None, sources: SourceLine | None
) -> Sample:
    """Read blocks of each cube, and compare them with the source where it is at hand.

    Raises
    ------
    InvalidStoreError
        A value is not the source's.
    """
    sample = Sample()
    for name, product in _CUBES.items():
        if name not in group:
            continue
        array = group[name]
        assert isinstance(array, zarr.Array)  # noqa: S101 - tells mypy what the template made
        pair = None if sources is None else sources.get(product)
        image = None if pair is None else open_envi(pair.data.path, pair.header.path)
        shares = sample.shares.setdefault(name, Shares())
        for bands, lines, samples in chunk_corners(array, blocks):
            block = np.asarray(array[bands, lines, samples])
            shares.count(block, float(np.asarray(array.fill_value)), good[bands])
            if image is not None:
                source = image.data[lines, bands, samples].transpose(1, 0, 2)
                _compare_bits(name, block, source, (bands, lines, samples))
            sample.blocks += 1
    return sample


def compare_geometry(group: zarr.Group, sources: SourceLine, crs: str) -> int:
    """Compare the first, the middle and the last rows of chunks of the geometry with the source.

    Returns the number of variables that were compared.

    Raises
    ------
    InvalidStoreError
        A value is not the source's.
    """
    igm = sources.get(Product.IGM)
    if igm is None:
        return 0
    located = open_envi(igm.data.path, igm.header.path).data
    obs = sources.get(Product.OBS)
    layers = None if obs is None else ObservationLayers(open_envi(obs.data.path, obs.header.path))
    easting_array = group["Easting"]
    assert isinstance(easting_array, zarr.Array)  # noqa: S101 - as above
    compared = 0
    for lines, _ in chunk_corners(easting_array, 3):
        easting, northing, elevation = mask_igm(located[lines])
        longitude, latitude = to_lonlat(easting, northing, parse_crs(crs))
        expected: dict[str, NDArray[Any]] = {
            "Easting": easting,
            "Northing": northing,
            "Elevation": elevation,
            "longitude": longitude,
            "latitude": latitude,
        }
        if layers is not None:
            expected |= {
                layer.name: layers.read(layer.name, lines).astype(layer.dtype)
                for layer in OBS_LAYERS
            }
        _compare_layers(group, expected, lines)
        compared = len(expected)
    return compared


def _compare_layers(group: zarr.Group, expected: Mapping[str, NDArray[Any]], lines: slice) -> None:
    for name, values in expected.items():
        array = group[name]
        assert isinstance(array, zarr.Array)  # noqa: S101 - as above
        stored = np.asarray(array[lines])
        if not np.array_equal(stored, values, equal_nan=True):
            msg = f"{name}, scan lines {lines.start} to {lines.stop - 1}: not the source's values"
            raise InvalidStoreError(msg)


def _compare_bits(
    name: str, block: NDArray[Any], source: NDArray[Any], where: Sequence[slice]
) -> None:
    """NaN payloads and signs of zero too."""
    ours, theirs = (
        np.ascontiguousarray(values, dtype=block.dtype).view(f"<u{block.dtype.itemsize}")
        for values in (block, source)
    )
    different = int((ours != theirs).sum())
    if different:
        bands, lines, samples = (f"{part.start} to {part.stop - 1}" for part in where)
        msg = (
            f"{name}: {different} of {ours.size} values of bands {bands}, scan lines {lines}, "
            f"samples {samples} are not the source's"
        )
        raise InvalidStoreError(msg)
