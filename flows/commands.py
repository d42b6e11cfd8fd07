"""The commands of the flows: the options and the purpose of each.

A flow's module begins with its command, which reads the options before the rest of it is imported.
"""

import sys
from collections.abc import Sequence
from typing import Any

from flows import CLUSTER_PROFILES
from flows.running.command import Command
from flows.running.terminal import plain_console
from flows.settings import (
    CampaignOptions,
    CatalogCheckOptions,
    CubeOptions,
    DiffOptions,
    IngestOptions,
    PruneOptions,
    PublishedOptions,
    ReportOptions,
    ValidateOptions,
)
from shift_stac.cluster import load_profile
from shift_stac.usage import similar


def _check_cluster(options: IngestOptions | CampaignOptions | CubeOptions) -> None:
    load_profile(options.cluster, CLUSTER_PROFILES)


INGEST = Command(
    IngestOptions,
    "python -m flows.ingest",
    "Ingest flight lines: portal, download, Zarr, STAC, store.",
    "flows.ingest",
    check=_check_cluster,
    has_run=lambda options: not options.dry_run,
)

CAMPAIGN = Command(
    CampaignOptions,
    "python -m flows.campaign",
    "Ingest those flight lines of a campaign that are new on the portal or have changed there. Ends with "
    "0 if all went well, 1 if a line failed, 2 for wrong usage.",
    "flows.campaign",
    check=_check_cluster,
)

CUBE = Command(
    CubeOptions,
    "python -m flows.cube",
    "Put the flight lines of a season on one grid: a Zarr cube (time, wavelength, y, x), computed "
    "on a cluster, and published with an item that names its lines. Continues from the blocks "
    "that an earlier run wrote. Ends with 0 if the cube is published, 1 if it is not, 2 for wrong usage.",
    "flows.cube",
    check=_check_cluster,
)

REPORT = Command(
    ReportOptions,
    "python -m flows.report",
    "Report what was ingested day by day, and what needs attention now, from the run history and "
    "the catalog: a page in the working folder. Ends with 0 if all is well, 1 if something "
    "needs attention, 2 for wrong usage.",
    "flows.report",
)

VALIDATE = Command(
    ValidateOptions,
    "python -m flows.validate",
    "Check the stores of a published archive, and list good and bad ones. Ends with 0 if all are good, 1 "
    "if one is bad, 2 for wrong usage.",
    "flows.validate",
)


def _catalog_action[T: PublishedOptions](name: str, options: type[T], purpose: str) -> Command[T]:
    return Command(
        options,
        f"python -m flows.catalog {name}",
        f"{purpose} Ends with 0 if all is well, 1 if something is wrong, 2 for wrong usage.",
        "flows.catalog",
    )


CATALOG: dict[str, Command[Any]] = {
    "rebuild": _catalog_action(
        "rebuild",
        PublishedOptions,
        "Regenerate collection, months, days, table and page from the items.",
    ),
    "validate": _catalog_action(
        "validate",
        CatalogCheckOptions,
        "Validate every document of a catalog, and every link in it.",
    ),
    "prune": _catalog_action(
        "prune", PruneOptions, "List items without data, and data without items."
    ),
    "diff": _catalog_action("diff", DiffOptions, "Compare the portal with the catalog."),
}
"""Actions on a catalog."""


def main_catalog(arguments: Sequence[str] | None = None) -> int:
    """Carry out the action named by the first argument; see :class:`Command`."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given and given[0] in CATALOG:
        return CATALOG[given[0]](given[1:])
    usage = f"python -m flows.catalog {'|'.join(CATALOG)} ..."
    if given in (["--help"], ["-h"]):
        console = plain_console()
        console.print(f"usage: {usage}\n\nKeep a published catalog in order.\n", highlight=False)
        for name, command in CATALOG.items():
            console.print(
                f"  {name:<9} {command.purpose.partition(' Ends with')[0]}", highlight=False
            )
        console.print(f"\n{usage.replace('...', '--help')} explains the options of each.")
        return 0
    known = similar(given[0], CATALOG) if given else ""
    said = f"error: {given[0]} is not an action{known}" if given else "error: no action is given"
    errors = plain_console(stderr=True)
    errors.print(said, highlight=False, soft_wrap=True)
    errors.print(f"usage: {usage}", highlight=False, soft_wrap=True)
    return 2
