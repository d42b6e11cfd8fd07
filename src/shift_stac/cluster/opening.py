"""From the file of a cluster profile to its engine."""

import os
import tomllib
from pathlib import Path

from shift_stac.cluster.engine import Engine
from shift_stac.cluster.errors import ProfileError
from shift_stac.cluster.local_engine import LocalEngine
from shift_stac.cluster.profile import ClusterProfile
from shift_stac.files import at_home


def load_profile(name_or_path: str | Path, folder: Path) -> ClusterProfile:
    """Read a cluster profile.

    Parameters
    ----------
    name_or_path
        The name of a profile in the folder (``local``), or the path of a TOML file.
    folder
        Folder of the named profiles.

    Raises
    ------
    ProfileError
        The file does not exist, or has an unknown class, option or setting; the message names the
        key.
    """
    path = at_home(name_or_path)
    named = folder / f"{name_or_path}.toml"
    if os.sep not in str(name_or_path) and named.is_file():
        path = named
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        profile = ClusterProfile.model_validate({"name": path.stem, **content})
    except OSError as error:
        known = ", ".join(sorted(file.stem for file in folder.glob("*.toml")))
        msg = (
            f"{name_or_path} is neither a cluster profile of {folder} ({known}) nor a file that "
            f"can be read: {error.strerror}"
        )
        raise ProfileError(msg) from error
    # Also no UTF-8, or a number of more digits than Python reads.
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not a cluster profile: {error}"
        raise ProfileError(msg) from error
    check_profile(profile)
    return profile


def check_profile(profile: ClusterProfile) -> None:
    """Compare a profile with the class that it names, and with Dask's settings.

    Raises
    ------
    ProfileError
        It names a class, an option or a setting that does not exist; similar names are suggested.
    """
    if profile.is_local:
        strangers = [key for key in ("options", "dask") if getattr(profile, key)]
        if strangers:
            msg = (
                f"cluster profile {profile.name}: {' and '.join(strangers)} without a class; name "
                "one, for example class = 'dask_jobqueue.SLURMCluster'"
            )
            raise ProfileError(msg)
        return
    # Dask takes half a second to import, which a local profile does not need.
    from shift_stac.cluster.options import check_dask_settings, check_options  # noqa: PLC0415

    check_options(profile)
    check_dask_settings(profile)


def open_engine(profile: ClusterProfile, *, run_name: str, work_dir: Path) -> Engine:
    """Make the engine of a profile; entering its context asks the cluster whether it accepts such jobs.

    Parameters
    ----------
    profile
        The profile.
    run_name
        The run's name, part of the jobs' names; it need not be unique.
    work_dir
        Jobs write their logs below it, unless the profile names another folder. Nodes must see it.

    Raises
    ------
    ProfileError
        The profile contradicts its class.
    """
    check_profile(profile)
    if profile.is_local:
        return LocalEngine(profile.max_jobs)
    # Dask takes half a second to import, which a local engine does not need.
    from shift_stac.cluster.dask_engine import DaskEngine  # noqa: PLC0415

    return DaskEngine(profile, run_name=run_name, work_dir=work_dir)
