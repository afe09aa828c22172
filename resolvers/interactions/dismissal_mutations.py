"""How viewers dismiss a project, and the very cause that brought it; and what that changes on their page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import strawberry
from sqlalchemy.ext.asyncio import AsyncConnection
from strawberry.types.nodes import SelectedField, Selection

from db.actors import mutes
from db.actors.profiles import has_engaged
from db.catalog.project_cards import ProjectCard, ProjectFilter
from db.interactions import interactions
from db.models import MuteKind, TermKind, now
from resolvers.common.context import Context, Info
from resolvers.common.errors import InvalidId
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.global_ids import parse_reason_id
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.user_errors import UserErrorCode, user_error
from resolvers.feeds.project import Project
from resolvers.interactions.interaction_mutations import Act, Key, ProjectActPayload, perform
from resolvers.preferences.mute_type import Mute
from scoring.ranking import Page

FIRST_PAGE_SIZE = 30

_MUTE_OF_TERM = {TermKind.TOPIC: MuteKind.TOPIC, TermKind.CATEGORY: MuteKind.CATEGORY, TermKind.TOOL: MuteKind.TOOL}
_NOTHING_TO_MUTE = ("people", "popular", "trending", "keywords", "fresh", "exploration")
"""Reasons behind which nothing stands that could be muted: they speak of everybody, of time, or of one's own search."""


@strawberry.type(description="A project that stands at another rank now.")
class MovedProject:
    """A move."""

    project: Project = strawberry.field(description="The project.")
    from_rank: int = strawberry.field(description="Its rank before, from 1.")
    to_rank: int = strawberry.field(description="Its rank now, from 1.")


@strawberry.type(description=f"What an act changed among the first {FIRST_PAGE_SIZE} projects of your `forYou`.")
class PageChange:
    """The difference of two pages."""

    removed: list[Project] = strawberry.field(description="Were there before and are not now, in their old order.")
    added: list[Project] = strawberry.field(description="Are there now and were not before, in their new order.")
    moved: list[MovedProject] = strawberry.field(description="Are still there, at another rank.")

    @classmethod
    def between(cls, before: Page, after: Page) -> Self:
        """Compare two pages."""
        old = {entry.project_id: entry.rank for entry in before.entries}
        new = {entry.project_id: entry.rank for entry in after.entries}
        return cls(
            removed=[Project.of(before.cards[id_]) for id_ in old if id_ not in new],
            added=[Project.of(after.cards[id_]) for id_ in new if id_ not in old],
            moved=[
                MovedProject(project=Project.of(after.cards[id_]), from_rank=old[id_], to_rank=rank)
                for id_, rank in new.items()
                if id_ in old and old[id_] != rank
            ],
        )


@strawberry.type(description="What became of `dismissProject` and `undoDismissal`.")
class DismissalPayload(ProjectActPayload):
    """The answer to a dismissal."""

    muted: Mute | None = strawberry.field(
        default=None,
        description="What was muted along with it, because of the reason that was wrong; null if nothing was, as with "
        "reasons that speak of everybody or of time. `unmute` takes it back alone, `undoDismissal` both.",
    )
    before: strawberry.Private[Page | None] = None

    @computed(
        f"What it changed among the first {FIRST_PAGE_SIZE} projects of your `forYou`: your page is ranked before and after "
        "if you ask for this. Null with an error.",
        Cost(6_000),
    )
    async def page_change(self, info: Info) -> PageChange | None:
        """Compare the page before with the page now."""
        if self.before is None:
            return None
        return PageChange.between(self.before, await _page(info.context))


@strawberry.type
class DismissalMutation:
    """What a viewer can dismiss."""

    @mutation(
        "Do not show me this project any more, in any feed. With `reason_id`, the cause behind that reason is muted as "
        "well: the interest's tool, category or topic, the owner, or what you once did with the similar project."
    )
    async def dismiss_project(
        self,
        info: Info,
        key: Key,
        reason_id: Annotated[
            strawberry.ID | None,
            strawberry.argument(
                description="The reason that was wrong: the `id` of one of this very project's reasons."
            ),
        ] = strawberry.UNSET,
    ) -> DismissalPayload | None:
        """Dismiss, and mute the cause."""
        reason = unset_to_none(reason_id)
        try:
            cause = None if reason is None else await _Cause.of(info.context, key, reason)
        except InvalidId as error:
            return _refused(error.message)
        before = await _page(info.context) if _asks_for(info, "pageChange") else None
        done = await perform(info.context, key, _dismissing(cause))
        muted = await _muted(info.context, cause) if done.changed and cause is not None else None
        return _payload(done, before, muted)

    @mutation("Let a dismissed project come back, and what was muted along with it.")
    async def undo_dismissal(self, info: Info, key: Key) -> DismissalPayload | None:
        """Take a dismissal back."""
        before = await _page(info.context) if _asks_for(info, "pageChange") else None
        return _payload(await perform(info.context, key, _undo), before, None)


def _payload(done: ProjectActPayload, before: Page | None, muted: Mute | None) -> DismissalPayload:
    refused = bool(done.user_errors)
    return DismissalPayload(
        changed=done.changed,
        user_errors=done.user_errors,
        key=done.key,
        muted=muted,
        before=None if refused else before,
    )


def _refused(message: str) -> DismissalPayload:
    return DismissalPayload(changed=False, user_errors=[user_error(UserErrorCode.INVALID, message, "because")])


# --- causes ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Cause:
    """What stands behind a reason: its own id, and what would have to be muted; nothing for many a reason."""

    reason: str
    kind: MuteKind | None = None
    subject_id: int = 0

    @classmethod
    async def of(cls, context: Context, key: str, reason_id: str) -> Self | None:
        """Read the id of a reason; None if there is no such project, which `perform` will say.

        Raises
        ------
        InvalidId
            If it is no id of a reason, or that of a reason which this project cannot have given this viewer.
        """
        project_id, reason = parse_reason_id(reason_id)
        card = await context.loaders.cards_by_key.load(key)
        if card is None:
            return None
        if card.id != project_id:
            raise InvalidId("This is a reason of another project. Take the id from this project's own explanation.")
        kind, _, subject = reason.partition(":")
        if kind in _NOTHING_TO_MUTE:
            return cls(reason)
        found = await _subject(context, card, kind, subject)
        if found is None:
            raise InvalidId("This project cannot have given you this reason. Take the id from its own explanation.")
        return cls(reason, *found)


async def _subject(context: Context, card: ProjectCard, kind: str, subject: str) -> tuple[MuteKind, int] | None:
    """Find what a reason speaks of; None if it does not speak of this project and this viewer."""
    if kind == "interest":
        return await _term(context, card, *subject.split(":", 1))
    if kind == "owner":
        owner = None if card.owner_id is None else await context.loaders.users_by_id.load(card.owner_id)
        return (MuteKind.OWNER, owner.id) if owner is not None and owner.key == subject else None
    if kind in ("similar", "neighbour"):
        return await _seed(context, subject)
    return None


async def _term(context: Context, card: ProjectCard, kind: str, key: str = "") -> tuple[MuteKind, int] | None:
    carried = await context.loaders.terms_by_project.load(card.id)
    terms = (term for of_kind in carried or () for term in of_kind)
    return next(((_MUTE_OF_TERM[term.kind], term.id) for term in terms if (term.kind, term.key) == (kind, key)), None)


async def _seed(context: Context, key: str) -> tuple[MuteKind, int] | None:
    viewer = await context.viewer()
    seed = await context.loaders.cards_by_key.load(key)
    if seed is None or viewer.actor_id is None:
        return None
    engaged = await has_engaged(context.stores.database, viewer.actor_id, seed.id)
    return (MuteKind.PROJECT, seed.id) if engaged else None


def _dismissing(cause: _Cause | None) -> Act:
    async def act(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
        reason = None if cause is None else cause.reason
        changed = await interactions.dismiss(connection, actor_id, project_id, now(), reason)
        if cause is not None and cause.kind is not None:
            changed |= await mutes.mute(connection, actor_id, cause.kind, cause.subject_id, dismissed_id=project_id)
        return changed

    return act


async def _undo(connection: AsyncConnection, actor_id: int, project_id: int) -> bool:
    came_back = await interactions.undo_dismissal(connection, actor_id, project_id)
    unmuted = await mutes.unmute_dismissed(connection, actor_id, project_id)
    return came_back or unmuted


async def _muted(context: Context, cause: _Cause) -> Mute | None:
    viewer = await context.viewer()
    if cause.kind is None or viewer.actor_id is None:
        return None
    known = await mutes.mutes_of(context.stores.database, viewer.actor_id)
    wanted = (cause.kind, cause.subject_id)
    return next((Mute.of(muted) for muted in known if (muted.kind, muted.subject_id) == wanted), None)


# --- the page -------------------------------------------------------------------------------------------------------


async def _page(context: Context) -> Page:
    """Rank the first page as it is now; nobody is shown it, so it is not logged as served."""
    return await context.feeds.preview(await context.viewer(), FIRST_PAGE_SIZE, ProjectFilter())


def _asks_for(info: Info, name: str) -> bool:
    """Tell whether a request wants a field of this mutation's payload."""

    def named(selections: Sequence[Selection]) -> bool:
        return any(one.name == name if isinstance(one, SelectedField) else named(one.selections) for one in selections)

    return any(named(field.selections) for field in info.selected_fields)
