"""The library does not import the service or its commands, and its texts do not name them."""

import re
import subprocess
import sys
from importlib.metadata import packages_distributions, requires
from pathlib import Path

import grimp
import pytest
from packaging.requirements import Requirement

from flows.settings.setting_sources import KINDS

LIBRARY = Path(__file__).resolve().parents[2] / "src" / "shift_stac"
TEXTS = sorted(path for path in LIBRARY.rglob("*") if path.suffix in {".py", ".toml"})
# These commands have their own options.
COMMANDS = (LIBRARY / "simulate" / "__main__.py", LIBRARY / "reader" / "command_line.py")


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
    r"|\bSHIFT_[A-Z]|\bshift\.toml\b|(?<!\S)--"
    rf"(?:{'|'.join(re.escape(name[2:]) for name in sorted(options()))})\b"
)


def test_the_library_names_nothing_of_the_service():
    found = [
        f"{path.relative_to(LIBRARY)}:{number}: {row.strip()}"
        for path in TEXTS
        for number, row in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if FOREIGN.search(row) and path not in COMMANDS
    ]
    assert not found


def distributions(requirements: list[Requirement]) -> set[str]:
    return {requirement.name.lower().replace("_", "-") for requirement in requirements}


@pytest.mark.heavy
def test_the_reader_imports_only_what_is_installed_with_it():
    graph = grimp.build_graph("shift_stac", include_external_packages=True)
    reader = {"shift_stac", "shift_stac.reader"} | graph.find_descendants("shift_stac.reader")
    needed = set().union(*(graph.find_upstream_modules(module) for module in reader))
    provided = packages_distributions()
    foreign = {
        name.lower().replace("_", "-")
        for module in needed
        if graph.is_module_squashed(module) and module not in sys.stdlib_module_names
        for name in provided[module]
    }
    declared = [Requirement(text) for text in requires("shift-stac") or ()]
    assert foreign <= distributions([one for one in declared if one.marker is None])


def test_a_room_without_its_extra_says_what_to_install():
    program = """if True:
        import importlib.util
        found = importlib.util.find_spec
        importlib.util.find_spec = lambda name: None if name == "httpx" else found(name)
        import shift_stac.portal.portal
        """
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert "shift_stac.portal needs httpx: install them with pip install 'shift-stac[ingest]'" in (
        ended.stderr
    )
