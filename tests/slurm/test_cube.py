"""A cube of a season on a Slurm of two nodes, with a lost worker and a killed flow."""

import json
import signal
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from shift_stac import open_flightline
from shift_stac.flightline import FlightLine
from support.archive import publish_campaign
from support.commands import Command, start_command
from support.season import brute_force
from support.slurm import PROFILE

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
DATES = tuple(f"2022{month:02}{day:02}" for month in range(2, 8) for day in (5, 19))


@pytest.fixture(scope="module")
def archive(tmp_path_factory) -> Path:
    """Tiny lines of twelve dates. With small cells, their cube has more blocks than a test waits for."""
    root = tmp_path_factory.mktemp("archive")
    publish_campaign(
        str(root / "store"), root, dates=DATES, lines=1, samples=30, scan_lines=40, bands=60
    )
    return root / "store"


class Run:
    """The command, in its own folder."""

    def __init__(self, folder: Path, environment: dict[str, str], archive: Path) -> None:
        self.folder, self._environment, self._archive = folder, environment, archive
        self.blocks = folder / "work/cubes/season/blocks"

    def start(self, *arguments: str) -> Command:
        with (self.folder / "errors").open("w") as errors, (self.folder / "told").open("w") as told:
            return start_command(
                *("flows.cube", "--store", self._archive, "--cluster", "two-nodes.toml"),
                *("--resolution", "0.35", *arguments),
                cwd=self.folder,
                env=self._environment,
                stdout=told,
                stderr=errors,
            )

    def notes(self) -> dict[int, dict]:
        found = [json.loads(path.read_text()) for path in self.blocks.glob("[0-9]*.json")]
        return {note["number"]: note for note in found}

    def report(self) -> dict:
        *_, last = sorted((self.folder / "work/reports").glob("cube-*.json"))
        return json.loads(last.read_text())


@pytest.fixture
def run(slurm, tmp_path, environment, archive):
    # A worker that imports Prefect would fail.
    (tmp_path / "without/prefect.py").parent.mkdir()
    (tmp_path / "without/prefect.py").write_text("raise ImportError('a worker needs no Prefect')\n")
    profile = PROFILE.read_text().replace("max_jobs = 3", "max_jobs = 2")
    # Each job gets a whole node.
    profile = profile.replace("job_cpu = 1", "job_cpu = 2")
    prologue = f'job_script_prologue = ["export PYTHONPATH={tmp_path / "without"}"]\n'
    (tmp_path / "two-nodes.toml").write_text(f"{profile}\n{prologue}")
    # Without a Prefect server that workers can reach: the flow starts one for itself.
    return Run(tmp_path, environment | slurm.environment, archive)


def wait_for_blocks(slurm, run, process, count):
    def reached() -> bool:
        assert process.poll() is None, (run.folder / "errors").read_text()[-3000:]
        return len(run.notes()) >= count

    slurm.wait_for(f"{count} blocks are written", reached, 200)


def test_lost_workers_and_a_killed_flow_cost_only_unwritten_blocks(slurm, run, archive):
    process = run.start()
    try:
        wait_for_blocks(slurm, run, process, 2)
        jobs = slurm.alive(name="shift-write_block")
        running = [job for job, state in jobs.items() if state == "RUNNING"]
        assert len({slurm.facts(job)["NodeList"] for job in running}) == len(running)
        slurm.command("scancel", running[0])
        slurm.wait_for(
            "another job takes its place",
            lambda: bool(slurm.alive(name="shift-write_block").keys() - jobs.keys()),
        )
        wait_for_blocks(slurm, run, process, len(run.notes()) + 1)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    # Jobs without their flow end by themselves. After that no process writes any more.
    slurm.wait_for("the jobs have ended", lambda: not slurm.alive(), 90)
    written = run.notes()
    assert not list(archive.glob("*-cubes")), "nothing half is published"

    process = run.start()
    assert process.wait(timeout=300) == 0, (run.folder / "errors").read_text()[-3000:]
    report = run.report()
    assert report["run"]["status"] == "completed"
    assert report["blocks_before"] == len(written) >= 3
    assert report["blocks"] > len(written)
    # It needs less memory than a job of the profile has.
    assert 0 < report["peak_bytes"] < 1 << 30
    assert not slurm.alive()
    assert not (run.folder / "work/cubes/season").exists()

    # Equal to brute force, day by day. Every fifth row and column is enough.
    item = json.loads((archive / "AVIRIS-NG-cubes/season/season.json").read_text())
    cube = xr.open_zarr(archive / item["properties"]["shift:store_path"])
    cube = cube.isel(y=slice(None, None, 5), x=slice(None, None, 5))
    assert cube.sizes["time"] == len(DATES)
    for day, date in enumerate(DATES):
        stores = sorted(archive.glob(f"aviris/{date}/*.zarr"))
        assert [FlightLine(store.stem).date for store in stores] == [date]
        values, chosen = brute_force(
            [open_flightline(store) for store in stores], cube, "nadir", [0, 20, 59]
        )
        np.testing.assert_array_equal(
            cube.Reflectance[day, [0, 20, 59]].values.reshape(3, -1), values
        )
        np.testing.assert_array_equal(cube.line[day].values.ravel() >= 0, chosen >= 0)
