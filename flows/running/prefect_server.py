"""The Prefect server that a run is told to use: its password, and what it refuses."""

import os

import httpx
from prefect.context import refresh_global_settings_context
from prefect.exceptions import PrefectHTTPStatusError
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_URL

from flows.settings import ServiceOptions, site_options

REFUSALS = (httpx.HTTPError, PrefectHTTPStatusError)
"""What a client raises if the server does not take something."""


def take_password() -> None:
    """Where Prefect itself was told no password, the server is asked with the site's own."""
    if not PREFECT_API_URL.value() or PREFECT_API_AUTH_STRING.value():
        return
    auth = site_options(ServiceOptions).auth
    if auth is not None:
        # For all threads, and for the processes that are started.
        os.environ[PREFECT_API_AUTH_STRING.name] = auth.get_secret_value()
        refresh_global_settings_context()


def explain_refusal(error: Exception) -> str:
    """A sentence about what a server refuses, and what to do."""
    return (
        f"the Prefect server at {PREFECT_API_URL.value()} refuses: {error}; if it asks for a "
        "password, set PREFECT_API_AUTH_STRING"
    )
