"""The position of the sun agrees with astronomy and with a real OBS file."""

from datetime import date

import numpy as np
import pytest

from shift_stac.envi.image import open_envi
from shift_stac.simulate.sun import sun_position


@pytest.mark.parametrize(
    ("day", "declination"),
    [
        (date(2022, 3, 20), 0.0),
        (date(2022, 6, 21), 23.44),
        (date(2022, 9, 23), 0.0),
        (date(2022, 12, 21), -23.44),
    ],
)
def test_at_the_solstices_and_equinoxes_noon_is_as_high_as_the_year_has_it(day, declination):
    hours = np.linspace(11, 13, 721)
    zenith, azimuth, _ = sun_position(day, hours, 0.0, 50.0)
    noon = zenith.argmin()
    assert zenith[noon] == pytest.approx(50.0 - declination, abs=0.25)
    assert azimuth[noon] == pytest.approx(180, abs=0.5)
    assert np.all(np.diff(azimuth) > 0)


def test_the_earth_is_nearest_in_january_and_farthest_in_july():
    distances = [
        sun_position(day, np.array([12.0]), 0.0, 0.0)[2]
        for day in (date(2022, 1, 4), date(2022, 7, 4))
    ]
    assert distances == pytest.approx([0.98333, 1.01672], abs=2e-4)


def test_it_agrees_with_a_real_observation(shared):
    folder = shared / "samples" / "isofit-small-chunk"
    name = "ang20170323t202244_{}_7000-7010"
    obs = open_envi(folder / name.format("obs"), folder / (name.format("obs") + ".hdr")).data
    loc = open_envi(folder / name.format("loc"), folder / (name.format("loc") + ".hdr")).data
    longitude, latitude = (float(np.mean(loc[:, band])) for band in (0, 1))
    # The file's angles are those of the line's start, which its name tells: they stay the same
    # while its UTC band goes on, and are 0.8 degrees from the sun of that band's times.
    hours = np.array([20 + 22 / 60 + 44 / 3600])
    zenith, azimuth, distance = sun_position(date(2017, 3, 23), hours, longitude, latitude)
    assert zenith[0] == pytest.approx(np.mean(obs[:, 4]), abs=0.01)
    assert azimuth[0] == pytest.approx(np.mean(obs[:, 3]), abs=0.01)
    assert distance == pytest.approx(np.mean(obs[:, 10]), abs=1e-3)
