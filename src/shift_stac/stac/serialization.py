"""STAC objects as the bytes that are published, and read back from them."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from shift_stac.errors import CatalogError


class _Target(BaseModel):
    """A link or an asset; the rest of it may be anything."""

    href: str


class _Link(_Target):
    rel: str


class _Document(BaseModel):
    """What is relied upon in a document, whoever wrote it."""

    id: str
    links: list[_Link]
    assets: dict[str, _Target] = {}
    stac_extensions: list[str] = []


class _Item(_Document):
    """What is relied upon in an item."""

    assets: dict[str, _Target]
    properties: dict[str, Any]


def render(stac: Mapping[str, Any]) -> bytes:
    """A STAC object as the bytes that are published: the same object, the same bytes."""
    return (json.dumps(stac, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse_stac(content: bytes, where: str) -> dict[str, Any]:
    """A published STAC object; ``where`` is for the message.

    It has an id, its links and assets lead somewhere, and every text in it can be written as UTF-8.

    Raises
    ------
    CatalogError
        It is no JSON, or not such an object.
    """
    return _parse(content, where, _Document)


def parse_item(content: bytes, where: str) -> dict[str, Any]:
    """A published item: a STAC object with id, properties, links and assets; see :func:`parse_stac`."""
    return _parse(content, where, _Item)


def _parse(content: bytes, where: str, shape: type[_Document]) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
        # Half of a character that UTF-16 spells in two.
        json.dumps(parsed, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        msg = f"{where} is no JSON ({error}): restore it, or remove it and ingest again"
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
