"""Where the archive is published: a folder or an S3 bucket, behind one interface.

Paths are relative to the root and use ``/``. A reader never sees half a file or half a store:
see :meth:`Storage.write` and :meth:`Storage.publish_store`.
"""

import os
import shutil
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, override

import s3fs
from botocore.exceptions import BotoCoreError, ClientError
from filelock import FileLock, Timeout
from pydantic import Field

from shift_stac.errors import StorageError
from shift_stac.sources import FrozenModel

# The file without which a Zarr store does not open.
_ROOT_METADATA = "zarr.json"
# In the archive's root: what runs on one file system hold while they change things.
_LOCKS = ".shift-stac"
_LOCK_TIMEOUT_S = 3600
_MEDIA_TYPES = {
    ".json": "application/json",
    ".geojson": "application/geo+json",
    ".png": "image/png",
    ".tif": "image/tiff; application=geotiff; profile=cloud-optimized",
}

Progress = Callable[[int, int], None]
"""Told while a store is sent: files done, files in all."""


class S3Options(FrozenModel):
    """How the bucket is reached, where the standard AWS settings do not say it."""

    endpoint_url: str | None = Field(
        default=None, description="address of an S3 server that is not Amazon's"
    )
    profile: str | None = Field(default=None, description="named profile of the AWS configuration")
    region: str | None = Field(default=None, description="region of the bucket")
    parallel: int = Field(default=32, gt=0, description="objects in transfer at once")


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

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """Bytes of a file, or None where there is none."""

    @abstractmethod
    def write(self, path: str, content: bytes) -> None:
        """Replace a file as a whole; leave it untouched if it has this content already."""

    @abstractmethod
    def has_store(self, path: str) -> bool:
        """Whether a complete Zarr store lies there."""

    @abstractmethod
    def publish_store(self, local: Path, path: str, progress: Progress | None = None) -> None:
        """Publish a Zarr store as a whole, in place of what was there.

        The local store stays as it is. An interruption leaves the old store, or none that opens;
        publishing again completes it.
        """

    @abstractmethod
    def exclusive(self) -> AbstractContextManager[None]:
        """Hold the right to change catalog and collection."""


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
    def has_store(self, path: str) -> bool:
        return (self._path(path) / _ROOT_METADATA).is_file()

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
            files = sum(1 for file in local.rglob("*") if file.is_file())
            sent = 0

            def link_or_copy(source: str, destination: str) -> None:
                nonlocal sent
                try:
                    os.link(source, destination)
                except OSError:  # another file system, or one without links
                    shutil.copyfile(source, destination)
                sent += 1
                if progress is not None:
                    progress(sent, files)

            shutil.copytree(local, incoming, copy_function=link_or_copy)
            if target.exists():
                target.rename(outgoing)
            incoming.rename(target)
            shutil.rmtree(outgoing, ignore_errors=True)

    @override
    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._held("catalog"):
            yield

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


class S3Storage(Storage):
    """An archive in an S3 bucket.

    Parents are guarded against the threads of this process; two processes that publish into one
    bucket must take turns.
    """

    def __init__(self, url: str, options: S3Options) -> None:
        super().__init__(url.rstrip("/"))
        self._prefix = self.url.removeprefix("s3://")
        self._options = options
        self._lock = threading.Lock()
        self._fs = s3fs.S3FileSystem(
            **self.fsspec_options,
            # Others write too: what was listed a minute ago may not be there now.
            use_listings_cache=False,
            skip_instance_cache=True,
        )

    @property
    @override
    def fsspec_options(self) -> dict[str, Any]:
        options = self._options
        return {
            "endpoint_url": options.endpoint_url,
            "profile": options.profile,
            "client_kwargs": {"region_name": options.region} if options.region else {},
        }

    def _key(self, path: str) -> str:
        return f"{self._prefix}/{path}"

    @contextmanager
    def _reporting(self, action: str, path: str) -> Iterator[None]:
        try:
            yield
        except (OSError, BotoCoreError, ClientError) as error:
            msg = (
                f"cannot {action} {self.href(path)}: {error}; check that the bucket exists and "
                "that the credentials in use may do this"
            )
            raise StorageError(msg) from error

    @override
    def read(self, path: str) -> bytes | None:
        with self._reporting("read", path):
            try:
                content: bytes = self._fs.cat_file(self._key(path))
            except FileNotFoundError:
                return None
            return content

    @override
    def write(self, path: str, content: bytes) -> None:
        if self.read(path) == content:
            return
        media_type = _MEDIA_TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
        with self._reporting("write", path):
            self._fs.pipe_file(self._key(path), content, ContentType=media_type)

    @override
    def has_store(self, path: str) -> bool:
        with self._reporting("look for", path):
            return bool(self._fs.exists(f"{self._key(path)}/{_ROOT_METADATA}"))

    @override
    def publish_store(self, local: Path, path: str, progress: Progress | None = None) -> None:
        prefix = self._key(path)
        sizes = {
            file.relative_to(local).as_posix(): file.stat().st_size
            for file in local.rglob("*")
            if file.is_file()
        }
        chunks = sorted(sizes.keys() - {_ROOT_METADATA})
        with self._reporting("publish", path):
            present = self._sizes(prefix)
            if _ROOT_METADATA in present:
                # Until the last object has arrived, the place holds no store that opens.
                self._fs.rm_file(f"{prefix}/{_ROOT_METADATA}")
            report = progress or (lambda *_: None)
            self._send(local, prefix, chunks, lambda sent: report(sent, len(sizes)))
            stale = present.keys() - sizes.keys()
            if stale:
                self._fs.rm([f"{prefix}/{name}" for name in sorted(stale)])
            self._verify(path, {name: sizes[name] for name in chunks})
            self._send(local, prefix, [_ROOT_METADATA], lambda _: report(len(sizes), len(sizes)))

    def _sizes(self, prefix: str) -> dict[str, int]:
        found = self._fs.find(prefix, detail=True)
        return {
            name.removeprefix(f"{prefix}/"): entry["size"]
            for name, entry in found.items()
            if entry["type"] == "file"
        }

    def _send(
        self, local: Path, prefix: str, names: list[str], sent: Callable[[int], None]
    ) -> None:
        batch = self._options.parallel * 8
        for start in range(0, len(names), batch):
            part = names[start : start + batch]
            self._fs.put(
                [str(local / name) for name in part],
                [f"{prefix}/{name}" for name in part],
                batch_size=self._options.parallel,
            )
            sent(min(start + batch, len(names)))

    def _verify(self, path: str, expected: dict[str, int]) -> None:
        arrived = self._sizes(self._key(path))
        wrong = sorted(name for name, size in expected.items() if arrived.get(name) != size)
        if wrong:
            msg = (
                f"{self.href(path)}: {len(wrong)} of {len(expected)} objects did not arrive whole, "
                f"the first is {wrong[0]}; publish the line again"
            )
            raise StorageError(msg)

    @override
    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._lock:
            yield


def open_storage(url: str, options: S3Options | None = None) -> Storage:
    """Open the archive at a folder's path or an ``s3://bucket/prefix`` address.

    Raises
    ------
    StorageError
        The address is of another kind.
    """
    if url.startswith("s3://"):
        if not url.removeprefix("s3://").strip("/"):
            msg = f"{url!r} names no bucket: expected s3://bucket or s3://bucket/prefix"
            raise StorageError(msg)
        return S3Storage(url, options or S3Options())
    if "://" in url:
        msg = f"{url!r} is neither a folder nor an s3:// address"
        raise StorageError(msg)
    return FolderStorage(Path(url))
