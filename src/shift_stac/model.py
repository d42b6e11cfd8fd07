"""The base class of the small values that stages pass to each other."""

from pydantic import BaseModel, ConfigDict


class FrozenModel(BaseModel):
    """An immutable value that refuses unknown names."""

    model_config = ConfigDict(frozen=True, extra="forbid")
