"""What the platform's servers do with the quiz: send their own questions, or have them made from the catalog now."""

from collections.abc import Sequence
from typing import Annotated, Any

import strawberry

from db.models import QuestionType, Role
from db.onboarding.question_records import MAX_OPTIONS
from db.onboarding.questions import MAX_ACTIVE_QUESTIONS
from resolvers.catalog.catalog_mutations import UpsertPayload, input_fields
from resolvers.common.context import Info
from resolvers.common.field_costs import Cost, mutation
from resolvers.common.user_errors import UserError
from scoring.onboarding.generated_questions import refresh_questions
from scoring.use_cases import upsert_catalog
from scoring.use_cases.upsert_catalog import MAX_QUESTIONS


@strawberry.input(description="An option in another language.")
class OptionTranslationInput:
    """An `OptionTranslation`."""

    locale: str = strawberry.field(description='A language tag, such as "de" or "pt-BR".')
    label: str = strawberry.field(description="The label in it.")
    description: str | None = strawberry.field(default=strawberry.UNSET, description="The description in it.")


@strawberry.input(description="A question in another language; its options have their own translations.")
class QuestionTranslationInput:
    """A `QuestionTranslation`."""

    locale: str = strawberry.field(description='A language tag, such as "de" or "pt-BR".')
    text: str = strawberry.field(description="The question in it.")
    description: str | None = strawberry.field(default=strawberry.UNSET, description="The line of help in it.")


@strawberry.input(one_of=True, description="What an option stands for: exactly one of these.")
class OptionTermInput:
    """A tool or a category."""

    tool: str | None = strawberry.field(
        default=strawberry.UNSET, description="The key of a tool; options of TOOL_SELECT need it."
    )
    category: str | None = strawberry.field(
        default=strawberry.UNSET, description="The key of a category; options of CATEGORY_SELECT need it."
    )


@strawberry.input(description="An option of a question: free, or standing for a tool or a category.")
class OnboardingOptionInput:
    """An `OptionRecord`."""

    key: str = strawberry.field(
        description="Names it within its question, up to 200 characters. Keep it: stored answers name it."
    )
    label: str = strawberry.field(description="A word or two, up to 200 characters.")
    icon: str | None = strawberry.field(
        default=strawberry.UNSET, description="Whatever your client makes a picture of: a name, an emoji or a URL."
    )
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="One line that says more, up to 1,000 characters."
    )
    term: OptionTermInput | None = strawberry.field(
        default=strawberry.UNSET,
        description="What it stands for: choosing it makes that an interest. Left out: nothing, its words alone count.",
    )
    translations: list[OptionTranslationInput] | None = strawberry.field(
        default=strawberry.UNSET, description="Its words in other languages."
    )


@strawberry.input(description="A question of the quiz. From now on it is yours, and no longer made from the catalogue.")
class OnboardingQuestionInput:
    """A `QuestionRecord`."""

    key: str = strawberry.field(description="Names it, up to 200 characters. A known key changes that question.")
    type: QuestionType = strawberry.field(description="What kind of question it is.")
    text: str = strawberry.field(description="The question, up to 1,000 characters.")
    options: list[OnboardingOptionInput] = strawberry.field(
        description=f"What can be chosen: 1 to {MAX_OPTIONS}, in this order."
    )
    description: str | None = strawberry.field(
        default=strawberry.UNSET, description="A line of help, up to 1,000 characters."
    )
    order: int | None = strawberry.field(
        default=strawberry.UNSET, description="Its place: questions come with the smallest first. Left out: 0."
    )
    active: bool | None = strawberry.field(
        default=strawberry.UNSET, description="False: it is not asked any more; answers to it still count."
    )
    min_choices: int | None = strawberry.field(
        default=strawberry.UNSET, description="How many must be chosen at least. Left out: 1."
    )
    max_choices: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="How many may be chosen. Left out: 1 for EXPERIENCE, all for any other type.",
    )
    allows_text: bool | None = strawberry.field(
        default=strawberry.UNSET, description="Whether it also takes own words. Left out: false."
    )
    translations: list[QuestionTranslationInput] | None = strawberry.field(
        default=strawberry.UNSET, description="Its words in other languages."
    )


@strawberry.type(description="What became of the quiz that is made from the catalogue.")
class RefreshOnboardingPayload:
    """The answer to a refresh."""

    changed: int = strawberry.field(description="How many questions are different now.")


@strawberry.type
class QuestionMutation:
    """What the service role can do with the quiz."""

    @mutation(
        f"Add questions to the quiz, or change those that are there; at most {MAX_ACTIVE_QUESTIONS} are asked. Each "
        "change gives a question a new `version`. Answers that were given stay as they were meant. Needs the role "
        "SERVICE. "
        "A bad record does not keep the others out; the record is taken as a whole: what is left out goes back to its "
        "default.",
        Cost(1_000, 100, "questions", MAX_QUESTIONS),
        Role.SERVICE,
    )
    async def upsert_onboarding_questions(
        self,
        info: Info,
        questions: Annotated[list[OnboardingQuestionInput], strawberry.argument(description=f"Up to {MAX_QUESTIONS}.")],
        retire_others: Annotated[
            bool | None,
            strawberry.argument(description="True: whatever is not among these questions is asked no more."),
        ] = False,
    ) -> UpsertPayload | None:
        """Write questions."""
        items = [_question(one) for one in questions]
        use_case = upsert_catalog.upsert_questions(info.context, items, retire_others=bool(retire_others))
        payload = await UpsertPayload.of(items, use_case)
        for result in payload.results:
            _name_as_sent(result.user_errors)
        return payload

    @mutation(
        "Make the quiz from the catalogue now, as happens every night: after a large import, for example. Questions "
        "that you have sent stay as they are. Needs the role SERVICE.",
        Cost(5_000),
        Role.SERVICE,
    )
    async def refresh_onboarding_questions(self, info: Info) -> RefreshOnboardingPayload | None:
        """Make the quiz anew."""
        return RefreshOnboardingPayload(changed=await refresh_questions(info.context.stores.database))


def _question(sent: OnboardingQuestionInput) -> dict[str, Any]:
    """Give a question as what its record is made of: there an option's key is its id, and its term no object."""
    question: dict[str, Any] = input_fields(sent)
    for option in question["options"]:
        option.update(option.pop("term", {}), id=option.pop("key"))
    return question


def _name_as_sent(errors: Sequence[UserError]) -> None:
    """Change paths into records to paths into the input."""
    steps = {"id": ["key"], "tool": ["term", "tool"], "category": ["term", "category"]}
    for error in errors:
        match error.path:
            case [_, _, "options", _, step, *_] if step in steps:
                error.path[4:5] = steps[step]
