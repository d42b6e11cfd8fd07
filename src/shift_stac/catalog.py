"""The catalog and the collection that lead to the items."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pystac
from pystac.utils import str_to_datetime

from shift_stac.campaigns import Campaign

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


def build_catalog(campaign: Campaign) -> dict[str, Any]:
    """The catalog, whose only child is the collection."""
    text = campaign.catalog
    catalog = pystac.Catalog(id=text.id, title=text.title, description=text.description)
    catalog.clear_links()
    catalog.add_link(pystac.Link("root", f"./{CATALOG_PATH}", _JSON, text.title))
    child = pystac.Link("child", f"./{collection_path(campaign)}", _JSON, campaign.collection.title)
    catalog.add_link(child)
    return catalog.to_dict(include_self_link=False, transform_hrefs=False)


def linked_items(collection: Mapping[str, Any]) -> set[str]:
    """Ids of the items that a collection leads to."""
    return {link["href"].split("/")[-2] for link in collection["links"] if link["rel"] == "item"}


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
    """
    links: dict[str, dict[str, Any]] = {}
    boxes: list[list[float]] = []
    times: list[datetime] = []
    if collection is not None:
        links = {link["href"]: link for link in collection["links"] if link["rel"] == "item"}
        if links:
            boxes += collection["extent"]["spatial"]["bbox"][:1]
            interval = collection["extent"]["temporal"]["interval"][0]
            times += [str_to_datetime(moment) for moment in interval if moment]
    for item in items:
        href = f"./{item['id']}/{item['id']}.json"
        links[href] = {
            "rel": "item",
            "href": href,
            "type": "application/geo+json",
            "title": item["id"],
        }
        boxes.append(list(item["bbox"]))
        properties = item["properties"]
        moments = (properties.get(key) for key in ("start_datetime", "end_datetime", "datetime"))
        times += [str_to_datetime(moment) for moment in moments if moment]
    built = _build_collection(campaign, boxes, times)
    built["links"] += [links[href] for href in sorted(links)]
    return built


def _build_collection(
    campaign: Campaign, boxes: list[list[float]], times: list[datetime]
) -> dict[str, Any]:
    text = campaign.collection
    if boxes:
        wests, souths, easts, norths = zip(*boxes, strict=True)
        box: list[float] = [min(wests), min(souths), max(easts), max(norths)]
    else:
        box = [-180.0, -90.0, 180.0, 90.0]
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
