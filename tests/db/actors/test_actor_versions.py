from db.actors.actor_versions import UNKNOWN_VERSION, ActorKeys, versions_of
from db.actors.users import ensure_actor, find_viewer
from db.catalog.catalog_entries import upsert_projects
from db.database.engine import Database
from db.interactions.interactions import like
from db.models import now
from db.privacy.session_claims import claim, end_claim
from tests.world import World

ADA, BOB = ActorKeys("ada", None), ActorKeys("bob", None)
SESSION, OTHER = ActorKeys(None, "s1"), ActorKeys(None, "s2")


async def act(database: Database, **who: str) -> int:
    viewer = await find_viewer(database, **who)
    async with database.write() as connection:
        await upsert_projects(connection, [World.project(0)])
        actor_id = await ensure_actor(connection, viewer)
        await like(connection, actor_id, 1, now())
    return actor_id


async def test_versions_of_users_and_sessions_are_read_in_two_statements(database: Database, statements) -> None:
    await act(database, user_key="ada")
    await act(database, session_key="s1")
    with statements(database) as issued:
        found = await versions_of(database, [ADA, BOB, SESSION, OTHER])
    assert len(issued) == 2
    assert found[BOB] == found[OTHER] == UNKNOWN_VERSION
    assert found[ADA].version == found[SESSION].version == 1
    assert found[ADA].actor_id != found[SESSION].actor_id


async def test_who_has_a_token_and_a_session_is_known_by_the_token(database: Database) -> None:
    await act(database, user_key="ada")
    await act(database, session_key="s1")
    both = ActorKeys("ada", "s1")
    found = await versions_of(database, [both, ADA, SESSION])
    assert found[both] == found[ADA] != found[SESSION]


async def test_a_session_and_a_user_of_one_name_are_two(database: Database) -> None:
    await act(database, user_key="s1")
    found = await versions_of(database, [ActorKeys("s1", None), SESSION])
    assert found[SESSION] == UNKNOWN_VERSION
    assert found[ActorKeys("s1", None)].version == 1


async def test_a_claimed_session_stands_where_its_account_does(database: Database) -> None:
    account, session = await act(database, user_key="ada"), await act(database, session_key="s1")
    async with database.write() as connection:
        await claim(connection, session, account)
    found = await versions_of(database, [ADA, SESSION])
    assert found[SESSION] == found[ADA]
    async with database.write() as connection:
        assert await end_claim(connection, "s1") == 1
    found = await versions_of(database, [ADA, SESSION])
    assert found[SESSION] == UNKNOWN_VERSION != found[ADA]


async def test_no_viewers_cost_no_statement(database: Database, statements) -> None:
    with statements(database) as issued:
        assert await versions_of(database, []) == {}
        assert await versions_of(database, [ActorKeys(None, None)]) == {ActorKeys(None, None): UNKNOWN_VERSION}
    assert issued == []
