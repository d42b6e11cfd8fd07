"""Lines as the world sends them are published rightly, or refused by name before their cubes are downloaded.

``../shared/cases`` has most of them; the others are of the same kinds, and need nothing.
"""

import importlib.util
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import shift_stac
from shift_stac.archive.foresight import foresee
from shift_stac.campaigns import load_campaign
from shift_stac.errors import ShiftError
from shift_stac.flightline import FlightLine
from shift_stac.portal.download import Downloader
from shift_stac.portal.http_client import HttpOptions
from shift_stac.portal.portal import campaign_portal
from shift_stac.sources import Product, ProductLevel
from shift_stac.store.conversion import convert_line
from shift_stac.store.summary import StoreSummary, TableOrigin
from shift_stac.swath.header_check import check_line_headers
from shift_stac.validation.result import Expectations, Validation
from shift_stac.validation.store_check import validate_store
from support.sources import write_envi

GENERATORS = ("headers_and_values", "geometry", "more", "lookup_tables")
# Bounds of the line of ../shared/cases/tinyline.py, degrees.
WEST, SOUTH, EAST, NORTH = -120.8239, 34.4112, -120.8232, 34.4121


@dataclass
class Published:
    """A line that was converted and validated."""

    summary: StoreSummary
    validation: Validation
    line: xr.Dataset

    @property
    def located(self) -> np.ndarray:
        """The pixels that have a place."""
        found: np.ndarray = np.isfinite(self.line["longitude"].values)
        return found

    @property
    def said(self) -> str:
        """All notes and warnings."""
        return "; ".join((*self.summary.all_notes, *self.validation.warnings))


@dataclass
class Refused:
    """A line that was refused.

    ``cubes`` are those that had been downloaded by then; ``foreseen`` is what a dry run says.
    """

    message: str
    cubes: list[str]
    foreseen: str


Outcome = Published | Refused


def outcome_of(portal: Path, name: str, folder: Path) -> Outcome:
    """Take a line of a mirror through a dry run, the download, the conversion and the validation."""
    campaign = load_campaign()
    version = campaign.portal.version("v1")
    look = partial(foresee, fallback=version.crs, spectral=campaign.spectral, of_optional=True)
    with (
        campaign_portal(campaign, "v1", HttpOptions(), str(portal)) as opened,
        Downloader(
            check=partial(check_line_headers, fallback=version.crs), look=look
        ) as downloader,
    ):
        (line,) = (found for found in opened.lines(name[3:11]) if found.id == name)
        foreseen: tuple[str, ...] | ShiftError
        try:
            remote = opened.find(line, ProductLevel.ALL.products)
            foreseen = downloader.inspect(remote)
        except ShiftError as error:
            foreseen = error
        try:
            sources = downloader.download(remote, folder / "downloads")
            summary = convert_line(sources, folder / f"{name}.zarr", campaign)
        except ShiftError as error:
            brought = (path.name for path in (folder / "downloads").iterdir())
            cubes = [n for n in brought if n.endswith(("_clip", "_rfl"))]
            return Refused(str(error), cubes, foreseen=str(foreseen))
    assert not isinstance(foreseen, ShiftError), foreseen
    said = {_without_folders(note) for note in summary.all_notes}
    assert {_without_folders(re.sub(r" \(in \d+ of .*", "", note)) for note in foreseen} <= said
    store = folder / f"{name}.zarr"
    validation = validate_store(store, Expectations.of_summary(summary), sources=sources)
    assert validation.passed, validation.sentence
    return Published(summary, validation, shift_stac.open_flightline(store))


def _without_folders(text: str) -> str:
    # What follows the sizes of a damaged file is advice, which differs before and after the download.
    return re.sub(r"\S*/", "", text).partition(" (20 lines x")[0]


@dataclass(frozen=True)
class Good:
    """What a published line must have.

    ``box`` are its bounds, degrees; ``truth`` changes the reflectance that ``tinyline`` wrote,
    shaped (lines, bands, samples), into what a reader must get; ``nowhere`` are the pixels without
    a place; ``says`` is a pattern of its notes and warnings, None if it has none.
    """

    says: str | None = None
    box: tuple[float, float, float, float] = (WEST, SOUTH, EAST, NORTH)
    truth: Callable[[np.ndarray], np.ndarray] = lambda values: values
    nowhere: tuple[slice | int, slice | int] | None = None
    also: Callable[[Published], object] = lambda _: True


@dataclass(frozen=True)
class Bad:
    """How a line must be refused: ``says`` is a pattern of the error.

    ``by_values`` if it takes values of the cube to see it: of a small cube, they are looked at when it
    is here.
    """

    says: str
    by_values: bool = False


def missing(*rows: int) -> Callable[[np.ndarray], np.ndarray]:
    """Reflectance without some scan lines."""

    def changed(values: np.ndarray) -> np.ndarray:
        values[list(rows)] = np.nan
        return values

    return changed


def outside(values: np.ndarray) -> np.ndarray:
    """As case m05."""
    values[0:4] = -0.9999 * np.linspace(0.9, 1.1, values.shape[1])[None, :, None]
    return values


def has_layer(name: str, value: float) -> Callable[[Published], bool]:
    return lambda found: bool((found.line[name] == value).all())


def fwhm_is(value: float) -> Callable[[Published], bool]:
    return lambda found: bool(np.allclose(found.line["fwhm"], value))


def is_16_bits(name: str) -> Callable[[Published], bool]:
    return lambda found: found.line[name].encoding["dtype"].itemsize == 2


def table_is(origin: TableOrigin) -> Callable[[Published], bool]:
    return lambda found: found.summary.map.origin is origin


GLT_LEFT_OUT = partial(Good, also=table_is(TableOrigin.IGM))
OF_PORTAL = table_is(TableOrigin.PORTAL)
ZONE_11 = (WEST + 6, SOUTH, EAST + 6, NORTH)
DEGREES = (-120.0, 34.399, -119.9994, 34.4)
NO_OBS = "observation geometry .* left out"

# What shared/cases/README.md says is right. Where it says nothing, what the product does.
RIGHT: dict[str, Good | Bad] = {
    "h01_square_brackets": Good(),
    "h02_underscore_keys_micrometres": Good(also=fwhm_is(5.6)),
    "h03_utf8_letter_outside_braces": Good(),
    "h04_cp1252_ellipsis_outside_braces": Good(),
    "h06_empty_value_and_comments": Good(also=fwhm_is(5.6)),
    "h08_trailing_comma_wavelength": Good(),
    "h09_trailing_comma_fwhm": Good(also=fwhm_is(5.6)),
    "h11_wavelengths_key": Bad("names no wavelengths"),
    "h12_optional_labels_left_out": Good(),
    "h13_line_without_equals": Good(),
    "h15_text_after_closing_brace": Good(also=fwhm_is(5.6)),
    "h16_nested_braces": Good(),
    "h17_bom_crlf_tabs_case": Good(),
    "h18_duplicate_wavelength": Bad("more than 0.05 nm of rounding"),
    "h19_bbl_floats": Good(also=lambda found: found.summary.good_bands == (True,) * 29 + (False,)),
    "h20_bbl_wrong_length": Bad("'bbl' has 29 entries for 30 bands"),
    "h21_utf16_header": Bad("is not an ENVI header"),
    "h22_blank_line_before_ENVI": Bad("is not an ENVI header"),
    "v01_int16_scale_factor": Good(also=is_16_bits("Reflectance")),
    "v02_gain_and_offset": Good(also=is_16_bits("Radiance")),
    # The numbers of waves rise where the wavelengths fall.
    "v03_wavenumber": Good(truth=lambda values: values[:, ::-1]),
    "v04_index": Bad("unit is 'Index'"),
    "v05_index_from_101": Bad("unit is 'Index'"),
    "v07_detector_overlap": Good(
        also=lambda found: (
            found.line["Reflectance"].dims[0] == "band"
            and found.line["wavelength"].values[14:16].tolist() == [1000.0, 950.0]
        )
    ),
    "v09_ignore_value_nan": Good(truth=missing(3, 4)),
    "v10_ignore_value_list": Good(),
    "v11_ignore_value_ms_nan": Good(),
    "v12_ignore_value_below_float32": Good(truth=missing(3, 4)),
    # It was refused, and the README says that this was right.
    "v14_uint16_no_nodata": Bad("uint16, which cannot represent -9999 for missing values"),
    "v15_complex": Bad("complex64"),
    "v16_header_offset": Good(),
    "v17_gzip_payload": Bad("compressed"),
    "v18_missing_units_nm": Good(),
    "v19_units_unknown_um": Good(also=fwhm_is(5.6)),
    "v20_trailing_bytes": Bad("has 29092 bytes, but its header implies 28800"),
    "v21_zero_length_blob": Bad("has 1 bytes, but its header implies 28800"),
    "g01_zeros_in_igm": Good(nowhere=(5, 3)),
    "g02_zeros_in_igm_no_glt": Good("no lookup table", nowhere=(5, 3)),
    "g03_zero_scan_lines_at_end": Good(
        box=(WEST, 34.4114, EAST, NORTH), nowhere=(slice(-4, None), slice(None))
    ),
    "g05_degrees": Good(r"\(GLT\) was left out: .* its map is in degrees", box=DEGREES),
    "g07_degrees_geographic_map_info": Good("no lookup table", box=DEGREES),
    "g08_crosses_equator_north_zone": Good(box=(40.7971, -0.0005, 40.7976, 0.0005)),
    "g09_south_of_equator_north_zone": Good(box=(40.7971, -0.4530, 40.7976, -0.4521)),
    "g11_antimeridian": Good(box=(179.9997, -17.0460, -179.9997, -17.0451)),
    "g12_glt_out_of_range": GLT_LEFT_OUT("belongs to another line or version"),
    "g13_glt_fill_minus_9999": GLT_LEFT_OUT("belongs to another line or version"),
    "g14_glt_float_nan": GLT_LEFT_OUT("2 bands of float32"),
    "g15_rotation_90": GLT_LEFT_OUT("20.0 cells from where the IGM puts them"),
    "g16_gap_nan_inf": Good(
        also=lambda found: (
            np.argwhere(~found.located).tolist()
            == [[2, 2], *([y, x] for y in range(8, 14) for x in range(12))]
        )
    ),
    "g17_obs_ten_bands": Good("no band of the OBS is known as earth_sun_distance"),
    "g18_obs_one_line_short": Good(f"{NO_OBS}: .* has 19 scan lines"),
    "g19_obs_truncated_file": Good(f"{NO_OBS}: .* has 20320 bytes"),
    "g21_zone_words_parentheses": Good(box=ZONE_11),
    "g23_zone_words_proj": Good(box=ZONE_11),
    "g25_map_info_south_only": Good(box=(23.1738, -34.3229, 23.1744, -34.3220)),
    "g26_map_info_nad27": Good(box=(-120.8249, 34.4130, -120.8242, 34.4139)),
    "g27_south_africa_lo19_projection": Bad("not understood: map info 'Transverse Mercator"),
    "g28_glt_zero_based": GLT_LEFT_OUT("belongs to another line or version"),
    "g29_igm_northing_first": Good(),
    "g30_igm_scaled_header": Good(
        box=(WEST, SOUTH, EAST, 34.4120), nowhere=(slice(0, 3), slice(None))
    ),
    "g31_igm_ignore_value_in_range": Good(
        box=(WEST, SOUTH, EAST, 34.4120), nowhere=(slice(0, 3), slice(None))
    ),
    "g32_samples_lines_swapped": Bad("not of the same line or version"),
    "g33_wrong_byte_order_igm": Bad("no pixel has a location"),
    "g34_wrong_byte_order_rfl": Bad("check its byte order", by_values=True),
    "g35_interleave_bip_said_bil": Bad("correct its interleave", by_values=True),
    "g36_all_igm_minus9999": Bad("no pixel has a location"),
    "m01_pci_style_header": Good(
        "whole numbers, and neither header nor campaign file tells a scale",
        truth=lambda values: missing(2, 3)(np.round(values.astype("f4") * 10000).astype(float)),
    ),
    "m02_rotation_90_consistent": Good(also=OF_PORTAL),
    "m03_micrometres_said_values_nm": Bad("not wavelengths of light"),
    "m05_negative_fill_not_told": Good("may be a fill value", truth=outside),
    "m06_reflectance_percent": Good("may be percent", truth=lambda values: values * 100),
    "m07_obs_values_nan": Good("the UTC band is empty"),
    "m08_obs_names_with_degree_sign": Good(also=has_layer("to_sun_zenith", 40)),
    "m09_obs_other_order": Good(also=has_layer("to_sun_zenith", 40)),
    "m10_obs_other_order_other_names": Good(also=has_layer("to_sun_zenith", 40)),
    "m11_major_frame_offsets": Bad("give the data without frames"),
    "e01_trailing_comma_with_band_names": Good(),
    "e03_glt_rotation_infinite": GLT_LEFT_OUT("places no grid"),
    "e04_glt_without_map_info": GLT_LEFT_OUT("places no grid"),
    "e06_obs_header_is_a_web_page": Good(f"{NO_OBS}: .* is not an ENVI header"),
}


def check(outcome: Outcome, right: Good | Bad, truth: np.ndarray) -> None:
    """Hold an outcome to what is right; ``truth`` is the reflectance, shaped (lines, bands, samples)."""
    if isinstance(right, Bad):
        assert isinstance(outcome, Refused)
        assert re.search(right.says, outcome.message), outcome.message
        # A dry run says the same as the run.
        assert re.search(right.says, outcome.foreseen), outcome.foreseen
        # The user must know which file.
        assert "ang2022" in outcome.message
        assert not outcome.cubes or right.by_values
        return
    assert isinstance(outcome, Published), outcome.message
    assert re.search(right.says or "^$", outcome.said), outcome.said
    assert outcome.summary.geolocation.bbox == pytest.approx(right.box, abs=1.1e-4)
    if right.nowhere is not None:
        expected = np.ones(outcome.located.shape, bool)
        expected[right.nowhere] = False
        np.testing.assert_array_equal(outcome.located, expected)
    found = outcome.line["Reflectance"].transpose("y", ..., "x").values
    # Half of the last digit of 16 bits, where a case has them.
    np.testing.assert_allclose(found, right.truth(truth.astype(float)), rtol=1e-6, atol=5.1e-5)
    assert right.also(outcome)


@pytest.fixture(scope="module")
def cases(shared, tmp_path_factory) -> tuple[Path, dict[str, str], np.ndarray]:
    """A mirror with a line for each case, the lines by their cases, and the reflectance of all."""
    folder = shared / "cases"
    if not folder.is_dir():
        pytest.skip("the shared folder of cases is not here")
    root, lines = tmp_path_factory.mktemp("portal"), {}
    for generator in GENERATORS:
        done = subprocess.run(
            [sys.executable, folder / f"{generator}.py", root],
            check=True,
            capture_output=True,
            text=True,
        )
        lines |= {case: line for line, case in map(str.split, done.stdout.splitlines())}
    spec = importlib.util.spec_from_file_location("tinyline", folder / "tinyline.py")
    assert spec is not None
    assert spec.loader is not None
    tinyline = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tinyline)
    return root, lines, tinyline.base(10.0)["reflectance"]["data"]


def test_every_shared_case_is_held_to_what_is_right(cases):
    assert set(cases[1]) == set(RIGHT)


@pytest.mark.heavy
@pytest.mark.parametrize("case", RIGHT)
def test_a_shared_case_ends_as_its_readme_says(cases, case, tmp_path):
    portal, lines, truth = cases
    check(outcome_of(portal, lines[case], tmp_path), RIGHT[case], truth.copy())


LINES, SAMPLES, BANDS, CELL = 20, 12, 30, 5.0
CORNER = (700_000.0, 3_810_000.0)
NM = np.linspace(380, 2480, BANDS).round(2)
SPECTRAL = {"wavelength units": "Nanometers", "wavelength": NM.tolist(), "fwhm": [5.6] * BANDS}
OBS = (
    *(
        "Path length (m)",
        "To-sensor azimuth",
        "To-sensor zenith",
        "To-sun azimuth",
        "To-sun zenith",
    ),
    *("Solar phase", "Slope", "Aspect", "Cosine(i)", "UTC Time", "Earth-sun distance (AU)"),
)
Parts = dict[Product, tuple[np.ndarray, dict[str, object]]]


def small_parts() -> Parts:
    """The data, shaped (lines, bands, samples), and the header of each product of a line of our own."""
    y, x = np.mgrid[0:LINES, 0:SAMPLES].astype(float)
    random = np.random.default_rng(1).random((LINES, BANDS, SAMPLES))
    truth = (0.1 + 0.01 * random + 0.2 * np.arange(BANDS)[None, :, None] / BANDS).astype("<f4")
    east, north = CORNER[0] + CELL * (x + 0.5), CORNER[1] - CELL * (y + 0.5)
    angles = (5000, 90, 5, 160, 40, 40, 3, 100, 0.75, 10.0, 0.99)
    obs = np.stack([np.full_like(x, value) for value in angles], axis=1)
    grid = f"{{UTM, 1, 1, {CORNER[0]}, {CORNER[1]}, {CELL}, {CELL}, 10, North, WGS-84}}"
    return {
        Product.RADIANCE: (truth * 20, dict(SPECTRAL)),
        Product.REFLECTANCE: (truth, dict(SPECTRAL)),
        Product.IGM: (
            np.stack((east, north, 100 + x), axis=1),
            {"description": "{UTM zone 10 North}"},
        ),
        Product.GLT: (np.stack((x + 1, y + 1), axis=1).astype("<i4"), {"map info": grid}),
        Product.OBS: (obs, {"band names": "{" + ", ".join(OBS) + "}"}),
    }


def _zeros_for_places(parts: Parts) -> None:
    parts[Product.IGM][0][4, :, 2] = 0


def _degrees(parts: Parts) -> None:
    data, header = parts[Product.IGM]
    y, x = np.mgrid[0:LINES, 0:SAMPLES]
    data[:, 0], data[:, 1] = -120.0 + 5e-5 * (x + 0.5), 34.4 - 5e-5 * (y + 0.5)
    header["description"] = "{longitude, latitude, elevation}"
    del parts[Product.GLT]


def _whole_numbers(parts: Parts) -> None:
    data, header = parts[Product.REFLECTANCE]
    parts[Product.REFLECTANCE] = (np.round(data * 10000).astype("<i2"), header)
    header |= {"reflectance scale factor": 10000, "data ignore value": -9999}


def _unsigned(parts: Parts) -> None:
    data, header = parts[Product.RADIANCE]
    parts[Product.RADIANCE] = (np.round(data * 100).astype("<u2"), header)


def _other_byte_order(parts: Parts) -> None:
    parts[Product.IGM][1]["byte order"] = 1


def _no_bytes_of_angles(parts: Parts) -> None:
    parts[Product.OBS] = (parts[Product.OBS][0][:-2], parts[Product.OBS][1])


def _headers(product: Product, **entries: object) -> Callable[[Parts], None]:
    def changed(parts: Parts) -> None:
        parts[product][1].update({key.replace("_", " "): value for key, value in entries.items()})

    return changed


# Of the same kinds, but not the same.
OWN: dict[str, tuple[Callable[[Parts], None], Good | Bad]] = {
    "as it should be": (lambda _: None, Good(also=OF_PORTAL)),
    "zeros for places": (_zeros_for_places, Good(nowhere=(4, 2))),
    "places in degrees": (_degrees, Good("no lookup table", box=DEGREES)),
    # The zone of the IGM takes precedence over that of the GLT.
    "a southern zone by its code": (
        _headers(Product.IGM, description="{EPSG:32711}"),
        Good(
            "GLT.*: .* UTM zone 10N, and the IGM .*11S",
            box=(-113.8079, -55.8150, -113.8069, -55.8141),
        ),
    ),
    "a CRS that nobody knows": (
        _headers(Product.IGM, description="{Lambert of my office}"),
        Bad("CRS that is not understood"),
    ),
    "places of the other byte order": (_other_byte_order, Bad("no pixel has a location")),
    "whole numbers with a scale": (_whole_numbers, Good(also=is_16_bits("Reflectance"))),
    "unsigned numbers without nodata": (_unsigned, Bad("uint16, which cannot represent -9999")),
    "a unit that is none": (
        _headers(Product.REFLECTANCE, wavelength_units="Counts"),
        Bad("unit is 'Counts'"),
    ),
    "an OBS that is short": (_no_bytes_of_angles, Good(f"{NO_OBS}: .* has 18 scan lines")),
    "a GLT of no size": (
        _headers(Product.GLT, map_info="{UTM, 1, 1, 7e5, 3.81e6, 0, 0, 10, North, WGS-84}"),
        GLT_LEFT_OUT("places no grid"),
    ),
    "a nodata value of words": (
        _headers(Product.RADIANCE, data_ignore_value="lots"),
        Bad("'lots', not a number"),
    ),
}


@pytest.mark.parametrize("case", OWN)
def test_a_case_of_our_own_ends_rightly(case, tmp_path):
    change, right = OWN[case]
    name, parts = "ang20220224t100000", small_parts()
    truth = parts[Product.REFLECTANCE][0].copy()
    change(parts)
    for product, location in load_campaign().portal.version("v1").products.items():
        if product in parts:
            data, header = parts[product]
            path = location.path_for(FlightLine(name), "v1")
            write_envi(tmp_path / "portal" / path, data, **header)
    check(outcome_of(tmp_path / "portal", name, tmp_path), right, truth)
