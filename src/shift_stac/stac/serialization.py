"""Serializes STAC objects, and parses them."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from shift_stac.errors import CatalogError


class _Target(BaseModel):
    """A link or an asset; other fields may be anything."""

    href: str


class _Link(_Target):
    rel: str


class _Document(BaseModel):
    """The fields that every document must have."""

    id: str
    links: list[_Link]
    assets: dict[str, _Target] = {}
    stac_extensions: list[str] = []


class _Item(_Document):
    """The fields that every item must have."""

    assets: dict[str, _Target]
    properties: dict[str, Any]


def render(stac: Mapping[str, Any]) -> bytes:
    """Return the bytes of a STAC object; the same object gives the same bytes."""
    return (json.dumps(stac, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse_stac(content: bytes, where: str) -> dict[str, Any]:
    """Parse a published STAC object; ``where`` is for the message.

    It must have an id, links and assets with hrefs, and texts that can be written as UTF-8.

    Raises
    ------
    CatalogError
        It is not JSON, or not such an object.
    """
    return _parse(content, where, _Document)


def parse_item(content: bytes, where: str) -> dict[str, Any]:
    """Parse a published item: a STAC object with id, properties, links and assets; see :func:`parse_stac`."""
    return _parse(content, where, _Item)


def _parse(content: bytes, where: str, shape: type[_Document]) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
        # A lone surrogate of UTF-16, and numbers that only Python reads: none can be written again.
        json.dumps(parsed, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError) as error:
        msg = f"{where} is not JSON ({error}): restore it, or remove it and ingest again"
        raise CatalogError(msg) from error
    try:
        shape.model_validate(parsed)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, fault["loc"]))
        msg = (
            f"{where} is not STAC ({f'{key}: ' if key else ''}{fault['msg']}): restore it, or remove "
            "it and ingest again"
        )
        raise CatalogError(msg) from error
    found: dict[str, Any] = parsed
    return found
