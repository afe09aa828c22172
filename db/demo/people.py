"""The 300 people of the demo: biographies, tastes, tags and how often they come."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.demo.content import DEMO_VIEWERS, Interest, interests, tier_of, words
from db.models import TermKind
from db.records import TagRecord, UserRecord

PEOPLE = 300
VIEWS = 62_000
"""Expected views of all people in 60 days, before duplicates within one visit are dropped."""

_MOST_VIEWS = 620.0
"""Upper bound for an unnamed person: ten views a day."""

_DAY_STARTS = (0, 6, 7, 8, 13, 22)
_DAY_START_ODDS = (0.05, 0.27, 0.27, 0.2, 0.16, 0.05)
"""Hours (UTC) at which days begin: mostly in Europe and Africa, some in the Americas, a few further east."""


@dataclass(frozen=True, slots=True)
class Person:
    """A user and the parameters of the simulation."""

    record: UserRecord
    taste: tuple[float, ...]  # shares of the interests, which sum to 1; zeros for a person who never comes
    views: float  # expected views in 60 days
    day_starts: int  # hour (UTC) at which this person's day begins


def make_people(rng: np.random.Generator) -> tuple[Person, ...]:
    """Make all 300 people, the six demo viewers first."""
    named = [
        Person(
            viewer.record,
            tuple(viewer.taste.get(interest.key, 0.0) for interest in interests()),
            viewer.views,
            viewer.day_starts,
        )
        for viewer in DEMO_VIEWERS
    ]
    names = _names(rng, PEOPLE - len(named), {person.record.username for person in named})
    # Long-tailed: a handful come ten times a day, half of them make fewer than one view a day and a half.
    eagerness = rng.lognormal(0.0, 1.0, len(names))
    views = np.minimum(eagerness * (VIEWS / eagerness.sum()), _MOST_VIEWS)
    views = np.minimum(views * ((VIEWS - sum(person.views for person in named)) / views.sum()), _MOST_VIEWS)
    return (*named, *(_person(rng, name, float(count)) for name, count in zip(names, views, strict=True)))


def _names(rng: np.random.Generator, count: int, taken: set[str]) -> list[str]:
    everyone = [f"{first} {last}" for first in words("first_names") for last in words("last_names")]
    shuffled = (everyone[i] for i in rng.permutation(len(everyone)))
    return [name for name in shuffled if name not in taken][:count]


def _person(rng: np.random.Generator, name: str, views: float) -> Person:
    taste = _taste(rng)
    points = int(views * rng.lognormal(0.6, 0.8))
    # A third of those who hardly come state interests, and two thirds of the regulars.
    states_interests = 0.33 + 0.33 * min(views / 200, 1.0)
    record = UserRecord(
        key=name.lower().replace(" ", "-"),
        username=name,
        bio=_bio(rng, interests()[int(np.argmax(taste))]),
        tier=tier_of(points),
        points=points,
        tags=_tags(rng, taste) if rng.random() < states_interests else (),
    )
    return Person(
        record, tuple(float(share) for share in taste), views, int(rng.choice(_DAY_STARTS, p=_DAY_START_ODDS))
    )


def _taste(rng: np.random.Generator) -> NDArray[np.float64]:
    count = int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
    taste = np.zeros(len(interests()))
    taste[rng.choice(len(taste), count, replace=False)] = rng.dirichlet(np.full(count, 2.0))
    return taste


def _bio(rng: np.random.Generator, interest: Interest) -> str:
    """Write a biography of two sentences at most; one in five is empty."""
    occupations = words("occupations")
    occupation = occupations[int(rng.integers(len(occupations)))]
    remark = interest.bios[int(rng.integers(len(interest.bios)))]
    return str(rng.choice(["", occupation, remark, f"{occupation} {remark}"], p=[0.2, 0.15, 0.2, 0.45]))


def _tags(rng: np.random.Generator, taste: Sequence[float] | NDArray[np.float64]) -> tuple[TagRecord, ...]:
    """Choose two to six terms that fit the taste; the best-known terms of an interest come up most often."""
    odds: dict[tuple[TermKind, str], float] = {}
    for interest, share in zip(interests(), taste, strict=True):
        weighted = [((TermKind.CATEGORY, key), 3 * weight**1.5) for key, weight in interest.categories.items()]
        weighted += [((TermKind.TOOL, key), 2 * 0.6**rank) for rank, key in enumerate(interest.tools)]
        weighted += [((TermKind.TOPIC, key), 0.1) for key in interest.topics]
        for term, weight in weighted:
            odds[term] = odds.get(term, 0.0) + share**1.5 * weight
    terms = [term for term, weight in odds.items() if weight > 0]
    weights = np.array([odds[term] for term in terms])
    count = int(rng.choice([2, 3, 4, 5, 6], p=[0.1, 0.2, 0.25, 0.25, 0.2]))
    chosen = (terms[int(i)] for i in rng.choice(len(terms), count, replace=False, p=weights / weights.sum()))
    return tuple(
        TagRecord(kind=kind, name=name, confidence=round(float(rng.uniform(0.4, 1.0)), 2)) for kind, name in chosen
    )
