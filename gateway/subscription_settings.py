"""The settings of subscriptions; `gateway.settings.Settings` has them all."""

from pydantic import Field
from pydantic_settings import BaseSettings


class SubscriptionSettings(BaseSettings):
    """What `Settings` says of subscriptions."""

    subscriptions: bool = Field(
        True,
        description="Whether clients may be told of changes as they happen, over WebSockets and event streams: on or "
        "off.",
    )
    max_streams: int = Field(
        1_000,
        ge=1,
        le=100_000,
        description="WebSockets and event streams that each server process holds open, 1 to 100000; one takes "
        "about 20 KB (bench/README.md).",
    )
    max_streams_viewer: int = Field(
        10,
        ge=1,
        le=1_000,
        description="Those of one viewer in each server process, 1 to 1000: a tab or an app takes one.",
    )
    max_streams_address: int = Field(
        200,
        ge=1,
        le=100_000,
        description="Those of one address in each server process, 1 to 100000. Behind a proxy set TRUSTED_PROXIES, or "
        "all are of one.",
    )
    stream_idle_s: float = Field(
        60.0,
        ge=1,
        le=3_600,
        description="Seconds that a WebSocket may be open without any subscription, 1 to 3600.",
    )
