"""The contents of docker/compose.yaml, read as Compose reads it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker" / "compose.yaml"
OURS = "shift-stac"
"""The name of the image that docker/Dockerfile makes."""


def _interpolated(value: Any, variables: Mapping[str, str]) -> Any:
    """Replace $$, and ${NAME:-default} and ${NAME-default}, which are the forms that the file uses."""
    if isinstance(value, dict):
        return {key: _interpolated(held, variables) for key, held in value.items()}
    if isinstance(value, list):
        return [_interpolated(held, variables) for held in value]
    if not isinstance(value, str):
        return value

    def replaced(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        name, or_empty, default = found.groups()
        given = variables.get(name)
        return default if given is None or (or_empty and not given) else given

    return re.sub(r"\$\$|\$\{(\w+)(:?)-([^}]*)\}", replaced, value)


@dataclass(frozen=True)
class Mount:
    """A named volume in a service."""

    volume: str
    target: str
    writable: bool


@dataclass(frozen=True)
class Service:
    """One service of the file."""

    name: str
    said: dict[str, Any]

    @property
    def is_ours(self) -> bool:
        """Whether it runs our image."""
        return self.said["image"] == OURS

    @property
    def ends(self) -> bool:
        """Whether it does its work once and then ends."""
        return self.said["restart"] == "no"

    @property
    def command(self) -> list[str]:
        """Its command."""
        return [str(word) for word in self.said.get("command", [])]

    @property
    def environment(self) -> dict[str, str]:
        """Its environment variables."""
        return {key: str(value) for key, value in self.said.get("environment", {}).items()}

    @property
    def secrets(self) -> list[str]:
        """Names of the secrets that it sees in /run/secrets."""
        return list(self.said.get("secrets", []))

    @property
    def mounts(self) -> list[Mount]:
        """Its volumes."""
        parts = [text.split(":") for text in self.said.get("volumes", [])]
        return [Mount(part[0], part[1], "ro" not in part[2:]) for part in parts]

    @property
    def tmpfs(self) -> dict[str, str]:
        """Folders in memory, with the options of their mounts."""
        return {text.partition(":")[0]: text.partition(":")[2] for text in self.said["tmpfs"]}

    @property
    def health_command(self) -> list[str]:
        """The command of its health check; empty if it has none."""
        kind, *words = self.said.get("healthcheck", {}).get("test", ["NONE"])
        assert kind in {"CMD", "NONE"}, "a list of words needs no shell"
        return words

    @property
    def waits_for(self) -> dict[str, str]:
        """The services that it waits for, and the condition of each."""
        return {name: how["condition"] for name, how in self.said.get("depends_on", {}).items()}


class Compose:
    """The file, with the variables of the user who starts it."""

    def __init__(self, **variables: str) -> None:
        self.said = _interpolated(yaml.safe_load(COMPOSE_FILE.read_text()), variables)
        self.services = {name: Service(name, said) for name, said in self.said["services"].items()}

    @property
    def secret_files(self) -> dict[str, str]:
        """Each secret's file, relative to the file."""
        return {name: how["file"] for name, how in self.said["secrets"].items()}

    @cached_property
    def order(self) -> list[Service]:
        """The services, each after those that it waits for."""
        found: dict[str, Service] = {}

        def visit(name: str) -> None:
            for before in self.services[name].waits_for:
                visit(before)
            found.setdefault(name, self.services[name])

        for name in self.services:
            visit(name)
        return list(found.values())
