"""Which failures of a task are worth another try, and when."""

import errno
from collections.abc import Iterator
from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from shift_stac.cluster import ClusterUnavailableError, JobLostError
from shift_stac.errors import (
    InvalidStoreError,
    StorageError,
    StoreError,
    TokenServiceError,
    TransferError,
)

_PASSING = (
    ClusterUnavailableError,
    JobLostError,
    OSError,
    StorageError,
    StoreError,
    TokenServiceError,
    TransferError,
)
# A disk that is full or cannot be written stays so for hours; a conversion takes minutes.
_STAYS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def is_passing(error: object) -> bool:
    """Whether an error may be gone at the next try: of a network, a disk, a server or a job.

    Bad input stays bad, a full disk full, and a job that the cluster refuses is refused again.
    """
    if not isinstance(error, _PASSING) or isinstance(error, InvalidStoreError):
        return False
    return not any(
        isinstance(cause, OSError) and cause.errno in _STAYS for cause in _with_causes(error)
    )


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:  # noqa: ARG001
    return is_passing(state.result(raise_on_failure=False))


# For the stages of a line. Their values are paths and small models, made anew by each run.
STAGE: dict[str, Any] = {
    "cache_policy": NO_CACHE,
    "persist_result": False,
    "retries": 2,
    "retry_delay_seconds": exponential_backoff(backoff_factor=5),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": _worth_retrying,
}
