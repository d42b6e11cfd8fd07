"""A run that is killed at any time of its start leaves no server."""

import os
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from flows.running import temporary_server

PROGRAM = """
import flows, threading
from flows.running.temporary_server import begin_temporary_server
if {beside_a_thread}:
    threading.Thread(target=threading.Event().wait, daemon=True).start()
begin_temporary_server()
threading.Event().wait()
"""


@pytest.mark.prefect
@pytest.mark.parametrize("beside_a_thread", [False, True], ids=["forked", "spawned"])
def test_a_server_that_was_only_just_begun_ends_with_its_killed_run(tmp_path, beside_a_thread):
    environment = os.environ | {"PREFECT_HOME": str(tmp_path)}
    environment.pop("PREFECT_API_URL", None)
    program = PROGRAM.format(beside_a_thread=beside_a_thread)
    run = subprocess.Popen([sys.executable, "-c", program], env=environment)
    while not (servers := psutil.Process(run.pid).children()):
        assert run.poll() is None
        time.sleep(0.02)
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs(servers, timeout=60)
    assert not alive


def test_a_folder_of_prefect_that_cannot_be_written_is_named_before_a_server_starts(monkeypatch):
    for name, value in {
        "PREFECT_HOME": Path("/proc/nowhere"),
        "PREFECT_API_URL": None,
        "PREFECT_SERVER_EPHEMERAL_ENABLED": True,
    }.items():
        monkeypatch.setattr(temporary_server, name, SimpleNamespace(value=lambda told=value: told))
    monkeypatch.setattr(temporary_server, "_server", None)
    monkeypatch.setattr(temporary_server, "_TemporaryServer", None)
    with pytest.raises(temporary_server.ServerStartError, match=r"/proc/nowhere: set PREFECT_HOME"):
        temporary_server.begin_temporary_server()
