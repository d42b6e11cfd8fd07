"""A table of what was tried: each test tells its fault, and how often it was tried, by properties."""

from collections import Counter

import pytest


@pytest.fixture
def tried(record_property):
    """Tell which fault a test makes, and how many times, if not once."""

    def tell(name: str, times: int = 1) -> None:
        record_property("fault", name)
        record_property("times", times)

    return tell


def pytest_terminal_summary(terminalreporter) -> None:
    tried: Counter[str] = Counter()
    held: Counter[str] = Counter()
    for outcome in ("passed", "failed"):
        for report in terminalreporter.getreports(outcome):
            told = dict(report.user_properties)
            if report.when == "call" and "fault" in told:
                tried[told["fault"]] += told["times"]
                held[told["fault"]] += told["times"] * (outcome == "passed")
    if tried:
        terminalreporter.section("faults: tried, held")
    for name in sorted(tried):
        terminalreporter.write_line(f"{tried[name]:9,} {held[name]:9,}  {name}")
