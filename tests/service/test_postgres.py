"""The service with PostgreSQL, for sites that keep years of runs."""

import httpx
import pytest

from shift_stac.simulate import simulate_campaign
from support.postgres import serve_postgres
from support.service import run_service

PASSWORD = "of-the-keeper"


@pytest.fixture(scope="module")
def postgres():
    with serve_postgres("prefect", PASSWORD) as server:
        server.client("createdb", "history")
        yield server


def test_runs_are_kept_in_postgresql_and_survive_the_service(postgres, tmp_path):
    simulate_campaign(
        tmp_path / "portal", dates=["20220224"], lines=1, samples=33, scan_lines=40, bands=60
    )
    settings = 'portal = "portal"\nstore = "archive"\n'
    secrets = {"SHIFT_DATABASE": postgres.url("history")}
    with run_service(tmp_path, settings, environment=secrets) as service:
        run = service.wait(service.start("ingest", date=["2022-02-24"]))
        assert run["state_type"] == "COMPLETED", run["state"]["message"]
        assert service.stop() == 0
        assert PASSWORD not in service.log
    assert not (tmp_path / "prefect/prefect.db").exists()
    query = "select name from flow_run where state_type = 'COMPLETED'"
    found = postgres.client("psql", "--tuples-only", "--no-align", "--command", query, "history")
    assert found.split() == ["ingest-20220224"]
    with run_service(tmp_path, settings, environment=secrets) as again:
        assert again.run(run["id"])["state_type"] == "COMPLETED"
        # The page in the browser, and the address of its requests.
        page = httpx.get(again.url, follow_redirects=True)
        assert "<title>" in page.text
        assert httpx.get(f"{again.url}/ui-settings").json()["api_url"] == f"{again.url}/api"


def test_a_missing_database_is_reported(postgres, tmp_path):
    environment = {"SHIFT_DATABASE": postgres.url("nowhere")}
    with (
        pytest.raises(AssertionError, match="the Prefect server ended"),
        run_service(tmp_path, 'store = "archive"\n', environment=environment),
    ):
        pass
