"""Dismissals: a project leaves the viewer's feeds, and with a reason the cause behind that reason is muted."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors import mutes
from db.actors.mutes import Muted
from db.actors.profiles import has_engaged
from db.actors.users import Viewer, users_by_id
from db.catalog.catalog_entries import terms_by_project
from db.catalog.project_cards import ProjectCard, cards_by_key
from db.interactions import interactions
from db.models import MuteKind, TermKind, now
from scoring.use_cases.input_errors import InputRefused, UserErrorCode, refused
from scoring.use_cases.platform_keys import is_valid_key
from scoring.use_cases.project_interactions import change_project
from scoring.use_cases.unit_of_work import UnitOfWork

_MUTE_OF_TERM = {TermKind.TOPIC: MuteKind.TOPIC, TermKind.CATEGORY: MuteKind.CATEGORY, TermKind.TOOL: MuteKind.TOOL}
_NOTHING_TO_MUTE = ("people", "popular", "trending", "keywords", "fresh", "exploration")
"""Reasons without a subject that could be muted: they concern all viewers, time, or the viewer's own search."""


@dataclass(frozen=True, slots=True)
class DismissalReason:
    """The reason that the viewer found wrong: the project that gave it, and its id, such as ``interest:tool:suno``."""

    project_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Dismissed:
    """The outcome of a dismissal: whether anything changed, and the mute that came with it."""

    changed: bool
    muted: Muted | None = None


async def dismiss_project(work: UnitOfWork, key: str, reason: DismissalReason | None = None) -> Dismissed:
    """Dismiss a project, and mute the cause behind a reason."""
    cause = None if reason is None else await _cause_of(work, key, reason)

    async def change(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
        reason_key = None if reason is None else reason.reason
        changed = await interactions.dismiss(connection, actor_id, project_id, now(), reason_key)
        if cause is not None:
            changed |= await mutes.mute(connection, actor_id, *cause, dismissed_id=project_id)
        return changed

    changed = await change_project(work, key, change)
    return Dismissed(changed, await _mute_of(work, cause) if changed and cause is not None else None)


async def undo_dismissal(work: UnitOfWork, key: str) -> Dismissed:
    """Take a dismissal back, and the mutes that came with it."""

    async def change(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
        came_back = await interactions.undo_dismissal(connection, actor_id, project_id)
        unmuted = await mutes.unmute_dismissed(connection, actor_id, project_id)
        return came_back or unmuted

    return Dismissed(await change_project(work, key, change))


Subject = tuple[MuteKind, int]
"""The subject of a mute: a kind, and the id of a term, user or project."""


async def _cause_of(work: UnitOfWork, key: str, reason: DismissalReason) -> Subject | None:
    """Return the subject behind a reason; None if it has none, or if there is no such project."""
    viewer = await work.identified_viewer()
    card = await _card(work, viewer, key)
    if card is None:
        return None
    if card.id != reason.project_id:
        raise _refused("This is a reason of another project. Take the id from this project's own explanation.")
    kind, _, rest = reason.reason.partition(":")
    if kind in _NOTHING_TO_MUTE:
        return None
    subject = await _subject(work, viewer, card, kind, rest)
    if subject is None:
        raise _refused("This project cannot have given you this reason. Take the id from its own explanation.")
    return subject


def _refused(message: str) -> InputRefused:
    return refused(UserErrorCode.INVALID, message, "reason_id")


async def _card(work: UnitOfWork, viewer: Viewer, key: str) -> ProjectCard | None:
    return (await cards_by_key(work.stores.database, [key], viewer.user_id)).get(key) if is_valid_key(key) else None


async def _subject(work: UnitOfWork, viewer: Viewer, card: ProjectCard, kind: str, rest: str) -> Subject | None:
    """Return what a reason names; None if that does not belong to this project and this viewer."""
    database = work.stores.database
    if kind == "interest":
        carried = (await terms_by_project(database, [card.id])).get(card.id, [])
        return next(((_MUTE_OF_TERM[one.kind], one.id) for one in carried if f"{one.kind}:{one.key}" == rest), None)
    if kind == "owner" and card.owner_id is not None:
        owner = (await users_by_id(database, [card.owner_id])).get(card.owner_id)
        return (MuteKind.OWNER, owner.id) if owner is not None and owner.key == rest else None
    if kind in ("similar", "neighbor") and viewer.actor_id is not None:
        similar = await _card(work, viewer, rest)
        if similar is not None and await has_engaged(database, viewer.actor_id, similar.id):
            return MuteKind.PROJECT, similar.id
    return None


async def _mute_of(work: UnitOfWork, subject: Subject) -> Muted | None:
    viewer = await work.viewer()
    known = [] if viewer.actor_id is None else await mutes.mutes_of(work.stores.database, viewer.actor_id)
    return next((one for one in known if (one.kind, one.subject_id) == subject), None)
