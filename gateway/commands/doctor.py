"""`explore doctor`: checks Python, the settings and the stores, and prints how to fix problems."""

import asyncio
import os
import platform
import shutil
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from db import outbox, schema
from db.catalog.project_embeddings import count_embeddings
from db.custom_types import stored_types
from db.database.engine import Database
from db.embeddings.absent import AbsentEmbedder
from db.errors import DatabaseLayerError, Store, StoreMisconfigured, StoreUnavailable
from db.models import OutboxKind
from db.private_files import DataFile, paths_open_to_others
from db.stores import Stores
from db.synchronization.index_coverage import find_shortfall
from db.synchronization.reindex import Reindex
from gateway.callers.token_authority import signing_secret, token_authority
from gateway.commands.console import plain
from gateway.commands.reindex_command import describe_counts
from gateway.commands.shared import output
from gateway.data_folder import require_data
from gateway.errors import GatewayError, os_reason
from gateway.interaction_types import read_interaction_types
from gateway.settings import Settings, load_settings
from gateway.stores import driver_message, open_stores, require_reachable

MAX_LAG_S = 60.0
"""Age of the oldest outbox row in seconds from which the check reports that no worker seems to run. A busy worker needs
a second or two."""

MIN_FREE_BYTES = 256 * 2**20
"""Free bytes on the disk below which a warning is printed: a rebuild of the index of 20,000 projects writes about 80 MB
beside the active index, and SQLite's logs grow."""

_OLDEST_PYTHON = (3, 11)


class Verdict(StrEnum):
    """Outcome of a check."""

    OK = "ok"
    WARNING = "warning"
    BROKEN = "broken"


_COLORS = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.BROKEN: "red"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check."""

    subject: str
    verdict: Verdict
    message: str


_Result = tuple[Verdict, str]


def doctor() -> None:
    """Check Python, the settings and the stores, and print how to fix faults; exit code 1 if something is broken.

    Creates no data folder (VAR_DIR) and changes no data. As a start does, it creates missing files of the index and the
    cache, sets damaged ones aside, empties those of an older version, and marks the prefix in Weaviate if nobody has.
    """
    raise typer.Exit(print_findings(output, asyncio.run(run_checks(load_settings()))))


async def run_checks(settings: Settings) -> list[Finding]:
    """Run every check, also after a failed check."""
    findings = [_check_python(), await _run_check(settings, "folder", _check_folder(settings))]
    if findings[1].verdict is Verdict.BROKEN:
        return findings
    findings.append(await _run_check(settings, "secret", _check_secret(settings)))
    if settings.token_jwks_url and findings[2].verdict is not Verdict.BROKEN:
        findings.append(await _run_check(settings, "token keys", _check_token_keys(settings)))
    try:
        async with open_stores(settings, needs_dimension=False) as stores:
            findings += await _check_stores(settings, stores)
    except StoreMisconfigured as error:
        findings.append(Finding(error.store.value, Verdict.BROKEN, error.reason))
    except (DatabaseLayerError, GatewayError) as error:
        findings.append(Finding("stores", Verdict.BROKEN, str(error)))
    return findings


def print_findings(console: Console, findings: list[Finding]) -> int:
    """Print the findings as a table, and return the exit code: 1 if something is broken."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        verdict = f"[{_COLORS[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(verdict, finding.subject, plain(finding.message))
    console.print(table)
    return int(any(finding.verdict is Verdict.BROKEN for finding in findings))


async def _check_stores(settings: Settings, stores: Stores) -> list[Finding]:
    database = stores.database
    findings = [await _run_check(settings, "database", _report(database.where, require_reachable(database)))]
    is_current = False
    if findings[0].verdict is not Verdict.BROKEN:
        is_up_to_date = _report("up to date", schema.require_current(database))
        findings.append(await _run_check(settings, "schema", is_up_to_date))
        is_current = findings[1].verdict is Verdict.OK
    if is_current:
        findings.append(await _run_check(settings, "outbox", _check_outbox(database)))
        findings.append(await _run_check(settings, "interactions", _check_interaction_types(settings, database)))
        if settings.project_embedding_model:
            findings.append(await _run_check(settings, "project vectors", _check_project_vectors(settings, stores)))
    model = f"{stores.embedder.model}, {stores.embedder.dimension} dimensions"
    if isinstance(stores.embedder, AbsentEmbedder):
        model += ", of projects only: searches use keywords, unless it is also the model that embeds texts"
    if stores.query_embedder is not None and stores.query_embedder.model != stores.embedder.model:
        model += f"; searches: {stores.query_embedder.model}"
    checks: dict[str, Callable[[], Awaitable[_Result]]] = {
        "vectors": lambda: _check_vectors(stores, is_current) if stores.embedder.dimension else _warn_unchecked(),
        "embeddings": lambda: _report(model, stores.embedder.embed(["a project about music"])),
        "cache": lambda: _check_cache(stores),
    }
    missing = _missing_files(settings)
    for subject, check in checks.items():
        if subject in missing:  # opening the file would create it
            message = f"{missing[subject]} does not exist yet; it is created when needed"
            findings.append(Finding(subject, Verdict.OK, message))
        else:
            findings.append(await _run_check(settings, subject, check()))
    return findings


def _missing_files(settings: Settings) -> dict[str, Path]:
    """Return the files of embedded stores that no start has created yet."""
    embedded = {
        "vectors": (not settings.weaviate_url, DataFile.VECTORS),
        "cache": (not settings.redis_url.get_secret_value(), DataFile.CACHE),
    }
    files = {subject: settings.data_file(file) for subject, (is_embedded, file) in embedded.items() if is_embedded}
    return {subject: file for subject, file in files.items() if not file.exists()}


async def _run_check(settings: Settings, subject: str, check: Awaitable[_Result]) -> Finding:
    try:
        return Finding(subject, *await check)
    except StoreMisconfigured as error:
        message = error.reason  # names the setting
    except StoreUnavailable as error:
        message = f"{error.reason}; {_fix(settings, error.store)}"
    except (DatabaseLayerError, GatewayError) as error:
        message = str(error)
    except OSError as error:
        message = f"{error.filename}: {os_reason(error)}; run this as its owner, or change its permissions"
    except SQLAlchemyError as error:
        message = f"the database rejects a statement: {driver_message(error)}"
    return Finding(subject, Verdict.BROKEN, message)


async def _report(message: str, work: Awaitable[object]) -> _Result:
    await work
    return Verdict.OK, message


def _fix(settings: Settings, store: Store) -> str:
    """Return the fix for a store that does not answer: a server, or a file in VAR_DIR."""
    fixes = {
        Store.VECTORS: (
            bool(settings.weaviate_url),
            "start Weaviate, correct WEAVIATE_URL and WEAVIATE_GRPC_URL, or empty both for the embedded index",
            f"stop the gateway, delete {DataFile.VECTORS}* in VAR_DIR and start again: the index is filled anew",
        ),
        Store.EMBEDDINGS: (
            settings.uses_embedding_endpoint,
            "start the endpoint, correct OPENAI_BASE_URL, or unset it and OPENAI_API_KEY for WordLlama",
            "reinstall the package wordllama",
        ),
        Store.CACHE: (
            bool(settings.redis_url.get_secret_value()),
            "start Redis, correct REDIS_URL, or empty it for a cache in VAR_DIR",
            f"stop the gateway and delete {DataFile.CACHE}* in VAR_DIR: all its content can be recomputed",
        ),
    }
    is_server, server_fix, file_fix = fixes.get(store, (True, "start it, or correct DATABASE_URL", ""))
    return server_fix if is_server else file_fix


def _check_python() -> Finding:
    version = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("python", Verdict.BROKEN, f"{version}; install 3.11 or newer")
    return Finding("python", Verdict.OK, version)


async def _check_folder(settings: Settings) -> _Result:
    require_data(settings)
    folder = settings.var_dir
    if not folder.is_dir():
        return Verdict.OK, f"{folder} does not exist, and no store needs it"
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return Verdict.BROKEN, f"{folder} cannot be written by this user; make it writable, or run as its owner"
    if shutil.disk_usage(folder).free < MIN_FREE_BYTES:
        return Verdict.WARNING, f"{folder}: less than {MIN_FREE_BYTES // 2**20} MB are free on its disk; free some"
    if readable := list(paths_open_to_others(folder)):
        return Verdict.WARNING, f"{readable[0]} can be read by others; fix it with: chmod -R go-rwx {folder}"
    return Verdict.OK, f"{folder} can be written"


async def _check_secret(settings: Settings) -> _Result:
    path = settings.data_file(DataFile.TOKEN_SECRET)
    if settings.token_secret is None and not path.exists():
        return Verdict.OK, f"{path} does not exist yet; the first start of a server creates it"
    signing_secret(settings)
    return Verdict.OK, f"in {path}" if settings.token_secret is None else "from TOKEN_SECRET"


async def _check_token_keys(settings: Settings) -> _Result:
    keys = token_authority(settings).keys
    assert keys is not None  # noqa: S101 (the caller has checked the setting; for the type checker)
    known_keys = await keys.refresh()
    if keys.fault is not None:
        return Verdict.BROKEN, f"{keys.location}: {keys.fault}; correct TOKEN_JWKS_URL, or check the issuer"
    usable = [key for key in known_keys if key.algorithms & set(settings.accepted_algorithms)]
    if not usable:
        message = (
            f"none of the {len(known_keys)} keys at {keys.location} fits TOKEN_ALGORITHMS; add the issuer's algorithm"
        )
        return Verdict.BROKEN, message
    return Verdict.OK, f"{len(usable)} at {keys.location}"


async def _check_cache(stores: Stores) -> _Result:
    await stores.cache.put("doctor", b"1", ttl_s=10)
    if await stores.cache.get("doctor") != b"1":
        return Verdict.BROKEN, "does not return what was written; check the server and its memory limit"
    return Verdict.OK, "can be written and read"


async def _check_outbox(database: Database) -> _Result:
    waiting = await outbox.backlog(database)
    if waiting.dead:
        return Verdict.WARNING, f"{waiting.dead:,} rows are dead; see: explore outbox"
    if waiting.lag_s > MAX_LAG_S:
        return Verdict.WARNING, f"{waiting.rows:,} rows, the oldest waits {waiting.lag_s:.0f} s; start: explore serve"
    return Verdict.OK, f"{waiting.rows:,} rows wait"


async def _check_interaction_types(settings: Settings, database: Database) -> _Result:
    configured = [type_.name for type_ in read_interaction_types(settings.interaction_types)]
    stored = await stored_types(database)
    if unknown := sorted(stored.keys() - set(configured)):
        message = f"rankings ignore the stored types {', '.join(unknown)}; add them to the file of INTERACTION_TYPES"
        return Verdict.WARNING, message
    new = [name for name in configured if name not in stored]
    waiting = f"; the next start stores {', '.join(new)}" if new else ""
    return Verdict.OK, f"types of the platform's own: {', '.join(configured) or 'none'}{waiting}"


async def _check_project_vectors(settings: Settings, stores: Stores) -> _Result:
    space = stores.platform.embedding_space
    assert space is not None  # noqa: S101 (the caller has checked the setting; for the type checker)
    projects, matching, brought = await count_embeddings(stores.database, space)
    message = f"{matching:,} of {projects:,} public projects have one of {space.model}, {space.dimension} dimensions"
    if brought > matching:
        return Verdict.WARNING, f"{message}; {brought - matching:,} of other models are not used: send them again"
    if matching < projects and isinstance(stores.embedder, AbsentEmbedder):
        return Verdict.WARNING, f"{message}; projects without one are found by keywords only"
    return Verdict.OK, message


async def _warn_unchecked() -> _Result:
    return Verdict.WARNING, "not checked, because the dimension of the embedding model is unknown"


async def _check_vectors(stores: Stores, is_current: bool) -> _Result:
    space = (stores.embedder.model, stores.embedder.dimension)
    if faults := await stores.vectors.faults(*space):
        repair = "explore serve or explore worker repairs this at the start and within 15 s, and fills the index"
        return Verdict.WARNING, f"{'; '.join(faults)}; {repair}"
    if not is_current:  # it cannot tell its installation yet
        return Verdict.OK, "not compared with the database, which is not up to date"
    await stores.vectors.prepare(*space)
    counts, unused = await stores.vectors.counts(), await stores.vectors.unused()
    left = f"; collections not used any more: {len(unused)}, explore reindex --drop-unused" if unused else ""
    if (shortfall := await find_shortfall(stores)) is not None:
        return Verdict.WARNING, f"{shortfall} if explore serve or explore worker runs; until then, searches use SQL"
    if (await outbox.backlog(stores.database)).rows:  # missing objects cannot be counted yet
        return Verdict.OK, describe_counts(counts) + left
    totals = await Reindex(stores.database, stores.vectors, stores.embedder).totals()
    missing = totals[OutboxKind.PROJECT] - counts["Project"]
    message = describe_counts(counts, actor_count=totals[OutboxKind.PROFILE]) + left
    if missing > 0:
        return Verdict.WARNING, f"{message}; {missing:,} projects are missing: explore reindex --check"
    return Verdict.OK, message
