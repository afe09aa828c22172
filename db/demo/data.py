"""The demo data set: generation from an end time and a seed, and loading into an empty database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache

import numpy as np
from sqlalchemy import exists, func, select

from db.actors.users import ensure_actor, find_viewer, upsert_users
from db.catalog.catalog_entries import upsert_categories, upsert_projects, upsert_tools
from db.database.column_types import KEYS, in_list
from db.database.engine import Database
from db.demo.content import SimulatedUser, categories, tools
from db.demo.projects import make_projects
from db.demo.simulation import make_interactions
from db.demo.users import make_users
from db.imports.references import InteractionWriter
from db.models import Project, QuestionType, User
from db.onboarding.answers import CheckedAnswer, store_answers
from db.onboarding.questions import Question, active_questions
from db.partitions import prepare_partitions
from db.records import CategoryRecord, InteractionRecord, ProjectRecord, ToolRecord, UserRecord

SEED = 7
"""Seed of the demo that the commands load."""

BATCH_EVENTS = 5_000

PREFERRED_OPTIONS: Mapping[QuestionType, tuple[int, tuple[str, ...]]] = {
    QuestionType.TOOL_SELECT: (2, ("comfyui", "stable-diffusion", "midjourney", "flux", "runway", "blender")),
    QuestionType.CATEGORY_SELECT: (2, ("images", "video")),
    QuestionType.USE_CASE: (1, ("art",)),
    QuestionType.EXPERIENCE: (1, ("regular",)),
}
"""Number of options that the demo viewer `quiz` chooses, and the preferred options, best first. This viewer makes
images. The catalog decides which options exist."""

_HAS_ROWS = select(exists(select(User.id)) | exists(select(Project.id)))
_LOCK = select(func.pg_advisory_xact_lock(7_236_011))
_USERNAMES = select(User.key, User.username).where(in_list(User.key, KEYS))


@dataclass(frozen=True, slots=True)
class DemoData:
    """All records of the demo. All referenced keys are included, except topics, which are created when referenced."""

    tools: tuple[ToolRecord, ...]
    categories: tuple[CategoryRecord, ...]
    users: tuple[UserRecord, ...]
    projects: tuple[ProjectRecord, ...]
    interactions: tuple[InteractionRecord, ...]  # sorted by time


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


@cache
def demo_users(seed: int) -> tuple[SimulatedUser, ...]:
    """Return the simulated users of the demo."""
    return make_users(_random_stream(seed, 0))


def _random_stream(seed: int, part: int) -> np.random.Generator:
    """Return an independent random stream for each part, so that a change of one part does not change the others."""
    return np.random.default_rng([seed, part])


async def is_empty(database: Database) -> bool:
    """Return whether the database has neither users nor projects. Only then the demo may be loaded."""
    [row] = await database.fetch(_HAS_ROWS)
    return not row[0]


async def holds_demo(database: Database) -> bool:
    """Return whether the database holds the demo: more than half of its users, matched by key and username.

    Demo users may have been deleted, so not all must match. The users of a platform do not match by key and username.
    """
    usernames = {user.record.key: user.record.username for user in demo_users(SEED)}
    rows = await database.fetch(_USERNAMES, {"keys": sorted(usernames)})
    matches = sum(1 for row in rows if usernames[row.key] == row.username)
    return 2 * matches > len(usernames)


async def load(database: Database, data: DemoData) -> None:
    """Write the demo in one transaction, unless the database already has users or projects.

    If two servers start concurrently on one database, only the first one loads the demo.
    """
    await prepare_partitions(database, (record.at for record in data.interactions if record.at is not None))
    async with database.write() as connection:
        if not database.is_sqlite:  # SQLite's BEGIN IMMEDIATE already admits one writer at a time
            await connection.execute(_LOCK)
        if await connection.scalar(_HAS_ROWS):
            return
        results = [
            await upsert_tools(connection, data.tools),
            await upsert_categories(connection, data.categories),
            await upsert_users(connection, data.users),
            await upsert_projects(connection, data.projects),
        ]
        write_interactions = InteractionWriter()
        results += [
            await write_interactions(connection, data.interactions[start : start + BATCH_EVENTS])
            for start in range(0, len(data.interactions), BATCH_EVENTS)
        ]
        for refusal in (refusal for result in results for refusal in result.refused):
            raise refusal.error


async def answer_onboarding(database: Database) -> None:
    """Answer the active onboarding questions as the demo viewer `quiz`."""
    answers = [answer for question in await active_questions(database) if (answer := _answer(question)).options]
    if answers:
        viewer = await find_viewer(database, user_key="quiz")
        async with database.write() as connection:
            await store_answers(connection, await ensure_actor(connection, viewer), answers)


def _answer(question: Question) -> CheckedAnswer:
    max_options, option_keys = PREFERRED_OPTIONS[question.type]
    options = [option for key in option_keys if (option := question.option(key)) is not None]
    return CheckedAnswer(question, tuple(options[:max_options]))
