"""Settings, read once from the environment or a file `.env`; every one has a default."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource, NoDecode, SettingsConfigDict

from db.private_files import DataFile
from db.redaction import redact, remember_secrets
from gateway.document_settings import DocumentSettings
from gateway.errors import InvalidSettings
from gateway.limit_settings import LimitSettings
from gateway.subscription_settings import SubscriptionSettings
from gateway.token_settings import TokenSettings, split
from scoring.tunables import (
    EXPLORATION_SHARE,
    MAX_BOOST_PLACES,
    SUFFICIENT_INTERACTIONS,
    SUFFICIENT_INTERESTS,
    SUFFICIENT_LIKES,
)

RENAMED = {
    "BOUND_NETWORKS": "NETWORK_CAP",
    "ENOUGH_INTERACTIONS": "PERSONALIZATION_MIN_PROJECTS",
    "ENOUGH_LIKES": "PERSONALIZATION_MIN_LIKES",
    "ENOUGH_TAGS": "PERSONALIZATION_MIN_INTERESTS",
    "EVENTS_KEPT_DAYS": "EVENT_RETENTION_DAYS",
    "TOKEN_ROLE_WORDS": "TOKEN_ROLE_NAMES",
    "TRENDING_MOST_PLACES": "TRENDING_MAX_SHIFT",
    "VOUCHED_EVENTS_ONLY": "TRENDING_REQUIRES_IMPRESSION",
}
"""New names of settings by their old names. Setting an old name is an error, because it would have no effect."""


def _origin(value: str) -> str:
    scheme, _, host = value.partition("://")
    if value != "*" and (scheme not in ("http", "https") or not host or "/" in host):
        raise ValueError("is no origin")
    return value


def _absolute(value: Path) -> Path:
    """Resolve a folder once, so that every message shows its full path."""
    try:
        return value.expanduser().absolute()
    except RuntimeError:  # the home of an unknown user
        raise ValueError("names an unknown user") from None


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class Settings(TokenSettings, DocumentSettings, LimitSettings, SubscriptionSettings):
    """The settings of a gateway. Each is an environment variable of the same name in upper case."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: str = Field(
        "",
        description="The database: sqlite:///path or postgresql://user:password@host/name. Empty: the file "
        "explore.sqlite in VAR_DIR.",
        repr=False,  # may hold a password
    )
    database_pool_size: int = Field(
        5, ge=1, le=100, description="Open database connections of each server process, 1 to 100."
    )
    var_dir: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path("var"),
        description="The data folder: embedded stores and the signing secret, readable by its owner only. A relative "
        "path starts at the current folder, where a file .env lies too. The commands serve, import, demo and migrate "
        "create it.",
    )
    host: str = Field("127.0.0.1", description="The address to listen on; 0.0.0.0 or :: for all of this machine.")
    port: int = Field(8000, ge=0, le=65535, description="The TCP port to listen on, 0 to 65535; 0 takes any free one.")
    workers: int = Field(1, ge=1, le=64, description="Server processes, 1 to 64. Each holds the vectors in memory.")
    worker_in_server: bool = Field(
        True,
        description="Whether each server process also drains the outbox and runs the periodic jobs: on or off. Off "
        "requires a separate `explore worker`.",
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
    weaviate_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="Weaviate's REST address, as in http://weaviate:8080. Empty: the embedded index in VAR_DIR.",
        repr=False,  # may hold a password
    )
    weaviate_grpc_url: str = Field(
        "",
        description="Weaviate's gRPC address, as in weaviate:50051. Empty: the host of WEAVIATE_URL, port 50051.",
        repr=False,  # may hold a password
    )
    weaviate_api_key: SecretStr | None = Field(None, description="Weaviate's API key, if it requires one.")
    weaviate_batch_size: int = Field(100, ge=1, le=10_000, description="Objects in one write to Weaviate, 1 to 10000.")
    weaviate_replicas: int = Field(
        1, ge=1, le=100, description="Copies of each object in new Weaviate collections, 1 to 100."
    )
    weaviate_shards: int | None = Field(
        None, ge=1, le=1_000, description="Shards of each new Weaviate collection, 1 to 1000. Unset: one per node."
    )
    weaviate_embedding_model: str = Field(
        "text-embedding-3-small",
        min_length=1,
        description="The embedding model behind OPENAI_API_KEY or OPENAI_BASE_URL. Without them WordLlama embeds.",
    )
    embedding_dimension: int = Field(
        1536, ge=1, le=65_535, description="Dimensions of the vectors of WEAVIATE_EMBEDDING_MODEL, 1 to 65535."
    )
    embedding_dollars_per_million: float = Field(
        0.02, ge=0, description="Dollars per million tokens of WEAVIATE_EMBEDDING_MODEL, for the metric of the cost."
    )
    openai_api_key: SecretStr | None = Field(
        None,
        description="The key for OpenAI's embeddings. Unset, and no OPENAI_BASE_URL: WordLlama embeds, free and local.",
    )
    openai_base_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="An endpoint that implements OpenAI's /v1/embeddings, as in http://ollama:11434/v1. Empty: OpenAI.",
        repr=False,  # may hold a password
    )
    redis_url: SecretStr = Field(
        SecretStr(""), description="Redis or Redis Cluster, as in redis://redis:6379/0. Empty: a cache file in VAR_DIR."
    )
    trending_max_shift: int = Field(
        MAX_BOOST_PLACES,
        ge=0,
        le=100,
        description="Maximum number of ranks by which a viewer's interests may move a project in trending, 0 to 100. "
        "0: everybody gets the same order.",
    )
    trending_requires_impression: bool = Field(
        False,
        description="Whether an interaction counts for trending only if this gateway has shown the project to the "
        "actor in the last days: on or off. Turn it on where every visit to a project begins on an explore page.",
    )
    exploration_share: float = Field(
        EXPLORATION_SHARE,
        ge=0,
        le=0.5,
        description="Share of ranks in For You that are given to projects with few impressions, drawn anew for each "
        "viewer and day, 0 to 0.5. 0 turns exploration off.",
    )
    personalization_min_interests: int = Field(
        SUFFICIENT_INTERESTS, ge=1, le=1_000, description="Minimum number of interests for a personal feed, 1 to 1000."
    )
    personalization_min_projects: int = Field(
        SUFFICIENT_INTERACTIONS,
        ge=1,
        le=10_000,
        description="Minimum number of projects with interactions for a personal feed, 1 to 10000.",
    )
    personalization_min_likes: int = Field(
        SUFFICIENT_LIKES,
        ge=1,
        le=10_000,
        description="Minimum number of liked projects for a personal feed, 1 to 10000.",
    )
    network_cap: bool = Field(
        True,
        description="Whether the contribution of one network (a keyed hash of /24 or /48, valid for a day) to trending "
        "is capped: on or off. Turn it off where everybody comes from one office.",
    )
    event_retention_days: int = Field(
        400,
        ge=31,
        le=36500,
        description="Days for which raw events are kept, 31 to 36500; likes, saves and engagement are kept for ever.",
    )
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

    @property
    def effective_database_url(self) -> str:
        """The URL of the database, with the default filled in."""
        return self.database_url or f"sqlite:///{self.data_file(DataFile.DATABASE)}"

    def data_file(self, file: DataFile) -> Path:
        """Return the path of a file in the data folder."""
        return self.var_dir / file

    @property
    def uses_data_folder(self) -> bool:
        """Whether VAR_DIR holds a store, because not every store is a server."""
        return not (self.database_url and self.weaviate_url and self.redis_url.get_secret_value())


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; an override (a command line option) wins unless it is None.

    Raises
    ------
    InvalidSettings
        One line for each wrong setting: its name, the fault, and the accepted values or the new name.
    """
    options = {name: value for name, value in overrides.items() if value is not None}
    try:
        _refuse_old_names()
        settings = Settings(**options)
    except ValidationError as error:
        # A list setting has one error for each wrong entry; one line per setting is enough.
        lines = {str(detail["loc"][0]): _sentence(detail, options) for detail in error.errors(include_url=False)}
        raise InvalidSettings("\n".join(lines.values())) from None
    except (UnicodeDecodeError, OSError) as error:
        raise InvalidSettings(f"the file .env cannot be read: {_reason(error)}; fix it or move it away") from None
    remember_secrets(secrets=_secrets(settings), urls=_urls(settings))
    return settings


def _refuse_old_names() -> None:
    variables = {**DotEnvSettingsSource(Settings).env_vars, **EnvSettingsSource(Settings).env_vars}
    old_names = [name for name in RENAMED if variables.get(name.lower())]
    if old_names:
        raise InvalidSettings("\n".join(f"{name} is now named {RENAMED[name]}; rename it" for name in old_names))


def _secrets(settings: Settings) -> list[str]:
    values = [getattr(settings, name) for name in Settings.model_fields if not name.endswith("_url")]
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def _urls(settings: Settings) -> list[str]:
    values = [getattr(settings, name) for name in Settings.model_fields if name.endswith("_url")]
    return [value.get_secret_value() if isinstance(value, SecretStr) else value for value in values]


def _sentence(detail: ErrorDetails, options: dict[str, Any]) -> str:
    name = str(detail["loc"][0])
    field = Settings.model_fields[name]
    display_name = f"--{name}" if name in options else name.upper()
    if isinstance(field.json_schema_extra, dict) and "fix" in field.json_schema_extra:  # a secret: never its value
        return f"{display_name} {detail['ctx']['error']}; {field.json_schema_extra['fix']}"
    if name.endswith("_url") or isinstance(detail["input"], SecretStr):
        return f"{display_name} cannot be used. {field.description}"
    return f"{display_name} is {redact(str(detail['input']))[:100]!r}, which cannot be used. {field.description}"


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "unknown reason").lower() if isinstance(error, OSError) else "it is not UTF-8 text"
