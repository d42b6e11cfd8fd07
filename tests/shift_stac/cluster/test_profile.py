import subprocess
import sys
from pathlib import Path

import dask
import pytest

from shift_stac.cluster import ClusterProfile, ProfileError, load_profile
from shift_stac.cluster.options import accepted_options, cluster_options, find_class

PROFILES = Path(__file__).resolve().parents[3] / "deployments" / "clusters"
SLURM = ClusterProfile.model_validate(
    {"class": "dask_jobqueue.SLURMCluster", "options": {"memory": "1 GiB", "interface": "lo"}}
)


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> Path:
        path = tmp_path / "mine.toml"
        path.write_text(text)
        return path

    return write


@pytest.mark.parametrize("name", [path.stem for path in PROFILES.glob("*.toml")])
def test_every_profile_of_the_project_is_valid(name):
    profile = load_profile(name, PROFILES)
    assert profile.name == name
    assert profile.is_local == (name == "local")


def test_discover_asks_for_what_the_site_needs(tmp_path, monkeypatch):
    monkeypatch.setenv("USER", "someone")
    profile = load_profile("discover", PROFILES).with_options(
        log_directory=str(tmp_path / "$USER"), interface="lo"
    )
    options = cluster_options(profile, "shift-line-run", tmp_path)
    script = _script(profile, options)
    for line in (
        "#SBATCH -A s3673",
        "#SBATCH -t 12:00:00",
        '#SBATCH --constraint="sky|hasw"',
        "#SBATCH --no-requeue",
        "#SBATCH -n 1",
        "#SBATCH --cpus-per-task=10",
        "#SBATCH --mem=20G",
        "#SBATCH -J shift-line-run",
        f"#SBATCH -e {tmp_path}/someone/shift-line-run-%J.err",
        "module load python/GEOSpyD/Min4.10.3_py3.9",
    ):
        assert line in script.splitlines()
    assert " --nthreads 1 " in script
    assert " --death-timeout 90 " in script
    assert profile.cpus == 10


def _script(profile, options) -> str:
    keep = {key: value for key, value in options.items() if key not in {"asynchronous", "name"}}
    for key in (
        "n_workers",
        "silence_logs",
        "shared_temp_directory",
        "security",
        "scheduler_options",
    ):
        keep.pop(key, None)
    return find_class(profile).job_cls("tcp://here:1", name="worker", **keep).job_script()


def test_a_profile_of_the_user_is_read(write):
    path = write('class = "distributed.LocalCluster"\nmax_jobs = 2\n[options]\nprocesses = true\n')
    profile = load_profile(path, PROFILES)
    assert profile.max_jobs == 2
    assert load_profile(str(path), PROFILES) == profile


def test_the_error_about_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ProfileError, match=r"discovery is neither .*discover, local\)"):
        load_profile("discovery", PROFILES)


CLASS = 'class = "dask_jobqueue.SLURMCluster"\n'
OPTIONS = CLASS + '[options]\nmemory = "1 GiB"\n'


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("maxjobs = 1", "maxjobs"),
        ("max_jobs = 0", "max_jobs"),
        ("max_jobs =", "is not a cluster profile"),
        (f"max_jobs = {'9' * 5000}", "is not a cluster profile"),
        (OPTIONS + 'wall_time = "1:00"', "no option 'wall_time'; similar: walltime"),
        (OPTIONS + "job_cpus = 1", "no option 'job_cpus'; similar: job_cpu"),
        (OPTIONS + "self = 1", "no option 'self'"),
        (OPTIONS + "n_workers = 4", "options.n_workers cannot be set: every function has one"),
        (OPTIONS + 'job_name = "x"', "options.job_name cannot be set: the profile's own"),
        (OPTIONS + "processes = 4", "options.processes must be 1"),
        (CLASS, "options.memory is missing"),
        (CLASS + '[options]\nmemory = "4 gigs"', "options.memory is '4 gigs': give a size"),
        (CLASS + "[options]\nmemory = 4", "options.memory is 4: Input should be a valid string"),
        (OPTIONS + 'cores = "four"', "options.cores is 'four': Input should be a valid integer"),
        (OPTIONS + 'worker_extra_args = "--x"', "options.worker_extra_args is '--x': .* list"),
        (OPTIONS + 'death_timeout = "soon"', "options.death_timeout is 'soon'"),
        (OPTIONS + "[dask.distributed.scheduler]\nworker-tll = 3", "similar: .*worker-ttl"),
        ('class = "dask_jobqueue.SlurmCluster"', "'dask_jobqueue.SlurmCluster' cannot be imported"),
        ('class = "SLURMCluster"', "a dotted name is needed"),
        ('class = "../../x"', "a dotted name is needed"),
        ('class = "distributed.Client"', "not a class derived from distributed.SpecCluster"),
        ("[options]\nmemory = 1", "options without a class"),
        ('job_name = "shift-{line}"', "must have {line} and {run}"),
        ('job_name = "{line} {run}"', "space"),
        ('job_name = "{line}-{run}-{date}"', "no other field"),
        ("poll_seconds = 600", "poll_seconds"),  # a death would not be seen within a minute
    ],
)
def test_the_error_names_the_mistake(write, text, words):
    with pytest.raises(ProfileError, match=words):
        load_profile(write(text), PROFILES)


def test_every_keyword_of_dask_jobqueue_is_known():
    known = accepted_options(find_class(SLURM))
    assert known is not None
    assert {
        *("queue", "account", "walltime", "job_cpu", "job_mem"),  # SLURMJob
        *("cores", "memory", "nanny", "python", "shebang", "worker_extra_args"),  # Job
        *("scheduler_options", "security", "shared_temp_directory", "config_name"),  # cluster
    } <= known


def test_options_of_the_engine_do_not_replace_those_of_the_profile(tmp_path):
    options = cluster_options(
        SLURM.with_options(
            worker_extra_args=["--memory-limit", "5GB"],
            nanny=True,
            job_extra_directives=["--exclusive"],
        ),
        "name",
        tmp_path,
    )
    assert options["nanny"] is True
    assert options["worker_extra_args"] == ["--memory-limit", "5GB", "--no-dashboard"]
    assert options["job_extra_directives"] == ["--exclusive", "--no-requeue"]


def test_settings_of_dask_hold_in_the_jobs_too(tmp_path):
    profile = SLURM.model_copy(
        update={"dask": {"distributed": {"comm": {"timeouts": {"connect": "90s"}}}}}
    )
    prologue = cluster_options(profile, "name", tmp_path)["job_script_prologue"]
    assert prologue == ["export DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT=90s"]
    name, _, value = prologue[0].removeprefix("export ").partition("=")
    collected = dask.config.collect(paths=[], env={name: value})
    assert collected == profile.dask


def test_a_log_folder_with_an_unset_variable_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("NOBACKUP", raising=False)
    with pytest.raises(ProfileError, match=r"log_directory uses \$NOBACKUP, which is not set"):
        cluster_options(SLURM.with_options(log_directory="$NOBACKUP/logs"), "name", tmp_path)


def test_cpus_of_a_job_are_those_that_slurm_is_asked_for():
    assert SLURM.cpus is None
    assert SLURM.with_options(cores=4).cpus == 4
    assert SLURM.with_options(cores=1, job_cpu=10).cpus == 10


_CHECK = """
import signal, threading
def load():
    import shift_stac.cluster.options
thread = threading.Thread(target=load)
thread.start(); thread.join()
import dask_jobqueue
assert "shift_stac.cluster.dask_engine" not in __import__("sys").modules
assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
"""


@pytest.mark.heavy
def test_importing_dask_jobqueue_leaves_ctrl_c_alone_in_any_thread():
    """Its import would make Ctrl-C exit with status 0, and fail outside the main thread."""
    subprocess.run([sys.executable, "-W", "error", "-c", _CHECK], check=True)


def test_a_local_profile_needs_no_dask():
    check = (
        "import sys; from pathlib import Path; from shift_stac.cluster import *;"
        f"p = load_profile('local', Path({str(PROFILES)!r}));"
        "open_engine(p, run_name='x', work_dir=Path()).close();"
        "assert 'distributed' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", check], check=True)
