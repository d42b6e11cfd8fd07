"""The STAC item of a flight line.

STAC 1.1. The item tells what the store holds, and from which files it was made, so that a later
run can tell from the item alone whether the line is up to date.
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import pystac
from pydantic import ValidationError
from pystac.utils import str_to_datetime

from shift_stac.campaigns import Campaign
from shift_stac.flightline import FlightLine
from shift_stac.model import FrozenModel
from shift_stac.sources import ProductLevel, RemoteFile, SourceFile, SourceLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.parents import CATALOG_PATH, collection_path, day_path, item_path
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.store_format import CUBE_NAMES
from shift_stac.store.summary import StoreSummary, VariableSummary
from shift_stac.swath.spectral import nearest_band
from shift_stac.validation.result import Validation

_EXTENSIONS = tuple(
    f"https://stac-extensions.github.io/{name}/schema.json"
    for name in (
        "datacube/v2.3.0",
        "eo/v2.0.0",
        "file/v2.1.0",
        "processing/v1.2.0",
        "projection/v2.0.0",
        "raster/v2.0.0",
        "timestamps/v1.1.0",
        "version/v1.2.0",
        "zarr/v1.1.0",
    )
)
_VIEW_EXTENSION = "https://stac-extensions.github.io/view/v1.1.0/schema.json"
_SCIENTIFIC_EXTENSION = "https://stac-extensions.github.io/scientific/v1.0.0/schema.json"
_STORAGE_EXTENSION = "https://stac-extensions.github.io/storage/v2.0.0/schema.json"
_ALTERNATE_EXTENSION = "https://stac-extensions.github.io/alternate-assets/v1.2.0/schema.json"

# When a thing was done is no part of what it is: these change only together with something else.
_MOMENTS = ("created", "updated", "published")

# IANA's link relation for the source of what a document tells.
_SOURCE_RELATION = "via"

# Title and roles of the files beside a store.
_COMPANIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "thumbnail": ("True-colour quicklook", ("thumbnail",)),
    "quicklook-bright": ("True-colour quicklook, higher exposure", ("overview",)),
    "quicklook-bands": ("Red, green and blue band on the map", ("overview",)),
    # It has the map's own resolution. odc-stac takes what has the role "overview" for no data.
    "overview": ("True colour on the map", ("visual",)),
    "footprint": ("Outline of the line", ("metadata",)),
    "manifest": ("Checksum of each of the store's objects, for sha256sum", ("metadata",)),
}

_PROCESSING_LEVELS = {ProductLevel.L1: "L1B", ProductLevel.L2: "L2A", ProductLevel.ALL: "L2A"}


class AssetFile(FrozenModel):
    """A published file beside a store: its path relative to the archive's root, and its facts.

    ``fields`` are further fields of its asset.
    """

    path: str
    media_type: str
    size: int
    sha256: str
    fields: Mapping[str, Any] = {}


class PublishedState(FrozenModel):
    """What an item tells of the run that published it."""

    fingerprint: str
    store_format: int
    level: ProductLevel
    portal_version: str
    chunks: ChunkSizes
    sharded: bool
    store_bytes: int
    store_path: str
    files: tuple[RemoteFile, ...]


def store_path(campaign: Campaign, line: FlightLine) -> str:
    """Where the first version of a line's Zarr store stands, relative to the archive's root.

    Any other version stands in a folder of its own; the item tells the place of the present one.
    """
    return f"{campaign.layout.directory_for(line)}/{line}.zarr"


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

    The store is a swath: ``proj:code`` is null, because its rows and columns follow the flight and
    no CRS; ``shift:crs`` is that of Easting and Northing.

    Parameters
    ----------
    summary, sources, validation
        What is known of the store, of what it was made from, and of how it was tested.
    campaign
        For every text.
    files
        Files beside the store, by the name of their asset.
    store
        The store's path relative to the archive's root; that of the first version by default.
    hrefs
        How links and assets are spelled; relative by default.
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
        "processing:level": _PROCESSING_LEVELS[summary.level],
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
        "cube:dimensions": _dimensions(summary),
        "cube:variables": _variables(summary),
    }
    extensions = list(_EXTENSIONS)
    if campaign.collection.doi:
        extensions.append(_SCIENTIFIC_EXTENSION)
    if hrefs.schemes:
        extensions.append(_STORAGE_EXTENSION)
    if hrefs.other_ways(store).get("alternate"):
        extensions.append(_ALTERNATE_EXTENSION)
    end = None
    if observation is not None:
        end = observation.end
        view = {
            "view:sun_azimuth": observation.sun_azimuth,
            "view:sun_elevation": observation.sun_elevation,
            "view:off_nadir": observation.off_nadir,
            "view:incidence_angle": observation.incidence_angle,
            "view:azimuth": observation.view_azimuth,
        }
        # The extension is not valid without any of its fields: an OBS may be all nodata.
        if any(angle is not None for angle in view.values()):
            extensions.append(_VIEW_EXTENSION)
        properties |= view
    start = observation.start if observation is not None else line.start
    item = pystac.Item(
        id=line.id,
        geometry=summary.geolocation.footprint,
        bbox=list(summary.geolocation.bbox),
        datetime=start,
        start_datetime=start if end else None,
        end_datetime=end,
        properties={
            key: value
            for key, value in properties.items()
            if value is not None or key == "proj:code"
        },
        stac_extensions=sorted(extensions),
        collection=campaign.collection.id,
    )
    item.add_asset(f"{line}.zarr", _store_asset(summary, campaign, store, hrefs))
    for name, file in files.items():
        title, roles = _COMPANIONS[name]
        item.add_asset(name, _file_asset(file, here, title, roles, hrefs))
    parents = {
        "root": CATALOG_PATH,
        "parent": day_path(campaign, line.date),
        "collection": collection_path(campaign),
    }
    for relation, path in parents.items():
        item.add_link(pystac.Link(relation, hrefs.to(path, here), media_type="application/json"))
    if hrefs.options.hrefs == "absolute":
        item.add_link(pystac.Link("self", hrefs.absolute(here), media_type="application/geo+json"))
    if campaign.collection.doi:
        item.add_link(pystac.Link("cite-as", f"https://doi.org/{campaign.collection.doi}"))
    item.add_links(_source_links(sources, summary.level))
    return item


def refresh_sources(
    item: Mapping[str, Any], sources: SourceLine, level: ProductLevel
) -> dict[str, Any]:
    """An item whose source files are told anew: the portal's dates changed, and no content."""
    others = [link for link in item["links"] if link["rel"] != _SOURCE_RELATION]
    now = [link.to_dict(transform_href=False) for link in _source_links(sources, level)]
    return {**item, "links": others + now}


def stamped(item: Mapping[str, Any], published: Mapping[str, Any] | None, now: datetime) -> Any:
    """An item with the moments of its first and latest publication.

    One that says what is published already is that one, to the byte. Two items of a line never
    have the same moment of update, and the later one has the later: where writers' clocks do not
    agree, or are not fine enough, it is a second after that of the item before.
    """
    before = dict(published["properties"]) if published else {}
    bare = {key: value for key, value in before.items() if key not in _MOMENTS}
    if published and {**published, "properties": bare} == item:
        return published
    moment = _later(now, before.get("updated")).isoformat(timespec="seconds").replace("+00:00", "Z")
    first = before.get("published", moment)
    moments = {"created": before.get("created", first), "updated": moment, "published": first}
    return {**item, "properties": {**item["properties"], **moments}}


def _later(now: datetime, before: Any) -> datetime:
    """Now, or the second after an earlier moment as STAC spells it, whichever is later."""
    try:
        return max(now, str_to_datetime(before) + timedelta(seconds=1))
    except (AttributeError, OverflowError, TypeError, ValueError):
        # There is none, or another program wrote something else there.
        return now


def _store_asset(
    summary: StoreSummary, campaign: Campaign, path: str, hrefs: Hrefs
) -> pystac.Asset:
    cubes = [str(product) for product in summary.level.cubes]
    return pystac.Asset(
        href=hrefs.to(path, item_path(campaign, summary.line)),
        media_type=hrefs.options.zarr_media_type,
        title=f"{' and '.join(cubes).capitalize()} with geolocation, Zarr",
        roles=["data", *cubes],
        extra_fields={
            "zarr:zarr_format": 3,
            "zarr:node_type": "group",
            "zarr:consolidated": True,
            "data_type": _cube(summary).dtype,
            "raster:spatial_resolution": summary.geolocation.gsd,
            "raster:sampling": "area",
            "bands": _bands(summary, campaign),
            **hrefs.other_ways(path),
        },
    )


def _cube(summary: StoreSummary) -> VariableSummary:
    name = CUBE_NAMES[summary.level.cubes[0]]
    return next(variable for variable in summary.variables if variable.name == name)


def _file_asset(
    file: AssetFile, document: str, title: str, roles: Sequence[str], hrefs: Hrefs
) -> pystac.Asset:
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


def _source_links(sources: SourceLine, level: ProductLevel) -> list[pystac.Link]:
    return [
        _source_link(file)
        for pair in sources.products
        if pair.product in level.products
        for file in (pair.header, pair.data)
    ]


def _source_link(file: SourceFile) -> pystac.Link:
    extra: dict[str, Any] = {"file:size": file.size, "file:checksum": multihash(file.sha256)}
    if file.etag:
        extra["shift:etag"] = file.etag
    if file.last_modified:
        extra["shift:last_modified"] = file.last_modified
    media_type = "text/plain" if file.name.endswith(".hdr") else "application/octet-stream"
    return pystac.Link(_SOURCE_RELATION, file.url, media_type, file.name, extra_fields=extra)


def multihash(sha256: str) -> str:
    """A SHA-256 as multihash (code 0x12, 32 bytes), as the file extension asks for."""
    return f"1220{sha256}"


def _bands(summary: StoreSummary, campaign: Campaign) -> list[dict[str, Any]]:
    """Bands with centre and width in micrometres, as the eo extension counts."""
    common = {
        nearest_band(summary.wavelengths, wavelength, summary.good_bands): name
        for name, wavelength in zip(("red", "green", "blue"), campaign.quicklook.rgb, strict=True)
    }
    bands = []
    for number, wavelength in enumerate(summary.wavelengths):
        band: dict[str, Any] = {
            "name": f"{number + 1}",
            "eo:center_wavelength": round(wavelength / 1000, 7),
        }
        if summary.fwhm is not None:
            band["eo:full_width_half_max"] = round(summary.fwhm[number] / 1000, 7)
        if number in common:
            band["eo:common_name"] = common[number]
        bands.append(band)
    return bands


def _dimensions(summary: StoreSummary) -> dict[str, Any]:
    places = {"x": "sample, across the flight direction", "y": "scan line, along the flight"}
    dimensions: dict[str, Any] = {
        # Not of type "spatial": these count pixels, and no reference system does.
        name: {
            "type": "pixel",
            "description": f"{meaning}, counted from 0",
            "extent": [0, summary.shape[name] - 1],
            "step": 1,
        }
        for name, meaning in places.items()
    }
    dimensions["wavelength"] = {
        "type": "spectral",
        "description": "centre of the band",
        "extent": [min(summary.wavelengths), max(summary.wavelengths)],
        "unit": "nm",
    }
    return dimensions


def _variables(summary: StoreSummary) -> dict[str, Any]:
    described = {}
    for variable in summary.variables:
        entry: dict[str, Any] = {
            "type": "data" if "wavelength" in variable.dims else "auxiliary",
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
    """A nodata value as STAC spells it: JSON has no NaN and no infinity."""
    if value is None or math.isnan(value):
        return "nan"
    return value if math.isfinite(value) else str(value)


def published_state(item: Mapping[str, Any]) -> PublishedState | None:
    """Read back what :func:`build_item` noted; None for an item that another program wrote."""
    try:
        properties = item["properties"]
        return PublishedState(
            fingerprint=properties["shift:fingerprint"],
            store_format=properties["shift:store_format"],
            level=properties["shift:product"],
            portal_version=properties["version"],
            chunks=properties["shift:chunks"],
            sharded=properties["shift:sharded"],
            store_bytes=properties["shift:store_bytes"],
            store_path=properties["shift:store_path"],
            files=tuple(
                RemoteFile(
                    name=link["title"],
                    url=link["href"],
                    size=link["file:size"],
                    etag=link.get("shift:etag"),
                    last_modified=link.get("shift:last_modified"),
                )
                for link in item.get("links", ())
                if link.get("rel") == _SOURCE_RELATION
            ),
        )
    except (AttributeError, KeyError, TypeError, ValidationError):
        return None
