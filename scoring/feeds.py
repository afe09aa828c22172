"""All feeds: each request finds or makes a ranking snapshot and cuts a page from it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

import numpy as np

from db.actors.profiles import NO_EXCLUSIONS, ProfileExclusions
from db.actors.users import Viewer
from db.cache.last_known import LastKnownValues
from db.catalog.project_cards import ProjectFilter
from db.errors import StoreUnavailable
from db.interactions.served_pages import ServedPageLog
from db.interactions.velocity_queries import velocities
from db.models import FeedKind, now
from db.page_projects import NO_NEEDS, PageNeeds, PageProjects
from db.stores import Stores
from scoring import tunables
from scoring.deadlines import SERVING, Deadlines
from scoring.errors import ForeignCursor, SnapshotExpired
from scoring.explanation.counterfactual_search import Cause, find_counterfactuals
from scoring.explanation.kept_reasons import KeptReasons, referenced_ids
from scoring.explanation.reason_finders import find_reasons
from scoring.explanation.reasons import Reason
from scoring.explanation.why_not_outcome import Outcome, WhyNot, excluding_filter, hidden_read, locate_project
from scoring.mathematics.additive_model import BASELINE, Model
from scoring.mathematics.signals import Integers
from scoring.mathematics.velocity import Window
from scoring.models.active_model import ModelProvider, TrendConstantsProvider, default_trend_constants, fixed_model
from scoring.pipelines import for_you, newest, popular, search, similar, trending
from scoring.pipelines.search import SearchQuery
from scoring.profiles.viewer_columns import ViewerColumns, view_columns
from scoring.profiles.viewer_profile import load_profile, load_profile_without_vector
from scoring.ranking import Page, Ranking, ScoredProject, distinct_stores
from scoring.snapshots import feed_pages
from scoring.snapshots.feed_pages import PageRequest, RequestKey
from scoring.snapshots.snapshot_store import MakeRanking, RankingKey, RankingSnapshot, SnapshotStore, digest, pointer
from scoring.tunables import FIRST_PAGE_SIZE

_BASELINE = fixed_model(BASELINE)

_REMEMBERED_PAGES = 500  # shared pages kept per process to be served while the database is unavailable: about 20 MB


class Feeds:
    """Pages of every feed, and explanations of their entries.

    Without the log `served`, no page is logged. `max_boost_places` is the maximum number of ranks by which a viewer's
    interests move a project in trending, and `exploration` the share of For You's ranks for under-exposed projects. For
    You hides what the viewer read in the last `read_hidden_days` days (0: nothing).
    """

    def __init__(
        self,
        stores: Stores,
        model: ModelProvider = _BASELINE,
        served: ServedPageLog | None = None,
        clock: Callable[[], datetime] = now,
        deadlines: Deadlines = SERVING,
        trend_constants: TrendConstantsProvider = default_trend_constants,
        max_boost_places: int = tunables.MAX_BOOST_PLACES,
        exploration: float = tunables.EXPLORATION_SHARE,
        read_hidden_days: float = tunables.READ_HIDDEN_DAYS,
    ) -> None:
        self._read_hidden_days = read_hidden_days
        self._exploration = exploration
        self._trend_constants = trend_constants
        self._max_boost_places = max_boost_places
        self._stores = stores
        self.model = model  # returns the For You model
        self._served = served
        self._clock = clock
        self._deadlines = deadlines
        self._snapshots = SnapshotStore(stores.cache, now=clock)
        self._projects = PageProjects(stores.database)
        self._reasons = KeptReasons()
        self._last_pages: LastKnownValues[RequestKey, Page] = LastKnownValues(_REMEMBERED_PAGES)

    # --- pages ------------------------------------------------------------------------------------------------------

    async def for_you(
        self, viewer: Viewer, first: int, after: str | None, where: ProjectFilter, needs: PageNeeds = NO_NEEDS
    ) -> Page:
        """Return a page of For You.

        Raises `BadRequest` if an argument is invalid. The message says how to fix it.
        """
        request = PageRequest.checked(FeedKind.FOR_YOU, viewer, where, digest(where), first, after, needs)
        return await self._page(request, partial(self._for_you, viewer, where))

    async def popular(
        self, viewer: Viewer, first: int, after: str | None, where: ProjectFilter, needs: PageNeeds = NO_NEEDS
    ) -> Page:
        """Return a page of the popular projects. Raises as `for_you`."""
        request = PageRequest.checked(FeedKind.POPULAR, viewer, where, digest(where), first, after, needs)
        make = partial(popular.rank, self._stores.database, where, self._clock())
        return await self._page(request, partial(self._snapshot, request, popular.NAME, tunables.POPULAR_FRESH_S, make))

    async def trending(
        self,
        viewer: Viewer,
        window: Window,
        first: int,
        after: str | None,
        where: ProjectFilter,
        needs: PageNeeds = NO_NEEDS,
    ) -> Page:
        """Return a page of the trending projects. Raises as `for_you`."""
        request = PageRequest.checked(FeedKind.TRENDING, viewer, where, digest(where, window), first, after, needs)
        return await self._page(request, partial(self._trending, window, request))

    async def newest(
        self, viewer: Viewer, first: int, after: str | None, where: ProjectFilter, needs: PageNeeds = NO_NEEDS
    ) -> Page:
        """Return a page of the newest projects, spread by owner. Raises as `for_you`."""
        request = PageRequest.checked(FeedKind.NEWEST, viewer, where, digest(where), first, after, needs)
        make = partial(newest.rank, self._stores.database, where, self._clock())
        return await self._page(request, partial(self._snapshot, request, newest.NAME, tunables.NEWEST_FRESH_S, make))

    async def search(
        self,
        viewer: Viewer,
        query: SearchQuery,
        first: int,
        after: str | None,
        where: ProjectFilter,
        needs: PageNeeds = NO_NEEDS,
    ) -> Page:
        """Return a page of a search. Raises as `for_you`."""
        arguments = digest(where, query.text, query.alpha, query.personalized)
        request = PageRequest.checked(FeedKind.SEARCH, viewer, where, arguments, first, after, needs)
        owner = viewer if query.personalized and viewer.actor_id is not None else None

        async def make() -> Ranking:
            at = self._clock()
            profile = None
            if owner is not None:
                profile = await load_profile(self._stores, owner, at, self._deadlines, weighs_vector=False)
            return await search.rank(self._stores, query, where, profile, at, self._deadlines)

        find = partial(self._snapshot, request, search.MODEL.name, tunables.SEARCH_FRESH_S, make, owner)
        return await self._page(request, find)

    async def similar(
        self,
        viewer: Viewer,
        project_id: int,
        first: int,
        after: str | None,
        where: ProjectFilter,
        needs: PageNeeds = NO_NEEDS,
    ) -> Page:
        """Return a page of the projects that are similar to a project. Raises as `for_you`."""
        request = PageRequest.checked(FeedKind.SIMILAR, viewer, where, digest(where, project_id), first, after, needs)
        make = partial(similar.rank, self._stores, project_id, where, self._clock(), self._deadlines)
        find = partial(self._snapshot, request, similar.MODEL.name, tunables.SIMILAR_FRESH_S, make)
        return await self._page(request, find)

    async def preview(self, viewer: Viewer, first: int, where: ProjectFilter) -> Page:
        """Return a first page of For You without logging it as served."""
        request = PageRequest.checked(FeedKind.FOR_YOU, viewer, where, digest(where), first, None)
        return await feed_pages.cut(self._projects, await self._for_you(viewer, where), request, self._clock())

    async def snapshots(self, ids: Sequence[str]) -> dict[str, RankingSnapshot]:
        """Return snapshots by id; expired ones are left out."""
        snapshots = await asyncio.gather(*(self._snapshots.by_id(id_) for id_ in ids))
        return {snapshot.id: snapshot for snapshot in snapshots if snapshot is not None}

    # --- explanations -----------------------------------------------------------------------------------------------

    async def explain(self, viewer: Viewer, ids: Sequence[int]) -> dict[int, ScoredProject]:
        """Score projects outside of a feed as For You would score them for this viewer now."""
        at = self._clock()
        columns = await view_columns(self._stores, viewer, at)
        profile = await load_profile(self._stores, viewer, at, self._deadlines, columns=columns)
        return await for_you.explain(self._stores, profile, ids, await self.model(), at, self._deadlines)

    async def reasons(self, viewer: Viewer, scored_projects: Sequence[ScoredProject]) -> dict[int, tuple[Reason, ...]]:
        """Return the reasons for the contributions of scored projects, by descending contribution."""
        profile = await load_profile_without_vector(self._stores.database, viewer)
        return await find_reasons(self._stores, profile, scored_projects, self._clock(), self._deadlines)

    async def why_not(self, viewer: Viewer, project_id: int, where: ProjectFilter) -> WhyNot:
        """Return the rank of a visible project in For You, or the stage of the pipeline that left the project out."""
        feature, filter_ = await excluding_filter(self._stores, viewer, project_id, where)
        if filter_ is not None:
            return WhyNot(Outcome.FILTERED, filter_)
        ranking = (await self._for_you(viewer, where)).ranking
        if (hidden := hidden_read(ranking, feature)) is not None:
            return hidden
        unranked = {} if project_id in ranking.ids else await self.explain(viewer, [project_id])
        return locate_project(ranking, project_id, unranked.get(project_id))

    async def counterfactuals(
        self, viewer: Viewer, scored_projects: Sequence[ScoredProject], where: ProjectFilter
    ) -> dict[int, tuple[Cause, ...]]:
        """Return causes by project id: without them, the project would leave the first page of For You.

        Each set of causes is verified by ranking the page again without it.
        """
        if viewer.actor_id is None:
            return {}
        at, model = self._clock(), await self.model()
        columns = await view_columns(self._stores, viewer, at)

        async def first_page(exclusions: ProfileExclusions) -> frozenset[int]:
            personal = await self._rank_for_you(viewer, where, model, at, exclusions, columns, FIRST_PAGE_SIZE)
            ranking = personal or await for_you.rank_for_unknown(self._stores, where, model, at, self._deadlines)
            return frozenset(ranking.ids[:FIRST_PAGE_SIZE].tolist())

        profile = await load_profile_without_vector(self._stores.database, viewer, columns=columns)
        page = frozenset((await self._for_you(viewer, where)).ranking.ids[:FIRST_PAGE_SIZE].tolist())
        within_s = self._deadlines.counterfactual_s
        return await find_counterfactuals(self._stores, profile, scored_projects, page, first_page, at, within_s)

    async def velocities(self, ids: Sequence[int]) -> dict[int, float]:
        """Return the current velocities of projects. Projects without any actor are left out."""
        constants = (await self._trend_constants())[Window.DAY]
        return await velocities(self._stores.database, ids, constants, self._clock())

    # --- snapshots --------------------------------------------------------------------------------------------------

    async def _snapshot(
        self, request: PageRequest, model: str, max_age_s: float, make: MakeRanking, owner: Viewer | None = None
    ) -> RankingSnapshot:
        """Find or make the snapshot of a request, personal for `owner`, or shared without `owner`."""
        name = pointer(request.kind, owner, request.arguments, model)
        actor_id = None if owner is None else owner.actor_id
        return await self._snapshots.find_or_make(
            RankingKey(name, actor_id, request.arguments, request.where, max_age_s), make
        )

    async def _for_you(self, viewer: Viewer, where: ProjectFilter) -> RankingSnapshot:
        request, model = PageRequest(FeedKind.FOR_YOU, viewer, where, digest(where), 0, None), await self.model()
        rank = partial(for_you.rank_for_unknown, self._stores, where, model, self._clock(), self._deadlines)
        shared = partial(self._snapshot, request, model.name, tunables.PERSONAL_FRESH_S, rank)
        if viewer.actor_id is None:
            return await shared()

        async def make() -> Ranking | RankingSnapshot:
            return await self._rank_for_you(viewer, where, model, self._clock()) or await shared()

        return await self._snapshot(request, model.name, tunables.PERSONAL_FRESH_S, make, viewer)

    async def _rank_for_you(
        self,
        viewer: Viewer,
        where: ProjectFilter,
        model: Model,
        at: datetime,
        exclusions: ProfileExclusions = NO_EXCLUSIONS,
        columns: ViewerColumns | None = None,
        ranks: int = tunables.DIVERSITY_DEPTH,
    ) -> Ranking | None:
        """Rank for a viewer; None if the profile is empty. Only the first `ranks` ranks are diversified."""
        columns = columns or await view_columns(self._stores, viewer, at)
        profile = await load_profile(self._stores, viewer, at, self._deadlines, exclusions, columns)
        if profile.is_empty:
            return None
        rank = partial(for_you.rank, self._stores, profile, where, model, at, self._deadlines)
        return await rank(self._exploration, ranks, self._read_hidden_days)

    async def _trending(self, window: Window, request: PageRequest) -> RankingSnapshot:
        """Find or make the trending snapshot: personal for a viewer with interests, otherwise shared."""
        viewer, name, max_age_s = request.viewer, trending.model_name(window), tunables.TRENDING_FRESH_S
        constants, places = await self._trend_constants(), self._max_boost_places
        rank = partial(
            trending.rank,
            self._stores.database,
            window,
            request.where,
            self._clock(),
            constants=constants,
            max_boost_places=places,
        )
        shared = partial(self._snapshot, request, name, max_age_s, rank)
        if viewer.actor_id is None:
            return await shared()

        async def personal() -> Ranking | RankingSnapshot:
            profile = await trending.interests(self._stores.database, viewer)
            return await shared() if profile is None else await rank(profile=profile)

        return await self._snapshot(request, name, max_age_s, personal, viewer)

    async def _snapshot_of_cursor(self, request: PageRequest) -> RankingSnapshot | None:
        """Return the snapshot of the request's cursor; None for a first page."""
        if request.after is None:
            return None
        snapshot = await self._snapshots.by_id(request.after.snapshot_id)
        if snapshot is None:
            raise SnapshotExpired("the ranking of this cursor has expired; start again without `after`")
        if not snapshot.is_for(request.viewer):
            raise ForeignCursor("this cursor belongs to another viewer; start again without `after`")
        if snapshot.ranking.kind is not request.kind or snapshot.arguments != request.arguments:
            raise ForeignCursor("this cursor belongs to another feed, filter or query; start again without `after`")
        return snapshot

    async def _page(self, request: PageRequest, find: Callable[[], Awaitable[RankingSnapshot]]) -> Page:
        """Cut a page from the snapshot of the cursor, or for a first page from the result of `find`."""
        try:
            snapshot = await self._snapshot_of_cursor(request) or await find()
            named = self._reasons.referenced_projects(snapshot.id, request.viewer) if request.needs.reasons else ()
            page = await feed_pages.cut(self._projects, snapshot, request, self._clock(), named)
            page = await self._with_needs(page, request)
        except StoreUnavailable as error:
            return self._last_known(request, error)
        if snapshot.actor_id is None and _is_complete(page, request):
            self._last_pages.remember({request.key: page.without_viewer()})
        self._log(page, request.viewer, snapshot.ranking)
        return page

    async def _with_needs(self, page: Page, request: PageRequest) -> Page:
        """Add the velocities and reasons that a request needs."""
        if request.needs.velocity:
            velocity = await self.velocities(list(page.projects))
            projects = {id_: replace(found, velocity=velocity.get(id_, 0.0)) for id_, found in page.projects.items()}
            page = replace(page, projects=projects)
        return replace(page, reasons=await self._page_reasons(page, request.viewer)) if request.needs.reasons else page

    async def _page_reasons(self, page: Page, viewer: Viewer) -> dict[int, tuple[Reason, ...]]:
        """Return the reasons of a page's entries by project id: kept ones, or newly found ones."""
        reasons = self._reasons.of_page(page, viewer)
        scored = [entry.scored for entry in page.entries if entry.project_id not in reasons]
        if any(project.signals for project in scored):
            found = await self.reasons(viewer, scored)
            versions = await self._projects.versions(referenced_ids(found.values()))
            self._reasons.keep(
                page, viewer, {project.project_id: found.get(project.project_id, ()) for project in scored}, versions
            )
            reasons |= found
        return reasons

    def _last_known(self, request: PageRequest, error: StoreUnavailable) -> Page:
        """Return the shared page as last served, marked degraded.

        Raises `error` if the page is personal, or was not served before.
        """
        if request.kind is FeedKind.FOR_YOU and request.viewer.verified_by is not None:
            raise error
        page = self._last_pages.recall([request.key]).get(request.key)
        if page is None:
            raise error
        return replace(page, degraded=distinct_stores([*page.degraded, error.store]))

    def _log(self, page: Page, viewer: Viewer, ranking: Ranking | None = None) -> None:
        if self._served is None or viewer.opted_out or not page.entries:
            return
        scored = [entry.scored for entry in page.entries]
        if not self._served.is_new((page.snapshot_id, viewer.actor_id, *(project.project_id for project in scored))):
            return
        ranked = [project for project in scored if project.signals]
        rows, share = _sample_candidates(page, ranking)
        self._served.add(
            snapshot_id=page.snapshot_id,
            actor_id=viewer.actor_id,
            feed_kind=page.kind,
            strategy=page.strategy,
            model=page.model,
            at=self._clock(),
            first_rank=page.entries[0].rank,
            projects=[project.project_id for project in scored],
            signals=list(scored[0].signals),
            contributions=np.array([project.contributions for project in ranked], dtype="<i8").tobytes(),
            explored=[[p.project_id, p.propensity] for p in scored if p.propensity is not None],
            values=np.array([project.values for project in ranked], dtype="<f4").tobytes(),
            sampled=[] if ranking is None else ranking.ids[rows].tolist(),
            sampled_values=b"" if ranking is None else ranking.values[rows].astype("<f4").tobytes(),
            sampled_share=share,
        )


def _is_complete(page: Page, request: PageRequest) -> bool:
    """Return whether the page has no gaps from this viewer's dismissals or mutes, so others can get it too."""
    return all(entry.rank == request.rank + offset for offset, entry in enumerate(page.entries, 1))


def _sample_candidates(page: Page, ranking: Ranking | None) -> tuple[Integers, float]:
    """Sample `tunables.SAMPLED_CANDIDATES` candidates that a first page of For You does not show, reproducibly.

    Returns the rows of the sample in the ranking, and the probability with which each row that was not shown is
    sampled. Later pages and other feeds have no sample. The sample of a first page is taken from the whole ranking.
    """
    nothing = np.empty(0, np.int64), 0.0
    if ranking is None or page.kind is not FeedKind.FOR_YOU or page.entries[0].rank != 1 or not ranking.signals:
        return nothing
    others = np.flatnonzero(~np.isin(ranking.ids, [entry.project_id for entry in page.entries]))
    if not others.size:
        return nothing
    count = min(tunables.SAMPLED_CANDIDATES, others.size)
    rng = np.random.default_rng(int(page.snapshot_id[:15], 16))
    return np.sort(rng.choice(others, count, replace=False)), count / others.size
