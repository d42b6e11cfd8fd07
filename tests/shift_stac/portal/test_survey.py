import pytest

from shift_stac.flightline import FlightLine
from shift_stac.portal.portal import ListedLine
from shift_stac.portal.survey import Budget, Ledger, take_census

EARLY, LATE, LATER = (
    FlightLine(name) for name in ("ang20220224t195402", "ang20220308t190523", "ang20220308t201500")
)
PURPOSE = {"store": "s3://a/b"}


def listed(line: FlightLine, note: str = "2022-03-01 10:00 5.2G") -> ListedLine:
    return ListedLine(line=line, files={f"{line}_rdn": note})


def test_a_listing_is_known_until_it_changes_or_the_purpose_does(tmp_path):
    path = tmp_path / "of/ledger.json"
    ledger = Ledger.load(path, PURPOSE)
    assert ledger.known(listed(EARLY)) is None
    ledger.note(listed(EARLY))
    ledger.note(listed(LATE), incomplete=True, reason="no rfl")
    ledger.save()
    again = Ledger.load(path, PURPOSE)
    assert again.known(listed(EARLY)) is not None
    assert again.known(listed(EARLY, "2022-03-01 10:01 5.2G")) is None
    found = again.known(listed(LATE))
    assert found is not None
    assert found.incomplete
    assert found.reason == "no rfl"
    assert Ledger.load(path, {"store": "s3://other"}).known(listed(EARLY)) is None


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b"null", b'{"purpose": 1}', b'{"lines": {"a": 1}}', b"\xff"]
)
def test_a_damaged_ledger_counts_as_lost(tmp_path, damage):
    path = tmp_path / "ledger.json"
    path.write_bytes(damage)
    ledger = Ledger.load(path, PURPOSE)
    assert ledger.known(listed(EARLY)) is None
    ledger.note(listed(EARLY))
    ledger.save()
    assert Ledger.load(path, PURPOSE).known(listed(EARLY)) is not None


def test_a_listing_of_bare_names_is_never_known(tmp_path):
    ledger = Ledger.load(tmp_path / "ledger.json", PURPOSE)
    ledger.note(listed(EARLY, ""))
    assert ledger.known(listed(EARLY, "")) is None


def test_a_survey_decides_by_the_listings(tmp_path):
    ledger = Ledger.load(tmp_path / "ledger.json", PURPOSE)
    ledger.note(listed(EARLY))
    ledger.note(listed(LATE))
    census = take_census(
        [listed(EARLY), listed(LATE), listed(LATER)], {EARLY}, ledger, newest_first=True
    )
    assert [known.line for known in census.up_to_date] == [EARLY]
    # It is known, but no longer published, so it must be examined.
    assert [known.line for known in census.candidates] == [LATE, LATER]
    assert census.vanished == ()


@pytest.mark.parametrize("newest_first", [True, False])
def test_dates_are_ordered_as_wanted_and_lines_as_flown(tmp_path, newest_first):
    ledger = Ledger.load(tmp_path / "ledger.json", PURPOSE)
    found = [listed(line) for line in (LATER, EARLY, LATE)]
    census = take_census(found, (), ledger, newest_first=newest_first)
    order = [candidate.line for candidate in census.candidates]
    assert order == ([LATE, LATER, EARLY] if newest_first else [EARLY, LATE, LATER])


def test_lines_that_failed_the_last_time_come_last(tmp_path):
    path = tmp_path / "ledger.json"
    ledger = Ledger.load(path, PURPOSE)
    ledger.note_failure(listed(LATER), "truncated")
    ledger.save()
    found = [listed(line) for line in (LATER, EARLY, LATE)]
    ledger = Ledger.load(path, PURPOSE)
    census = take_census(found, {LATER}, ledger)
    assert [candidate.line for candidate in census.candidates] == [LATE, EARLY, LATER]
    # If the source has another file, the line is tried again.
    found[0] = listed(LATER, "2022-04-01 10:00 5.3G")
    census = take_census(found, (), ledger)
    assert [candidate.line for candidate in census.candidates] == [LATE, LATER, EARLY]


def test_lines_of_a_date_that_could_not_be_listed_have_not_vanished(tmp_path):
    ledger = Ledger.load(tmp_path / "ledger.json", PURPOSE)
    published = {EARLY, LATE}
    assert take_census([], published, ledger).vanished == (EARLY, LATE)
    assert take_census([], published, ledger, unseen_dates={LATE.date}).vanished == (EARLY,)


def test_the_first_line_is_taken_whatever_its_size_then_what_fits():
    budget = Budget(3, 10)
    assert budget.take(50)
    assert budget.is_spent
    assert not budget.take(1)
    budget = Budget(2, 10)
    assert budget.take(4)
    assert budget.take(4)
    assert not budget.take(1)
    budget = Budget(9, 10)
    assert budget.take(8)
    assert not budget.take(8)
    assert budget.is_spent
