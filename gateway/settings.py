"""Settings, which are read once from the environment or a file `.env`. Each has a default."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, NoDecode, SettingsConfigDict

from db.redaction import redact, remember_secrets
from gateway.errors import InvalidSettings, os_reason
from gateway.limit_settings import LimitSettings
from gateway.path_prefix import parse_path_prefix
from gateway.setting_fields import number, split
from gateway.store_settings import StoreSettings
from gateway.token_settings import TokenSettings
from scoring.tunables import (
    EXPLORATION_SHARE,
    MAX_BOOST_PLACES,
    READ_HIDDEN_DAYS,
    SUFFICIENT_INTERACTIONS,
    SUFFICIENT_INTERESTS,
    SUFFICIENT_LIKES,
)

NEW_NAMES = {
    "BOUND_NETWORKS": "NETWORK_CAP",
    "ENOUGH_INTERACTIONS": "PERSONALIZATION_MIN_PROJECTS",
    "ENOUGH_LIKES": "PERSONALIZATION_MIN_LIKES",
    "ENOUGH_TAGS": "PERSONALIZATION_MIN_INTERESTS",
    "EVENTS_KEPT_DAYS": "EVENT_RETENTION_DAYS",
    "TOKEN_ROLE_WORDS": "TOKEN_ROLE_NAMES",
    "TRENDING_MOST_PLACES": "TRENDING_MAX_SHIFT",
    "VOUCHED_EVENTS_ONLY": "TRENDING_REQUIRES_IMPRESSION",
    "WORKER_IN_SERVER": "START_WORKER",
}
"""New names of settings by their old names. Setting an old name is an error, because it would have no effect."""


def _origin(value: str) -> str:
    scheme, _, host = value.partition("://")
    if value != "*" and (scheme not in ("http", "https") or not host or "/" in host):
        raise ValueError("is no origin")
    return value


def _header_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", value):
        raise ValueError("is not a header name")
    return value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class Settings(StoreSettings, TokenSettings, LimitSettings):
    """The settings of a gateway. Each is an environment variable of the same name in upper case."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0 or :: for all of this machine.")
    port: int = number(8000, 0, 65535, "The TCP port to listen on; 0 takes any free one.")
    workers: int = number(1, 1, 64, "Server processes. Each holds the vectors in memory. They share every limit.")
    start_worker: bool = Field(
        True,
        description="Whether `explore serve` starts one worker process, which drains the outbox and runs the periodic "
        "jobs: on or off. Off requires a separate `explore worker`.",
    )
    metrics: bool = Field(
        True,
        description="Whether /metrics serves Prometheus metrics: on or off. They name no viewer and no project. "
        "METRICS_TOKEN restricts access.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="The bearer token that a scrape of /metrics must send, at least 16 characters. Unset: only direct "
        "connections from this machine are answered.",
    )
    interaction_types: Path | None = Field(
        None,
        description="A TOML file of the platform's own types of interactions, such as watched seconds or stars; "
        "docs/import.md describes it. Unset: only the built-in types.",
    )
    trending_max_shift: int = number(
        MAX_BOOST_PLACES,
        0,
        100,
        "Maximum ranks by which a viewer's interests may move a project in trending. 0: everybody gets the same order.",
    )
    trending_requires_impression: bool = Field(
        False,
        description="Whether an interaction counts for trending only if this gateway has shown the project to the "
        "actor in the last days: on or off. Turn it on where every visit to a project begins on an explore page.",
    )
    exploration_share: float = number(
        EXPLORATION_SHARE,
        0,
        0.5,
        "Share of ranks in For You that are given to projects with few impressions, drawn anew for each viewer and "
        "day. 0 turns exploration off.",
    )
    read_hidden_days: int = number(
        READ_HIDDEN_DAYS,
        0,
        3_650,
        "Days for which For You hides a project after the viewer has read it. Afterwards the project ranks behind a "
        "page of unread ones. 0: read projects rank like others.",
    )
    personalization_min_interests: int = number(
        SUFFICIENT_INTERESTS, 1, 1_000, "Minimum number of interests for a personal feed."
    )
    personalization_min_projects: int = number(
        SUFFICIENT_INTERACTIONS, 1, 10_000, "Minimum number of projects with interactions for a personal feed."
    )
    personalization_min_likes: int = number(
        SUFFICIENT_LIKES, 1, 10_000, "Minimum number of liked projects for a personal feed."
    )
    network_cap: bool = Field(
        True,
        description="Whether the contribution of one network (a keyed hash of /24 or /48, valid for a day) to trending "
        "is capped: on or off. Turn it off where everybody comes from one office.",
    )
    event_retention_days: int = number(
        400, 31, 36500, "Days for which raw events are kept; likes, saves and engagement are kept for ever."
    )
    introspection: bool = Field(
        True,
        description="Whether clients may query the schema (`__schema`, `__type`) and errors suggest names of fields: "
        "on or off. GraphiQL shows no documentation while it is off.",
    )
    persisted_queries: bool = Field(
        True,
        description="Whether a client may register a document and send only its hash from then on (automatic "
        "persisted queries): on or off.",
    )
    persisted_query_ttl_s: int = number(
        86_400, 60, 31_536_000, "Seconds for which a registered document is kept after its last use."
    )
    persisted_query_max_kb: int = number(32, 1, 1_024, "Maximum kilobytes of a document that can be registered.")
    trusted_documents: Path | None = Field(
        None,
        description="A manifest of documents that clients name by id: persisted-documents.json of graphql-codegen, "
        "the file of relay-compiler, or Apollo's persisted-query-manifest.json. Unset: none.",
    )
    trusted_documents_only: bool = Field(
        False,
        description="Whether viewers may run only the documents of TRUSTED_DOCUMENTS: on or off. The roles service and "
        "administrator may run any.",
    )
    public_cache_s: int = number(
        0,
        0,
        86_400,
        "Seconds for which a cache or CDN may serve an answer that is the same for everybody. 0: it must revalidate "
        "the answer each time, so that deleted projects never show.",
    )
    subscriptions: bool = Field(
        True, description="Whether clients may subscribe, over WebSockets and event streams: on or off."
    )
    max_streams: int = number(
        1_000,
        1,
        100_000,
        "Maximum open WebSockets and event streams of each server; one takes about 20 KB (bench/README.md).",
    )
    max_streams_viewer: int = number(10, 1, 1_000, "Maximum open streams of one caller in each server; a tab uses one.")
    max_streams_address: int = number(
        200,
        1,
        100_000,
        "Maximum open streams of one address in each server. Behind a proxy set TRUSTED_PROXIES; otherwise all "
        "callers share the proxy's limit.",
    )
    stream_idle_s: float = number(60.0, 1, 3_600, "Seconds for which a WebSocket without subscriptions stays open.")
    graphiql: bool = Field(True, description="Whether a browser that opens /graphql gets the GraphiQL page: on or off.")
    explore_page: bool = Field(
        True, description="Whether / serves the explore page, if it is built: on or off. Off serves a page of links."
    )
    demo_viewers: bool = Field(
        False,
        description="Whether the explore page has a menu of the demo's viewers: on or off. `explore serve --demo` "
        "turns it on. Tokens are given only to a page that was opened on this machine, without a proxy, on a store "
        "that holds the demo data.",
    )
    log_format: Annotated[Literal["auto", "console", "json"], BeforeValidator(_lower)] = Field(
        "auto", description="Format of log lines: console, json, or auto (console on a terminal, json elsewhere)."
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        "info", description="The lowest level that is logged: debug, info, warning or error."
    )
    allow_origins: Annotated[tuple[Annotated[str, BeforeValidator(_origin)], ...], NoDecode, BeforeValidator(split)] = (
        Field(
            (),
            description="Web origins whose pages may call the gateway (CORS), separated by commas, as in "
            "https://www.example.com,http://localhost:3000; * for any. Empty: only pages of the gateway itself.",
        )
    )
    path_prefix: Annotated[str, BeforeValidator(parse_path_prefix)] = Field(
        "",
        description="The path under which a proxy serves the gateway, as in /feed: segments of letters, digits and "
        "._~-, the first none of the gateway's own. A proxy of TRUSTED_PROXIES may send X-Forwarded-Prefix instead.",
    )
    allow_headers: Annotated[
        tuple[Annotated[str, BeforeValidator(_header_name)], ...], NoDecode, BeforeValidator(split)
    ] = Field(
        (),
        description="Names of further request headers that pages of ALLOW_ORIGINS may send, separated by commas, as in "
        "X-Tenant,X-Datadog-Trace-Id; * for any. Headers of Apollo Client and of tracing are always allowed.",
    )


def load_settings(**overrides: Any) -> Settings:
    """Read the settings. An override (an option of the command line) replaces a setting unless it is None.

    Raises `InvalidSettings`: One line for each wrong setting: its name, the fault, and the accepted values or the new
    name.
    """
    options = {name: value for name, value in overrides.items() if value is not None}
    try:
        _refuse_old_names()
        settings = Settings(**options)
    except ValidationError as error:
        # A list setting has one error for each wrong entry, but one line per setting is enough.
        lines = {str(detail["loc"][0]): _describe_fault(detail, options) for detail in error.errors(include_url=False)}
        raise InvalidSettings("\n".join(lines.values())) from None
    except (UnicodeDecodeError, OSError) as error:
        reason = os_reason(error) if isinstance(error, OSError) else "it is not UTF-8 text"
        raise InvalidSettings(f"the file .env cannot be read: {reason}; fix it or move it away") from None
    remember_secrets(
        secrets=[
            v.get_secret_value() for name, v in settings if isinstance(v, SecretStr) and not name.endswith("_url")
        ],
        urls=[v.get_secret_value() if isinstance(v, SecretStr) else v for name, v in settings if name.endswith("_url")],
    )
    return settings


def _refuse_old_names() -> None:
    variables = {**DotEnvSettingsSource(Settings).env_vars, **EnvSettingsSource(Settings).env_vars}
    old_names = [name for name in NEW_NAMES if variables.get(name.lower())]
    if old_names:
        raise InvalidSettings("\n".join(f"{name} is now named {NEW_NAMES[name]}; rename it" for name in old_names))


def _describe_fault(detail: ErrorDetails, options: dict[str, Any]) -> str:
    name = str(detail["loc"][0])
    field = Settings.model_fields[name]
    display_name = f"--{name}" if name in options else name.upper()
    if isinstance(field.json_schema_extra, dict) and "fix" in field.json_schema_extra:  # a secret: never its value
        return f"{display_name} {detail['ctx']['error']}; {field.json_schema_extra['fix']}"
    if name.endswith("_url") or isinstance(detail["input"], SecretStr):
        return f"{display_name} cannot be used. {field.description}"
    return f"{display_name} is {redact(str(detail['input']))[:100]!r}, which cannot be used. {field.description}"
