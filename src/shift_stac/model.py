"""The base of the small values that the stages hand to each other."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """A value: immutable, and strict about names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
