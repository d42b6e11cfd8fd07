"""The message about a part of the service that has ended."""

import signal
import subprocess

import pytest

from deployments.processes import Child, ServiceError


@pytest.mark.parametrize(
    ("command", "number", "words"),
    [("sleep 60", signal.SIGKILL, "ended by SIGKILL"), ("exit 3", None, "ended with status 3")],
)
def test_a_part_that_ended_is_reported_with_its_signal_or_status(command, number, words):
    process = subprocess.Popen(["sh", "-c", f"exec {command}" if number else command])
    if number:
        process.send_signal(number)
    process.wait()
    with pytest.raises(ServiceError, match=f"the Prefect worker {words}: read the service's log"):
        Child("worker", process).check()
