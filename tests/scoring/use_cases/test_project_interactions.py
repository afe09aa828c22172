"""Rules of likes, saves and recorded interactions."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from db.actors.users import ensure_actor, find_viewer
from db.interactions import interactions
from db.interactions.engagement import NewInteraction
from db.interactions.network_cap import SHARED_NETWORK
from db.models import Interaction, InteractionType, NetworkCount, OutboxKind, OutboxRow, now
from scoring.mathematics.velocity import ANONYMOUS_TRUST, NEW_TRUST, Window
from scoring.pipelines import trending
from scoring.use_cases.input_errors import CallerUnidentified, InputRefused, UserErrorCode
from scoring.use_cases.project_interactions import (
    MAX_EVENTS,
    PASSIVE_TYPES,
    InteractionStatus,
    SentInteraction,
    like_project,
    record_interactions,
    save_project,
    unlike_project,
    unsave_project,
)
from scoring.use_cases.unit_of_work import Caller
from tests.scoring.use_cases.conftest import ADA, SESSION, counted, work_of
from tests.world import ANYTHING, World

TWO_DAYS_AGO = now() - timedelta(days=2)
VIEW = SentInteraction("p0001", InteractionType.VIEW)


@pytest.mark.parametrize(("do", "undo"), [(like_project, unlike_project), (save_project, unsave_project)])
async def test_a_change_counts_once_and_is_told_once(world: World, do, undo) -> None:  # type: ignore[no-untyped-def]
    notifications: list[None] = []
    work = work_of(world)
    work.notify = lambda: notifications.append(None)
    assert [await use_case(work, "p0001") for use_case in (do, do, undo, undo)] == [True, False, True, False]
    assert len(notifications) == 4
    viewer = await work.viewer()
    assert viewer.version == 2
    rows = await world.stores.database.fetch(select(OutboxRow.key).where(OutboxRow.kind == OutboxKind.PROFILE.value))
    assert str(viewer.actor_id) in [row.key for row in rows]


async def test_a_caller_with_neither_token_nor_session_writes_nothing(world: World) -> None:
    for refused in (like_project(work_of(world, Caller()), "p0001"), record_interactions(work_of(world, Caller()), [])):
        with pytest.raises(CallerUnidentified):
            await refused


@pytest.mark.parametrize("key", ["nothing", "", "\x00", "p0900"])
async def test_only_a_visible_project_can_be_liked(world: World, key: str) -> None:
    with pytest.raises(InputRefused) as refused:
        await like_project(work_of(world), key)
    assert [(error.code, error.path) for error in refused.value.errors] == [(UserErrorCode.UNKNOWN_PROJECT, ("key",))]
    if key == "p0900":
        assert await like_project(work_of(world, Caller(user_key="maker")), key)


async def test_users_count_more_than_sessions_and_networks_and_bursts_are_capped(world: World) -> None:
    for n in range(30):
        await like_project(work_of(world, Caller(session_key=f"bot-{n}", network="room")), "p0001")
        await like_project(work_of(world, Caller(session_key=f"visitor-{n}")), "p0002")
        await record_interactions(
            work_of(world, Caller(user_key=f"person-{n}")), [SentInteraction("p0003", InteractionType.VIEW)]
        )
    capped, sessions, users = await counted(world, "p0001", "p0002", "p0003")
    assert capped <= sessions < 1.65 * ANONYMOUS_TRUST * NEW_TRUST
    assert 3.5 * NEW_TRUST < users < 2 * 3.5 * NEW_TRUST


async def test_users_on_a_local_network_are_not_capped_and_sessions_are(world: World) -> None:
    await anonymous_history(world)
    for n in range(8):
        await like_project(work_of(world, Caller(user_key=f"u{n}", network=SHARED_NETWORK)), "p0001")
        await like_project(work_of(world, Caller(session_key=f"s{n}", network=SHARED_NETWORK)), "p0002")
    groups = await world.stores.database.fetch(select(NetworkCount.project_id, NetworkCount.network))
    assert sorted({row.network for row in groups}) == ["burst", "shared"]
    assert len(groups) == 2


async def anonymous_history(world: World, n: int = 120) -> None:
    """Record first engagements of sessions two days ago, so that the audience is mostly anonymous."""
    ids = await world.ids(["p0004"])
    async with world.stores.database.write() as connection:
        for number in range(n):
            viewer = await find_viewer(world.stores.database, session_key=f"earlier-{number}")
            event = NewInteraction(
                await ensure_actor(connection, viewer), ids[0], InteractionType.VIEW, at=TWO_DAYS_AGO
            )
            await interactions.record_interactions(connection, [event])


async def test_a_mostly_anonymous_audience_has_a_trending_feed(world: World) -> None:
    await anonymous_history(world)
    for n in range(25):
        await like_project(work_of(world, Caller(session_key=f"visitor-{n}", network=f"home-{n}")), "p0002")
    (sessions,) = await counted(world, "p0002")
    assert sessions == pytest.approx(25 * NEW_TRUST, rel=0.01)
    ranking = await trending.rank(world.stores.database, Window.DAY, ANYTHING, now())
    assert ranking.ids.tolist() == await world.ids(["p0002", "p0004"])


async def test_each_interaction_is_judged_by_itself(world: World) -> None:
    at = now() - timedelta(days=1)
    sent = [
        SentInteraction("p0001", InteractionType.VIEW, at=at, rank=3, snapshot_id="abc"),
        SentInteraction("p0001", InteractionType.VIEW, at=at, rank=4),
        SentInteraction("nothing", InteractionType.VIEW),
        SentInteraction("p0002", InteractionType.CLICK, at=now() - timedelta(days=7, minutes=1)),
        SentInteraction("p0002", InteractionType.IMPRESSION, rank=0),
        SentInteraction("p0002", InteractionType.IMPRESSION, snapshot_id="\x00"),
        SentInteraction("p0002", InteractionType.VIEW, id=""),
        SentInteraction("p0002", InteractionType.LIKE),
    ]
    results = await record_interactions(work_of(world), sent)
    wanted = [InteractionStatus.RECORDED, InteractionStatus.DUPLICATE, *[InteractionStatus.REFUSED] * 5]
    assert [one.status for one in results] == [*wanted, InteractionStatus.RECORDED]
    codes = [one.error.code for one in results if one.error is not None]
    assert codes == [UserErrorCode.UNKNOWN_PROJECT, *[UserErrorCode.INVALID] * 4]
    (row,) = await world.stores.database.fetch(select(Interaction.position).where(Interaction.type == "view"))
    assert row.position == 2


async def test_an_interaction_from_the_future_happens_now(world: World) -> None:
    before = now()
    await record_interactions(
        work_of(world), [SentInteraction("p0001", InteractionType.VIEW, at=before.replace(year=2999))]
    )
    (row,) = await world.stores.database.fetch(select(Interaction.at))
    assert before <= row.at <= now()


async def test_more_than_five_hundred_are_refused_together(world: World) -> None:
    with pytest.raises(InputRefused) as refused:
        await record_interactions(work_of(world), [VIEW] * (MAX_EVENTS + 1))
    assert [(error.code, error.path) for error in refused.value.errors] == [(UserErrorCode.TOO_MANY, ("events",))]


@pytest.mark.parametrize("caller", [ADA, SESSION], ids=["user", "session"])
async def test_an_opt_out_keeps_passive_interactions_out_and_deliberate_ones_in(world: World, caller: Caller) -> None:
    opted_out = Caller(user_key=caller.user_key, session_key=caller.session_key, opted_out=True)
    sent = [SentInteraction("p0001", type_) for type_ in InteractionType]
    results = await record_interactions(work_of(world, opted_out), sent)
    refused = {one.type for one, result in zip(sent, results, strict=True) if result.error is not None}
    assert refused == PASSIVE_TYPES
    assert {one.error.code for one in results if one.error is not None} == {UserErrorCode.OPTED_OUT}
