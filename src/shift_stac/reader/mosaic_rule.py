"""Which line of a day a cell shows: the rules, small, so that whoever names one needs no reader."""

from enum import StrEnum


class MosaicRule(StrEnum):
    """Which line a cell shows where several of a day have a pixel with a value.

    ``nadir``: the one that looked at it nearest to the vertical, by the view angle of its OBS; lines
    without OBS come last. ``first`` and ``newest``: the one that was begun first, or last. The earlier
    line decides where the rule does not.
    """

    NADIR = "nadir"
    FIRST = "first"
    NEWEST = "newest"
