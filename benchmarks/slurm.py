"""The cost of a Slurm job for a flight line, and its parts.

    make bench-slurm      or: python benchmarks/slurm.py --runs 3

It starts a Slurm of two nodes on this machine, as the tests do, and a Prefect server. Contenders
take turns, each in its own process. Figures are medians.

- direct: the conversion in a fresh Python, without any job
- ours: the engine that ``python -m flows.ingest --cluster ...`` uses
- prefect-dask: a Prefect task on prefect-dask's DaskTaskRunner, with the same SLURMCluster

At the end a job of each contender is cancelled during its work (``scancel``), to see what happens
to the line.
"""

import argparse
import json
import logging
import os
import pickle
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).resolve().parent
ROOT = BENCHMARKS.parent
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]

import slurm_job

from shift_stac.cluster import ClusterProfile, JobLostError, load_profile, open_engine
from shift_stac.cluster.options import cluster_options, find_class
from shift_stac.simulate import simulate_campaign
from support.slurm import PROFILE, Slurm, run_slurm
from support.sources import sources_in
from support.webserver import free_port, running, wait_until

RESULTS = BENCHMARKS / "results" / "slurm.json"
# Longest time in seconds until a line reports that its job is gone.
PATIENCE = 60.0
Seconds = dict[str, float]


def profile() -> ClusterProfile:
    """The test cluster. Its jobs find this folder, and record when their script began."""
    return load_profile(PROFILE, PROFILE.parent).with_options(
        job_script_prologue=[
            f"export PYTHONPATH={BENCHMARKS}:{ROOT / 'tests'}",
            "export BENCHMARK_JOB_BEGAN=$(date +%s.%N)",
        ],
        memory="2 GiB",
    )


def stages(started: float, submitted: float, at: Seconds, ended: float) -> Seconds:
    """Seconds of each stage, from the recorded times."""
    return {
        "cluster and submission": submitted - started,
        "queue": at["began"] - submitted,
        "worker start": at["called"] - at["began"],
        "imports for the conversion": at["imported"] - at["called"],
        "conversion": at["done"] - at["imported"],
        "result and end of the job": ended - at["done"],
        "total": ended - started,
    }


def direct(folder: Path) -> Seconds:
    """Run the conversion as a separate program."""
    code = (
        "import json, pickle, sys, slurm_job; from pathlib import Path;"
        "sources = pickle.loads(Path(sys.argv[1]).read_bytes());"
        "print(json.dumps(slurm_job.convert(sources, sys.argv[2])))"
    )
    command = [sys.executable, "-c", code, str(folder / "sources"), str(folder / "direct.zarr")]
    started = time.time()
    done = subprocess.run(
        command,
        check=True,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(BENCHMARKS)},
    )
    return stages(started, started, json.loads(done.stdout), time.time())


class _Submitted(logging.Handler):
    """Records when the engine reports that its job is submitted."""

    moment = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if "is submitted" in record.getMessage():
            self.moment = record.created


def ours(folder: Path) -> Seconds:
    """Convert one line on the engine. The preflight, which happens once in a run, is a separate figure."""
    sources = pickle.loads((folder / "sources").read_bytes())
    log = logging.getLogger("line")
    log.setLevel(logging.INFO)
    submitted = _Submitted()
    log.addHandler(submitted)
    entered = time.time()
    with open_engine(profile(), run_name="bench", work_dir=folder) as engine:
        started = time.time()
        at = engine.run(slurm_job.convert, sources, str(folder / "ours.zarr"), name="line", log=log)
        ended = time.time()
    return stages(started, submitted.moment, at, ended) | {"preflight": started - entered}


def prefect_dask(folder: Path) -> Seconds:
    """Convert one line as a Prefect task that runs on the worker."""
    sources = pickle.loads((folder / "sources").read_bytes())
    started = time.time()
    flow = _prefect_flow(folder, slurm_job.convert, sources, str(folder / "prefect.zarr"))
    at = flow()
    ended = time.time()
    # The runner submits the job within the flow. Therefore this time cannot be separated from the
    # queue's.
    return stages(started, started, at, ended)


def _prefect_flow(folder: Path, function: Any, *args: Any) -> Any:
    from prefect import flow, task
    from prefect_dask import DaskTaskRunner

    options = cluster_options(profile(), "shift-prefect-dask", folder)
    options = {k: v for k, v in options.items() if k not in {"asynchronous", "name"}}
    prologue = [
        *options["job_script_prologue"],
        f"export PREFECT_API_URL={os.environ['PREFECT_API_URL']}",
    ]
    # A worker that loses its scheduler may stay for ever. Therefore the benchmark ends it.
    python = f"timeout 120 {sys.executable}"
    options |= {"n_workers": 1, "job_script_prologue": prologue, "python": python}
    runner = DaskTaskRunner(cluster_class=find_class(profile()), cluster_kwargs=options)
    work = task(function, name="convert", retries=1, persist_result=False)

    @flow(name="prefect-dask", task_runner=runner)
    def wired() -> Any:
        return work.submit(*args).result()

    return wired


def cancelled_ours(folder: Path) -> dict[str, Any]:
    """The message that a line gets after its job was cancelled, and the seconds until then."""
    with open_engine(profile(), run_name="cancel", work_dir=folder) as engine:
        mark = folder / "begun"
        try:
            engine.run(slurm_job.sleep, str(mark), name="line", log=logging.getLogger("line"))
        except JobLostError as error:
            told = time.time()
            return {"told": str(error).partition(". Last lines")[0], "moment": told}
    return {"told": "nothing"}


def cancelled_prefect_dask(folder: Path) -> dict[str, Any]:
    """The same on DaskTaskRunner. The main process waits for it for a limited time."""
    flow = _prefect_flow(folder, slurm_job.sleep, str(folder / "begun"))
    state = flow(return_state=True)
    return {"told": f"{state.type.value}: {state.message}", "moment": time.time()}


CONTENDERS = {"direct": direct, "ours": ours, "prefect-dask": prefect_dask}
CANCELLED = {"ours": cancelled_ours, "prefect-dask": cancelled_prefect_dask}


def start(kind: str, name: str, folder: Path, env: dict[str, str]) -> subprocess.Popen[bytes]:
    """Run a contender in its own process, which writes its figures into a file."""
    command = [sys.executable, __file__, "--contender", kind, name, str(folder)]
    log = (folder / f"{kind}-{name}.log").open("wb")
    return subprocess.Popen(command, env=env, stdout=log, stderr=log)


def run_once(name: str, folder: Path, env: dict[str, str]) -> Seconds:
    (folder / "answer").unlink(missing_ok=True)
    if start("time", name, folder, env).wait(timeout=300) != 0:
        sys.exit((folder / f"time-{name}.log").read_text())
    return dict(json.loads((folder / "answer").read_text()))


def cancel_once(
    name: str, folder: Path, slurm: Slurm, api: str, env: dict[str, str]
) -> dict[str, Any]:
    """Cancel the job of a contender, and return its message and the state in the run history."""
    for left in ("answer", "begun"):
        (folder / left).unlink(missing_ok=True)
    process = start("cancel", name, folder, env)
    wait_until((folder / "begun").is_file, "the job did not begin", 60)
    job = next(job for job, state in slurm.alive().items() if state == "RUNNING")
    slurm.command("scancel", job)
    cancelled = time.time()
    try:
        process.wait(timeout=PATIENCE)
        found = json.loads((folder / "answer").read_text())
        found["seconds"] = round(found.pop("moment") - cancelled, 1)
    except subprocess.TimeoutExpired:
        found = {"told": f"nothing within {PATIENCE:.0f} s"}
        found["jobs left"] = len(slurm.alive())
        process.kill()
        process.wait()
    if name == "prefect-dask":
        found["task runs"] = _task_run_states(api)
    for left in slurm.alive():
        slurm.command("scancel", left)
    return found


def _task_run_states(api: str) -> list[str]:
    import httpx

    query = {"sort": "EXPECTED_START_TIME_DESC", "limit": 1}
    (run,) = httpx.post(f"{api}/flow_runs/filter", json=query).json()
    rows = httpx.post(
        f"{api}/task_runs/filter", json={"flow_runs": {"id": {"any_": [run["id"]]}}}
    ).json()
    return [f"{row['state_type']} after {row['run_count']} tries" for row in rows]


def benchmark(runs: int, scan_lines: int, work: Path) -> dict[str, Any]:
    (line,) = simulate_campaign(work / "portal", scan_lines=scan_lines)["20220224"]
    (work / "sources").write_bytes(pickle.dumps(sources_in(work / "portal", line, "v1")))
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    env = os.environ | {
        "PREFECT_HOME": str(work / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_LOGGING_LEVEL": "ERROR",
    }
    server = [sys.executable, "-m", "prefect", "server", "start", "--no-ui", "--port", str(port)]
    figures: dict[str, list[Seconds]] = {name: [] for name in CONTENDERS}
    with (
        run_slurm(work / "slurm") as slurm,
        running(
            server,
            f"{api}/health",
            seconds=120,
            env=env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ),
    ):
        env |= slurm.environment
        for number in range(runs):
            for name in CONTENDERS:
                figures[name].append(run_once(name, work, env))
                print(
                    f"  run {number + 1}: {name:12} {figures[name][-1]['total']:6.2f} s", flush=True
                )
        cancelled = {name: cancel_once(name, work, slurm, api, env) for name in CANCELLED}
    medians = {
        name: {
            stage: round(statistics.median(run[stage] for run in of_name), 2)
            for stage in of_name[0]
        }
        for name, of_name in figures.items()
    }
    return {"scan_lines": scan_lines, "seconds": medians, "after_scancel": cancelled}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scan-lines", type=int, default=200)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--contender", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contender:
        kind, name, folder = options.contender
        contender: Any = (CONTENDERS if kind == "time" else CANCELLED)[name]
        answer = contender(Path(folder))
        (Path(folder) / "answer").write_text(json.dumps(answer))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        result = benchmark(options.runs, options.scan_lines, Path(folder))
    result |= {
        "runs": options.runs,
        "machine": {"cores": os.cpu_count(), "system": f"{platform.system()} {platform.machine()}"},
        "versions": {"python": platform.python_version()}
        | {
            n: version(n)
            for n in ("shift-stac", "distributed", "dask-jobqueue", "prefect", "prefect-dask")
        },
    }
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
