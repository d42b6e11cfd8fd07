"""The observation geometry: layers masked and corrected, and what a line's item takes from it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shift_stac.envi.header import EnviHeader
from shift_stac.envi.image import EnviImage, open_envi
from shift_stac.flightline import FlightLine
from shift_stac.swath.igm_values import ERROR_CODES
from shift_stac.swath.obs_bands import OBS_LAYERS
from shift_stac.swath.observation import ObservationLayers, cosine_i
from shift_stac.swath.observation_summary import ObservationSummary, summarize_observation
from support.sources import write_envi

LINE = FlightLine("ang20220224t195402")
NAMED_HOUR = 19 + 54 / 60 + 2 / 3600
NAMES = (
    "Path length (m)",
    "To-sensor azimuth (0 to 360 degrees cw from N)",
    "To-sensor zenith (0 to 90 degrees from zenith)",
    "To-sun azimuth (0 to 360 degrees cw from N)",
    "To-sun zenith (0 to 90 degrees from zenith)",
    "Solar phase",
    "Slope",
    "Aspect",
    "Cosine(i)",
    "UTC Time",
    "Earth-sun distance (AU)",
)
ALL = slice(None)
LAYER_NAMES = [layer.name for layer in OBS_LAYERS]
# A plausible pixel, in the order of the file.
USUAL = (5100.0, 71.0, 4.0, 160.0, 45.0, 41.0, 12.0, 200.0, 0.8, NAMED_HOUR, 0.9899)


def obs_data(lines: int = 4, samples: int = 5, **values: object) -> np.ndarray:
    """Shaped (lines, 11, samples); ``values`` are the layers that differ from the usual."""
    data = np.empty((lines, 11, samples))
    for band, (name, usual) in enumerate(zip(LAYER_NAMES, USUAL, strict=True)):
        data[:, band] = values.pop(name, usual)
    assert not values
    return data


def as_image(data: np.ndarray, names: tuple[str, ...] = NAMES) -> EnviImage:
    header = EnviHeader(
        name="obs.hdr",
        samples=data.shape[2],
        lines=data.shape[0],
        bands=11,
        dtype=np.dtype("<f8"),
        interleave="bil",
        band_names=names,
    )
    return EnviImage(header, Path("obs"), data)


def obs(lines: int = 4, samples: int = 5, **values: object) -> EnviImage:
    return as_image(obs_data(lines, samples, **values))


def summarize(image: EnviImage, line: FlightLine = LINE) -> ObservationSummary:
    return summarize_observation(ObservationLayers.of_envi(image), line)


def column(*values: float) -> np.ndarray:
    return np.array(values)[:, None]


def direction(zenith: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
    """Unit vector to the east, north and up."""
    zenith, azimuth = np.radians(zenith), np.radians(azimuth)
    east, north = np.sin(zenith) * np.sin(azimuth), np.sin(zenith) * np.cos(azimuth)
    return np.stack((east, north, np.cos(zenith)))


def test_the_layers_are_those_of_the_store_with_cf_names_and_units():
    described = {layer.name: layer.attributes for layer in OBS_LAYERS}
    assert list(described) == [
        "path_length",
        "to_sensor_azimuth",
        "to_sensor_zenith",
        "to_sun_azimuth",
        "to_sun_zenith",
        "solar_phase",
        "slope",
        "aspect",
        "cosine_i",
        "utc_time",
        "earth_sun_distance",
    ]
    assert all(attributes["units"] and attributes["long_name"] for attributes in described.values())
    assert {
        name: attributes["standard_name"]
        for name, attributes in described.items()
        if "standard_name" in attributes
    } == {
        "to_sensor_azimuth": "sensor_azimuth_angle",
        "to_sensor_zenith": "sensor_zenith_angle",
        "to_sun_azimuth": "solar_azimuth_angle",
        "to_sun_zenith": "solar_zenith_angle",
        "slope": "ground_slope_angle",
        "aspect": "ground_slope_direction",
        "earth_sun_distance": "distance_from_sun",
    }


@pytest.mark.parametrize("factor", [np.pi / 180, 0.0])
def test_angles_that_are_too_small_for_degrees_are_left_out_and_noted(factor):
    data = obs_data(4, 5)
    data[:, 1:8] *= factor
    layers = ObservationLayers.of_envi(as_image(data))
    assert {layer.name for layer in layers.layers} == {
        "path_length",
        "cosine_i",
        "utc_time",
        "earth_sun_distance",
    }
    (note,) = layers.notes
    assert "may be radians" in note


def test_successive_scan_lines_keep_different_times_of_day():
    dtype = next(layer.dtype for layer in OBS_LAYERS if layer.name == "utc_time")
    later = NAMED_HOUR + 0.01 / 3600  # 100 scan lines a second
    assert dtype(later) != dtype(NAMED_HOUR)


@pytest.mark.parametrize("interleave", ["bil", "bip", "bsq"])
def test_the_layers_of_a_file_are_read_as_they_stand(tmp_path: Path, interleave):
    random = np.random.default_rng(0)
    data = obs_data() + random.random((4, 11, 5)) / 100
    path = write_envi(tmp_path / "obs", data, interleave, **{"band names": list(NAMES)})
    layers = ObservationLayers.of_envi(open_envi(path))
    for band, name in enumerate(LAYER_NAMES):
        np.testing.assert_array_equal(layers.read(name, slice(1, 3)), data[1:3, band])


def test_bands_are_known_by_their_names_whatever_their_order():
    order = [9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 10]
    data = obs_data(slope=85.0, aspect=100.0)
    shuffled = as_image(data[:, order], tuple(NAMES[band] for band in order))
    layers, usual = ObservationLayers.of_envi(shuffled), ObservationLayers.of_envi(as_image(data))
    for name in LAYER_NAMES:
        np.testing.assert_array_equal(layers.read(name, ALL), usual.read(name, ALL))
    assert summarize(shuffled) == summarize(as_image(data))


@pytest.mark.parametrize(
    "names",
    [(), tuple(f"Band {number}" for number in range(1, 12))],
    ids=["no names", "numbers"],
)
def test_bands_without_good_names_are_taken_in_order(names):
    layers = ObservationLayers.of_envi(as_image(obs_data(), names))
    for name, usual in zip(LAYER_NAMES, USUAL, strict=True):
        np.testing.assert_array_equal(layers.read(name, ALL), usual)


def test_known_names_are_used_and_other_bands_are_left_out_and_noted():
    order = [9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 10]
    names = {"UTC Time": "Time (UTC decimal hours)", "Cosine(i)": "cosine of something"}
    named = tuple(names.get(NAMES[band], NAMES[band]) for band in order)
    image = as_image(obs_data()[:, order], named)
    layers = ObservationLayers.of_envi(image)
    assert [layer.name for layer in layers.layers] == [n for n in LAYER_NAMES if n != "cosine_i"]
    np.testing.assert_array_equal(layers.read("to_sun_zenith", ALL), 45.0)
    np.testing.assert_array_equal(layers.read("utc_time", ALL), NAMED_HOUR)
    summary = summarize(image)
    assert summary.sun_elevation == 45.0
    assert summary.notes == ("no band of the OBS is known as cosine_i",)


def test_radians_that_a_name_tells_become_degrees():
    data = obs_data(slope=0.25)
    named = tuple(name.replace("Slope", "Slope (rad)") for name in NAMES)
    layers = ObservationLayers.of_envi(as_image(data, named))
    np.testing.assert_allclose(layers.read("slope", ALL), np.degrees(0.25))
    assert "radians" in str(layers.comment("slope"))


@pytest.mark.parametrize(
    ("band", "name"),
    [
        (0, "Path length (km)"),
        (6, "Slope (percent)"),
        (9, "UTC Time (seconds)"),
        (7, "Aspect [mrad]"),
    ],
)
def test_a_band_in_another_unit_is_left_out_and_noted(band, name):
    image = as_image(obs_data(), (*NAMES[:band], name, *NAMES[band + 1 :]))
    assert LAYER_NAMES[band] not in {
        layer.name for layer in ObservationLayers.of_envi(image).layers
    }
    assert f"known as {LAYER_NAMES[band]}" in summarize(image).notes[0]


def test_two_bands_of_one_name_tell_nothing():
    image = as_image(obs_data(), (*NAMES[:10], "Slope"))
    assert {"slope", "earth_sun_distance"}.isdisjoint(
        n.name for n in ObservationLayers.of_envi(image).layers
    )
    assert "known as slope, earth_sun_distance" in summarize(image).notes[0]


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("to_sun_zenith", 160.0),
        ("to_sun_azimuth", -np.inf),
        ("to_sensor_zenith", -3.0),
        ("slope", 400.0),
        ("cosine_i", 1.5),
        ("solar_phase", 200.0),
        # Files have such times. Their remainder by 24 hours would look like a valid time.
        ("utc_time", 380_000_000.0),
        ("utc_time", -49.0),
        ("earth_sun_distance", 149.6),
    ],
)
def test_impossible_values_are_left_out_and_noted(name, bad):
    values = np.full((4, 5), USUAL[LAYER_NAMES.index(name)])
    values[2, 3] = bad
    image = obs(**{name: values})
    layers = ObservationLayers.of_envi(image)
    assert np.argwhere(np.isnan(layers.read(name, ALL))).tolist() == [[2, 3]]
    assert re.fullmatch("values outside .* to .* were left out", str(layers.comment(name)))
    assert any(f"5.0 % of {name} were left out" in note for note in summarize(image).notes)
    assert ObservationLayers.of_envi(obs()).comment(name) is None


@pytest.mark.parametrize("bad", [*ERROR_CODES, np.nan, np.inf])
@pytest.mark.parametrize("name", LAYER_NAMES)
def test_missing_values_are_masked_and_others_are_kept(name, bad):
    values = np.full((4, 5), USUAL[LAYER_NAMES.index(name)])
    values[2, 3] = bad
    read = ObservationLayers.of_envi(obs(**{name: values})).read(name, ALL)
    assert np.argwhere(np.isnan(read)).tolist() == [[2, 3]]


def test_nodata_values_of_the_header_are_missing():
    image = obs(path_length=np.full((4, 5), 0.0))
    header = replace(image.header, nodata=0.0)
    read = ObservationLayers.of_envi(replace(image, header=header)).read("path_length", ALL)
    assert np.isnan(read).all()


def test_masking_comes_before_correction():
    slope, aspect, utc = np.full((4, 5), 85.0), np.full((4, 5), 100.0), np.full((4, 5), NAMED_HOUR)
    slope[0, 0], aspect[1, 1], utc[2, 2] = -9999.0, -9901.0, -9900.0
    layers = ObservationLayers.of_envi(obs(slope=slope, aspect=aspect, utc_time=utc))

    def holes(name: str) -> list[list[int]]:
        return np.argwhere(np.isnan(layers.read(name, ALL))).tolist()

    assert holes("slope") == [[0, 0]]
    assert holes("aspect") == [[1, 1]]
    assert holes("utc_time") == [[2, 2]]
    assert holes("cosine_i") == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("hours", "expected"),
    [(-4.1, 19.9), (0.0, 0.0), (12.0, 12.0), (23.5, 23.5), (24.0, 0.0), (43.9, 19.9)],
)
def test_times_outside_the_day_are_brought_into_it(hours, expected):
    layers = ObservationLayers.of_envi(obs(utc_time=hours))
    np.testing.assert_allclose(layers.read("utc_time", ALL), expected, atol=1e-12)
    assert ("0 to 24" in (layers.comment("utc_time") or "")) == (hours != expected)


@pytest.mark.parametrize(
    ("stored", "true"),
    [((90.0, 0.0), (0.0, 270.0)), ((75.0, 100.0), (15.0, 10.0)), ((60.0, 45.0), (30.0, 315.0))],
)
def test_a_slope_counted_from_the_vertical_is_turned_back(stored, true):
    layers = ObservationLayers.of_envi(obs(slope=stored[0], aspect=stored[1]))
    np.testing.assert_allclose(layers.read("slope", ALL), true[0])
    np.testing.assert_allclose(layers.read("aspect", ALL), true[1])
    for name in ("slope", "aspect", "cosine_i"):
        assert "corrected" in (layers.comment(name) or "")
    assert layers.comment("path_length") is None


def test_a_plausible_slope_is_left_alone_and_says_nothing():
    slope = np.full((4, 5), 12.0)
    slope[1] = 70.0  # a cliff is not a defect
    layers = ObservationLayers.of_envi(obs(slope=slope))
    np.testing.assert_array_equal(layers.read("slope", ALL), slope)
    np.testing.assert_array_equal(layers.read("aspect", ALL), 200.0)
    np.testing.assert_array_equal(layers.read("cosine_i", ALL), 0.8)
    assert [layers.comment(name) for name in ("slope", "aspect", "cosine_i")] == [None] * 3


def test_a_block_is_corrected_as_the_line_is_even_if_it_alone_looks_sound():
    slope = np.full((40, 5), 88.0)
    slope[10:12] = 20.0  # a slope of 70 degrees, as the defect has it
    layers = ObservationLayers.of_envi(obs(lines=40, slope=slope))
    np.testing.assert_allclose(layers.read("slope", slice(10, 12)), 70.0)


@given(
    slope=st.floats(0, 89),
    aspect=st.floats(0, 360),
    zenith=st.floats(0, 89),
    azimuth=st.floats(0, 360),
)
def test_cosine_i_is_the_product_of_the_directions_to_sun_and_normal(
    slope, aspect, zenith, azimuth
):
    angles = [np.array([angle]) for angle in (slope, aspect, zenith, azimuth)]
    expected = (direction(*angles[:2]) * direction(*angles[2:])).sum(axis=0)
    np.testing.assert_allclose(cosine_i(*angles), expected, atol=1e-12)


def test_the_defective_cosine_is_computed_from_the_true_slope_and_aspect():
    # Slope 15 degrees towards the sun, which is 45 degrees from the zenith.
    layers = ObservationLayers.of_envi(obs(slope=75.0, aspect=250.0, cosine_i=-0.3))
    np.testing.assert_allclose(layers.read("cosine_i", ALL), np.cos(np.radians(30.0)))


@pytest.mark.parametrize(
    ("where", "name"),
    [
        ("isofit-small-chunk", "ang20170323t202244_obs_7000-7010"),
        ("derived_portal/pub/SHIFT/v0/20170323/L1/obs", "ang20170323t202244_rdn_obs"),
        ("derived_portal/pub/SHIFT/v1/20170323/L1/obs", "ang20170323t202244_obs"),
    ],
)
def test_a_real_file_has_the_slope_defect_and_a_cosine_made_from_it(shared: Path, where, name):
    image = open_envi(shared / "samples" / where / name)
    slope, aspect, stored = (image.data[:, band] for band in (6, 7, 8))
    sun_azimuth, sun_zenith = image.data[:, 3], image.data[:, 4]
    # The pixels lie on level ground, 33.67 m above the sea; the sun was 57 degrees high.
    np.testing.assert_allclose(cosine_i(slope, aspect, sun_zenith, sun_azimuth), stored, atol=1e-12)
    assert stored.max() < 0
    layers = ObservationLayers.of_envi(image)
    assert layers.slope_is_offset
    np.testing.assert_allclose(layers.read("slope", ALL), 0.0, atol=1e-9)
    np.testing.assert_allclose(layers.read("aspect", ALL), 270.0)
    level = np.cos(np.radians(sun_zenith))
    np.testing.assert_allclose(layers.read("cosine_i", ALL), level, atol=1e-9)

    summary = summarize(image, FlightLine("ang20170323t202244"))
    # Scan lines 7000 to 7010 of the flight, 11 minutes after its start.
    assert summary.start == datetime(2017, 3, 23, 20, 33, 47, 118_000, tzinfo=UTC)
    assert summary.end == datetime(2017, 3, 23, 20, 33, 47, 954_000, tzinfo=UTC)
    assert summary.sun_elevation == pytest.approx(57.543, abs=1e-3)
    assert summary.sun_azimuth == pytest.approx(197.3237, abs=1e-3)
    assert summary.off_nadir == pytest.approx(17.35, abs=0.01)
    # The sensor stood to the ENE, and looked to the WSW.
    assert summary.view_azimuth == pytest.approx(251.27, abs=0.01)
    assert summary.notes == ()


def test_start_and_end_are_those_of_the_utc_band():
    hours = NAMED_HOUR + np.arange(1000)[:, None] * 0.05 / 3600 + 0.4 / 3600
    summary = summarize(obs(lines=1000, utc_time=hours))
    assert summary.start == LINE.start + timedelta(seconds=0.4)
    assert summary.end == LINE.start + timedelta(seconds=0.4 + 999 * 0.05)
    assert summary.notes == ()


def test_one_scan_line_starts_and_ends_at_once():
    summary = summarize(obs(lines=1))
    assert summary.start == summary.end == LINE.start


@pytest.mark.parametrize("shift", [-24.0, 0.0, 24.0])
def test_a_line_that_passes_midnight_ends_on_the_next_day(shift):
    line = FlightLine("ang20220430t235930")
    hours = np.array([23 + 59.5 / 60, 23 + 59.9 / 60, 24 + 0.5 / 60])
    wrapped = summarize(obs(lines=3, utc_time=np.mod(hours, 24)[:, None]), line)
    assert wrapped.start == datetime(2022, 4, 30, 23, 59, 30, tzinfo=UTC)
    assert wrapped.end == datetime(2022, 5, 1, 0, 0, 30, tzinfo=UTC)
    assert summarize(obs(lines=3, utc_time=hours[:, None] + shift), line) == wrapped


def test_a_line_named_after_midnight_may_begin_before_it():
    line = FlightLine("ang20220501t000001")
    summary = summarize(obs(lines=2, utc_time=column(24 - 1 / 3600, 60 / 3600)), line)
    assert summary.start == datetime(2022, 4, 30, 23, 59, 59, tzinfo=UTC)
    assert summary.end == datetime(2022, 5, 1, 0, 1, tzinfo=UTC)


def test_times_far_from_the_lines_name_are_not_believed_and_that_is_told():
    summary = summarize(obs(utc_time=NAMED_HOUR - 7))
    assert (summary.start, summary.end) == (LINE.start, None)
    assert len(summary.notes) == 1
    assert "7.0 hours" in summary.notes[0]


def test_an_empty_utc_band_leaves_the_names_time_and_says_so():
    summary = summarize(obs(utc_time=-9999.0))
    assert (summary.start, summary.end) == (LINE.start, None)
    assert "empty" in summary.notes[0]


def test_some_wrong_times_do_not_spoil_the_others():
    hours = NAMED_HOUR + np.arange(10.0)[:, None] / 3600 * np.ones((10, 5))
    hours[0, 2] = 3.0  # one pixel
    hours[1, :4] = -9999.0
    hours[4], hours[7] = 5.0, 15.0  # scan lines, one after and one before the others
    summary = summarize(obs(lines=10, utc_time=hours))
    assert (summary.start, summary.end) == (LINE.start, LINE.start + timedelta(seconds=9))
    assert "20.0 %" in summary.notes[0]


def test_directions_are_averaged_around_north():
    summary = summarize(obs(lines=2, to_sun_azimuth=column(350.0, 20.0)))
    assert summary.sun_azimuth == pytest.approx(5.0)
    north = summarize(obs(lines=2, to_sun_azimuth=column(350.0, 10.0)))
    assert north.sun_azimuth == 0.0


def test_the_suns_elevation_is_from_the_horizon():
    summary = summarize(obs(lines=2, to_sun_zenith=column(30.0, 32.0)))
    assert summary.sun_elevation == pytest.approx(59.0)


def test_the_view_is_of_the_swaths_middle_from_below_the_sensor_to_the_pixel():
    zenith = np.array([12.0, 7.0, 2.0, 3.0, 8.0])
    azimuth = np.array([80.0, 80.0, 80.0, 260.0, 260.0])
    summary = summarize(obs(to_sensor_zenith=zenith, to_sensor_azimuth=azimuth))
    assert summary.off_nadir == summary.incidence_angle == 2.0
    assert summary.view_azimuth == pytest.approx(260.0)


def test_an_even_number_of_samples_has_two_in_the_middle():
    summary = summarize(obs(samples=4, to_sensor_zenith=np.array([9.0, 2.0, 3.0, 9.0])))
    assert summary.incidence_angle == 2.5
    assert summarize(obs(samples=1, to_sensor_zenith=3.0)).incidence_angle == 3.0


def test_a_sensor_that_looks_straight_down_looks_in_no_direction():
    summary = summarize(obs(samples=2, to_sensor_azimuth=np.array([80.0, 260.0])))
    assert summary.view_azimuth is None
    assert summary.incidence_angle == 4.0
    rolling = summarize(obs(to_sensor_azimuth=column(90.0, 270.0, 90.0, 270.0)))
    assert rolling.view_azimuth is None


def test_a_file_without_a_single_value_gives_no_angles():
    nothing = dict.fromkeys(LAYER_NAMES, -9999.0)
    summary = summarize(obs(**nothing))
    assert summary.model_dump(exclude={"start", "end", "notes"}) == {
        "sun_azimuth": None,
        "sun_elevation": None,
        "off_nadir": None,
        "view_azimuth": None,
        "incidence_angle": None,
    }
    assert not ObservationLayers.of_envi(obs(**nothing)).slope_is_offset


def test_a_summary_is_the_same_after_it_was_written_as_json():
    summary = summarize(obs(utc_time=3.0))
    assert ObservationSummary.model_validate_json(summary.model_dump_json()) == summary


def test_bands_with_other_names_are_not_the_usual_ones_in_the_usual_order():
    names = ("Distance", "Time", *(f"Quantity {letter}" for letter in "abcdefghi"))
    layers = ObservationLayers.of_envi(as_image(obs_data(), names))
    assert not layers.layers
    assert any("no band of the OBS is known" in note for note in layers.notes)
    unnamed = tuple(f"Band {number}" for number in range(1, 12))
    assert ObservationLayers.of_envi(as_image(obs_data(), unnamed)).layers
