"""A run's name: the same before it begins, when it begins, and when its options are wrong."""

from datetime import UTC, datetime

import pytest

from flows.running.run_names import NIGHTLY, SEASON_CUBE, run_name
from flows.settings import CubeOptions, IngestOptions

NIGHT = datetime(2026, 3, 10, 2, tzinfo=UTC)
DATES = ["2022-02-24", "2022-02-28"]
LINES = ["ang20220224t195402", "ang20220224t200332"]
MANY = [f"202203{day:02}" for day in range(1, 12)]


@pytest.mark.parametrize(
    ("called", "options", "name"),
    [
        ("ingest", {"date": DATES}, "ingest-20220224-20220228"),
        ("ingest", IngestOptions(date=DATES[:1], line=LINES[:1]), f"ingest-{LINES[0]}"),
        ("ingest", IngestOptions(line=LINES), "ingest-20220224-2-lines"),
        ("ingest", {"date": MANY}, "ingest-20220301-and-10-more-dates"),
        ("ingest", {"date": ["yesterday"]}, "ingest-wrong-options"),
        ("ingest", None, "ingest-wrong-options"),
        (NIGHTLY, {"max_lines": "many"}, "nightly-20260310"),
        (SEASON_CUBE, {"cube_name": "spring"}, "season-cube-spring"),
        (SEASON_CUBE, "spring", "season-cube-season"),
        ("cube", CubeOptions(cube_name="spring"), "cube-spring"),
    ],
)
def test_the_name_of_a_run_has_its_deployment_and_its_purpose(called, options, name):
    assert run_name(called, options, NIGHT) == name
