"""The measured servers, and the PostgreSQL and Redis behind them."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import redis

from bench.serving.data import copy_to_postgresql
from bench.serving.processes import cpu_s
from db.private_files import DataFile
from gateway.callers.token_authority import TokenAuthority
from gateway.settings import Settings
from tests.node_packages import NodePackages
from tests.servers import PostgresqlServer, RedisServer, free_port, running_postgresql

PEERS = Path(__file__).parents[1] / "peers"
SECRET = "a secret of the bench, long enough for HS256"  # noqa: S105
START_WITHIN_S = 300.0
LIFTED = {
    "RATE_LIMIT": "0",
    "RATE_LIMIT_ADDRESS": "0",
    "MAX_COST": "100000000",
    "MAX_FIELDS": "100000",
    "OPERATION_TIMEOUT_S": "60",
    "LOG_LEVEL": "warning",
    "START_WORKER": "off",
}
"""Settings of the gateway: limits that a bench would reach, no line in the log per request (the peers write none
either), and no batch jobs beside the requests."""

POSTGRESQL = {
    "shared_preload_libraries": "pg_stat_statements",
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "autovacuum": "off",  # the tables are analyzed after they are filled
}
NOT_COUNTED = r"^\s*(begin|commit|rollback|savepoint|release|set|show|reset|discard|close|deallocate)\M"
_STATEMENTS = """SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements
    JOIN pg_roles ON pg_roles.oid = userid WHERE rolname = $1 AND query !~* $2"""
_CACHE_CALLS = re.compile(r'^explore_store_calls_total\{[^}]*store="cache"[^}]*\} (\S+)', re.MULTILINE)

NOT_CACHE_COMMANDS = {"info", "ping", "hello", "client", "config", "command", "select", "auth", "subscribe"}


@cache
def token(user: str) -> str:
    """Return a bearer token for a user."""
    return TokenAuthority(SECRET.encode(), "explore-gateway", "explore").issue(user)


@dataclass(frozen=True)
class Counters:
    """Sums since the start: CPU seconds of the server, PostgreSQL and Redis, statements and cache commands."""

    cpu_s: float
    database_cpu_s: float
    cache_cpu_s: float
    statements: int
    cache_calls: int


@dataclass
class Target:
    """A running server. `role` is its role in PostgreSQL, by which its statements are counted."""

    name: str
    pid: int
    port: int
    start_s: float = 0.0
    start_cpu_s: float = 0.0
    database: PostgresqlServer | None = None
    role: str = ""
    cache: RedisServer | None = None
    file: Path | None = None
    """The SQLite file of a gateway without PostgreSQL."""
    log: Path | None = None
    _open: asyncpg.Connection | None = None

    async def _connection(self) -> asyncpg.Connection:
        # One for the whole run: PostgreSQL's process of a new connection takes 10 ms of its CPU, which is counted.
        if self._open is None and self.database is not None:
            self._open = await asyncpg.connect(self.database.url("bench"))
        return self._open

    async def counters(self) -> Counters:
        """Read all counters."""
        statements = cache_calls = 0
        database_cpu = cache_cpu = 0.0
        if self.database is not None:
            statements = await (await self._connection()).fetchval(_STATEMENTS, self.role, NOT_COUNTED)
            database_cpu = cpu_s(self.database.pid)
        if self.cache is not None:
            with redis.Redis(port=self.cache.port) as client:
                calls: Mapping[str, Any] = client.info("commandstats")
            names = {name: name.removeprefix("cmdstat_").partition("|")[0] for name in calls}
            cache_calls = sum(calls[name]["calls"] for name, plain in names.items() if plain not in NOT_CACHE_COMMANDS)
            cache_cpu = cpu_s(self.cache.process.pid)
        elif self.file is not None:
            async with httpx.AsyncClient() as http:
                metrics = (await http.get(f"http://127.0.0.1:{self.port}/metrics")).text
            cache_calls = round(sum(map(float, _CACHE_CALLS.findall(metrics))))
        return Counters(cpu_s(self.pid), database_cpu, cache_cpu, statements, cache_calls)

    async def outdate(self, users: Sequence[int]) -> None:
        """Make the rankings of users outdated, as any interaction of theirs does."""
        listed = ", ".join(map(str, users))
        statement = f"UPDATE actors SET version = version + 1 WHERE user_id IN ({listed})"  # noqa: S608 (numbers)
        if self.database is not None:
            await (await self._connection()).execute(statement)
        elif self.file is not None:
            with closing(sqlite3.connect(self.file)) as file, file:
                file.execute(statement)


@contextmanager
def _process(command: list[str], environment: Mapping[str, str], log: Path) -> Iterator[subprocess.Popen[str]]:
    ours = {name.upper() for name in Settings.model_fields}
    inherited = {name: value for name, value in os.environ.items() if name not in ours}
    with (
        log.open("w") as errors,
        subprocess.Popen(  # noqa: S603 (programs of ours)
            command,
            env={**inherited, **environment},
            cwd=log.parent,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def gateway(name: str, folder: Path, document: str, user: str, **settings: str) -> Iterator[Target]:
    """Start `explore serve`, and wait for the first page of a user."""
    port = free_port()
    environment = LIFTED | {"VAR_DIR": str(folder), "TOKEN_SECRET": SECRET, "PORT": str(port)} | settings
    command = [str(Path(sys.executable).with_name("explore")), "serve"]
    began = time.perf_counter()
    with _process(command, environment, folder / "stderr") as process:
        while True:
            try:
                answer = ask(port, document, user)
                break
            except httpx.TransportError:
                if process.poll() is not None or time.perf_counter() - began > START_WITHIN_S:
                    raise SystemExit(f"the gateway did not start:\n{(folder / 'stderr').read_text()[-2000:]}") from None
                time.sleep(0.02)
        assert "errors" not in answer, answer  # noqa: S101
        yield Target(name, process.pid, port, time.perf_counter() - began, cpu_s(process.pid), log=folder / "stderr")


@contextmanager
def peer(name: str, packages: NodePackages, log: Path, **environment: str) -> Iterator[Target]:
    """Start graphql-yoga; `name` is ``yoga-postgresql`` or ``yoga-memory``."""
    command = ["node", str(packages.folder / "server.mjs"), name.removeprefix("yoga-")]
    began = time.perf_counter()
    with _process(command, {"NODE_ENV": "production", "TOKEN_SECRET": SECRET, **environment}, log) as process:
        assert process.stdout is not None  # noqa: S101 (a pipe)
        line = process.stdout.readline()
        if not line:
            raise SystemExit(f"{name} did not start:\n{log.read_text()[-2000:]}")
        yield Target(name, process.pid, int(line), time.perf_counter() - began, cpu_s(process.pid))


def ask(port: int, document: str, user: str | None, **variables: Any) -> dict[str, Any]:
    """Send one request, and return the parsed response."""
    headers = {"Authorization": f"Bearer {token(user)}"} if user else {}
    body = {"query": document, "variables": variables}
    answer: dict[str, Any] = httpx.post(
        f"http://127.0.0.1:{port}/graphql", json=body, headers=headers, timeout=60
    ).json()
    return answer


@contextmanager
def postgresql(data: Path) -> Iterator[PostgresqlServer]:
    """Start PostgreSQL with a copy of a data set in the database `bench`, and a role for each server."""

    async def prepare(server: PostgresqlServer) -> None:
        connection = await asyncpg.connect(server.url("postgres"))
        await connection.execute("CREATE DATABASE bench")
        for role in ("gateway", "peer"):
            await connection.execute(f"CREATE ROLE {role} SUPERUSER LOGIN")
        await connection.close()
        connection = await asyncpg.connect(server.url("bench"))
        await connection.execute("CREATE EXTENSION pg_stat_statements")
        await connection.close()
        await copy_to_postgresql(data / DataFile.DATABASE, server.url("bench"))

    with running_postgresql(**POSTGRESQL) as server:
        asyncio.run(prepare(server))
        yield server


def fill_rankings(server: RedisServer, name: str, feed: Mapping[str, Any]) -> None:
    """Store a ranking of the gateway in Redis as the peer reads it: projects by key, explanations apart."""
    meta = {"snapshotId": feed["snapshotId"], "strategy": feed["strategy"]}
    entries = [{"key": edge["node"]["key"], "rank": edge["rank"], "score": edge["score"]} for edge in feed["edges"]]
    with redis.Redis(port=server.port) as client:
        client.set(f"ranking:{name}:meta", json.dumps(meta))
        client.rpush(f"ranking:{name}", *map(json.dumps, entries))
        explained = {edge["node"]["key"]: edge["explanation"] for edge in feed["edges"] if "explanation" in edge}
        for explanation in explained.values():
            for place in (*explanation["adjustments"], *explanation["reasons"]):
                for field in ("blockedBy", "project"):
                    if place.get(field) is not None:
                        place[field] = place[field]["key"]
        if explained:
            client.hset(
                f"ranking:{name}:explanations",
                mapping={key: json.dumps(value) for key, value in explained.items()},
            )
