"""Sessions with MFA, against a mock of STS behind a gate that checks codes and ends sessions."""

import io
import logging
import os
import pty
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from flows import session
from shift_stac.errors import CredentialsError, NoSessionError, StorageError, TokenServiceError
from shift_stac.storage.address import open_storage
from shift_stac.storage.credentials import Keys, Sessions
from shift_stac.storage.s3_options import S3Options
from support.gate import GOOD_CODE, serve_gate
from support.webserver import free_port
from tasks.retrying import is_passing

pytestmark = pytest.mark.server

DEVICE = "arn:aws:iam::123456789012:mfa/somebody"
ROLE = "arn:aws:iam::123456789012:role/publisher"


@pytest.fixture
def gate(tmp_path, monkeypatch):
    with serve_gate(tmp_path) as gate:
        for name, value in gate.bucket.environment.items():
            monkeypatch.setenv(name, value)
        yield gate


@pytest.fixture
def options(tmp_path):
    return S3Options(mfa_serial=DEVICE, session_dir=tmp_path / "sessions")


class Person:
    """A person who is asked for codes."""

    def __init__(self, *codes):
        self.codes = list(codes)
        self.asked = []
        self.told = []

    def __call__(self, serial, is_settled, refusal):
        self.asked.append(serial)
        self.told.append(refusal)
        return self.codes.pop(0)


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "line.zarr"
    folder.mkdir()
    for number in range(30):
        (folder / str(number)).write_bytes(bytes([number]) * 1000)
    (folder / "zarr.json").write_text("{}")
    return folder


def test_one_code_opens_a_session_for_this_run_and_for_later_ones(gate, options):
    person = Person(GOOD_CODE)
    storage = open_storage(gate.bucket.url, options, person)
    storage.write("a.json", b"{}")
    assert storage.read("a.json") == b"{}"
    later = open_storage(gate.bucket.url, options)
    assert later.read("a.json") == b"{}"
    assert person.asked == [DEVICE]
    assert gate.sessions == ["ASIASESSION000000000"]


def test_the_kept_session_is_for_its_owner_alone(gate, options):
    Sessions(options, Person(GOOD_CODE)).current()
    (kept,) = options.session_dir.iterdir()
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(options.session_dir.stat().st_mode) == 0o700


@pytest.mark.parametrize("code", ["654321", "12345", "abcdef", ""])
def test_a_wrong_code_is_told_and_the_next_one_serves(gate, options, code):
    person = Person(code, GOOD_CODE)
    sessions = Sessions(options, person)
    assert sessions.needs_code
    assert sessions.current().access_key == "ASIASESSION000000000"
    assert not sessions.needs_code
    first, again = person.told
    assert first == ""
    assert "code" in again


def test_after_three_wrong_codes_no_code_is_asked(gate, options):
    person = Person("654321", "12345", "654322", GOOD_CODE)
    with pytest.raises(CredentialsError, match=r"(?s)AWS refuses.*check the code"):
        Sessions(options, person).current()
    assert person.codes == [GOOD_CODE]


def test_a_session_that_is_begun_elsewhere_meanwhile_will_do(gate, options):
    begun = []

    def ask(serial, is_settled, refusal):
        assert not is_settled()
        begun.append(Sessions(options, Person(GOOD_CODE)).current())
        assert is_settled()

    assert Sessions(options, ask).current() == begun[0]
    assert len(gate.sessions) == 1


def test_a_session_that_another_thread_has_renewed_is_not_ended(gate, options):
    person = Person(GOOD_CODE, GOOD_CODE)
    sessions = Sessions(options, person)
    refused = sessions.current().access_key
    sessions.end(refused)
    renewed = sessions.current()
    sessions.end(refused)
    assert sessions.current() == renewed
    assert len(person.asked) == 2


def test_a_session_that_another_process_has_renewed_is_not_ended(gate, options):
    sessions = Sessions(options, Person(GOOD_CODE))
    refused = sessions.current()
    renewed = Sessions(options, Person(GOOD_CODE)).renew()
    sessions.end(refused.access_key)
    assert sessions.current() == renewed
    assert Sessions(options).current() == renewed


@pytest.mark.parametrize("failure", ["unreachable", "errs"])
def test_a_token_service_out_of_reach_refuses_nobody_and_is_tried_again(
    gate, options, monkeypatch, failure
):
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    if failure == "unreachable":
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    else:
        gate.errs = True
    for kind in (options, S3Options(role=ROLE)):
        with pytest.raises(TokenServiceError, match="run again") as raised:
            Sessions(kind, Person(GOOD_CODE)).current()
        assert "refuses" not in str(raised.value)
        assert is_passing(raised.value)


def test_there_is_no_session_if_nobody_can_be_asked(gate, options):
    with pytest.raises(NoSessionError, match="no way to ask") as raised:
        open_storage(gate.bucket.url, options).prepare()
    assert DEVICE in str(raised.value)


def test_a_session_is_renewed_before_it_ends(gate, options):
    person = Person(GOOD_CODE, GOOD_CODE)
    sessions = Sessions(options, person)
    first = sessions.current()
    soon = first.model_copy(update={"until": datetime.now(UTC) + timedelta(minutes=5)})
    sessions._mfa = soon
    sessions._keep(soon)
    assert sessions.current().access_key != first.access_key
    assert len(person.asked) == 2


def test_a_session_that_ends_in_mid_upload_is_renewed_and_the_upload_goes_on(gate, options, store):
    # A wrong code at that time does no harm either.
    person = Person(GOOD_CODE, "654321", GOOD_CODE)
    options = options.model_copy(update={"parallel": 2})
    storage = open_storage(gate.bucket.url, options, person)
    storage.prepare()
    gate.ends_after_puts = 12
    storage.publish_store(store, "line.zarr")
    assert storage.has_store("line.zarr")
    assert len(person.asked) == 3
    # Objects that had arrived were not sent again. Two may have been in transfer.
    assert gate.puts[gate.sessions[1]] <= 31 - 12 + 2


def test_where_nobody_can_be_asked_in_mid_upload_the_next_run_goes_on(gate, options, store):
    Sessions(options, Person(GOOD_CODE)).current()
    storage = open_storage(gate.bucket.url, options.model_copy(update={"parallel": 2}))
    gate.ends_after_puts = 12
    with pytest.raises(NoSessionError, match="no way to ask"):
        storage.publish_store(store, "line.zarr")
    again = open_storage(gate.bucket.url, options, Person(GOOD_CODE))
    again.publish_store(store, "line.zarr")
    assert again.has_store("line.zarr")
    assert gate.puts[gate.sessions[1]] <= 31 - 12 + 2


def test_a_role_is_taken_with_the_session_and_renewed_without_a_code(gate, options):
    person = Person(GOOD_CODE)
    sessions = Sessions(options.model_copy(update={"role": ROLE}), person)
    first = sessions.current()
    assert gate.sessions[-1] == first.access_key
    sessions._role = first.model_copy(update={"until": datetime.now(UTC)})
    assert sessions.current().access_key != first.access_key
    assert len(person.asked) == 1


def test_a_role_alone_needs_no_code(gate, tmp_path):
    storage = open_storage(gate.bucket.url, S3Options(role=ROLE))
    storage.write("a.json", b"{}")
    assert len(gate.sessions) == 1


@pytest.mark.parametrize(
    ("method", "action", "right"),
    [("PUT", "write", "s3:PutObject"), ("GET", "read", "s3:GetObject")],
)
def test_a_missing_right_is_reported_with_its_action_and_the_bucket(gate, method, action, right):
    storage = open_storage(gate.bucket.url)
    gate.denied.add(method)
    with pytest.raises(StorageError, match=rf"cannot {action} s3://archive/a\.json") as raised:
        storage.write("a.json", b"{}") if action == "write" else storage.read("a.json")
    assert right in str(raised.value)
    assert "bucket archive" in str(raised.value)


def test_no_secret_is_shown(gate, options, caplog):
    caplog.set_level(logging.DEBUG, "shift_stac")
    sessions = Sessions(options, Person(GOOD_CODE))
    keys = sessions.current()
    secret = keys.secret_key.get_secret_value()
    shown = f"{keys!r} {keys} {keys.model_dump()} {options!r} {sessions!r} {caplog.text}"
    assert secret not in shown
    assert keys.token.get_secret_value() not in shown
    assert Keys.model_validate_json(keys.model_dump_json()) == keys


def test_a_person_at_a_terminal_is_asked_and_the_code_is_not_shown(gate, options):
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "flows.session", "--s3.mfa-serial", DEVICE),
            *("--s3.session-dir", str(options.session_dir)),
        ],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env=os.environ | {"COLUMNS": "200"},
    )
    os.close(theirs)
    shown = ""
    while f"MFA code of {DEVICE}: " not in shown:
        shown += os.read(ours, 1024).decode()
    os.write(ours, f"{GOOD_CODE}\n".encode())
    try:
        while chunk := os.read(ours, 1024):
            shown += chunk.decode()
    except OSError:  # a terminal whose other side has ended
        pass
    os.close(ours)
    assert process.wait(timeout=30) == 0, shown
    assert "there is a session" in shown
    assert GOOD_CODE not in shown


def test_a_named_profile_speaks_to_the_bucket(gate, tmp_path, monkeypatch):
    (tmp_path / "credentials").write_text(
        "[publisher]\naws_access_key_id = AKIAPUBLISHER0000000\naws_secret_access_key = x\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    storage = open_storage(gate.bucket.url, S3Options(profile="publisher"))
    storage.write("a.json", b"{}")
    store = tmp_path / "line.zarr"
    store.mkdir()
    (store / "zarr.json").write_text("{}")
    storage.publish_store(store, "line.zarr")
    assert gate.puts == {"AKIAPUBLISHER0000000": 2}


def test_the_command_begins_a_session_by_a_piped_code(gate, options, capsys, monkeypatch):
    arguments = ["--s3.mfa-serial", DEVICE, "--s3.session-dir", str(options.session_dir)]
    monkeypatch.setattr(sys, "stdin", io.StringIO("000000\n"))
    assert session.main(arguments) == 1
    assert "code" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{GOOD_CODE}\n"))
    assert session.main(arguments) == 0
    assert "there is a session" in capsys.readouterr().out
    open_storage(gate.bucket.url, options).prepare()
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert session.main([]) == 2
