"""What every test can ask for."""

import signal
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def pytest_configure() -> None:
    """Let what tests start be ended by Ctrl-C: a shell has all ignore it that it runs behind."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def no_settings(tmp_path, monkeypatch) -> None:
    """An empty folder to be in, and no settings of this machine."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SHIFT_STORE", raising=False)
    # Set, and not deleted: --settings sets it for what a command starts, which is to be undone.
    monkeypatch.setenv("SHIFT_SETTINGS", "")


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real AVIRIS-NG samples and STAC schemas, which stand beside a developer's checkout."""
    if not (SHARED / "samples").is_dir():
        pytest.skip("the folder of real samples does not stand beside the project")
    return SHARED
