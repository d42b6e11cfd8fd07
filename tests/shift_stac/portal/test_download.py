import hashlib
import json
import socket
import threading
import time
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from shift_stac.cancellation import Cancellation
from shift_stac.errors import EnviError, RunCancelledError, TransferError, WorkFolderError
from shift_stac.flightline import FlightLine
from shift_stac.portal.download import Downloader
from shift_stac.portal.download_options import DownloadOptions
from shift_stac.portal.http_client import HttpOptions
from shift_stac.portal.tree import HttpTree
from shift_stac.sources import Product, RemoteFile, RemoteLine, RemoteProduct
from support.sources import small_line
from support.webserver import encrypted_server, faulty_server, serve_nginx

LINE = FlightLine("ang20220224t195402")
CONTENT = bytes(range(256)) * 4096  # 1 MiB: several network reads
HEADER = b"ENVI\nsamples = 256\nlines = 1024\nbands = 1\ndata type = 4\ninterleave = bil\nwavelength = {500}\n"
FAST = DownloadOptions(attempts=3, backoff=0.01, read_timeout=0.5, lock_timeout=0.2)


@pytest.fixture
def server():
    with faulty_server() as (url, faults):
        faults.files |= {"cube": CONTENT, "cube.hdr": HEADER}
        yield url, faults


def remote_line(url, faults, size=None, etag='"one"', last_modified=None):
    def remote(name):
        return RemoteFile(
            name=name,
            url=f"{url}/{name}",
            size=len(faults.files[name]) if name == "cube.hdr" or size is None else size,
            etag=etag,
            last_modified=last_modified,
        )

    product = RemoteProduct(
        product=Product.RADIANCE, data=remote("cube"), header=remote("cube.hdr")
    )
    return RemoteLine(line=LINE, portal_version="v1", products=(product,))


def fetch(server, folder, options=FAST, progress=None, **remote):
    with Downloader(options) as downloader:
        return downloader.download(remote_line(*server, **remote), folder, progress)


def test_a_file_arrives_whole_with_a_record_beside_it(server, tmp_path):
    source = fetch(server, tmp_path).get(Product.RADIANCE).data
    assert source.path.read_bytes() == CONTENT
    assert source.sha256 == hashlib.sha256(CONTENT).hexdigest()
    record = json.loads((tmp_path / "cube.source.json").read_text())
    assert (record["size"], record["etag"], record["sha256"]) == (
        len(CONTENT),
        '"one"',
        source.sha256,
    )
    assert not list(tmp_path.glob("*.part*"))


def test_a_second_run_transfers_nothing(server, tmp_path):
    first = fetch(server, tmp_path)
    server[1].requests.clear()
    assert fetch(server, tmp_path) == first
    assert server[1].requests == []


def test_a_file_that_changed_on_the_portal_is_fetched_again(server, tmp_path):
    fetch(server, tmp_path)
    _url, faults = server
    faults.files["cube"] = CONTENT[::-1]
    faults.etags = {"cube": '"two"', "cube.hdr": '"two"'}
    again = fetch(server, tmp_path, etag='"two"')
    assert again.get(Product.RADIANCE).data.path.read_bytes() == CONTENT[::-1]


def test_a_file_that_was_damaged_here_is_fetched_again(server, tmp_path):
    fetch(server, tmp_path)
    (tmp_path / "cube").write_bytes(b"damaged")
    assert fetch(server, tmp_path).get(Product.RADIANCE).data.path.read_bytes() == CONTENT


def test_a_cut_connection_is_resumed_where_it_ended(server, tmp_path):
    server[1].script = ["", "cut 300000"]
    assert fetch(server, tmp_path).get(Product.RADIANCE).data.path.read_bytes() == CONTENT
    ranges = [wanted for _, name, wanted in server[1].requests if name == "cube"]
    assert ranges == [None, "bytes=300000-"]


def test_a_stalled_connection_is_resumed(server, tmp_path):
    server[1].script = ["", "stall 1000"]
    assert fetch(server, tmp_path).get(Product.RADIANCE).data.path.read_bytes() == CONTENT


def test_a_server_that_ignores_ranges_is_read_from_the_beginning(server, tmp_path):
    server[1].script = ["", "cut 300000", "whole"]
    source = fetch(server, tmp_path).get(Product.RADIANCE).data
    assert source.path.read_bytes() == CONTENT
    assert source.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_part_left_by_a_killed_run_is_continued(server, tmp_path):
    server[1].script = ["", "cut 400000", "503", "503"]
    with pytest.raises(TransferError):
        fetch(server, tmp_path)
    assert (tmp_path / "cube.part").stat().st_size == 400000
    server[1].requests.clear()
    assert fetch(server, tmp_path).get(Product.RADIANCE).data.path.read_bytes() == CONTENT
    assert ("GET", "cube", "bytes=400000-") in server[1].requests


def test_a_part_of_another_version_of_the_file_is_not_continued(server, tmp_path):
    server[1].script = ["", "cut 400000", "503", "503"]
    with pytest.raises(TransferError):
        fetch(server, tmp_path)
    server[1].files["cube"] = CONTENT[::-1]
    server[1].etags = {"cube": '"two"', "cube.hdr": '"two"'}
    again = fetch(server, tmp_path, etag='"two"')
    assert again.get(Product.RADIANCE).data.path.read_bytes() == CONTENT[::-1]


def test_a_file_replaced_between_look_and_fetch_is_not_mixed(server, tmp_path):
    server[1].script = ["", "cut 300000", "replace other content"]
    with pytest.raises(TransferError, match="replaced on the portal"):
        fetch(server, tmp_path)
    assert not (tmp_path / "cube").exists()


@pytest.mark.parametrize("status", ["500", "502", "503", "504"])
def test_server_errors_are_tried_again(server, tmp_path, status):
    server[1].script = ["", status, status]
    assert fetch(server, tmp_path).get(Product.RADIANCE).data.path.read_bytes() == CONTENT


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_obeyed_up_to_the_cap(server, tmp_path, form):
    date = format_datetime(datetime.now(UTC) + timedelta(minutes=1), usegmt=True)
    after = {"seconds": "60", "date": date}[form]
    server[1].script = ["", f"429 {after}"]
    options = FAST.model_copy(update={"largest_retry_after": 0.01})
    assert fetch(server, tmp_path, options).get(Product.RADIANCE).data.path.read_bytes() == CONTENT


def test_retry_after_is_waited_for(server, tmp_path, monkeypatch):
    waited = []
    monkeypatch.setattr(Cancellation, "sleep", lambda _self, seconds, _what: waited.append(seconds))
    server[1].script = ["", "429 7"]
    fetch(server, tmp_path)
    assert waited == [7.0]


def test_tries_are_bounded_and_the_url_is_named(server, tmp_path):
    server[1].script = ["", *["503"] * 9]
    with pytest.raises(TransferError, match=r"/cube: the server answered 503"):
        fetch(server, tmp_path)
    assert len([r for r in server[1].requests if r[1] == "cube"]) == FAST.attempts


@pytest.mark.heavy
def test_tries_are_counted_from_the_last_byte_gained(server, tmp_path):
    server[1].script = ["", *["cut 100000"] * 9]
    assert fetch(server, tmp_path).get(Product.RADIANCE).data.path.read_bytes() == CONTENT


@pytest.mark.parametrize("status", ["401", "403", "404"])
def test_refusals_are_not_tried_again(server, tmp_path, status):
    server[1].script = ["", status]
    with pytest.raises(TransferError, match=status):
        fetch(server, tmp_path)
    assert len([r for r in server[1].requests if r[1] == "cube"]) == 1


def test_a_size_that_the_header_contradicts_is_refused_before_the_data_are_fetched(
    server, tmp_path
):
    server[1].files["cube.hdr"] = HEADER.replace(b"1024", b"1025")
    with pytest.raises(EnviError, match=r"has 1048576 bytes, but its header implies 1049600"):
        fetch(server, tmp_path)
    assert not [r for r in server[1].requests if r[1] == "cube"]


def test_progress_reaches_the_total_and_an_exception_in_it_ends_the_download(server, tmp_path):
    seen = []
    fetch(server, tmp_path / "a", progress=lambda done, total: seen.append((done, total)))
    total = len(CONTENT) + len(HEADER)
    assert seen[-1] == (total, total)

    def cancel(done, total):
        if done > 1000:
            raise RunCancelledError

    with pytest.raises(RunCancelledError):
        fetch(server, tmp_path / "b", progress=cancel)
    assert (tmp_path / "b/cube.part").exists()


def test_two_downloads_of_a_line_take_turns(server, tmp_path):
    inside, leave = threading.Event(), threading.Event()

    def hold(done, total):
        inside.set()
        leave.wait(10)

    first = threading.Thread(target=fetch, args=(server, tmp_path), kwargs={"progress": hold})
    first.start()
    assert inside.wait(10)
    with pytest.raises(WorkFolderError, match=r"another run that downloads .* has not ended"):
        fetch(server, tmp_path)
    leave.set()
    first.join()


def test_waiting_calls_end_at_once_with_the_run(server, tmp_path):
    """A stalled transfer, files in the queue, and a line that waits for a lock all end."""
    _url, faults = server
    faults.script = ["", "stall 1000"]
    cancellation = Cancellation()
    options = DownloadOptions(parallel_files=1)
    begun, given_up = threading.Event(), []
    with Downloader(options, cancellation) as downloader:

        def bring(folder):
            with pytest.raises(RunCancelledError):
                downloader.download(
                    remote_line(*server), folder, lambda done, _: done and begun.set()
                )
            given_up.append(folder)

        folders = [tmp_path / name for name in ("a", "b", "c", "c")]
        threads = [threading.Thread(target=bring, args=(folder,)) for folder in folders]
        for thread in threads:
            thread.start()
        assert begun.wait(10)
        asked = time.monotonic()
        cancellation.cancel()
        for thread in threads:
            thread.join(20)
    assert sorted(given_up) == folders
    assert time.monotonic() - asked < options.read_timeout / 4


@pytest.mark.parametrize("others", [0, 2], ids=["no answer", "no connection"])
def test_the_end_of_a_run_does_not_wait_for_a_silent_server(others):
    """The system accepts one connection, which nobody answers, and does not accept the next."""
    cancellation = Cancellation()
    with ExitStack() as stack:
        server = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(others):
            client = stack.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(server.getsockname())
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
        tree = stack.enter_context(closing(HttpTree(url, HttpOptions(), cancellation)))
        timer = threading.Timer(0.1, cancellation.cancel)
        timer.start()
        asked = time.monotonic()
        with pytest.raises(RunCancelledError):
            tree.list("")
        assert time.monotonic() - asked < 1


def test_a_full_disk_is_reported_before_anything_is_fetched(server, tmp_path, monkeypatch):
    # A disk cannot be filled here, so its free space is simulated.
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1000}))
    with pytest.raises(WorkFolderError, match=r"has 1e-06 GB free.*make room"):
        fetch(server, tmp_path)


def test_files_of_a_mirror_are_used_in_place(tmp_path):
    mirror, work = tmp_path / "mirror", tmp_path / "work"
    mirror.mkdir()
    (mirror / "cube").write_bytes(CONTENT)
    (mirror / "cube.hdr").write_bytes(HEADER)

    def remote(name: str) -> RemoteFile:
        path: Path = mirror / name
        return RemoteFile(name=name, url=path.as_uri(), size=path.stat().st_size, etag='"1"')

    product = RemoteProduct(
        product=Product.RADIANCE, data=remote("cube"), header=remote("cube.hdr")
    )
    line = RemoteLine(line=LINE, portal_version="v1", products=(product,))
    with Downloader() as downloader:
        source = downloader.download(line, work)
        assert source.products[0].data.path == mirror / "cube"
        assert source.products[0].data.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert (mirror / "cube").exists()
    assert not (work / "cube").exists()


@pytest.mark.parametrize("answer", ["careless", "careless etag"])
def test_a_file_is_never_made_of_two_versions(server, tmp_path, answer):
    """Not even from a server that ignores If-Range, with or without an ETag in its answer."""
    _url, faults = server
    before = remote_line(*server)
    faults.script = ["", "cut 500000", "503", "503"]
    with Downloader(FAST) as downloader, pytest.raises(TransferError):
        downloader.download(before, tmp_path)
    assert 0 < (tmp_path / "cube.part").stat().st_size < len(CONTENT)
    faults.files["cube"] = CONTENT[::-1]
    faults.etags["cube"] = '"two"'
    faults.script = [answer]
    with Downloader(FAST) as downloader, pytest.raises(TransferError, match="replaced"):
        downloader.download(before, tmp_path)
    assert not (tmp_path / "cube").exists()


def test_redirects_lead_to_hosts_that_are_allowed(server, tmp_path):
    url, faults = server
    elsewhere = url.replace("127.0.0.1", "localhost") + "/cube.hdr"
    faults.script = [f"redirect {elsewhere}"]
    with pytest.raises(TransferError, match="add localhost to `redirect_hosts`"):
        fetch(server, tmp_path)
    faults.script = [f"redirect {elsewhere}"]
    fetch(server, tmp_path, FAST.model_copy(update={"redirect_hosts": ("localhost",)}))
    assert (tmp_path / "cube.hdr").read_bytes() == HEADER


def test_redirects_in_a_circle_are_an_error_of_ours(server, tmp_path):
    url, faults = server
    faults.script = [f"redirect {url}/cube.hdr"] * 30
    with pytest.raises(TransferError, match="in a loop"):
        fetch(server, tmp_path)


def test_an_encrypted_transfer_is_never_redirected_to_one_that_is_not(server, tmp_path):
    url, faults = server
    faults.script = [f"redirect {url}/cube.hdr"]
    with encrypted_server(faults, tmp_path) as (encrypted, authorities):
        options = FAST.model_copy(update={"ca_bundle": authorities})
        with pytest.raises(TransferError, match="not encrypted"):
            fetch((encrypted, faults), tmp_path / "work", options)
        # The same server's file arrives where it does not redirect.
        fetch((encrypted, faults), tmp_path / "work", options)


def test_a_line_that_its_headers_contradict_is_refused_before_any_data_are_fetched(tmp_path):
    mirror, work = tmp_path / "mirror", tmp_path / "work"
    mirror.mkdir()
    (mirror / "cube").write_bytes(CONTENT)
    (mirror / "cube.hdr").write_bytes(HEADER + b"wavelength units = Index\n")

    def remote(name: str) -> RemoteFile:
        path: Path = mirror / name
        return RemoteFile(name=name, url=path.as_uri(), size=path.stat().st_size, etag='"1"')

    product = RemoteProduct(
        product=Product.RADIANCE, data=remote("cube"), header=remote("cube.hdr")
    )
    line = RemoteLine(line=LINE, portal_version="v1", products=(product,))
    with Downloader() as downloader, pytest.raises(EnviError, match="'Index'"):
        downloader.download(line, work)
    with Downloader() as downloader, pytest.raises(EnviError, match=f"{mirror}.*'Index'"):
        downloader.inspect(line)
    assert (work / "cube.hdr.source.json").exists()
    assert not (work / "cube.source.json").exists()


@pytest.mark.server
def test_a_part_of_a_file_is_read_where_the_server_gives_parts(server, tmp_path):
    url, faults = server
    folder = tmp_path / "mirror"
    folder.mkdir()
    for name, content in faults.files.items():
        (folder / name).write_bytes(content)

    def part_of(url):
        found = []

        def look(_, headers, read):
            found.append(read(Product.RADIANCE, 5, 7))
            return list(headers)

        with Downloader(FAST, look=look) as downloader:
            remote = remote_line(url, faults, etag=None)
            assert downloader.inspect(remote) == (Product.RADIANCE,)
        return found[0]

    assert part_of(folder.as_uri()) == CONTENT[5:12]
    with serve_nginx(folder, tmp_path / "nginx") as nginx:
        assert part_of(nginx) == CONTENT[5:12]
    # This server does not know the end of a range, and sends the file.
    assert part_of(url) is None


@pytest.mark.parametrize("small", [0, 10**9])
def test_the_igm_is_looked_at_before_cubes_are_fetched_and_a_large_cube_by_a_part(
    tmp_path, monkeypatch, small
):
    monkeypatch.setattr("shift_stac.portal.download._SMALL_BYTES", small)
    sources = small_line(tmp_path / "mirror")
    products = [
        RemoteProduct(
            product=pair.product,
            **{
                name: RemoteFile(name=file.path.name, url=file.url, size=file.size)
                for name, file in (("data", pair.data), ("header", pair.header))
            },
        )
        for pair in sources.products
    ]
    line = RemoteLine(line=LINE, portal_version="v1", products=tuple(products))
    seen = {}

    def look(_, headers, read):
        seen.update({product: read(product, 0, 4) for product in headers})
        seen["here"] = sorted(path.name for path in (tmp_path / "work").glob("???.source.json"))
        msg = "no places"
        raise EnviError(msg)

    with Downloader(look=look) as downloader, pytest.raises(EnviError, match="no places"):
        downloader.download(line, tmp_path / "work")
    assert seen.pop("here") == ["igm.source.json"]
    assert set(seen) == {Product.IGM} | (
        {Product.RADIANCE, Product.REFLECTANCE} if not small else set()
    )
    assert all(seen[product] == sources.get(product).data.path.read_bytes()[:4] for product in seen)
