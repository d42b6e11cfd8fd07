"""Stores that were published in each format, kept as data, are read as they were meant.

A change of the format adds a store here; none is ever written again. ``values.json`` has the SHA-256 of
each array's values as they are read, and the place of each store's map.
"""

import hashlib
import json
import re
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
import xarray as xr

import shift_stac
from shift_stac.store.store_format import STORE_FORMAT

DATA = Path(__file__).with_name("data")
KEPT = json.loads((DATA / "values.json").read_text())


def read(name, folder):
    """What today's reader finds in a kept store."""
    with ZipFile(DATA / f"{name}.zip") as kept:
        kept.extractall(folder)
    (store,) = folder.glob("*.zarr")
    with shift_stac.open_flightline(store) as line:
        found = {variable: checksum(line[variable]) for variable in sorted(line.variables)}
        red = line.swath.orthorectify(bands=[650])
        found["map of 650 nm"] = checksum(red)
        found["CRS and bounds of the map"] = [red.rio.crs.to_string(), *red.rio.bounds()]
        middle = [float(line[axis].isel(y=10, x=15)) for axis in ("longitude", "latitude")]
        found["spectrum in the middle"] = checksum(line.swath.spectrum(*middle))
    return found


def checksum(variable: xr.DataArray) -> str:
    values = np.ascontiguousarray(variable.values)
    return hashlib.sha256(str(values.dtype).encode() + values.tobytes()).hexdigest()


@pytest.mark.parametrize("name", KEPT)
def test_a_store_of_this_format_is_read_as_ever(name, tmp_path):
    assert read(name, tmp_path) == KEPT[name]


def test_a_store_of_each_format_that_is_promised_is_kept():
    kept = {int(re.sub(r"\D", "", name)) for name in KEPT}
    assert {STORE_FORMAT, STORE_FORMAT - 1} <= kept


def test_a_store_of_a_newer_format_is_refused_by_name(tmp_path):
    with ZipFile(DATA / f"format-{STORE_FORMAT}.zip") as kept:
        kept.extractall(tmp_path)
    (store,) = tmp_path.glob("*.zarr")
    root = store / "zarr.json"
    text = root.read_text()
    assert f'"store_format": {STORE_FORMAT}' in text
    root.write_text(text.replace(f'"store_format": {STORE_FORMAT}', '"store_format": 99'))
    with pytest.raises(shift_stac.ShiftError, match=re.escape(str(store))):
        shift_stac.open_flightline(store)
