"""What the build of the site fills in: tables of settings, made from the classes that check them.

A page asks for one by ``<!-- settings: CLASS -->``: the fields that the class of ``flows.settings`` adds
to those of its parents, or all of a nested group.
"""

import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from flows.settings import options, service, shared_options

_ASKED = re.compile(r"<!-- settings: (\w+) -->")
_PREFIX = "SHIFT_"
_HEAD = ("| option, variable | default | what it is |", "|---|---|---|")
# The notebooks have no formulas, and the site loads nothing from outside.
_MATHJAX = re.compile(r"<script data-mkdocs-jupyter-mathjax=.*?</script>", re.DOTALL)
_CLASSES = vars(shared_options) | vars(options) | vars(service)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the tables that a page asks for."""
    return _ASKED.sub(lambda asked: table_of(_CLASSES[asked[1]]), markdown)


def on_post_page(output: str, **_: Any) -> str:
    """Leave out what notebooks would load from elsewhere."""
    return _MATHJAX.sub("", output)


def table_of(model: type[BaseModel]) -> str:
    """A table of the fields that a class of settings adds to those of its parents."""
    rows = [*_HEAD]
    for name, field in _own_fields(model):
        group = _group(field)
        if group is not None:
            rows.append(f"| `--{_option(name)}.…` | | {_text(field)}: below |")
            continue
        rows.append(_row((name,), field))
    tables = ["\n".join(rows)]
    for name, field in _own_fields(model):
        if (group := _group(field)) is not None:
            tables.append(f"**`[{name}]`** in the settings file: {_text(field)}.")
            tables.append(_group_table(group, name))
    return "\n\n".join(tables)


def _group_table(group: type[BaseModel], prefix: str) -> str:
    rows = [*_HEAD]
    for path, field in _leaves(group, (prefix,)):
        rows.append(_row(path, field))
    return "\n".join(rows)


def _row(path: tuple[str, ...], field: FieldInfo) -> str:
    option = ".".join(map(_option, path))
    variable = _PREFIX + "__".join(path).upper()
    return f"| `--{option}`<br>`{variable}` | {_default(field)} | {_text(field)} |"


def _leaves(
    group: type[BaseModel], path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], FieldInfo]]:
    for name, field in group.model_fields.items():
        inner = _group(field)
        if inner is None:
            yield (*path, name), field
        else:
            yield from _leaves(inner, (*path, name))


def _own_fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    inherited = {
        name: field
        for parent in model.__mro__[1:]
        for name, field in getattr(parent, "model_fields", {}).items()
    }
    return [(name, field) for name, field in model.model_fields.items() if name not in inherited]


def _group(field: FieldInfo) -> type[BaseModel] | None:
    for kind in (field.annotation, *get_args(field.annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def _option(name: str) -> str:
    return name.replace("_", "-")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "must be given"
    if value is None or value == ():
        return ""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        value = str(value).lower()
    return f"`{value}`"


def _text(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")
