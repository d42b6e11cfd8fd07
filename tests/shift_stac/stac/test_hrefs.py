import pytest
from hypothesis import given
from hypothesis import strategies as st

from shift_stac.stac.hrefs import HrefOptions, Hrefs
from shift_stac.storage.address import open_storage
from shift_stac.storage.s3_options import S3Options

ITEM = "AVIRIS-NG/ang20220224t195402/ang20220224t195402.json"
STORE = "aviris/20220224/ang20220224t195402.zarr"

names = st.text("abc-_.0", min_size=1, max_size=4).filter(lambda name: name.strip("."))
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
kinds = st.sampled_from(
    [
        Hrefs(),
        Hrefs("/data/archive", HrefOptions(hrefs="absolute")),
        Hrefs("s3://bucket/prefix", HrefOptions(hrefs="absolute")),
        Hrefs("s3://bucket", HrefOptions(hrefs="absolute", public_url="https://example.org/x/")),
    ]
)


@given(paths, paths, kinds)
def test_an_href_leads_back_to_its_path(path, document, hrefs):
    assert hrefs.path_of(hrefs.to(path, document), document) == path


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "../../" + STORE),
        ({"hrefs": "absolute"}, "s3://bucket/" + STORE),
        ({"hrefs": "absolute", "public_url": "https://e.org/"}, "https://e.org/" + STORE),
        ({"public_url": "https://e.org/"}, "../../" + STORE),
    ],
)
def test_hrefs_are_spelled_as_the_setting_says(options, expected):
    assert Hrefs("s3://bucket", HrefOptions(**options)).to(STORE, ITEM) == expected


@pytest.mark.parametrize("href", ["https://portal.example.org/a_rfl", "/elsewhere/a_rfl"])
def test_what_leads_out_of_the_archive_stays_as_it_is(href):
    assert Hrefs("/data/archive").path_of(href, ITEM) == href


def test_a_folder_has_no_storage_scheme_and_no_other_way(tmp_path):
    hrefs = Hrefs.of(open_storage(str(tmp_path)))
    assert hrefs.schemes is None
    assert hrefs.other_ways(STORE) == {}


def test_a_bucket_of_amazon_is_described_by_template(monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    storage = open_storage("s3://bucket/x", S3Options(region="us-west-2", requester_pays=True))
    assert Hrefs.of(storage).schemes == {
        "archive": {
            "type": "aws-s3",
            "platform": "https://{bucket}.s3.{region}.amazonaws.com",
            "bucket": "bucket",
            "region": "us-west-2",
            "requester_pays": True,
        }
    }
