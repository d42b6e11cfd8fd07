"""A profile's class as a cluster of workers that share pieces of work."""

import os
import socket
import subprocess
import sys
from contextlib import suppress
from functools import partial

import dask
import pytest
from dask.utils import parse_timedelta
from distributed import LocalCluster

from shift_stac.cluster import ClusterProfile, load_profile
from shift_stac.cluster.errors import ProfileError
from shift_stac.cluster.jobqueue import SLURMCluster
from shift_stac.cluster.opening import check_profile
from shift_stac.cluster.secured import secured_options
from shift_stac.cluster.shared_workers import shared_profile, shared_workers, worker_memory
from support.slurm import PROFILE


@pytest.fixture
def slurm_profile() -> ClusterProfile:
    return load_profile(PROFILE, PROFILE.parent)


@pytest.mark.server
def test_without_a_class_each_core_of_this_machine_has_a_process(tmp_path):
    profile = shared_profile(ClusterProfile())
    check_profile(profile)
    assert profile.max_jobs == os.cpu_count()
    memory = worker_memory(profile)
    assert memory is not None
    assert memory * profile.max_jobs <= os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with shared_workers(
        profile, run_name="run", work_dir=tmp_path, piece="piece", pieces=1
    ) as workers:
        assert workers.cluster_class is LocalCluster
        assert workers.options["security"] is True
        assert workers.options["n_workers"] == 1
        assert workers.adapt == {}
        # Dask's port for dashboards; if it is not free, another program has it already.
        with socket.socket() as other:
            with suppress(OSError):
                other.bind(("", 8787))
                other.listen()
            with LocalCluster(**workers.options | {"n_workers": 0}):
                pass


def test_memory_in_which_no_worker_starts_is_refused(slurm_profile):
    options = {**slurm_profile.options, "memory": "300 MB"}
    with pytest.raises(ProfileError, match=r"options\.memory is 300 MB.* 1 GB"):
        worker_memory(slurm_profile.model_copy(update={"options": options}))


def test_a_profile_s_jobs_share_the_keys_and_none_takes_them_away(slurm_profile, tmp_path):
    assert shared_profile(slurm_profile) == slurm_profile
    assert worker_memory(slurm_profile) == 1 << 30
    with shared_workers(
        slurm_profile, run_name="run", work_dir=tmp_path, piece="piece", pieces=99
    ) as workers:
        assert workers.cluster_class is SLURMCluster
        assert workers.options["job_name"] == "shift-piece-run"
        assert workers.adapt == {"minimum": 0, "maximum": slurm_profile.max_jobs}
        assert not any("trap" in row for row in workers.options["job_script_prologue"])
        # In a cluster of one job, the job removes the keys itself if the flow is gone.
        with secured_options(slurm_profile, "alone", tmp_path) as alone:
            assert any("trap" in row for row in alone["job_script_prologue"])


def test_settings_hold_as_long_as_the_cluster_and_a_queue_is_not_waited_for_for_ever(
    slurm_profile, tmp_path
):
    name = "distributed.scheduler.no-workers-timeout"
    before = dask.config.get(name, None)
    profile = slurm_profile.model_copy(
        update={
            "dask": {"distributed": {"scheduler": {"allowed-failures": 1}}},
            "replacement_seconds": 40,
        }
    )
    with shared_workers(profile, run_name="run", work_dir=tmp_path, piece="piece", pieces=9):
        seconds = 60 * profile.queue_timeout_minutes
        assert parse_timedelta(dask.config.get(name)) == seconds
        assert dask.config.get("distributed.scheduler.allowed-failures") == 1
        lost = dask.config.get("distributed.deploy.lost-worker-timeout")
        assert parse_timedelta(lost) == profile.replacement_seconds == 40
        assert "piece" in dask.config.get("distributed.scheduler.default-task-durations")
    assert dask.config.get(name, None) == before


# A flow with a scheduler, and a long piece of work.
FLOW = """
import sys, time
from pathlib import Path
from distributed import Client, LocalCluster
from distributed.security import Security
from shift_stac.cluster.node import Leaver

folder, keys = Path(sys.argv[1]), Security.temporary()
for name, text in keys.get_tls_config_for_role("worker").items():
    if text:
        (folder / name).write_text(text)
with LocalCluster(n_workers=0, security=keys, dashboard_address=None) as cluster:
    client = Client(cluster)
    client.register_plugin(Leaver())
    print(cluster.scheduler_address, flush=True)
    piece = client.submit(time.sleep, 1000)
    while not any(client.processing().values()):
        time.sleep(0.1)
    print("at work", flush=True)
    time.sleep(1000)
"""


@pytest.mark.server
def test_a_worker_in_mid_work_ends_when_its_flow_is_killed(tmp_path):
    start = partial(subprocess.Popen, stdin=subprocess.DEVNULL, text=True)
    flow = start([sys.executable, "-c", FLOW, tmp_path], stdout=subprocess.PIPE)
    worker = None
    try:
        keys = {"--tls-ca-file": "ca_file", "--tls-cert": "cert", "--tls-key": "key"}
        words = [str(word) for key, name in keys.items() for word in (key, tmp_path / name)]
        address = flow.stdout.readline().strip()
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny"]
        command += ["--no-dashboard", "--nthreads", "1", "--local-directory", str(tmp_path)]
        worker = start([*command, *words], stderr=subprocess.DEVNULL)
        assert flow.stdout.readline() == "at work\n"
        flow.kill()
        # Dask's own worker waits half a minute for its function.
        assert worker.wait(20) != 0
    finally:
        for process in filter(None, (flow, worker)):
            process.kill()
            process.communicate()
