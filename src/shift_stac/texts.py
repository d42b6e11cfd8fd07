"""Lists and tables that are written as one text, as in environment variables."""

from typing import Annotated, Any

from pydantic import BeforeValidator


def split_commas(value: Any) -> Any:
    """Return the parts of a text with commas, without empty ones; any other value unchanged."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _split_pairs(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in split_commas(value)]
    if not all(equals for _, equals, _ in pairs):
        msg = "expected KEY=VALUE, or several of them separated by commas"
        raise ValueError(msg)
    return {key.strip(): meant.strip() for key, _, meant in pairs}


Texts = Annotated[tuple[str, ...], BeforeValidator(split_commas)]
"""Texts without commas; as one text, separated by commas."""

Pairs = Annotated[dict[str, str], BeforeValidator(_split_pairs)]
"""Texts by their keys; as one text, KEY=VALUE separated by commas."""
