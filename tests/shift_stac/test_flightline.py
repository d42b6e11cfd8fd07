from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, ValidationError

from shift_stac import FlightLine
from shift_stac.campaigns import load_campaign
from shift_stac.campaigns.names import LineNames
from shift_stac.errors import FlightLineError
from shift_stac.flightline import COMMON_PATTERN, parse_date

SHIFT = load_campaign("shift").lines


def test_a_name_tells_date_and_utc_start():
    line = FlightLine("ang20220224t195402")
    assert line.date == "20220224"
    assert line.start == datetime(2022, 2, 24, 19, 54, 2, tzinfo=UTC)
    assert str(line) == "ang20220224t195402"


def test_lines_sort_by_time():
    names = ["ang20220228t183924", "ang20220224t195402", "ang20220224t200332"]
    assert [line.id for line in sorted(map(FlightLine, names))] == sorted(names)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "ang20220230t195402",  # no such day
        "ang20220224t245402",  # no such hour
        "ang20220224t196002",  # no such minute
        "ang20210229t000000",  # not a leap year
        "ang20220224T195402",
        "ANG20220224t195402",
        "ang20220224t195402_rfl",
        "ang20220224t195402\n",
        "ang20220224t19540\uff12",  # a digit of another script
        "../ang20220224t195402",
        "ang2022022t1954022",
    ],
)
def test_other_names_are_refused_and_named(name):
    with pytest.raises(FlightLineError) as error:
        SHIFT.read(name)
    assert repr(name) in str(error.value)


def test_a_model_writes_a_line_as_its_name():
    class Model(BaseModel):
        line: FlightLine

    model = Model.model_validate({"line": "ang20220224t195402"})
    assert model.line == FlightLine("ang20220224t195402")
    assert model.model_dump(mode="json") == {"line": "ang20220224t195402"}
    for wrong in ({}, {"id": "ang20220224t195402"}, {"id": 3, "pattern": COMMON_PATTERN}):
        with pytest.raises(ValidationError, match="is not a flight line"):
            Model.model_validate({"line": wrong})


@pytest.mark.parametrize("text", ["20220224", "2022-02-24"])
def test_dates_are_normalised(text):
    assert parse_date(text) == "20220224"


@pytest.mark.parametrize(
    "text", ["20220230", "2022024", "2022-2-24", "yesterday", "", "202202240", "06360224"]
)
def test_other_dates_are_refused(text):
    with pytest.raises(FlightLineError):
        parse_date(text)


@pytest.mark.parametrize(
    ("form", "name", "start", "has_time"),
    [
        ("prm{date}t{time}", "prm20150606t143800", "2015-06-06T14:38:00", True),
        (
            "AV3{date}t{time}[_{segment:000}]",
            "AV320230926t201618_000",
            "2023-09-26T20:16:18",
            True,
        ),
        (
            "AV3{date}t{time}[_{segment:000}]",
            "AV320230926t201618",
            "2023-09-26T20:16:18",
            True,
        ),
        (
            "f{date:YYMMDD}t{flight:00}p{pass:00}r{run:00}",
            "f980601t01p00r06",
            "1998-06-01T00:00:00",
            False,
        ),
        (
            "f{date:YYMMDD}t{flight:00}p{pass:00}r{run:00}",
            "f180601t01p00r06",
            "2018-06-01T00:00:00",
            False,
        ),
        (
            "{date}T{time}_{orbit:0000000}_{scene:000}",
            "20220903T163129_2224611_012",
            "2022-09-03T16:31:29",
            True,
        ),
        ("{site}_{date:YYYYDDD}_{run}", "SANB_2024060_7", "2024-02-29T00:00:00", False),
        ("l{date:YYYY-MM-DD}-{time:HHMM}", "l2024-02-29-2359", "2024-02-29T23:59:00", True),
    ],
)
def test_a_campaign_gives_the_form_of_its_names(form, name, start, has_time):
    names = LineNames(name=form)
    line = names.read(name)
    assert (f"{line.start:%Y-%m-%dT%H:%M:%S}", line.has_time) == (start, has_time)
    # Only before the ending of a file beside the store.
    assert names.pattern.beginning(f"{name}_quicklook.png") == name
    assert names.find(f"{name}.img") is None
    made = names.pattern.fill(line.start, 3)
    assert names.read(made).start == line.start

    class Model(BaseModel):
        line: FlightLine

    written = Model(line=line).model_dump_json()
    assert Model.model_validate_json(written).line.start == line.start


@pytest.mark.parametrize("name", ["S_2023366", "S_9999366", "S_9999999", "S_0001000", "S_0636060"])
def test_a_name_of_a_day_that_no_line_has_is_refused(name):
    with pytest.raises(FlightLineError, match="date or time does not exist"):
        LineNames(name="{site}_{date:YYYYDDD}").read(name)


def test_lines_sort_by_time_where_their_names_do_not():
    names = LineNames(name="f{date:YYMMDD}t{flight:00}")
    lines = [names.read(name) for name in ("f060102t02", "f980601t01", "f060102t01")]
    assert [line.id for line in sorted(lines)] == ["f980601t01", "f060102t01", "f060102t02"]


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("ang{time}", "tells no day"),
        ("ang{date:YYYYMM}", "tells no day"),
        ("ang{date:QQ}", "spells YYYY, YY, DDD, MM, DD alone"),
        ("ang{date}r{run:99}", "a zero for each digit"),
        ("ang{date}[_{run:00}", "not closed"),
        ("ang{date", "written as"),
        ("ang{date}*", "is open"),
        ("ang/{date}", "letters, digits"),
    ],
)
def test_a_form_that_cannot_be_is_refused(form, said):
    with pytest.raises(ValueError, match=said) as error:
        LineNames(name=form)
    assert repr(form) in str(error.value)
