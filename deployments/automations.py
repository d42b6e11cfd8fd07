"""Automations: the server tells operators what to look at, and ends runs whose process is gone.

They are the server's: they work when every worker is dead. Like deployments, they are told to it
as often as one likes; one that it has already is left alone, with what it remembers.
"""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.sorting import AutomationSort
from prefect.events.actions import ActionTypes, ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.exceptions import ObjectNotFound
from pydantic import SecretStr

from flows import HEARTBEAT_SECONDS
from flows.running.journal import OUR_TAG, TAG, WORK_EVENT
from flows.running.outcome import (
    ARCHIVE_RESOURCE,
    NOTHING_LEFT_EVENT,
    PUBLISHED_EVENT,
)
from flows.settings import ServiceOptions

# Three heartbeats that did not come, and some seconds for the way.
SILENT_SECONDS = 3 * HEARTBEAT_SECONDS + 15
# A worker that takes a run starts it within seconds; on a busy machine, a minute.
_STARTING_SECONDS = 600
_PREFIX = f"{TAG}: "
_WEBHOOK_BLOCK = f"{TAG}-webhook"
# The server's own limit of an answer; its defaults are refused.
_AT_MOST = 200
_RUN = "prefect.flow-run"
_ENDS = {
    f"{_RUN}.{state.capitalize()}" for state in ("completed", "failed", "crashed", "cancelled")
}
_ENDS |= {f"{_RUN}.TimedOut"}
# "Late": there is no worker that takes it.
_TO_LOOK_AT = {f"{_RUN}.{state}" for state in ("Failed", "Crashed", "TimedOut", "Late")}
_OUR_RUNS = {"match": {"prefect.resource.id": f"{_RUN}.*"}, "match_related": OUR_TAG}
_SUBJECT = "{{ flow_run.name }}: {{ flow_run.state.name }}"
_BODY = "{{ flow_run.state.message or '' }}\n{{ flow_run|ui_url }}"
_NEXT = "Open the run: its table tells the lines, its log what to do."


class NotificationBlockError(ValueError):
    """The notification block that the settings name does not exist."""


def _silence(after: set[str], expect: set[str], within: timedelta) -> EventTrigger:
    """Fires for each of our runs of which nothing expected is heard in a time after an event."""
    return EventTrigger(
        **_OUR_RUNS,
        after=after,
        expect=expect,
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=within,
    )


def _crash(message: str) -> list[ActionTypes]:
    return [ChangeFlowRunState(state=StateType.CRASHED, message=message)]


def describe_automations(options: ServiceOptions, block: UUID | None) -> Iterator[AutomationCore]:
    """All automations; without a notification block only those that notify nobody."""
    yield AutomationCore(
        name=f"{_PREFIX}end runs whose process is gone",
        description="A run that is silent for three heartbeats is taken for crashed.",
        trigger=_silence({f"{_RUN}.heartbeat"}, {f"{_RUN}.*"}, timedelta(seconds=SILENT_SECONDS)),
        actions=_crash(
            f"Nothing was heard of its process for {SILENT_SECONDS} s: it was killed, or its machine "
            "is gone. Run it again: what is done stays done."
        ),
    )
    yield AutomationCore(
        name=f"{_PREFIX}end runs that do not start",
        description="A run that a worker has taken, and that has not begun ten minutes later.",
        trigger=_silence(
            {f"{_RUN}.Pending"},
            _ENDS | {f"{_RUN}.Running", f"{_RUN}.Scheduled", f"{_RUN}.heartbeat"},
            timedelta(seconds=_STARTING_SECONDS),
        ),
        actions=_crash(
            "A worker took it and did not start it: the worker was killed meanwhile, or its machine "
            "is gone. Run it again."
        ),
    )
    if block is None:
        return

    def notify(subject: str, body: str) -> list[ActionTypes]:
        return [SendNotification(block_document_id=block, subject=subject, body=body)]

    yield AutomationCore(
        name=f"{_PREFIX}tell of runs to look at",
        description="Failed, crashed, some lines failed, or late.",
        trigger=EventTrigger(
            **_OUR_RUNS, expect=_TO_LOOK_AT, posture=Posture.Reactive, threshold=1
        ),
        actions=notify(_SUBJECT, f"{_BODY}\n{_NEXT}"),
    )
    yield AutomationCore(
        name=f"{_PREFIX}tell of runs that ask for a code",
        description="A run without a session waits for an MFA code.",
        trigger=EventTrigger(
            **_OUR_RUNS, expect={f"{_RUN}.Paused"}, posture=Posture.Reactive, threshold=1
        ),
        actions=notify(
            "{{ flow_run.name }} asks for an MFA code", f"Press Resume in its page.\n{_BODY}"
        ),
    )
    yield AutomationCore(
        name=f"{_PREFIX}tell of runs that are stuck",
        description=f"Nothing of a run has begun or ended for {options.stuck_hours:g} hours.",
        trigger=_silence(
            {f"{_RUN}.Running", WORK_EVENT},
            _ENDS | {WORK_EVENT},
            timedelta(hours=options.stuck_hours),
        ),
        actions=notify(
            f"{{{{ flow_run.name }}}} has done nothing for {options.stuck_hours:g} hours",
            f"{_BODY}\nIf its log has stopped, cancel it there, and run it again.",
        ),
    )
    if options.quiet_days:
        yield AutomationCore(
            name=f"{_PREFIX}tell when nothing is published",
            description=f"No line was published for {options.quiet_days:g} days, and no night found "
            "that none is left.",
            trigger=EventTrigger(
                match={"prefect.resource.id": ARCHIVE_RESOURCE},
                expect={PUBLISHED_EVENT, NOTHING_LEFT_EVENT},
                posture=Posture.Proactive,
                threshold=1,
                within=timedelta(days=options.quiet_days),
            ),
            actions=notify(
                f"nothing was published for {options.quiet_days:g} days",
                "Look at the last runs of the deployment nightly: do they run, and what do their "
                "tables say?",
            ),
        )


def apply_automations(options: ServiceOptions, tell: Callable[[str], None]) -> None:
    """Tell the server of ``PREFECT_API_URL`` of the automations, and remove what it had besides.

    Raises
    ------
    NotificationBlockError
        The notification block of the settings does not exist.
    """
    with get_client(sync_client=True) as client:
        block = _notification_block(options, client)
        wanted = {
            automation.name: automation for automation in describe_automations(options, block)
        }
        for found in client.read_automations(sort=AutomationSort.NAME_ASC, limit=_AT_MOST):
            if not found.name.startswith(_PREFIX):
                continue
            automation = wanted.pop(found.name, None)
            if automation is None:
                client.delete_automation(found.id)
                continue
            automation = automation.model_copy(update={"enabled": found.enabled})
            # Changing one would make it forget since when nothing was published.
            if not _says_the_same(found, automation):
                client.update_automation(found.id, automation)
        for automation in wanted.values():
            client.create_automation(automation)
        for automation in describe_automations(options, block):
            tell(automation.name)


def _says_the_same(found: AutomationCore, wanted: AutomationCore) -> bool:
    own = set(AutomationCore.model_fields)
    return found.model_dump(mode="json", include=own) == wanted.model_dump(mode="json", include=own)


def _notification_block(options: ServiceOptions, client: SyncPrefectClient) -> UUID | None:
    if options.webhook is not None:
        return _save_webhook(options.webhook)
    if options.notify is None:
        return None
    kind, _, name = options.notify.partition("/")
    try:
        return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound as error:
        msg = (
            f"notify: the server has no block {options.notify}: make one in the UI (Blocks), and "
            "name it as TYPE/NAME, for example slack-webhook/operators"
        )
        raise NotificationBlockError(msg) from error


def _save_webhook(address: SecretStr) -> UUID:
    webhook = CustomWebhookNotificationBlock(
        name=TAG,
        # The address may hold a token: as a secret it is encrypted in the database.
        url="{{url}}",
        secrets={"url": address.get_secret_value()},
        json_data={"subject": "{{subject}}", "body": "{{body}}", "text": "{{subject}}\n{{body}}"},
    )
    saved: Any = webhook.save(_WEBHOOK_BLOCK, overwrite=True)
    return UUID(str(saved))
