"""Another campaign, or another instrument, needs only another campaign file. Nothing of SHIFT is left."""

import json
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pystac
import pytest

from shift_stac.archive.catalog_validation import validate_catalog
from shift_stac.archive.inventory import published_lines, take_inventory
from shift_stac.archive.line_check import check_line
from shift_stac.archive.publication import link_items
from shift_stac.campaigns import load_campaign
from shift_stac.errors import CampaignError, ForeignLinkError
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import HrefOptions, Hrefs
from shift_stac.stac.paths import item_path
from shift_stac.stac.serialization import render
from shift_stac.storage.address import open_storage
from support.archive import DATES, is_clean, publish_campaign
from support.s3 import serve_moto, serve_s3

INVENTED = """
[lines]
name = "ang{date}t{time}"

[portal]
url = "https://portal.example.org/polar/"

[portal.versions.r2]
crs = "EPSG:32611"
products.radiance = { directory = "{version}/{date}/radiance", name = "{line}_rad" }
products.reflectance = { directory = "{version}/{date}/reflectance", name = "{line}_refl", level = "L2B" }
products.igm = { directory = "{version}/{date}/geometry", name = "{line}_loc" }
products.glt = { directory = "{version}/{date}/geometry", name = "{line}_lut", optional = true }
products.obs = { directory = "{version}/{date}/geometry", name = "{line}_geo", optional = true }

[catalog]
id = "GREEN-RIVERS"
title = "Green Rivers"
description = "Rivers, seen from above."

[collection]
id = "OTTER"
title = "Otter spectrometer over rivers"
description = "Spectra of water."
license = "CC-BY-4.0"
keywords = ["rivers"]
doi = "10.1234/OTTER.1"
citation = "The otters, 2031."

[[collection.providers]]
name = "Institute of Rivers"
roles = ["producer"]

[item]
platform = "balloon"
instruments = ["otter"]
mission = "RIVERS"

[spectral]
good_windows = [[400.0, 900.0]]

[quicklook]
rgb = [650.0, 550.0, 450.0]

[layout]
data = "otter/{date}/{line}"
"""


# The values of the line do not matter here: these tests are about texts and places.
SMALL = {"dates": DATES[:1], "lines": 1, "samples": 20, "scan_lines": 30, "bands": 60}


@pytest.fixture
def invented(tmp_path):
    path = tmp_path / "rivers.toml"
    path.write_text(INVENTED)
    return load_campaign(path)


@pytest.mark.heavy
def test_every_text_comes_from_the_campaign_file(tmp_path, invented, shared):
    storage, lines = publish_campaign(
        str(tmp_path / "archive"), tmp_path, campaign=invented, version="r2", **SMALL
    )
    found = validate_catalog(storage, shared / "schemas")
    assert (found.findings, found.unknown_schemas, found.items) == ((), (), 1)
    assert is_clean(take_inventory(storage, invented))
    catalog = pystac.Catalog.from_file(str(tmp_path / "archive/catalog.json"))
    assert (catalog.id, catalog.title) == ("GREEN-RIVERS", "Green Rivers")
    (collection,) = catalog.get_children()
    assert collection.id == "OTTER"
    assert collection.license == "CC-BY-4.0"
    assert collection.extra_fields["sci:citation"] == "The otters, 2031."
    item = next(collection.get_items(recursive=True))
    assert item.properties["platform"] == "balloon"
    assert item.properties["processing:level"] == "L2B"
    assert item.properties["sci:doi"] == "10.1234/OTTER.1"
    assert (
        item.assets[f"{item.id}.zarr"].href
        == f"../../otter/{lines[0].date}/{item.id}/{item.id}.zarr"
    )
    for path in storage.find():
        if path.endswith((".json", ".html")) and ".zarr/" not in path:
            text = storage.read(path).decode()
            # Our namespace and our package have this name for every campaign.
            others = re.sub(r"shift[:_-]\w*", "", text)
            assert not re.search(r"SHIFT|AVIRIS|California|ORNL", others), path


@pytest.mark.heavy
def test_two_campaigns_share_an_archive(tmp_path, invented):
    for folder, campaign, version in (("a", None, "v1"), ("b", invented, "r2")):
        storage, lines = publish_campaign(
            str(tmp_path / "archive"),
            tmp_path / folder,
            campaign=campaign,
            version=version,
            **SMALL,
        )
    catalog = json.loads(storage.read("catalog.json"))
    children = [link["href"] for link in catalog["links"] if link["rel"] == "child"]
    assert children == ["./AVIRIS-NG/collection.json", "./OTTER/collection.json"]
    assert published_lines(storage, invented) == published_lines(storage, load_campaign()) == lines
    assert validate_catalog(storage).passed
    for campaign in (invented, load_campaign()):
        assert is_clean(take_inventory(storage, campaign))
    page = storage.read("index.html").decode()
    assert 'href="AVIRIS-NG/index.html"' in page
    assert 'href="OTTER/index.html"' in page
    assert "refresh" not in page


@pytest.mark.parametrize("field", ["title", "description", "license"])
def test_a_campaign_file_without_a_text_is_refused(tmp_path, field):
    path = tmp_path / "rivers.toml"
    head, collection = INVENTED.split("[collection]")
    path.write_text(head + "[collection]" + re.sub(rf"\n{field} = .*", "", collection, count=1))
    with pytest.raises(CampaignError, match=field):
        load_campaign(path)


def bare_item(line):
    ring = [[-120, 34], [-119, 34], [-119, 35], [-120, 34]]
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": line.id,
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "bbox": [-120, 34, -119, 35],
        "properties": {"datetime": f"{line.start:%Y-%m-%dT%H:%M:%SZ}"},
        "links": [],
        "assets": {},
        "stac_extensions": [],
        "collection": "AVIRIS-NG",
    }


def publish_some(url, writer):
    """Do the work of a flow in a separate process."""
    storage, campaign = open_storage(url), load_campaign()
    for number in range(5):
        line = FlightLine(f"ang202202{20 + number % 2}t{10 + writer:02d}{number:02d}00")
        item = bare_item(line)
        storage.write(item_path(campaign, line), render(item))
        link_items(storage, campaign, [item], Hrefs.of(storage))


@pytest.mark.server
@pytest.mark.parametrize("kind", ["folder", "s3", "s3-with-conditions"])
def test_flows_that_publish_at_once_lose_nothing(kind, tmp_path, monkeypatch):
    def at_once(url):
        # Fresh processes: s3fs and its threads do not outlive a fork.
        with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as pool:
            list(pool.map(publish_some, [url] * 3, range(3)))
        assert len(published_lines(open_storage(url), load_campaign())) == 15
        assert validate_catalog(open_storage(url)).documents == 15 + 2 + 1 + 1 + 1

    if kind == "folder":
        at_once(str(tmp_path / "archive"))
        return
    with (serve_s3 if kind == "s3" else serve_moto)(tmp_path / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        at_once(f"{bucket.url}/shift")


@pytest.mark.heavy
def test_an_archive_behind_a_public_address_is_looked_after_as_any_other(tmp_path):
    options = HrefOptions(hrefs="absolute", public_url="https://data.example.org/shift")
    storage, lines = publish_campaign(str(tmp_path / "archive"), tmp_path, options=options, **SMALL)
    campaign, hrefs = load_campaign(), Hrefs.of(storage, options)
    assert published_lines(storage, campaign, hrefs) == lines
    assert is_clean(take_inventory(storage, campaign, hrefs))
    assert validate_catalog(storage, hrefs=hrefs).items == len(lines)
    assert check_line(storage, campaign, lines[0], hrefs=hrefs).passed
    # Without the address the targets of the items are unknown, so no data count as unused.
    with pytest.raises(ForeignLinkError, match=r"https://data\.example\.org.*public address"):
        take_inventory(storage, campaign)
