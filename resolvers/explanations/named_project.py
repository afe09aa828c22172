"""A project that something else names. Projects have explanations, and explanations name projects."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from resolvers.foundations.context import Info

if TYPE_CHECKING:
    from resolvers.project import Project

LazyProject = Annotated["Project", strawberry.lazy("resolvers.project")]


async def visible_project(info: Info, project_id: int) -> LazyProject | None:
    """Give a project by our id, if the viewer may see it."""
    from resolvers import project  # noqa: PLC0415 (the two modules' types name each other)

    card = await info.context.loaders.cards_by_id.load(project_id)
    return None if card is None else project.Project.of(card)
