"""Options of the service."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from flows.settings.values import QUIET_DAYS, STUCK_HOURS, QuietDays, StuckHours, TimeZone


class ServiceOptions(BaseModel):
    """Options of the service: server, worker, schedules and notifications."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = Field(default="127.0.0.1", description="address on which the server listens")
    port: int = Field(default=4200, gt=0, lt=65536, description="port on which the server listens")
    public_url: str | None = Field(
        default=None,
        description="address at which browsers reach the server, if it is not http://HOST:PORT: "
        "the address of a tunnel or a proxy",
    )
    database: SecretStr | None = Field(
        default=None,
        description="address of a PostgreSQL database, postgresql+asyncpg://user:password@host/name "
        "(default: the server's embedded database)",
    )
    auth: SecretStr | None = Field(
        default=None,
        description="user:password that the server requires from the UI and from every client",
    )
    server: bool = Field(
        default=True,
        description="start a Prefect server here; otherwise use the server of PREFECT_API_URL",
    )
    worker: bool = Field(
        default=True,
        description="write the deployments to the server, and start a worker that runs them here",
    )
    restarts: int = Field(
        default=5,
        ge=0,
        description="restarts of the service in an hour after its server or worker has ended; "
        "the service ends at the next failure",
    )
    runs_at_once: int = Field(
        default=4, gt=0, description="flow runs that the worker runs at the same time"
    )
    worker_health_port: int | None = Field(
        default=None,
        gt=0,
        lt=65536,
        description="port at which the worker reports its health, at /health (default: none)",
    )
    nightly_cron: str = Field(
        default="0 2 * * *", description="when the campaign is ingested, as a cron expression"
    )
    report_cron: str = Field(
        default="0 7 * * *",
        description="when the report on the nightly run is written: a cron expression",
    )
    nightly_time_zone: TimeZone = Field(
        default="UTC", description="time zone of the schedules, for example America/Los_Angeles"
    )
    stuck_hours: StuckHours = STUCK_HOURS
    quiet_days: QuietDays = QUIET_DAYS
    server_patience: float = Field(
        default=120.0,
        gt=0,
        description="seconds without an answer of the Prefect server after which a run ends by itself",
    )
    webhook: SecretStr | None = Field(
        default=None,
        description="address that receives notices to operators, as JSON by POST",
    )
    notify: str | None = Field(
        default=None,
        description="notification block of the UI that receives notices to operators, as "
        "TYPE/NAME, for example slack-webhook/operators; instead of webhook",
    )

    @field_validator("host")
    @classmethod
    def _check_host(cls, host: str) -> str:
        if ":" in host:
            msg = f"expected a name or an IPv4 address such as 0.0.0.0, and not {host!r}"
            raise ValueError(msg)
        return host

    @field_validator("auth")
    @classmethod
    def _check_auth(cls, auth: SecretStr | None) -> SecretStr | None:
        if auth is not None and not all(auth.get_secret_value().partition(":")):
            msg = "expected user:password"
            raise ValueError(msg)
        return auth

    @model_validator(mode="after")
    def _check_service(self) -> Self:
        if not self.server and not self.worker:
            msg = "no server and no worker: nothing is left to run"
            raise ValueError(msg)
        if self.webhook is not None and self.notify is not None:
            msg = "webhook and notify are both given: give one of them"
            raise ValueError(msg)
        return self
