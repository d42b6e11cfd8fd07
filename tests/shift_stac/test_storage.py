import json
import threading

import numpy as np
import pytest
import zarr

from shift_stac.errors import StorageError
from shift_stac.storage import FolderStorage, S3Options, open_storage
from support.s3 import serve_s3
from support.webserver import free_port


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


@pytest.fixture(params=["folder", "s3"])
def storage(request, tmp_path, monkeypatch):
    if request.param == "folder":
        yield open_storage(str(tmp_path / "archive"))
        return
    with serve_s3(tmp_path / "s3") as bucket:
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
    # The new one is smaller: nothing of the old one may remain.
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
        if done >= at:
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


def test_the_right_to_change_parents_is_exclusive(storage):
    inside, order = threading.Event(), []

    def other():
        inside.wait(5)
        with storage.exclusive():
            order.append("other")

    thread = threading.Thread(target=other)
    thread.start()
    with storage.exclusive():
        inside.set()
        thread.join(0.3)
        order.append("first")
    thread.join(5)
    assert order == ["first", "other"]


def test_media_types_are_told_to_browsers(tmp_path, monkeypatch):
    with serve_s3(tmp_path / "s3") as bucket:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        storage = open_storage(bucket.url)
        for name, expected in (("a.json", "application/json"), ("a.png", "image/png")):
            storage.write(name, b"x")
            assert storage._fs.info(f"archive/{name}")["ContentType"] == expected


def test_an_unwritten_file_is_untouched(tmp_path):
    storage = FolderStorage(tmp_path)
    storage.write("a.json", b"{}")
    before = (tmp_path / "a.json").stat().st_mtime_ns
    storage.write("a.json", b"{}")
    assert (tmp_path / "a.json").stat().st_mtime_ns == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


@pytest.mark.parametrize("url", ["s3://", "gs://bucket", "https://bucket"])
def test_addresses_of_another_kind_are_refused(url):
    with pytest.raises(StorageError, match=url):
        open_storage(url)


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
        with pytest.raises(StorageError, match=r"cannot write s3://absent/a.json.*bucket exists"):
            open_storage("s3://absent").write("a.json", b"x")


def test_a_folder_that_may_not_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StorageError, match=r"cannot \w+ .*file/a\.json"):
        FolderStorage(tmp_path / "file").write("a.json", b"x")
