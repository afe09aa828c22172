"""Filters of feeds. `whyNot` reports the filter that removes a project."""

from enum import StrEnum

from db.catalog.project_cards import ProjectFeatures, ProjectFilter
from db.vectors.base import VectorFilter
from scoring.features import all_terms

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
    READ = "read"


def removing_filter(
    feature: ProjectFeatures, user_id: int | None, where: ProjectFilter, terms: TermGroups
) -> Filter | None:
    """Return the first filter that removes a candidate, or None. `user_id` owns the projects that `OWN` removes.

    `READ` is not among them, because read projects are hidden only while others are left.
    """
    filters = (
        (Filter.PRIVATE, feature.private),
        (Filter.ARCHIVED, feature.archived),
        (Filter.OWN, user_id is not None and feature.owner_id == user_id),
        (Filter.DISMISSED, feature.dismissed),
        (Filter.MUTED, feature.muted),
        (Filter.WHERE, not _matches(feature, where, terms)),
    )
    return next((filter_ for filter_, applies in filters if applies), None)


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
    project_terms = set(all_terms([feature.terms]))
    return all(project_terms & group for group in terms)


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
