"""After any fault of a portal during a transfer, the file is correct, or an error gives the cause.

Then, from a portal without faults, the file arrives.
"""

import hashlib
import random
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from shift_stac.errors import ShiftError, TransferError
from shift_stac.flightline import FlightLine
from shift_stac.portal.download import Downloader
from shift_stac.portal.download_options import DownloadOptions
from shift_stac.sources import Product, RemoteFile, RemoteLine, RemoteProduct
from support.bad_portal import (
    AT_A_BYTE,
    OF_THE_REST,
    BadPortal,
    corrupting_wire,
    serve_bad_portal,
)
from support.trials import TRIES
from support.webserver import Faults, encrypted_server

LINE = FlightLine("ang20220224t195402")
CONTENT = random.Random(1).randbytes(300_000)
HEADER = (
    b"ENVI\nsamples = 75000\nlines = 1\nbands = 1\ndata type = 4\ninterleave = bil\n"
    b"wavelength = {500}\n"
)
FAST = DownloadOptions(attempts=3, backoff=0.01, read_timeout=0.3, largest_retry_after=0.1)
PLACES = {"first": 1, "middle": len(CONTENT) // 2, "last": len(CONTENT) - 1}


def download(url, folder, etag, options=FAST):
    def remote(name, size):
        return RemoteFile(name=name, url=f"{url}/{name}", size=size, etag=etag)

    product = RemoteProduct(
        product=Product.RADIANCE,
        data=remote("cube", len(CONTENT)),
        header=remote("cube.hdr", len(HEADER)),
    )
    with Downloader(options) as downloader:
        line = RemoteLine(line=LINE, portal_version="v1", products=(product,))
        return downloader.download(line, folder).get(Product.RADIANCE).data


def is_whole(found, content):
    return (
        found.path.read_bytes() == content and found.sha256 == hashlib.sha256(content).hexdigest()
    )


@contextmanager
def portal_with(name, at, times):
    portal = BadPortal({"cube": CONTENT, "cube.hdr": HEADER}, name, at, times)
    portal.cut_first = name in OF_THE_REST
    with serve_bad_portal(portal) as url:
        yield portal, url


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", [*AT_A_BYTE, *OF_THE_REST])
@pytest.mark.parametrize("times", [1, 100], ids=["once", "always"])
def test_a_file_arrives_unchanged_or_not_at_all(name, place, times, tried, tmp_path):
    tried(f"transfer: the portal {name}", TRIES)
    for attempt in range(TRIES):
        folder = tmp_path / str(attempt)
        with portal_with(name, PLACES[place], times) as (portal, url):
            try:
                found = download(url, folder, portal.etag)
            except ShiftError as error:
                assert "cube" in str(error)  # noqa: PT017 - an error is one of two right outcomes
                assert not (folder / "cube").exists()
                portal.times = 0
                found = download(url, folder, portal.etag)
            assert is_whole(found, portal.files["cube"])
        assert {path.name for path in folder.iterdir() if ".part" in path.name} == set()


@pytest.mark.parametrize("place", ["first", "middle", "last"])
def test_a_byte_that_is_changed_on_an_encrypted_connection_is_noticed(place, tried, tmp_path):
    tried("transfer: a byte is changed on the way, over https", TRIES)
    faults = Faults()
    faults.files |= {"cube": CONTENT, "cube.hdr": HEADER}
    with encrypted_server(faults, tmp_path) as (url, certificate):
        options = FAST.model_copy(update={"ca_bundle": certificate})
        for attempt in range(TRIES):
            # After the handshake, in the first connection, which is that of the header or of the
            # data.
            places = [{"first": 3000, "middle": 150_000, "last": 300_000}[place]]
            with corrupting_wire(
                urlsplit(url).port, lambda places=places: places.pop() if places else None
            ) as port:
                way = f"https://127.0.0.1:{port}"
                found = download(way, tmp_path / str(attempt), '"one"', options)
            assert is_whole(found, CONTENT)


def test_a_certificate_without_a_known_authority_is_refused(tried, tmp_path):
    tried("transfer: a certificate that nobody vouches for")
    faults = Faults()
    faults.files |= {"cube": CONTENT, "cube.hdr": HEADER}
    with (
        encrypted_server(faults, tmp_path) as (url, _),
        pytest.raises(TransferError, match=r"CERTIFICATE_VERIFY_FAILED"),
    ):
        download(url, tmp_path, '"one"')
    assert not faults.requests
