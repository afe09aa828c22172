"""The demo as a whole: its data, the quiz that its catalogue makes of itself, and the answers to that."""

from db.demo import DemoData, load
from db.demo.quiz import answer_quiz
from db.engine import Database
from scoring.onboarding.quiz import refresh_quiz


async def load_demo(database: Database, data: DemoData) -> None:
    """Write the demo into an empty store; one that holds anything stays as it is but for the quiz of its catalogue."""
    await load(database, data)
    await refresh_quiz(database)
    await answer_quiz(database)
