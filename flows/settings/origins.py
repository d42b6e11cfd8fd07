"""The place where a setting was given, for the message about a wrong value."""

import os
import tomllib
from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from flows.settings.setting_sources import (
    DEFAULT_SETTINGS_FILE,
    SECRETS_VARIABLE,
    SETTINGS_VARIABLE,
)
from flows.settings.spelling import PREFIX
from shift_stac.files import at_home


def origin(place: Sequence[str], arguments: Sequence[str]) -> str:
    """Return the option, variable, secret's file or key that gave a setting; its option if it was not given.

    Parameters
    ----------
    place
        The names of the setting and of the tables above it: ``("s3", "profile")``.
    arguments
        The command line without the command.
    """
    option = f"--{'.'.join(place).replace('_', '-')}"
    variable = PREFIX + "__".join(place).upper()
    if any(_is(given.partition("=")[0], option, ".") for given in arguments):
        return option
    for given, value in os.environ.items():
        if value and _is(given.upper(), variable, "__"):
            return given
    folder = os.environ.get(SECRETS_VARIABLE)
    if folder and (secret := Path(folder) / variable.lower()).is_file():
        return str(secret)
    path = at_home(os.environ.get(SETTINGS_VARIABLE) or str(DEFAULT_SETTINGS_FILE))
    return f"{path}: {'.'.join(place)}" if _has_key(path, place) else option


def _is(given: str, name: str, separator: str) -> bool:
    """Whether a name is that of a setting, or of one in its table."""
    return given == name or given.startswith(name + separator)


def _has_key(path: Path, place: Sequence[str]) -> bool:
    def below(table: Any, key: str) -> Any:
        return table.get(key) if isinstance(table, dict) else None

    try:
        table = tomllib.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return reduce(below, place, table) is not None
