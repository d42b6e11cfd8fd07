"""Containers of a built image without an engine: namespaces, mounts and a change of root.

This module does with the tools of Linux what an engine does with a service of the compose file: a
read-only root, folders in memory, volumes, secrets, a separate environment, a user who has no
capabilities and cannot get any. All containers share the network of the process that starts them.
"""

import json
import os
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from support.compose import Service

# The first process forwards signals, as with `init: true`.
_INIT = """
trap 'kill -TERM $child; asked=1' TERM
"$@" & child=$!
wait $child; status=$?
[ -z "${asked:-}" ] || { wait $child; status=$?; }
exit $status
"""
_UNPRIVILEGED = ("--clear-groups", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")


@dataclass(frozen=True)
class Image:
    """A built image: its unpacked root, which only root may write, and its configuration."""

    root: Path
    config: dict[str, Any]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that the image sets."""
        return dict(text.split("=", 1) for text in self.config["Env"])


@contextmanager
def unpacked(images: Path, name: str) -> Iterator[Image]:
    """Unpack an image from the folder in which docker/build-image keeps images."""
    buildah = ["buildah", "--root", str(images / "storage"), "--runroot", str(images / "run")]
    if driver := os.environ.get("STORAGE_DRIVER"):
        buildah += ["--storage-driver", driver]
    environment = os.environ | {"BUILDAH_ISOLATION": "chroot"}

    def run(*arguments: str) -> str:
        command = [*buildah, *arguments]
        return subprocess.check_output(command, text=True, env=environment).strip()

    described = json.loads(run("inspect", "--type", "image", name))
    container = run("from", "--pull-never", name)
    try:
        yield Image(Path(run("mount", container)), described["Docker"]["config"])
    finally:
        run("rm", container)


@dataclass
class Host:
    """The surroundings of containers: the image, volumes, secrets, and the addresses of names.

    Parameters
    ----------
    image
        The unpacked image.
    folder
        For volumes and the containers' roots.
    secrets
        Folder of the secrets' files.
    names
        Names of services. All have the address of this machine.
    """

    image: Image
    folder: Path
    secrets: Path
    names: Sequence[str]
    _started: int = field(default=0)

    def __post_init__(self) -> None:
        for place in ("run/secrets", "proc", "dev"):
            (self.image.root / place).mkdir(parents=True, exist_ok=True)
        names = " ".join(("localhost", *self.names))
        (self.image.root / "etc" / "hosts").write_text(f"127.0.0.1 {names}\n")

    def volume(self, name: str, target: str) -> Path:
        """Return the folder of a volume. A new one gets owner and mode of the folder that it covers."""
        folder = self.folder / "volumes" / name
        if not folder.exists():
            folder.mkdir(parents=True)
            covered = (self.image.root / target.lstrip("/")).stat()
            os.chown(folder, covered.st_uid, covered.st_gid)
            folder.chmod(covered.st_mode & 0o7777)
        return folder

    def command(
        self, service: Service, words: Sequence[str] = (), environment: Mapping[str, str] = {}
    ) -> list[str]:
        """Return the command of a container; with ``words`` instead of the service's own command."""
        assert service.is_ours
        self._started += 1
        root = self.folder / "roots" / f"{service.name}-{self._started}"
        root.mkdir(parents=True)
        inside = shlex.quote(str(root))
        steps = [f"mount --bind {shlex.quote(str(self.image.root))} {inside}"]
        if service.said["read_only"]:
            steps.append(f"mount -o remount,bind,ro {inside}")
        steps.append(f"mount -t proc proc {inside}/proc")
        steps.append(f"mount --rbind /dev {inside}/dev")
        for target, options in service.tmpfs.items():
            wanted = ",".join(filter(None, ("nosuid,nodev,noexec", options)))
            steps.append(f"mount -t tmpfs -o {wanted} tmpfs {inside}{target}")
        if service.secrets:
            steps.append(f"mount -t tmpfs -o mode=0755 tmpfs {inside}/run/secrets")
        for secret in service.secrets:
            place = f"{inside}/run/secrets/{secret}"
            source = shlex.quote(str(self.secrets / secret))
            steps.append(f"touch {place}; mount --bind {source} {place}")
            steps.append(f"mount -o remount,bind,ro {place}")
        for mount in service.mounts:
            source = shlex.quote(str(self.volume(mount.volume, mount.target)))
            steps.append(f"mount --bind {source} {inside}{mount.target}")
            if not mount.writable:
                steps.append(f"mount -o remount,bind,ro {inside}{mount.target}")
        steps.append('exec "$@"')
        alone = ["--net"] if service.said.get("network_mode") == "none" else []
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", *alone, "--"),
            *("sh", "-euc", "\n".join(steps), "container"),
            *("chroot", str(root), *self._as_user(service, environment)),
            *("sh", "-c", _INIT, "init", *(words or service.command or self.image.config["Cmd"])),
        ]

    def _as_user(self, service: Service, environment: Mapping[str, str]) -> list[str]:
        user, group = str(service.said.get("user", self.image.config["User"])).split(":")
        variables = self.image.environment | service.environment | environment
        return [
            *("setpriv", f"--reuid={user}", f"--regid={group}", *_UNPRIVILEGED),
            *("env", "--ignore-environment", f"--chdir={self.image.config['WorkingDir']}"),
            *(f"{name}={value}" for name, value in variables.items()),
        ]

    def run(
        self, service: Service, *words: str, seconds: float = 300, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a container to its end."""
        return subprocess.run(
            self.command(service, words, environment),
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds,
        )

    def start(self, service: Service) -> "Container":
        """Start a container that keeps running."""
        log = self.folder / f"{service.name}.log"
        with log.open("a") as output:
            process = subprocess.Popen(
                self.command(service), stdout=output, stderr=output, stdin=subprocess.DEVNULL
            )
        return Container(self, service, process, log)


@dataclass
class Container:
    """A running container."""

    host: Host
    service: Service
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def first(self) -> int | None:
        """The number on this machine of the container's first process; None before it exists."""
        try:
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            return int(children.read_text())
        except (OSError, ValueError):
            return None

    def execute(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, as its user."""
        first = self.first
        assert first is not None, f"{self.service.name} does not run: {self.log.read_text()}"
        namespaces = [f"--target={first}", "--mount", "--pid", f"--root=/proc/{first}/root"]
        return subprocess.run(
            [
                *(str(shutil.which("nsenter")), *namespaces),
                *self.host._as_user(self.service, environment),
                *words,
            ],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def is_healthy(self) -> bool:
        """Whether its health check's command succeeds."""
        assert self.process.poll() is None, f"{self.service.name}: {self.log.read_text()}"
        if self.first is None:
            return False
        return self.execute(*self.service.health_command).returncode == 0

    def stop(self, seconds: float) -> int:
        """Send it a signal to end, and return its status."""
        if self.process.poll() is None and (first := self.first) is not None:
            os.kill(first, signal.SIGTERM)
        try:
            return self.process.wait(timeout=seconds)
        except subprocess.TimeoutExpired:
            # Its first process ends with it, and then all of its processes.
            self.process.kill()
            self.process.wait()
            raise
