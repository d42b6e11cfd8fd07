"""Names of runs whose options do not identify them."""

from collections.abc import Callable


def dated(name: str) -> Callable[[], str]:
    """Name each run of a flow by the flow and its scheduled day (UTC)."""

    def run_name() -> str:
        from prefect.runtime import flow_run  # noqa: PLC0415 - only defined within a run

        return f"{name}-{flow_run.scheduled_start_time:%Y%m%d}"

    return run_name
