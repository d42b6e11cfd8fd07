"""The text of an ENVI header as entries: keys and the values after their ``=``.

Format: L3Harris Geospatial, "ENVI Header Files". Where that says nothing, it reads what Spectral
Python and GDAL read. Lines without ``=`` belong to no entry. Lines that begin with ``;`` are
comments, also inside braces. The last of several entries of one key counts.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from shift_stac.errors import EnviError

# Only these of Python's line ends end a line of a header: bytes 0x85 and 0x0C occur within words.
_LINE_END = re.compile(r"\r\n|\r|\n")

# Microsoft's C library writes NaN so: "-1.#IND00", "1.#QNAN", "-nan(ind)".
_NOT_A_NUMBER = re.compile(r"[-+]?(?:1\.#(?:IND|QNAN|SNAN)\d*|nan\([a-z0-9_]*\))", re.IGNORECASE)
_FORTRAN_EXPONENT = re.compile(r"(?<=[\d.])[dD](?=[-+]?\d)")
_INFINITE = re.compile(r"([-+]?)1\.#INF\d*", re.IGNORECASE)


def decode(content: bytes) -> str:
    """The text of a header's bytes.

    UTF-8 if it is valid, otherwise Latin-1, which never fails: descriptions have the encoding of
    the producer's editor.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def parse_fields(text: str, name: str) -> dict[str, str]:
    """Split a header into its entries.

    Keys are in lower case, with single spaces instead of underscores. A value in
    braces keeps them; it is joined over lines, without comments and without what follows the brace.

    Parameters
    ----------
    text
        The whole header.
    name
        The file's name, for messages.

    Raises
    ------
    EnviError
        Its first line does not begin with ``ENVI``, or a brace is never closed.
    """
    rows = _LINE_END.split(text.removeprefix("\ufeff"))
    if not rows[0].strip().startswith("ENVI"):
        msg = f"{name} is not an ENVI header: its first line is not 'ENVI'; download it again"
        raise EnviError(msg)
    fields: dict[str, str] = {}
    place = 1
    while place < len(rows):
        row = rows[place]
        place += 1
        key, equals, value = row.partition("=")
        if not equals or row.lstrip().startswith(";"):
            continue
        key = " ".join(key.lower().replace("_", " ").split())
        value = value.strip()
        if not value and place < len(rows) and rows[place].lstrip().startswith("{"):
            value, place = rows[place].strip(), place + 1
        if value.startswith("{"):
            value, place = _braced(value, rows, place, f"{name}: the entry {key!r}")
        fields[key] = value
    return fields


def _braced(first: str, rows: list[str], place: int, what: str) -> tuple[str, int]:
    """Return a value in braces, and the index of the row after it.

    Braces within it are counted, without those in lines of comment; if they do not add up, with those.
    If they do not add up then either, the value ends in the first line that closes one.
    """
    found = [_end_of_braces(first, rows, place, has_comments=has) for has in (False, True)]
    whole = [(end, row) for end, row, adds_up in found if adds_up]
    first_closed = [(end, row) for end, row, _ in found if end is not None]
    for end, row in (*whole, *first_closed):
        if end is not None:
            return end, row
    msg = f"{what} has no closing brace; the header is truncated, download it again"
    raise EnviError(msg)


def _end_of_braces(
    first: str, rows: list[str], place: int, *, has_comments: bool
) -> tuple[str | None, int, bool]:
    """The value as far as its end, the row behind it, and whether its braces add up."""
    end: str | None = None
    behind = place
    parts: list[str] = []
    depth = 0
    for number, row in enumerate([first, *rows[place:]]):
        if number and row.startswith(";") and not has_comments:
            continue
        for column, letter in enumerate(row):
            depth += {"{": 1, "}": -1}.get(letter, 0)
            if letter == "}" and (depth == 0 or end is None):
                end, behind = "\n".join([*parts, row[: column + 1]]), place + number
                if depth == 0:
                    return end, behind, True
        parts.append(row)
    return end, behind, False


def unbrace(value: str) -> str:
    """Return the text inside a value's braces."""
    return value.strip().removeprefix("{").removesuffix("}").strip()


def plain(value: str) -> str:
    """Return a single word or number, without braces, quotes, and a comment after it."""
    return unbrace(value.partition(";")[0]).strip("\"' \t")


def items(value: str) -> tuple[str, ...]:
    """Return the entries of a list, in braces or not; a comma after the last entry is ignored."""
    content = unbrace(value).removesuffix(",").rstrip()
    return tuple(entry.strip() for entry in content.split(",")) if content else ()


def number_items(value: str) -> tuple[str, ...]:
    """Return the entries of a list of numbers; some programs write it as ``[ 1  2  3 ]``."""
    content = unbrace(value).removeprefix("[").removesuffix("]")
    return items(content) if "," in content else tuple(content.split())


def number(text: str) -> float:
    """Parse a number as C and Fortran write it (``1.5D-3``), with NaN and infinity.

    Raises
    ------
    ValueError
        The text is not a number.
    """
    text = text.strip()
    if _NOT_A_NUMBER.fullmatch(text):
        return float("nan")
    if match := _INFINITE.fullmatch(text):
        return float(f"{match[1]}inf")
    return float(_FORTRAN_EXPONENT.sub("e", text))


def write_header(path: Path, fields: Mapping[str, object]) -> None:
    """Write an ENVI header.

    Sequences are written as ``{ a , b }``, as the AVIRIS-NG pipeline does; everything else as
    its text. A text of several lines must have its own braces.
    """
    rows = ["ENVI"]
    for key, value in fields.items():
        if isinstance(value, (list, tuple, np.ndarray)):
            rows.append(f"{key} = {{ {' , '.join(str(entry) for entry in value)} }}")
        else:
            rows.append(f"{key} = {value}")
    path.write_text("\n".join(rows) + "\n", encoding="latin-1")
