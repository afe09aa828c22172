"""How entries of the cache are named, so that what is an actor's own can be found again and forgotten."""

from db.cache.base import Cache

OWNERSHIP_TTL_S = 86_400.0
"""How long it is remembered whose a stored ranking is: longer than anybody walks through one."""


def actor_prefix(actor_id: int) -> str:
    """Give what the names of all entries begin with that are this actor's own."""
    return f"actor:{actor_id}:"


def snapshot_key(id_: str) -> str:
    """Name the body of a stored ranking, whoever it is for: a cursor knows its id and nothing else."""
    return f"snapshot:{id_}"


def ownership_key(actor_id: int, ranking_id: str) -> str:
    """Name the entry that says that a stored ranking is this actor's own."""
    return f"{actor_prefix(actor_id)}snapshot:{ranking_id}"


async def delete_actor_entries(cache: Cache, actor_id: int) -> int:
    """Delete everything that is an actor's own; give how many entries that were."""
    prefix = ownership_key(actor_id, "")
    gone = await cache.keys(actor_prefix(actor_id))
    for key in gone:
        if key.startswith(prefix):
            await cache.delete(snapshot_key(key.removeprefix(prefix)))
        await cache.delete(key)
    return len(gone)
