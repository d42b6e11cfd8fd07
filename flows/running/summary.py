"""The first artifact of a run: in words, what was done, what failed and why, and what to do."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactCreate, ArtifactUpdate
from prefect.context import FlowRunContext

from flows.running.markdown import finding, plain
from flows.running.next_steps import next_step
from flows.running.prefect_server import REFUSALS
from flows.running.run_names import called_here
from shift_stac.monitoring.alerts import Alert, AlertKind, Health
from shift_stac.monitoring.run_report import LineOutcome, LineState, RunRecord, RunReport, RunStatus

_AT_MOST = 20


class Summary:
    """The artifact: created at the start of a run, so that it is the first, and filled at the end.

    A refusal of the server does not affect the run.
    """

    def __init__(self, run: RunRecord) -> None:
        self._id: UUID | None = None
        if FlowRunContext.get() is None:
            return
        begun = f"Under way since {run.started:%Y-%m-%d %H:%M} UTC. The result will be shown here."
        artifact = ArtifactCreate(
            key=f"{called_here(run.kind)}-summary",
            type="markdown",
            description="What was done, what failed and why, and what to do.",
            data=begun,
            flow_run_id=UUID(run.id),
        )
        with suppress(*REFUSALS), get_client(sync_client=True) as client:
            self._id = client.create_artifact(artifact).id

    def fill(self, run: RunRecord, outcomes: tuple[LineOutcome, ...], report: Path) -> None:
        """Write how the run ended."""
        if self._id is not None:
            text = "\n\n".join(_paragraphs(run, outcomes, report))
            with suppress(*REFUSALS), get_client(sync_client=True) as client:
                client.update_artifact(self._id, ArtifactUpdate(data=text))


def _paragraphs(run: RunRecord, outcomes: tuple[LineOutcome, ...], report: Path) -> Iterator[str]:
    is_well = run.status is RunStatus.COMPLETED
    yield f"# {plain(run.message)}" if is_well else f"# {run.state}"
    if not is_well:
        # The list below has the reasons of lines.
        counted = "" if run.error else RunReport(run=run, outcomes=outcomes).failure_count
        yield plain(counted or run.message)
    if run.error:
        kind = AlertKind.ENDED_BADLY
        yield f"*Next: {plain(_advice(kind, run.error))}*"
    for state in LineState:
        lines = [outcome for outcome in outcomes if outcome.state is state]
        if lines and state is LineState.FAILED:
            yield "## What failed, and what to do"
            yield _listed([_failure(line) for line in lines])
        elif lines:
            word = "line" if len(lines) == 1 else "lines"
            yield f"**{state.capitalize()}**: {len(lines)} {word}"
    yield f"Archive: {plain(run.store)}"
    yield f"Report: {plain(str(report.absolute()))}"


def _failure(line: LineOutcome) -> str:
    where = f" ({line.stage})" if line.stage else ""
    advice = _advice(AlertKind.LINE_FAILED, line.error, line.stage)
    return finding(f"{line.line}{where}", line.reason, advice)


def _advice(kind: AlertKind, error: str, stage: str = "") -> str:
    return next_step(
        Alert(kind=kind, severity=Health.LOOK, what="", why="", error=error, stage=stage)
    )


def _listed(items: list[str]) -> str:
    left = len(items) - _AT_MOST
    more = [f"- and {left} more: the table has them"] if left > 0 else []
    return "\n".join([*items[:_AT_MOST], *more])
