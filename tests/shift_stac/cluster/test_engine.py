"""Engines without Slurm: the process of the flow, and Dask's cluster of local processes."""

import logging
import os
import socket
import threading
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from shift_stac.cluster import (
    ClusterProfile,
    ClusterUnavailableError,
    JobLostError,
    QueueTimeoutError,
    open_engine,
)
from shift_stac.errors import RunCancelledError
from support import jobs

pytestmark = pytest.mark.server

LOG = logging.getLogger("line")
LOCAL = ClusterProfile(max_jobs=2)
PROCESSES = ClusterProfile.model_validate(
    {
        "class": "distributed.LocalCluster",
        "max_jobs": 2,
        "poll_seconds": 1,
        "options": {"processes": True, "threads_per_worker": 1},
    }
)


THREADS = PROCESSES.with_options(processes=False)


@pytest.fixture(params=[LOCAL, THREADS, PROCESSES], ids=["local", "threads", "processes"])
def engine(request, tmp_path):
    with open_engine(request.param, run_name="run", work_dir=tmp_path) as engine:
        yield engine


@pytest.fixture
def processes(tmp_path):
    with open_engine(PROCESSES, run_name="run", work_dir=tmp_path) as engine:
        yield engine


def test_results_and_errors_come_back(engine):
    assert engine.run(jobs.sleep, 0, name="line", log=LOG) == "no job"
    with pytest.raises(jobs.BadInputError, match="no such band"):
        engine.run(jobs.fail, "no such band", name="line", log=LOG)


def test_a_used_port_is_not_requested(tmp_path):
    with socket.socket() as other:
        # Dask's port for dashboards. If it is not free, another program has it already.
        with suppress(OSError):
            other.bind(("", 8787))
            other.listen()
        with open_engine(PROCESSES, run_name="run", work_dir=tmp_path) as engine:
            assert engine.run(jobs.sleep, 0, name="line", log=LOG) == "no job"


def test_no_more_run_at_once_than_the_profile_allows(engine, tmp_path):
    marks = [tmp_path / f"mark{n}" for n in range(3)]
    with ThreadPoolExecutor(3) as pool:
        lines = [pool.submit(engine.run, jobs.sleep, 2.5, m, name="line", log=LOG) for m in marks]
        deadline = time.monotonic() + 30
        while sum(mark.exists() for mark in marks) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(0.5)
        assert sum(mark.exists() for mark in marks) == 2
        assert [line.result() for line in lines] == ["no job"] * 3
    assert all(mark.exists() for mark in marks)


def test_log_and_progress_of_the_function_arrive(engine, caplog):
    caplog.set_level(logging.INFO)
    progress = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        engine.run(jobs.talk, name="line", log=LOG, progress=lambda *f: progress.append(f))
    assert progress == [(1, 2), (2, 2)]
    heard = [r.getMessage() for r in caplog.records if "half of 10" in r.getMessage()]
    assert len(heard) == 1


def test_a_closed_engine_begins_nothing(engine):
    engine.close()
    engine.close()
    with pytest.raises(RunCancelledError):
        engine.run(jobs.sleep, 0, name="line", log=LOG)


def test_closing_wakes_waiting_calls(engine, tmp_path):
    mark = tmp_path / "mark"
    with ThreadPoolExecutor(3) as pool:
        busy = [pool.submit(engine.run, jobs.sleep, 1.5, mark, name="x", log=LOG) for _ in range(2)]
        while not mark.exists():
            time.sleep(0.05)
        waiting = pool.submit(engine.run, jobs.sleep, 0, tmp_path / "late", name="late", log=LOG)
        threading.Timer(0.2, engine.close).start()
        with pytest.raises(RunCancelledError):
            waiting.result(timeout=30)
        del busy
    assert not (tmp_path / "late").exists()


def test_a_local_function_runs_in_the_thread_that_asks(tmp_path):
    with open_engine(LOCAL, run_name="run", work_dir=tmp_path) as engine:
        assert engine.run(threading.get_ident, name="line", log=LOG) == threading.get_ident()


def test_each_function_has_a_process_of_its_own(processes):
    first, second = (processes.run(jobs.process, name="line", log=LOG) for _ in range(2))
    assert len({first, second, os.getpid()}) == 3


def test_a_process_that_dies_is_lost(processes):
    with pytest.raises(JobLostError, match="line ended before"):
        processes.run(jobs.leave, 1, name="line", log=LOG)
    assert processes.run(jobs.sleep, 0, name="line", log=LOG) == "no job"


@pytest.fixture
def other_batch_system(tmp_path, monkeypatch):
    """A profile of PBS, which this machine does not have. The test defines ``qsub``."""

    def write(qsub: str) -> ClusterProfile:
        for name, script in (("qsub", qsub), ("qdel", f"echo $1 >>{tmp_path}/deleted")):
            program = tmp_path / name
            program.write_text(f"#!/bin/sh\n{script}\n")
            program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        return ClusterProfile.model_validate(
            {
                "class": "dask_jobqueue.PBSCluster",
                "options": {"memory": "1 GiB", "interface": "lo"},
                "queue_timeout_minutes": 0.01,
                "poll_seconds": 0.2,
            }
        )

    return write


def test_the_wait_for_a_job_of_any_batch_system_is_limited(other_batch_system, tmp_path):
    profile = other_batch_system("echo 77.server")
    with (
        open_engine(profile, run_name="run", work_dir=tmp_path) as engine,
        pytest.raises(QueueTimeoutError, match="no job for line was started"),
    ):
        engine.run(jobs.sleep, 0, name="line", log=LOG)
    assert (tmp_path / "deleted").read_text() == "77\n"


def test_the_message_of_any_batch_system_is_reported(other_batch_system, tmp_path):
    profile = other_batch_system("echo no such project >&2; exit 1")
    with (
        open_engine(profile, run_name="run", work_dir=tmp_path) as engine,
        pytest.raises(ClusterUnavailableError, match="line could be started: no such project"),
    ):
        engine.run(jobs.sleep, 0, name="line", log=LOG)
    assert not (tmp_path / "deleted").exists()
