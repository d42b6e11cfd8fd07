"""Which findings of the report somebody has seen to: a small file beside the report."""

import json
from collections.abc import Collection
from pathlib import Path

from shift_stac.files import write_whole

_NAME = "acknowledged.json"


def read_acknowledged(folder: Path) -> set[str]:
    """Numbers of the findings that were acknowledged; none where the file is missing or damaged."""
    try:
        found = json.loads((folder / _NAME).read_bytes())
    except (OSError, ValueError):
        return set()
    return {str(number) for number in found} if isinstance(found, list) else set()


def write_acknowledged(folder: Path, numbers: Collection[str]) -> None:
    """Keep these numbers, in place of those that were kept before."""
    write_whole(folder / _NAME, f"{json.dumps(sorted(numbers))}\n")
