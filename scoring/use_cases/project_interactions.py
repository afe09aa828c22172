"""Likes, saves and batches of interactions, weighted by the trust in the actor."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

from sqlalchemy.ext.asyncio import AsyncConnection

from db.actors.actor_trust import MAX_INTERACTION_AGE, read_trust_inputs, session_share
from db.actors.users import ensure_actor
from db.catalog.project_cards import ProjectCard, cards_by_key
from db.custom_types import CustomTypes
from db.errors import StoreUnavailable
from db.interactions.client_interactions import record_client_interactions
from db.interactions.interactions import NewInteraction, remove_state, set_state
from db.interactions.network_cap import BURST, SESSIONS, SHARED_NETWORK
from db.interactions.served_pages import ShownProject, were_served
from db.models import FeedKind, InteractionType, now
from db.stores import Stores
from db.text_rules import is_storable
from scoring.mathematics.velocity import MOSTLY_ANONYMOUS, trust
from scoring.use_cases.input_errors import (
    InputError,
    InputRefused,
    Step,
    UserErrorCode,
    too_many_error,
    unknown_project_error,
)
from scoring.use_cases.platform_keys import MAX_KEY_LENGTH, is_valid_key
from scoring.use_cases.unit_of_work import UnitOfWork

MAX_EVENTS = 500

MIN_SHARE_ACTORS = 100
"""First engagements before the last day that are needed to call an audience mostly anonymous."""
SHARE_TTL_S = 3_600.0
_SHARE_KEY = "session_share"

PASSIVE_TYPES = frozenset({InteractionType.VIEW, InteractionType.CLICK, InteractionType.IMPRESSION})
"""Types that a page reports automatically, besides custom types. All others are deliberate, and are stored despite an
opt-out."""

ProjectChange = Callable[[AsyncConnection, int, int], Awaitable[bool]]
"""A function that writes with a connection, an actor id and a project id, and returns whether anything changed."""


@dataclass(frozen=True, slots=True)
class SentInteraction:
    """An interaction as a client sends it; `id` is the client's own id, `rank` starts at 1.

    A valid one has either a `type` or a `custom_type`.
    """

    project: str
    type: InteractionType | None = None
    custom_type: str | None = None
    value: float | None = None
    at: datetime | None = None
    id: str | None = None
    feed: FeedKind | None = None
    rank: int | None = None
    snapshot_id: str | None = None

    @property
    def type_name(self) -> str:
        """The built-in type, or the name of the custom type."""
        return self.type or self.custom_type or ""


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
    return await _add_state(work, key, InteractionType.LIKE)


async def unlike_project(work: UnitOfWork, key: str) -> bool:
    """Remove a like; return whether anything changed."""
    return await change_project(work, key, partial(remove_state, type_=InteractionType.LIKE))


async def save_project(work: UnitOfWork, key: str) -> bool:
    """Save a project; return whether anything changed."""
    return await _add_state(work, key, InteractionType.SAVE)


async def unsave_project(work: UnitOfWork, key: str) -> bool:
    """Remove a save; return whether anything changed."""
    return await change_project(work, key, partial(remove_state, type_=InteractionType.SAVE))


async def change_project(work: UnitOfWork, key: str, change: ProjectChange) -> bool:
    """Apply a change to a project that the viewer may see, in one transaction."""
    viewer, card = await work.identified_viewer(), await work.visible_project(key)
    if card is None:
        raise InputRefused(unknown_project_error("key"))
    async with work.write() as connection:
        return await change(connection, await ensure_actor(connection, viewer), card.id)


async def _add_state(work: UnitOfWork, key: str, type_: InteractionType) -> bool:
    """Like or save a project. In trending, the interaction has the weight of the actor's trust."""
    groups, session_share = await _caps(work)

    async def change(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
        (weight,) = await _trending_weights(work, connection, actor_id, [ShownProject(project_id, None)], session_share)
        event = NewInteraction(actor_id, project_id, type_, now(), weight=weight, groups=groups)
        return await set_state(connection, event)

    return await change_project(work, key, change)


async def record_interactions(
    work: UnitOfWork, sent_interactions: Sequence[SentInteraction]
) -> list[RecordedInteraction]:
    """Record interactions in one transaction; an invalid one does not affect the others."""
    viewer = await work.identified_viewer()
    if len(sent_interactions) > MAX_EVENTS:
        raise InputRefused(too_many_error("events", MAX_EVENTS))
    keys = sorted({interaction.project for interaction in sent_interactions if is_valid_key(interaction.project)})
    cards = await cards_by_key(work.stores.database, keys, viewer.user_id) if keys else {}
    current_time, opted_out, custom_types = now(), work.caller.opted_out, work.stores.platform.custom_types
    errors = [
        _type_error(interaction, custom_types, ("events", index))
        or _find_error(
            interaction, cards.get(interaction.project), current_time, opted_out, custom_types, ("events", index)
        )
        for index, interaction in enumerate(sent_interactions)
    ]
    valid = [interaction for interaction, error in zip(sent_interactions, errors, strict=True) if error is None]
    if not valid:
        return [RecordedInteraction(InteractionStatus.REFUSED, error) for error in errors]
    groups, session_share = await _caps(work)
    async with work.write() as connection:
        actor_id = await ensure_actor(connection, viewer)
        shown_projects = [ShownProject(cards[interaction.project].id, interaction.snapshot_id) for interaction in valid]
        weights = await _trending_weights(work, connection, actor_id, shown_projects, session_share)
        events = [
            NewInteraction(
                actor_id=actor_id,
                project_id=cards[interaction.project].id,
                type=interaction.type_name,
                at=min(interaction.at or current_time, current_time),
                feed_kind=interaction.feed,
                position=None if interaction.rank is None else interaction.rank - 1,
                snapshot_id=interaction.snapshot_id,
                session_key=work.caller.session_key,
                weight=weight,
                groups=groups,
                **custom_types.attributes(interaction.type_name, interaction.value),
            )
            for interaction, weight in zip(valid, weights, strict=True)
        ]
        were_new = iter(await record_client_interactions(connection, events, [interaction.id for interaction in valid]))
    return [RecordedInteraction(_status(error, were_new), error) for error in errors]


def _status(error: InputError | None, were_new: Iterator[bool]) -> InteractionStatus:
    if error is not None:
        return InteractionStatus.REFUSED
    return InteractionStatus.RECORDED if next(were_new) else InteractionStatus.DUPLICATE


async def _caps(work: UnitOfWork) -> tuple[tuple[str, ...], float]:
    """Return the groups that cap the caller's weight, and the share of sessions in engagement, 0 for users.

    Users on one local network are not capped, sessions are.
    """
    caller = work.caller
    is_user = caller.user_key is not None or (await work.viewer()).user_id is not None  # a claimed session is a user
    network = () if caller.network is None or (is_user and caller.network == SHARED_NETWORK) else (caller.network,)
    if is_user:
        return (*network, BURST), 0.0
    share = await _session_share(work.stores)
    return network if share >= MOSTLY_ANONYMOUS else (*network, SESSIONS), share


async def _session_share(stores: Stores) -> float:
    """Return the share of sessions in the engagement up to a day ago, which the cache keeps for an hour.

    The last day is left out, so that a sudden crowd of sessions does not raise its own weight.
    """
    packed = None
    with suppress(StoreUnavailable):  # then the share is read
        packed = await stores.cache.get(_SHARE_KEY)
    if packed is None:
        share = await session_share(stores.database, now() - timedelta(days=1), MIN_SHARE_ACTORS)
        packed = str(share).encode()
        with suppress(StoreUnavailable):
            await stores.cache.put(_SHARE_KEY, packed, SHARE_TTL_S)
    return float(packed)


async def _trending_weights(
    work: UnitOfWork,
    connection: AsyncConnection,
    actor_id: int,
    shown_projects: Sequence[ShownProject],
    session_share: float,
) -> list[float]:
    """Return the weight of each interaction in trending: the actor's trust, or 0 without a required impression."""
    inputs = await read_trust_inputs(connection, actor_id, now())
    recent_projects = inputs.recent_projects + len({project.project_id for project in shown_projects})
    weight = trust(inputs.signed_in, inputs.age_days, recent_projects, session_share)
    if not work.trending_requires_impression:
        return [weight] * len(shown_projects)
    return [weight * was_served for was_served in await were_served(connection, actor_id, shown_projects)]


def _type_error(sent: SentInteraction, custom_types: CustomTypes, path: tuple[Step, ...]) -> InputError | None:
    if (sent.type is None) is (sent.custom_type is None):
        return InputError(UserErrorCode.INVALID, "Give either `type` or `customType`.", path)
    fault = None
    if sent.custom_type is not None and sent.custom_type not in custom_types.by_name:
        known = ", ".join(custom_types.by_name) or "none; INTERACTION_TYPES configures them"
        fault = ("customType", f"is {sent.custom_type!r:.80}; the known ones are: {known}")
    elif (value_fault := custom_types.value_fault(sent.type_name, sent.value)) is not None:
        fault = ("value", value_fault)
    return None if fault is None else InputError(UserErrorCode.INVALID, f"`{fault[0]}` {fault[1]}.", (*path, fault[0]))


def _find_error(
    sent: SentInteraction,
    card: ProjectCard | None,
    current_time: datetime,
    opted_out: bool,
    custom_types: CustomTypes,
    path: tuple[Step, ...],
) -> InputError | None:
    code, snapshot_id = UserErrorCode.INVALID, sent.snapshot_id or ""
    if card is None:
        return unknown_project_error(*path)
    custom = custom_types.by_name.get(sent.type_name)
    if opted_out and (sent.type in PASSIVE_TYPES if custom is None else not custom.is_deliberate):
        code = UserErrorCode.OPTED_OUT
        message = "The event is not stored, because the request has the header `Sec-GPC: 1`."
    elif sent.at is not None and sent.at < current_time - MAX_INTERACTION_AGE:
        message = f"The event is more than {MAX_INTERACTION_AGE.days} days old."
    elif sent.rank is not None and sent.rank < 1:
        message = "`rank` must be at least 1."
    elif sent.id is not None and not is_valid_key(sent.id):
        message = "`id` must have 1 to 200 characters, none of them NUL."
    elif len(snapshot_id) > MAX_KEY_LENGTH or not is_storable(snapshot_id):
        message = "`snapshotId` is invalid. Use `FeedConnection.snapshotId` unchanged."
    else:
        return None
    return InputError(code, message, path)
