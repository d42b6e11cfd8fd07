"""One function, one Slurm job: from the queue to the result."""

import logging
import re
import socket
import ssl
import stat
from datetime import datetime
from pathlib import Path

import pytest
from distributed import Client
from distributed.security import Security

from shift_stac.cluster import JobRefusedError, QueueTimeoutError, open_engine
from shift_stac.simulate import simulate_campaign
from support import jobs
from support.sources import sources_in


def test_six_lines_run_in_six_jobs_on_two_nodes(slurm, run, profile, tmp_path, appears):
    begun = {n: tmp_path / f"begun{n}" for n in range(6)}
    with run(profile) as lines:
        waiting = [lines.start(jobs.sleep, 2, begun[n], name=f"line{n}") for n in range(6)]
        for n in range(3):
            appears(begun[n])
        assert len(slurm.alive()) == 3  # the profile's max_jobs: the other lines hold no allocation
        ids = [line.result() for line in waiting]
    assert len(set(ids)) == 6
    assert {slurm.jobs()[job] for job in ids} == {"COMPLETED"}
    facts = [slurm.facts(job) for job in ids]
    assert {f["NodeList"] for f in facts} == {"d1", "d2"}
    for n, fact in enumerate(facts):
        assert re.fullmatch(rf"shift-line{n}-run-[0-9a-f]{{6}}", fact["JobName"])
        assert fact["Account"] == "s3673"
        assert fact["Requeue"] == "0"  # Slurm does not start the job of a failed node again
    assert not slurm.alive()


def test_the_line_gets_its_job_and_the_log_of_the_function(slurm, run, profile, tmp_path, caplog):
    progress, shown = [], []
    with run(profile) as lines:
        lines.engine.run(
            jobs.talk,
            name="line",
            log=logging.getLogger("line"),
            progress=lambda *figures: progress.append(figures),
            told=shown.append,
        )
    (job,) = slurm.jobs(name="shift-line-run")
    begun, ended = shown
    assert (begun.number, begun.node, begun.run_seconds) == (job, "", None)
    assert (ended.number, ended.node) == (job, slurm.facts(job)["NodeList"])
    submitted, started, over = (
        datetime.fromisoformat(slurm.facts(job)[f"{what}Time"])
        for what in ("Submit", "Start", "End")
    )
    assert ended.queue_seconds == (started - submitted).total_seconds()
    assert ended.run_seconds == (over - started).total_seconds()
    assert ended.script == begun.script
    told = [record.getMessage() for record in caplog.records if record.name == "line"]
    log = tmp_path / "joblogs" / f"{slurm.facts(job)['JobName']}-{job}.err"
    assert log.is_file()
    assert any(f"Slurm job {job}" in text and str(log) in text for text in told)
    assert f"line: Slurm job {job} runs on {slurm.facts(job)['NodeList']}" in told
    assert "shift_stac.somewhere: half of 10" in told
    assert any("take care" in text for text in told)
    assert not any("too quiet" in text for text in told)
    assert progress == [(1, 2), (2, 2)]


def test_a_node_needs_no_prefect_no_portal_and_no_bucket(slurm, run, profile, tmp_path):
    """It needs only the network to the flow's scheduler, and the folder."""
    (line,) = simulate_campaign(tmp_path / "portal", samples=20, scan_lines=20)["20220224"]
    sources = sources_in(tmp_path / "portal", line, "v1")
    nowhere = "http://127.0.0.1:9"
    alone = profile.with_options(
        job_script_prologue=[
            *profile.options["job_script_prologue"],
            f"export PREFECT_API_URL={nowhere}/api PREFECT_SERVER_EPHEMERAL_ENABLED=false",
            f"export http_proxy={nowhere} https_proxy={nowhere} AWS_ENDPOINT_URL={nowhere}",
        ]
    )
    with run(alone) as lines:
        loaded = lines.start(jobs.convert, sources, tmp_path / "line.zarr", name="line").result()
    assert (tmp_path / "line.zarr" / "zarr.json").is_file()
    assert loaded & {"prefect", "prefect_dask", "httpx", "s3fs", "botocore", "pystac"} == set()


def test_an_error_of_the_function_comes_back_as_it_is(slurm, run, profile):
    with run(profile) as lines:
        with pytest.raises(jobs.BadInputError, match="no such band"):
            lines.engine.run(jobs.fail, "no such band", name="line", log=logging.getLogger("x"))
        assert not slurm.alive()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"queue": "nosuch"}, "invalid partition specified: nosuch"),
        ({"job_extra_directives": ["--constraint=nosuch"]}, "Invalid feature specification"),
        ({"memory": "9000 GiB"}, "Requested node configuration is not available"),
        ({"job_cpu": 64}, "Requested node configuration is not available"),
        ({"walltime": "soon"}, "Invalid --time specification"),
    ],
)
def test_a_job_that_slurm_would_refuse_is_found_before_any_work(
    slurm, run, profile, options, words
):
    known = slurm.jobs()
    with pytest.raises(JobRefusedError, match=words), run(profile.with_options(**options)):
        pytest.fail("the run began")
    assert slurm.jobs() == known


def test_a_job_that_is_refused_fails_only_its_line(slurm, run, profile):
    refused = profile.with_options(queue="nosuch").model_copy(update={"preflight": False})
    with run(profile) as good, run(refused) as bad:
        line = good.start(jobs.sleep, 1, name="good")
        with pytest.raises(JobRefusedError, match=r"job of bad.*invalid partition.*nosuch"):
            bad.start(jobs.sleep, 0, name="bad").result()
        assert line.result()
    assert not slurm.jobs(name="bad")


def test_a_queue_that_does_not_move_is_reported_and_bounded(slurm, run, profile, caplog):
    stuck = profile.with_options(queue="short").model_copy(update={"queue_timeout_minutes": 0.1})
    with run(stuck) as lines, pytest.raises(QueueTimeoutError, match="PartitionTimeLimit"):
        lines.start(jobs.sleep, 0, name="line").result()
    assert not slurm.alive()
    reports = [r.getMessage() for r in caplog.records if "has been waiting" in r.getMessage()]
    assert reports
    assert "PartitionTimeLimit" in reports[0]


def test_jobs_of_two_runs_do_not_disturb_each_other(slurm, run, profile, tmp_path, appears):
    begun = tmp_path / "begun"
    with run(profile, "same") as first:
        long = first.start(jobs.sleep, 12, begun, name="line")
        appears(begun)
        with run(profile, "same") as second:
            assert second.start(jobs.sleep, 0, name="line").result() != ""
        assert len(slurm.alive()) == 1
        assert long.result() in slurm.jobs()
    assert len(slurm.jobs(name="shift-line-same-")) == 2


def test_only_the_run_itself_reaches_its_scheduler(slurm, run, profile, tmp_path, appears):
    begun, shown = tmp_path / "begun", []
    with run(profile) as lines:
        log = logging.getLogger("line")
        line = lines.pool.submit(
            lines.engine.run, jobs.sleep, 4, begun, name="line", log=log, told=shown.append
        )
        appears(begun)
        (address,) = re.findall(r"tls://\S+", shown[0].script)
        command = Path(f"/proc/{begun.read_text()}/cmdline").read_text().split("\0")
        keys = [Path(command[command.index(f"--tls-{name}") + 1]) for name in ("key", "cert")]
        assert address in command
        assert {stat.S_IMODE(key.stat().st_mode) for key in keys} == {0o600}
        assert stat.S_IMODE(keys[0].parent.stat().st_mode) == 0o700
        tcp = address.replace("tls:", "tcp:")
        for where, security, words in (
            (tcp, None, "Timed out|closed"),
            (address, Security.temporary(), "certificate does not match"),
        ):
            with pytest.raises(OSError, match=words):
                Client(where, security=security, timeout=2)
        # Also a client that does not check the scheduler's certificate.
        host, port = address.removeprefix("tls://").split(":")
        careless = ssl.create_default_context()
        careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection((host, int(port)), timeout=10) as plain,
            careless.wrap_socket(plain) as stranger,
            pytest.raises(ssl.SSLError, match="certificate required"),
        ):
            stranger.recv(1)
        assert line.result() in slurm.jobs()
    assert not list(tmp_path.rglob("*.pem"))


def test_a_job_has_no_secret_and_a_folder_may_have_a_space(slurm, profile, tmp_path, monkeypatch):
    """The secrets are in the environment of the flow, and sbatch would pass it to the job."""
    planted = {
        "SHIFT_AUTH": "keeper:planted-auth",
        "PREFECT_API_AUTH_STRING": "keeper:planted-auth",
        "AWS_SECRET_ACCESS_KEY": "planted-aws",
        "SITE_DATABASE": "postgresql://shift:planted-database@host/name",
    }
    for name, value in planted.items():
        monkeypatch.setenv(name, value)
    folder, shown = tmp_path / "a folder", []
    with open_engine(profile, run_name="run", work_dir=folder) as engine:
        log = logging.getLogger("line")
        environment = engine.run(jobs.environment, name="line", log=log, told=shown.append)
    assert "PATH" in environment
    assert "planted" not in str(environment)
    job = shown[-1]
    assert {path.suffix for path in (folder / "joblogs").iterdir()} == {".err", ".out"}
    assert job.log_path == folder / "joblogs" / f"{job.name}-{job.number}.err"
    assert job.log_path.is_file()
