"""The names of cubes."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field, WithJsonSchema

_PATTERN = "^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$"
_LONGEST = 60


def _check(name: str) -> str:
    if not re.search(_PATTERN, name):
        msg = (
            f"{name!r} is not a name of a cube: give one of small letters, digits and hyphens, such as "
            "fields-2022"
        )
        raise ValueError(msg)
    return name


CubeName = Annotated[
    str,
    AfterValidator(_check),
    Field(max_length=_LONGEST),
    WithJsonSchema({"type": "string", "pattern": _PATTERN, "maxLength": _LONGEST}),
]
"""Name of a cube, also used for its folders, its store and its STAC item."""
