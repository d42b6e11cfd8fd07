"""The interface of the archive's storage, for folders and buckets.

Paths are relative to the root and use ``/``. Readers never see a partial file or store: see
:meth:`Storage.write` and :meth:`Storage.publish_store`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

WORKING = ".shift-stac"
"""The folder of writers' locks and claims below the archive's root. Listings leave it out."""

Progress = Callable[[int, int], None]
"""Called while a store is sent: bytes done, bytes in all."""

Change = Callable[[bytes | None], bytes]
"""Maps a file's content (None if it does not exist) to its new content.

It is called again after a conflict. If an answer was lost and others have written since, the
content may already have the change: then it must return the content unchanged.
"""


@dataclass(frozen=True)
class StoredFile:
    """Size in bytes, and time of the last write."""

    size: int
    modified: datetime


class Storage(ABC):
    """The published archive.

    Every method raises :class:`~shift_stac.errors.StorageError`, naming the place and the action,
    if the folder or bucket refuses.
    """

    def __init__(self, url: str) -> None:
        self.url = url

    def href(self, path: str) -> str:
        """Return the absolute address of a path, which xarray and people can open."""
        return f"{self.url}/{path}"

    @property
    def fsspec_options(self) -> dict[str, Any]:
        """Return the options with which fsspec, and so xarray, opens this archive."""
        return {}

    @property
    def carried_options(self) -> dict[str, Any]:
        """Return the options for a process on another machine, without this one's environment and files."""
        return self.fsspec_options

    @property
    def stac_scheme(self) -> dict[str, Any] | None:
        """Return the bucket's fields of STAC's storage extension 2.0; None if it is not a bucket."""
        return None

    def prepare(self) -> None:  # noqa: B027 - most need nothing
        """Check the access, and begin a session if needed, before any work.

        Lists a bucket once. If only the listing is denied, this is a warning: policies may allow it
        below other prefixes than the archive's.

        Raises
        ------
        CredentialsError
            A session with the bucket cannot be had.
        NoArchiveError
            The bucket does not exist, or the path is not a folder.
        """

    @abstractmethod
    def read(self, path: str) -> bytes | None:
        """Return the bytes of a file, or None if it does not exist."""

    @abstractmethod
    def write(self, path: str, content: bytes) -> None:
        """Replace a file atomically; do nothing if it already has this content."""

    @abstractmethod
    def update(self, path: str, change: Change) -> bool:
        """Replace a file by the result of ``change``, without losing changes of other writers.

        Return whether the file has changed.
        """

    @abstractmethod
    def walk(self, folder: str = "") -> Iterator[tuple[str, StoredFile]]:
        """Yield all files below a folder with their paths, except unfinished ones.

        Files of a folder come together. At most some thousand are in memory.
        """

    def find(self, folder: str = "") -> dict[str, StoredFile]:
        """Return all files below a folder by their paths, sorted; see :meth:`walk`."""
        # A server may list a file twice while others write.
        return dict(sorted(self.walk(folder), key=lambda found: found[0]))

    @abstractmethod
    def remove(self, paths: Sequence[str]) -> None:
        """Remove files; missing ones are ignored."""

    @abstractmethod
    def has_store(self, path: str) -> bool:
        """Whether the path has a complete Zarr store."""

    @abstractmethod
    def publish_store(
        self,
        local: Path,
        path: str,
        progress: Progress | None = None,
        checksums: Mapping[str, str] | None = None,
    ) -> None:
        """Publish a Zarr store; it replaces an earlier one at its path.

        The local store is not changed. An interruption leaves the old store, or an incomplete one
        that cannot be opened; a repeated call completes it, and sends only missing objects.

        Parameters
        ----------
        local
            The store.
        path
            Its path in the archive.
        progress
            Called with the bytes that have arrived.
        checksums
            Known SHA-256 (hex) of objects by their key, which are not computed again.
        """
