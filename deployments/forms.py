"""The forms in which the Prefect UI asks for a run's options: short, and in a person's words.

A form is the JSON schema of a flow's options with what only the service's settings decide left
out. That a run takes from the settings itself.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.utilities.callables import ParameterSchema

from flows.running.form_fields import say_with_pattern

_DATE = {
    "title": "Dates",
    "description": "Days of flight (UTC).",
}
_ONE_DATE = {
    **_DATE,
    "description": "Days of flight (UTC); at least one.",
    # Refused as "[] should be non-empty", at the field.
    "minItems": 1,
}
_LINE = {
    "title": "Lines",
    "description": "Only these flight lines of the dates. Default: every line that the portal lists.",
}


def fit_form(
    schema: ParameterSchema,
    *,
    first: Sequence[str],
    hidden: Sequence[str],
    choices: Mapping[str, Sequence[str]],
    dates_required: bool = False,
) -> None:
    """Make the form of a flow with the one parameter ``options`` fit for people.

    Parameters
    ----------
    schema
        Of the flow's parameters; changed in place.
    first
        Fields that are asked first, in this order; the others follow as they are.
    hidden
        Fields that are not asked.
    choices
        Values among which a field lets people choose.
    dates_required
        Whether nothing runs without a date.
    """
    name = schema.properties["options"]["$ref"].rpartition("/")[2]
    form = schema.definitions[name]
    fields: dict[str, dict[str, Any]] = form["properties"]
    for field in hidden:
        fields.pop(field, None)
    # What is hidden would be refused as unknown; the flow's own model refuses what really is.
    form.pop("additionalProperties", None)
    form["properties"] = {
        field: fields[field] for field in dict.fromkeys((*first, *fields)) if field in fields
    }
    fields = form["properties"]
    schema.properties["options"]["title"] = "Options"
    for described in fields.values():
        _drop_none(described)
        _capitalize(described)
    for field, values in choices.items():
        if field in fields:
            fields[field]["enum"] = list(values)
    if "date" in fields:
        fields["date"] |= _ONE_DATE if dates_required else _DATE
        _say(fields["date"], "a date is a day of this century, as 2022-02-24")
        if dates_required:
            # Else the field is shown as optional.
            form["required"] = ["date"]
    if "line" in fields:
        fields["line"] |= _LINE
        _say(fields["line"], "the name of a flight line has letters, digits, - and _ alone")
    schema.definitions = _in_use(schema)


def _say(several: dict[str, Any], sentence: str) -> None:
    """Let each of several values be refused with a sentence."""
    several["items"]["pattern"] = say_with_pattern(several["items"]["pattern"], sentence)


def _drop_none(field: dict[str, Any]) -> None:
    """A value or none is a value that may be missing: forms show a switch between types else."""
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
    """The definitions that a form still refers to."""
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
