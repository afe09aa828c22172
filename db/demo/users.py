"""The 300 simulated users of the demo: biographies, tastes, stated interests and numbers of views."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from db.demo.content import DEMO_VIEWERS, Interest, SimulatedUser, interests, tier_of, words
from db.models import TermKind
from db.records import InterestRecord, UserRecord

USER_COUNT = 300
VIEWS = 62_000
"""Expected views of all users in 60 days, before duplicates within a visit are removed."""

_MAX_VIEWS = 620.0
"""Maximum expected views of a generated user in 60 days: ten a day."""

_DAY_STARTS = (0, 6, 7, 8, 13, 22)
_DAY_START_ODDS = (0.05, 0.27, 0.27, 0.2, 0.16, 0.05)
"""Hours (UTC) at which the day of a user begins, and their odds: mostly Europe and Africa, some Americas and Asia."""


def make_users(rng: np.random.Generator) -> tuple[SimulatedUser, ...]:
    """Return all 300 users, the six demo viewers first."""
    demo_users = [viewer.user for viewer in DEMO_VIEWERS]
    names = _usernames(rng, USER_COUNT - len(demo_users), {user.record.username for user in demo_users})
    # Long-tailed: a few users have ten views a day, half of the users have less than two views in three days.
    activity = rng.lognormal(0.0, 1.0, len(names))
    views = np.minimum(activity * (VIEWS / activity.sum()), _MAX_VIEWS)
    views = np.minimum(views * ((VIEWS - sum(user.views for user in demo_users)) / views.sum()), _MAX_VIEWS)
    return (*demo_users, *(_make_person(rng, name, float(count)) for name, count in zip(names, views, strict=True)))


def _usernames(rng: np.random.Generator, count: int, taken_names: set[str]) -> list[str]:
    all_names = [f"{first} {last}" for first in words("first_names") for last in words("last_names")]
    shuffled_names = (all_names[i] for i in rng.permutation(len(all_names)))
    return [name for name in shuffled_names if name not in taken_names][:count]


def _make_person(rng: np.random.Generator, name: str, views: float) -> SimulatedUser:
    taste = _draw_taste(rng)
    points = int(views * rng.lognormal(0.6, 0.8))
    # A third of the least active users state interests, and two thirds of the most active ones.
    states_interests = 0.33 + 0.33 * min(views / 200, 1.0)
    record = UserRecord(
        key=name.lower().replace(" ", "-"),
        username=name,
        bio=_draw_bio(rng, interests()[int(np.argmax(taste))]),
        tier=tier_of(points),
        points=points,
        interests=_stated_interests(rng, taste) if rng.random() < states_interests else (),
    )
    return SimulatedUser(
        record, tuple(float(share) for share in taste), views, int(rng.choice(_DAY_STARTS, p=_DAY_START_ODDS))
    )


def _draw_taste(rng: np.random.Generator) -> NDArray[np.float64]:
    count = int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
    taste = np.zeros(len(interests()))
    taste[rng.choice(len(taste), count, replace=False)] = rng.dirichlet(np.full(count, 2.0))
    return taste


def _draw_bio(rng: np.random.Generator, interest: Interest) -> str:
    """Return a biography of at most two sentences; one in five is empty."""
    occupations = words("occupations")
    occupation = occupations[int(rng.integers(len(occupations)))]
    remark = interest.bios[int(rng.integers(len(interest.bios)))]
    return str(rng.choice(["", occupation, remark, f"{occupation} {remark}"], p=[0.2, 0.15, 0.2, 0.45]))


def _stated_interests(
    rng: np.random.Generator, taste: Sequence[float] | NDArray[np.float64]
) -> tuple[InterestRecord, ...]:
    """Draw two to six terms that fit the taste. The first terms of an interest are drawn most often."""
    odds: dict[tuple[TermKind, str], float] = {}
    for interest, share in zip(interests(), taste, strict=True):
        weighted_terms = [((TermKind.CATEGORY, key), 3 * weight**1.5) for key, weight in interest.categories.items()]
        weighted_terms += [((TermKind.TOOL, key), 2 * 0.6**rank) for rank, key in enumerate(interest.tools)]
        weighted_terms += [((TermKind.TOPIC, key), 0.1) for key in interest.topics]
        for term, weight in weighted_terms:
            odds[term] = odds.get(term, 0.0) + share**1.5 * weight
    terms = [term for term, weight in odds.items() if weight > 0]
    weights = np.array([odds[term] for term in terms])
    count = int(rng.choice([2, 3, 4, 5, 6], p=[0.1, 0.2, 0.25, 0.25, 0.2]))
    drawn_terms = (terms[int(i)] for i in rng.choice(len(terms), count, replace=False, p=weights / weights.sum()))
    return tuple(
        InterestRecord(kind=kind, name=name, confidence=round(float(rng.uniform(0.4, 1.0)), 2))
        for kind, name in drawn_terms
    )
