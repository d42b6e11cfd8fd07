"""The paths and the fields of items that documentation and guides name."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    ROOT / "benchmarks" / "README.md",
    ROOT / "docker" / "README.md",
]
# docker/make-secrets makes these.
MADE = "docker/secrets/"
FOLDER = r"(?:src|flows|tasks|deployments|tests|tools|benchmarks|docker|docs)"
PATH = re.compile(rf"`({FOLDER}/[\w./-]*\w|[\w/]+/\w+\.py)`")


def test_every_path_that_is_named_exists():
    # A changelog also has names of the past.
    named = {
        (page.relative_to(ROOT).as_posix(), path)
        for page in PAGES
        if page.name != "CHANGELOG.md"
        for path in PATH.findall(page.read_text())
    }
    assert len(named) > 50
    missing = [
        f"{page}: {path}"
        for page, path in sorted(named)
        if not path.startswith(MADE)
        and not (ROOT / path).exists()
        and not (ROOT / "src/shift_stac" / path).exists()
    ]
    assert missing == []


def test_every_field_of_our_own_stands_in_the_reference():
    written = {
        field
        for module in (ROOT / "src").rglob("*.py")
        for field in re.findall(r"\bshift:[a-z_]+", module.read_text())
    }
    assert len(written) >= 20
    reference = "".join(page.read_text() for page in (ROOT / "docs" / "reference").glob("*.md"))
    assert sorted(field for field in written if f"`{field}`" not in reference) == []
