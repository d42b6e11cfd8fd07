"""The archive's page for people, in a real browser: from a folder, and from a web server."""

import re
import shutil

import pytest
from playwright.sync_api import expect

from support.archive import publish_campaign
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


def test_the_page_shows_every_line_and_leads_to_it(archive, address, watched):
    page, lines = watched.page, archive[1]
    # The entrance leads on to the only collection.
    page.goto(f"{address}/index.html")
    page.wait_for_url(re.compile("AVIRIS-NG/index.html"))
    expect(page.locator("#count")).to_have_text("6 of 6 flight lines")
    outlines = page.locator("#map path")
    expect(outlines).to_have_count(6)
    assert len({path.get_attribute("fill") for path in outlines.all()}) == 3
    assert outlines.first.bounding_box()["height"] > 30
    thumbnails = page.locator("#list img")
    expect(thumbnails).to_have_count(6)
    page.wait_for_function(
        "[...document.querySelectorAll('#list img')].every((img) => img.naturalWidth > 0)"
    )

    page.select_option("#date", "2022-03-16")
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


def test_a_link_opens_the_page_at_its_line(archive, address, watched):
    line = archive[1][3]
    watched.page.goto(f"{address}/AVIRIS-NG/index.html#{line}")
    expect(watched.page.locator("#about h2")).to_have_text(line.id)
    watched.page.locator("#name").fill("nothing of this name")
    expect(watched.page.locator("#count")).to_have_text("0 of 6 flight lines")
    watched.page.click("#home")
    expect(watched.page.locator("#count")).to_have_text("6 of 6 flight lines")
    assert watched.errors == []


def test_the_map_is_moved_and_zoomed(archive, watched):
    page = watched.page
    page.goto(f"{archive[0].as_uri()}/AVIRIS-NG/index.html")
    before = page.get_attribute("#map", "viewBox")
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.wheel(0, -400)
    zoomed = page.get_attribute("#map", "viewBox")
    assert float(zoomed.split()[2]) < float(before.split()[2])
    page.mouse.down()
    page.mouse.move(box["x"] + 200, box["y"] + 200)
    page.mouse.up()
    moved = page.get_attribute("#map", "viewBox")
    assert float(moved.split()[0]) > float(zoomed.split()[0])
    assert watched.errors == []


def test_names_from_the_campaign_file_cannot_become_markup(tmp_path, watched):
    from shift_stac.campaigns import load_campaign

    campaign = load_campaign()
    text = campaign.collection.model_copy(
        update={"title": "<script>alert(1)</script>", "description": 'a & b </script> "c"'}
    )
    campaign = campaign.model_copy(update={"collection": text})
    publish_campaign(str(tmp_path / "archive"), tmp_path, campaign=campaign, lines=1)
    watched.page.goto((tmp_path / "archive/AVIRIS-NG/index.html").as_uri())
    expect(watched.page.locator("h1")).to_have_text("<script>alert(1)</script>")
    expect(watched.page.locator("#count")).to_have_text("3 of 3 flight lines")
    assert watched.errors == []
