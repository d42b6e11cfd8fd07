"""Checks the values of dask-jobqueue's keywords in a cluster profile."""

from typing import Annotated, Any

from dask.utils import parse_bytes, parse_timedelta
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from shift_stac.cluster.errors import ProfileError
from shift_stac.cluster.profile import ClusterProfile


def _check_size(text: str) -> str:
    try:
        size = parse_bytes(text)
    except ValueError:
        size = 0
    if size <= 0:
        msg = 'give a size with its unit, such as "4 GB" or "4 GiB"'
        raise ValueError(msg)
    return text


def _check_duration(text: str) -> str:
    try:
        parse_timedelta(text)
    except (ValueError, KeyError):
        msg = 'give a time with its unit, such as "90 s"'
        raise ValueError(msg) from None
    return text


_Size = Annotated[str, AfterValidator(_check_size)]
_Count = Annotated[int, Field(gt=0)]


class _JobOptions(BaseModel):
    """Keywords whose wrong values would otherwise be found only when a job script is written."""

    model_config = ConfigDict(strict=True, extra="ignore")

    memory: _Size
    job_mem: str | None = None
    cores: _Count | None = None
    job_cpu: _Count | None = None
    walltime: str | None = None
    queue: str | None = None
    account: str | None = None
    project: str | None = None
    python: str | None = None
    shebang: str | None = None
    interface: str | None = None
    local_directory: str | None = None
    log_directory: str | None = None
    death_timeout: _Count | Annotated[str, AfterValidator(_check_duration)] | None = None
    job_extra_directives: list[str] | None = None
    job_directives_skip: list[str] | None = None
    job_script_prologue: list[str] | None = None
    worker_extra_args: list[str] | None = None


def check_job_options(profile: ClusterProfile) -> None:
    """Check that a job script can be written from the values of a profile's options.

    Raises
    ------
    ProfileError
        A value is missing or of a wrong type; the message names its key.
    """
    try:
        _JobOptions.model_validate(dict(profile.options))
    except ValidationError as error:
        raise ProfileError(_told(profile, error.errors()[0])) from None


def _told(profile: ClusterProfile, fault: Any) -> str:
    key = f"options.{fault['loc'][0]}"
    if fault["type"] == "missing":
        return f"cluster profile {profile.name}: {key} is missing: give what a job needs"
    words = fault["msg"].removeprefix("Value error, ")
    return f"cluster profile {profile.name}: {key} is {fault['input']!r}: {words}"
