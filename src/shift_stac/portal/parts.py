"""Reads parts of the portal's files, for checks that do not need the whole file."""

import httpx

from shift_stac.errors import RefusedFileError, TransferError
from shift_stac.files import read_bytes
from shift_stac.portal.records import is_local, local_path
from shift_stac.sources import RemoteFile


def read_part(client: httpx.Client, remote: RemoteFile, offset: int, size: int) -> bytes | None:
    """Read some bytes of a file, without retries; None if the server gives only whole files.

    Raises
    ------
    RefusedFileError
        The server or the disk refuses the file.
    TransferError
        The bytes cannot be fetched.
    """
    if is_local(remote):
        return read_bytes(local_path(remote), offset, size)
    wanted = f"bytes {offset}-{offset + size - 1}"
    try:
        with client.stream("GET", remote.url, headers={"Range": wanted.replace(" ", "=")}) as found:
            if found.status_code == httpx.codes.OK:
                return None
            content = found.read() if found.status_code == httpx.codes.PARTIAL_CONTENT else b""
    except httpx.HTTPError as error:
        msg = f"{remote.url} cannot be read: {type(error).__name__} {error}; run again"
        raise TransferError(msg) from error
    if found.is_error:
        passing = found.is_server_error or found.status_code == httpx.codes.TOO_MANY_REQUESTS
        kind = TransferError if passing else RefusedFileError
        msg = f"{remote.url}: the server answered {found.status_code} {found.reason_phrase}"
        raise kind(msg)
    given = found.headers.get("Content-Range")
    if given != f"{wanted}/{remote.size}" or len(content) != size:
        msg = f"{remote.url}: the server was asked for {wanted}/{remote.size}, and gave {given}"
        raise TransferError(msg)
    return content
