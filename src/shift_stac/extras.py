"""Which extra of the installation a room of the library needs.

``pip install shift-stac`` gives the reader alone. A room that needs more says so when it is
imported, instead of naming one package that is missing.
"""

from importlib.util import find_spec


def require_extra(extra: str, room: str, *packages: str) -> None:
    """Raise ModuleNotFoundError, with what to install, if a package of an extra is missing."""
    missing = [package for package in packages if find_spec(package) is None]
    if missing:
        msg = (
            f"{room} needs {', '.join(missing)}: install them with "
            f"pip install 'shift-stac[{extra}]'"
        )
        raise ModuleNotFoundError(msg, name=missing[0])
