"""A table of the tries:

the properties of each test give its fault and the number of tries. If a time is promised, they also
give the seconds that it took.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

import pytest


@pytest.fixture
def tried(record_property):
    """Record the fault of a test, and the number of tries if it is not one."""

    def tell(name: str, times: int = 1, seconds: Sequence[float] = ()) -> None:
        record_property("fault", name)
        record_property("times", times)
        record_property("seconds", list(seconds))

    return tell


def pytest_terminal_summary(terminalreporter) -> None:
    tried: Counter[str] = Counter()
    held: Counter[str] = Counter()
    seconds: dict[str, list[float]] = defaultdict(list)
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            told = dict(report.user_properties)
            if report.when == "call" and "fault" in told:
                tried[told["fault"]] += told["times"]
                held[told["fault"]] += told["times"] * (outcome == "passed")
                seconds[told["fault"]] += told["seconds"]
    if tried:
        terminalreporter.section("faults: tried, held")
    for name in sorted(tried):
        took = sorted(seconds[name])
        within = f", within {took[0]:.0f} to {took[-1]:.0f} s" if took else ""
        terminalreporter.write_line(f"{tried[name]:9,} {held[name]:9,}  {name}{within}")
