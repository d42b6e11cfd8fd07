"""The real Slurm, and engines on it."""

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from shift_stac.cluster import ClusterProfile, Engine, load_profile, open_engine
from support.slurm import PROFILE, Slurm, slurm, slurm_session

__all__ = ["slurm", "slurm_session"]

TESTS = Path(__file__).resolve().parents[1]
LOG = logging.getLogger("line")


@pytest.fixture
def profile(tmp_path) -> ClusterProfile:
    """The profile of the test cluster. Its nodes also find the functions of the tests."""
    return load_profile(PROFILE, PROFILE.parent).with_options(
        job_script_prologue=[f"export PYTHONPATH={TESTS}"],
        local_directory=str(tmp_path / "scratch"),
    )


@dataclass
class Lines:
    """Flight lines of a run, each in its own thread."""

    engine: Engine
    pool: ThreadPoolExecutor

    def start(self, function: Callable[..., Any], *args: Any, name: str) -> Future[Any]:
        return self.pool.submit(self.engine.run, function, *args, name=name, log=LOG)


@pytest.fixture
def run(tmp_path, caplog) -> Callable[..., Any]:
    """Open an engine, with threads for its lines."""
    caplog.set_level(logging.INFO, "line")

    @contextmanager
    def open_run(profile: ClusterProfile, name: str = "run") -> Iterator[Lines]:
        with (
            ThreadPoolExecutor(8) as pool,
            open_engine(profile, run_name=name, work_dir=tmp_path) as engine,
        ):
            yield Lines(engine, pool)

    return open_run


@pytest.fixture
def appears(slurm: Slurm) -> Callable[[Path], None]:
    """Wait for the file that a function writes when it begins."""

    def wait(path: Path) -> None:
        slurm.wait_for(f"{path.name} appears", path.is_file)

    return wait
