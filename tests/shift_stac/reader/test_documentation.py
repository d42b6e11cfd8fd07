"""A block of the documentation that needs a bucket, on a bucket."""

from pathlib import Path

import pytest

from support.markdown import blocks_of
from support.s3 import serve_s3

pytestmark = pytest.mark.server

ROOT = Path(__file__).resolve().parents[3]


def test_the_catalog_is_read_from_a_bucket_as_documented(published, monkeypatch):
    page = ROOT / "docs" / "how-to" / "read-the-archive.md"
    (code,) = (block.code for block in blocks_of(page, ROOT) if "FsspecIO" in block.code)
    with serve_s3(published) as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        code = code.replace("s3://my-bucket/shift/catalog.json", f"{bucket.url}/catalog.json")
        names = {}
        exec(compile(code, page, "exec"), names)
        assert names["line"].encoding["source"].startswith(f"{bucket.url}/")
