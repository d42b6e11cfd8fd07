"""What every test can ask for."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Real AVIRIS-NG samples and STAC schemas, which stand beside a developer's checkout."""
    if not (SHARED / "samples").is_dir():
        pytest.skip("the folder of real samples does not stand beside the project")
    return SHARED
