"""The 300 people of the demo: who they are, what they like, and how often they come."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from db.demo.content import words
from db.demo.latent_interests import INTEREST_INDEX, INTERESTS, Interest
from db.models import Role, TermKind
from db.records import TagRecord, UserRecord

PEOPLE = 300
VIEWS = 62_000
"""Views to be expected of all people in 60 days, before doubles within one visit are dropped."""

_MOST_VIEWS = 620.0
"""The most eager of the unnamed: ten views a day."""

_DAY_STARTS = (0, 6, 7, 8, 13, 22)
_DAY_START_ODDS = (0.05, 0.27, 0.27, 0.2, 0.16, 0.05)
"""When people get up, in hours UTC: mostly in Europe and Africa, some in the Americas, a few further east."""

_TIERS = ((0, "newcomer"), (60, "explorer"), (400, "maker"), (1_500, "mentor"), (5_000, "pioneer"))
"""From how many points on somebody belongs to a tier."""


@dataclass(frozen=True, slots=True)
class DemoViewer:
    """A named viewer to look through: the key is the subject of its token, `what` says whom it stands for."""

    key: str
    username: str
    what: str


@dataclass(frozen=True, slots=True)
class Person:
    """A user with what the simulation needs to know.

    Attributes
    ----------
    taste
        A mixture over the interests that sums to 1; all zero for those who never come.
    views
        Views to be expected in 60 days.
    day_starts
        The hour (UTC) at which this person's day begins.
    """

    record: UserRecord
    taste: tuple[float, ...]
    views: float
    day_starts: int


DEMO_VIEWERS = (
    DemoViewer("newcomer", "Lena Aydin", "just signed up: no tags and no history"),
    DemoViewer("quiz", "Tomas Okafor", "has answered the onboarding quiz and nothing else"),
    DemoViewer("heavy", "Priya Raman", "comes every day: many tags, hundreds of events"),
    DemoViewer("narrow", "Jonas Lindqvist", "cares for one thing only: making music"),
    DemoViewer("owner", "Marisol Vega", "publishes: owns a dozen projects, looks around now and then"),
    DemoViewer("administrator", "Ruth Achterberg", "runs the platform: administrator, little history"),
)


_Vector = NDArray[np.float64]


def mixture(**shares: float) -> tuple[float, ...]:
    """Make a taste from interests' keys (with ``_`` for ``-``) and their shares."""
    taste = [0.0] * len(INTERESTS)
    for key, share in shares.items():
        taste[INTEREST_INDEX[key.replace("_", "-")]] = share
    return tuple(taste)


def _tag(kind: TermKind, name: str, confidence: float) -> TagRecord:
    return TagRecord(kind=kind, name=name, confidence=confidence)


def _viewer(
    index: int, bio: str, points: int, role: Role = Role.VIEWER, tags: tuple[TagRecord, ...] = ()
) -> UserRecord:
    viewer = DEMO_VIEWERS[index]
    return UserRecord(
        key=viewer.key, username=viewer.username, bio=bio, tier=_tier(points), points=points, role=role, tags=tags
    )


def _tier(points: int) -> str:
    return [name for least, name in _TIERS if points >= least][-1]


def named_people() -> list[Person]:
    """Give the six demo viewers, in the order of `DEMO_VIEWERS`."""
    tool, category, topic = TermKind.TOOL, TermKind.CATEGORY, TermKind.TOPIC
    heavy = (
        _tag(category, "coding", 1.0), _tag(category, "agents", 0.9), _tag(category, "evaluation", 0.7),
        _tag(tool, "claude-code", 0.95), _tag(tool, "langgraph", 0.8), _tag(tool, "promptfoo", 0.7),
        _tag(tool, "langfuse", 0.6), _tag(tool, "aider", 0.6), _tag(topic, "code-review", 0.8),
        _tag(topic, "testing", 0.7),
    )  # fmt: skip
    narrow = (_tag(category, "music", 1.0), _tag(tool, "suno", 0.9), _tag(tool, "musicgen", 0.9))
    owner = (_tag(category, "writing", 0.9), _tag(category, "education", 0.6), _tag(tool, "claude", 0.7))
    return [
        Person(_viewer(0, "", 0), mixture(), 0, 7),
        Person(_viewer(1, "", 10), mixture(), 0, 7),
        Person(
            _viewer(2, "Platform engineer. I review what machines write.", 6_240, tags=heavy),
            mixture(code=0.55, agents=0.3, operations=0.15), 720, 6,
        ),
        Person(
            _viewer(3, "Plays bass, mends old tapes.", 310, tags=narrow), mixture(sound=1.0), 150, 8
        ),
        Person(
            _viewer(4, "Writes, teaches, and publishes what was useful twice.", 2_480, tags=owner),
            mixture(words=0.6, teaching=0.4), 130, 13,
        ),
        Person(
            _viewer(5, "Keeps the lights on here.", 120, Role.ADMINISTRATOR), mixture(facts=0.5, operations=0.5), 20, 7
        ),
    ]  # fmt: skip


def make_people(rng: np.random.Generator) -> tuple[Person, ...]:
    """Make all 300 people, the six demo viewers first."""
    named = named_people()
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
    record = UserRecord(
        key=name.lower().replace(" ", "-"),
        username=name,
        bio=_bio(rng, INTERESTS[int(np.argmax(taste))]),
        tier=_tier(points),
        points=points,
        tags=_tags(rng, taste) if rng.random() < _tagging(views) else (),
    )
    return Person(
        record, tuple(float(share) for share in taste), views, int(rng.choice(_DAY_STARTS, p=_DAY_START_ODDS))
    )


def _tagging(views: float) -> float:
    """Give how likely somebody states interests: a third of those who hardly come, two thirds of the regulars."""
    return 0.33 + 0.33 * min(views / 200, 1.0)


def _taste(rng: np.random.Generator) -> _Vector:
    count = int(rng.choice([1, 2, 3], p=[0.4, 0.4, 0.2]))
    taste = np.zeros(len(INTERESTS))
    taste[rng.choice(len(INTERESTS), count, replace=False)] = rng.dirichlet(np.full(count, 2.0))
    return taste


def _bio(rng: np.random.Generator, interest: Interest) -> str:
    """Write a bio of none, one or two sentences: of every five people one says nothing."""
    occupations = words("occupations")
    occupation = occupations[int(rng.integers(len(occupations)))]
    remark = interest.bios[int(rng.integers(len(interest.bios)))]
    return str(rng.choice(["", occupation, remark, f"{occupation} {remark}"], p=[0.2, 0.15, 0.2, 0.45]))


def _tags(rng: np.random.Generator, taste: Sequence[float] | _Vector) -> tuple[TagRecord, ...]:
    """Choose two to six terms that fit the taste; what an interest is best known for comes up most often."""
    odds: dict[tuple[TermKind, str], float] = {}
    for interest, share in zip(INTERESTS, taste, strict=True):
        weighted = [((TermKind.CATEGORY, key), 3 * weight**1.5) for key, weight in interest.categories.items()]
        weighted += [((TermKind.TOOL, key), 2 * 0.6**rank) for rank, key in enumerate(interest.tools)]
        weighted += [((TermKind.TOPIC, key), 0.1) for key in interest.topics]
        for term, weight in weighted:
            odds[term] = odds.get(term, 0.0) + share**1.5 * weight
    terms = [term for term, weight in odds.items() if weight > 0]
    weights = np.array([odds[term] for term in terms])
    count = int(rng.choice([2, 3, 4, 5, 6], p=[0.1, 0.2, 0.25, 0.25, 0.2]))
    chosen = (terms[int(i)] for i in rng.choice(len(terms), count, replace=False, p=weights / weights.sum()))
    return tuple(_tag(kind, name, round(float(rng.uniform(0.4, 1.0)), 2)) for kind, name in chosen)
