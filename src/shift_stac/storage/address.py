"""Addresses of archives."""

import re

from shift_stac.errors import StorageError
from shift_stac.files import at_home
from shift_stac.storage.base import Storage
from shift_stac.storage.folder import FolderStorage
from shift_stac.storage.s3_options import AskCode, S3Options

# "Characters to avoid" in Amazon's S3 user guide, "Naming Amazon S3 objects", and the question mark;
# the names . and .. besides.
_AVOIDED = re.compile(r"""[\x00-\x1f\x7f\\{}^%`\[\]"<>~#|*?]|(?<=/)\.\.?(?=/|$)""")


def open_storage(url: str, options: S3Options | None = None, ask: AskCode | None = None) -> Storage:
    """Open the archive at a folder's path (``~`` is the home folder) or an ``s3://bucket/prefix`` address.

    Parameters
    ----------
    url, options
        Its address, and the access to a bucket.
    ask
        Asks a person for an MFA code, if one is needed and there is a way to ask.

    Raises
    ------
    StorageError
        The address is of an unknown kind, or servers refuse it.
    """
    check_address(url)
    if _is_bucket(url):
        # The clients of a bucket take half a second to import; a folder does not need them.
        from shift_stac.storage.bucket import S3Storage  # noqa: PLC0415

        return S3Storage(url, options or S3Options(), ask)
    return FolderStorage(at_home(url))


def _is_bucket(url: str) -> bool:
    # With a mistyped colon or slash it is still no folder.
    return re.match(r"s3(:|;|//)", url, re.IGNORECASE) is not None


def check_address(url: str) -> None:
    """Check that an archive can have this address, without access to it.

    Raises
    ------
    StorageError
        The address is of an unknown kind, or servers refuse it.
    """
    if _is_bucket(url):
        _check_bucket(url)
    elif not url or re.match(r"[A-Za-z][\w+.-]*:/", url):
        msg = f"{url!r} is not an address of an archive: expected a folder or s3://bucket/prefix"
        raise StorageError(msg)


def _check_bucket(url: str) -> None:
    address = re.fullmatch(r"s3://([^/]+)((?:/.*)?)", url, re.DOTALL)
    if address is None:
        msg = f"{url!r} names no bucket: expected s3://bucket or s3://bucket/prefix"
        raise StorageError(msg)
    bucket, prefix = address[1], address[2].rstrip("/")
    if "//" in prefix:
        shorter = re.sub("//+", "/", prefix)
        msg = f"{url!r} has an empty folder in its prefix: write s3://{bucket}{shorter}"
        raise StorageError(msg)
    found = re.search(r"[^\w.-]", bucket, re.ASCII) or _AVOIDED.search(prefix)
    if found:
        msg = f"{url!r} has {found[0]!r} in it, which S3 servers treat differently: leave it out"
        raise StorageError(msg)


def whole_address(url: str) -> str:
    """Return the full address of an archive: a folder's path is made absolute."""
    return url.rstrip("/") if "://" in url else str(at_home(url).absolute())
