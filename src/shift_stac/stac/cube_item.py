"""The STAC item of a season's cube, and the collection of such items."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pystac
import shapely
from pystac.utils import str_to_datetime
from shapely.geometry.base import BaseGeometry

from shift_stac.campaigns import Campaign
from shift_stac.campaigns.texts import CollectionText
from shift_stac.crs import WGS84
from shift_stac.cubes.building import CubeSummary
from shift_stac.cubes.recipe import CubeRecipe
from shift_stac.maps.antimeridian import TURN_DEG
from shift_stac.reader.cube import LINE_LAYER
from shift_stac.reader.polygons import reproject, turned_to
from shift_stac.stac.collection import build_collection, extents
from shift_stac.stac.cube_fields import describe_bands, spectral_dimension
from shift_stac.stac.extensions import OF_STORES, schema_urls
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item import AssetFile, file_asset, store_asset
from shift_stac.stac.links import GEOJSON, JSON, child_links, own_link
from shift_stac.stac.paths import (
    CATALOG_PATH,
    cube_item_path,
    cubes_collection_id,
    cubes_collection_path,
    item_path,
)
from shift_stac.store.map_conventions import crs_code
from shift_stac.validation.result import Validation

# Title and roles of the files beside a cube.
_FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "thumbnail": ("The season in pictures", ("thumbnail",)),
    "manifest": ("Checksum of each of the store's objects, for sha256sum", ("metadata",)),
}
# Decimal places of degrees: about a centimetre.
_DIGITS = 7


def build_cube_item(
    summary: CubeSummary,
    campaign: Campaign,
    files: Mapping[str, AssetFile],
    validation: Validation,
    *,
    store: str,
    version: str,
    software: Mapping[str, str],
    hrefs: Hrefs,
) -> dict[str, Any]:
    """Build the item of a cube. No I/O; the same input gives the same item.

    Parameters
    ----------
    summary, validation
        The summary of the cube, and the result of its validation.
    campaign
        Gives texts, and the paths of the lines' items.
    files
        Files beside the store, by the name of their asset.
    store
        The store's path relative to the archive's root.
    version
        Version of the cube; each version is different.
    software
        Versions of the software that made it.
    hrefs
        The form of links and assets.
    """
    recipe = summary.recipe
    here = cube_item_path(campaign, recipe.name)
    footprint = _footprint(recipe)
    code = crs_code(recipe.grid.crs)
    spans = [campaign.lines.read(source.line).span for source in recipe.sources]
    begins = [begin for begin, _ in spans]
    properties: dict[str, Any] = {
        "title": f"{recipe.name}: {campaign.collection.title}",
        "platform": campaign.item.platform,
        "instruments": list(campaign.item.instruments),
        "mission": campaign.item.mission,
        "constellation": campaign.item.constellation,
        "gsd": None if recipe.grid.crs.is_geographic else recipe.grid.cell_size,
        "version": version,
        "processing:lineage": "In each cell, the nearest pixel of one flight line of each day: "
        f"rule {recipe.rule}; no value is interpolated",
        "processing:software": dict(software),
        "proj:code": code,
        "proj:wkt2": None if code else recipe.crs,
        "proj:shape": list(recipe.grid.shape),
        "proj:transform": list(recipe.transform),
        "proj:bbox": list(recipe.grid.bounds),
        "shift:mosaic_rule": str(recipe.rule),
        "shift:shown_share": summary.shown_share,
        "shift:validation": validation.figures(),
        "shift:cube_format": recipe.format,
        "shift:fingerprint": recipe.fingerprint,
        "shift:store_bytes": summary.size_bytes,
        "shift:store_objects": summary.object_count,
        "shift:store_path": store,
        "storage:schemes": hrefs.schemes,
        "cube:dimensions": _dimensions(summary),
        "cube:variables": _variables(summary),
    }
    extensions = list(OF_STORES)
    if hrefs.schemes:
        extensions.append("storage")
    if hrefs.other_ways(store).get("alternate"):
        extensions.append("alternate-assets")
    item = pystac.Item(
        id=recipe.name,
        geometry=json.loads(shapely.to_geojson(_geometry(footprint))),
        bbox=_bbox(footprint),
        datetime=begins[0],
        start_datetime=begins[0],
        end_datetime=spans[-1][1] or begins[-1],
        properties={
            key: value
            for key, value in properties.items()
            if value is not None or key == "proj:code"
        },
        stac_extensions=schema_urls(extensions),
        collection=cubes_collection_id(campaign),
    )
    item.add_asset(f"{recipe.name}.zarr", _store_asset(summary, here, store, hrefs))
    for name, file in files.items():
        title, roles = _FILES[name]
        item.add_asset(name, file_asset(file, here, title, roles, hrefs))
    parent = cubes_collection_path(campaign)
    for relation, path in (("root", CATALOG_PATH), ("parent", parent), ("collection", parent)):
        item.add_link(pystac.Link(relation, hrefs.to(path, here), media_type=JSON))
    for source in recipe.sources:
        line = hrefs.to(item_path(campaign, campaign.lines.read(source.line)), here)
        item.add_link(pystac.Link("derived_from", line, GEOJSON, source.line))
    made = item.to_dict(include_self_link=False, transform_hrefs=False)
    if hrefs.options.hrefs == "absolute":
        made["links"].append({"rel": "self", "href": hrefs.absolute(here), "type": GEOJSON})
    return made


def _footprint(recipe: CubeRecipe) -> BaseGeometry:
    """Return the outline of a cube in WGS 84 degrees, which continue beyond 180."""
    if recipe.area is not None:
        place = shapely.from_wkt(recipe.area).intersection(shapely.box(*recipe.grid.bounds))
    else:
        place = shapely.box(*recipe.grid.bounds)
    found = reproject(place, recipe.grid.crs, WGS84) if recipe.grid.crs != WGS84 else place
    return shapely.set_precision(found, 10.0**-_DIGITS)


def _geometry(footprint: BaseGeometry) -> BaseGeometry:
    """Return an outline with rings as in RFC 7946, cut at the antimeridian."""
    return shapely.orient_polygons(turned_to(footprint, shapely.Point(0, 0)))


def _bbox(footprint: BaseGeometry) -> list[float]:
    """Return the box of an outline; its west is greater than its east across the antimeridian."""
    west, south, east, north = footprint.bounds
    west += TURN_DEG if west < -TURN_DEG / 2 else 0
    east -= TURN_DEG if east > TURN_DEG / 2 else 0
    return [round(bound, _DIGITS) for bound in (west, south, east, north)]


def _dimensions(summary: CubeSummary) -> dict[str, Any]:
    recipe = summary.recipe
    west, south, east, north = recipe.grid.bounds
    code = recipe.grid.crs.to_epsg()
    system: Any = code if code is not None else recipe.crs
    step = {"x": recipe.grid.transform.a, "y": recipe.grid.transform.e}
    return {
        "time": {
            "type": "temporal",
            "description": "begin of the day's first line",
            "extent": [summary.times[0], summary.times[-1]],
            "values": list(summary.times),
        },
        "wavelength": spectral_dimension(summary.wavelengths),
        **{
            axis: {
                "type": "spatial",
                "axis": axis,
                "extent": [low + abs(step[axis]) / 2, high - abs(step[axis]) / 2],
                "step": step[axis],
                "reference_system": system,
            }
            for axis, low, high in (("y", south, north), ("x", west, east))
        },
    }


def _variables(summary: CubeSummary) -> dict[str, Any]:
    return {
        summary.recipe.variable: {
            "type": "data",
            "description": summary.long_name,
            "dimensions": ["time", "wavelength", "y", "x"],
            "unit": summary.units,
            "data_type": "float32",
            "nodata": "nan",
        },
        LINE_LAYER: {
            "type": "auxiliary",
            "description": "flight line that the cell shows, by its place among the sources; -1 for none",
            "dimensions": ["time", "y", "x"],
            "data_type": "int16",
        },
    }


def _store_asset(summary: CubeSummary, here: str, store: str, hrefs: Hrefs) -> pystac.Asset:
    return store_asset(
        store,
        here,
        f"{summary.long_name.capitalize()} by day, band and place, Zarr",
        ["data"],
        hrefs,
        data_type="float32",
        resolution=summary.recipe.grid.cell_size,
        bands=describe_bands(summary.wavelengths, summary.fwhm),
    )


def add_cubes(
    published: Mapping[str, Any] | None,
    items: Sequence[Mapping[str, Any]],
    campaign: Campaign,
    hrefs: Hrefs,
) -> dict[str, Any]:
    """Return the collection of cubes with extents that include these items, and links to them.

    Parameters
    ----------
    published
        The published collection, or None if there is none.
    items
        Items of cubes.
    campaign
        Gives every text.
    hrefs
        The form of links.

    Raises
    ------
    CatalogError
        The published collection is not STAC.
    """
    path = cubes_collection_path(campaign)
    boxes, times = ([], []) if published is None else extents(published)
    for item in items:
        boxes.append(list(item["bbox"]))
        times += [
            str_to_datetime(item["properties"][f"{end}_datetime"]) for end in ("start", "end")
        ]
    built = build_collection(cubes_text(campaign), path, campaign, boxes, times, hrefs)
    children = {cube_item_path(campaign, item["id"]): item["id"] for item in items}
    built["links"] += own_link(hrefs, path)
    built["links"] += child_links(hrefs, path, "item", GEOJSON, children, published)
    return built


def cubes_text(campaign: Campaign) -> CollectionText:
    """Return id and texts of the collection of cubes, made from those of the campaign's collection."""
    text = campaign.collection
    return text.model_copy(
        update={
            "id": cubes_collection_id(campaign),
            "title": f"Cubes of a season: {text.title}",
            "description": "Cubes shaped (time, wavelength, y, x), each of one place, on one grid, one "
            f"mosaic a day. Made of: {text.description}",
        }
    )
