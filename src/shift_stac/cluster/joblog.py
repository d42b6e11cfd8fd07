"""The end of a job's log."""

import os
from pathlib import Path

_LINES = 15
# Bytes: more than these lines have, far less than the size of a long log.
_LONGEST_TAIL = 64 * 1024


def read_tail(path: Path) -> str:
    """Return the last lines of a log, or the reason why it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LONGEST_TAIL))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"(it cannot be read from here: {error.strerror or error})"
    tail = [line.rstrip() for line in text.splitlines() if line.strip()][-_LINES:]
    return "\n".join(tail) or "(it is empty)"
