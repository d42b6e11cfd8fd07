"""A page for people: a map and a list of the flight lines, in one file that asks nobody.

It works from a folder, by double click, as from a bucket: style, script and the outlines are
within; thumbnails and links are relative.
"""

import html
import json
from importlib.resources import files
from string import Template
from typing import Any

import pyarrow as pa
import shapely

from shift_stac.campaigns import Campaign
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import STORE_ASSET
from shift_stac.stac.parents import CATALOG_PATH

PAGE_MEDIA_TYPE = "text/html"

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
    return _fill(
        "page.html",
        title=text.title,
        description=text.description,
        citation=text.citation or "",
        doi=text.doi or "",
        collection="collection.json",
        items="items.parquet",
        store=STORE_ASSET,
        data=json.dumps(lines, separators=(",", ":"), ensure_ascii=False),
    )


def render_entrance(catalog: dict[str, Any], hrefs: Hrefs) -> bytes:
    """The page in the archive's root: it leads to the page of each collection."""
    children = [link for link in catalog["links"] if link["rel"] == "child"]
    pages = {
        hrefs.path_of(link["href"], CATALOG_PATH).rpartition("/")[0] + "/index.html": link.get(
            "title", link["href"]
        )
        for link in children
    }
    entries = "".join(
        f'<li><a href="{html.escape(page)}">{html.escape(title)}</a></li>'
        for page, title in sorted(pages.items())
    )
    onward = (
        f'<meta http-equiv="refresh" content="0; url={html.escape(next(iter(pages)))}">'
        if len(pages) == 1
        else ""
    )
    title = html.escape(catalog.get("title", catalog["id"]))
    return (
        f'<!doctype html>\n<html lang="en"><meta charset="utf-8"><title>{title}</title>{onward}'
        '<link rel="icon" href="data:,">'
        f"<h1>{title}</h1><ul>{entries}</ul></html>\n"
    ).encode()


def _rings(outline: Any) -> list[list[list[float]]]:
    """The outer rings of a polygon or of several, as longitude and latitude."""
    parts = outline.geoms if hasattr(outline, "geoms") else [outline]
    return [
        [[round(x, _DECIMALS), round(y, _DECIMALS)] for x, y in part.exterior.coords]
        for part in parts
    ]


def _fill(name: str, *, data: str, **texts: str) -> bytes:
    template = Template((files(__package__) / name).read_text(encoding="utf-8"))
    escaped = {key: html.escape(text) for key, text in texts.items()}
    # Within a script element, only "</" would end it.
    return template.substitute(escaped, data=data.replace("</", "<\\/")).encode()
