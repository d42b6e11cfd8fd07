"""A page for people: a map and a list of the flight lines, in one file that asks nobody.

It works from a folder, by double click, as from a bucket: style, script and the outlines are
within; thumbnails and links are relative.
"""

from typing import Any

import pyarrow as pa
import shapely

from shift_stac.campaigns import Campaign
from shift_stac.html_pages import render_html
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import STORE_ASSET
from shift_stac.stac.paths import CATALOG_PATH

# A ten-thousandth of a degree is 11 m: no line is drawn so large that it shows.
_DECIMALS = 4


def page_path(campaign: Campaign) -> str:
    """Where the page stands, relative to the archive's root: beside the table of items."""
    return f"{campaign.collection.id}/index.html"


def render_page(table: pa.Table, campaign: Campaign) -> bytes:
    """The page of a table of items (see :mod:`shift_stac.stac.item_table`). Same table, same bytes."""
    columns = table.select(["id", "datetime", "geometry", "assets", "links"]).to_pydict()
    optional = {
        name: table[name].to_pylist() if name in table.schema.names else [None] * len(table)
        for name in ("gsd", "view:sun_elevation", "shift:product")
    }
    outlines = shapely.from_wkb(columns["geometry"])
    lines = [
        {
            "id": columns["id"][row],
            "time": columns["datetime"][row].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "outline": _rings(outlines[row]),
            "assets": {
                name: asset["href"]
                for name, asset in columns["assets"][row].items()
                if asset is not None
            },
            "titles": {
                name: asset["title"]
                for name, asset in columns["assets"][row].items()
                if asset is not None and asset.get("title")
            },
            "item": next(link["href"] for link in columns["links"][row] if link["rel"] == "self"),
            "gsd": optional["gsd"][row],
            "sun": optional["view:sun_elevation"][row],
            "product": optional["shift:product"][row],
        }
        for row in range(len(table))
    ]
    text = campaign.collection
    return render_html(
        __package__,
        "page.html",
        title=text.title,
        description=text.description,
        citation=text.citation or "",
        doi=text.doi or "",
        collection="collection.json",
        items="items.parquet",
        store=STORE_ASSET,
        lines=lines,
    )


def render_entrance(catalog: dict[str, Any], hrefs: Hrefs) -> bytes:
    """The page in the archive's root: it leads to the page of each collection."""
    children = {
        hrefs.path_of(link["href"], CATALOG_PATH).rpartition("/")[0] + "/index.html": link.get(
            "title", link["href"]
        )
        for link in catalog["links"]
        if link["rel"] == "child"
    }
    return render_html(
        __package__,
        "entrance.html",
        title=catalog.get("title", catalog["id"]),
        pages=[{"path": path, "title": title} for path, title in sorted(children.items())],
    )


def _rings(outline: Any) -> list[list[list[float]]]:
    """The outer rings of a polygon or of several, as longitude and latitude."""
    parts = outline.geoms if hasattr(outline, "geoms") else [outline]
    return [
        [[round(x, _DECIMALS), round(y, _DECIMALS)] for x, y in part.exterior.coords]
        for part in parts
    ]
