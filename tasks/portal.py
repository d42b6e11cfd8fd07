"""List dates, lines and files of the portal."""

from collections.abc import Sequence

from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import Stage
from shift_stac.portal.portal import ListedLine, Portal
from shift_stac.sources import Product, RemoteLine
from tasks.retrying import stage


@stage("list lines", task_run_name="list-{date}")
def list_lines(date: str, portal: Portal) -> list[FlightLine]:
    """List the flight lines of a date."""
    return portal.lines(date)


@stage("list dates")
def list_dates(portal: Portal) -> list[str]:
    """List the dates that the portal has."""
    return portal.dates()


@stage("survey", task_run_name="survey-{date}")
def survey(date: str, portal: Portal, products: Sequence[Product]) -> list[ListedLine]:
    """List the flight lines of a date with their files."""
    return portal.survey(date, products)


@stage(Stage.FIND, task_run_name="find-{line}")
def find_files(line: FlightLine, portal: Portal, products: Sequence[Product]) -> RemoteLine:
    """Find the files of a line, with their sizes."""
    return portal.find(line, products)
