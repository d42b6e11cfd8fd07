"""The archive's page for people, in a real browser: from a folder, and from a web server."""

import io
import json
import re
import shlex
import shutil
from functools import partial
from http.server import SimpleHTTPRequestHandler

import numpy as np
import pandas as pd
import pytest
import rasterio
import xarray as xr
from PIL import Image
from playwright.sync_api import expect
from pyproj import Transformer
from shapely.geometry import shape

from shift_stac.archive.search_pages import rebuild_search_pages
from shift_stac.campaigns import load_campaign
from shift_stac.simulate.serving import serve_folder, serve_handler
from shift_stac.stac.hrefs import HrefOptions, Hrefs
from shift_stac.stac.page import render_page
from shift_stac.storage.address import open_storage
from shift_stac.store.conversion_options import ConversionOptions
from support.archive import DATES, publish_campaign
from support.item_tables import CAMPAIGN, make_campaign, make_item, table_of
from support.s3 import serve_s3
from support.webserver import serve_nginx


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    _, lines = publish_campaign(str(folder / "archive"), folder)
    return folder / "archive", lines


@pytest.fixture(params=["folder", "web server", "bucket"])
def address(request, archive, tmp_path):
    if request.param == "folder":
        yield archive[0].as_uri()
        return
    if request.param == "bucket":
        shutil.copytree(archive[0], tmp_path / "s3" / "archive" / "shift")
        with serve_s3(tmp_path / "s3", anonymous=True) as bucket:
            yield f"{bucket.endpoint}/archive/shift"
        return
    with serve_nginx(archive[0], tmp_path) as url:
        yield url.rstrip("/")


def open_page(watched, address, hash_=""):
    watched.page.goto(f"{address}/AVIRIS-NG/index.html{hash_}")
    expect(watched.page.locator("#count")).to_contain_text("flight lines")
    return watched.page


def view_of(page):
    """Return latitude, longitude and zoom from the address, after the map has come to rest."""
    page.wait_for_function("location.hash.includes('map=')")
    before = None
    while (now := page.evaluate("location.hash.match(/map=([^&]*)/)[1]")) != before:
        before = now
        page.wait_for_timeout(600)
    return [float(part) for part in before.split(",")]


def test_the_page_shows_every_line_and_leads_to_it(archive, address, watched):
    page, lines = watched.page, archive[1]
    # The first page leads to the only collection.
    page.goto(f"{address}/index.html")
    page.wait_for_url(re.compile("AVIRIS-NG/index.html"))
    expect(page.locator("#count")).to_have_text("6 of 6 flight lines")
    expect(page.locator("#list button")).to_have_count(6)
    page.wait_for_function(
        "[...document.querySelectorAll('#list img')].every((img) => img.naturalWidth > 0)"
    )

    bar = page.get_by_role("button", name="2022-03-16: 2 flight lines")
    bar.click()
    expect(page.locator("#count")).to_have_text("2 of 6 flight lines")
    expect(page.locator("#list button:visible")).to_have_count(2)
    chosen = [line for line in lines if line.date == "20220316"][1]
    page.locator("#list button", has_text=chosen.id).click()
    expect(page.locator("#about h2")).to_have_text(chosen.id)
    for text, name in (("STAC item", f"{chosen}.json"), ("Zarr store", f"{chosen}.zarr")):
        href = page.locator("#about a", has_text=text).evaluate("(link) => link.href")
        assert href.startswith(address)
        assert (archive[0] / href.removeprefix(f"{address}/")).name == name
        assert (archive[0] / href.removeprefix(f"{address}/")).exists()
    assert f"{chosen}.zarr" in page.locator("#about pre").inner_text()

    assert watched.errors == watched.failed == []
    assert all(url.startswith((address, "data:")) for url in watched.requests)


def test_the_facts_of_a_line_are_those_of_its_item(archive, watched):
    folder, lines = archive
    item = json.loads((folder / f"AVIRIS-NG/{lines[0]}/{lines[0]}.json").read_bytes())["properties"]
    page = open_page(watched, folder.as_uri(), f"#{lines[0]}")
    facts = page.locator("#about dl").inner_text()
    assert item["datetime"][:19].replace("T", " ") in facts
    assert "60 across, 90 along" in facts
    assert f"{item['view:sun_elevation']:.0f}° high" in facts
    assert f"{100 * (1 - item['shift:located_share']):.1f} % of the pixels" in facts
    for name, share in item["shift:validation"]["nodata_share"].items():
        assert re.search(rf"{100 * share:.1f}\d* % of {name}", facts)


def test_the_copied_code_opens_the_line(archive, watched):
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    folder, lines = archive
    open_page(watched, folder.as_uri(), f"#{lines[0]}")
    copied = {}
    for name in ("shift_stac", "xarray", "STAC", "GDAL"):
        page.get_by_role("tab", name=name, exact=True).click()
        page.get_by_role("button", name=f"Copy the lines for {name}").click()
        expect(page.locator(".snippet button")).to_have_text("Copied")
        copied[name] = page.evaluate("navigator.clipboard.readText()")
    opened = {}
    for name in ("shift_stac", "xarray", "STAC"):
        exec(copied[name], opened)
        if name == "STAC":
            assert opened["item"].id == lines[0].id
        else:
            assert opened.pop("ds").sizes["wavelength"] == 425
    store, overview = copied["GDAL"].splitlines()
    assert store.startswith("gdalmdiminfo 'ZARR:\"/")
    assert overview.startswith("gdalinfo '/")
    with rasterio.open(shlex.split(overview)[1]) as opened_map:
        assert opened_map.count == 4


def test_an_address_opens_the_page_at_its_line_and_view(archive, address, watched):
    line = archive[1][3]
    page = open_page(watched, address, f"#{line}")
    expect(page.locator("#about h2")).to_have_text(line.id)
    page.locator("#from").select_option("2022-03-16")
    expect(page.locator("#count")).to_have_text("4 of 6 flight lines")
    page.get_by_role("button", name="Zoom in").click()
    view = view_of(page)
    assert f"line={line}&from=2022-03-16&to=2022-04-05" in page.url
    page.reload()
    expect(page.locator("#about h2")).to_have_text(line.id)
    expect(page.locator("#count")).to_have_text("4 of 6 flight lines")
    page.locator("#map").press("ArrowRight")
    latitude, longitude, zoom = view_of(page)
    assert (latitude, zoom) == (view[0], view[2])
    assert longitude == pytest.approx(view[1] + 80 / 2**zoom, abs=1e-4)
    page.locator("#find").fill("nothing of this name")
    expect(page.locator("#count")).to_contain_text("0 of 6 flight lines")
    page.get_by_role("button", name="Show all", exact=True).click()
    expect(page.locator("#count")).to_have_text("6 of 6 flight lines")
    assert watched.errors == []


def test_the_map_is_moved_by_wheel_pointer_buttons_fingers_and_keys(archive, watched):
    page = open_page(watched, archive[0].as_uri(), f"#{archive[1][0]}")
    box = page.locator("#map").bounding_box()
    x, y = box["x"] + 300, box["y"] + 200
    page.mouse.move(x, y)
    page.mouse.wheel(0, -200)
    wheeled = view_of(page)
    page.mouse.wheel(0, 100)
    assert view_of(page)[2] < wheeled[2]
    page.mouse.down()
    page.mouse.move(x - 100, y - 50)
    page.mouse.up()
    latitude, longitude, zoom = view_of(page)
    assert longitude > wheeled[1]
    assert latitude < wheeled[0]
    page.get_by_role("button", name="Zoom in").click()
    assert view_of(page)[2] == pytest.approx(zoom + 1, abs=0.02)
    page.locator("#map").press("-")
    assert view_of(page)[2] == pytest.approx(zoom + 1 - 0.585, abs=0.02)

    # Two fingers, whose distance is doubled.
    before = view_of(page)[2]
    touch = page.context.new_cdp_session(page)
    for kind, spread in (("Start", 50), ("Move", 60), ("Move", 80), ("Move", 100), ("End", None)):
        points = [{"x": x - spread, "y": y}, {"x": x + spread, "y": y}] if spread else []
        touch.send("Input.dispatchTouchEvent", {"type": f"touch{kind}", "touchPoints": points})
    assert view_of(page)[2] == pytest.approx(before + 1, abs=0.05)
    assert watched.errors == []


def test_a_list_is_shown_for_lines_that_lie_over_each_other(archive, watched):
    page = open_page(watched, archive[0].as_uri(), f"#{archive[1][0]}")
    view_of_line = page.locator("#map").bounding_box()
    page.wait_for_timeout(600)
    page.mouse.click(
        view_of_line["x"] + view_of_line["width"] / 2,
        view_of_line["y"] + view_of_line["height"] / 2,
    )
    here = page.get_by_role("dialog", name="Flight lines at this place")
    names = here.get_by_role("button").all_inner_texts()
    assert len(names) > 1
    page.keyboard.press("Escape")
    expect(here).to_be_hidden()
    # With keys only.
    expect(page.locator("#map")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("#about h2")).to_have_text(names[1].split()[0])
    assert watched.errors == []


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("2022-04-05", "2 of 6 flight lines"),
        ("2022-03", "2 of 6 flight lines"),
        ("goleta", "5 of 6 flight lines, none over Goleta: the nearest, from"),
        ("Atlantis", "0 of 6 flight lines, none has this name, and no place here"),
    ],
)
def test_lines_are_found_by_date_and_place(archive, watched, text, count):
    page = open_page(watched, archive[0].as_uri())
    page.get_by_label("Find lines").fill(text)
    expect(page.locator("#count")).to_contain_text(count)
    assert watched.errors == []


def test_lines_are_found_by_name_and_point(archive, watched):
    folder, lines = archive
    outlines = {
        line.id: shape(
            json.loads((folder / f"AVIRIS-NG/{line}/{line}.json").read_bytes())["geometry"]
        )
        for line in lines
    }
    page = open_page(watched, folder.as_uri())
    page.get_by_label("Find lines").fill(lines[0].id[-6:])
    expect(page.locator("#count")).to_have_text("1 of 6 flight lines")
    page.keyboard.press("Enter")
    expect(page.locator("#about h2")).to_have_text(lines[0].id)
    point = outlines[lines[0].id].representative_point()
    within = sorted(line for line, outline in outlines.items() if outline.contains(point))
    for text in (f"{point.y:.5f}, {point.x:.5f}", f"{point.x:.5f} {point.y:.5f}"):
        page.get_by_label("Find lines").fill(text)
        expect(page.locator("#count")).to_contain_text(f"over {point.y:.4f}° N, {-point.x:.4f}° W")
        shown = page.locator("#list button:visible").all_inner_texts()
        assert sorted(entry.split()[0] for entry in shown) == within
    assert watched.errors == []


def test_days_are_chosen_by_keys_and_by_a_range(archive, watched):
    page = open_page(watched, archive[0].as_uri())
    page.get_by_role("button", name="2022-02-24: 2 flight lines").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    expect(page.locator("#count")).to_have_text("2 of 6 flight lines")
    expect(page.locator("#from")).to_have_value("2022-03-16")
    page.get_by_role("button", name="2022-04-05").click(modifiers=["Shift"])
    expect(page.locator("#count")).to_have_text("4 of 6 flight lines")
    first, last = (page.get_by_role("button", name=day) for day in ("2022-02-24", "2022-03-16"))
    axis = page.locator("#days").bounding_box()
    page.mouse.move(first.bounding_box()["x"] - 4, axis["y"] + 5)
    page.mouse.down()
    page.mouse.move(last.bounding_box()["x"] + 4, axis["y"] + 5, steps=4)
    page.mouse.up()
    expect(page.locator("#to")).to_have_value("2022-03-16")
    expect(page.locator("#count")).to_have_text("4 of 6 flight lines")
    pressed = [bar.get_attribute("aria-pressed") for bar in page.locator("#days button").all()]
    assert pressed == ["true", "true", "false"]


def test_a_narrow_dark_screen_shows_the_whole_page(archive, chromium):
    context = chromium.new_context(
        viewport={"width": 390, "height": 844}, color_scheme="dark", has_touch=True, is_mobile=True
    )
    page = context.new_page()
    page.goto(f"{archive[0].as_uri()}/AVIRIS-NG/index.html#{archive[1][0]}")
    expect(page.locator("#about h2")).to_have_text(archive[1][0].id)
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert max(int(part) for part in re.findall(r"\d+", colour)) < 60
    # The sea in a corner of the canvas is dark too.
    corner = page.evaluate(
        "[...document.querySelector('#map').getContext('2d').getImageData(200, 60, 1, 1).data]"
    )
    assert max(corner[:3]) < 80
    # The list of lines that lie over each other stays when the finger has left the map.
    page.locator("#map").tap()
    here = page.get_by_role("dialog", name="Flight lines at this place")
    here.get_by_role("button").first.tap()
    expect(here).to_be_hidden()
    context.close()


def test_the_list_is_one_stop_of_the_tab_key(archive, watched):
    page, lines = open_page(watched, archive[0].as_uri()), archive[1]
    page.get_by_label("From this day").select_option("2022-03-16")
    page.get_by_role("link", name="To the list of flight lines").press("Enter")
    shown = [line for line in lines if line.date >= "20220316"]
    expect(page.locator(":focus")).to_contain_text(shown[0].id)
    page.keyboard.press("ArrowRight")
    expect(page.locator(":focus")).to_contain_text(shown[1].id)
    page.keyboard.press("Enter")
    expect(page.locator("#about h2")).to_have_text(shown[1].id)
    # The user's choice is kept.
    expect(page.locator("#count")).to_have_text("4 of 6 flight lines")
    expect(page.locator("#list button[tabindex='0']")).to_have_count(1)
    page.get_by_role("button", name="Next line").press("Enter")
    expect(page.locator("#about h2")).to_have_text(shown[2].id)
    expect(page.get_by_role("button", name="Next line")).to_be_focused()
    assert watched.errors == []


@pytest.fixture(scope="module")
def long_line(tmp_path_factory):
    """Make a sharded archive of a line. A pixel of its picture shows three by three pixels of the line."""
    folder = tmp_path_factory.mktemp("long")
    sharded = ConversionOptions(sharded=True)
    size = {"lines": 1, "samples": 14, "scan_lines": 2500}
    _, (line,) = publish_campaign(
        str(folder / "archive"), folder, dates=DATES[:1], conversion=sharded, **size
    )
    return folder / "archive", line


def store_of(folder, line):
    return next(folder.glob(f"aviris/*/{line}.zarr"))


def spectrum_copied(page, y, x):
    """Return a spectrum from the CSV that the page offers: a row for each band."""
    page.get_by_role("button", name="Copy the spectra as CSV").click()
    expect(page.locator("#said")).to_have_text("Copied the spectra as CSV")
    table = pd.read_csv(io.StringIO(page.evaluate("navigator.clipboard.readText()")))
    return table[(table.y == y) & (table.x == x)]


def assert_equals_store(spectrum, swath, y, x, cube="Reflectance"):
    values = spectrum.value.to_numpy(np.float32)
    np.testing.assert_array_equal(values, swath[cube][:, y, x].to_numpy())
    np.testing.assert_allclose(spectrum.wavelength_nm, swath.wavelength, rtol=1e-8)
    np.testing.assert_array_equal(spectrum.good, swath.good_wavelength)
    assert set(spectrum.quantity) == {cube}


def test_a_click_on_the_picture_shows_the_spectrum_of_its_pixel(long_line, watched, tmp_path):
    folder, line = long_line
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    picture = np.asarray(Image.open(next(folder.glob(f"aviris/*/{line}_quicklook.png"))))
    along, across = picture.shape[:2]
    assert (along, across) == (834, 5)  # of 2500 scan lines and 14 samples
    swath = xr.open_zarr(store_of(folder, line), chunks=None)
    with serve_nginx(folder, tmp_path) as url:
        open_page(watched, url.rstrip("/"), f"#{line}")
        drawn = page.locator("#about canvas")
        page.wait_for_function("document.querySelector('#about canvas').width === 834")
        # In its own size, so that each pixel of the picture is at least one pixel of the screen.
        page.add_style_tag(content=".over { height: 50px !important } #side { width: 900px }")
        for right, up in ((0, 0), (1, 3), (417, 2), (833, 4)):
            page.evaluate(
                "([x]) => { document.querySelector('.strip').scrollLeft = x }", [right * 10 - 200]
            )
            drawn.click(position={"x": right * 10 + 4, "y": (across - 1 - up) * 10 + 6})
            expect(page.locator("#told")).to_contain_text("highest")
            y, x = (int(page.get_by_label(of).input_value()) for of in ("Scan line y", "Sample x"))
            # Find the pixel of the picture that was clicked.
            assert (y // 3, x // 3) == (right, up)
            shown = page.evaluate(
                "([x, y]) => [...document.querySelector('#about canvas').getContext('2d')"
                ".getImageData(x, y, 1, 1).data]",
                [right, across - 1 - up],
            )
            assert shown == picture[y // 3, x // 3].tolist()
            assert_equals_store(spectrum_copied(page, y, x), swath, y, x)
            place = swath.latitude[y, x].item(), swath.longitude[y, x].item()
            told = f"{place[0]:.4f}° N, {-place[1]:.4f}° W"
            expect(page.locator(".legend li").filter(has_text=f"y {y} x {x}")).to_contain_text(told)
        page.get_by_label("Quantity").select_option("Radiance")
        page.wait_for_function("document.querySelector('.plot svg')?.ariaLabel.includes('adiance')")
        expect(page.locator(".legend .chip")).to_have_count(4)
        assert_equals_store(spectrum_copied(page, y, x), swath, y, x, "Radiance")
    assert watched.errors == watched.failed == []
    assert all(asked.startswith((url.rstrip("/"), "data:")) for asked in watched.requests)


def ask_for_spectrum(page, y, x):
    page.get_by_label("Scan line y").fill(str(y))
    page.get_by_label("Sample x").fill(str(x))
    page.keyboard.press("Enter")


def publish_elsewhere(archive, folder, address):
    """Write the archive's page so that it leads to data at another address."""
    shutil.copytree(archive, folder)
    hrefs = Hrefs(str(folder), HrefOptions(hrefs="absolute", public_url=address))
    rebuild_search_pages(open_storage(str(folder)), load_campaign(), hrefs)


def test_from_a_server_that_knows_no_ranges_spectra_come_and_pictures_are_given_up(
    long_line, watched
):
    folder, line = long_line
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    swath = xr.open_zarr(store_of(folder, line), chunks=None)
    with serve_folder(folder) as url:
        open_page(watched, url, f"#{line}")
        ask_for_spectrum(page, 1234, 7)
        expect(page.locator("#told")).to_contain_text("highest")
        assert_equals_store(spectrum_copied(page, 1234, 7), swath, 1234, 7)
        expect(page.locator("#credit")).to_contain_text("sends parts of files (HTTP ranges)")


class Unlisted(SimpleHTTPRequestHandler):
    """Answers 403 for missing files, as a bucket does whose objects may be read but not listed."""

    def send_error(self, code, *arguments):
        super().send_error(403 if code == 404 else code, *arguments)

    def log_message(self, *_):
        pass


def test_a_chunk_that_is_not_there_holds_no_data(archive, watched, tmp_path):
    line = archive[1][0]
    shutil.copytree(archive[0], tmp_path / "archive")
    # A chunk that has only fill values is not written.
    for band in range(5):
        (store_of(tmp_path / "archive", line) / f"Reflectance/c/{band}/0/0").unlink()
    with serve_handler(partial(Unlisted, directory=str(tmp_path / "archive"))) as url:
        open_page(watched, url, f"#{line}")
        ask_for_spectrum(watched.page, 45, 30)
        expect(watched.page.locator("#told")).to_have_text("This pixel has no data: y 45, x 30.")


def test_spectra_come_from_a_bucket_that_allows_it(archive, watched, tmp_path):
    folder, line = archive[0], archive[1][0]
    page = watched.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    swath = xr.open_zarr(store_of(folder, line), chunks=None)
    shutil.copytree(folder, tmp_path / "s3" / "archive" / "shift")
    with serve_s3(tmp_path / "s3", anonymous=True) as bucket:
        publish_elsewhere(folder, tmp_path / "site", f"{bucket.endpoint}/archive/shift")
        with serve_nginx(tmp_path / "site", tmp_path) as url:
            open_page(watched, url.rstrip("/"), f"#{line}")
            ask_for_spectrum(page, 45, 30)
            expect(page.locator("#told")).to_contain_text("highest")
            assert_equals_store(spectrum_copied(page, 45, 30), swath, 45, 30)
    assert any(asked.startswith(bucket.endpoint) for asked in watched.requests)


def test_the_page_says_why_it_cannot_show_a_spectrum(archive, watched, tmp_path):
    folder, line = archive[0], archive[1][0]
    page = open_page(watched, folder.as_uri(), f"#{line}")
    expect(page.locator("#told")).to_contain_text("python -m http.server")
    # By default nginx does not allow pages of other sites to read.
    with serve_nginx(folder, tmp_path / "data") as data:
        publish_elsewhere(folder, tmp_path / "site", data.rstrip("/"))
        with serve_nginx(tmp_path / "site", tmp_path / "web") as url:
            open_page(watched, url.rstrip("/"), f"#{line}")
            ask_for_spectrum(page, 45, 30)
            expect(page.locator("#told")).to_contain_text("(CORS)")
    with serve_nginx(folder, tmp_path / "web") as url:
        open_page(watched, url.rstrip("/"), f"?again#{line}")
    ask_for_spectrum(page, 45, 30)
    expect(page.locator("#told")).to_contain_text("its server is not reached")


def test_the_map_shows_the_lines_pictures_where_they_are(archive, watched, tmp_path):
    folder, line = archive[0], archive[1][0]
    with rasterio.open(next(folder.glob(f"aviris/*/{line}_overview.tif"))) as overview:
        cells, transform = overview.read(), overview.transform
        to_degrees = Transformer.from_crs(overview.crs, "EPSG:4326", always_xy=True)
    with serve_nginx(folder, tmp_path) as url:
        for row, column in ((30, 40), (50, 30)):
            longitude, latitude = to_degrees.transform(*(transform * (column + 0.5, row + 0.5)))
            # 2^19 pixels for each degree: a cell of five metres has some of them.
            page = open_page(
                watched,
                url.rstrip("/"),
                f"?{row}#line={line}&map={latitude:.6f},{longitude:.6f},17.5",
            )
            page.wait_for_function(
                """([red, green, blue]) => {
                    const map = document.querySelector("#map");
                    const at = [map.width / 2, map.height / 2, 1, 1];
                    const [r, g, b] = map.getContext("2d").getImageData(...at).data;
                    return Math.abs(r - red) + Math.abs(g - green) + Math.abs(b - blue) < 12;
                }""",
                arg=cells[:3, row, column].tolist(),
            )
    assert watched.errors == []


def test_a_click_on_the_map_shows_the_spectrum_of_the_pixel_that_lies_there(
    archive, watched, tmp_path
):
    folder, line = archive[0], archive[1][0]
    with rasterio.open(next(folder.glob(f"aviris/*/{line}_overview.tif"))) as overview:
        transform = overview.transform
        to_degrees = Transformer.from_crs(overview.crs, "EPSG:4326", always_xy=True)
    table = xr.open_zarr(store_of(folder, line), group="glt", chunks=None)
    page = watched.page
    with serve_nginx(folder, tmp_path) as url:
        for row, column in ((30, 40), (61, 33)):
            longitude, latitude = to_degrees.transform(*(transform * (column + 0.5, row + 0.5)))
            view = f"?{row}#line={line}&map={latitude:.6f},{longitude:.6f},17.5"
            open_page(watched, url.rstrip("/"), view)
            expect(page.locator("#about h2")).to_have_text(line.id)
            # With the key, which acts at the centre of the map. Lines of other days lie there too.
            page.locator("#map").press("Enter")
            page.get_by_role("button", name=f"Spectrum of {line} here").click()
            y, x = (abs(int(table[name][row, column])) - 1 for name in ("glt_line", "glt_sample"))
            expect(page.locator("#told")).to_contain_text(f"of y {y}, x {x}: highest")
    assert watched.errors == []


def test_names_from_the_campaign_file_cannot_become_markup(tmp_path, watched):
    campaign = load_campaign()
    text = campaign.collection.model_copy(
        update={"title": "<script>alert(1)</script>", "description": 'a & b </script> "c"'}
    )
    campaign = campaign.model_copy(update={"collection": text})
    small = {"samples": 20, "scan_lines": 30, "bands": 60}
    publish_campaign(str(tmp_path / "archive"), tmp_path, campaign=campaign, lines=1, **small)
    watched.page.goto((tmp_path / "archive/AVIRIS-NG/index.html").as_uri())
    expect(watched.page.locator("h1")).to_have_text("<script>alert(1)</script>")
    expect(watched.page.locator("#count")).to_have_text("3 of 3 flight lines")
    assert watched.errors == []


def write_page(folder, *items):
    folder.mkdir(exist_ok=True)
    (folder / "index.html").write_bytes(render_page(table_of(*items), CAMPAIGN))
    return (folder / "index.html").as_uri()


def test_texts_of_items_cannot_become_markup(tmp_path, watched):
    hostile = "<img src=x onerror=alert(1)></script><script>alert(1)</script>"
    assets = {
        "thumbnail": {"href": "javascript://%0Aalert(1)", "title": hostile},
        "overview": {"href": f"'{hostile}\"", "title": hostile},
        "footprint": {"href": "javascript://%0Aalert(1)"},
    }
    facts = {"version": hostile, "shift:notes": [hostile], "shift:product": hostile}
    page = watched.page
    page.goto(write_page(tmp_path, make_item(assets=assets, **facts)) + "#ang20220224t195402")
    expect(page.locator("#about")).to_contain_text(f"portal {hostile}")
    expect(page.locator("#about li", has_text=hostile).first).to_be_visible()
    expect(page.locator("#about img, #about script")).to_have_count(0)
    expect(page.locator("a[href^='javascript']")).to_have_count(0)
    page.get_by_role("tab", name="GDAL").click()
    overview = shlex.split(page.locator("#about pre").inner_text().splitlines()[1])[1]
    assert hostile in overview
    assert watched.errors == []


def test_items_with_few_fields_and_single_days_are_shown(tmp_path, watched):
    page = watched.page
    page.goto(write_page(tmp_path, make_item()))
    expect(page.locator("#count")).to_have_text("1 of 1 flight lines")
    page.locator("#list button").click()
    expect(page.locator("#about h2")).to_have_text("ang20220224t195402")
    page.get_by_role("button", name="2022-02-24: 1 flight line").click()
    expect(page.locator("#count")).to_have_text("1 of 1 flight lines")
    assert watched.errors == []


def test_two_thousand_lines_do_not_stutter(tmp_path, watched):
    """Half of the frames, while the map is dragged, zoomed and pointed at, take at most a 20th of a
    second.

    The limit is for a busy machine without a graphics card. On an idle one almost all take a 60th.
    """
    page = watched.page
    page.goto(write_page(tmp_path, *make_campaign(2000)))
    expect(page.locator("#count")).to_have_text("2000 of 2000 flight lines")
    page.evaluate(
        """() => {
            window.frames_ = [];
            let before = performance.now();
            const note = (now) => { frames_.push(now - before); before = now; requestAnimationFrame(note); };
            requestAnimationFrame(note);
        }"""
    )
    page.mouse.move(400, 400)
    page.mouse.down()
    for step in range(40):
        page.mouse.move(400 + 3 * step, 400 - 2 * step)
    page.mouse.up()
    dragged = page.evaluate("frames_.splice(0)")
    for step in range(30):
        page.mouse.wheel(0, -40 if step < 15 else 40)
    page.mouse.move(300, 300, steps=30)
    page.wait_for_timeout(500)
    zoomed = page.evaluate("frames_.splice(0)")
    for frames in (dragged, zoomed):
        assert len(frames) > 10
        assert np.median(frames) < 1000 / 20, sorted(frames)
