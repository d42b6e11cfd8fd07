"""Renders the pages from a table of items or a catalog."""

import base64
import gzip
from functools import cache
from importlib.resources import files
from typing import Any

import pyarrow as pa
from markupsafe import Markup

from shift_stac.campaigns import Campaign
from shift_stac.html_pages import render_html
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.item_table import STORE_ASSET
from shift_stac.stac.page.basemap import basemap_around
from shift_stac.stac.page.lines import asset_titles, describe_lines
from shift_stac.stac.paths import CATALOG_PATH

# In the order in which they run, as one script; the first line of each names its subject.
_SCRIPTS = (
    "elements.js",
    "campaign.js",
    "projection.js",
    "store.js",
    "map.js",
    "pictures.js",
    "sheet.js",
    "gestures.js",
    "timeline.js",
    "spectra.js",
    "picture.js",
    "panel.js",
    "search.js",
    "start.js",
)


def page_path(campaign: Campaign) -> str:
    """Return the path of the page, relative to the archive's root: beside the table of items."""
    return f"{campaign.collection.id}/index.html"


def render_page(table: pa.Table, campaign: Campaign) -> bytes:
    """Render the page of a table of items (see :mod:`shift_stac.stac.item_table`). Same table, same bytes."""
    lines = describe_lines(table)
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
        style=_part("page.css"),
        script=Markup("\n").join(_part(name) for name in _SCRIPTS),
        reader=_packed("reader.js"),
        campaign={
            "store": STORE_ASSET,
            "titles": asset_titles(table),
            "basemap": basemap_around([ring for line in lines for ring in line["outline"]]),
            "lines": lines,
        },
    )


def render_entrance(catalog: dict[str, Any], hrefs: Hrefs) -> bytes:
    """Render the page in the archive's root, with links to the page of each collection."""
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


def _part(name: str) -> Markup:
    """Return a file of this package, which is copied into the page unchanged."""
    return Markup((files(__package__) / name).read_text(encoding="utf-8"))  # noqa: S704 - it is ours


@cache
def _packed(name: str) -> str:
    """Return a file of this package as gzip and base64, for scripts that few visitors need: same file, same text."""
    content = (files(__package__) / name).read_bytes()
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()
