"""Interests: what a viewer is known to care about, how that came to be known, and how to change it."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Self

import strawberry

from db.actors import profiles, stated_interests
from db.actors.users import ensure_actor
from db.catalog.terms import TermName, known_terms
from db.models import TagSource, TermKind
from resolvers.common.context import Context, Info
from resolvers.common.enums import register_enum
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.global_ids import is_valid_key
from resolvers.common.user_errors import UserError, UserErrorCode, too_many_error, user_error

MAX_INTERESTS = 200
"""Interests that one viewer states: more than anybody reads through in a settings page."""


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
    from_quiz: bool = strawberry.field(
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
            from_quiz=tag.source == TagSource.QUIZ,
            since=tag.since,
        )


@strawberry.input(description="A tool, category or topic.")
class InterestInput:
    """A term of the taxonomy, as a client names it."""

    kind: TermKind = strawberry.field(description="Which of the three it is.")
    key: str = strawberry.field(description="The platform's own id of it.")


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
    async def stated_interests(self, info: Info) -> list[Interest]:
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
        stated_interests: Annotated[
            list[InterestInput],
            strawberry.argument(description=f"All of them, up to {MAX_INTERESTS}; an empty list for none."),
        ],
    ) -> InterestsPayload | None:
        """State interests."""
        return await _set(info.context, stated_interests)

    @mutation(
        "Take one interest away, however it came to be known. It stays away: neither learning nor the platform "
        "brings it back, until you state it or choose it in the quiz."
    )
    async def remove_interest(
        self, info: Info, interest: Annotated[InterestInput, strawberry.argument(description="Which one.")]
    ) -> InterestsPayload | None:
        """Take an interest away."""
        return await _remove(info.context, interest)


async def _set(context: Context, listed: Sequence[InterestInput]) -> InterestsPayload:
    if len(listed) > MAX_INTERESTS:
        return _refused([too_many_error("interests", len(listed), MAX_INTERESTS)])
    found = await _known(context, listed)
    unknown = [_unknown(one, "interests", n) for n, one in enumerate(listed) if _name(one) not in found]
    if unknown:
        return _refused(unknown)
    viewer = await context.viewer()
    async with context.write() as connection:
        actor_id = await ensure_actor(connection, viewer)
        changed = await stated_interests.store_stated_interests(connection, actor_id, sorted(set(found.values())))
    return InterestsPayload(changed=changed, user_errors=[])


async def _remove(context: Context, interest: InterestInput) -> InterestsPayload:
    found = await _known(context, [interest])
    if not found:
        return _refused([_unknown(interest, "interest")])
    viewer = await context.viewer()
    if viewer.actor_id is None:
        return InterestsPayload(changed=False, user_errors=[])
    async with context.write() as connection:
        changed = await stated_interests.remove_interest(connection, viewer.actor_id, found[_name(interest)])
    return InterestsPayload(changed=changed, user_errors=[])


async def _known(context: Context, listed: Sequence[InterestInput]) -> dict[TermName, int]:
    """Return the ids of those terms that exist for the viewer."""
    viewer = await context.viewer()
    names = [_name(one) for one in listed if is_valid_key(one.key)]
    return await known_terms(context.stores.database, names, user_id=viewer.user_id, actor_id=viewer.actor_id)


def _name(interest: InterestInput) -> TermName:
    return TermKind(interest.kind), interest.key


def _unknown(interest: InterestInput, *path: str | int) -> UserError:
    message = f"There is no {TermKind(interest.kind).value} with this key; `tools` and `categories` list what there is."
    return user_error(UserErrorCode.UNKNOWN_REFERENCE, message, *path, "key")


def _refused(errors: list[UserError]) -> InterestsPayload:
    return InterestsPayload(changed=False, user_errors=errors)
