"""STAC objects as the bytes that are published, and read back from them."""

import json
from collections.abc import Mapping
from typing import Any

from shift_stac.errors import CatalogError


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
