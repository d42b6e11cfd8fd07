"""Access to the server: the machines, and the pages in a browser, that may send requests."""

from ipaddress import ip_address
from urllib.parse import urlsplit

from prefect.settings import get_current_settings

from flows.settings import SECRETS_VARIABLE, ServiceOptions

_LOOPBACK_NAMES = ("127.0.0.1", "localhost")
_SET_ONE = (
    f"write user:password into the file shift_auth of a folder that {SECRETS_VARIABLE} names, or into "
    "the variable SHIFT_AUTH"
)
_ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - compared with, not bound to


def local_url(options: ServiceOptions) -> str:
    """Return the address of the server for programs on this machine."""
    host = "127.0.0.1" if options.host == _ANY_ADDRESS else options.host
    return f"http://{host}:{options.port}"


def allowed_origins(options: ServiceOptions) -> list[str]:
    """Return the origins that a browser may send requests from: the server's, by each name of the machine."""
    found = []
    for url in filter(None, (local_url(options), options.public_url)):
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
        hosts = _LOOPBACK_NAMES if parts.hostname in _LOOPBACK_NAMES else (parts.hostname,)
        found += [f"{parts.scheme}://{host}{port}" for host in hosts]
    return list(dict.fromkeys(found))


def check_password(options: ServiceOptions) -> None:
    """Refuse to serve other machines without a password, since Prefect's API starts programs.

    Raises
    ------
    ValueError
        The host is reachable from other machines, and ``auth`` is not set.
    """
    if not options.server or options.auth is not None or _is_loopback(options.host):
        return
    msg = (
        f"--host {options.host}: other machines reach the server, and it has no password; "
        f"{_SET_ONE}"
    )
    raise ValueError(msg)


def password_warning(options: ServiceOptions) -> str | None:
    """Return a warning if no password keeps other users of this machine out."""
    prefect = get_current_settings().server.api.auth_string
    if not options.server or options.auth is not None or prefect is not None:
        return None
    return f"no password: every user of this machine can start runs; {_SET_ONE}"


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host in _LOOPBACK_NAMES
