"""What keeps others out of a job's cluster, and the flow's secrets out of the job.

A Dask scheduler runs what a client sends it. So a cluster whose workers connect over the network
speaks TLS with a key that is made for it alone, and both sides refuse whoever has no certificate of
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

# A job converts files that it finds: it needs no server, no bucket and no setting of the flow's.
_SECRET_NAME = re.compile(
    r"^(SHIFT|PREFECT|AWS)_|PASSW|PASSPHRASE|SECRET|TOKEN|CREDENTIAL|WEBHOOK|AUTH"
    r"|(API|ACCESS|PRIVATE)_?KEY"
)
# An address with a password in it, such as that of a proxy.
_SECRET_VALUE = re.compile(r"://[^/@\s]*:[^/@\s]+@")


class _FileSecurity(Security):
    """Keys that the flow holds in memory, and that a job reads from files.

    Dask-jobqueue would write such files too, but put their paths into the job's script unquoted.

    Parameters
    ----------
    keys
        What ``Security.temporary`` made.
    folder
        Where the files are written, readable by their owner alone. Nodes must see it.
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
        """What a role needs; of a worker, words of the job's script."""
        of_role: Any = super().get_tls_config_for_role
        found: dict[str, Any] = of_role(role)
        return found | self._words if role == "worker" else found


@contextmanager
def secured_options(
    profile: ClusterProfile, job_name: str, work_dir: Path, *, many_jobs: bool = False
) -> Iterator[dict[str, Any]]:
    """The keyword arguments for the cluster of one job, with TLS unless the profile has its own.

    The keys' files lie beside the job's log, and are removed at the end of the context. With
    ``many_jobs`` the cluster may have more than one: none of them takes the keys away at its end.

    Raises
    ------
    ProfileError
        The class leaves its security to the profile, which says nothing of it; or see
        :func:`shift_stac.cluster.options.cluster_options`.
    """
    options = cluster_options(profile, job_name, work_dir)
    cluster_class = find_class(profile)
    is_batch = issubclass(cluster_class, JobQueueCluster)
    if is_batch:
        options["job_cls"] = _without_secrets(cluster_class)
    given = options.get("security")
    if given is False:
        # Dask-jobqueue takes whatever is not None for keys.
        options["security"] = None
    elif is_batch and (given is None or "shared_temp_directory" not in options):
        with _keys(Path(options["log_directory"]), job_name) as (security, folder):
            if not many_jobs:
                # Also of a job that outlives the flow.
                leave = f"trap {shlex.quote(f'rm -rf {shlex.quote(str(folder))}')} EXIT"
                options["job_script_prologue"] = [leave, *options["job_script_prologue"]]
            yield options | {"security": security}
        return
    elif given is None and issubclass(cluster_class, LocalCluster):
        # Other users of the machine reach its loopback too; threads are reached by nobody.
        if options.get("processes", True):
            options["security"] = True
    elif given is None:
        msg = (
            f"cluster profile {profile.name}: options.security is missing: say how "
            f"{profile.cluster_class} keeps others from its scheduler, which runs what it is sent"
        )
        raise ProfileError(msg)
    yield options


@contextmanager
def _keys(parent: Path, job_name: str) -> Iterator[tuple[Security, Path]]:
    """New keys, and the folder of their files, which is there as long as the context."""
    make: Any = Security.temporary
    with ExitStack() as stack:
        try:
            # For its owner alone.
            folder = Path(tempfile.mkdtemp(prefix=f".{job_name}-", dir=parent))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            security = _FileSecurity(make(), folder)
        except OSError as error:
            msg = f"the keys of {job_name} cannot be written below {parent}: {error.strerror}"
            raise ClusterUnavailableError(msg) from error
        yield security, folder


def secret_names(environment: Mapping[str, str]) -> list[str]:
    """The variables that a job must not have: ours, and whatever looks like a secret."""
    return sorted(
        name
        for name, value in environment.items()
        if _SECRET_NAME.search(name.upper()) or _SECRET_VALUE.search(value)
    )


def _without_secrets(cluster_class: Any) -> type:
    """The class of a cluster's jobs, whose submission leaves the secrets of this process behind.

    sbatch and its like hand the environment that they are started in to the job. Slurm's own
    ``--export=NONE`` would have each job wait for a login, and leave out what the site has set.
    """
    job_class = cluster_class.job_cls
    unset = " ".join(f"-u {shlex.quote(name)}" for name in secret_names(os.environ))
    command = f"env {unset} {job_class.submit_command}"
    return type(job_class.__name__, (job_class,), {"submit_command": command})
