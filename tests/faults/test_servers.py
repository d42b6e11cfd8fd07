"""A server dies during a run: the run ends, and the next one completes its work.

Real servers are ended at a random time. They come back after some seconds, so that the run may also
succeed.
"""

import random
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from shift_stac.archive.catalog_validation import validate_catalog
from shift_stac.simulate import simulate_campaign
from shift_stac.storage.address import open_storage
from support.commands import Command, start_command
from support.s3 import serve_s3
from support.trials import SEED, TRIES
from support.webserver import free_port, serve_nginx, wait_until

DATE = "20220224"
AWAY_S = 3
LONGEST_S = 300


@pytest.fixture(scope="module")
def campaign(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("portal")
    simulate_campaign(root, dates=[DATE], lines=2, samples=80, scan_lines=200, bands=60)
    return root


@pytest.mark.parametrize("attempt", range(TRIES))
@pytest.mark.parametrize("server", ["bucket", pytest.param("portal", marks=pytest.mark.slow)])
def test_a_server_that_dies(
    server, attempt, campaign, environment, prefect_api, tmp_path, monkeypatch, tried
):
    tried(f"death: the {server} server, at a random moment")
    moment = random.Random(f"{SEED} {server} {attempt}").uniform(0, 7)
    about = f"seed {SEED}, {server} {moment:.2f} s after the first download"
    ports = {"portal": free_port(), "bucket": free_port()}
    with ExitStack() as portal, ExitStack() as bucket:

        def begin(name: str) -> object:
            if name == "portal":
                work = tmp_path / "nginx"
                return portal.enter_context(
                    serve_nginx(campaign, work, slow="_rfl$|_clip$", port=ports[name])
                )
            return bucket.enter_context(serve_s3(tmp_path / "s3", port=ports[name]))

        address, archive = begin("portal"), begin("bucket")
        log = tmp_path / "log"

        def start() -> Command:
            with log.open("ab") as file:
                return start_command(
                    *("flows.ingest", "--date", DATE, "--portal", address, "--store", archive.url),
                    cwd=tmp_path,
                    env=environment | archive.environment | {"PREFECT_API_URL": prefect_api},
                    stdout=file,
                    stderr=file,
                )

        run = start()
        try:
            wait_until(lambda: b"10 files" in log.read_bytes(), "no download began", 60)
            time.sleep(moment)
            {"portal": portal, "bucket": bucket}[server].close()
            time.sleep(AWAY_S)
            begin(server)
            run.wait(LONGEST_S)
        finally:
            run.kill()
            run.wait()
        if run.returncode:
            again = start()
            assert again.wait(LONGEST_S) == 0, f"{about}: {log.read_text()[-3000:]}"
        for name, value in archive.environment.items():
            monkeypatch.setenv(name, value)
        storage = open_storage(archive.url)
        check = validate_catalog(storage)
        assert (check.items, check.findings) == (2, ()), about
