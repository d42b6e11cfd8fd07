"""Uploads to a real S3 server, and to a mock for functions that it lacks."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from shift_stac.errors import StorageError
from shift_stac.storage import objects, upload
from shift_stac.storage.address import open_storage
from shift_stac.storage.s3_options import ObjectOptions, S3Options
from support.s3 import serve_moto, serve_s3

pytestmark = pytest.mark.server

RNG = np.random.default_rng(0)


@pytest.fixture
def store(tmp_path):
    """Forty objects of 50 kB, and the root metadata."""
    folder = tmp_path / "line.zarr"
    (folder / "a" / "c").mkdir(parents=True)
    for number in range(40):
        (folder / "a" / "c" / str(number)).write_bytes(RNG.bytes(50_000))
    (folder / "a" / "zarr.json").write_text("{}")
    (folder / "zarr.json").write_text(json.dumps({"zarr_format": 3, "node_type": "group"}))
    return folder


@pytest.fixture
def bucket(tmp_path, monkeypatch):
    with serve_s3(tmp_path / "s3") as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served


@pytest.fixture
def sent(monkeypatch):
    """The names of the objects that are sent."""
    names = []
    put = upload.Upload._put

    def noting(self, local, name):
        names.append(name)
        return put(self, local, name)

    monkeypatch.setattr(upload.Upload, "_put", noting)
    return names


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_existing_objects_are_not_sent_again(store, bucket, sent):
    storage = open_storage(bucket.url)
    storage.publish_store(store, "line.zarr")
    assert len(sent) == 42
    assert sent[-1] == "zarr.json"
    assert contents(bucket.folder / "line.zarr") == contents(store)
    sent.clear()
    storage.publish_store(store, "line.zarr")
    assert sent == []


def test_only_missing_or_different_objects_are_sent(store, bucket, sent):
    storage = open_storage(bucket.url)
    storage.publish_store(store, "line.zarr")
    sent.clear()
    # Through the server, because it caches the contents of its folder for a while.
    storage.remove(["line.zarr/a/c/7"])
    damaged = bucket.folder / "line.zarr/a/c/9"
    # It has the same size, and differs only in its checksum.
    damaged.write_bytes(bytes(damaged.stat().st_size))
    storage.write("line.zarr/a/c/stale", b"of an older version")
    storage.publish_store(store, "line.zarr")
    assert sorted(sent) == ["a/c/7", "a/c/9", "zarr.json"]
    assert contents(bucket.folder / "line.zarr") == contents(store)


def test_a_large_object_goes_in_parts_and_is_recognised(tmp_path, bucket, sent, monkeypatch):
    monkeypatch.setattr(objects, "PART", 5 << 20)
    folder = tmp_path / "large.zarr"
    folder.mkdir()
    (folder / "shard").write_bytes(RNG.bytes(23 << 20))
    (folder / "zarr.json").write_text("{}")
    storage = open_storage(bucket.url)
    storage.publish_store(folder, "large.zarr")
    assert contents(bucket.folder / "large.zarr") == contents(folder)
    sent.clear()
    storage.publish_store(folder, "large.zarr")
    assert sent in ([], ["shard", "zarr.json"])


def test_a_large_object_in_parts_has_the_etag_of_its_parts(tmp_path, monkeypatch, sent):
    monkeypatch.setattr(objects, "PART", 5 << 20)
    folder = tmp_path / "large.zarr"
    folder.mkdir()
    (folder / "shard").write_bytes(RNG.bytes(23 << 20))
    (folder / "zarr.json").write_text("{}")
    with serve_moto(tmp_path) as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        storage = open_storage(bucket.url)
        storage.publish_store(folder, "large.zarr")
        sent.clear()
        storage.publish_store(folder, "large.zarr")
        assert sent == []


def test_progress_counts_bytes_and_reaches_the_total(store, bucket):
    seen = []
    open_storage(bucket.url).publish_store(store, "line.zarr", lambda *step: seen.append(step))
    total = sum(len(content) for content in contents(store).values())
    assert seen[-1] == (total, total)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_a_changed_object_is_an_error_and_the_store_does_not_open(store, bucket, monkeypatch):
    real = upload.Upload._put

    def other(self, local, name):
        etag = real(self, local, name)
        if name == "a/c/5":
            # It has the same size, but another program wrote it.
            self._objects.write(self._key(name), bytes(50_000), {})
        return etag

    monkeypatch.setattr(upload.Upload, "_put", other)
    storage = open_storage(bucket.url)
    with pytest.raises(StorageError, match=r"1 of 41 objects did not arrive.*a/c/5.*again"):
        storage.publish_store(store, "line.zarr")
    assert not storage.has_store("line.zarr")


UPLOAD = """
import sys, time
from pathlib import Path
from shift_stac.storage.address import open_storage
from shift_stac.storage.credentials import S3Options

def slowly(done, total):
    print(done, flush=True)
    time.sleep(0.1)

storage = open_storage(sys.argv[1], S3Options(parallel=2))
storage.publish_store(Path(sys.argv[2]), "line.zarr", slowly)
"""


def test_a_killed_upload_is_continued(store, bucket, sent):
    process = subprocess.Popen(
        [sys.executable, "-c", UPLOAD, bucket.url, str(store)], stdout=subprocess.PIPE, text=True
    )
    for _ in range(8):
        assert process.stdout is not None
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    storage = open_storage(bucket.url)
    assert not storage.has_store("line.zarr")
    arrived = len(contents(bucket.folder / "line.zarr"))
    assert 7 <= arrived < 42
    storage.publish_store(store, "line.zarr")
    assert len(sent) <= 42 - 7
    assert contents(bucket.folder / "line.zarr") == contents(store)


def test_a_server_that_dies_is_an_error_and_the_next_upload_goes_on(store, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setitem(objects._RETRIES, "max_retries", 1)
    storage = None
    with serve_s3(tmp_path / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        storage = open_storage(bucket.url, S3Options(parallel=2))
        storage.write("first.json", b"{}")
    started = time.monotonic()
    with pytest.raises(StorageError, match=r"cannot publish s3://archive/line\.zarr"):
        storage.publish_store(store, "line.zarr")
    assert time.monotonic() - started < 60


def test_encryption_class_tags_and_acl_are_set_for_data_and_for_metadata(
    store, tmp_path, monkeypatch, sent
):
    options = S3Options(
        data=ObjectOptions(
            encryption="aws:kms",
            kms_key="alias/shift",
            storage_class="INTELLIGENT_TIERING",
            tags={"kind": "data", "project": "SHIFT + more"},
        ),
        metadata=ObjectOptions(encryption="AES256", tags={"kind": "catalog"}),
    )
    with serve_moto(tmp_path) as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        storage = open_storage(bucket.url, options)
        storage.publish_store(store, "line.zarr")
        storage.write("a.json", b"{}")
        storage.update("b.json", lambda _: b"{}")

        client = bucket.client()

        def head(key):
            return client.head_object(Bucket="archive", Key=key)

        def tags(key):
            found = client.get_object_tagging(Bucket="archive", Key=key)
            return {tag["Key"]: tag["Value"] for tag in found["TagSet"]}

        data = head("line.zarr/a/c/0")
        assert data["ServerSideEncryption"] == "aws:kms"
        assert data["StorageClass"] == "INTELLIGENT_TIERING"
        # With this encryption an ETag is not an MD5. The metadata of the objects show that nothing
        # is missing.
        sent.clear()
        storage.publish_store(store, "line.zarr")
        assert sent == []
        assert tags("line.zarr/a/c/0") == {"kind": "data", "project": "SHIFT + more"}
        for key in ("a.json", "b.json"):
            assert head(key)["ServerSideEncryption"] == "AES256"
            assert "StorageClass" not in head(key)
            assert tags(key) == {"kind": "catalog"}
            assert head(key)["ContentType"] == "application/json"


def test_nothing_is_public_unless_it_is_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(objects, "PART", 5 << 20)
    store = tmp_path / "line.zarr"
    store.mkdir()
    (store / "in-parts").write_bytes(bytes(11 << 20))
    (store / "zarr.json").write_text("{}")
    with serve_moto(tmp_path) as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)

        def grantees(options, *keys):
            storage = open_storage(bucket.url, options)
            storage.write("a.json", os.urandom(8))
            storage.publish_store(store, "line.zarr")
            found = []
            for key in keys:
                grants = bucket.client().get_object_acl(Bucket="archive", Key=key)["Grants"]
                found.append({g["Grantee"].get("URI", "owner").rpartition("/")[2] for g in grants})
            storage.remove(["line.zarr/zarr.json", "line.zarr/in-parts"])
            return found

        owner, everybody = {"owner"}, {"owner", "AllUsers"}
        public = ObjectOptions(acl="public-read")
        keys = ("a.json", "line.zarr/zarr.json")
        assert grantees(S3Options(), *keys) == [owner, owner]
        assert grantees(S3Options(metadata=public), *keys) == [everybody, owner]
        # moto gives the grants of an object in parts only if there are any.
        keys = (*keys, "line.zarr/in-parts")
        assert grantees(S3Options(data=public), *keys) == [owner, everybody, everybody]
