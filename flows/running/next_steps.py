"""What to do about an alert, by its kind and by the class of its error."""

from collections.abc import Mapping

from shift_stac.cluster import (
    ClusterUnavailableError,
    JobLostError,
    JobRefusedError,
    QueueTimeoutError,
)
from shift_stac.errors import (
    CatalogError,
    CredentialsError,
    EnviError,
    GeolocationError,
    MapError,
    NothingPublishedError,
    PortalError,
    ShiftError,
    StorageError,
    TransferError,
    WorkFolderError,
    error_class,
)
from shift_stac.monitoring.alerts import Alert, AlertKind
from shift_stac.monitoring.run_report import Stage

ACKNOWLEDGE = (
    "If a finding is dealt with, acknowledge its number: python -m flows.report --acknowledge NUMBER, or "
    "the form of the deployment report. It is shown again if it happens again."
)
"""What to do about a finding that somebody has dealt with."""

_PORTAL = "Check that the portal answers. The next run tries again."
_ARCHIVE = "Check that the archive can be reached and written, and has space. Then run again."
_FILES = (
    "The portal's files do not fit together: write to the operators of the portal. Every run "
    "tries again, and succeeds when the files are right."
)
_CONVERSION = (
    "Open the run for its log. If the next run fails in the same way, report it with that log."
)
_CAMPAIGN = "Run the campaign (python -m flows.campaign)."
_CATALOG = "Check that the archive can be written. Then run python -m flows.catalog rebuild."
_BY_KIND = {
    AlertKind.STUCK: "Check whether its process is alive. If not, cancel the run and start it "
    "again: it continues where it stopped.",
    AlertKind.LATE: "Check whether the worker runs (python -m deployments.serve starts it).",
    AlertKind.CRASHED: "Start it again: it continues.",
    AlertKind.ALL_FAILED: "See the lines' reasons below.",
    AlertKind.ENDED_BADLY: "Open the run for its table and its log.",
    AlertKind.LINE_FAILED: _CONVERSION,
    AlertKind.CATALOG_FAILED: _CATALOG,
    AlertKind.NOTHING_YET: f"Check that --store names the archive. {_CAMPAIGN}",
    AlertKind.IDLE: "Check the schedule and the worker.",
    AlertKind.EVENTS_DROPPED: "If it happens again, give the service a PostgreSQL database "
    "(shift_database).",
    AlertKind.UNFINISHED: "The reasons of failures are above. Without failures, raise the limits of "
    "one run.",
}
_BY_ERROR: Mapping[type[ShiftError], str] = {
    EnviError: _FILES,
    GeolocationError: _FILES,
    MapError: _FILES,
    PortalError: _PORTAL,
    TransferError: _PORTAL,
    StorageError: _ARCHIVE,
    WorkFolderError: "Check that the working folder has space, and that no other run works in "
    "it. Then run again.",
    CredentialsError: "Renew the access to the bucket (python -m flows.session if it needs MFA). "
    "Then run again.",
    NothingPublishedError: _CAMPAIGN,
    CatalogError: "Run python -m flows.catalog validate, then rebuild.",
    JobLostError: "The cluster ended the job. If the reason names time or memory, raise it in the "
    "cluster profile. Then run again.",
    JobRefusedError: "The cluster refuses such a job: correct the cluster profile.",
    QueueTimeoutError: "The job waited too long in the queue: run again later, or raise "
    "queue_timeout_minutes in the cluster profile.",
    ClusterUnavailableError: "The cluster does not answer: ask its support. The next run tries "
    "again.",
}
_BY_STAGE: Mapping[str, str] = {
    Stage.FIND: _PORTAL,
    Stage.DOWNLOAD: _PORTAL,
    Stage.PUBLISH: _ARCHIVE,
    Stage.CATALOGUE: _ARCHIVE,
}


def next_step(alert: Alert) -> str:
    """Return what an operator does next: one or two sentences, with the command."""
    if alert.kind in {AlertKind.LINE_FAILED, AlertKind.ENDED_BADLY}:
        # The nearest of the classes that an error is one of.
        kind = error_class(alert.error)
        for above in kind.__mro__ if kind else ():
            if above in _BY_ERROR:
                return _BY_ERROR[above]
        if alert.stage in _BY_STAGE:
            return _BY_STAGE[alert.stage]
    return _BY_KIND[alert.kind]
