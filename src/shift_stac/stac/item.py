"""The STAC item of a flight line.

STAC 1.1. The item describes the store, and the files from which it was made.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pystac

from shift_stac.campaigns import Campaign
from shift_stac.model import FrozenModel
from shift_stac.sources import SourceLine
from shift_stac.stac.cube_fields import band_fields, cube_dimensions, cube_variables
from shift_stac.stac.extensions import OF_STORES, schema_urls
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.links import GEOJSON, JSON
from shift_stac.stac.paths import CATALOG_PATH, collection_path, day_path, item_path, store_path
from shift_stac.stac.published import multihash, source_links
from shift_stac.store.store_format import CUBE_NAMES
from shift_stac.store.summary import StoreSummary, VariableSummary
from shift_stac.validation.result import Validation

# Title and roles of the files beside a store.
_COMPANIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "thumbnail": ("True-colour quicklook", ("thumbnail",)),
    "quicklook-bright": ("True-colour quicklook, higher exposure", ("overview",)),
    "quicklook-bands": ("Red, green and blue band on the map", ("overview",)),
    # It has the map's full resolution. odc-stac ignores assets with the role "overview".
    "overview": ("True colour on the map", ("visual",)),
    "footprint": ("Outline of the line", ("metadata",)),
    "manifest": ("Checksum of each of the store's objects, for sha256sum", ("metadata",)),
}


class AssetFile(FrozenModel):
    """A companion file of a store: its path relative to the archive's root, size and checksum.

    ``fields`` are further fields of its asset.
    """

    path: str
    media_type: str
    size: int
    sha256: str
    fields: Mapping[str, Any] = {}


def build_item(
    summary: StoreSummary,
    sources: SourceLine,
    campaign: Campaign,
    files: Mapping[str, AssetFile],
    validation: Validation,
    *,
    store: str | None = None,
    hrefs: Hrefs | None = None,
) -> pystac.Item:
    """Build the item of a converted line. No I/O; the same input gives the same item.

    The store is a swath: ``proj:code`` is null, because its rows and columns follow the flight, not
    a CRS; ``shift:crs`` is the CRS of Easting and Northing.

    Parameters
    ----------
    summary, sources, validation
        The summary of the store, its source files, and the result of its validation.
    campaign
        Gives every text.
    files
        Files beside the store, by the name of their asset.
    store
        The store's path relative to the archive's root; that of the first version by default.
    hrefs
        The form of links and assets; relative by default.
    """
    line, observation = summary.line, summary.observation
    hrefs = hrefs or Hrefs()
    here = item_path(campaign, line)
    store = store or store_path(campaign, line)
    properties: dict[str, Any] = {
        "title": f"{campaign.collection.title}: {line}",
        "platform": campaign.item.platform,
        "instruments": list(campaign.item.instruments),
        "mission": campaign.item.mission,
        "constellation": campaign.item.constellation,
        "gsd": summary.geolocation.gsd,
        "version": summary.portal_version,
        "processing:level": campaign.portal.version(summary.portal_version).processing_level(
            summary.level
        ),
        "processing:lineage": "ENVI cubes of the portal, rewritten as Zarr without loss",
        "processing:software": dict(summary.software),
        "proj:code": None,
        "proj:shape": [summary.shape["y"], summary.shape["x"]],
        "shift:crs": summary.geolocation.crs,
        "shift:product": str(summary.level),
        "shift:located_share": round(summary.geolocation.finite_share, 6),
        "shift:glt_origin": str(summary.map.origin),
        "shift:glt_note": summary.map.note,
        "shift:notes": [*summary.notes, *(observation.notes if observation else ())] or None,
        "shift:validation": validation.figures(),
        "shift:footprint_tolerance_m": summary.geolocation.footprint_tolerance_m,
        "shift:store_format": summary.store_format,
        "shift:store_bytes": summary.size_bytes,
        "shift:store_objects": summary.object_count,
        "shift:chunks": summary.chunks.model_dump(),
        "shift:sharded": summary.sharded,
        "shift:fingerprint": summary.fingerprint,
        "shift:store_path": store,
        "sci:doi": campaign.collection.doi,
        "sci:citation": campaign.collection.citation,
        "storage:schemes": hrefs.schemes,
        "cube:dimensions": cube_dimensions(summary),
        "cube:variables": cube_variables(summary),
    }
    extensions = list(OF_STORES)
    if campaign.collection.doi:
        extensions.append("scientific")
    if hrefs.schemes:
        extensions.append("storage")
    if hrefs.other_ways(store).get("alternate"):
        extensions.append("alternate-assets")
    if observation is not None:
        view = {
            "view:sun_azimuth": observation.sun_azimuth,
            "view:sun_elevation": observation.sun_elevation,
            "view:off_nadir": observation.off_nadir,
            "view:incidence_angle": observation.incidence_angle,
            "view:azimuth": observation.view_azimuth,
        }
        # Listed only with fields, without which it is not valid: an OBS may be all nodata.
        if any(angle is not None for angle in view.values()):
            extensions.append("view")
        properties |= view
    start, end = summary.span
    item = pystac.Item(
        id=line.id,
        geometry=summary.geolocation.footprint,
        bbox=list(summary.geolocation.bbox),
        # A line of which only the day is known has an interval and no datetime.
        datetime=start if summary.is_timed else None,
        start_datetime=start if end else None,
        end_datetime=end,
        properties={
            key: value
            for key, value in properties.items()
            if value is not None or key == "proj:code"
        },
        stac_extensions=schema_urls(extensions),
        collection=campaign.collection.id,
    )
    item.add_asset(f"{line}.zarr", _store_asset(summary, campaign, store, hrefs))
    for name, file in files.items():
        title, roles = _COMPANIONS[name]
        item.add_asset(name, file_asset(file, here, title, roles, hrefs))
    parents = {
        "root": CATALOG_PATH,
        "parent": day_path(campaign, line.date),
        "collection": collection_path(campaign),
    }
    for relation, path in parents.items():
        item.add_link(pystac.Link(relation, hrefs.to(path, here), media_type=JSON))
    if hrefs.options.hrefs == "absolute":
        item.add_link(pystac.Link("self", hrefs.absolute(here), media_type=GEOJSON))
    if campaign.collection.doi:
        item.add_link(pystac.Link("cite-as", f"https://doi.org/{campaign.collection.doi}"))
    item.add_links(source_links(sources, summary.level))
    return item


def _store_asset(
    summary: StoreSummary, campaign: Campaign, path: str, hrefs: Hrefs
) -> pystac.Asset:
    cubes = [str(product) for product in summary.level.cubes]
    return store_asset(
        path,
        item_path(campaign, summary.line),
        f"{' and '.join(cubes).capitalize()} with geolocation, Zarr",
        ["data", *cubes],
        hrefs,
        data_type=_cube(summary).dtype,
        resolution=summary.geolocation.gsd,
        bands=band_fields(summary, campaign),
    )


def store_asset(
    path: str,
    document: str,
    title: str,
    roles: Sequence[str],
    hrefs: Hrefs,
    *,
    data_type: str,
    resolution: float | None,
    bands: Sequence[Mapping[str, Any]],
) -> pystac.Asset:
    """Return the asset of a Zarr store in a document; both paths are relative to the archive's root.

    ``resolution`` is the side of a pixel in the unit of its CRS.
    """
    return pystac.Asset(
        href=hrefs.to(path, document),
        media_type=hrefs.options.zarr_media_type,
        title=title,
        roles=list(roles),
        extra_fields={
            "zarr:zarr_format": 3,
            "zarr:node_type": "group",
            "zarr:consolidated": True,
            "data_type": data_type,
            "raster:spatial_resolution": resolution,
            "raster:sampling": "area",
            "bands": list(bands),
            **hrefs.other_ways(path),
        },
    )


def _cube(summary: StoreSummary) -> VariableSummary:
    name = CUBE_NAMES[summary.level.cubes[0]]
    return next(variable for variable in summary.variables if variable.name == name)


def file_asset(
    file: AssetFile, document: str, title: str, roles: Sequence[str], hrefs: Hrefs
) -> pystac.Asset:
    """Return the asset of a file in a document at a path relative to the archive's root."""
    return pystac.Asset(
        href=hrefs.to(file.path, document),
        media_type=file.media_type,
        title=title,
        roles=list(roles),
        extra_fields={
            "file:size": file.size,
            "file:checksum": multihash(file.sha256),
            **file.fields,
            **hrefs.other_ways(file.path),
        },
    )
