"""Protects a job's cluster from other users, and keeps the flow's secrets out of the job.

A Dask scheduler runs any code that a client sends. So a cluster whose workers connect over the
network uses TLS with its own new key, and both sides refuse connections without a certificate of
that key.
"""

import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, override

from distributed import LocalCluster
from distributed.security import Security

from shift_stac.cluster.errors import ClusterUnavailableError, ProfileError
from shift_stac.cluster.jobqueue import JobQueueCluster
from shift_stac.cluster.options import cluster_options, find_class
from shift_stac.cluster.profile import ClusterProfile

# A job converts local files: it needs no server, no bucket and no settings of the flow.
_SECRET_NAME = re.compile(
    r"^(SHIFT|PREFECT|AWS)_|PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|WEBHOOK|AUTH"
    r"|(API|ACCESS|PRIVATE)_?KEY"
)
# A URL with a password, such as that of a proxy.
_SECRET_VALUE = re.compile(r"://[^/@\s]*:[^/@\s]+@")


class _FileSecurity(Security):
    """Keys that the flow has in memory, and that a job reads from files.

    Dask-jobqueue writes such files too, but does not quote their paths in the job's script.

    Parameters
    ----------
    keys
        Keys from ``Security.temporary``.
    folder
        Folder of the files, which only their owner can read. Nodes must see it.
    """

    def __init__(self, keys: Security, folder: Path) -> None:
        # Dask has no types here.
        copy: Any = super().__init__
        copy(**{name: getattr(keys, name) for name in Security.__slots__})
        self._words: dict[str, str] = {}
        of_role: Any = super().get_tls_config_for_role
        for name, text in of_role("worker").items():
            if text:
                path = folder / f"{name}.pem"
                path.touch(mode=0o600)
                path.write_text(text)
                self._words[name] = shlex.quote(str(path))

    @override
    def get_tls_config_for_role(self, role: str) -> dict[str, Any]:
        """Return the TLS settings of a role; for a worker, arguments in the job's script."""
        of_role: Any = super().get_tls_config_for_role
        found: dict[str, Any] = of_role(role)
        return found | self._words if role == "worker" else found


@contextmanager
def secured_options(
    profile: ClusterProfile, job_name: str, work_dir: Path, *, many_jobs: bool = False
) -> Iterator[dict[str, Any]]:
    """Give the keyword arguments for the cluster of one job, with TLS unless the profile has its own.

    The files of the keys are beside the job's log, and are removed at the end of the context. With
    ``many_jobs`` the cluster may have several jobs, which do not remove the keys at their end.

    Raises
    ------
    ProfileError
        The class needs security settings, and the profile has none; or see
        :func:`shift_stac.cluster.options.cluster_options`.
    """
    options = cluster_options(profile, job_name, work_dir)
    cluster_class = find_class(profile)
    is_batch = issubclass(cluster_class, JobQueueCluster)
    if is_batch:
        options["job_cls"] = _without_secrets(cluster_class)
    given = options.get("security")
    if given is False:
        # Dask-jobqueue treats any value but None as keys.
        options["security"] = None
    elif is_batch and (given is None or "shared_temp_directory" not in options):
        with _keys(Path(options["log_directory"]), job_name) as (security, folder):
            if not many_jobs:
                # Includes the keys of a job that outlives the flow.
                leave = f"trap {shlex.quote(f'rm -rf {shlex.quote(str(folder))}')} EXIT"
                options["job_script_prologue"] = [leave, *options["job_script_prologue"]]
            yield options | {"security": security}
        return
    elif given is None and issubclass(cluster_class, LocalCluster):
        # Other users of the machine reach its loopback too, but not threads.
        if options.get("processes", True):
            options["security"] = True
    elif given is None:
        msg = (
            f"cluster profile {profile.name}: options.security is missing: set how "
            f"{profile.cluster_class} protects its scheduler, which runs any code that it is "
            f"sent"
        )
        raise ProfileError(msg)
    yield options


@contextmanager
def _keys(parent: Path, job_name: str) -> Iterator[tuple[Security, Path]]:
    """Give new keys, and the folder of their files, which exists while the context lasts."""
    make: Any = Security.temporary
    with ExitStack() as stack:
        try:
            # Only for its owner.
            folder = Path(tempfile.mkdtemp(prefix=f".{job_name}-", dir=parent))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            security = _FileSecurity(make(), folder)
        except OSError as error:
            msg = f"the keys of {job_name} cannot be written below {parent}: {error.strerror}"
            raise ClusterUnavailableError(msg) from error
        yield security, folder


def secret_names(environment: Mapping[str, str]) -> list[str]:
    """Return the variables that a job must not have: ours, and those that look like secrets."""
    return sorted(
        name
        for name, value in environment.items()
        if _SECRET_NAME.search(name.upper()) or _SECRET_VALUE.search(value)
    )


def _without_secrets(cluster_class: Any) -> type:
    """Return the class of a cluster's jobs, with a submission that removes the secrets of this process.

    sbatch passes its environment to the job. Slurm's ``--export=NONE`` makes each job wait for a
    login, and drops the variables of the site.
    """
    job_class = cluster_class.job_cls
    unset = " ".join(f"-u {shlex.quote(name)}" for name in secret_names(os.environ))
    command = f"env {unset} {job_class.submit_command}"
    return type(job_class.__name__, (job_class,), {"submit_command": command})
