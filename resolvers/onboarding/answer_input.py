"""Answers to onboarding questions as clients send them."""

import strawberry

from db.onboarding.question_records import MAX_ANSWER_LENGTH
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.references import Reference, key_of
from scoring.use_cases.submit_onboarding import SentAnswer


def question_key(key: str | None, id_: strawberry.ID | None) -> str:
    """Return the key of the question that a client names."""
    return key_of("OnboardingQuestion", Reference(key, id_, "question", "questionId"))


@strawberry.input(description="What you answer to one question of the quiz.")
class OnboardingAnswerInput:
    """An answer as a client sends it."""

    question: str | None = strawberry.field(
        default=strawberry.UNSET, description="The `key` of the question. Give either `question` or `questionId`."
    )
    question_id: strawberry.ID | None = strawberry.field(
        default=strawberry.UNSET, description="The `id` of the question."
    )
    options: list[str] | None = strawberry.field(
        default=strawberry.UNSET,
        description="The options chosen, by `key`, from the question's `minChoices` to its `maxChoices`. The same one "
        "twice counts once.",
    )
    text: str | None = strawberry.field(
        default=strawberry.UNSET,
        description=f"Your own words, where the question's `allowsText` is true: up to {MAX_ANSWER_LENGTH} characters, "
        "kept exactly as sent. They join the text that your profile is made from.",
    )
    skip: bool | None = strawberry.field(
        default=strawberry.UNSET, description="True: you would rather not say. Leave the others out then."
    )

    def read(self) -> SentAnswer:
        """Return the answer as the use case takes it."""
        return SentAnswer(
            question_key(self.question, self.question_id),
            tuple(unset_to_none(self.options) or ()),
            unset_to_none(self.text) or "",
            bool(unset_to_none(self.skip)),
        )
