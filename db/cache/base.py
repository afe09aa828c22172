"""What a cache is to this product."""

from typing import Protocol


class Cache(Protocol):
    """Bytes by key, each with a time to live. Every method raises `StoreUnavailable` when the store is not there."""

    async def get(self, key: str, *, extend_s: float | None = None) -> bytes | None:
        """Give a value, or None if it is not there or has expired.

        Parameters
        ----------
        key
            Its name.
        extend_s
            Live this many seconds from now on, if it is still there.
        """

    async def put(self, key: str, value: bytes, ttl_s: float) -> None:
        """Keep a value for `ttl_s` seconds, in place of an earlier one."""

    async def delete(self, key: str) -> None:
        """Forget a value; an unknown key is no error."""

    async def close(self) -> None:
        """Let go of files and connections."""
