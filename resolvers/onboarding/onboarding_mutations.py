"""Mutations of the viewer's onboarding answers."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import strawberry

from db.onboarding.question_records import MAX_ANSWER_LENGTH
from resolvers.common.context import Info
from resolvers.common.descriptions import input_type, object_type
from resolvers.common.field_costs import Cost, computed, mutation
from resolvers.common.references import key_of, path_prefix
from resolvers.common.relay import FeedFirst
from resolvers.common.user_errors import UserError, attempt
from resolvers.feeds.feed_connection import DEFAULT_PAGE_SIZE, FeedConnection, serve_feed
from resolvers.onboarding.onboarding_questions import Locale, OnboardingProgress, onboarding_questions_of
from resolvers.preferences.personalization_status import PersonalizationStatus, personalization_status_of
from resolvers.preferences.viewer import Interest, ViewerPayload, interests_of
from scoring.tunables import MAX_PAGE_SIZE
from scoring.use_cases.submit_onboarding import MAX_ANSWERS, SentAnswer, reset_answers, submit_answers


@input_type
class OnboardingAnswerInput:
    """The answer to one onboarding question."""

    question: Annotated[str | None, "The `key` of the question. Give either `question` or `questionId`."] = None
    question_id: Annotated[strawberry.ID | None, "The `id` of the question."] = None
    options: Annotated[
        list[str] | None,
        "The `key`s of the chosen options, from `minChoices` to `maxChoices` of the question. Repeated options "
        "count once.",
    ] = None
    text: Annotated[
        str | None,
        f"A free-text answer, if the question's `allowsText` is true, up to {MAX_ANSWER_LENGTH} characters. It "
        "is part of the text from which your profile vector is computed.",
    ] = None
    skip: Annotated[bool | None, "Whether to skip the question. Omit the other fields then."] = None

    def to_answer(self, *path: str | int) -> SentAnswer:
        """Convert the answer for the use case; `path` is its position in the arguments, for errors."""
        with path_prefix(*path):
            key = _question_key(self.question, self.question_id)
        return SentAnswer(key, tuple(self.options or ()), self.text or "", bool(self.skip))


def _question_key(key: str | None, id_: strawberry.ID | None) -> str:
    return key_of("OnboardingQuestion", key, id_, "question", "questionId")


@object_type
class OnboardingPayload(ViewerPayload):
    """The return value of onboarding mutations.

    Select `feed` to get the first page with the new answers in the same request.
    """

    saved: Annotated[bool, "Whether the answers are stored; if not, `userErrors` says why."]
    profile_updated: Annotated[
        bool,
        "Whether the profile vector is up to date. If false, the new interests already count, but similarity to your "
        "profile is updated only when the vector index is available.",
    ]
    user_errors: Annotated[
        list[UserError],
        'The errors in the input, with paths such as `["answers", "0", "options", "2"]`; empty on success.',
    ]

    @computed(Cost(60, default_size=30))
    async def interests(self, info: Info) -> list[Interest]:
        """Your interests after the change, by confidence. Interests that you chose have the confidence 1."""
        return await interests_of(info.context)

    @computed(Cost(300))
    async def status(self, info: Info) -> PersonalizationStatus:
        """The personalization status after the change."""
        return await personalization_status_of(info.context)

    @computed(Cost(300))
    async def progress(self, info: Info, locale: Locale = None) -> OnboardingProgress:
        """The progress of onboarding after the change."""
        return OnboardingProgress.from_questions(await onboarding_questions_of(info.context, locale))

    @computed(Cost(2_000, 2, "first", MAX_PAGE_SIZE, is_prefetching=True))
    async def feed(self, info: Info, first: FeedFirst = DEFAULT_PAGE_SIZE) -> FeedConnection | None:
        """The first page of `forYou` after the change; null if nothing was stored."""
        return await serve_feed(info, info.context.feeds.for_you, first, None, None) if self.saved else None


@strawberry.type
class OnboardingMutation:
    @mutation(Cost(500, 20, "answers", MAX_ANSWERS, points_once=1_000))
    async def submit_onboarding(
        self, info: Info, answers: Annotated[list[OnboardingAnswerInput], f"The answers, up to {MAX_ANSWERS}."]
    ) -> OnboardingPayload | None:
        """Answer onboarding questions.

        Stores all answers, or none if one has an error. An answer replaces the earlier answer to the same question;
        answers to other questions are kept. Chosen tools and categories become interests with the confidence 1; all
        other answers are part of the text from which your profile vector is computed.
        """
        return await _payload(
            lambda: submit_answers(
                info.context, [answer.to_answer("answers", index) for index, answer in enumerate(answers)], "answers"
            )
        )

    @mutation()
    async def answer_onboarding_question(
        self, info: Info, answer: Annotated[OnboardingAnswerInput, "The answer."]
    ) -> OnboardingPayload | None:
        """Answer one onboarding question. To continue later, query `onboardingProgress.next`."""
        return await _payload(lambda: submit_answers(info.context, [answer.to_answer("answer")], "answer"))

    @mutation()
    async def skip_onboarding_question(
        self,
        info: Info,
        question: Annotated[str | None, "The `key` of the question. Give either `question` or `questionId`."] = None,
        question_id: Annotated[strawberry.ID | None, "The `id` of the question."] = None,
    ) -> OnboardingPayload | None:
        """Skip one onboarding question. A skipped question counts as done; an earlier answer to it is deleted."""
        return await _payload(
            lambda: submit_answers(info.context, [SentAnswer(_question_key(question, question_id), skip=True)])
        )

    @mutation()
    async def reset_onboarding(self, info: Info) -> OnboardingPayload | None:
        """Delete all onboarding answers and the interests that came from them.

        Interests that you stated with `setInterests` are kept.
        """
        return await _payload(lambda: reset_answers(info.context))


async def _payload(use_case: Callable[[], Awaitable[bool]]) -> OnboardingPayload:
    updated, errors = await attempt(use_case, False)
    return OnboardingPayload(saved=not errors, profile_updated=updated, user_errors=errors)
