"""Store of ranking snapshots, from which pages are cut, so that paging shows each project once.

The cache holds two entries for each snapshot. The *pointer* holds the id of the *body*; its key contains all that
changes the ranking: feed, actor, viewer version, filter and model. The pointer expires when the ranking is too old for
a first page of the feed (`tunables.*_FRESH_S`). The body expires `tunables.SNAPSHOT_TTL_S` after its last use, so
cursors stay valid. A third entry lists the snapshot under its actor, for erasure (`db.cache.names`).

A body never changes, so each process keeps the bodies that it used last. It reads a kept body from the cache again only
to extend the body's life, once in `EXTEND_EVERY_S`. A body that could not be stored is kept for the time that it would
have been stored, so its cursors are valid in the process that made it. A process keeps its own pointers for as long as
they are valid, and pointers of other processes for `POINTER_KEPT_S`.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import orjson

from db.actors.users import Viewer
from db.cache import names
from db.cache.base import Cache, Entry
from db.cache.lru_cache import LruCache
from db.cache.single_flight import Computed, get_or_compute, put_computed
from db.catalog.project_cards import HiddenReads, ProjectFilter
from db.errors import Store, StoreUnavailable
from db.models import FeedKind, now
from scoring import tunables
from scoring.mathematics.signals import Signal
from scoring.ranking import Adjustment, PageEntry, Ranking, Rule, Strategy, distinct_stores
from scoring.snapshots.feed_cursors import Cursor

MAX_KEPT_BYTES = 16 * 2**20
"""Maximum size of the bodies that a process keeps: 500 rankings of 32 KB. The decoded entries that were shown take
about as much memory again."""

MAX_KEPT_POINTERS = 10_000

EXTEND_EVERY_S = 60.0
"""Interval of extending the life of a body in the cache. A body can therefore expire up to a minute early."""

POINTER_KEPT_S = 5.0

CLOCK_TOLERANCE_S = 60.0
"""Maximum difference between the clocks of servers. A ranking that is newer than the present, or much older than its
pointer may be, was stored before a clock was set: it is made anew."""

_FORMAT = 7  # version of the layout; a body of another version counts as expired


@dataclass(frozen=True, slots=True)
class RankingSnapshot:
    """Ranking stored for paging."""

    id: str  # 16 random bytes as hex, so that cursors cannot be guessed
    actor_id: int | None  # actor of a personal ranking; None for a shared one
    arguments: str  # digest of the filter and the other arguments
    where: ProjectFilter  # for explanations that rank the page again
    ranking: Ranking
    _entries: dict[int, PageEntry] = field(default_factory=dict, compare=False, repr=False)

    def entry(self, index: int) -> PageEntry:
        """Return the entry at an index of the ranking; it is made once."""
        entry = self._entries.get(index)
        if entry is None:
            cursor = Cursor(self.id, index + 1).encode()
            entry = self._entries[index] = PageEntry(index + 1, cursor, self.ranking.scored_project(index))
        return entry

    def is_for(self, viewer: Viewer) -> bool:
        """Return whether the viewer may read this snapshot."""
        return self.actor_id in (None, viewer.actor_id)


@dataclass(frozen=True, slots=True)
class RankingKey:
    """Key of a stored ranking, and the fields that its `RankingSnapshot` gets."""

    pointer: str  # see `pointer`
    actor_id: int | None
    arguments: str
    where: ProjectFilter
    max_age_s: float  # greatest age at which the ranking is served as a first page


MakeRanking = Callable[[], Awaitable[Ranking | RankingSnapshot]]
"""Function that makes a ranking, or returns the snapshot of another feed to serve instead."""


class _KeptSnapshot(NamedTuple):
    snapshot: RankingSnapshot
    size: int  # bytes of the body
    extended_at: float
    is_stored: bool = True  # False if the cache was unavailable


class _KeptSnapshots:
    """The snapshots that this process used last, by id, limited by the size of their bodies."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._kept: OrderedDict[str, _KeptSnapshot] = OrderedDict()

    def get(self, id_: str) -> _KeptSnapshot | None:
        """Return a snapshot as last put, and mark it as used."""
        kept = self._kept.get(id_)
        if kept is not None:
            self._kept.move_to_end(id_)
        return kept

    def put(self, kept: _KeptSnapshot) -> None:
        """Keep a snapshot; drop the least recently used ones above the limit, and expired ones."""
        self.drop(kept.snapshot.id)
        self._kept[kept.snapshot.id] = kept
        self._bytes += kept.size
        oldest = kept.extended_at - tunables.SNAPSHOT_TTL_S
        while self._kept and (self._bytes > self._max_bytes or next(iter(self._kept.values())).extended_at < oldest):
            self._bytes -= self._kept.popitem(last=False)[1].size

    def drop(self, id_: str) -> None:
        """Forget a snapshot."""
        kept = self._kept.pop(id_, None)
        if kept is not None:
            self._bytes -= kept.size


class SnapshotStore:
    """Store of snapshots in the cache. Without the cache, each process makes its own rankings, marked degraded.

    `clock` returns seconds of a clock that does not go back, and `now` the time of day.
    """

    def __init__(
        self,
        cache: Cache,
        clock: Callable[[], float] = time.monotonic,
        max_kept_bytes: int = MAX_KEPT_BYTES,
        now: Callable[[], datetime] = now,
    ) -> None:
        self._cache = cache
        self._clock = clock
        self._now = now
        self._kept = _KeptSnapshots(max_kept_bytes)
        # The id of each pointer, and the time until which it is valid.
        self._pointers: LruCache[str, tuple[str, float]] = LruCache(MAX_KEPT_POINTERS)

    async def by_id(self, snapshot_id: str) -> RankingSnapshot | None:
        """Return a snapshot and extend its life; None if it has expired.

        Raises `StoreUnavailable` if the cache is unavailable, and this process does not keep the snapshot.
        """
        kept = self._kept.get(snapshot_id)
        if kept is not None:
            max_age_s = EXTEND_EVERY_S if kept.is_stored else tunables.SNAPSHOT_TTL_S
            if self._clock() - kept.extended_at < max_age_s:
                return kept.snapshot
        try:
            body = await self._cache.get(names.snapshot_key(snapshot_id), extend_s=tunables.SNAPSHOT_TTL_S)
        except StoreUnavailable:
            if kept is None:
                raise
            return kept.snapshot
        snapshot = kept.snapshot if body and kept is not None else decode(body) if body else None
        if snapshot is None:
            self._kept.drop(snapshot_id)
        else:
            self._kept.put(_KeptSnapshot(snapshot, len(body or b""), self._clock()))
        return snapshot

    async def find_or_make(self, key: RankingKey, make: MakeRanking) -> RankingSnapshot:
        """Return the snapshot of a key, or make it, once across all tasks and processes.

        A ranking made while a store was unavailable, or without any project, is served for at most
        `tunables.DEGRADED_FRESH_S`.
        """
        id_, valid_until = self._pointers.get(key.pointer) or ("", 0.0)
        if self._clock() < valid_until and (snapshot := await self._available(id_)) is not None:
            return snapshot

        async def compute() -> Computed[RankingSnapshot]:
            return _computed(key, await make())

        lock_s = tunables.RANKING_LOCK_S if key.actor_id is None else None
        computed = await get_or_compute(self._cache, key.pointer, compute, lock_s=lock_s, cancel_when_abandoned=True)
        if computed.decoded is not None:
            return self._keep(key, computed)
        snapshot = await self._available(computed.value.decode())
        if snapshot is None or not self._is_plausible(snapshot.ranking, key):
            return await self._make_again(key, compute)
        self._keep_pointer(key.pointer, snapshot.id, min(POINTER_KEPT_S, key.max_age_s))
        return snapshot

    def _is_plausible(self, ranking: Ranking, key: RankingKey) -> bool:
        """Return whether a ranking has the age of one whose pointer is valid, or a clock was set meanwhile."""
        age_s = (self._now() - ranking.generated_at).total_seconds()
        # Twice: the ranking of another feed may have been as old when its own pointer was made.
        max_age_s = 2 * _fresh_s(ranking, key.max_age_s)
        return -CLOCK_TOLERANCE_S <= age_s <= max_age_s + CLOCK_TOLERANCE_S

    async def _available(self, snapshot_id: str) -> RankingSnapshot | None:
        """Return a snapshot as `by_id`; None also if the cache is unavailable."""
        try:
            return await self.by_id(snapshot_id)
        except StoreUnavailable:
            return None

    def _keep(self, key: RankingKey, computed: Computed[RankingSnapshot]) -> RankingSnapshot:
        snapshot, valid_s = computed.decoded, computed.ttl_s
        assert snapshot is not None  # noqa: S101 (`find_or_make` always sets it; for the type checker)
        is_stored = computed.is_stored and Store.CACHE not in snapshot.ranking.degraded
        if not is_stored:
            snapshot, valid_s = _without_cache(snapshot), min(valid_s, tunables.DEGRADED_FRESH_S)
        if computed.others:
            size = len(computed.others[names.snapshot_key(snapshot.id)].value)
            self._kept.put(_KeptSnapshot(snapshot, size, self._clock(), is_stored))
        self._keep_pointer(key.pointer, snapshot.id, valid_s)
        return snapshot

    def _keep_pointer(self, pointer: str, id_: str, valid_s: float) -> None:
        self._pointers.put(pointer, (id_, self._clock() + valid_s), 1)

    async def _make_again(
        self, key: RankingKey, compute: Callable[[], Awaitable[Computed[RankingSnapshot]]]
    ) -> RankingSnapshot:
        """Make the ranking again.

        This is needed if the cache evicted the body before its pointer, or became unavailable, or a clock was set.
        """
        again = await compute()
        try:
            await put_computed(self._cache, key.pointer, again)
        except StoreUnavailable:
            again = replace(again, is_stored=False)
        return self._keep(key, again)


def _computed(key: RankingKey, ranking: Ranking | RankingSnapshot) -> Computed[RankingSnapshot]:
    """Return the snapshot of a new ranking with the entries to store; another feed's snapshot is stored already."""
    entries: dict[str, Entry] = {}
    if isinstance(ranking, RankingSnapshot):
        snapshot = ranking
    else:
        snapshot = RankingSnapshot(new_id(), key.actor_id, key.arguments, key.where, ranking)
        entries[names.snapshot_key(snapshot.id)] = Entry(encode(snapshot), tunables.SNAPSHOT_TTL_S)
        if snapshot.actor_id is not None:
            entries[names.ownership_key(snapshot.actor_id, snapshot.id)] = Entry(b"", names.OWNERSHIP_TTL_S)
    max_age_s = _fresh_s(snapshot.ranking, key.max_age_s)
    return Computed(snapshot.id.encode(), max_age_s, snapshot, entries)


def _fresh_s(ranking: Ranking, max_age_s: float) -> float:
    """Return the age up to which a ranking serves first pages. The first projects may just have been imported."""
    if ranking.degraded:
        return tunables.DEGRADED_FRESH_S
    return max_age_s if ranking.ids.size else min(max_age_s, tunables.DEGRADED_FRESH_S)


def _without_cache(snapshot: RankingSnapshot) -> RankingSnapshot:
    """Mark a snapshot as degraded because it could not be stored; its cursors are valid in this process only."""
    degraded = distinct_stores([*snapshot.ranking.degraded, Store.CACHE])
    return replace(snapshot, ranking=replace(snapshot.ranking, degraded=degraded))


def new_id() -> str:
    """Return the id of a new snapshot: 128 random bits, as hex."""
    return secrets.token_hex(16)


def pointer(kind: FeedKind, viewer: Viewer | None, arguments: str, model: str) -> str:
    """Return the cache key of a feed's pointer. Without a viewer, it is the key of the shared ranking."""
    prefix = "shared:" if viewer is None else f"{names.actor_prefix(viewer.actor_id or 0)}{viewer.version}:"
    return f"{prefix}{kind}_feed:{arguments}:{model}"


@lru_cache(maxsize=1_000)
def digest(where: ProjectFilter, *other_arguments: str | float) -> str:
    """Return a digest of a filter and other arguments, independent of the order of the filter's lists."""
    fields = [
        *other_arguments,
        sorted(where.types),
        *([kind, sorted(keys)] for kind, keys in where.terms_by_kind),
        where.created_after,
        where.created_before,
        where.owner_id,
        sorted(where.exclude_keys),
    ]
    return hashlib.blake2b(orjson.dumps(fields), digest_size=8).hexdigest()


def encode(snapshot: RankingSnapshot) -> bytes:
    """Pack a snapshot: the length of a JSON header, the header, then ids, contributions and values in little-endian."""
    ranking = snapshot.ranking
    header = orjson.dumps(
        {
            "format": _FORMAT,
            "id": snapshot.id,
            "actor": snapshot.actor_id,
            "arguments": snapshot.arguments,
            "where": snapshot.where,
            "query": ranking.query,
            "off": sorted(ranking.switched_off),
            "kind": ranking.kind,
            "strategy": ranking.strategy,
            "model": ranking.model,
            "signals": ranking.signals,
            "at": ranking.generated_at,
            "degraded": ranking.degraded,
            "n": ranking.ids.size,
            "value_type": ranking.values.dtype.str,
            "adjustments": [[index, *change] for index, changes in ranking.adjustments.items() for change in changes],
            "hidden": None if ranking.hidden is None else [*ranking.hidden],
        }
    )
    parts = (ranking.ids.astype("<i8"), ranking.contributions.astype("<i8"), ranking.values)
    return b"".join([len(header).to_bytes(4, "little"), header, *(part.tobytes() for part in parts)])


def decode(body: bytes) -> RankingSnapshot | None:
    """Unpack the result of `encode`; None for another format."""
    start = 4 + int.from_bytes(body[:4], "little")
    header = orjson.loads(body[4:start])
    if header["format"] != _FORMAT:
        return None
    where = _filter(header["where"])
    return RankingSnapshot(header["id"], header["actor"], header["arguments"], where, _ranking(header, body, start))


def _filter(fields: Mapping[str, Any]) -> ProjectFilter:
    lists = ("types", "tools", "categories", "topics", "exclude_keys", "excluded_ids")
    arguments: dict[str, Any] = {name: tuple(fields[name]) for name in lists}
    for name in ("created_after", "created_before"):
        arguments[name] = None if fields[name] is None else datetime.fromisoformat(fields[name])
    return ProjectFilter(**arguments, owner_id=fields["owner_id"])


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def _ranking(header: Mapping[str, Any], body: bytes, start: int) -> Ranking:
    n, signals = header["n"], tuple(Signal(name) for name in header["signals"])
    k = len(signals)
    ids = np.frombuffer(body, "<i8", n, start)
    contributions = np.frombuffer(body, "<i8", n * k, start + 8 * n)
    values = np.frombuffer(body, header["value_type"], n * k, start + 8 * n * (1 + k))
    adjustments: dict[int, tuple[Adjustment, ...]] = {}
    for index, rule, *rest in header["adjustments"]:
        adjustments[index] = (*adjustments.get(index, ()), Adjustment(Rule(rule), *rest))
    return Ranking(
        kind=FeedKind(header["kind"]),
        strategy=Strategy(header["strategy"]),
        model=header["model"],
        signals=signals,
        ids=ids,
        values=values.reshape(n, k),
        contributions=contributions.reshape(n, k),
        adjustments=adjustments,
        hidden=None if header["hidden"] is None else HiddenReads(_time(header["hidden"][0]), header["hidden"][1]),
        generated_at=_time(header["at"]),
        degraded=tuple(Store(name) for name in header["degraded"]),
        query=header["query"],
        switched_off=frozenset(Signal(name) for name in header["off"]),
    )
