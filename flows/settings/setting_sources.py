"""The sources of settings: command line, environment, secrets, settings file."""

import argparse
import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import new_class
from typing import Any, override

from pydantic import BaseModel
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from flows.settings.options import (
    CampaignOptions,
    CatalogCheckOptions,
    CubeOptions,
    DiffOptions,
    IngestOptions,
    PruneOptions,
    ReportOptions,
    SessionOptions,
    ValidateOptions,
)
from flows.settings.service import ServiceOptions
from flows.settings.spelling import (
    PREFIX,
    Shape,
    check_environment,
    check_keys,
    find_secrets,
    setting_names,
)
from shift_stac.campaigns import is_campaign_table
from shift_stac.files import at_home
from shift_stac.reader.mosaic_rule import MosaicRule
from shift_stac.sources import CAN_DO_WITHOUT, ProductLevel
from shift_stac.store.chunking import ChunkLayout
from shift_stac.usage import PlainParser

SETTINGS_VARIABLE = "SHIFT_SETTINGS"
"""Environment variable that names the settings file."""

SECRETS_VARIABLE = "SHIFT_SECRETS_DIR"
"""Environment variable that names the folder of secrets."""

DEFAULT_SETTINGS_FILE = Path("shift.toml")

# All keys of a settings file belong to one of these.
KINDS: tuple[type[BaseModel], ...] = (
    IngestOptions,
    CampaignOptions,
    ValidateOptions,
    CatalogCheckOptions,
    CubeOptions,
    PruneOptions,
    DiffOptions,
    ReportOptions,
    SessionOptions,
    ServiceOptions,
)


@cache
def _known(kind: type[BaseModel]) -> dict[str, Shape]:
    """Return names and shapes of the settings of all commands, since they share environment, secrets and file."""
    return setting_names((*KINDS, kind))


class _SettingsFile(TomlConfigSettingsSource):
    """The TOML file that was named, otherwise ``shift.toml`` if it exists.

    One file serves all commands: keys of other commands are ignored.
    """

    def __init__(self, settings_cls: type[BaseSettings]) -> None:
        named = os.environ.get(SETTINGS_VARIABLE)
        path = at_home(named) if named else DEFAULT_SETTINGS_FILE
        if named and not path.is_file():
            msg = f"the settings file {named} does not exist"
            raise FileNotFoundError(msg)
        try:
            super().__init__(settings_cls, path)
        # tomllib's own error, no UTF-8, or a number of more digits than Python reads.
        except (ValueError, RecursionError) as error:
            msg = f"the settings file {path} is not TOML: {error}"
            raise SettingsError(msg) from error
        if is_campaign_table(self.toml_data):
            msg = (
                f"{path.absolute()} is a campaign file, but has the name of the settings file: "
                "rename it, and give it by `--campaign`"
                if not named
                else f"{path} is given as the settings file, but is a campaign file: give it by "
                "`--campaign`"
            )
            raise SettingsError(msg)
        check_keys(path, self.toml_data, _known(settings_cls))

    @override
    def __call__(self) -> dict[str, Any]:
        others = {name for kind in KINDS for name in kind.model_fields}
        foreign = others - set(self.settings_cls.model_fields)
        return {key: value for key, value in super().__call__().items() if key not in foreign}


def _secrets_source(
    settings_cls: type[BaseSettings], folder: str | None
) -> tuple[PydanticBaseSettingsSource, ...]:
    """Return the source of a folder of files named shift_auth, shift_webhook ..., as compose and Kubernetes mount secrets.

    Files are read as variables are. The library's own source ignores settings below a table, and
    links that lead out of the folder.
    """
    if not folder:
        return ()
    source = EnvSettingsSource(settings_cls)
    found = find_secrets(Path(folder), SECRETS_VARIABLE, _known(settings_cls))
    source.env_vars = {name: _read_secret(path) for name, path in found.items()}
    return (source,)


def _read_secret(path: Path) -> str:
    try:
        return path.read_text("utf-8").strip()
    except UnicodeDecodeError as error:
        msg = f"{SECRETS_VARIABLE}: the file {path} is not text: {error}"
        raise SettingsError(msg) from error


class _Settings(BaseSettings):
    """Options from environment, secrets and settings file."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        # Compose files pass variables on even if they are not set. So an empty value sets nothing,
        # also on the command line.
        env_ignore_empty=True,
        # Not JSON: the fields themselves split texts into lists and tables.
        enable_decoding=False,
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
        check_environment(_known(settings_cls))
        secrets = _secrets_source(settings_cls, os.environ.get(SECRETS_VARIABLE))
        return init_settings, env_settings, *secrets, _SettingsFile(settings_cls)


@cache
def _settings_of(kind: type[BaseModel]) -> type[_Settings]:
    made: type[_Settings] = new_class(kind.__name__, (kind, _Settings))
    return made


def site_options[Options: BaseModel](kind: type[Options], **given: Any) -> Options:
    """Return options from environment, secrets and settings file; ``given`` ones take precedence.

    Raises
    ------
    pydantic.ValidationError
        A setting is invalid.
    FileNotFoundError
        The settings file that was named does not exist.
    pydantic_settings.SettingsError
        The settings file is not TOML, the folder of secrets does not exist, or a variable, a
        secret's file or a key has a name that no setting has.
    """
    return kind.model_validate(_settings_of(kind)(**given).model_dump())


def complete[Options: BaseModel](options: Options) -> Options:
    """Fill options that are not given from the settings of the site; see :func:`site_options`.

    A run that is started in the Prefect UI has only the options that differ from run to run; the
    machine that runs it knows the settings of the site.
    """
    return site_options(type(options), **options.model_dump(exclude_unset=True))


def read_options[Options: BaseModel](
    kind: type[Options], arguments: Sequence[str] | None, program: str, purpose: str
) -> Options:
    """Return the options of a command: from its command line, otherwise from the site.

    Parameters
    ----------
    kind
        The class of the options.
    arguments
        The command line without the command; None for that of this process.
    program, purpose
        The command's name and purpose, for its help.

    Raises
    ------
    SystemExit
        ``--help`` was asked for, or argparse met an unknown option, or a secret
        (status 2).
    FileNotFoundError
        The settings file that was named does not exist.
    pydantic_settings.SettingsError
        The settings file is not TOML, the folder of secrets does not exist, or a variable, a
        secret's file or a key has a name that no setting has.
    pydantic.ValidationError
        A value is invalid.
    """
    parser = PlainParser(
        prog=program,
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
    # Not pydantic-settings' CliApp, which reads sys.argv and ends the process: here the options of
    # a command are read once, together with the file of --settings, and errors have our own
    # messages.
    source: Any = CliSettingsSource(
        _settings_of(kind), root_parser=parser, add_argument_method=_add_argument
    )
    given = vars(parser.parse_args(arguments))
    named = given.pop("settings")
    if named:
        # Also for child processes.
        os.environ[SETTINGS_VARIABLE] = named
    return site_options(kind, _cli_settings_source=source(parsed_args=given))


_METAVARS = {
    # By default the help has the names of enum members, which differ from the values to type.
    "product": "|".join(ProductLevel),
    "leave_out": "|".join(CAN_DO_WITHOUT),
    "layout": "|".join(ChunkLayout),
    "mosaic": "|".join(MosaicRule),
    "date": "YYYYMMDD",
    "line": "NAME",
    "int": "N",
    "float": "N",
    "SecretStr": "TEXT",
    "dict[str,str]": "KEY=VALUE",
}


def _refuse_secret(name: str) -> Callable[[str], str]:
    """Refuse the value of a secret's option, except for an empty one, which sets nothing."""
    known = PREFIX + name.replace(".", "__")

    def take(value: str) -> str:
        if value:
            msg = (
                "every user of this machine can read a command line: write the secret into the "
                f"file {known.lower()} of a folder that {SECRETS_VARIABLE} names, or into the "
                f"variable {known.upper()}"
            )
            raise argparse.ArgumentTypeError(msg)
        return value

    return take


def _add_argument(group: argparse.ArgumentParser, *names: str, **described: Any) -> None:
    """Add an option; its help has no Python type names and no empty defaults."""
    name = described.get("metavar")
    if name is not None:
        # Choices are spelled as their values.
        plain = name if name.startswith("{") else name.upper()
        described["metavar"] = _METAVARS.get(described["dest"]) or _METAVARS.get(name) or plain
    for nothing in (" (default: None)", " (default: ())", " (default: False)", " (default: )"):
        described["help"] = described["help"].removesuffix(nothing)
    for value in re.split(r"[|{},]", str(described.get("metavar"))):
        # By default the help has the name of an enum member, which differs from the value to type.
        told, meant = f"(default: {value.upper()})", f"(default: {value})"
        described["help"] = described["help"].replace(told, meant)
    if name == "SecretStr":
        described["type"] = _refuse_secret(described["dest"])
        described["help"] += "; set it in a secret's file or a variable, never on the command line"
    group.add_argument(*names, **described)
