"""The commands that integration tests run, and the campaign that they ingest."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from shift_stac.simulate import simulate_campaign
from support import commands
from support.s3 import Bucket, serve_s3

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Run:
    """The output of a command, and its report."""

    status: int
    output: str
    errors: str
    report: dict[str, Any] | None

    @property
    def states(self) -> dict[str, str]:
        """State of each line."""
        assert self.report is not None, self.errors
        return {row["line"]: row["state"] for row in self.report["outcomes"]}

    @property
    def reasons(self) -> dict[str, str]:
        """Reason of each line's state."""
        assert self.report is not None, self.errors
        return {row["line"]: row.get("reason", "") for row in self.report["outcomes"]}


Ingest = Callable[..., Run]


@pytest.fixture
def run_command(tmp_path, environment, prefect_api) -> Ingest:
    """Run a command in a folder of the test's own, on the session's Prefect server."""

    def run(module: str, *arguments: object, server: bool = True, **variables: str) -> Run:
        env = environment | ({"PREFECT_API_URL": prefect_api} if server else {}) | variables
        done = commands.run_command(module, *arguments, cwd=tmp_path, env=env)
        # A run below another one ends before it.
        named = re.findall(r"report in (\S+)", done.stderr)
        report = json.loads((tmp_path / named[-1]).read_text()) if named else None
        return Run(done.returncode, done.stdout, done.stderr, report)

    return run


@pytest.fixture
def ingest(run_command) -> Ingest:
    return partial(run_command, "flows.ingest")


@pytest.fixture
def bucket(tmp_path) -> Iterator[Bucket]:
    with serve_s3(tmp_path / "s3") as served:
        yield served


@pytest.fixture(scope="session")
def campaign(tmp_path_factory) -> Path:
    """A simulated date of four small lines, in both zones, the last without GLT. Do not change."""
    root = tmp_path_factory.mktemp("campaign")
    simulate_campaign(root, dates=["20220224"], lines=4, samples=33, scan_lines=40, bands=60)
    return root
