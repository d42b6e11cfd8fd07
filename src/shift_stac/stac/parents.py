"""The parents of the items: catalog, collection, and a catalog for each month and day.

The collection links to months, months link to days, and days link to the items of their lines. So
each document stays small, and a new line costs the same reads and writes among ten thousand lines
as among ten.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pystac

from shift_stac.campaigns import Campaign
from shift_stac.flightline import FlightLine
from shift_stac.stac.collection import add_items
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.links import GEOJSON, JSON, child_links, document_link, own_link
from shift_stac.stac.paths import (
    CATALOG_PATH,
    collection_path,
    day_path,
    item_path,
    month_path,
    spell_date,
)


@dataclass(frozen=True)
class Parent:
    """A document with links to children: its path, and the function that updates it.

    ``change`` raises :class:`~shift_stac.errors.CatalogError` if the published document is not
    STAC.
    """

    path: str
    change: Callable[[Mapping[str, Any] | None], dict[str, Any]]


def parents_of(
    items: Sequence[Mapping[str, Any]], campaign: Campaign, hrefs: Hrefs
) -> Iterator[Parent]:
    """Return the parents of items, from the nearest to the catalog, in the order of publication.

    In this order no link ever leads to a missing document. Other items are not needed; other links
    of the documents are kept. Adding the same items twice changes nothing.
    """
    lines = sorted(campaign.lines.read(item["id"]) for item in items)
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
    return Parent(path, lambda was: _dates(campaign, hrefs, path, spell_date(date), children, was))


def _month(campaign: Campaign, hrefs: Hrefs, path: str, dates: Sequence[str]) -> Parent:
    children = {day_path(campaign, date): spell_date(date) for date in dates}
    month = spell_date(dates[0])[:7]
    return Parent(path, lambda was: _dates(campaign, hrefs, path, month, children, was))


def _dates(
    campaign: Campaign,
    hrefs: Hrefs,
    path: str,
    name: str,
    children: Mapping[str, str],
    published: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the catalog of a month or a day. Children are titles by path."""
    is_day = len(name) > len("YYYY-MM")
    parent = month_path(campaign, name.replace("-", "")) if is_day else collection_path(campaign)
    text = campaign.collection
    catalog = pystac.Catalog(
        id=f"{text.id}-{name}",
        title=name,
        description=f"{text.title}, flown on {name}" if is_day else f"{text.title}, {name}",
    )
    catalog.clear_links()
    catalog.add_link(document_link("root", hrefs.to(CATALOG_PATH, path), campaign.catalog.title))
    title = name[:7] if is_day else text.title
    catalog.add_link(document_link("parent", hrefs.to(parent, path), title))
    built = catalog.to_dict(include_self_link=False, transform_hrefs=False)
    kind = ("item", GEOJSON) if is_day else ("child", JSON)
    built["links"] += own_link(hrefs, path) + child_links(hrefs, path, *kind, children, published)
    return built


def build_catalog(
    campaign: Campaign,
    published: Mapping[str, Any] | None = None,
    hrefs: Hrefs | None = None,
    *,
    others: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the catalog with a link to the collection, and the other links of the published one.

    Several campaigns may share an archive; the texts are those of the last that was ingested.

    Parameters
    ----------
    campaign
        Gives every text, and the collection's path.
    published
        The published catalog, or None if there is none.
    hrefs
        The form of links; relative by default.
    others
        Titles of further collections by their paths.

    Raises
    ------
    CatalogError
        The published catalog is not STAC.
    """
    hrefs = hrefs or Hrefs()
    text = campaign.catalog
    catalog = pystac.Catalog(id=text.id, title=text.title, description=text.description)
    catalog.clear_links()
    catalog.add_link(document_link("root", hrefs.to(CATALOG_PATH, CATALOG_PATH), text.title))
    built = catalog.to_dict(include_self_link=False, transform_hrefs=False)
    children = {collection_path(campaign): campaign.collection.title, **(others or {})}
    built["links"] += own_link(hrefs, CATALOG_PATH)
    built["links"] += child_links(hrefs, CATALOG_PATH, "child", JSON, children, published)
    return built
