"""Answers to onboarding questions as clients send them."""

from typing import Annotated

import strawberry

from db.onboarding.question_records import MAX_ANSWER_LENGTH
from resolvers.common.descriptions import input_type
from resolvers.common.optional_arguments import unset_to_none
from resolvers.common.references import Reference, key_of, path_prefix
from scoring.use_cases.submit_onboarding import SentAnswer


def question_key(key: str | None, id_: strawberry.ID | None) -> str:
    """Return the key of the referenced question."""
    return key_of("OnboardingQuestion", Reference(key, id_, "question", "questionId"))


@input_type
class OnboardingAnswerInput:
    """The answer to one onboarding question."""

    question: Annotated[str | None, "The `key` of the question. Give either `question` or `questionId`."] = (
        strawberry.UNSET
    )
    question_id: Annotated[strawberry.ID | None, "The `id` of the question."] = strawberry.UNSET
    options: Annotated[
        list[str] | None,
        "The `key`s of the chosen options, from `minChoices` to `maxChoices` of the question. Repeated options "
        "count once.",
    ] = strawberry.UNSET
    text: Annotated[
        str | None,
        f"A free-text answer, if the question's `allowsText` is true, up to {MAX_ANSWER_LENGTH} characters. It "
        "is part of the text from which your profile vector is computed.",
    ] = strawberry.UNSET
    skip: Annotated[bool | None, "Whether to skip the question. Omit the other fields then."] = strawberry.UNSET

    def read(self, *path: str | int) -> SentAnswer:
        """Convert the answer for the use case; `path` is its position in the arguments, for errors."""
        with path_prefix(*path):
            key = question_key(self.question, self.question_id)
        return SentAnswer(
            key,
            tuple(unset_to_none(self.options) or ()),
            unset_to_none(self.text) or "",
            bool(unset_to_none(self.skip)),
        )
