"""The rules for the line of a day that a cell shows, in a module with few imports."""

from enum import StrEnum


class MosaicRule(StrEnum):
    """The line that a cell shows if several lines of a day have a pixel with a value.

    ``nadir``: the one with the view nearest to the vertical, by the view angle of its OBS; lines
    without OBS come last. ``first`` and ``newest``: the one that began first, or last. If the rule
    does not decide, the earlier line is shown.
    """

    NADIR = "nadir"
    FIRST = "first"
    NEWEST = "newest"
