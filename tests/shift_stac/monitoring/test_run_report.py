from datetime import UTC, datetime

import pytest

from shift_stac.monitoring.run_report import (
    JobRecord,
    LineOutcome,
    LineState,
    RunKind,
    RunRecord,
    RunReport,
)
from shift_stac.monitoring.units import format_size

NOON = datetime(2022, 2, 24, 12, tzinfo=UTC)


def outcome(line, state):
    return LineOutcome(line=line, state=state, reason="why", size=1_234_567, seconds=2.345)


def report(*outcomes):
    run = RunRecord(
        id="1", name="a-run", kind=RunKind.INGEST, store="store", software="x", started=NOON, seen=NOON
    )  # fmt: skip
    return RunReport(run=run, outcomes=outcomes)


def test_a_report_counts_its_lines_and_has_readable_units():
    jobs = (
        JobRecord(number="41", queue_seconds=30, run_seconds=5),
        JobRecord(number="42", queue_seconds=12),
    )
    made = report(
        outcome("a", LineState.UP_TO_DATE).model_copy(update={"jobs": jobs}),
        outcome("b", LineState.FAILED),
        outcome("c", LineState.PUBLISHED),
        outcome("d", LineState.PUBLISHED),
        outcome("e", None),
    )
    assert made.sentence == "2 published, 1 up to date, 1 failed"
    assert not made.is_well
    rows = made.rows()
    assert rows[0] == {
        "line": "a", "state": "up to date", "reason": "why", "validation": "", "size": "1.2 MB", "seconds": "2.3", "of which": "", "job": "41, 42", "queued": "42",
    }  # fmt: skip
    assert (rows[1]["queued"], rows[4]["state"]) == ("", "under way")


def test_a_report_of_nothing_says_so():
    assert report().sentence == "no lines"
    assert report().is_well


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (5.2e9, "5.2 GB"), (6e12, "6.0 TB")],
)
def test_sizes_are_in_decimal_units(size, text):
    assert format_size(None if size is None else int(size)) == text
