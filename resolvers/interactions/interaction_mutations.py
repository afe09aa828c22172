"""What viewers do: likes, saves, dismissals, and events in bulk."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection
from strawberry.types import get_object_definition
from strawberry.types.arguments import InputContext
from strawberry.utils.str_converters import to_camel_case

from db.actors.actor_trust import MAX_INTERACTION_AGE as OLDEST
from db.actors.actor_trust import read_trust_inputs
from db.actors.users import ensure_actor
from db.catalog.project_cards import ProjectCard
from db.interactions import interactions
from db.interactions.client_interactions import DUPLICATE_WINDOW, record_client_interactions
from db.interactions.interactions import NewInteraction
from db.interactions.served_pages import ShownProject, were_served
from db.models import FeedKind, InteractionType, now
from resolvers.common.context import Caller, Context, Info
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.global_ids import MAX_KEY_LENGTH, is_storable_text, is_valid_key
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.user_errors import UserError, UserErrorCode, too_many_error, unknown_project_error, user_error
from resolvers.feeds.project import Project
from resolvers.preferences.viewer import Viewer, current_viewer
from scoring.mathematics.velocity import trust

MAX_EVENTS = 500

DUPLICATE_WINDOW_MINUTES = DUPLICATE_WINDOW // timedelta(minutes=1)

PASSIVE_TYPES = frozenset({InteractionType.VIEW, InteractionType.CLICK, InteractionType.IMPRESSION})
"""Events that a page reports by itself. All others are deliberate, and are stored whatever the request says."""

Act = Callable[[AsyncConnection, int, int], Awaitable[bool]]
"""Something that an actor does with a project: from their ids to whether it changed anything."""

Key = Annotated[str, strawberry.argument(description="The platform's own id of the project.")]


@strawberry.type(description="What an act on a project led to.")
class ProjectActPayload:
    """The answer to a like and its kin. What has changed is read when asked for."""

    changed: bool = strawberry.field(
        description="Whether anything is different now: false if it was so already, as with a second like, and with an "
        "error."
    )
    user_errors: list[UserError] = strawberry.field(description="What was wrong with the input; empty if all is well.")
    key: strawberry.Private[str | None] = None

    @computed("The project with its counters as they are now; null with an error.")
    async def project(self, info: Info) -> Project | None:
        """Give the project as it is now."""
        if self.key is None:
            return None
        card = await info.context.loaders.cards_by_key.load(self.key)
        return None if card is None else Project.of(card)

    @computed("You, as you are now.")
    async def viewer(self, info: Info) -> Viewer:
        """Give the viewer as it is now."""
        return await current_viewer(info)


@strawberry.input(description="One thing that you did with one project.")
class InteractionInput:
    """An event as a client sends it."""

    project: str = strawberry.field(description="The platform's own id of the project.")
    type: InteractionType = strawberry.field(description="What was done.")
    at: datetime | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"When. Left out or in the future: now. More than {OLDEST.days} days ago: refused. The same thing "
        f"within {DUPLICATE_WINDOW_MINUTES} minutes counts once, so an event may safely be sent again if its time is given.",
    )
    id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET,
        description="Your own id of this event, up to 200 characters: the same id counts once, whatever else it says.",
    )
    feed: FeedKind | None = strawberry.field(
        default=strawberry.UNSET, description="The feed it happened in (`FeedConnection.kind`)."
    )
    rank: int | None = strawberry.field(
        default=strawberry.UNSET, description="The place in that feed (`FeedEdge.rank`), from 1."
    )
    snapshot_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The ranking that the feed came from (`FeedConnection.snapshotId`)."
    )


_FIELDS = {to_camel_case(field.name): field.name for field in fields(InteractionInput)}


def _event(made: type, value: Mapping[str, Any], _context: InputContext) -> Any:
    """Make an event of what graphql-core has read.

    Every field is a leaf, which needs no conversion. Strawberry's own way finds that out field by field, for each event
    anew: 60 ms of CPU for 500 events, as much as all else together.
    """
    return made(**{_FIELDS[name]: one for name, one in value.items()})


get_object_definition(InteractionInput, strict=True).from_input = _event


class InteractionStatus(StrEnum):
    """What became of an event."""

    RECORDED = "recorded"
    DUPLICATE = "duplicate"
    REFUSED = "refused"


register_enum(
    InteractionStatus,
    "InteractionStatus",
    "What became of an event.",
    {
        "RECORDED": "It counts from now on.",
        "DUPLICATE": f"The same id, or the same thing within {DUPLICATE_WINDOW_MINUTES} minutes, was there already.",
        "REFUSED": "It was not taken; the message says why.",
    },
)


@strawberry.type(description="The outcome of one event.")
class InteractionResult:
    """The outcome of one event."""

    index: int = strawberry.field(description="The index of the event in `events`, from 0.")
    status: InteractionStatus = strawberry.field(description="The outcome.")
    user_errors: list[UserError] = strawberry.field(
        description="Why it was refused; empty otherwise. Do not resend an event with the code UNKNOWN_PROJECT or "
        "OPTED_OUT."
    )


@strawberry.type(description="What became of a batch of events.")
class RecordInteractionsPayload:
    """The answer to a batch of events."""

    results: list[InteractionResult] = strawberry.field(
        description="One for each event, in order; empty if the whole batch was refused."
    )
    recorded: int = strawberry.field(description="How many events were new.")
    user_errors: list[UserError] = strawberry.field(
        description="What was wrong with the batch as a whole; a single event's fault stands in `results`."
    )

    @computed("You, as you are now.")
    async def viewer(self, info: Info) -> Viewer:
        """Give the viewer as it is now."""
        return await current_viewer(info)


@strawberry.type
class InteractionMutation:
    """What a viewer can do."""

    @mutation("Like a project. A second like changes nothing. Ask for `project { id likeCount viewerHasLiked }`.")
    async def like_project(self, info: Info, key: Key) -> ProjectActPayload | None:
        """Like."""
        return await perform(info.context, key, _counted(info.context, interactions.like))

    @mutation("Take a like back.")
    async def unlike_project(self, info: Info, key: Key) -> ProjectActPayload | None:
        """Take a like back."""
        return await perform(info.context, key, interactions.unlike)

    @mutation("Keep a project for later.")
    async def save_project(self, info: Info, key: Key) -> ProjectActPayload | None:
        """Save."""
        return await perform(info.context, key, _counted(info.context, interactions.save))

    @mutation("Do not keep a project any longer.")
    async def unsave_project(self, info: Info, key: Key) -> ProjectActPayload | None:
        """Take a save back."""
        return await perform(info.context, key, interactions.unsave)

    @mutation(
        f"Tell what you did: views, clicks, impressions and all else, up to {MAX_EVENTS} events at once. "
        "Each event is judged by itself: a bad one does not keep the others out. Of a request with the header "
        "`Sec-GPC: 1` no view, click or impression is stored.",
        Cost(500, 15, "events", MAX_EVENTS),
    )
    async def record_interactions(
        self,
        info: Info,
        events: Annotated[
            list[InteractionInput], strawberry.argument(description=f"Up to {MAX_EVENTS} events, in any order.")
        ],
    ) -> RecordInteractionsPayload | None:
        """Record events."""
        if len(events) > MAX_EVENTS:
            return RecordInteractionsPayload(
                results=[], recorded=0, user_errors=[too_many_error("events", len(events), MAX_EVENTS)]
            )
        return await _record(info.context, events)


def _refused(error: UserError) -> ProjectActPayload:
    return ProjectActPayload(changed=False, user_errors=[error])


async def perform(context: Context, key: str, act: Act) -> ProjectActPayload:
    """Let whoever asks do something with a project, in one transaction."""
    card = await context.loaders.cards_by_key.load(key)
    if card is None:
        return _refused(unknown_project_error("key"))
    viewer = await context.viewer()
    async with context.write() as connection:
        changed = await act(connection, await ensure_actor(connection, viewer), card.id)
    return ProjectActPayload(changed=changed, user_errors=[], key=key)


# --- events in bulk ------------------------------------------------------------------------------------------------


def _counted(context: Context, keep: Callable[..., Awaitable[bool]]) -> Act:
    """Let a like or a save count in the project's pulse as much as its actor is trusted."""

    async def act(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
        weight = await _weight(connection, actor_id, 1)
        (believed,) = await _believed(context, connection, actor_id, [ShownProject(project_id, None)])
        weight *= believed
        return await keep(connection, actor_id, project_id, now(), weight=weight, network=context.caller.network)

    return act


async def _weight(connection: AsyncConnection, actor_id: int, projects: int) -> float:
    """Give how much an actor counts that comes to so many projects at once."""
    known = await read_trust_inputs(connection, actor_id, now())
    return trust(replace(known, recent_projects=known.recent_projects + projects))


async def _believed(
    context: Context, connection: AsyncConnection, actor_id: int, shown: Sequence[ShownProject]
) -> list[bool]:
    """Give whether the actor's coming to each project counts in trends: always, unless pages must vouch for it."""
    if not context.trending_requires_impression:
        return [True] * len(shown)
    return await were_served(connection, actor_id, shown)


@dataclass(frozen=True, slots=True)
class _Judged:
    """An event that may be written, or the reason why not."""

    asked: InteractionInput
    at: datetime
    card: ProjectCard | None
    fault: str | None
    code: UserErrorCode | None

    def errors(self, *path: str | int) -> list[UserError]:
        """Return the errors of a refused event."""
        return [] if self.code is None or self.fault is None else [user_error(self.code, self.fault, *path)]

    def event(self, actor_id: int, caller: Caller, weight: float) -> NewInteraction:
        """Give what is to be written."""
        if self.card is None:
            raise ValueError("a refused event is not written")
        rank = unset_to_none(self.asked.rank)
        return NewInteraction(
            actor_id=actor_id,
            project_id=self.card.id,
            type=self.asked.type,
            at=self.at,
            feed_kind=unset_to_none(self.asked.feed),
            position=None if rank is None else rank - 1,
            snapshot_id=unset_to_none(self.asked.snapshot_id),
            session_key=caller.session_key,
            weight=weight,
            network=caller.network,
        )


async def _record(context: Context, events: list[InteractionInput]) -> RecordInteractionsPayload:
    judged = await _judge(context, events)
    sound = [index for index, one in enumerate(judged) if one.fault is None]
    recorded = await _write(context, {index: judged[index] for index in sound}) if sound else set()
    results = [
        InteractionResult(index=index, status=_status(one, index in recorded), user_errors=one.errors("events", index))
        for index, one in enumerate(judged)
    ]
    return RecordInteractionsPayload(results=results, recorded=len(recorded), user_errors=[])


async def _judge(context: Context, events: list[InteractionInput]) -> list[_Judged]:
    cards = await context.loaders.cards_by_key.load_many([event.project for event in events])
    present, opted_out = now(), context.caller.opted_out
    return [_judged(event, card, present, opted_out) for event, card in zip(events, cards, strict=True)]


def _judged(event: InteractionInput, card: ProjectCard | None, present: datetime, opted_out: bool) -> _Judged:
    fault: str | None
    code: UserErrorCode | None
    if card is None:
        fault, code = unknown_project_error().message, UserErrorCode.UNKNOWN_PROJECT
    elif opted_out and event.type in PASSIVE_TYPES:
        fault, code = "It is not stored: the request carries `Sec-GPC: 1`.", UserErrorCode.OPTED_OUT
    else:
        fault = _fault(event, present)
        code = None if fault is None else UserErrorCode.INVALID
    return _Judged(event, min(unset_to_none(event.at) or present, present), card, fault, code)


def _fault(event: InteractionInput, present: datetime) -> str | None:
    at, rank, snapshot_id = unset_to_none(event.at), unset_to_none(event.rank), unset_to_none(event.snapshot_id)
    if at is not None and at < present - OLDEST:
        return f"It is more than {OLDEST.days} days old."
    if rank is not None and rank < 1:
        return "`rank` is counted from 1."
    own_id = unset_to_none(event.id)
    if own_id is not None and not is_valid_key(own_id):
        return "`id` must have 1 to 200 characters, none of them NUL."
    if snapshot_id is not None and not (len(snapshot_id) <= MAX_KEY_LENGTH and is_storable_text(snapshot_id)):
        return "`snapshotId` was not made by this service."
    return None


async def _write(context: Context, judged: dict[int, _Judged]) -> set[int]:
    """Write events; give the places of those that were new."""
    viewer = await context.viewer()
    async with context.write() as connection:
        actor_id = await ensure_actor(connection, viewer)
        projects = {one.card.id for one in judged.values() if one.card is not None}
        weight = await _weight(connection, actor_id, len(projects))
        shown = [
            ShownProject(one.card.id, unset_to_none(one.asked.snapshot_id))
            for one in judged.values()
            if one.card is not None
        ]
        believed = await _believed(context, connection, actor_id, shown)
        events = [
            one.event(actor_id, context.caller, weight * counts)
            for one, counts in zip(judged.values(), believed, strict=True)
        ]
        ids = [unset_to_none(one.asked.id) for one in judged.values()]
        new = await record_client_interactions(connection, events, ids)
    return {index for index, is_new in zip(judged, new, strict=True) if is_new}


def _status(judged: _Judged, recorded: bool) -> InteractionStatus:
    if judged.fault is not None:
        return InteractionStatus.REFUSED
    return InteractionStatus.RECORDED if recorded else InteractionStatus.DUPLICATE
