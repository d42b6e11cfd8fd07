"""Records of downloaded files, so that the next run does not fetch them again."""

from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from pydantic import ValidationError

from shift_stac.sources import RemoteFile, SourceFile


class Record(SourceFile):
    """A :class:`SourceFile` with the modification time of the file on this machine."""

    mtime_ns: int


def record_path(remote: RemoteFile, folder: Path) -> Path:
    """Return the path of a file's record."""
    return folder / f"{remote.name}.source.json"


def is_local(remote: RemoteFile) -> bool:
    """Whether the file belongs to a mirror on this machine."""
    return remote.url.startswith("file:")


def local_path(remote: RemoteFile) -> Path:
    """Return the path of a mirror's file."""
    return Path(url2pathname(urlsplit(remote.url).path))


def recorded(remote: RemoteFile, folder: Path) -> Record | None:
    """Return the record of a file if it is of this remote file and the local file is unchanged."""
    try:
        record = Record.model_validate_json(record_path(remote, folder).read_bytes())
        facts = record.path.stat()
    except (OSError, ValidationError):
        return None
    untouched = (facts.st_size, facts.st_mtime_ns) == (record.size, record.mtime_ns)
    return record if untouched and record.is_same(remote) else None
