"""Putting the demo into an empty store, through the same writes that everything else goes through."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalogue import upsert_categories, upsert_projects, upsert_tools
from db.changes import UpsertResult
from db.columns import UNKNOWN_TIME
from db.demo.data import DemoData
from db.demo.quiz import QuizAnswer, chosen_terms
from db.engine import Database
from db.interactions import Event, record
from db.models import Actor, OnboardingQuestion, OnboardingResponse, OutboxKind, Project, TagSource, User, UserTag
from db.outbox import enqueue
from db.partitions import prepare_partitions
from db.records import InteractionRecord
from db.terms import terms_by_key
from db.users import raise_versions, upsert_users

EVENTS_A_BATCH = 5_000

_HAS_ROWS = select(exists(select(User.id)) | exists(select(Project.id)))
_ONE_AT_A_TIME = select(func.pg_advisory_xact_lock(7_236_011))
_ACTORS = select(User.key, Actor.id).join(Actor, Actor.user_id == User.id)
_PROJECTS = select(Project.key, Project.id)
_QUESTIONS = select(OnboardingQuestion.key, OnboardingQuestion.id)


async def is_empty(database: Database) -> bool:
    """Tell whether the store holds neither users nor projects, so that the demo may go in."""
    [row] = await database.fetch(_HAS_ROWS)
    return not row[0]


async def load(database: Database, data: DemoData) -> None:
    """Write the demo in one transaction; a store that holds anything already stays as it is.

    Of two servers that start at once on one store, one loads and the other finds it done.
    """
    await prepare_partitions(database, (one.at for one in data.interactions if one.at is not None))
    async with database.write() as connection:
        if not database.is_sqlite:  # SQLite's BEGIN IMMEDIATE lets in one writer at a time anyway
            await connection.execute(_ONE_AT_A_TIME)
        if await connection.scalar(_HAS_ROWS):
            return
        await _load_catalogue(connection, data)
        actors = {row.key: row.id for row in await connection.execute(_ACTORS)}
        await _load_interactions(connection, data.interactions, actors)
        await _load_quiz(connection, data, actors)


async def _load_catalogue(connection: AsyncConnection, data: DemoData) -> None:
    _require_all(await upsert_tools(connection, data.tools))
    _require_all(await upsert_categories(connection, data.categories))
    _require_all(await upsert_users(connection, data.users))
    _require_all(await upsert_projects(connection, data.projects))


def _require_all(result: UpsertResult) -> None:
    for refusal in result.refused:
        raise refusal.error


async def _load_interactions(
    connection: AsyncConnection, interactions: tuple[InteractionRecord, ...], actors: Mapping[str, int]
) -> None:
    projects = {row.key: row.id for row in await connection.execute(_PROJECTS)}
    events = [Event(actors[i.user], projects[i.project], i.type, i.at or UNKNOWN_TIME) for i in interactions]
    for start in range(0, len(events), EVENTS_A_BATCH):
        await record(connection, events[start : start + EVENTS_A_BATCH])


async def _load_quiz(connection: AsyncConnection, data: DemoData, actors: Mapping[str, int]) -> None:
    await connection.execute(
        insert(OnboardingQuestion),
        [
            {
                "key": question.key,
                "type": question.type.value,
                "text": question.text,
                "options": [option.stored() for option in question.options],
                "position": position,
            }
            for position, question in enumerate(data.questions)
        ],
    )
    questions = {row.key: row.id for row in await connection.execute(_QUESTIONS)}
    await connection.execute(insert(OnboardingResponse), [_response(a, actors, questions) for a in data.answers])
    chosen = chosen_terms(data.questions, data.answers)
    terms = await terms_by_key(connection, {(kind, key) for _, kind, key in chosen})
    await connection.execute(
        insert(UserTag),
        [
            {
                "actor_id": actors[user],
                "term_id": terms[kind, key],
                "confidence": 1.0,
                "source": TagSource.QUIZ.value,
            }
            for user, kind, key in chosen
        ],
    )
    await _touch(connection, {actors[answer.user] for answer in data.answers})


def _response(answer: QuizAnswer, actors: Mapping[str, int], questions: Mapping[str, int]) -> dict[str, Any]:
    return {
        "actor_id": actors[answer.user],
        "question_id": questions[answer.question],
        "selected_options": list(answer.options),
    }


async def _touch(connection: AsyncConnection, actor_ids: Iterable[int]) -> None:
    """Tell rankings and index that these actors are not who they were."""
    ids = sorted(actor_ids)
    await raise_versions(connection, ids)
    await enqueue(connection, OutboxKind.PROFILE, [str(actor_id) for actor_id in ids])
