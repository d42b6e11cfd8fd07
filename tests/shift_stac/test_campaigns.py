from importlib.resources import files

import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.envi.header import read_header
from shift_stac.errors import CampaignError
from shift_stac.flightline import FlightLine
from shift_stac.portal.http_client import HttpOptions
from shift_stac.portal.portal import open_portal
from shift_stac.portal.records import local_path
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product, ProductLevel

LINE = FlightLine("ang20220224t195402")


@pytest.mark.parametrize(
    ("version", "product", "expected"),
    [
        ("v0", Product.RADIANCE, "v0/20220224/L1/rdn/ang20220224t195402_rdn_v2z4_clip"),
        ("v0", Product.IGM, "v0/20220224/L1/igm/ang20220224t195402_rdn_igm"),
        ("v0", Product.REFLECTANCE, "v0/20220224/L2a/ang20220224t195402_rfl"),
        ("v1", Product.RADIANCE, "v1/20220224/L1/rdn/ang20220224t195402_rdn_v2aa1_clip"),
        ("v1", Product.IGM, "v1/20220224/L1/igm/ang20220224t195402_igm"),
        ("v1", Product.REFLECTANCE, "v1/20220224/L2a/ang20220224t195402_rfl"),
        ("v1", Product.GLT, "v1/20220224/L1/glt/ang20220224t195402_glt"),
        ("v1", Product.OBS, "v1/20220224/L1/obs/ang20220224t195402_obs"),
    ],
)
def test_the_portal_keeps_its_files_where_they_really_are(version, product, expected):
    location = load_campaign().portal.version(version).products[product]
    assert location.path_for(LINE, version) == expected


@pytest.mark.parametrize(
    ("campaign", "name", "day", "has_time"),
    [
        ("aviris-3", "AV320250308t200738", "20250308", True),
        ("aviris-3", "AV320241002t160425_014", "20241002", True),
        ("prism", "prm20231110t071521", "20231110", True),
        ("aviris-classic", "f130522t01p00r11", "20130522", False),
        ("aviris-classic", "f970619t01p02r02", "19970619", False),
    ],
)
def test_each_campaign_reads_the_names_of_its_lines(campaign, name, day, has_time):
    line = load_campaign(campaign).lines.read(name)
    assert (line.date, line.has_time) == (day, has_time)


def test_only_glt_and_obs_are_optional():
    for version in ("v0", "v1"):
        products = load_campaign().portal.version(version).products
        assert {p for p, location in products.items() if location.is_optional(p)} == {
            Product.GLT,
            Product.OBS,
        }


def test_an_unknown_version_is_refused_with_the_known_ones():
    with pytest.raises(CampaignError, match=r"no portal version 'v9': it has v0, v1"):
        load_campaign().portal.version("v9")


def test_the_archive_lies_where_the_original_did():
    assert load_campaign().layout.directory_for(LINE) == "aviris/20220224"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("not toml [", "is not a campaign file"),
        (f"x = {'9' * 5000}", "is not a campaign file"),
        ("", "portal"),
        ("[portal]\nurl = 'x'\nversions = {}\nunknown = 1", "unknown"),
    ],
)
def test_a_damaged_campaign_file_is_named_with_the_key(tmp_path, content, message):
    path = tmp_path / "own.toml"
    path.write_text(content)
    with pytest.raises(CampaignError, match=r"own\.toml") as error:
        load_campaign(path)
    assert message in str(error.value)


def test_a_missing_campaign_is_named():
    with pytest.raises(CampaignError, match=r"absent\.toml"):
        load_campaign("absent.toml")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('roles = ["producer", "licensor"]', 'roles = ["funder"]'),
        ('doi = "10.3334/ORNLDAAC/2183"', 'doi = "https://doi.org/10.3334/ORNLDAAC/2183"'),
        ('id = "AVIRIS-NG"', 'id = "AVIRIS/NG"'),
        ('id = "AVIRIS-NG"', 'id = ".."'),
        ('license = "other"', 'license = "see the website"'),
        ('instruments = ["aviris-ng"]', "instruments = []"),
    ],
)
def test_texts_that_would_make_invalid_stac_are_refused_before_any_work(tmp_path, right, wrong):
    text = (files("shift_stac.campaigns") / "shift.toml").read_text()
    assert right in text
    path = tmp_path / "own.toml"
    path.write_text(text.replace(right, wrong))
    with pytest.raises(CampaignError, match=wrong.split(" ", 1)[0]):
        load_campaign(path)


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:4326",
        "EPSG:2229",
        "EPSG:99999",
        "nonsense",
        "EPSG:3035",
        "EPSG:3857",
        "EPSG:32661",
        "EPSG:5070",
        "EPSG:31467",
        "+proj=laea +lat_0=52 +lon_0=10 +x_0=4321000 +y_0=3210000",
    ],
)
def test_a_crs_in_which_no_line_can_lie_is_refused_at_loading(tmp_path, crs):
    bundled = files("shift_stac.campaigns") / "shift.toml"
    path = tmp_path / "mine.toml"
    path.write_text(bundled.read_text().replace("EPSG:32610", crs))
    with pytest.raises(CampaignError, match=r"mine\.toml .*versions\.v0\.crs") as error:
        load_campaign(path)
    assert crs in str(error.value)
    assert "EPSG:32610" in str(error.value)


@pytest.mark.parametrize(
    "crs",
    ["EPSG:32601", "EPSG:32760", "EPSG:26910", "EPSG:3310", "EPSG:2154", "+proj=utm +zone=10"],
)
def test_a_crs_in_which_lines_can_lie_is_read(tmp_path, crs):
    bundled = files("shift_stac.campaigns") / "shift.toml"
    path = tmp_path / "mine.toml"
    path.write_text(bundled.read_text().replace("EPSG:32610", crs))
    assert load_campaign(path).portal.version("v1").crs == crs


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ('"{line}_igm" }', '"{line}_igm", optional = true }', "igm cannot be optional"),
        ("products.reflectance", "products.cloud", "cloud"),
        ('"{line}_igm"', '"{line:>9999999999}_igm"', "only names stand in braces"),
        ('"{line}_igm"', '"_igm"', "needs {line} once"),
        ('"{version}/{date}/L1/igm"', '"{version}/../{date}"', "'..'"),
        (
            '"{line}_igm"',
            '"{line}_igm", scale = 2.0',
            "igm.scale has no meaning: .* to radiance, ref",
        ),
        ('"{line}_rfl"', '"{line}_rfl", scale = 0', r"reflectance\.scale: a scale of 0"),
        (
            '"{line}_obs"',
            '"{line}_obs", bands = ["wind"]',
            "'wind' is not a band of an OBS: path_length, ",
        ),
        (
            '"{line}_obs"',
            '"{line}_obs", bands = ["slope", "slope"]',
            r"obs\.bands: 'slope' .* twice",
        ),
        (
            'name = "{line}_igm"',
            'named = "{line}_igm"',
            r"named is not a key .*did you mean name\?.*: bands, directory, ending, header",
        ),
        (
            "[[380.0, 1340.0]",
            "[[1340.0, 380.0]",
            r"spectral\.good_windows: \[1340, 380\] is not a window",
        ),
        (
            "[[380.0, 1340.0], [1450.0, 1800.0], [1970.0, 2500.0]]",
            "[[0.38, 2.5]]",
            "windows: .* nanometres",
        ),
        ("[672.6, ", "[0.6726, ", r"quicklook\.rgb: .* nanometres"),
        ('"aviris/{date}"', '"aviris//{date}"', r"layout\.data: .* no folder"),
        ('"aviris/{date}"', '"aviris/*"', r"layout\.data: .* no folder"),
        ('"aviris/{date}"', '""', r"layout\.data: .* no folder"),
        ("[672.6, ", "[nan, ", r"quicklook\.rgb: .* nanometres"),
        (
            'url = "https://avng.jpl.nasa.gov/pub/SHIFT/"',
            'url = "avng.jpl.nasa.gov/pub"',
            r"portal\.url: .* https://",
        ),
        (
            'url = "https://avng.jpl.nasa.gov/pub/SHIFT/"',
            'url = "ftp://avng.jpl.nasa.gov/"',
            r"portal\.url: .* https://",
        ),
        ('url = "https://avng.jpl.nasa.gov/"', 'url = "javascript:x"', r"providers\.0\.url: "),
        ("[portal.versions.v0]", '[portal.versions."../x"]', r"versions\.\.\./x: "),
        ("uW cm-2 nm-1 sr-1", "bananas", r"radiance_unit: 'bananas' is not a unit .* such as"),
        (
            '_rdn_v2aa1_clip" }',
            '_rdn_v2aa1_clip", unit = "DN sr-1" }',
            r"radiance\.unit: 'DN sr-1' is",
        ),
        ('"{line}_igm" }', '"{line}_igm", unit = "1" }', r"igm\.unit has no meaning"),
        (
            '"{version}/{date}/L1/igm", name = "{line}_igm"',
            '"{version}//{date}/L1/obs", name = "{line}_obs"',
            r"v1: products\.obs: igm and obs have one name",
        ),
        (
            '"{line}_igm"',
            '"{line}_igm", ending = ".hdr", header = "instead"',
            r"data and headers have one name",
        ),
        ('"{line}_igm"', '"{line}_igm", nodata = true', r"igm\.nodata: .*true"),
        ('"{line}_rfl"', '"{line}_rfl", scale = "2"', r"reflectance\.scale: .*'2'"),
        ('platform = "aircraft"', 'platform = " "', r"item\.platform: "),
        ('"aviris/{date}"', '"AVIRIS-NG/{date}"', r"layout\.data begins with 'AVIRIS-NG'"),
        ("{ v0 =", "{ v9 =", r"geometry_interleave tells of v9"),
        (
            "good_windows = [[380.0, 1340.0], [1450.0, 1800.0], [1970.0, 2500.0]]",
            "good_windows = []",
            r"spectral\.good_windows: ",
        ),
        ("[quicklook]", "bad_bands = [[3, 1]]\n[quicklook]", r"spectral\.bad_bands: \[3, 1\]"),
    ],
)
def test_a_product_is_where_a_line_can_have_one(tmp_path, right, wrong, message):
    text = (files("shift_stac.campaigns") / "shift.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text(text.replace(right, wrong))
    with pytest.raises(CampaignError, match=message):
        load_campaign(path)


def test_products_that_the_campaign_does_not_have_are_refused(tmp_path):
    text = (files("shift_stac.campaigns") / "shift.toml").read_text()
    path = tmp_path / "mine.toml"
    path.write_text("\n".join(row for row in text.splitlines() if "reflectance =" not in row))
    version = load_campaign(path).portal.version("v1")
    version.check_products(ProductLevel.L1, [Product.OBS])
    for level in (ProductLevel.L2, ProductLevel.ALL):
        with pytest.raises(CampaignError, match=r"no reflectance .*: it has radiance, igm"):
            version.check_products(level)
    with pytest.raises(CampaignError, match="radiance cannot be left out"):
        version.check_products(ProductLevel.L1, [Product.RADIANCE])


def test_each_product_may_have_endings_and_a_unit_of_its_own(tmp_path):
    text = (files("shift_stac.campaigns") / "shift.toml").read_text()
    path = tmp_path / "mine.toml"
    own = 'ending = ".img", header = "instead", header_ending = ".HDR", unit = "W m-2 um-1 sr-1"'
    path.write_text(text.replace('_rdn_v2aa1_clip" }', f'_rdn_v2aa1_clip", {own} }}'))
    campaign = load_campaign(path)
    ((line,),) = simulate_campaign(
        tmp_path / "portal", scan_lines=4, samples=4, bands=5, campaign=campaign
    ).values()
    with open_portal(
        str(tmp_path / "portal"),
        campaign.portal.version("v1"),
        "v1",
        HttpOptions(),
        names=campaign.lines,
    ) as portal:
        assert portal.lines(line.date) == [line]
        coverage = portal.coverage()
        (radiance, igm) = portal.find(line, [Product.RADIANCE, Product.IGM]).products
    assert not coverage.leftovers
    assert all(product.lines == 1 for product in coverage.products)
    assert [file.name for file in (*radiance.files, *igm.files)] == [
        f"{line}_rdn_v2aa1_clip.HDR",
        f"{line}_rdn_v2aa1_clip.img",
        f"{line}_igm.hdr",
        f"{line}_igm",
    ]
    header = read_header(local_path(radiance.header), radiance.untold)
    assert header.campaign_unit == "W m-2 um-1 sr-1"
