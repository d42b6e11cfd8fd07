"""The overview lies where longitude and latitude say, and is cloud-optimized."""

import numpy as np
import pytest
import rasterio
import zarr
from pyproj import Transformer
from rasterio.enums import ColorInterp, MaskFlags

from shift_stac import open_flightline
from shift_stac.campaigns import load_campaign
from shift_stac.pictures.colour import find_stretch, read_colour
from shift_stac.pictures.overview import write_overview
from shift_stac.simulate import simulate_campaign
from shift_stac.stac.asset_files import describe_overview
from shift_stac.store.conversion import convert_line
from support.sources import small_line, sources_in

CAMPAIGN = load_campaign()
RGB = CAMPAIGN.quicklook.rgb
# A white square in the swath, with known rows and columns, and known degrees.
LINES, SAMPLES = slice(300, 304), slice(80, 84)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """Lines that fly north and south, in both zones; each with a white square in the black."""
    root = tmp_path_factory.mktemp("lines")
    flown = simulate_campaign(root / "portal", lines=4, samples=110, scan_lines=700, bands=12)
    found = []
    for line in flown["20220224"]:
        store = root / f"{line}.zarr"
        summary = convert_line(sources_in(root / "portal", line, "v1"), store, CAMPAIGN)
        cube = zarr.open_array(store / "Reflectance", mode="r+")
        cube[:] = 0.0
        cube[:, LINES, SAMPLES] = 0.5
        cube[:, 500:600, :] = -9999.0
        tif = root / f"{line}_overview.tif"
        swath = open_flightline(store)
        write_overview(read_colour(store, summary, RGB), swath, tif)
        found.append((swath, summary, tif))
    return found


@pytest.fixture(params=range(4), ids=lambda n: f"line {n}")
def line(lines, request):
    return lines[request.param]


def place(opened, longitude, latitude):
    """Row and column of places, as a program for maps finds them."""
    to_map = Transformer.from_crs(4326, opened.crs, always_xy=True)
    x, y = to_map.transform(np.ravel(longitude), np.ravel(latitude))
    column, row = ~opened.transform @ (np.asarray(x), np.asarray(y))
    return np.floor(row).astype(int), np.floor(column).astype(int)


@pytest.mark.heavy
def test_a_known_pixel_lies_where_its_longitude_and_latitude_say(line):
    swath, summary, tif = line
    with rasterio.open(tif) as opened:
        assert opened.crs.to_string() == summary.geolocation.crs
        rgba = opened.read()
        white = (rgba[:3] == 255).all(axis=0)
        square = [swath[name].values[LINES, SAMPLES] for name in ("longitude", "latitude")]
        row, column = place(opened, *square)
        assert white[row, column].mean() > 0.8
        # Nothing else is white: the square's centre is that of the white cells.
        rows, columns = np.nonzero(white)
        assert rows.mean() == pytest.approx(row.mean(), abs=0.6)
        assert columns.mean() == pytest.approx(column.mean(), abs=0.6)
        assert 10 <= white.sum() <= 24


@pytest.mark.heavy
def test_the_corners_of_the_swath_are_the_corners_of_what_is_opaque(line):
    swath, _, tif = line
    with rasterio.open(tif) as opened:
        alpha = opened.read(4)
        for y in (5, -6):
            for x, outside in ((2, -8), (-3, 8)):
                row, column = place(opened, swath.longitude[y, x], swath.latitude[y, x])
                assert alpha[row, column] == 255
                # There is nothing at the same distance beyond the edge.
                step = swath.longitude[y, x] - swath.longitude[y, x - np.sign(outside) * 8]
                rise = swath.latitude[y, x] - swath.latitude[y, x - np.sign(outside) * 8]
                row, column = place(
                    opened, swath.longitude[y, x] + step, swath.latitude[y, x] + rise
                )
                inside = (0 <= row < opened.height) & (0 <= column < opened.width)
                assert not inside or alpha[row, column] == 0


@pytest.mark.heavy
def test_pixels_without_data_are_transparent(line):
    swath, _, tif = line
    with rasterio.open(tif) as opened:
        rgba = opened.read()
        for y, expected in ((550, 0), (450, 255)):
            row, column = place(opened, swath.longitude[y, 55], swath.latitude[y, 55])
            assert rgba[3, row, column] == expected
        assert (rgba[:3, rgba[3] == 0] == 0).all()


@pytest.mark.heavy
def test_the_file_is_cloud_optimized_with_overviews_and_alpha(line):
    _, _, tif = line
    with rasterio.open(tif) as opened:
        assert opened.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert opened.dtypes == ("uint8",) * 4
        assert opened.colorinterp[3] is ColorInterp.alpha
        assert opened.mask_flag_enums[0] == [MaskFlags.per_dataset, MaskFlags.alpha]
        assert opened.overviews(1)
        assert opened.block_shapes[0] == (512, 512)
        small = opened.read(4, out_shape=(opened.height // 2, opened.width // 2))
        full = opened.read(4)
        assert (small > 0).mean() == pytest.approx((full > 0).mean(), rel=0.1)


@pytest.mark.heavy
def test_its_place_is_described_as_stac_wants_it(line):
    _, summary, tif = line
    fields = describe_overview(tif)
    with rasterio.open(tif) as opened:
        assert fields["proj:code"] == summary.geolocation.crs
        assert fields["proj:shape"] == [opened.height, opened.width]
        assert fields["proj:transform"] == list(opened.transform)[:6]
        assert len(fields["bands"]) == opened.count


@pytest.mark.heavy
def test_nothing_is_left_beside_it(lines):
    _, _, tif = lines[0]
    assert not list(tif.parent.glob(".*"))


def test_a_line_of_one_pixel_has_an_overview(tmp_path):
    sources = small_line(tmp_path / "in", lines=1, samples=1)
    store = tmp_path / "line.zarr"
    summary = convert_line(sources, store, CAMPAIGN)
    colour = read_colour(store, summary, RGB)
    write_overview(colour, open_flightline(store), tmp_path / "o.tif")
    with rasterio.open(tmp_path / "o.tif") as opened:
        assert (opened.read(4) == 255).sum() >= 1
    assert find_stretch(colour.values).apply(colour.values).shape == (1, 1, 4)
