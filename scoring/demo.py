"""The demo as a whole: its data, the quiz that its catalog makes of itself, and the answers to that."""

from db.database.engine import Database
from db.demo import DemoData, load
from db.demo.onboarding import answer_onboarding
from scoring.onboarding.generated_questions import refresh_questions


async def load_demo(database: Database, data: DemoData) -> None:
    """Write the demo into an empty store; one that holds anything stays as it is but for the quiz of its catalog."""
    await load(database, data)
    await refresh_questions(database)
    await answer_onboarding(database)
