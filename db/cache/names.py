"""Keys of the cache entries of an actor, and deletion of these entries."""

from db.cache.base import Cache

OWNERSHIP_TTL_S = 86_400.0
"""TTL of the entry that assigns a ranking snapshot to an actor. Nobody pages through a snapshot for longer."""


def actor_prefix(actor_id: int) -> str:
    """Return the key prefix of all entries of an actor."""
    return f"actor:{actor_id}:"


def snapshot_key(id_: str) -> str:
    """Return the key of a ranking snapshot's body.

    It does not name the actor, because a cursor has only the snapshot id.
    """
    return f"snapshot:{id_}"


def ownership_key(actor_id: int, ranking_id: str) -> str:
    """Return the key of the entry that assigns a ranking snapshot to an actor."""
    return f"{actor_prefix(actor_id)}snapshot:{ranking_id}"


async def delete_actor_entries(cache: Cache, actor_id: int) -> int:
    """Delete all entries of an actor, snapshot bodies included, and return the number of keys with its prefix."""
    prefix = ownership_key(actor_id, "")
    keys = await cache.keys(actor_prefix(actor_id))
    for key in keys:
        if key.startswith(prefix):
            await cache.delete(snapshot_key(key.removeprefix(prefix)))
        await cache.delete(key)
    return len(keys)
