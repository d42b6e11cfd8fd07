"""Links of a document to those above it, and down to those that it leads to."""

from collections.abc import Mapping
from typing import Any

import pystac

from shift_stac.errors import CatalogError
from shift_stac.stac.hrefs import Hrefs

JSON = "application/json"
GEOJSON = "application/geo+json"


def document_link(relation: str, href: str, title: str) -> pystac.Link:
    """A link to another document of the archive."""
    return pystac.Link(relation, href, JSON, title)


def own_link(hrefs: Hrefs, path: str) -> list[dict[str, Any]]:
    """Where a document is, if it is to know that: STAC's best practice for absolute hrefs."""
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
    """Links to children, new ones and those that the published document has."""
    links = {} if published is None else linked(published, document, relation, hrefs)
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


def linked(
    parent: Mapping[str, Any], document: str, relation: str, hrefs: Hrefs
) -> dict[str, dict[str, Any]]:
    """A document's links of a kind, by the path that they lead to; spelled as hrefs are now."""
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
    """Paths of the documents that a catalog or collection leads down to.

    Raises
    ------
    CatalogError
        It is not STAC.
    """
    return {
        path for relation in ("child", "item") for path in linked(parent, document, relation, hrefs)
    }


def not_stac(parent: Mapping[str, Any], error: Exception) -> str:
    """The message about a published document that cannot be read."""
    return (
        f"what is published as catalog or collection {parent.get('id')!r} is not STAC ({error!r}): "
        "restore it, or remove it and ingest again"
    )
