"""What can go wrong between a function and the job that it should run in."""

from pathlib import Path

from shift_stac.errors import ShiftError


class ClusterError(ShiftError):
    """A cluster that did not do its part; the function itself did not fail."""

    is_of_the_place = True


class ProfileError(ClusterError, ValueError):
    """A cluster profile that cannot be read, or asks for something that does not exist."""


class JobRefusedError(ClusterError):
    """A job that the cluster does not take; it will not take it at the next try either."""


class ClusterUnavailableError(ClusterError):
    """A cluster that does not answer. Trying again may help."""


class QueueTimeoutError(ClusterError):
    """A job that was not started within the time that its profile allows."""


class JobLostError(ClusterError):
    """A job that ended before its function did, for whose needs it may be too small. Trying again may help.

    Parameters
    ----------
    message
        The whole story, in words.
    job_id
        The job's id; None if the cluster has no jobs, or none was known.
    node
        Where it ran; None if it never did.
    state
        How it ended, in the cluster's own word, for example ``TIMEOUT``.
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
