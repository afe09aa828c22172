"""The loaders: one class for each path to the stores, one statement for all that a request asks on that path."""

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
"""Projects, and people: what 500 pages show."""

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
    """A loader of what everybody may see: while the truth is away it gives what was read last."""

    @property
    @abstractmethod
    def last_known(self) -> LastKnownValues[K, V]:
        """Where it is remembered."""

    async def batch_load_fn(self, keys: list[K]) -> list[V | None]:
        """Read a batch, or remember it.

        Raises
        ------
        StoreUnavailable
            If the truth is away and not all of them are remembered.
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
    """What the loaders of one process read last, for while the truth is away."""

    terms: LastKnownValues[int, TermsOfProject] = field(default_factory=lambda: LastKnownValues(_MAX_REMEMBERED))
    users: LastKnownValues[int, UserCard] = field(default_factory=lambda: LastKnownValues(_MAX_REMEMBERED))


class TermsByProjectLoader(FallbackLoader[int, TermsOfProject]):
    """Tools, categories and topics of a project: one statement for the three."""

    @property
    def last_known(self) -> LastKnownValues[int, TermsOfProject]:
        """Where they are remembered."""
        return self.context.loader_fallbacks.terms

    async def read(self, keys: Sequence[int]) -> Mapping[int, TermsOfProject]:
        """Read what is behind these project ids."""
        terms = await terms_by_project(self.context.stores.database, keys)
        kinds = (TermKind.TOOL, TermKind.CATEGORY, TermKind.TOPIC)
        return {
            id_: TermsOfProject(*([t for t in of if t.kind is kind] for kind in kinds)) for id_, of in terms.items()
        }


class UsersByIdLoader(FallbackLoader[int, UserCard]):
    """Users, by our id."""

    @property
    def last_known(self) -> LastKnownValues[int, UserCard]:
        """Where they are remembered."""
        return self.context.loader_fallbacks.users

    async def read(self, keys: Sequence[int]) -> Mapping[int, UserCard]:
        """Read what is behind these ids."""
        return await users_by_id(self.context.stores.database, keys)


class UsersByKeyLoader(MappedLoader[str, UserCard]):
    """Users who exist for the viewer, by the platform's key."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, UserCard]:
        """Read what is behind these keys."""
        viewer = await self.context.viewer()
        return await users_by_key(self.context.stores.database, keys, viewer.user_id)


class ToolsByKeyLoader(MappedLoader[str, CatalogTool]):
    """Tools with all that is known of them, by the platform's key."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, CatalogTool]:
        """Read what is behind these keys."""
        return await tools_by_key(self.context.stores.database, keys)


class TopicsByKeyLoader(MappedLoader[str, CatalogTerm]):
    """Topics, by the platform's key."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, CatalogTerm]:
        """Read what is behind these keys."""
        return await topics_by_key(self.context.stores.database, keys)


class CategoriesByKeyLoader(MappedLoader[str, Category]):
    """Categories, by the platform's key. There are few of them: all are read."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, Category]:
        """Read what is behind these keys."""
        return {category.key: category for category in await all_categories(self.context.stores.database)}


class CardsByKeyLoader(MappedLoader[str, ProjectCard]):
    """Projects that the viewer may see, by the platform's key."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, ProjectCard]:
        """Read what is behind these keys."""
        possible = [key for key in keys if is_valid_key(key)]
        if not possible:
            return {}
        viewer = await self.context.viewer()
        return await cards_by_key(self.context.stores.database, possible, viewer.user_id)


class CardsByIdLoader(MappedLoader[int, ProjectCard]):
    """Projects that the viewer may see, by our id."""

    async def read(self, keys: Sequence[int]) -> Mapping[int, ProjectCard]:
        """Read what is behind these ids."""
        viewer = await self.context.viewer()
        return await cards_by_id(self.context.stores.database, keys, viewer.user_id)


class ViewerMarksByProjectLoader(MappedLoader[int, Marks]):
    """Whether the viewer likes and keeps a project; None for neither."""

    async def read(self, keys: Sequence[int]) -> Mapping[int, Marks]:
        """Read what is behind these project ids."""
        viewer = await self.context.viewer_or_anonymous()
        if viewer.actor_id is None:
            return {}
        return await marks_by_project(self.context.stores.database, viewer.actor_id, keys)


class ActivityByProjectLoader(MappedLoader[tuple[int, int], list[int]]):
    """People who came to a project, by day; the keys are project and number of days."""

    async def read(self, keys: Sequence[tuple[int, int]]) -> Mapping[tuple[int, int], list[int]]:
        """Count for these projects: one statement for each length that is asked for."""
        found: dict[tuple[int, int], list[int]] = {}
        for days in sorted({days for _, days in keys}):
            ids = [project_id for project_id, length in keys if length == days]
            counted = await activity_by_day(self.context.stores.database, ids, days, now())
            found |= {(project_id, days): people for project_id, people in counted.items()}
        return found


class VelocityByProjectLoader(MappedLoader[int, float]):
    """How fast people come to a project now; None if nobody ever did."""

    async def read(self, keys: Sequence[int]) -> Mapping[int, float]:
        """Read the counters behind these project ids."""
        return await self.context.feeds.velocities(keys)


class SnapshotsByIdLoader(MappedLoader[str, RankingSnapshot]):
    """Stored rankings, by id; None for one that is gone."""

    async def read(self, keys: Sequence[str]) -> Mapping[str, RankingSnapshot]:
        """Read these rankings, each once."""
        return await self.context.feeds.snapshots(keys)


class ExplanationByProjectLoader(MappedLoader[int, ScoredProject]):
    """A project's score for the viewer as it would be now: the whole batch in one call of the ranking."""

    async def read(self, keys: Sequence[int]) -> Mapping[int, ScoredProject]:
        """Score these projects."""
        return await self.context.feeds.explain(await self.context.viewer(), keys)


class ReasonsByProjectLoader(MappedLoader[ScoredProject, tuple[Reason, ...]]):
    """The evidence behind the numbers of a project."""

    async def read(self, keys: Sequence[ScoredProject]) -> Mapping[ScoredProject, tuple[Reason, ...]]:
        """Gather the evidence."""
        viewer = await self.context.viewer()
        found: dict[ScoredProject, tuple[Reason, ...]] = {}
        for batch in _each_project_once(keys):
            reasons = await self.context.feeds.reasons(viewer, list(batch.values()))
            found |= {explained: reasons.get(project_id, ()) for project_id, explained in batch.items()}
        return found


class CausesByProjectLoader(MappedLoader[tuple[ScoredProject, ProjectFilter], tuple[Cause, ...]]):
    """What would remove a project from the viewer's For You, narrowed to something; None if nothing was found."""

    async def read(
        self, keys: Sequence[tuple[ScoredProject, ProjectFilter]]
    ) -> Mapping[tuple[ScoredProject, ProjectFilter], tuple[Cause, ...]]:
        """Rank the viewer's page again, without this and that."""
        viewer = await self.context.viewer()
        found: dict[tuple[ScoredProject, ProjectFilter], tuple[Cause, ...]] = {}
        for where in dict.fromkeys(where for _, where in keys):
            asked = [explained for explained, narrowed in keys if narrowed == where]
            causes = await self.context.feeds.counterfactuals(viewer, asked, where)
            found |= {(one, where): causes[one.project_id] for one in asked if one.project_id in causes}
        return found


def _each_project_once(given: Sequence[ScoredProject]) -> Iterator[dict[int, ScoredProject]]:
    """Split what was asked so that no batch holds a project twice: two feeds of one request score it differently."""
    left = list(given)
    while left:
        batch: dict[int, ScoredProject] = {}
        for explained in left:
            batch.setdefault(explained.project_id, explained)
        left = [explained for explained in left if batch[explained.project_id] is not explained]
        yield batch


class Loaders:
    """The loaders of one request, each made when it is first asked for."""

    def __init__(self, context: "Context") -> None:
        self._context = context

    @cached_property
    def terms_by_project(self) -> TermsByProjectLoader:
        """Tools, categories and topics of a project."""
        return TermsByProjectLoader(self._context)

    @cached_property
    def users_by_id(self) -> UsersByIdLoader:
        """Users, by our id."""
        return UsersByIdLoader(self._context)

    @cached_property
    def users_by_key(self) -> UsersByKeyLoader:
        """Users, by the platform's key."""
        return UsersByKeyLoader(self._context)

    @cached_property
    def tools_by_key(self) -> ToolsByKeyLoader:
        """Tools, by the platform's key."""
        return ToolsByKeyLoader(self._context)

    @cached_property
    def topics_by_key(self) -> TopicsByKeyLoader:
        """Topics, by the platform's key."""
        return TopicsByKeyLoader(self._context)

    @cached_property
    def categories_by_key(self) -> CategoriesByKeyLoader:
        """Categories, by the platform's key."""
        return CategoriesByKeyLoader(self._context)

    @cached_property
    def velocity_by_project(self) -> VelocityByProjectLoader:
        """How fast people come to a project now."""
        return VelocityByProjectLoader(self._context)

    @cached_property
    def cards_by_key(self) -> CardsByKeyLoader:
        """Visible projects, by the platform's key."""
        return CardsByKeyLoader(self._context)

    @cached_property
    def cards_by_id(self) -> CardsByIdLoader:
        """Visible projects, by our id."""
        return CardsByIdLoader(self._context)

    @cached_property
    def marks_by_project(self) -> ViewerMarksByProjectLoader:
        """The viewer's likes and saves."""
        return ViewerMarksByProjectLoader(self._context)

    @cached_property
    def activity_by_project(self) -> ActivityByProjectLoader:
        """People by day."""
        return ActivityByProjectLoader(self._context)

    @cached_property
    def snapshots_by_id(self) -> SnapshotsByIdLoader:
        """Stored rankings, by id."""
        return SnapshotsByIdLoader(self._context)

    @cached_property
    def explanation_by_project(self) -> ExplanationByProjectLoader:
        """A project's score for the viewer."""
        return ExplanationByProjectLoader(self._context)

    @cached_property
    def reasons_by_project(self) -> ReasonsByProjectLoader:
        """The evidence behind the numbers of a project."""
        return ReasonsByProjectLoader(self._context)

    @cached_property
    def causes_by_project(self) -> CausesByProjectLoader:
        """What would remove a project from the viewer's page."""
        return CausesByProjectLoader(self._context)
