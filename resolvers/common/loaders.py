"""DataLoaders. Each reads the values of all keys that a request needs in one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

from aiodataloader import DataLoader

from db.actors import users
from db.actors.users import UserCard
from db.cache.last_known import LastKnownValues
from db.catalog import catalog_entries, project_cards
from db.catalog.catalog_entries import CatalogTerm, CatalogTool, Category
from db.catalog.project_cards import ProjectCard, ProjectFilter
from db.errors import StoreUnavailable
from db.interactions import actor_history
from db.interactions.actor_history import Marks
from db.interactions.velocity_queries import activity_by_day
from db.models import TermKind, now
from scoring.explanation.counterfactual_search import Cause
from scoring.explanation.reasons import Reason
from scoring.ranking import ScoredProject
from scoring.snapshots.snapshot_store import RankingSnapshot
from scoring.use_cases.platform_keys import is_valid_key

if TYPE_CHECKING:
    from resolvers.common.context import Context

_MAX_FALLBACK_VALUES = 20_000
"""Maximum number of fallback values per loader: the projects or users on about 500 pages."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Read = Callable[["Context", Sequence[K]], Awaitable[Mapping[K, V]]]
"""A function that reads the values of distinct keys. Keys without a value are missing in the result."""


class TermsOfProject(NamedTuple):
    """The terms of a project by kind."""

    tools: list[CatalogTerm]
    categories: list[CatalogTerm]
    topics: list[CatalogTerm]


@dataclass(frozen=True, slots=True)
class LoaderFallbacks:
    """Values that the loaders of one process read last, for use if the database is unavailable."""

    terms: LastKnownValues[int, TermsOfProject] = field(default_factory=lambda: LastKnownValues(_MAX_FALLBACK_VALUES))
    users: LastKnownValues[int, UserCard] = field(default_factory=lambda: LastKnownValues(_MAX_FALLBACK_VALUES))


class MappedLoader(DataLoader[K, V | None]):
    """A loader of mapped values; None for a key without a value.

    Parameters
    ----------
    fallback
        Values to use if the database is unavailable.
    """

    def __init__(self, context: "Context", read: Read[K, V], fallback: LastKnownValues[K, V] | None = None) -> None:
        super().__init__()
        self._context, self._read, self._fallback = context, read, fallback

    def load(self, key: K) -> asyncio.Future[V | None]:
        """Return a future with the value of a key.

        Canceling it does not cancel other fields that wait for the same value. When a non-null field fails,
        graphql-core cancels its sibling fields.
        """
        return asyncio.shield(super().load(key))

    async def batch_load_fn(self, keys: list[K]) -> list[V | None]:
        """Read a batch.

        Raises `StoreUnavailable` if the database is unavailable and the fallback does not have all keys.
        """
        try:
            with self._context.canceled_with_request():
                values = await self._read(self._context, keys)
        except StoreUnavailable:
            remembered = {} if self._fallback is None else self._fallback.recall(keys)
            if any(key not in remembered for key in keys):
                raise
            return [remembered[key] for key in keys]
        if self._fallback is not None:
            self._fallback.remember(values)
        return [values.get(key) for key in keys]


class _Lazy(Generic[K, V]):
    """Descriptor that creates a loader of `Loaders` on first use."""

    def __init__(
        self, read: Read[K, V], fallback: Callable[[LoaderFallbacks], LastKnownValues[K, V]] | None = None
    ) -> None:
        self._read, self._fallback = read, fallback

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, loaders: "Loaders", _owner: type) -> MappedLoader[K, V]:
        context = loaders.context
        fallback = None if self._fallback is None else self._fallback(context.loader_fallbacks)
        loader = MappedLoader(context, self._read, fallback)
        vars(loaders)[self._name] = loader
        return loader


async def _read_terms(context: "Context", ids: Sequence[int]) -> dict[int, TermsOfProject]:
    terms = await catalog_entries.terms_by_project(context.stores.database, ids)
    kinds = (TermKind.TOOL, TermKind.CATEGORY, TermKind.TOPIC)
    return {
        id_: TermsOfProject(*([term for term in project_terms if term.kind is kind] for kind in kinds))
        for id_, project_terms in terms.items()
    }


async def _read_users_by_key(context: "Context", keys: Sequence[str]) -> Mapping[str, UserCard]:
    return await users.users_by_key(context.stores.database, keys, (await context.viewer()).user_id)


async def _read_categories(context: "Context", _keys: Sequence[str]) -> dict[str, Category]:
    # There are few categories, so all are read.
    return {category.key: category for category in await catalog_entries.all_categories(context.stores.database)}


async def _read_cards_by_key(context: "Context", keys: Sequence[str]) -> Mapping[str, ProjectCard]:
    valid_keys = [key for key in keys if is_valid_key(key)]
    if not valid_keys:
        return {}
    return await project_cards.cards_by_key(context.stores.database, valid_keys, (await context.viewer()).user_id)


async def _read_cards_by_id(context: "Context", ids: Sequence[int]) -> Mapping[int, ProjectCard]:
    return await project_cards.cards_by_id(context.stores.database, ids, (await context.viewer()).user_id)


async def _read_marks(context: "Context", ids: Sequence[int]) -> Mapping[int, Marks]:
    viewer = await context.viewer_or_anonymous()
    if viewer.actor_id is None:
        return {}
    return await actor_history.marks_by_project(context.stores.database, viewer.actor_id, ids)


async def _read_activity(context: "Context", keys: Sequence[tuple[int, int]]) -> dict[tuple[int, int], list[int]]:
    activity: dict[tuple[int, int], list[int]] = {}
    for days in sorted({days for _, days in keys}):  # one statement per distinct number of days
        ids = [project_id for project_id, length in keys if length == days]
        counts_by_project = await activity_by_day(context.stores.database, ids, days, now())
        activity |= {(project_id, days): counts for project_id, counts in counts_by_project.items()}
    return activity


async def _explain(context: "Context", ids: Sequence[int]) -> Mapping[int, ScoredProject]:
    return await context.feeds.explain(await context.viewer(), ids)


async def _find_reasons(context: "Context", keys: Sequence[ScoredProject]) -> dict[ScoredProject, tuple[Reason, ...]]:
    viewer = await context.viewer()
    reasons: dict[ScoredProject, tuple[Reason, ...]] = {}
    for batch in _unique_project_batches(keys):
        by_id = await context.feeds.reasons(viewer, list(batch.values()))
        reasons |= {scored: by_id.get(project_id, ()) for project_id, scored in batch.items()}
    return reasons


async def _find_causes(
    context: "Context", keys: Sequence[tuple[ScoredProject, ProjectFilter]]
) -> dict[tuple[ScoredProject, ProjectFilter], tuple[Cause, ...]]:
    viewer = await context.viewer()
    causes: dict[tuple[ScoredProject, ProjectFilter], tuple[Cause, ...]] = {}
    for where in dict.fromkeys(where for _, where in keys):
        projects = [scored for scored, project_filter in keys if project_filter == where]
        by_id = await context.feeds.counterfactuals(viewer, projects, where)
        causes |= {(scored, where): by_id[scored.project_id] for scored in projects if scored.project_id in by_id}
    return causes


def _unique_project_batches(scored_projects: Sequence[ScoredProject]) -> Iterator[dict[int, ScoredProject]]:
    """Split scores into batches that contain each project once: two feeds of one request can score it differently."""
    remaining = list(scored_projects)
    while remaining:
        batch: dict[int, ScoredProject] = {}
        for scored in remaining:
            batch.setdefault(scored.project_id, scored)
        remaining = [scored for scored in remaining if batch[scored.project_id] is not scored]
        yield batch


class Loaders:
    """The loaders of one request. Keys are the platform's keys, ids are database ids."""

    def __init__(self, context: "Context") -> None:
        self.context = context

    terms_by_project = _Lazy(_read_terms, lambda fallbacks: fallbacks.terms)
    users_by_id: _Lazy[int, UserCard] = _Lazy(
        lambda context, ids: users.users_by_id(context.stores.database, ids), lambda fallbacks: fallbacks.users
    )
    users_by_key = _Lazy(_read_users_by_key)
    tools_by_key: _Lazy[str, CatalogTool] = _Lazy(
        lambda context, keys: catalog_entries.tools_by_key(context.stores.database, keys)
    )
    topics_by_key: _Lazy[str, CatalogTerm] = _Lazy(
        lambda context, keys: catalog_entries.topics_by_key(context.stores.database, keys)
    )
    categories_by_key = _Lazy(_read_categories)
    cards_by_key = _Lazy(_read_cards_by_key)
    cards_by_id = _Lazy(_read_cards_by_id)
    marks_by_project = _Lazy(_read_marks)
    activity_by_project = _Lazy(_read_activity)
    velocity_by_project: _Lazy[int, float] = _Lazy(lambda context, ids: context.feeds.velocities(ids))
    snapshots_by_id: _Lazy[str, RankingSnapshot] = _Lazy(lambda context, ids: context.feeds.snapshots(ids))
    explanation_by_project = _Lazy(_explain)
    reasons_by_project = _Lazy(_find_reasons)
    causes_by_project = _Lazy(_find_causes)
