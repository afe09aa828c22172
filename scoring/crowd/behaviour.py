"""The behaviour signals: pure functions of an `Evidence`, each giving (n,) values. "No evidence" is 0 in each of them.

Sums over people are 0 below `Evidence.floor` people: the floor is on the signal, not on the sentence shown. What fewer
did is told of circles (`scoring.crowd.circles`), never of persons.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from operator import or_

import numpy as np

from scoring import weights
from scoring.crowd.history import DAY_S, HOUR_S, NO_LINKS, Deeds, Evidence, Kinship, Part, worth_of_touches
from scoring.signals import Floats
from scoring.weights import Signal


def age(evidence: Evidence) -> Floats:
    """Time since publication: log2(1 + hours). Range 0 (now, or from the future) to about 17 (ten years)."""
    return np.log2(1.0 + np.maximum(evidence.at_s - evidence.created_s, 0.0) / HOUR_S)


def people(half_life: int) -> Callable[[Evidence], Floats]:
    """Distinct people lately: log2(1 + decayed people). Range 0 to about 20.

    Parameters
    ----------
    half_life
        Index into `weights.PEOPLE_HALF_LIVES_H`.
    """

    def signal(evidence: Evidence) -> Floats:
        return np.log2(1.0 + evidence.people[:, half_life])

    return signal


def people_lately_all(evidence: Evidence) -> Floats:
    """People of the last `weights.RECENT_DEEDS_DAYS`, all alike: log2(1 + people). Range 0 to about 15."""
    return np.log2(1.0 + _count(evidence, evidence.deeds))


def people_within(half_life_h: float) -> Callable[[Evidence], Floats]:
    """Distinct people at a half-life for which no counter is kept: log2(1 + decayed people). Range 0 to about 15."""

    def signal(evidence: Evidence) -> Floats:
        ones = evidence.deeds._replace(similarity=np.ones(evidence.deeds.rows.size))
        return np.log2(1.0 + _decayed(evidence, ones, half_life_h))

    return signal


def new_since_visit(evidence: Evidence) -> Floats:
    """Published since the viewer's last visit: then its age, log2(1 + hours), else 0. Range 0 to about 17.

    What was there at the last visit has been passed by, what came since has had no chance. A touch less than
    `weights.VISIT_GAP_H` ago belongs to this visit. 0 also for a viewer who was never here.
    """
    earlier = evidence.touches.at_s[evidence.touches.at_s <= evidence.at_s - weights.VISIT_GAP_H * HOUR_S]
    if not earlier.size:
        return np.zeros(evidence.n)
    return np.where(evidence.created_s > earlier.max(), age(evidence), 0.0)


def events_since(evidence: Evidence) -> Floats:
    """Age by the clock of the platform: log2(1 + first touches of anything since publication). Range 0 to about 15.

    A night counts little by this clock, and a busy morning much: it says how often a project could have been chosen.
    """
    return np.log2(1.0 + _since(evidence))


def people_rate(evidence: Evidence) -> Floats:
    """People for the chances it had: log2(1 + people) − log2(1 + deeds since / prior). Range about −12 to 6."""
    return people_lately_all(evidence) - np.log2(1.0 + _since(evidence) / weights.RATE_PRIOR)


def _since(evidence: Evidence) -> Floats:
    """Count the first touches on the whole platform since each candidate was published."""
    arrivals = evidence.arrivals
    passed = np.concatenate([[0.0], np.cumsum(arrivals.people)])
    gone_by: Floats = passed[-1] - passed[np.searchsorted(arrivals.at_s, evidence.created_s, side="right")]
    return gone_by


def taste_of_people(evidence: Evidence) -> Floats:
    """Mean likeness of taste of the people who touched it lately, shrunken towards 0. Range −1 to 1."""
    total, count = _likeness(evidence, evidence.deeds, evidence.floor)
    return total / (count + weights.TASTE_SHRINKAGE)


def taste_of_crowd(evidence: Evidence) -> Floats:
    """The same, where many count more than few: the sum over the root of their number. Range about −30 to 30."""
    total, count = _likeness(evidence, evidence.deeds, evidence.floor)
    return total / np.sqrt(count + weights.TASTE_SHRINKAGE)


def taste_now(evidence: Evidence) -> Floats:
    """Sum of the likenesses, each halved every `weights.TASTE_NOW_HALF_LIFE_H`. Range about −100 to 100."""
    summed = _decayed(evidence, evidence.deeds, weights.TASTE_NOW_HALF_LIFE_H)
    return np.where(_count(evidence, evidence.deeds) >= evidence.floor, summed, 0.0)


def circle_of_people(evidence: Evidence) -> Floats:
    """Mean likeness of the circles of the people who touched it lately, shrunken towards 0. Range −1 to 1.

    No floor is needed, also where one person came: a circle is told of, and stands for at least
    `weights.CIRCLE_LEAST` people.
    """
    total, count = _likeness(evidence, evidence.circles)
    return total / (count + weights.TASTE_SHRINKAGE)


def circle_of_crowd(evidence: Evidence) -> Floats:
    """The same, where many count more than few: the sum over the root of their number. Range about −30 to 30."""
    total, count = _likeness(evidence, evidence.circles)
    return total / np.sqrt(count + weights.TASTE_SHRINKAGE)


def circle_now(evidence: Evidence) -> Floats:
    """Sum of the circles' likenesses, each halved every `weights.TASTE_NOW_HALF_LIFE_H`. Range about −100 to 100."""
    return _decayed(evidence, evidence.circles, weights.TASTE_NOW_HALF_LIFE_H)


def company(evidence: Evidence) -> Floats:
    """What those who touched the viewer's last projects touched too: log2(1 + decayed sum). Range 0 to about 15."""
    summed = _decayed(evidence, evidence.company, weights.COMPANY_HALF_LIFE_H)
    return np.log2(1.0 + np.where(_count(evidence, evidence.company) >= evidence.floor, summed, 0.0))


def neighbours(evidence: Evidence) -> Floats:
    """Item-kNN: root of the summed similarities to the viewer's touches, late ones counting more. Range 0 to about 10.

    The floor is in the lists: two projects are neighbours only if enough people touched both.
    """
    return np.sqrt(_linked(evidence))


def neighbours_share(evidence: Evidence) -> Floats:
    """The mean similarity to the viewer's touches, late ones counting more. Range 0 to 1."""
    worth = _worth(evidence).sum()
    return _linked(evidence) / worth if worth > 0 else _linked(evidence)


def walk(evidence: Evidence) -> Floats:
    """RP3beta: the root of the damped chance to walk from one of the viewer's touches to the project. Range 0 to 1."""
    return np.sqrt(_summed(evidence, Kinship.WALK) / max(evidence.touches.projects.size, 1))


def ease(evidence: Evidence) -> Floats:
    """EASE: the linear autoencoder's sum over all touches of the viewer. Range about −1 to 2."""
    return _summed(evidence, Kinship.EASE)


def people_like_you(evidence: Evidence) -> Floats:
    """User-kNN: share of the likeness of the nearest people who touched it, at any time. Range 0 to 1."""
    deeds = evidence.fellows
    summed = np.bincount(deeds.rows, deeds.similarity, minlength=evidence.n)
    enough = np.where(_count(evidence, deeds) >= evidence.floor, summed, 0.0)
    return np.sqrt(enough / evidence.fellows_likeness) if evidence.fellows_likeness > 0 else enough


def _summed(evidence: Evidence, kind: Kinship) -> Floats:
    links = evidence.links.get(kind, NO_LINKS)
    return np.bincount(links.rows, links.similarity, minlength=evidence.n).astype(np.float64)


def _linked(evidence: Evidence) -> Floats:
    links = evidence.links.get(Kinship.COSINE, NO_LINKS)
    worth = _worth(evidence)[links.touches]
    return np.bincount(links.rows, links.similarity * worth, minlength=evidence.n).astype(np.float64)


def _worth(evidence: Evidence) -> Floats:
    """Give what each of the viewer's touches counts: half as much every `weights.OWN_HISTORY_HALF_LIFE_DAYS`."""
    return worth_of_touches((evidence.at_s - evidence.touches.at_s) / DAY_S)


def _likeness(evidence: Evidence, deeds: Deeds, floor: int = 1) -> tuple[Floats, Floats]:
    """Give (n,) sums of likeness, 0 below the floor, and (n,) numbers of people."""
    count = _count(evidence, deeds)
    total = np.bincount(deeds.rows, deeds.similarity, minlength=evidence.n)
    return np.where(count >= floor, total, 0.0), count


def _count(evidence: Evidence, deeds: Deeds) -> Floats:
    return np.bincount(deeds.rows, minlength=evidence.n).astype(np.float64)


def _decayed(evidence: Evidence, deeds: Deeds, half_life_h: float) -> Floats:
    age_h = np.maximum(evidence.at_s - deeds.at_s, 0.0) / HOUR_S
    return np.bincount(deeds.rows, deeds.similarity * np.exp2(-age_h / half_life_h), minlength=evidence.n).astype(float)


BEHAVIOUR: Mapping[Signal, Callable[[Evidence], Floats]] = {
    Signal.AGE: age,
    Signal.PEOPLE_1H: people(0),
    Signal.PEOPLE_6H: people(1),
    Signal.PEOPLE_3D: people(2),
    Signal.PEOPLE_14D: people(3),
    Signal.PEOPLE_15M: people_within(0.25),
    Signal.PEOPLE_1D: people_within(24.0),
    Signal.PEOPLE_LATELY_ALL: people_lately_all,
    Signal.EVENTS_SINCE: events_since,
    Signal.PEOPLE_RATE: people_rate,
    Signal.NEW_SINCE_VISIT: new_since_visit,
    Signal.TASTE_OF_PEOPLE: taste_of_people,
    Signal.TASTE_OF_CROWD: taste_of_crowd,
    Signal.TASTE_NOW: taste_now,
    Signal.CIRCLE_OF_PEOPLE: circle_of_people,
    Signal.CIRCLE_OF_CROWD: circle_of_crowd,
    Signal.CIRCLE_NOW: circle_now,
    Signal.TASTE_OF_PROJECT: lambda evidence: evidence.project_taste,
    Signal.TASTE_OF_OWNER: lambda evidence: evidence.owner_taste,
    Signal.SAME_OWNER: lambda evidence: np.log2(1.0 + evidence.owner_touches),
    Signal.COMPANY: company,
    Signal.NEIGHBOURS: neighbours,
    Signal.NEIGHBOURS_SHARE: neighbours_share,
    Signal.WALK: walk,
    Signal.EASE: ease,
    Signal.PEOPLE_LIKE_YOU: people_like_you,
}
"""Every signal that is read from behaviour, in the order of a trained model's columns."""

_READS: Mapping[Signal, Part] = {
    Signal.PEOPLE_1H: Part.PEOPLE,
    Signal.PEOPLE_6H: Part.PEOPLE,
    Signal.PEOPLE_3D: Part.PEOPLE,
    Signal.PEOPLE_14D: Part.PEOPLE,
    Signal.PEOPLE_15M: Part.DEEDS,
    Signal.PEOPLE_1D: Part.DEEDS,
    Signal.PEOPLE_LATELY_ALL: Part.DEEDS,
    Signal.EVENTS_SINCE: Part.ARRIVALS,
    Signal.PEOPLE_RATE: Part.DEEDS | Part.ARRIVALS,
    Signal.TASTE_OF_PEOPLE: Part.DEEDS | Part.TASTES,
    Signal.TASTE_OF_CROWD: Part.DEEDS | Part.TASTES,
    Signal.TASTE_NOW: Part.DEEDS | Part.TASTES,
    Signal.CIRCLE_OF_PEOPLE: Part.DEEDS | Part.CIRCLES,
    Signal.CIRCLE_OF_CROWD: Part.DEEDS | Part.CIRCLES,
    Signal.CIRCLE_NOW: Part.DEEDS | Part.CIRCLES,
    Signal.TASTE_OF_PROJECT: Part.PROJECT_TASTE,
    Signal.TASTE_OF_OWNER: Part.OWNER_TASTE,
    Signal.SAME_OWNER: Part.OWNERS,
    Signal.COMPANY: Part.DEEDS | Part.COMPANY,
    Signal.NEIGHBOURS: Part.COSINE,
    Signal.NEIGHBOURS_SHARE: Part.COSINE,
    Signal.WALK: Part.WALK,
    Signal.EASE: Part.EASE,
    Signal.PEOPLE_LIKE_YOU: Part.FELLOWS,
}


def parts_read(signals: Iterable[Signal]) -> Part:
    """Name the parts of an `Evidence` that signals read; the others may be empty for them."""
    return reduce(or_, (_READS.get(signal, Part.NOTHING) for signal in signals), Part.NOTHING)


def behaviour_matrix(evidence: Evidence, signals: tuple[Signal, ...] = tuple(BEHAVIOUR)) -> Floats:
    """Compute signals: an (n, k) matrix with a column for each."""
    return np.column_stack([BEHAVIOUR[signal](evidence) for signal in signals])
