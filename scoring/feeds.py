"""The feeds: finds or makes the stored ranking that a request wants, and cuts a page from it."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from db.actors.profiles import ProfileExclusions
from db.actors.users import Viewer
from db.cache.last_known import LastKnownValues
from db.catalog.project_cards import ProjectFilter
from db.errors import StoreUnavailable
from db.interactions.served_pages import ServedPageLog
from db.interactions.velocity_queries import velocities
from db.models import FeedKind, now
from db.stores import Stores
from scoring import weights
from scoring.collaborative.recent_interactions import RecentInteractionReader
from scoring.deadlines import SERVING, Deadlines
from scoring.errors import ForeignCursor, SnapshotExpired
from scoring.explanation.counterfactual_search import FIRST_PAGE_SIZE, find_counterfactuals
from scoring.explanation.reason_finders import find_reasons
from scoring.explanation.reasons import Reason
from scoring.explanation.score_causes import Cause
from scoring.explanation.why_not_outcome import Outcome, WhyNot, excluding_filter, locate_project
from scoring.mathematics.additive_model import BASELINE, Model
from scoring.mathematics.velocity import Window
from scoring.models.active_model import ModelProvider, fixed_model
from scoring.models.active_trend_constants import TrendConstantsProvider, default_trend_constants
from scoring.pipelines import cold_start, for_you, popular, search, similar, trending
from scoring.pipelines.search import SearchQuery
from scoring.profiles.viewer_profile import Profile, load_profile, load_profile_without_vector
from scoring.ranking import Page, Ranking, ScoredProject, distinct_stores
from scoring.snapshots import feed_pages
from scoring.snapshots.feed_pages import PageRequest, RequestKey
from scoring.snapshots.ranking_cache import RankingCache, RankingKey
from scoring.snapshots.served_sample import NO_SAMPLE, sample_candidates
from scoring.snapshots.snapshot_store import RankingSnapshot, digest, pointer

_STORED_AS = {
    FeedKind.FOR_YOU: (FeedKind.FOR_YOU,),
    FeedKind.POPULAR: (FeedKind.POPULAR,),
    FeedKind.TRENDING: (FeedKind.TRENDING,),
    FeedKind.SEARCH: (FeedKind.SEARCH,),
    FeedKind.SIMILAR: (FeedKind.SIMILAR,),
}
"""The rankings that each feed may be cut from."""

_BY_PLAN = fixed_model(BASELINE)

_LAST_PAGES = 500
"""Shared pages that a process remembers for when the truth is away: about 20 MB."""


class Feeds:
    """Serves pages of every feed.

    Parameters
    ----------
    stores
        Where everything is read from.
    model
        Gives what ranks For You; the plan's weights unless it is said.
    served
        Notes what was served; None notes nothing.
    clock
        Gives the present time; a test passes its own.
    deadlines
        How long it waits for what it can do without.
    velocity
        Gives the constants of trending; those that ship unless it is said.
    max_boost_places
        The most that a viewer's interests may move a project in trending.
    exploration
        The share of For You's places that goes to projects of which little is known.
    """

    def __init__(
        self,
        stores: Stores,
        model: ModelProvider = _BY_PLAN,
        served: ServedPageLog | None = None,
        clock: Callable[[], datetime] = now,
        deadlines: Deadlines = SERVING,
        velocity: TrendConstantsProvider = default_trend_constants,
        max_boost_places: int = weights.MAX_BOOST_PLACES,
        exploration: float = weights.EXPLORATION_SHARE,
    ) -> None:
        self._exploration = exploration
        self._velocity = velocity
        self._most_places = max_boost_places
        self._stores = stores
        self._model = model
        self._served = served
        self._clock = clock
        self._deadlines = deadlines
        self._rankings = RankingCache(stores.cache)
        self._last_pages: LastKnownValues[RequestKey, Page] = LastKnownValues(_LAST_PAGES)

    async def model(self) -> Model:
        """Give what ranks For You now."""
        return await self._model()

    async def for_you(self, viewer: Viewer, first: int, after: str | None, where: ProjectFilter) -> Page:
        """Serve what suits this viewer; the breadth of what is popular while nothing is known of the viewer.

        Raises
        ------
        BadRequest
            If an argument cannot be served; the text says how to mend it.
        """
        request = PageRequest.checked(FeedKind.FOR_YOU, viewer, where, digest(where), first, after)
        return await self._cut(request, lambda: self._personal(viewer, where))

    async def popular(self, viewer: Viewer, first: int, after: str | None, where: ProjectFilter) -> Page:
        """Serve what most people like. Raises as `for_you` does."""
        request = PageRequest.checked(FeedKind.POPULAR, viewer, where, digest(where), first, after)
        return await self._cut(request, lambda: self._popular(where))

    async def trending(
        self, viewer: Viewer, window: Window, first: int, after: str | None, where: ProjectFilter
    ) -> Page:
        """Serve what many people come to now, for its age. Raises as `for_you` does."""
        request = PageRequest.checked(FeedKind.TRENDING, viewer, where, digest(where, window), first, after)
        return await self._cut(request, lambda: self._moving(window, request))

    async def newest(self, viewer: Viewer, first: int, after: str | None, where: ProjectFilter) -> Page:
        """Serve the latest projects. Raises as `for_you` does."""
        request = PageRequest.checked(FeedKind.NEWEST, viewer, where, digest(where), first, after)
        if request.after is not None and request.behind is None:
            raise ForeignCursor("this cursor comes from another feed; start `newest` without `after`")
        try:
            page = await feed_pages.newest_page(self._stores.database, request, self._clock())
        except StoreUnavailable as away:
            return self._last_known(request, away)
        if viewer.actor_id is None:
            self._last_pages.remember({request.key: page})
        self._note(page, viewer)
        return page

    async def search(
        self, viewer: Viewer, query: SearchQuery, first: int, after: str | None, where: ProjectFilter
    ) -> Page:
        """Serve what means or says what was asked for. Raises as `for_you` does."""
        arguments = digest(where, query.text, query.alpha, query.personalized)
        request = PageRequest.checked(FeedKind.SEARCH, viewer, where, arguments, first, after)
        return await self._cut(request, lambda: self._found(query, request))

    async def similar(
        self, viewer: Viewer, project_id: int, first: int, after: str | None, where: ProjectFilter
    ) -> Page:
        """Serve what is most like a project. Raises as `for_you` does."""
        request = PageRequest.checked(FeedKind.SIMILAR, viewer, where, digest(where, project_id), first, after)
        return await self._cut(request, lambda: self._alike(project_id, request))

    async def snapshots(self, ids: Sequence[str]) -> dict[str, RankingSnapshot]:
        """Find stored rankings by id, one read of the cache each; one that is gone is left out."""
        found = await asyncio.gather(*(self._rankings.by_id(id_) for id_ in ids))
        return {snapshot.id: snapshot for snapshot in found if snapshot is not None}

    async def explain(self, viewer: Viewer, ids: Sequence[int]) -> dict[int, ScoredProject]:
        """Score projects met outside of a feed as For You would score them for this viewer now, all in one go."""
        at = self._clock()
        profile = await load_profile(self._stores, viewer, at, self._deadlines)
        if profile.is_empty:
            return await popular.explain(self._stores.database, ids, at)
        model = cold_start.model_for(profile, await self._model())
        return await for_you.explain(self._stores, profile, ids, model, at, self._deadlines)

    async def why_not(self, viewer: Viewer, project_id: int, where: ProjectFilter) -> WhyNot:
        """Tell how far a project comes on its way to For You; the caller knows that the viewer may see it."""
        filter_ = await excluding_filter(self._stores, viewer, project_id, where)
        if filter_ is not None:
            return WhyNot(Outcome.FILTERED, filter_)
        ranking = (await self._personal(viewer, where)).ranking
        if project_id in ranking.ids:
            return locate_project(ranking, project_id, None)
        return locate_project(ranking, project_id, (await self.explain(viewer, [project_id])).get(project_id))

    async def preview(self, viewer: Viewer, first: int, where: ProjectFilter) -> Page:
        """Rank a first page of For You that nobody is shown: it is not noted as served."""
        request = PageRequest.checked(FeedKind.FOR_YOU, viewer, where, digest(where), first, None)
        return await feed_pages.cut(self._stores.database, await self._personal(viewer, where), request)

    async def counterfactuals(
        self, viewer: Viewer, explained: Sequence[ScoredProject], where: ProjectFilter
    ) -> dict[int, tuple[Cause, ...]]:
        """Find what of a viewer's own doing keeps projects on the first page of For You, by ranking it without."""
        if viewer.actor_id is None:
            return {}
        at, model = self._clock(), await self._model()
        recent = RecentInteractionReader(self._stores.database, viewer.actor_id, at)

        async def first_page(without: ProfileExclusions) -> frozenset[int]:
            profile = await load_profile(self._stores, viewer, at, self._deadlines, without)
            if profile.is_empty:
                ranking = await cold_start.rank_diverse_popular(self._stores.database, where, at)
            else:
                ranks = cold_start.model_for(profile, model)
                ranking = await for_you.rank(
                    self._stores, profile, where, ranks, at, self._deadlines, self._exploration, recent
                )
            return frozenset(ranking.ids[:FIRST_PAGE_SIZE].tolist())

        profile = await load_profile_without_vector(self._stores.database, viewer)
        served = (await self._personal(viewer, where)).ranking
        page = frozenset(served.ids[:FIRST_PAGE_SIZE].tolist())
        within_s = self._deadlines.counterfactual_s
        return await find_counterfactuals(self._stores, profile, explained, page, first_page, at, within_s)

    async def velocities(self, ids: Sequence[int]) -> dict[int, float]:
        """Give how fast people come to projects now, all in one go; one that nobody came to is left out."""
        formula = trending.formula_of((await self._velocity())[Window.DAY])
        return await velocities(self._stores.database, ids, formula, self._clock())

    async def reasons(self, viewer: Viewer, explained: Sequence[ScoredProject]) -> dict[int, tuple[Reason, ...]]:
        """Find the evidence behind the contributions of a page's projects, the weightiest first."""
        at = self._clock()
        interests = await load_profile_without_vector(self._stores.database, viewer)
        return await find_reasons(self._stores, interests, explained, at, self._deadlines)

    async def _personal(self, viewer: Viewer, where: ProjectFilter) -> RankingSnapshot:
        if viewer.actor_id is None:
            return await self._breadth(where)
        model, arguments = await self._model(), digest(where)

        async def make() -> Ranking | RankingSnapshot:
            at = self._clock()
            profile = await load_profile(self._stores, viewer, at, self._deadlines)
            if profile.is_empty:
                return await self._breadth(where)
            ranks = cold_start.model_for(profile, model)
            return await for_you.rank(self._stores, profile, where, ranks, at, self._deadlines, self._exploration)

        place = pointer(FeedKind.FOR_YOU, viewer, arguments, model.name)
        return await self._rankings.at(
            RankingKey(place, viewer.actor_id, arguments, where, weights.PERSONAL_FRESH_S), make
        )

    async def _breadth(self, where: ProjectFilter) -> RankingSnapshot:
        arguments = digest(where)
        place = pointer(FeedKind.FOR_YOU, None, arguments, cold_start.DIVERSE_POPULAR)
        return await self._rankings.at(
            RankingKey(place, None, arguments, where, weights.POPULAR_FRESH_S),
            lambda: cold_start.rank_diverse_popular(self._stores.database, where, self._clock()),
        )

    async def _popular(self, where: ProjectFilter) -> RankingSnapshot:
        arguments = digest(where)
        place = pointer(FeedKind.POPULAR, None, arguments, popular.NAME)
        return await self._rankings.at(
            RankingKey(place, None, arguments, where, weights.POPULAR_FRESH_S),
            lambda: popular.rank(self._stores.database, where, self._clock()),
        )

    async def _moving(self, window: Window, request: PageRequest) -> RankingSnapshot:
        """Find what is moving: for a viewer with interests a ranking of their own, for everybody else a shared one."""
        viewer, name = request.viewer, trending.model_name(window)

        async def rank(profile: Profile | None) -> Ranking:
            return await trending.rank(
                self._stores.database,
                window,
                request.where,
                self._clock(),
                profile,
                constants=await self._velocity(),
                max_boost_places=self._most_places,
            )

        async def shared() -> RankingSnapshot:
            place = pointer(FeedKind.TRENDING, None, request.arguments, name)
            return await self._rankings.at(
                RankingKey(place, None, request.arguments, request.where, weights.TRENDING_FRESH_S), lambda: rank(None)
            )

        async def own() -> Ranking | RankingSnapshot:
            profile = await trending.interests(self._stores.database, viewer)
            return await shared() if profile is None else await rank(profile)

        if viewer.actor_id is None:
            return await shared()
        place = pointer(FeedKind.TRENDING, viewer, request.arguments, name)
        return await self._rankings.at(
            RankingKey(place, viewer.actor_id, request.arguments, request.where, weights.TRENDING_FRESH_S), own
        )

    async def _found(self, query: SearchQuery, request: PageRequest) -> RankingSnapshot:
        viewer = request.viewer if query.personalized and request.viewer.actor_id is not None else None

        async def make() -> Ranking:
            at = self._clock()
            profile = await load_profile(self._stores, viewer, at, self._deadlines) if viewer is not None else None
            return await search.rank(self._stores, query, request.where, profile, at, self._deadlines)

        place = pointer(FeedKind.SEARCH, viewer, request.arguments, search.MODEL.name)
        actor_id = None if viewer is None else viewer.actor_id
        return await self._rankings.at(
            RankingKey(place, actor_id, request.arguments, request.where, weights.SEARCH_FRESH_S), make
        )

    async def _alike(self, project_id: int, request: PageRequest) -> RankingSnapshot:
        place = pointer(FeedKind.SIMILAR, None, request.arguments, similar.MODEL.name)
        return await self._rankings.at(
            RankingKey(place, None, request.arguments, request.where, weights.SIMILAR_FRESH_S),
            lambda: similar.rank(self._stores, project_id, request.where, self._clock(), self._deadlines),
        )

    async def _continued(self, request: PageRequest) -> RankingSnapshot | None:
        """Find the ranking that a cursor belongs to; None for a first page."""
        if request.after is None:
            return None
        snapshot = await self._rankings.by_id(request.after.snapshot_id)
        if snapshot is None:
            raise SnapshotExpired("the ranking behind this cursor is gone; start again without `after`")
        if not snapshot.is_for(request.viewer):
            raise ForeignCursor("this cursor belongs to another viewer; start again without `after`")
        if snapshot.ranking.kind not in _STORED_AS[request.kind] or snapshot.arguments != request.arguments:
            raise ForeignCursor("this cursor comes from another feed, filter or query; start again without `after`")
        return snapshot

    async def _cut(self, request: PageRequest, find: Callable[[], Awaitable[RankingSnapshot]]) -> Page:
        """Cut a page from the ranking that its cursor names, or from the one that `find` finds for a first page."""
        try:
            snapshot = await self._continued(request) or await find()
            page = await feed_pages.cut(self._stores.database, snapshot, request)
        except StoreUnavailable as away:
            return self._last_known(request, away)
        if snapshot.actor_id is None and _is_whole(page, request):
            self._last_pages.remember({request.key: page})
        self._note(page, request.viewer, snapshot.ranking)
        return page

    def _last_known(self, request: PageRequest, away: StoreUnavailable) -> Page:
        """Give the page as everybody last saw it, marked: without the truth nothing newer can be had."""
        page = self._last_pages.recall([request.key]).get(request.key)
        if page is None:
            raise away
        return replace(page, degraded=distinct_stores([*page.degraded, away.store]))

    def _note(self, page: Page, viewer: Viewer, ranking: Ranking | None = None) -> None:
        if self._served is None or viewer.opted_out or not page.entries:
            return
        explained = [entry.explained for entry in page.entries]
        others = NO_SAMPLE if ranking is None or page.kind is not FeedKind.FOR_YOU else sample_candidates(ranking, page)
        self._served.note(
            snapshot_id=page.snapshot_id,
            actor_id=viewer.actor_id,
            feed_kind=page.kind,
            strategy=page.strategy,
            model=page.model,
            at=self._clock(),
            first_rank=page.entries[0].rank,
            projects=[one.project_id for one in explained],
            signals=list(explained[0].signals),
            contributions=np.array([one.contributions for one in explained if one.signals], dtype="<i8").tobytes(),
            explored=[[one.project_id, one.propensity] for one in explained if one.propensity is not None],
            values=np.array([one.values for one in explained if one.signals], dtype="<f4").tobytes(),
            sampled=[] if ranking is None else ranking.ids[others.rows].tolist(),
            sampled_values=b"" if ranking is None else ranking.values[others.rows].astype("<f4").tobytes(),
            sampled_share=others.share,
        )


def _is_whole(page: Page, request: PageRequest) -> bool:
    """Whether nothing on a page was skipped for this one viewer's sake, so that anybody may be shown it."""
    return [entry.rank for entry in page.entries] == [request.rank + place for place in range(1, len(page.entries) + 1)]
