"""Dask-jobqueue's classes, imported without its side effect.

Importing dask-jobqueue replaces the process's handler of SIGINT by one that exits with status 0:
Ctrl-C would look like success, and cleanup would be skipped. Outside the main thread, where a flow
may run, the attempt is an error.
"""

from unittest.mock import patch

with patch("signal.signal"):
    from dask_jobqueue.core import JobQueueCluster
    from dask_jobqueue.slurm import SLURMCluster

__all__ = ["JobQueueCluster", "SLURMCluster"]
