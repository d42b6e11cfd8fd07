"""An archive in a folder."""

import hashlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import override

from filelock import FileLock, Timeout

from shift_stac.errors import NoArchiveError, StorageError
from shift_stac.files import write_whole
from shift_stac.storage.base import WORKING, Change, Progress, Storage, StoredFile
from shift_stac.store.store_format import ROOT_METADATA

_LOCK_TIMEOUT_S = 3600


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
            write_whole(target, content, durable=True)

    @override
    def update(self, path: str, change: Change) -> bool:
        # One lock for each file, so that changes of different files do not wait for each other.
        with self._held(hashlib.sha256(path.encode()).hexdigest()[:16]):
            before = self.read(path)
            after = change(before)
            if after == before:
                return False
            self.write(path, after)
            return True

    @override
    def prepare(self) -> None:
        if self.root.exists() and not self.root.is_dir():
            msg = f"{self.root} is not a folder: give the path of a folder for the archive"
            raise NoArchiveError(msg)

    @override
    def walk(self, folder: str = "") -> Iterator[tuple[str, StoredFile]]:
        top = self._path(folder)
        if not top.exists():
            return
        with self._reporting("list", folder):
            for parent, folders, names in top.walk(on_error=_raise):
                # Unfinished files and locks of writers are hidden.
                folders[:] = sorted(name for name in folders if not name.startswith("."))
                for name in sorted(names):
                    file = parent / name
                    if not name.startswith(".") and file.is_file():
                        yield file.relative_to(self.root).as_posix(), _describe(file)

    @override
    def remove(self, paths: Sequence[str]) -> None:
        for path in paths:
            with self._reporting("remove", path):
                self._path(path).unlink(missing_ok=True)
                # Empty folders are removed too, as in a bucket.
                for parent in self._path(path).parents:
                    if parent == self.root or (parent.is_dir() and any(parent.iterdir())):
                        break
                    if parent.is_dir():
                        parent.rmdir()

    @override
    def has_store(self, path: str) -> bool:
        return (self._path(path) / ROOT_METADATA).is_file()

    @override
    def publish_store(
        self,
        local: Path,
        path: str,
        progress: Progress | None = None,
        checksums: Mapping[str, str] | None = None,
    ) -> None:
        with self._held(PurePosixPath(path).name):
            self._replace_store(local, path, progress)

    def _replace_store(self, local: Path, path: str, progress: Progress | None) -> None:
        target = self._path(path)
        incoming, outgoing = (target.with_name(f".{target.name}.{w}") for w in ("in", "out"))
        with self._reporting("publish", path):
            for unfinished in (incoming, outgoing):
                shutil.rmtree(unfinished, ignore_errors=True)
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
        locks = self.root / WORKING
        with self._reporting("lock", WORKING):
            locks.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(locks / f"{name}.lock", timeout=_LOCK_TIMEOUT_S):
                yield
        except Timeout as error:
            msg = f"{locks / name}.lock has been held for {_LOCK_TIMEOUT_S} s by another run"
            raise StorageError(msg) from error


def _raise(error: OSError) -> None:
    raise error


def _describe(file: Path) -> StoredFile:
    status = file.stat()
    return StoredFile(status.st_size, datetime.fromtimestamp(status.st_mtime, UTC))
