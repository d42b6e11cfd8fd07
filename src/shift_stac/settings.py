"""Every setting of the service, typed, in one place.

A setting is taken from the command line, else from an environment variable, else from a file of
the folder ``SHIFT_SECRETS_DIR`` that has the variable's name in small letters, else from a TOML
file, else it has the default that stands here.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Self, override
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from shift_stac.campaigns import load_campaign
from shift_stac.conversion import ConversionOptions
from shift_stac.credentials import S3Options
from shift_stac.download import DownloadOptions
from shift_stac.flightline import FlightLine, parse_date
from shift_stac.hrefs import HrefOptions
from shift_stac.layout import DEFAULT_LAYOUT, Layout
from shift_stac.sources import ProductLevel
from shift_stac.validation import SAMPLED_BLOCKS

SETTINGS_VARIABLE = "SHIFT_SETTINGS"
SECRETS_VARIABLE = "SHIFT_SECRETS_DIR"
DEFAULT_SETTINGS_FILE = Path("shift.toml")


def _split_commas(value: Any) -> Any:
    """Accept one text with commas, as environment variables have to give it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _drop_repeated(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(value))


def _flight_date(value: Any) -> Any:
    return parse_date(value.strip()) if isinstance(value, str) else value


FlightDate = Annotated[
    str,
    BeforeValidator(_flight_date),
    WithJsonSchema(
        # A server that checks no formats still refuses what is no date by the pattern.
        {"type": "string", "format": "date", "pattern": "^20[0-9]{2}-?[01][0-9]-?[0-3][0-9]$"}
    ),
]
"""A date as the portal spells it, YYYYMMDD; forms offer a calendar."""


def _check_time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (KeyError, ValueError, OSError) as error:
        msg = f"{value!r} is no time zone: expected a name such as America/Los_Angeles"
        raise ValueError(msg) from error
    return value


TimeZone = Annotated[str, AfterValidator(_check_time_zone)]


class PublishedOptions(BaseModel):
    """Which published archive: what every way to look at one has in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str = Field(
        default="store", description="the published archive: a folder or s3://bucket/prefix"
    )
    campaign: str = Field(
        default="shift", description="campaign that comes with the package, or path of its file"
    )
    work_dir: Path = Field(default=Path("work"), description="folder for reports")
    s3: S3Options = Field(
        default_factory=S3Options,
        description="access to the bucket, beside the standard AWS settings",
    )
    catalog: HrefOptions = Field(
        default_factory=HrefOptions, description="how the catalog leads to things"
    )

    @model_validator(mode="after")
    def _check_campaign(self) -> Self:
        load_campaign(self.campaign)
        return self


class ArchiveOptions(BaseModel):
    """Where lines come from, where they go, and how: what every way to ingest has in common."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    portal: str | None = Field(
        default=None,
        description="address of the portal, or the folder of a local mirror "
        "(default: the campaign's real portal)",
    )
    portal_version: str = Field(default="v1", description="version of the portal's products")
    product: ProductLevel = Field(
        default=ProductLevel.ALL, description="radiance (L1), reflectance (L2), or both"
    )
    store: str = Field(
        default="store",
        description="where the archive is published: a folder or s3://bucket/prefix",
    )
    work_dir: Path = Field(
        default=Path("work"), description="folder for downloads, conversions and reports"
    )
    layout: Layout | None = Field(
        default=None,
        description="what the chunks are best for: spectral (whole spectra), map (whole bands) or "
        f"balanced (default: {DEFAULT_LAYOUT})",
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
        description="pack each row of chunks into one object: a hundredth of the objects, for "
        "file systems that count them, at a slower conversion",
    )
    cluster: str = Field(
        default="local", description="where conversions run: a cluster profile's name or path"
    )
    campaign: str = Field(
        default="shift", description="campaign that comes with the package, or path of its file"
    )
    lines_at_once: int = Field(
        default=4, gt=0, description="flight lines in progress at the same time"
    )
    keep_downloads: bool = Field(
        default=True, description="keep the downloaded files of a line after it is published"
    )
    download: DownloadOptions = Field(
        default_factory=DownloadOptions, description="transfers from the portal"
    )
    s3: S3Options = Field(
        default_factory=S3Options,
        description="access to the bucket, beside the standard AWS settings",
    )
    catalog: HrefOptions = Field(
        default_factory=HrefOptions, description="how the catalog leads to things"
    )

    @model_validator(mode="after")
    def _check_campaign(self) -> Self:
        # Here, so that a form refuses it too.
        load_campaign(self.campaign).portal.version(self.portal_version)
        return self

    @property
    def requested_chunks(self) -> dict[str, int]:
        """The chunk sizes that were asked for, by axis."""
        sizes = {"x": self.x_chunk, "y": self.y_chunk, "wavelength": self.wavelength_chunk}
        chosen = {} if self.layout is None else self.layout.chunks.model_dump()
        return chosen | {axis: size for axis, size in sizes.items() if size is not None}

    @property
    def conversion(self) -> ConversionOptions:
        """What shapes the stores."""
        chunks = DEFAULT_LAYOUT.chunks.model_copy(update=self.requested_chunks)
        return ConversionOptions(level=self.product, chunks=chunks, sharded=self.shard)


class IngestOptions(ArchiveOptions):
    """Everything that an ingest can be told. Also the parameters of its flow."""

    date: Annotated[tuple[FlightDate, ...], NoDecode] = Field(
        default=(), description="flight date YYYYMMDD; may be given several times"
    )
    line: Annotated[tuple[FlightLine, ...], NoDecode] = Field(
        default=(),
        description="flight line angYYYYMMDDtHHNNSS; may be given several times "
        "(default: every line that the portal lists for the dates)",
    )
    force: bool = Field(default=False, description="ingest lines again that are up to date")
    dry_run: bool = Field(
        default=False, description="touch nothing; tell what would be done, and why"
    )

    _split = field_validator("date", "line", mode="before")(_split_commas)
    _drop_repeated = field_validator("date")(_drop_repeated)

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
        """The dates selected, by themselves or through their lines."""
        return self.date or tuple(sorted({line.date for line in self.line}))


class CampaignOptions(ArchiveOptions):
    """Everything that the ingest of a whole campaign can be told. Also its flow's parameters."""

    max_lines: int = Field(
        default=40, gt=0, description="flight lines to ingest in one run; the rest is for the next"
    )
    max_gigabytes: float = Field(
        default=500, gt=0, description="GB to download in one run; the rest is for the next"
    )
    newest_first: bool = Field(
        default=True, description="begin with the latest date; else with the earliest"
    )
    dry_run: bool = Field(
        default=False, description="touch nothing; tell what would be done, and why"
    )

    @property
    def force(self) -> bool:
        """A campaign is never ingested again as a whole; ``flows.ingest --force`` does lines."""
        return False


class ValidateOptions(PublishedOptions):
    """Everything that a validation of an archive can be told. Also the parameters of its flow."""

    date: Annotated[tuple[FlightDate, ...], NoDecode] = Field(
        default=(), description="only lines of this date YYYYMMDD; may be given several times"
    )
    line: Annotated[tuple[FlightLine, ...], NoDecode] = Field(
        default=(), description="only this flight line; may be given several times"
    )
    blocks: int = Field(
        default=SAMPLED_BLOCKS, ge=0, description="chunks of each cube that are read; 0 for all"
    )
    lines_at_once: int = Field(default=4, gt=0, description="lines that are looked at at once")

    _split = field_validator("date", "line", mode="before")(_split_commas)
    _drop_repeated = field_validator("date")(_drop_repeated)


class CatalogCheckOptions(PublishedOptions):
    """Everything that a validation of a catalog can be told. Also the parameters of its flow."""

    schemas: Path | None = Field(
        default=None,
        description="folder of the JSON schemas of STAC's extensions (default: the core schemas "
        "alone)",
    )


class PruneOptions(PublishedOptions):
    """Everything that a clean-up of an archive can be told. Also the parameters of its flow."""

    delete: bool = Field(
        default=False, description="remove what no item leads to, instead of listing it"
    )
    older_than_days: float = Field(
        default=7,
        ge=0,
        description="leave alone what changed later; it may be somebody's upload",
    )


class DiffOptions(PublishedOptions):
    """Everything that a comparison with the portal can be told. Also its flow's parameters."""

    portal: str | None = Field(
        default=None,
        description="address of the portal, or the folder of a local mirror (default: the "
        "campaign's real portal)",
    )
    portal_version: str = Field(default="v1", description="version of the portal's products")
    product: ProductLevel = Field(
        default=ProductLevel.ALL, description="radiance (L1), reflectance (L2), or both"
    )
    date: Annotated[tuple[FlightDate, ...], NoDecode] = Field(
        default=(), description="only this date YYYYMMDD; may be given several times"
    )

    _split = field_validator("date", mode="before")(_split_commas)

    @model_validator(mode="after")
    def _check_version(self) -> Self:
        load_campaign(self.campaign).portal.version(self.portal_version)
        return self


class ReportOptions(PublishedOptions):
    """Everything that the report on runs and catalog can be told. Also its flow's parameters."""

    days: int = Field(
        default=30, gt=0, le=3660, description="days to report on, up to now; days are those of UTC"
    )
    quiet_days: float = Field(
        default=3,
        ge=0,
        description="days with nothing published, though there is something to do, after which "
        "somebody shall look; 0 for never",
    )
    stuck_hours: float = Field(
        default=24,
        gt=0,
        description="hours in which nothing of a run begins or ends, after which it counts as "
        "stuck: more than a job may wait in the cluster's queue",
    )


class SessionOptions(BaseModel):
    """With which bucket a session is begun."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    s3: S3Options = Field(
        default_factory=S3Options,
        description="the MFA device, and the keys for which it speaks",
    )
    renew: bool = Field(
        default=False, description="begin a new session also where one has not ended yet"
    )


class ServiceOptions(BaseModel):
    """How the service runs: server, worker, schedule and notifications."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address on which the server listens")
    port: int = Field(default=4200, gt=0, lt=65536, description="port on which the server listens")
    public_url: str | None = Field(
        default=None,
        description="address at which browsers reach the server, if not http://HOST:PORT: that of "
        "a tunnel or a proxy",
    )
    database: SecretStr | None = Field(
        default=None,
        description="address of a PostgreSQL database, postgresql+asyncpg://user:password@host/name "
        "(default: the server's embedded database)",
    )
    auth: SecretStr | None = Field(
        default=None,
        description="user:password that the server asks for, in the UI and of every client",
    )
    server: bool = Field(
        default=True,
        description="start a Prefect server here; without, the one of PREFECT_API_URL is used",
    )
    worker: bool = Field(
        default=True,
        description="tell the server of the deployments, and start a worker that runs them here",
    )
    runs_at_once: int = Field(default=4, gt=0, description="flow runs that the worker runs at once")
    worker_health_port: int | None = Field(
        default=None,
        gt=0,
        lt=65536,
        description="port on which the worker tells its health, at /health (default: it does not)",
    )
    nightly_cron: str = Field(
        default="0 2 * * *", description="when the campaign is ingested, as a cron expression"
    )
    report_cron: str = Field(
        default="0 7 * * *", description="when the report on the night is written"
    )
    nightly_time_zone: TimeZone = Field(
        default="UTC", description="time zone of the schedules, for example America/Los_Angeles"
    )
    stuck_hours: float = Field(
        default=24, gt=0, description="hours after which operators are told that a run still runs"
    )
    quiet_days: float = Field(
        default=3,
        ge=0,
        description="days with nothing published after which operators are told; 0 for never",
    )
    webhook: SecretStr | None = Field(
        default=None,
        description="address that is told of what operators must look at, as JSON by POST",
    )
    notify: str | None = Field(
        default=None,
        description="notification block made in the UI that is told so, TYPE/NAME, for example "
        "slack-webhook/operators; instead of webhook",
    )

    @field_validator("auth")
    @classmethod
    def _check_auth(cls, auth: SecretStr | None) -> SecretStr | None:
        if auth is not None and not all(auth.get_secret_value().partition(":")):
            msg = "expected user:password"
            raise ValueError(msg)
        return auth

    @model_validator(mode="after")
    def _check_service(self) -> Self:
        if not self.server and not self.worker:
            msg = "neither server nor worker: nothing is left to run"
            raise ValueError(msg)
        if self.webhook is not None and self.notify is not None:
            msg = "webhook and notify: give one of them"
            raise ValueError(msg)
        return self


class _SettingsFile(TomlConfigSettingsSource):
    """The TOML file named by the environment, or ``shift.toml`` where the command is run.

    One file serves all commands: what only another of them knows is passed over.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        named = os.environ.get(SETTINGS_VARIABLE)
        if named and not Path(named).is_file():
            msg = f"the settings file {named} does not exist"
            raise FileNotFoundError(msg)
        super().__init__(settings_cls, Path(named) if named else DEFAULT_SETTINGS_FILE)

    @override
    def __call__(self) -> dict[str, Any]:
        others = {name for model in _COMMANDS for name in model.model_fields}
        foreign = others - set(self.settings_cls.model_fields)
        return {key: value for key, value in super().__call__().items() if key not in foreign}


class CommandSettings(BaseSettings):
    """Options as a command takes them: command line, environment, settings file."""

    model_config = SettingsConfigDict(
        env_prefix="SHIFT_",
        env_nested_delimiter="__",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment, then secrets, then the settings file; dotenv files are not read."""
        # Files named shift_auth, shift_webhook ..., as compose and Kubernetes mount secrets.
        folder = os.environ.get(SECRETS_VARIABLE)
        secrets = (SecretsSettingsSource(settings_cls, secrets_dir=folder),) if folder else ()
        return init_settings, env_settings, *secrets, _SettingsFile(settings_cls)


class ArchiveSettings(ArchiveOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """What forms offer before anybody has filled them in."""


class IngestSettings(IngestOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """``python -m flows.ingest``."""


class CampaignSettings(CampaignOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """``python -m flows.campaign``."""


class ValidateSettings(ValidateOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """``python -m flows.validate``."""


class RebuildSettings(PublishedOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """``python -m flows.catalog rebuild``."""


class CatalogCheckSettings(CatalogCheckOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """``python -m flows.catalog validate``."""


class PruneSettings(PruneOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """``python -m flows.catalog prune``."""


class DiffSettings(DiffOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """``python -m flows.catalog diff``."""


class ReportSettings(ReportOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """``python -m flows.report``."""


class SessionSettings(SessionOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """``python -m flows.session``."""


class ServiceSettings(ServiceOptions, CommandSettings):  # type: ignore[misc]  # pydantic merges the configs
    """``python -m deployments.serve``."""


_COMMANDS: tuple[type[CommandSettings], ...] = (
    IngestSettings,
    CampaignSettings,
    ValidateSettings,
    RebuildSettings,
    CatalogCheckSettings,
    PruneSettings,
    DiffSettings,
    ReportSettings,
    SessionSettings,
    ServiceSettings,
)


_SETTINGS_OF: dict[type[BaseModel], type[CommandSettings]] = {
    IngestOptions: IngestSettings,
    CampaignOptions: CampaignSettings,
    ValidateOptions: ValidateSettings,
    PublishedOptions: RebuildSettings,
    CatalogCheckOptions: CatalogCheckSettings,
    PruneOptions: PruneSettings,
    DiffOptions: DiffSettings,
    SessionOptions: SessionSettings,
    ReportOptions: ReportSettings,
}


def complete[Options: BaseModel](options: Options) -> Options:
    """Take what was left open in options from the environment and the settings file.

    A run that is started in the Prefect UI says what differs from run to run; what a site decides
    once is known where the run takes place.

    Raises
    ------
    pydantic.ValidationError
        A setting is not what it should be.
    """
    given = {name: getattr(options, name) for name in options.model_fields_set}
    settings = _SETTINGS_OF[type(options)](**given)
    return type(options).model_validate(settings.model_dump())


def ingest_options(arguments: Sequence[str]) -> IngestOptions:
    """Read the options of an ingest; see :func:`read_settings`."""
    settings = read_settings(
        IngestSettings,
        arguments,
        "python -m flows.ingest",
        "Ingest flight lines: portal, download, Zarr, STAC, store.",
    )
    return IngestOptions.model_validate(settings.model_dump())


def campaign_options(arguments: Sequence[str]) -> CampaignOptions:
    """Read the options of a campaign's ingest; see :func:`read_settings`."""
    settings = read_settings(
        CampaignSettings,
        arguments,
        "python -m flows.campaign",
        "Ingest what a campaign's portal has that is not published yet, or has changed. Ends with "
        "0 if all went well, 1 if a line failed, 2 for wrong usage.",
    )
    return CampaignOptions.model_validate(settings.model_dump())


def validate_options(arguments: Sequence[str]) -> ValidateOptions:
    """Read the options of a validation; see :func:`read_settings`."""
    settings = read_settings(
        ValidateSettings,
        arguments,
        "python -m flows.validate",
        "Look into a published archive, and list good and bad stores. Ends with 0 if all are "
        "good, 1 if one is bad, 2 for wrong usage.",
    )
    return ValidateOptions.model_validate(settings.model_dump())


_CATALOG_ACTIONS: dict[str, tuple[type[CommandSettings], type[PublishedOptions], str]] = {
    "rebuild": (
        RebuildSettings,
        PublishedOptions,
        "Regenerate collection, months, days, table and page from the items.",
    ),
    "validate": (
        CatalogCheckSettings,
        CatalogCheckOptions,
        "Validate every document of a catalog, and every link in it.",
    ),
    "prune": (PruneSettings, PruneOptions, "List items without data, and data without items."),
    "diff": (DiffSettings, DiffOptions, "Compare the portal with the catalog."),
}


def catalog_options(arguments: Sequence[str], action: str) -> PublishedOptions:
    """Read the options of one of the actions on a catalog; see :func:`read_settings`."""
    kind, options, purpose = _CATALOG_ACTIONS[action]
    settings = read_settings(
        kind,
        arguments,
        f"python -m flows.catalog {action}",
        f"{purpose} Ends with 0 if all is well, 1 if something is wrong, 2 for wrong usage.",
    )
    return options.model_validate(settings.model_dump())


def report_options(arguments: Sequence[str]) -> ReportOptions:
    """Read the options of a report; see :func:`read_settings`."""
    settings = read_settings(
        ReportSettings,
        arguments,
        "python -m flows.report",
        "Tell what was ingested day by day, and what wants attention now, from the run history and "
        "the catalog: a page in the working folder. Ends with 0 if all is well, 1 if somebody must "
        "look, 2 for wrong usage.",
    )
    return ReportOptions.model_validate(settings.model_dump())


def session_options(arguments: Sequence[str]) -> SessionOptions:
    """Read the options of a session with MFA; see :func:`read_settings`."""
    settings = read_settings(
        SessionSettings,
        arguments,
        "python -m flows.session",
        "Begin a session with the bucket by an MFA code, asked for here or read from standard "
        "input. Later runs use it until it ends. Ends with 0 if there is a session, 1 if there is "
        "none, 2 for wrong usage.",
    )
    return SessionOptions.model_validate(settings.model_dump())


def service_options(arguments: Sequence[str]) -> ServiceOptions:
    """Read the options of the service; see :func:`read_settings`."""
    settings = read_settings(
        ServiceSettings,
        arguments,
        "python -m deployments.serve",
        "Run the service: Prefect server, worker and deployments, until Ctrl-C. Forms start with "
        "the settings of the environment and of the settings file.",
    )
    return ServiceOptions.model_validate(settings.model_dump())


def read_settings[S: CommandSettings](
    kind: type[S], arguments: Sequence[str], command: str, purpose: str
) -> S:
    """Read settings from a command line, the environment and the settings file.

    Raises
    ------
    SystemExit
        ``--help`` was asked for, or argparse met an unknown option (status 2).
    FileNotFoundError
        The settings file that was named does not exist.
    pydantic.ValidationError
        A value is not what it should be.
    """
    parser = argparse.ArgumentParser(
        prog=command,
        description=f"{purpose} Every option can also be set by an environment variable "
        "(SHIFT_PORTAL, SHIFT_S3__ENDPOINT_URL, ...) and in a TOML settings file.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--settings",
        metavar="FILE",
        help=f"TOML settings file (default: ${SETTINGS_VARIABLE}, else {DEFAULT_SETTINGS_FILE} "
        "if it exists)",
    )
    source: Any = CliSettingsSource(kind, root_parser=parser)
    _make_readable(parser)
    named = parser.parse_args(arguments).settings
    if named:
        os.environ[SETTINGS_VARIABLE] = named
    return kind(_cli_settings_source=source(args=_without_settings(arguments)))


def _without_settings(arguments: Sequence[str]) -> list[str]:
    """The arguments without ``--settings``, which is no setting."""
    kept: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        if argument == "--settings":
            next(remaining, None)
        elif not argument.startswith("--settings="):
            kept.append(argument)
    return kept


_METAVARS = {
    "product": "L1|L2|all",
    "date": "YYYYMMDD",
    "line": "angYYYYMMDDtHHNNSS",
    "int": "N",
    "float": "N",
}


def _make_readable(parser: argparse.ArgumentParser) -> None:
    """Replace Python's type names in the help, and defaults that say nothing."""
    for action in parser._actions:  # noqa: SLF001 - argparse has no public way to list options
        name = action.metavar
        if isinstance(name, str):
            action.metavar = _METAVARS.get(action.dest) or _METAVARS.get(name) or name.upper()
        if action.help:
            for nothing in (" (default: None)", " (default: ())", " (default: False)"):
                action.help = action.help.removesuffix(nothing)
