"""Progress of each line and stage at work: bars in a terminal, artifacts in the Prefect UI."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Self
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.context import FlowRunContext, TaskRunContext
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from flows.running.artifacts import artifact_key, describe_job
from flows.running.prefect_server import REFUSALS
from shift_stac.cancellation import Cancellation
from shift_stac.cluster import JobInfo

_SECONDS_BETWEEN_REPORTS = 2.0
_PAUSES_AT_THE_END = (1, 2, 4, 0)
_WHOLE = 100.0


@dataclass
class _Moving:
    """One progress artifact, and the percentage to send to the server."""

    artifact: ArtifactCreate
    percent: float
    told: float = -1.0
    id: UUID | None = None


class _Reporter:
    """Sends progress to the server from its own thread: no stage waits for it."""

    def __init__(self) -> None:
        self._moving: dict[str, _Moving] = {}
        self._unshown: list[ArtifactCreate] = []
        self._end = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, artifact: ArtifactCreate) -> _Moving:
        # A stage that is tried again moves the artifact of its first try; no stale artifact
        # remains.
        moving = self._moving.setdefault(str(artifact.key), _Moving(artifact, 0.0))
        self._start()
        return moving

    def show(self, artifact: ArtifactCreate) -> None:
        self._unshown.append(artifact)
        self._start()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._report, daemon=True, name="progress")
            self._thread.start()

    def stop(self) -> None:
        self._end.set()
        if self._thread is not None:
            self._thread.join()

    def _report(self) -> None:
        with get_client(sync_client=True) as client:
            while not self._end.wait(_SECONDS_BETWEEN_REPORTS):
                self._tell_all(client)
            # The last values stay in the UI: a busy server is asked again for some time.
            for pause in _PAUSES_AT_THE_END:
                if self._tell_all(client):
                    break
                time.sleep(pause)

    def _tell_all(self, client: SyncPrefectClient) -> bool:
        """Send all values; return whether the server accepted them."""
        while self._unshown:
            with suppress(*REFUSALS):
                client.create_artifact(self._unshown.pop(0))
        for moving in list(self._moving.values()):
            percent = moving.percent
            if percent != moving.told:
                self._tell(client, moving, percent)
            if moving.told == _WHOLE:
                self._moving.pop(str(moving.artifact.key), None)
        return all(moving.told == moving.percent for moving in self._moving.values())

    def _tell(self, client: SyncPrefectClient, moving: _Moving, percent: float) -> None:
        # Progress must not fail a run: values that the server refuses now are sent again.
        try:
            if moving.id is None:
                moving.id = client.create_artifact(
                    moving.artifact.model_copy(update={"data": percent})
                ).id
            else:
                client.update_artifact(moving.id, ArtifactUpdate(data=percent))
        except REFUSALS:
            return
        moving.told = percent


class ProgressBoard:
    """The progress bars of a run; threads may share it.

    Shows bars if ``console`` is a terminal, and artifacts within task runs. A cancelled run ends at
    the next step that a stage reports: threads cannot be stopped from outside.
    """

    def __init__(self, console: Console) -> None:
        self._shown = console.is_terminal
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(),
            console=console,
            disable=not self._shown,
            transient=True,
        )
        self.cancellation = Cancellation()
        self._reporter = _Reporter()

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if any(exception):
            self.cancellation.cancel()
        self._progress.stop()
        self._reporter.stop()

    def bar(self, line: str, stage: str) -> Callable[[int, int], None]:
        """Return a callback (done, total) that moves one bar. A full bar disappears."""
        bar: TaskID | None = None
        moving: _Moving | None = None
        artifact = _artifact_of(line, stage)

        def advance(done: int, total: int) -> None:
            nonlocal bar, moving
            self.cancellation.check(f"{line}: {stage}")
            if bar is None and done < total:
                bar = self._progress.add_task(f"{line} {stage}", total=total)
            if bar is not None:
                if done < total:
                    self._progress.update(bar, completed=done, total=total)
                else:
                    self._progress.remove_task(bar)
                    bar = None
            if moving is None and artifact is not None:
                moving = self._reporter.follow(artifact)
            if moving is not None:
                moving.percent = round(_WHOLE * done / total, 1) if total else _WHOLE

        return advance

    def jobs(self, line: str, note: Callable[[JobInfo], None]) -> Callable[[JobInfo], None]:
        """Return a callback that shows each job of a line, and passes it to another callback."""
        run = _run_here()

        def told(job: JobInfo) -> None:
            note(job)
            if run is not None:
                text = describe_job(line, job)
                key = artifact_key("job", line)
                artifact = ArtifactCreate(key=key, type="markdown", data=text, **run)
                self._reporter.show(artifact)

        return told


def _artifact_of(line: str, stage: str) -> ArtifactCreate | None:
    """Return the progress artifact of a stage for the current task run or flow run."""
    run = _run_here()
    if run is None:
        return None
    description = f"{stage} of {line}"
    key = artifact_key(stage, line)
    return ArtifactCreate(key=key, type="progress", description=description, **run)


def _run_here() -> dict[str, UUID | None] | None:
    """Return the current task run, if any, and the current flow run."""
    task, flow = TaskRunContext.get(), FlowRunContext.get()
    flow_run_id = flow.flow_run.id if flow is not None and flow.flow_run is not None else None
    if task is not None:
        return {
            "task_run_id": task.task_run.id,
            "flow_run_id": task.task_run.flow_run_id or flow_run_id,
        }
    return None if flow_run_id is None else {"task_run_id": None, "flow_run_id": flow_run_id}
