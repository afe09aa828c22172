"""Stored rankings: pages are cut from them, so that a walk meets each project once whatever happens meanwhile.

Two entries in the cache for each ranking: a *pointer*, named after everything that would change the ranking (feed,
actor, the actor's version, filter, model), names a *body*. The pointer lives as long as a first page may be old; the
body lives on from its last use, so that cursors hold. A third says whose a personal one is (see `db.cache.names`).
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson

from db.actors.users import Viewer
from db.cache import names
from db.cache.base import Cache
from db.catalog.project_cards import ProjectFilter
from db.errors import Store
from db.models import FeedKind
from scoring import weights
from scoring.ranking import Adjustment, Ranking, Rule, Strategy
from scoring.weights import Signal

_FORMAT = 5
"""Raised when the layout changes; a body of another format counts as gone."""


@dataclass(frozen=True, slots=True)
class RankingSnapshot:
    """A stored ranking.

    Attributes
    ----------
    id
        16 random bytes as hex: nobody guesses the cursor of somebody else.
    actor_id
        Whose it is; None for one that everybody shares.
    arguments
        Digest of the filter, and of whatever else it was made with.
    where
        The filter itself, for an explanation that ranks the page again.
    """

    id: str
    actor_id: int | None
    arguments: str
    where: ProjectFilter
    ranking: Ranking

    def is_for(self, viewer: Viewer) -> bool:
        """Tell whether this viewer may read it."""
        return self.actor_id in (None, viewer.actor_id)


class SnapshotStore:
    """Keeps and finds stored rankings in the cache."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    async def by_id(self, snapshot_id: str) -> RankingSnapshot | None:
        """Find a ranking by its id, and let it live on from now."""
        body = await self._cache.get(names.snapshot_key(snapshot_id), extend_s=weights.SNAPSHOT_TTL_S)
        return decode(body) if body else None

    async def keep(self, snapshot: RankingSnapshot) -> None:
        """Store a ranking; of a personal one the cache also remembers whose it is."""
        await self._cache.put(names.snapshot_key(snapshot.id), encode(snapshot), weights.SNAPSHOT_TTL_S)
        if snapshot.actor_id is not None:
            await self._cache.put(names.ownership_key(snapshot.actor_id, snapshot.id), b"", names.OWNERSHIP_TTL_S)


def new_id() -> str:
    """Make the id of a snapshot: 128 random bits, as hex."""
    return secrets.token_hex(16)


def pointer(kind: FeedKind, viewer: Viewer | None, arguments: str, model: str) -> str:
    """Name the ranking of a feed for a viewer as it is now; None names the one that everybody shares."""
    whose = "shared:" if viewer is None else f"{names.actor_prefix(viewer.actor_id or 0)}{viewer.version}:"
    return f"{whose}{kind}_feed:{arguments}:{model}"


def digest(where: ProjectFilter, *others: str | float) -> str:
    """Name a filter and other arguments: equal ones have equal names, whatever the order of the filter's lists."""
    fields = [
        *others,
        sorted(where.types),
        *([kind, sorted(keys)] for kind, keys in where.terms_by_kind),
        where.created_after,
        where.created_before,
        where.owner_id,
        sorted(where.exclude_keys),
    ]
    return hashlib.blake2b(orjson.dumps(fields), digest_size=8).hexdigest()


def encode(snapshot: RankingSnapshot) -> bytes:
    """Pack a snapshot: a JSON header behind its length, then ids, values and contributions as raw little-endian."""
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
            "adjustments": [
                [index, moved.rule, moved.penalty, moved.because_of, moved.from_rank, moved.to_rank, moved.propensity]
                for index, moved in ranking.adjustments.items()
            ],
        }
    )
    parts = (ranking.ids.astype("<i8"), ranking.contributions.astype("<i8"), ranking.values.astype("<f4"))
    return b"".join([len(header).to_bytes(4, "little"), header, *(part.tobytes() for part in parts)])


def decode(body: bytes) -> RankingSnapshot | None:
    """Unpack what `encode` made; None for another format."""
    start = 4 + int.from_bytes(body[:4], "little")
    header = orjson.loads(body[4:start])
    if header["format"] != _FORMAT:
        return None
    where = _filter(header["where"])
    return RankingSnapshot(header["id"], header["actor"], header["arguments"], where, _ranking(header, body, start))


def _filter(fields: Mapping[str, Any]) -> ProjectFilter:
    read: dict[str, Any] = {
        name: tuple(fields[name]) for name in ("types", "tools", "categories", "topics", "exclude_keys", "excluded_ids")
    }
    for name in ("created_after", "created_before"):
        read[name] = None if fields[name] is None else datetime.fromisoformat(fields[name])
    return ProjectFilter(**read, owner_id=fields["owner_id"])


def _ranking(header: Mapping[str, Any], body: bytes, start: int) -> Ranking:
    n, signals = header["n"], tuple(Signal(name) for name in header["signals"])
    k = len(signals)
    ids = np.frombuffer(body, "<i8", n, start)
    contributions = np.frombuffer(body, "<i8", n * k, start + 8 * n)
    values = np.frombuffer(body, "<f4", n * k, start + 8 * n * (1 + k))
    return Ranking(
        kind=FeedKind(header["kind"]),
        strategy=Strategy(header["strategy"]),
        model=header["model"],
        signals=signals,
        ids=ids,
        values=values.reshape(n, k),
        contributions=contributions.reshape(n, k),
        adjustments={index: Adjustment(Rule(rule), *rest) for index, rule, *rest in header["adjustments"]},
        generated_at=datetime.fromisoformat(header["at"]).astimezone(UTC),
        degraded=tuple(Store(name) for name in header["degraded"]),
        query=header["query"],
        switched_off=frozenset(Signal(name) for name in header["off"]),
    )
