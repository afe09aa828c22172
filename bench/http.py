"""CPU time of one HTTP request in the application, from the parsed request to the bytes of the response.

``python -m bench.http FOLDER`` (a VAR_DIR; if it is empty, the demo data is loaded into it). The application is called
through ASGI without a server; uvicorn adds 0.1 ms.
"""

import argparse
import asyncio
import gc
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import jwt
from starlette.types import Message

from gateway.app import build
from gateway.callers.token_authority import signing_secret
from gateway.commands.prepare import prepare
from gateway.documents.document_cache import DocumentCache
from gateway.logs import configure_logs
from gateway.runtime import open_runtime
from gateway.settings import Settings
from resolvers.common.compat import ExecutionContext
from resolvers.schema import schema

VIEWER = "heavy"
REQUESTS = 200

CARD = "id key title description type url imageUrl createdAt likeCount viewCount"
DOCUMENTS = {
    "typename": "query Nothing { __typename }",
    "feed, 30 cards": f"""query Cards {{ forYou(first: 30) {{ strategy
        edges {{ rank score cursor node {{ {CARD} }} }} }} }}""",
    "feed, 30 cards with terms and owner": f"""query Page {{ forYou(first: 30) {{ strategy degraded snapshotId
        pageInfo {{ endCursor hasNextPage }}
        edges {{ rank score cursor node {{ {CARD} viewerHasLiked viewerHasSaved
          owner {{ key username }} tools {{ key name }} categories {{ key name }} topics {{ key name }} }} }} }} }}""",
    "feed, 30 cards with terms, owner and why": f"""query Why {{ forYou(first: 30) {{ strategy degraded snapshotId
        pageInfo {{ endCursor hasNextPage }}
        edges {{ rank score cursor node {{ {CARD} viewerHasLiked viewerHasSaved
          owner {{ key username }} tools {{ key name }} categories {{ key name }} topics {{ key name }} }}
          explanation {{ score summary contributions {{ signal {{ name label group }} value contribution }}
            adjustments {{ rule fromRank toRank }} }} }} }} }}""",
}

App = Callable[..., Awaitable[None]]


def token(settings: Settings) -> str:
    """Return a token of the demo viewer with the most interactions."""
    now = int(time.time())
    claims = {"sub": VIEWER, "iss": settings.token_issuer, "aud": settings.token_audience, "exp": now + 3600}
    return jwt.encode(claims, signing_secret(settings), "HS256")


async def send(app: App, body: bytes, bearer: str) -> bytes:
    """Send one POST, and return the body of the response."""
    answer = bytearray()

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def sent(message: Message) -> None:
        answer.extend(message.get("body", b""))

    headers = [
        (b"content-type", b"application/json"),
        (b"accept-encoding", b"identity"),
        (b"authorization", f"Bearer {bearer}".encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/graphql",
        "raw_path": b"/graphql",
        "query_string": b"",
        "root_path": "",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 80),
    }
    await app(scope, receive, sent)
    return bytes(answer)


async def cost(app: App, body: bytes, bearer: str) -> tuple[float, float, int]:
    """Return the CPU milliseconds of a request (median and 95th percentile), and the bytes of its response."""
    answer = b""
    spent = []
    for _ in range(REQUESTS):
        began = time.process_time()
        answer = await send(app, body, bearer)
        spent.append((time.process_time() - began) * 1000)
    if b'"errors"' in answer:
        raise SystemExit(answer[:500])
    return statistics.median(spent), statistics.quantiles(spent, n=20)[-1], len(answer)


def reading(document: str) -> tuple[float, float]:
    """Return the milliseconds to parse and validate a document for the first time, and when it is cached."""

    def once(documents: DocumentCache) -> float:
        began = time.process_time()
        documents.validate(documents.read(document))
        return (time.process_time() - began) * 1000

    first = statistics.median(once(DocumentCache(schema._schema)) for _ in range(20))
    known = DocumentCache(schema._schema)
    return first, statistics.median([once(known) for _ in range(2_000)][10:])


async def measure(folder: Path, *, stock: bool) -> None:
    """Print one line for each document. With `stock`, Strawberry's own executor is used."""
    if stock:
        schema.execution_context_class = ExecutionContext
    for name, document in DOCUMENTS.items():
        first, again = reading(document)
        print(f"{name:42} parsed and validated in {first:6.2f} ms, remembered in {again:.4f}")
    settings = Settings(
        _env_file=None,
        var_dir=folder,
        log_level="error",
        rate_limit=0,  # off
    )
    configure_logs(settings)
    await prepare(settings, demo=True, say=print)
    app = build(settings, schema, partial(open_runtime, settings))
    gc.collect()
    gc.freeze()  # as `gateway.app.create` does
    async with app.router.lifespan_context(app):
        bearer = token(settings)
        for name, document in DOCUMENTS.items():
            body = json.dumps({"query": document}).encode()
            middle, late, size = await cost(app, body, bearer)
            print(f"{name:42} {middle:7.2f} ms  (95 %: {late:6.2f})  {size / 1000:6.1f} KB")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stock", action="store_true", help="execute by Strawberry's own executor, to compare with")
    asked = parser.parse_args()
    asyncio.run(measure(asked.folder, stock=asked.stock))
