"""Features of candidates as arrays, one row per project."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from db.catalog.project_cards import ProjectFeatures
from db.models import DELIBERATE_KINDS, PASSIVE_KINDS, EngagementKind, TermKind
from db.time_units import DAY_S
from scoring.mathematics.diversity import DiversityAttributes
from scoring.mathematics.signals import Floats, Incidence, Integers, union

ANY_ENGAGEMENT = PASSIVE_KINDS | DELIBERATE_KINDS

_KIND_OF_PREFIX = {kind.value[:3]: kind for kind in TermKind}


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """Features of n projects, (n,) each."""

    ids: Integers
    keys: NDArray[np.str_]  # platform keys
    owners: Integers  # owner ids, −1 for none
    age_days: Floats  # at least 0
    likes: Integers  # all-time likes
    terms: dict[TermKind, Incidence]  # tools, categories and topics
    viewed_at: Floats  # Unix seconds of the viewer's last engagement, 0 for none
    liked: NDArray[np.bool_]  # by the viewer
    read_at: Floats  # as `viewed_at`, −1 for none, also of engagement that is left out for a counterfactual

    @property
    def n(self) -> int:
        """Number of projects."""
        return self.ids.size

    @property
    def all_terms(self) -> Incidence:
        """Terms of every kind."""
        return union(self.terms.values())

    def diversity_attributes(self, rows: Integers) -> DiversityAttributes:
        """Return the attributes of these rows for re-ranking."""
        categories, tools = (self.terms[kind].take(rows) for kind in (TermKind.CATEGORY, TermKind.TOOL))
        return DiversityAttributes(self.owners[rows], categories, tools)


def feature_table(
    features: Sequence[ProjectFeatures],
    at: datetime,
    kinds: EngagementKind = ANY_ENGAGEMENT,
    excluded: frozenset[int] = frozenset(),
) -> FeatureTable:
    """Convert rows to arrays in the same order. Only `kinds` of the viewer's engagement count, without `excluded` ids.

    `read_at` ignores `excluded`.
    """
    now_s = at.timestamp()
    read_kinds = [(feature.kinds or 0) & int(kinds) for feature in features]
    read_at = [f.last_at.timestamp() if f.last_at and n else -1.0 for f, n in zip(features, read_kinds, strict=True)]
    is_counted = np.array([feature.id not in excluded for feature in features], dtype=np.bool_)
    counted_kinds = np.array(read_kinds, dtype=np.int64) * is_counted
    return FeatureTable(
        ids=np.array([feature.id for feature in features], dtype=np.int64),
        keys=np.array([feature.key for feature in features], dtype=np.str_),
        owners=np.array([-1 if f.owner_id is None else f.owner_id for f in features], dtype=np.int64),
        age_days=np.array([max(now_s - f.created_at.timestamp(), 0.0) / DAY_S for f in features]),
        likes=np.array([feature.like_count for feature in features], dtype=np.int64),
        terms=incidences([feature.terms for feature in features]),
        viewed_at=np.maximum(np.array(read_at), 0.0) * is_counted,
        liked=(counted_kinds & EngagementKind.LIKE) > 0,
        read_at=np.array(read_at),
    )


def incidences(texts: Sequence[str | None]) -> dict[TermKind, Incidence]:
    """Parse the terms of n projects, each ``"too12,cat3"`` or None (`db.catalog.project_cards`), by kind."""
    pairs: dict[TermKind, tuple[list[int], list[int]]] = {kind: ([], []) for kind in TermKind}
    for row, text in enumerate(texts):
        for kind, id_ in _parsed(text):
            rows, ids = pairs[kind]
            rows.append(row)
            ids.append(id_)
    return {
        kind: Incidence(len(texts), np.array(rows, dtype=np.int64), np.array(ids, dtype=np.int64))
        for kind, (rows, ids) in pairs.items()
    }


def all_terms(texts: Sequence[str | None]) -> list[int]:
    """Return the term ids of every kind of n projects, one entry for each project and term."""
    return [id_ for text in texts for _, id_ in _parsed(text)]


@lru_cache(maxsize=20_000)
def _parsed(text: str | None) -> tuple[tuple[TermKind, int], ...]:
    return tuple((_KIND_OF_PREFIX[term[:3]], int(term[3:])) for term in text.split(",")) if text else ()
