"""A cluster whose workers share many pieces of work, each of which can safely be done twice.

Unlike an engine's jobs, which carry out one function each, jobs of workers come and go with the
work: the cluster adapts, and another worker repeats the piece of a lost one. Processes of this
machine have no queue: they are there from the beginning to the end.
"""

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dask
from dask.utils import parse_bytes
from distributed import LocalCluster, SpecCluster
from distributed.system import MEMORY_LIMIT

from shift_stac.cluster.engine import job_part
from shift_stac.cluster.errors import ProfileError
from shift_stac.cluster.options import find_class, flatten
from shift_stac.cluster.profile import ClusterProfile
from shift_stac.cluster.secured import secured_options

# Expected duration of a piece: without it, the scheduler sees no work to adapt to until the first
# piece is done.
_EXPECTED_PIECE = "30s"
# With less, each worker is killed before its first piece, and Dask starts another, again and again.
_PROGRAMS_BYTES = 450_000_000
# A process of a worker sets up its log when it imports Dask, before its nanny could tell it a level.
_QUIET_PROCESSES = {"DASK_LOGGING__DISTRIBUTED": "warning"}


@dataclass(frozen=True)
class SharedWorkers:
    """The values from which a cluster of a profile's class is made.

    Parameters
    ----------
    cluster_class
        The class.
    options
        Its keyword arguments; without ``asynchronous``.
    adapt
        Those of its method ``adapt``; empty for a cluster that keeps the workers it begins with.
    """

    cluster_class: type[SpecCluster]
    options: Mapping[str, Any]
    adapt: Mapping[str, Any]


def shared_profile(profile: ClusterProfile) -> ClusterProfile:
    """Return the profile of a cluster of workers; without a class, one process for each core here."""
    if not profile.is_local:
        return profile
    return profile.model_copy(
        update={
            "cluster_class": f"{LocalCluster.__module__}.{LocalCluster.__qualname__}",
            "max_jobs": os.cpu_count() or 1,
            "options": {
                "threads_per_worker": 1,
                "dashboard_address": None,
                # Without a dashboard the scheduler still has a web server, by default at a fixed port.
                "scheduler_kwargs": {"dashboard_address": ":0"},
            },
        }
    )


def worker_memory(profile: ClusterProfile) -> int | None:
    """Return the bytes that a worker of a cluster may use; None if the profile has no limit.

    Parameters
    ----------
    profile
        The profile from :func:`shared_profile`.

    Raises
    ------
    ProfileError
        The limit is less than a worker's programs need.
    """
    if issubclass(find_class(profile), LocalCluster):
        option = "memory_limit"
        told = profile.options.get(option, "auto")
        if told == "auto":
            return int(MEMORY_LIMIT) // profile.max_jobs
    else:
        option = "memory"
        told = profile.options.get(option)
    memory = None if told is None else int(parse_bytes(told)) or None
    if memory is not None and memory < _PROGRAMS_BYTES:
        msg = (
            f"cluster profile {profile.name}: options.{option} is {told}, and the programs of a "
            f"worker alone need {_PROGRAMS_BYTES // 10**6} MB: give it 1 GB or more"
        )
        raise ProfileError(msg)
    return memory


@contextmanager
def shared_workers(
    profile: ClusterProfile, *, run_name: str, work_dir: Path, piece: str, pieces: int
) -> Iterator[SharedWorkers]:
    """Prepare a profile for a cluster of workers; Dask's settings apply within the context.

    Parameters
    ----------
    profile
        The profile from :func:`shared_profile`: the class, its options, and the limit of jobs.
    run_name
        Part of the jobs' names.
    work_dir
        Folder of logs if the profile has none.
    piece
        Name of the function that does a piece of the work.
    pieces
        Number of pieces: there are never more workers.

    Raises
    ------
    ProfileError
        The profile contradicts its class.
    ClusterUnavailableError
        The keys of the cluster cannot be written.
    """
    name = profile.job_name.format(line=job_part(piece), run=job_part(run_name))
    settings = {
        "distributed.scheduler.default-task-durations": {piece: _EXPECTED_PIECE},
        # A lost worker has only one piece, so that no other piece counts as failed.
        "distributed.scheduler.worker-saturation": 1.0,
        # Work fails if its job never leaves the queue, instead of waiting forever.
        "distributed.scheduler.no-workers-timeout": f"{profile.queue_timeout_minutes} minutes",
        # The cluster adapts every second, but counts a lost worker as there for this time.
        "distributed.deploy.lost-worker-timeout": f"{profile.replacement_seconds} seconds",
        "distributed.adaptive.interval": "1 seconds",
    } | {
        f"distributed.nanny.pre-spawn-environ.{name}": value
        for name, value in _QUIET_PROCESSES.items()
    }
    most = min(profile.max_jobs, pieces)
    with (
        secured_options(profile, name, work_dir, many_jobs=True) as options,
        dask.config.set(settings),
        dask.config.set(flatten(profile.dask)),
    ):
        # A scheduler logs more about normal events than a run needs.
        logging.getLogger("distributed").setLevel(logging.WARNING)
        options.pop("asynchronous", None)
        adapt = {"minimum": 0, "maximum": most}
        if issubclass(find_class(profile), LocalCluster):
            options |= {"name": None, "silence_logs": logging.WARNING, "n_workers": most}
            adapt = {}
        yield SharedWorkers(find_class(profile), options, adapt)
