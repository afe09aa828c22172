"""Mutes: topics, categories, tools and owners that leave the viewer's feeds, and projects that are no evidence."""

from db.actors import mutes
from db.actors.users import Viewer, ensure_actor, users_by_key
from db.catalog.project_cards import cards_by_key
from db.catalog.terms import known_term
from db.models import MuteKind, TermKind
from scoring.use_cases.input_errors import InputError, InputRefused, UserErrorCode, refused, unknown_project_error
from scoring.use_cases.keys import is_valid_key
from scoring.use_cases.unit_of_work import UnitOfWork

MAX_MUTES = 1_000
"""Mutes of one viewer; a longer list calls for a filter."""

_TERMS = {MuteKind.TOPIC: TermKind.TOPIC, MuteKind.CATEGORY: TermKind.CATEGORY, MuteKind.TOOL: TermKind.TOOL}


async def mute(work: UnitOfWork, kind: MuteKind, key: str) -> bool:
    """Mute a subject; return whether anything changed.

    Raises
    ------
    InputRefused
        If the subject does not exist for the viewer (`db.catalog.visibility`), or the
        viewer has `MAX_MUTES`.
    """
    viewer = await work.identified_viewer()
    subject_id = await _subject_id(work, viewer, kind, key) if is_valid_key(key) else None
    if subject_id is None:
        raise InputRefused(_unknown(kind))
    known = [] if viewer.actor_id is None else await mutes.mutes_of(work.stores.database, viewer.actor_id)
    if len(known) >= MAX_MUTES:
        raise refused(UserErrorCode.TOO_MANY, f"You have muted {MAX_MUTES:,} things: unmute some.")
    async with work.write() as connection:
        return await mutes.mute(connection, await ensure_actor(connection, viewer), kind, subject_id)


async def unmute(work: UnitOfWork, kind: MuteKind, key: str) -> bool:
    """Take a mute back, by the subject's key or name; return whether there was one.

    It is looked up among the viewer's mutes, not in the catalog: the subject may be private or renamed by now.
    """
    viewer = await work.identified_viewer()
    known = [] if viewer.actor_id is None else await mutes.mutes_of(work.stores.database, viewer.actor_id)
    named = [one for one in known if one.kind is kind and key in (one.key, one.name)]
    if viewer.actor_id is None or not named:
        return False
    by_key_first = min(named, key=lambda one: one.key != key)
    async with work.write() as connection:
        return await mutes.unmute(connection, viewer.actor_id, kind, by_key_first.subject_id)


async def _subject_id(work: UnitOfWork, viewer: Viewer, kind: MuteKind, key: str) -> int | None:
    database = work.stores.database
    if kind is MuteKind.OWNER:
        user = (await users_by_key(database, [key], viewer.user_id)).get(key)
        return None if user is None else user.id
    if kind is MuteKind.PROJECT:
        card = (await cards_by_key(database, [key], viewer.user_id)).get(key)
        return None if card is None else card.id
    return await known_term(database, _TERMS[kind], key, user_id=viewer.user_id, actor_id=viewer.actor_id)


def _unknown(kind: MuteKind) -> InputError:
    if kind is MuteKind.PROJECT:
        return unknown_project_error("key")
    what = "person" if kind is MuteKind.OWNER else kind.value
    return InputError(UserErrorCode.UNKNOWN_REFERENCE, f"There is no {what} of this key.", ("key",))
