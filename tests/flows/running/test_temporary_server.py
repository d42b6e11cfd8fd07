"""A run that is killed leaves no server, at whatever moment of its start."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

PROGRAM = "import flows; from flows.running.temporary_server import *; start_temporary_server()"


@pytest.mark.prefect
def test_a_server_that_was_only_just_begun_ends_with_its_killed_run(tmp_path: Path):
    environment = os.environ | {"PREFECT_HOME": str(tmp_path)}
    environment.pop("PREFECT_API_URL", None)
    run = subprocess.Popen([sys.executable, "-c", PROGRAM], env=environment)
    servers: list[psutil.Process] = []
    # The guard is started with the server: the run is killed once both are there.
    while len(children := psutil.Process(run.pid).children()) < 2:
        assert run.poll() is None
        time.sleep(0.02)
    servers = [child for child in children if "uvicorn" in " ".join(child.cmdline())]
    run.kill()
    run.wait()
    _, alive = psutil.wait_procs(children, timeout=60)
    assert servers
    assert not alive
