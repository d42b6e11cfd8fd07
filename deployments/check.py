"""Checks what a run needs before it starts: cluster, disk, portal, store.

Run ``python -m deployments.check --help``. It changes nothing, except for a probe that it removes,
and the folder of the jobs' logs.
"""

import logging
import os
import platform
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import botocore.session
from botocore.exceptions import BotoCoreError
from pydantic import ValidationError
from pydantic_settings import SettingsError

from flows import CLUSTER_PROFILES
from flows.chain.preparation import count_at_once
from flows.running.terminal import plain_console, print_rows, print_usage_error
from flows.settings import ArchiveOptions, read_options
from shift_stac.campaigns import load_campaign
from shift_stac.cluster import ClusterProfile, load_profile, open_engine
from shift_stac.errors import ShiftError
from shift_stac.monitoring.units import format_size
from shift_stac.portal.portal import campaign_portal
from shift_stac.storage.address import open_storage
from shift_stac.storage.credentials import Sessions

_PROGRAM = "python -m deployments.check"
_TRY_JOB = "--try-job"
# Bytes of two cubes, their store and a map, of the longest line of the campaign.
_BYTES_OF_A_LINE = 70e9


class Verdict(StrEnum):
    """The verdict of a finding."""

    GOOD = "good"
    NOTE = "note"
    BAD = "BAD"


@dataclass(frozen=True)
class CheckResult:
    """A finding: the state of one thing that a run needs."""

    subject: str
    verdict: Verdict
    words: str

    def row(self) -> dict[str, str]:
        """The finding as a row of a table; a long finding stands below it, behind the first column."""
        return {"what": self.subject, "state": self.verdict.value, "finding": self.words}


def look(settings: ArchiveOptions, *, try_job: bool) -> Iterator[CheckResult]:
    """Check everything that a run with these settings needs.

    Parameters
    ----------
    settings
        The settings of a run.
    try_job
        Start a job on the cluster and wait for it. Only a job shows whether nodes see the Python
        environment and reach this machine.
    """
    work_dir = settings.work_dir.absolute()
    yield _folder("working folder", work_dir)
    try:
        profile = load_profile(settings.cluster, CLUSTER_PROFILES)
    except ShiftError as error:
        yield CheckResult("cluster", Verdict.BAD, str(error))
    else:
        yield from _space(count_at_once(settings, profile), work_dir)
        yield from _cluster(profile, work_dir, try_job=try_job)
    yield _try("portal", lambda: _portal(settings))
    if settings.store.startswith("s3://"):
        yield from _bucket(settings)
    else:
        yield _folder("store", Path(settings.store).absolute())


def _try(subject: str, find: Callable[[], CheckResult]) -> CheckResult:
    """Return a finding; an expected error of the library becomes a bad one."""
    try:
        return find()
    except (ShiftError, BotoCoreError, OSError) as error:
        return CheckResult(subject, Verdict.BAD, str(error))


def _present(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    return next(path for path in (folder, *folder.parents) if path.exists())


def _folder(subject: str, folder: Path) -> CheckResult:
    present = _present(folder)
    try:
        with tempfile.NamedTemporaryFile(dir=present, prefix=".check-"):
            pass
    except OSError as error:
        return CheckResult(subject, Verdict.BAD, f"{present} cannot be written: {error.strerror}")
    if present != folder:
        return CheckResult(subject, Verdict.NOTE, f"{folder} does not exist yet: a run makes it")
    return CheckResult(subject, Verdict.GOOD, f"{folder} can be written")


def _space(lines: int, work_dir: Path) -> Iterator[CheckResult]:
    with suppress(OSError):
        free = shutil.disk_usage(_present(work_dir)).free
        wanted = lines * _BYTES_OF_A_LINE
        words = (
            f"{format_size(int(free))} free on the file system; {lines} lines at once take up to "
            f"{format_size(int(wanted))}; quotas are not checked"
        )
        yield CheckResult("disk", Verdict.GOOD if free > wanted else Verdict.NOTE, words)


def _cluster(profile: ClusterProfile, work_dir: Path, *, try_job: bool) -> Iterator[CheckResult]:
    if profile.is_local:
        yield CheckResult("cluster", Verdict.GOOD, "conversions run on this machine")
        return
    interface = profile.options.get("interface")
    present = sorted(name for _, name in socket.if_nameindex())
    if interface is not None and interface not in present:
        words = (
            f"this machine has no network interface {interface} (it has {', '.join(present)}): set "
            f"`interface` in cluster profile {profile.name} to one that the nodes reach"
        )
        yield CheckResult("interface", Verdict.BAD, words)
        return
    if interface is not None:
        yield CheckResult("interface", Verdict.GOOD, f"{interface} is there")
    yield _try("cluster", lambda: _job(profile, work_dir / "jobs", try_job=try_job))


def _job(profile: ClusterProfile, work_dir: Path, *, try_job: bool) -> CheckResult:
    # Entering the engine lets Slurm test a job's script.
    with open_engine(profile, run_name="check", work_dir=work_dir) as engine:
        if not try_job:
            words = f"Slurm accepts a job of profile {profile.name}; {_TRY_JOB} starts one"
            return CheckResult("cluster", Verdict.GOOD, words)
        log = logging.getLogger(__name__)
        node = engine.run(platform.node, name="check", log=log)
        words = f"a job of profile {profile.name} ran on {node} with {sys.executable}"
        return CheckResult("cluster", Verdict.GOOD, words)


def _portal(settings: ArchiveOptions) -> CheckResult:
    version = settings.portal_version
    campaign = load_campaign(settings.campaign)
    with campaign_portal(campaign, version, settings.download, settings.portal) as portal:
        dates = portal.dates()
    return CheckResult(
        "portal", Verdict.GOOD, f"{portal.address} lists {len(dates)} dates of {version}"
    )


def _bucket(settings: ArchiveOptions) -> Iterator[CheckResult]:
    keys = _try("keys", lambda: _keys(settings))
    yield keys
    if keys.verdict is Verdict.BAD:
        return
    if settings.s3.mfa_serial and Sessions(settings.s3).needs_code:
        words = (
            f"there is none with {settings.s3.mfa_serial}: begin one with `python -m "
            "flows.session`; otherwise a run asks for a code in the UI"
        )
        yield CheckResult("session", Verdict.NOTE, words)
        return
    yield _try("store", lambda: _prepared(settings))


def _keys(settings: ArchiveOptions) -> CheckResult:
    profile = settings.s3.profile or os.environ.get("AWS_PROFILE")
    found = botocore.session.Session(profile=settings.s3.profile).get_credentials()
    if found is None:
        words = (
            f"no AWS keys{f' of profile {profile}' if profile else ''}: put them into "
            "~/.aws/credentials, readable by you only"
        )
        return CheckResult("keys", Verdict.BAD, words)
    return CheckResult("keys", Verdict.GOOD, f"AWS keys come from {found.method}")


def _prepared(settings: ArchiveOptions) -> CheckResult:
    storage = open_storage(settings.store, settings.s3)
    storage.prepare()
    so_far = "has a catalog" if storage.read("catalog.json") else "has no catalog yet"
    return CheckResult("store", Verdict.GOOD, f"{settings.store} can be read, and {so_far}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command: return 0 if nothing is bad, 1 if something is, 2 for wrong usage."""
    console, errors = plain_console(), plain_console(stderr=True)
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        settings = read_options(
            ArchiveOptions,
            [argument for argument in given if argument != _TRY_JOB],
            _PROGRAM,
            "Check what a run needs: working folder, disk, cluster, portal, store. Ends with "
            f"0 if nothing is bad, 1 if something is, 2 for wrong usage. {_TRY_JOB} starts a job "
            "on the cluster and waits for it.",
        )
    except (ValidationError, SettingsError, OSError) as error:
        print_usage_error(errors, error, _PROGRAM, arguments)
        return 2
    findings = list(look(settings, try_job=_TRY_JOB in given))
    bad = sum(finding.verdict is Verdict.BAD for finding in findings)
    title = f"{bad} of {len(findings)} are bad" if bad else "everything that a run needs is there"
    print_rows(console, title, [finding.row() for finding in findings])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
