"""The blocks of a cube on the workers of a cluster, which prefect-dask starts from the flow.

Blocks are plain functions on Dask: a worker imports no Prefect and needs no API of it.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from distributed import KilledWorker, as_completed
from prefect.context import FlowRunContext
from prefect_dask.task_runners import DaskTaskRunner
from prefect_dask.utils import get_dask_client

from shift_stac.cluster.node import Leaver
from shift_stac.cluster.shared_workers import SharedWorkers
from shift_stac.cubes.blocks import sealed, write_block
from shift_stac.cubes.work_folder import BlockNote, WorkFolder
from shift_stac.errors import StoreError

if TYPE_CHECKING:
    from distributed import Client

    from shift_stac.cubes.recipe import CubeRecipe

# A block is tried again if its line cannot be read for a moment. The loss of a block's worker does not count.
_RETRIES = 2


def _runner(workers: SharedWorkers) -> DaskTaskRunner:
    """Return the task runner of this flow run, set to start the cluster; it ends with the run.

    The runner is made with the flow, before its options are known. It starts the cluster when its
    client is first asked for.
    """
    context = FlowRunContext.get()
    runner = None if context is None else context.task_runner
    if not isinstance(runner, DaskTaskRunner):
        msg = "the blocks of a cube are computed in a flow whose task runner is a DaskTaskRunner"
        raise TypeError(msg)
    runner.cluster_class = workers.cluster_class
    runner.cluster_kwargs = dict(workers.options)
    runner.adapt_kwargs = dict(workers.adapt)
    if runner.cluster_kwargs.get("dashboard_address", "") is None:
        # It would name the address of a dashboard that there is not.
        runner.logger.setLevel(logging.WARNING)
    return runner


def write_blocks(
    workers: SharedWorkers,
    work: WorkFolder,
    recipe: "CubeRecipe",
    numbers: Sequence[int],
    storage_options: Mapping[str, Any],
    told: Callable[[BlockNote], None],
) -> None:
    """Compute blocks, and report each as soon as it is written.

    Parameters
    ----------
    workers
        The cluster's class, its options, and how it adapts.
    work, recipe
        The cube.
    numbers
        The blocks that are missing.
    storage_options
        Options with which workers open the lines.
    told
        Called with each block that is written.

    Raises
    ------
    StoreError
        Blocks failed; the others are written.
    """
    runner = _runner(workers)
    # A client that connects by the scheduler's address needs the keys; the runner's own client has
    # them.
    with get_dask_client(security=runner.client.security) as client:
        # If the flow is killed, its jobs must end.
        client.register_plugin(Leaver())
        futures = _submit(client, work, recipe, numbers, storage_options)
        failures: dict[int, BaseException] = {}
        completed: Any = as_completed
        for future in completed(futures, loop=client.loop):
            error = future.exception() if future.status != "finished" else None
            if error is None:
                told(future.result())
            else:
                failures[futures[future]] = error
            # A finished block is already written: it is not computed again when its worker is lost.
            future.release()
    if failures:
        raise _failed(failures, len(numbers))


def _submit(
    client: "Client",
    work: WorkFolder,
    recipe: "CubeRecipe",
    numbers: Sequence[int],
    storage_options: Mapping[str, Any],
) -> dict[Any, int]:
    fingerprint = recipe.fingerprint
    futures = client.map(
        write_block,
        [work.path] * len(numbers),
        [fingerprint] * len(numbers),
        list(numbers),
        [sealed(storage_options)] * len(numbers),
        key=[f"{write_block.__name__}-{fingerprint[:12]}-{number}" for number in numbers],
        retries=_RETRIES,
    )
    return dict(zip(futures, numbers, strict=True))


def _failed(failures: Mapping[int, BaseException], blocks: int) -> StoreError:
    number, error = min(failures.items())
    if isinstance(error, KilledWorker):
        reason = "its workers were lost again and again: see the logs of the jobs"
    else:
        reason = f"{type(error).__name__}: {error}"
    return StoreError(
        f"{len(failures)} of {blocks} blocks failed; block {number}: {reason}. The others are "
        "written: run the command again to compute only the missing ones"
    )
