"""The acknowledged findings of the report, in a small file beside it."""

import json
from collections.abc import Collection
from pathlib import Path

from shift_stac.files import write_whole

_NAME = "acknowledged.json"


def read_acknowledged(folder: Path) -> set[str]:
    """Return the numbers of the acknowledged findings; empty if the file is missing or damaged."""
    try:
        found = json.loads((folder / _NAME).read_bytes())
    except (OSError, ValueError):
        return set()
    return {str(number) for number in found} if isinstance(found, list) else set()


def write_acknowledged(folder: Path, numbers: Collection[str]) -> None:
    """Write these numbers; they replace the earlier ones."""
    write_whole(folder / _NAME, f"{json.dumps(sorted(numbers))}\n")
