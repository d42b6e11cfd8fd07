"""The kinds of values in a campaign file; a value that is refused is told what is allowed."""

import re
from typing import Annotated

from pydantic import AfterValidator, Field

# File systems have names of 255 bytes, and names get endings such as ".zarr".
LONGEST_NAME = 200


def worded(pattern: str, allowed: str) -> AfterValidator:
    """Return a validator of texts that match a pattern as a whole.

    Parameters
    ----------
    pattern
        A regular expression.
    allowed
        What it means, in words: the end of a sentence.
    """
    form = re.compile(pattern, re.DOTALL)

    def check(text: str) -> str:
        if not form.fullmatch(text):
            msg = f"give {allowed}, and not {text!r}"
            raise ValueError(msg)
        return text

    return AfterValidator(check)


# Texts that STAC's schemas refuse must be refused before the first line is converted. Ids, and
# names of a portal's versions, are also names of folders.
type Id = Annotated[
    str,
    worded(
        rf"[A-Za-z0-9_-][A-Za-z0-9._-]{{0,{LONGEST_NAME - 1}}}",
        f"letters, digits, '-', '_' and '.', at most {LONGEST_NAME}, of which '.' is not the first",
    ),
]
type Text = Annotated[
    str,
    worded(
        r"(?=.*\S)[^\x00-\x08\x0b-\x1f\x7f-\x9f]+",
        "a text that is not blank and has no control characters",
    ),
]
type Link = Annotated[
    str,
    worded(r"https?://[^/\s]+(/\S*)?", "an address that begins with https:// or http://"),
]
type License = Annotated[
    str,
    worded(
        r"[A-Za-z0-9_.+-]{1,100}",
        "a licence as SPDX names it, such as 'CC-BY-4.0', or 'other', in letters, digits, '.', '+', '-' and '_'",
    ),
]
type Doi = Annotated[
    str,
    worded(
        r"10\.[0-9a-zA-Z]{4,}/\S+",
        "a DOI that begins with '10.', such as '10.3334/ORNLDAAC/2183', without an address before it",
    ),
]
type Level = Annotated[
    str,
    worded(
        r"[^\s\x00-\x1f\x7f-\x9f]+( [^\s\x00-\x1f\x7f-\x9f]+)*",
        "a processing level such as 'L2A'",
    ),
]
# The ending of data files: empty, or one or more parts such as ".img".
type Ending = Annotated[
    str,
    worded(
        r"([.][A-Za-z0-9_-]+)*",
        "an ending such as '.img', of a dot with letters, digits, '-' and '_' behind it, or '' for none",
    ),
]
type HeaderEnding = Annotated[
    str,
    worded(
        r"([.][A-Za-z0-9_-]+)+",
        "an ending such as '.hdr', of a dot with letters, digits, '-' and '_' behind it",
    ),
]
# A text that simulated headers have in a list, and one that they have in braces.
type EntryOfHeader = Annotated[
    str, worded(r"[^\x00-\x1f\x7f-\x9f{},]*", "a text of one line without commas and braces")
]
type TextOfHeader = Annotated[
    str, worded(r"[^\x00-\x1f\x7f-\x9f{}]*", "a text of one line without braces")
]
# Numbers and switches of the file alone: neither true as 1, nor "yes".
type Wavelength = Annotated[float, Field(strict=True)]
type Whole = Annotated[int, Field(strict=True)]
type Count = Annotated[int, Field(strict=True, gt=0)]
type Flag = Annotated[bool, Field(strict=True)]
