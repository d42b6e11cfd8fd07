"""The server of the demo and of tests."""

import socket
import struct
import threading
from urllib.parse import urlsplit

import pytest

from shift_stac.simulate.serving import serve_folder


@pytest.mark.server
def test_a_client_that_closes_its_connection_leaves_no_traceback(tmp_path, capsys):
    (tmp_path / "cube").write_bytes(bytes(20_000_000))
    with serve_folder(tmp_path) as url:
        address = urlsplit(url)
        with socket.create_connection((address.hostname, address.port)) as client:
            client.sendall(b"GET /cube HTTP/1.0\r\n\r\n")
            client.recv(1)
            # Closed by a reset, as a client does it that has not read everything.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        for thread in threading.enumerate():
            if "process_request" in thread.name:
                thread.join(30)
    assert capsys.readouterr().err == ""
