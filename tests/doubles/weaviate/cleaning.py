"""Cleanup of a server, the double or a real one."""

from weaviate import WeaviateAsyncClient
from weaviate.auth import Auth

from db.vectors.weaviate import Address


async def drop_collections(address: Address, prefix: str) -> None:
    """Drop all collections and aliases with this prefix."""
    key = Auth.api_key(address.api_key) if address.api_key else None
    async with WeaviateAsyncClient(address.parameters(), auth_client_secret=key, skip_init_checks=True) as client:
        for alias in await client.alias.list_all():
            if alias.startswith(prefix):
                await client.alias.delete(alias_name=alias)
        for name in await client.collections.list_all():
            if name.startswith(prefix):
                await client.collections.delete(name)
