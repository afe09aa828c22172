"""A session that is claimed: everything is moved_rows over, and one person counts once."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select, update

from db.actors.mutes import mute, mutes_of
from db.actors.users import find_viewer
from db.database.engine import Database
from db.interactions.decayed_counters import decayed_counts, recount_slices
from db.interactions.interactions import NewInteraction, record_interactions, remove_state
from db.models import (
    Actor,
    ActorInterest,
    Engagement,
    Interaction,
    InteractionType,
    InterestSource,
    Like,
    MuteKind,
    OnboardingQuestion,
    OnboardingResponse,
    Project,
    Term,
    User,
)
from db.privacy.erasure import PERSONAL
from db.privacy.session_claims import Claim, ClaimStatus, claim, end_claim, end_claims_of
from tests.conftest import ENGINES, CountStatements, MakeDatabase

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=1)
ACCOUNT, SESSION, STRANGER = 1, 2, 3
KINDS = (InteractionType.VIEW, InteractionType.LIKE, InteractionType.SAVE, InteractionType.DISMISS)


async def seed(database: Database) -> None:
    async with database.write() as connection:
        people = [{"id": n, "key": key, "username": key} for n, key in ((1, "ada"), (2, "bob"))]
        await connection.execute(insert(User), people)
        await connection.execute(insert(Actor), [{"id": ACCOUNT, "user_id": 1}, {"id": STRANGER, "user_id": 2}])
        await connection.execute(insert(Actor), [{"id": SESSION, "session_key": "s"}])
        await connection.execute(
            insert(Project), [{"id": n, "key": f"p{n}", "title": "T", "type": "article"} for n in (1, 2, 3, 4)]
        )
        terms = [{"id": n, "kind": "tool", "key": f"t{n}", "name": f"t{n}"} for n in (1, 2, 3)]
        await connection.execute(insert(Term), terms)
        questions = [{"id": n, "key": f"q{n}", "type": "use_case", "text": "?"} for n in (1, 2)]
        await connection.execute(insert(OnboardingQuestion), questions)


async def do(database: Database, *events: NewInteraction) -> None:
    async with database.write() as connection:
        await record_interactions(connection, list(events))


async def claimed(database: Database, by: int = ACCOUNT) -> Claim:
    async with database.write() as connection:
        return await claim(connection, SESSION, by)


async def counters(database: Database) -> list[tuple[int, ...]]:
    statement = select(Project.id, Project.like_count, Project.view_count).order_by(Project.id)
    return [tuple(row) for row in await database.fetch(statement)]


async def test_everything_of_the_session_becomes_the_accounts_and_one_person_counts_once(database: Database) -> None:
    await seed(database)
    like, view = InteractionType.LIKE, InteractionType.VIEW
    await do(
        database,
        NewInteraction(ACCOUNT, 1, like, LATER),
        NewInteraction(ACCOUNT, 2, view, NOON),
        NewInteraction(STRANGER, 1, like, NOON),
    )
    await do(
        database,
        NewInteraction(SESSION, 1, like, NOON),
        NewInteraction(SESSION, 2, view, LATER),
        NewInteraction(SESSION, 3, like, NOON),
        NewInteraction(SESSION, 4, InteractionType.SAVE, NOON),
    )
    assert await counters(database) == [(1, 2, 0), (2, 0, 2), (3, 0, 0), (4, 0, 0)]  # likes of a session do not count
    before = (await find_viewer(database, user_key="ada")).version
    result = await claimed(database)
    assert result.status is ClaimStatus.CLAIMED
    assert result.moved_rows == {"interactions": 4, "engagement": 2, "likes": 1, "saves": 1}
    assert await counters(database) == [(1, 2, 0), (2, 0, 2), (3, 1, 0), (4, 0, 0)]
    viewer = await find_viewer(database, session_key="s")
    assert (viewer.actor_id, viewer.user_key) == (ACCOUNT, "ada")
    assert viewer.version > before
    rows = await database.fetch(
        select(Engagement.project_id, Engagement.first_at, Engagement.last_at, Engagement.kinds)
        .where(Engagement.actor_id == ACCOUNT)
        .order_by(Engagement.project_id)
    )
    assert [tuple(row) for row in rows] == [
        (1, NOON, LATER, 2),
        (2, NOON, LATER, 1),
        (3, NOON, NOON, 2),
        (4, NOON, NOON, 4),
    ]
    (since,) = await database.fetch(select(Like.created_at).where(Like.actor_id == ACCOUNT, Like.project_id == 1))
    assert since.created_at == NOON
    for table in PERSONAL:
        found = await database.fetch(select(func.count()).select_from(table).where(table.c.actor_id == SESSION))
        assert found[0][0] == 0, table.name


EVENTS = st.lists(
    st.tuples(st.sampled_from((ACCOUNT, SESSION)), st.integers(1, 3), st.sampled_from(KINDS), st.integers(0, 3)),
    max_size=12,
)


@pytest.mark.parametrize("engine", ENGINES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=EVENTS)
async def test_afterwards_all_is_as_if_the_account_had_done_it_itself(
    make_database: MakeDatabase, engine: str, events: list[tuple[int, int, InteractionType, int]]
) -> None:
    """The pulse is, as ever, what the truth says when it is counted again."""
    async with make_database(engine) as one, make_database(engine) as other:
        for database in (one, other):
            await seed(database)
        for actor, project, type_, hours in events:
            at = NOON + timedelta(hours=hours)
            await do(one, NewInteraction(actor, project, type_, at))
            await do(other, NewInteraction(ACCOUNT, project, type_, at))
        await claimed(one)
        ids = [1, 2, 3]
        for model in (Interaction, Engagement, Like):
            columns = [c for c in model.__table__.c if c.name not in ("recorded_at", "weight")]
            statement = select(*columns).order_by(*model.__table__.primary_key)
            assert [tuple(r) for r in await one.fetch(statement)] == [tuple(r) for r in await other.fetch(statement)]
        assert await counters(one) == await counters(other)
        live = await decayed_counts(one, ids, LATER)
        assert live == pytest.approx(await decayed_counts(other, ids, LATER), abs=1e-6)
        async for _ in recount_slices(one, LATER):
            pass
        assert await decayed_counts(one, ids, LATER) == pytest.approx(live, abs=1e-6)


async def test_of_two_interests_and_answers_the_stated_and_the_later_hold(database: Database) -> None:
    await seed(database)

    def tag(actor: int, term: int, source: InterestSource, confidence: float) -> dict[str, object]:
        return {"actor_id": actor, "term_id": term, "source": source.value, "confidence": confidence}

    def answer(actor: int, question: int, option: str, at: datetime) -> dict[str, object]:
        times = {"created_at": at, "updated_at": at}
        return {"actor_id": actor, "question_id": question, "selected_options": [option], **times}

    async with database.write() as connection:
        rows = [
            tag(ACCOUNT, 1, InterestSource.LEARNED, 0.3),
            tag(ACCOUNT, 2, InterestSource.MANUAL, 1.0),
            tag(SESSION, 1, InterestSource.QUIZ, 1.0),
            tag(SESSION, 2, InterestSource.LEARNED, 0.2),
            tag(SESSION, 3, InterestSource.LEARNED, 0.4),
        ]
        await connection.execute(insert(ActorInterest), rows)
        answers = [
            answer(ACCOUNT, 1, "old", NOON),
            answer(SESSION, 1, "new", LATER),
            answer(ACCOUNT, 2, "new", LATER),
            answer(SESSION, 2, "old", NOON),
        ]
        await connection.execute(insert(OnboardingResponse), answers)
        await mute(connection, ACCOUNT, MuteKind.TOOL, 1)
        await mute(connection, SESSION, MuteKind.TOOL, 1)
        await mute(connection, SESSION, MuteKind.PROJECT, 1)
    await claimed(database)
    rows = await database.fetch(
        select(ActorInterest.actor_id, ActorInterest.term_id, ActorInterest.source, ActorInterest.confidence).order_by(
            ActorInterest.term_id
        )
    )
    assert [tuple(row) for row in rows] == [
        (ACCOUNT, 1, "quiz", 1.0),
        (ACCOUNT, 2, "manual", 1.0),
        (ACCOUNT, 3, "learned", 0.4),
    ]
    found = await database.fetch(
        select(OnboardingResponse.actor_id, OnboardingResponse.selected_options).order_by(
            OnboardingResponse.question_id
        )
    )
    assert [tuple(row) for row in found] == [(ACCOUNT, ["new"]), (ACCOUNT, ["new"])]
    assert {one.kind for one in await mutes_of(database, ACCOUNT)} == {MuteKind.TOOL, MuteKind.PROJECT}


async def test_a_claim_is_done_once_and_carries_over_what_came_in_between(database: Database) -> None:
    await seed(database)
    await do(database, NewInteraction(SESSION, 1, InteractionType.LIKE, NOON))
    assert (await claimed(database)).status is ClaimStatus.CLAIMED
    version = (await find_viewer(database, user_key="ada")).version
    assert await claimed(database) == Claim(ClaimStatus.ALREADY, {})
    assert (await find_viewer(database, user_key="ada")).version == version
    # A request that was under way when the session was claimed.
    await do(
        database,
        NewInteraction(SESSION, 1, InteractionType.LIKE, LATER),
        NewInteraction(SESSION, 2, InteractionType.VIEW, NOON),
    )
    again = await claimed(database)
    assert (again.status, again.moved_rows["engagement"]) == (ClaimStatus.ALREADY, 1)
    assert await counters(database) == [(1, 1, 0), (2, 0, 1), (3, 0, 0), (4, 0, 0)]


async def test_a_claimed_session_belongs_to_one_account(database: Database) -> None:
    await seed(database)
    await do(database, NewInteraction(SESSION, 1, InteractionType.LIKE, NOON))
    await claimed(database)
    assert await claimed(database, STRANGER) == Claim(ClaimStatus.FOREIGN, {})
    async with database.write() as connection:  # nor is an account
        assert (await claim(connection, ACCOUNT, STRANGER)).status is ClaimStatus.FOREIGN
    assert (await find_viewer(database, session_key="s")).actor_id == ACCOUNT


async def test_claims_at_once_carry_over_once(database: Database) -> None:
    await seed(database)
    await do(database, *(NewInteraction(actor, 1, InteractionType.LIKE, NOON) for actor in (ACCOUNT, SESSION)))
    found = await asyncio.gather(*(claimed(database) for _ in range(4)), claimed(database, STRANGER))
    assert sorted(one.status.value for one in found).count("claimed") == 1
    likes = {row.actor_id for row in await database.fetch(select(Like.actor_id))}
    owner = (await find_viewer(database, session_key="s")).actor_id
    assert owner in likes
    assert await counters(database) == [(1, len(likes), 0), (2, 0, 0), (3, 0, 0), (4, 0, 0)]


async def test_what_was_taken_back_after_a_claim_is_taken_back(database: Database) -> None:
    await seed(database)
    await do(database, *(NewInteraction(actor, 1, InteractionType.LIKE, NOON) for actor in (ACCOUNT, SESSION)))
    await claimed(database)
    async with database.write() as connection:
        assert await remove_state(connection, ACCOUNT, 1, InteractionType.LIKE)
    assert await counters(database) == [(1, 0, 0), (2, 0, 0), (3, 0, 0), (4, 0, 0)]
    assert (await decayed_counts(database, [1], LATER)).sum() == pytest.approx(0, abs=1e-9)


async def test_settings_of_the_account_come_before_those_of_the_session(database: Database) -> None:
    await seed(database)
    async with database.write() as connection:
        for actor, stored in ((ACCOUNT, {"a": 1}), (SESSION, {"a": 2, "b": 3})):
            await connection.execute(update(Actor).where(Actor.id == actor).values(settings=stored))
    await claimed(database)
    assert (await find_viewer(database, user_key="ada")).settings == {"a": 1, "b": 3}


async def test_a_claim_costs_the_same_statements_however_much_there_is(
    database: Database, statements: CountStatements
) -> None:
    await seed(database)
    await do(
        database,
        NewInteraction(SESSION, 1, InteractionType.LIKE, NOON),
        NewInteraction(ACCOUNT, 1, InteractionType.VIEW, NOON),
    )
    with statements(database) as few:
        await claimed(database)
    hours = [NOON + timedelta(hours=hour) for hour in range(50)]
    await do(database, *(NewInteraction(SESSION, p, kind, at) for p in (1, 2, 3, 4) for kind in KINDS for at in hours))
    with statements(database) as many:
        await claimed(database)
    assert len(many) == len(few)


# How long a claimed session id stands for the account.


async def of_session(database: Database) -> tuple[int | None, str | None]:
    viewer = await find_viewer(database, session_key="s")
    return viewer.actor_id, viewer.session_key


@pytest.mark.parametrize(("life", "is_accepted_session"), [(timedelta(hours=1), True), (timedelta(0), False)])
async def test_a_claimed_session_is_the_account_until_the_claim_ends(
    database: Database, life: timedelta, is_accepted_session: bool
) -> None:
    await seed(database)
    assert await of_session(database) == (SESSION, "s")
    async with database.write() as connection:
        await claim(connection, SESSION, ACCOUNT, life)
    assert await of_session(database) == ((ACCOUNT, "s") if is_accepted_session else (None, None))


async def test_a_claim_of_an_earlier_version_has_ended(database: Database) -> None:
    await seed(database)
    async with database.write() as connection:
        await connection.execute(update(Actor).where(Actor.id == SESSION).values(merged_into=ACCOUNT))
    assert await of_session(database) == (None, None)


async def test_claims_end_for_one_session_or_for_the_whole_account(database: Database) -> None:
    await seed(database)
    async with database.write() as connection:
        await connection.execute(insert(Actor), [{"id": n, "session_key": f"s{n}"} for n in (4, 5, 6)])
        for session, account in ((SESSION, ACCOUNT), (4, ACCOUNT), (5, STRANGER)):
            await claim(connection, session, account)
        assert await end_claim(connection, "s") == 1
        assert await end_claim(connection, "s") == await end_claim(connection, "s6") == 0
        assert await end_claims_of(connection, "ada") == 1
        assert await end_claims_of(connection, "ada") == await end_claims_of(connection, "nobody") == 0
    found = [(await find_viewer(database, session_key=key)).actor_id for key in ("s", "s4", "s5", "s6")]
    assert found == [None, None, STRANGER, 6]


async def test_claiming_again_does_not_extend_a_claim(database: Database) -> None:
    await seed(database)
    await claimed(database)
    async with database.write() as connection:
        await end_claim(connection, "s")
    await do(database, NewInteraction(SESSION, 1, InteractionType.LIKE, NOON))
    assert (await claimed(database)).moved_rows["likes"] == 1
    assert await of_session(database) == (None, None)
