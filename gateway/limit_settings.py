"""Settings of request limits and rate limits."""

from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

from gateway.client_addresses import Network
from gateway.setting_fields import number, split


def _parse_networks(value: Any) -> Any:
    return tuple(ip_network(part, strict=False) for part in split(value)) if isinstance(value, str) else value


class LimitSettings(BaseSettings):
    """Limits of one request, and of one caller within a minute. Part of `gateway.settings.Settings`."""

    max_body_kb: int = number(
        256, 1, 65_536, "Maximum kilobytes of a viewer's request body; 500 events take about 114."
    )
    max_body_kb_service: int = number(
        8_192, 1, 1_048_576, "Maximum kilobytes of a request body with the role service or administrator."
    )
    max_document_kb: int = number(
        64, 1, 1_024, "Maximum characters of a GraphQL document in thousands, blanks included."
    )
    max_tokens: int = number(
        2_000, 100, 100_000, "Maximum tokens, and maximum comments, in a document. A full explore page has 300."
    )
    max_operations: int = number(20, 1, 1_000, "Maximum operations in a document. Each request runs one of them.")
    max_depth: int = number(12, 3, 100, "Maximum nesting of fields; introspection has MAX_INTROSPECTION_DEPTH.")
    max_introspection_depth: int = number(
        16, 3, 100, "Maximum nesting of fields below `__schema` and `__type`; GraphiQL needs 15."
    )
    max_fields: int = number(400, 10, 100_000, "Maximum fields in a document with its fragments expanded.")
    max_fragments: int = number(200, 1, 100_000, "Maximum fragment spreads in a document with its fragments expanded.")
    max_named_fragments: int = number(
        60, 1, 10_000, "Maximum named fragments in a document. Validation compares each pair: 190 take 0.3 s."
    )
    max_merges: int = number(
        5_000,
        10,
        10_000_000,
        "Maximum pairs of fields with the same response name, fragments expanded. Validation compares each pair: 25000 "
        "take 0.2 s.",
    )
    max_aliases: int = number(30, 0, 10_000, "Maximum aliased fields in a document with its fragments expanded.")
    max_root_repeats: int = number(
        15, 1, 1_000, "Maximum times that one operation may select a field of Query or Mutation."
    )
    max_directives: int = number(5, 1, 100, "Maximum directives (such as `@include`) at one place of a document.")
    max_nesting: int = number(20, 2, 200, "Maximum nesting of lists and objects in variables and in arguments.")
    max_values: int = number(10_000, 100, 10_000_000, "Maximum values in a viewer's variables; 500 events have 4000.")
    max_values_service: int = number(
        500_000, 100, 10_000_000, "Maximum values in the variables with the role service or administrator."
    )
    max_cost: int = number(
        15_000,
        100,
        100_000_000,
        "Maximum points of a viewer's operation. A point is about ten microseconds of work; descriptions in the schema "
        "state the costs that matter.",
    )
    max_cost_service: int = number(
        500_000, 100, 100_000_000, "Maximum points of an operation with the role service or administrator."
    )
    max_connections: int = number(
        2_000,
        10,
        1_000_000,
        "Maximum open connections of each server. Requests on further connections are answered 503, except to "
        "/healthz and /readyz.",
    )
    max_connections_address: int = number(
        500,
        1,
        1_000_000,
        "Maximum open connections of one IPv4 address or IPv6 /64 network in each server. Requests on further "
        "connections are answered 429, except to /healthz and /readyz. Behind a proxy in TRUSTED_PROXIES it limits the "
        "concurrent requests and WebSockets of one client; any other proxy counts as one client. A browser holds up to "
        "7 connections: the default suffices for 70 people behind one address who load a page in the same second. For "
        "a larger company raise it together with MAX_CONNECTIONS.",
    )
    body_timeout_s: float = number(20.0, 0.1, 3_600, "Maximum seconds for a request body to arrive.")
    operation_timeout_s: float = number(
        10.0, 0.01, 3_600, "Maximum seconds for a viewer's operation; then it is canceled."
    )
    operation_timeout_service_s: float = number(
        120.0, 0.01, 3_600, "Maximum seconds for an operation with the role service or administrator."
    )
    rate_limit: int = number(
        120_000,
        0,
        1_000_000_000,
        "Maximum points per minute of each user and of each anonymous session; 0 sets no limit. 120000 points are "
        "1.2 seconds of work: an explore page with explanations each second, and what the viewer does on it.",
    )
    rate_limit_address: int = number(
        600_000,
        0,
        1_000_000_000,
        "Maximum points per minute of all anonymous callers of one IPv4 address or IPv6 /64 network; 0 sets no limit.",
    )
    rate_limit_service: int = number(
        0,
        0,
        1_000_000_000,
        "Maximum points per minute of each token with the role service or administrator; 0 sets no limit.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode, BeforeValidator(_parse_networks)] = Field(
        (),
        description="Proxies whose X-Forwarded-For is trusted: addresses or networks separated by commas, for example "
        "10.0.0.0/8,::1. Empty: the address of the connection is used.",
    )
