"""The forms of the Prefect UI for a run's options: short, and in plain words.

A form is the JSON schema of a flow's options without those that only the settings decide. A run
takes these from the settings itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.utilities.callables import ParameterSchema

from flows.running.form_fields import refused_unless

_DATE = {
    "title": "Dates",
    "description": "Days of flight (UTC).",
}
_ONE_DATE = {
    **_DATE,
    "description": "Days of flight (UTC); at least one.",
    "if": {"maxItems": 0},
    "then": {"enum": ["at least one date"]},
}
_LINE = {
    "title": "Lines",
    "description": "Only these flight lines of the dates. Default: every line that the portal lists.",
}


def fit_form(
    schema: ParameterSchema,
    *,
    asked: Sequence[str],
    choices: Mapping[str, Sequence[str]],
    lines_of: Mapping[str, str],
    dates_required: bool = False,
) -> None:
    """Adapt the form of a flow, which has the one parameter ``options``, for people.

    Parameters
    ----------
    schema
        The schema of the flow's parameters; changed in place.
    asked
        The fields, in their order; the settings decide the others.
    choices
        The values that a field offers.
    lines_of
        The dates that a form offers, each with the regular expression of its lines' names; if
        empty, any date can be entered.
    dates_required
        Whether a run needs a date.
    """
    name = schema.properties["options"]["$ref"].rpartition("/")[2]
    form = schema.definitions[name]
    fields: dict[str, dict[str, Any]] = form["properties"]
    # Otherwise the server refuses options that the form leaves out; the flow's model refuses
    # unknown ones.
    form.pop("additionalProperties", None)
    fields = form["properties"] = {field: fields[field] for field in asked if field in fields}
    schema.properties["options"]["title"] = "Options"
    for described in fields.values():
        _drop_none(described)
        _capitalize(described)
    for field, values in choices.items():
        if field in fields:
            fields[field]["enum"] = list(values)
    if "date" in fields:
        fields["date"] |= _ONE_DATE if dates_required else _DATE
        if lines_of:
            fields["date"]["items"] = {"type": "string", "enum": list(lines_of)}
        else:
            _say(fields["date"], "days of this century, as 2022-02-24")
        if dates_required:
            # Otherwise the field is shown as optional.
            form["required"] = ["date"]
    if "line" in fields:
        fields["line"] |= _LINE
        _say(fields["line"], "names of letters, digits, - and _ alone")
    if "date" in fields and "line" in fields and lines_of:
        form["allOf"] = [
            {"properties": {"line": {"items": _lines(f"^(?:{'|'.join(lines_of.values())})")}}},
            *(_only_with_date(date, lines) for date, lines in lines_of.items()),
        ]
    schema.definitions = _in_use(schema)


def _only_with_date(date: str, lines: str) -> dict[str, Any]:
    """Return a schema that refuses lines of a date that is not chosen."""
    other = {"properties": {"date": {"not": {"contains": {"const": date}}}}}
    return {"if": other, "then": {"properties": {"line": {"items": _lines(f"^(?!{lines})")}}}}


def _lines(pattern: str) -> dict[str, Any]:
    return refused_unless(pattern, "lines of the dates that are chosen")


def _say(several: dict[str, Any], words: str) -> None:
    """Add a message in words for each invalid value of a list."""
    several["items"] |= refused_unless(several["items"].pop("pattern"), words)


def _drop_none(field: dict[str, Any]) -> None:
    """Replace "a value or null" by an optional value: otherwise forms show a switch between types."""
    kinds = [kind for kind in field.get("anyOf", ()) if kind.get("type") != "null"]
    if len(kinds) == 1:
        del field["anyOf"]
        field |= kinds[0]
        if field.get("default", ...) is None:
            del field["default"]


def _capitalize(field: dict[str, Any]) -> None:
    text = field.get("description", "")
    if text:
        field["description"] = f"{text[0].upper()}{text[1:].rstrip('.')}."


def _in_use(schema: ParameterSchema) -> dict[str, Any]:
    """Return the definitions that a form still refers to."""
    kept: dict[str, Any] = {}
    waiting = [schema.properties]
    while waiting:
        for name in _references(waiting.pop()):
            if name not in kept:
                kept[name] = schema.definitions[name]
                waiting.append(kept[name])
    return kept


def _references(node: Any) -> set[str]:
    if isinstance(node, Mapping):
        own = {node["$ref"].rpartition("/")[2]} if "$ref" in node else set()
        return own.union(*map(_references, node.values()))
    if isinstance(node, list):
        return set().union(*map(_references, node))
    return set()
