"""The quiz as a client shows it: questions, what was answered, and how far the viewer is."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

import strawberry

from db.models import QuestionType, TermKind
from db.onboarding import answers, questions
from db.onboarding.question_records import MAX_ANSWER_LENGTH
from db.onboarding.questions import active_questions
from resolvers.catalog.catalog_types import Category, Tool
from resolvers.common import enums  # noqa: F401 (publishes the enums that are named below)
from resolvers.common.context import Context, Info
from resolvers.common.field_costs import Cost, computed
from resolvers.common.global_ids import global_id, option_global_id
from resolvers.common.optional_arguments import unset_to_none

MAX_LOCALE_LENGTH = 35
"""Characters of the longest language tag that RFC 5646 asks programs to take."""

Locale = Annotated[
    str | None,
    strawberry.argument(
        description='A language tag such as "de" or "pt-BR". Where a text is not there in it, the wider language is '
        "tried (`de-CH`, then `de`), then the language that the question was written in. Left out: that one."
    ),
]


@strawberry.type(description="One answer that can be chosen.")
class OnboardingOption:
    """An option of a question."""

    id: strawberry.ID = strawberry.field(description="Opaque and the same for ever, for client caches.")
    key: str = strawberry.field(description="Names it within its question; `OnboardingAnswerInput.options` takes it.")
    label: str = strawberry.field(description="A word or two for a button or a chip.")
    icon: str = strawberry.field(
        description='What the platform gave for a picture: the name of a drawing such as "rocket", an emoji, or a URL. '
        "Empty for the tools and categories of a quiz that was made from the catalogue: show the first letter."
    )
    description: str = strawberry.field(description="One line that says more; may be empty.")
    chosen: bool = strawberry.field(description="Whether you have chosen it: for showing the quiz filled in again.")
    term: strawberry.Private[tuple[TermKind, str] | None] = None

    @classmethod
    def of(cls, option: questions.Option, question_id: int, answer: answers.Answer | None) -> Self:
        """Show an option of a question."""
        return cls(
            id=option_global_id(question_id, option.id),
            key=option.id,
            label=option.label,
            icon=option.icon,
            description=option.description,
            chosen=answer is not None and option.id in answer.options,
            term=option.term,
        )

    @computed("The tool that it stands for; choosing it makes that an interest of yours. Null for any other option.")
    async def tool(self, info: Info) -> Tool | None:
        """Give the tool."""
        if self.term is None or self.term[0] is not TermKind.TOOL:
            return None
        tool = await info.context.loaders.tools_by_key.load(self.term[1])
        return None if tool is None else Tool.of(tool)

    @computed("The category that it stands for; choosing it makes that an interest of yours. Null for any other.")
    async def category(self, info: Info) -> Category | None:
        """Give the category."""
        if self.term is None or self.term[0] is not TermKind.CATEGORY:
            return None
        category = await info.context.loaders.categories_by_key.load(self.term[1])
        return None if category is None else Category.of(category)


@strawberry.type(description="What you answered to a question.")
class OnboardingAnswer:
    """An answer as it is stored."""

    options: list[str] = strawberry.field(
        description="The options that you chose, by key. One that the question has no longer is still named here."
    )
    text: str = strawberry.field(
        description="Your own words, exactly as you sent them: escape them where you show them. Empty for none."
    )
    skipped: bool = strawberry.field(description="Whether you would rather not say.")
    answered_at: datetime = strawberry.field(description="When you answered it last.")
    outdated: bool = strawberry.field(
        description="Whether the question has changed since. Your answer still counts; it may be worth asking again."
    )


@strawberry.type(description="A question of the onboarding quiz. A quiz has three to five.")
class OnboardingQuestion:
    """A question in one language, with the viewer's answer."""

    id: strawberry.ID = strawberry.field(description="Opaque and the same for ever, for client caches.")
    key: str = strawberry.field(description="Names the question; answers take it.")
    type: QuestionType = strawberry.field(description="What kind of question it is, and what answering it leads to.")
    text: str = strawberry.field(description="The question.")
    description: str = strawberry.field(description="A line of help to show below it; may be empty.")
    options: list[OnboardingOption] = strawberry.field(description="What can be chosen, in this order.")
    order: int = strawberry.field(description="Its place in the quiz: questions come with the smallest first.")
    min_choices: int = strawberry.field(
        description="How many options must be chosen at least; own words count as one. Whoever does not want to "
        "answer skips the question."
    )
    max_choices: int = strawberry.field(description="How many may be chosen: 1 asks for radio buttons.")
    allows_text: bool = strawberry.field(
        description=f"Whether it also takes an answer in own words, up to {MAX_ANSWER_LENGTH} characters."
    )
    version: int = strawberry.field(description="Rises each time the question or its options change.")
    locale: str | None = strawberry.field(
        description="The language its text is in; null for the one that it was written in."
    )
    answer: OnboardingAnswer | None = strawberry.field(description="What you answered; null if you have not yet.")

    @classmethod
    def of(cls, question: questions.Question, answer: answers.Answer | None) -> Self:
        """Show a question."""
        return cls(
            id=global_id("OnboardingQuestion", question.key),
            key=question.key,
            type=question.type,
            text=question.text,
            description=question.description,
            options=[OnboardingOption.of(option, question.id, answer) for option in question.options],
            order=question.position,
            min_choices=question.least,
            max_choices=question.most,
            allows_text=question.allows_text,
            version=question.version,
            locale=question.locale,
            answer=None if answer is None else _answer(answer, question),
        )


@strawberry.type(description="How far you are in the quiz: what a progress bar and a button “Go on” need.")
class OnboardingProgress:
    """How many questions are done, and which comes next."""

    questions: int = strawberry.field(description="How many questions the quiz has now.")
    answered: int = strawberry.field(description="How many of them you answered.")
    skipped: int = strawberry.field(description="How many of them you skipped.")
    remaining: int = strawberry.field(description="How many are still open.")
    share: float = strawberry.field(description="Share that is done, 0 to 1; 1 for a quiz without questions.")
    complete: bool = strawberry.field(description="Whether nothing is open.")
    next: OnboardingQuestion | None = strawberry.field(
        description="The first open question, to go on with; null if nothing is open."
    )

    @classmethod
    def of(cls, asked: Sequence[OnboardingQuestion]) -> Self:
        """Count the questions of a quiz."""
        skipped = sum(one.answer is not None and one.answer.skipped for one in asked)
        still_open = [one for one in asked if one.answer is None]
        done = len(asked) - len(still_open)
        return cls(
            questions=len(asked),
            answered=done - skipped,
            skipped=skipped,
            remaining=len(still_open),
            share=done / len(asked) if asked else 1.0,
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
    """Give the quiz with the viewer's answers: two statements."""
    locale = unset_to_none(locale)
    database = context.stores.database
    asked = await active_questions(database, locale if locale and len(locale) <= MAX_LOCALE_LENGTH else None)
    viewer = await context.viewer()
    answered = {} if viewer.actor_id is None else await answers.answers_of(database, viewer.actor_id)
    return [OnboardingQuestion.of(question, answered.get(question.id)) for question in asked]


@strawberry.type
class OnboardingQuery:
    """What can be asked of the quiz."""

    @computed(
        "The onboarding quiz, in its order, each question with what you answered. It is made from the catalogue "
        "(the tools and categories that tell the audience apart best) unless the platform has sent its own. Whether "
        "to show it, `personalizationStatus.needsOnboarding` says; whoever has answered may always answer anew.",
        Cost(500, entries=5),
    )
    async def onboarding_questions(self, info: Info, locale: Locale = strawberry.UNSET) -> list[OnboardingQuestion]:
        """Give the questions."""
        return await onboarding_questions_of(info.context, locale)

    @computed("How far you are in the quiz, and which question comes next: for resuming it where you left.", Cost(500))
    async def onboarding_progress(self, info: Info, locale: Locale = strawberry.UNSET) -> OnboardingProgress:
        """Tell how far the viewer is."""
        return OnboardingProgress.of(await onboarding_questions_of(info.context, locale))
