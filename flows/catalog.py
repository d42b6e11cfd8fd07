"""Keep a published catalog in order: rebuild, validate, prune, diff.

Run ``python -m flows.catalog rebuild|validate|prune|diff``, each with ``--help``.
"""

import sys

if __name__ == "__main__":
    # Before the other imports: the options are read first, and a server starts meanwhile.
    from flows.commands import main_catalog

    sys.exit(main_catalog())

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.flows import Flow
from prefect.futures import PrefectFuture
from prefect.task_runners import ThreadPoolTaskRunner
from pydantic import BaseModel
from rich.console import Console

from flows.running.archives import open_archive, open_catalog
from flows.running.checked_options import with_options
from flows.running.command import Show
from flows.running.interruption import ending_soon
from flows.running.journal import Journal
from flows.running.outcome import end, run_flow, show_table
from flows.running.run_names import named
from flows.running.terminal import print_rows
from flows.settings import (
    CampaignOptions,
    CatalogCheckOptions,
    DiffOptions,
    PruneOptions,
    PublishedOptions,
)
from shift_stac.archive.documents import read_published
from shift_stac.archive.inventory import published_lines
from shift_stac.archive.plan import Action, level_to_hold, plan_line
from shift_stac.campaigns import load_campaign
from shift_stac.cancellation import Cancellation
from shift_stac.errors import MissingProductError, NothingPublishedError
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.run_report import RunKind
from shift_stac.monitoring.units import format_size
from shift_stac.portal.comparison import ComparedLine, Comparison, Standing, sort_lines
from shift_stac.portal.portal import Portal, campaign_portal
from shift_stac.stac.hrefs import Hrefs
from tasks.catalog import inventory, rebuild, refresh_all, remove_unused, validate_stac
from tasks.portal import find_files, list_dates, list_lines
from tasks.work_log import reason_of

_LINES_AT_ONCE = 8


class ActionResult(BaseModel):
    """The result of an action: its sentence, its table, and whether all is well."""

    sentence: str
    rows: list[dict[str, Any]]
    is_well: bool
    found: BaseModel


def _report[T: PublishedOptions](
    kind: RunKind, options: T, act: Callable[[T], ActionResult]
) -> State[ActionResult]:
    """Carry out an action as a run with its report and its table."""
    with Journal(kind, options.store, options.work_dir) as journal:
        finding = act(options)
        state = end(
            journal, finding.sentence, finding, found=finding.found, is_well=finding.is_well
        )
        show_table(journal, finding.sentence, finding.rows)
        return state


@flow(
    name=RunKind.CATALOG_REBUILD.value,
    flow_run_name=named(RunKind.CATALOG_REBUILD),
    persist_result=False,
    validate_parameters=False,
)
@with_options(PublishedOptions)
def rebuild_flow(options: PublishedOptions) -> State[ActionResult]:
    """Regenerate collection, months and days from the items in the archive.

    Args:
        options: which archive.
    """
    return _report(RunKind.CATALOG_REBUILD, options, _rebuild)


def _rebuild(options: PublishedOptions) -> ActionResult:
    storage = open_archive(options)
    found = rebuild(storage, load_campaign(options.campaign), Hrefs.of(storage, options.catalog))
    changes = [("written", path) for path in found.changed]
    changes += [("removed", path) for path in found.removed]
    return ActionResult(
        sentence=f"{found.items} items, {len(changes)} documents changed",
        rows=[{"document": path, "what": what} for what, path in changes],
        is_well=True,
        found=found,
    )


@flow(
    name=RunKind.CATALOG_VALIDATE.value,
    flow_run_name=named(RunKind.CATALOG_VALIDATE),
    persist_result=False,
    validate_parameters=False,
)
@with_options(CatalogCheckOptions)
def validate_flow(options: CatalogCheckOptions) -> State[ActionResult]:
    """Validate every document of the catalog, without a network.

    Args:
        options: which archive, and the folder of the schemas of STAC's extensions.
    """
    return _report(RunKind.CATALOG_VALIDATE, options, _validate)


def _validate(options: CatalogCheckOptions) -> ActionResult:
    storage = open_catalog(options)
    found = validate_stac(storage, options.schemas, Hrefs.of(storage, options.catalog))
    sentence = f"{found.documents} documents, {found.items} items, {len(found.findings)} findings"
    if found.unknown_schemas:
        sentence += f"; {len(found.unknown_schemas)} extensions without a schema in --schemas"
    rows = [finding.model_dump() for finding in found.findings]
    rows += [
        {"path": uri, "detail": "no schema in the folder of --schemas"}
        for uri in found.unknown_schemas
    ]
    return ActionResult(sentence=sentence, rows=rows, is_well=found.passed, found=found)


@flow(
    name=RunKind.CATALOG_PRUNE.value,
    flow_run_name=named(RunKind.CATALOG_PRUNE),
    persist_result=False,
    validate_parameters=False,
)
@with_options(PruneOptions)
def prune_flow(options: PruneOptions) -> State[ActionResult]:
    """List items without data, and data without items; ``delete`` removes the data without items.

    Args:
        options: which archive, and whether to remove.
    """
    return _report(RunKind.CATALOG_PRUNE, options, _prune)


def _prune(options: PruneOptions) -> ActionResult:
    storage = open_catalog(options)
    before = datetime.now(UTC) - timedelta(days=options.older_than_days)
    hrefs = Hrefs.of(storage, options.catalog)
    campaign = load_campaign(options.campaign)
    if options.delete:
        refresh_all(storage, campaign, hrefs)
    found = inventory(storage, campaign, hrefs, before)
    unused = found.superseded | found.orphans
    done = "removed" if options.delete else "could be removed"
    if options.delete:
        remove_unused(storage, campaign, found)
    rows = [{"what": "item without data", "place": line, "size": ""} for line in found.without_data]
    for what, files in (("superseded", found.superseded), ("orphan", found.orphans)):
        rows += [
            {"what": f"{what}, {done}", "place": place, "size": format_size(size)}
            for place, size in files.items()
        ]
    return ActionResult(
        sentence=f"{found.items} items, {len(found.without_data)} of them without data; "
        f"{len(unused)} stores and files of {format_size(sum(unused.values()))} {done}",
        rows=rows,
        is_well=not found.without_data,
        found=found,
    )


@flow(
    name=RunKind.CATALOG_DIFF.value,
    flow_run_name=named(RunKind.CATALOG_DIFF),
    task_runner=ThreadPoolTaskRunner(max_workers=_LINES_AT_ONCE),  # type: ignore[arg-type]
    persist_result=False,
    validate_parameters=False,
)
@with_options(DiffOptions)
def diff_flow(options: DiffOptions) -> State[ActionResult]:
    """Compare the portal with the catalog: list what is expected, published, missing and changed.

    Args:
        options: which archive, and which portal.
    """
    return _report(RunKind.CATALOG_DIFF, options, _diff)


def _diff(options: DiffOptions) -> ActionResult:
    campaign = load_campaign(options.campaign)
    storage = open_catalog(options)
    cancellation = Cancellation()
    with (
        campaign_portal(
            campaign, options.portal_version, options.download, options.portal, cancellation
        ) as portal,
        ending_soon(cancellation),
    ):
        dates = options.date or tuple(list_dates(portal))
        lines, compared = _list(dates, portal)
        wanted = CampaignOptions(
            campaign=options.campaign,
            product=options.product,
            portal_version=options.portal_version,
        )
        futures = []
        for line in lines:
            published, has_store = read_published(storage, campaign, line)
            level = level_to_hold(options.product, published)
            futures.append(
                (
                    line,
                    published,
                    has_store,
                    find_files.submit(line, portal, options.products_of(level)),
                )
            )
        for line, published, has_store, future in futures:
            found = future.result(raise_on_failure=False)
            if isinstance(found, BaseException):
                is_incomplete = isinstance(found, MissingProductError)
                standing = Standing.INCOMPLETE if is_incomplete else Standing.UNKNOWN
                reason, size = reason_of(found, line.id), None
            else:
                plan = plan_line(found, published, has_store=has_store, wanted=wanted)
                reason, size = plan.reason, found.size
                standing = (
                    Standing.PUBLISHED
                    if plan.action is Action.NOTHING
                    else Standing.CHANGED
                    if published
                    else Standing.MISSING
                )
            compared.append(
                ComparedLine(line=line.id, standing=standing, reason=reason, portal_bytes=size)
            )
    unlisted = {line.line for line in compared if line.standing is Standing.UNKNOWN}
    try:
        catalog_lines = published_lines(storage, campaign, Hrefs.of(storage, options.catalog))
    except NothingPublishedError:
        catalog_lines = []
    compared += [
        ComparedLine(
            line=line.id,
            standing=Standing.VANISHED,
            reason="published, but the portal does not list it any more",
        )
        for line in catalog_lines
        if line not in set(lines)
        and line.date not in unlisted
        and (not options.date or line.date in options.date)
    ]
    result = Comparison(
        compared=datetime.now(UTC),
        portal=portal.address,
        store=storage.url,
        lines=sort_lines(compared),
    )
    return ActionResult(
        sentence=result.sentence, rows=result.rows(), is_well=result.is_complete, found=result
    )


def _list(dates: Sequence[str], portal: Portal) -> tuple[list[FlightLine], list[ComparedLine]]:
    futures: list[tuple[str, PrefectFuture[Any]]] = [
        (date, list_lines.submit(date, portal)) for date in dates
    ]
    lines: list[FlightLine] = []
    failures: list[ComparedLine] = []
    for date, future in futures:
        found = future.result(raise_on_failure=False)
        if isinstance(found, BaseException):
            failures.append(
                ComparedLine(line=date, standing=Standing.UNKNOWN, reason=reason_of(found, date))
            )
        else:
            lines += found
    return lines, failures


_FLOWS: dict[type[PublishedOptions], Flow[..., Any]] = {
    PublishedOptions: rebuild_flow,
    CatalogCheckOptions: validate_flow,
    PruneOptions: prune_flow,
    DiffOptions: diff_flow,
}


def carry_out(options: PublishedOptions) -> Show:
    """Carry out the command that these options belong to."""
    found = run_flow(_FLOWS[type(options)], options)
    finding = ActionResult.model_validate(found, from_attributes=True)

    def show(console: Console) -> bool:
        print_rows(console, finding.sentence, finding.rows)
        return finding.is_well

    return show
