"""Behavior evidence from an event log in memory."""

import numpy as np

from db.time_units import ACTOR_HALF_LIVES_H, DAY_S, FIRST_ENGAGEMENT_BUCKET_S, HOUR_S
from scoring import tunables
from scoring.mathematics.batched_release import (
    BY_ACTOR,
    BY_CLUSTER,
    LIVE,
    first_needed_s,
    is_released,
    of_complete_weeks,
    release_times,
)
from scoring.mathematics.behavior_evidence import (
    NO_INTERACTIONS,
    BehaviorEvidence,
    CollaborativeModel,
    EventLog,
    Factors,
    FirstInteractions,
    GroupedEvents,
    History,
    NeighborLinks,
    NeighborLists,
    PlatformActivity,
    count_same_owner,
    history_weights,
)
from scoring.mathematics.log_contents import CatalogContents
from scoring.mathematics.signals import Floats, Integers, ranges


class LogEvidence:
    """Evidence from the events of a log in memory that are strictly before the requested moment.

    `created_s` are the (n_projects,) times of publication. `owners` are the (n_projects,) owning actors, −1 for none.
    `visits` are all interactions, from which a viewer's history is made; None if only those in `log` are known.
    Without `contents`, texts and terms are unknown.
    """

    def __init__(
        self,
        log: EventLog,
        created_s: Floats,
        owners: Integers,
        floor: int = tunables.ANONYMITY_FLOOR,
        visits: EventLog | None = None,
        contents: CatalogContents | None = None,
    ) -> None:
        self.log = log
        self._visits = log if visits is None else visits
        self._visits_of = GroupedEvents.from_groups(self._visits.actors, log.n_actors)
        self.created_s = created_s
        self.floor = floor
        self.owners = owners
        self.contents = contents or CatalogContents.unknown(log.n_projects)
        self._by_creation = np.argsort(created_s, kind="stable")
        self._by_actor = GroupedEvents.from_groups(log.actors, log.n_actors)
        self._by_project = GroupedEvents.from_groups(log.projects, log.n_projects)
        self._row = np.full(log.n_projects, -1, dtype=np.int64)
        columns = log.projects, log.actors, log.at_s
        self._released_s = release_times(*columns, BY_ACTOR if floor > 1 else LIVE)
        self._cluster_released_s = release_times(*columns, BY_CLUSTER if floor > 1 else LIVE)
        self.model = CollaborativeModel({}, Factors.unknown(log.n_actors, log.n_projects))  # of the last training

    def engagements(self, actor: int, at_s: float) -> History:
        """Return an actor's history before a moment."""
        visits = self._visits
        events = self._visits_of.events_before(actor, visits.count_before(at_s))[::-1]
        _, last = np.unique(visits.projects[events], return_index=True)
        events = events[np.sort(last)[: tunables.PROFILE_ENGAGEMENTS]]
        return History(visits.projects[events], visits.at_s[events])

    def count_shared_projects(
        self, actor: int, engagements: History, at_s: float, *, only_released: bool = False
    ) -> Floats:
        """Return (n_actors,) numbers of the viewer's latest projects that each actor engaged with recently.

        Counts the latest `tunables.SESSION_PROJECTS` projects, and events of the last `tunables.SESSION_NEIGHBOR_DAYS`
        days.
        """
        latest = engagements.projects[: tunables.SESSION_PROJECTS]
        events = self._by_project.events_of_groups(latest, self.log.count_before(at_s))
        times_s = self._released_s[events] if only_released else self.log.at_s[events]
        events = events[is_released(times_s, at_s, tunables.SESSION_NEIGHBOR_DAYS)]
        shared = np.bincount(self.log.actors[events], minlength=self.log.n_actors).astype(np.float64)
        shared[actor] = 0.0
        return shared

    def evidence(self, actor: int, candidates: Integers, at_s: float) -> BehaviorEvidence:
        """Return the evidence of an actor and candidates (dense indexes) strictly before a moment."""
        n_past = self.log.count_before(at_s)
        self._row[candidates] = np.arange(candidates.size)
        engagements = self.engagements(actor, at_s)
        recent_from = self.log.count_before(at_s - tunables.RECENT_INTERACTION_DAYS * DAY_S)
        needed = np.arange(self.log.count_before(first_needed_s(at_s)), n_past)
        needed = needed[self._row[self.log.projects[needed]] >= 0][-tunables.MAX_RECENT_INTERACTIONS :]
        complete = needed[of_complete_weeks(self.log.at_s[needed], tunables.MAX_RECENT_INTERACTIONS)]
        released = complete[is_released(self._released_s[complete], at_s)]
        of_clusters = complete[is_released(self._cluster_released_s[complete], at_s)]
        shared = self.count_shared_projects(actor, engagements, at_s, only_released=True)
        factors = self.model.factors
        viewer_factors = factors.actors[actor]
        owners = self.owners[candidates]
        neighbors, neighbor_similarity = self._user_neighbors(actor, n_past)
        evidence = BehaviorEvidence(
            at_s=at_s,
            created_s=self.created_s[candidates],
            actors=self.actors(candidates, at_s),
            engagements=engagements,
            links={kind: self._links(lists, engagements) for kind, lists in self.model.lists.items()},
            user_neighbors=neighbors,
            user_neighbor_similarity=neighbor_similarity,
            interactions=self._interactions(needed[needed >= recent_from], self.log.at_s),
            similar_actors=self._released(released, actor, factors.actors @ viewer_factors),
            clusters=self._released(
                of_clusters,
                actor,
                (factors.clusters @ viewer_factors)[factors.cluster_of],
                self._cluster_released_s,
            ),
            session_neighbors=self._released(released[shared[self.log.actors[released]] > 0], actor, shared),
            platform_activity=platform_activity(self.log.at_s[recent_from:n_past]),
            item_similarity=(factors.projects[candidates] @ viewer_factors).astype(np.float64),
            same_owner_count=count_same_owner(owners, self.owners[engagements.projects]),
            interest_matches=self.contents.interest_matches(actor, candidates, at_s),
            history_similarity=self.contents.similarity_to_history(
                candidates,
                engagements.projects,
                history_weights((at_s - engagements.at_s) / DAY_S),
                self._newest(at_s),
            ),
            floor=self.floor,
        )
        self._row[candidates] = -1
        return evidence

    def _newest(self, at_s: float) -> Integers:
        """Return the newest projects before a moment, with which the texts of a history are compared."""
        end = int(np.searchsorted(self.created_s, at_s, sorter=self._by_creation))
        return self._by_creation[max(end - tunables.DISCRIMINATION_PROJECTS, 0) : end]

    def actors(self, candidates: Integers, at_s: float) -> Floats:
        """Return the decayed actors of candidates before a moment, as `BehaviorEvidence.actors`."""
        end = self.log.count_before(at_s)
        columns = []
        for half_life_h in ACTOR_HALF_LIVES_H:
            start = self.log.count_before(at_s - tunables.DECAY_CUTOFF * half_life_h * HOUR_S)
            age_h = (at_s - self.log.at_s[start:end]) / HOUR_S
            decayed = np.exp2(-age_h / half_life_h)
            if self.log.weights is not None:
                decayed *= self.log.weights[start:end]
            columns.append(
                np.bincount(self.log.projects[start:end], decayed, minlength=self.log.n_projects)[candidates]
            )
        return np.column_stack(columns)

    def _interactions(self, events: Integers, times_s: Floats) -> FirstInteractions:
        """Return the events with candidates, as of the (m,) times of the log's events."""
        rows = self._row[self.log.projects[events]]
        events, rows = events[rows >= 0], rows[rows >= 0]
        return FirstInteractions(rows, self.log.actors[events], np.ones(rows.size), times_s[events])

    def _released(
        self, events: Integers, viewer: int, similarity: Floats, released_s: Floats | None = None
    ) -> FirstInteractions:
        """Return released events of other actors with candidates. `similarity` is by actor."""
        times_s = self._released_s if released_s is None else released_s
        interactions = self._interactions(events[self.log.actors[events] != viewer], times_s)
        return interactions._replace(similarity=similarity[interactions.actors].astype(np.float64))

    def _user_neighbors(self, actor: int, n_past: int) -> tuple[FirstInteractions, float]:
        lists = self.model.user_neighbors
        if lists is None:
            return NO_INTERACTIONS, 0.0
        span = slice(lists.starts[actor], lists.starts[actor + 1])
        similarity = np.zeros(self.log.n_actors)
        similarity[lists.ids[span]] = lists.similarity[span]
        events = self._by_actor.events_of_groups(lists.ids[span], n_past)
        interactions = self._interactions(events, self.log.at_s)
        return interactions._replace(similarity=similarity[interactions.actors]), float(similarity.sum())

    def _links(self, lists: NeighborLists, engagements: History) -> NeighborLinks:
        sizes = np.diff(lists.starts)[engagements.projects]
        entries = ranges(lists.starts[engagements.projects], sizes)
        rows = self._row[lists.ids[entries]]
        is_candidate = rows >= 0
        source = np.repeat(np.arange(engagements.projects.size), sizes)[is_candidate]
        return NeighborLinks(rows[is_candidate], source, lists.similarity[entries][is_candidate].astype(np.float64))


def platform_activity(at_s: Floats) -> PlatformActivity:
    """Count first interactions at (m,) Unix seconds in intervals of `FIRST_ENGAGEMENT_BUCKET_S`, as the stores do."""
    intervals, counts = np.unique(np.floor(at_s / FIRST_ENGAGEMENT_BUCKET_S), return_counts=True)
    return PlatformActivity((intervals + 0.5) * FIRST_ENGAGEMENT_BUCKET_S, counts.astype(np.float64))
