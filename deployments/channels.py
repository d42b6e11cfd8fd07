"""Sends notices to operators: by a webhook, or by a notification block that was made in the UI."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
from prefect.blocks.core import Block
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.sorting import AutomationSort
from prefect.exceptions import ObjectNotFound

from deployments.notices import Notice
from flows.settings import ServiceOptions

Channel = Callable[[Notice], None]
"""Delivers a notice, or raises."""

_ANSWER_S = 10.0
# The largest page that the server accepts; it refuses its own default.
_AT_MOST = 200
# Names of the automations that earlier releases made on the server.
_AUTOMATIONS = {
    f"shift-stac: {name}"
    for name in (
        *("end runs whose process is gone", "end runs that do not start"),
        *("tell of runs to look at", "tell of runs that ask for a code"),
        *("tell of runs that are stuck", "tell when nothing is published"),
    )
}
_WEBHOOK_BLOCK = ("shift-stac-webhook", "custom-webhook")


class NotificationBlockError(ValueError):
    """The notification block that the settings name does not exist."""


class NotDeliveredError(RuntimeError):
    """The webhook refused a notice. The message leaves out its address, which may contain a token."""


def open_channel(options: ServiceOptions, client: SyncPrefectClient) -> Channel | None:
    """Return the channel to operators that the settings name, if any.

    Raises
    ------
    NotificationBlockError
        The notification block that the settings name does not exist.
    """
    if options.webhook is not None:
        return _webhook(options.webhook.get_secret_value())
    return None if options.notify is None else _block(options.notify, client)


def _webhook(address: str) -> Channel:
    def send(notice: Notice) -> None:
        try:
            answer = httpx.post(
                address,
                json={
                    "id": notice.key,
                    "subject": notice.subject,
                    "body": notice.body,
                    "text": f"{notice.subject}\n{notice.body}",
                },
                timeout=_ANSWER_S,
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            msg = f"the webhook cannot be reached ({type(error).__name__})"
            raise NotDeliveredError(msg) from None
        if not answer.is_success:
            msg = f"the webhook answered {answer.status_code} {answer.reason_phrase}"
            raise NotDeliveredError(msg)

    return send


def _block(name: str, client: SyncPrefectClient) -> Channel:
    kind, _, short = name.partition("/")
    try:
        client.read_block_document_by_name(short, kind)
    except ObjectNotFound as error:
        msg = (
            f"notify: the server has no block {name}: make one in the UI (Blocks), and "
            "name it as TYPE/NAME, for example slack-webhook/operators"
        )
        raise NotificationBlockError(msg) from error
    block: Any = Block.load(name)

    def send(notice: Notice) -> None:
        with block.raise_on_failure():
            block.notify(body=notice.body, subject=notice.subject)

    return send


def remove_automations(client: SyncPrefectClient) -> None:
    """Remove the automations of earlier releases, which sent the same notices, and the block of their webhook."""
    for found in client.read_automations(sort=AutomationSort.NAME_ASC, limit=_AT_MOST):
        if found.name in _AUTOMATIONS:
            client.delete_automation(found.id)
    with suppress(ObjectNotFound):
        client.delete_block_document(client.read_block_document_by_name(*_WEBHOOK_BLOCK).id)
