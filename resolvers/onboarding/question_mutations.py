"""Mutations by which the platform sends onboarding questions or has them generated."""

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

import strawberry

from db.models import QuestionType, Role
from db.onboarding.question_records import MAX_OPTIONS
from db.onboarding.questions import MAX_ACTIVE_QUESTIONS  # noqa: F401 (a docstring names it)
from resolvers.catalog.catalog_mutations import UpsertPayload, input_fields
from resolvers.common.context import Info
from resolvers.common.descriptions import input_type, object_type
from resolvers.common.field_costs import Cost, mutation
from resolvers.common.user_errors import UserError
from scoring.onboarding.generated_questions import refresh_questions
from scoring.use_cases import upsert_catalog
from scoring.use_cases.upsert_catalog import MAX_QUESTIONS


@input_type
class OptionTranslationInput:
    """The translation of an option."""

    locale: Annotated[str, 'A language tag such as "de" or "pt-BR".']
    label: Annotated[str, "The translated label."]
    description: Annotated[str | None, "The translated description."] = None


@input_type
class QuestionTranslationInput:
    """The translation of a question; options have their own translations."""

    locale: Annotated[str, 'A language tag such as "de" or "pt-BR".']
    text: Annotated[str, "The translated question."]
    description: Annotated[str | None, "The translated help text."] = None


@partial(input_type, one_of=True)
class OptionTermInput:
    """The tool or category that an option represents."""

    tool: Annotated[str | None, "The key of a tool; required for options of TOOL_SELECT."] = None
    category: Annotated[str | None, "The key of a category; required for options of CATEGORY_SELECT."] = None


@input_type
class OnboardingOptionInput:
    """The data of an option."""

    key: Annotated[str, "The key within the question, up to 200 characters. Stored answers refer to it."]
    label: Annotated[str, "The label, up to 200 characters."]
    icon: Annotated[str | None, "A picture for your client: a name, an emoji or a URL."] = None
    description: Annotated[str | None, "The description, up to 1,000 characters."] = None
    term: Annotated[
        OptionTermInput | None, "The tool or category that becomes an interest if the option is chosen. Default: none."
    ] = None
    translations: Annotated[list[OptionTranslationInput] | None, "The translations."] = None


@input_type
class OnboardingQuestionInput:
    """The data of an onboarding question.

    A question sent with the key of a generated question replaces the generated question.
    """

    key: Annotated[str, "The key, up to 200 characters. An existing key updates that question."]
    type: Annotated[QuestionType, "The type of question."]
    text: Annotated[str, "The question, up to 1,000 characters."]
    options: Annotated[list[OnboardingOptionInput], f"The options in display order: 1 to {MAX_OPTIONS}."]
    description: Annotated[str | None, "A help text, up to 1,000 characters."] = None
    order: Annotated[int | None, "The position: questions are in ascending order. Default: 0."] = None
    active: Annotated[
        bool | None, "Whether the question is asked. Stored answers count in any case. Default: true."
    ] = None
    min_choices: Annotated[int | None, "The minimum number of chosen options. Default: 1."] = None
    max_choices: Annotated[
        int | None, "The maximum number of chosen options. Default: 1 for EXPERIENCE, otherwise all."
    ] = None
    allows_text: Annotated[bool | None, "Whether the question takes a free-text answer. Default: false."] = None
    translations: Annotated[list[QuestionTranslationInput] | None, "The translations."] = None


@object_type
class RefreshOnboardingPayload:
    """The return value of `refreshOnboardingQuestions`."""

    changed: Annotated[int, "The number of changed questions."]


@strawberry.type
class QuestionMutation:
    @mutation(Cost(300, 50, "questions", MAX_QUESTIONS), Role.SERVICE)
    async def upsert_onboarding_questions(
        self,
        info: Info,
        questions: Annotated[list[OnboardingQuestionInput], f"The questions, up to {MAX_QUESTIONS}."],
        retire_others: Annotated[bool | None, "Whether to stop asking all other questions."] = False,
    ) -> UpsertPayload | None:
        """Create or update onboarding questions. At most {MAX_ACTIVE_QUESTIONS} questions can be active.

        Each change raises the question's `version`; stored answers keep the terms of the version that was answered.
        Requires the role SERVICE. An invalid record does not affect the others. A record replaces the stored record
        with the same key; omitted fields get their defaults.
        """
        use_case = partial(upsert_catalog.upsert_questions, retire_others=bool(retire_others))
        payload = await UpsertPayload.from_use_case(
            info, use_case, [_question_fields(question) for question in questions]
        )
        for result in payload.results:
            _use_input_names(result.user_errors)
        return payload

    @mutation(Cost(60_000), Role.SERVICE)
    async def refresh_onboarding_questions(self, info: Info) -> RefreshOnboardingPayload | None:
        """Generate onboarding questions from the catalog now, for example after a large import.

        The gateway also does this every night. Questions sent by the platform are kept. Requires the role SERVICE.
        """
        return RefreshOnboardingPayload(changed=await refresh_questions(info.context.stores.database))


def _question_fields(question_input: OnboardingQuestionInput) -> dict[str, Any]:
    """Convert a question to the fields of its record, in which an option has an `id` and no object `term`."""
    question: dict[str, Any] = input_fields(question_input)
    for option in question["options"]:
        option.update(option.pop("term", {}), id=option.pop("key"))
    return question


def _use_input_names(errors: Sequence[UserError]) -> None:
    """Translate the paths of errors from fields of the record (`id`) to fields of the input (`key`)."""
    steps = {"id": ["key"], "tool": ["term", "tool"], "category": ["term", "category"]}
    for error in errors:
        match error.path:
            case [_, _, "options", _, step, *_] if step in steps:
                error.path[4:5] = steps[step]
