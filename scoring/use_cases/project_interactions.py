"""Likes, saves and batches of interactions, weighted by the trust in their actor."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.actor_trust import MAX_INTERACTION_AGE, read_trust_inputs
from db.actors.users import ensure_actor
from db.catalog.project_cards import ProjectCard, cards_by_key
from db.interactions import interactions
from db.interactions.client_interactions import record_client_interactions
from db.interactions.interactions import NewInteraction
from db.interactions.served_pages import ShownProject, were_served
from db.models import FeedKind, InteractionType, now
from scoring.mathematics.velocity import trust
from scoring.use_cases.input_errors import (
    InputError,
    InputRefused,
    Step,
    UserErrorCode,
    too_many_error,
    unknown_project_error,
)
from scoring.use_cases.platform_keys import MAX_KEY_LENGTH, is_storable_text, is_valid_key
from scoring.use_cases.unit_of_work import UnitOfWork

MAX_EVENTS = 500

PASSIVE_TYPES = frozenset({InteractionType.VIEW, InteractionType.CLICK, InteractionType.IMPRESSION})
"""Interactions that a page reports by itself; all others are deliberate and are stored despite an opt-out."""

ProjectChange = Callable[[AsyncConnection, int, int], Awaitable[bool]]
"""A change of an actor's relation to a project, from their ids to whether anything changed."""


@dataclass(frozen=True, slots=True)
class SentInteraction:
    """An interaction as a client sends it; `id` is the client's own and `rank` counts from 1."""

    project: str
    type: InteractionType
    at: datetime | None = None
    id: str | None = None
    feed: FeedKind | None = None
    rank: int | None = None
    snapshot_id: str | None = None


class InteractionStatus(StrEnum):
    """Outcomes of sent interactions."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RecordedInteraction:
    """The outcome of one sent interaction; `error` is set if it was refused."""

    status: InteractionStatus
    error: InputError | None = None


async def like_project(work: UnitOfWork, key: str) -> bool:
    """Like a project; return whether anything changed."""
    return await _keep(work, key, interactions.like)


async def unlike_project(work: UnitOfWork, key: str) -> bool:
    """Take a like back; return whether anything changed."""
    return await change_project(work, key, interactions.unlike)


async def save_project(work: UnitOfWork, key: str) -> bool:
    """Save a project; return whether anything changed."""
    return await _keep(work, key, interactions.save)


async def unsave_project(work: UnitOfWork, key: str) -> bool:
    """Take a save back; return whether anything changed."""
    return await change_project(work, key, interactions.unsave)


async def change_project(work: UnitOfWork, key: str, change: ProjectChange) -> bool:
    """Apply a change to a project that the viewer may see, in one transaction."""
    viewer = await work.identified_viewer()
    cards = await cards_by_key(work.stores.database, [key], viewer.user_id) if is_valid_key(key) else {}
    if key not in cards:
        raise InputRefused(unknown_project_error("key"))
    async with work.write() as connection:
        return await change(connection, await ensure_actor(connection, viewer), cards[key].id)


async def _keep(work: UnitOfWork, key: str, keep: Callable[..., Awaitable[bool]]) -> bool:
    """Like or save a project; it counts in trends as much as its actor is trusted."""

    async def change(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
        (weight,) = await _weights(work, connection, actor_id, [ShownProject(project_id, None)])
        return await keep(connection, actor_id, project_id, now(), weight=weight, network=work.caller.network)

    return await change_project(work, key, change)


async def record_interactions(work: UnitOfWork, sent: Sequence[SentInteraction]) -> list[RecordedInteraction]:
    """Record interactions in one transaction; an invalid one does not affect the others."""
    viewer = await work.identified_viewer()
    if len(sent) > MAX_EVENTS:
        raise InputRefused(too_many_error("events", len(sent), MAX_EVENTS))
    keys = sorted({one.project for one in sent if is_valid_key(one.project)})
    cards = await cards_by_key(work.stores.database, keys, viewer.user_id) if keys else {}
    present = now()
    errors = [
        _error(one, cards.get(one.project), present, work.caller.opted_out, "events", index)
        for index, one in enumerate(sent)
    ]
    valid = [one for one, error in zip(sent, errors, strict=True) if error is None]
    if not valid:
        return [RecordedInteraction(InteractionStatus.REFUSED, error) for error in errors]
    async with work.write() as connection:
        actor_id = await ensure_actor(connection, viewer)
        shown = [ShownProject(cards[one.project].id, one.snapshot_id) for one in valid]
        weights = await _weights(work, connection, actor_id, shown)
        events = [
            NewInteraction(
                actor_id=actor_id,
                project_id=cards[one.project].id,
                type=one.type,
                at=min(one.at or present, present),
                feed_kind=one.feed,
                position=None if one.rank is None else one.rank - 1,
                snapshot_id=one.snapshot_id,
                session_key=work.caller.session_key,
                weight=weight,
                network=work.caller.network,
            )
            for one, weight in zip(valid, weights, strict=True)
        ]
        new = iter(await record_client_interactions(connection, events, [one.id for one in valid]))
    return [RecordedInteraction(_status(error, new), error) for error in errors]


def _status(error: InputError | None, new: Iterator[bool]) -> InteractionStatus:
    if error is not None:
        return InteractionStatus.REFUSED
    return InteractionStatus.RECORDED if next(new) else InteractionStatus.DUPLICATE


async def _weights(
    work: UnitOfWork, connection: AsyncConnection, actor_id: int, shown: Sequence[ShownProject]
) -> list[float]:
    """Return the weight of each interaction in trends: the trust in the actor, 0 if a served page must vouch for it."""
    known = await read_trust_inputs(connection, actor_id, now())
    projects = known.recent_projects + len({one.project_id for one in shown})
    weight = trust(replace(known, recent_projects=projects))
    if not work.trending_requires_impression:
        return [weight] * len(shown)
    return [weight * counts for counts in await were_served(connection, actor_id, shown)]


def _error(
    sent: SentInteraction, card: ProjectCard | None, present: datetime, opted_out: bool, *path: Step
) -> InputError | None:
    if card is None:
        return unknown_project_error(*path)
    if opted_out and sent.type in PASSIVE_TYPES:
        return InputError(UserErrorCode.OPTED_OUT, "It is not stored: the request carries `Sec-GPC: 1`.", path)
    message = _fault(sent, present)
    return None if message is None else InputError(UserErrorCode.INVALID, message, path)


def _fault(sent: SentInteraction, present: datetime) -> str | None:
    if sent.at is not None and sent.at < present - MAX_INTERACTION_AGE:
        return f"It is more than {MAX_INTERACTION_AGE.days} days old."
    if sent.rank is not None and sent.rank < 1:
        return "`rank` is counted from 1."
    if sent.id is not None and not is_valid_key(sent.id):
        return "`id` must have 1 to 200 characters, none of them NUL."
    if sent.snapshot_id is not None and not (
        len(sent.snapshot_id) <= MAX_KEY_LENGTH and is_storable_text(sent.snapshot_id)
    ):
        return "`snapshotId` was not made by this service."
    return None
