"""The catalog and the collection that lead to the items."""

import json
import posixpath
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pystac
from pystac.utils import str_to_datetime

from shift_stac.campaigns import Campaign
from shift_stac.errors import CatalogError

_SCIENTIFIC = "https://stac-extensions.github.io/scientific/v1.0.0/schema.json"
_JSON = "application/json"

CATALOG_PATH = "catalog.json"
"""Where the catalog stands, relative to the archive's root."""


def collection_path(campaign: Campaign) -> str:
    """Where the collection stands, relative to the archive's root."""
    return f"{campaign.collection.id}/collection.json"


def render(stac: Mapping[str, Any]) -> bytes:
    """A STAC object as the bytes that are published: the same object, the same bytes."""
    return (json.dumps(stac, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def build_catalog(campaign: Campaign, published: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The catalog that leads to the collection, and to what the published one leads to besides.

    Several campaigns may share an archive; the texts are those of the last that was ingested.

    Parameters
    ----------
    campaign
        For every text, and the collection's place.
    published
        The catalog as it was, or None where there is none yet.

    Raises
    ------
    CatalogError
        The published catalog is not STAC.
    """
    text = campaign.catalog
    catalog = pystac.Catalog(id=text.id, title=text.title, description=text.description)
    catalog.clear_links()
    catalog.add_link(pystac.Link("root", f"./{CATALOG_PATH}", _JSON, text.title))
    child = pystac.Link("child", f"./{collection_path(campaign)}", _JSON, campaign.collection.title)
    catalog.add_link(child)
    built = catalog.to_dict(include_self_link=False, transform_hrefs=False)
    built["links"] += _other_children(published, collection_path(campaign))
    return built


def _other_children(catalog: Mapping[str, Any] | None, ours: str) -> list[dict[str, Any]]:
    if catalog is None:
        return []
    try:
        children = {
            posixpath.normpath(link["href"]): link
            for link in catalog["links"]
            if link["rel"] == "child"
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise CatalogError(_not_stac(catalog, error)) from error
    return [children[path] for path in sorted(children.keys() - {ours})]


def linked_items(collection: Mapping[str, Any]) -> set[str]:
    """Ids of the items that a collection leads to.

    Raises
    ------
    CatalogError
        The collection is not STAC.
    """
    return set(_item_links(collection))


def _item_links(collection: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Links to items by the item's id, which is the name of its file however the href begins."""
    try:
        return {
            posixpath.basename(link["href"]).removesuffix(".json"): link
            for link in collection["links"]
            if link["rel"] == "item"
        }
    except (AttributeError, KeyError, TypeError) as error:
        raise CatalogError(_not_stac(collection, error)) from error


def _extents(collection: Mapping[str, Any]) -> tuple[list[list[float]], list[datetime]]:
    """The overall bounding box, and the known ends of the overall interval."""
    try:
        west, south, east, north = collection["extent"]["spatial"]["bbox"][0]
        interval = collection["extent"]["temporal"]["interval"][0]
        times = [str_to_datetime(moment) for moment in interval if moment]
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise CatalogError(_not_stac(collection, error)) from error
    return [[west, south, east, north]], times


def _not_stac(parent: Mapping[str, Any], error: Exception) -> str:
    return (
        f"what is published as catalog or collection {parent.get('id')!r} is not STAC ({error!r}): "
        "restore it, or remove it and ingest again"
    )


def add_items(
    collection: Mapping[str, Any] | None, items: Iterable[Mapping[str, Any]], campaign: Campaign
) -> dict[str, Any]:
    """A collection that links these items too.

    Other items are not needed: their links and the extents are taken over from the collection as
    it was. Extents only grow here; where an item was replaced by a smaller one, regenerating the
    collection from all items makes them exact again. Adding the same items twice changes nothing.

    Parameters
    ----------
    collection
        The published collection, or None where there is none yet.
    items
        Items as dictionaries, with a bbox and a datetime or interval.
    campaign
        For every text: what the campaign file says replaces what the collection said.

    Raises
    ------
    CatalogError
        The collection is not STAC.
    """
    links: dict[str, dict[str, Any]] = {}
    boxes: list[list[float]] = []
    times: list[datetime] = []
    if collection is not None:
        links = _item_links(collection)
        if links:
            boxes, times = _extents(collection)
    for item in items:
        links[item["id"]] = {
            "rel": "item",
            "href": f"./{item['id']}/{item['id']}.json",
            "type": "application/geo+json",
            "title": item["id"],
        }
        boxes.append(list(item["bbox"]))
        properties = item["properties"]
        moments = (properties.get(key) for key in ("start_datetime", "end_datetime", "datetime"))
        times += [str_to_datetime(moment) for moment in moments if moment]
    built = _build_collection(campaign, boxes, times)
    built["links"] += [links[name] for name in sorted(links)]
    return built


def _union(boxes: list[list[float]]) -> list[float]:
    """The box around boxes (west, south, east, north); around none of them, the world.

    A box whose west is greater than its east crosses the antimeridian (RFC 7946 section 5.2).
    Together with others that do not, the whole turn is taken: it holds every item, in whatever
    order they were added.
    """
    if not boxes:
        return [-180.0, -90.0, 180.0, 90.0]
    wests, souths, easts, norths = zip(*boxes, strict=True)
    crossing = [west > east for west, _, east, _ in boxes]
    west, east = min(wests), max(easts)
    if any(crossing) and not (all(crossing) and west > east):
        west, east = -180.0, 180.0
    return [west, min(souths), east, max(norths)]


def _build_collection(
    campaign: Campaign, boxes: list[list[float]], times: list[datetime]
) -> dict[str, Any]:
    text = campaign.collection
    box = _union(boxes)
    interval: list[datetime | None] = [min(times), max(times)] if times else [None, None]
    collection = pystac.Collection(
        id=text.id,
        title=text.title,
        description=text.description,
        license=text.license,
        keywords=list(text.keywords),
        providers=[
            pystac.Provider(p.name, p.description, [pystac.ProviderRole(r) for r in p.roles], p.url)
            for p in text.providers
        ],
        extent=pystac.Extent(pystac.SpatialExtent([box]), pystac.TemporalExtent([interval])),
        summaries=pystac.Summaries(
            {
                "platform": [campaign.item.platform],
                "instruments": list(campaign.item.instruments),
                **({"mission": [campaign.item.mission]} if campaign.item.mission else {}),
            }
        ),
    )
    collection.clear_links()
    for relation in ("root", "parent"):
        collection.add_link(
            pystac.Link(relation, f"../{CATALOG_PATH}", _JSON, campaign.catalog.title)
        )
    if text.doi:
        collection.stac_extensions.append(_SCIENTIFIC)
        collection.extra_fields["sci:doi"] = text.doi
        collection.add_link(pystac.Link("cite-as", f"https://doi.org/{text.doi}"))
        if text.citation:
            collection.extra_fields["sci:citation"] = text.citation
    return collection.to_dict(include_self_link=False, transform_hrefs=False)
