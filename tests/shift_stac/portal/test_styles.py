"""One tree behind listings of many web servers: each gives the same dates, lines and files."""

import shutil
import sys

import httpx
import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.errors import PortalError
from shift_stac.portal.http_client import HttpOptions
from shift_stac.portal.portal import open_portal
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product, ProductLevel
from support.webserver import free_port, running

pytestmark = pytest.mark.server

CAMPAIGN = load_campaign()
# `old` redirects to `moved`, whose links are absolute paths. The others are functions of the script.
STYLES = (
    *("plain", "icons_are_links", "h5ai", "iis", "caddy", "no_slash", "s3xml", "as_json", "base_href"),
    *("tilde/~user", "tilde/%7Euser", "space/my data", "space/my%20data", "sort_links", "onclick"),
    *("moved", "old", "no_length", "soft_404"),
)  # fmt: skip


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A portal of one line, whose OBS is missing, and the line."""
    root = tmp_path_factory.mktemp("portal")
    ((line,),) = simulate_campaign(root, scan_lines=4, samples=4, bands=5).values()
    shutil.rmtree(root / "v1" / line.date / "L1/obs")
    return root, line


@pytest.fixture(scope="module")
def server(tree, shared):
    script = shared / "cases" / "listings.py"
    if not script.exists():
        pytest.skip("the shared folder of cases is not here")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with running([sys.executable, str(script), str(tree[0]), str(port)], f"{url}/plain/"):
        yield url


def opened(url):
    return open_portal(
        url, CAMPAIGN.portal.version("v1"), "v1", HttpOptions(), names=CAMPAIGN.lines
    )


@pytest.mark.parametrize("style", STYLES)
def test_each_style_of_a_listing_gives_the_same_line_and_its_bytes(tree, server, style):
    root, line = tree
    with opened(f"{server}/{style}") as portal:
        assert portal.dates() == [line.date]
        assert portal.lines(line.date) == [line]
        found = portal.find(line, ProductLevel.ALL.products)
        coverage = portal.coverage()
    products = {product.product: product for product in found.products}
    if style == "soft_404":
        # The server answers with a page instead of the missing file; the download leaves it out.
        assert products.pop(Product.OBS).is_optional
    else:
        assert [Product.OBS in note for note in found.notes] == [True]
    assert [*products] == [Product.RADIANCE, Product.REFLECTANCE, Product.IGM, Product.GLT]
    assert coverage.leftovers == ()
    originals = {
        path.name: path.read_bytes() for path in (root / "v1").rglob("*") if path.is_file()
    }
    assert len(originals) == 8
    with httpx.Client(follow_redirects=True, verify=False) as client:
        contents = {
            file: client.get(file.url).content
            for product in products.values()
            for file in product.files
        }
    for file, content in contents.items():
        assert content == originals[file.name]
        assert file.size == len(content)


def test_a_listing_of_another_host_is_named_with_that_host(server):
    with (
        opened(f"{server}/other_host") as portal,
        pytest.raises(PortalError, match=r"links lead to http://localhost:\d+: give") as error,
    ):
        portal.dates()
    assert "down" not in str(error.value)


def test_a_page_that_was_read_is_not_called_down(tree, server):
    root, line = tree
    shutil.copytree(root / "v1" / line.date, root / "other" / "v1" / "calibration")
    with (
        opened(f"{server}/plain/other") as portal,
        pytest.raises(PortalError, match=r"lists no date .*calibration") as error,
    ):
        portal.dates()
    assert "down" not in str(error.value)
