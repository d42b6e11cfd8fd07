"""Access to a cluster's scheduler, and the environment of a job."""

import asyncio
import shlex
import stat
from pathlib import Path

import pytest
from distributed import Client

from shift_stac.cluster import ClusterProfile, ProfileError
from shift_stac.cluster.options import find_class
from shift_stac.cluster.secured import secret_names, secured_options

# Another test may have Dask's own port of a dashboard at the same time.
ANY_PORT = {"dashboard_address": ":0"}
SLURM = ClusterProfile.model_validate(
    {
        "class": "dask_jobqueue.SLURMCluster",
        "options": {"memory": "1 GiB", "interface": "lo", "scheduler_options": ANY_PORT},
    }
)
LOCAL = ClusterProfile.model_validate({"class": "distributed.LocalCluster", "options": ANY_PORT})


def _keys(folder: Path) -> list[Path]:
    found = list(folder.rglob("*.pem"))
    assert all(stat.S_IMODE(key.stat().st_mode) == 0o600 for key in found)
    return found


async def _try_as_a_stranger(profile: ClusterProfile, folder: Path) -> tuple[str, str, list[Path]]:
    """The script of a job, the error of a client without a certificate, and the files of the keys."""
    with secured_options(profile, "name", folder) as options:
        async with find_class(profile)(**options) as cluster:
            keys = _keys(folder)
            script = cluster.job_script() if profile is SLURM else ""
            address = cluster.scheduler_address.replace("tls://", "tcp://")
            try:
                async with Client(address, asynchronous=True, timeout=2):
                    return script, "in", keys
            except (OSError, TimeoutError) as error:
                return script, type(error).__name__, keys


@pytest.mark.parametrize("profile", [SLURM, LOCAL])
def test_a_client_without_a_certificate_is_refused(profile, tmp_path):
    folder = tmp_path / "a folder"
    script, told, keys = asyncio.run(_try_as_a_stranger(profile, folder))
    assert told in {"CommClosedError", "OSError", "TimeoutError"}
    assert not _keys(folder)
    if profile is SLURM:
        words = shlex.split(script.splitlines()[-1] or script.splitlines()[-2])
        assert words[words.index("--tls-key") + 1] in map(str, keys)
        # Slurm would read the first word of a path.
        assert f'#SBATCH -o "{folder}/joblogs/name-%J.out"' in script.splitlines()
        assert script.count("#SBATCH -o") == script.count("#SBATCH -e") == 1


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        (ClusterProfile.model_validate({"class": "distributed.SpecCluster"}), "is missing"),
    ],
)
def test_a_scheduler_that_is_open_to_all_is_refused(profile, words, tmp_path):
    with pytest.raises(ProfileError, match=words), secured_options(profile, "name", tmp_path):
        pass


def test_a_log_folder_that_a_class_would_not_quote_is_refused(tmp_path):
    profile = SLURM.model_copy(update={"cluster_class": "dask_jobqueue.PBSCluster"})
    with (
        pytest.raises(ProfileError, match="has a space"),
        secured_options(profile, "name", tmp_path / "a folder"),
    ):
        pass


def test_secrets_are_distinguished_from_variables_that_a_job_needs():
    secrets = {
        *("SHIFT_AUTH", "PREFECT_API_AUTH_STRING", "AWS_SECRET_ACCESS_KEY", "PGPASSWORD"),
        *("GITHUB_TOKEN", "my_api_key"),
    }
    needed = {"PATH", "HOME", "SLURM_CONF", "LD_LIBRARY_PATH", "MODULEPATH", "DASK_CONFIG"}
    environment = dict.fromkeys(secrets | needed, "/x")
    environment |= {"HTTPS_PROXY": "http://me:word@proxy", "HTTP_PROXY": "http://proxy:80"}
    assert set(secret_names(environment)) == secrets | {"HTTPS_PROXY"}
