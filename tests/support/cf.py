"""A CF checker on stores.

compliance-checker reads netCDF, but not Zarr v3. Therefore a store is first exported to netCDF with
xarray. The export leaves out two things that belong to Zarr and its conventions, and not to CF:
numbers in attributes have no type in JSON, and names such as ``proj:code`` have a colon.
"""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from compliance_checker.runner import CheckSuite


def export(store: Path, group: str | None, path: Path) -> None:
    """Write a group of a store as netCDF."""
    with xr.open_zarr(store, group=group) as opened:
        dataset = opened.load()
    holders = [dataset, *dataset.variables.values()]
    for holder in holders:
        holder.attrs = {
            name: value
            for name, value in holder.attrs.items()
            if ":" not in name and name != "zarr_conventions"
        }
    for flags in dataset.variables.values():
        if "flag_values" in flags.attrs:
            flags.attrs["flag_values"] = np.asarray(flags.attrs["flag_values"], flags.dtype)
    # By default xarray adds a fill value to variables that have none.
    axes = [name for name in dataset.coords if name in dataset.dims]
    dataset.to_netcdf(path, encoding={name: {"_FillValue": None} for name in axes})


def problems(path: Path, checker: str = "cf:1.11") -> list[str]:
    """Return the faults that the checker finds in a file."""
    CheckSuite.load_all_available_checkers()
    suite = CheckSuite()
    opened = suite.load_dataset(str(path))
    try:
        (groups, errors), *_ = suite.run_all(opened, [checker]).values()
    finally:
        opened.close()
    assert not errors
    assert len(groups) > 20
    # A check that passes has messages too, which say what was found.
    return [message for result in groups if not passed(result) for message in result.msgs]


def passed(result: Any) -> bool:
    value = result.value
    return value[0] == value[1] if isinstance(value, tuple) else bool(value)
