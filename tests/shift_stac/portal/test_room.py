import threading
import time

import pytest

from shift_stac.errors import WorkFolderError
from shift_stac.flightline import FlightLine
from shift_stac.portal.room import DiskRoom, Need

GB = 10**9
FIRST, SECOND = FlightLine("ang20220224t195402"), FlightLine("ang20220224t200332")


def test_room_is_kept_for_the_missing_bytes_of_lines_in_progress(tmp_path, monkeypatch):
    # A disk cannot be filled here, so its free space is simulated.
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 10 * GB}))
    room, arrived, begun = DiskRoom(tmp_path), [0], threading.Event()

    def take() -> None:
        with room.kept(Need(SECOND, downloads=2 * GB, store=3 * GB), lambda: 0):
            begun.set()

    with room.kept(Need(FIRST, downloads=4 * GB, store=4 * GB), lambda: arrived[0]):
        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(0.3)
        assert not begun.is_set()
        arrived[0] = 4 * GB
        assert begun.wait(10)
        thread.join()
    with (
        pytest.raises(WorkFolderError, match=r"has 10 GB free, and ang\S+ needs 11.1 GB \(5 GB to"),
        room.kept(Need(FIRST, downloads=5 * GB, store=6 * GB), lambda: 0),
    ):
        pass
