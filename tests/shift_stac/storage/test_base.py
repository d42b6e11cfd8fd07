import json
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import numpy as np
import pytest
import zarr

from shift_stac.errors import NoArchiveError, StorageError
from shift_stac.storage import conditional
from shift_stac.storage.address import open_storage
from shift_stac.storage.folder import FolderStorage
from shift_stac.storage.s3_options import S3Options
from support.s3 import serve_moto, serve_s3
from support.webserver import free_port

pytestmark = pytest.mark.server


@pytest.fixture
def local_store(tmp_path):
    """A small Zarr store, not yet published."""

    def make(value=1, size=4):
        path = tmp_path / f"local-{value}.zarr"
        group = zarr.create_group(path)
        group.create_array("a", data=np.full(size, value), chunks=(1,))
        zarr.consolidate_metadata(path)
        return path

    return make


@pytest.fixture(params=["folder", "s3", "s3-with-conditions"])
def storage(request, tmp_path, monkeypatch):
    if request.param == "folder":
        yield open_storage(str(tmp_path / "archive"))
        return
    # rclone's server ignores conditions, and moto's honours them.
    with (serve_s3 if request.param == "s3" else serve_moto)(tmp_path / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        yield open_storage(f"{bucket.url}/some/prefix")


def read_store(storage, path):
    metadata = json.loads(storage.read(f"{path}/zarr.json"))
    assert metadata["node_type"] == "group"
    chunks = {}
    for number in range(9):
        if (chunk := storage.read(f"{path}/a/c/{number}")) is not None:
            chunks[number] = chunk
    return chunks


def test_what_was_written_is_read(storage):
    assert storage.read("a/b.json") is None
    storage.write("a/b.json", b"{}")
    storage.write("a/b.json", b"[]")
    assert storage.read("a/b.json") == b"[]"


def test_a_store_appears_whole_and_is_replaced_whole(storage, local_store):
    assert not storage.has_store("x/line.zarr")
    storage.publish_store(local_store(1, size=8), "x/line.zarr")
    assert storage.has_store("x/line.zarr")
    assert len(read_store(storage, "x/line.zarr")) == 8
    # The new store is smaller, and nothing of the old one may remain.
    storage.publish_store(local_store(2, size=3), "x/line.zarr")
    chunks = read_store(storage, "x/line.zarr")
    assert len(chunks) == 3
    local = local_store(3, size=3)
    storage.publish_store(local, "x/line.zarr")
    assert read_store(storage, "x/line.zarr") != chunks
    assert (local / "zarr.json").exists()


def test_publishing_twice_is_the_same_as_once(storage, local_store):
    local = local_store(1)
    storage.publish_store(local, "line.zarr")
    before = read_store(storage, "line.zarr")
    storage.publish_store(local, "line.zarr")
    assert read_store(storage, "line.zarr") == before


@pytest.mark.parametrize("at", [1, 3])
def test_an_interrupted_publication_shows_nothing_and_is_completed_by_the_next(
    storage, local_store, at
):
    local = local_store(1, size=6)

    def interrupt(done, total):
        if done >= at * 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.publish_store(local, "line.zarr", interrupt)
    assert not storage.has_store("line.zarr")
    storage.publish_store(local, "line.zarr")
    assert len(read_store(storage, "line.zarr")) == 6


def test_progress_reaches_the_total(storage, local_store):
    seen = []
    storage.publish_store(local_store(), "line.zarr", lambda *step: seen.append(step))
    assert seen[-1][0] == seen[-1][1]


def reopened(storage):
    """The same archive, opened as in another process."""
    return open_storage(storage.url, getattr(storage, "options", None))


def test_no_change_is_lost_when_several_writers_change_a_file_at_once(storage):
    def add(name):
        def change(before):
            names = json.loads(before or b"[]")
            return json.dumps([*names, name]).encode()

        return change

    def write(writer):
        own = reopened(storage)
        for number in range(4):
            assert own.update("all.json", add(f"{writer}-{number}"))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    names = json.loads(storage.read("all.json"))
    assert sorted(names) == [f"{writer}-{n}" for writer in range(4) for n in range(4)]
    # No files that writers use among themselves are left.
    assert list(storage.find()) == ["all.json"]


@pytest.mark.parametrize("left", ["ticket-000000000001-dead", "choosing-dead"])
def test_what_a_dead_writer_left_holds_up_the_others_only_for_a_while(tmp_path, monkeypatch, left):
    monkeypatch.setattr(conditional, "_LEASE_S", 1.0)
    with serve_s3(tmp_path / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        storage = open_storage(bucket.url)
        client = bucket.client()
        client.put_object(Bucket="archive", Key=f".shift-stac/turns/a.json/{left}", Body=b"")
        assert storage.update("a.json", lambda _: b"{}")
        assert storage.read("a.json") == b"{}"
        left_over = client.list_objects_v2(Bucket="archive")["Contents"]
        assert [entry["Key"] for entry in left_over] == ["a.json"]


def test_the_server_that_ignores_conditions_is_told_from_the_one_that_honours_them(
    tmp_path, monkeypatch
):
    for serve, honoured in ((serve_s3, False), (serve_moto, True)):
        with serve(tmp_path / serve.__name__) as bucket:
            for name, value in bucket.environment.items():
                monkeypatch.setenv(name, value)
            storage = open_storage(bucket.url)
            assert storage._clients().conditional.are_honoured is honoured


def test_an_update_that_changes_nothing_writes_nothing(storage):
    assert storage.update("a.json", lambda before: b"1" if before is None else before)
    assert not storage.update("a.json", lambda before: before)
    assert storage.read("a.json") == b"1"


def test_files_are_found_and_removed(storage):
    for path in ("a/b.json", "a/c/d.png", "e.json"):
        storage.write(path, b"xy")
    found = storage.find("a")
    assert list(found) == ["a/b.json", "a/c/d.png"]
    assert found["a/b.json"].size == 2
    assert abs((datetime.now(UTC) - found["a/b.json"].modified).total_seconds()) < 60
    storage.remove(["a/b.json", "a/c/d.png", "a/absent.json"])
    assert list(storage.find()) == ["e.json"]
    storage.remove([])


def test_media_types_are_told_to_browsers(tmp_path, monkeypatch):
    with serve_s3(tmp_path / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        storage = open_storage(bucket.url)
        for name, expected in (("a.json", "application/json"), ("a.png", "image/png")):
            storage.write(name, b"x")
            found = bucket.client().head_object(Bucket="archive", Key=name)
            assert found["ContentType"] == expected


def test_an_unwritten_file_is_untouched(tmp_path):
    storage = FolderStorage(tmp_path)
    storage.write("a.json", b"{}")
    before = (tmp_path / "a.json").stat().st_mtime_ns
    storage.write("a.json", b"{}")
    assert (tmp_path / "a.json").stat().st_mtime_ns == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize(
    ("url", "advice"),
    [
        ("s3://", "s3://bucket or s3://bucket/prefix"),
        ("s3:///prefix", "s3://bucket or s3://bucket/prefix"),
        ("s3:/bucket", "s3://bucket or s3://bucket/prefix"),
        ("s3//bucket", "s3://bucket or s3://bucket/prefix"),
        ("S3://bucket", "s3://bucket or s3://bucket/prefix"),
        ("s3://bucket/a//b", "s3://bucket/a/b"),
        ("s3://bucket/a/../b", "leave it out"),
        ("s3://bucket/a?b", "leave it out"),
        ("s3://a bucket/b", "leave it out"),
        ("gs://bucket", "a folder or s3://bucket/prefix"),
        ("https://bucket", "a folder or s3://bucket/prefix"),
        ("", "a folder or s3://bucket/prefix"),
    ],
)
def test_addresses_that_lead_nowhere_are_refused_with_what_to_write(url, advice):
    with pytest.raises(StorageError, match=re.escape(advice)) as raised:
        open_storage(url)
    assert repr(url) in str(raised.value)


def test_a_tilde_is_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_storage("~/archive").url == str(tmp_path / "archive")


def test_a_store_that_is_a_file_is_refused_before_anything_is_done(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match="file is not a folder"):
        open_storage(str(tmp_path / "file")).prepare()


def test_a_server_that_is_not_there_is_an_error_that_names_the_place(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "y")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    options = S3Options(endpoint_url=f"http://127.0.0.1:{free_port()}", region="us-west-2")
    storage = open_storage("s3://bucket/prefix", options)
    with pytest.raises(StorageError, match=r"s3://bucket/prefix/a\.json"):
        storage.read("a.json")


def test_a_missing_bucket_is_an_error_that_says_what_to_check(tmp_path, monkeypatch):
    with serve_s3(tmp_path / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        storage = open_storage("s3://absent/prefix")
        for action in (storage.prepare, lambda: storage.write("a.json", b"x")):
            with pytest.raises(NoArchiveError, match=r"NoSuchBucket.*create the bucket absent"):
                action()


def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"cannot \w+ .*file/a\.json"):
        FolderStorage(tmp_path / "file").write("a.json", b"x")
