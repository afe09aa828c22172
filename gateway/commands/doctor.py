"""`explore doctor`: looks at everything that has to be right, and says how to mend what is not."""

import platform
import sys
from collections.abc import Awaitable
from dataclasses import dataclass
from enum import StrEnum

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from db import schema
from db.engine import Database
from db.errors import DatabaseFloorError, Store, StoreMisconfigured, StoreUnavailable
from db.private_files import open_to_others
from db.redaction import redact
from db.stores import Stores
from db.synchronisation import outbox
from gateway.callers.auth import SECRET_FILE, authority_of, signing_secret
from gateway.commands.preparing import require_reachable
from gateway.errors import GatewayError
from gateway.settings import Settings, make_var_dir
from gateway.stores import open_stores

MAX_LAG_S = 60.0
"""An outbox row that has waited longer than this means that nobody drains: a busy worker needs a second or two."""

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


async def examine(settings: Settings) -> list[Finding]:
    """Run every check; one that fails does not stop the others."""
    findings = [_python(), await _guarded("folder", _folder(settings)), await _guarded("secret", _secret(settings))]
    if findings[1].verdict is Verdict.BROKEN:
        return findings
    if settings.token_jwks_url:
        findings.append(await _guarded("token keys", _token_keys(settings)))
    try:
        async with open_stores(settings) as stores:
            findings += await _stores(settings, stores)
    except StoreMisconfigured as error:
        findings.append(Finding(error.store.value, Verdict.BROKEN, error.reason))
    except (DatabaseFloorError, GatewayError) as error:
        findings.append(Finding("stores", Verdict.BROKEN, str(error)))
    return findings


def print_findings(console: Console, findings: list[Finding]) -> int:
    """Print the findings as a table; gives the exit code, 1 if something is broken."""
    colours = {Verdict.OK: "green", Verdict.LOOK: "yellow", Verdict.BROKEN: "red"}
    table = Table(box=None, show_header=False, pad_edge=False)
    for finding in findings:
        verdict = f"[{colours[finding.verdict]}]{finding.verdict}[/]"
        table.add_row(verdict, finding.subject, escape(redact(finding.words)))
    console.print(table)
    return int(any(finding.verdict is Verdict.BROKEN for finding in findings))


async def _stores(settings: Settings, stores: Stores) -> list[Finding]:
    truth = await _guarded("truth", _truth(stores.database))
    findings = [truth]
    if truth.verdict is not Verdict.BROKEN:
        current = await _guarded("schema", _schema(stores.database))
        findings.append(current)
        if current.verdict is Verdict.OK:
            findings.append(await _guarded("outbox", _outbox(stores.database)))
    for subject, check in (("vectors", _vectors), ("embeddings", _embeddings), ("cache", _cache)):
        findings.append(await _guarded(subject, _mended(settings, check(stores))))
    return findings


async def _guarded(subject: str, check: Awaitable[tuple[Verdict, str]]) -> Finding:
    try:
        verdict, words = await check
    except StoreMisconfigured as error:
        return Finding(subject, Verdict.BROKEN, error.reason)  # says itself what to set
    except (DatabaseFloorError, GatewayError) as error:
        return Finding(subject, Verdict.BROKEN, str(error))
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
    folder = make_var_dir(settings).absolute()
    if wide := list(open_to_others(folder)):
        return Verdict.LOOK, f"{wide[0]} can be read by others; mend it with: chmod -R go-rwx {folder}"
    return Verdict.OK, f"{folder} can be written"


async def _secret(settings: Settings) -> tuple[Verdict, str]:
    signing_secret(settings)
    if settings.token_secret is not None:
        return Verdict.OK, "from TOKEN_SECRET"
    return Verdict.OK, f"in {settings.var_dir / SECRET_FILE}"


async def _token_keys(settings: Settings) -> tuple[Verdict, str]:
    keys = authority_of(settings).keys
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
        return Verdict.LOOK, f"{waiting.dead} rows were refused for good; see: explore outbox"
    if waiting.lag_s > MAX_LAG_S:
        return (
            Verdict.LOOK,
            f"{waiting.rows} rows, the oldest waits {waiting.lag_s:.0f} s; start: explore serve",
        )
    return Verdict.OK, f"{waiting.rows} rows wait"


async def _vectors(stores: Stores) -> tuple[Verdict, str]:
    await stores.vectors.prepare(stores.embedder.model, stores.embedder.dimension)
    counts = await stores.vectors.counts()
    return Verdict.OK, ", ".join(f"{count} {name}" for name, count in counts.items())


async def _embeddings(stores: Stores) -> tuple[Verdict, str]:
    await stores.embedder.embed(["a project about music"])
    return Verdict.OK, f"{stores.embedder.model}, {stores.embedder.dimension} dimensions"


async def _cache(stores: Stores) -> tuple[Verdict, str]:
    await stores.cache.put("doctor", b"1", ttl_s=1)
    return Verdict.OK, "can be written"
