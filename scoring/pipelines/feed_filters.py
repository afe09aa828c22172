"""Filters of feeds, which record the projects that each removed for `whyNot`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from db.catalog.project_cards import ProjectFeatures, ProjectFilter
from db.models import TermKind
from db.vectors.base import VectorFilter
from scoring.features import incidences

TermGroups = tuple[frozenset[int], ...]
"""Term ids of a filter: a project must carry at least one of each group."""


class Filter(StrEnum):
    """Filters in the order in which they apply."""

    PRIVATE = "private"
    ARCHIVED = "archived"
    OWN = "own"
    DISMISSED = "dismissed"
    MUTED = "muted"
    WHERE = "where"


@dataclass(frozen=True, slots=True)
class Selection:
    """Candidates that passed every filter, in their order, and the ids that each filter removed."""

    kept: list[ProjectFeatures]
    removed: Mapping[Filter, tuple[int, ...]]


def select(
    features: Sequence[ProjectFeatures], user_id: int | None, where: ProjectFilter, terms: TermGroups
) -> Selection:
    """Apply the filters to candidates; `user_id` is the user whose own projects are removed."""
    removes: dict[Filter, Callable[[ProjectFeatures], bool]] = {
        Filter.PRIVATE: lambda feature: feature.private,
        Filter.ARCHIVED: lambda feature: feature.archived,
        Filter.OWN: lambda feature: user_id is not None and feature.owner_id == user_id,
        Filter.DISMISSED: lambda feature: feature.dismissed,
        Filter.MUTED: lambda feature: feature.muted,
        Filter.WHERE: lambda feature: not _matches(feature, where, terms),
    }
    kept: list[ProjectFeatures] = []
    removed: dict[Filter, list[int]] = {filter_: [] for filter_ in removes}
    for feature in features:
        first = next((filter_ for filter_, matches in removes.items() if matches(feature)), None)
        if first is None:
            kept.append(feature)
        else:
            removed[first].append(feature.id)
    return Selection(kept, {filter_: tuple(ids) for filter_, ids in removed.items()})


def _matches(feature: ProjectFeatures, where: ProjectFilter, terms: TermGroups) -> bool:
    is_outside = (
        (where.types and feature.type not in where.types)
        or (where.created_after is not None and feature.created_at < where.created_after)
        or (where.created_before is not None and feature.created_at >= where.created_before)
        or (where.owner_id is not None and feature.owner_id != where.owner_id)
        or feature.key in where.exclude_keys
    )
    if is_outside or not terms:
        return not is_outside
    carried = {int(id_) for kind in TermKind for id_ in incidences([feature.terms])[kind].terms}
    return all(carried & group for group in terms)


def vector_filter(
    where: ProjectFilter,
    terms: TermGroups,
    exclude_owner: int | None = None,
    exclude_ids: frozenset[int] = frozenset(),
) -> VectorFilter:
    """Convert the filter of a feed to the vector store's filter."""
    return VectorFilter(
        exclude_owner=exclude_owner,
        exclude_ids=exclude_ids | frozenset(where.excluded_ids),
        types=frozenset(where.types),
        any_terms=terms,
        created_after=where.created_after,
        created_before=where.created_before,
        owner=where.owner_id,
    )
