"""The structure of a store is the one that was reviewed, as docs/reference/store-format.md describes it.

``structure.json`` beside this file holds it: a change of structure is a change of that file, which is
written anew by ``SHIFT_TEST_WRITE_STRUCTURE=1 python -m pytest tests/shift_stac/store/test_structure.py``.
"""

import base64
import json
import math
import os
import re
import struct
from importlib.metadata import version
from pathlib import Path

import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.simulate import simulate_campaign
from shift_stac.store.conversion import convert_line
from support.sources import small_line, sources_in

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


PAGE = Path(__file__).parents[3] / "docs" / "reference" / "store-format.md"


def test_every_variable_and_attribute_stands_in_the_specification():
    page = PAGE.read_text()
    reviewed = json.loads(REVIEWED.read_text())
    names = {path.rpartition("/")[2] for path in reviewed if path != "."}
    names |= {name for metadata in reviewed.values() for name in metadata["attributes"]}
    assert {name for name in names if f"`{name}`" not in page} == set()


def specified() -> dict[str, tuple[list[str], str, str]]:
    """Dimensions, type and fill of each array, from the page's tables of arrays."""
    found = {}
    for row in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        names, dims = re.findall(r"`(\w+)`", cells[0]), cells[1:2]
        # A table of arrays has dimensions in its second column, and types in its third.
        if (
            row.startswith("| `")
            and len(cells) > 3
            and re.match(r"the source's|u?int|float", cells[2])
        ):
            fill = cells[3] if len(cells) > 4 else "0"
            for name in names:
                # "y or x", and "map_x or map_y": the array's own.
                own = [name] if " or " in dims[0] else dims[0].split(", ")
                found[name] = ([dim for dim in own if dim], cells[2].partition(",")[0], fill)
    return found


# Whole numbers with a scale, with and without a sign, in the south and in a CRS without a name in CF.
NUMBERS = {
    "float32": ("<f4", {}, -9999, "UTM zone 10 North", (730_000, 3_820_000)),
    "float64": (">f8", {"data ignore value": -50}, -50, "EPSG:26910", (730_000, 3_820_000)),
    "int16": (
        "<i2",
        {"data gain values": [0.0002] * 6, "data offset values": [-0.1] * 6},
        -9999,
        "UTM zone 34 South",
        (700_000, 6_200_000),
    ),
    "uint16": (
        ">u2",
        {"reflectance scale factor": 10000, "data ignore value": 65535},
        65535,
        "EPSG:28992",
        (155_000, 463_000),
    ),
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_a_store_of_any_data_type_and_crs_is_as_specified(tmp_path, kind):
    dtype, fields, nodata, told, corner = NUMBERS[kind]
    sources = small_line(tmp_path, dtype=dtype, told=told, corner=corner, **fields)
    store = tmp_path / "line.zarr"
    convert_line(sources, store, load_campaign())
    page, arrays = specified(), {}
    for path in store.rglob("zarr.json"):
        metadata = json.loads(path.read_text())
        assert all(f"`{name}`" in PAGE.read_text() for name in metadata["attributes"])
        if metadata["node_type"] == "array":
            arrays[path.parent.name] = metadata
    names = list(page)
    of_obs = names[names.index("path_length") : names.index("earth_sun_distance") + 1]
    # A line without OBS, and without widths of bands in its headers.
    assert set(arrays) == set(page) - {"fwhm", *of_obs}
    for name, metadata in arrays.items():
        dims, of_type, fill = page[name]
        cube = of_type == "the source's"
        assert metadata.get("dimension_names", []) == dims, name
        assert metadata["data_type"] == (kind if cube else of_type), name
        attributes, value = metadata["attributes"], metadata["fill_value"]
        if cube:
            assert value == nodata
        elif fill == "NaN":
            assert value == "NaN"
        if fill not in {"", "0"} and metadata["data_type"].startswith("float"):
            double = struct.unpack("<d", base64.b64decode(attributes["_FillValue"]))[0]
            assert double == value or (value == "NaN" and math.isnan(double))
        elif cube:
            assert attributes["_FillValue"] == nodata
        else:
            assert "_FillValue" not in attributes
            assert value == ("NaN" if metadata["data_type"].startswith("float") else 0)
        scaled = {"scale_factor", "add_offset"} & set(attributes)
        assert bool(scaled) == (cube and kind in {"int16", "uint16"})
