"""The Prefect server that a run is configured to use: its password and its refusals."""

import os

import httpx
from prefect.context import refresh_global_settings_context
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from flows.settings import ServiceOptions, site_options

REFUSALS = (httpx.HTTPError, PrefectHTTPStatusError)
"""The errors of a client whose request the server refuses."""


def take_password() -> None:
    """Use the site's password for the server unless Prefect has a password of its own."""
    if not PREFECT_API_URL.value() or PREFECT_API_AUTH_STRING.value():
        return
    auth = site_options(ServiceOptions).auth
    if auth is not None:
        # Set for all threads, and for child processes.
        os.environ[PREFECT_API_AUTH_STRING.name] = auth.get_secret_value()
        refresh_global_settings_context()


def explain_refusal(error: Exception) -> str:
    """Return a sentence about a refusal of the server, and what to do."""
    return (
        f"the Prefect server at {PREFECT_API_URL.value()} refuses: {error}; if it asks for a "
        "password, set PREFECT_API_AUTH_STRING"
    )
