"""Paths of the files that the reader writes."""

import re
from pathlib import Path

from shift_stac.errors import MapError
from shift_stac.files import at_home

# pathlib drops one of the two slashes.
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+:/")


def local_path(path: str | Path) -> Path:
    """Return a path of this machine, with ``~`` replaced by the home folder.

    Raises
    ------
    MapError
        It is the address of a bucket or a server.
    """
    if _ADDRESS.match(str(path)):
        msg = f"{path} is not a path of this machine: write there, and copy the files afterwards"
        raise MapError(msg)
    return at_home(path)


def file_to_write(path: str | Path) -> Path:
    """Return the path of a file in a folder that exists, as from :func:`local_path`.

    Raises
    ------
    MapError
        It is a folder, its folder does not exist, or it is not a path of this machine.
    """
    file = local_path(path)
    if file.is_dir():
        msg = f"{file} is a folder: give the path of a file"
        raise MapError(msg)
    if not file.parent.is_dir():
        msg = f"{file} cannot be written, because {file.parent} is not a folder: make it first"
        raise MapError(msg)
    return file


def new_path(path: str | Path) -> Path:
    """Return a path that does not exist yet, below folders that exist or can be made.

    Raises
    ------
    MapError
        It exists already, it is below a file, or it is not a path of this machine.
    """
    new = local_path(path)
    if new.exists():
        msg = f"{new} already exists: remove it, or choose another name"
        raise MapError(msg)
    if file := next((folder for folder in new.parents if folder.is_file()), None):
        msg = f"{new} cannot be written, because {file} is a file: choose another folder"
        raise MapError(msg)
    return new
