"""What is not GraphQL: the front page, the two health checks, and the answer to a wrong address."""

import asyncio
from base64 import b64encode
from collections.abc import Awaitable
from hashlib import sha256
from html import escape

import structlog
from sqlalchemy import text
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from db.errors import MigrationPending
from db.schema import require_current
from db.stores import Stores
from gateway.assets import accepts_html
from gateway.callers.issuer_keys import IssuerKeys
from gateway.client_addresses import ClientAddresses
from gateway.json_responses import JsonResponse, error_response, not_found

EXAMPLE_QUERY = """{
  forYou(first: 5) {
    strategy
    edges {
      rank
      score
      node { title tools { name } owner { username } }
      explanation {
        summary
        contributions { signal { name } value contribution }
      }
    }
  }
}
"""

CHECK_TIMEOUT_S = 2.0
"""How long a store may take to prove that it is there. Load balancers give up after 5 to 10 s."""

_ALIVE = text("SELECT 1")

_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color: #1c2430; }
h1 { font-size: 1.5rem; } pre { background: #f3f5f8; padding: 1rem; overflow-x: auto; border-radius: .4rem; }
a { color: #0b57d0; } code { font-size: .9rem; }
@media (prefers-color-scheme: dark) { body { background: #14181f; color: #e4e8ee; } pre { background: #1f2630; }
a { color: #8ab4f8; } }
"""

_NO_EXPLORE_PAGE = """<p>The explore page belongs here and is not served: it has not been built, or
<code>EXPLORE_PAGE</code> is off. To build it takes Node.js 20.19 or newer and npm: <code>make pages</code>, then start
the gateway again. Everything else works without it.</p>"""

_PAGE = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>explore-gateway</title><style>{_STYLE}</style></head><body>
<h1>explore-gateway</h1>
<p>A GraphQL gateway that serves personalized explore pages and explains every rank.</p>
{_NO_EXPLORE_PAGE}
<ul>
<li><a href="/graphql">/graphql</a>: the endpoint; in a browser, GraphiQL</li>
<li><a href="/healthz">/healthz</a>: whether the process is alive</li>
<li><a href="/readyz">/readyz</a>: whether its stores are there</li>
<li><a href="/metrics">/metrics</a>: how it does, for Prometheus</li>
</ul>
<h2>A query to start with</h2>
<pre><code>{escape(EXAMPLE_QUERY)}</code></pre>
<p>To ask as somebody, send the header <code>Authorization: Bearer TOKEN</code>; <code>explore token USER</code>
makes a token. Without one you get what is popular, and a header <code>X-Session-Id</code> to send back, so that the
next page knows you.</p>
</body></html>
"""

_NOT_FOUND = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Not found</title><style>{_STYLE}</style></head><body>
<h1>There is nothing at this address</h1>
<p>The explore page is at <a href="/">/</a>, GraphQL at <a href="/graphql">/graphql</a>.</p>
</body></html>
"""

_STYLE_HASH = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; frame-ancestors 'none'; base-uri 'none'"

log = structlog.get_logger(__name__)


async def front_page(_request: Request) -> Response:
    """Say what this is and where to go on."""
    return HTMLResponse(_PAGE, headers={"Content-Security-Policy": _POLICY})


async def alive(_request: Request) -> Response:
    """Say that the process answers; asks no store."""
    return JsonResponse({"status": "ok"})


async def ready(request: Request) -> Response:
    """Say which stores are there; 503 without the truth, for nothing can be served without it.

    The issuer of tokens is not asked, its last answer is told: no probe from outside makes us call anybody.
    """
    stores: Stores = request.app.state.runtime.stores
    names = ("database", "vectors", "embeddings", "cache")
    found = await asyncio.gather(
        _check("database", _check_database(stores)),
        _check("vectors", stores.vectors.counts()),
        _check("embeddings", stores.embedder.embed(["ready"])),
        _check("cache", stores.cache.get("readyz")),
    )
    states = dict(zip(names, found, strict=True)) | _issuer(request)
    told = {"stores": states} | _warnings(request)
    if states["database"] != "ok":
        return JsonResponse({"status": "unavailable"} | told, 503)
    return JsonResponse({"status": "ok" if set(states.values()) == {"ok"} else "degraded"} | told)


async def answer_http_exception(request: Request, error: Exception) -> Response:
    """Answer a wrong address or method: in JSON, or with a page if a person has opened a wrong address in a browser."""
    if not isinstance(error, HTTPException):
        raise error
    if error.status_code == 404 and request.method in ("GET", "HEAD") and accepts_html(request):
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store", "Vary": "Accept"}
        return HTMLResponse(_NOT_FOUND, 404, headers)
    if error.status_code == 404:
        return not_found()
    return error_response(error.status_code, "BAD_REQUEST", f"{error.detail}.", headers=error.headers or {})


def _warnings(request: Request) -> dict[str, list[str]]:
    """Give what an operator should look at although everything works."""
    addresses: ClientAddresses = request.app.state.addresses
    if not addresses.ignores_proxy:
        return {}
    return {
        "warnings": [
            "A proxy that TRUSTED_PROXIES does not name forwards requests: all its callers share one budget. The log "
            "names its address."
        ]
    }


def _issuer(request: Request) -> dict[str, str]:
    keys: IssuerKeys | None = request.app.state.issuer_keys
    if keys is None:
        return {}
    return {"issuer": "ok" if keys.fault is None else "cannot be reached: the reason is in the log"}


async def _check_database(stores: Stores) -> None:
    await stores.database.fetch(_ALIVE)
    await require_current(stores.database)


async def _check(name: str, probe: Awaitable[object]) -> str:
    """Give "ok" or a sentence for the operator. The store's own words may hold addresses: they go to the log."""
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            await probe
    except TimeoutError:
        return f"no answer within {CHECK_TIMEOUT_S:.0f} s"
    except MigrationPending as error:
        return str(error)
    except Exception as error:  # whatever it is, it is the finding
        log.warning("store away", store=name, reason=str(error))
        return "cannot be reached: the reason is in the log"
    return "ok"
