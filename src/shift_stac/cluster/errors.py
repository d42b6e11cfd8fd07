"""The errors of clusters and their jobs."""

from pathlib import Path

from shift_stac.errors import ShiftError


class ClusterError(ShiftError):
    """A fault of the cluster, not of the function."""

    is_of_the_place = True


class ProfileError(ClusterError, ValueError):
    """A cluster profile that cannot be read, or asks for something that does not exist."""


class JobRefusedError(ClusterError):
    """A job that the cluster refuses; another try does not help."""


class ClusterUnavailableError(ClusterError):
    """A cluster that does not answer. Another try may help."""


class QueueTimeoutError(ClusterError):
    """A job that did not start within the time that its profile allows."""


class JobLostError(ClusterError):
    """A job that ended before its function did, for whose needs it may be too small. Trying again may help.

    Parameters
    ----------
    message
        The full message.
    job_id
        The job's id; None if the cluster has no jobs, or none was known.
    node
        Its node; None if it never ran.
    state
        The cluster's state of the job, for example ``TIMEOUT``.
    log_path
        The job's log.
    log_tail
        The last lines of that log.
    """

    is_of_the_place = False

    def __init__(
        self,
        message: str,
        *,
        job_id: str | None = None,
        node: str | None = None,
        state: str | None = None,
        log_path: Path | None = None,
        log_tail: str = "",
    ) -> None:
        super().__init__(message)
        self.job_id = job_id
        self.node = node
        self.state = state
        self.log_path = log_path
        self.log_tail = log_tail
