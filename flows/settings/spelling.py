"""Names that no setting has: of variables, secrets' files, keys of the settings file, options.

A name that is mistyped sets nothing. So it is refused wherever it stands, before anything starts:
the default might be another archive, or no password.
"""

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic_settings import SettingsError

PREFIX = "SHIFT_"

# Of scripts beside the commands, and of the tests.
_NOT_SETTINGS = frozenset({
    *("SHIFT_SETTINGS", "SHIFT_SECRETS_DIR", "SHIFT_SERVICE"),
    *("SHIFT_IMAGES", "SHIFT_STAC_BROWSER", "SHIFT_SCREENSHOTS"),
})  # fmt: skip
_OF_TESTS = "SHIFT_TEST_"
# How alike a file's name must be to that of a secret, or a variable's first word to ours, to be taken
# for a misspelt one.
_ALIKE = 0.8


def setting_names(kinds: Iterable[type[BaseModel]]) -> dict[str, bool]:
    """Every setting as a dotted key (``s3.profile``), and whether any key may stand below it."""
    return {name: free for kind in kinds for name, free in _names(kind, "")}


def _names(kind: type[BaseModel], above: str) -> Iterator[tuple[str, bool]]:
    for name, field in kind.model_fields.items():
        parts = (field.annotation, *get_args(field.annotation))
        below = [p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)]
        yield above + name, not below and "dict" in str(field.annotation).lower()
        for part in below:
            yield from _names(part, f"{above}{name}.")


def similar(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: the known one that it may stand for."""
    found = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {found[0]}?" if found else ""


def check_environment(names: Mapping[str, bool]) -> None:
    """Refuse variables of ours that no setting has.

    Raises
    ------
    pydantic_settings.SettingsError
        There is one.
    """
    known = {PREFIX + name.replace(".", "__").upper(): free for name, free in names.items()}
    for given in os.environ:
        name = given.upper()
        meant = _with_prefix(name)
        if meant in known or meant in _NOT_SETTINGS:
            msg = f"the environment variable {given} is no setting; did you mean {meant}?"
            raise SettingsError(msg)
        if not name.startswith(PREFIX) or name.startswith(_OF_TESTS) or name in _NOT_SETTINGS:
            continue
        if name not in known and not any(
            free and name.startswith(f"{above}__") for above, free in known.items()
        ):
            msg = f"the environment variable {given} is no setting"
            raise SettingsError(msg + similar(name, {*known, *_NOT_SETTINGS}))


def _with_prefix(name: str) -> str | None:
    """A variable whose first word is ours misspelt, as it was meant; None of any other."""
    word, _, rest = name.partition("_")
    ours = PREFIX.rstrip("_")
    # Another letter makes another word: SWIFT_AUTH is OpenStack's.
    if word == ours or not set(word) <= set(ours):
        return None
    return PREFIX + rest if difflib.get_close_matches(word, [ours], cutoff=_ALIKE) else None


def check_secrets(folder: Path, variable: str, names: Mapping[str, bool]) -> None:
    """Refuse a folder of secrets that is not there, and files whose names are misspelt.

    Other software's secrets may lie beside ours.

    Raises
    ------
    pydantic_settings.SettingsError
        The folder does not exist, or has such a file, or a folder in the place of one.
    """
    if not folder.is_dir():
        msg = f"{variable}: the folder of secrets {folder} does not exist"
        raise SettingsError(msg)
    known = {(PREFIX + name.replace(".", "__")).lower() for name in names}
    for path in sorted(folder.iterdir()):
        name = path.name.lower()
        if name in known and path.is_dir():
            # So a container engine mounts a file that is not there.
            msg = f"{variable}: {path} is a folder: expected a file with the secret"
            raise SettingsError(msg)
        # Kubernetes keeps what it mounts in hidden folders.
        if name in known or name.startswith(".") or path.is_dir():
            continue
        meant = PREFIX.lower() + name
        if meant not in known:
            meant = next(iter(difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)), "")
        if meant or name.startswith(PREFIX.lower()):
            msg = f"{variable}: the file {path} is no setting's{similar(meant or name, known)}"
            raise SettingsError(msg)


def check_keys(
    path: Path, table: Mapping[str, Any], names: Mapping[str, bool], above: str = ""
) -> None:
    """Refuse keys of a settings file that no setting has.

    Raises
    ------
    pydantic_settings.SettingsError
        There is one.
    """
    for key, value in table.items():
        name = above + key
        if name not in names:
            msg = f"the settings file {path} has a key {name} that is no setting"
            raise SettingsError(msg + similar(name, names))
        if isinstance(value, Mapping) and not names[name]:
            check_keys(path, value, names, f"{name}.")
