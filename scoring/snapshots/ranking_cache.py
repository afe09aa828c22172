"""The stored rankings: found by their pointer, or made once however many ask at the same moment."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from db.cache.base import Cache
from db.cache.single_flight import Computed, get_or_compute
from db.catalog.project_cards import ProjectFilter
from db.errors import Store, StoreUnavailable
from scoring import weights
from scoring.ranking import Ranking, distinct_stores
from scoring.snapshots.snapshot_store import RankingSnapshot, SnapshotStore, new_id

Make = Callable[[], Awaitable[Ranking | RankingSnapshot]]
"""Makes a ranking; or gives the snapshot of another feed to serve in its place."""


@dataclass(frozen=True, slots=True)
class RankingKey:
    """Where a ranking is stored.

    Attributes
    ----------
    pointer
        Named after everything that would change the ranking (see `scoring.snapshots.snapshot_store.pointer`).
    actor_id
        Whose it is; None for one that everybody shares.
    arguments
        Digest of the filter, and of whatever else it is made with.
    where
        The filter.
    fresh_s
        How long it may be served as a first page.
    """

    pointer: str
    actor_id: int | None
    arguments: str
    where: ProjectFilter
    fresh_s: float


class RankingCache:
    """Finds and makes stored rankings in a cache; does without the cache while that is away, and says so."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache
        self._snapshots = SnapshotStore(cache)

    async def by_id(self, snapshot_id: str) -> RankingSnapshot | None:
        """Find a ranking by its id; None if it is gone."""
        try:
            return await self._snapshots.by_id(snapshot_id)
        except StoreUnavailable:
            return None

    async def at(self, place: RankingKey, make: Make) -> RankingSnapshot:
        """Find the ranking of a place while it is fresh; else make it, once across all tasks and workers.

        A ranking that was made while a store was away is kept for `weights.DEGRADED_FRESH_S` only.
        """

        async def made() -> Computed[RankingSnapshot]:
            snapshot = await self._kept(place, await make())
            fresh_s = weights.DEGRADED_FRESH_S if snapshot.ranking.degraded else place.fresh_s
            return Computed(snapshot.id.encode(), fresh_s, snapshot)

        named = await get_or_compute(
            self._cache, place.pointer, made, lock_s=weights.RANKING_LOCK_S, cancel_when_abandoned=True
        )
        if named.decoded is not None:
            return named.decoded
        found = await self.by_id(named.value.decode())
        return found or await self._again(place, made)

    async def _again(
        self, place: RankingKey, made: Callable[[], Awaitable[Computed[RankingSnapshot]]]
    ) -> RankingSnapshot:
        """Make a ranking whose pointer outlived it: the body was evicted, or the cache went away in between."""
        anew = await made()
        assert anew.decoded is not None  # noqa: S101 (`made` says so two lines above; for the type checker)
        try:
            await self._cache.put(place.pointer, anew.value, anew.ttl_s)
        except StoreUnavailable:
            return without_cache(anew.decoded)
        return anew.decoded

    async def _kept(self, place: RankingKey, made: Ranking | RankingSnapshot) -> RankingSnapshot:
        if isinstance(made, RankingSnapshot):
            return made
        snapshot = RankingSnapshot(new_id(), place.actor_id, place.arguments, place.where, made)
        try:
            await self._snapshots.keep(snapshot)
        except StoreUnavailable:
            return without_cache(snapshot)
        return snapshot


def without_cache(snapshot: RankingSnapshot) -> RankingSnapshot:
    """Mark a ranking that could not be kept: its cursors will not hold."""
    degraded = distinct_stores([*snapshot.ranking.degraded, Store.CACHE])
    return replace(snapshot, ranking=replace(snapshot.ranking, degraded=degraded))
