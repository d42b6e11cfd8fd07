"""Where the archive is published: what folder and bucket have in common.

Paths are relative to the root and use ``/``. A reader never sees half a file or half a store:
see :meth:`Storage.write` and :meth:`Storage.publish_store`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WORKING = ".shift-stac"
"""Below the archive's root: what writers need between themselves. No listing has it."""

Progress = Callable[[int, int], None]
"""Told while a store is sent: bytes done, bytes in all."""

Change = Callable[[bytes | None], bytes]
"""From a file's content, None where there is none, to what it shall be.

It is called again after a conflict. Where an answer got lost and others wrote on top of it, the
content may hold the change already: it must then be left as it is.
"""


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

    @property
    def carried_options(self) -> dict[str, Any]:
        """The same for a process elsewhere, which has neither this one's environment nor its files."""
        return self.fsspec_options

    @property
    def stac_scheme(self) -> dict[str, Any] | None:
        """What STAC's storage extension 2.0 tells of the bucket; None where it is no bucket."""
        return None

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Obtain what is needed to begin, so that it is not missing in the middle.

        A bucket is listed once. Where only the listing is denied, that is a warning: policies
        may allow it below other prefixes than the archive's.

        Raises
        ------
        CredentialsError
            A session with the bucket cannot be had.
        NoArchiveError
            There is no such bucket, or the folder is none.
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
    def walk(self, folder: str = "") -> Iterator[tuple[str, StoredFile]]:
        """All files below a folder with their paths, except those that writers have not finished.

        Files of a folder come together. However many there are, some thousand are in memory.
        """

    def find(self, folder: str = "") -> dict[str, StoredFile]:
        """All files below a folder by their paths, sorted; see :meth:`walk`."""
        # While others write, a server may list a file twice.
        return dict(sorted(self.walk(folder), key=lambda found: found[0]))

    @abstractmethod
    def remove(self, paths: Sequence[str]) -> None:
        """Remove files; those that are not there are passed over."""

    @abstractmethod
    def has_store(self, path: str) -> bool:
        """Whether a complete Zarr store lies there."""

    @abstractmethod
    def publish_store(
        self,
        local: Path,
        path: str,
        progress: Progress | None = None,
        checksums: Mapping[str, str] | None = None,
    ) -> None:
        """Publish a Zarr store as a whole, in place of what was there.

        The local store stays as it is. An interruption leaves the old store, or none that opens;
        publishing again completes it, and sends nothing that has arrived already.

        Parameters
        ----------
        local
            The store.
        path
            Its place in the archive.
        progress
            Told the bytes that have arrived.
        checksums
            SHA-256 (hex) of objects by their key, where they are known: they need not be computed.
        """
