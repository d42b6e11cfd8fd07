"""The published archive, wherever it is."""

from pathlib import Path

from shift_stac.errors import StorageError
from shift_stac.storage.base import Storage
from shift_stac.storage.folder import FolderStorage
from shift_stac.storage.s3_options import AskCode, S3Options


def open_storage(url: str, options: S3Options | None = None, ask: AskCode | None = None) -> Storage:
    """Open the archive at a folder's path or an ``s3://bucket/prefix`` address.

    Parameters
    ----------
    url, options
        Where it is, and how a bucket is reached.
    ask
        Asks a person for an MFA code, where one is needed and can be asked.

    Raises
    ------
    StorageError
        The address is of another kind.
    """
    if url.startswith("s3://"):
        # The clients of a bucket take half a second to import, which a folder does not need.
        from shift_stac.storage.bucket import S3Storage  # noqa: PLC0415

        if not url.removeprefix("s3://").strip("/"):
            msg = f"{url!r} names no bucket: expected s3://bucket or s3://bucket/prefix"
            raise StorageError(msg)
        return S3Storage(url, options or S3Options(), ask)
    if "://" in url:
        msg = f"{url!r} is neither a folder nor an s3:// address"
        raise StorageError(msg)
    return FolderStorage(Path(url))
