"""Checks a profile's options against the cluster's class, and adds those of the engine."""

import difflib
import inspect
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import dask
from distributed import LocalCluster, Nanny, SpecCluster, Worker

from shift_stac.cluster.errors import ProfileError
from shift_stac.cluster.job_options import check_job_options
from shift_stac.cluster.jobqueue import JobQueueCluster, SLURMCluster
from shift_stac.cluster.profile import ClusterProfile
from shift_stac.files import at_home

# Options that the engine sets, and why a profile cannot set them.
_RESERVED = {
    "asynchronous": "the engine awaits its clusters",
    "job_cls": "it belongs to the class",
    "job_name": "the profile's own job_name is its template",
    "loop": "the engine has its own event loop",
    "n_workers": "every function has one worker",
    "name": "it is the job's name",
}


def find_class(profile: ClusterProfile) -> type[SpecCluster]:
    """Import the class of a profile.

    Raises
    ------
    ProfileError
        The class does not exist, or is not a Dask cluster with specifications of its workers.
    """
    name = profile.cluster_class or ""
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(import_module(module), attribute)
    # The last one of a name that begins with a dot.
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        msg = (
            f"cluster profile {profile.name}: class {name!r} cannot be imported ({error}); a "
            "dotted name is needed, for example 'dask_jobqueue.SLURMCluster'"
        )
        raise ProfileError(msg) from error
    if not (isinstance(found, type) and issubclass(found, SpecCluster)):
        msg = (
            f"cluster profile {profile.name}: {name} is not a class derived from "
            "distributed.SpecCluster, as those of dask-jobqueue and LocalCluster are"
        )
        raise ProfileError(msg)
    return found


def accepted_options(cluster_class: type[SpecCluster]) -> set[str] | None:
    """Return every keyword that a class accepts or passes on; None if it accepts any."""
    sources: list[type] = list(cluster_class.__mro__)
    if issubclass(cluster_class, JobQueueCluster):
        # Keywords that the cluster does not know go to its jobs.
        job_class: Any = cluster_class.job_cls  # type: ignore[misc]  # a class attribute of its subclasses
        sources += job_class.__mro__
    elif issubclass(cluster_class, LocalCluster):
        sources += [Nanny, Worker]
    elif _takes_any(cluster_class):
        return None
    names: set[str] = set()
    for source in sources:
        names.update(_keywords(source))
    return names - {"self", "scheduler", "workers", "worker", "args", "kwargs"}


def _own_parameters(source: type) -> Iterable[inspect.Parameter]:
    init = source.__dict__.get("__init__")
    return inspect.signature(init).parameters.values() if inspect.isfunction(init) else ()


def _keywords(source: type) -> Iterator[str]:
    for parameter in _own_parameters(source):
        if parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}:
            yield parameter.name


def _takes_any(cluster_class: type) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in _own_parameters(cluster_class))


def check_options(profile: ClusterProfile) -> None:
    """Compare the options with the class's signature.

    Raises
    ------
    ProfileError
        An option does not exist, cannot be set by a profile, or has a value of a wrong type.
    """
    cluster_class = find_class(profile)
    accepted = accepted_options(cluster_class)
    for key in profile.options:
        if key in _RESERVED:
            msg = f"cluster profile {profile.name}: options.{key} cannot be set: {_RESERVED[key]}"
            raise ProfileError(msg)
        if accepted is not None and key not in accepted:
            msg = (
                f"cluster profile {profile.name}: {profile.cluster_class} knows no option "
                f"{key!r}{_similar(key, accepted)}"
            )
            raise ProfileError(msg)
    processes = profile.options.get("processes", 1)
    if not isinstance(processes, bool) and processes != 1:
        msg = f"cluster profile {profile.name}: options.processes must be 1: a job has one function"
        raise ProfileError(msg)
    if issubclass(cluster_class, JobQueueCluster):
        check_job_options(profile)


def check_dask_settings(profile: ClusterProfile) -> None:
    """Compare the ``dask`` table with the settings that Dask has defaults for.

    Raises
    ------
    ProfileError
        Dask has no such setting.
    """
    known = set(flatten(dask.config.config))
    for key in flatten(profile.dask):
        if dask.config.get(key, default=_ABSENT) is _ABSENT:
            msg = (
                f"cluster profile {profile.name}: Dask has no setting {key!r}{_similar(key, known)}"
            )
            raise ProfileError(msg)


_ABSENT = object()


def _similar(key: str, known: Iterable[str]) -> str:
    similar = difflib.get_close_matches(key, sorted(known), n=3)
    return f"; similar: {', '.join(similar)}" if similar else ""


def flatten(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return nested tables as one table with dotted keys."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def cluster_options(profile: ClusterProfile, job_name: str, work_dir: Path) -> dict[str, Any]:
    """Return the keyword arguments for the cluster of one job.

    A job has one worker process and no dashboard. It has no nanny, which would double the start-up
    time and restart a worker whose failure should be reported. It has no memory limit of Dask, which
    counts the pages of mapped files: the cluster limits the job's memory.

    Raises
    ------
    ProfileError
        The log folder cannot be made, or names an environment variable that is not set.
    """
    cluster_class = find_class(profile)
    options = dict(profile.options)
    common = {"asynchronous": True, "n_workers": 0, "silence_logs": False, "name": job_name}
    if not issubclass(cluster_class, JobQueueCluster):
        return options | common
    logs = _log_folder(profile, work_dir)
    arguments = list(options.get("worker_extra_args") or ())
    if not {"--dashboard", "--no-dashboard"} & set(arguments):
        arguments.append("--no-dashboard")
    if "--memory-limit" not in arguments:
        arguments += ["--memory-limit", "0"]
    prologue = [
        *(options.get("job_script_prologue") or ()),
        *(
            f"export {name}={shlex.quote(value)}"
            for name, value in _dask_environment(profile).items()
        ),
    ]
    options |= {"worker_extra_args": arguments, "job_script_prologue": prologue}
    if issubclass(cluster_class, SLURMCluster):
        # Slurm starts a job again after a failure of its node; but the flow has already started
        # another job for the line.
        directives = [*(options.get("job_extra_directives") or ()), "--no-requeue"]
        if _has_space(logs):
            # Dask-jobqueue does not quote the path; Slurm would read only its first word.
            skipped = ("#SBATCH -e ", "#SBATCH -o ")
            options["job_directives_skip"] = [*(options.get("job_directives_skip") or ()), *skipped]
            directives += [f'-e "{logs}/{job_name}-%J.err"', f'-o "{logs}/{job_name}-%J.out"']
        options["job_extra_directives"] = directives
    elif _has_space(logs):
        msg = (
            f"cluster profile {profile.name}: the log folder {logs} has a space in its name, which "
            f"{profile.cluster_class} does not quote: set options.log_directory to another"
        )
        raise ProfileError(msg)
    # Part of the job's script.
    defaults = {"cores": 1, "processes": 1, "nanny": False, "python": shlex.quote(sys.executable)}
    return defaults | options | common | {"job_name": job_name, "log_directory": str(logs)}


def _has_space(path: Path) -> bool:
    return any(character.isspace() for character in str(path))


def _log_folder(profile: ClusterProfile, work_dir: Path) -> Path:
    text = os.path.expandvars(str(profile.options.get("log_directory") or work_dir / "joblogs"))
    if unset := re.findall(r"\$\{?(\w+)", text):
        msg = f"cluster profile {profile.name}: log_directory uses ${unset[0]}, which is not set"
        raise ProfileError(msg)
    # Absolute, because the flow may read the log from another working directory.
    folder = at_home(text).absolute()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        msg = f"cluster profile {profile.name}: log_directory {folder} cannot be made: {error}"
        raise ProfileError(msg) from error
    return folder


def _dask_environment(profile: ClusterProfile) -> dict[str, str]:
    """Return Dask's settings as environment variables for a worker."""
    return {
        "DASK_" + key.replace(".", "__").replace("-", "_").upper(): str(value)
        for key, value in flatten(profile.dask).items()
    }
