"""Options that several commands share: the bucket, the campaign, the portal, the archive."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from flows.settings.values import LeftOut, UserPath
from shift_stac.campaigns import load_campaign
from shift_stac.errors import CampaignError, StorageError
from shift_stac.portal.download_options import DownloadOptions
from shift_stac.sources import Product, ProductLevel
from shift_stac.stac.hrefs import HrefOptions
from shift_stac.storage.address import check_address
from shift_stac.storage.s3_options import S3Options
from shift_stac.store.chunking import DEFAULT_LAYOUT, ChunkLayout
from shift_stac.store.conversion_options import ConversionOptions


class BucketOptions(S3Options):
    """Access to the bucket, and the wait for an MFA code."""

    code_wait_minutes: float = Field(
        default=15,
        ge=0,
        le=24 * 60,
        description="minutes that a run without a terminal waits for an MFA code in the Prefect "
        "UI; with 0 it ends at once with a message",
    )


class CampaignChoice(BaseModel):
    """Which campaign."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    campaign: str = Field(
        default="shift", description="name of a campaign of the package, or path of a campaign file"
    )

    @model_validator(mode="after")
    def _check_campaign(self) -> Self:
        # Here, so that a form refuses it too.
        load_campaign(self.campaign)
        return self


def _drop_default(schema: dict[str, Any]) -> None:
    """Remove the default of a field that the campaign decides: forms would show a wrong one."""
    schema.pop("default", None)


class PortalOptions(CampaignChoice):
    """Which products of which portal."""

    portal: str | None = Field(
        default=None,
        description="address of the portal, or the folder of a local mirror "
        "(default: the campaign's real portal)",
    )
    # Never empty in a checked model: the campaign file has the default.
    portal_version: str = Field(
        default="",
        description="version of the portal's products (default: the last that the campaign file describes)",
        json_schema_extra=_drop_default,
    )
    product: ProductLevel = Field(
        default=ProductLevel.ALL,
        description="radiance (L1), reflectance (L2), or both, as far as the campaign file describes them",
        json_schema_extra=_drop_default,
    )
    download: DownloadOptions = Field(
        default_factory=DownloadOptions,
        description="how files are requested from the portal's server",
    )
    leave_out: LeftOut = Field(
        default=(),
        description="optional product to leave out, glt or obs; may be given several times",
    )

    @model_validator(mode="before")
    @classmethod
    def _take_from_campaign(cls, told: Any) -> Any:
        """Take version and products that are not given from the campaign file."""
        if not isinstance(told, Mapping):
            return told
        try:
            portal = load_campaign(
                told.get("campaign") or CampaignChoice.model_fields["campaign"].default
            ).portal
            version = told.get("portal_version") or portal.default_version
            level = told.get("product") or portal.version(version).level
        except (CampaignError, TypeError):
            # The field's own check reports the error.
            return told
        return {**told, "portal_version": version, "product": level}

    @model_validator(mode="after")
    def _check_version(self) -> Self:
        version = load_campaign(self.campaign).portal.version(self.portal_version)
        version.check_products(self.product, self.leave_out)
        return self

    def products_of(self, level: ProductLevel) -> tuple[Product, ...]:
        """Return the products of a level that are downloaded from the portal."""
        return tuple(product for product in level.products if product not in self.leave_out)


class PublishedOptions(CampaignChoice):
    """The published archive: options of all commands that read or write it."""

    store: str = Field(
        default="store", description="the published archive: a folder or s3://bucket/prefix"
    )
    work_dir: UserPath = Field(default=Path("work"), description="folder for reports")
    s3: BucketOptions = Field(
        default_factory=BucketOptions,
        description="access to the bucket, beside the standard AWS settings",
    )
    catalog: HrefOptions = Field(default_factory=HrefOptions, description="links in the catalog")

    @field_validator("store")
    @classmethod
    def _check_store(cls, store: str) -> str:
        try:
            check_address(store)
        except StorageError as error:
            raise ValueError(str(error)) from error
        return store


class ArchiveOptions(PublishedOptions, PortalOptions):
    """Where lines come from, where they go, and how: options of all commands that ingest."""

    work_dir: UserPath = Field(
        default=Path("work"), description="folder for downloads, conversions and reports"
    )
    layout: ChunkLayout | None = Field(
        default=None,
        description="the use for which the chunks are made: spectral (whole spectra), map (whole "
        f"bands) or balanced (default: {DEFAULT_LAYOUT})",
    )
    x_chunk: int | None = Field(
        default=None, gt=0, description="samples in a chunk (default: the layout's)"
    )
    y_chunk: int | None = Field(
        default=None, gt=0, description="scan lines in a chunk (default: the layout's)"
    )
    wavelength_chunk: int | None = Field(
        default=None, gt=0, description="bands in a chunk (default: the layout's)"
    )
    shard: bool = Field(
        default=False,
        description="pack each row of chunks into one object: a thirtieth of the objects, for "
        "file systems with a limit on files; the conversion is slower",
    )
    cluster: str = Field(
        default="local", description="where conversions run: a cluster profile's name or path"
    )
    lines_at_once: int = Field(
        default=4,
        gt=0,
        description="flight lines in progress at the same time, besides those in jobs of a cluster",
    )
    keep_downloads: bool = Field(
        default=False, description="keep the downloaded files of a line after it is published"
    )

    @property
    def requested_chunks(self) -> dict[str, int]:
        """The chunk sizes that were given, by axis."""
        sizes = {"x": self.x_chunk, "y": self.y_chunk, "wavelength": self.wavelength_chunk}
        chosen = {} if self.layout is None else self.layout.chunks.model_dump()
        return chosen | {axis: size for axis, size in sizes.items() if size is not None}

    @property
    def conversion(self) -> ConversionOptions:
        """The options that shape the stores."""
        chunks = DEFAULT_LAYOUT.chunks.model_copy(update=self.requested_chunks)
        return ConversionOptions(level=self.product, chunks=chunks, sharded=self.shard)
