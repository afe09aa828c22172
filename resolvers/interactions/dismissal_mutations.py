"""Mutations that dismiss a project or undo a dismissal, and the resulting changes on the viewer's page."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Annotated, Self

import strawberry
from strawberry.types.nodes import SelectedField, Selection

from db.catalog.project_cards import ProjectFilter
from resolvers.common.context import Context, Info
from resolvers.common.descriptions import object_type
from resolvers.common.errors import InvalidId
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.global_ids import parse_reason_id
from resolvers.common.references import ProjectId, ProjectKey, key_of
from resolvers.common.user_errors import attempt, user_error
from resolvers.feeds.project import Project
from resolvers.interactions.interaction_mutations import ProjectInteractionPayload
from resolvers.preferences.viewer import Mute
from scoring.ranking import Page
from scoring.tunables import FIRST_PAGE_SIZE
from scoring.use_cases import dismissals
from scoring.use_cases.dismissals import Dismissed
from scoring.use_cases.input_errors import UserErrorCode


@object_type
class MovedProject:
    """A project with a changed rank."""

    project: Annotated[Project, "The project."]
    from_rank: Annotated[int, "The rank before, from 1."]
    to_rank: Annotated[int, "The rank now, from 1."]


@object_type
class PageChange:
    """The changes among the first {FIRST_PAGE_SIZE} projects of your `forYou`."""

    removed: Annotated[list[Project], "Projects that left the page, in their old order."]
    added: Annotated[list[Project], "Projects that are new on the page, in their new order."]
    moved: Annotated[list[MovedProject], "Projects at another rank."]

    @classmethod
    def from_pages(cls, before: Page, after: Page) -> Self:
        """Return the differences between two rankings of the page."""
        old = {entry.project_id: entry.rank for entry in before.entries}
        new = {entry.project_id: entry.rank for entry in after.entries}
        return cls(
            removed=[Project.of(before.projects[id_]) for id_ in old if id_ not in new],
            added=[Project.of(after.projects[id_]) for id_ in new if id_ not in old],
            moved=[
                MovedProject(project=Project.of(after.projects[id_]), from_rank=old[id_], to_rank=rank)
                for id_, rank in new.items()
                if id_ in old and old[id_] != rank
            ],
        )


@object_type
class DismissalPayload(ProjectInteractionPayload):
    """The return value of `dismissProject` and `undoDismissal`."""

    muted: Annotated[
        Mute | None,
        "The mute that `reasonId` caused; null if the reason cannot be muted, such as popularity or age. `unmute` "
        "reverts only the mute; `undoDismissal` reverts the mute and the dismissal.",
    ] = None
    before: strawberry.Private[Page | None] = None

    @computed(Cost(1_500))
    async def page_change(self, info: Info) -> PageChange | None:
        """The changes among the first {FIRST_PAGE_SIZE} projects of your `forYou`.

        If selected, the page is ranked before and after the change. Null on error.
        """
        if self.before is None:
            return None
        return PageChange.from_pages(self.before, await _rank_first_page(info.context))


@strawberry.type
class DismissalMutation:
    @mutation()
    async def dismiss_project(
        self,
        info: Info,
        key: ProjectKey = None,
        id: ProjectId = None,
        reason_id: Annotated[strawberry.ID | None, "The `id` of a reason of this project."] = None,
    ) -> DismissalPayload | None:
        """Dismiss a project from all feeds.

        With `reasonId`, also mutes the subject of that reason: a tool, category, topic or owner, or your interaction
        with a similar project.
        """
        try:
            reason = None if reason_id is None else parse_reason_id(reason_id)
        except InvalidId as error:
            refused = user_error(UserErrorCode.INVALID, error.message, "reason_id")
            return DismissalPayload(changed=False, user_errors=[refused])
        use_case = partial(dismissals.dismiss_project, reason=reason)
        return await _dismissal_payload(info, key, id, use_case)

    @mutation()
    async def undo_dismissal(self, info: Info, key: ProjectKey = None, id: ProjectId = None) -> DismissalPayload | None:
        """Undo the dismissal of a project and the mute that it caused."""
        return await _dismissal_payload(info, key, id, dismissals.undo_dismissal)


async def _dismissal_payload(
    info: Info, key: ProjectKey, id_: ProjectId, use_case: Callable[[Context, str], Awaitable[Dismissed]]
) -> DismissalPayload:
    before = await _rank_first_page(info.context) if _is_selected(info, "pageChange") else None
    dismissed, errors = await attempt(lambda: use_case(info.context, key_of("Project", key, id_)), Dismissed(False))
    return DismissalPayload(
        changed=dismissed.changed,
        user_errors=errors,
        key=None if errors else key_of("Project", key, id_),
        muted=None if dismissed.muted is None else Mute.from_muted(dismissed.muted),
        before=None if errors else before,
    )


async def _rank_first_page(context: Context) -> Page:
    """Rank the current first page without logging it as served."""
    return await context.feeds.preview(await context.viewer(), FIRST_PAGE_SIZE, ProjectFilter())


def _is_selected(info: Info, name: str) -> bool:
    """Return whether the operation selects a field of this mutation's payload."""

    def contains(selections: Sequence[Selection]) -> bool:
        return any(
            selected.name == name if isinstance(selected, SelectedField) else contains(selected.selections)
            for selected in selections
        )

    return any(contains(field.selections) for field in info.selected_fields)
