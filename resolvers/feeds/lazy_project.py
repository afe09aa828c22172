"""Lazy references from explanations to projects, which resolve the circular import of the two types."""

from typing import TYPE_CHECKING, Annotated

import strawberry

from resolvers.common.context import Info

if TYPE_CHECKING:
    from resolvers.feeds.project import Project

LazyProject = Annotated["Project", strawberry.lazy("resolvers.feeds.project")]


async def visible_project(info: Info, project_id: int) -> LazyProject | None:
    """Return the project with this database id if the viewer may see it."""
    from resolvers.feeds import project  # noqa: PLC0415 (the types of the two modules refer to each other)

    card = await info.context.loaders.cards_by_id.load(project_id)
    return None if card is None else project.Project.from_card(card)
