"""Onboarding answers of the demo viewer `quiz`, who makes images."""

from collections.abc import Mapping

from db.actors.users import ensure_actor, find_viewer
from db.database.engine import Database
from db.models import QuestionType
from db.onboarding.answers import CheckedAnswer, store_answers
from db.onboarding.questions import Question, active_questions

VIEWER = "quiz"

PREFERRED_OPTIONS: Mapping[QuestionType, tuple[int, tuple[str, ...]]] = {
    QuestionType.TOOL_SELECT: (2, ("comfyui", "stable-diffusion", "midjourney", "flux", "runway", "blender")),
    QuestionType.CATEGORY_SELECT: (2, ("images", "video")),
    QuestionType.USE_CASE: (1, ("art",)),
    QuestionType.EXPERIENCE: (1, ("regular",)),
}
"""Number of options to choose, and preferred options, best first. The catalog decides which options exist."""


async def answer_onboarding(database: Database) -> None:
    """Answer the active onboarding questions as the viewer `quiz`."""
    answers = [answer for question in await active_questions(database) if (answer := _answer(question)).options]
    if not answers:
        return
    viewer = await find_viewer(database, user_key=VIEWER)
    async with database.write() as connection:
        await store_answers(connection, await ensure_actor(connection, viewer), answers)


def _answer(question: Question) -> CheckedAnswer:
    max_options, option_keys = PREFERRED_OPTIONS[question.type]
    options = [option for key in option_keys if (option := question.option(key)) is not None]
    return CheckedAnswer(question, tuple(options[:max_options]))
