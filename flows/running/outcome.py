"""How a run ends: its table in the UI, and a state that tells how it went."""

from typing import Any

from prefect import get_run_logger, tags
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.flows import Flow
from prefect.states import Completed, Failed
from pydantic import BaseModel

from flows.history.arrival import wait_for_history
from flows.running.journal import TAG, Journal
from flows.running.temporary_server import start_temporary_server
from shift_stac.monitoring.run_report import WENT_WELL, LineState, RunKind, RunReport

PUBLISHED_EVENT = "shift-stac.published"
"""Event of a run that has published lines."""

NOTHING_LEFT_EVENT = "shift-stac.nothing-left"
"""Event of a run of a whole campaign that left nothing for the next."""

ARCHIVE_RESOURCE = "shift-stac.archive"
"""What these events are about."""

SOME_FAILED = "SomeLinesFailed"
"""Name of the state of a run some of whose lines failed, and others are published. Its type is
Failed: somebody must look."""


def conclude(journal: Journal) -> State[RunReport]:
    """End an ingest's report, show its table, and make the state in which the run ends."""
    report = journal.report
    failed = [outcome for outcome in report.outcomes if outcome.state is LineState.FAILED]
    if not failed:
        state = end(journal, report.sentence)
    else:
        # The first cause goes where notifications and lists of runs show it.
        sentence = f"{report.sentence}: {failed[0].line}: {failed[0].reason}"
        some = any(outcome.state in WENT_WELL for outcome in report.outcomes)
        state = end(journal, sentence, is_well=False, name=SOME_FAILED if some else None)
    show_table(journal, report.sentence, report.rows())
    _announce(report)
    return state


def show_table(journal: Journal, sentence: str, rows: list[dict[str, Any]]) -> None:
    """Show in the UI what a run found, and log where its report is."""
    description = f"{sentence} ({journal.path})"
    create_table_artifact(rows, key=journal.run.kind, description=description)
    get_run_logger().info("%s; report in %s", sentence, journal.path)


class NotWellError(Exception):
    """A run came to its end, and something that it found is not well: ``found`` tells what."""

    def __init__(self, sentence: str, found: Any) -> None:
        super().__init__(sentence)
        self.found = found


def end(
    journal: Journal,
    sentence: str,
    result: Any = None,
    *,
    found: BaseModel | None = None,
    is_well: bool = True,
    name: str | None = None,
) -> State[Any]:
    """End a report, and make the state in which a run ends that has come to its end.

    Parameters
    ----------
    journal
        The report.
    sentence
        The state's message.
    result
        What the flow returns (see :func:`result_of`); without, the report of an ingest.
    found
        What the report tells of a run that tells nothing line by line.
    is_well
        Whether nobody has to look.
    name
        The state's name, if not that of its kind.
    """
    name = name or ("Completed" if is_well else "Failed")
    journal.finish(sentence, is_well=is_well, state=name, found=found)
    result = journal.report if result is None else result
    if is_well:
        return Completed(message=sentence, data=result)
    # A failed state of anything but an exception would be shown as an error of Prefect's.
    return Failed(message=sentence, name=name, data=NotWellError(sentence, result))


def _announce(report: RunReport) -> None:
    """Let automations know that something was published, or that nothing was left to publish."""
    lines = [line.line for line in report.outcomes if line.state is LineState.PUBLISHED]
    unfinished = {LineState.FAILED, LineState.WAITING, LineState.SKIPPED} & set(report.counts)
    if lines or (report.run.kind is RunKind.CAMPAIGN and not unfinished):
        emit_event(
            PUBLISHED_EVENT if lines else NOTHING_LEFT_EVENT,
            resource={"prefect.resource.id": ARCHIVE_RESOURCE, "prefect.resource.name": "archive"},
            payload={"store": report.store, "lines": lines},
        )


def run_flow(flow: Flow[..., Any], options: BaseModel) -> Any:
    """Run a flow in this process, and return what it returned; see :func:`result_of`."""
    # Those who look after the service's runs look after this one too.
    start_temporary_server()
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
