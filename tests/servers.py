"""Real servers for the tests, each in a folder and on a port of its own, gone when the tests end."""

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

INSTALL_POSTGRESQL = (
    "PostgreSQL's programs initdb and postgres are missing; install them: "
    "apt-get install -y --no-install-recommends postgresql"
)
INSTALL_REDIS = (
    "Redis's program redis-server is missing; install it: apt-get install -y --no-install-recommends redis-server"
)
INSTALL_NGINX = "The program nginx is missing; install it: apt-get install -y --no-install-recommends nginx-light"
FOLDER_PREFIX = "explore-postgresql-"
START_TIMEOUT_S = 60.0
MEMORY_NEEDED = 2**30
"""Bytes free in /dev/shm, below which the server lies on the disk: a container may have given it 64 MB."""
PORTS_TO_TRY = 5
"""A port that was free may be taken by the time the server asks for it."""


class ServerMissing(Exception):
    """A program that the tests need is not installed; the message says what to install."""


@dataclass(frozen=True, slots=True)
class PostgresqlServer:
    """A running PostgreSQL that trusts whoever comes from this machine."""

    folder: Path
    port: int
    pid: int

    def url(self, name: str) -> str:
        """Give the `DATABASE_URL` of one of its databases."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/{name}"


@dataclass(frozen=True, slots=True)
class RedisServer:
    """A running Redis that keeps nothing on the disk."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        """Its `REDIS_URL`."""
        return f"redis://127.0.0.1:{self.port}/0"


def postgresql_program(name: str) -> str:
    """Find one of PostgreSQL's programs on the PATH or where Debian puts them, the newest version first."""
    if found := shutil.which(name):
        return found
    versions = sorted(
        Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[-3].partition(".")[0])
    )
    if not versions:
        raise ServerMissing(INSTALL_POSTGRESQL)
    return str(versions[-1])


def free_port() -> int:
    """Give a port of the loopback device that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def running_postgresql(**settings: str) -> Iterator[PostgresqlServer]:
    """Start a PostgreSQL that forgets everything at the end (fsync off; about 1 s from nothing to the first query).

    `settings` are parameters of postgresql.conf; they win over those of the tests.
    """
    initdb, postgres = postgresql_program("initdb"), postgresql_program("postgres")
    account = unprivileged_account()
    parent = _fast_folder()
    _sweep(parent)
    folder = Path(tempfile.mkdtemp(prefix=f"{FOLDER_PREFIX}{os.getpid()}-", dir=parent))
    try:
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        _initialise(initdb, folder, account)
        process, port = _start(postgres, folder, account, settings)
        try:
            yield PostgresqlServer(folder, port, process.pid)
        finally:
            _stop(process)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def running_redis(*options: str) -> Iterator[RedisServer]:
    """Start a Redis with these options besides (0.05 s)."""
    with _temporary_folder() as folder:
        server = start_redis(folder, *options)
        try:
            yield server
        finally:
            stop_redis(server)


@contextmanager
def running_redis_cluster(masters: int = 3) -> Iterator[list[RedisServer]]:
    """Start a Redis Cluster of masters on this machine (about 2 s)."""
    with ExitStack() as stack:
        folders = [stack.enter_context(_temporary_folder()) for _ in range(masters)]
        # A node that a test stops for a moment must not be voted out: nobody could take its place.
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "60000")
        buses = [free_port() for _ in range(masters)]
        servers = []
        for folder, bus in zip(folders, buses, strict=True):
            servers.append(start_redis(folder, *options, "--cluster-port", str(bus)))
            stack.callback(stop_redis, servers[-1])
        _make_cluster(servers, buses)
        yield servers


def start_redis(folder: Path, *options: str, port: int | None = None) -> RedisServer:
    """Start a Redis on a free port, or on one where it has been before."""
    program = shutil.which("redis-server")
    if program is None:
        raise ServerMissing(INSTALL_REDIS)
    for _ in range(PORTS_TO_TRY):
        chosen = port or free_port()
        command = [program, "--port", str(chosen), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        process = spawn([*command, "--dir", str(folder), *options], folder, None)
        if _redis_is_ready(process, chosen):
            return RedisServer(process, chosen)
    raise RuntimeError(f"Redis did not start:\n{log_of(folder)}")


def stop_redis(server: RedisServer) -> None:
    """Stop it at once; it keeps nothing."""
    server.process.kill()
    server.process.wait(10)


@contextmanager
def running_nginx(upstream: int, *, location: str = "/", target: str = "", tries: int = PORTS_TO_TRY) -> Iterator[int]:
    """Start an nginx in front of a port of this machine; gives its own port (0.1 s).

    It serves the paths below `location`, and puts `target` in its place unless that is empty.

    It keeps one connection to the upstream for all clients, and passes upgrades on as its documentation of WebSockets
    says.
    """
    program = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if program is None:
        raise ServerMissing(INSTALL_NGINX)
    with tempfile.TemporaryDirectory(prefix="explore-nginx-") as name:
        folder = Path(name)
        for _ in range(tries):
            port = free_port()
            (folder / "nginx.conf").write_text(
                _NGINX.format(port=port, upstream=upstream, folder=folder, location=location, target=target)
            )
            process = spawn([program, "-p", name, "-c", "nginx.conf", "-e", f"{folder}/log"], folder, None)
            try:
                if listens(process, port):
                    yield port
                    return
            finally:
                process.terminate()
                process.wait(10)
        raise RuntimeError(f"nginx did not start:\n{log_of(folder)}")


_NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
events {{ worker_connections 256; }}
http {{
  access_log off;
  client_max_body_size 10m;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; '' ''; }}
  upstream gateway {{ server 127.0.0.1:{upstream}; keepalive 1; }}
  server {{
    listen 127.0.0.1:{port};
    location {location} {{
      proxy_pass http://gateway{target};
      proxy_http_version 1.1;
      proxy_set_header Host $host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }}
  }}
}}
"""


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return True
        time.sleep(0.01)
    return False


def _redis_is_ready(process: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with _redis(port) as client:
                # Another program may have taken the port: ask whose it is.
                return bool(client.info("server")["process_id"] == process.pid)
        except redis.AuthenticationError:  # it asks for a password: it is there
            return True
        except redis.RedisError:
            time.sleep(0.01)
    return False


def _redis(port: int) -> redis.Redis:
    return redis.Redis(port=port, socket_timeout=5, retry=Retry(NoBackoff(), 0))


def _make_cluster(servers: list[RedisServer], buses: list[int]) -> None:
    share = 16_384 / len(servers)
    for index, server in enumerate(servers):
        first, last = round(index * share), round((index + 1) * share) - 1
        with _redis(server.port) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
            client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", index + 1)
    for server in servers:
        with _redis(server.port) as client:
            for other, bus in zip(servers, buses, strict=True):
                if other is not server:  # each meets every other: gossip alone takes longer
                    client.execute_command("CLUSTER", "MEET", "127.0.0.1", other.port, bus)
    deadline = time.monotonic() + START_TIMEOUT_S
    while not all(_knows_cluster(server.port, len(servers)) for server in servers):
        if time.monotonic() > deadline:
            raise RuntimeError("the Redis Cluster did not come together")
        time.sleep(0.05)


def _knows_cluster(port: int, masters: int) -> bool:
    with _redis(port) as client:
        told: bytes = client.execute_command("CLUSTER", "INFO")
        slots: list[object] = client.execute_command("CLUSTER", "SLOTS")
        return b"cluster_state:ok" in told and len(slots) == masters


@contextmanager
def _temporary_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="explore-redis-") as folder:
        yield Path(folder)


def _fast_folder() -> Path:
    """Choose memory if there is enough: a copy of the template takes 0.02 s there and 0.35 s on a disk (430 files)."""
    memory = Path("/dev/shm")  # noqa: S108 (the folder made in it is our own, mode 0700)
    if os.access(memory, os.W_OK) and shutil.disk_usage(memory).free >= MEMORY_NEEDED:
        return memory
    return Path(tempfile.gettempdir())


def _sweep(parent: Path) -> None:
    """Remove the folders of tests that were killed; the kernel has stopped their servers."""
    for left in parent.glob(f"{FOLDER_PREFIX}*"):
        owner = left.name.removeprefix(FOLDER_PREFIX).partition("-")[0]
        if owner.isdigit() and not _is_alive(int(owner)):
            shutil.rmtree(left, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def unprivileged_account() -> pwd.struct_passwd | None:
    """Give the account to run under: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServerMissing("PostgreSQL refuses to run as root, and there is neither an account postgres nor nobody")


def spawn(command: list[str], folder: Path, account: pwd.struct_passwd | None) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={"PATH": os.defpath, "LC_ALL": "C"},
            preexec_fn=_die_with_parent(),  # noqa: PLW1509 (one thread runs when the session's fixtures are made)
            start_new_session=True,  # a Ctrl-C reaches the tests only; they stop the server
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
        )


def _die_with_parent() -> Callable[[], object] | None:
    """On Linux, ask the kernel to stop the server when the tests are killed."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    set_parent_death_signal = 1
    return lambda: prctl(set_parent_death_signal, signal.SIGQUIT)


def _initialise(initdb: str, folder: Path, account: pwd.struct_passwd | None) -> None:
    command = [initdb, "--pgdata", str(folder / "data"), "--username=postgres", "--auth=trust"]
    process = spawn([*command, "--encoding=UTF8", "--no-locale", "--no-sync"], folder, account)
    if process.wait(START_TIMEOUT_S) != 0:
        raise RuntimeError(f"initdb failed:\n{log_of(folder)}")


def _start(
    postgres: str, folder: Path, account: pwd.struct_passwd | None, settings: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    settings = {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "off",
        "synchronous_commit": "off",
        "full_page_writes": "off",
        "autovacuum": "off",
        "wal_level": "minimal",
        "max_wal_senders": "0",
        "shared_buffers": "16MB",
        "min_wal_size": "32MB",
        "max_wal_size": "128MB",
        "max_connections": "100",
        "timezone": "UTC",
    } | dict(settings)
    options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
    for _ in range(PORTS_TO_TRY):
        port = free_port()
        process = spawn([postgres, "-D", str(folder / "data"), "-p", str(port), *options], folder, account)
        if _is_ready(process, folder):
            return process, port
    raise RuntimeError(f"PostgreSQL did not start:\n{log_of(folder)}")


def _is_ready(process: subprocess.Popen[bytes], folder: Path) -> bool:
    deadline = time.monotonic() + START_TIMEOUT_S
    state = folder / "data" / "postmaster.pid"
    while process.poll() is None and time.monotonic() < deadline:
        # The eighth line of this file says "ready" once the server takes connections.
        if state.exists() and state.read_text().rstrip().endswith("ready"):
            return True
        time.sleep(0.02)
    if process.poll() is None:
        _stop(process)
    return False


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGINT)  # PostgreSQL's "fast" shutdown: clients are cut off
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)  # "immediate"; SIGKILL would leave shared memory behind
        process.wait(10)


def log_of(folder: Path) -> str:
    return (folder / "log").read_text(errors="replace")[-2_000:]
