"""What a cache is to this product."""

from collections.abc import Mapping, Sequence
from typing import Protocol


class Cache(Protocol):
    """Bytes by key, each with a time to live. Every method raises `StoreUnavailable` when the store is not there.

    A key may hold a tag in braces, as in ``{viewer:12}:pointer``: on Redis Cluster keys of one tag lie on one node.
    """

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        """Give a value, or None if it is not there or has expired.

        Parameters
        ----------
        key
            Its name.
        extend_s
            Live this many seconds from now on, if it is still there.
        """

    async def get_many(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Give the values that are there, by key, in one call to the store."""

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for `ttl_s` seconds, in place of an earlier one."""

    async def put_many(self, values: Mapping[str, bytes], ttl_s: float) -> None:
        """Keep several values for `ttl_s` seconds in one call to the store; if it fails, some may have been kept."""

    async def add(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keep a value if there is none, and tell whether it was kept; of several callers at once one is told so."""

    async def delete(self, key: str) -> None:
        """Forget a value; an unknown key is no error."""

    async def keys(self, prefix: str) -> list[str]:
        """List the keys that begin with this text; slow where there are many: for what happens rarely."""

    async def scrub(self) -> None:
        """See to it that no file of this host holds what was deleted or has expired; raises while others read it."""

    async def close(self) -> None:
        """Let go of files and connections."""
