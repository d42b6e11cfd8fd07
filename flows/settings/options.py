"""The options of each command and each flow."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from flows.settings.shared_options import (
    ArchiveOptions,
    BucketOptions,
    PortalOptions,
    PublishedOptions,
)
from flows.settings.values import (
    QUIET_DAYS,
    STUCK_HOURS,
    Box,
    Dates,
    DryRun,
    FlightDate,
    Lines,
    MapCRS,
    PolygonFile,
    QuietDays,
    StuckHours,
    UserPath,
    Wavelengths,
)
from shift_stac.cubes.names import CubeName
from shift_stac.reader.mosaic_rule import MosaicRule
from shift_stac.texts import Texts
from shift_stac.validation.result import SAMPLED_BLOCKS


class IngestOptions(ArchiveOptions):
    """Options of an ingest; also the parameters of its flow."""

    date: Dates = Field(default=(), description="flight date YYYYMMDD; may be given several times")
    line: Lines = Field(
        default=(),
        description="name of a flight line to ingest; may be given several times "
        "(default: every line that the portal lists for the dates)",
    )
    force: bool = Field(default=False, description="ingest lines again that are up to date")
    dry_run: DryRun = False

    @model_validator(mode="after")
    def _check_selection(self) -> Self:
        if not self.date and not self.line:
            msg = "nothing is selected: give --date or --line"
            raise ValueError(msg)
        strangers = [line.id for line in self.line if self.date and line.date not in self.date]
        if strangers:
            msg = f"{', '.join(strangers)} was not flown on {', '.join(self.date)}"
            raise ValueError(msg)
        return self

    @property
    def dates(self) -> tuple[str, ...]:
        """The selected dates, and the dates of the selected lines."""
        return self.date or tuple(sorted({line.date for line in self.line}))


class CampaignOptions(ArchiveOptions):
    """Options of the ingest of a whole campaign; also the parameters of its flow."""

    max_lines: int = Field(
        default=40,
        gt=0,
        description="flight lines to ingest in one run; the next run ingests the rest",
    )
    max_gigabytes: float = Field(
        default=500, gt=0, description="GB to download in one run; the next run downloads the rest"
    )
    newest_first: bool = Field(
        default=True, description="begin with the latest date, not with the earliest"
    )
    dry_run: DryRun = False

    @property
    def force(self) -> bool:
        """Always False: a campaign is never ingested again as a whole; ``flows.ingest --force`` is for lines."""
        return False


class ValidateOptions(PublishedOptions):
    """Options of a validation of an archive; also the parameters of its flow."""

    date: Dates = Field(
        default=(), description="only lines of this date YYYYMMDD; may be given several times"
    )
    line: Lines = Field(default=(), description="only this flight line; may be given several times")
    blocks: int = Field(
        default=SAMPLED_BLOCKS, ge=0, description="number of chunks of each cube to read; 0 for all"
    )
    lines_at_once: int = Field(
        default=4, gt=0, description="number of lines to check at the same time"
    )


class CatalogCheckOptions(PublishedOptions):
    """Options of a validation of a catalog; also the parameters of its flow."""

    schemas: UserPath | None = Field(
        default=None,
        description="folder of the JSON schemas of STAC's extensions (default: only the core "
        "schemas)",
    )


class PruneOptions(PublishedOptions):
    """Options of a clean-up of an archive; also the parameters of its flow."""

    delete: bool = Field(
        default=False, description="remove data without items, instead of listing it"
    )
    older_than_days: float = Field(
        default=7,
        ge=0,
        description="keep data that changed within this number of days, because a run may still upload it",
    )


class DiffOptions(PublishedOptions, PortalOptions):
    """Options of a comparison with the portal; also the parameters of its flow."""

    date: Dates = Field(
        default=(), description="use only this date (YYYYMMDD); may be given several times"
    )


class CubeOptions(PublishedOptions):
    """Options of a season's cube; also the parameters of its flow."""

    work_dir: UserPath = Field(
        default=Path("work"),
        description="folder for the unfinished cube, and for reports; the cluster's nodes must see it",
    )
    cube_name: CubeName = Field(
        default="season", description="name of the cube: of its folders, and of its STAC item"
    )
    bbox: Box | None = Field(
        default=None,
        description="place: west,south,east,north in degrees, separated by commas (default: the "
        "whole area of the lines)",
    )
    geometry: PolygonFile | None = Field(
        default=None,
        description="place: file of polygons (GeoJSON, GeoPackage, ...), instead of a box",
    )
    date: Dates = Field(
        default=(), description="use only this date (YYYYMMDD); may be given several times"
    )
    first_date: FlightDate | None = Field(
        default=None, description="use no date before this one (YYYYMMDD)"
    )
    last_date: FlightDate | None = Field(
        default=None, description="use no date after this one (YYYYMMDD)"
    )
    bands: Wavelengths = Field(
        default=(),
        description="wavelengths in nanometres, separated by commas; the nearest band of each is "
        "taken (default: all bands)",
    )
    crs: MapCRS | None = Field(
        default=None,
        description="CRS of the grid, such as EPSG:32610 (default: the UTM zone of most lines)",
    )
    resolution: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="side of a cell in the unit of the grid's CRS (default: the pixel size of the lines)",
    )
    variable: str | None = Field(
        default=None,
        description="variable of the lines (default: Reflectance if they have it, else Radiance)",
    )
    mosaic: MosaicRule = Field(
        default=MosaicRule.NADIR,
        description="which line of a day a cell shows if several have a value there: the line with "
        "the view nearest to the vertical (nadir), or the line that began first or last (newest)",
    )
    mask_bad_bands: bool = Field(default=True, description="leave out bands that are not usable")
    cluster: str = Field(
        default="local", description="where blocks are computed: a cluster profile's name or path"
    )
    max_cube_gigabytes: float = Field(
        default=200, gt=0, description="largest size of the cube before compression, in GB"
    )
    force: bool = Field(default=False, description="make the cube again even if it is up to date")

    @model_validator(mode="after")
    def _check_place(self) -> Self:
        if self.bbox is not None and self.geometry is not None:
            msg = "bbox and geometry both give the place: leave one of them out"
            raise ValueError(msg)
        if self.first_date and self.last_date and self.first_date > self.last_date:
            msg = f"the first date, {self.first_date}, is after the last, {self.last_date}"
            raise ValueError(msg)
        return self


class ReportOptions(PublishedOptions):
    """Options of the report on runs and catalog; also the parameters of its flow."""

    days: int = Field(
        default=30, gt=0, le=3660, description="days to report on, up to now; days of UTC"
    )
    quiet_days: QuietDays = QUIET_DAYS
    stuck_hours: StuckHours = STUCK_HOURS
    acknowledge: Texts = Field(
        default=(),
        description="finding to acknowledge, by its number in the report, or all; it is reported "
        "again if it happens again; may be given several times",
    )


class SessionOptions(BaseModel):
    """Options of a session: the bucket, and the wait for a code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    s3: BucketOptions = Field(
        default_factory=BucketOptions,
        description="the MFA device, and the keys that it belongs to",
    )
    session_wait_minutes: float = Field(
        default=15,
        gt=0,
        le=24 * 60,
        description="minutes that the deployment aws-session waits for an MFA code in the Prefect UI",
    )
    renew: bool = Field(
        default=False, description="begin a new session even if another one has not ended yet"
    )
