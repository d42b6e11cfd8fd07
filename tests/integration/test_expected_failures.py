"""An expected failure ends in one sentence, which says what to do, in the terminal and in Prefect's pages."""

import json
import re
from contextlib import contextmanager
from http import HTTPStatus

import httpx
import prefect
import pytest

from shift_stac.simulate.serving import QuietHandler, serve_handler

NOT_FOR_PEOPLE = (
    *("Traceback", "NoneType: None", "exited with unexpected exception", "Unexpected result"),
    *("prefect.exceptions", "sqlite3.", "httpx.", "FileNotFoundError"),
)
NOBODY = "http://127.0.0.1:9"
DATE = ("--date", "20220224")
NOWHERE = ("--store", "nowhere")
NOTHING_THERE = "nowhere has no catalog; correct --store, or publish a line there first"
BUCKET = ("--store", "s3://archive/shift", "--s3.endpoint-url", NOBODY)


@contextmanager
def busy_server():
    """A Prefect server whose database is locked."""

    class Handler(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - the name that http.server calls
            # The requests that it answers without its database.
            is_there = self.path.endswith(("/health", "/version"))
            self.send_response(HTTPStatus.OK if is_there else HTTPStatus.SERVICE_UNAVAILABLE)
            self.end_headers()
            self.wfile.write(json.dumps(prefect.__version__).encode())

        def do_POST(self) -> None:  # noqa: N802 - as above
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(HTTPStatus.SERVICE_UNAVAILABLE)
            self.end_headers()

    with serve_handler(Handler) as url:
        yield f"{url}/api"


@pytest.mark.parametrize(
    ("module", "arguments", "words"),
    [
        ("campaign", ("--portal", "."), "v1"),
        ("ingest", (*DATE, "--download.ca-bundle", "absent.pem"), "absent.pem cannot be read"),
        ("ingest", (*DATE, "--cluster", "discover"), "ib0"),
        ("report", BUCKET, "archive"),
        ("validate", ("--work-dir", f"{__file__}/work"), "Not a directory; choose the folder"),
        ("catalog", ("rebuild", *NOWHERE), NOTHING_THERE),
        ("catalog", ("validate", *NOWHERE), NOTHING_THERE),
        ("catalog", ("diff", *NOWHERE), NOTHING_THERE),
        ("validate", NOWHERE, NOTHING_THERE),
        ("report", NOWHERE, NOTHING_THERE),
        ("cube", NOWHERE, NOTHING_THERE),
    ],
    ids=lambda value: value if isinstance(value, str) and " " not in value else None,
)
def test_a_run_with_an_expected_failure_ends_in_one_sentence(
    module, arguments, words, run_command, prefect_api
):
    keys = {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "none"}
    done = run_command(f"flows.{module}", *arguments, **keys)
    assert done.status == 1
    sentence = only_sentence(done.errors)
    assert words in sentence
    asked = {"sort": "START_TIME_DESC", "limit": 1}
    (run,) = httpx.post(f"{prefect_api}/flow_runs/filter", json=asked).json()
    assert (run["state_name"], run["state"]["message"]) == ("Failed", sentence)
    asked = {"logs": {"flow_run_id": {"any_": [run["id"]]}}}
    logs = httpx.post(f"{prefect_api}/logs/filter", json=asked).json()
    told = "\n".join(record["message"] for record in logs)
    assert not [phrase for phrase in NOT_FOR_PEOPLE if phrase in told], told


def test_a_run_whose_server_is_away_or_busy_ends_in_one_sentence(run_command):
    with busy_server() as busy:
        for api, words in ((f"{NOBODY}/api", "start it"), (busy, "503")):
            variables = {"PREFECT_API_URL": api, "PREFECT_CLIENT_MAX_RETRIES": "0"}
            done = run_command("flows.catalog", "rebuild", server=False, **variables)
            assert done.status == 1
            assert words in only_sentence(done.errors)


def only_sentence(errors: str) -> str:
    """Return the one sentence of a command's error, and check that there is no traceback beside it."""
    assert not [phrase for phrase in NOT_FOR_PEOPLE if phrase in errors], errors
    (sentence,) = re.findall(r"^error: (.*)$", errors, re.MULTILINE)
    return sentence
