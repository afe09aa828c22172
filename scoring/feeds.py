"""The feeds: finds or makes the stored ranking that a request wants, and cuts a page from it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from db.errors import Store, StoreUnavailable
from db.models import FeedKind, now
from db.projects import ProjectFilter
from db.served import ServedLog
from db.stores import Stores
from db.users import Viewer
from scoring import for_you, pages, popular, search, similar, trending, weights
from scoring.blend import PLAN, Model
from scoring.deadlines import SERVING, Deadlines
from scoring.errors import CursorElsewhere, SnapshotExpired
from scoring.finders import find_reasons
from scoring.pages import PageRequest
from scoring.profile import load_interests, load_profile
from scoring.ranking import Explained, Page, Ranking, degraded_stores
from scoring.reasons import Reason
from scoring.search import SearchQuery
from scoring.snapshots import Snapshot, Snapshots, digest, new_id, pointer
from scoring.velocity import CONSTANTS, Constants, Window

_STORED_AS = {
    FeedKind.FOR_YOU: (FeedKind.FOR_YOU, FeedKind.POPULAR),
    FeedKind.POPULAR: (FeedKind.POPULAR,),
    FeedKind.TRENDING: (FeedKind.TRENDING,),
    FeedKind.SEARCH: (FeedKind.SEARCH,),
    FeedKind.SIMILAR: (FeedKind.SIMILAR,),
}
"""The rankings that each feed may be cut from: For You is the popular feed for somebody nobody knows."""


class Feeds:
    """Serves pages of every feed.

    Parameters
    ----------
    stores
        Where everything is read from.
    model
        What ranks For You.
    served
        Notes what was served; None notes nothing.
    clock
        Gives the present time; a test passes its own.
    deadlines
        How long it waits for what it can do without.
    velocity
        The constants of trending.
    most_places
        The most that a viewer's interests may move a project in trending.
    exploration
        The share of For You's places that goes to projects of which little is known.
    """

    def __init__(
        self,
        stores: Stores,
        model: Model = PLAN,
        served: ServedLog | None = None,
        clock: Callable[[], datetime] = now,
        deadlines: Deadlines = SERVING,
        velocity: Mapping[Window, Constants] = CONSTANTS,
        most_places: int = weights.TRENDING_MOST_PLACES,
        exploration: float = weights.EXPLORATION_SHARE,
    ) -> None:
        self._exploration = exploration
        self._velocity = velocity
        self._most_places = most_places
        self._stores = stores
        self._model = model
        self._served = served
        self._clock = clock
        self._deadlines = deadlines
        self._snapshots = Snapshots(stores.cache)

    async def for_you(self, viewer: Viewer, first: int, after: str | None, where: ProjectFilter) -> Page:
        """Serve what suits this viewer; what is popular while nothing is known of the viewer.

        Raises
        ------
        BadRequest
            If an argument cannot be served; the text says how to mend it.
        """
        request = PageRequest.checked(FeedKind.FOR_YOU, viewer, where, digest(where), first, after)
        return await self._cut(await self._continued(request) or await self._personal(viewer, where), request)

    async def popular(self, viewer: Viewer, first: int, after: str | None, where: ProjectFilter) -> Page:
        """Serve what most people like. Raises as `for_you` does."""
        request = PageRequest.checked(FeedKind.POPULAR, viewer, where, digest(where), first, after)
        return await self._cut(await self._continued(request) or await self._popular(where), request)

    async def trending(
        self, viewer: Viewer, window: Window, first: int, after: str | None, where: ProjectFilter
    ) -> Page:
        """Serve what many people come to now, for its age. Raises as `for_you` does."""
        request = PageRequest.checked(FeedKind.TRENDING, viewer, where, digest(where, window), first, after)
        return await self._cut(await self._continued(request) or await self._moving(window, request), request)

    async def newest(self, viewer: Viewer, first: int, after: str | None, where: ProjectFilter) -> Page:
        """Serve the latest projects. Raises as `for_you` does."""
        request = PageRequest.checked(FeedKind.NEWEST, viewer, where, digest(where), first, after)
        if request.after is not None and request.behind is None:
            raise CursorElsewhere("this cursor comes from another feed; start `newest` without `after`")
        page = await pages.newest_page(self._stores.database, request, self._clock())
        self._note(page, viewer)
        return page

    async def search(
        self, viewer: Viewer, query: SearchQuery, first: int, after: str | None, where: ProjectFilter
    ) -> Page:
        """Serve what means or says what was asked for. Raises as `for_you` does."""
        arguments = digest(where, query.text, query.alpha, query.personalized)
        request = PageRequest.checked(FeedKind.SEARCH, viewer, where, arguments, first, after)
        return await self._cut(await self._continued(request) or await self._found(query, request), request)

    async def similar(
        self, viewer: Viewer, project_id: int, first: int, after: str | None, where: ProjectFilter
    ) -> Page:
        """Serve what is most like a project. Raises as `for_you` does."""
        request = PageRequest.checked(FeedKind.SIMILAR, viewer, where, digest(where, project_id), first, after)
        return await self._cut(await self._continued(request) or await self._alike(project_id, request), request)

    async def explain(self, viewer: Viewer, ids: Sequence[int]) -> dict[int, Explained]:
        """Score projects met outside of a feed as For You would score them for this viewer now, all in one go."""
        at = self._clock()
        profile = await load_profile(self._stores, viewer, at, self._deadlines)
        if profile.is_empty:
            return await popular.explain(self._stores.database, ids, at)
        return await for_you.explain(self._stores, profile, ids, self._model, at, self._deadlines)

    async def reasons(self, viewer: Viewer, explained: Sequence[Explained]) -> dict[int, tuple[Reason, ...]]:
        """Find the evidence behind the contributions of a page's projects, the weightiest first."""
        at = self._clock()
        interests = await load_interests(self._stores.database, viewer)
        return await find_reasons(self._stores, interests, explained, at, self._deadlines)

    async def _personal(self, viewer: Viewer, where: ProjectFilter) -> Snapshot:
        if viewer.actor_id is None:
            return await self._popular(where)
        place = pointer(FeedKind.FOR_YOU, viewer, digest(where), self._model.name)
        found = await self._fresh(place)
        if found is not None:
            return found
        profile = await load_profile(self._stores, viewer, self._clock(), self._deadlines)
        if profile.is_empty:
            return await self._popular(where)
        ranking = await for_you.rank(
            self._stores, profile, where, self._model, self._clock(), self._deadlines, self._exploration
        )
        return await self._keep(place, viewer.actor_id, digest(where), ranking, weights.FRESH_S)

    async def _popular(self, where: ProjectFilter) -> Snapshot:
        place = pointer(FeedKind.POPULAR, None, digest(where), popular.NAME)
        found = await self._fresh(place)
        if found is not None:
            return found
        ranking = await popular.rank(self._stores.database, where, self._clock())
        return await self._keep(place, None, digest(where), ranking, weights.POPULAR_FRESH_S)

    async def _moving(self, window: Window, request: PageRequest) -> Snapshot:
        viewer = request.viewer if request.viewer.actor_id is not None else None
        own = pointer(FeedKind.TRENDING, viewer, request.arguments, trending.model_name(window))
        shared = pointer(FeedKind.TRENDING, None, request.arguments, trending.model_name(window))
        found = await self._fresh(own)
        if found is not None:
            return found
        database = self._stores.database
        profile = await trending.interests(database, viewer) if viewer is not None else None
        if profile is None and viewer is not None:
            found = await self._fresh(shared)
            if found is not None:
                return found
        ranking = await trending.rank(
            database,
            window,
            request.where,
            self._clock(),
            profile,
            constants=self._velocity,
            most_places=self._most_places,
        )
        place, actor_id = (own, request.viewer.actor_id) if profile is not None else (shared, None)
        return await self._keep(place, actor_id, request.arguments, ranking, weights.TRENDING_FRESH_S)

    async def _found(self, query: SearchQuery, request: PageRequest) -> Snapshot:
        viewer = request.viewer if query.personalized and request.viewer.actor_id is not None else None
        place = pointer(FeedKind.SEARCH, viewer, request.arguments, search.MODEL.name)
        found = await self._fresh(place)
        if found is not None:
            return found
        at = self._clock()
        profile = await load_profile(self._stores, viewer, at, self._deadlines) if viewer is not None else None
        ranking = await search.rank(self._stores, query, request.where, profile, at, self._deadlines)
        actor_id = None if viewer is None else viewer.actor_id
        return await self._keep(place, actor_id, request.arguments, ranking, weights.SEARCH_FRESH_S)

    async def _alike(self, project_id: int, request: PageRequest) -> Snapshot:
        place = pointer(FeedKind.SIMILAR, None, request.arguments, similar.MODEL.name)
        found = await self._fresh(place)
        if found is not None:
            return found
        ranking = await similar.rank(self._stores, project_id, request.where, self._clock(), self._deadlines)
        return await self._keep(place, None, request.arguments, ranking, weights.SIMILAR_FRESH_S)

    async def _fresh(self, place: str) -> Snapshot | None:
        try:
            return await self._snapshots.fresh(place)
        except StoreUnavailable:
            return None  # `_keep` will meet the same store and mark the feed

    async def _keep(
        self,
        place: str,
        actor_id: int | None,
        arguments: str,
        ranking: Ranking,
        fresh_s: float,
    ) -> Snapshot:
        snapshot = Snapshot(new_id(), actor_id, arguments, ranking)
        try:
            await self._snapshots.keep(place, snapshot, weights.DEGRADED_FRESH_S if ranking.degraded else fresh_s)
        except StoreUnavailable:
            degraded = degraded_stores([*ranking.degraded, Store.CACHE])
            return replace(snapshot, ranking=replace(ranking, degraded=degraded))
        return snapshot

    async def _continued(self, request: PageRequest) -> Snapshot | None:
        """Find the ranking that a cursor belongs to; None for a first page."""
        if request.after is None:
            return None
        try:
            snapshot = await self._snapshots.by_id(request.after.snapshot_id)
        except StoreUnavailable:
            snapshot = None
        if snapshot is None:
            raise SnapshotExpired("the ranking behind this cursor is gone; start again without `after`")
        if snapshot.actor_id not in (None, request.viewer.actor_id):
            raise CursorElsewhere("this cursor belongs to another viewer; start again without `after`")
        if snapshot.ranking.kind not in _STORED_AS[request.kind] or snapshot.arguments != request.arguments:
            raise CursorElsewhere("this cursor comes from another feed, filter or query; start again without `after`")
        return snapshot

    async def _cut(self, snapshot: Snapshot, request: PageRequest) -> Page:
        page = await pages.cut(self._stores.database, snapshot, request)
        self._note(page, request.viewer)
        return page

    def _note(self, page: Page, viewer: Viewer) -> None:
        if self._served is None or not page.entries:
            return
        explained = [entry.explained for entry in page.entries]
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
        )
