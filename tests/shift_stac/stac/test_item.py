import json
import math

import pystac
import pytest
from pystac.utils import str_to_datetime
from pystac.validation import validate_dict

from shift_stac.campaigns import load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.simulate import simulate_campaign
from shift_stac.sources import Product, ProductLevel
from shift_stac.stac.collection import add_items
from shift_stac.stac.item import AssetFile, build_item
from shift_stac.stac.parents import build_catalog
from shift_stac.stac.published import published_state, refresh_sources
from shift_stac.stac.serialization import render
from shift_stac.storage.media_types import CLOUD_OPTIMIZED_GEOTIFF
from shift_stac.store.conversion import convert_line
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.store.summary import StoreSummary
from shift_stac.validation.result import Check, Validation
from support.sources import small_line, sources_in
from support.stac import use_schemas

CAMPAIGN = load_campaign()
THUMBNAIL = AssetFile(path="pictures/x.png", media_type="image/png", size=3, sha256="ab" * 32)
FOOTPRINT = THUMBNAIL.model_copy(
    update={"path": "pictures/x.geojson", "media_type": "application/geo+json"}
)
OVERVIEW = THUMBNAIL.model_copy(
    update={
        "path": "pictures/x.tif",
        "media_type": CLOUD_OPTIMIZED_GEOTIFF,
        "fields": {
            "proj:code": "EPSG:32610",
            "proj:shape": [4, 3],
            "proj:transform": [5, 0, 1, 0, -5, 2],
            "bands": [{"name": "red", "eo:common_name": "red"}],
        },
    }
)
FILES = {"thumbnail": THUMBNAIL, "overview": OVERVIEW, "footprint": FOOTPRINT}
VALIDATION = Validation(
    store="somewhere/line.zarr",
    checks=(Check(name="opens", passed=True, detail="20 variables"),),
    located_share=1.0,
    nodata_share={"Radiance": 0.25},
    negative_share={"Radiance": 0.125},
    blocks=8,
)

INVENTED = """
[portal]
url = "https://portal.example.org/"
[portal.versions.r1]
crs = "EPSG:32632"
products.radiance = { directory = "{version}/{date}/rad", name = "{line}_rad" }
products.reflectance = { directory = "{version}/{date}/refl", name = "{line}_refl" }
products.igm = { directory = "{version}/{date}/geo", name = "{line}_igm" }
products.obs = { directory = "{version}/{date}/geo", name = "{line}_obs", optional = true }
[catalog]
id = "ALPS"
title = "Alpine flights"
description = "An invented campaign."
[collection]
id = "PRISMATIC"
title = "Prismatic lines"
description = "An invented instrument."
license = "CC-BY-4.0"
[item]
platform = "balloon"
instruments = ["prismatic"]
[spectral]
good_windows = [[400.0, 900.0]]
[quicklook]
rgb = [650.0, 550.0, 450.0]
[layout]
data = "data/{date}/{line}"
"""


def convert(root, campaign, version, **options):
    (line,) = simulate_campaign(
        root, version=version, samples=30, scan_lines=40, bands=50, campaign=campaign
    )["20220224"]
    sources = sources_in(root, line, version, campaign)
    summary = convert_line(sources, root / "line.zarr", campaign, ConversionOptions(**options))
    return summary, sources


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    return convert(tmp_path_factory.mktemp("line"), CAMPAIGN, "v1")


def as_dict(converted, campaign=CAMPAIGN):
    summary, sources = converted
    item = build_item(summary, sources, campaign, FILES, VALIDATION)
    return item.to_dict(include_self_link=False, transform_hrefs=False)


@pytest.fixture(scope="module")
def item(converted):
    return as_dict(converted)


def test_geometry_and_bbox_are_degrees(item):
    west, south, east, north = item["bbox"]
    assert -121 < west < east < -119
    assert 34 < south < north < 35
    longitudes = [point[0] for point in item["geometry"]["coordinates"][0]]
    assert (min(longitudes), max(longitudes)) == (west, east)


def test_times_are_those_of_the_flight(item, converted):
    properties = item["properties"]
    start = converted[0].line.start.isoformat().replace("+00:00", "Z")
    assert properties["datetime"] == properties["start_datetime"] == start
    # 40 scan lines, 0.05 s apart.
    seconds = str_to_datetime(properties["end_datetime"]) - converted[0].line.start
    assert seconds.total_seconds() == pytest.approx(39 * 0.05)


def test_who_flew_and_what_the_sun_did(item):
    properties = item["properties"]
    assert (properties["platform"], properties["instruments"]) == ("aircraft", ["aviris-ng"])
    assert properties["gsd"] == pytest.approx(5, abs=0.3)
    assert 40 < properties["view:sun_elevation"] < 50
    assert 130 < properties["view:sun_azimuth"] < 180
    assert 0 <= properties["view:off_nadir"] < 5
    assert properties["processing:software"]["shift-stac"]
    assert properties["processing:level"] == "L2A"


def test_the_swath_has_no_projection_but_its_easting_has_a_crs(item):
    assert item["properties"]["proj:code"] is None
    assert item["properties"]["proj:shape"] == [40, 30]
    assert item["properties"]["shift:crs"] == "EPSG:32610"
    assert not any(key == "proj:epsg" for key in item["properties"])


def test_bands_are_in_micrometres(item, converted):
    bands = item["assets"][f"{item['id']}.zarr"]["bands"]
    assert len(bands) == 50
    assert bands[0]["eo:center_wavelength"] == pytest.approx(0.377071821)
    assert 0.004 < bands[0]["eo:full_width_half_max"] < 0.008
    assert {band["eo:common_name"] for band in bands if "eo:common_name" in band} == {
        "red", "green", "blue",
    }  # fmt: skip


def test_the_cube_is_described(item):
    dimensions, variables = (
        item["properties"][f"cube:{key}"] for key in ("dimensions", "variables")
    )
    assert dimensions["wavelength"]["unit"] == "nm"
    assert dimensions["y"]["extent"] == [0, 39]
    assert variables["Radiance"]["dimensions"] == ["wavelength", "y", "x"]
    assert variables["Radiance"]["unit"] == "uW cm-2 nm-1 sr-1"
    assert variables["longitude"]["type"] == "auxiliary"


def test_assets_have_roles_types_and_relative_hrefs(item):
    assert {
        key: (asset["href"], asset["type"], asset["roles"]) for key, asset in item["assets"].items()
    } == {
        f"{item['id']}.zarr": (
            f"../../aviris/20220224/{item['id']}.zarr",
            "application/vnd.zarr",
            ["data", "radiance", "reflectance"],
        ),
        "thumbnail": ("../../pictures/x.png", "image/png", ["thumbnail"]),
        "overview": ("../../pictures/x.tif", CLOUD_OPTIMIZED_GEOTIFF, ["visual"]),
        "footprint": ("../../pictures/x.geojson", "application/geo+json", ["metadata"]),
    }
    assert item["assets"]["thumbnail"]["file:checksum"] == "1220" + "ab" * 32


def test_the_overview_is_placed_on_the_map_and_the_item_is_not(item):
    assert item["assets"]["overview"]["proj:code"] == "EPSG:32610"
    assert item["assets"]["overview"]["proj:transform"] == [5, 0, 1, 0, -5, 2]
    assert item["properties"]["proj:code"] is None
    assert item["properties"]["shift:glt_origin"] == "portal"


def test_the_item_tells_what_validation_found(item):
    assert item["properties"]["shift:validation"] == {
        "passed": True,
        "checks": ["opens"],
        "blocks_sampled": 8,
        "located_share": 1.0,
        "nodata_share": {"Radiance": 0.25},
        "negative_share": {"Radiance": 0.125},
    }


def test_source_files_are_linked_with_size_and_checksum(item, converted):
    via = {link["title"]: link for link in item["links"] if link["rel"] == "via"}
    files = {file.name: file for file in converted[1].files}
    assert set(via) == set(files)
    for name, link in via.items():
        assert link["file:size"] == files[name].size
        assert link["file:checksum"] == f"1220{files[name].sha256}"


def test_only_the_files_of_its_level_are_its_sources(tmp_path):
    summary, sources = convert(tmp_path, CAMPAIGN, "v1", level=ProductLevel.L1)
    item = as_dict((summary, sources))
    assert not any("_rfl" in link["href"] for link in item["links"])
    assert item["properties"]["processing:level"] == "L1B"
    assert item["assets"][f"{item['id']}.zarr"]["roles"] == ["data", "radiance"]
    assert "Reflectance" not in item["properties"]["cube:variables"]


def test_an_item_without_obs_has_no_angles(tmp_path):
    summary, sources = convert(tmp_path, CAMPAIGN, "v1")
    without = summary.model_copy(update={"observation": None})
    item = as_dict((without, sources))
    assert not [key for key in item["properties"] if key.startswith("view:")]
    assert "end_datetime" not in item["properties"]
    assert not [url for url in item["stac_extensions"] if "/view/" in url]


def test_an_obs_without_any_angle_leaves_a_valid_item(converted, shared):
    summary, sources = converted
    assert summary.observation is not None
    angles = ("sun_azimuth", "sun_elevation", "off_nadir", "view_azimuth", "incidence_angle")
    nothing = summary.observation.model_copy(update=dict.fromkeys(angles))
    item = as_dict((summary.model_copy(update={"observation": nothing}), sources))
    assert not [key for key in item["properties"] if key.startswith("view:")]
    assert not [url for url in item["stac_extensions"] if "/view/" in url]
    use_schemas(shared / "schemas")
    validate_dict(item)


@pytest.mark.parametrize(
    ("nodata", "told"),
    [(-9999.0, -9999.0), (math.nan, "nan"), (-math.inf, "-inf"), (None, "nan")],
)
def test_nodata_is_told_as_stac_spells_it_also_after_a_summary_was_stored(
    converted, nodata, told, shared
):
    summary, sources = converted
    variables = tuple(v.model_copy(update={"nodata": nodata}) for v in summary.variables)
    summary = summary.model_copy(update={"variables": variables})
    stored = StoreSummary.model_validate_json(summary.model_dump_json())
    use_schemas(shared / "schemas")
    for one in (summary, stored):
        item = json.loads(render(as_dict((one, sources))))
        assert item["properties"]["cube:variables"]["Radiance"]["nodata"] == told
        validate_dict(item)


def test_a_line_whose_header_says_that_nan_is_nodata_can_be_published(tmp_path):
    sources = small_line(tmp_path)
    header = sources.products[0].header.path
    header.write_text(header.read_text().rstrip() + "\ndata ignore value = nan\n")
    summary = convert_line(sources, tmp_path / "line.zarr", CAMPAIGN)
    item = json.loads(render(as_dict((summary, sources))))
    assert item["properties"]["cube:variables"]["Radiance"]["nodata"] == "nan"
    assert item["properties"]["cube:variables"]["Reflectance"]["nodata"] == -9999


def test_a_summary_is_the_same_after_it_was_stored(converted):
    summary, _ = converted
    assert StoreSummary.model_validate_json(summary.model_dump_json()) == summary


def test_pystac_reads_the_cube(item):
    cube = pystac.Item.from_dict(item).ext.cube
    assert cube.variables["Reflectance"].dimensions == ["wavelength", "y", "x"]
    assert set(cube.dimensions) == {"wavelength", "y", "x"}


@pytest.mark.parametrize(
    "other",
    [
        {"properties": None},
        {"properties": []},
        {"links": None},
        {"links": ["x"]},
        {"links": [{"rel": "via"}]},
        {"properties": {}},
    ],
)
def test_the_item_of_another_program_is_no_state(item, other):
    assert published_state({**item, **other}) is None
    assert published_state({}) is None


def test_the_same_input_makes_the_same_bytes(converted):
    assert render(as_dict(converted)) == render(as_dict(converted))


def test_notes_are_read_from_the_item(item, converted):
    state = published_state(json.loads(render(item)))
    assert state is not None
    assert state.fingerprint == converted[0].fingerprint
    assert len(state.files) == len(list(converted[1].files))


def test_sources_can_be_told_anew(item, converted):
    _, sources = converted
    file = sources.products[0].data.model_copy(update={"etag": '"later"'})
    pair = sources.products[0].model_copy(update={"data": file})
    later = sources.model_copy(update={"products": (pair, *sources.products[1:])})
    refreshed = refresh_sources(item, later, ProductLevel.ALL)
    assert render(refresh_sources(item, sources, ProductLevel.ALL)) == render(item)
    assert {k: v for k, v in refreshed.items() if k != "links"} == {
        k: v for k, v in item.items() if k != "links"
    }
    etags = [link.get("shift:etag") for link in refreshed["links"]]
    assert etags.count('"later"') == 1
    assert len(refreshed["links"]) == len(item["links"])


def test_a_second_campaign_is_a_second_file(tmp_path):
    path = tmp_path / "alps.toml"
    path.write_text(INVENTED)
    campaign = load_campaign(path)
    converted = convert(tmp_path, campaign, "r1")
    item = as_dict(converted, campaign)
    collection = add_items(None, [item], campaign)
    text = json.dumps([item, collection, build_catalog(campaign)])
    for word in ("SHIFT", "AVIRIS", "aviris", "jpl", "ORNL", "California"):
        assert word not in text.replace("shift:", "").replace("shift-stac", "")
    assert item["collection"] == collection["id"] == "PRISMATIC"
    assert item["properties"]["platform"] == "balloon"
    line = item["id"]
    assert item["assets"][f"{line}.zarr"]["href"] == f"../../data/20220224/{line}/{line}.zarr"
    assert converted[1].get(Product.GLT) is None


def test_everything_is_valid_stac_with_all_extensions(item, shared, tmp_path):
    use_schemas(shared / "schemas")
    collection = add_items(None, [item], CAMPAIGN)
    for stac in (item, collection, build_catalog(CAMPAIGN), add_items(None, [], CAMPAIGN)):
        assert len(validate_dict(json.loads(render(stac)))) == 1 + len(
            stac.get("stac_extensions", [])
        )
    with pytest.raises(Exception, match="proj:code"):
        validate_dict({**item, "properties": {**item["properties"], "proj:code": 32610}})


def test_the_items_id_is_its_lines_name(item):
    assert FlightLine(item["id"]).id == item["id"]
