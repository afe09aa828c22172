"""The feed requests of a bench run, and the replay of them."""

from dataclasses import replace
from datetime import datetime

import numpy as np

from scoring import tunables
from scoring.mathematics.additive_model import Model
from scoring.mathematics.behavior_evidence import GroupedEvents
from scoring.mathematics.behavior_signals import behavior_matrix
from scoring.mathematics.signals import Integers
from scoring.pipelines.candidate_sources import merge_candidates
from scoring.replay.dataset import Dataset
from scoring.replay.measurements import model_scorer, served_scorer
from scoring.replay.replayed_requests import FeedRequests, Progress, Replay, feed_requests, replay_requests

RANKS = 10
HORIZON_S = 86_400.0
"""Time after a morning whose first engagements are relevant."""


def requests_between(dataset: Dataset, since: datetime, until: datetime, limit: int | None) -> FeedRequests:
    """Return the feed requests of viewers with a history in a period, at most `limit`, evenly spaced."""
    requests = feed_requests(dataset).select_period(since.timestamp(), until.timestamp())
    if limit is None or requests.n <= limit:
        return requests
    return requests.select(np.linspace(0, requests.n - 1, limit).astype(np.int64))


def morning_requests(dataset: Dataset, mornings: list[datetime]) -> FeedRequests:
    """Return a request at each of these moments by every known user who engages with something in the next 24 h.

    Known users engaged with a project before. Relevant are the existing projects of their first engagements.
    """
    log = dataset.log
    by_actor = GroupedEvents.from_groups(log.actors, log.n_actors)
    actors, at_s, relevant = [], [], []
    for moment in sorted(morning.timestamp() for morning in mornings):
        start, end = log.count_before(moment), log.count_before(moment + HORIZON_S)
        for actor in np.unique(log.actors[start:end]).tolist():
            events = by_actor.events_before(actor, end)
            projects = log.projects[events[events >= start]]
            existing = projects[(dataset.created_s[projects] < moment) & (dataset.owners[projects] != actor)]
            if existing.size and events[0] < start:
                actors.append(actor)
                at_s.append(moment)
                relevant.append(existing)
    return FeedRequests(np.array(actors, dtype=np.int64), np.array(at_s), tuple(relevant))


def replayed_pages(
    dataset: Dataset, requests: FeedRequests, model: Model, exploration: float, progress: Progress
) -> list[Integers]:
    """Return the page of each request by the replay: projects (dense indexes), best first."""
    replay, pages = Replay(dataset, tunables.ANONYMITY_FLOOR), list[Integers]()
    score = served_scorer(model_scorer(model), dataset, exploration)
    for request in replay_requests(replay, requests, progress, "replay"):
        sources = merge_candidates(replay.sources.candidates_by_source(request.actor, request.at_s))
        matrix = behavior_matrix(request.evidence)
        pages.append(request.projects[np.argsort(-score(replace(request, from_sources=sources), matrix))[:RANKS]])
    return pages
