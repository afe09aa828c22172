"""Endpoints besides GraphQL: the start page, the two health checks, and the answer to a wrong address."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Coroutine, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import text
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from db.database.engine import Database
from db.deadlines import deadline
from db.errors import MigrationPending
from db.schema import require_current
from db.stores import Stores
from gateway.assets import accepts_html
from gateway.callers.issuer_keys import IssuerKeys
from gateway.client_addresses import ClientAddresses
from gateway.json_responses import JsonResponse, error_response, not_found
from gateway.path_prefix import public_path
from gateway.refreshed import CHECK_TIMEOUT_S, Refreshed
from gateway.repeated_lines import RepeatedLines

BUSY_AFTER_S = 1.0
"""Seconds after which a check of the database is given up if requests wait for its connections."""

_ALIVE = text("SELECT 1")

_HTML = Path(__file__).parent / "html"
_STYLE = (_HTML / "style.css").read_text()
_START_PAGE = (_HTML / "start_page.html").read_text().replace("{{ style }}", _STYLE)
_NOT_FOUND = (_HTML / "not_found.html").read_text().replace("{{ style }}", _STYLE)
_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"

log = structlog.get_logger(__name__)
_lines = RepeatedLines()


async def answer_start_page(request: Request) -> Response:
    """Answer with the start page."""
    return HTMLResponse(_with_links(_START_PAGE, request), headers={"Content-Security-Policy": _POLICY})


async def answer_alive(_request: Request) -> Response:
    """Answer that the process is alive, without a call to a store."""
    return JsonResponse({"status": "ok"})


WRITES_REFUSED = "accepts no writes: the reason is in the log"
"""State of a database that can be read. Feeds are served, so the server is degraded and not unavailable."""

BUSY = "busy: all connections are in use"
"""State of a database whose connections all serve requests. Without this replica, the others would be busier still. If
the database does not answer any more, its circuit opens within seconds, and the next check reports that."""


class Readiness:
    """The endpoint `/readyz`."""

    def __init__(self) -> None:
        self._states: Refreshed[Mapping[str, str]] = Refreshed()

    async def answer(self, request: Request) -> Response:
        """Answer with the state of each store.

        The status is 503 if the database cannot be read, because every request needs it. The token issuer is not
        called; its last known state is reported, so that health checks cause no requests to the issuer.
        """
        stores: Stores = request.app.state.runtime.stores
        states = {**await self._states.get(lambda: _check_stores(stores)), **_issuer_state(request)}
        report = {"stores": states} | _warnings(request)
        if states["database"] not in ("ok", WRITES_REFUSED, BUSY):
            return JsonResponse({"status": "unavailable"} | report, 503)
        return JsonResponse({"status": "ok" if set(states.values()) == {"ok"} else "degraded"} | report)


async def _check_stores(stores: Stores) -> Mapping[str, str]:
    probes: dict[str, Awaitable[object]] = {
        "database": _unless_busy(stores.database, _check_database(stores.database)),
        "vectors": _check_index(stores),
        "embeddings": stores.embedder.embed(["ready"]),
        "cache": stores.cache.get("readyz"),
    }
    outcomes = await asyncio.gather(*(_check(name, probe) for name, probe in probes.items()))
    states = dict(zip(probes, outcomes, strict=True))
    if states["database"] == "ok":
        writing = _unless_busy(stores.database, stores.database.check_writable())
        writes = await _check("database writes", writing)
        states["database"] = writes if writes in ("ok", BUSY) else WRITES_REFUSED
    return states


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Answer a wrong address or method: in JSON, or with a page for a browser that opens a wrong address."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404 and request.method in ("GET", "HEAD") and accepts_html(request):
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Vary": "Accept"}
        return HTMLResponse(_with_links(_NOT_FOUND, request), 404, headers)
    if error.status_code == 404:
        return not_found(public_path(request.scope, "/graphql"))
    return error_response(error.status_code, "BAD_REQUEST", f"{error.detail}.", headers=error.headers or {})


def _with_links(page: str, request: Request) -> str:
    return page.replace("{{ root }}", public_path(request.scope, "/"))


def _warnings(request: Request) -> dict[str, list[str]]:
    """Return warnings for an operator. They do not change the status."""
    addresses: ClientAddresses = request.app.state.addresses
    if not addresses.has_unknown_proxy:
        return {}
    return {
        "warnings": [
            "A proxy that TRUSTED_PROXIES does not name forwards requests: all its callers share one budget. The log "
            "names its address."
        ]
    }


def _issuer_state(request: Request) -> dict[str, str]:
    keys: IssuerKeys | None = request.app.state.issuer_keys
    if keys is None:
        return {}
    return {"issuer": "ok" if keys.fault is None else "cannot be reached: the reason is in the log"}


async def _check_database(database: Database) -> None:
    await database.fetch(_ALIVE)
    await require_current(database)


async def _unless_busy(database: Database, probe: Coroutine[Any, Any, str | None]) -> str | None:
    """Await a probe of the database, which waits for a connection behind requests; return `BUSY` if that takes long."""
    probing = asyncio.create_task(probe)
    try:
        await asyncio.wait({probing}, timeout=BUSY_AFTER_S)
        if not probing.done() and database.connection_wait_s > 0:
            return BUSY
        return await probing
    finally:
        probing.cancel()


async def _check_index(stores: Stores) -> str | None:
    """Return how far the index is behind the database; None if searches use it."""
    await stores.vectors.counts()
    return None if stores.coverage.shortfall is None else str(stores.coverage.shortfall)


async def _check(name: str, probe: Awaitable[object]) -> str:
    """Return "ok" or a sentence for the operator: that of the probe if it returns one.

    The store's own message may contain addresses, so it goes to the log only.
    """
    try:
        async with deadline(CHECK_TIMEOUT_S):
            found = await probe
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:.0f} s"
    except MigrationPending as error:
        return str(error)
    except Exception as error:  # every error is reported
        left_out = _lines.left_out(name)
        if left_out is not None:
            log.warning("store unavailable", store=name, reason=str(error), lines_left_out=left_out)
        return "cannot be reached: the reason is in the log"
    return found if isinstance(found, str) else "ok"
