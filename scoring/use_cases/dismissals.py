"""Dismissals of projects from the viewer's feeds, with an optional mute of the subject of a reason."""

from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors import mutes
from db.actors.mutes import Muted
from db.actors.profiles import has_engaged
from db.actors.users import Viewer, users_by_id
from db.catalog.catalog_entries import terms_by_project
from db.catalog.project_cards import ProjectCard
from db.interactions import interactions
from db.models import InteractionType, MuteKind, now
from scoring.use_cases.input_errors import InputRefused, UserErrorCode, refusal
from scoring.use_cases.project_interactions import change_project
from scoring.use_cases.unit_of_work import UnitOfWork

_KINDS_WITHOUT_SUBJECT = ("people", "popular", "trending", "keywords", "fresh", "exploration")
"""Kinds of reasons without a subject that can be muted: they are about other viewers, time or the viewer's search."""


class DismissalReason(NamedTuple):
    """The reason for a dismissal: the id of its project, and its own id, for example ``interest:tool:suno``."""

    project_id: int
    reason: str


class Dismissed(NamedTuple):
    """The outcome of a dismissal: whether anything changed, and the added mute."""

    changed: bool
    muted: Muted | None = None


async def dismiss_project(work: UnitOfWork, key: str, reason: DismissalReason | None = None) -> Dismissed:
    """Dismiss a project, and mute the subject of `reason`."""
    subject = None if reason is None else await _subject_of_reason(work, key, reason)

    async def change(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
        reason_key = None if reason is None else reason.reason
        changed = await interactions.dismiss(connection, actor_id, project_id, now(), reason_key)
        if subject is not None:
            changed |= await mutes.mute(connection, actor_id, *subject, dismissed_id=project_id)
        return changed

    changed = await change_project(work, key, change)
    if not changed or subject is None:
        return Dismissed(changed)
    added_mutes = (muted for muted in await work.mutes() if (muted.kind, muted.subject_id) == subject)
    return Dismissed(changed=True, muted=next(added_mutes, None))


async def undo_dismissal(work: UnitOfWork, key: str) -> Dismissed:
    """Undo a dismissal and the mutes that it added."""

    async def change(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
        undone = await interactions.remove_state(connection, actor_id, project_id, InteractionType.DISMISS)
        unmuted = await mutes.unmute_dismissed(connection, actor_id, project_id)
        return undone or unmuted

    return Dismissed(await change_project(work, key, change))


Subject = tuple[MuteKind, int]
"""The subject of a mute: a kind, and the id of a term, user or project."""


async def _subject_of_reason(work: UnitOfWork, key: str, reason: DismissalReason) -> Subject | None:
    """Return the subject of a reason; None if it has none, or if the viewer may not see the project."""
    viewer, card = await work.identified_viewer(), await work.visible_project(key)
    if card is None:
        return None
    if card.id != reason.project_id:
        raise _invalid_reason("This reason belongs to another project.")
    kind, _, subject_key = reason.reason.partition(":")
    if kind in _KINDS_WITHOUT_SUBJECT:
        return None
    subject = await _find_subject(work, viewer, card, kind, subject_key)
    if subject is None:
        raise _invalid_reason("This project does not have this reason.")
    return subject


def _invalid_reason(fault: str) -> InputRefused:
    hint = "Use the id of a reason in the explanation of this project."
    return refusal(UserErrorCode.INVALID, f"{fault} {hint}", "reason_id")


async def _find_subject(work: UnitOfWork, viewer: Viewer, card: ProjectCard, kind: str, key: str) -> Subject | None:
    """Return the subject that a reason of this kind names; None if the reason cannot apply to viewer and project."""
    database = work.stores.database
    if kind == "interest":
        terms = (await terms_by_project(database, [card.id])).get(card.id, [])
        return next(((MuteKind(term.kind), term.id) for term in terms if f"{term.kind}:{term.key}" == key), None)
    if kind == "owner" and card.owner_id is not None:
        owner = (await users_by_id(database, [card.owner_id])).get(card.owner_id)
        return (MuteKind.OWNER, owner.id) if owner is not None and owner.key == key else None
    if kind in ("similar", "neighbor") and viewer.actor_id is not None:
        similar = await work.visible_project(key)
        if similar is not None and await has_engaged(database, viewer.actor_id, similar.id):
            return MuteKind.PROJECT, similar.id
    return None
