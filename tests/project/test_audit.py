"""The command reports known weaknesses of packages, and also that no service answered."""

import json
import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest

from shift_stac.simulate.serving import QuietHandler, serve_handler
from support.webserver import free_port

AUDIT = Path(__file__).resolve().parents[2] / "tools" / "audit"
WEAKNESS = {
    "id": "XXX-2026-1",
    "modified": "2026-01-01T00:00:00Z",
    "published": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "weak", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.1"}]}],
        }
    ],
}
# The package about which the tool asks to find out whether there are any data.
KNOWN = json.loads(json.dumps(WEAKNESS).replace("weak", "pycrypto"))


class _Service(QuietHandler):
    """The answers of a service for weaknesses."""

    known: ClassVar = {"weak": WEAKNESS, "pycrypto": KNOWN}

    def do_POST(self) -> None:  # noqa: N802 - the name that http.server calls
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        weak = self.known.get(asked["package"]["name"])
        text = json.dumps({"vulns": [weak]} if weak else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)


class _Mirror(_Service):
    """Knows packages, but no weaknesses of them."""

    known: ClassVar = {}


@pytest.fixture
def audit(tmp_path):
    def run(names: list[str], address: str) -> tuple[int, str]:
        lock = tmp_path / "a.lock"
        lock.write_text("".join(f"{name}==1.0 --hash=sha256:{'0' * 64}\n" for name in names))
        command = [sys.executable, AUDIT, lock, "-s", "osv", "--osv-url", address]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout

    return run


@pytest.mark.server
def test_a_known_weakness_is_told_and_fails(audit):
    with serve_handler(_Service) as url:
        status, said = audit(["fine"], url)
        assert (status, said[:38]) == (0, "0 known weaknesses in 1 of 1 packages ")
        status, said = audit(["fine", "weak"], url)
    assert status == 1
    assert "weak 1.0: XXX-2026-1, mended in 1.1" in said


def test_a_missing_network_is_reported_and_is_no_failure(audit):
    status, said = audit(["weak"], f"http://127.0.0.1:{free_port()}")
    assert status == 0
    assert "NOT looked up" in said


@pytest.mark.server
def test_an_answer_without_data_is_no_audit(audit):
    with serve_handler(_Mirror) as url:
        status, said = audit(["fine"], url)
    assert status == 0
    assert "NOT looked up" in said
    assert "pycrypto" in said
