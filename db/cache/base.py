"""The protocol that all caches implement."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """A value, and the seconds for which it is stored."""

    value: bytes
    ttl_s: float


class Cache(Protocol):
    """Bytes by key, each with a time to live (TTL). Every method raises `StoreUnavailable` if the store is unavailable.

    A key may contain a hash tag, as in ``{viewer:12}:pointer``: Redis Cluster keeps keys with the same tag on one node.
    """

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        """Return a value, or None if it is missing or expired. `extend_s` sets a new TTL, counted from now."""

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the existing values by key, with one call to the store."""

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Store or replace a value for `ttl_s` seconds."""

    async def put_many(self, values: Mapping[str, Entry]) -> None:
        """Store or replace values, with one call. If it fails, some values may have been stored."""

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Store a value if the key has none, and return whether it was stored. Of concurrent calls, one succeeds."""

    async def delete(self, key: str) -> None:
        """Delete a value. An unknown key is not an error."""

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys with a prefix. Examines all keys of the store, so it is only for rare operations."""

    async def scrub(self) -> None:
        """Erase deleted and expired values from local files.

        Raises `StoreUnavailable` while other processes read a file.
        """

    async def close(self) -> None:
        """Close files and connections."""


def entries(values: Mapping[str, bytes], ttl_s: float) -> dict[str, Entry]:
    """Return values as entries that are stored for the same time."""
    return {key: Entry(value, ttl_s) for key, value in values.items()}
