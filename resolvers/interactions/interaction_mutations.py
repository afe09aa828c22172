"""Likes, saves and batches of interactions."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Annotated, Any

import strawberry

from db.actors.actor_trust import MAX_INTERACTION_AGE
from db.interactions.client_interactions import DUPLICATE_WINDOW
from db.models import FeedKind, InteractionType
from resolvers.common.compat import read_input_by, to_camel_case
from resolvers.common.context import Info
from resolvers.common.descriptions import input_type, object_type
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.references import InvalidReference, ProjectId, ProjectKey, key_of
from resolvers.common.user_errors import UserError, attempt
from resolvers.feeds.project import Project
from resolvers.preferences.viewer import ChangePayload, ViewerPayload
from scoring.use_cases import project_interactions
from scoring.use_cases.input_errors import InputError, UserErrorCode
from scoring.use_cases.project_interactions import MAX_EVENTS, InteractionStatus, SentInteraction
from scoring.use_cases.unit_of_work import UnitOfWork

DUPLICATE_WINDOW_MINUTES = DUPLICATE_WINDOW // timedelta(minutes=1)


@object_type
class ProjectInteractionPayload(ChangePayload):
    """The return value of mutations on a project."""

    key: strawberry.Private[str | None] = None

    @computed()
    async def project(self, info: Info) -> Project | None:
        """The project after the change; null on error."""
        card = None if self.key is None else await info.context.loaders.cards_by_key.load(self.key)
        return None if card is None else Project.of(card)


@input_type
class InteractionInput:
    """One interaction with one project.

    For example `{project: "relief", type: VIEW}`, or of a type that the platform has configured with INTERACTION_TYPES
    `{project: "relief", customType: "watched", value: 95}`.
    """

    type: Annotated[InteractionType | None, "A built-in type. Give either `type` or `customType`."] = None
    custom_type: Annotated[str | None, "The name of a type of the platform's own."] = None
    value: Annotated[
        float | None, "The value, for a type of the platform's own that has one: for example seconds or stars."
    ] = None
    project: Annotated[str | None, "The `key` of the project. Give either `project` or `projectId`."] = None
    project_id: Annotated[strawberry.ID | None, "The `id` of the project."] = None
    at: Annotated[
        datetime | None,
        "When the interaction happened. Default: now, also for a time in the future. Events older than "
        f"{MAX_INTERACTION_AGE.days} days are refused. Equal interactions within {DUPLICATE_WINDOW_MINUTES} minutes "
        "count once, so an event with a time can be resent. Interactions with other values are not equal.",
    ] = None
    id: Annotated[
        strawberry.ID | None, "Your own id of the event, up to 200 characters. Events with the same id count once."
    ] = None
    feed: Annotated[FeedKind | None, "The feed in which the interaction happened (`FeedConnection.kind`)."] = None
    rank: Annotated[int | None, "The rank in that feed (`FeedEdge.rank`), from 1."] = None
    snapshot_id: Annotated[strawberry.ID | None, "The ranking of that feed (`FeedConnection.snapshotId`)."] = None


_FIELDS = {to_camel_case(field.name): field.name for field in fields(InteractionInput)}


def _read_event(values: Mapping[str, Any]) -> InteractionInput:
    """Convert an event. All fields are leaves, so no value needs conversion.

    Strawberry's conversion inspects each field of each event: 60 ms of CPU for 500 events, half of the request.
    """
    return InteractionInput(**{_FIELDS[name]: value for name, value in values.items()})


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


@object_type
class RecordInteractionsPayload(ViewerPayload):
    """The return value of `recordInteractions`."""

    results: Annotated[
        list[InteractionResult], "The outcome of each event, in order; empty if the whole batch was refused."
    ]
    recorded: Annotated[int, "The number of new events."]
    user_errors: Annotated[
        list[UserError], "The errors in the batch as a whole; the errors of single events are in `results`."
    ]


def _project_mutation(use_case: Callable[[UnitOfWork, str], Awaitable[bool]], description: str) -> Any:
    """Return a mutation that runs a use case on one project."""

    async def resolve(
        self: Any, info: Info, key: ProjectKey = None, id: ProjectId = None
    ) -> ProjectInteractionPayload | None:
        changed, errors = await attempt(lambda: use_case(info.context, key_of("Project", key, id)), False)
        return ProjectInteractionPayload(
            changed=changed, user_errors=errors, key=None if errors else key_of("Project", key, id)
        )

    resolve.__doc__ = description
    return mutation()(resolve)


@strawberry.type
class InteractionMutation:
    like_project = _project_mutation(project_interactions.like_project, "Like a project.")
    unlike_project = _project_mutation(project_interactions.unlike_project, "Remove a like.")
    save_project = _project_mutation(project_interactions.save_project, "Save a project for later.")
    unsave_project = _project_mutation(
        project_interactions.unsave_project, "Remove a project from your saved projects."
    )

    @mutation(Cost(400, 3, "events", MAX_EVENTS, points_once=1_500))
    async def record_interactions(
        self, info: Info, events: Annotated[list[InteractionInput], f"The events in any order, up to {MAX_EVENTS}."]
    ) -> RecordInteractionsPayload | None:
        """Record views, clicks, impressions and other interactions, up to {MAX_EVENTS} at once.

        Each event has its own result; an invalid event does not affect the others. With the header `Sec-GPC: 1`, views,
        clicks and impressions are not stored.
        """
        sent, reference_errors = _convert_events(events)
        recorded, errors = await attempt(lambda: project_interactions.record_interactions(info.context, sent), [])
        results = []
        for index, outcome in enumerate(recorded):
            error = reference_errors.get(index, outcome.error)
            event_errors = [] if error is None else [UserError.from_input_error(error)]
            results.append(InteractionResult(index=index, status=outcome.status, user_errors=event_errors))
        return RecordInteractionsPayload(
            results=results,
            recorded=sum(outcome.status is InteractionStatus.RECORDED for outcome in recorded),
            user_errors=errors,
        )


def _convert_events(events: Sequence[InteractionInput]) -> tuple[list[SentInteraction], dict[int, InputError]]:
    """Convert the events for the use case.

    Also return the errors of events without a valid project reference, by index. These events are converted too, with a
    key that no project has, so that results and events have the same indexes.
    """
    sent: list[SentInteraction] = []
    errors: dict[int, InputError] = {}
    for index, event in enumerate(events):
        values = vars(event).copy()
        project_id = values.pop("project_id")
        try:
            values["project"] = key_of("Project", event.project, project_id, "project", "projectId")
        except InvalidReference as error:
            values["project"] = ""
            path = ("events", index, *error.argument_path)
            errors[index] = InputError(UserErrorCode.INVALID, error.message, path)
        sent.append(SentInteraction(**values))
    return sent, errors
