"""Where the archive is published: what folder and bucket have in common, and the folder.

Paths are relative to the root and use ``/``. A reader never sees half a file or half a store:
see :meth:`Storage.write` and :meth:`Storage.publish_store`.
"""

import hashlib
import os
import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, override

from filelock import FileLock, Timeout

from shift_stac.errors import StorageError

ROOT_METADATA = "zarr.json"
"""The file without which a Zarr store does not open."""

# In the archive's root: what runs on one file system hold while they change things.
_LOCKS = ".shift-stac"
_LOCK_TIMEOUT_S = 3600

_MEDIA_TYPES = {
    ".geojson": "application/geo+json",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".parquet": "application/vnd.apache.parquet",
    ".png": "image/png",
    ".sha256": "text/plain",
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
}

Progress = Callable[[int, int], None]
"""Told while a store is sent: bytes done, bytes in all."""

Change = Callable[[bytes | None], bytes]
"""From a file's content, None where there is none, to what it shall be. May be called again."""


@dataclass(frozen=True)
class StoredFile:
    """Size in bytes, and when it was written."""

    size: int
    modified: datetime


class Storage(ABC):
    """The published archive.

    Every method raises :class:`~shift_stac.errors.StorageError`, naming the place and the action,
    when the folder or bucket refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def href(self, path: str) -> str:
        """Absolute address of a path, as xarray and a person can open it."""
        return f"{self.url}/{path}"

    @property
    def fsspec_options(self) -> dict[str, Any]:
        """How fsspec, and so xarray, reaches this archive."""
        return {}

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Obtain what is needed to begin, so that it is not missing in the middle.

        Raises
        ------
        CredentialsError
            A session with the bucket cannot be had.
        """

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """Bytes of a file, or None where there is none."""

    @abstractmethod
    def write(self, path: str, content: bytes) -> None:
        """Replace a file as a whole; leave it untouched if it has this content already."""

    @abstractmethod
    def update(self, path: str, change: Change) -> bool:
        """Replace a file by what ``change`` makes of it, so that no other writer's change is lost.

        Returns whether the file differs now.
        """

    @abstractmethod
    def find(self, folder: str = "") -> dict[str, StoredFile]:
        """All files below a folder by their paths, except those that writers have not finished."""

    @abstractmethod
    def remove(self, paths: Sequence[str]) -> None:
        """Remove files; those that are not there are passed over."""

    @abstractmethod
    def has_store(self, path: str) -> bool:
        """Whether a complete Zarr store lies there."""

    @abstractmethod
    def publish_store(self, local: Path, path: str, progress: Progress | None = None) -> None:
        """Publish a Zarr store as a whole, in place of what was there.

        The local store stays as it is. An interruption leaves the old store, or none that opens;
        publishing again completes it, and sends nothing that has arrived already.
        """


class FolderStorage(Storage):
    """An archive in a folder. Several processes of one machine may publish into it."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        super().__init__(str(self.root))

    def _path(self, path: str) -> Path:
        return self.root / PurePosixPath(path)

    @contextmanager
    def _reporting(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            msg = f"cannot {action} {self._path(path)}: {error.strerror or error}"
            raise StorageError(msg) from error

    @override
    def read(self, path: str) -> bytes | None:
        with self._reporting("read", path):
            try:
                return self._path(path).read_bytes()
            except FileNotFoundError:
                return None

    @override
    def write(self, path: str, content: bytes) -> None:
        if self.read(path) == content:
            return
        target = self._path(path)
        with self._reporting("write", path):
            target.parent.mkdir(parents=True, exist_ok=True)
            # Threads and processes that write the same file must not share the temporary one.
            part = target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.part")
            try:
                part.write_bytes(content)
                part.replace(target)
            finally:
                part.unlink(missing_ok=True)

    @override
    def update(self, path: str, change: Change) -> bool:
        # One lock for each file: whoever changes another one need not wait.
        with self._held(hashlib.sha256(path.encode()).hexdigest()[:16]):
            before = self.read(path)
            after = change(before)
            if after == before:
                return False
            self.write(path, after)
            return True

    @override
    def find(self, folder: str = "") -> dict[str, StoredFile]:
        top = self._path(folder)
        with self._reporting("list", folder):
            return {
                file.relative_to(self.root).as_posix(): _describe(file)
                for file in sorted(top.rglob("*"))
                # What a writer has not finished is hidden, as its locks are.
                if file.is_file()
                and not any(part.startswith(".") for part in file.relative_to(top).parts)
            }

    @override
    def remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            with self._reporting("remove", path):
                self._path(path).unlink(missing_ok=True)
                # Folders that have become empty go too, as they do in a bucket.
                for parent in self._path(path).parents:
                    if parent == self.root or (parent.is_dir() and any(parent.iterdir())):
                        break
                    if parent.is_dir():
                        parent.rmdir()

    @override
    def has_store(self, path: str) -> bool:
        return (self._path(path) / ROOT_METADATA).is_file()

    @override
    def publish_store(self, local: Path, path: str, progress: Progress | None = None) -> None:
        with self._held(PurePosixPath(path).name):
            self._replace_store(local, path, progress)

    def _replace_store(self, local: Path, path: str, progress: Progress | None) -> None:
        target = self._path(path)
        incoming, outgoing = (target.with_name(f".{target.name}.{w}") for w in ("in", "out"))
        with self._reporting("publish", path):
            for leftover in (incoming, outgoing):
                shutil.rmtree(leftover, ignore_errors=True)
            size = sum(file.stat().st_size for file in local.rglob("*") if file.is_file())
            sent = 0

            def link_or_copy(source: str, destination: str) -> None:
                nonlocal sent
                try:
                    os.link(source, destination)
                except OSError:  # another file system, or one without links
                    shutil.copyfile(source, destination)
                sent += Path(source).stat().st_size
                if progress is not None:
                    progress(sent, size)

            shutil.copytree(local, incoming, copy_function=link_or_copy)
            if target.exists():
                target.rename(outgoing)
            incoming.rename(target)
            shutil.rmtree(outgoing, ignore_errors=True)

    @contextmanager
    def _held(self, name: str) -> Iterator[None]:
        locks = self.root / _LOCKS
        with self._reporting("lock", _LOCKS):
            locks.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(locks / f"{name}.lock", timeout=_LOCK_TIMEOUT_S):
                yield
        except Timeout as error:
            msg = f"{locks / name}.lock has been held for {_LOCK_TIMEOUT_S} s by another run"
            raise StorageError(msg) from error


def _describe(file: Path) -> StoredFile:
    status = file.stat()
    return StoredFile(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))


def media_type(path: str) -> str:
    """The media type under which a file of the archive is served."""
    return _MEDIA_TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
