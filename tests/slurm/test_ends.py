"""Runs that end early leave no job behind."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from shift_stac.cluster import open_engine
from shift_stac.errors import RunCancelledError
from support import jobs

TESTS = Path(__file__).resolve().parents[1]


def test_closing_cancels_jobs_that_run_or_wait_or_have_not_begun(
    slurm, run, profile, tmp_path, appears
):
    """Two jobs run, one is in Slurm's queue, and one line waits for a job of the run."""
    two_at_once = profile.with_options(job_cpu=2)
    begun = [tmp_path / "begun0", tmp_path / "begun1"]
    with run(two_at_once) as lines:
        waiting = [lines.start(jobs.sleep, 100, begun[n], name=f"line{n}") for n in range(2)]
        for path in begun:
            appears(path)
        waiting += [lines.start(jobs.sleep, 100, name=f"line{n}") for n in range(2, 4)]
        slurm.wait_for("one is queued", lambda: "PENDING" in slurm.alive().values())
        before = time.monotonic()
        closer = threading.Thread(target=lines.engine.close)
        closer.start()
        for line in waiting:
            with pytest.raises(RunCancelledError):
                line.result()
        closer.join()
        assert time.monotonic() - before < 20
        assert not slurm.alive()
        with pytest.raises(RunCancelledError):
            lines.start(jobs.sleep, 0, name="late").result()
    assert len(slurm.jobs(name=f"-{lines.engine._run}")) == 3


def test_a_submission_under_way_is_cancelled_too(slurm, run, profile, tmp_path, monkeypatch):
    """The run ends after Slurm took the job, and before its id is known."""
    slow = tmp_path / "bin" / "sbatch"
    slow.parent.mkdir()
    slow.write_text(f'#!/bin/sh\n{shutil.which("sbatch")} "$@"\ntouch {tmp_path}/taken\nsleep 3\n')
    slow.chmod(0o755)
    with run(profile.model_copy(update={"preflight": False})) as lines:
        monkeypatch.setenv("PATH", f"{slow.parent}:{os.environ['PATH']}")
        line = lines.start(jobs.sleep, 100, name="line")
        slurm.wait_for("the job is taken", (tmp_path / "taken").is_file)
        assert slurm.alive()
        lines.engine.close()
        assert not slurm.alive()
        with pytest.raises(RunCancelledError):
            line.result()


@pytest.fixture
def process(slurm, profile, tmp_path):
    """A run in its own process: three lines, two of them in jobs."""
    (tmp_path / "profile.json").write_text(
        profile.model_copy(update={"max_jobs": 2}).model_dump_json(by_alias=True)
    )
    with (tmp_path / "run.out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, str(TESTS / "slurm" / "run_lines.py"), str(tmp_path), "3"],
            env=os.environ | {"PYTHONPATH": str(TESTS)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        slurm.wait_for("two run", lambda: len(list(tmp_path.glob("written*"))) == 2)
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_leave_no_job(slurm, process, tmp_path, number):
    process.send_signal(number)
    process.wait(timeout=30)
    assert not slurm.alive()
    assert "KeyboardInterrupt" in (tmp_path / "run.out").read_text()


def test_after_sigkill_jobs_end_by_themselves(slurm, process, tmp_path):
    process.kill()
    process.wait()
    slurm.wait_for("no job is left", lambda: not slurm.alive(), seconds=30)
    sizes = {path: path.stat().st_size for path in tmp_path.glob("written*")}
    time.sleep(1)
    assert sizes == {path: path.stat().st_size for path in tmp_path.glob("written*")}


def test_a_job_that_starts_after_its_run_was_killed_ends_by_itself(
    slurm, process, profile, tmp_path
):
    """It was in the queue. It starts, does not find its run, and ends."""
    slurm.command("scontrol", "update", "nodename=d1,d2", "state=drain", "reason=test")
    try:
        running = set(slurm.alive())
        slurm.command("scancel", *running)
        slurm.wait_for("another waits", lambda: set(slurm.alive()) - running != set())
        process.kill()
        process.wait()
        slurm.wait_for("one waits", lambda: set(slurm.alive().values()) == {"PENDING"})
    finally:
        slurm.set_nodes("resume", "d1", "d2")
    slurm.wait_for("it runs", lambda: "RUNNING" in slurm.alive().values())
    limit = profile.options["death_timeout"] + 15
    slurm.wait_for("it has ended", lambda: not slurm.alive(), seconds=limit)


def test_an_engine_may_be_closed_twice_and_unused(slurm, profile, tmp_path):
    engine = open_engine(profile, run_name="idle", work_dir=tmp_path)
    engine.close()
    with open_engine(profile, run_name="idle", work_dir=tmp_path) as engine:
        pass
    engine.close()
    assert not slurm.jobs(name="idle")
