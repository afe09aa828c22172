"""Counterfactuals: interests and interactions of the viewer that keep a project on the page."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

import strawberry

from db.actors.profiles import EngagedProject, StoredInterest
from db.models import InteractionType, TermKind
from resolvers.common import enums  # noqa: F401 (publishes the enums that are named below)
from resolvers.common.context import Info
from resolvers.common.descriptions import object_type
from resolvers.common.field_costs import computed
from resolvers.feeds.lazy_project import LazyProject, visible_project
from scoring.explanation import counterfactual_search as evidence
from scoring.explanation.reason_finders import strongest_action


@strawberry.interface(description="An interest or interaction of yours that brings a project onto your page.")
class Cause(ABC):
    """An interest or interaction."""

    @computed()
    async def text(self, info: Info) -> str:
        """The cause as text for display."""
        return await self.described(info)

    @abstractmethod
    async def described(self, info: Info) -> str:
        """Return the cause as text."""


@object_type
class InterestCause(Cause):
    """One of your interests. Remove it with `removeInterest`, or mute it to hide its projects."""

    key: Annotated[str, "The key of the tool, category or topic."]
    name: Annotated[str, "The name of the interest."]
    kind: Annotated[TermKind, "The kind of the interest."]
    confidence: Annotated[float, "The confidence of the interest, 0 to 1."]

    @classmethod
    def from_tag(cls, tag: StoredInterest) -> Self:
        """Convert an interest."""
        return cls(key=tag.key, name=tag.name, kind=tag.kind, confidence=tag.confidence)

    async def described(self, info: Info) -> str:
        """Return the cause as text."""
        return f"Your interest in {self.name}"


@object_type
class ProjectCause(Cause):
    """Your interaction with a project. Mute it (kind PROJECT) to ignore the interaction."""

    viewer_action: Annotated[InteractionType, "Your strongest interaction with the project."]
    at: Annotated[datetime, "When you last interacted with the project."]
    project_id: strawberry.Private[int]
    verb: strawberry.Private[str]

    @classmethod
    def from_engagement(cls, engagement: EngagedProject) -> Self:
        """Convert an engagement."""
        action, verb = strongest_action(engagement.kinds)
        return cls(viewer_action=action, at=engagement.last_at, project_id=engagement.project_id, verb=verb)

    @computed()
    async def project(self, info: Info) -> LazyProject | None:
        """The project; null if you may no longer see it."""
        return await visible_project(info, self.project_id)

    async def described(self, info: Info) -> str:
        """Return the cause as text."""
        card = await info.context.loaders.cards_by_id.load(self.project_id)
        return f"The fact that you {self.verb} " + ("a deleted project" if card is None else f"“{card.title}”")


@object_type
class Counterfactual:
    """The smallest set of your interests and interactions that keeps a project on your page.

    Without them, the project would not be among the first 30 of your `forYou`.
    """

    causes: Annotated[list[Cause], "One to three causes. The project leaves only if all of them are removed."]

    @classmethod
    def from_causes(cls, causes: Sequence[evidence.Cause]) -> Self:
        """Convert a set of causes."""
        return cls(causes=[_converted(cause) for cause in causes])

    @computed()
    async def text(self, info: Info) -> str:
        """The causes in one sentence."""
        described = await asyncio.gather(
            *(cause.described(info) for cause in self.causes)
        )  # in parallel, so that the loader reads all projects at once
        sentences = [described[0], *(f"{text[0].lower()}{text[1:]}" for text in described[1:])]
        listed = " and ".join([", ".join(sentences[:-1]), sentences[-1]]) if len(sentences) > 1 else sentences[0]
        return f"{listed} {'keeps' if len(sentences) == 1 else 'together keep'} it on your page."


def _converted(cause: evidence.Cause) -> Cause:
    if cause.interest is not None:
        return InterestCause.from_tag(cause.interest)
    if cause.engagement is not None:
        return ProjectCause.from_engagement(cause.engagement)
    raise ValueError("a cause is an interest or an interaction")
