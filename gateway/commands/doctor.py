"""`explore doctor`: looks at everything that has to be right, makes nothing, and says how to fix what is wrong."""

import os
import platform
import shutil
import sys
from collections.abc import Awaitable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from db import outbox, schema
from db.database.engine import Database
from db.errors import DatabaseLayerError, Store, StoreMisconfigured, StoreUnavailable
from db.models import OutboxKind
from db.private_files import open_to_others
from db.redaction import redact
from db.stores import Stores
from db.synchronization.reindex import Reindex
from gateway.callers.token_authority import SECRET_FILE, signing_secret, token_authority
from gateway.commands.console import with_program_name
from gateway.commands.prepare import driver_message, require_reachable
from gateway.commands.reindex_command import describe_counts
from gateway.data_folder import require_data
from gateway.errors import GatewayError
from gateway.settings import Settings
from gateway.stores import open_stores

MAX_LAG_S = 60.0
"""An outbox row that has waited longer than this means that nobody drains: a busy worker needs a second or two."""

MIN_FREE_BYTES = 256 * 2**20
"""A rebuild of the index of 20,000 projects writes some 80 MB beside the one in service, and SQLite's logs grow."""

_OLDEST_PYTHON = (3, 11)


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    LOOK = "look"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found."""

    subject: str
    verdict: Verdict
    words: str


async def run_checks(settings: Settings) -> list[Finding]:
    """Run every check; one that fails does not stop the others."""
    findings = [_python(), await _guarded("folder", _folder(settings))]
    if findings[1].verdict is Verdict.BROKEN:
        return findings
    findings.append(await _guarded("secret", _secret(settings)))
    if settings.token_jwks_url and findings[2].verdict is not Verdict.BROKEN:
        findings.append(await _guarded("token keys", _token_keys(settings)))
    try:
        async with open_stores(settings) as stores:
            findings += await _stores(settings, stores)
    except StoreMisconfigured as error:
        findings.append(Finding(error.store.value, Verdict.BROKEN, error.reason))
    except (DatabaseLayerError, GatewayError) as error:
        findings.append(Finding("stores", Verdict.BROKEN, str(error)))
    return findings


def print_findings(console: Console, findings: list[Finding]) -> int:
    """Print the findings as a table; gives the exit code, 1 if something is broken."""
    colours = {Verdict.OK: "green", Verdict.LOOK: "yellow", Verdict.BROKEN: "red"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        verdict = f"[{colours[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(verdict, finding.subject, escape(redact(with_program_name(finding.words))))
    console.print(table)
    return int(any(finding.verdict is Verdict.BROKEN for finding in findings))


async def _stores(settings: Settings, stores: Stores) -> list[Finding]:
    truth = await _guarded("truth", _truth(stores.database))
    findings, is_current = [truth], False
    if truth.verdict is not Verdict.BROKEN:
        findings.append(await _guarded("schema", _schema(stores.database)))
        is_current = findings[-1].verdict is Verdict.OK
        if is_current:
            findings.append(await _guarded("outbox", _outbox(stores.database)))
    checks: dict[str, Coroutine[None, None, tuple[Verdict, str]]] = {
        "vectors": _vectors(stores, is_current),
        "embeddings": _embeddings(stores),
        "cache": _cache(stores),
    }
    missing = _missing_files(settings)
    for subject, check in checks.items():
        if subject in missing:
            check.close()  # opening the file would make it
            findings.append(
                Finding(subject, Verdict.OK, f"{missing[subject]} is not there yet; it is made when needed")
            )
        else:
            findings.append(await _guarded(subject, _mended(settings, check)))
    return findings


def _missing_files(settings: Settings) -> dict[str, Path]:
    """Give the files of embedded stores that no start has made yet."""
    embedded = {"vectors": not settings.weaviate_url, "cache": not settings.redis_url.get_secret_value()}
    files = {subject: settings.var_dir / f"{subject}.sqlite" for subject, is_file in embedded.items() if is_file}
    return {subject: file for subject, file in files.items() if not file.exists()}


async def _guarded(subject: str, check: Awaitable[tuple[Verdict, str]]) -> Finding:
    try:
        verdict, words = await check
    except StoreMisconfigured as error:
        return Finding(subject, Verdict.BROKEN, error.reason)  # says itself what to set
    except (DatabaseLayerError, GatewayError) as error:
        return Finding(subject, Verdict.BROKEN, str(error))
    except OSError as error:
        reason = (error.strerror or "no reason given").lower()
        return Finding(
            subject, Verdict.BROKEN, f"{error.filename}: {reason}; run this as its owner, or change its permissions"
        )
    except SQLAlchemyError as error:
        return Finding(subject, Verdict.BROKEN, f"the database refuses a statement: {driver_message(error)}")
    return Finding(subject, verdict, words)


async def _mended(settings: Settings, check: Awaitable[tuple[Verdict, str]]) -> tuple[Verdict, str]:
    """Run a check of a store that can be away, and add to its words what to do then."""
    try:
        return await check
    except StoreMisconfigured:
        raise
    except StoreUnavailable as away:
        return Verdict.BROKEN, f"{away.reason}; {_mending(settings, away.store)}"


def _mending(settings: Settings, store: Store) -> str:
    """Say what to do about a store that does not answer: it is another thing for a server than for a file of ours."""
    away = {
        Store.VECTORS: (
            bool(settings.weaviate_url),
            "start Weaviate, correct WEAVIATE_URL and WEAVIATE_GRPC_URL, or empty both for the embedded index",
            "stop the gateway, delete vectors.sqlite* in VAR_DIR and start again: the index is written from the truth",
        ),
        Store.EMBEDDINGS: (
            settings.openai_api_key is not None or bool(settings.openai_base_url),
            "start the endpoint, correct OPENAI_BASE_URL, or unset it and OPENAI_API_KEY for WordLlama",
            "install the package wordllama anew",
        ),
        Store.CACHE: (
            bool(settings.redis_url.get_secret_value()),
            "start Redis, correct REDIS_URL, or empty it for a cache in VAR_DIR",
            "stop the gateway and delete cache.sqlite* in VAR_DIR: it holds nothing that is not made again",
        ),
    }
    is_server, of_server, of_file = away.get(store, (True, "start it, or correct DATABASE_URL", ""))
    return of_server if is_server else of_file


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("python", Verdict.BROKEN, f"{version}; install 3.11 or newer")
    return Finding("python", Verdict.OK, version)


async def _folder(settings: Settings) -> tuple[Verdict, str]:
    require_data(settings)
    folder = settings.var_dir
    if not folder.is_dir():
        return Verdict.OK, f"{folder} is not there, and no store needs it"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Verdict.BROKEN, f"{folder} cannot be written by this user; make it writable, or run as its owner"
    if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
        return Verdict.LOOK, f"{folder}: fewer than {MIN_FREE_BYTES // 2**20} MB are free on its disk; make room"
    if wide := list(open_to_others(folder)):
        return Verdict.LOOK, f"{wide[0]} can be read by others; fix it with: chmod -R go-rwx {folder}"
    return Verdict.OK, f"{folder} can be written"


async def _secret(settings: Settings) -> tuple[Verdict, str]:
    path = settings.var_dir / SECRET_FILE
    if settings.token_secret is None and not path.exists():
        return Verdict.OK, f"{path} is not there yet; the first start of a server makes it"
    signing_secret(settings)
    if settings.token_secret is not None:
        return Verdict.OK, "from TOKEN_SECRET"
    return Verdict.OK, f"in {settings.var_dir / SECRET_FILE}"


async def _token_keys(settings: Settings) -> tuple[Verdict, str]:
    keys = token_authority(settings).keys
    assert keys is not None  # noqa: S101 (the caller has looked at the setting; for the type checker)
    found = await keys.refresh()
    if keys.fault is not None:
        return Verdict.BROKEN, f"{keys.where}: {keys.fault}; correct TOKEN_JWKS_URL, or see to the issuer"
    usable = [key for key in found if key.algorithms & set(settings.accepted_algorithms)]
    if not usable:
        return (
            Verdict.BROKEN,
            f"none of the {len(found)} keys at {keys.where} is for one of TOKEN_ALGORITHMS; add its own",
        )
    return Verdict.OK, f"{len(usable)} at {keys.where}"


async def _truth(database: Database) -> tuple[Verdict, str]:
    await require_reachable(database)
    return Verdict.OK, database.where


async def _schema(database: Database) -> tuple[Verdict, str]:
    await schema.require_current(database)
    return Verdict.OK, "up to date"


async def _outbox(database: Database) -> tuple[Verdict, str]:
    waiting = await outbox.backlog(database)
    if waiting.dead:
        return Verdict.LOOK, f"{waiting.dead:,} rows were refused for good; see: explore outbox"
    if waiting.lag_s > MAX_LAG_S:
        return (
            Verdict.LOOK,
            f"{waiting.rows:,} rows, the oldest waits {waiting.lag_s:.0f} s; start: explore serve",
        )
    return Verdict.OK, f"{waiting.rows:,} rows wait"


async def _vectors(stores: Stores, is_current: bool) -> tuple[Verdict, str]:
    await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
    if not is_current or (await outbox.backlog(stores.database)).rows:  # then nothing can be said of what is missing
        return Verdict.OK, describe_counts(await stores.vectors.counts())
    totals = await Reindex(stores.database, stores.vectors, stores.embedder).totals()
    counts = await stores.vectors.counts()
    missing = totals[OutboxKind.PROJECT] - counts["Project"]
    words = describe_counts(counts, people=totals[OutboxKind.PROFILE])
    return (
        (Verdict.LOOK, f"{words}; {missing:,} projects are missing: explore reindex --check")
        if missing > 0
        else (Verdict.OK, words)
    )


async def _embeddings(stores: Stores) -> tuple[Verdict, str]:
    await stores.embedder.embed(["a project about music"])
    return Verdict.OK, f"{stores.embedder.model}, {stores.embedder.dimension} dimensions"


async def _cache(stores: Stores) -> tuple[Verdict, str]:
    await stores.cache.put("doctor", b"1", ttl_s=1)
    return Verdict.OK, "can be written"
