"""Checks that the packages of an extra are installed.

``pip install shift-stac`` installs only the reader. A package of the library that needs more names
the extra when it is imported, not just one missing package.
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
