from datetime import UTC, datetime

import pytest

from shift_stac.monitoring.run_report import (
    LineOutcome,
    LineState,
    RunReport,
    format_size,
    sort_outcomes,
)

NOON = datetime(2022, 2, 24, 12, tzinfo=UTC)


def outcome(line, state):
    return LineOutcome(line=line, state=state, reason="why", size=1_234_567, seconds=2.345)


def report(*outcomes):
    return RunReport(
        started=NOON,
        finished=NOON,
        portal="portal",
        portal_version="v1",
        store="store",
        software="x",
        outcomes=sort_outcomes(outcomes),
    )


def test_a_report_counts_and_sorts_its_lines():
    made = report(
        outcome("b", LineState.FAILED),
        outcome("c", LineState.PUBLISHED),
        outcome("a", LineState.UP_TO_DATE),
        outcome("d", LineState.PUBLISHED),
    )
    assert made.sentence == "2 published, 1 up to date, 1 failed"
    assert made.failed == 1
    assert [row["line"] for row in made.rows()] == ["a", "b", "c", "d"]
    assert made.rows()[0] == {
        "line": "a", "state": "up to date", "reason": "why", "validation": "", "size": "1.2 MB", "seconds": "2.3", "of which": "", "job": "",
    }  # fmt: skip


def test_a_report_of_nothing_says_so():
    assert report().sentence == "no lines"
    assert report().failed == 0


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (5.2e9, "5.2 GB"), (6e12, "6.0 TB")],
)
def test_sizes_are_in_decimal_units(size, text):
    assert format_size(None if size is None else int(size)) == text
