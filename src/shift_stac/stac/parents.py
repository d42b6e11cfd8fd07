"""The parents that lead to the items: catalog, collection, and a catalog for each month and day.

The collection leads to months, those to days, and those to the items of their lines. So each of
these documents stays small, and adding a line to ten thousand others reads and writes as much as
adding it to ten.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

import pystac
from pystac.utils import str_to_datetime

from shift_stac.campaigns import Campaign
from shift_stac.errors import CatalogError
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import Hrefs

_SCIENTIFIC = "https://stac-extensions.github.io/scientific/v1.0.0/schema.json"
_JSON = "application/json"

CATALOG_PATH = "catalog.json"
"""Where the catalog stands, relative to the archive's root."""


def collection_path(campaign: Campaign) -> str:
    """Where the collection stands, relative to the archive's root."""
    return f"{campaign.collection.id}/collection.json"


def month_path(campaign: Campaign, date: str) -> str:
    """Where the catalog of the month of a date (YYYYMMDD) stands."""
    return f"{campaign.collection.id}/dates/{date[:4]}-{date[4:6]}.json"


def day_path(campaign: Campaign, date: str) -> str:
    """Where the catalog of a date (YYYYMMDD) stands."""
    return f"{campaign.collection.id}/dates/{date[:4]}-{date[4:6]}-{date[6:]}.json"


def item_path(campaign: Campaign, line: FlightLine) -> str:
    """Where a line's item stands, relative to the archive's root."""
    return f"{campaign.collection.id}/{line}/{line}.json"


def way_to(campaign: Campaign, line: FlightLine) -> tuple[str, ...]:
    """The documents that lead from the catalog to an item, it included."""
    return (
        CATALOG_PATH,
        collection_path(campaign),
        month_path(campaign, line.date),
        day_path(campaign, line.date),
        item_path(campaign, line),
    )


def render(stac: Mapping[str, Any]) -> bytes:
    """A STAC object as the bytes that are published: the same object, the same bytes."""
    return (json.dumps(stac, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse_stac(content: bytes, where: str) -> dict[str, Any]:
    """A published STAC object; ``where`` is for the message.

    Raises
    ------
    CatalogError
        It is no JSON object.
    """
    try:
        parsed = json.loads(content)
    except ValueError as error:
        msg = f"{where} is no JSON ({error}): restore it, or remove it and ingest again"
        raise CatalogError(msg) from error
    if not isinstance(parsed, dict):
        msg = f"{where} is not a STAC object: restore it, or remove it and ingest again"
        raise CatalogError(msg)
    return parsed


@dataclass(frozen=True)
class Parent:
    """A document that leads to others: where it stands, and how it is made from what it was.

    ``change`` raises :class:`~shift_stac.errors.CatalogError` if what it was is not STAC.
    """

    path: str
    change: Callable[[Mapping[str, Any] | None], dict[str, Any]]


def parents_of(
    items: Sequence[Mapping[str, Any]], campaign: Campaign, hrefs: Hrefs
) -> Iterator[Parent]:
    """The parents of items, from the nearest to the catalog: in the order of their publication.

    A reader, who comes the other way, never follows a link to nothing. Other items are not needed;
    what the documents lead to besides is kept. Adding the same items twice changes nothing.
    """
    lines = sorted(FlightLine(item["id"]) for item in items)
    days = sorted({line.date for line in lines})
    for day in days:
        yield _day(campaign, hrefs, day, [line for line in lines if line.date == day])
    for path, of_month in groupby(days, key=lambda day: month_path(campaign, day)):
        yield _month(campaign, hrefs, path, list(of_month))
    yield Parent(
        collection_path(campaign),
        lambda published: add_items(published, items, campaign, hrefs),
    )
    yield Parent(CATALOG_PATH, lambda published: build_catalog(campaign, published, hrefs))


def _day(campaign: Campaign, hrefs: Hrefs, date: str, lines: Sequence[FlightLine]) -> Parent:
    path = day_path(campaign, date)
    children = {item_path(campaign, line): line.id for line in lines}
    return Parent(path, lambda was: _dates(campaign, hrefs, path, _spell(date), children, was))


def _month(campaign: Campaign, hrefs: Hrefs, path: str, dates: Sequence[str]) -> Parent:
    children = {day_path(campaign, date): _spell(date) for date in dates}
    month = _spell(dates[0])[:7]
    return Parent(path, lambda was: _dates(campaign, hrefs, path, month, children, was))


def _spell(date: str) -> str:
    return f"{date[:4]}-{date[4:6]}-{date[6:]}"


def _dates(
    campaign: Campaign,
    hrefs: Hrefs,
    path: str,
    name: str,
    children: Mapping[str, str],
    published: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """The catalog of a month or a day. Children are titles by path."""
    is_day = len(name) > len("YYYY-MM")
    parent = month_path(campaign, name.replace("-", "")) if is_day else collection_path(campaign)
    text = campaign.collection
    catalog = pystac.Catalog(
        id=f"{text.id}-{name}",
        title=name,
        description=f"{text.title}, flown on {name}" if is_day else f"{text.title}, {name}",
    )
    catalog.clear_links()
    catalog.add_link(_link("root", hrefs.to(CATALOG_PATH, path), campaign.catalog.title))
    title = name[:7] if is_day else text.title
    catalog.add_link(_link("parent", hrefs.to(parent, path), title))
    built = catalog.to_dict(include_self_link=False, transform_hrefs=False)
    kind = ("item", "application/geo+json") if is_day else ("child", _JSON)
    built["links"] += _own_link(hrefs, path) + _children(hrefs, path, *kind, children, published)
    return built


def _link(relation: str, href: str, title: str) -> pystac.Link:
    return pystac.Link(relation, href, _JSON, title)


def _own_link(hrefs: Hrefs, path: str) -> list[dict[str, Any]]:
    """Where a document is, if it is to know that: STAC's best practice for absolute hrefs."""
    if hrefs.options.hrefs == "relative":
        return []
    return [{"rel": "self", "href": hrefs.absolute(path), "type": _JSON}]


def _children(
    hrefs: Hrefs,
    document: str,
    relation: str,
    media_type: str,
    children: Mapping[str, str],
    published: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    """Links to children, new ones and those that the published document has."""
    links = {} if published is None else _linked(published, document, relation, hrefs)
    # Those that are linked by another program, under an address of their own, are not doubled.
    ours = tuple(f"/{path}" for path in children)
    links = {path: link for path, link in links.items() if not path.endswith(ours)}
    for path, title in children.items():
        links[path] = {
            "rel": relation,
            "href": hrefs.to(path, document),
            "type": media_type,
            "title": title,
        }
    return [links[path] for path in sorted(links)]


def _linked(
    parent: Mapping[str, Any], document: str, relation: str, hrefs: Hrefs
) -> dict[str, dict[str, Any]]:
    """A document's links of a kind, by the path that they lead to; spelled as hrefs are now."""
    try:
        links = [link for link in parent["links"] if link["rel"] == relation]
        paths = [hrefs.path_of(link["href"], document) for link in links]
    except (AttributeError, KeyError, TypeError) as error:
        raise CatalogError(_not_stac(parent, error)) from error
    return {
        path: {**link, "href": hrefs.to(path, document)}
        for path, link in zip(paths, links, strict=True)
    }


def build_catalog(
    campaign: Campaign, published: Mapping[str, Any] | None = None, hrefs: Hrefs | None = None
) -> dict[str, Any]:
    """The catalog that leads to the collection, and to what the published one leads to besides.

    Several campaigns may share an archive; the texts are those of the last that was ingested.

    Parameters
    ----------
    campaign
        For every text, and the collection's place.
    published
        The catalog as it was, or None where there is none yet.
    hrefs
        How links are spelled; relative by default.

    Raises
    ------
    CatalogError
        The published catalog is not STAC.
    """
    hrefs = hrefs or Hrefs()
    text = campaign.catalog
    catalog = pystac.Catalog(id=text.id, title=text.title, description=text.description)
    catalog.clear_links()
    catalog.add_link(_link("root", hrefs.to(CATALOG_PATH, CATALOG_PATH), text.title))
    built = catalog.to_dict(include_self_link=False, transform_hrefs=False)
    children = {collection_path(campaign): campaign.collection.title}
    built["links"] += _own_link(hrefs, CATALOG_PATH)
    built["links"] += _children(hrefs, CATALOG_PATH, "child", _JSON, children, published)
    return built


def linked_children(parent: Mapping[str, Any], document: str, hrefs: Hrefs) -> set[str]:
    """Paths of the documents that a catalog or collection leads down to.

    Raises
    ------
    CatalogError
        It is not STAC.
    """
    return {
        path
        for relation in ("child", "item")
        for path in _linked(parent, document, relation, hrefs)
    }


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
    collection: Mapping[str, Any] | None,
    items: Iterable[Mapping[str, Any]],
    campaign: Campaign,
    hrefs: Hrefs | None = None,
) -> dict[str, Any]:
    """A collection whose extents hold these items too, and that leads to their months.

    Extents only grow here; where an item was replaced by a smaller one, regenerating the
    collection from all items makes them exact again. Adding the same items twice changes nothing.

    Parameters
    ----------
    collection
        The published collection, or None where there is none yet.
    items
        Items as dictionaries, with a bbox and a datetime or interval.
    campaign
        For every text: what the campaign file says replaces what the collection said.
    hrefs
        How links are spelled; relative by default.

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
        boxes, times = _extents(collection)
    months: dict[str, str] = {}
    added: set[str] = set()
    for item in items:
        added.add(item["id"])
        date = FlightLine(item["id"]).date
        months[month_path(campaign, date)] = _spell(date)[:7]
        boxes.append(list(item["bbox"]))
        properties = item["properties"]
        moments = (properties.get(key) for key in ("start_datetime", "end_datetime", "datetime"))
        times += [str_to_datetime(moment) for moment in moments if moment]
    built = _build_collection(campaign, boxes, times, hrefs)
    built["links"] += _own_link(hrefs, path)
    built["links"] += _children(hrefs, path, "child", _JSON, months, collection)
    if collection is not None:
        # Items that are linked directly, by hand or by an earlier release, until days lead to them.
        direct = _linked(collection, path, "item", hrefs)
        moved = {item_path(campaign, FlightLine(name)) for name in added}
        built["links"] += [link for place, link in sorted(direct.items()) if place not in moved]
    if collection is not None and collection.get("assets"):
        built["assets"] = dict(collection["assets"])
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
    campaign: Campaign, boxes: list[list[float]], times: list[datetime], hrefs: Hrefs
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
        href = hrefs.to(CATALOG_PATH, collection_path(campaign))
        collection.add_link(_link(relation, href, campaign.catalog.title))
    if text.doi:
        collection.stac_extensions.append(_SCIENTIFIC)
        collection.extra_fields["sci:doi"] = text.doi
        collection.add_link(pystac.Link("cite-as", f"https://doi.org/{text.doi}"))
        if text.citation:
            collection.extra_fields["sci:citation"] = text.citation
    return collection.to_dict(include_self_link=False, transform_hrefs=False)
