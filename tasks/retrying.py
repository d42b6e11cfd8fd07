"""Which failures of a task are worth another try, and when."""

from typing import Any

from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task, exponential_backoff

from shift_stac.cluster import ClusterUnavailableError, JobLostError
from shift_stac.errors import InvalidStoreError, StorageError, StoreError, TransferError

_PASSING = (
    ClusterUnavailableError,
    JobLostError,
    OSError,
    StorageError,
    StoreError,
    TransferError,
)


def is_passing(error: object) -> bool:
    """Whether an error may be gone at the next try: of a network, a disk, a server or a job.

    Bad input stays bad, and a job that the cluster refuses is refused again.
    """
    return isinstance(error, _PASSING) and not isinstance(error, InvalidStoreError)


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
