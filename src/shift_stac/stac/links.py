"""Links of a document to its parents and to its children."""

from collections.abc import Mapping
from typing import Any

import pystac

from shift_stac.errors import CatalogError
from shift_stac.stac.hrefs import Hrefs

JSON = "application/json"
GEOJSON = "application/geo+json"


def document_link(relation: str, href: str, title: str) -> pystac.Link:
    """Return a link to another document of the archive."""
    return pystac.Link(relation, href, JSON, title)


def own_link(hrefs: Hrefs, path: str) -> list[dict[str, Any]]:
    """Return the self link of a document with absolute hrefs, a best practice of STAC."""
    if hrefs.options.hrefs == "relative":
        return []
    return [{"rel": "self", "href": hrefs.absolute(path), "type": JSON}]


def child_links(
    hrefs: Hrefs,
    document: str,
    relation: str,
    media_type: str,
    children: Mapping[str, str],
    published: Mapping[str, Any] | None,
) -> list[dict[str, Any]]:
    """Return links to children: new ones and those of the published document."""
    links = {} if published is None else linked(published, document, relation, hrefs)
    # Children that another program has linked by another address are not linked twice.
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


def linked(
    parent: Mapping[str, Any], document: str, relation: str, hrefs: Hrefs
) -> dict[str, dict[str, Any]]:
    """Return a document's links of a type, by the path of their target; hrefs get the present form."""
    try:
        links = [link for link in parent["links"] if link["rel"] == relation]
        paths = [hrefs.path_of(link["href"], document) for link in links]
    except (AttributeError, KeyError, TypeError) as error:
        raise CatalogError(not_stac(parent, error)) from error
    return {
        path: {**link, "href": hrefs.to(path, document)}
        for path, link in zip(paths, links, strict=True)
    }


def linked_children(parent: Mapping[str, Any], document: str, hrefs: Hrefs) -> set[str]:
    """Return the paths of the children of a catalog or collection.

    Raises
    ------
    CatalogError
        It is not STAC.
    """
    return {
        path for relation in ("child", "item") for path in linked(parent, document, relation, hrefs)
    }


def not_stac(parent: Mapping[str, Any], error: Exception) -> str:
    """Return the message about a published document that cannot be read."""
    return (
        f"what is published as catalog or collection {parent.get('id')!r} is not STAC ({error!r}): "
        "restore it, or remove it and ingest again"
    )
