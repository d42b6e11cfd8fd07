"""Refuses unknown names of variables, secrets' files and keys of the settings file, and misplaced tables.

A mistyped name sets nothing, and the default may be another archive, or no password. So it is
refused before anything starts.
"""

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_settings import SettingsError

from shift_stac.usage import similar

PREFIX = "SHIFT_"

# Variables of scripts beside the commands, and of the tests.
_NOT_SETTINGS = frozenset({
    *("SHIFT_SETTINGS", "SHIFT_SECRETS_DIR", "SHIFT_SERVICE"),
    *("SHIFT_IMAGES", "SHIFT_STAC_BROWSER", "SHIFT_SCREENSHOTS"),
})  # fmt: skip
_OF_TESTS = "SHIFT_TEST_"
# Similarity at which a file's name counts as a misspelt secret, or a variable's first word as ours
# misspelt.
_ALIKE = 0.8


class Shape(Enum):
    """What a setting has: a value, settings of its own below it, or any keys below it."""

    VALUE = auto()
    GROUP = auto()
    ANY_KEYS = auto()


def setting_names(kinds: Iterable[type[BaseModel]]) -> dict[str, Shape]:
    """Return every setting as a dotted key (``s3.profile``), and its shape."""
    return {name: shape for kind in kinds for name, shape in _names(kind, "")}


def _names(kind: type[BaseModel], above: str) -> Iterator[tuple[str, Shape]]:
    for name, field in kind.model_fields.items():
        parts = (field.annotation, *get_args(field.annotation))
        below = [p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)]
        any_keys = "dict" in str(field.annotation).lower()
        yield above + name, Shape.GROUP if below else Shape.ANY_KEYS if any_keys else Shape.VALUE
        for part in below:
            yield from _names(part, f"{above}{name}.")


def check_environment(names: Mapping[str, Shape]) -> None:
    """Refuse variables that begin as ours but belong to no setting, or to a group of settings.

    Raises
    ------
    pydantic_settings.SettingsError
        There is one.
    """
    known = _variables(names)
    for given, value in os.environ.items():
        name = given.upper()
        meant = _with_prefix(name)
        if meant in known or meant in _NOT_SETTINGS:
            msg = f"the environment variable {given} is not a setting; did you mean {meant}?"
            raise SettingsError(msg)
        if not name.startswith(PREFIX) or name.startswith(_OF_TESTS) or name in _NOT_SETTINGS:
            continue
        if value and known.get(name) is Shape.GROUP:
            msg = f"the environment variable {given} names a group of settings: set these, such as {_example(name, known)}"
            raise SettingsError(msg)
        if name not in known and not any(
            shape is Shape.ANY_KEYS and name.startswith(f"{above}__")
            for above, shape in known.items()
        ):
            msg = f"the environment variable {given} is not a setting"
            raise SettingsError(msg + similar(name, {*known, *_NOT_SETTINGS}))


def _variables(names: Mapping[str, Shape]) -> dict[str, Shape]:
    """Return shapes of settings by the names of their variables."""
    return {PREFIX + name.replace(".", "__").upper(): shape for name, shape in names.items()}


def _example(group: str, known: Iterable[str]) -> str:
    """Return the name of a setting of a group."""
    return next(setting for setting in known if setting.startswith(f"{group}__"))


def _with_prefix(name: str) -> str | None:
    """Return the corrected name of a variable whose first word is ours misspelt; None for others."""
    word, _, rest = name.partition("_")
    ours = PREFIX.rstrip("_")
    # A replaced letter makes another word: SWIFT_AUTH belongs to OpenStack.
    if word == ours or not set(word) <= set(ours):
        return None
    return PREFIX + rest if difflib.get_close_matches(word, [ours], cutoff=_ALIKE) else None


def find_secrets(folder: Path, variable: str, names: Mapping[str, Shape]) -> dict[str, Path]:
    """Return the files of secrets by the names of their variables, in small letters.

    The folder may also have secrets of other software. These are left out.

    Raises
    ------
    pydantic_settings.SettingsError
        The folder does not exist, has a misspelt file or one of a group of settings, or has a
        folder in place of a file.
    """
    if not folder.is_dir():
        msg = f"{variable}: the folder of secrets {folder} does not exist"
        raise SettingsError(msg)
    known = {name.lower(): shape for name, shape in _variables(names).items()}
    found = {}
    for path in sorted(folder.iterdir()):
        name = path.name.lower()
        if name in known and path.is_dir():
            # A container engine makes such a folder for a file that does not exist.
            msg = f"{variable}: {path} is a folder: expected a file with the secret"
            raise SettingsError(msg)
        if known.get(name) is Shape.GROUP:
            msg = f"{variable}: the file {path} names a group of settings: write these, such as {_example(name, known)}"
            raise SettingsError(msg)
        if name in known:
            found[name] = path
        # Kubernetes keeps mounted files in hidden folders.
        if name in known or name.startswith(".") or path.is_dir():
            continue
        meant = PREFIX.lower() + name
        if meant not in known:
            meant = next(iter(difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)), "")
        if meant or name.startswith(PREFIX.lower()):
            msg = (
                f"{variable}: the file {path} belongs to no setting{similar(meant or name, known)}"
            )
            raise SettingsError(msg)
    return found


def check_keys(
    path: Path, table: Mapping[str, Any], names: Mapping[str, Shape], above: str = ""
) -> None:
    """Refuse unknown keys of a settings file, tables in place of values, and values in place of tables.

    Raises
    ------
    pydantic_settings.SettingsError
        There is one.
    """
    for key, value in table.items():
        name = above + key
        if name not in names:
            msg = f"the settings file {path} has the key {name}, which is not a setting"
            raise SettingsError(msg + similar(name, names))
        is_table = isinstance(value, Mapping)
        if is_table and names[name] is Shape.VALUE:
            msg = (
                f"the settings file {path} has a table {name}, which is a setting: give it a value"
            )
            raise SettingsError(msg)
        if not is_table and names[name] is not Shape.VALUE:
            msg = f"the settings file {path} has a value for {name}, which is a table: write [{name}], and its keys below"
            raise SettingsError(msg)
        if names[name] is Shape.GROUP:
            check_keys(path, value, names, f"{name}.")
