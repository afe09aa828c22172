"""Conversion of filters to Weaviate filters."""

from weaviate.classes.query import Filter
from weaviate.collections.classes.filters import FilterReturn

from db.vectors.base import VectorFilter


def matches_nothing(where: VectorFilter) -> bool:
    """Return whether no project can pass a filter (an empty group of terms). Weaviate's filters cannot express this."""
    return not all(where.any_terms)


def conditions(where: VectorFilter) -> FilterReturn | None:
    """Convert a filter to a Weaviate filter; None if all projects pass."""
    filters: list[FilterReturn] = []
    if where.exclude_owner is not None:
        filters.append(Filter.by_property("owner_id").not_equal(where.exclude_owner))
    if where.exclude_ids:
        filters.append(Filter.by_property("project_id").contains_none(sorted(where.exclude_ids)))
    if where.types:
        filters.append(Filter.by_property("project_type").contains_any(sorted(where.types)))
    filters += [Filter.by_property("term_ids").contains_any(sorted(group)) for group in where.any_terms]
    if where.created_after is not None:
        filters.append(Filter.by_property("created_at").greater_or_equal(where.created_after))
    if where.created_before is not None:
        filters.append(Filter.by_property("created_at").less_than(where.created_before))
    if where.owner is not None:
        filters.append(Filter.by_property("owner_id").equal(where.owner))
    return Filter.all_of(filters) if filters else None
