"""The protocol of caches."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Cache(Protocol):
    """Bytes by key, each with a time to live. Every method raises `StoreUnavailable` if the store cannot be reached.

    A key may hold a tag in braces, as in ``{viewer:12}:pointer``: Redis Cluster keeps keys of one tag on one node.
    """

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        """Return a value, or None if it is missing or expired; `extend_s` sets a new time to live from now on."""

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the existing values, by key, in one call to the store."""

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Store a value for `ttl_s` seconds, replacing an earlier one."""

    async def put_many(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        """Store several values for `ttl_s` seconds in one call; if it fails, some may have been stored."""

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Store a value if there is none, and return whether it was stored; at most one concurrent call succeeds."""

    async def delete(self, key: str) -> None:
        """Delete a value; an unknown key is no error."""

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys with this prefix; slow with many keys, so only for rare operations."""

    async def scrub(self) -> None:
        """Erase deleted and expired values from the files of this host; raises while other processes read them."""

    async def close(self) -> None:
        """Release files and connections."""
