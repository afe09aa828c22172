from db.actors.users import ActorVersion, ensure_actor, find_viewer, versions_by_session, versions_by_user
from db.catalog.catalog_entries import upsert_projects
from db.database.engine import Database
from db.interactions.interactions import NewInteraction, set_state
from db.models import InteractionType, now
from db.privacy.session_claims import claim, end_claim
from tests.world import World


async def versions(database: Database) -> tuple[dict[str, ActorVersion], dict[str, ActorVersion]]:
    return await versions_by_user(database, {"ada", "bob"}), await versions_by_session(database, {"s1", "s2"})


async def act(database: Database, **who: str) -> int:
    viewer = await find_viewer(database, **who)
    async with database.write() as connection:
        await upsert_projects(connection, [World.project(0)])
        actor_id = await ensure_actor(connection, viewer)
        await set_state(connection, NewInteraction(actor_id, 1, InteractionType.LIKE, now()))
    return actor_id


async def test_versions_of_users_and_sessions_are_read_in_two_statements(database: Database, statements) -> None:
    await act(database, user_key="ada")
    await act(database, session_key="s1")
    with statements(database) as issued:
        users, sessions = await versions(database)
    assert len(issued) == 2
    assert users.keys() == {"ada"}
    assert sessions.keys() == {"s1"}
    assert users["ada"].version == sessions["s1"].version == 1
    assert users["ada"].actor_id != sessions["s1"].actor_id


async def test_a_session_and_a_user_of_one_name_are_two(database: Database) -> None:
    await act(database, user_key="s1")
    assert (await versions_by_user(database, {"s1"}))["s1"].version == 1
    assert await versions_by_session(database, {"s1"}) == {}


async def test_a_claimed_session_stands_where_its_account_does(database: Database) -> None:
    account, session = await act(database, user_key="ada"), await act(database, session_key="s1")
    async with database.write() as connection:
        await claim(connection, session, account)
    users, sessions = await versions(database)
    assert sessions["s1"] == users["ada"]
    async with database.write() as connection:
        assert await end_claim(connection, "s1") == 1
    users, sessions = await versions(database)
    assert users
    assert sessions == {}


async def test_no_viewers_cost_no_statement(database: Database, statements) -> None:
    with statements(database) as issued:
        assert await versions_by_user(database, set()) == await versions_by_session(database, set()) == {}
    assert issued == []
