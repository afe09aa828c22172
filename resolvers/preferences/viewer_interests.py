"""Interests: what a viewer is known to care about, how that came to be known, and how to change it."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

import strawberry

from db.actors import profiles
from db.models import TagSource, TermKind
from resolvers.common.context import Context, Info
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.references import path_prefix, term_of
from resolvers.common.user_errors import UserError, attempt
from scoring.use_cases import change_preferences
from scoring.use_cases.change_preferences import MAX_INTERESTS


class InterestSource(StrEnum):
    """How an interest came to be known, as far as a viewer cares."""

    MANUAL = "manual"
    IMPORTED = "imported"
    LEARNED = "learned"


register_enum(
    InterestSource,
    "InterestSource",
    "How the gateway came to know of an interest.",
    {
        "MANUAL": "You said so, in your settings or in the quiz. Its confidence is 1.",
        "IMPORTED": "The platform sent it.",
        "LEARNED": "Learned from what you did; surer the more you do, and fading when you stop. Never as sure as "
        "what you say yourself.",
    },
)

_SHOWN_AS = {
    TagSource.MANUAL: InterestSource.MANUAL,
    TagSource.QUIZ: InterestSource.MANUAL,
    TagSource.IMPORTED: InterestSource.IMPORTED,
    TagSource.LEARNED: InterestSource.LEARNED,
}


@strawberry.type(description="A tool, category or topic that a viewer is known to care about.")
class Interest:
    """A tag of a viewer."""

    key: str = strawberry.field(description="The platform's own id of the tool, category or topic.")
    name: str = strawberry.field(description="Its name.")
    kind: TermKind = strawberry.field(description="Which of the three it is.")
    confidence: float = strawberry.field(description="How sure it is, 0 to 1.")
    source: InterestSource = strawberry.field(description="How it came to be known.")
    from_onboarding: bool = strawberry.field(
        description="Whether it stands on an answer of the quiz: another answer takes it away again. One that you "
        "stated yourself stays whatever you answer."
    )
    since: datetime = strawberry.field(description="Since when it is known.")

    @classmethod
    def of(cls, tag: profiles.Tag) -> Self:
        """Show a tag."""
        return cls(
            key=tag.key,
            name=tag.name,
            kind=tag.kind,
            confidence=tag.confidence,
            source=_SHOWN_AS[TagSource(tag.source)],
            from_onboarding=tag.source == TagSource.QUIZ,
            since=tag.since,
        )


@strawberry.input(description="A tool, category or topic.")
class InterestInput:
    """A term of the taxonomy, as a client names it."""

    kind: TermKind | None = strawberry.field(
        default=strawberry.UNSET, description="The kind. Give either `id`, or `kind` and `key`."
    )
    key: str | None = strawberry.field(default=strawberry.UNSET, description="The `key`.")
    id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The `id` of a `Tool`, `Category` or `Topic`."
    )


async def interests_of(context: Context) -> list[Interest]:
    """Give what the viewer is known to care about, the surest first."""
    viewer = await context.viewer()
    if viewer.actor_id is None:
        return []
    return [Interest.of(tag) for tag in await profiles.tags(context.stores.database, viewer.actor_id)]


@strawberry.type(description="Your interests after a change. The next first page of `forYou` is ranked by them.")
class InterestsPayload:
    """The answer to a change of interests."""

    changed: bool = strawberry.field(description="Whether anything is different now; false with an error.")
    user_errors: list[UserError] = strawberry.field(description="What was wrong with the input; empty if all is well.")

    @computed("What you are known to care about now, the surest first.", Cost(50, entries=30))
    async def interests(self, info: Info) -> list[Interest]:
        """Give the interests."""
        return await interests_of(info.context)


@strawberry.type
class InterestsMutation:
    """What a viewer can do with interests."""

    @mutation(
        "State your interests: these, and no others. What you stated before, here or in the quiz, and leave out now "
        "counts as removed: neither learning nor the platform brings it back, until you state it again. Interests "
        "that are learned or imported stay beside them; `removeInterest` takes one away.",
        Cost(500, 5, "interests", MAX_INTERESTS),
    )
    async def set_interests(
        self,
        info: Info,
        interests: Annotated[
            list[InterestInput],
            strawberry.argument(description=f"All of them, up to {MAX_INTERESTS}; an empty list for none."),
        ],
    ) -> InterestsPayload | None:
        """State interests."""

        async def change() -> bool:
            named = []
            for index, one in enumerate(interests):
                with path_prefix("interests", index):
                    named.append(term_of(one.kind, one.key, one.id))
            return await change_preferences.set_interests(info.context, named)

        changed, errors = await attempt(change(), False)
        return InterestsPayload(changed=changed, user_errors=errors)

    @mutation(
        "Take one interest away, however it came to be known. It stays away: neither learning nor the platform "
        "brings it back, until you state it or choose it in the quiz."
    )
    async def remove_interest(
        self, info: Info, interest: Annotated[InterestInput, strawberry.argument(description="Which one.")]
    ) -> InterestsPayload | None:
        """Take an interest away."""

        async def change() -> bool:
            with path_prefix("interest"):
                named = term_of(interest.kind, interest.key, interest.id)
            return await change_preferences.remove_interest(info.context, named)

        changed, errors = await attempt(change(), False)
        return InterestsPayload(changed=changed, user_errors=errors)
