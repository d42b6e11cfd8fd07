"""A process that waits for a lock names its holder, and does not wait for one that is stopped."""

import signal
import subprocess
import sys

import pytest

from shift_stac import locks
from shift_stac.errors import WorkFolderError

HOLD = """
import fcntl, sys, time
with open(sys.argv[1], "w") as file:
    fcntl.flock(file, fcntl.LOCK_EX)
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.mark.parametrize("is_stopped", [True, False])
def test_a_wait_for_another_process_ends_and_names_it(tmp_path, monkeypatch, is_stopped):
    monkeypatch.setattr(locks, "_STEP_S", 0.02)
    monkeypatch.setattr(locks, "_STOPPED_S", 0.1)
    path = tmp_path / "line.lock"
    command = [sys.executable, "-S", "-c", HOLD, path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout.readline() == "held\n"
        if is_stopped:
            holder.send_signal(signal.SIGSTOP)
        said = (
            r"another run is stopped .*`kill -CONT {0}`"
            if is_stopped
            else "process {0}.* has not ended"
        )
        with (
            pytest.raises(WorkFolderError, match=said.format(holder.pid)),
            locks.held(path, what="another run", timeout=60 if is_stopped else 0.5),
        ):
            pass
        holder.kill()
    # A lock without its holder is free.
    with locks.held(path, what="another run", timeout=0):
        pass
