"""Ask the portal what it has."""

from collections.abc import Sequence

from prefect import task

from shift_stac.flightline import FlightLine
from shift_stac.portal.portal import ListedLine, Portal
from shift_stac.sources import Product, RemoteLine
from tasks.retrying import STAGE


@task(name="list lines", task_run_name="list-{date}", **STAGE)
def list_lines(date: str, portal: Portal) -> list[FlightLine]:
    """List the flight lines of a date."""
    return portal.lines(date)


@task(name="list dates", **STAGE)
def list_dates(portal: Portal) -> list[str]:
    """List the dates that the portal has."""
    return portal.dates()


@task(name="survey", task_run_name="survey-{date}", **STAGE)
def survey(date: str, portal: Portal, products: Sequence[Product]) -> list[ListedLine]:
    """List the flight lines of a date with their files."""
    return portal.survey(date, products)


@task(name="find files", task_run_name="find-{line}", **STAGE)
def find_files(line: FlightLine, portal: Portal, products: Sequence[Product]) -> RemoteLine:
    """Find the files of a line, with their sizes."""
    return portal.find(line, products)
