"""How a run ends: its report, its table in the UI, and a state that tells how it went."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from prefect import get_run_logger, tags
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.flows import Flow
from prefect.states import Completed, Failed
from pydantic import BaseModel

from flows.chain.preparation import RunContext
from flows.history.arrival import wait_for_history
from shift_stac.monitoring.run_report import (
    WENT_WELL,
    LineOutcome,
    LineState,
    RunReport,
    sort_outcomes,
)

TAG = "shift-stac"
"""Tag of every run of the service, however it was started."""

PUBLISHED_EVENT = "shift-stac.published"
"""Event of a run that has published lines."""

NOTHING_LEFT_EVENT = "shift-stac.nothing-left"
"""Event of a run of a whole campaign that left nothing for the next."""

ARCHIVE_RESOURCE = "shift-stac.archive"
"""What these events are about."""

SOME_FAILED = "SomeLinesFailed"
"""Name of the state of a run some of whose lines failed, and others are published. Its type is
Failed: somebody must look."""


def conclude(
    context: RunContext, started: datetime, outcomes: Sequence[LineOutcome], kind: str
) -> State[RunReport]:
    """Write a run's report, show its table, and make the state in which it ends."""
    report = RunReport(
        started=started,
        finished=datetime.now(UTC),
        portal=context.portal_url,
        portal_version=context.options.portal_version,
        store=context.storage.url,
        software=f"shift-stac {version('shift-stac')}",
        outcomes=sort_outcomes(outcomes),
    )
    path = write_report(report, kind, report.started, context.options.work_dir)
    create_table_artifact(report.rows(), key=kind, description=f"{report.sentence} ({path})")
    get_run_logger().info("%s; report in %s", report.sentence, path)
    _announce(report, kind)
    failed = [outcome for outcome in report.outcomes if outcome.state is LineState.FAILED]
    if not failed:
        return end(report, report.sentence)
    # The first cause goes where notifications and lists of runs show it.
    sentence = f"{report.sentence}: {failed[0].line}: {failed[0].reason}"
    some = any(outcome.state in WENT_WELL for outcome in report.outcomes)
    return end(report, sentence, is_well=False, name=SOME_FAILED if some else None)


class NotWellError(Exception):
    """A run came to its end, and something that it found is not well: ``found`` tells what."""

    def __init__(self, sentence: str, found: Any) -> None:
        super().__init__(sentence)
        self.found = found


def end(found: Any, sentence: str, *, is_well: bool = True, name: str | None = None) -> State[Any]:
    """The state in which a run ends that has come to its end; :func:`result_of` undoes it."""
    if is_well:
        return Completed(message=sentence, data=found)
    # A failed state of anything but an exception would be shown as an error of Prefect's.
    return Failed(message=sentence, name=name or "Failed", data=NotWellError(sentence, found))


def _announce(report: RunReport, kind: str) -> None:
    """Let automations know that something was published, or that nothing was left to publish."""
    lines = [line.line for line in report.outcomes if line.state is LineState.PUBLISHED]
    unfinished = {LineState.FAILED, LineState.WAITING, LineState.SKIPPED} & set(report.counts)
    if lines or (kind == "campaign" and not unfinished):
        emit_event(
            PUBLISHED_EVENT if lines else NOTHING_LEFT_EVENT,
            resource={"prefect.resource.id": ARCHIVE_RESOURCE, "prefect.resource.name": "archive"},
            payload={"store": report.store, "lines": lines},
        )


def write_report(report: BaseModel, kind: str, started: datetime, work_dir: Path) -> Path:
    """Write a report as JSON into the working folder; its name tells kind and time."""
    folder = work_dir / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{started:%Y%m%dT%H%M%S.%fZ}.json"
    path.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path


def run_flow(flow: Flow[..., Any], options: BaseModel) -> Any:
    """Run a flow in this process, and return what it returned; see :func:`result_of`."""
    # Those who look after the service's runs look after this one too.
    with tags(TAG):
        state: Any = flow(options, return_state=True)
        return result_of(state)


def result_of(state: State[Any]) -> Any:
    """What a flow returned, once the server knows how each of its task runs ended.

    Raises whatever ended the flow instead.
    """
    if state.state_details.flow_run_id is not None:
        wait_for_history(state.state_details.flow_run_id)
    result: Any = state.result(raise_on_failure=False)
    if isinstance(result, NotWellError):
        return result.found
    if isinstance(result, BaseException):
        raise result
    return result
