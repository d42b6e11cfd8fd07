"""Places and times of the flight, and the places that the sensor saw."""

from itertools import pairwise

import numpy as np
import pytest
from pyproj import Geod, Transformer

from shift_stac.errors import ShiftError
from shift_stac.simulate.flight import plan_flights
from shift_stac.simulate.geometry import look_down, observe

GEOD = Geod(ellps="WGS84")


def plan(lines: int = 6, samples: int = 31, scan_lines: int = 600, seed: int = 0):
    return plan_flights("20220224", lines=lines, samples=samples, scan_lines=scan_lines, seed=seed)


def degrees(flight, easting, northing):
    return Transformer.from_crs(flight.crs, "EPSG:4326", always_xy=True).transform(
        easting, northing
    )


@pytest.mark.parametrize("lines", [2, 3, 6])
def test_each_line_is_in_the_zone_of_its_centre_and_both_zones_occur(lines):
    flights = plan(lines)
    for flight in flights:
        longitude, latitude = degrees(flight, flight.easting.mean(), flight.northing.mean())
        assert flight.crs.to_epsg() == (32610 if longitude < -120 else 32611)
        assert -120.6 < longitude < -119.4
        assert 34.2 < latitude < 34.8
    assert {flight.crs.to_epsg() for flight in flights} == {32610, 32611}


def test_neighbours_lie_side_by_side_and_parallel_across_the_zones_border():
    # Long enough that the aircraft's drift, some hundred metres, turns the chord but little.
    flights = plan(6, samples=1, scan_lines=4000)
    ends = [degrees(f, f.easting[[0, -1]], f.northing[[0, -1]]) for f in flights]
    azimuths = [GEOD.inv(lon[0], lat[0], lon[1], lat[1])[0] % 180 for lon, lat in ends]
    assert np.ptp(azimuths) < 1.7  # half the angle between the two zones' grids
    middles = [degrees(f, f.easting.mean(), f.northing.mean()) for f in flights]
    for (west, south), (east, north) in pairwise(middles):
        assert west < east
        assert 2000 < GEOD.inv(west, south, east, north)[2] < 2990  # a swath is 2990 m wide


def test_one_line_flies_north_and_the_next_south():
    north = [np.cos(flight.heading) > 0 for flight in plan(4)]
    assert [bool(part.all()) for part in north] == [True, False, True, False]
    assert [bool((~part).all()) for part in north] == [False, True, False, True]


def test_the_path_is_curved_and_the_aircraft_rolls():
    flight = plan(1, scan_lines=1000)[0]
    along = np.stack((flight.easting, flight.northing))
    chord = (along[:, -1] - along[:, 0]) / np.linalg.norm(along[:, -1] - along[:, 0])
    off = (along - along[:, :1]).T @ np.array([-chord[1], chord[0]])
    assert np.abs(off).max() > 10  # metres: pixels do not lie on straight lines
    assert np.degrees(np.ptp(flight.roll)) > 0.1


def test_a_line_of_a_hundred_thousand_is_refused_with_its_reason():
    with pytest.raises(ShiftError, match="before midnight UTC"):
        plan(100_000, samples=1, scan_lines=1)


@pytest.mark.parametrize(("lines", "scan_lines"), [(16, 16_418), (300, 1), (700, 3)])
@pytest.mark.parametrize("seed", [0, 1])
def test_however_many_lines_all_start_on_their_date_one_after_the_other(lines, scan_lines, seed):
    flights = plan(lines, samples=1, scan_lines=scan_lines, seed=seed)
    names = [flight.line for flight in flights]
    assert names == sorted(set(names))
    assert {line.date for line in names} == {"20220224"}
    for flight, following in pairwise(flights):
        seconds = (following.line.start - flight.line.start).total_seconds()
        assert seconds >= scan_lines * 0.05  # none starts while another is flown


@pytest.mark.parametrize("number", [0, 1])
def test_the_angles_of_the_obs_are_those_between_the_igm_and_the_track(number):
    flight = plan(2)[number]
    rows = slice(0, len(flight.easting))
    view = look_down(flight, rows)
    obs = observe(flight, rows, view)
    track = degrees(flight, flight.easting, flight.northing)
    for sample in (0, 5, 25, 30):
        longitude, latitude = degrees(flight, view.easting[:, sample], view.northing[:, sample])
        azimuth, _, distance = GEOD.inv(longitude, latitude, *track)
        # Directly below the aircraft, the roll decides on which side a pixel lies.
        sure = distance > 20
        turn = np.mod(obs[:, 1, sample] - azimuth + 180, 360) - 180
        assert np.abs(turn[sure]).max(initial=0) < 0.05
        up = flight.height_m - view.ground[:, sample]
        zenith = np.degrees(np.arctan2(distance, up))
        np.testing.assert_allclose(obs[:, 2, sample], zenith, atol=0.02)
        np.testing.assert_allclose(obs[:, 0, sample], np.hypot(distance, up), rtol=1e-3)


def test_the_first_sample_is_to_the_left_of_the_flight():
    for flight in plan(2, samples=101):
        view = look_down(flight, slice(300, 301))
        forward = np.array([np.sin(flight.heading[300]), np.cos(flight.heading[300])])
        first = np.array([view.easting[0, 0], view.northing[0, 0]])
        offset = first - (flight.easting[300], flight.northing[300])
        assert forward[0] * offset[1] - forward[1] * offset[0] > 0


def test_places_do_not_depend_on_the_division_into_blocks():
    flight = plan(1)[0]
    whole, part = look_down(flight, slice(0, 600)), look_down(flight, slice(100, 164))
    for name in ("easting", "northing", "ground", "x", "y", "tangent"):
        np.testing.assert_array_equal(getattr(whole, name)[100:164], getattr(part, name))
