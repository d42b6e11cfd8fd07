"""Paths of the files that the reader writes."""

from pathlib import Path

from shift_stac.errors import MapError
from shift_stac.files import at_home


def local_path(path: str | Path) -> Path:
    """Return a path of this machine, with ``~`` replaced by the home folder.

    Raises
    ------
    MapError
        It is the address of a bucket or a server.
    """
    if "://" in str(path):
        msg = f"{path} is no path of this machine: write there, and copy the files afterwards"
        raise MapError(msg)
    return at_home(path)
