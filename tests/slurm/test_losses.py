"""Jobs that end before their function: they are noticed and reported soon, and nothing is left."""

import os
import re
import signal
import time
from contextlib import suppress

import pytest

from shift_stac.cluster import JobLostError, ProfileError
from support import jobs
from support.slurm import is_running


def _lost(line) -> tuple[JobLostError, float]:
    """The error of the line, and its time."""
    with pytest.raises(JobLostError) as caught:
        line.result()
    return caught.value, time.monotonic()


def test_scancel_ends_one_line_and_no_other(slurm, run, profile, tmp_path, appears):
    begun, other = tmp_path / "begun", tmp_path / "other"
    with run(profile) as lines:
        line = lines.start(jobs.sleep, 100, begun, name="line")
        neighbour = lines.start(jobs.sleep, 6, other, name="neighbour")
        appears(begun)
        appears(other)
        (job,) = slurm.alive(name="shift-line-")
        slurm.command("scancel", job)
        before = time.monotonic()
        error, after = _lost(line)
        assert after - before < 15
        assert not is_running(int(begun.read_text()))  # no process continues to write
        again = lines.start(jobs.sleep, 0, name="line").result()
        assert again != job
        assert neighbour.result() in slurm.jobs()
    assert (error.job_id, error.state) == (job, "CANCELLED")
    assert error.node in {"d1", "d2"}
    assert error.log_path is not None
    assert error.log_tail in str(error)
    assert f"JOB {job} ON {error.node} CANCELLED" in error.log_tail
    assert re.search(rf"^Slurm job {job} on d. ended before line was done: CANCELLED", str(error))


def test_a_killed_worker(slurm, run, profile, tmp_path, appears):
    begun = tmp_path / "begun"
    with run(profile) as lines:
        line = lines.start(jobs.sleep, 100, begun, name="line")
        appears(begun)
        os.kill(int(begun.read_text()), signal.SIGKILL)
        error, _ = _lost(line)
    assert error.state == "FAILED"
    assert "exit code 137:0" in str(error)
    assert "Killed" in error.log_tail


def test_a_process_that_leaves(slurm, run, profile):
    with run(profile) as lines:
        error, _ = _lost(lines.start(jobs.leave, 3, name="line"))
    assert error.state == "FAILED"
    assert "exit code 3:0" in str(error)


def test_a_node_that_goes_down(slurm, run, profile, tmp_path, appears):
    begun = tmp_path / "begun"
    with run(profile) as lines:
        line = lines.start(jobs.sleep, 100, begun, name="line")
        appears(begun)
        (job,) = slurm.alive()
        node = slurm.facts(job)["NodeList"]
        slurm.set_nodes("down", node)
        before = time.monotonic()
        error, after = _lost(line)
        # Another try gets the other node, and Slurm does not start the job again.
        retried = slurm.facts(lines.start(jobs.sleep, 0, name="line").result())
    assert after - before < 60
    assert (error.job_id, error.node, error.state) == (job, node, "NODE_FAIL")
    assert "its node failed" in str(error)
    assert retried["NodeList"] != node
    assert slurm.jobs()[job] == "NODE_FAIL"


def test_a_job_over_its_memory(slurm, run, profile):
    with run(profile.with_options(memory="300 MiB")) as lines:
        error, _ = _lost(lines.start(jobs.allocate, 400, name="line"))
    assert "exceeded" in error.log_tail
    assert "needs a larger `memory`" in str(error)


def test_a_walltime_that_is_too_short_and_a_worker_that_falls_silent(
    slurm, run, profile, tmp_path, appears
):
    """Both take a minute. A node that lost its network appears as a silent worker."""
    short = profile.with_options(walltime="00:01:00")
    begun = tmp_path / "begun"
    with run(short, "short") as one, run(profile, "silent") as other:
        long = one.start(jobs.sleep, 200, name="line")
        line = other.start(jobs.sleep, 200, begun, name="line")
        appears(begun)
        os.kill(int(begun.read_text()), signal.SIGSTOP)
        before = time.monotonic()
        error, after = _lost(line)
        assert after - before < 60
        assert "was silent" in str(error)
        assert not slurm.alive(name="silent")
        # It must not continue to write when its node has its network again.
        with suppress(ProcessLookupError):  # Slurm may have killed it already
            os.kill(int(begun.read_text()), signal.SIGCONT)
        slurm.wait_for("the worker ends", lambda: not is_running(int(begun.read_text())), 20)
        error, _ = _lost(long)
    assert error.state == "TIMEOUT"
    assert "needs a longer `walltime`" in str(error)


def test_a_node_that_cannot_reach_the_flow_has_its_own_error(slurm, run, profile):
    unreachable = profile.with_options(
        death_timeout=5, scheduler_options={"contact_address": "tls://127.0.0.1:9"}
    )
    with run(unreachable) as lines:
        error, _ = _lost(lines.start(jobs.sleep, 0, name="line"))
    assert "its worker never reached the flow at tls://127.0.0.1:9" in str(error)
    assert "`interface`" in str(error)


def test_an_environment_without_the_library_is_told(slurm, run, profile, tmp_path):
    (tmp_path / "shift_stac").mkdir()  # hides the installed one
    (tmp_path / "shift_stac" / "__init__.py").touch()
    without = profile.with_options(
        job_script_prologue=[f"export PYTHONPATH={tmp_path}"], death_timeout=5
    )
    with (
        run(without) as lines,
        pytest.raises(ProfileError, match=r"No module named 'shift_stac.cluster'.*`python`"),
    ):
        lines.start(jobs.sleep, 0, name="line").result()
    assert not slurm.alive()


def test_a_worker_that_is_terminated_ends_at_once(slurm, run, profile, tmp_path, appears):
    """This must hold also if its event loop is blocked, because a store must not have two writers."""
    begun = tmp_path / "begun"
    with run(profile) as lines:
        line = lines.start(jobs.sleep, 100, begun, name="line")
        appears(begun)
        process = int(begun.read_text())
        os.kill(process, signal.SIGTERM)
        slurm.wait_for("the worker ends", lambda: not is_running(process), 5)
        error, _ = _lost(line)
    assert "ends before its function" in error.log_tail
