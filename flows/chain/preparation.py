"""What a run opens once for all its lines, and the comparison of a line with what is published."""

from collections.abc import Callable, Iterator, Mapping
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
from shift_stac.archive.plan import Action, LinePlan, conversion_to_make, plan_line
from shift_stac.campaigns import Campaign, load_campaign
from shift_stac.cluster import ClusterProfile, load_profile
from shift_stac.envi.header import EnviHeader
from shift_stac.errors import EnviError, NoLinesError, ShiftError
from shift_stac.flightline import FlightLine
from shift_stac.locks import held
from shift_stac.maps.glt import table_transform
from shift_stac.monitoring.run_report import LineOutcome
from shift_stac.portal.download import Downloader
from shift_stac.portal.portal import Portal, campaign_portal
from shift_stac.portal.room import DiskRoom, Need
from shift_stac.sources import Product, ReadPart, RemoteLine
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.published import PublishedState
from shift_stac.storage.address import open_storage
from shift_stac.store.conversion_options import ConversionOptions
from shift_stac.swath.igm_crs import check_line
from shift_stac.swath.line_sample import foresee_line
from tasks.portal import list_lines
from tasks.work_log import failed


class RunContext:
    """What every line of a run passes through; opened once, closed with the run."""

    def __init__(self, options: IngestOptions | CampaignOptions, board: ProgressBoard) -> None:
        self.options = options
        self.board = board
        # Jobs on other machines see the same folder, but do not start in the same place.
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
                check_line,
                fallback=self.fallback_crs,
                bad_bands=self.campaign.spectral.bad_bands,
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
        """Where a line's store is made before it is published."""
        return self.work_dir / "converted" / line.date / f"{line}.zarr"

    @property
    def lines_at_once(self) -> int:
        """Lines in progress at once; see :func:`count_at_once`."""
        return count_at_once(self.options, self.profile)

    @contextmanager
    def hold(self, line: FlightLine, timeout: float | None = None) -> Iterator[None]:
        """Keep another run in the same working folder from doing the same line at once.

        ``timeout`` is in seconds; if there is none, the wait is as long as the options say.

        Raises
        ------
        WorkFolderError
            The other run does not come to an end.
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
    """Lines in progress at once: those in jobs, and those on their way to and from them."""
    return options.lines_at_once + (0 if profile.is_local else profile.max_jobs)


@dataclass(frozen=True)
class LinePreparation:
    """What was found out about a line before anything is done.

    ``notes`` say what would be left out of it, as far as a dry run finds that out.
    """

    remote: RemoteLine
    published: PublishedState | None
    conversion: ConversionOptions
    plan: LinePlan
    notes: tuple[str, ...] = ()

    @property
    def reason(self) -> str:
        """Why the line is to be done or not, and what would be left out."""
        return "; ".join((self.plan.reason, *self.notes))


def prepare_line(
    line: FlightLine,
    context: RunContext,
    find: Callable[[FlightLine, tuple[Product, ...]], RemoteLine],
) -> LinePreparation:
    """Compare what the portal has of a line with what is published; ``find`` asks the portal.

    A dry run also looks at what a run refuses a line for before it downloads data: the room on the
    disk, the headers, and a few scan lines.
    """
    published, has_store = read_published(context.storage, context.campaign, line)
    conversion = conversion_to_make(context.options, published)
    remote = find(line, context.options.products_of(conversion.level))
    plan = plan_line(remote, published, has_store=has_store, wanted=context.options)
    notes: tuple[str, ...] = ()
    if context.options.dry_run and plan.action is Action.INGEST:
        context.room.check(need_of(line, remote, context))
        notes = context.downloader.inspect(remote, partial(_foresee, remote, context))
    return LinePreparation(remote, published, conversion, plan, notes)


def _foresee(
    remote: RemoteLine, context: RunContext, headers: Mapping[Product, EnviHeader], read: ReadPart
) -> tuple[str, ...]:
    """What a run would leave out, as far as headers and a few scan lines tell."""
    optional = {product.product for product in remote.products if product.is_optional}
    notes = foresee_line(
        remote.line, optional, context.fallback_crs, context.campaign.spectral, headers, read
    )
    try:
        if Product.GLT in headers:
            table_transform(headers[Product.GLT])
    except EnviError as error:
        if Product.GLT not in optional:
            raise
        return (*notes, f"the {Product.GLT.called} was left out: {error}")
    return notes


def need_of(line: FlightLine, remote: RemoteLine, context: RunContext) -> Need:
    """What a line's ingest takes on the disk; a store is taken to be as large as its sources."""
    folder = context.downloads(line)
    missing = [file for file in remote.files if not context.downloader.is_current(file, folder)]
    # A download goes on from what is there.
    parts = [folder / f"{file.name}.part" for file in missing]
    begun = sum(part.stat().st_size for part in parts if part.exists())
    downloads = max(0, sum(file.size for file in missing) - begun)
    return Need(line, downloads=downloads, store=remote.size)


def select_lines(
    options: IngestOptions, list_date: Callable[[str], list[FlightLine]]
) -> tuple[list[FlightLine], list[LineOutcome]]:
    """The lines to look at, and a failure for each date that could not be listed."""
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
