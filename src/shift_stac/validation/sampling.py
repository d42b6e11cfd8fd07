"""Checks sampled blocks of a store: plausible values, and equality with the source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import zarr
from numpy.typing import NDArray

from shift_stac.crs import parse_crs
from shift_stac.envi.byte_order import MOST_ROUGHNESS, excess_roughness
from shift_stac.envi.image import give_back
from shift_stac.envi.scaling import MOST_PHYSICAL, absurd_values
from shift_stac.errors import InvalidStoreError
from shift_stac.sources import Product, SourceLine
from shift_stac.store.store_format import CUBE_NAMES
from shift_stac.swath.geolocation import to_lonlat
from shift_stac.swath.igm_values import mask_igm
from shift_stac.swath.line_files import open_line
from shift_stac.swath.obs_bands import OBS_LAYERS

_CUBES = {name: product for product, name in CUBE_NAMES.items()}


# Noise makes dark pixels negative, by less than this in the cube's unit.
_LOWEST = {CUBE_NAMES[Product.RADIANCE]: -1.0, CUBE_NAMES[Product.REFLECTANCE]: -0.2}
# Even percent are below this; values above it that are too large for any unit are told apart.
_HIGHEST_REFLECTANCE = 100.0
_NOTED_SHARE = 0.01
_BRIGHTEST_REFLECTANCE = 1.5
_DARKEST_REFLECTANCE = 1e-4


@dataclass
class Shares:
    """Counts of a cube's values: all, missing ones, and others in good bands."""

    values: int = 0
    nodata: int = 0
    good: int = 0
    negative: int = 0
    zero: int = 0
    far_below: int = 0
    far_above: int = 0
    absurd: int = 0
    absurd_kinds: set[float] = field(default_factory=set)
    medians: list[float] = field(default_factory=list)
    roughness: list[float] = field(default_factory=list)

    def count(
        self, block: NDArray[Any], nodata: float, good: NDArray[np.bool_], scaling: "PhysicalScale"
    ) -> None:
        """Add a block shaped (bands, scan lines, samples)."""
        missing = ~np.isfinite(block) | (block == nodata)
        self.values += block.size
        self.nodata += int(missing.sum())
        usable = block[good]
        known = scaling.physical(usable[~missing[good]])
        self.good += known.size
        self.negative += int((known < 0).sum())
        self.zero += int((known == 0).sum())
        self.far_below += int((known < scaling.far_below).sum())
        self.far_above += int(((known > _HIGHEST_REFLECTANCE) & (known <= MOST_PHYSICAL)).sum())
        absurd = absurd_values(known)
        self.absurd += absurd.size
        # A single value may be a fill value; two different values are not.
        self.absurd_kinds |= set(np.unique(absurd)[:2].tolist())
        if known.size:
            self.medians.append(float(np.median(known)))
            self.roughness.append(excess_roughness(usable, nodata))

    @property
    def is_absurd(self) -> bool:
        """Whether there are several values that are too large or too small for any unit."""
        return len(self.absurd_kinds) > 1

    @property
    def is_swapped(self) -> bool:
        """Whether whole numbers of most blocks would be much smoother with their bytes swapped."""
        return bool(self.roughness) and float(np.median(self.roughness)) > MOST_ROUGHNESS

    def warnings(self, name: str) -> list[str]:
        """Unusual properties of the values, which may be correct."""
        found = []
        typical = float(np.median(self.medians)) if self.medians else 0.0
        is_reflectance = name == CUBE_NAMES[Product.REFLECTANCE]
        is_too_bright = is_reflectance and typical > _BRIGHTEST_REFLECTANCE
        for count, what in (
            (
                self.far_above if is_reflectance and not is_too_bright else 0,
                f"are above {_HIGHEST_REFLECTANCE:g}",
            ),
            (self.far_below, "are further below zero than noise is"),
            (self.zero, "are exactly zero"),
            (0 if self.is_absurd else self.absurd, f"are {', '.join(map(str, self.absurd_kinds))}"),
        ):
            share = count / max(self.good, 1)
            if share > _NOTED_SHARE:
                found.append(
                    f"{name}: {share:.1%} of the values {what}; they may be a fill value that "
                    "the header does not give"
                )
        if is_too_bright:
            found.append(
                f"{name}: half of the values are above {typical:.3g}, and a reflectance is below 1; "
                "they may be percent, or have a scale that the header does not give"
            )
        if is_reflectance and 0 < abs(typical) < _DARKEST_REFLECTANCE:
            found.append(
                f"{name}: half of the values are below {typical:.3g}, less than any ground; the "
                "numbers may already be scaled, although the header gives a scale"
            )
        return found


class PhysicalScale(NamedTuple):
    """The scaling from a cube's stored numbers to physical values, and their lower bound."""

    factor: float
    offset: float
    far_below: float

    @classmethod
    def of(cls, name: str, array: zarr.Array[Any]) -> "PhysicalScale":
        """Return the scaling from an array's attributes."""
        attributes: Mapping[str, Any] = array.attrs
        return cls(
            float(attributes.get("scale_factor", 1.0)),
            float(attributes.get("add_offset", 0.0)),
            _LOWEST[name],
        )

    def physical(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """Return the physical values of stored numbers."""
        if (self.factor, self.offset) == (1.0, 0.0):
            return numbers
        return numbers * self.factor + self.offset


@dataclass
class Sample:
    """The result of the sampled blocks of a store, by the cube's name."""

    blocks: int = 0
    shares: dict[str, Shares] = field(default_factory=dict)


def chunk_corners(array: zarr.Array[Any], count: int | None) -> list[tuple[slice, ...]]:
    """Return chunks of an array: the first, the last, and evenly spaced others; None for all."""
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
    """Read blocks of each cube, and compare them with the source if it is given.

    Raises
    ------
    InvalidStoreError
        A value differs from the source.
    """
    sample = Sample()
    files = None if sources is None else open_line(sources)
    for name, product in _CUBES.items():
        if name not in group:
            continue
        array = group[name]
        assert isinstance(array, zarr.Array)  # noqa: S101 - tells mypy what the template made
        cube = files.cube(product) if files and sources and sources.get(product) else None
        scaling = PhysicalScale.of(name, array)
        shares = sample.shares.setdefault(name, Shares())
        for bands, lines, samples in chunk_corners(array, blocks):
            block = np.asarray(array[bands, lines, samples])
            shares.count(block, float(np.asarray(array.fill_value)), good[bands], scaling)
            if cube is not None:
                source = cube.data[lines, bands, samples].transpose(1, 0, 2)
                _compare_bits(name, block, source, (bands, lines, samples))
                give_back(cube.data)
            sample.blocks += 1
    return sample


def compare_geometry(group: zarr.Group, sources: SourceLine, crs: str) -> int:
    """Compare the first, the middle and the last rows of chunks of the geometry with the source.

    Return the number of variables that were compared.

    Raises
    ------
    InvalidStoreError
        A value differs from the source.
    """
    files = open_line(sources)
    located = files.places(crs).data
    # The conversion has left out a damaged OBS.
    layers = files.observation() if any(layer.name in group for layer in OBS_LAYERS) else None
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
                for layer in layers.layers
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
    """Bits are compared, including NaN payloads and signs of zero."""
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
