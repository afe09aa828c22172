"""Likes, saves and batches of interactions."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Annotated, Any, Self

import strawberry

from db.actors.actor_trust import MAX_INTERACTION_AGE
from db.interactions.client_interactions import DUPLICATE_WINDOW
from db.models import FeedKind, InteractionType
from resolvers.common.compat import read_input_by, to_camel_case
from resolvers.common.context import Info
from resolvers.common.descriptions import input_type, object_type
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.references import InvalidReference, ProjectId, ProjectKey, Reference, key_of
from resolvers.common.user_errors import UserError, attempt
from resolvers.feeds.project import Project
from resolvers.preferences.viewer import Viewer, current_viewer
from scoring.use_cases import project_interactions
from scoring.use_cases.input_errors import InputError, UserErrorCode
from scoring.use_cases.project_interactions import MAX_EVENTS, InteractionStatus, RecordedInteraction, SentInteraction
from scoring.use_cases.unit_of_work import UnitOfWork

DUPLICATE_WINDOW_MINUTES = DUPLICATE_WINDOW // timedelta(minutes=1)

ProjectUseCase = Callable[[UnitOfWork, str], Awaitable[bool]]


@object_type
class ProjectInteractionPayload:
    """The return value of mutations on a project."""

    changed: Annotated[bool, "Whether the request changed anything; false if repeated, and on error."]
    user_errors: Annotated[list[UserError], "The errors in the input; empty on success."]
    key: strawberry.Private[str | None] = None

    @classmethod
    async def from_use_case(cls, info: Info, reference: Reference, use_case: ProjectUseCase) -> Self:
        """Run a use case on the referenced project and return its result."""
        changed, errors = await attempt(lambda: use_case(info.context, key_of("Project", reference)), False)
        return cls(changed=changed, user_errors=errors, key=None if errors else key_of("Project", reference))

    @computed()
    async def project(self, info: Info) -> Project | None:
        """The project after the change; null on error."""
        if self.key is None:
            return None
        card = await info.context.loaders.cards_by_key.load(self.key)
        return None if card is None else Project.from_card(card)

    @computed()
    async def viewer(self, info: Info) -> Viewer:
        """The viewer after the change."""
        return await current_viewer(info)


@input_type
class InteractionInput:
    """One interaction with one project."""

    type: Annotated[InteractionType, "The type of interaction."]
    project: Annotated[str | None, "The `key` of the project. Give either `project` or `projectId`."] = strawberry.UNSET
    project_id: Annotated[strawberry.ID | None, "The `id` of the project."] = strawberry.UNSET
    at: Annotated[
        datetime | None,
        "When the interaction happened. Default: now, also for a time in the future. Events older than "
        f"{MAX_INTERACTION_AGE.days} days are refused. Equal interactions within {DUPLICATE_WINDOW_MINUTES} minutes "
        "count once, so an event with a time can be resent.",
    ] = strawberry.UNSET
    id: Annotated[
        strawberry.ID | None, "Your own id of the event, up to 200 characters. Events with the same id count once."
    ] = strawberry.UNSET
    feed: Annotated[FeedKind | None, "The feed in which the interaction happened (`FeedConnection.kind`)."] = (
        strawberry.UNSET
    )
    rank: Annotated[int | None, "The rank in that feed (`FeedEdge.rank`), from 1."] = strawberry.UNSET
    snapshot_id: Annotated[strawberry.ID | None, "The ranking of that feed (`FeedConnection.snapshotId`)."] = (
        strawberry.UNSET
    )


_FIELDS = {to_camel_case(field.name): field.name for field in fields(InteractionInput)}
_OMITTED: dict[str, None] = dict.fromkeys(_FIELDS.values())


def _read_event(values: Mapping[str, Any]) -> InteractionInput:
    """Convert an event. All fields are leaves, so no value needs conversion.

    Strawberry's conversion inspects each field of each event: 60 ms of CPU for 500 events, half of the request.
    """
    return InteractionInput(**(_OMITTED | {_FIELDS[name]: value for name, value in values.items()}))


read_input_by(InteractionInput, _read_event)


register_enum(
    InteractionStatus,
    "InteractionStatus",
    "The outcome of one event.",
    {
        "RECORDED": "The event is stored.",
        "DUPLICATE": (
            f"The same id, or an equal interaction within {DUPLICATE_WINDOW_MINUTES} minutes, was already stored."
        ),
        "REFUSED": "The event is not stored; `userErrors` says why.",
    },
)


@object_type
class InteractionResult:
    """The outcome of one event."""

    index: Annotated[int, "The index of the event in `events`, from 0."]
    status: Annotated[InteractionStatus, "The outcome."]
    user_errors: Annotated[
        list[UserError],
        "Why the event was refused; empty otherwise. Do not resend an event with the code UNKNOWN_PROJECT or "
        "OPTED_OUT.",
    ]

    @classmethod
    def from_recorded(cls, index: int, recorded: RecordedInteraction) -> Self:
        """Convert the outcome of an event."""
        errors = [] if recorded.error is None else [UserError.from_input_error(recorded.error)]
        return cls(index=index, status=recorded.status, user_errors=errors)


@object_type
class RecordInteractionsPayload:
    """The return value of `recordInteractions`."""

    results: Annotated[
        list[InteractionResult], "The outcome of each event, in order; empty if the whole batch was refused."
    ]
    recorded: Annotated[int, "The number of new events."]
    user_errors: Annotated[
        list[UserError], "The errors in the batch as a whole; the errors of single events are in `results`."
    ]

    @computed()
    async def viewer(self, info: Info) -> Viewer:
        """The viewer after the change."""
        return await current_viewer(info)


@strawberry.type
class InteractionMutation:
    @mutation()
    async def like_project(
        self, info: Info, key: ProjectKey = strawberry.UNSET, id: ProjectId = strawberry.UNSET
    ) -> ProjectInteractionPayload | None:
        """Like a project."""
        return await ProjectInteractionPayload.from_use_case(
            info, Reference(key, id), project_interactions.like_project
        )

    @mutation()
    async def unlike_project(
        self, info: Info, key: ProjectKey = strawberry.UNSET, id: ProjectId = strawberry.UNSET
    ) -> ProjectInteractionPayload | None:
        """Remove a like."""
        return await ProjectInteractionPayload.from_use_case(
            info, Reference(key, id), project_interactions.unlike_project
        )

    @mutation()
    async def save_project(
        self, info: Info, key: ProjectKey = strawberry.UNSET, id: ProjectId = strawberry.UNSET
    ) -> ProjectInteractionPayload | None:
        """Save a project for later."""
        return await ProjectInteractionPayload.from_use_case(
            info, Reference(key, id), project_interactions.save_project
        )

    @mutation()
    async def unsave_project(
        self, info: Info, key: ProjectKey = strawberry.UNSET, id: ProjectId = strawberry.UNSET
    ) -> ProjectInteractionPayload | None:
        """Remove a project from your saved projects."""
        return await ProjectInteractionPayload.from_use_case(
            info, Reference(key, id), project_interactions.unsave_project
        )

    @mutation(Cost(500, 15, "events", MAX_EVENTS))
    async def record_interactions(
        self,
        info: Info,
        events: Annotated[
            list[InteractionInput], strawberry.argument(description=f"The events in any order, up to {MAX_EVENTS}.")
        ],
    ) -> RecordInteractionsPayload | None:
        """Record views, clicks, impressions and other interactions, up to {MAX_EVENTS} at once.

        Each event has its own result; an invalid event does not affect the others. With the header `Sec-GPC: 1`, views,
        clicks and impressions are not stored.
        """
        sent, refused = _sent(events)
        results, errors = await attempt(lambda: project_interactions.record_interactions(info.context, sent), [])
        shown = [
            refused.get(index) or InteractionResult.from_recorded(index, result) for index, result in enumerate(results)
        ]
        return RecordInteractionsPayload(
            results=shown,
            recorded=sum(result.status is InteractionStatus.RECORDED for result in results),
            user_errors=errors,
        )


def _sent(events: Sequence[InteractionInput]) -> tuple[list[SentInteraction], dict[int, InteractionResult]]:
    """Convert the events for the use case, and return the results of events without a valid project reference.

    These events are passed on too, with a key that no project has, so that the indexes of the results are unchanged.
    """
    sent: list[SentInteraction] = []
    refused: dict[int, InteractionResult] = {}
    for index, event in enumerate(events):
        values = vars(event).copy()
        reference = Reference(values["project"], values.pop("project_id"), "project", "projectId")
        try:
            values["project"] = key_of("Project", reference)
        except InvalidReference as error:
            values["project"] = ""
            fault = InputError(UserErrorCode.INVALID, error.message, ("events", index, *error.argument_path))
            refused[index] = InteractionResult.from_recorded(
                index, RecordedInteraction(InteractionStatus.REFUSED, fault)
            )
        sent.append(SentInteraction(**values))
    return sent, refused
