"""The names of cubes."""

from typing import Annotated

from pydantic import Field

CubeName = Annotated[str, Field(pattern=r"^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$", max_length=60)]
"""Name of a cube, also used for its folders, its store and its STAC item."""
