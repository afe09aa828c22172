"""Answers to onboarding questions as clients send them."""

import strawberry

from db.onboarding.question_records import MAX_ANSWER_LENGTH
from resolvers.common.optional_arguments import unset_to_none
from scoring.use_cases.submit_onboarding import SentAnswer


@strawberry.input(description="What you answer to one question of the quiz.")
class OnboardingAnswerInput:
    """An answer as a client sends it."""

    question: str = strawberry.field(description="The question's `key`.")
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
            self.question,
            tuple(unset_to_none(self.options) or ()),
            unset_to_none(self.text) or "",
            bool(unset_to_none(self.skip)),
        )
