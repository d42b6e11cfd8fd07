"""HTML pages from templates; every text that goes into one is escaped."""

from functools import cache
from importlib.resources import files

from jinja2 import Environment, FunctionLoader, StrictUndefined


def render_html(package: str, name: str, **values: object) -> bytes:
    """Fill the template ``name`` of a package: same values, same bytes.

    Parameters
    ----------
    package, name
        The package with the template and those that it includes, and the name of its file.
    values
        Values of its variables. Texts are escaped. In a script element the template writes ``{{
        value | tojson }}``, which no value can end.

    Raises
    ------
    jinja2.UndefinedError
        The template uses a variable that is not among the values.
    """
    return _environment(package).get_template(name).render(values).encode()


@cache
def _environment(package: str) -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: (files(package) / name).read_text(encoding="utf-8")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    # Without spaces, with keys in the given order.
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": False}
    return environment
