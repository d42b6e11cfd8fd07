"""Properties of docker/ that can be checked without running it. `make test-image` runs it."""

import importlib.util
import os
import re
import shutil
import subprocess
import tomllib

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import BaseModel

from flows.settings import (
    SECRETS_VARIABLE,
    ArchiveOptions,
    ServiceOptions,
    read_options,
    site_options,
)
from support import missing
from support.compose import COMPOSE_FILE, ROOT, Compose

COMPOSE = Compose()
SERVICES = list(COMPOSE.services.values())
DOCKERFILE = (ROOT / "docker" / "Dockerfile").read_text()
every_service = pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
every_command = pytest.mark.parametrize(
    "service", [each for each in SERVICES if each.is_ours], ids=lambda service: service.name
)


@pytest.fixture
def secrets(tmp_path):
    made = tmp_path / "secrets"
    subprocess.run([ROOT / "docker" / "make-secrets", made], check=True, capture_output=True)
    return made


@pytest.fixture(scope="module")
def docker_compose() -> list[str]:
    """The command of Docker Compose, a plugin or a program. It reads a file without an engine."""
    found = [
        command
        for command in (["docker", "compose"], ["docker-compose"])
        if shutil.which(command[0]) is not None
        and not subprocess.run([*command, "version"], capture_output=True, check=False).returncode
    ]
    if not found:
        missing("Docker Compose is not installed (.ci/run installs it)")
    return found[0]


def _read_by(docker_compose: list[str], text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*docker_compose, "--project-directory", ROOT / "docker", "--file", "-", "config"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )


def test_compose_takes_the_file(docker_compose):
    # Compose 1, which older Debians have, knows everything in the file except the project's name.
    text = re.sub(r"(?m)^name: .*$", "", COMPOSE_FILE.read_text())
    done = _read_by(docker_compose, text)
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    assert set(re.findall(r"(?m)^  (\w+):$", done.stdout.split("services:")[1])) >= set(
        COMPOSE.services
    )
    done = _read_by(docker_compose, text.replace("service_healthy", "service_happy"))
    assert done.returncode != 0


@every_service
def test_no_service_is_root(service):
    if service.is_ours:
        assert "user" not in service.said
        assert re.search(r"(?m)^USER 10001:10001$", DOCKERFILE)
    else:
        user, group = service.said["user"].split(":")
        assert int(user) > 0
        assert int(group) > 0


@every_service
def test_a_service_has_no_more_rights_than_it_needs(service):
    assert service.said["read_only"] is True
    assert service.said["cap_drop"] == ["ALL"]
    assert service.said["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "devices", "pid", "ipc"} & set(service.said)


@every_service
def test_a_service_that_keeps_running_has_a_health_check(service):
    if service.ends:
        assert service.said["healthcheck"] == {"disable": True}
        # Otherwise `up --wait` takes its end for a failure.
        assert [each for each in SERVICES if service.name in each.waits_for]
    else:
        assert service.said["restart"] == "unless-stopped"
        assert service.health_command


@every_service
def test_a_service_waits_for_a_state_that_the_other_one_reaches(service):
    for name, condition in service.waits_for.items():
        ends = COMPOSE.services[name].ends
        assert condition == ("service_completed_successfully" if ends else "service_healthy")


@every_service
def test_only_this_machine_reaches_the_ports(service):
    for port in service.said.get("ports", []):
        assert port.startswith("127.0.0.1:")


@every_service
def test_secrets_come_from_files(service):
    assert set(service.secrets) <= set(COMPOSE.secret_files)
    for name, value in service.environment.items():
        if value.startswith("/run/secrets/"):
            assert value.removeprefix("/run/secrets/") in service.secrets
        else:
            assert not re.search("AUTH|CREDENTIAL|KEY|PASSWORD|SECRET|TOKEN|DATABASE", name) or (
                name == SECRETS_VARIABLE
            ), f"{name} is a secret's name"


@every_service
def test_images_of_others_are_of_a_named_release_and_of_no_named_registry(service):
    if not service.is_ours:
        assert re.fullmatch(r"[\w/-]+:[\w.-]*\d[\w.-]*", service.said["image"])


def test_every_secret_is_made_and_used(secrets):
    assert {path.name for path in secrets.iterdir()} == set(COMPOSE.secret_files)
    assert {name for each in SERVICES for name in each.secrets} == set(COMPOSE.secret_files)
    for name, file in COMPOSE.secret_files.items():
        assert file == f"secrets/{name}"
        assert (secrets / name).read_text()


def test_secrets_are_made_once_and_only_their_owner_sees_them(secrets):
    before = {path: path.read_bytes() for path in secrets.iterdir()}
    again = [ROOT / "docker" / "make-secrets", secrets]
    assert not subprocess.check_output(again)
    assert {path: path.read_bytes() for path in secrets.iterdir()} == before
    assert secrets.stat().st_mode & 0o777 == 0o700


def test_neither_git_nor_a_build_sees_a_secret():
    path = "docker/secrets/shift_auth"
    if (ROOT / ".git").exists():
        ignored = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
        assert ignored.returncode == 0
    first, *rest = [
        row
        for row in (ROOT / ".dockerignore").read_text().splitlines()
        if row and not row.startswith("#")
    ]
    assert first == "*"
    assert not [row for row in rest if row.strip("!") in path.split("/") or "secret" in row]


def _variables(kinds: list[type[BaseModel]]) -> set[str]:
    """Return the environment variables of all settings."""
    found = {SECRETS_VARIABLE}
    for kind in kinds:
        for name, described in kind.model_fields.items():
            found.add(f"SHIFT_{name.upper()}")
            inner = getattr(described.annotation, "model_fields", {})
            found |= {f"SHIFT_{name.upper()}__{part.upper()}" for part in inner}
    return found


@every_service
def test_every_variable_is_a_setting(service):
    known = _variables([ServiceOptions, ArchiveOptions])
    ours = {name for name in service.environment if name.startswith("SHIFT_")}
    assert ours <= known
    # Variables of Prefect: those that the code sets too, or that the image needs.
    for name in service.environment:
        if name.startswith("PREFECT_"):
            assert name == "PREFECT_API_URL"


@every_command
def test_settings_reach_the_service_unchanged(service, secrets, monkeypatch, tmp_path):
    for name in list(os.environ):
        if name.startswith("SHIFT_"):
            monkeypatch.delenv(name)
    for name, value in service.environment.items():
        monkeypatch.setenv(name, value.replace("/run/secrets", str(secrets)))
    monkeypatch.chdir(tmp_path)
    if service.command[:3] != ["python", "-m", "deployments.serve"]:
        assert not [name for name in service.environment if name.startswith("SHIFT_")]
        return
    options = read_options(ServiceOptions, service.command[3:], "serve", "")
    assert (options.server, options.worker) == (service.name == "server", service.name == "worker")
    assert options.auth is not None
    if options.server:
        assert options.host == "0.0.0.0"
        assert options.database is not None
        said = COMPOSE.services["postgres"].environment
        user, name = said["POSTGRES_USER"], said["POSTGRES_DB"]
        pattern = rf"postgresql\+asyncpg://{user}:\w+@postgres:5432/{name}"
        assert re.fullmatch(pattern, options.database.get_secret_value())
    else:
        archive = site_options(ArchiveOptions)
        assert archive.portal == "http://portal:8000"
        assert archive.store.startswith("s3://shift/")
        (mount,) = service.mounts
        assert str(archive.work_dir) == mount.target


def test_an_empty_endpoint_is_amazon_s(no_settings, monkeypatch):
    for given, expected in (
        ({}, "http://s3:9000"),
        ({"SHIFT_S3__ENDPOINT_URL": ""}, None),
        ({"SHIFT_S3__ENDPOINT_URL": "https://s3.example.org"}, "https://s3.example.org"),
    ):
        said = Compose(**given).services["worker"].environment
        monkeypatch.setenv("SHIFT_S3__ENDPOINT_URL", said["SHIFT_S3__ENDPOINT_URL"])
        assert site_options(ArchiveOptions).s3.endpoint_url == expected


@every_command
def test_every_command_exists(service):
    for words in (service.command, service.health_command):
        if not words:
            continue
        program, *arguments = words
        assert program in {"python", "healthy", "sh", "true"}
        modules = re.findall(r"-m ([\w.]+)", " ".join(arguments))
        assert modules or program in {"healthy", "true"} or "-c" in arguments
        for module in modules:
            assert importlib.util.find_spec(module) is not None
    assert "COPY --chmod=0755 docker/healthy.py /usr/local/bin/healthy" in DOCKERFILE


@every_command
def test_a_volume_covers_a_folder_that_has_its_owner(service):
    folders = re.findall(r"/var/lib/shift-stac/\w+", DOCKERFILE)
    for mount in service.mounts:
        assert mount.target in folders
    assert not {mount.volume for mount in service.mounts} - set(COMPOSE.said["volumes"])


def test_addresses_are_those_of_services():
    for service in SERVICES:
        for value in service.environment.values():
            for host, port in re.findall(r"http://([a-z]\w*):(\d+)", value):
                named = COMPOSE.services[host]
                heard = " ".join((*named.command, *named.health_command, named.said["image"]))
                assert port in heard or (
                    named.said["image"].startswith("minio/") and port == "9000"
                )


def _pins(name: str) -> dict[str, tuple[str, frozenset[str]]]:
    """Each locked requirement with its version and hashes."""
    found = {}
    for block in re.split(r"\n(?=\S)", (ROOT / name).read_text().strip()):
        if block.startswith("#"):
            continue
        requirement = Requirement(block.splitlines()[0].removesuffix("\\").strip())
        key = f"{canonicalize_name(requirement.name)} {requirement.marker or ''}".strip()
        found[key] = (str(requirement.specifier), frozenset(re.findall(r"sha256:\w+", block)))
    return found


def test_the_image_s_locks_are_part_of_the_project_s():
    project = {key.split()[0]: pin for key, pin in _pins("requirements.lock").items()}
    for name in ("docker/requirements.lock", "docker/build.lock"):
        for key, pin in _pins(name).items():
            assert project.get(key.split()[0]) == pin, f"{name}: {key}: run make lock"
            assert pin[1]
        assert "://" not in (ROOT / name).read_text()


def test_the_image_s_lock_has_what_pyproject_wants():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = {key.split()[0] for key in _pins("docker/requirements.lock")}
    wanted = {canonicalize_name(Requirement(text).name) for text in project["dependencies"]}
    assert wanted <= locked
    assert not locked & {"pytest", "ruff", "mypy", "moto", "playwright"}


def test_the_dockerfile_names_no_registry():
    (base,) = re.findall(r"(?m)^ARG BASE=(\S+)$", DOCKERFILE)
    assert re.fullmatch(r"python:3\.13-[\w-]+", base)
    assert set(re.findall(r"(?m)^FROM (\S+)", DOCKERFILE)) == {"${BASE}"}
    assert "://" not in DOCKERFILE.replace("http://127.0.0.1", "")
    script = (ROOT / "docker" / "build-image").read_text()
    assert "://" not in script.replace("file://", "")


@pytest.mark.parametrize("script", ["build-image", "make-secrets"])
def test_scripts_are_sound(script):
    subprocess.run(["bash", "-n", ROOT / "docker" / script], check=True)
    assert os.access(ROOT / "docker" / script, os.X_OK)
