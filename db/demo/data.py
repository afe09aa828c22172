"""The demo as a whole: a small community, made anew from a time and a seed."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from db.demo.events import make_interactions
from db.demo.people import make_people
from db.demo.projects import make_projects
from db.demo.vocabulary import categories, tools
from db.imports.records import CategoryRecord, InteractionRecord, ProjectRecord, ToolRecord, UserRecord


@dataclass(frozen=True, slots=True)
class DemoData:
    """All records of the demo; every key they mention is among them, but for topics, which are made when met.

    Attributes
    ----------
    interactions
        In time order; the last ones happen at the time the demo was made for.
    """

    tools: tuple[ToolRecord, ...]
    categories: tuple[CategoryRecord, ...]
    users: tuple[UserRecord, ...]
    projects: tuple[ProjectRecord, ...]
    interactions: tuple[InteractionRecord, ...]


def generate(now: datetime, seed: int = 7) -> DemoData:
    """Make the demo's data: 60 tools, 18 categories, 600 projects, 300 users and 60 days of what they did.

    Parameters
    ----------
    now
        When the 60 days end; an aware time, not in the future.
    seed
        Another seed gives other people, owners and events around the same projects.
    """
    now = now.replace(microsecond=0)
    # A stream for each part, so that a change in one does not stir up the others.
    for_people, for_projects, for_events = (np.random.default_rng([seed, part]) for part in range(3))
    people = make_people(for_people)
    projects = make_projects(people, now, for_projects)
    return DemoData(
        tools=tools(),
        categories=tuple(category.record for category in categories()),
        users=tuple(person.record for person in people),
        projects=projects,
        interactions=make_interactions(people, projects, now, for_events),
    )
