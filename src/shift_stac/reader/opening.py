"""Opens a published flight line: reads its metadata and small arrays, all at the same time.

Large arrays are not read. They are dask arrays of :class:`StoredArray`, which tells the reader
where it may read without dask.
"""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from threading import Lock
from typing import Any, cast

import dask.array
import numpy as np
import xarray as xr
import zarr
from xarray.backends import ZarrStore
from zarr.core.sync import sync

from shift_stac.errors import StoreError
from shift_stac.reader import access  # noqa: F401 - adds the accessor
from shift_stac.reader.store_address import store_address
from shift_stac.reader.stored_array import StoredArray
from shift_stac.reader.stores import ObjectReadError, Objects, stores_of
from shift_stac.store.codecs import FUSED_PIPELINE
from shift_stac.store.glt_group import GLT_GROUP, hide_crs
from shift_stac.store.store_format import STORE_FORMAT

# Encodings that are dropped: to_zarr would apply them to a part of a line with other chunks.
_LAYOUT = ("chunks", "preferred_chunks", "shards")
_SETTING = Lock()

# Small arrays of every line, which are requested with its metadata: one round trip instead of two.
_ASKED_AHEAD = (
    *(f"{name}/c/0" for name in ("wavelength", "good_wavelength", "fwhm", "y", "x")),
    "projection/c",
    *(f"{GLT_GROUP}/{name}" for name in ("map_ref/c", "map_y/c/0", "map_x/c/0")),
)


def open_flightline(
    href: Any,
    *,
    base: str | Path | None = None,
    storage_options: Mapping[str, Any] | None = None,
) -> xr.Dataset:
    """Open a published flight line, lazily.

    Parameters
    ----------
    href
        The store: a folder, ``s3://`` or ``https://``. Or an item or asset, of pystac or as a
        mapping, or a row of the table of items.
    base
        The address of the document with a relative href, such as the table of items.
    storage_options
        Options for fsspec that the standard AWS settings do not have, such as ``{"anon": True}``.

    Returns
    -------
    xarray.Dataset
        The swath, with dimensions (wavelength, y, x) and the lookup table of its map, shaped
        (map_y, map_x), as ``glt_sample`` and ``glt_line``. Arrays are read when they are used,
        chunk by chunk.

    Raises
    ------
    StoreError
        ``href`` names no store, the store does not exist, has no lookup table, or was written by a
        newer version of this package.
    """
    address = store_address(href, base)
    try:
        root = _open_group(address, storage_options)
        swath, table = _load([root, cast("zarr.Group", root[GLT_GROUP])])
    except (OSError, KeyError, ValueError) as error:
        msg = f"{address} cannot be opened as a flight line ({type(error).__name__}: {error})"
        raise StoreError(msg) from error
    written = int(swath.attrs.get("store_format", STORE_FORMAT))
    if written > STORE_FORMAT:
        msg = (
            f"{address} has store format {written}, and this shift-stac reads formats up to "
            f"{STORE_FORMAT}: install a newer shift-stac"
        )
        raise StoreError(msg)
    swath = _without_misleading_crs(swath)
    swath = swath.assign_coords(hide_crs(table).set_coords(list(table.data_vars)).coords)
    for variable in swath.variables.values():
        for key in _LAYOUT:
            variable.encoding.pop(key, None)
    swath.encoding["source"] = address
    return swath


def _open_group(address: str, options: Mapping[str, Any] | None) -> zarr.Group:
    """Return the store's root group with its consolidated metadata, from the first client that can read it."""
    stores = stores_of(address, options)
    while True:
        store, path = next(stores)
        if isinstance(store, Objects):
            sync(store.ask_ahead(f"{path}/{key}".lstrip("/") for key in _ASKED_AHEAD))
        try:
            return zarr.open_group(store, path=path, mode="r", zarr_format=3, use_consolidated=True)
        except ObjectReadError:
            # obstore does not follow a bucket to another region, and knows fewer ways to log in.
            continue


def _load(groups: Sequence[zarr.Group]) -> list[xr.Dataset]:
    """Return groups as datasets: small arrays are loaded together, large ones are dask arrays."""
    # Lines are opened in many threads, which share zarr's settings.
    with _SETTING, zarr.config.set({"codec_pipeline.path": FUSED_PIPELINE}):
        stores = [ZarrStore(group, mode="r") for group in groups]
    encoded = [
        xr.open_dataset(store, decode_cf=False, create_default_indexes=False) for store in stores
    ]
    small = [
        dataset[[name for name, variable in dataset.variables.items() if variable.ndim <= 1]]
        for dataset in encoded
    ]

    async def load() -> None:
        await asyncio.gather(*(dataset.load_async() for dataset in small))

    sync(load())
    return [
        _decoded(dataset, store.members) for dataset, store in zip(encoded, stores, strict=True)
    ]


def _decoded(encoded: xr.Dataset, arrays: Mapping[str, Any]) -> xr.Dataset:
    decoded = xr.decode_cf(encoded)
    for name, variable in encoded.variables.items():
        if variable.ndim <= 1:
            continue
        array = arrays[str(name)]
        stored = StoredArray(array, variable.attrs)
        lazy = dask.array.from_array(  # type: ignore[no-untyped-call]
            stored,
            chunks=array.chunks,
            name=f"{name}-{stored.token}",
            asarray=False,
            fancy=False,
            meta=np.empty((0,) * stored.ndim, stored.dtype),
        )
        decoded[name].variable.data = lazy
    return decoded


def _without_misleading_crs(swath: xr.Dataset) -> xr.Dataset:
    """Remove the CRS of Easting and Northing from the cubes of older stores.

    Those of format 2 have it in each cube, and early ones of format 3 as WKT of a projection that CF
    cannot express.
    """
    for variable in swath.variables.values():
        variable.attrs.pop("grid_mapping", None)
        variable.encoding.pop("grid_mapping", None)
        variable.attrs.pop("crs_wkt", None)
    return swath.drop_vars("spatial_ref", errors="ignore")
