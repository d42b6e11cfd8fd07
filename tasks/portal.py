"""Ask the portal what it has."""

from collections.abc import Sequence

from prefect import task

from shift_stac.flightline import FlightLine
from shift_stac.portal import Portal
from shift_stac.sources import Product, RemoteLine
from tasks.retrying import STAGE


@task(name="list lines", task_run_name="list-{date}", **STAGE)
def list_lines(date: str, portal: Portal) -> list[FlightLine]:
    """List the flight lines of a date."""
    return portal.lines(date)


@task(name="find files", task_run_name="find-{line}", **STAGE)
def find_files(line: FlightLine, portal: Portal, products: Sequence[Product]) -> RemoteLine:
    """Find the files of a line, with their sizes."""
    return portal.find(line, products)
