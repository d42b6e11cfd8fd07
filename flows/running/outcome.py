"""The end of a run: its table in the UI, and the state that says how it went."""

from typing import Any

from prefect import get_run_logger, tags
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.flows import Flow
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Failed
from pydantic import BaseModel

from flows.running.interruption import ending_with
from flows.running.journal import TAG, Journal
from flows.running.plain_failures import NoServerError, NotWellError
from flows.running.registration import registering
from flows.running.run_names import called_here
from flows.running.signs_of_life import Left
from flows.running.temporary_server import (
    is_server_temporary,
    temporary_server_sentinel,
    wait_for_temporary_server,
)
from shift_stac.monitoring.run_report import LEFT_TO_DO, LineState, RunKind, RunReport

_SERVER_ENDED = (
    "the run's own Prefect server ended: run the same command again; it continues where it stopped"
)


def conclude(journal: Journal) -> State[RunReport]:
    """End an ingest's report, show its table, and make the state in which the run ends.

    The page of states lists which states of lines make it *Failed*.
    """
    report = journal.report
    if report.is_well:
        state = end(journal, report.sentence)
    else:
        state = end(journal, report.failure, is_well=False)
    show_table(journal, report.sentence, report.rows())
    _announce(journal)
    return state


def show_table(journal: Journal, sentence: str, rows: list[dict[str, Any]]) -> None:
    """Show the result of a run in the UI, and log the path of its report."""
    description = f"{sentence} ({journal.path})"
    create_table_artifact(rows, key=called_here(journal.run.kind), description=description)
    get_run_logger().info("%s; report in %s", sentence, journal.path)


def end(
    journal: Journal,
    sentence: str,
    result: Any = None,
    *,
    found: BaseModel | None = None,
    is_well: bool = True,
) -> State[Any]:
    """Finish the report of a complete run, and return the state in which the run ends.

    Parameters
    ----------
    journal
        The report.
    sentence
        The state's message.
    result
        The value that the flow returns; None for the report of an ingest.
    found
        The result in the report of a run without lines.
    is_well
        Whether nothing needs attention.
    """
    # Prefect's lists select runs by the names of states: no list has a failed run of another name.
    state = "Completed" if is_well else "Failed"
    journal.finish(sentence, is_well=is_well, state=state, found=found)
    result = journal.report if result is None else result
    if is_well:
        return Completed(message=sentence, data=result)
    # Prefect shows a failed state without an exception as an error of its own.
    return Failed(message=sentence, data=NotWellError(sentence, result))


def _announce(journal: Journal) -> None:
    """Report to the service's watch that something was published, or that nothing was left to publish."""
    report = journal.report
    if LineState.PUBLISHED in report.counts:
        journal.life.leave(Left.PUBLISHED)
    elif report.run.kind is RunKind.CAMPAIGN and not LEFT_TO_DO & set(report.counts):
        journal.life.leave(Left.NOTHING_TO_DO)


def run_flow(flow: Flow[..., Any], options: BaseModel) -> Any:
    """Run a flow in this process, and return what it returned."""
    wait_for_temporary_server()
    if not is_server_temporary():
        _check_server()
    # This tag lets the service watch this run too.
    with tags(TAG), ending_with(temporary_server_sentinel(), _SERVER_ENDED), registering():
        state: Any = flow(options, return_state=True)
        return _result_of(state)


def _check_server() -> None:
    """Check that the configured server answers.

    Raises
    ------
    NoServerError
        It does not.
    """
    with get_client(sync_client=True) as client:
        error = client.api_healthcheck()
        if error is None:
            try:
                client.raise_for_api_version_mismatch_once()
            # This also happens if a proxy answers, whose server is gone.
            except RuntimeError as mismatch:
                error = mismatch
    if error is not None:
        msg = (
            f"no Prefect server answers at {PREFECT_API_URL.value()} ({error}): start it, correct "
            "PREFECT_API_URL, or unset it to run without one"
        )
        raise NoServerError(msg)


def _result_of(state: State[Any]) -> Any:
    """Return what a flow returned; raise the error that ended it."""
    result: Any = state.result(raise_on_failure=False)
    if isinstance(result, NotWellError):
        return result.found
    if isinstance(result, BaseException):
        raise result
    return result
