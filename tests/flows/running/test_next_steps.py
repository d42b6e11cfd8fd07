import importlib.util
import re

import pytest

from flows.running.next_steps import next_step
from shift_stac.monitoring.alerts import Alert, AlertKind, Health


def step(kind, error="", stage=""):
    return next_step(
        Alert(kind=kind, severity=Health.LOOK, what="it", why="", error=error, stage=stage)
    )


@pytest.mark.parametrize(
    ("error", "stage", "words"),
    [
        ("EnviError", "download", "write to the operators of the portal"),
        ("JobLostError", "convert", "cluster profile"),
        ("CredentialsError", "publish", "flows.session"),
        # An error also belongs to the parents of its class. The nearest class counts.
        ("NoSessionError", "publish", "flows.session"),
        ("WorkFolderError", "download", "working folder"),
        ("StorageError", "publish", "archive can be reached"),
        ("SomethingNew", "publish", "archive can be reached"),
        ("SomethingNew", "convert", "Open the run for its log"),
        ("", "", "Open the run for its log"),
    ],
)
def test_the_next_step_for_a_line_depends_on_its_error_or_on_its_stage(error, stage, words):
    assert words in step(AlertKind.LINE_FAILED, error, stage)


def test_an_error_that_ended_a_run_says_what_to_do_about_it():
    assert "archive can be reached" in step(AlertKind.ENDED_BADLY, "StorageError")
    assert "Open the run" in step(AlertKind.ENDED_BADLY, "SomethingNew")


@pytest.mark.parametrize("kind", AlertKind)
def test_every_alert_has_a_next_step_that_can_be_taken(kind):
    words = step(kind)
    assert words.endswith(".")
    for module in re.findall(r"python -m ([a-z.]+)", words):
        assert importlib.util.find_spec(module.rstrip("."))
