"""Onboarding questions with the viewer's answers and progress."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

import strawberry

from db.models import QuestionType, TermKind
from db.onboarding import answers, questions
from db.onboarding.question_records import MAX_ANSWER_LENGTH
from db.onboarding.questions import active_questions
from resolvers.catalog.catalog_types import Category, Tool
from resolvers.common.context import Context, Info
from resolvers.common.descriptions import object_type
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import global_id

MAX_LOCALE_LENGTH = 35
"""The length of the longest language tag that RFC 5646 requires programs to accept."""

Locale = Annotated[
    str | None,
    'A language tag such as "de" or "pt-BR". Falls back to the wider language (`de-CH`, then `de`), then '
    "to the original language. Default: the original language.",
]


@object_type
class OnboardingOption:
    """An option of an onboarding question."""

    id: Annotated[strawberry.ID, "The global id, opaque and stable, for client caches."]
    key: Annotated[str, "The key within the question, for `OnboardingAnswerInput.options`."]
    label: Annotated[str, "A short label."]
    icon: Annotated[
        str,
        'A picture that the platform chose: the name of a drawing such as "rocket", an emoji or a URL; may be empty.',
    ]
    description: Annotated[str, "A description in one line; may be empty."]
    chosen: Annotated[bool, "Whether the viewer chose the option."]
    term: strawberry.Private[tuple[TermKind, str] | None] = None

    @classmethod
    def from_option(cls, option: questions.Option, question_id: int, answer: answers.Answer | None) -> Self:
        """Convert an option of a question."""
        return cls(
            id=global_id("OnboardingOption", f"{question_id}:{option.id}"),  # option keys are unique in a question
            key=option.id,
            label=option.label,
            icon=option.icon,
            description=option.description,
            chosen=answer is not None and option.id in answer.options,
            term=option.term,
        )

    @computed()
    async def tool(self, info: Info) -> Tool | None:
        """The tool that becomes an interest if the option is chosen; null for other options."""
        if self.term is None or self.term[0] is not TermKind.TOOL:
            return None
        tool = await info.context.loaders.tools_by_key.load(self.term[1])
        return None if tool is None else Tool.of(tool)

    @computed()
    async def category(self, info: Info) -> Category | None:
        """The category that becomes an interest if the option is chosen; null for other options."""
        if self.term is None or self.term[0] is not TermKind.CATEGORY:
            return None
        category = await info.context.loaders.categories_by_key.load(self.term[1])
        return None if category is None else Category.of(category)


@object_type
class OnboardingAnswer:
    """The viewer's answer to a question."""

    options: Annotated[list[str], "The keys of the chosen options, including options that the question no longer has."]
    text: Annotated[str, "The free-text answer as sent; empty if there is none. Escape it for display."]
    skipped: Annotated[bool, "Whether the viewer skipped the question."]
    answered_at: Annotated[datetime, "When the viewer last answered."]
    outdated: Annotated[bool, "Whether the question has changed since the answer. The answer still counts."]


@object_type
class OnboardingQuestion:
    """An onboarding question. There are three to five."""

    id: Annotated[strawberry.ID, "The global id, opaque and stable, for client caches."]
    key: Annotated[str, "The key, for answers."]
    type: Annotated[QuestionType, "The type of question."]
    text: Annotated[str, "The question."]
    description: Annotated[str, "A help text; may be empty."]
    options: Annotated[list[OnboardingOption], "The options in display order."]
    order: Annotated[int, "The position: questions are in ascending order."]
    min_choices: Annotated[int, "The minimum number of chosen options. A free-text answer counts as one."]
    max_choices: Annotated[int, "The maximum number of chosen options."]
    allows_text: Annotated[
        bool, f"Whether the question takes a free-text answer, up to {MAX_ANSWER_LENGTH} characters."
    ]
    version: Annotated[int, "The version, which rises with each change of the question or its options."]
    locale: Annotated[str | None, "The language of the text; null for the original language."]
    answer: Annotated[OnboardingAnswer | None, "The viewer's answer; null if there is none."]

    @classmethod
    def from_question(cls, question: questions.Question, answer: answers.Answer | None) -> Self:
        """Convert a question and the viewer's answer."""
        return cls(
            id=global_id("OnboardingQuestion", question.key),
            key=question.key,
            type=question.type,
            text=question.text,
            description=question.description,
            options=[OnboardingOption.from_option(option, question.id, answer) for option in question.options],
            order=question.position,
            min_choices=question.least,
            max_choices=question.most,
            allows_text=question.allows_text,
            version=question.version,
            locale=question.locale,
            answer=None if answer is None else _answer(answer, question),
        )


@object_type
class OnboardingProgress:
    """The progress of the viewer in onboarding."""

    questions: Annotated[int, "The number of questions."]
    answered: Annotated[int, "The number of answered questions."]
    skipped: Annotated[int, "The number of skipped questions."]
    remaining: Annotated[int, "The number of open questions."]
    share: Annotated[float, "The share of answered and skipped questions, 0 to 1; 1 if there are no questions."]
    complete: Annotated[bool, "Whether no question is open."]
    next: Annotated[OnboardingQuestion | None, "The first open question; null if there is none."]

    @classmethod
    def from_questions(cls, questions: Sequence[OnboardingQuestion]) -> Self:
        """Return the progress in the questions."""
        skipped = sum(question.answer is not None and question.answer.skipped for question in questions)
        still_open = [question for question in questions if question.answer is None]
        done = len(questions) - len(still_open)
        return cls(
            questions=len(questions),
            answered=done - skipped,
            skipped=skipped,
            remaining=len(still_open),
            share=done / len(questions) if questions else 1.0,
            complete=not still_open,
            next=still_open[0] if still_open else None,
        )


def _answer(answer: answers.Answer, question: questions.Question) -> OnboardingAnswer:
    return OnboardingAnswer(
        options=list(answer.options),
        text=answer.text,
        skipped=answer.skipped,
        answered_at=answer.answered_at,
        outdated=answer.question_version != question.version,
    )


async def onboarding_questions_of(context: Context, locale: str | None) -> list[OnboardingQuestion]:
    """Read the active questions with the viewer's answers, in two statements."""
    database = context.stores.database
    active = await active_questions(database, locale if locale and len(locale) <= MAX_LOCALE_LENGTH else None)
    viewer = await context.viewer()
    answered = {} if viewer.actor_id is None else await answers.answers_of(database, viewer.actor_id)
    return [OnboardingQuestion.from_question(question, answered.get(question.id)) for question in active]


@strawberry.type
class OnboardingQuery:
    @computed(Cost(80, default_size=5, points_once=300))
    async def onboarding_questions(self, info: Info, locale: Locale = None) -> list[OnboardingQuestion]:
        """The onboarding questions in order, with the viewer's answers.

        They are generated from the catalog unless the platform has sent its own.
        `personalizationStatus.needsOnboarding` says whether to show them; answers can be changed at any time.
        """
        return await onboarding_questions_of(info.context, locale)

    @computed(Cost(80, points_once=300))
    async def onboarding_progress(self, info: Info, locale: Locale = None) -> OnboardingProgress:
        """The progress of the viewer in onboarding, and the next question."""
        return OnboardingProgress.from_questions(await onboarding_questions_of(info.context, locale))
