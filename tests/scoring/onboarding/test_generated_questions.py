"""Onboarding questions generated from the catalog, on both engines."""

import pytest
from sqlalchemy import update

from db.actors.users import upsert_users
from db.catalog.catalog_entries import upsert_projects
from db.database.engine import Database
from db.errors import InvalidRecord
from db.interactions.interactions import NewInteraction, record_interactions
from db.models import InteractionType, OnboardingQuestion, QuestionType, Term, now
from db.onboarding.question_records import OptionRecord, QuestionRecord
from db.onboarding.questions import MAX_ACTIVE_QUESTIONS, Question, active_questions, all_questions, upsert_questions
from db.records import ProjectRecord, UserRecord
from scoring import tunables
from scoring.onboarding.generated_questions import refresh_questions
from tests.conftest import CountStatements


async def add_projects(database: Database, subjects: dict[str, int], start: int = 0) -> None:
    """Add projects, so many of each subject; one category and one tool a subject."""
    records = [
        ProjectRecord(
            key=f"{subject}-{start + n}", title=subject, type="article", tools=(f"{subject}-tool",),
            categories=(subject,),
        )
        for subject, count in subjects.items()
        for n in range(count)
    ]  # fmt: skip
    async with database.write() as connection:
        assert not (await upsert_projects(connection, records)).refused


async def add_fans(database: Database, crowds: dict[str, int], likes: int = 4) -> None:
    """Let people like projects: those of a crowd like the first ones of its subject."""
    people = [f"{subject}-fan-{n}" for subject, count in crowds.items() for n in range(count)]
    async with database.write() as connection:
        await upsert_users(connection, [UserRecord(key=key, username=key) for key in people])
        actors = {row.key: row.id for row in await connection.exec_driver_sql(_ACTORS)}
        projects = {row.key: row.id for row in await connection.exec_driver_sql("SELECT key, id FROM projects")}
        events = [
            NewInteraction(actors[person], projects[f"{person.split('-fan-')[0]}-{n}"], InteractionType.LIKE, now())
            for person in people
            for n in range(likes)
        ]
        await record_interactions(connection, events)


_ACTORS = "SELECT users.key, actors.id FROM users JOIN actors ON actors.user_id = users.id"


def offered(question: Question) -> list[str]:
    return [option.id for option in question.options]


async def test_without_likes_the_options_cover_the_catalog(database: Database) -> None:
    await add_projects(database, {"music": 9, "code": 6, "games": 4, "rare": 2})
    assert await refresh_questions(database) == 4
    asked = await active_questions(database)
    assert [question.type for question in asked] == list(QuestionType)
    assert [question.key for question in asked] == ["tools", "categories", "use-case", "experience"]
    assert offered(asked[0]) == ["music-tool", "code-tool", "games-tool"]
    assert offered(asked[1]) == ["music", "code", "games"]
    assert all(question.automatic and question.version == 1 for question in asked)
    assert asked[2].allows_text
    assert (asked[3].least, asked[3].most) == (1, 1)


async def test_likes_select_options_that_separate_people_before_common_ones(database: Database) -> None:
    """Twenty common subjects that nobody likes, and three rare ones with a crowd each: these are asked for."""
    await add_projects(database, {f"common-{n:02}": 8 for n in range(20)} | {"music": 4, "code": 4, "games": 4})
    await add_fans(database, {"music": 20, "code": 20, "games": 20})
    await refresh_questions(database)
    asked = {question.key: question for question in await active_questions(database)}
    assert set(offered(asked["categories"])) == {"music", "code", "games"}
    assert set(offered(asked["tools"])) == {"music-tool", "code-tool", "games-tool"}


async def test_a_small_catalog_asks_only_the_free_questions(database: Database) -> None:
    await add_projects(database, {"music": 9, "code": 6})
    await refresh_questions(database)
    assert [question.key for question in await active_questions(database)] == ["use-case", "experience"]
    await add_projects(database, {"games": 3})
    assert await refresh_questions(database) == 4  # two more, and two further down
    assert len(await active_questions(database)) == 4


async def test_options_change_only_if_the_best_ones_are_clearly_better(database: Database) -> None:
    await add_projects(database, {f"s{n:02}": 30 - n for n in range(tunables.MAX_OPTIONS + 1)})
    await refresh_questions(database)
    assert await refresh_questions(database) == 0
    before = offered((await active_questions(database))[1])
    await add_projects(database, {"s12": 2}, start=100)  # now as common as the last that is asked for: not worth it
    assert await refresh_questions(database) == 0
    await add_projects(database, {"s12": 60}, start=200)
    assert await refresh_questions(database) == 2
    categories = (await active_questions(database))[1]
    assert offered(categories) != before
    assert offered(categories)[0] == "s12"
    assert categories.version == 2


async def test_a_new_name_reaches_the_options(database: Database) -> None:
    await add_projects(database, {"music": 5, "code": 4, "games": 3})
    await refresh_questions(database)
    async with database.write() as connection:
        await connection.execute(update(Term).where(Term.key == "music").values(name="Music and sound"))
    assert await refresh_questions(database) == 1
    assert (await active_questions(database))[1].options[0].label == "Music and sound"


def own_question(key: str, **fields: object) -> QuestionRecord:
    options = (OptionRecord(id="a", label="A"), OptionRecord(id="b", label="B"))
    return QuestionRecord(**{"key": key, "type": QuestionType.USE_CASE, "text": "Why?", "options": options} | fields)


async def test_uploaded_questions_are_never_changed(database: Database) -> None:
    await add_projects(database, {"music": 5, "code": 4, "games": 3})
    await refresh_questions(database)
    async with database.write() as connection:
        await upsert_questions(connection, [own_question("use-case", order=2)])
    await add_projects(database, {"film": 40})
    await refresh_questions(database)
    asked = {question.key: question for question in await active_questions(database)}
    assert asked["use-case"].text == "Why?"
    assert not asked["use-case"].automatic
    assert "film" in offered(asked["categories"])  # those that were not taken over go on


async def test_uploaded_questions_get_no_generated_ones_beside_them(database: Database) -> None:
    await add_projects(database, {"music": 5, "code": 4, "games": 3})
    async with database.write() as connection:
        await upsert_questions(connection, [own_question("mine")])
    assert await refresh_questions(database) == 0
    assert [question.key for question in await active_questions(database)] == ["mine"]


async def test_retiring_all_others_keeps_them_away(database: Database) -> None:
    await add_projects(database, {"music": 5, "code": 4, "games": 3})
    await refresh_questions(database)
    async with database.write() as connection:
        await upsert_questions(connection, [own_question("mine")], retire_others=True)
        await upsert_questions(connection, [own_question("mine", active=False)])
    assert await refresh_questions(database) == 0
    assert await active_questions(database) == []
    assert len(await all_questions(database)) == 5


async def test_texts_are_in_four_languages_with_a_fallback(database: Database) -> None:
    await add_projects(database, {"music": 5, "code": 4, "games": 3})
    await refresh_questions(database)
    texts = {}
    for locale in (None, "en", "de", "de-CH", "de_at", "fr", "es-MX", "ja", "", "-", "x" * 35):
        question = (await active_questions(database, locale))[2]
        texts[locale] = (question.text, question.locale, question.options[0].label)
    assert texts[None] == ("What brings you here?", None, "My job")
    assert texts["de"] == texts["de-CH"] == texts["de_at"] == ("Was führt Sie her?", "de", "Meine Arbeit")
    assert texts["fr"][1:] == ("fr", "Mon travail")
    assert texts["es-MX"][1] == "es"
    assert all(texts[other] == texts[None] for other in ("en", "ja", "", "-", "x" * 35))


async def test_generation_takes_a_constant_number_of_statements(
    database: Database, statements: CountStatements
) -> None:
    counts = []
    for n in range(2):
        await add_projects(database, {f"s{n}-{m}": 3 + n for m in range(5 + 20 * n)})
        with statements(database) as issued:
            await refresh_questions(database)
        counts.append(len(issued))
    # What is offered, likes, coverage, what is asked; then the lock on the questions, and one write.
    assert counts == [6, 6]


@pytest.mark.parametrize("count", [MAX_ACTIVE_QUESTIONS, MAX_ACTIVE_QUESTIONS + 1])
async def test_at_most_five_questions_are_active(database: Database, count: int) -> None:
    records = [own_question(f"q{n}") for n in range(count)]
    if count > MAX_ACTIVE_QUESTIONS:
        with pytest.raises(InvalidRecord, match="at most 5"):
            async with database.write() as connection:
                await upsert_questions(connection, records)
        assert await database.fetch(OnboardingQuestion.__table__.select()) == []
    else:
        async with database.write() as connection:
            assert (await upsert_questions(connection, records)).added == count
