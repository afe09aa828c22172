"""Settings of request limits and rate limits."""

from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

from gateway.client_addresses import Network


def _parse_networks(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return tuple(ip_network(part.strip(), strict=False) for part in value.split(",") if part.strip())


class LimitSettings(BaseSettings):
    """Limits of one request, and of one caller within a minute. Part of `gateway.settings.Settings`."""

    max_body_kb: int = Field(
        256, ge=1, le=65_536, description="Kilobytes of a viewer's request body, 1 to 65536; 500 events take about 114."
    )
    max_body_kb_service: int = Field(
        8_192,
        ge=1,
        le=1_048_576,
        description="Kilobytes of a request body whose token has the role service or administrator, 1 to 1048576.",
    )
    max_document_kb: int = Field(
        64, ge=1, le=1_024, description="Thousands of characters of a GraphQL document, blanks included, 1 to 1024."
    )
    max_tokens: int = Field(
        2_000,
        ge=100,
        le=100_000,
        description="Lexical tokens of a document, and as many comments, 100 to 100000. A full explore page has 300.",
    )
    max_operations: int = Field(
        20, ge=1, le=1_000, description="Operations in a document, 1 to 1000. Each request runs one of them."
    )
    max_depth: int = Field(
        12, ge=3, le=100, description="Nesting of fields, 3 to 100; introspection has MAX_INTROSPECTION_DEPTH."
    )
    max_introspection_depth: int = Field(
        16, ge=3, le=100, description="Nesting of fields below `__schema` and `__type`, 3 to 100; GraphiQL needs 15."
    )
    max_fields: int = Field(
        400, ge=10, le=100_000, description="Fields of a document with its fragments expanded, 10 to 100000."
    )
    max_fragments: int = Field(
        200, ge=1, le=100_000, description="Fragment spreads of a document with its fragments expanded, 1 to 100000."
    )
    max_named_fragments: int = Field(
        60,
        ge=1,
        le=10_000,
        description="Named fragments of a document, 1 to 10000. Validation compares each pair: 190 take 0.3 s.",
    )
    max_merges: int = Field(
        5_000,
        ge=10,
        le=10_000_000,
        description="Pairs of fields with the same response name, fragments expanded, 10 to 10000000. Validation "
        "compares each pair: 25000 take 0.2 s.",
    )
    max_aliases: int = Field(
        30, ge=0, le=10_000, description="Aliased fields of a document with its fragments expanded, 0 to 10000."
    )
    max_root_repeats: int = Field(
        15, ge=1, le=1_000, description="Selections of one field of Query or Mutation in one operation, 1 to 1000."
    )
    max_directives: int = Field(
        5, ge=1, le=100, description="Directives (`@include` and the like) at one place of a document, 1 to 100."
    )
    max_nesting: int = Field(
        20, ge=2, le=200, description="Nesting of lists and objects in variables and in arguments, 2 to 200."
    )
    max_values: int = Field(
        10_000,
        ge=100,
        le=10_000_000,
        description="Values in a viewer's variables, 100 to 10000000; 500 events have 4000.",
    )
    max_values_service: int = Field(
        500_000,
        ge=100,
        le=10_000_000,
        description="Values in the variables of a token with the role service or administrator, 100 to 10000000.",
    )
    max_cost: int = Field(
        25_000,
        ge=100,
        le=100_000_000,
        description="Points of a viewer's operation, 100 to 100000000. A point is about ten microseconds of work; "
        "descriptions in the schema state the costs that matter.",
    )
    max_cost_service: int = Field(
        500_000,
        ge=100,
        le=100_000_000,
        description="Points of an operation whose token has the role service or administrator, 100 to 100000000.",
    )
    max_connections: int = Field(
        2_000,
        ge=10,
        le=1_000_000,
        description="Open connections of each server process, 10 to 1000000. Requests on further connections are "
        "answered 503, except to /healthz and /readyz.",
    )
    max_connections_address: int = Field(
        500,
        ge=1,
        le=1_000_000,
        description="Open connections of one IPv4 address or IPv6 /64 network in each server process, 1 to 1000000. "
        "Further ones are answered 429, except to /healthz and /readyz. Behind a proxy in TRUSTED_PROXIES it limits "
        "the concurrent requests and WebSockets of one client; any other proxy counts as one client. A browser holds "
        "up to 7 connections: the default suffices for 70 people behind one address who load a page in the same "
        "second. For a larger company raise it together with MAX_CONNECTIONS.",
    )
    body_timeout_s: float = Field(
        20.0, ge=0.1, le=3_600, description="Seconds for a request body to arrive, 0.1 to 3600."
    )
    operation_timeout_s: float = Field(
        10.0, ge=0.01, le=3_600, description="Seconds for a viewer's operation, 0.01 to 3600; then it is cancelled."
    )
    operation_timeout_service_s: float = Field(
        120.0,
        ge=0.01,
        le=3_600,
        description="Seconds for an operation whose token has the role service or administrator, 0.01 to 3600.",
    )
    rate_limit: int = Field(
        300_000,
        ge=0,
        le=1_000_000_000,
        description="Points per minute of each user and of each anonymous session, 0 to 1000000000; 0 sets no limit. "
        "300000 points are three seconds of work, or about sixty rich pages.",
    )
    rate_limit_address: int = Field(
        1_500_000,
        ge=0,
        le=1_000_000_000,
        description="Points per minute of all anonymous callers of one IPv4 address or IPv6 /64 network, 0 to "
        "1000000000; 0 sets no limit.",
    )
    rate_limit_service: int = Field(
        0,
        ge=0,
        le=1_000_000_000,
        description="Points per minute of each token with the role service or administrator, 0 to 1000000000; 0 sets "
        "no limit.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_parse_networks)] = Field(
        (),
        description="Proxies whose X-Forwarded-For is trusted: addresses or networks separated by commas, for example "
        "10.0.0.0/8,::1. Empty: the address of the connection is used.",
    )
