"""Whom a run asks for an MFA code."""

import sys
from getpass import getpass

from shift_stac.archive import open_storage
from shift_stac.credentials import AskCode
from shift_stac.settings import PublishedOptions
from shift_stac.storage import Storage


def code_source() -> AskCode | None:
    """How a code can be asked for here; None where there is nobody."""
    return _ask_in_terminal if sys.stdin.isatty() and sys.stderr.isatty() else None


def _ask_in_terminal(serial: str) -> str:
    # Unseen: a code is good for half a minute, and terminals are recorded.
    return getpass(f"MFA code of {serial}: ", stream=sys.stderr)


def open_archive(options: PublishedOptions) -> Storage:
    """Open a published archive, and its session with the bucket, if it needs one."""
    storage = open_storage(options.store, options.s3, code_source())
    storage.prepare()
    return storage
