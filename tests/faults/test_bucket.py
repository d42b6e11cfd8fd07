"""Occasional faults of a bucket's server, made by a proxy in front of a real one."""

import hashlib
import time
from datetime import timedelta

import pytest

from shift_stac.errors import StorageError
from shift_stac.storage import conditional, objects, upload
from shift_stac.storage.address import open_storage
from shift_stac.storage.s3_options import ObjectOptions, S3Options
from support.proxy import Fault, Kind, serve_proxy
from support.s3 import serve_moto, serve_s3

pytestmark = pytest.mark.server

ALWAYS = 10**9
SLOW_DOWN = {"status": 503, "code": "SlowDown"}


@pytest.fixture(scope="module", params=["with-conditions", "without"])
def server(request, tmp_path_factory):
    """A server that honours conditions (If-Match), and one that does not, behind a proxy."""
    serve = {"with-conditions": serve_moto, "without": serve_s3}[request.param]
    folder = tmp_path_factory.mktemp("s3")
    with serve(folder) as bucket, serve_proxy(bucket.endpoint) as proxy:
        yield bucket.environment | {"AWS_ENDPOINT_URL": proxy.url}, proxy


@pytest.fixture
def proxy(server, monkeypatch):
    monkeypatch.setattr(conditional, "_LONGEST_PAUSE_S", 0.02)
    # The same number of tries, with short pauses.
    monkeypatch.setattr(objects, "_PAUSES_S", [0.02 for _ in objects._PAUSES_S])
    moment = timedelta(seconds=0.02)
    backoff = {"init_backoff": moment, "max_backoff": moment, "base": 2}
    monkeypatch.setitem(objects._RETRIES, "backoff", backoff)
    environment, proxy = server
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    proxy.faults = []
    yield proxy
    proxy.faults = []


@pytest.fixture(autouse=True)
def _tried(request, tried):
    name = request.node.originalname.removeprefix("test_").replace("_", " ")
    told = {**PASSING, **LASTING} if "fault" in request.fixturenames else {}
    kind = request.node.callspec.params.get("fault") if told else None
    tried(f"bucket: {kind or name}")


@pytest.fixture
def url(tmp_path):
    """Each test has its own folder of the bucket."""
    return f"s3://archive/{tmp_path.name}"


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "line.zarr"
    folder.mkdir()
    for number in range(20):
        (folder / str(number)).write_bytes(bytes([number]) * 1000)
    (folder / "zarr.json").write_text("{}")
    return folder


def count(before):
    """A change of which a loss or a repetition is visible."""
    return str(int(before or b"0") + 1).encode()


# The request of each method to the server.
ACTIONS = {
    "read": (lambda storage, _: storage.read("a.json"), "GET .*a.json", b"7"),
    "write": (lambda storage, _: storage.write("b.json", b"8"), "PUT .*b.json", None),
    "update": (lambda storage, _: storage.update("a.json", count), "PUT .*a.json", True),
    "update, reading": (lambda storage, _: storage.update("a.json", count), "GET .*a.json", True),
    "find": (lambda storage, _: list(storage.find("x")), "GET .*list-type", ["x/1"]),
    "remove": (lambda storage, _: storage.remove(["x/1"]), "(POST|DELETE) ", None),
    "has_store": (lambda storage, _: storage.has_store("old.zarr"), "HEAD .*zarr.json", True),
    "publish_store": (
        lambda storage, store: storage.publish_store(store, "line.zarr"),
        "PUT .*line.zarr",
        None,
    ),
    "prepare": (lambda storage, _: storage.prepare(), "GET .*list-type", None),
}
PASSING = {
    "a burst of 500": Fault(Kind.REFUSED, "", times=4),
    "a burst of SlowDown": Fault(Kind.REFUSED, "", times=4, **SLOW_DOWN),
    "an answer that is cut": Fault(Kind.CUT, "", times=2),
    "an answer that is lost": Fault(Kind.LOST, ""),
    "an error after it was done": Fault(Kind.FAILED_AFTERWARDS, ""),
}


@pytest.mark.parametrize("fault", PASSING)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_short_fault_does_not_fail_the_run(proxy, url, store, action, fault):
    storage = open_storage(url)
    for path, content in (("a.json", b"7"), ("x/1", b""), ("old.zarr/zarr.json", b"{}")):
        storage.write(path, content)
    # First test whether the server honours conditions.
    storage.update("other.json", count)
    act, request, expected = ACTIONS[action]
    made = PASSING[fault]
    proxy.faults = [Fault(**{**vars(made), "request": request})]
    assert act(storage, store) == expected
    assert proxy.faults[0].times == 0 or made.kind is Kind.CUT
    proxy.faults = []
    if action.startswith("update"):
        assert storage.read("a.json") == b"8"
    if action == "publish_store":
        assert len(storage.find("line.zarr")) == 21


LASTING = {
    "denied": (Fault(Kind.REFUSED, "", ALWAYS, status=403, code="AccessDenied"), "s3:"),
    "cut": (Fault(Kind.CUT, "", ALWAYS), "network"),
    "expired": (Fault(Kind.REFUSED, "", ALWAYS, status=400, code="ExpiredToken"), "begin another"),
}


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("action", ["read", "update, reading", "find"])
def test_a_fault_that_lasts_is_an_error_that_names_the_place(proxy, url, store, action, fault):
    storage = open_storage(url)
    for path in ("a.json", "x/1"):
        storage.write(path, b"7" * 100)
    act, request, _ = ACTIONS[action]
    made, advice = LASTING[fault]
    proxy.faults = [Fault(**{**vars(made), "request": request})]
    started = time.monotonic()
    with pytest.raises(StorageError, match=rf"cannot .* {url}/.*{advice}"):
        act(storage, store)
    assert time.monotonic() - started < 30


def test_a_change_that_conflicts_fifty_times_takes_place_once(proxy, url):
    storage = open_storage(url)
    storage.write("a.json", b"7")
    storage.update("other.json", count)
    conflict = {"status": 412, "code": "PreconditionFailed"}
    # Writers that take turns do not conflict.
    if storage._clients().conditional.are_honoured:
        proxy.faults = [Fault(Kind.REFUSED, "PUT .*/a.json$", 50, **conflict)]
    assert storage.update("a.json", count)
    assert storage.read("a.json") == b"8"


def test_two_writers_whose_answers_get_lost_lose_no_change(proxy, url):
    one, other = open_storage(url), open_storage(url)
    proxy.faults = [Fault(Kind.LOST, "PUT .*/a.json$", times=3, spared=2)]
    for _ in range(5):
        assert one.update("a.json", count)
        assert other.update("a.json", count)
    assert one.read("a.json") == b"10"


def test_a_run_begins_with_a_warning_if_only_listing_is_denied(proxy, url, caplog):
    denied = {"status": 403, "code": "AccessDenied"}
    proxy.faults = [Fault(Kind.REFUSED, "GET .*list-type", ALWAYS, **denied)]
    open_storage(url).prepare()
    assert "s3:ListBucket" in caplog.text


def test_everything_written_meets_a_policy_that_demands_encryption(proxy, url, store):
    denied = {"status": 403, "code": "AccessDenied"}
    demand = "x-amz-server-side-encryption"
    proxy.faults = [Fault(Kind.REFUSED, "PUT ", ALWAYS, unless=demand, **denied)]
    encrypted = ObjectOptions(encryption="aws:kms")
    storage = open_storage(url, S3Options(data=encrypted, metadata=encrypted))
    storage.write("a.json", b"7")
    assert storage.update("a.json", count)
    storage.publish_store(store, "line.zarr")
    assert storage.has_store("line.zarr")


def test_with_kms_an_upload_needs_one_request_for_each_object(tmp_path, monkeypatch, store):
    with serve_moto(tmp_path / "s3") as bucket, serve_proxy(bucket.endpoint) as proxy:
        for name, value in bucket.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        # With SSE-KMS, moto's ETags are MD5s. Amazon's are not.
        monkeypatch.setattr(upload, "_md5", hashlib.sha256)
        kept = ObjectOptions(encryption="aws:kms")
        storage = open_storage(bucket.url, S3Options(data=kept))
        storage.prepare()
        proxy.reset()
        storage.publish_store(store, "line.zarr")
        # Besides the uploads there are three listings: before, after all objects but the last, and
        # at the end.
        assert proxy.requests == 21 + 3
        (store / "3").write_bytes(b"changed" * 100)
        proxy.reset()
        storage.publish_store(store, "line.zarr")
        sent = [request for request in proxy.seen if request.startswith("PUT")]
        assert len(sent) == 2


def test_a_long_listing_that_breaks_off_is_completed(proxy, url):
    storage = open_storage(url)
    names = [f"x/{number:04d}" for number in range(1100)]
    objects = storage._clients().metadata
    for name in names:
        objects.write(storage._key(name), b"", {})
    proxy.faults = [Fault(Kind.CUT, "GET .*list-type", times=2, spared=1)]
    assert list(storage.find("x")) == names
