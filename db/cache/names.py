"""How entries of the cache are named, so that what is an actor's own can be found again and forgotten."""

from db.cache.base import Cache

MARKED_S = 86_400.0
"""How long it is remembered whose a stored ranking is: longer than anybody walks through one."""


def own(actor_id: int) -> str:
    """Give what the names of all entries begin with that are this actor's own."""
    return f"actor:{actor_id}:"


def ranking(id_: str) -> str:
    """Name the body of a stored ranking, whoever it is for: a cursor knows its id and nothing else."""
    return f"snapshot:{id_}"


def mark(actor_id: int, ranking_id: str) -> str:
    """Name the entry that says that a stored ranking is this actor's own."""
    return f"{own(actor_id)}snapshot:{ranking_id}"


async def forget_own(cache: Cache, actor_id: int) -> int:
    """Delete everything that is an actor's own; give how many entries that were."""
    prefix = mark(actor_id, "")
    gone = await cache.keys(own(actor_id))
    for key in gone:
        if key.startswith(prefix):
            await cache.delete(ranking(key.removeprefix(prefix)))
        await cache.delete(key)
    return len(gone)
