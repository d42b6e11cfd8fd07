"""Write a simulated campaign: ``python -m shift_stac.simulate --help``."""

import argparse
import sys
from pathlib import Path
from typing import override

from shift_stac.campaigns import load_campaign
from shift_stac.errors import ShiftError
from shift_stac.simulate import simulate_campaign
from shift_stac.usage import PlainParser


class _Help(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, if there are any."""

    @override
    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default is None else super()._get_help_string(action)


def main() -> int:
    """Parse the command line, write the campaign, and print its lines."""
    parser = PlainParser(
        prog="python -m shift_stac.simulate",
        description="Write a simulated campaign as a portal's tree of ENVI files.",
        formatter_class=_Help,
    )
    parser.add_argument("--out", type=Path, required=True, help="root of the portal")
    parser.add_argument(
        "--portal-version", help="version of the products (default: the campaign's last)"
    )
    parser.add_argument("--date", action="append", help="YYYYMMDD; may be given several times")
    parser.add_argument("--lines", type=int, default=1, help="flight lines for each date")
    parser.add_argument("--samples", type=int, help="pixels across (default: the campaign's)")
    parser.add_argument("--scan-lines", type=int, default=1000, help="pixels along")
    parser.add_argument("--bands", type=int, help="spectral bands (default: the campaign's)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all random numbers")
    parser.add_argument(
        "--season", action="store_true", help="fields turn green and dry over the year"
    )
    parser.add_argument(
        "--campaign",
        default="shift",
        help="campaign of the package, or path of a campaign file",
    )
    options = parser.parse_args()
    for name in ("lines", "samples", "scan_lines", "bands"):
        if (given := getattr(options, name)) is not None and given < 1:
            parser.error(f"--{name.replace('_', '-')} must be 1 or more")
    if options.seed < 0:
        parser.error("--seed must be 0 or more")
    try:
        written = simulate_campaign(
            options.out,
            version=options.portal_version,
            dates=options.date or ["20220224"],
            lines=options.lines,
            samples=options.samples,
            scan_lines=options.scan_lines,
            bands=options.bands,
            seed=options.seed,
            campaign=load_campaign(options.campaign),
            season=options.season,
        )
    except (ShiftError, OSError) as error:
        parser.exit(2, f"error: {error}\n")
    for lines in written.values():
        sys.stdout.writelines(f"{line}\n" for line in lines)
    return 0


if __name__ == "__main__":
    sys.exit(main())
