"""Settings of subscriptions."""

from pydantic import Field
from pydantic_settings import BaseSettings


class SubscriptionSettings(BaseSettings):
    """WebSockets and event streams. Part of `gateway.settings.Settings`."""

    subscriptions: bool = Field(
        True, description="Whether clients may subscribe, over WebSockets and event streams: on or off."
    )
    max_streams: int = Field(
        1_000,
        ge=1,
        le=100_000,
        description="Open WebSockets and event streams of each server process, 1 to 100000; one takes about 20 KB "
        "(bench/README.md).",
    )
    max_streams_viewer: int = Field(
        10, ge=1, le=1_000, description="Open streams of one caller in each server process, 1 to 1000; a tab uses one."
    )
    max_streams_address: int = Field(
        200,
        ge=1,
        le=100_000,
        description="Open streams of one address in each server process, 1 to 100000. Behind a proxy set "
        "TRUSTED_PROXIES; otherwise all callers share the proxy's limit.",
    )
    stream_idle_s: float = Field(
        60.0, ge=1, le=3_600, description="Seconds for which a WebSocket without subscriptions stays open, 1 to 3600."
    )
