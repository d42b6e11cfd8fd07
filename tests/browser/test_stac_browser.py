"""Radiant Earth's STAC Browser shows the archive: `make test-stac-browser` builds and runs it.

It is distributed as source through npm. The build takes minutes and needs a network. Therefore it
is not part of make test.
"""

import os
import re
import shutil

import pytest
from playwright.sync_api import expect

from support.archive import publish_campaign
from support.webserver import serve_nginx

BUILT = os.environ.get("SHIFT_STAC_BROWSER")


@pytest.mark.skipif(BUILT is None, reason="make test-stac-browser builds it and runs this")
def test_stac_browser_shows_item_footprint_and_thumbnail(tmp_path, watched):
    shutil.copytree(str(BUILT), tmp_path / "site")
    _, lines = publish_campaign(str(tmp_path / "site" / "archive"), tmp_path)
    page = watched.page
    with serve_nginx(tmp_path / "site", tmp_path) as url:
        root = url.rstrip("/")
        item = f"{root}/archive/AVIRIS-NG/{lines[0]}/{lines[0]}.json"
        page.goto(f"{root}/index.html#/external/{item}")
        expect(page.locator("h1").first).to_contain_text(lines[0].id, timeout=30_000)
        expect(page.locator("canvas").first).to_be_visible()
        thumbnail = page.locator("img[src*='_quicklook.png']").first
        page.wait_for_timeout(2000)  # for the picture; assertions wait by themselves
        page.screenshot(path=tmp_path / "item.png")
        page.get_by_text("Thumbnails").click()
        expect(thumbnail).to_be_visible()
        assert thumbnail.evaluate("(img) => img.naturalWidth") > 0
        page.goto(f"{root}/index.html#/external/{root}/archive/AVIRIS-NG/collection.json")
        expect(page.get_by_text("2022-03", exact=False).first).to_be_visible(timeout=30_000)
        page.screenshot(path=tmp_path / "collection.png")
    assert not [text for text in watched.errors if re.search(r"(?i)typeerror", text)]
