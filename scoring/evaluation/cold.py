"""The cold-start protocol: the same requests with the viewer's history cut to its last few touches."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from scoring import weights
from scoring.crowd.behaviour import BEHAVIOUR, behaviour_matrix
from scoring.crowd.history import EventLog
from scoring.errors import NotEvaluable
from scoring.evaluation.dataset import Dataset
from scoring.evaluation.lists import Candidates, Progress, Replay, replay, training_lists
from scoring.evaluation.metrics import chance_better, clustered_error
from scoring.evaluation.protocols import OURS, TIMED, Options, Score, modelled, windows_of
from scoring.evaluation.requests import Requests, feed_requests
from scoring.evaluation.results import Measured, Results
from scoring.models import as_data
from scoring.signals import Floats, Integers, freshness
from scoring.training.models import train

CUTS = (0, 1, 3, 5, 10)
"""Touches that are left of a history."""
FOLDS = 5
"""Parts of the viewers that are cut together: four fifths of the platform stay as they were."""
NIGHTS_DAYS = 7.0
"""Tastes are rebuilt so often here: every night for each part and each cut would take twenty minutes."""
POPULAR = "decayed popular"


def evaluate_cold_start(dataset: Dataset, options: Options, progress: Progress) -> Results:
    """Rank one request of each well-known viewer, as if nobody knew more than the viewer's last 0, 1, 3, 5, 10 touches.

    With nothing known, ours is what the product then serves: the popular feed. Only the known past is cut, of a fifth
    of the viewers at a time; what was cut is gone from everybody's counters too, for every way of ranking.

    Returns
    -------
    Results
        Of all cuts together; the curve by number of touches is under ``"by touches"`` of its facts.
    """
    windows = windows_of(dataset, options, "cold-start")
    fitting = feed_requests(dataset, earlier=0).between(windows.fit_from_s, windows.fit_until_s)
    known = feed_requests(dataset, earlier=max(CUTS)).between(
        np.nextafter(windows.fit_until_s, np.inf), windows.test_until_s
    )
    testing = _first_of_each(known)
    if not testing.n or not fitting.n:
        raise NotEvaluable(
            f"{dataset.name} has {fitting.n} requests to fit on and {testing.n} viewers of {max(CUTS)} touches to test "
            "on; give other windows or more events"
        )
    model = options.model
    if model is None:
        lists = replay(Replay(dataset, options.floor, options.seed), fitting, progress, "fitting")
        model = train(OURS, training_lists(lists, options.seed, TIMED), TIMED)
    folds = np.array_split(np.random.default_rng(options.seed).permutation(testing.n), FOLDS)
    parts = [testing.chosen(np.sort(fold)) for fold in folds]
    ways = {OURS: modelled(model), POPULAR: _popular(dataset)}
    measured: dict[int, dict[str, Measured]] = {}
    for cut in CUTS:
        for one in _cut_lists(dataset, parts, cut, options, progress):
            matrix = behaviour_matrix(one.evidence, tuple(BEHAVIOUR))
            people = one.evidence.people[:, -1]
            for name, way in ways.items():
                served = ways[POPULAR] if cut == 0 else way
                noted = measured.setdefault(cut, {}).setdefault(name, Measured())
                noted.add(served(one, matrix), one.relevant, one.projects, people)
    viewers = np.concatenate([part.actors for part in parts])
    return _results(dataset, viewers, measured, options.seed, as_data(model))


def _first_of_each(requests: Requests) -> Requests:
    """Keep each viewer's first request."""
    _, first = np.unique(requests.actors, return_index=True)
    return requests.chosen(np.sort(first))


def _cut_lists(
    dataset: Dataset, parts: Sequence[Requests], cut: int, options: Options, progress: Progress
) -> Iterator[Candidates]:
    what = f"{cut} touches"
    for index, part in enumerate(parts):
        known = replace(dataset, log=cut_log(dataset.log, part.actors, part.at_s, cut), likes=_none(dataset.likes))
        past = Replay(known, options.floor, options.seed, seen=dataset.log, every_days=NIGHTS_DAYS)
        yield from replay(past, part, lambda *_: None, what)
        progress(what, (index + 1) / len(parts))


def cut_log(log: EventLog, actors: Integers, at_s: Floats, cut: int) -> EventLog:
    """Keep of each of these actors only the last `cut` events before a moment; what came later stays."""
    moment = np.full(log.n_actors, -np.inf)
    moment[actors] = at_s
    past = np.flatnonzero(log.at_s < moment[log.actors])
    order = past[np.lexsort((-past, log.actors[past]))]
    starts = np.flatnonzero(np.diff(log.actors[order], prepend=-1))
    place = np.arange(order.size) - np.repeat(starts, np.diff(np.append(starts, order.size)))
    kept = np.ones(log.actors.size, dtype=bool)
    kept[order[place >= cut]] = False
    return EventLog(log.actors[kept], log.projects[kept], log.at_s[kept], log.n_actors, log.n_projects)


def _none(log: EventLog) -> EventLog:
    """Give no events: the stage of a viewer must not come from likes that were cut."""
    empty = np.empty(0, np.int64)
    return EventLog(empty, empty, np.empty(0), log.n_actors, log.n_projects)


def _popular(dataset: Dataset) -> Score:
    """Score as the popular feed does: people halved every 14 days, a long memory for likes, freshness among equals."""

    def score(one: Candidates, _matrix: Floats) -> Floats:
        likes = dataset.likes
        liked = np.bincount(likes.projects[: likes.before(one.at_s)], minlength=likes.n_projects)[one.projects]
        age_days = np.maximum(one.at_s - one.evidence.created_s, 0.0) / 86_400.0
        return (
            np.log1p(one.evidence.people[:, -1])
            + weights.LIKES_MEMORY * np.log1p(liked)
            + weights.FRESHNESS_OF_EQUALS * freshness(age_days)
        )

    return score


def _results(
    dataset: Dataset,
    viewers: Integers,
    measured: Mapping[int, Mapping[str, Measured]],
    seed: int,
    model: Mapping[str, object],
) -> Results:
    curve = {
        cut: _told(ways[OURS].values[:, 0], ways[POPULAR].values[:, 0], viewers, seed) for cut, ways in measured.items()
    }
    together = {name: _joined([measured[cut][name] for cut in CUTS]) for name in (OURS, POPULAR)}
    facts = {"viewers": viewers.size, "by touches": curve, "model": model}
    return Results(
        "cold-start", dataset.name, together, OURS, np.tile(viewers, len(CUTS)), dataset.projects.size, facts
    )


def _told(ours: Floats, popular: Floats, viewers: Integers, seed: int) -> dict[str, float]:
    difference = ours - popular
    return {
        "ours": round(float(ours.mean()), 4),
        "decayed popular": round(float(popular.mean()), 4),
        "difference": round(float(difference.mean()), 4),
        "difference error": round(clustered_error(difference, viewers), 4),
        "chance ours is better": round(chance_better(ours, popular, viewers, seed), 3),
    }


def _joined(parts: Sequence[Measured]) -> Measured:
    whole = Measured()
    for part in parts:
        whole.rows += part.rows
        whole.surprise += part.surprise
        whole.cold += part.cold
        for project, times in part.shown.items():
            whole.shown[project] = whole.shown.get(project, 0) + times
    return whole
