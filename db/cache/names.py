"""Names of cache entries that belong to an actor, so that they can be found and deleted."""

from db.cache.base import Cache

OWNERSHIP_TTL_S = 86_400.0
"""Time to live of the entry that names the owner of a ranking snapshot: longer than anyone pages through one."""


def actor_prefix(actor_id: int) -> str:
    """Return the prefix of all entries of this actor."""
    return f"actor:{actor_id}:"


def snapshot_key(id_: str) -> str:
    """Return the name of a ranking snapshot's body. It does not name the actor: a cursor holds only the id."""
    return f"snapshot:{id_}"


def ownership_key(actor_id: int, ranking_id: str) -> str:
    """Return the name of the entry that assigns a ranking snapshot to this actor."""
    return f"{actor_prefix(actor_id)}snapshot:{ranking_id}"


async def delete_actor_entries(cache: Cache, actor_id: int) -> int:
    """Delete all entries of an actor, and return their number."""
    prefix = ownership_key(actor_id, "")
    keys = await cache.keys(actor_prefix(actor_id))
    for key in keys:
        if key.startswith(prefix):
            await cache.delete(snapshot_key(key.removeprefix(prefix)))
        await cache.delete(key)
    return len(keys)
