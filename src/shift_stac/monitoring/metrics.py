"""Figures of a campaign's ingest over time, from the run history and the catalog.

The source of each figure:

- *A line is published* if the catalog or a run says so. The catalog has the first publication of
each line, and the latest one; the history has those between them, and their durations. A
publication in both counts once, at the catalog's time. - *Bytes* are those of the published stores:
from the run, otherwise from the present catalog. They are not the downloaded bytes.
- *Failures, retries, lost jobs and seconds* come only from the run history.
- *All lines, all bytes, lines of a flight date* are the catalog's.

Days are those of UTC, by the end of what is counted.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from statistics import median

from shift_stac.archive.catalog_lines import CatalogLine
from shift_stac.campaigns.names import LineNames
from shift_stac.model import FrozenModel
from shift_stac.monitoring.run_history import FlowRun
from shift_stac.monitoring.run_report import NEVER, LineOutcome, LineState, Stage

# The catalog's times are whole seconds; a line's task run ends shortly after its item.
_TOLERANCE = timedelta(seconds=2)


class Publication(FrozenModel):
    """A line that was published at a time; ``is_first`` if it had not been before.

    ``run`` is its outcome in the run history, None if there is none.
    """

    line: str
    moment: datetime
    size: int | None
    is_first: bool
    run: LineOutcome | None = None


class Period(FrozenModel):
    """The work of some days.

    Parameters
    ----------
    first, last
        The first and the last day.
    published, again
        Lines that were published for the first time, and lines that were published again.
    failed
        Lines whose last outcome of the day was a failure.
    size
        Bytes of the stores published.
    busy_seconds
        Time in which at least one of the published lines was in progress: the union, not the sum.
    line_seconds, stage_seconds
        Medians of the lines published: from start to end, and at work in each stage.
    queue_seconds, job_seconds
        Medians of their cluster jobs: in the queue, and on a node.
    """

    first: date
    last: date
    published: int = 0
    again: int = 0
    failed: int = 0
    size: int = 0
    busy_seconds: float = 0.0
    retries: int = 0
    lost_jobs: int = 0
    line_seconds: float | None = None
    stage_seconds: Mapping[str, float] = {}
    queue_seconds: float | None = None
    job_seconds: float | None = None
    runs: tuple[FlowRun, ...] = ()

    @property
    def is_idle(self) -> bool:
        """Whether nothing happened."""
        return not (self.published or self.again or self.failed or self.runs or self.retries)

    @property
    def throughput(self) -> float | None:
        """Bytes per second while lines were in progress."""
        return self.size / self.busy_seconds if self.busy_seconds else None


class FlightDay(FrozenModel):
    """The published lines of a flight date; ``listed``: the lines on the portal, if known."""

    date: str
    published: int
    size: int
    listed: int | None = None


def publications(
    runs: Iterable[FlowRun], catalog_lines: Iterable[CatalogLine]
) -> list[Publication]:
    """Return every publication in runs or catalog, each once, sorted by time."""
    items = {item.line: item for item in catalog_lines}
    # Times of the catalog that belong to no run yet.
    open_moments = {line: {item.published, item.updated} for line, item in items.items()}
    done = [
        (line.ended, line)
        for run in runs
        for line in run.lines
        if line.state is LineState.PUBLISHED and line.ended is not None
    ]
    found: list[Publication] = []
    seen: set[str] = set()
    for ended, line in sorted(done, key=lambda pair: pair[0]):
        item = items.get(line.line)
        stamp = _stamp(line, ended, open_moments.get(line.line, set()))
        if stamp is not None:
            open_moments[line.line].discard(stamp)
        is_first = line.line not in seen if item is None else stamp == item.published
        found.append(
            Publication(
                line=line.line,
                moment=stamp or ended,
                size=line.size if line.size is not None else item and item.size,
                is_first=is_first,
                run=line,
            )
        )
        seen.add(line.line)
    for name, moments in open_moments.items():
        found += [
            Publication(
                line=name,
                moment=moment,
                size=items[name].size,
                is_first=moment == items[name].published,
            )
            for moment in moments
        ]
    return sorted(found, key=lambda publication: (publication.moment, publication.line))


def _stamp(line: LineOutcome, ended: datetime, moments: Iterable[datetime]) -> datetime | None:
    """Return the time in the catalog that belongs to a run's publication."""
    started = line.started or ended
    inside = [moment for moment in moments if started - _TOLERANCE <= moment <= ended + _TOLERANCE]
    return max(inside, default=None)


def measure(
    runs: Sequence[FlowRun],
    published: Sequence[Publication],
    today: date,
    *,
    periods: int,
    length: int = 1,
) -> tuple[Period, ...]:
    """Return the work of periods of ``length`` days, the last of which ends today.

    Parameters
    ----------
    runs, published
        The history, and what was published (see :func:`publications`).
    today
        The day in UTC.
    """
    first = today - timedelta(days=periods * length - 1)

    def period(moment: datetime | None) -> int | None:
        if moment is None:
            return None
        number = (moment.astimezone(UTC).date() - first).days // length
        return number if 0 <= number < periods else None

    made = _group(published, lambda publication: period(publication.moment))
    lines = _group((line for run in runs for line in run.lines), lambda line: period(line.moment))
    began = _group(runs, lambda run: period(run.started))
    return tuple(
        _period(
            first + timedelta(days=number * length),
            first + timedelta(days=(number + 1) * length - 1),
            made[number],
            lines[number],
            began[number],
        )
        for number in range(periods)
    )


def _group[T](values: Iterable[T], key: Callable[[T], int | None]) -> dict[int, list[T]]:
    groups: dict[int, list[T]] = defaultdict(list)
    for value in values:
        number = key(value)
        if number is not None:
            groups[number].append(value)
    return groups


def _period(
    first: date, last: date, made: list[Publication], lines: list[LineOutcome], runs: list[FlowRun]
) -> Period:
    known = [publication.run for publication in made if publication.run is not None]
    ended = sorted((line for line in lines if line.state is not None), key=_moment)
    latest = {line.line: line.state for line in ended}
    jobs = [job for line in known for job in line.jobs]
    return Period(
        first=first,
        last=last,
        # A line that is published twice in a day is one line.
        published=len({p.line for p in made if p.is_first}),
        again=len({p.line for p in made} - {p.line for p in made if p.is_first}),
        failed=sum(state is LineState.FAILED for state in latest.values()),
        size=sum(publication.size or 0 for publication in made),
        busy_seconds=_union([(r.started, r.ended) for r in known if r.started and r.ended]),
        retries=sum(sum(x.retries.values()) for x in lines) + sum(run.retries for run in runs),
        lost_jobs=sum(x.lost_jobs for x in lines) + sum(run.lost_jobs for run in runs),
        line_seconds=_median(line.seconds for line in known),
        stage_seconds={
            stage: median(spent)
            for stage in Stage
            if (spent := [line.stages[stage] for line in known if stage in line.stages])
        },
        queue_seconds=_median(job.queue_seconds for job in jobs),
        job_seconds=_median(job.run_seconds for job in jobs),
        runs=tuple(
            run.model_copy(update={"lines": ()}) for run in sorted(runs, key=lambda run: run.name)
        ),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _moment(line: LineOutcome) -> datetime:
    return line.moment or NEVER


def _union(spans: list[tuple[datetime, datetime]]) -> float:
    """Return the length of the union of spans in seconds."""
    total, reached = 0.0, None
    for start, end in sorted(spans):
        begin = start if reached is None else max(start, reached)
        if end > begin:
            total += (end - begin).total_seconds()
            reached = end
    return total


def flight_days(
    catalog_lines: Iterable[CatalogLine],
    surveyed: Iterable[LineOutcome] = (),
    names: LineNames | None = None,
) -> tuple[FlightDay, ...]:
    """Return the published lines of each flight date.

    Parameters
    ----------
    catalog_lines
        The published lines.
    surveyed
        Outcomes of all lines on the portal in the latest campaign run.
    names
        The form of the lines' names, if it is not the common one.
    """
    names = names or LineNames()
    sizes: dict[str, list[int]] = defaultdict(list)
    for item in catalog_lines:
        sizes[_flown(item.line, names)].append(item.size or 0)
    listed: dict[str, int] = defaultdict(int)
    for outcome in surveyed:
        date_flown = _flown(outcome.line, names)
        if outcome.state is not LineState.VANISHED and date_flown:
            listed[date_flown] += 1
    return tuple(
        FlightDay(
            date=flown,
            published=len(sizes.get(flown, ())),
            size=sum(sizes.get(flown, ())),
            listed=listed.get(flown),
        )
        for flown in sorted({*sizes, *listed})
    )


def _flown(name: str, names: LineNames) -> str:
    line = names.find(name)
    return line.date if line else ""
