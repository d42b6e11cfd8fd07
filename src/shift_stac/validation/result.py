"""Expectations of a store, and the result of its validation: small values, no pixels."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from shift_stac.errors import InvalidStoreError
from shift_stac.model import FrozenModel

if TYPE_CHECKING:
    # This import is slow, and reading results does not need it.
    from shift_stac.store.summary import StoreSummary

SAMPLED_BLOCKS = 8
"""Chunks of each cube that are read; a long line has thousands."""


class Expectations(FrozenModel):
    """The expected properties of a store, from its conversion or from its item.

    ``shape`` gives the extent of ``wavelength``, ``y`` and ``x``; ``located_share`` is the share of
    pixels with a location.
    """

    shape: Mapping[str, int]
    size_bytes: int
    object_count: int
    located_share: float
    crs: str

    @classmethod
    def of_summary(cls, summary: "StoreSummary") -> "Expectations":
        """Return the expectations from a conversion's summary."""
        return cls(
            shape=summary.shape,
            size_bytes=summary.size_bytes,
            object_count=summary.object_count,
            located_share=summary.geolocation.finite_share,
            crs=summary.geolocation.crs,
        )

    @classmethod
    def of_item(cls, item: Mapping[str, Any]) -> "Expectations":
        """Return the expectations from a published item.

        Raises
        ------
        InvalidStoreError
            The item lacks them.
        """
        try:
            properties = item["properties"]
            lines, samples = properties["proj:shape"]
            bands = max(len(asset.get("bands", ())) for asset in item["assets"].values())
            return cls(
                shape={"wavelength": bands, "y": lines, "x": samples},
                size_bytes=properties["shift:store_bytes"],
                object_count=properties["shift:store_objects"],
                located_share=properties["shift:located_share"],
                crs=properties["shift:crs"],
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            msg = f"the item does not describe a store ({type(error).__name__}: {error})"
            raise InvalidStoreError(msg) from error


class Check(FrozenModel):
    """One check and its result."""

    name: str
    passed: bool
    detail: str


class Validation(FrozenModel):
    """The result of the validation of a store.

    Shares are of the values in the sampled blocks, by cube; negative ones of the good bands'.
    Negative reflectance is valid: noise makes it, over dark water above all. ``warnings`` list
    unusual values, which may be correct.
    """

    store: str
    checks: tuple[Check, ...]
    located_share: float | None = None
    nodata_share: Mapping[str, float] = {}
    negative_share: Mapping[str, float] = {}
    blocks: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    @property
    def sentence(self) -> str:
        """The number of checks that passed, or the faults, and the warnings."""
        wrong = [f"{check.name}: {check.detail}" for check in self.checks if not check.passed]
        found = "; ".join(wrong) or f"{len(self.checks)} checks passed"
        return "; ".join((found, *self.warnings))

    def figures(self) -> dict[str, Any]:
        """Return the fields of an item about it."""
        return {
            "passed": self.passed,
            "checks": [check.name for check in self.checks if check.passed],
            "blocks_sampled": self.blocks,
            "located_share": self.located_share,
            "nodata_share": dict(self.nodata_share),
            "negative_share": dict(self.negative_share),
            **({"warnings": list(self.warnings)} if self.warnings else {}),
        }
