"""Fixtures and hooks for all tests."""

import gc
import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

import support
from support.markdown import blocks_of

# A layer is a thing that a test needs besides Python. Some folders of tests have one, and other
# tests are marked one by one. A test without a layer needs only Python: `make test-fast`.
LAYERS = {
    "integration": "prefect",
    "service": "prefect",
    "browser": "browser",
    "slurm": "slurm",
    "docker": "image",
    "docs": "prefect",
    "faults": "prefect",
}
# The longest tests begin first, so that no worker is alone at the end.
LONGEST = (
    "service",
    "integration/test_ingest.py",
    "docs",
    "browser",
    "integration",
    "slurm",
    "faults",
    "shift_stac/reader",
    "shift_stac/store",
)
# No deadline, because a busy machine is slow.
settings.register_profile("default", deadline=None)
settings.load_profile("default")

TESTS = Path(__file__).parent
SHARED = TESTS.resolve().parents[1] / "shared"


def pytest_configure() -> None:
    """Let Ctrl-C end the programs that tests start: programs in the background of a shell ignore it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items) -> None:
    """Mark the tests of a folder with its layer, and put the longest tests first."""
    ranks = {}
    for item in items:
        place = item.path.relative_to(TESTS).as_posix()
        folder = place.partition("/")[0]
        if folder in LAYERS:
            item.add_marker(LAYERS[folder])
        ranks[item.path] = [not place.startswith(longest) for longest in LONGEST]
    items.sort(key=lambda item: ranks[item.path])


def pytest_collection_finish() -> None:
    """Keep the garbage collector from objects that stay until the end: modules and the tests themselves."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter, config) -> None:
    """Print how many blocks of the documentation the tests do not run, for each reason."""
    if not any("tests/docs" in report.nodeid for report in terminalreporter.getreports("passed")):
        return
    pages = [config.rootpath / "README.md", *(config.rootpath / "docs").rglob("*.md")]
    reasons = Counter(
        block.not_run
        for page in pages
        for block in blocks_of(page, config.rootpath)
        if block.not_run
    )
    terminalreporter.section(f"blocks of the documentation that are not run: {reasons.total()}")
    for reason, count in sorted(reasons.items()):
        terminalreporter.write_line(f"{count:3} {reason}")


def pytest_runtest_setup(item) -> None:
    """Set whether this test is of a layer that may start servers."""
    marks = {mark.name for mark in item.iter_markers()}
    support.servers_are_expected = bool(marks & {"server", *LAYERS.values()})


@pytest.fixture
def no_settings(tmp_path, monkeypatch) -> None:
    """Change into an empty folder, and remove settings of this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHIFT_STORE", raising=False)
    # Set it instead of deleting it: --settings sets it for child processes, and this must be undone
    # after the test.
    monkeypatch.setenv("SHIFT_SETTINGS", "")


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """The environment of this process without the variables that would lead a test out of its folder."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PREFECT_", "SHIFT_", "AWS_"))
    }
    home = tmp_path_factory.mktemp("prefect")
    return kept | {
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "COLUMNS": "200",
    }


@pytest.fixture(scope="session")
def prefect_api(environment) -> Iterator[str]:
    """One Prefect server for all tests that need no server of their own."""
    # Here, because the import of Prefect takes two seconds, and every worker would wait for it.
    from support.service import serve_prefect

    with serve_prefect(environment, Path(environment["PREFECT_HOME"])) as url:
        yield url


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder of real AVIRIS-NG samples and STAC schemas, beside a developer's checkout."""
    if not (SHARED / "samples").is_dir():
        pytest.skip("the folder of real samples does not stand beside the project")
    return SHARED
