"""Interests that a viewer states or removes."""

from collections.abc import Sequence

from db.actors import stated_interests
from db.actors.users import Viewer, ensure_actor
from db.catalog.terms import TermName, known_terms
from db.models import TermKind
from scoring.use_cases.input_errors import InputError, InputRefused, Step, UserErrorCode, too_many_error
from scoring.use_cases.keys import is_valid_key
from scoring.use_cases.unit_of_work import UnitOfWork

MAX_INTERESTS = 200
"""Interests that one viewer may state: more than anybody reads through on a settings page."""


async def set_interests(work: UnitOfWork, stated: Sequence[TermName]) -> bool:
    """Make these terms the viewer's stated interests, and no others; return whether anything changed.

    Raises
    ------
    InputRefused
        If there are more than `MAX_INTERESTS`, or a term that does not exist for the
        viewer.
    """
    viewer = await work.identified_viewer()
    if len(stated) > MAX_INTERESTS:
        raise InputRefused(too_many_error("interests", len(stated), MAX_INTERESTS))
    found = await _term_ids(work, viewer, stated)
    unknown = [_unknown(one, "interests", index) for index, one in enumerate(stated) if one not in found]
    if unknown:
        raise InputRefused(*unknown)
    async with work.write() as connection:
        actor_id = await ensure_actor(connection, viewer)
        return await stated_interests.store_stated_interests(connection, actor_id, sorted(set(found.values())))


async def remove_interest(work: UnitOfWork, interest: TermName) -> bool:
    """Remove one interest, whatever its source; neither learning nor an import brings it back.

    Raises
    ------
    InputRefused
        If the term does not exist for the viewer.
    """
    viewer = await work.identified_viewer()
    found = await _term_ids(work, viewer, [interest])
    if not found:
        raise InputRefused(_unknown(interest, "interest"))
    if viewer.actor_id is None:
        return False
    async with work.write() as connection:
        return await stated_interests.remove_interest(connection, viewer.actor_id, found[interest])


async def _term_ids(work: UnitOfWork, viewer: Viewer, names: Sequence[TermName]) -> dict[TermName, int]:
    """Return the ids of the terms that exist for the viewer."""
    possible = [one for one in names if is_valid_key(one[1])]
    return await known_terms(work.stores.database, possible, user_id=viewer.user_id, actor_id=viewer.actor_id)


def _unknown(interest: TermName, *path: Step) -> InputError:
    message = f"There is no {TermKind(interest[0]).value} with this key; `tools` and `categories` list what there is."
    return InputError(UserErrorCode.UNKNOWN_REFERENCE, message, (*path, "key"))
