"""Whether a cube was read in the interleave of its file.

Numbers in the order of another interleave are still those of the scene, but not of these pixels and
bands. Two figures of a reading tell it apart, both of the numbers' ranks, so that neither scale nor
single bright values matter:

- The *profile*: the share of the variance within the spectra that is the same for all of them. Bands
  of light differ in the same way everywhere, by the sun, the air and the detectors.
- The *roughness*: the mean difference of neighbours along those two axes that are not contiguous in
  the file, over that of any two numbers. The contiguous axis is smooth in every reading.

The *evidence* for another reading is its profile over that of the first, times the roughness of the first
over its own. Readings whose spectra are almost flat are compared by the share of all variance that one
mean spectrum explains. It was tried with crops of a real scene of AVIRIS-Classic (Jasper Ridge), real pixels of
AVIRIS-NG and simulated lines, also with noise, stripes, clouds, edges and scan lines of fill values.
It is below 1 for a right reading, unless its spectra are flat and full of noise; for wrong ones it is 2 to 170.
All wrong readings are found in simulated lines in the size of AVIRIS-NG, and three quarters in small real crops.

A wrong interleave is not found if scan lines have as many samples as bands, in some crops of few samples,
and for noise. A cube whose bands are all alike, but for noise, and in which only the brightness of
samples or scan lines differs, may be taken for another interleave; no spectrometer makes one.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from shift_stac.envi.header import EnviHeader, Interleave
from shift_stac.envi.image import read_values

_INTERLEAVES: tuple[Interleave, ...] = get_args(Interleave)

# Another reading is right if its evidence is as large, it is smoother by the second factor, and the
# spectra of the first are not flat: have more than the third share of the variance.
_LEAST_EVIDENCE = 3.0
_LEAST_SMOOTHER = 1.5
_LEAST_WITHIN = 0.02
# To or from BSQ, whose order makes bands of what differs from scan line to scan line, as clouds do.
_LEAST_SMOOTHER_OF_BSQ = 2.2
_LEAST_WITHIN_OF_BSQ = 0.13
# Or one mean spectrum explains most numbers in the other reading, and almost none in the first: the
# least and the most shares, and by how much the other is smoother.
_EXPLAINED = ((0.9, 0.1, 1.5), (0.6, 0.01, 1.9))
# If contiguous numbers differ almost as any two do, they are noise in every interleave.
_NOISE = 0.9
# The profile of a reading that may be right, and the most roughness of one that needs no comparison.
_LEAST_PROFILE = 0.3
_MOST_ROUGHNESS = 0.3
# Less of a profile is none.
_NO_PROFILE = 0.02

# Where pairs of neighbouring scan lines, and of bands that lie by themselves, are read.
_LINE_PAIRS = 3
_BAND_PAIRS = 5
_MOST_SAMPLES = 200
# A value that fills a larger share of the numbers is a fill value, or that of bad bands.
_FILL_SHARE = 0.05
_LEAST_NUMBERS = 200
# If fewer are left, they do not stand for the cube.
_LEAST_SHARE = 0.2


class Reading(NamedTuple):
    """The figures of a cube in one interleave; ``within`` is the spectra's share of the variance."""

    profile: float
    within: float
    roughness: float

    @property
    def explained(self) -> float:
        """The share of all variance that the mean spectrum explains."""
        return self.profile * self.within

    @property
    def is_convincing(self) -> bool:
        """Whether the reading needs no comparison."""
        return self.profile >= _LEAST_PROFILE and self.roughness <= _MOST_ROUGHNESS


def better_interleave(
    header: EnviHeader, nodata: float, read: Callable[[int, int], bytes]
) -> Interleave | None:
    """Return the interleave that explains a cube much better than its header's, or None.

    Reads some scan lines; in another interleave than the header's only if that one does not convince.

    Parameters
    ----------
    header
        Header of the cube.
    nodata
        Marks missing numbers.
    read
        Returns a number of bytes of the file from an offset.
    """
    # BIL and BIP have the same scan lines in the same bytes.
    read = cache(read)
    told = _reading(header, header.interleave, nodata, read)
    if told is None:
        return None
    for other in _INTERLEAVES:
        is_bsq = "bsq" in (other, header.interleave)
        if other == header.interleave or (is_bsq and told.is_convincing):
            continue
        found = _reading(header, other, nodata, read)
        if found is not None and is_better(found, told, is_bsq=is_bsq):
            return other
    return None


def is_better(other: Reading, told: Reading, *, is_bsq: bool) -> bool:
    """Whether another reading explains a cube much better than the told one.

    ``is_bsq`` says that one of the two is BSQ.
    """
    smoother = told.roughness / max(other.roughness, 1e-3)
    evidence = smoother * other.profile / max(told.profile, _NO_PROFILE)
    if other.profile < _LEAST_PROFILE or evidence < _LEAST_EVIDENCE:
        return False
    if any(
        other.explained >= most and told.explained <= none and smoother >= least
        for most, none, least in _EXPLAINED
    ):
        return True
    least, within = (
        (_LEAST_SMOOTHER_OF_BSQ, _LEAST_WITHIN_OF_BSQ)
        if is_bsq
        else (_LEAST_SMOOTHER, _LEAST_WITHIN)
    )
    return smoother >= least and told.within >= within


def _reading(
    header: EnviHeader, interleave: Interleave, nodata: float, read: Callable[[int, int], bytes]
) -> Reading | None:
    """Return the figures of a reading; None if too few of its numbers tell anything."""
    lines = _pairs(header.lines, _LINE_PAIRS)
    bands = _pairs(header.bands, _BAND_PAIRS if interleave == "bsq" else header.bands)
    first = max(0, (header.samples - _MOST_SAMPLES) // 2)
    read_as = replace(header, interleave=interleave)
    block = np.concatenate(
        [
            read_values(read_as, bands, rows, read)[..., first : first + _MOST_SAMPLES]
            for rows in _runs(lines)
        ]
    )
    ranks = _ranks(block, nodata)
    if ranks is None:
        return None
    steps = [
        _mean_step(ranks, axis, places) for axis, places in ((0, lines), (1, bands), (2, None))
    ]
    contiguous = steps.pop(1 if interleave == "bip" else 2)
    known = [step for step in steps if step is not None]
    if not known or contiguous is None or contiguous >= _NOISE:
        return None
    return Reading(*_profile(ranks), max(known))


def _pairs(count: int, pairs: int) -> list[int]:
    """Return the numbers of so many pairs of neighbours, evenly spaced; of all, if they are few."""
    if count <= 2 * pairs:
        return list(range(count))
    starts = np.linspace(0, count - 2, pairs, dtype=int)
    return sorted({number for start in starts.tolist() for number in (start, start + 1)})


def _runs(numbers: list[int]) -> list[slice]:
    """Return contiguous numbers as slices."""
    ends = [i for i, (a, b) in enumerate(pairwise(numbers), start=1) if b != a + 1]
    return [
        slice(numbers[begin], numbers[end - 1] + 1)
        for begin, end in pairwise([0, *ends, len(numbers)])
    ]


def _ranks(block: NDArray[Any], nodata: float) -> NDArray[np.float64] | None:
    """Return ranks from 0 to 1; NaN for what is missing, and for values that are very frequent."""
    known = np.isfinite(block) & (block != nodata)
    if known.sum() < _LEAST_NUMBERS:
        return None
    _, which, counts = np.unique(block[known], return_inverse=True, return_counts=True)
    is_fill = counts > _FILL_SHARE * block.size
    counts[is_fill] = 0
    count = int(counts.sum())
    if count < max(_LEAST_NUMBERS, _LEAST_SHARE * known.sum()):
        return None
    rank = (np.cumsum(counts) - counts / 2) / count
    rank[is_fill] = np.nan
    ranks = np.full(block.shape, np.nan)
    ranks[known] = rank[which]
    return ranks


def _mean_step(ranks: NDArray[np.float64], axis: int, places: list[int] | None) -> float | None:
    """Return the mean difference of neighbours; ``places`` are the numbers along the axis."""
    steps = np.abs(np.diff(ranks, axis=axis))
    if places is not None:
        steps = np.compress(np.diff(places) == 1, steps, axis=axis)
    known = np.isfinite(steps)
    # Two numbers that have nothing to do with each other differ by a third.
    return 3 * float(steps[known].mean()) if known.any() else None


def _profile(ranks: NDArray[np.float64]) -> tuple[float, float]:
    """Return the share of the variance within spectra that the mean spectrum explains, unbiased.

    Also returns the share of the whole variance that lies within spectra.
    """
    known = np.isfinite(ranks)
    middle = np.nansum(ranks, axis=1, keepdims=True) / np.maximum(
        known.sum(axis=1, keepdims=True), 1
    )
    within = np.where(known, ranks - middle, 0.0)
    counts = known.sum(axis=(0, 2))
    mean = within.sum(axis=(0, 2)) / np.maximum(counts, 1)
    whole, explained = float((within**2).sum()), float((counts * mean**2).sum())
    degrees = int((counts > 0).sum()) - 1
    others = int(known.sum()) - degrees - 1
    if whole <= 0 or others <= 0:
        return 0.0, 0.0
    noise = (whole - explained) / others
    share = max(0.0, (explained - degrees * noise) / (whole + noise))
    return share, whole / (float(np.nanvar(ranks)) * int(known.sum()))
