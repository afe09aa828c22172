"""Interests of the viewer, their sources, and the mutations that change them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

import strawberry

from db.actors import profiles
from db.models import TagSource, TermKind
from resolvers.common.context import Context, Info
from resolvers.common.descriptions import input_type, object_type
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.references import path_prefix, term_of
from resolvers.common.user_errors import UserError, attempt
from scoring.use_cases import change_preferences
from scoring.use_cases.change_preferences import MAX_INTERESTS


class InterestSource(StrEnum):
    """Sources of interests in the graph."""

    MANUAL = "manual"
    IMPORTED = "imported"
    LEARNED = "learned"


register_enum(
    InterestSource,
    "InterestSource",
    "The source of an interest.",
    {
        "MANUAL": "Stated by the viewer, in settings or onboarding. The confidence is 1.",
        "IMPORTED": "Sent by the platform.",
        "LEARNED": (
            "Learned from interactions. The confidence rises with their number, falls with time and stays below 1."
        ),
    },
)

_SOURCES = {
    TagSource.MANUAL: InterestSource.MANUAL,
    TagSource.QUIZ: InterestSource.MANUAL,
    TagSource.IMPORTED: InterestSource.IMPORTED,
    TagSource.LEARNED: InterestSource.LEARNED,
}


@object_type
class Interest:
    """A tool, category or topic that a viewer is interested in."""

    key: Annotated[str, "The platform's own id of the tool, category or topic."]
    name: Annotated[str, "The name."]
    kind: Annotated[TermKind, "The kind."]
    confidence: Annotated[float, "The confidence, 0 to 1."]
    source: Annotated[InterestSource, "The source."]
    from_onboarding: Annotated[
        bool, "Whether the interest came from an onboarding answer, and is removed if the answer is deleted."
    ]
    since: Annotated[datetime, "When the interest was added."]

    @classmethod
    def from_tag(cls, tag: profiles.StoredInterest) -> Self:
        """Convert an interest."""
        return cls(
            key=tag.key,
            name=tag.name,
            kind=tag.kind,
            confidence=tag.confidence,
            source=_SOURCES[TagSource(tag.source)],
            from_onboarding=tag.source == TagSource.QUIZ,
            since=tag.since,
        )


@input_type
class InterestInput:
    """A tool, category or topic."""

    kind: Annotated[TermKind | None, "The kind. Give either `id`, or `kind` and `key`."] = strawberry.UNSET
    key: Annotated[str | None, "The `key`."] = strawberry.UNSET
    id: Annotated[strawberry.ID | None, "The `id` of a `Tool`, `Category` or `Topic`."] = strawberry.UNSET

    def term(self, *path: str | int) -> tuple[TermKind, str]:
        """Return the kind and the key; `path` is the position in the arguments, for errors."""
        with path_prefix(*path):
            return term_of(self.kind, self.key, self.id)


async def interests_of(context: Context) -> list[Interest]:
    """Return the viewer's interests, highest confidence first."""
    viewer = await context.viewer()
    if viewer.actor_id is None:
        return []
    return [Interest.from_tag(tag) for tag in await profiles.interests_of(context.stores.database, viewer.actor_id)]


@object_type
class InterestsPayload:
    """The return value of mutations on interests."""

    changed: Annotated[bool, "Whether the request changed anything; false on error."]
    user_errors: Annotated[list[UserError], "The errors in the input; empty on success."]

    @computed(Cost(50, entries=30))
    async def interests(self, info: Info) -> list[Interest]:
        """Your interests after the change, highest confidence first."""
        return await interests_of(info.context)


@strawberry.type
class InterestsMutation:
    @mutation(Cost(500, 5, "interests", MAX_INTERESTS))
    async def set_interests(
        self,
        info: Info,
        interests: Annotated[
            list[InterestInput],
            strawberry.argument(description=f"The interests, up to {MAX_INTERESTS}; an empty list for none."),
        ],
    ) -> InterestsPayload | None:
        """Replace your stated interests.

        Stated interests that are not in the list are removed: neither nightly learning nor the platform's import adds
        them again, unless you state them again. Learned and imported interests are kept; remove them with
        `removeInterest`.
        """
        changed, errors = await attempt(
            lambda: change_preferences.set_interests(
                info.context, [interest.term("interests", index) for index, interest in enumerate(interests)]
            ),
            False,
        )
        return InterestsPayload(changed=changed, user_errors=errors)

    @mutation()
    async def remove_interest(
        self,
        info: Info,
        interest: Annotated[InterestInput, strawberry.argument(description=("The interest to remove."))],
    ) -> InterestsPayload | None:
        """Remove one interest of any source.

        Neither nightly learning nor the platform's import adds it again, unless you state it or choose it in
        onboarding.
        """
        changed, errors = await attempt(
            lambda: change_preferences.remove_interest(info.context, interest.term("interest")), False
        )
        return InterestsPayload(changed=changed, user_errors=errors)
