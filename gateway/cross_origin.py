"""Calls by pages of other origins (CORS): the headers that they may send and read."""

from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gateway.callers.session_ids import HEADER as SESSION_HEADER
from gateway.graphql_http.request_parsing import PREFLIGHT_HEADERS
from gateway.request_log import REQUEST_ID_HEADER
from gateway.settings import Settings

CLIENT_HEADERS = (
    "Apollographql-Client-Name",  # Apollo Client, iOS and Kotlin, if a client has a name
    "Apollographql-Client-Version",
    "Apollographql-Library-Name",
    "Apollographql-Library-Version",
    "X-Apollo-Operation-Id",
    "X-Apollo-Operation-Type",
    "Traceparent",  # W3C Trace Context and Baggage, as OpenTelemetry sends them
    "Tracestate",
    "Baggage",
    "Sentry-Trace",
    "If-None-Match",
    "X-Requested-With",
)
"""Headers that GraphQL clients and tracing libraries add by themselves. urql and Relay add none."""

PREFLIGHT_AGE_S = 7_200
"""Time for which a browser may cache a CORS preflight; two hours is Chromium's maximum."""


def cross_origin_middleware(settings: Settings) -> Middleware:
    """Return the middleware that lets pages of ALLOW_ORIGINS call the gateway.

    It allows no credentials, because the gateway authenticates by headers and never by cookies.
    """
    own_headers = ("Authorization", "Content-Type", SESSION_HEADER, REQUEST_ID_HEADER, *PREFLIGHT_HEADERS)
    return Middleware(
        CORSMiddleware,
        allow_origins=settings.allow_origins,
        allow_methods=["GET", "POST"],
        allow_headers=[*own_headers, *CLIENT_HEADERS, *settings.allow_headers],
        expose_headers=[SESSION_HEADER, REQUEST_ID_HEADER, "ETag", "Retry-After"],
        max_age=PREFLIGHT_AGE_S,
    )
