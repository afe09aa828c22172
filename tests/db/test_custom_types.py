"""A platform's own types of interactions, from their configuration to the rows that count them."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, select, update

from db.actors.viewer_state import read_viewer_state
from db.catalog.catalog_entries import upsert_projects
from db.custom_types import CustomType, CustomTypes, Effect, stored_types, synchronize_custom_types
from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.actor_history import last_disliked
from db.interactions.client_interactions import record_client_interactions
from db.interactions.decayed_counters import decayed_counts, recount_slices
from db.interactions.engagement import NewInteraction, remove_engagement_kind
from db.interactions.engagement_by_term import engagement_by_term
from db.interactions.served_pages import engaging_interactions
from db.interactions.velocity_queries import count_first_engagements
from db.models import DELIBERATE_KINDS, PASSIVE_KINDS, Actor, Engagement, EngagementKind, Interaction, InteractionType
from db.privacy.session_claims import claim
from db.records import ProjectRecord
from tests.db.interactions.test_interactions import populate, write

NOON = datetime(2026, 5, 4, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
WATCHED = CustomType("watched", "watched", 0.5, minimum=0, maximum=1000, positive_from=30)
STARS = CustomType("stars", "rated", 3.0, is_deliberate=True, minimum=1, maximum=5, positive_from=4, negative_to=2)
REPORTED = CustomType("reported", "reported", positive_from=None, negative_to=0.0)
TYPES = (WATCHED, STARS, REPORTED)


def event(types: CustomTypes, actor: int, project: int, name: str, value: float | None, at: datetime = NOON):
    return NewInteraction(actor, project, name, at, **types.attributes(name, value))


async def kinds(database: Database) -> list[tuple[int, int]]:
    rows = await database.fetch(
        select(Engagement.kinds, Engagement.inactive_kinds).order_by(Engagement.actor_id, Engagement.project_id)
    )
    return [(row.kinds, row.inactive_kinds) for row in rows]


@pytest.mark.parametrize(
    ("name", "value", "effect"),
    [
        ("watched", 29.9, Effect.NONE),
        ("watched", 30.0, Effect.POSITIVE),
        ("stars", 4, Effect.POSITIVE),
        ("stars", 3, Effect.NONE),
        ("stars", 2, Effect.NEGATIVE),
        ("reported", None, Effect.NEGATIVE),
    ],
)
def test_the_value_decides_the_effect(name: str, value: float | None, effect: Effect) -> None:
    types = CustomTypes({type_.name: type_ for type_ in TYPES})
    assert types.by_name[name].effect(value) is effect
    assert types.engages(name, value) is (effect is Effect.POSITIVE)


@pytest.mark.parametrize(
    ("name", "value", "fault"),
    [
        ("watched", None, "is missing; it must be a number from 0 to 1000"),
        ("watched", float("nan"), "is nan"),
        ("watched", float("inf"), "is inf"),
        ("watched", -1.0, "is -1"),
        ("watched", 1001.0, "is 1001"),
        ("reported", 1.0, "must be omitted"),
        ("view", 1.0, "must be omitted"),
        ("seen", None, "is 'seen'; the known types are view, like, save, .*, watched, stars, reported$"),
    ],
)
def test_a_wrong_type_or_value_gets_a_message_that_says_what_is_right(
    name: str, value: float | None, fault: str
) -> None:
    types = CustomTypes({type_.name: type_ for type_ in TYPES})
    found = types.type_fault(name) or types.value_fault(name, value)
    assert found is not None
    assert re.search(fault, found)


def test_the_heaviest_type_counts_and_every_bit_is_passive_or_deliberate() -> None:
    types = CustomTypes({"a": CustomType("a", "a", 0.5, bit=6), "b": CustomType("b", "b", 3.0, bit=18)})
    weights = {1: 1.0, 2: 2.0, 1 << 6: 0.5, 1 | 1 << 6: 1.0, 2 | 1 << 18: 3.0}
    assert {mask: types.weight(mask) for mask in weights} == weights
    assert {mask: types.history_weight(mask) for mask in weights} == {**weights, 2: 1.0}
    assert int(PASSIVE_KINDS & DELIBERATE_KINDS) == 0
    assert int(PASSIVE_KINDS | DELIBERATE_KINDS) == 2**30 - 1


async def test_an_unchanged_configuration_writes_nothing_and_none_costs_one_read(database: Database) -> None:
    assert list(await synchronize_custom_types(database, ())) == []
    assert await stored_types(database) == {}
    first = await synchronize_custom_types(database, TYPES)
    assert {type_.name: type_.bit for type_ in first} == {"watched": 6, "stars": 18, "reported": 7}
    assert await synchronize_custom_types(database, TYPES) == first


async def test_only_a_positive_interaction_counts_and_with_the_weight_of_its_type(database: Database) -> None:
    (ann, bob, cid), (one, two, _) = await populate(database)
    types = await synchronize_custom_types(database, TYPES)
    await write(database, event(types, ann, one, "watched", 30), event(types, bob, one, "watched", 29))
    await write(database, event(types, cid, one, "stars", 3), event(types, cid, two, "reported", None))
    assert await kinds(database) == [(1 << 6, 0)]
    assert (await decayed_counts(database, [one], NOON))[0, 0] == pytest.approx(0.5)
    assert (await count_first_engagements(database, [one], 2 * HOUR, NOON + HOUR))[one].actors == 1
    engaging = await engaging_interactions(database, NOON - HOUR)
    assert [(row.actor_id, row.project_id) for row in engaging] == [(ann, one)]


async def test_a_stronger_interaction_raises_the_counters_once_and_a_recount_agrees(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    types = await synchronize_custom_types(database, TYPES)
    await write(database, event(types, ann, one, "watched", 30))
    for hours in (1, 2):
        await write(database, NewInteraction(ann, one, InteractionType.VIEW, NOON + hours * HOUR))
    at = NOON + 3 * HOUR
    before = await decayed_counts(database, [one], at)
    assert before[0, 0] == pytest.approx(2**-3), "one full actor, since the first engagement"
    async for _ in recount_slices(database, at):
        pass
    assert await decayed_counts(database, [one], at) == pytest.approx(before)


async def test_a_type_that_is_no_longer_configured_is_ignored_until_it_is_again(database: Database) -> None:
    (ann, bob, _), (one, *_) = await populate(database)
    types = await synchronize_custom_types(database, TYPES)
    await write(database, event(types, ann, one, "watched", 30), NewInteraction(ann, one, InteractionType.LIKE, NOON))
    await write(database, event(types, bob, one, "watched", 30))
    like = int(EngagementKind.LIKE)
    await synchronize_custom_types(database, (STARS,))
    assert await kinds(database) == [(like, 1 << 6), (0, 1 << 6)]
    assert (await count_first_engagements(database, [one], 2 * HOUR, NOON + HOUR))[one].actors == 1
    assert {(row.actor_id, row.project_id) for row in await engaging_interactions(database, NOON - HOUR)} == {
        (ann, one)
    }
    assert (await decayed_counts(database, [one], NOON))[0, 0] == pytest.approx(1.5)
    async for _ in recount_slices(database, NOON):
        pass
    assert (await decayed_counts(database, [one], NOON))[0, 0] == pytest.approx(1.0)
    assert {row.name: row.is_active for row in (await stored_types(database)).values()} == {
        "watched": False,
        "stars": True,
        "reported": False,
    }
    await synchronize_custom_types(database, TYPES)
    assert await kinds(database) == [(like | 1 << 6, 0), (1 << 6, 0)]


async def test_a_type_that_becomes_deliberate_or_negative_takes_its_engagement_along(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    types = await synchronize_custom_types(database, (WATCHED,))
    await write(database, event(types, ann, one, "watched", 30))
    deliberate = CustomType("watched", "watched", is_deliberate=True)
    types = await synchronize_custom_types(database, (deliberate,))
    assert await kinds(database) == [(types.by_name["watched"].kind, 0)]
    assert types.by_name["watched"].kind & int(DELIBERATE_KINDS)
    await synchronize_custom_types(database, (CustomType("watched", "left", positive_from=None, negative_to=0.0),))
    assert await kinds(database) == [(0, 1 << 6)]


async def test_names_that_are_not_configured_give_up_their_bits_when_all_are_taken(database: Database) -> None:
    def named(numbers: Sequence[int]) -> list[CustomType]:
        return [CustomType(f"type_{number:02}", "did") for number in numbers]

    await synchronize_custom_types(database, named(range(12)))
    types = await synchronize_custom_types(database, named(range(6, 18)))
    assert len({type_.bit for type_ in types}) == 12
    assert set(await stored_types(database)) == {type_.name for type_ in types}


async def test_a_command_without_the_file_changes_nothing_and_too_many_changes_at_once_are_refused(
    database: Database,
) -> None:
    await synchronize_custom_types(database, TYPES)
    before = await stored_types(database)
    assert list(await synchronize_custom_types(database, (), keeps_others=True)) == []
    assert await stored_types(database) == before
    names = [CustomType(f"type_{number:02}", "did") for number in range(12)]
    await synchronize_custom_types(database, names)
    changed = [replace(names[0], is_deliberate=True), *names[1:], CustomType("another", "did")]
    with pytest.raises(InvalidRecord, match="no place is free for the type another; start once without it"):
        await synchronize_custom_types(database, changed)
    await synchronize_custom_types(database, changed[:-1])
    assert len(list(await synchronize_custom_types(database, changed))) == 13


async def test_the_last_negative_interaction_of_a_type_is_a_dislike(database: Database) -> None:
    (ann, *_), (one, two, three) = await populate(database)
    types = await synchronize_custom_types(database, TYPES)
    await write(
        database,
        event(types, ann, one, "stars", 1),
        event(types, ann, two, "stars", 1),
        event(types, ann, two, "stars", 5, NOON + HOUR),
        event(types, ann, three, "reported", None, NOON + HOUR),
        NewInteraction(ann, three, InteractionType.DISMISS, NOON - HOUR),
    )
    state = await read_viewer_state(database, ann, NOON - HOUR, with_custom_types=True)
    assert (state.dismissed, state.disliked) == ((three,), (three, one))
    assert len(await last_disliked(database, ann, 10, with_custom_types=True)) == 2
    assert len(await last_disliked(database, ann, 10, with_custom_types=False)) == 1
    assert (await read_viewer_state(database, ann, NOON - HOUR)).disliked == (three,)


async def test_equal_values_are_duplicates_and_other_values_are_not(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    types = await synchronize_custom_types(database, TYPES)
    minute = timedelta(minutes=1)
    events = [
        event(types, ann, one, "watched", value, NOON + minute * place) for place, value in enumerate((10, 10, 40))
    ]
    async with database.write() as connection:
        assert await record_client_interactions(connection, events) == [True, False, True]
        again = [event(types, ann, one, "watched", value, NOON + 3 * minute) for value in (40, 41)]
        assert await record_client_interactions(connection, again) == [False, True]
        at_once = [event(types, ann, one, "watched", value, NOON + HOUR) for value in (1, 95, 95, 2)]
        assert await record_client_interactions(connection, at_once) == [True, True, False, True]
    later = select(Interaction.value).where(Interaction.at >= NOON + HOUR).order_by(Interaction.at)
    assert [row.value for row in await database.fetch(later)] == [1, 95, 2]


async def test_learned_interests_weigh_by_the_strongest_type_that_the_preferences_allow(database: Database) -> None:
    (ann, bob, cid), (one, *_) = await populate(database)
    async with database.write() as connection:
        await upsert_projects(connection, [ProjectRecord(key="p0", title="0", type="article", topics=("maps",))])
        private = {"preferences": {"learn_from_likes": False}}
        await connection.execute(update(Actor).where(Actor.id == cid).values(settings=private))
    types = await synchronize_custom_types(database, TYPES)
    await write(
        database,
        event(types, ann, one, "stars", 5),
        event(types, ann, one, "watched", 30),
        event(types, bob, one, "watched", 30),
        event(types, cid, one, "watched", 30),
        event(types, cid, one, "stars", 5),
    )
    found = await engagement_by_term(database, ann, cid, NOON, 1)
    weights = dict(zip(found.actors.tolist(), found.interactions.round(6).tolist(), strict=True))
    assert weights == {ann: 3.0, bob: 0.5, cid: 0.5}


async def test_a_claimed_session_counts_with_the_stronger_of_both_interactions(database: Database) -> None:
    (ann, *_), (one, *_) = await populate(database)
    types = await synchronize_custom_types(database, TYPES)
    async with database.write() as connection:
        session = await connection.scalar(insert(Actor).values(session_key="s").returning(Actor.id))
    assert session is not None
    await write(database, event(types, ann, one, "watched", 30))
    await write(database, NewInteraction(session, one, InteractionType.VIEW, NOON - HOUR))
    async with database.write() as connection:
        await claim(connection, session, ann)
    (row,) = await database.fetch(select(Engagement.kinds, Engagement.weight, Engagement.strength))
    assert tuple(row) == (1 | 1 << 6, 1.0, 1.0)
    before = await decayed_counts(database, [one], NOON)
    assert before[0, 0] == pytest.approx(0.5), "one actor, an hour ago"
    async for _ in recount_slices(database, NOON):
        pass
    assert await decayed_counts(database, [one], NOON) == pytest.approx(before)


async def test_counters_are_right_after_writes_to_engagement_of_a_type_that_is_not_configured(
    database: Database,
) -> None:
    (ann, bob, cid), (one, two, _) = await populate(database)
    types = await synchronize_custom_types(database, TYPES)
    async with database.write() as connection:
        session = await connection.scalar(insert(Actor).values(session_key="s").returning(Actor.id))
    assert session is not None
    watched = [event(types, actor, one, "watched", 30, NOON - HOUR) for actor in (ann, bob, cid, session)]
    await write(database, *watched, event(types, cid, two, "watched", 30, NOON - HOUR))
    await write(database, NewInteraction(bob, one, InteractionType.LIKE, NOON))
    await synchronize_custom_types(database, (STARS,))
    async for _ in recount_slices(database, NOON):
        pass
    await write(database, NewInteraction(ann, one, InteractionType.VIEW, NOON))
    await write(database, NewInteraction(session, one, InteractionType.VIEW, NOON))
    await write(database, NewInteraction(cid, two, InteractionType.LIKE, NOON))
    async with database.write() as connection:
        await claim(connection, session, cid)
        await remove_engagement_kind(connection, bob, one, EngagementKind.LIKE)
        await remove_engagement_kind(connection, bob, two, EngagementKind.LIKE)
    before = await decayed_counts(database, [one, two], NOON)
    assert before[:, 0] == pytest.approx([2.0, 1.0]), "the views of ann and cid, and the like of cid"
    async for _ in recount_slices(database, NOON):
        pass
    assert await decayed_counts(database, [one, two], NOON) == pytest.approx(before)
