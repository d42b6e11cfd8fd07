"""The end of a job's log."""

import os
from pathlib import Path

_LINES = 15
# More than these lines ever are, far less than a log may have grown to.
_LONGEST_TAIL = 64 * 1024


def read_tail(path: Path) -> str:
    """The last lines of a log that may still be written, or why it cannot be read."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LONGEST_TAIL))
            text = file.read().decode(errors="replace")
    except OSError as error:
        return f"(it cannot be read from here: {error.strerror or error})"
    tail = [line.rstrip() for line in text.splitlines() if line.strip()][-_LINES:]
    return "\n".join(tail) or "(it is empty)"
