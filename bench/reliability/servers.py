"""Servers of the stores that can be killed, suspended, restarted and, for PostgreSQL, replaced by a standby."""

import os
import pwd
import random
import signal
import socket
import subprocess
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.serving.processes import tree
from tests.servers import free_port, postgresql_program, spawn, unprivileged_account

START_TIMEOUT_S = 60.0

POSTGRESQL_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",  # only a power loss would need it, and no fault here is one
    "synchronous_commit": "on",  # a killed server must not lose acknowledged transactions
    "shared_buffers": "16MB",
    "min_wal_size": "32MB",
    "max_wal_size": "64MB",
    "max_connections": "60",
    "max_wal_senders": "4",
    "timezone": "UTC",
}


class Server(ABC):
    """A process in a folder of its own. `kill` and `suspend` include its descendants."""

    def __init__(self, folder: Path, port: int | None = None, account: pwd.struct_passwd | None = None) -> None:
        self.folder, self.account = folder, account
        self.port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)

    @abstractmethod
    def command(self) -> list[str]:
        """Return the command that starts the server."""

    @abstractmethod
    def is_ready(self) -> bool:
        """Return whether the server accepts clients."""

    @property
    def pid(self) -> int:
        """Id of the running process."""
        if self._process is None:
            raise RuntimeError(f"{type(self).__name__} does not run")
        return self._process.pid

    def start(self) -> None:
        """Start the server, and wait until it accepts clients."""
        self._process = spawn(self.command(), self.folder, self.account)
        self.until_ready()

    def until_ready(self) -> None:
        """Wait until the server accepts clients."""
        until = time.monotonic() + START_TIMEOUT_S
        while not self.is_ready():
            if self._process is None or self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"{type(self).__name__} did not start: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the process and its descendants."""
        for pid in tree(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """Kill the server with SIGKILL."""
        if self._process is not None:
            self.send(signal.SIGKILL)
            self._process.wait()
            self._process = None


class Postgresql(Server):
    """A PostgreSQL that acknowledges a commit only when a restart would find it."""

    def __init__(self, folder: Path, port: int | None = None, **settings: str) -> None:
        super().__init__(folder, port, unprivileged_account())
        self.settings = POSTGRESQL_SETTINGS | settings

    @property
    def url(self) -> str:
        """The `DATABASE_URL` of its database."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def command(self) -> list[str]:
        """Return the command that starts the server."""
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        return [postgresql_program("postgres"), "-D", str(self.folder / "data"), "-p", str(self.port), *options]

    def is_ready(self) -> bool:
        """Return whether the server accepts clients."""
        command = [postgresql_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(command, check=False).returncode == 0  # noqa: S603

    def create(self) -> None:
        """Make an empty cluster."""
        self.run("initdb", "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")

    def copy_from(self, primary: "Postgresql") -> None:
        """Make a standby of a running primary."""
        source = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres")
        self.run("pg_basebackup", *source, "--write-recovery-conf", "--checkpoint=fast", "--no-sync")

    def run(self, program: str, *options: str) -> None:
        """Run one of PostgreSQL's programs on the data folder."""
        data = str(self.folder / "data")
        process = spawn([postgresql_program(program), "--pgdata", data, *options], self.folder, self.account)
        if process.wait(START_TIMEOUT_S) != 0:
            raise RuntimeError(f"{program} failed: {(self.folder / 'log').read_text()[-2000:]}")

    def kill_session(self, chance: random.Random) -> None:
        """Kill the process of one session; PostgreSQL then ends all others, recovers, and accepts clients again."""
        sessions = [pid for pid in tree(self.pid) if b"127.0.0.1(" in _command_line(pid)]
        if sessions:
            with suppress(ProcessLookupError):
                os.kill(chance.choice(sessions), signal.SIGKILL)
        self.until_ready()


class Redis(Server):
    """A Redis that keeps nothing on the disk."""

    @property
    def url(self) -> str:
        """The `REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        """Return the command that starts the server."""
        return ["/usr/bin/env", "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]

    def is_ready(self) -> bool:
        """Return whether the server accepts clients."""
        return listens(self.port)


class WeaviateProcess(Server):
    """The double of Weaviate in a process of its own. It keeps its data in memory, so a restarted one is empty."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.grpc_port = free_port()

    def command(self) -> list[str]:
        """Return the command that starts the server."""
        module = "bench.reliability.weaviate_double"
        root = str(Path(__file__).parents[2])
        python = f"PYTHONPATH={root}"
        return ["/usr/bin/env", python, sys.executable, "-m", module, str(self.port), str(self.grpc_port)]

    def is_ready(self) -> bool:
        """Return whether the server accepts clients."""
        return listens(self.port) and listens(self.grpc_port)


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # it has ended
        return b""


def listens(port: int) -> bool:
    """Return whether a port of this machine accepts connections."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[None]:
    """Mount a small file system at a folder. Raises `OSError` where this process may not mount."""
    folder.mkdir(parents=True, exist_ok=True)
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    if subprocess.run(mounting, check=False, capture_output=True).returncode != 0:  # noqa: S603
        raise PermissionError("mounting a small file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)  # noqa: S603, S607


def fill_disk(folder: Path) -> Path:
    """Fill the file system of a folder; return the file to remove."""
    ballast = folder / "ballast"
    with suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return ballast
