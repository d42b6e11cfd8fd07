"""A published archive for all tests of the reader, and its addresses."""

from contextlib import ExitStack

import pytest

import shift_stac
from shift_stac.store.chunking import ChunkSizes
from shift_stac.store.conversion_options import ConversionOptions
from support.archive import publish_campaign
from support.s3 import serve_s3
from support.webserver import serve_nginx


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """An archive in a folder, which a bucket and a web server also serve."""
    root = tmp_path_factory.mktemp("published")
    # It has several chunks along each axis.
    options = ConversionOptions(chunks=ChunkSizes(x=16, y=20, wavelength=150))
    publish_campaign(str(root / "s3" / "archive"), root, conversion=options)
    return root / "s3"


@pytest.fixture(params=["folder", "S3", "web"])
def address(request, published, tmp_path, monkeypatch):
    with ExitStack() as stack:
        if request.param == "folder":
            yield str(published / "archive")
        elif request.param == "S3":
            bucket = stack.enter_context(serve_s3(published))
            for name, value in bucket.environment.items():
                monkeypatch.setenv(name, value)
            yield bucket.url
        else:
            yield stack.enter_context(serve_nginx(published / "archive", tmp_path))


@pytest.fixture
def archive(published):
    return shift_stac.open_archive(published / "archive")
