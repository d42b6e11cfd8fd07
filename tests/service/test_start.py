"""Errors of the service before it starts anything."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from deployments import serve as service
from deployments.processes import PartEndedError, ServiceError
from flows.running.terminal import plain_console
from flows.settings import ServiceOptions
from support.webserver import serve_nginx


def serve(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deployments.serve", *arguments],
        cwd=folder,
        env={k: v for k, v in os.environ.items() if not k.startswith(("SHIFT_", "PREFECT_"))}
        | {"PREFECT_HOME": str(folder), "COLUMNS": "200"}
        | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_taken_port_and_a_missing_server_are_reported(tmp_path):
    with serve_nginx(tmp_path, tmp_path / "nginx") as url:
        taken = serve(tmp_path, "--port", url.rpartition(":")[2].strip("/"))
    assert taken.returncode == 1
    assert "choose another port" in taken.stderr
    missing = serve(tmp_path, "--no-server")
    assert missing.returncode == 1
    assert "PREFECT_API_URL" in missing.stderr


def test_a_service_that_has_lost_a_part_is_started_again_but_not_for_ever(monkeypatch):
    """The parts are fakes, because here it does not matter which part dies, and when."""
    ended = PartEndedError("the worker ended")
    ends = iter([ended, ServiceError("it does not start in time"), ended])
    started = []

    def start(*_):
        started.append(1)
        raise next(ends)

    monkeypatch.setattr(service, "serve", start)
    with pytest.raises(PartEndedError):
        service._serve_again(ServiceOptions(restarts=2), [], plain_console(quiet=True))
    assert len(started) == 3
    # A part that does not start is not started again.
    ends = iter([ServiceError("no port")])
    with pytest.raises(ServiceError, match="no port"):
        service._serve_again(ServiceOptions(restarts=2), [], plain_console(quiet=True))


def test_another_users_folder_for_runs_is_told(tmp_path, monkeypatch):
    """Permissions are simulated, because root may write everywhere."""
    (tmp_path / "runner_storage").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    service.check_temporary_folder()
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ServiceError, match="set TMPDIR"):
        service.check_temporary_folder()
