"""Runs functions in cluster jobs: each function in its own job, with a report of how the job ended."""

from shift_stac.cluster.engine import Engine, JobInfo
from shift_stac.cluster.errors import (
    ClusterError,
    ClusterUnavailableError,
    JobLostError,
    JobRefusedError,
    ProfileError,
    QueueTimeoutError,
)
from shift_stac.cluster.opening import load_profile, open_engine
from shift_stac.cluster.profile import ClusterProfile

__all__ = [
    "ClusterError",
    "ClusterProfile",
    "ClusterUnavailableError",
    "Engine",
    "JobInfo",
    "JobLostError",
    "JobRefusedError",
    "ProfileError",
    "QueueTimeoutError",
    "load_profile",
    "open_engine",
]
