"""Every key of a campaign file with wrong values: the error names file and key, and says what is allowed."""

import json
import re
import tomllib
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.errors import CampaignError

type Place = tuple[str | int, ...]

WRONG = {
    "number": 7.5,
    "switch": True,
    "empty": "",
    "blank": "  ",
    "control characters": "a\x01b",
    "line break": "a\nb",
    "regular expression": "^a(.*)[b]{2}\\S$",
    "long": "x" * 5000,
    "list": ["a", ["b"]],
    "table": {"a": 1},
    "infinity": float("inf"),
    "path": "../x",
    "other letters": "é",
}
# Values that mean something there.
RIGHT = re.compile(
    r"""(ending|obs\.bands\.0|directory)\ empty | optional\ switch
    | (nodata|scale|offset|\.\d+\.\d|centre\.\d|detectors\.0\.\d)\ number
    | good_windows\.\d\.1\ infinity | (big_endian|_vertical|_bands)\ switch
    | (title|description|citation|mission|constellation|platform|name|keywords\.\d|instruments\.\d)
      \ (line\ break|regular\ expression|long|path|other\ letters)
    | level\ (regular\ expression|long|path|other\ letters)
    | directory\ (blank|long|other\ letters) | layout\.data\ other\ letters
    | (geometry_words|obs_names\.\d)\ (empty|blank|long|path|other\ letters)""",
    re.VERBOSE,
)
ALLOWED = re.compile(
    r"\bgive\b|allowed here|add it|has to hold|\bneeds\b|is written as|remove it|\bspells\b|path_length, .* are"
)
# Words of the code, not of the file.
OF_CODE = re.compile(r"pattern|\[A-Z|\\S\+|Input should|Value error|pydantic|instance of|Tuple")


@pytest.fixture(scope="module")
def content() -> dict[str, Any]:
    """A campaign file with every key."""
    table = tomllib.loads((files("shift_stac.campaigns") / "shift.toml").read_text())
    version = table["portal"]["versions"].pop("v0")
    endings = {"ending": ".img", "header": "instead", "header_ending": ".hdr"}
    radiance = {"scale": 2.0, "offset": 1.0, "nodata": -1.0, "unit": "1", "level": "L1B"}
    version["products"]["radiance"] |= radiance | endings
    version["products"]["obs"]["bands"] = ["slope"]
    table["portal"]["versions"] = {"v1": version | endings}
    table["spectral"]["bad_bands"] = [[1, 3]]
    table["item"]["constellation"] = "x"
    table["collection"]["providers"][0]["description"] = "x"
    table["simulation"] = {
        "detectors": [[377.0, 5.0, 20]],
        "samples": 20,
        "centre": [-120.0, 34.0],
        "wavelength_unit": "Nanometers",
        "places": "metres",
        "big_endian": False,
        "geometry_interleave": {"v1": "bip"},
        "geometry_words": "a",
        "obs_names": ["a"],
        "slope_from_vertical": False,
        "tells_bad_bands": True,
    }
    return table


def test_every_wrong_value_is_told_with_its_key_and_what_is_allowed(tmp_path, content):
    path = tmp_path / "otter.toml"
    swept = 0
    for place in places(content):
        for name, value in WRONG.items():
            case = f"{'.'.join(map(str, place))} {name}"
            path.write_text(as_toml(changed(content, place, value)), encoding="utf-8")
            try:
                load_campaign(path)
            except CampaignError as error:
                told = str(error)
                assert "otter.toml" in told, case
                assert any(is_named(place[:end], told) for end in (-2, -1, None)), (case, told)
                assert ALLOWED.search(told), (case, told)
                assert not OF_CODE.search(told.replace(repr(value), "")), (case, told)
                assert len(told) < 1500, (case, told)
            else:
                assert RIGHT.search(case), f"{case} is read"
            swept += 1
    assert swept > 1500


def test_unknown_and_misspelt_keys_are_told_with_those_that_are_allowed(tmp_path, content):
    path = tmp_path / "otter.toml"
    for place in places(content):
        *table, key = place
        if isinstance(key, int) or table[-1:] in (["versions"], ["geometry_interleave"]):
            continue
        misspelt = f"{key}x" if len(key) < 3 else f"{key[:-2]}{key[-1]}{key[-2]}"
        path.write_text(as_toml(renamed(content, place, misspelt)), encoding="utf-8")
        with pytest.raises(CampaignError, match=r"otter\.toml") as error:
            load_campaign(path)
        told = str(error.value)
        assert ".".join(map(str, (*table, misspelt))) in told, (place, told)
        assert f"did you mean {key}?" in told or f"'{key}'" in told, (place, told)


def test_names_of_files_are_no_longer_than_file_systems_allow(tmp_path, content):
    long = "x" * 300
    path = tmp_path / "otter.toml"
    for place, value in (
        (("lines", "name"), f"{long}{{date}}"),
        (("collection", "id"), long),
        (("catalog", "id"), long),
        (("layout", "data"), f"a/{long}"),
    ):
        path.write_text(as_toml(changed(content, place, value)), encoding="utf-8")
        with pytest.raises(CampaignError, match=rf"{'[.]'.join(place)}: .*at most 200"):
            load_campaign(path)


def is_named(place: Place, told: str) -> bool:
    return bool(re.search(rf"(: |; ){re.escape('.'.join(map(str, place)))}\b", told))


def places(table: Any, above: Place = ()) -> Iterator[Place]:
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from places(value, (*above, key))


def changed(table: Any, place: Place, value: Any) -> Any:
    if not place:
        return value
    first, rest = place[0], place[1:]
    copied = dict(table) if isinstance(table, dict) else list(table)
    copied[first] = changed(table[first], rest, value)
    return copied


def renamed(table: Any, place: Place, name: str) -> Any:
    first, rest = place[0], place[1:]
    if not rest:
        return {name if key == first else key: value for key, value in table.items()}
    return changed(table, (first,), renamed(table[first], rest, name))


def as_toml(value: Any, *, is_top: bool = True) -> str:
    if isinstance(value, dict):
        entries = [f"{json.dumps(k)} = {as_toml(v, is_top=False)}" for k, v in value.items()]
        return "\n".join(entries) if is_top else f"{{ {', '.join(entries)} }}"
    if isinstance(value, list):
        return f"[{', '.join(as_toml(entry, is_top=False) for entry in value)}]"
    return str(value) if value == float("inf") else json.dumps(value)
