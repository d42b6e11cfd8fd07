from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shift_stac.errors import PortalError
from shift_stac.portal.listing import Entry, foreign_host, is_safe_name, parse_listing

URL = "http://portal/pub/v1/20220224/"

# Listings by the servers of Debian 12 of a folder with one file and one folder.
NGINX = """<html>
<head><title>Index of /pub/v1/20220224/</title></head>
<body>
<h1>Index of /pub/v1/20220224/</h1><hr><pre><a href="../">../</a>
<a href="L1/">L1/</a>                                                23-Nov-2026 23:00                   -
<a href="ang20220224t195402_rfl">ang20220224t195402_rfl</a>                             23-Nov-2026 23:00          5216789012
</pre><hr></body>
</html>
"""
APACHE_TABLE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html><body><h1>Index of /pub/v1/20220224</h1>
  <table>
   <tr><th valign="top">&nbsp;</th><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th><th><a href="?C=S;O=A">Size</a></th><th><a href="?C=D;O=A">Description</a></th></tr>
   <tr><th colspan="5"><hr></th></tr>
<tr><td valign="top">&nbsp;</td><td><a href="/pub/v1/">Parent Directory</a>       </td><td>&nbsp;</td><td align="right">  - </td><td>&nbsp;</td></tr>
<tr><td valign="top">&nbsp;</td><td><a href="L1/">L1/</a>                    </td><td align="right">2026-11-23 23:00  </td><td align="right">  - </td><td>&nbsp;</td></tr>
<tr><td valign="top">&nbsp;</td><td><a href="ang20220224t195402_rfl">ang20220224t195402_rfl</a> </td><td align="right">2026-11-23 23:00  </td><td align="right">4.9G</td><td>&nbsp;</td></tr>
</table></body></html>
"""
APACHE_PLAIN = """<html><body><h1>Index of /pub/v1/20220224</h1>
<ul><li><a href="/pub/v1/"> Parent Directory</a></li>
<li><a href="L1/"> L1/</a></li>
<li><a href="ang20220224t195402_rfl"> ang20220224t195402_rfl</a></li>
</ul></body></html>
"""
NGINX_JSON = """[
{ "name":"L1", "type":"directory", "mtime":"Mon, 23 Nov 2026 23:00:00 GMT" },
{ "name":"ang20220224t195402_rfl", "type":"file", "mtime":"Mon, 23 Nov 2026 23:00:00 GMT", "size":5216789012 }
]"""
BUCKET = """<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>portal</Name><Prefix>v1/20220224/</Prefix>
<Contents><Key>v1/20220224/ang20220224t195402_rfl</Key><Size>5216789012</Size></Contents>
<CommonPrefixes><Prefix>v1/20220224/L1/</Prefix></CommonPrefixes></ListBucketResult>"""
SCRIPTED = """<table><tr onclick="go('L1/')"><td>L1</td></tr>
<tr onclick='go("ang20220224t195402_rfl")'><td>x</td></tr></table>"""


def test_listings_of_all_servers_give_the_same_entries():
    expected = [Entry("L1", is_folder=True), Entry("ang20220224t195402_rfl", is_folder=False)]
    for page in (NGINX, APACHE_TABLE, APACHE_PLAIN, NGINX_JSON, BUCKET, SCRIPTED):
        assert parse_listing(page, URL) == expected


def test_absolute_links_into_the_directory_are_taken():
    page = f'<a href="{URL}a">a</a><a href="/pub/v1/20220224/b/">b</a>'
    assert parse_listing(page, URL) == [Entry("a", is_folder=False), Entry("b", is_folder=True)]


def test_links_that_leave_the_directory_are_passed_over():
    targets = [
        "..", "../", "../x", "/", "/etc/passwd", "./../x", "a/b", "a/../b/c",
        "%2e%2e%2f", "%2e%2e/x", "..%2fx", "a%2fb", "%2Fetc%2Fpasswd", "a%5cb", "a%00", ".hidden",
        "http://elsewhere/pub/v1/20220224/x", "//elsewhere/x", "https://portal/pub/v1/20220224/x",
        "file:///etc/passwd", "javascript:alert(1)", "mailto:a@b", "?C=N;O=D", "x?y", "x#y", "",
        "http://[", "\nx y", "x;rm -rf", "$(x)", "`x`", "x|y", "-\u00e9",
    ]  # fmt: skip
    page = "".join(f'<a href="{target}">x</a>' for target in targets)
    assert parse_listing(page, URL) == []


@pytest.mark.heavy
@given(st.text(max_size=30), st.booleans())
def test_no_name_of_a_listing_leads_out_of_its_folder(target, encode):
    page = f'<a href="{quote(target) if encode else target}">x</a>'
    for entry in parse_listing(page, URL):
        assert "/" not in entry.name
        assert "\\" not in entry.name
        assert not entry.name.startswith(".")
        assert is_safe_name(entry.name)


def test_a_path_may_be_escaped_in_other_ways_than_the_address():
    page = '<a href="/%7Euser/my%20data/20220224/">x</a><a href="/~user/my%20data/f.hdr">f</a>'
    found = parse_listing(page, "https://host/~user/my data/")
    assert [(entry.name, entry.is_folder) for entry in found] == [
        ("20220224", True),
        ("f.hdr", False),
    ]


def test_a_link_around_an_icon_does_not_hide_the_text_of_the_file():
    page = '<pre><a href="f"><img></a> <a href="f">f</a> 2022-02-24 10:00  5</pre>'
    assert [entry.note for entry in parse_listing(page, "https://host/")] == ["2022-02-24 10:00 5"]


def test_links_that_carry_the_order_of_the_listing_are_links_to_files_all_the_same():
    page = '<a href="?C=N;O=D">Name</a><a href="20220224/?C=N;O=D">x</a><a href="f?C=N;O=D">f</a>'
    found = parse_listing(page, "https://host/")
    assert [(entry.name, entry.is_folder) for entry in found] == [("20220224", True), ("f", False)]


def test_a_part_of_a_buckets_listing_is_not_taken_for_the_whole():
    with pytest.raises(PortalError, match="a part of its objects"):
        parse_listing(
            BUCKET.replace("<Contents>", "<IsTruncated>true</IsTruncated><Contents>"), URL
        )


def test_broken_html_is_reported_or_read():
    # Newer releases of Python (3.13.5 for one) take an unfinished declaration for a comment.
    try:
        read = [entry.name for entry in parse_listing('<a href="20220224/">x</a><![{"name"', URL)]
    except PortalError as error:
        read = [str(error)]
    assert read == ["20220224"] or "broken HTML" in read[0]


@pytest.mark.parametrize(
    "page",
    [
        '<base href="/"><a href="pub/v1/20220224/x">x</a>',
        '<a href="http://PORTAL:80/pub/v1/20220224/x">x</a>',
        '<a href=" x\n">x</a>',
        '<a href="x;jsessionid=1A2B">x</a>',
        '<a href="/pub//v1/20220224/x">x</a>',
    ],
)
def test_other_spellings_of_a_link_into_the_directory_are_taken(page):
    assert parse_listing(page, URL) == [Entry("x", is_folder=False)]


def test_the_host_that_all_links_lead_to_is_named():
    page = f'<a href="/">up</a><a href="{URL.replace("portal", "other:81")}20220224/">x</a>'
    assert parse_listing(page, URL) == []
    assert foreign_host(page, URL) == "http://other:81"
    assert foreign_host(page.replace("other:81", "portal"), "https://portal/elsewhere/") is None


@pytest.mark.parametrize("page", ["[" * 100_000, "[1", '[{"name": "\\ud800"}, 1, {}]'])
def test_a_page_of_json_that_lists_nothing_is_an_empty_listing(page):
    assert parse_listing(page, URL) == []
