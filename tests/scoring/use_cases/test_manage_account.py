"""Rules of session claims, exports and deletions."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from db.models import InteractionType, Project, Role, User
from db.privacy.erasure import OwnedProjects
from db.privacy.session_claims import ClaimStatus
from scoring.use_cases.input_errors import CallerUnidentified, InputRefused, UserErrorCode
from scoring.use_cases.manage_account import claim_session, delete_viewer, export_viewer, remove_users, revoke_sessions
from scoring.use_cases.platform_keys import MAX_RECORDS
from scoring.use_cases.project_interactions import like_project
from scoring.use_cases.unit_of_work import Caller
from scoring.use_cases.upsert_catalog import UpsertStatus, remove_projects, upsert_users
from tests.scoring.use_cases.conftest import ADA, SESSION, work_of
from tests.world import World

BOTH = Caller(user_key="ada", session_key="s1")
SERVICE = Caller(user_key="platform", role=Role.SERVICE)
CHIEF = Caller(user_key="chief", role=Role.ADMINISTRATOR)


async def test_a_claim_needs_a_token_and_a_session(world: World) -> None:
    with pytest.raises(CallerUnidentified):
        await claim_session(work_of(world, SESSION))
    with pytest.raises(InputRefused):
        await claim_session(work_of(world, ADA))


async def test_a_claimed_session_is_nobody_elses_and_reaches_no_account(world: World) -> None:
    await like_project(work_of(world, SESSION), "p0001")
    assert (await claim_session(work_of(world, BOTH))).status is ClaimStatus.CLAIMED
    assert (await claim_session(work_of(world, Caller("maker", "s1")))).status is ClaimStatus.FOREIGN
    for refused in (
        export_viewer(work_of(world, SESSION), 10),
        delete_viewer(work_of(world, SESSION), OwnedProjects.KEEP),
    ):
        with pytest.raises(InputRefused) as error:
            await refused
        assert error.value.errors[0].code is UserErrorCode.FORBIDDEN


async def test_an_ended_claim_goes_on_as_a_new_session(world: World) -> None:
    work = work_of(world, BOTH)
    work.claimed_session_lifetime = timedelta(0)
    await claim_session(work)
    later = work_of(world, SESSION)
    assert (await later.viewer()).actor_id is None
    assert later.caller.session_key not in (None, "s1")


async def test_revoked_sessions_no_longer_stand_for_the_account(world: World) -> None:
    await claim_session(work_of(world, BOTH))
    assert await revoke_sessions(work_of(world, ADA)) == 1
    assert (await work_of(world, SESSION).viewer()).user_key is None


async def test_users_and_projects_with_keys_that_are_no_longer_valid_can_be_removed(world: World) -> None:
    async with world.stores.database.write() as connection:
        await connection.execute(update(User).where(User.key == "ada").values(key="a\tb"))
        await connection.execute(update(Project).where(Project.key == "p0001").values(key="x\x85y"))
    assert (await remove_users(work_of(world, SERVICE), ["a\tb", "a\0"], OwnedProjects.KEEP))[0] == 1
    assert await remove_projects(work_of(world, SERVICE), ["x\x85y", "a\0"]) == 1


async def test_a_deleted_viewer_is_held_no_longer(world: World) -> None:
    await world.act("ada", InteractionType.LIKE, "p0001")
    assert (await export_viewer(work_of(world), 10)).data["likes"]
    assert await delete_viewer(work_of(world), OwnedProjects.KEEP) is not None
    assert (await export_viewer(work_of(world), 10)).data == {}


async def test_only_an_administrator_appoints_and_deletes_administrators(world: World) -> None:
    item = {"key": "root", "username": "Root", "role": Role.ADMINISTRATOR}
    (refused,) = await upsert_users(work_of(world, SERVICE), [item])
    assert [one.code for one in refused.errors] == [UserErrorCode.FORBIDDEN]
    (added,) = await upsert_users(work_of(world, CHIEF), [item])
    assert added.status is UpsertStatus.ADDED
    with pytest.raises(InputRefused) as error:
        await remove_users(work_of(world, SERVICE), ["root", "ada"], OwnedProjects.KEEP)
    assert error.value.errors[0].code is UserErrorCode.FORBIDDEN
    removed, receipt = await remove_users(work_of(world, CHIEF), ["root", "ada"], OwnedProjects.KEEP)
    assert (removed, receipt is not None) == (2, True)


async def test_more_keys_than_a_call_takes_are_refused(world: World) -> None:
    with pytest.raises(InputRefused) as error:
        await remove_users(work_of(world, SERVICE), ["x"] * (MAX_RECORDS + 1), OwnedProjects.KEEP)
    assert error.value.errors[0].code is UserErrorCode.TOO_MANY
