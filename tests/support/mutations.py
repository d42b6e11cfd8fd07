"""Bad documents: valid ones of which some parts are replaced.

Everything is drawn from a :class:`random.Random`, so that a seed identifies a case. A case takes
some microseconds, so that millions can be tried.
"""

import copy
import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

# Values on which programs often fail: paths that lead out of a folder, text with a meaning for a
# shell, a template or a terminal, text that UTF-8 cannot encode, text that only some programs read
# as a number, and absurd sizes.
NASTY = (
    "", " ", "..", "../../etc/passwd", "/etc/passwd", "/", "a/../..", ".", "~", "~nobody/x",
    "\0", "a\nb", "\r\n", "\x1b[31m", "\u202e", "\ud800", "é", "\U0001d518", "日本", "\ufeff",
    "$(reboot)", "`id`", "; rm -rf /", "a b", "'", '"', "<script>", "[red]x[/]", "[/]", "&amp;",
    "%s", "{0}", "{line.__class__}", "{line!r:>99999999999}", "{date:x}", "{", "}", "{version",
    "1e999", "NaN", "-inf", "²", "\u0661", "9" * 5000, "-1", "1_000", "0x10", "true", "null",
    "http://[::1", "https://x/%2e%2e/", "file:///etc/passwd", "s3://", "s3://b/../c", "://", "//x",
    "ang20220224t195402", "ang99999999t999999", "20220224", "2022-02-30", "0000-00-00",
    "2022-02-24T00:00:00Z", "9999-12-31T23:59:59+14:00", "x" * 10_000, "[" * 3000, "{" * 3000,
)  # fmt: skip

_NUMBERS: tuple[float, ...] = (
    *(0, 1, 2, 3, -1, -3, 10**12, 2**63, -(2**64), 10**400),
    *(0.0, -0.0, 0.1, -1.5, 1e-320, 1e308, float("inf"), float("-inf"), float("nan")),
)
# Control characters and ASCII, the rest of the first plane with its halves of characters, and all
# other characters.
_PLANES = (range(0x80), range(0x20, 0x7F), range(0x80, 0x10000), range(0x10000, 0x110000))


def text(chance: Random) -> str:
    """Return a difficult value, or up to twenty characters of any kind."""
    if chance.random() < 0.6:
        return chance.choice(NASTY)
    return "".join(chr(chance.choice(chance.choice(_PLANES))) for _ in range(chance.randrange(20)))


def _scalar(chance: Random) -> Any:
    match chance.randrange(6):
        case 0:
            return chance.choice((None, True, False))
        case 1 | 2:
            return chance.choice(_NUMBERS)
        case _:
            return text(chance)


def _value(chance: Random) -> Any:
    def table(inner: Callable[[Random], Any]) -> dict[str, Any]:
        return {text(chance): inner(chance) for _ in range(chance.randrange(4))}

    match chance.randrange(8):
        case 0:
            return [_scalar(chance) for _ in range(chance.randrange(4))]
        case 1:
            return table(_scalar)
        case 2:
            return [[_scalar(chance)] for _ in range(chance.randrange(3))]
        case 3:
            return table(lambda _: table(_scalar))
        case _:
            return _scalar(chance)


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Yield every part of a document, as its container and its key there."""
    found = []
    waiting = [document]
    while waiting:
        node = waiting.pop()
        keys = list(node) if isinstance(node, Mapping) else range(len(node))
        for key in keys:
            found.append((node, key))
            if isinstance(node[key], (dict, list)):
                waiting.append(node[key])
    return found


def mutated(chance: Random, document: Any) -> Any:
    """Return a document (objects, lists, scalars) with one to three parts removed, renamed or replaced."""
    made = copy.deepcopy(document)
    for _ in range(chance.randint(1, 3)):
        if not (places := _places(made)):
            break
        holder, key = chance.choice(places)
        match chance.randrange(5):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[text(chance)] = holder.pop(key)
            case 2 if isinstance(holder, dict):
                holder[text(chance)] = _value(chance)
            case 3 if isinstance(holder, list):
                holder.append(copy.deepcopy(holder[key]))
            case _:
                holder[key] = _value(chance)
    return made


def damaged(chance: Random, content: bytes) -> bytes:
    """Return a file of which a piece is cut off, overwritten, doubled or replaced."""
    begin, end = sorted(chance.randint(0, len(content)) for _ in range(2))
    piece = (
        chance.randbytes(chance.randrange(20))
        if chance.random() < 0.5
        else text(chance).encode("utf-8", "surrogatepass")
    )
    match chance.randrange(20):
        case 0:
            return piece
        case 1:
            return piece * 1000 + content
        case 2 | 3 | 4:
            return content[:begin]
        case 5 | 6 | 7:
            return content[:end] + content[begin:]
        case n if n < 14:
            return content[:begin] + piece + content[begin:]
        case _:
            return content[:begin] + piece + content[end:]


def as_json(document: Any) -> bytes:
    """Return a document as JSON of the kind that Python's library reads, including NaN."""
    return json.dumps(document).encode()


def as_toml(table: Mapping[str, Any]) -> bytes:
    """Return a document as TOML. Values that TOML cannot express make an invalid file."""
    return "".join(f"{_quoted(key)} = {_toml(value)}\n" for key, value in table.items()).encode(
        "utf-8", "surrogatepass"
    )


def _quoted(string: str) -> str:
    return json.dumps(string).replace("\\/", "/")


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_quoted(key)} = {_toml(child)}" for key, child in value.items())
        return f"{{{inner}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return repr(value) if isinstance(value, (int, float)) else _quoted(str(value))
