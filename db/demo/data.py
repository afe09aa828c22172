"""The demo data set, generated from an end time and a seed."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from db.demo.content import categories, tools
from db.demo.projects import make_projects
from db.demo.simulation import make_interactions
from db.demo.users import SimulatedUser, make_users
from db.records import CategoryRecord, InteractionRecord, ProjectRecord, ToolRecord, UserRecord

SEED = 7
"""Seed of the demo that the commands load."""


@dataclass(frozen=True, slots=True)
class DemoData:
    """All records of the demo. All referenced keys are included, except topics, which are created when referenced."""

    tools: tuple[ToolRecord, ...]
    categories: tuple[CategoryRecord, ...]
    users: tuple[UserRecord, ...]
    projects: tuple[ProjectRecord, ...]
    interactions: tuple[InteractionRecord, ...]  # sorted by time


def demo_users(seed: int) -> tuple[SimulatedUser, ...]:
    """Return the simulated users of the demo."""
    return make_users(_random_stream(seed, 0))


def generate(now: datetime, seed: int = SEED) -> DemoData:
    """Generate the demo's data: 60 tools, 18 categories, 600 projects, 300 users and 60 days of interactions.

    The 60 days end at `now`, an aware time that is not in the future. Another seed gives other users, owners and
    interactions for the same projects.
    """
    now = now.replace(microsecond=0)
    users = demo_users(seed)
    projects = make_projects(users, now, _random_stream(seed, 1))
    return DemoData(
        tools=tools(),
        categories=tuple(category.record for category in categories()),
        users=tuple(user.record for user in users),
        projects=projects,
        interactions=make_interactions(users, projects, now, _random_stream(seed, 2)),
    )


def _random_stream(seed: int, part: int) -> np.random.Generator:
    """Return an independent random stream for each part, so that a change of one part does not change the others."""
    return np.random.default_rng([seed, part])
