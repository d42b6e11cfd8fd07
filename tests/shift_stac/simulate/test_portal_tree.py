"""The simulated campaign has the names, headers and defects of the real one, and is repeatable."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.envi.header import read_header
from shift_stac.envi.image import open_envi
from shift_stac.errors import CampaignError, FlightLineError, ShiftError
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product
from shift_stac.swath.igm_crs import crs_from_igm
from shift_stac.swath.igm_values import ground_sampling
from shift_stac.swath.obs_bands import OBS_LAYERS
from shift_stac.swath.observation import ObservationLayers
from shift_stac.swath.observation_summary import summarize_observation

DATE = "20220224"
SHAPE = {"samples": 44, "scan_lines": 150, "bands": 40}


class Tree:
    """A simulated portal, and the way to its files."""

    def __init__(self, root: Path, version: str, **options):
        self.root, self.version = root, version
        self.lines = simulate_campaign(root, version=version, **options)[DATE]

    def path(self, product: Product, number: int = 0) -> Path:
        location = load_campaign().portal.version(self.version).products[product]
        line = self.lines[number]
        return self.root / location.path_for(line, self.version)

    def open(self, product: Product, number: int = 0):
        return open_envi(self.path(product, number))


@pytest.fixture(scope="module", params=["v0", "v1"])
def tree(request, tmp_path_factory):
    return Tree(tmp_path_factory.mktemp("portal"), request.param, lines=3, **SHAPE)


@pytest.fixture(scope="module")
def full_spectrum(tmp_path_factory):
    """Few pixels in all 425 bands."""
    root = tmp_path_factory.mktemp("full")
    return Tree(root, "v1", lines=1, samples=30, scan_lines=60, bands=425)


def contents(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("version", "names"),
    [
        (
            "v0",
            {
                "L1/rdn/{}_rdn_v2z4_clip",
                "L1/igm/{}_rdn_igm",
                "L2a/{}_rfl",
                "L1/glt/{}_rdn_glt",
                "L1/obs/{}_rdn_obs",
            },
        ),
        (
            "v1",
            {
                "L1/rdn/{}_rdn_v2aa1_clip",
                "L1/igm/{}_igm",
                "L2a/{}_rfl",
                "L1/glt/{}_glt",
                "L1/obs/{}_obs",
            },
        ),
    ],
)
def test_the_files_have_the_portals_names_and_nothing_else_lies_there(tmp_path, version, names):
    (line,) = simulate_campaign(tmp_path, version=version, samples=4, scan_lines=3, bands=5)[DATE]
    expected = {f"{version}/{DATE}/{name.format(line)}" for name in names}
    assert set(contents(tmp_path)) == expected | {f"{name}.hdr" for name in expected}


def test_each_line_has_all_products_but_the_last_has_no_glt(tree):
    for number in range(3):
        present = {product for product in Product if tree.path(product, number).exists()}
        assert present == set(Product) - ({Product.GLT} if number == 2 else set())


def test_fewer_than_three_lines_all_have_a_glt(tmp_path):
    small = Tree(tmp_path, "v1", lines=2, samples=4, scan_lines=4, bands=2)
    assert all(small.path(Product.GLT, number).exists() for number in range(2))


def test_a_glt_of_a_larger_campaign_does_not_stay_behind(tmp_path):
    shape = {"samples": 4, "scan_lines": 4, "bands": 2}
    larger = Tree(tmp_path, "v1", lines=4, **shape)
    assert larger.path(Product.GLT, 2).exists()
    smaller = Tree(tmp_path, "v1", lines=3, **shape)
    assert smaller.lines[2] == larger.lines[2]
    glt = smaller.path(Product.GLT, 2)
    assert not glt.exists()
    assert not glt.with_name(glt.name + ".hdr").exists()


def test_every_data_file_has_the_size_interleave_and_type_of_its_kind(tree):
    geometry = "bip" if tree.version == "v0" else "bil"
    kinds = {
        Product.RADIANCE: ("bil", "<f4", 40),
        Product.REFLECTANCE: ("bil", "<f4", 40),
        Product.IGM: (geometry, "<f8", 3),
        Product.OBS: (geometry, "<f8", 11),
        Product.GLT: (geometry, "<i4", 2),
    }
    for product, (interleave, dtype, bands) in kinds.items():
        header = tree.open(product).header  # refuses a size that the header does not imply
        assert (header.interleave, header.dtype, header.bands) == (interleave, dtype, bands)
        if product is not Product.GLT:
            assert (header.lines, header.samples) == (150, 44)


def test_the_radiance_header_is_the_real_ones(full_spectrum):
    header = full_spectrum.open(Product.RADIANCE).header
    fields = header.fields
    assert fields["file type"] == "ENVI"
    assert fields["wavelength units"] == "Nanometers"
    assert fields["byte order"] == "0"
    assert "uW nm-1 cm-2 sr-1" in header.description
    assert {"smoothing factors", "fwhm", "radiance version"} <= set(fields)
    assert not {"map info", "bbl", "data ignore value", "no data value"} & set(fields)
    assert header.wavelengths[0] == 377.071821
    assert header.wavelengths[-1] == pytest.approx(377.071821 + 5.01 * 424)
    assert len(header.fwhm) == 425


def test_the_wavelengths_are_those_of_a_real_header(full_spectrum, shared):
    (real,) = (shared / "samples" / "headers").glob("AVIRIS-NG_rdn*.hdr")
    ours = full_spectrum.open(Product.RADIANCE).header
    np.testing.assert_allclose(ours.wavelengths, read_header(real).wavelengths, atol=0.6)
    np.testing.assert_allclose(ours.fwhm, read_header(real).fwhm, atol=0.15)


def test_reflectance_rounds_the_wavelengths_so_that_they_are_not_equal(full_spectrum):
    header = full_spectrum.open(Product.REFLECTANCE).header
    radiance = full_spectrum.open(Product.RADIANCE).header
    assert header.fields["wavelength units"] == "nm"
    assert header.wavelengths != radiance.wavelengths
    assert header.wavelengths == tuple(round(value, 2) for value in radiance.wavelengths)
    assert not {"data ignore value", "no data value"} & set(header.fields)


def test_bad_bands_hold_exactly_minus_a_hundredth_and_are_those_of_water_vapour(full_spectrum):
    image = full_spectrum.open(Product.REFLECTANCE)
    good = np.array(image.header.good_bands)
    windows = [(380, 1340), (1450, 1800), (1970, 2500)]
    nm = np.array(image.header.wavelengths)
    expected = np.any([(nm >= low) & (nm <= high) for low, high in windows], axis=0)
    np.testing.assert_array_equal(good, expected)
    assert np.all(image.data[:, ~good] == np.float32(-0.01))


def test_real_reflectance_is_negative_now_and_then_but_only_by_noise(tmp_path):
    """This is tested over the sea in the infrared, where almost nothing is reflected."""
    tree = Tree(tmp_path, "v1", lines=1, samples=10, scan_lines=1000, bands=120)
    image = tree.open(Product.REFLECTANCE)
    nm = np.array(image.header.wavelengths)
    # Beside the deepest absorptions there is almost no light, by which the radiance is divided.
    clear = ((nm > 500) & (nm < 900)) | ((nm > 1500) & (nm < 1750)) | ((nm > 2100) & (nm < 2300))
    values = image.data[:, clear]
    negative = values < 0
    assert 0.001 < negative.mean() < 0.2
    assert values.min() > -0.15
    assert 0.2 < values.max() < 1.0
    # They are values, not a code.
    assert len(np.unique(values[negative])) > 100


def test_radiance_has_the_magnitude_of_daylight_and_the_gaps_of_water_vapour(full_spectrum):
    image = full_spectrum.open(Product.RADIANCE)
    nm = np.array(image.header.wavelengths)
    mean = image.data.mean(axis=(0, 2))
    assert image.data.min() > -0.1
    assert 1 < image.data.max() < 15
    for centre in (1395, 1875):
        assert abs(mean[np.abs(nm - centre).argmin()]) < 0.01
    # The bands of oxygen at 760 nm and of water at 940 nm lie between brighter neighbours.
    for centre, sides in ((760, (745, 780)), (940, (880, 1000))):
        at = [mean[np.abs(nm - wanted).argmin()] for wanted in (centre, *sides)]
        assert at[0] < 0.8 * min(at[1:])


def test_the_zone_stands_in_the_words_of_the_igm_header_only_and_both_occur(tree):
    zones = []
    for number in range(3):
        header = tree.open(Product.IGM, number).header
        assert header.map_info is None
        assert "coordinate system string" not in header.fields
        zones.append(crs_from_igm(header, fallback="EPSG:4326").to_epsg())
    assert zones == [32610, 32610, 32611]


def test_the_first_line_of_several_has_error_codes_and_the_others_none(tree):
    for number in range(3):
        igm = np.array(tree.open(Product.IGM, number).data)
        gaps = np.any(igm == -9999, axis=1)
        assert gaps.any() == (number == 0)
        assert np.all(igm.transpose(0, 2, 1)[gaps] == -9999)
        assert gaps.mean() < 0.2
        for product in (Product.RADIANCE, Product.REFLECTANCE):
            cube = np.array(tree.open(product, number).data)
            np.testing.assert_array_equal(np.all(cube == -9999, axis=1), gaps)


def test_ground_sampling_is_five_metres(tree):
    assert ground_sampling(tree.open(Product.IGM, 1).data) == pytest.approx(5.0, abs=0.2)


def test_the_glt_finds_for_each_cell_of_the_map_a_pixel_that_lies_there(tree):
    """The table is read by the format: counted from 1, row 1 is in the north, corners in map info."""
    image, igm = tree.open(Product.GLT), tree.open(Product.IGM)
    projection, x, y, west, north, dx, dy, zone, hemisphere, *rest = image.header.map_info
    assert (projection, x, y, hemisphere) == ("UTM", "1", "1", "North")
    assert zone == "10"
    assert rest[-1].startswith("rotation=")
    assert float(dx) == float(dy) == 5.0
    sample, line = (np.array(image.data[:, band]) for band in (0, 1))
    np.testing.assert_array_equal(np.sign(sample), np.sign(line))
    row, column = np.nonzero(sample)
    pixel = np.abs(line[row, column]) - 1, np.abs(sample[row, column]) - 1
    easting, northing = igm.data[pixel[0], 0, pixel[1]], igm.data[pixel[0], 1, pixel[1]]
    off_east = np.abs(easting - (float(west) + 5 * (column + 0.5)))
    off_north = np.abs(northing - (float(north) - 5 * (row + 0.5)))
    infill = sample[row, column] < 0
    assert infill.any()
    assert (~infill).any()
    tolerance = 1e-6
    assert max(off_east[~infill].max(), off_north[~infill].max()) <= 2.5 + tolerance
    assert max(off_east[infill].max(), off_north[infill].max()) <= 7.5 + tolerance
    # Pixels with an error code are in no cell.
    assert np.all(easting != -9999)


def test_the_time_starts_with_the_name_and_rises_with_each_scan_line(tree):
    for number, line in enumerate(tree.lines):
        image = tree.open(Product.OBS, number)
        assert image.header.bands == 11
        hours = np.array(image.data[:, 9])
        assert np.all(hours == hours[:, :1])
        np.testing.assert_allclose(np.diff(hours[:, 0]) * 3600, 0.05, rtol=1e-4)
        summary = summarize_observation(ObservationLayers.of_envi(image), line)
        assert summary.notes == ()
        assert summary.start == line.start
        assert ObservationLayers.of_envi(image).slope_is_offset


def test_the_obs_has_the_real_ones_band_names(tree, shared):
    (real,) = (shared / "samples" / "isofit-small-chunk").glob("*_obs_*.hdr")
    assert tree.open(Product.OBS).header.band_names == read_header(real).band_names


def test_once_the_known_defect_is_undone_slope_and_aspect_are_those_of_the_elevation(tmp_path):
    """The line's far end is hilly; the gradient is taken from the IGM, not from the terrain."""
    tree = Tree(tmp_path, "v1", lines=1, samples=40, scan_lines=1000, bands=2)
    layers, igm = ObservationLayers.of_envi(tree.open(Product.OBS)), tree.open(Product.IGM)
    assert layers.slope_is_offset
    rows = slice(700, 1000)
    raw = np.array(tree.open(Product.OBS).data[rows])
    east, north, height = (np.array(igm.data[rows, band]) for band in range(3))
    along = [np.gradient(values, axis=0) for values in (east, north, height)]
    across = [np.gradient(values, axis=1) for values in (east, north, height)]
    determinant = along[0] * across[1] - along[1] * across[0]
    by_east = (along[2] * across[1] - across[2] * along[1]) / determinant
    by_north = (along[0] * across[2] - across[0] * along[2]) / determinant
    slope = np.degrees(np.arctan(np.hypot(by_east, by_north)))
    aspect = np.degrees(np.arctan2(-by_east, -by_north))
    inner = (slice(3, -3), slice(3, -3))
    assert np.median(slope) > 1.0
    assert np.median(np.abs(layers.read("slope", rows) - slope)[inner]) < 0.3
    turned = np.mod(layers.read("aspect", rows) - aspect + 180, 360) - 180
    # Grid north is 1.7 degrees from north here.
    assert np.median(np.abs(turned[inner][slope[inner] > 2])) < 4
    # The file's cos(i) goes with its defective slope and aspect, as in the real files.
    angle = {layer.name: np.radians(raw[:, band]) for band, layer in enumerate(OBS_LAYERS)}
    zenith, tilt = angle["to_sun_zenith"], angle["slope"]
    turn = angle["to_sun_azimuth"] - angle["aspect"]
    wrong = np.cos(zenith) * np.cos(tilt) + np.sin(zenith) * np.sin(tilt) * np.cos(turn)
    np.testing.assert_allclose(raw[:, 8], wrong, atol=1e-12)


def test_the_same_arguments_write_the_same_bytes(tmp_path):
    shape = {"samples": 9, "scan_lines": 70, "bands": 6, "lines": 2}
    first = simulate_campaign(tmp_path / "a", **shape)
    assert simulate_campaign(tmp_path / "b", **shape) == first
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_another_seed_and_another_date_are_other_flights(tmp_path):
    shape = {"samples": 5, "scan_lines": 6, "bands": 3, "lines": 2}
    first, again = (simulate_campaign(tmp_path / str(seed), seed=seed, **shape) for seed in (1, 2))
    assert set(first[DATE]).isdisjoint(again[DATE])
    dates = simulate_campaign(tmp_path / "dates", dates=[DATE, "20220228"], **shape)
    assert list(dates) == [DATE, "20220228"]
    times = {date: [line.id[-6:] for line in lines] for date, lines in dates.items()}
    assert times[DATE] != times["20220228"]


@pytest.mark.parametrize("version", ["v0", "v1"])
@pytest.mark.parametrize(
    ("lines", "samples", "scan_lines", "bands"),
    [(1, 1, 1, 1), (2, 1, 2, 2), (2, 33, 1, 3), (3, 1, 65, 2), (2, 41, 7, 425)],
)
def test_awkward_sizes_are_written_whole(tmp_path, version, lines, samples, scan_lines, bands):
    shape = {"samples": samples, "scan_lines": scan_lines, "bands": bands}
    tree = Tree(tmp_path, version, lines=lines, **shape)
    for number in range(lines):
        for product in Product:
            if tree.path(product, number).exists():
                tree.open(product, number)
        assert tree.open(Product.RADIANCE, number).data.shape == (scan_lines, bands, samples)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"dates": [DATE, "20220230"]}, FlightLineError),
        ({"version": "v7"}, CampaignError),
        ({"lines": 100_000}, ShiftError),
    ],
)
def test_impossible_flights_are_refused_before_anything_is_written(tmp_path, options, error):
    with pytest.raises(error):
        simulate_campaign(tmp_path, samples=2, scan_lines=2, bands=2, **options)
    assert not contents(tmp_path)


@pytest.mark.heavy
def test_a_killed_run_leaves_no_file_under_a_products_name(tmp_path):
    command = [sys.executable, "-m", "shift_stac.simulate", "--scan-lines", "16000"]
    process = subprocess.Popen([*command, "--out", str(tmp_path)])
    try:
        deadline = time.monotonic() + 60
        while not any(path.stat().st_size for path in tmp_path.rglob("*_rdn_*.part")):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left
    assert {path.suffix for path in left} == {".part"}
