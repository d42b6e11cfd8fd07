"""Validates a flight line's store, before and after its publication.

Checks are independent, so that a report lists all faults.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from itertools import product as combinations
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import zarr

from shift_stac.crs import parse_crs
from shift_stac.errors import InvalidStoreError
from shift_stac.reader.opening import open_flightline
from shift_stac.reader.values import window_values
from shift_stac.rows import row_blocks
from shift_stac.sources import SourceLine
from shift_stac.store.glt_group import LAYERS, read_grid
from shift_stac.store.store_format import BAND_DIM, CUBE_NAMES, SPECTRAL_DIM
from shift_stac.validation.result import SAMPLED_BLOCKS, Check, Expectations, Validation
from shift_stac.validation.sampling import Sample, compare_geometry, sample_cubes

_BAND_ROWS = 512


def validate_store(
    href: str | Path,
    expected: Expectations,
    *,
    sources: SourceLine | None = None,
    blocks: int | None = SAMPLED_BLOCKS,
    storage_options: Mapping[str, Any] | None = None,
) -> Validation:
    """Validate a store. The result has the faults; they raise no error.

    Parameters
    ----------
    href
        A folder, ``s3://`` or ``https://``. Over https, chunks are not counted, because a web
        server does not list them.
    expected
        The expected properties of the store.
    sources
        The line's files, if given: values are compared with them.
    blocks
        Chunks of each cube that are read; None for all.
    storage_options
        Options for fsspec, as for :func:`shift_stac.open_flightline`.
    """
    address = str(href)
    options = dict(storage_options or {})
    checks: list[Check] = []

    def check(name: str, look: Callable[[], str]) -> bool:
        try:
            checks.append(Check(name=name, passed=True, detail=look()))
        except InvalidStoreError as error:
            checks.append(Check(name=name, passed=False, detail=str(error)))
        except Exception as error:  # noqa: BLE001 - damaged data raises what its codec raises
            detail = f"{type(error).__name__}: {error}"
            checks.append(Check(name=name, passed=False, detail=detail))
        return checks[-1].passed

    store = _Store(address, expected, sources, options)
    if not check("opens", store.open):
        return Validation(store=address, checks=tuple(checks))
    check("structure", store.structure)
    if store.can_list:
        check("chunks", store.chunks)
    check("wavelengths", store.wavelengths)
    check("geolocation", store.geolocation)
    check("map", store.map)
    check("values", lambda: store.values(blocks))
    if sources is not None:
        check("geometry", store.geometry)
    shares = store.sample.shares.items()
    return Validation(
        store=address,
        checks=tuple(checks),
        located_share=store.located_share,
        nodata_share={name: round(s.nodata / max(s.values, 1), 6) for name, s in shares},
        warnings=tuple(warning for name, s in shares for warning in s.warnings(name)),
        negative_share={name: round(s.negative / max(s.good, 1), 6) for name, s in shares},
        blocks=store.sample.blocks,
    )


class _Store:
    """The checks of one store. Each returns its result, or raises the fault."""

    def __init__(
        self,
        address: str,
        expected: Expectations,
        sources: SourceLine | None,
        options: Mapping[str, Any],
    ) -> None:
        self._address = address
        self._expected = expected
        self._sources = sources
        self._options = options
        self.can_list = not address.startswith(("http://", "https://"))
        self.located_share: float | None = None
        self.sample = Sample()

    def open(self) -> str:
        """The store can be opened as a flight line, with consolidated metadata."""
        remote = "://" in self._address
        self._swath = open_flightline(
            self._address, storage_options=self._options if remote else None
        )
        # A folder's name may have characters with a meaning in a URL.
        self._group = zarr.open_group(
            self._address if remote else Path(self._address),
            mode="r",
            storage_options=dict(self._options) if remote else None,
        )
        return f"{len(self._swath.variables)} variables"

    def _arrays(self) -> Iterator[zarr.Array[Any]]:
        for _, member in self._group.members(max_depth=None):
            if isinstance(member, zarr.Array):
                yield member

    def structure(self) -> str:
        """Cubes and geometry have the expected shapes."""
        cubes = [name for name in CUBE_NAMES.values() if name in self._swath]
        if not cubes:
            _fail("it has no radiance and no reflectance")
        for name in (*cubes, "longitude", "latitude", "Easting", "Northing"):
            if name not in self._swath.variables:
                _fail(f"it has no {name}")
            for dim, size in self._swath[name].sizes.items():
                wanted = self._expected.shape[SPECTRAL_DIM if dim == BAND_DIM else str(dim)]
                if size != wanted:
                    _fail(f"{name} has {size} along {dim}, not {wanted}")
        return f"{' and '.join(cubes)}: " + " x ".join(map(str, self._swath[cubes[0]].shape))

    def chunks(self) -> str:
        """Every chunk has its object, and all objects together have the expected size."""
        filesystem, root = fsspec.core.url_to_fs(self._address, **self._options)
        filesystem.invalidate_cache()
        sizes = {
            name.removeprefix(root.rstrip("/")).lstrip("/"): entry["size"]
            for name, entry in filesystem.find(root, detail=True).items()
        }
        wanted = [key for array in self._arrays() for key in _chunk_keys(array)]
        missing = [key for key in wanted if not sizes.get(key)]
        if missing:
            _fail(
                f"{len(missing)} of {len(wanted)} chunks are missing or empty, first {missing[0]}"
            )
        expected = self._expected
        found = len(sizes), sum(sizes.values())
        if found != (expected.object_count, expected.size_bytes):
            _fail(
                f"it has {found[0]} objects of {found[1]} bytes, not {expected.object_count} of "
                f"{expected.size_bytes}"
            )
        return f"{len(wanted)} chunks, {found[1]} bytes"

    def wavelengths(self) -> str:
        """There is one for each band, and they increase, unless bands have only numbers."""
        found = self._swath["wavelength"].to_numpy()
        labels = self._swath[self._swath["wavelength"].dims[0]].to_numpy()
        if not np.isfinite(found).all() or not (np.diff(labels) > 0).all():
            _fail("they do not ascend")
        if not (found.min() > 100 and found.max() < 20_000):  # noqa: PLR2004 - optical, in nanometres
            _fail(f"{found.min()} to {found.max()} are not nanometres of light")
        good = self._swath["good_wavelength"].to_numpy()
        return f"{found[0]:.1f} to {found[-1]:.1f} nm, {int((good == 1).sum())} good"

    def geolocation(self) -> str:
        """The expected number of pixels has a location, and all locations are on Earth."""
        located, (west, south, east, north) = 0, (math.inf, math.inf, -math.inf, -math.inf)
        lines, samples = self._swath["longitude"].shape
        for rows in row_blocks(lines, _BAND_ROWS):
            longitude, latitude = (
                self._swath[name].isel(y=rows).to_numpy() for name in ("longitude", "latitude")
            )
            here = np.isfinite(longitude)
            if (here != np.isfinite(latitude)).any():
                _fail("some pixels have only one of longitude and latitude")
            located += int(here.sum())
            if here.any():
                west, east = min(west, longitude[here].min()), max(east, longitude[here].max())
                south, north = min(south, latitude[here].min()), max(north, latitude[here].max())
        self.located_share = round(located / (lines * samples), 6)
        if located == 0:
            _fail("no pixel has a location")
        if not (-180 <= west <= east <= 180 and -90 <= south <= north <= 90):  # noqa: PLR2004
            _fail(f"longitudes {west} to {east}, latitudes {south} to {north} are not on Earth")
        if abs(self.located_share - self._expected.located_share) > 1e-5:  # noqa: PLR2004
            _fail(
                f"{self.located_share} of the pixels are located, not {self._expected.located_share}"
            )
        return f"{self.located_share:.2%} located"

    def map(self) -> str:
        """The lookup table has pixels of the line, at their places."""
        grid = read_grid(self._swath)
        if grid.crs != parse_crs(self._expected.crs):
            _fail(f"it is in {grid.crs.name}, not in {self._expected.crs}")
        lines, samples = self._swath["Easting"].shape
        shown = 0
        for rows in row_blocks(grid.height, _BAND_ROWS):
            ((sample, line),) = window_values(
                [self._swath[name] for name in LAYERS], [(rows, slice(0, grid.width))]
            )
            sample, line = np.abs(sample), np.abs(line)
            if (sample > samples).any() or (line > lines).any():
                _fail("the lookup table names pixels that the line has not")
            shown += int(np.count_nonzero(line))
        if not shown:
            _fail("the lookup table shows no pixel")
        return f"{shown} of {grid.height * grid.width} cells show a pixel"

    def values(self, blocks: int | None) -> str:
        """Sampled blocks can be decoded, have data, and equal the source if it is given."""
        good = self._swath["good_wavelength"].to_numpy() == 1
        self.sample = sample_cubes(self._group, good, blocks, self._sources)
        for name, shares in self.sample.shares.items():
            if shares.nodata == shares.values:
                _fail(f"{name}: no sampled value is data")
            if shares.is_absurd:
                _fail(
                    f"{name}: {shares.absurd} of {shares.good} sampled values are too large or "
                    "too small for any unit; check the header's byte order and data type"
                )
            if shares.is_swapped:
                _fail(
                    f"{name}: neighbouring pixels have similar numbers only with swapped bytes; "
                    "correct the header's byte order"
                )
        source = " equal the source" if self._sources is not None else " are readable"
        return f"{self.sample.blocks} blocks{source}"

    def geometry(self) -> str:
        """Sampled scan lines of locations and angles equal the source."""
        if self._sources is None:
            return "no source is given"
        count = compare_geometry(self._group, self._sources, self._expected.crs)
        return f"{count} variables equal the source"


def _fail(reason: str) -> None:
    raise InvalidStoreError(reason)


def _chunk_keys(array: zarr.Array[Any]) -> Iterator[str]:
    """Return the keys of an array's stored objects: its chunks, or its shards."""
    encode = array.metadata.encode_chunk_key
    counts = [
        -(-size // chunk)
        for size, chunk in zip(array.shape, array.shards or array.chunks, strict=True)
    ]
    for place in combinations(*map(range, counts)):
        yield f"{array.path}/{encode(place)}".lstrip("/")
