"""Files that are whole or not there: written aside, then renamed; their checksums; and paths that persons write."""

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_OWNER_ALONE = 0o600


def at_home(path: str | Path) -> Path:
    """A path as a person writes it, ``~`` being the home folder, where no shell has read it."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        # Of a user who is not there; a shell leaves that as it is too.
        return Path(path)


def sha256_of(path: Path) -> str:
    """SHA-256 (hex) of a file, which is read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[Path]:
    """Where to write what shall take a file's place when the block ends.

    Until then the file stays as it is, and so it does if the block raises: what was written aside
    is removed then. The name aside begins with a dot; threads and processes that write the same
    file have names of their own.

    Parameters
    ----------
    path
        The file; its folder is there.
    durable
        Return when the disk has it. Else a machine that stops within some seconds may leave an
        empty file.

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
            # The name is the folder's.
            _sync(path.parent)
    finally:
        aside.unlink(missing_ok=True)


def write_whole(
    path: Path, content: bytes | str, *, durable: bool = False, private: bool = False
) -> None:
    """Write a file, text as UTF-8: all of it, or nothing; see :func:`replacing`.

    Parameters
    ----------
    path
        The file; its folder is there.
    content
        All of it.
    durable
        Return when the disk has it.
    private
        Let nobody but its owner read it, from the beginning.
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
