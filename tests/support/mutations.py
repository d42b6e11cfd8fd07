"""Documents as nobody should write them: valid ones with some of their parts replaced."""

import copy
import json
from collections.abc import Mapping
from random import Random
from typing import Any

from hypothesis import strategies as st

# What programs stumble over: paths that lead out, what a shell, a template or a terminal would act
# on, what is no text to UTF-8, what is a number only to some, and sizes that are absurd.
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

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=20))
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from((10**12, 2**63, -(2**64), 10**400)),
    st.floats(),
    texts,
)
values = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(texts, scalars, max_size=3),
    st.lists(st.lists(scalars, max_size=2), max_size=2),
    st.dictionaries(texts, st.dictionaries(texts, scalars, max_size=2), max_size=2),
)


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every part of a document, as what holds it and its key there."""
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


def _change(document: Any, random: Random, value: Any, name: str) -> None:
    holder, key = random.choice(_places(document))
    match random.randrange(5):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[name] = holder.pop(key)
        case 2 if isinstance(holder, dict):
            holder[name] = value
        case 3 if isinstance(holder, list):
            holder.append(copy.deepcopy(holder[key]))
        case _:
            holder[key] = value


@st.composite
def mutated(draw: st.DrawFn, document: Any) -> Any:
    """A document (objects, lists, scalars) with one to three parts dropped, renamed or replaced."""
    made = copy.deepcopy(document)
    random = draw(st.randoms(use_true_random=False))
    for _ in range(draw(st.integers(1, 3))):
        if _places(made):
            _change(made, random, draw(values), draw(texts))
    return made


@st.composite
def damaged(draw: st.DrawFn, content: bytes) -> bytes:
    """A file of which a piece was cut off, overwritten, doubled, or replaced by something else."""
    begin, end = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
    piece = draw(st.one_of(st.binary(max_size=20), texts.map(_encoded)))
    return draw(
        st.sampled_from((
            content[:begin],
            content[:begin] + piece + content[begin:],
            content[:begin] + piece + content[end:],
            content[:end] + content[begin:],
            piece,
            piece * 1000 + content,
        ))
    )  # fmt: skip


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def as_json(document: Any) -> bytes:
    """A document as JSON of the kind that Python's own library reads, NaN among it."""
    return json.dumps(document).encode()


def as_toml(table: Mapping[str, Any]) -> bytes:
    """A document as TOML; what that cannot spell makes a file that is none."""
    return "".join(f"{_quoted(key)} = {_toml(value)}\n" for key, value in table.items()).encode(
        "utf-8", "surrogatepass"
    )


def _quoted(text: str) -> str:
    return json.dumps(text).replace("\\/", "/")


def _toml(value: Any) -> str:
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_quoted(key)} = {_toml(child)}" for key, child in value.items())
        return f"{{{inner}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    return repr(value) if isinstance(value, (int, float)) else _quoted(str(value))
