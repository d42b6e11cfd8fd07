from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shift_stac.archive.catalog_lines import CatalogLine
from shift_stac.monitoring.metrics import flight_days, measure, publications
from shift_stac.monitoring.run_report import JobRecord, LineOutcome, LineState
from support.history import flow_run, line_run, nights

NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
TODAY = NOON.date()
LINE, OTHER = "ang20220224t195402", "ang20220228t192136"


def item(line, published, updated=None, size=1000):
    return CatalogLine(line=line, published=published, updated=updated or published, size=size)


def day_of(runs, catalog_lines=(), today=TODAY):
    (day,) = measure(runs, publications(runs, catalog_lines), today, periods=1)
    return day


def test_no_history_and_no_archive_are_days_of_nothing():
    days = measure([], [], TODAY, periods=30)
    assert [day.first for day in days] == [TODAY - timedelta(days=n) for n in range(29, -1, -1)]
    assert all(day.is_idle for day in days)
    assert days[0].throughput is days[0].line_seconds is None
    assert flight_days([]) == ()


def test_a_publication_that_both_know_is_one_at_the_catalogs_time():
    run = flow_run(NOON, [line_run(LINE, NOON, 60, size=900)])
    stamp = NOON + timedelta(seconds=58)
    (made,) = publications([run], [item(LINE, stamp)])
    assert (made.moment, made.is_first, made.size) == (stamp, True, 900)
    assert made.run is run.lines[0]


def test_a_publication_over_midnight_is_one():
    # The item is written at 23:59:58, and the line's task run ends in the next day.
    started = datetime(2026, 3, 9, 23, 59, tzinfo=UTC)
    stamp = datetime(2026, 3, 9, 23, 59, 58, tzinfo=UTC)
    run = flow_run(started, [line_run(LINE, started, 65)])
    made = publications([run], [item(LINE, stamp)])
    days = measure([run], made, TODAY, periods=2)
    assert [day.published for day in days] == [1, 0]
    assert [day.busy_seconds for day in days] == [65, 0]


def test_a_publication_in_only_one_source_counts_too():
    run = flow_run(NOON, [line_run(LINE, NOON)])
    made = publications([run], [item(OTHER, NOON, size=500)])
    assert {(p.line, p.size, p.run is None) for p in made} == {
        (LINE, None, False),
        (OTHER, 500, True),
    }
    assert all(p.is_first for p in made)


def test_a_replaced_line_is_distinguished_from_a_new_one():
    before = NOON - timedelta(days=5)
    replaced = item(LINE, before, NOON + timedelta(seconds=50))
    run = flow_run(NOON, [line_run(LINE, NOON, 60)])
    made = publications([run], [replaced])
    assert [(p.moment, p.is_first) for p in made] == [(before, True), (replaced.updated, False)]
    day = day_of([run], [replaced])
    assert (day.published, day.again, day.size) == (0, 1, 1000)
    # Published again without a change: the item's times stay.
    forced = flow_run(NOON, [line_run(LINE, NOON, 60)])
    assert day_of([forced], [item(LINE, before)]).again == 1


def test_a_line_that_is_published_twice_in_a_day_is_one_line_of_twice_the_bytes():
    later = NOON + timedelta(hours=1)
    runs = [flow_run(at, [line_run(LINE, at, 60, size=700)]) for at in (NOON, later)]
    day = day_of(runs, [item(LINE, NOON + timedelta(seconds=59), later + timedelta(seconds=59))])
    assert (day.published, day.again, day.size) == (1, 0, 1400)


def test_a_line_at_work_is_neither_published_nor_failed():
    run = flow_run(NOON, [line_run(LINE, NOON, state=None, retries=2)])
    day = day_of([run])
    assert (day.published, day.failed, day.size, day.retries) == (0, 0, 0, 2)
    assert not day.is_idle


def test_a_line_counts_as_failed_by_its_last_outcome_of_the_day():
    failed = line_run(LINE, NOON, 5, LineState.FAILED)
    bad = line_run(OTHER, NOON, 5, LineState.FAILED)
    good = line_run(LINE, NOON + timedelta(hours=1))
    runs = [flow_run(NOON, [failed, bad]), flow_run(NOON + timedelta(hours=1), [good])]
    assert day_of(runs).failed == 1
    assert day_of(runs[:1]).failed == 2


def test_time_at_work_is_the_union_and_medians_are_of_lines():
    lines = [
        line_run(f"line-{n}", NOON + timedelta(seconds=start), seconds, size=600, stages=stages)
        for n, (start, seconds, stages) in enumerate(
            [(0, 100, {"convert": 10.0}), (50, 100, {"convert": 30.0}), (300, 50, {"draw": 1.0})]
        )
    ]
    day = day_of([flow_run(NOON, lines)])
    assert day.busy_seconds == 200
    assert day.throughput == 9
    assert day.line_seconds == 100
    assert day.stage_seconds == {"convert": 20.0, "draw": 1.0}


def test_seconds_of_cluster_jobs_are_medians_of_the_jobs_that_told_them():
    told = [JobRecord(number=f"{n}", queue_seconds=n, run_seconds=60) for n in (10, 40, 20)]
    lines = [line_run(LINE, NOON, jobs=told), line_run(OTHER, NOON, jobs=[JobRecord(number="7")])]
    day = day_of([flow_run(NOON, lines)])
    assert (day.queue_seconds, day.job_seconds) == (20, 60)
    day = day_of([flow_run(NOON, lines[1:])])
    assert day.queue_seconds is day.job_seconds is None


def test_retries_and_lost_jobs_of_lines_and_of_runs_add_up():
    lines = [line_run(LINE, NOON, retries=2, lost_jobs=1), line_run(OTHER, NOON, retries=1)]
    day = day_of([flow_run(NOON, lines, retries=4, lost_jobs=1)])
    assert (day.retries, day.lost_jobs) == (7, 2)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Kiritimati"])
def test_days_are_those_of_utc_whatever_zone_and_clock_change_a_time_is_told_in(zone):
    # The night in which California's clocks go forward.
    times = [datetime(2026, 3, 8, hour, 30, tzinfo=UTC) for hour in range(24)]
    runs = [
        flow_run(at, [line_run(f"line-{at.hour}", at.astimezone(ZoneInfo(zone)))]) for at in times
    ]
    days = measure(runs, publications(runs, []), date(2026, 3, 9), periods=3)
    assert [day.published for day in days] == [0, 24, 0]


def test_weeks_add_up_to_days_and_end_today():
    runs, catalog_lines = nights(NOON, 70, 12)
    made = publications(runs, catalog_lines)
    days = measure(runs, made, TODAY, periods=70)
    weeks = measure(runs, made, TODAY, periods=10, length=7)
    assert weeks[-1].last == TODAY
    assert all(b.first - a.last == timedelta(days=1) for a, b in pairwise(weeks))
    for name in ("published", "again", "size", "retries", "lost_jobs"):
        assert sum(getattr(d, name) for d in days) == sum(getattr(w, name) for w in weeks) >= 0
    assert sum(day.published for day in days) == len(catalog_lines) == len(made)
    assert sum(day.size for day in days) == sum(line.size for line in catalog_lines)


STATES = st.sampled_from([None, *LineState])
SECONDS = st.integers(min_value=-3 * 86400, max_value=3 * 86400)


@given(
    st.lists(
        st.tuples(st.sampled_from("abcdefg"), SECONDS, st.floats(0, 9e4), STATES), max_size=40
    ),
    st.dictionaries(st.sampled_from("abcdefgh"), st.tuples(SECONDS, st.integers(0, 9e4))),
)
def test_nothing_is_lost_or_counted_twice(lines, items):
    def at(seconds):
        return NOON + timedelta(seconds=seconds)

    runs = [
        flow_run(at(when), [line_run(name, at(when), seconds, state, size=7, retries=1)])
        for name, when, seconds, state in lines
    ]
    catalog_lines = [item(name, at(when), at(when + more)) for name, (when, more) in items.items()]
    made = publications(runs, catalog_lines)
    published = sum(state is LineState.PUBLISHED for *_, state in lines)
    moments = sum(len({line.published, line.updated}) for line in catalog_lines)
    assert max(published, moments) <= len(made) <= published + moments
    assert sum(p.run is not None for p in made) == published
    days = measure(runs, made, TODAY + timedelta(days=9), periods=20)
    assert sum(day.retries for day in days) == len(lines)
    assert sum(day.published + day.again for day in days) == len(
        {(p.line, p.moment.date()) for p in made}
    )
    assert sum(day.size for day in days) == sum(p.size or 0 for p in made)
    assert all(day.busy_seconds >= 0 for day in days)


def test_flight_dates_have_the_lines_of_the_portal_if_known():
    catalog_lines = [item(LINE, NOON), item("ang20220224t200332", NOON)]
    outcomes = [
        LineOutcome(line=line, state=state, reason="")
        for line, state in (
            (LINE, LineState.UP_TO_DATE),
            ("ang20220224t200332", LineState.VANISHED),
            ("ang20220224t201544", LineState.WAITING),
            (OTHER, LineState.FAILED),
            ("20220301", LineState.FAILED),  # a date that could not be listed
        )
    ]
    found = [(day.date, day.published, day.listed) for day in flight_days(catalog_lines, outcomes)]
    assert found == [("20220224", 2, 2), ("20220228", 0, 1)]
    assert [day.listed for day in flight_days(catalog_lines)] == [None]
