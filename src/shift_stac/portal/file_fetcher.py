"""Brings single files of the portal into a folder, and verifies them.

A file is written as ``<name>.part`` and renamed when it is complete. ``<name>.source.json`` beside
it records its source, so that the next run does not fetch it again. Files of a local mirror are
used in place; only their records are written.
"""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import httpx

from shift_stac.cancellation import Cancellation
from shift_stac.errors import RefusedFileError, WorkFolderError
from shift_stac.files import write_whole
from shift_stac.portal.download_options import DownloadOptions
from shift_stac.portal.records import Record, is_local, local_path, record_path, recorded
from shift_stac.portal.tally import Tally
from shift_stac.portal.transfer import fetch
from shift_stac.sources import RemoteFile, SourceFile

_BLOCK = 1 << 20


class FileFetcher:
    """Brings files; may be used from several threads.

    Parameters
    ----------
    client
        Client of the portal's server.
    options
        Options of downloads.
    cancellation
        Ends a transfer; it can be resumed.
    """

    def __init__(
        self, client: httpx.Client, options: DownloadOptions, cancellation: Cancellation
    ) -> None:
        self._client, self._options, self._cancellation = client, options, cancellation

    def is_current(self, remote: RemoteFile, folder: Path) -> bool:
        """Whether a file is on this machine, and unchanged here and on the portal."""
        return is_local(remote) or recorded(remote, folder) is not None

    def missing(self, files: Iterable[RemoteFile], folder: Path) -> int:
        """Return how many bytes of files are still to be fetched."""
        wanted = [file for file in files if not self.is_current(file, folder)]
        parts = [part for file in wanted if (part := _part(folder / file.name)).exists()]
        return sum(file.size for file in wanted) - sum(part.stat().st_size for part in parts)

    def bring(self, remote: RemoteFile, folder: Path, tally: Tally) -> SourceFile:
        """Bring a file into a folder, unless it is here already; the tally counts its bytes.

        Raises
        ------
        TransferError
            The file cannot be fetched.
        RefusedFileError
            The file of a local mirror cannot be read.
        WorkFolderError
            The folder cannot be written.
        """
        tally.advance(remote.name, 0)
        known = recorded(remote, folder)
        if known is None:
            path, digest = (
                self._take_local(remote, tally)
                if is_local(remote)
                else self._take_remote(remote, folder, tally)
            )
            known = Record(
                **remote.model_dump(), path=path, sha256=digest, mtime_ns=path.stat().st_mtime_ns
            )
            write_whole(record_path(remote, folder), known.model_dump_json(indent=1), durable=True)
        tally.advance(remote.name, remote.size)
        return SourceFile.model_validate(known.model_dump(exclude={"mtime_ns"}))

    def _take_remote(self, remote: RemoteFile, folder: Path, tally: Tally) -> tuple[Path, str]:
        target = folder / remote.name
        part = _part(target)
        try:
            digest = fetch(
                self._client,
                remote,
                part,
                self._options,
                lambda here: tally.advance(remote.name, here),
                self._cancellation,
            )
            part.replace(target)
        except OSError as error:
            msg = f"{target} cannot be written: {error.strerror or error}"
            raise WorkFolderError(msg) from error
        return target, digest

    def _take_local(self, remote: RemoteFile, tally: Tally) -> tuple[Path, str]:
        path = local_path(remote)
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                here = 0
                while block := file.read(_BLOCK):
                    digest.update(block)
                    here += len(block)
                    tally.advance(remote.name, here)
        except OSError as error:
            msg = f"{path} cannot be read: {error.strerror}"
            raise RefusedFileError(msg) from error
        return path, digest.hexdigest()


def _part(target: Path) -> Path:
    """The path of a file until it is complete."""
    return target.with_name(target.name + ".part")
