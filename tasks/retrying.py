"""Shared by all tasks: which failures are tried again, when, and what the log records."""

import errno
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import task_run
from prefect.tasks import Task, exponential_backoff

from shift_stac.cluster import ClusterUnavailableError, JobLostError
from shift_stac.errors import (
    InvalidStoreError,
    StorageError,
    StoreError,
    TokenServiceError,
    TransferError,
)
from shift_stac.memory import settle_memory
from tasks.work_log import log_at_hand

_PASSING = (
    ClusterUnavailableError,
    JobLostError,
    OSError,
    StorageError,
    StoreError,
    TokenServiceError,
    TransferError,
)
# Not tried again: a full or read-only disk stays so for hours, and a conversion takes minutes.
_STAYS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}


def is_passing(error: object) -> bool:
    """Whether an error of a network, a disk, a server or a job may be gone at the next try.

    Bad input, a full disk, and a job that the cluster refuses fail again in the same way.
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


def stage[**P, R](
    name: str, *, task_run_name: str | None = None
) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Make a task of a function; it is retried if that may help, and recorded in the current work log.

    Results of these tasks are paths and small models that each run makes again: Prefect stores
    none.
    """

    def make(function: Callable[P, R]) -> Task[P, R]:
        @wraps(function)
        def noted(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                with log_at_hand().stage(name, is_retry=task_run.run_count > 1):
                    return function(*args, **kwargs)
            finally:
                settle_memory()

        made = task(
            name=name,
            task_run_name=task_run_name,
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=2,
            retry_delay_seconds=exponential_backoff(backoff_factor=5),
            retry_jitter_factor=0.5,
            retry_condition_fn=_worth_retrying,
        )
        return made(noted)

    return make
