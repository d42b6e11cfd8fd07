"""The record that a campaign's run keeps of its lines."""

import pytest

from flows.campaign import remember
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import LineOutcome, LineState, Stage
from shift_stac.portal.portal import ListedLine
from shift_stac.portal.survey import Ledger


@pytest.mark.parametrize(
    ("error", "stages", "is_its_own"),
    [
        ("EnviError", (Stage.DOWNLOAD,), True),
        ("TransferError", (Stage.DOWNLOAD,), True),
        ("JobLostError", (Stage.CONVERT,), True),
        ("ZeroDivisionError", (Stage.CONVERT,), True),
        # No room, no archive, no access, no cluster: another line would have failed too.
        ("WorkFolderError", (), False),
        ("StorageError", (Stage.FIND,), False),
        ("NoSessionError", (Stage.FIND,), False),
        ("ClusterUnavailableError", (Stage.DOWNLOAD,), False),
        # It is nearly done.
        ("ValueError", (Stage.CONVERT, Stage.PUBLISH), False),
    ],
)
def test_only_a_fault_of_its_own_puts_a_line_behind_the_others(tmp_path, error, stages, is_its_own):
    listed = ListedLine(line=FlightLine("ang20220224t195402"), files={"cube": "5.2G"})
    ledger = Ledger.load(tmp_path / "ledger.json", {})
    outcome = LineOutcome(
        line=listed.line.id,
        state=LineState.FAILED,
        reason="why",
        error=error,
        stages=dict.fromkeys(stages, 1.0),
    )
    remember(ledger, listed, outcome)
    assert bool(ledger.known(listed)) is is_its_own
