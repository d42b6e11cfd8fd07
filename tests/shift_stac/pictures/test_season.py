"""The picture of a season: NDVI day by day, and places with different seasons."""

import numpy as np
import pytest
import xarray as xr
from PIL import Image

from shift_stac.pictures.season import _places, draw_season

DAYS = np.array(["2022-03-01", "2022-04-01", "2022-05-01", "2022-06-01"], dtype="datetime64[ns]")
EARLY, LATE = [0.7, 0.5, 0.2, 0.2], [0.2, 0.3, 0.8, 0.4]


def season(wavelengths) -> xr.Dataset:
    """Two fields, whose border moves by a cell from day to day, and an edge without values."""
    ndvi = np.empty((4, 40, 30))
    for day in range(4):
        ndvi[day] = LATE[day]
        ndvi[day, : 20 + day % 2] = EARLY[day]
    ndvi[:, :, :3] = np.nan
    red = np.full_like(ndvi, 0.1)
    values = np.stack([red, red * (1 + ndvi) / (1 - ndvi)], axis=1)
    return xr.Dataset(
        {"Reflectance": (("time", "wavelength", "y", "x"), values)},
        coords={
            "time": DAYS,
            "wavelength": wavelengths,
            "y": np.arange(40.0),
            "x": np.arange(30.0),
        },
    )


def test_places_lie_amid_fields_that_are_green_on_different_days():
    cube = season([650.0, 860.0]).Reflectance
    red, infrared = cube[:, 0].values, cube[:, 1].values
    found = _places((infrared - red) / (infrared + red))
    assert len(found) == 2
    early, late = sorted(found)
    assert early[0] <= 17
    assert late[0] >= 23
    assert min(early[1], late[1]) >= 5


@pytest.mark.parametrize(
    ("wavelengths", "drawn"),
    [([640.0, 870.0], True), ([450.0, 860.0], False), ([650.0, 2200.0], False)],
    ids=["red and near infrared", "blue", "short-wave infrared"],
)
def test_a_cube_of_red_and_near_infrared_has_a_picture(tmp_path, wavelengths, drawn):
    season(wavelengths).to_zarr(tmp_path / "cube.zarr", zarr_format=3, consolidated=True)
    picture = tmp_path / "cube.png"
    assert draw_season(tmp_path / "cube.zarr", "Reflectance", picture, "fields") is drawn
    assert picture.exists() is drawn
    if drawn:
        with Image.open(picture) as opened:
            assert min(opened.size) > 300
