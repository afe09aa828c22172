"""What may not stand in a feed. A filter gives what it kept AND what it removed, so that "why not" has an answer."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from db.catalog.project_cards import ProjectFeatures, ProjectFilter
from db.models import TermKind
from scoring.features import incidences
from scoring.pipelines.candidate_sources import TermGroups


class Filter(StrEnum):
    """What may remove a candidate; the first that applies does."""

    PRIVATE = "private"
    ARCHIVED = "archived"
    OWN = "own"
    DISMISSED = "dismissed"
    MUTED = "muted"
    WHERE = "where"


@dataclass(frozen=True, slots=True)
class Selection:
    """The candidates that passed every filter, in their order, and the ids that each filter removed."""

    kept: list[ProjectFeatures]
    removed: Mapping[Filter, tuple[int, ...]]


def select(
    features: Sequence[ProjectFeatures], user_id: int | None, where: ProjectFilter, terms: TermGroups
) -> Selection:
    """Remove what is private, archived, the viewer's own, dismissed, muted, or outside of what the feed is narrowed to.

    Parameters
    ----------
    features
        The candidates.
    user_id
        Whose own projects are removed; None for somebody not signed in.
    where, terms
        What the feed is narrowed to, and the ids of the terms it names.
    """
    faults: dict[Filter, Callable[[ProjectFeatures], bool]] = {
        Filter.PRIVATE: lambda feature: feature.private,
        Filter.ARCHIVED: lambda feature: feature.archived,
        Filter.OWN: lambda feature: user_id is not None and feature.owner_id == user_id,
        Filter.DISMISSED: lambda feature: feature.dismissed,
        Filter.MUTED: lambda feature: feature.muted,
        Filter.WHERE: lambda feature: not _matches(feature, where, terms),
    }
    kept: list[ProjectFeatures] = []
    removed: dict[Filter, list[int]] = {name: [] for name in faults}
    for feature in features:
        fault = next((name for name, has in faults.items() if has(feature)), None)
        if fault is None:
            kept.append(feature)
        else:
            removed[fault].append(feature.id)
    return Selection(kept, {name: tuple(ids) for name, ids in removed.items()})


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
