"""What the build of the site fills in: tables of settings and keys, made from the classes that check them.

``<!-- settings: CLASS -->`` in a page gives the settings that a class of ``flows.settings`` adds to those of
its parents, and the commands that take them. ``<!-- group: NAME -->`` gives the settings of a group, such as
``s3``, once for all classes that have it. ``<!-- keys: CLASS -->`` gives the keys of a TOML file that the class
reads, table by table. References in docstrings become links.
"""

import inspect
import json
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from flows import commands
from flows.settings import (
    ArchiveOptions,
    ServiceOptions,
    SessionOptions,
    options,
    service,
    shared_options,
)
from shift_stac.campaigns import Campaign
from shift_stac.cluster.profile import ClusterProfile
from shift_stac.model import FrozenModel

_ASKED = re.compile(r"<!-- settings: (\w+) -->")
_GROUP_ASKED = re.compile(r"<!-- group: (\w+) -->")
_PREFIX = "SHIFT_"
_HEAD = ("| option, variable | default | what it is |", "|---|---|---|")
# The notebooks have no formulas, and the site loads nothing from outside.
_MATHJAX = re.compile(r"<script data-mkdocs-jupyter-mathjax=.*?</script>", re.DOTALL)
_CLASSES = vars(shared_options) | vars(options) | vars(service)
_COMMANDS: dict[str, type[BaseModel]] = {
    command.program.removeprefix("python -m "): command.options
    for command in (
        commands.INGEST,
        commands.CAMPAIGN,
        commands.CUBE,
        commands.VALIDATE,
        *commands.CATALOG.values(),
        commands.REPORT,
    )
} | {
    "flows.session": SessionOptions,
    "deployments.serve": ServiceOptions,
    "deployments.check": ArchiveOptions,
}

_KEYS_ASKED = re.compile(r"<!-- keys: (\w+) -->")
_FILES: dict[str, type[BaseModel]] = {"Campaign": Campaign, "ClusterProfile": ClusterProfile}
_TOML_TYPES = {
    "string": "text",
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "object": "table",
}
# A parameter of a docstring: its name, and an indented text of one or more lines.
_PARAMETER = re.compile(r"^(\w+)\n((?:[ ]{4}.*\n?)+)", re.MULTILINE)
# As docstrings write references; a dot before the name stands for the module, a tilde for its last part.
_ROLE = re.compile(r":(?:attr|class|data|func|meth|mod):<code>[~.]*([\w.]+)</code>")
_ROLE_IN_TEXT = re.compile(r":(?:attr|class|data|func|meth|mod):`[~.]*([\w.]+)`")


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Fill in the tables that a page asks for."""
    filled = _ASKED.sub(lambda asked: table_of(_CLASSES[asked[1]]), markdown)
    filled = _GROUP_ASKED.sub(lambda asked: group_of(asked[1]), filled)
    return _KEYS_ASKED.sub(lambda asked: keys_of(_FILES[asked[1]]), filled)


def on_page_content(html: str, **_: Any) -> str:
    """Make links of the references in docstrings, where the site has what they name."""
    return _ROLE.sub(r'<autoref optional identifier="\1"><code>\1</code></autoref>', html)


def on_post_page(output: str, **_: Any) -> str:
    """Leave out what notebooks would load from elsewhere."""
    return _MATHJAX.sub("", output)


def table_of(model: type[BaseModel]) -> str:
    """The settings that a class adds to those of its parents, and the commands that take them."""
    rows = [*_HEAD]
    for name, field in _own_fields(model):
        if _group(field) is None:
            rows.append(_row((name,), field))
        else:
            rows.append(f"| [`--{_option(name)}.…`](#{name}) | | {_text(field)} |")
    takers = [name for name, taken in _COMMANDS.items() if issubclass(taken, model)]
    return "\n\n".join([*_taken_by(takers), _table(rows)])


def group_of(name: str) -> str:
    """The settings of a group, and the commands that take them."""
    takers = {
        command: model.model_fields[name]
        for command, model in _COMMANDS.items()
        if name in model.model_fields
    }
    (group,) = {_group(field) for field in takers.values()}
    return "\n\n".join([*_taken_by([*takers]), *_group_tables(group, (name,))])


def _taken_by(takers: list[str]) -> list[str]:
    """A sentence that names the commands; none for one command, which the heading above names."""
    if len(takers) == 1:
        return []
    others = [name for name in _COMMANDS if name not in takers]
    if len(others) < len(takers):
        return [f"For all commands except {_listed(others)}:"]
    return [f"For {_listed(takers)}:"]


def _listed(names: list[str]) -> str:
    *others, last = (f"`{name}`" for name in names)
    return f"{', '.join(others)} and {last}" if others else last


def keys_of(model: type[BaseModel]) -> str:
    """The tables of a TOML file, with the keys of each, and what the docstrings of their classes say of them."""
    parts = []
    for path, table in _toml_tables(model, ""):
        if path:
            parts.append(f"## `{path}`")
        texts: dict[str, str] = {}
        for parent in table.__mro__:
            if not issubclass(parent, FrozenModel) or parent is FrozenModel:
                break
            summary, _, rest = inspect.cleandoc(parent.__doc__ or "").partition("\n\n")
            details, _, parameters = f"\n{rest}".partition("\nParameters\n----------\n")
            parts += [summary, details.strip()] if parent is table else [details.strip()]
            texts = {
                name: " ".join(text.split()) for name, text in _PARAMETER.findall(parameters)
            } | texts
        parts.append(_keys_table(table, texts))
    return "\n\n".join(_ROLE_IN_TEXT.sub(r"`\1`", part) for part in parts if part)


def _toml_tables(model: type[BaseModel], path: str) -> Iterator[tuple[str, type[BaseModel]]]:
    if any(_inner(field.annotation) is None for field in model.model_fields.values()):
        yield (f"[{path}]" if path and not path.startswith("[") else path), model
    for name, field in model.model_fields.items():
        inner = _inner(field.annotation)
        if inner is None:
            continue
        below = f"{path}.{name}".lstrip(".")
        if get_origin(field.annotation) is dict:
            below += f".{name[0].upper()}"
        elif get_origin(field.annotation) is tuple:
            below = f"[[{below}]]"
        yield from _toml_tables(inner, below)


def _inner(annotation: Any) -> type[BaseModel] | None:
    """The class of the tables that a key holds, directly or by name or number."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_inner, get_args(annotation))), None)


def _keys_table(model: type[BaseModel], texts: dict[str, str]) -> str:
    schema = model.model_json_schema()
    rows = ["| key | type | default | what it is |", "|---|---|---|---|"]
    for name, field in model.model_fields.items():
        if _inner(field.annotation) is not None:
            continue
        key = field.alias or name
        kind = _toml_type(schema["properties"][key], schema.get("$defs", {}))
        text = texts.get(name, "").replace("``", "`").replace("|", "\\|")
        rows.append(f"| `{key}` | {kind} | {_default(field)} | {text} |")
    return "\n".join(rows)


def _toml_type(schema: dict[str, Any], named: dict[str, Any]) -> str:
    if "$ref" in schema:
        return _toml_type(named[schema["$ref"].rpartition("/")[2]], named)
    if "anyOf" in schema:
        kinds = [kind for kind in schema["anyOf"] if kind.get("type") != "null"]
        return " or ".join(dict.fromkeys(_toml_type(kind, named) for kind in kinds))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if schema.get("type") == "array":
        inside = schema.get("prefixItems") or [schema.get("items", {})]
        kinds = " and ".join(dict.fromkeys(_toml_type(kind, named) for kind in inside))
        count = f"{len(inside)}, each " if len(inside) > 1 else ""
        return f"list of {count}{kinds}"
    return _TOML_TYPES.get(schema.get("type", ""), "any")


def _group_tables(group: type[BaseModel], path: tuple[str, ...]) -> Iterator[str]:
    """A table of a group's settings, and one of each kind of group that it contains."""
    rows = [*_HEAD]
    inner: dict[type[BaseModel], list[str]] = {}
    for name, field in group.model_fields.items():
        below = _group(field)
        if below is None:
            rows.append(_row((*path, name), field))
        else:
            inner.setdefault(below, []).append(name)
    yield _table(rows)
    for below, (first, *others) in inner.items():
        dotted = ".".join(path)
        text = f"`[{dotted}.{first}]` is for the {_text(group.model_fields[first])}."
        yield " ".join(
            [
                text,
                *(
                    f"`[{dotted}.{other}]` has the same keys, for the {_text(group.model_fields[other])}."
                    for other in others
                ),
            ]
        )
        yield from _group_tables(below, (*path, first))


def _table(rows: list[str]) -> str:
    """A table, of which stylesheets/widths.css puts the cells below each other on a narrow screen."""
    return "\n".join(['<div class="settings" markdown>', "", *rows, "", "</div>"])


def _row(path: tuple[str, ...], field: FieldInfo) -> str:
    option = ".".join(map(_option, path))
    variable = _PREFIX + "__".join(path).upper()
    return f"| `--{option}`<br>`{variable}` | {_default(field)} | {_text(field)} |"


def _own_fields(model: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    inherited = {
        (name, field.description)
        for parent in model.__mro__[1:]
        for name, field in getattr(parent, "model_fields", {}).items()
    }
    return [
        (name, field)
        for name, field in model.model_fields.items()
        if (name, field.description) not in inherited
    ]


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
    if value in (None, (), "", {}):
        return ""
    if isinstance(value, tuple):
        value = json.dumps(value, default=str)
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        value = str(value).lower()
    return f"`{value}`"


def _text(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")
