"""Rules of dismissals."""

import pytest

from db.models import InteractionType, MuteKind
from scoring.use_cases.dismissals import DismissalReason, dismiss_project, undo_dismissal
from scoring.use_cases.input_errors import InputRefused, UserErrorCode
from tests.scoring.use_cases.conftest import work_of
from tests.world import World


@pytest.mark.parametrize(
    ("reason", "muted"),
    [
        ("interest:topic:daily", (MuteKind.TOPIC, "daily")),
        ("owner:maker", (MuteKind.OWNER, "maker")),
        ("similar:p0002", (MuteKind.PROJECT, "p0002")),
        ("popular", None),
    ],
)
async def test_the_cause_behind_a_reason_is_muted(
    world: World, reason: str, muted: tuple[MuteKind, str] | None
) -> None:
    await world.act("ada", InteractionType.LIKE, "p0002")
    (project,) = await world.ids(["p0001"])
    done = await dismiss_project(work_of(world), "p0001", DismissalReason(project, reason))
    assert done.changed
    assert (None if done.muted is None else (done.muted.kind, done.muted.key)) == muted
    assert (await undo_dismissal(work_of(world), "p0001")).changed


@pytest.mark.parametrize(
    "reason", ["interest:topic:other", "interest", "interest:topic", "owner:ada", "similar:p0003", "similar:", "fate"]
)
async def test_a_reason_that_the_project_cannot_have_given_is_refused(world: World, reason: str) -> None:
    (project, other) = await world.ids(["p0001", "p0002"])
    for given in (DismissalReason(project, reason), DismissalReason(other, "popular")):
        with pytest.raises(InputRefused) as refused:
            await dismiss_project(work_of(world), "p0001", given)
        assert [(one.code, one.path) for one in refused.value.errors] == [(UserErrorCode.INVALID, ("reason_id",))]
    assert not (await undo_dismissal(work_of(world), "p0001")).changed
