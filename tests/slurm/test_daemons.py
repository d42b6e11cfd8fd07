"""A daemon of Slurm dies: its lines succeed or are tried again, and nothing is left."""

import random
import time

import pytest

from shift_stac.cluster import ClusterError
from support import jobs
from support.slurm import NODES
from support.trials import SEED, TRIES

pytestmark = pytest.mark.slow
AWAY_S = 5


@pytest.mark.parametrize("attempt", range(TRIES))
@pytest.mark.parametrize("daemons", [("slurmctld",), NODES], ids=["slurmctld", "slurmd"])
def test_a_daemon_that_dies_at_a_random_moment(slurm, run, profile, daemons, attempt):
    moment = random.Random(f"{SEED} {daemons} {attempt}").uniform(0, 8)
    with run(profile) as lines:
        line = lines.start(jobs.sleep, 4, name="line")
        time.sleep(moment)
        for daemon in daemons:
            slurm.kill(daemon)
        time.sleep(AWAY_S)
        for daemon in daemons:
            slurm.start(daemon)
        try:
            done = line.result(120)
        except ClusterError:
            # As the task of a line does it.
            done = lines.start(jobs.sleep, 0, name="again").result(120)
        assert done in slurm.jobs(), f"after {moment:.2f} s"
    slurm.wait_for("no job is left", lambda: not slurm.alive(), 60)
