"""Every setting of the service, typed, in one place.

A setting is taken from the command line, else from an environment variable, else from a TOML
file, else it has the default that stands here.
"""

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from shift_stac.campaigns import load_campaign
from shift_stac.conversion import ConversionOptions
from shift_stac.download import DownloadOptions
from shift_stac.flightline import FlightLine, parse_date
from shift_stac.layout import DEFAULT_CHUNKS
from shift_stac.sources import ProductLevel
from shift_stac.storage import S3Options
from shift_stac.validation import SAMPLED_BLOCKS

SETTINGS_VARIABLE = "SHIFT_SETTINGS"
DEFAULT_SETTINGS_FILE = Path("shift.toml")


def _split_commas(value: Any) -> Any:
    """Accept one text with commas, as environment variables have to give it."""
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _check_dates(value: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(parse_date(text) for text in value))


class IngestOptions(BaseModel):
    """Everything that an ingest can be told. Also the parameters of its flow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    portal: str | None = Field(
        default=None,
        description="address of the portal, or the folder of a local mirror "
        "(default: the campaign's real portal)",
    )
    portal_version: str = Field(default="v1", description="version of the portal's products")
    date: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="flight date YYYYMMDD; may be given several times"
    )
    line: Annotated[tuple[FlightLine, ...], NoDecode] = Field(
        default=(),
        description="flight line angYYYYMMDDtHHNNSS; may be given several times "
        "(default: every line that the portal lists for the dates)",
    )
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
    x_chunk: int | None = Field(
        default=None, gt=0, description=f"samples in a chunk (default: {DEFAULT_CHUNKS.x})"
    )
    y_chunk: int | None = Field(
        default=None, gt=0, description=f"scan lines in a chunk (default: {DEFAULT_CHUNKS.y})"
    )
    wavelength_chunk: int | None = Field(
        default=None, gt=0, description=f"bands in a chunk (default: {DEFAULT_CHUNKS.wavelength})"
    )
    cluster: str = Field(
        default="local", description="where conversions run: a cluster profile's name or path"
    )
    force: bool = Field(default=False, description="ingest lines again that are up to date")
    dry_run: bool = Field(
        default=False, description="touch nothing; tell what would be done, and why"
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

    _split = field_validator("date", "line", mode="before")(_split_commas)
    _check_dates = field_validator("date")(_check_dates)

    @model_validator(mode="after")
    def _check_selection(self) -> "IngestOptions":
        if not self.date and not self.line:
            msg = "nothing is selected: give --date or --line"
            raise ValueError(msg)
        strangers = [line.id for line in self.line if self.date and line.date not in self.date]
        if strangers:
            msg = f"{', '.join(strangers)} was not flown on {', '.join(self.date)}"
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _check_campaign(self) -> "IngestOptions":
        # Here, so that a form refuses it too.
        load_campaign(self.campaign).portal.version(self.portal_version)
        return self

    @property
    def dates(self) -> tuple[str, ...]:
        """The dates selected, by themselves or through their lines."""
        return self.date or tuple(sorted({line.date for line in self.line}))

    @property
    def requested_chunks(self) -> dict[str, int]:
        """The chunk sizes that were asked for, by axis."""
        sizes = {"x": self.x_chunk, "y": self.y_chunk, "wavelength": self.wavelength_chunk}
        return {axis: size for axis, size in sizes.items() if size is not None}

    @property
    def conversion(self) -> ConversionOptions:
        """What shapes the stores."""
        chunks = DEFAULT_CHUNKS.model_copy(update=self.requested_chunks)
        return ConversionOptions(level=self.product, chunks=chunks)


class ValidateOptions(BaseModel):
    """Everything that a validation of an archive can be told. Also the parameters of its flow."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    store: str = Field(
        default="store", description="the published archive: a folder or s3://bucket/prefix"
    )
    date: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="only lines of this date YYYYMMDD; may be given several times"
    )
    line: Annotated[tuple[FlightLine, ...], NoDecode] = Field(
        default=(), description="only this flight line; may be given several times"
    )
    blocks: int = Field(
        default=SAMPLED_BLOCKS, ge=0, description="chunks of each cube that are read; 0 for all"
    )
    work_dir: Path = Field(default=Path("work"), description="folder for reports")
    lines_at_once: int = Field(default=4, gt=0, description="lines that are looked at at once")
    campaign: str = Field(
        default="shift", description="campaign that comes with the package, or path of its file"
    )
    s3: S3Options = Field(
        default_factory=S3Options,
        description="access to the bucket, beside the standard AWS settings",
    )

    _split = field_validator("date", "line", mode="before")(_split_commas)
    _check_dates = field_validator("date")(_check_dates)

    @model_validator(mode="after")
    def _check_campaign(self) -> "ValidateOptions":
        load_campaign(self.campaign)
        return self


class _SettingsFile(TomlConfigSettingsSource):
    """The TOML file named by the environment, or ``shift.toml`` where the command is run."""

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        named = os.environ.get(SETTINGS_VARIABLE)
        if named and not Path(named).is_file():
            msg = f"the settings file {named} does not exist"
            raise FileNotFoundError(msg)
        super().__init__(settings_cls, Path(named) if named else DEFAULT_SETTINGS_FILE)


class _CommandSettings(BaseSettings):
    """How a command takes its options."""

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
        """Environment before file; secrets and dotenv files are not read."""
        return init_settings, env_settings, _SettingsFile(settings_cls)


class IngestSettings(IngestOptions, _CommandSettings):
    """The ingest's options as a command takes them."""

    model_config = SettingsConfigDict(cli_prog_name="python -m flows.ingest", extra="forbid")


class ValidateSettings(ValidateOptions, _CommandSettings):
    """The validation's options as a command takes them.

    A settings file may hold those of an ingest too.
    """

    model_config = SettingsConfigDict(cli_prog_name="python -m flows.validate", extra="ignore")


def ingest_options(arguments: Sequence[str]) -> IngestOptions:
    """Read the options of an ingest from a command line, the environment and the settings file.

    Raises
    ------
    SystemExit
        ``--help`` was asked for, or argparse met an unknown option (status 2).
    FileNotFoundError
        The settings file that was named does not exist.
    pydantic.ValidationError
        A value is not what it should be.
    """
    settings = _read_settings(
        IngestSettings,
        arguments,
        "Ingest flight lines: portal, download, Zarr, STAC, store. Every option can "
        "also be set by an environment variable (SHIFT_PORTAL, SHIFT_S3__ENDPOINT_URL, ...) and "
        "in a TOML settings file.",
    )
    return IngestOptions.model_validate(settings.model_dump())


def validate_options(arguments: Sequence[str]) -> ValidateOptions:
    """Read the options of a validation, as :func:`ingest_options` reads those of an ingest."""
    settings = _read_settings(
        ValidateSettings,
        arguments,
        "Look into a published archive, and list good and bad stores. Ends with 0 if all are "
        "good, 1 if one is bad, 2 for wrong usage.",
    )
    return ValidateOptions.model_validate(settings.model_dump())


def _read_settings[Settings: _CommandSettings](
    settings_class: type[Settings], arguments: Sequence[str], description: str
) -> Settings:
    parser = argparse.ArgumentParser(
        prog=settings_class.model_config.get("cli_prog_name"),
        description=description,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--settings",
        metavar="FILE",
        help=f"TOML settings file (default: ${SETTINGS_VARIABLE}, else {DEFAULT_SETTINGS_FILE} "
        "if it exists)",
    )
    source: Any = CliSettingsSource(settings_class, root_parser=parser)
    _make_readable(parser)
    named = parser.parse_args(arguments).settings
    if named:
        os.environ[SETTINGS_VARIABLE] = named
    settings: Any = settings_class
    found: Settings = settings(_cli_settings_source=source(args=_without_settings(arguments)))
    return found


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
