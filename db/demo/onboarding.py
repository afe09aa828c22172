"""Onboarding answers of the demo viewer `quiz`, a person who makes pictures."""

from collections.abc import Mapping

from db.actors.users import ensure_actor, find_viewer
from db.database.engine import Database
from db.models import QuestionType
from db.onboarding.answers import CheckedAnswer, store_answers
from db.onboarding.questions import Question, active_questions

VIEWER = "quiz"

WISHES: Mapping[QuestionType, tuple[int, tuple[str, ...]]] = {
    QuestionType.TOOL_SELECT: (2, ("comfyui", "stable-diffusion", "midjourney", "flux", "runway", "blender")),
    QuestionType.CATEGORY_SELECT: (2, ("images", "video")),
    QuestionType.USE_CASE: (1, ("art",)),
    QuestionType.EXPERIENCE: (1, ("regular",)),
}
"""Number of options that the viewer chooses, and the preferred options, best first; the catalog decides the offer."""


async def answer_onboarding(database: Database) -> None:
    """Answer the active onboarding questions as the viewer `quiz`."""
    choices = [choice for question in await active_questions(database) if (choice := _choice(question)).options]
    if not choices:
        return
    viewer = await find_viewer(database, user_key=VIEWER)
    async with database.write() as connection:
        await store_answers(connection, await ensure_actor(connection, viewer), choices)


def _choice(question: Question) -> CheckedAnswer:
    most, wishes = WISHES[question.type]
    found = [option for wish in wishes if (option := question.option(wish)) is not None]
    return CheckedAnswer(question, tuple(found[:most]))
