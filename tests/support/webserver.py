"""Real web servers over a folder, on loopback, and one with the faults of servers."""

import getpass
import os
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Literal

import httpx

import support
from shift_stac.simulate.serving import QuietHandler, serve_handler
from support import require_program


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# A long limit, because a busy machine is slow. A server that is ready is used at once.
_PATIENCE = 3


def wait_until(ready: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Wait until something is ready. ``seconds`` is the limit for an idle machine."""
    deadline = time.monotonic() + _PATIENCE * seconds
    while not ready():
        if time.monotonic() > deadline:
            raise TimeoutError(what)
        time.sleep(0.05)


@contextmanager
def running(
    command: list[str], url: str, *, seconds: float = 20, **options: object
) -> Iterator[None]:
    """Run a server process that answers at the address, and end it by its id."""
    assert support.servers_are_expected, (
        "mark the test with pytest.mark.server, or its folder's layer"
    )
    process = subprocess.Popen(command, **options)  # type: ignore[call-overload]

    def answers() -> bool:
        if process.poll() is not None:
            msg = f"{command[0]} ended with {process.returncode}"
            raise RuntimeError(msg)
        try:
            httpx.get(url)
        except httpx.TransportError:
            return False
        return True

    try:
        wait_until(answers, f"{command[0]} does not answer at {url}", seconds)
        yield
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextmanager
def serve_nginx(folder: Path, work: Path, *, slow: str = "", port: int = 0) -> Iterator[str]:
    """Run nginx with directory listings.

    ``slow`` is a regular expression of paths that are sent with 1 MB/s. Requests are recorded in
    ``access.log`` of the folder ``work``.
    """
    program = require_program("nginx")
    work.mkdir(parents=True, exist_ok=True)
    port = port or free_port()
    user = f"user {getpass.getuser()};" if os.geteuid() == 0 else ""
    temporary = "".join(
        f"{kind}_temp_path {work / kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    slowly = f"location ~ {slow} {{ limit_rate 1m; }}" if slow else ""
    config = work / "nginx.conf"
    config.write_text(
        f"daemon off; {user} pid {work / 'pid'}; error_log stderr warn; events {{}}\n"
        f"http {{ include /etc/nginx/mime.types; access_log {work / 'access.log'}; {temporary}\n"
        f"server {{ listen 127.0.0.1:{port}; root {folder}; autoindex on; {slowly} }} }}\n"
    )
    url = f"http://127.0.0.1:{port}"
    with running([program, "-c", str(config), "-p", str(work)], url):
        yield url


@contextmanager
def serve_apache(folder: Path, work: Path, *, fancy: bool = True) -> Iterator[str]:
    program = require_program("apache2", "httpd")
    work.mkdir(parents=True, exist_ok=True)
    port = free_port()
    modules = Path("/usr/lib/apache2/modules")
    loads = "\n".join(
        f"LoadModule {name}_module {modules / f'mod_{name}.so'}"
        for name in ("mpm_event", "authz_core", "autoindex", "dir", "mime", "unixd")
        # Modules that are built in cannot be loaded.
        if (modules / f"mod_{name}.so").exists()
    )
    # Debian's apache2 refuses to serve as root. Everybody may read the samples.
    user = "User www-data\nGroup www-data" if os.geteuid() == 0 else ""
    options = "FancyIndexing HTMLTable" if fancy else ""
    config = work / "apache.conf"
    config.write_text(
        f"{loads}\nServerName localhost\nListen 127.0.0.1:{port}\n{user}\n"
        f"PidFile {work / 'pid'}\nErrorLog {work / 'error.log'}\nTypesConfig /etc/mime.types\n"
        f"DocumentRoot {folder}\n"
        f"<Directory {folder}>\nOptions +Indexes\nRequire all granted\n"
        f"{f'IndexOptions {options}' if options else ''}\n</Directory>\n"
    )
    url = f"http://127.0.0.1:{port}"
    with running([program, "-f", str(config), "-d", str(work), "-DFOREGROUND"], url):
        yield url


class Faults:
    """The next actions of a :func:`faulty_server`, and the requests that it got."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.etags: dict[str, str] = {}
        self.script: list[str] = []
        self.requests: list[tuple[str, str, str | None]] = []
        # Methods and paths of requests, and the status of the answer.
        self.refused: dict[tuple[str, str], int] = {}
        # Whether the server gives sizes: in Content-Length, only with the first byte, or not at
        # all.
        self.tells_size: Literal["always", "in ranges", "never"] = "always"


class _FaultyHandler(QuietHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, faults: Faults, *arguments: object) -> None:
        self.faults = faults
        super().__init__(*arguments)  # type: ignore[arg-type]

    def do_HEAD(self) -> None:  # noqa: N802 - the name that http.server calls
        if not self._is_answered_always():
            self._answer(with_body=False)

    def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
        if not self._is_answered_always():
            self._answer(with_body=True)

    def _answer_without_file(self, fault: str) -> None:
        word, _, value = fault.partition(" ")
        redirects = word == "redirect"
        self.send_response(302 if redirects else int(word))
        if value:
            self.send_header("Location" if redirects else "Retry-After", value)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _is_answered_always(self) -> bool:
        """Answer a request that is always refused, or for which no size is given."""
        name = self.path.strip("/")
        if status := self.faults.refused.get((self.command, name)):
            self._answer_without_file(str(status))
        elif self.faults.tells_size != "always":
            self._answer_without_size(self.faults.files.get(name, b""))
        else:
            return False
        return True

    def _answer_without_size(self, content: bytes) -> None:
        has_range = (
            self.headers.get("Range") == "bytes=0-0" and self.faults.tells_size == "in ranges"
        )
        self.send_response(206 if has_range else 200)
        if has_range:
            self.send_header("Content-Range", f"bytes 0-0/{len(content)}")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content[:1] if has_range else content)

    def _answer(self, *, with_body: bool) -> None:
        faults = self.faults
        name = self.path.strip("/")
        wanted = self.headers.get("Range")
        faults.requests.append((self.command, name, wanted))
        fault = faults.script.pop(0) if with_body and faults.script else ""
        if fault.isdigit() or fault.startswith(("429", "redirect")):
            self._answer_without_file(fault)
            return
        if name not in faults.files:
            self.send_error(404)
            return
        if fault.startswith("replace "):
            faults.files[name] = fault.removeprefix("replace ").encode()
            faults.etags[name] = '"replaced"'
        content = faults.files[name]
        etag = faults.etags.get(name, '"one"')
        begin = 0
        careless = fault.startswith("careless")
        if wanted and (self.headers.get("If-Range") == etag or careless) and fault != "whole":
            begin = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if begin else 200)
        if fault != "careless":
            self.send_header("ETag", etag)
        if begin:
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        if not with_body:
            return
        body = content[begin:]
        if fault.startswith(("cut", "stall")):
            self.wfile.write(body[: int(fault.split()[1])])
            self.wfile.flush()
            if fault.startswith("stall"):
                time.sleep(1.5)
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(body)


class Unmoved(ThreadingHTTPServer):
    """Reports no broken connections, because tests break them on purpose."""

    def handle_error(self, *_: object) -> None:
        pass


@contextmanager
def faulty_server() -> Iterator[tuple[str, Faults]]:
    """Run a server with the faults of a script, which has one entry for each GET.

    ``cut N``: N bytes, then the connection ends; ``stall N``: N bytes, then nothing; ``503``, ``429
    2``: status and Retry-After; ``whole``: ranges are ignored; ``replace TEXT``: another content
    and ETag from then on; ``careless``: a range of the present content, without an ETag, or
    ``careless etag`` with one; ``redirect URL``; empty: no fault.
    """
    faults = Faults()
    with serve_handler(partial(_FaultyHandler, faults), Unmoved) as url:
        yield url, faults


@contextmanager
def encrypted_server(faults: Faults, work: Path) -> Iterator[tuple[str, Path]]:
    """Run a faulty server over TLS, and yield its address and the file of its certificate."""
    key, certificate = work / "key.pem", work / "certificate.pem"
    command = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=localhost"
    names = ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", certificate]
    openssl = require_program("openssl")
    subprocess.run([openssl, *command.split(), *names], check=True, capture_output=True)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)

    class Encrypted(Unmoved):
        def server_activate(self) -> None:
            super().server_activate()
            self.socket = context.wrap_socket(self.socket, server_side=True)

    with serve_handler(partial(_FaultyHandler, faults), Encrypted) as url:
        yield url.replace("http:", "https:"), certificate
