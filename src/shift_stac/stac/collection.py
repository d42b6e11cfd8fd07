"""The collection: its texts, its extents, and the links to the months of its items."""

import math
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import pystac
from pystac.utils import str_to_datetime

from shift_stac.campaigns import Campaign
from shift_stac.campaigns.texts import CollectionText
from shift_stac.errors import CatalogError
from shift_stac.stac.extensions import schema_urls
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.links import (
    JSON,
    child_links,
    document_link,
    linked,
    linked_children,
    not_stac,
    own_link,
)
from shift_stac.stac.paths import CATALOG_PATH, collection_path, item_path, month_path, spell_date

UNREADABLE = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)
"""Errors from reading a box or a time from an invalid document."""

_MOMENTS = ("start_datetime", "end_datetime", "datetime")
# Numbers of a box in two dimensions, and in three.
_EDGES = (4, 6)


def add_items(
    collection: Mapping[str, Any] | None,
    items: Iterable[Mapping[str, Any]],
    campaign: Campaign,
    hrefs: Hrefs | None = None,
) -> dict[str, Any]:
    """Return a collection whose extents include these items, with links to their months.

    Extents only grow here; if an item was replaced by a smaller one, a rebuild from all items makes
    them exact again. Adding the same items twice changes nothing.

    Parameters
    ----------
    collection
        The published collection, or None if there is none.
    items
        Items as dictionaries, with a bbox and a datetime or interval.
    campaign
        Gives every text: texts of the campaign file replace those of the collection.
    hrefs
        The form of links; relative by default.

    Raises
    ------
    CatalogError
        The collection is not STAC.
    """
    hrefs = hrefs or Hrefs()
    path = collection_path(campaign)
    boxes: list[list[float]] = []
    times: list[datetime] = []
    if collection is not None and linked_children(collection, path, hrefs):
        boxes, times = extents(collection)
    months: dict[str, str] = {}
    added: set[str] = set()
    for item in items:
        added.add(item["id"])
        date = campaign.lines.read(item["id"]).date
        months[month_path(campaign, date)] = spell_date(date)[:7]
        properties = item["properties"]
        moments = (properties.get(key) for key in _MOMENTS)
        try:
            boxes.append(read_box(item["bbox"]))
            times += [str_to_datetime(moment) for moment in moments if moment]
        except UNREADABLE as error:
            msg = (
                f"the item of {item['id']} is not STAC ({error!r}): restore it, or remove it and "
                "ingest again"
            )
            raise CatalogError(msg) from error
    built = build_collection(campaign.collection, path, campaign, boxes, times, hrefs)
    built["links"] += own_link(hrefs, path)
    built["links"] += child_links(hrefs, path, "child", JSON, months, collection)
    if collection is not None:
        # Items that are linked directly, by hand or by an earlier release, until days link to them.
        direct = linked(collection, path, "item", hrefs)
        moved = {item_path(campaign, campaign.lines.read(name)) for name in added}
        built["links"] += [link for place, link in sorted(direct.items()) if place not in moved]
    if collection is not None and collection.get("assets"):
        built["assets"] = dict(collection["assets"])
    return built


def outlined(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an item that :func:`add_items` reads: of thousands, a small part of the whole."""
    return {
        **{key: item[key] for key in ("id", "bbox") if key in item},
        "properties": {
            key: item["properties"][key] for key in _MOMENTS if key in item["properties"]
        },
    }


def extents(collection: Mapping[str, Any]) -> tuple[list[list[float]], list[datetime]]:
    """Return the overall bounding box of a collection, and the known ends of its overall interval.

    Raises
    ------
    CatalogError
        It is not STAC.
    """
    try:
        box = read_box(collection["extent"]["spatial"]["bbox"][0])
        interval = collection["extent"]["temporal"]["interval"][0]
        times = [str_to_datetime(moment) for moment in interval if moment]
    except UNREADABLE as error:
        raise CatalogError(not_stac(collection, error)) from error
    return [box], times


def read_box(told: Any) -> list[float]:
    """Return west, south, east and north of a bounding box, which may have heights too.

    Raise an error of :data:`UNREADABLE` if it is not a box.
    """
    edges = [float(edge) for edge in told]
    if len(edges) not in _EDGES or not all(map(math.isfinite, edges)):
        msg = f"{told!r} is not a bounding box"
        raise ValueError(msg)
    half = len(edges) // 2
    return [*edges[:2], *edges[half : half + 2]]


def _union(boxes: list[list[float]]) -> list[float]:
    """Return the box around boxes (west, south, east, north); the world if there are none.

    A box whose west is greater than its east crosses the antimeridian (RFC 7946 section 5.2).
    Together with boxes that do not, the box is the whole turn: it contains every item, in any order
    of addition.
    """
    if not boxes:
        return [-180.0, -90.0, 180.0, 90.0]
    wests, souths, easts, norths = zip(*boxes, strict=True)
    crossing = [west > east for west, _, east, _ in boxes]
    west, east = min(wests), max(easts)
    if any(crossing) and not (all(crossing) and west > east):
        west, east = -180.0, 180.0
    return [west, min(souths), east, max(norths)]


def build_collection(
    text: CollectionText,
    path: str,
    campaign: Campaign,
    boxes: list[list[float]],
    times: list[datetime],
    hrefs: Hrefs,
) -> dict[str, Any]:
    """Return a collection of a campaign without links.

    Parameters
    ----------
    text
        Its texts.
    path
        Its path, relative to the archive's root.
    campaign
        Gives platform, instruments and the catalog.
    boxes, times
        The boxes and times of its extents.
    hrefs
        The form of links.
    """
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
        href = hrefs.to(CATALOG_PATH, path)
        collection.add_link(document_link(relation, href, campaign.catalog.title))
    if text.doi:
        collection.stac_extensions.extend(schema_urls(["scientific"]))
        collection.extra_fields["sci:doi"] = text.doi
        collection.add_link(pystac.Link("cite-as", f"https://doi.org/{text.doi}"))
        if text.citation:
            collection.extra_fields["sci:citation"] = text.citation
    return collection.to_dict(include_self_link=False, transform_hrefs=False)
