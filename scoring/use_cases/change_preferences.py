"""A viewer's stated interests, mutes and settings."""

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from db.actors import mutes, stated_interests
from db.actors.actor_preferences import change_preferences
from db.actors.users import Viewer, ensure_actor, users_by_key
from db.catalog.terms import TermName, known_term, known_terms
from db.models import MuteKind, TermKind
from scoring.use_cases.input_errors import (
    InputError,
    InputRefused,
    Step,
    UserErrorCode,
    refusal,
    too_many_error,
    unknown_project_error,
    validation_errors,
)
from scoring.use_cases.platform_keys import is_valid_key
from scoring.use_cases.unit_of_work import UnitOfWork

MAX_INTERESTS = 200
"""Maximum number of stated interests per viewer."""

MAX_MUTES = 1_000
"""Maximum number of mutes per viewer."""


async def set_interests(work: UnitOfWork, interests: Sequence[TermName]) -> bool:
    """Replace the viewer's stated interests; return whether anything changed."""
    viewer = await work.identified_viewer()
    if len(interests) > MAX_INTERESTS:
        raise InputRefused(too_many_error("interests", MAX_INTERESTS))
    term_ids = await _read_term_ids(work, viewer, interests)
    unknown = [
        _interest_error(term, "interests", index) for index, term in enumerate(interests) if term not in term_ids
    ]
    if unknown:
        raise InputRefused(*unknown)
    async with work.write() as connection:
        actor_id = await ensure_actor(connection, viewer)
        return await stated_interests.store_stated_interests(connection, actor_id, sorted(set(term_ids.values())))


async def remove_interest(work: UnitOfWork, interest: TermName) -> bool:
    """Remove one interest of any source, and block learning and imports from adding it again."""
    viewer = await work.identified_viewer()
    term_ids = await _read_term_ids(work, viewer, [interest])
    if not term_ids:
        raise InputRefused(_interest_error(interest, "interest"))
    if viewer.actor_id is None:
        return False
    async with work.write() as connection:
        return await stated_interests.remove_interest(connection, viewer.actor_id, term_ids[interest])


async def _read_term_ids(work: UnitOfWork, viewer: Viewer, names: Sequence[TermName]) -> dict[TermName, int]:
    """Read the ids of the terms that the viewer may see."""
    valid_names = [name for name in names if is_valid_key(name[1])]
    return await known_terms(work.stores.database, valid_names, user_id=viewer.user_id, actor_id=viewer.actor_id)


def _interest_error(interest: TermName, *path: Step) -> InputError:
    kind = TermKind(interest[0]).value
    message = f"There is no {kind} with this key. Query `tools`, `categories` or `topics` for the keys."
    return InputError(UserErrorCode.UNKNOWN_REFERENCE, message, (*path, "key"))


async def mute(work: UnitOfWork, kind: MuteKind, key: str) -> bool:
    """Mute a subject that the viewer may see; return whether anything changed."""
    viewer = await work.identified_viewer()
    subject_id = await _read_subject_id(work, viewer, kind, key) if is_valid_key(key) else None
    if subject_id is None:
        raise InputRefused(_subject_error(kind))
    if len(await work.mutes()) >= MAX_MUTES:
        raise refusal(UserErrorCode.TOO_MANY, f"You have {MAX_MUTES:,} mutes, the maximum. Remove some first.")
    async with work.write() as connection:
        return await mutes.mute(connection, await ensure_actor(connection, viewer), kind, subject_id)


async def unmute(work: UnitOfWork, kind: MuteKind, key: str) -> bool:
    """Remove a mute by the subject's key or name; return whether there was one.

    The subject is looked up in the viewer's mutes, not in the catalog, because it may have become private or have
    another name since.
    """
    viewer = await work.identified_viewer()
    matching_mutes = [muted for muted in await work.mutes() if muted.kind is kind and key in (muted.key, muted.name)]
    if viewer.actor_id is None or not matching_mutes:
        return False
    best_match = min(matching_mutes, key=lambda muted: muted.key != key)
    async with work.write() as connection:
        return await mutes.unmute(connection, viewer.actor_id, kind, best_match.subject_id)


async def _read_subject_id(work: UnitOfWork, viewer: Viewer, kind: MuteKind, key: str) -> int | None:
    database = work.stores.database
    if kind is MuteKind.PROJECT:
        card = await work.visible_project(key)
        return None if card is None else card.id
    if kind is MuteKind.OWNER:
        user = (await users_by_key(database, [key], viewer.user_id)).get(key)
        return None if user is None else user.id
    return await known_term(database, TermKind(kind), key, user_id=viewer.user_id, actor_id=viewer.actor_id)


def _subject_error(kind: MuteKind) -> InputError:
    if kind is MuteKind.PROJECT:
        return unknown_project_error("key")
    noun = "user" if kind is MuteKind.OWNER else kind.value
    return InputError(UserErrorCode.UNKNOWN_REFERENCE, f"There is no {noun} with this key.", ("key",))


async def update_settings(work: UnitOfWork, changes: Mapping[str, bool | int]) -> bool:
    """Apply all changes, or none if one is invalid; other settings are kept. Return whether anything changed."""
    viewer = await work.identified_viewer()
    try:
        async with work.write() as connection:
            return await change_preferences(connection, await ensure_actor(connection, viewer), changes)
    except ValidationError as error:
        raise InputRefused(*validation_errors(error, "settings")) from None
