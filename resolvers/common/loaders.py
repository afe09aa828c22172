"""DataLoaders: one class for each access path, and one statement for all that a request reads on it."""

from abc import abstractmethod
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from aiodataloader import DataLoader

from db.actors.users import UserCard, users_by_id, users_by_key
from db.cache.last_known import LastKnownValues
from db.catalog.catalog_entries import (
    CatalogTerm,
    CatalogTool,
    Category,
    all_categories,
    terms_by_project,
    tools_by_key,
    topics_by_key,
)
from db.catalog.project_cards import ProjectCard, ProjectFilter, cards_by_id, cards_by_key
from db.errors import StoreUnavailable
from db.interactions.velocity_queries import activity_by_day
from db.interactions.viewer_marks import Marks, marks_by_project
from db.models import TermKind, now
from scoring.explanation.reasons import Reason
from scoring.explanation.score_causes import Cause
from scoring.ranking import ScoredProject
from scoring.snapshots.snapshot_store import RankingSnapshot
from scoring.use_cases.platform_keys import is_valid_key

if TYPE_CHECKING:
    from resolvers.common.context import Context

_MAX_REMEMBERED = 20_000
"""Projects, and users: as many as 500 pages show."""

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class MappedLoader(DataLoader[K, V | None]):
    """A loader whose batch is read into a mapping; what is not in it is None."""

    def __init__(self, context: "Context") -> None:
        super().__init__()
        self.context = context

    async def batch_load_fn(self, keys: list[K]) -> list[V | None]:
        """Read a batch."""
        with self.context.canceled_with_request():
            found = await self.read(keys)
        return [found.get(key) for key in keys]

    @abstractmethod
    async def read(self, keys: Sequence[K]) -> Mapping[K, V]:
        """Read what is behind these distinct keys."""


class FallbackLoader(MappedLoader[K, V]):
    """A loader of what every viewer may see. While the database is away it returns the last known values."""

    @property
    @abstractmethod
    def last_known(self) -> LastKnownValues[K, V]:
        """Return the values that are kept for an outage."""

    async def batch_load_fn(self, keys: list[K]) -> list[V | None]:
        """Read a batch, or return its last known values.

        Raises
        ------
        StoreUnavailable
            If the database is away and not all values are known.
        """
        try:
            with self.context.canceled_with_request():
                found = await self.read(keys)
        except StoreUnavailable:
            remembered = self.last_known.recall(keys)
            if any(key not in remembered for key in keys):
                raise
            return [remembered[key] for key in keys]
        self.last_known.remember(found)
        return [found.get(key) for key in keys]


class TermsOfProject(NamedTuple):
    """The terms a project carries, by kind."""

    tools: list[CatalogTerm]
    categories: list[CatalogTerm]
    topics: list[CatalogTerm]


@dataclass(frozen=True, slots=True)
class LoaderFallbacks:
    """The last known values of one process, for an outage of the database."""

    terms: LastKnownValues[int, TermsOfProject] = field(default_factory=lambda: LastKnownValues(_MAX_REMEMBERED))
    users: LastKnownValues[int, UserCard] = field(default_factory=lambda: LastKnownValues(_MAX_REMEMBERED))


class TermsByProjectLoader(FallbackLoader[int, TermsOfProject]):
    """Tools, categories and topics of a project: one statement for the three."""

    @property
    def last_known(self) -> LastKnownValues[int, TermsOfProject]:
        return self.context.loader_fallbacks.terms

    async def read(self, keys: Sequence[int]) -> Mapping[int, TermsOfProject]:
        terms = await terms_by_project(self.context.stores.database, keys)
        kinds = (TermKind.TOOL, TermKind.CATEGORY, TermKind.TOPIC)
        return {
            id_: TermsOfProject(*([t for t in of if t.kind is kind] for kind in kinds)) for id_, of in terms.items()
        }


class UsersByIdLoader(FallbackLoader[int, UserCard]):
    """Users, by our id."""

    @property
    def last_known(self) -> LastKnownValues[int, UserCard]:
        return self.context.loader_fallbacks.users

    async def read(self, keys: Sequence[int]) -> Mapping[int, UserCard]:
        return await users_by_id(self.context.stores.database, keys)


class UsersByKeyLoader(MappedLoader[str, UserCard]):
    """Users who exist for the viewer, by the platform's key."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, UserCard]:
        viewer = await self.context.viewer()
        return await users_by_key(self.context.stores.database, keys, viewer.user_id)


class ToolsByKeyLoader(MappedLoader[str, CatalogTool]):
    """Tools with all their fields, by the platform's key."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, CatalogTool]:
        return await tools_by_key(self.context.stores.database, keys)


class TopicsByKeyLoader(MappedLoader[str, CatalogTerm]):
    """Topics, by the platform's key."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, CatalogTerm]:
        return await topics_by_key(self.context.stores.database, keys)


class CategoriesByKeyLoader(MappedLoader[str, Category]):
    """Categories, by the platform's key. There are few of them: all are read."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, Category]:
        return {category.key: category for category in await all_categories(self.context.stores.database)}


class CardsByKeyLoader(MappedLoader[str, ProjectCard]):
    """Projects that the viewer may see, by the platform's key."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, ProjectCard]:
        possible = [key for key in keys if is_valid_key(key)]
        if not possible:
            return {}
        viewer = await self.context.viewer()
        return await cards_by_key(self.context.stores.database, possible, viewer.user_id)


class CardsByIdLoader(MappedLoader[int, ProjectCard]):
    """Projects that the viewer may see, by our id."""

    async def read(self, keys: Sequence[int]) -> Mapping[int, ProjectCard]:
        viewer = await self.context.viewer()
        return await cards_by_id(self.context.stores.database, keys, viewer.user_id)


class ViewerMarksByProjectLoader(MappedLoader[int, Marks]):
    """The viewer's like and save of a project; None for neither."""

    async def read(self, keys: Sequence[int]) -> Mapping[int, Marks]:
        viewer = await self.context.viewer_or_anonymous()
        if viewer.actor_id is None:
            return {}
        return await marks_by_project(self.context.stores.database, viewer.actor_id, keys)


class ActivityByProjectLoader(MappedLoader[tuple[int, int], list[int]]):
    """Actors who first engaged with a project, by day; a key is a project and a number of days."""

    async def read(self, keys: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], list[int]]:
        """Count with one statement for each number of days."""
        found: dict[tuple[int, int], list[int]] = {}
        for days in sorted({days for _, days in keys}):
            ids = [project_id for project_id, length in keys if length == days]
            counted = await activity_by_day(self.context.stores.database, ids, days, now())
            found |= {(project_id, days): people for project_id, people in counted.items()}
        return found


class VelocityByProjectLoader(MappedLoader[int, float]):
    """The velocity of a project now; None without any interaction."""

    async def read(self, keys: Sequence[int]) -> Mapping[int, float]:
        return await self.context.feeds.velocities(keys)


class SnapshotsByIdLoader(MappedLoader[str, RankingSnapshot]):
    """Stored rankings, by id; None for one that is gone."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, RankingSnapshot]:
        return await self.context.feeds.snapshots(keys)


class ExplanationByProjectLoader(MappedLoader[int, ScoredProject]):
    """A project's score for the viewer as it would be now: the whole batch in one call of the ranking."""

    async def read(self, keys: Sequence[int]) -> Mapping[int, ScoredProject]:
        return await self.context.feeds.explain(await self.context.viewer(), keys)


class ReasonsByProjectLoader(MappedLoader[ScoredProject, tuple[Reason, ...]]):
    """The evidence behind the numbers of a project."""

    async def read(self, keys: Sequence[ScoredProject]) -> Mapping[ScoredProject, tuple[Reason, ...]]:
        viewer = await self.context.viewer()
        found: dict[ScoredProject, tuple[Reason, ...]] = {}
        for batch in _each_project_once(keys):
            reasons = await self.context.feeds.reasons(viewer, list(batch.values()))
            found |= {explained: reasons.get(project_id, ()) for project_id, explained in batch.items()}
        return found


class CausesByProjectLoader(MappedLoader[tuple[ScoredProject, ProjectFilter], tuple[Cause, ...]]):
    """Causes without which a project would leave the viewer's For You under a filter; None if there are none."""

    async def read(
        self, keys: Sequence[tuple[ScoredProject, ProjectFilter]]
    ) -> Mapping[tuple[ScoredProject, ProjectFilter], tuple[Cause, ...]]:
        viewer = await self.context.viewer()
        found: dict[tuple[ScoredProject, ProjectFilter], tuple[Cause, ...]] = {}
        for where in dict.fromkeys(where for _, where in keys):
            asked = [explained for explained, narrowed in keys if narrowed == where]
            causes = await self.context.feeds.counterfactuals(viewer, asked, where)
            found |= {(one, where): causes[one.project_id] for one in asked if one.project_id in causes}
        return found


def _each_project_once(given: Sequence[ScoredProject]) -> Iterator[dict[int, ScoredProject]]:
    """Split so that no batch holds a project twice: two feeds of one request score it differently."""
    left = list(given)
    while left:
        batch: dict[int, ScoredProject] = {}
        for explained in left:
            batch.setdefault(explained.project_id, explained)
        left = [explained for explained in left if batch[explained.project_id] is not explained]
        yield batch


class Loaders:
    """The loaders of one request, each made when it is first used."""

    def __init__(self, context: "Context") -> None:
        self.context = context

    terms_by_project = cached_property(lambda self: TermsByProjectLoader(self.context))
    users_by_id = cached_property(lambda self: UsersByIdLoader(self.context))
    users_by_key = cached_property(lambda self: UsersByKeyLoader(self.context))
    tools_by_key = cached_property(lambda self: ToolsByKeyLoader(self.context))
    topics_by_key = cached_property(lambda self: TopicsByKeyLoader(self.context))
    categories_by_key = cached_property(lambda self: CategoriesByKeyLoader(self.context))
    velocity_by_project = cached_property(lambda self: VelocityByProjectLoader(self.context))
    cards_by_key = cached_property(lambda self: CardsByKeyLoader(self.context))
    cards_by_id = cached_property(lambda self: CardsByIdLoader(self.context))
    marks_by_project = cached_property(lambda self: ViewerMarksByProjectLoader(self.context))
    activity_by_project = cached_property(lambda self: ActivityByProjectLoader(self.context))
    snapshots_by_id = cached_property(lambda self: SnapshotsByIdLoader(self.context))
    explanation_by_project = cached_property(lambda self: ExplanationByProjectLoader(self.context))
    reasons_by_project = cached_property(lambda self: ReasonsByProjectLoader(self.context))
    causes_by_project = cached_property(lambda self: CausesByProjectLoader(self.context))
