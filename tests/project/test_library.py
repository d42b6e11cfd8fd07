"""The library knows neither the service nor its commands: not by import, and not by text."""

import re
from pathlib import Path

from flows.settings.setting_sources import KINDS

LIBRARY = Path(__file__).resolve().parents[2] / "src" / "shift_stac"
TEXTS = sorted(path for path in LIBRARY.rglob("*") if path.suffix in {".py", ".toml"})
# It has options of its own.
COMMAND = LIBRARY / "simulate" / "__main__.py"


def options() -> set[str]:
    """The options of all commands as they are typed."""
    names = {
        name
        for kind in KINDS
        for field, described in kind.model_fields.items()
        for name in (
            field,
            *(f"{field}.{part}" for part in getattr(described.annotation, "model_fields", {})),
        )
    }
    return {f"--{name.replace('_', '-')}" for name in names}


FOREIGN = re.compile(
    r"python -m (?!shift_stac\b)|\b[Pp]refect|\b[Dd]eployments?\b|\bflows\b|\baws-session\b"
    r"|\bSHIFT_[A-Z]|\bshift\.toml\b|"
    + "|".join(rf"(?<!\S){re.escape(name)}\b" for name in sorted(options()))
)


def test_the_library_names_nothing_of_the_service():
    found = [
        f"{path.relative_to(LIBRARY)}:{number}: {row.strip()}"
        for path in TEXTS
        for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if FOREIGN.search(row) and path != COMMAND
    ]
    assert not found
