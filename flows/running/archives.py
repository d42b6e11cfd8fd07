"""The published archive that a run reads."""

from flows.running.mfa_codes import code_source
from flows.settings import PublishedOptions
from shift_stac.archive.documents import check_catalog
from shift_stac.storage.address import open_storage
from shift_stac.storage.base import Storage


def open_archive(options: PublishedOptions) -> Storage:
    """Open a published archive, with a session for its bucket if it needs one."""
    storage = open_storage(options.store, options.s3, code_source(options.s3))
    storage.prepare()
    return storage


def open_catalog(options: PublishedOptions) -> Storage:
    """Open an archive that has a catalog.

    Raises
    ------
    NothingPublishedError
        The archive has no catalog.
    """
    storage = open_archive(options)
    check_catalog(storage)
    return storage
