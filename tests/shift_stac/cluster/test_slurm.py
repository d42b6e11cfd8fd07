import asyncio
import os
from pathlib import Path

import pytest

from shift_stac.cluster import ClusterUnavailableError, JobRefusedError
from shift_stac.cluster.joblog import read_tail
from shift_stac.cluster.slurm import FORGOTTEN, JobState, list_states, parse_facts, refusal

# As Slurm 22.05 prints it, shortened.
SHOWN = (
    "JobId=42 JobName=shift-line-run UserId=me(0) GroupId=me(0) MCS_label=N/A Priority=1 "
    "JobState=TIMEOUT Reason=TimeLimit Dependency=(null) Requeue=0 ExitCode=0:15 "
    "RunTime=00:01:20 TimeLimit=00:01:00 TimeMin=N/A SubmitTime=2026-03-10T12:00:00 "
    "EligibleTime=2026-03-10T12:00:00 StartTime=2026-03-10T12:30:00 EndTime=2026-03-10T12:31:20 "
    "ReqB:S:C:T=0:0:*:* NodeList=d2 BatchHost=d2 "
    "TRES=cpu=1,mem=100M,node=1,billing=1 Socks/Node=* Command=(null) WorkDir=/a b/c "
    "StdErr=/a b/logs/%x-%J.err StdIn=/dev/null StdOut=/a b/logs/%x-%J.out Power= "
)


def test_facts_of_a_job():
    facts = parse_facts(SHOWN)
    assert (facts.state, facts.reason, facts.node) == ("TIMEOUT", "TimeLimit", "d2")
    assert (facts.exit_code, facts.run_time, facts.time_limit) == ("0:15", "00:01:20", "00:01:00")
    assert facts.log_path == Path("/a b/logs/shift-line-run-42.err")
    assert (facts.queue_seconds, facts.run_seconds) == (1800, 80)


def test_facts_of_a_job_that_has_not_begun():
    facts = parse_facts(
        "JobId=1 JobName=x JobState=PENDING Reason=None NodeList=(null) StdErr= "
        "SubmitTime=2026-03-10T12:00:00 StartTime=Unknown EndTime=Unknown"
    )
    assert (facts.state, facts.reason, facts.node, facts.log_path) == ("PENDING", "", "", None)
    assert facts.queue_seconds is facts.run_seconds is None
    assert parse_facts("").state == FORGOTTEN


@pytest.mark.parametrize(
    ("word", "waiting", "running", "over"),
    [
        ("PENDING", True, False, False),
        ("CONFIGURING", True, False, False),
        ("RUNNING", False, True, False),
        ("SUSPENDED", False, True, False),
        ("COMPLETING", False, False, False),
        ("COMPLETED", False, False, True),
        ("CANCELLED", False, False, True),
        ("NODE_FAIL", False, False, True),
        ("OUT_OF_MEMORY", False, False, True),
        (FORGOTTEN, False, False, True),
    ],
)
def test_states(word, waiting, running, over):
    state = JobState(word)
    assert (state.is_waiting, state.is_running, state.is_over) == (waiting, running, over)


def test_messages_of_sbatch_distinguish_faults_of_job_and_controller():
    words = "sbatch: error: Batch job submission failed: Invalid account or account/partition"
    error = refusal(words, "a job")
    assert isinstance(error, JobRefusedError)
    assert "Invalid account or account/partition" in str(error)
    for words in (
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "sbatch: error: Unable to contact slurm controller (connect failure)",
    ):
        assert isinstance(refusal(words, "a job"), ClusterUnavailableError)


def test_a_line_that_is_not_understood_is_reported_once(tmp_path, monkeypatch, caplog):
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho slurm_load_jobs: $$ is odd\necho '7|RUNNING|d1|None'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    for _ in range(3):
        assert asyncio.run(list_states(["7", "8"])) == {"7": JobState("RUNNING", "d1", "None")}
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "is odd" in caplog.text


def test_the_end_of_a_log(tmp_path):
    log = tmp_path / "log"
    assert "No such file" in read_tail(log)
    log.write_bytes(b"")
    assert read_tail(log) == "(it is empty)"
    log.write_bytes(b"".join(b"line %d\n\n" % n for n in range(100_000)) + b"\xff last")
    tail = read_tail(log).splitlines()[-3:]
    assert tail == ["line 99998", "line 99999", "\ufffd last"]
