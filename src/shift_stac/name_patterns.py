"""Patterns of names with a date, a time of day and numbers, as ``prm{date:YYYYMMDD}t{time:HHMMSS}``.

In a pattern, ``{date:...}`` spells YYYY, YY, MM, DD or DDD (the day of the year), and
``{time:...}`` spells HH, MM and SS. Any other part, such as ``{run:00}``, has as many digits as there
are zeros; ``{flight}`` is letters and digits. A part in square brackets may be missing, ``*`` matches
anything, and other characters match themselves. Two-digit years are 1969 to 2068.
"""

import re
from calendar import isleap
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

_TOKEN = re.compile(r"\{(?P<name>[a-z_]+)(?::(?P<format>[^{}]*))?\}|(?P<sign>[][*{}])")
_DEFAULT_FORMATS = {"date": "YYYYMMDD", "time": "HHMMSS"}

# The regular expression and the strftime code of each spelling of a date or a time.
_SPELLINGS = {
    "date": {
        "YYYY": "[0-9]{4}",
        "YY": "[0-9]{2}",
        "DDD": "[0-9]{3}",
        "MM": "[0-9]{2}",
        "DD": "[0-9]{2}",
    },
    "time": {"HH": "[0-9]{2}", "MM": "[0-9]{2}", "SS": "[0-9]{2}"},
}
_DIRECTIVES = {
    "date": {"YYYY": "%Y", "YY": "%y", "DDD": "%j", "MM": "%m", "DD": "%d"},
    "time": {"HH": "%H", "MM": "%M", "SS": "%S"},
}
_FIRST_SHORT_YEAR = 69
# Before it, no aircraft flew.
_FIRST_YEAR = 1900


@dataclass(frozen=True)
class _Piece:
    """A piece of a pattern: text, a part with its format, or one of the signs ``[ ] *``."""

    text: str = ""
    name: str = ""
    format: str = ""
    sign: str = ""


@dataclass(frozen=True)
class Moment:
    """The time of a name: the start of the day, or the second; UTC."""

    start: datetime
    has_time: bool


@dataclass(frozen=True)
class NamePattern:
    """A pattern of names.

    Parameters
    ----------
    text
        The pattern.

    Raises
    ------
    ValueError
        The pattern is invalid; the message says why.
    """

    text: str

    def __post_init__(self) -> None:
        tuple(_pieces(self.text))

    @property
    def parts(self) -> frozenset[str]:
        """The names of the parts."""
        return frozenset(piece.name for piece in _pieces(self.text) if piece.name)

    @property
    def is_open(self) -> bool:
        """Whether it matches more than one name."""
        return any(piece.name or piece.sign for piece in _pieces(self.text))

    @property
    def tells_day(self) -> bool:
        """Whether a name's year, month and day can be read from it."""
        spelled = _spelled(self.text, "date")
        return bool(spelled & {"YYYY", "YY"}) and ("DDD" in spelled or {"MM", "DD"} <= spelled)

    def regex(self, inner: Mapping[str, "NamePattern"] | None = None) -> str:
        """A regular expression with groups for parts: ``date_YYYY`` and so on, or the part's name.

        Parameters
        ----------
        inner
            Patterns of parts that are names themselves. The names of their groups begin with the
            part's and ``_``.
        """
        known = {
            part: re.sub(r"\(\?P([<=])", rf"(?P\1{part}_", pattern.regex())
            for part, pattern in (inner or {}).items()
        }
        return _regex(self.text, tuple(known.items()))

    def moment(self, name: str) -> Moment | None:
        """Return the time of a name; None for a name of another form.

        Raises
        ------
        ValueError
            The date or time does not exist.
        """
        match = re.fullmatch(self.regex(), name)
        return None if match is None else moment_of(match.groupdict())

    def beginning(self, text: str) -> str:
        """Return the longest name that a text begins with; empty if there is none."""
        match = re.match(f"(?:{self.regex()})(?![A-Za-z0-9])", text)
        return match[0] if match else ""

    def fill(self, start: datetime, number: int = 1, **values: str) -> str:
        """Return the name of a time; parts that are not in ``values`` get the number.

        Optional parts are left out, unless they have a part that is given.
        """
        return _fill(self.text, start, number, values)

    def narrow(self, start: datetime | None = None, **values: str) -> "NamePattern":
        """Return the pattern with the known parts filled in."""
        return NamePattern(_narrow(self.text, start, values))

    def on_day(self, day: datetime) -> "NamePattern":
        """Return the pattern with its date filled in, and its time left open."""
        return NamePattern(_narrow(self.text, day, {}, spelled={"date"}))

    def __str__(self) -> str:
        """Return the pattern as people write it: ``prmYYYYMMDDtHHMMSS``."""
        return "".join(piece.text or piece.sign or _shown(piece) for piece in _pieces(self.text))


def _shown(piece: _Piece) -> str:
    if not piece.format:
        return piece.name.upper()
    return "N" * len(piece.format) if piece.name not in _SPELLINGS else piece.format


@cache
def _pieces(text: str) -> tuple[_Piece, ...]:
    pieces, end, depth = [], 0, 0
    for match in _TOKEN.finditer(text):
        if match.start() > end:
            pieces.append(_Piece(text=text[end : match.start()]))
        end = match.end()
        sign = match["sign"]
        if sign in {"{", "}"}:
            msg = f"{text!r}: a part is written as {{name}} or {{name:format}}, in small letters"
            raise ValueError(msg)
        if sign:
            depth += {"[": 1, "]": -1}.get(sign, 0)
            if depth not in {0, 1}:
                msg = f"{text!r}: square brackets do not match, or stand within each other"
                raise ValueError(msg)
            pieces.append(_Piece(sign=sign))
        else:
            name, spelling = match["name"], match["format"]
            spelling = _DEFAULT_FORMATS.get(name, "") if spelling is None else spelling
            _check_format(text, name, spelling)
            pieces.append(_Piece(name=name, format=spelling))
    if depth:
        msg = f"{text!r}: a square bracket is not closed"
        raise ValueError(msg)
    return (*pieces, _Piece(text=text[end:])) if end < len(text) else tuple(pieces)


def _check_format(text: str, name: str, spelling: str) -> None:
    if name in _SPELLINGS:
        rest = re.sub("|".join(_SPELLINGS[name]), "", spelling)
        if re.search(r"[A-Za-z0-9]", rest) or rest == spelling:
            msg = f"{text!r}: {{{name}:{spelling}}} spells {', '.join(_SPELLINGS[name])} alone"
            raise ValueError(msg)
    elif spelling.strip("0"):
        msg = f"{text!r}: {{{name}:{spelling}}} has a zero for each digit, as {{{name}:00}}"
        raise ValueError(msg)


def _spelled(text: str, name: str) -> set[str]:
    return {
        word
        for piece in _pieces(text)
        if piece.name == name
        for word in re.findall("|".join(_SPELLINGS[name]), piece.format)
    }


@cache
def _regex(text: str, inner: tuple[tuple[str, str], ...]) -> str:
    seen: set[str] = set()
    known = dict(inner)

    def group(name: str, pattern: str) -> str:
        if name in seen:
            return f"(?P={name})"
        seen.add(name)
        return f"(?P<{name}>{known.get(name, pattern)})"

    return "".join(_piece_regex(piece, group) for piece in _pieces(text))


def _piece_regex(piece: _Piece, group: Callable[[str, str], str]) -> str:
    if piece.sign:
        return {"[": "(?:", "]": ")?", "*": ".*"}[piece.sign]
    if not piece.name:
        return re.escape(piece.text)
    if piece.name in _SPELLINGS:
        words = _SPELLINGS[piece.name]
        return "".join(
            group(f"{piece.name}_{word}", words[word]) if word in words else re.escape(word)
            for word in _words(piece)
        )
    digits = f"[0-9]{{{len(piece.format)}}}" if piece.format else "[A-Za-z0-9]+?"
    return group(piece.name, digits)


def _words(piece: _Piece) -> list[str]:
    """Split a format into its spellings and the text between them."""
    return [
        word for word in re.split(f"({'|'.join(_SPELLINGS[piece.name])})", piece.format) if word
    ]


def moment_of(told: Mapping[str, str | None]) -> Moment | None:
    """Return the time in the groups of a pattern's match; None if they do not have a whole day.

    Raises
    ------
    ValueError
        No calendar has that day, no clock that time, or no aircraft was there yet.
    """
    short = told.get("date_YY")
    year = told.get("date_YYYY")
    if year is None and short is not None:
        year = str(int(short) + (1900 if int(short) >= _FIRST_SHORT_YEAR else 2000))
    ordinal, month, day = (told.get(f"date_{word}") for word in ("DDD", "MM", "DD"))
    if year is None:
        return None
    if int(year) < _FIRST_YEAR:
        msg = f"nothing was flown in the year {year}"
        raise ValueError(msg)
    if ordinal is not None:
        if not 1 <= int(ordinal) <= 365 + isleap(int(year)):
            msg = f"the year {year} has no day {ordinal}"
            raise ValueError(msg)
        start = datetime(int(year), 1, 1, tzinfo=UTC) + timedelta(days=int(ordinal) - 1)
    elif month is not None and day is not None:
        start = datetime(int(year), int(month), int(day), tzinfo=UTC)
    else:
        return None
    hour = told.get("time_HH")
    if hour is None:
        return Moment(start, has_time=False)
    minute, second = (int(told.get(f"time_{word}") or 0) for word in ("MM", "SS"))
    return Moment(start.replace(hour=int(hour), minute=minute, second=second), has_time=True)


def _spell(piece: _Piece, start: datetime) -> str:
    return "".join(
        start.strftime(_DIRECTIVES[piece.name][word]) if word in _DIRECTIVES[piece.name] else word
        for word in _words(piece)
    )


def _fill(text: str, start: datetime, number: int, values: Mapping[str, str]) -> str:
    filled: list[str] = []
    optional = -1
    given = False
    for piece in _pieces(text):
        if piece.sign == "[":
            optional, given = len(filled), False
        elif piece.sign == "]":
            if not given:
                del filled[optional:]
            optional = -1
        elif piece.name in values:
            filled.append(values[piece.name])
            given = True
        elif piece.name in _DIRECTIVES:
            filled.append(_spell(piece, start))
        elif piece.name:
            filled.append(f"{number:0{len(piece.format) or 1}d}")
        else:
            # The pattern allows any text here.
            filled.append(piece.text or "x")
    return "".join(filled)


def _narrow(
    text: str,
    start: datetime | None,
    values: Mapping[str, str],
    spelled: Collection[str] = _DIRECTIVES,
) -> str:
    return "".join(
        values[piece.name]
        if piece.name in values
        else _spell(piece, start)
        if start is not None and piece.name in spelled
        else _written(piece)
        for piece in _pieces(text)
    )


def _written(piece: _Piece) -> str:
    spelling = f":{piece.format}" if piece.format else ""
    return piece.text or piece.sign or f"{{{piece.name}{spelling}}}"
