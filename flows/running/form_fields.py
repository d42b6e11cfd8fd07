"""Messages of the Prefect UI's forms."""

from typing import Any


def refused_unless(pattern: str, words: str) -> dict[str, Any]:
    """Return a JSON schema that refuses a text that does not match, as "is not one of [words]".

    The server's message shows only the value that it compared with: one phrase is easier to read
    than a regular expression.
    """
    return {"if": {"not": {"pattern": pattern}}, "then": {"enum": [words]}}
