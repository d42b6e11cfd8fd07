"""The structure of a store is the one that was reviewed, as docs/reference/store-format.md describes it.

``structure.json`` beside this file holds it: a change of structure is a change of that file, which is
written anew by ``SHIFT_TEST_WRITE_STRUCTURE=1 python -m pytest tests/shift_stac/store/test_structure.py``.
"""

import json
import os
from importlib.metadata import version
from pathlib import Path

from shift_stac.campaigns import load_campaign
from shift_stac.simulate import simulate_campaign
from shift_stac.store.conversion import convert_line
from support.sources import sources_in

REVIEWED = Path(__file__).with_name("structure.json")


def structure(root: Path) -> dict[str, object]:
    """Metadata of each group and array of a small line, without what differs from line to line."""
    (line,) = simulate_campaign(
        root, dates=["20220224"], lines=1, samples=30, scan_lines=20, bands=8
    )["20220224"]
    store = root / f"{line}.zarr"
    convert_line(sources_in(root, line, "v1"), store, load_campaign())
    found = {}
    for path in sorted(store.rglob("zarr.json")):
        metadata = json.loads(path.read_text().replace(version("shift-stac"), "VERSION"))
        metadata.pop("consolidated_metadata", None)
        found[path.parent.relative_to(store).as_posix()] = metadata
    return found


def test_the_structure_is_the_one_that_was_reviewed(tmp_path):
    text = json.dumps(structure(tmp_path), indent=1, sort_keys=True) + "\n"
    if os.environ.get("SHIFT_TEST_WRITE_STRUCTURE") == "1":
        REVIEWED.write_text(text)
    assert json.loads(text) == json.loads(REVIEWED.read_text())


def test_every_variable_and_attribute_stands_in_the_specification():
    page = (Path(__file__).parents[3] / "docs" / "reference" / "store-format.md").read_text()
    reviewed = json.loads(REVIEWED.read_text())
    names = {path.rpartition("/")[2] for path in reviewed if path != "."}
    names |= {name for metadata in reviewed.values() for name in metadata["attributes"]}
    assert {name for name in names if f"`{name}`" not in page} == set()
