"""Every setting, read once at the edge from the environment or a file `.env`. None is needed to start."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import NoDecode, SettingsConfigDict

from db.private_files import make_private_folder
from db.redaction import redact, remember_secrets
from gateway.document_settings import DocumentSettings
from gateway.errors import CannotStart, InvalidSettings
from gateway.limit_settings import LimitSettings
from gateway.subscription_settings import SubscriptionSettings
from gateway.token_settings import TokenSettings, split
from scoring.weights import (
    ENOUGH_INTERACTIONS,
    ENOUGH_LIKES,
    ENOUGH_TAGS,
    EXPLORATION_SHARE,
    MAX_BOOST_PLACES,
)


def _origin(value: str) -> str:
    scheme, _, host = value.partition("://")
    if value != "*" and (scheme not in ("http", "https") or not host or "/" in host):
        raise ValueError("is no origin")
    return value


def _absolute(value: Path) -> Path:
    """Resolve a folder once, so that every message names the folder that is used."""
    try:
        return value.expanduser().absolute()
    except RuntimeError:  # the home of a user who is not there
        raise ValueError("names a user who is not there") from None


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


class Settings(TokenSettings, DocumentSettings, LimitSettings, SubscriptionSettings):
    """The settings of a gateway. Each is an environment variable of the same name in capitals."""

    model_config = SettingsConfigDict(
        env_file=".env", env_file_encoding="utf-8", env_ignore_empty=True, extra="ignore", frozen=True
    )

    database_url: str = Field(
        "",
        description="The relational truth: sqlite:///path or postgresql://user:password@host/name. "
        "Empty: the file explore.sqlite in VAR_DIR.",
        repr=False,  # it may hold a password
    )
    database_pool_size: int = Field(
        5,
        ge=1,
        le=100,
        description="Connections to the truth held open by each worker process, 1 to 100.",
    )
    var_dir: Annotated[Path, AfterValidator(_absolute)] = Field(
        Path("var"),
        description="The folder of the embedded stores and of the signing secret; only its owner may read it. A "
        "relative path starts at the folder that the command runs in, where a file .env lies too. serve, import, demo "
        "and migrate make it if it is not there.",
    )
    host: str = Field(
        "127.0.0.1",
        description="The address to listen on; 0.0.0.0 or :: for every one of this machine.",
    )
    port: int = Field(
        8000,
        ge=0,
        le=65535,
        description="The TCP port to listen on, 0 to 65535; 0 takes any free one.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        description="Server processes, 1 to 64. Each holds the vectors in memory.",
    )
    worker_in_server: bool = Field(
        True,
        description="Whether each server process also drains the outbox and does the periodic jobs: on or off. "
        "Off needs `explore worker` beside it.",
    )
    metrics: bool = Field(
        True,
        description="Whether /metrics tells how the gateway does, in Prometheus's format: on or off. It names no "
        "viewer and no project. METRICS_TOKEN says who may read it.",
    )
    metrics_token: SecretStr | None = Field(
        None,
        min_length=16,
        description="The bearer token that a scrape of /metrics must send, at least 16 characters. Unset: only "
        "connections from the same machine are answered, and none that a proxy forwards.",
    )
    weaviate_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="Weaviate's REST address, as in http://weaviate:8080. Empty: the embedded index in VAR_DIR.",
        repr=False,  # an address may hold a password
    )
    weaviate_grpc_url: str = Field(
        "",
        description="Weaviate's gRPC address, as in weaviate:50051. Empty: the host of WEAVIATE_URL, port 50051.",
        repr=False,  # an address may hold a password
    )
    weaviate_api_key: SecretStr | None = Field(
        None,
        description="The key that Weaviate asks for, if it asks for one.",
    )
    weaviate_batch_size: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Objects in one write to Weaviate, 1 to 10000.",
    )
    weaviate_replicas: int = Field(
        1,
        ge=1,
        le=100,
        description="Copies of each object, on as many nodes of Weaviate, 1 to 100; collections are made so.",
    )
    weaviate_shards: int | None = Field(
        None,
        ge=1,
        le=1_000,
        description="Parts of each Weaviate collection, 1 to 1000. Unset: one a node.",
    )
    weaviate_embedding_model: str = Field(
        "text-embedding-3-small",
        min_length=1,
        description="The embedding model behind OPENAI_API_KEY or OPENAI_BASE_URL. Without them WordLlama embeds.",
    )
    embedding_dimension: int = Field(
        1536,
        ge=1,
        le=65_535,
        description="Components of that model's vectors, 1 to 65535.",
    )
    embedding_dollars_per_million: float = Field(
        0.02,
        ge=0,
        description="What a million tokens of that model cost, in dollars; only for counting what was spent.",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        description="The key for OpenAI's embeddings. Unset, and no OPENAI_BASE_URL: WordLlama embeds, free and local.",
    )
    openai_base_url: str = Field(
        "",
        pattern=r"^(https?://[^\s]+)?$",
        description="An endpoint that speaks OpenAI's /v1/embeddings, as in http://ollama:11434/v1. Empty: OpenAI's.",
        repr=False,  # an address may hold a password
    )
    redis_url: SecretStr = Field(
        SecretStr(""),
        description="Redis or Redis Cluster, as in redis://redis:6379/0. Empty: a cache file in VAR_DIR.",
    )
    trending_max_shift: int = Field(
        MAX_BOOST_PLACES,
        ge=0,
        le=100,
        description="The most places by which a viewer's interests may move a project in trending, 0 to 100; 0 shows "
        "everybody the same.",
    )
    trending_requires_impression: bool = Field(
        False,
        description="Whether a person counts in what is trending only for projects that this gateway has shown them in "
        "the last days: on or off. On where every visit to a project begins on an explore page.",
    )
    exploration_share: float = Field(
        EXPLORATION_SHARE,
        ge=0,
        le=0.5,
        description="Share of the places of For You that goes to projects of which little is known, drawn anew for "
        "each viewer and day, 0 to 0.5: how the ranking finds out about them. 0 shows none.",
    )
    personalization_min_interests: int = Field(
        ENOUGH_TAGS,
        ge=1,
        le=1_000,
        description="Interests from which on there is enough data of a viewer to be personal, 1 to 1000.",
    )
    personalization_min_projects: int = Field(
        ENOUGH_INTERACTIONS,
        ge=1,
        le=10_000,
        description="Projects touched from which on there is enough data of a viewer, 1 to 10000.",
    )
    personalization_min_likes: int = Field(
        ENOUGH_LIKES,
        ge=1,
        le=10_000,
        description="Projects liked from which on there is enough data of a viewer, 1 to 10000.",
    )
    network_cap: bool = Field(
        True,
        description="Whether many new people of one network (a keyed hash of /24 or /48, good for a day) count as a "
        "few in what is trending: on or off. Off where everybody comes from one office.",
    )
    event_retention_days: int = Field(
        400,
        ge=31,
        le=36500,
        description="Days for which raw events are kept, 31 to 36500; likes, saves and first meetings stay for ever.",
    )
    graphiql: bool = Field(
        True,
        description="Whether a browser that opens /graphql gets the GraphiQL page: on or off.",
    )
    explore_page: bool = Field(
        True,
        description="Whether / is the explore page, where it has been built: on or off. Off leaves a page of links.",
    )
    demo_viewers: bool = Field(
        False,
        description="Whether the explore page has a menu of the demo's viewers: on or off. `explore serve --demo` "
        "turns it on. Their tokens go only to a page that was opened on this machine, without a proxy, on a store that "
        "holds the demo data.",
    )
    log_format: Annotated[Literal["auto", "console", "json"], BeforeValidator(_lower)] = Field(
        "auto",
        description="How log lines look: console, json, or auto (console on a terminal, json elsewhere).",
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(_lower)] = Field(
        "info",
        description="The least serious line that is logged: debug, info, warning or error.",
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
        """The URL of the relational truth, with the default filled in."""
        return self.database_url or f"sqlite:///{self.var_dir / 'explore.sqlite'}"

    @property
    def uses_data_folder(self) -> bool:
        """Whether a store lies in VAR_DIR; none does if all of them are servers."""
        return not (self.database_url and self.weaviate_url and self.redis_url.get_secret_value())


def load_settings(**overrides: Any) -> Settings:
    """Read the settings; an override that is not None (a command line option) wins.

    Raises
    ------
    InvalidSettings
        One line for each setting that is wrong: its name, what is wrong, and what to write instead.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        settings = Settings(**given)
    except ValidationError as error:
        # One bad origin of three is one error for each; a name is mended once.
        lines = {str(detail["loc"][0]): _sentence(detail, given) for detail in error.errors(include_url=False)}
        raise InvalidSettings("\n".join(lines.values())) from None
    except (UnicodeDecodeError, OSError) as error:
        raise InvalidSettings(f"the file .env cannot be read: {_reason(error)}; mend it or move it away") from None
    remember_secrets(secrets=_secrets(settings), urls=_urls(settings))
    return settings


def make_var_dir(settings: Settings) -> Path:
    """Make the folder of the embedded stores.

    Raises
    ------
    CannotStart
        If it cannot be made or written.
    """
    folder = settings.var_dir
    try:
        make_private_folder(folder)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise CannotStart(
            f"{folder} cannot be written ({_reason(error)}); make it writable, or set VAR_DIR to a folder that is"
        ) from None
    return folder


def describe(name: str) -> str:
    """Give a setting's meaning, unit and range."""
    return _field(name).description or ""


def _field(name: str) -> FieldInfo:
    return Settings.model_fields[name]


def _secrets(settings: Settings) -> list[str]:
    """Return every setting that is a secret as a whole."""
    values = [getattr(settings, name) for name in Settings.model_fields if not name.endswith("_url")]
    return [value.get_secret_value() for value in values if isinstance(value, SecretStr)]


def _urls(settings: Settings) -> list[str]:
    values = [getattr(settings, name) for name in Settings.model_fields if name.endswith("_url")]
    return [value.get_secret_value() if isinstance(value, SecretStr) else value for value in values]


def _sentence(detail: ErrorDetails, overrides: dict[str, Any]) -> str:
    name = str(detail["loc"][0])
    said = f"--{name}" if name in overrides else name.upper()
    extra = _field(name).json_schema_extra
    if isinstance(extra, dict) and "mend" in extra:  # a secret: say its length, never its value
        return f"{said} {detail['ctx']['error']}; {extra['mend']}"
    if name.endswith("_url") or isinstance(detail["input"], SecretStr):
        return f"{said} cannot be used. {describe(name)}"
    return f"{said} is {redact(str(detail['input']))[:100]!r}, which cannot be used. {describe(name)}"


def _reason(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or "unknown reason").lower() if isinstance(error, OSError) else "it is not UTF-8 text"
