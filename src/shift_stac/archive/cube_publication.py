"""Publishes a cube: first its store, then its companion files, its item, collection and catalog.

Each version has its own folder, named by the checksum of its files: readers of another version can
continue. No link ever leads to a missing file.
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from shift_stac.archive.documents import read_stac, update_stac
from shift_stac.archive.versions import VERSION_PREFIX
from shift_stac.campaigns import Campaign
from shift_stac.cubes.building import CubeSummary
from shift_stac.stac.asset_files import describe_file
from shift_stac.stac.cube_item import add_cubes, build_cube_item, cubes_text
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.parents import build_catalog
from shift_stac.stac.paths import (
    CATALOG_PATH,
    cube_item_path,
    cube_store_path,
    cubes_collection_path,
)
from shift_stac.stac.published import stamped
from shift_stac.storage.base import Progress, Storage
from shift_stac.store.checksums import read_manifest
from shift_stac.validation.result import Validation


class PublishedCube(NamedTuple):
    """Paths relative to the archive's root: of the item, and of the companion files by their assets."""

    item: str
    files: Mapping[str, str]


_MADE_BY = ("shift-stac", "zarr", "xarray", "numpy", "scipy")


def published_fingerprint(storage: Storage, campaign: Campaign, name: str) -> str | None:
    """Return the fingerprint of the cube published under a name; None if no cube can be opened.

    Raises
    ------
    CatalogError
        The published item is not JSON.
    """
    item = read_stac(storage, cube_item_path(campaign, name))
    properties = {} if item is None else item.get("properties", {})
    place = properties.get("shift:store_path")
    if place is None or not storage.has_store(place):
        return None
    return str(properties["shift:fingerprint"]) if "shift:fingerprint" in properties else None


def publish_cube(
    storage: Storage,
    campaign: Campaign,
    summary: CubeSummary,
    store: Path,
    files: Mapping[str, Path],
    validation: Validation,
    hrefs: Hrefs,
    progress: Progress | None = None,
) -> PublishedCube:
    """Publish a cube. A repeated call completes an interrupted one, and sends nothing twice.

    Parameters
    ----------
    storage, campaign
        The archive.
    summary, validation
        The summary of the cube, and the result of its validation.
    store
        The local store.
    files
        The companion files, including the manifest, by the name of their asset.
    hrefs
        The form of the catalog's links.
    progress
        Called while the store is sent.

    Raises
    ------
    StorageError
        The archive cannot be written.
    CatalogError
        A published document is not STAC.
    """
    name = summary.recipe.name
    checksum = hashlib.sha256(files["manifest"].read_bytes()).hexdigest()[:12]
    place = cube_store_path(campaign, name, f"{VERSION_PREFIX}{checksum}")
    storage.publish_store(store, place, progress, read_manifest(files["manifest"]))
    beside = {key: f"{place.rpartition('/')[0]}/{local.name}" for key, local in files.items()}
    for key, local in files.items():
        storage.write(beside[key], local.read_bytes())
    item = build_cube_item(
        summary,
        campaign,
        {key: describe_file(local, beside[key]) for key, local in files.items()},
        validation,
        store=place,
        version=checksum,
        software={package: version(package) for package in _MADE_BY},
        hrefs=hrefs,
    )
    path = cube_item_path(campaign, name)
    update_stac(storage, path, lambda published: stamped(item, published, datetime.now(UTC)))
    _link(storage, campaign, item, hrefs)
    return PublishedCube(path, beside)


def link_published(storage: Storage, campaign: Campaign, name: str, hrefs: Hrefs) -> None:
    """Link a published cube in collection and catalog, if a run died before that.

    Raises
    ------
    StorageError
        The archive cannot be written.
    CatalogError
        A published document is not STAC.
    """
    item = read_stac(storage, cube_item_path(campaign, name))
    if item is not None:
        _link(storage, campaign, item, hrefs)


def _link(storage: Storage, campaign: Campaign, item: Mapping[str, Any], hrefs: Hrefs) -> None:
    collection = cubes_collection_path(campaign)
    update_stac(
        storage, collection, lambda published: add_cubes(published, [item], campaign, hrefs)
    )
    others = {collection: cubes_text(campaign).title}
    update_stac(
        storage,
        CATALOG_PATH,
        lambda published: build_catalog(campaign, published, hrefs, others=others),
    )
