"""From what the Prefect server keeps of a run to what the library makes figures of."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from prefect.client.schemas import objects
from prefect.client.schemas.objects import StateType
from prefect.utilities.urls import url_for

from flows.chain.lines import ingest_line
from shift_stac.monitoring.run_history import FlowRun, LineRun, RunStatus
from shift_stac.monitoring.run_report import LineState
from tasks.convert import convert
from tasks.download import download
from tasks.portal import find_files, list_lines, survey
from tasks.present import draw
from tasks.publish import catalogue, publish
from tasks.validate import validate

# A task run tells its function, not its task's name.
STAGES = {
    task.fn.__name__: task.name
    for task in (find_files, download, convert, validate, draw, publish, catalogue)
}
_LINE = ingest_line.fn.__name__
_FIND = find_files.fn.__name__
# What is asked of a date: without it, none of the date's lines is known.
_OF_DATES = {task.fn.__name__: task.name for task in (survey, list_lines)}

_STATUS = {
    StateType.SCHEDULED: RunStatus.SCHEDULED,
    StateType.COMPLETED: RunStatus.COMPLETED,
    StateType.FAILED: RunStatus.FAILED,
    StateType.CRASHED: RunStatus.CRASHED,
    StateType.CANCELLED: RunStatus.CANCELLED,
}
_EXCEPTION = re.compile(r".*?encountered an exception:? (?:\w+\.)*(\w+)(?:: (.*))?", re.DOTALL)

Tasks = Sequence[objects.TaskRun]


class _Problem(NamedTuple):
    """Name of an error's class, and its message."""

    error: str
    reason: str


def function_of(task: objects.TaskRun) -> str:
    """The name of the function that a task run ran."""
    return task.task_key.rpartition("-")[0]


def retries_of(run: objects.TaskRun) -> int:
    """How often it was tried again."""
    return max(run.run_count - 1, 0)


def error_of(task: objects.TaskRun) -> str:
    """The name of the class of the error with which a task run ended, or nothing."""
    return _problem(task).error


def flow_run_of(
    run: objects.FlowRun, flow: str, tasks: Tasks, lost_jobs: Mapping[UUID, int]
) -> FlowRun:
    """A flow run with its task runs; ``lost_jobs`` is what each task run lost."""
    lost = Counter(lost_jobs)
    chains: dict[str, list[objects.TaskRun]] = defaultdict(list)
    others: list[objects.TaskRun] = []
    has_lines = any(function_of(task) == _LINE for task in tasks)
    for task in tasks:
        if function_of(task) == _LINE or (has_lines and function_of(task) in STAGES):
            chains[_subject(task)].append(task)
        else:
            others.append(task)
    lines = [_line_run(line, chain, lost) for line, chain in chains.items()]
    lines += _asked_in_vain(others)
    moments = [run.start_time, *(moment for t in tasks for moment in (t.start_time, t.end_time))]
    status = _STATUS.get(run.state_type) if run.state_type else None
    return FlowRun(
        id=str(run.id),
        flow=flow,
        name=run.name,
        # Pending, paused and cancelling are ways to be at work.
        status=status or RunStatus.RUNNING,
        state=run.state_name or "",
        message=(run.state.message or "") if run.state else "",
        due=run.expected_start_time,
        started=run.start_time,
        ended=run.end_time,
        sign_of_life=max((moment for moment in moments if moment is not None), default=None),
        # Not the run's own: one that paused for a code was started twice, and tried again never.
        retries=sum(map(retries_of, others)),
        lost_jobs=sum(lost[task.id] for task in others),
        url=url_for("flow-run", obj_id=run.id, url_type="ui"),
        lines=tuple(sorted(lines, key=lambda line: line.line)),
    )


def _subject(task: objects.TaskRun) -> str:
    """The line, or the date, that a task run's name ends with."""
    return task.name.rpartition("-")[2]


def _line_run(line: str, chain: Tasks, lost: Counter[UUID]) -> LineRun:
    """A line's task run, and those of its stages."""
    own = next((task for task in chain if function_of(task) == _LINE), None)
    stages = [task for task in chain if function_of(task) != _LINE]
    failed = next((task for task in stages if task.state_type is StateType.FAILED), None)
    problem = _problem(failed) if failed else _Problem("", "")
    state, reason = _outcome(own, problem)
    return LineRun(
        line=line,
        state=state,
        reason=reason,
        started=own.start_time if own else None,
        ended=own.end_time if own else None,
        stages={
            STAGES[function_of(task)]: task.total_run_time.total_seconds()
            for task in sorted(stages, key=lambda task: list(STAGES).index(function_of(task)))
        },
        retries=sum(map(retries_of, chain)),
        lost_jobs=sum(lost[task.id] for task in chain),
        stage=STAGES[function_of(failed)] if failed else "",
        error=problem.error,
    )


def _outcome(own: objects.TaskRun | None, problem: _Problem) -> tuple[LineState | None, str]:
    """How a line ended, in the words in which its task run told it."""
    message = (own.state.message or "") if own and own.state else ""
    kind = own.state_type if own else None
    if kind is StateType.COMPLETED:
        state, _, reason = message.partition(": ")
        return (LineState(state), reason) if state in LineState else (None, message)
    if kind is StateType.FAILED:
        # Work that was given up because its run ended did not fail.
        cancelled = problem.error == "RunCancelledError"
        return LineState.SKIPPED if cancelled else LineState.FAILED, message
    if kind is StateType.CRASHED:
        return LineState.FAILED, message or "its process ended without a word"
    if kind is StateType.CANCELLED:
        return LineState.SKIPPED, message
    return None, message


def _asked_in_vain(tasks: Tasks) -> Iterator[LineRun]:
    """What a run could not find out: a campaign's lines one by one, or the lines of a date."""
    for task in tasks:
        function = function_of(task)
        if task.state_type is not StateType.FAILED or function not in {_FIND, *_OF_DATES}:
            continue
        problem = _problem(task)
        is_incomplete = problem.error == "MissingProductError"
        yield LineRun(
            line=_subject(task),
            state=LineState.INCOMPLETE if is_incomplete else LineState.FAILED,
            reason=problem.reason,
            started=task.start_time,
            ended=task.end_time,
            stage=(STAGES | _OF_DATES)[function],
            error=problem.error,
        )


def _problem(task: objects.TaskRun) -> _Problem:
    message = (task.state.message or "") if task.state else ""
    match = _EXCEPTION.match(message)
    # The portal's errors that may pass have a class of their own.
    return (
        _Problem(match[1].replace("_PassingError", "TransferError"), match[2] or match[1])
        if match
        else _Problem("", message)
    )
