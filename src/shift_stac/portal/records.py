"""What is remembered of a file that has arrived, so that the next run need not fetch it again."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import ValidationError

from shift_stac.sources import RemoteFile, SourceFile


class Record(SourceFile):
    """A :class:`SourceFile` with the time at which it was last known to be unchanged here."""

    mtime_ns: int


def record_path(remote: RemoteFile, folder: Path) -> Path:
    """Where a file's record lies."""
    return folder / f"{remote.name}.source.json"


def is_local(remote: RemoteFile) -> bool:
    """Whether it is a file of a mirror on this machine."""
    return remote.url.startswith("file:")


def local_path(remote: RemoteFile) -> Path:
    """Where a mirror's file lies."""
    return Path(url2pathname(urlsplit(remote.url).path))


def recorded(remote: RemoteFile, folder: Path) -> Record | None:
    """The record of a file, if it is of this remote file and the local one is untouched."""
    try:
        record = Record.model_validate_json(record_path(remote, folder).read_bytes())
        facts = record.path.stat()
    except (OSError, ValidationError):
        return None
    untouched = (facts.st_size, facts.st_mtime_ns) == (record.size, record.mtime_ns)
    return record if untouched and record.is_same(remote) else None
