"""The demo data set, generated from a time and a seed."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from db.demo.content import categories, tools
from db.demo.people import Person, make_people
from db.demo.projects import make_projects
from db.demo.simulation import make_interactions
from db.records import CategoryRecord, InteractionRecord, ProjectRecord, ToolRecord, UserRecord

SEED = 7
"""The seed of the demo that commands load."""


@dataclass(frozen=True, slots=True)
class DemoData:
    """All records of the demo. Every key they mention is among them, except topics, which are created when met."""

    tools: tuple[ToolRecord, ...]
    categories: tuple[CategoryRecord, ...]
    users: tuple[UserRecord, ...]
    projects: tuple[ProjectRecord, ...]
    interactions: tuple[InteractionRecord, ...]  # in time order, up to the time the demo was made for


def demo_people(seed: int) -> tuple[Person, ...]:
    """Return the people of the demo."""
    return make_people(_stream(seed, 0))


def generate(now: datetime, seed: int = SEED) -> DemoData:
    """Generate the demo's data: 60 tools, 18 categories, 600 projects, 300 users and 60 days of interactions.

    The 60 days end at `now`, an aware time that is not in the future. Another seed gives other people, owners and
    interactions around the same projects.
    """
    now = now.replace(microsecond=0)
    people = demo_people(seed)
    projects = make_projects(people, now, _stream(seed, 1))
    return DemoData(
        tools=tools(),
        categories=tuple(category.record for category in categories()),
        users=tuple(person.record for person in people),
        projects=projects,
        interactions=make_interactions(people, projects, now, _stream(seed, 2)),
    )


def _stream(seed: int, part: int) -> np.random.Generator:
    """Return an independent random stream for each part, so that a change in one leaves the others as they are."""
    return np.random.default_rng([seed, part])
