"""Opens what all lines of a run share, and compares a line with its published state."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Self

from prefect import get_run_logger

from flows import CLUSTER_PROFILES
from flows.running.mfa_codes import code_source
from flows.running.progress import ProgressBoard
from flows.settings import ArchiveOptions, CampaignOptions, IngestOptions
from shift_stac.archive.documents import read_published
from shift_stac.archive.foresight import foresee
from shift_stac.archive.plan import Action, LinePlan, conversion_to_make, plan_line
from shift_stac.campaigns import Campaign, load_campaign
from shift_stac.cluster import ClusterProfile, load_profile
from shift_stac.errors import NoLinesError, ShiftError
from shift_stac.flightline import FlightLine
from shift_stac.locks import held
from shift_stac.monitoring.run_report import LineOutcome
from shift_stac.portal.download import Downloader
from shift_stac.portal.portal import Portal, campaign_portal
from shift_stac.portal.room import DiskRoom, Need
from shift_stac.sources import Product, RemoteLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.published import PublishedState
from shift_stac.storage.address import open_storage
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.swath.header_check import check_line_headers
from tasks.portal import list_lines
from tasks.work_log import failed


class RunContext:
    """What all lines of a run share: portal, archive, cluster. Opened once, closed with the run."""

    def __init__(self, options: IngestOptions | CampaignOptions, board: ProgressBoard) -> None:
        self.options = options
        self.board = board
        # Absolute: jobs on other machines see the same folder, but start in another one.
        self.work_dir = options.work_dir.absolute()
        self.campaign: Campaign = load_campaign(options.campaign)
        self.storage = open_storage(options.store, options.s3, code_source(options.s3))
        self.hrefs = Hrefs.of(self.storage, options.catalog)
        self.portal: Portal = campaign_portal(
            self.campaign,
            options.portal_version,
            options.download,
            options.portal,
            board.cancellation,
        )
        self.portal_url: str = self.portal.address
        self.fallback_crs = self.campaign.portal.version(options.portal_version).crs
        self.downloader = Downloader(
            options.download,
            board.cancellation,
            partial(
                check_line_headers,
                fallback=self.fallback_crs,
                bad_bands=self.campaign.spectral.bad_bands,
            ),
            partial(
                foresee,
                fallback=self.fallback_crs,
                spectral=self.campaign.spectral,
                of_optional=options.dry_run,
            ),
        )
        self.room = DiskRoom(self.work_dir, board.cancellation)
        self.profile: ClusterProfile = load_profile(options.cluster, CLUSTER_PROFILES)
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self.storage.prepare()
        self._stack.enter_context(self.portal)
        self._stack.enter_context(self.downloader)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def downloads(self, line: FlightLine) -> Path:
        """The folder of a line's downloaded files."""
        return self.work_dir / "downloads" / self.options.portal_version / line.date

    def converted(self, line: FlightLine) -> Path:
        """The path of a line's store before it is published."""
        return self.work_dir / "converted" / line.date / f"{line}.zarr"

    @property
    def lines_at_once(self) -> int:
        """Lines in progress at once; see :func:`count_at_once`."""
        return count_at_once(self.options, self.profile)

    @contextmanager
    def hold(self, line: FlightLine, timeout: float | None = None) -> Iterator[None]:
        """Lock a line against other runs in the same working folder.

        ``timeout`` is in seconds; None takes the timeout of the options.

        Raises
        ------
        WorkFolderError
            The other run does not release the line in time.
        """
        folder = self.work_dir / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with held(
            folder / f"{line}.lock",
            what=f"another run that holds {line} in {self.work_dir}",
            timeout=self.options.download.lock_timeout if timeout is None else timeout,
            cancellation=self.board.cancellation,
            log=get_run_logger(),
        ):
            yield


def count_at_once(options: ArchiveOptions, profile: ClusterProfile) -> int:
    """Lines in progress at once: those in jobs, and those before and after their job."""
    return options.lines_at_once + (0 if profile.is_local else profile.max_jobs)


@dataclass(frozen=True)
class LinePreparation:
    """The plan of a line, made before anything is done.

    ``notes`` list what would be left out, as far as a dry run can find out.
    """

    remote: RemoteLine
    published: PublishedState | None
    conversion: ConversionOptions
    plan: LinePlan
    notes: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why the line will be done or not, and what would be left out."""
        return "; ".join((self.plan.reason, *self.notes))


def prepare_line(
    line: FlightLine,
    context: RunContext,
    find: Callable[[FlightLine, tuple[Product, ...]], RemoteLine],
) -> LinePreparation:
    """Compare a line's files on the portal with the published line; ``find`` asks the portal.

    A dry run also makes the checks that a run makes before it downloads cubes: disk space,
    headers, and a few scan lines.
    """
    published, has_store = read_published(context.storage, context.campaign, line)
    conversion = conversion_to_make(context.options, published)
    remote = find(line, context.options.products_of(conversion.level))
    plan = plan_line(remote, published, has_store=has_store, wanted=context.options)
    notes: tuple[str, ...] = ()
    if context.options.dry_run and plan.action is Action.INGEST:
        context.room.check(need_of(line, remote, context))
        notes = context.downloader.inspect(remote)
    return LinePreparation(remote, published, conversion, plan, notes)


def need_of(line: FlightLine, remote: RemoteLine, context: RunContext) -> Need:
    """Return the disk space that a line's ingest needs; a store counts as large as its sources."""
    folder = context.downloads(line)
    missing = [file for file in remote.files if not context.downloader.is_current(file, folder)]
    # A download continues from the bytes on the disk.
    parts = [folder / f"{file.name}.part" for file in missing]
    begun = sum(part.stat().st_size for part in parts if part.exists())
    downloads = max(0, sum(file.size for file in missing) - begun)
    return Need(line, downloads=downloads, store=remote.size)


def select_lines(
    options: IngestOptions, list_date: Callable[[str], list[FlightLine]]
) -> tuple[list[FlightLine], list[LineOutcome]]:
    """Return the selected lines, and a failure for each date that could not be listed."""
    if options.line:
        return sorted(set(options.line)), []
    lines: list[FlightLine] = []
    failures: list[LineOutcome] = []
    for date in options.dates:
        try:
            found = list_date(date)
        except ShiftError as error:
            failures.append(failed(date, error, list_lines.name))
            continue
        if not found:
            reason = f"the portal lists no line of this date in {options.portal_version}"
            failures.append(failed(date, NoLinesError(reason), list_lines.name))
        lines += found
    return lines, failures
