"""How a run ends: its report, its table in the UI, and a state that tells how it went."""

from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import get_run_logger
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed
from pydantic import BaseModel

from flows.history import wait_for_history
from shift_stac.report import LineState, RunReport

SOME_FAILED = "SomeLinesFailed"
"""Name of the state of a run whose lines did not all fail. Its type is Failed: somebody must look."""


def conclude(report: RunReport, kind: str, work_dir: Path) -> State[RunReport]:
    """Write a run's report, show its table, and make the state in which it ends."""
    path = write_report(report, kind, report.started, work_dir)
    create_table_artifact(report.rows(), key=kind, description=f"{report.sentence} ({path})")
    get_run_logger().info("%s; report in %s", report.sentence, path)
    if not report.failed:
        return Completed(message=report.sentence, data=report)
    if any(outcome.state is not LineState.FAILED for outcome in report.outcomes):
        return Failed(name=SOME_FAILED, message=report.sentence, data=report)
    return Failed(message=report.sentence, data=report)


def write_report(report: BaseModel, kind: str, started: datetime, work_dir: Path) -> Path:
    """Write a report as JSON into the working folder; its name tells kind and time."""
    folder = work_dir / "reports"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{started:%Y%m%dT%H%M%S.%fZ}.json"
    path.write_text(report.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return path


def result_of(state: State[Any]) -> Any:
    """What a flow returned, once the server knows how each of its task runs ended.

    Raises whatever ended the flow instead.
    """
    if state.state_details.flow_run_id is not None:
        wait_for_history(state.state_details.flow_run_id)
    result: Any = state.result(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    return result
