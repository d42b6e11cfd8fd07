"""Sentences that the Prefect UI's forms show to the person who fills them in."""

from typing import Any


def refused_unless(pattern: str, words: str) -> dict[str, Any]:
    """Of a JSON schema: a text that does not match is refused as "is not one of [words]".

    The server shows the person what it compared with, and nothing beside it: a list of one phrase reads
    better than a regular expression.
    """
    return {"if": {"not": {"pattern": pattern}}, "then": {"enum": [words]}}
