"""Atomic writes of files (write to a temporary name, then rename); checksums; paths with ``~``."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from shift_stac.errors import RefusedFileError, WorkFolderError

_OWNER_ALONE = 0o600


def at_home(path: str | Path) -> Path:
    """Return a path with ``~`` replaced by the home folder, where no shell has done so."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        # The user does not exist; a shell leaves such a path unchanged too.
        return Path(path)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 (hex) of a file, which is read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_folder(folder: Path) -> None:
    """Make a folder for work, and those above it, unless it exists.

    Raises
    ------
    WorkFolderError
        It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"the working folder {folder} cannot be made: {error.strerror}"
        raise WorkFolderError(msg) from error


def read_bytes(path: Path, offset: int, size: int) -> bytes:
    """Read some bytes of a file on this machine.

    Raises
    ------
    RefusedFileError
        It cannot be read.
    """
    try:
        with path.open("rb") as file:
            file.seek(offset)
            return file.read(size)
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror}"
        raise RefusedFileError(msg) from error


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Give a temporary path whose file replaces ``path`` when the block ends.

    Until then, and if the block raises, the file stays unchanged; after an error the temporary file
    is removed. Its name begins with a dot, and is different in each thread and process.

    Parameters
    ----------
    path
        The file; its folder exists.
    durable
        Return when the data are on the disk. Otherwise a crash of the machine in the next seconds
        may leave an empty file.

    Raises
    ------
    OSError
        It cannot be written.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    try:
        yield aside
        if durable:
            _sync(aside)
        aside.replace(path)
        if durable:
            # The directory entry has to be on the disk too.
            _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def write_whole(
    path: Path, content: bytes | str, *, durable: bool = False, private: bool = False
) -> None:
    """Write a file atomically, text as UTF-8; see :func:`replacing`.

    Parameters
    ----------
    path
        The file; its folder exists.
    content
        The whole content.
    durable
        Return when the disk has it.
    private
        Make it readable only for its owner, from the beginning.
    """
    with replacing(path, durable=durable) as aside:
        if private:
            aside.touch(_OWNER_ALONE)
        aside.write_bytes(content.encode() if isinstance(content, str) else content)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
