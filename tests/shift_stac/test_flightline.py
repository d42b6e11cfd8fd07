from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from shift_stac import FlightLine
from shift_stac.errors import FlightLineError
from shift_stac.flightline import parse_date


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
        FlightLine(name)
    assert repr(name) in str(error.value)


def test_a_model_writes_a_line_as_its_name():
    class Model(BaseModel):
        line: FlightLine

    model = Model.model_validate({"line": "ang20220224t195402"})
    assert model.line == FlightLine("ang20220224t195402")
    assert model.model_dump(mode="json") == {"line": "ang20220224t195402"}


@pytest.mark.parametrize("text", ["20220224", "2022-02-24"])
def test_dates_are_normalised(text):
    assert parse_date(text) == "20220224"


@pytest.mark.parametrize("text", ["20220230", "2022024", "2022-2-24", "yesterday", "", "202202240"])
def test_other_dates_are_refused(text):
    with pytest.raises(FlightLineError):
        parse_date(text)
