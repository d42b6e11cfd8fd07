import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shift_stac.errors import WorkFolderError
from shift_stac.files import make_folder, replacing, write_whole


def test_a_written_file_replaces_the_old_one(tmp_path):
    path = tmp_path / "file.txt"
    for content in (b"one", "zw\N{LATIN SMALL LETTER O WITH DIAERESIS}lf"):
        write_whole(path, content)
        assert path.read_bytes() == (content if isinstance(content, bytes) else content.encode())
    assert list(tmp_path.iterdir()) == [path]


def test_until_the_end_the_old_file_stays_and_an_error_leaves_nothing_else(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")

    def fail():
        with replacing(path) as aside:
            aside.write_text("half of the n")
            assert path.read_text() == "old"
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_process_that_is_killed_leaves_the_old_file(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    code = (
        "import os, signal, sys; from pathlib import Path; from shift_stac.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as aside:\n"
        "    aside.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode < 0
    assert path.read_text() == "old"
    write_whole(path, "new")
    assert path.read_text() == "new"


def test_simultaneous_writers_of_a_file_do_not_mix_contents(tmp_path):
    path = tmp_path / "file.txt"
    contents = [bytes([65 + number]) * 100_000 for number in range(4)]
    threads = [
        threading.Thread(target=lambda c=content: [write_whole(path, c) for _ in range(20)])
        for content in contents
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in contents
    assert list(tmp_path.iterdir()) == [path]


def test_a_durable_file_is_on_the_disk_before_and_after_it_gets_its_name(tmp_path, monkeypatch):
    path = tmp_path / "file.txt"
    synced = []

    def note(handle):
        synced.append((str(Path(f"/proc/self/fd/{handle}").readlink()), path.exists()))

    monkeypatch.setattr(os, "fsync", note)
    write_whole(path, b"x")
    assert synced == []
    write_whole(path.with_name("other"), b"x", durable=True)
    path.unlink()
    synced.clear()
    write_whole(path, b"x", durable=True)
    (aside, before), (folder, after) = synced
    assert aside.endswith(".part")
    assert (before, folder, after) == (False, str(tmp_path), True)


@pytest.mark.parametrize(("private", "mode"), [(True, 0o600), (False, 0o644)])
def test_only_the_owner_can_read_a_private_file(tmp_path, private, mode):
    path = tmp_path / "file.txt"
    before = os.umask(0o022)
    try:
        write_whole(path, "secret", private=private)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(WorkFolderError, match="file/work cannot be made: Not a directory"):
        make_folder(tmp_path / "file/work")
