"""The artifacts of a line. If they fail, the line must not fail."""

import httpx
import pytest
from PIL import Image
from prefect.logging import disable_run_logger

from flows.running import artifacts
from shift_stac.campaigns import load_campaign
from shift_stac.flightline import FlightLine
from shift_stac.stac.hrefs import HrefOptions, Hrefs
from shift_stac.storage.address import open_storage


class Companions:
    """The pictures that are shown."""

    def __init__(self, folder):
        self.thumbnail = folder / "a.png"
        Image.new("RGB", (9, 5)).save(self.thumbnail)


@pytest.mark.parametrize("refused", ["create_image_artifact", "create_link_artifact"])
def test_a_line_is_published_even_if_the_server_refuses_its_picture(tmp_path, monkeypatch, refused):
    """The refusal is simulated: a real server that has just accepted the tasks would not refuse."""

    def refuse(*_, **__):
        msg = "busy"
        raise httpx.ReadTimeout(msg)

    def take(*_, **__):
        pass

    for name in ("create_image_artifact", "create_link_artifact"):
        monkeypatch.setattr(artifacts, name, refuse if name == refused else take)
    hrefs = Hrefs.of(open_storage(str(tmp_path)), HrefOptions())
    with disable_run_logger():
        artifacts.show_line(
            FlightLine("ang20220224t195402"), hrefs, load_campaign(), Companions(tmp_path)
        )
