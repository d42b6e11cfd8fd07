"""A made-up run history: nights of a campaign, each with some lines."""

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from random import Random

from shift_stac.archive.catalog_lines import CatalogLine
from shift_stac.monitoring.run_history import FlowRun
from shift_stac.monitoring.run_report import JobRecord, LineOutcome, LineState, RunStatus, Stage

_MEDIAN_SECONDS = (2, 340, 610, 45, 30, 120, 1)
REASON = "http://portal/L2a/{line}_rfl has 57500 bytes, but its header implies 57600"


def line_run(
    line: str,
    started: datetime,
    seconds: float = 60,
    state: LineState | None = LineState.PUBLISHED,
    retries: int = 0,
    **more: object,
) -> LineOutcome:
    ended = None if state is None else started + timedelta(seconds=seconds)
    values = {"line": line, "state": state, "started": started, "ended": ended, "seconds": seconds}
    if retries:
        more["retries"] = {Stage.CONVERT: retries}
    return LineOutcome.model_validate(values | more)


def flow_run(
    started: datetime | None,
    lines: Sequence[LineOutcome] = (),
    *,
    flow: str = "ingest",
    seconds: float = 3600,
    status: RunStatus = RunStatus.COMPLETED,
    message: str = "",
    **more: object,
) -> FlowRun:
    """Make a run. The counts of its lines are those in its message."""
    told = re.findall(rf"(\d+) ({'|'.join(LineState)})", message.partition(": ")[0])
    values = {
        "id": f"{flow}-{started}-{more.get('due')}",
        "flow": flow,
        "name": f"{flow}-shift",
        "status": status,
        "state": status.capitalize(),
        "due": started,
        "started": started,
        "ended": started + timedelta(seconds=seconds) if started and status.is_final else None,
        "lines": tuple(lines),
        "message": message,
        "counts": {state: int(count) for count, state in told},
    }
    return FlowRun.model_validate(values | more)


def nights(
    last: datetime, count: int, lines: int, seed: int = 0
) -> tuple[list[FlowRun], list[CatalogLine]]:
    """Make campaign runs of some nights, the latest first, and the catalog after them."""
    runs = list(_nights(last, count, lines, Random(seed)))
    catalog_lines = [
        CatalogLine(line=line.line, published=line.ended, updated=line.ended, size=line.size)
        for run in runs
        for line in run.lines
        if line.state is LineState.PUBLISHED and line.ended is not None
    ]
    return runs, catalog_lines


def _nights(last: datetime, count: int, lines: int, random: Random) -> Iterator[FlowRun]:
    for number in range(count):
        night = last - timedelta(days=number)
        flown = date(2022, 9, 15) - timedelta(days=number)
        done = [
            _line(
                f"ang{flown:%Y%m%d}t{19 + place // 60:02}{place % 60:02}00",
                night + timedelta(minutes=1 + 5 * place),
                random,
            )
            for place in range(random.randint(lines // 2, lines))
        ]
        failed = sum(line.state is LineState.FAILED for line in done)
        counts = [f"{len(done) - failed} published", *([f"{failed} failed"] if failed else ())]
        told = {
            "message": ", ".join([*counts, "38 waiting"]),
            "status": RunStatus.FAILED if failed else RunStatus.COMPLETED,
            "state": "Failed" if failed else "Completed",
            "seconds": 600 + 300 * len(done),
            "url": "http://127.0.0.1:4200/runs/flow-run/0",
        }
        yield flow_run(night, done, flow="campaign", **told)


def _line(name: str, started: datetime, random: Random) -> LineOutcome:
    stages = {
        stage: round(seconds * random.lognormvariate(0, 0.3), 3)
        for stage, seconds in zip(Stage, _MEDIAN_SECONDS, strict=True)
    }
    retries = random.choice([0, 0, 0, 0, 0, 1, 2])
    if random.random() < 0.06:
        return line_run(
            name,
            started,
            90,
            LineState.FAILED,
            reason=REASON.format(line=name),
            stage="download",
            error="EnviError",
        )
    return line_run(
        name,
        started,
        sum(stages.values()) + 30 * retries,
        reason="not published yet",
        stages=stages,
        retries=retries,
        lost_jobs=random.choice([0, 0, retries]),
        size=random.randint(2, 9) * 10**9,
        jobs=(
            JobRecord(
                number=str(random.randint(10**6, 10**7)),
                node="warp001",
                queue_seconds=random.randint(5, 900),
                run_seconds=stages[Stage.CONVERT],
            ),
        ),
    )
