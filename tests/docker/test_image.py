"""The built image, and the services of docker/compose.yaml, really run: `make test-image`.

The build takes minutes, and the run needs root. Therefore this is not part of make test. Our
services run exactly as the compose file says. Two images are not available without an engine: the
tests use PostgreSQL of this machine, and rclone in place of MinIO, each with the same secrets,
address and port.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.compose import OURS, ROOT, Compose, Service
from support.image import Container, Host, Image, unpacked
from support.postgres import serve_postgres
from support.webserver import wait_until

IMAGES = os.environ.get("SHIFT_IMAGES")
API = "http://127.0.0.1:4200/api"
STARTS_IN_SECONDS = 120

pytestmark = [
    pytest.mark.skipif(IMAGES is None, reason="make test-image builds the image and runs this"),
    pytest.mark.timeout(900),
]


@pytest.fixture(scope="module")
def image() -> Iterator[Image]:
    with unpacked(Path(str(IMAGES)).absolute(), f"localhost/{OURS}") as found:
        yield found


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that other users may enter, because each service runs as its own user."""
    made = Path(tempfile.mkdtemp(prefix="shift-image-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def compose() -> Compose:
    return Compose()


@pytest.fixture(scope="module")
def host(image, folder, compose) -> Host:
    secrets = folder / "secrets"
    subprocess.run([ROOT / "docker" / "make-secrets", secrets], check=True, capture_output=True)
    return Host(image, folder, secrets, list(compose.services))


def test_the_image_has_no_user_of_the_host_and_a_health_check(image):
    assert image.config["User"] == "10001:10001"
    assert image.config["Healthcheck"]["Test"] == ["CMD", "healthy"]


def test_the_image_contains_nothing_of_the_machine_that_built_it(image):
    assert not (image.root / "etc/pip.conf").exists()
    assert not list((image.root / "run").glob("secrets/*"))
    assert not (image.root / "root/.cache").exists()
    packages = next((image.root / "opt/shift-stac/lib").glob("python3*")) / "site-packages"
    (ours,) = packages.glob("shift_stac-*.dist-info")
    # pip records the origin of a package: the wheel, with the folder of the build stage.
    assert "/build/wheels" in (ours / "direct_url.json").read_text()


def test_the_image_has_only_what_runs(host, compose):
    done = host.run(compose.services["worker"], "python", "-m", "pip", "--version")
    assert done.returncode != 0
    done = host.run(compose.services["worker"], "python", "-c", "import pytest")
    assert "ModuleNotFoundError" in done.stderr


def test_every_shared_library_is_found(host, compose):
    search = "find /opt/shift-stac -name '*.so*' -type f -exec ldd {} + 2>/dev/null"
    done = host.run(compose.services["worker"], "sh", "-c", search)
    # Libraries of one package are in one folder, and find each other when one is loaded.
    lacking = set(re.findall(r"(\S+) => not found", done.stdout))
    shipped = {path.name for path in (host.image.root / "opt/shift-stac").rglob("*.so*")}
    assert not lacking - shipped


def test_a_container_can_write_only_its_volume_and_its_memory(host, compose):
    tried = "id -u; grep CapEff /proc/self/status; touch /tmp/a work/a prefect/a; touch /opt/a a"
    done = host.run(compose.services["worker"], "sh", "-c", tried)
    assert done.stdout.split() == ["10001", "CapEff:", "0000000000000000"]
    assert re.findall(r"touch: .*'(\S+)'.*Read-only", done.stderr) == ["/opt/a", "a"]


def test_the_main_job_runs_inside(host, compose):
    # Without a server, so that the command starts a temporary one.
    worker = compose.services["worker"]
    alone = Service("alone", {**worker.said, "environment": {}, "secrets": []})
    done = host.run(alone, "python", "-m", "flows.demo", "--folder", "work/demo")
    assert done.returncode == 0, done.stderr
    *_, opening, page, _, _ = done.stdout.strip().splitlines()
    assert "published" in done.stdout
    inside = opening.removeprefix("Open a store: python -c ").strip('"')
    opened = host.run(alone, "python", "-c", inside)
    assert "wavelength: 425" in opened.stdout, opened.stderr
    volume = host.volume("work", "/var/lib/shift-stac/work")
    written = volume / Path(page.split(":", 1)[1].strip()).relative_to("/var/lib/shift-stac/work")
    assert written.stat().st_uid == 10001
    shutil.rmtree(volume / "demo")


@contextmanager
def _postgres(service: Service, host: Host) -> Iterator[None]:
    """Run this machine's PostgreSQL as the image would set it up."""
    said = service.environment
    password = (host.secrets / Path(said["POSTGRES_PASSWORD_FILE"]).name).read_text()
    with serve_postgres(said["POSTGRES_USER"], password, port=5432) as postgres:
        check = [postgres.programs / service.health_command[0], *service.health_command[1:]]
        subprocess.run(check, check=True)
        postgres.client("createdb", said["POSTGRES_DB"])
        yield


@contextmanager
def _s3(service: Service, host: Host) -> Iterator[None]:
    """Run an S3 server with the keys of the service's secrets."""
    user, password = (
        (host.secrets / Path(service.environment[f"MINIO_ROOT_{name}_FILE"]).name).read_text()
        for name in ("USER", "PASSWORD")
    )
    (mount,) = service.mounts
    objects = host.volume(mount.volume, "/var/lib/shift-stac/objects")
    owner = f"--reuid={objects.stat().st_uid}", f"--regid={objects.stat().st_gid}"
    assert service.said["user"] == f"{objects.stat().st_uid}:{objects.stat().st_gid}"
    rclone = Path(sys.executable).with_name("rclone")
    program = shutil.copy(rclone, host.folder / "rclone")
    with (host.folder / "s3.log").open("w") as log:
        process = subprocess.Popen(
            [
                *("setpriv", *owner, "--clear-groups", program, "serve", "s3"),
                *("--addr", "127.0.0.1:9000", "--config", "", "--auth-key", f"{user},{password}"),
                str(objects),
            ],
            env={"HOME": "/tmp"},
            stdout=log,
            stderr=log,
        )

    def answers() -> bool:
        try:
            httpx.get("http://127.0.0.1:9000")
        except httpx.TransportError:
            return False
        return True

    try:
        wait_until(answers, "rclone does not answer")
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@dataclass
class Running:
    """Start all services of the file."""

    host: Host
    containers: dict[str, Container]

    @property
    def auth(self) -> tuple[str, str]:
        """Return user and password of the Prefect API."""
        user, _, password = (self.host.secrets / "shift_auth").read_text().partition(":")
        return user, password

    def ask(self, method: str, path: str, **more: Any) -> Any:
        answer = httpx.request(method, f"{API}{path}", auth=self.auth, timeout=60, **more)
        answer.raise_for_status()
        return answer.json()

    def run_deployment(self, name: str, **options: Any) -> dict[str, Any]:
        """Start a deployment as the UI does it, and wait for its end."""
        found = self.ask("GET", f"/deployments/name/{name}")
        parameters = found["parameters"]
        parameters["options"] |= options
        body = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        run = self.ask("POST", f"/deployments/{found['id']}/create_flow_run", json=body)

        def ended() -> bool:
            nonlocal run
            run = self.ask("GET", f"/flow_runs/{run['id']}")
            return run["state_type"] in {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}

        wait_until(ended, f"{name} does not end", 240)
        return run


@pytest.fixture(scope="module")
def up(host, compose) -> Iterator[Running]:
    """`docker compose up --wait`."""
    containers: dict[str, Container] = {}
    with ExitStack() as stack:
        for service in compose.order:
            if not service.is_ours:
                stack.enter_context({"postgres": _postgres, "s3": _s3}[service.name](service, host))
            elif service.ends:
                done = host.run(service)
                assert done.returncode == 0, f"{service.name}: {done.stderr}"
            else:
                container = containers[service.name] = host.start(service)
                stack.callback(lambda running=container: running.stop(90))
                wait_until(
                    lambda running=container: running.is_healthy,
                    f"{service.name} is not healthy: see {container.log}",
                    STARTS_IN_SECONDS,
                )
        yield Running(host, containers)


def test_every_service_comes_up_healthy(up, compose):
    assert set(up.containers) == {"portal", "server", "worker"}
    for container in up.containers.values():
        assert container.is_healthy


def test_a_second_up_changes_no_flight_line(up, host, compose):
    portal = host.volume("portal", "/var/lib/shift-stac/portal")
    before = {path: path.stat().st_mtime_ns for path in portal.rglob("*")}
    for service in compose.services.values():
        if service.ends:
            assert host.run(service).returncode == 0
    assert {path: path.stat().st_mtime_ns for path in portal.rglob("*")} == before


def test_a_health_check_fails_if_nothing_answers(up):
    done = up.containers["worker"].execute("healthy", "http://127.0.0.1:1/")
    assert done.returncode == 1
    assert "refused" in done.stderr


def test_the_server_refuses_clients_without_the_password(up):
    for auth in (None, ("shift", "wrong")):
        answer = httpx.post(f"{API}/deployments/filter", json={}, auth=auth)
        assert answer.status_code == 401
    assert httpx.get(f"{API}/health").is_success


def test_the_server_accepts_clients_with_the_password(up):
    names = {found["name"] for found in up.ask("POST", "/deployments/filter", json={})}
    assert {"ingest", "nightly", "validate"} <= names


def test_the_ui_is_served_and_knows_the_public_address(up):
    page = httpx.get("http://127.0.0.1:4200/", follow_redirects=True)
    assert page.is_success
    assert "<html" in page.text.lower()
    assert httpx.get("http://127.0.0.1:4200/ui-settings").json()["api_url"] == API


def test_the_server_keeps_its_runs_in_postgresql(up, host, compose):
    password = (host.secrets / "postgres_password").read_text()
    command = ["psql", "--host", "127.0.0.1", "--username", "shift", "--no-align", "--tuples-only"]
    found = subprocess.check_output(
        [*command, "--command", "select name from deployment order by name", "shift"],
        env=os.environ | {"PGPASSWORD": password},
        text=True,
    )
    assert "ingest" in found.split()


def test_a_run_goes_from_the_server_to_the_worker_into_the_bucket(up, host):
    run = up.run_deployment("ingest/ingest", date=["20220224"])
    log = up.containers["worker"].log.read_text()
    assert run["state_type"] == "COMPLETED", log
    bucket = host.volume("objects", "/var/lib/shift-stac/objects") / "shift"
    assert (bucket / "archive/catalog.json").is_file()
    assert len(list(bucket.glob("archive/aviris/20220224/*.zarr/zarr.json"))) == 2
    run = up.run_deployment("validate/validate")
    assert run["state_type"] == "COMPLETED", up.containers["worker"].log.read_text()


def test_every_command_runs_in_the_worker_s_container(up):
    (told,) = re.findall(r"exec worker (python -m .*)", (ROOT / "docker" / "README.md").read_text())
    done = up.containers["worker"].execute(*told.split())
    assert done.returncode == 0, done.stderr
    named = {"flow_runs": {"name": {"like_": "catalog-validate"}}}
    assert len(up.ask("POST", "/flow_runs/filter", json=named)) == 1


def test_the_bucket_is_made_with_any_keys_of_the_worker(up, host, compose):
    keys = host.secrets / "aws_credentials"
    ours = keys.read_text()
    keys.write_text("[default]\naws_access_key_id = AKIAELSEWHERE\naws_secret_access_key = x\n")
    try:
        done = host.run(compose.services["bucket"])
    finally:
        keys.write_text(ours)
    assert done.returncode == 0, done.stderr


def test_no_secret_is_visible(up, host):
    secrets = [
        (host.secrets / name).read_text()
        for name in ("postgres_password", "s3_password", "shift_auth")
    ]
    for container in up.containers.values():
        words = Path(f"/proc/{container.first}/environ").read_text() + container.log.read_text()
        assert not [secret for secret in secrets if secret in words]


def test_worker_and_server_end_after_a_signal(up):
    # This test is the last, because the others need the services.
    for name in ("worker", "server"):
        container = up.containers[name]
        grace = float(container.service.said["stop_grace_period"].removesuffix("s"))
        assert container.stop(grace) == 0, container.log.read_text()
