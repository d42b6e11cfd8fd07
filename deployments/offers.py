"""The choices of forms: dates of the portal, and clusters that this machine reaches."""

import re
import shutil
import socket
from collections.abc import Iterable
from datetime import datetime

from flows import CLUSTER_PROFILES
from flows.settings import ArchiveOptions
from shift_stac.campaigns import Campaign, load_campaign
from shift_stac.cluster import ClusterProfile, load_profile
from shift_stac.cluster.options import find_class
from shift_stac.errors import ShiftError
from shift_stac.portal.portal import campaign_portal

# Seconds: the start of the service waits for the list. Without it, forms accept any date.
_PATIENCE_S = 10.0


def portal_dates(site: ArchiveOptions) -> list[str]:
    """Return the dates, as 2022-02-24, that any version of the portal has.

    Raises
    ------
    ShiftError
        The portal does not answer, or lists no date.
    """
    campaign = load_campaign(site.campaign)
    hasty = site.download.model_copy(
        update={"connect_timeout": _PATIENCE_S, "read_timeout": _PATIENCE_S, "attempts": 1}
    )
    found: set[str] = set()
    failure: ShiftError | None = None
    for version in campaign.portal.versions:
        try:
            with campaign_portal(campaign, version, hasty, site.portal) as portal:
                found.update(portal.dates())
        except ShiftError as error:
            # A mirror may have only one version.
            failure = failure or error
    if failure is not None and not found:
        raise failure
    return [f"{_day(date):%Y-%m-%d}" for date in sorted(found)]


def _day(date: str) -> datetime:
    return datetime.strptime(date, "%Y%m%d")  # noqa: DTZ007 - a date alone


def line_patterns(campaign: Campaign, dates: Iterable[str]) -> dict[str, str]:
    """Return the regular expression of the lines' names for each date, as 2022-02-24."""
    form = campaign.lines.pattern
    return {
        # Groups without names, since JavaScript spells named groups differently.
        date: re.sub(r"\(\?P<\w+>", "(?:", form.on_day(_day(date.replace("-", ""))).regex())
        for date in dates
    }


def reachable_clusters(own: str) -> list[str]:
    """Return the cluster profiles that fit this machine, and the profile of the settings."""
    named = {path.stem for path in CLUSTER_PROFILES.glob("*.toml")}
    return sorted(
        {own, *(name for name in named if is_reached(load_profile(name, CLUSTER_PROFILES)))}
    )


def is_reached(profile: ClusterProfile) -> bool:
    """Whether this machine has the network interface and the commands that a profile needs."""
    interface = profile.options.get("interface")
    if interface is not None and interface not in {name for _, name in socket.if_nameindex()}:
        return False
    if profile.is_local:
        return True
    job = getattr(find_class(profile), "job_cls", None)
    command = getattr(job, "submit_command", None)
    return command is None or shutil.which(command.split()[0]) is not None
