"""The web application: addresses, and what is wrapped around them."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import strawberry
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import Route, WebSocketRoute

from gateway.assets import FRONTEND, GraphiqlOrEndpoint, StaticFiles, read_explore_page, read_graphiql
from gateway.callers.authentication import Authenticator
from gateway.callers.clock import Clock
from gateway.callers.demo_viewers import DemoViewers
from gateway.callers.network_hash import NetworkHash
from gateway.callers.session_ids import HEADER as SESSION_HEADER
from gateway.callers.session_ids import SessionIds
from gateway.callers.token_authority import previous_secret, signing_secret, token_authority
from gateway.client_addresses import ClientAddresses
from gateway.connections.connection_caps import ClientLimit
from gateway.documents.document_cache import DocumentCache
from gateway.documents.resolution import document_resolver
from gateway.endpoint import Endpoint
from gateway.graphql_http.public_caching import PublicCaching
from gateway.graphql_http.request_parsing import PREFLIGHT_HEADERS
from gateway.limits.budget import Budgets
from gateway.limits.limits import Limits
from gateway.logs import configure_logs
from gateway.pages import alive, answer_http_exception, front_page, ready
from gateway.request_log import REQUEST_ID_HEADER, RequestLog
from gateway.runtime import OpenRuntime, open_runtime, request_context
from gateway.settings import Settings, load_settings
from gateway.subscriptions.allowed_origins import AllowedOrigins
from gateway.subscriptions.event_streams import EventStreams
from gateway.subscriptions.execution import SubscriptionExecutor
from gateway.subscriptions.shutdown import set_on_shutdown_signal
from gateway.subscriptions.stream_limits import StreamLimits
from gateway.subscriptions.websockets import WebSocketEndpoint
from gateway.telemetry import Metrics, count_untrusted_forwarding
from resolvers.schema import schema

PREFLIGHT_AGE_S = 7_200
"""How long a browser may remember a CORS preflight; two hours is the most that Chromium honors."""


COMPRESSED_FROM = 1_000
"""Bytes from which on an answer is compressed: a smaller one fits into one packet as it is."""

COMPRESSION = 3
"""Level of gzip: a page of 30 (33 KB) becomes 9.3 KB in 0.18 ms; level 9 makes it 8.6 KB in 0.75 ms."""


def create() -> Starlette:
    """Make the application of one worker process, from the environment. uvicorn calls this."""
    settings = load_settings()
    configure_logs(settings)
    app = build(settings, schema, partial(open_runtime, settings))
    # Modules and the schema stay for ever: 220,000 objects, through which every full collection walks. That takes
    # 0.2 s, in which nobody is answered, and came with every twentieth rich page; without them it takes 5 ms.
    gc.collect()
    gc.freeze()
    return app


def build(
    settings: Settings,
    graph: strawberry.Schema,
    opened: OpenRuntime,
    frontend: Path = FRONTEND,
    clock: Clock = Clock(),  # noqa: B008 (it has no state)
) -> Starlette:
    """Make the application.

    Parameters
    ----------
    settings
        The edge's settings.
    graph
        The schema behind `/graphql`.
    opened
        Opens the runtime when the server starts and closes it when the server stops.
    frontend
        The folder of the npm packages whose builds are served.
    clock
        Says when tokens end.
    """
    secret = signing_secret(settings)
    authority = token_authority(settings, clock)
    networks = NetworkHash(secret) if settings.network_cap else None
    addresses = ClientAddresses(settings.trusted_proxies, count_untrusted_forwarding)
    sessions = SessionIds(secret, previous_secret(settings), clock)
    visitors = Authenticator(authority, sessions, networks, addresses)
    naming = document_resolver(settings)
    limits, budgets = Limits(graph._schema, settings), Budgets(settings, secret)
    documents = DocumentCache(graph._schema, introspection=settings.introspection, parse=limits.parse)
    caching = PublicCaching(graph._schema, settings.public_cache_s)
    ending = asyncio.Event()
    seats = StreamLimits(settings.max_streams, settings.max_streams_viewer, settings.max_streams_address)
    subscriptions = SubscriptionExecutor(request_context)
    streams = EventStreams(subscriptions, visitors, seats, ending, clock) if settings.subscriptions else None
    endpoint = Endpoint(graph, visitors, naming, documents, limits, budgets, caching, request_context, streams)
    origins = AllowedOrigins(settings.allow_origins)
    sockets = WebSocketEndpoint(
        endpoint, visitors.client_address, subscriptions, seats, origins, settings.stream_idle_s, clock
    )

    metrics = Metrics(settings.metrics_token.get_secret_value() if settings.metrics_token else None)
    demo_viewers = DemoViewers(authority, enabled=settings.demo_viewers)
    explore_page = read_explore_page(frontend) if settings.explore_page else {}
    graphiql = read_graphiql(frontend) if settings.graphiql else {}

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with opened() as runtime:
            app.state.runtime = runtime
            app.state.issuer_keys = authority.keys
            app.state.addresses = addresses
            with set_on_shutdown_signal(ending):
                yield
        await naming.close()
        if authority.keys is not None:
            await authority.keys.close()

    app = Starlette(
        routes=[
            *([] if explore_page else [Route("/", front_page, methods=["GET"])]),
            Route("/graphql", GraphiqlOrEndpoint(endpoint, graphiql) if settings.graphiql else endpoint),
            *([WebSocketRoute("/graphql", sockets)] if settings.subscriptions else []),
            Route("/healthz", alive, methods=["GET"]),
            Route("/readyz", ready, methods=["GET"]),
            Route("/demo/viewers", demo_viewers.answer, methods=["GET"]),
            *([Route("/metrics", metrics.answer, methods=["GET"])] if settings.metrics else []),
        ],
        middleware=[
            Middleware(RequestLog),
            *_client_limit(settings, addresses),
            *_cross_origin(settings.allow_origins),
            Middleware(GZipMiddleware, minimum_size=COMPRESSED_FROM, compresslevel=COMPRESSION),
        ],
        exception_handlers={HTTPException: answer_http_exception},
        lifespan=lifespan,
    )
    app.router.default = StaticFiles(explore_page, graphiql)
    app.router.redirect_slashes = False  # Starlette would build the address from the Host header
    return app


def _client_limit(settings: Settings, addresses: ClientAddresses) -> list[Middleware]:
    """Cap clients behind trusted proxies; the server caps the connections of all others."""
    if not settings.trusted_proxies:
        return []
    return [Middleware(ClientLimit, addresses=addresses, limit=settings.max_connections_address)]


def _cross_origin(origins: tuple[str, ...]) -> list[Middleware]:
    if not origins:
        return []
    # No credentials: the gateway knows a caller by a header, never by a cookie.
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type", SESSION_HEADER, REQUEST_ID_HEADER, *PREFLIGHT_HEADERS],
            expose_headers=[SESSION_HEADER, REQUEST_ID_HEADER, "ETag", "Retry-After"],
            max_age=PREFLIGHT_AGE_S,
        )
    ]
