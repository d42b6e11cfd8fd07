"""The end of a run, for each state of a line: the page of states says the same as the code."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect.logging import disable_run_logger
from rich.console import Console

from flows import campaign, ingest
from flows.running import outcome
from flows.running.journal import Journal
from flows.settings import CampaignOptions, IngestOptions
from shift_stac.archive.catalog_lines import CatalogLine
from shift_stac.monitoring.alerts import find_alerts
from shift_stac.monitoring.metrics import publications
from shift_stac.monitoring.run_history import FlowRun
from shift_stac.monitoring.run_report import LineOutcome, LineState, RunKind, RunStatus

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "states.md"
LINE, OTHER = "ang20220224t195402", "ang20220228t192136"
QUIET_DAYS = 3


def rows():
    """The rows of the page's table of line states, by state: run, exit status, finding."""
    (table,) = re.findall(r"^\| state \|.*\n\|[-|]*\n((?:\|.*\n)+)", PAGE.read_text(), re.MULTILINE)
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()]
    return {state.strip("`"): tuple(row) for state, _, *row in cells}


@pytest.fixture
def concluded(tmp_path, monkeypatch):
    """Conclude a campaign run with lines in the given states; return its state and its report."""
    monkeypatch.setattr(outcome, "create_table_artifact", lambda *_, **__: None)

    def conclude(*states):
        with disable_run_logger(), Journal(RunKind.CAMPAIGN, "s3://here/", tmp_path) as journal:
            now = datetime.now(UTC)
            for line, state in zip((LINE, OTHER), states, strict=False):
                journal.note(
                    LineOutcome(line=line, state=state, reason="why", started=now, ended=now)
                )
            state = outcome.conclude(journal)
        return state, journal.report

    return conclude


def statuses(report, monkeypatch):
    """The exit statuses of the two commands that ingest, for such a report."""
    for module, options in (
        (campaign, CampaignOptions()),
        (ingest, IngestOptions(date=("20220224",))),
    ):
        monkeypatch.setattr(module, "run", lambda _: report)
        show = module.carry_out(options)
        yield 0 if show(Console(quiet=True)) else 1


def finding_of(report):
    """Whether the report of the campaign has a finding: at once, later or not."""

    def look(published):
        run = FlowRun(
            id=report.run.id,
            flow=report.run.kind,
            name=report.run.name,
            status=report.run.status,
            started=report.run.started,
            ended=report.run.ended,
            lines=report.outcomes,
            counts=report.counts,
        )
        lines = [CatalogLine(line="other", published=published, updated=published)]
        return find_alerts(
            [run],
            publications([run], lines),
            lines,
            report.run.ended,
            quiet_days=QUIET_DAYS,
            stuck_hours=12,
            advise=lambda _: "",
        )

    if look(report.run.ended - timedelta(hours=1)):
        return "at once"
    return "later" if look(report.run.ended - timedelta(days=2 * QUIET_DAYS)) else "no"


def test_the_page_has_each_state_once():
    assert list(rows()) == [*LineState]


@pytest.mark.parametrize("state", LineState)
def test_the_page_says_how_a_run_with_such_a_line_ends(state, concluded, monkeypatch):
    ended, report = concluded(state)
    (status,) = set(statuses(report, monkeypatch))
    assert rows()[state] == (f"*{ended.name}*", f"{status}", finding_of(report))
    # A report, the state in Prefect and the exit status never contradict each other.
    is_well = report.run.status is RunStatus.COMPLETED
    assert (ended.is_completed(), status == 0) == (is_well, is_well)


@pytest.mark.parametrize("state", LineState)
def test_one_line_that_failed_is_enough(state, concluded):
    ended, report = concluded(state, LineState.FAILED)
    assert ended.is_failed()
    assert report.counts.keys() == {state, LineState.FAILED}


def test_the_message_counts_the_lines_or_names_the_first_cause(concluded):
    told = {states: concluded(*states)[0].message for states in (
        (LineState.PUBLISHED, LineState.WAITING),
        (LineState.PUBLISHED, LineState.FAILED),
        (LineState.SKIPPED, LineState.FAILED),
        (LineState.SKIPPED, LineState.PUBLISHED),
    )}  # fmt: skip
    assert [*told.values()] == [
        "1 published, 1 waiting",
        f"1 of 2 lines failed: {OTHER}: why",
        f"2 of 2 lines failed or were skipped: {OTHER}: why",
        f"1 of 2 lines failed or were skipped: {LINE}: why",
    ]
