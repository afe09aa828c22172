"""Demo installation: its data, its onboarding questions, and answers to these questions."""

from db.database.engine import Database
from db.demo import DemoData, answer_onboarding, load
from scoring.onboarding.generated_questions import refresh_questions


async def load_demo(database: Database, data: DemoData) -> None:
    """Load the demo data if the database is empty; refresh the onboarding questions and answers in any case."""
    await load(database, data)
    await refresh_questions(database)
    await answer_onboarding(database)
