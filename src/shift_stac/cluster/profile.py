"""Cluster profiles: the cluster on which functions run, and the resources of its jobs, as data."""

from collections.abc import Mapping
from string import Formatter
from typing import Any

from pydantic import ConfigDict, Field, field_validator

from shift_stac.model import FrozenModel

LOCAL = "local"
_JOB_NAME_FIELDS = {"line", "run"}


class ClusterProfile(FrozenModel):
    """The place where functions run.

    Parameters
    ----------
    name
        The profile's own name, for messages.
    cluster_class
        Dotted name of a Dask cluster class (``class`` in the file). Without it, functions run in the
        flow's own process.
    max_jobs
        The number of functions at the same time, each in its own job.
    retries
        The number of retries of a function whose job was lost, each in another job.
    job_name
        Name of a job. ``{line}`` and ``{run}`` are filled in; both are needed, because a job whose
        id is unknown is found and cancelled by its name.
    options
        Keyword arguments of the class.
    dask
        Settings of Dask that differ from its defaults, as nested tables. They apply in the flow's
        process and in the jobs.
    preflight
        Whether the cluster is asked, before any work, whether it accepts such a job.
    poll_seconds
        Seconds between two queries of Slurm about all jobs of the run, in one command.
    queue_report_minutes
        Minutes between two reports of a job that waits in the queue.
    queue_timeout_minutes
        Longest wait of a job in the queue, in minutes.
    replacement_seconds
        Seconds after which another job is submitted for a worker that a cube has lost. Within them,
        a worker that is only restarted comes back.
    """

    model_config = ConfigDict(populate_by_name=True)

    name: str = LOCAL
    cluster_class: str | None = Field(default=None, alias="class")
    max_jobs: int = Field(default=1, gt=0)
    retries: int = Field(default=2, ge=0, le=20)
    job_name: str = "shift-{line}-{run}"
    options: Mapping[str, Any] = Field(default_factory=dict)
    dask: Mapping[str, Any] = Field(default_factory=dict)
    preflight: bool = True
    poll_seconds: float = Field(default=15, gt=0, le=30)
    queue_report_minutes: float = Field(default=5, gt=0)
    queue_timeout_minutes: float = Field(default=24 * 60, gt=0)
    replacement_seconds: float = Field(default=15, gt=0, le=600)

    @field_validator("job_name")
    @classmethod
    def _check_job_name(cls, value: str) -> str:
        fields = {name for _, name, _, _ in Formatter().parse(value) if name is not None}
        if fields != _JOB_NAME_FIELDS or any(c.isspace() or c == "/" for c in value):
            msg = f"{value!r} must have {{line}} and {{run}} in it, and no other field, space or /"
            raise ValueError(msg)
        return value

    @property
    def is_local(self) -> bool:
        """Whether functions run in the flow's own process."""
        return self.cluster_class is None

    @property
    def cpus(self) -> int | None:
        """CPUs of a job, all for its function; None: as many as the machine has."""
        cpus = self.options.get("job_cpu") or self.options.get("cores")
        return int(cpus) if cpus is not None else None

    def with_options(self, **options: Any) -> "ClusterProfile":
        """Return the profile with some options of its class changed."""
        return self.model_copy(update={"options": {**self.options, **options}})
