"""What answering the quiz writes, on both engines."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import insert, select, update

from db.actors.profiles import interests_of
from db.actors.stated_interests import remove_interest, store_stated_interests
from db.actors.users import ensure_actor, find_viewer, upsert_users
from db.catalog.catalog_entries import upsert_categories, upsert_tools
from db.database.engine import Database
from db.models import (
    Actor,
    ActorInterest,
    InterestSource,
    OnboardingResponse,
    OutboxKind,
    OutboxRow,
    QuestionType,
    RemovedInterest,
    Term,
    TermKind,
)
from db.onboarding.answers import ONBOARDING_SETTING, CheckedAnswer, answers_of, delete_answers, store_answers
from db.onboarding.question_records import OptionRecord, QuestionRecord
from db.onboarding.questions import Question, active_questions, upsert_questions
from db.records import CategoryRecord, InterestRecord, ToolRecord, UserRecord
from db.synchronization.index_documents import IndexDocumentReader
from tests.conftest import CountStatements

TOOLS, CATEGORIES = ("suno", "godot", "blender"), ("music", "games", "film")


async def prepare(database: Database) -> dict[str, Question]:
    """Make four questions, and give them by key."""
    async with database.write() as connection:
        await upsert_tools(connection, [ToolRecord(key=key, name=key.title()) for key in TOOLS])
        await upsert_categories(connection, [CategoryRecord(key=key, name=key.title()) for key in CATEGORIES])
        await upsert_questions(
            connection,
            [
                QuestionRecord(
                    key="tools", type=QuestionType.TOOL_SELECT, text="Tools?",
                    options=tuple(OptionRecord(id=key, label=key, tool=key) for key in TOOLS),
                ),
                QuestionRecord(
                    key="categories", type=QuestionType.CATEGORY_SELECT, text="Categories?",
                    options=tuple(OptionRecord(id=key, label=key, category=key) for key in CATEGORIES),
                ),
                QuestionRecord(
                    key="why", type=QuestionType.USE_CASE, text="Why?", allows_text=True,
                    options=(
                        OptionRecord(id="art", label="Making art", description="Pictures or words"),
                        OptionRecord(id="godot-game", label="A game", tool="godot"),
                    ),
                ),
                QuestionRecord(
                    key="level", type=QuestionType.EXPERIENCE, text="How far?",
                    options=(OptionRecord(id="new", label="New"), OptionRecord(id="old", label="Old hand")),
                ),
            ],
        )  # fmt: skip
    return {question.key: question for question in await active_questions(database)}


async def actor(database: Database, key: str = "ada") -> int:
    async with database.write() as connection:
        return await ensure_actor(connection, await find_viewer(database, user_key=key))


def choice(question: Question, *options: str, text: str = "") -> CheckedAnswer:
    return CheckedAnswer(question, tuple(option for option in question.options if option.id in options), text)


async def say(database: Database, actor_id: int, *choices: CheckedAnswer) -> None:
    async with database.write() as connection:
        await store_answers(connection, actor_id, choices)


async def tagged(database: Database, actor_id: int) -> dict[str, tuple[float, str]]:
    return {tag.key: (tag.confidence, tag.source) for tag in await interests_of(database, actor_id)}


async def test_an_answer_makes_interests_settings_and_words_for_the_profile(database: Database) -> None:
    quiz, ada = await prepare(database), await actor(database)
    await say(
        database, ada, choice(quiz["tools"], "suno", "blender"), choice(quiz["categories"], "music"),
        choice(quiz["why"], "art", "godot-game", text="<b>synths</b> 🎹"), choice(quiz["level"], "new"),
    )  # fmt: skip
    quizzed = (1.0, InterestSource.QUIZ)
    assert await tagged(database, ada) == dict.fromkeys(("suno", "blender", "music", "godot"), quizzed)
    viewer = await find_viewer(database, user_key="ada")
    assert viewer.settings == {ONBOARDING_SETTING: {"use_case": ["art", "godot-game"], "experience": ["new"]}}
    assert viewer.version == 1
    work = await IndexDocumentReader(database, ("model", 3)).read(OutboxKind.PROFILE, [str(ada)])
    text = work.texts[str(ada)]
    assert "Here for: Making art (Pictures or words) Experience: New Looking for: <b>synths</b> 🎹" in text
    assert "Blender (1.0)" in text
    waiting = await database.fetch(select(OutboxRow.key).where(OutboxRow.kind == "profile"))
    assert [row.key for row in waiting] == [str(ada)]


async def test_another_answer_replaces_the_first_and_leaves_other_questions_alone(database: Database) -> None:
    quiz, ada = await prepare(database), await actor(database)
    await say(database, ada, choice(quiz["tools"], "suno", "godot"), choice(quiz["why"], "godot-game"))
    await say(database, ada, choice(quiz["tools"], "blender"))
    assert set(await tagged(database, ada)) == {"blender", "godot"}  # godot stands on the other answer too
    await say(database, ada, choice(quiz["tools"], "blender"))
    stored = await answers_of(database, ada)
    assert {id_: one.options for id_, one in stored.items()} == {
        quiz["tools"].id: ("blender",),
        quiz["why"].id: ("godot-game",),
    }
    await say(database, ada, choice(quiz["tools"]), choice(quiz["why"], text="nothing special"))
    assert await tagged(database, ada) == {}
    stored = await answers_of(database, ada)
    assert [stored[quiz[key].id].skipped for key in ("tools", "why")] == [True, False]
    assert stored[quiz["why"].id].text == "nothing special"


async def test_interests_made_by_hand_are_kept_whatever_is_answered(database: Database) -> None:
    quiz, ada = await prepare(database), await actor(database)
    ids = await term_ids(database)
    async with database.write() as connection:
        await store_stated_interests(connection, ada, [ids["suno"], ids["film"]])
    await say(database, ada, choice(quiz["tools"], "suno", "godot"))
    assert await tagged(database, ada) == {
        "suno": (1.0, InterestSource.MANUAL), "film": (1.0, InterestSource.MANUAL), "godot": (1.0, InterestSource.QUIZ),
    }  # fmt: skip
    await say(database, ada, choice(quiz["tools"], "blender"))
    assert set(await tagged(database, ada)) == {"suno", "film", "blender"}


async def term_ids(database: Database) -> dict[str, int]:
    return {row.key: row.id for row in await database.fetch(select(Term.key, Term.id))}


async def test_an_interest_taken_away_by_hand_comes_back_only_by_choosing_it(database: Database) -> None:
    quiz, ada = await prepare(database), await actor(database)
    await say(database, ada, choice(quiz["tools"], "suno", "godot"))
    async with database.write() as connection:
        assert await remove_interest(connection, ada, (await term_ids(database))["suno"])
    await say(database, ada, choice(quiz["categories"], "music"))  # another question does not bring it back
    assert set(await tagged(database, ada)) == {"godot", "music"}
    await say(database, ada, choice(quiz["tools"], "suno"))
    assert set(await tagged(database, ada)) == {"suno", "music"}
    assert await database.fetch(select(RemovedInterest.term_id)) == []


async def test_what_an_answer_meant_stays_when_the_question_changes(database: Database) -> None:
    quiz, ada = await prepare(database), await actor(database)
    await say(database, ada, choice(quiz["tools"], "suno"))
    options = (OptionRecord(id="g", label="G", tool="godot"),)
    changed = QuestionRecord(key="tools", type=QuestionType.TOOL_SELECT, text="Tools?", options=options)
    async with database.write() as connection:
        await upsert_questions(connection, [changed])
    await say(database, ada, choice(quiz["categories"], "music"))
    assert set(await tagged(database, ada)) == {"suno", "music"}
    (question,) = [one for one in await active_questions(database) if one.key == "tools"]
    assert (question.version, (await answers_of(database, ada))[question.id].question_version) == (2, 1)
    await say(database, ada, choice(question, "g"))
    assert set(await tagged(database, ada)) == {"godot", "music"}


async def test_starting_over_forgets_answers_and_what_came_from_them(database: Database) -> None:
    quiz, ada = await prepare(database), await actor(database)
    async with database.write() as connection:
        await connection.execute(update(Actor).values(settings={"other": 1}))
        assert not await delete_answers(connection, ada)
    await say(database, ada, choice(quiz["tools"], "suno"), choice(quiz["level"], "new"))
    assert (await find_viewer(database, user_key="ada")).settings == {
        "other": 1, ONBOARDING_SETTING: {"use_case": [], "experience": ["new"]},
    }  # fmt: skip
    async with database.write() as connection:
        assert await delete_answers(connection, ada)
    assert await tagged(database, ada) == {}
    assert await answers_of(database, ada) == {}
    assert (await find_viewer(database, user_key="ada")).settings == {"other": 1}


async def test_of_answers_at_once_one_wins_whole(database: Database) -> None:
    """Twelve submissions at once: in the end the answers, the interests and the settings are those of one of them."""
    quiz, ada = await prepare(database), await actor(database)

    def submission(n: int) -> Sequence[CheckedAnswer]:
        return (
            choice(quiz["tools"], TOOLS[n % 3]),
            choice(quiz["categories"], CATEGORIES[n % 3]),
            choice(quiz["why"], "art", text=f"say {n}"),
            choice(quiz["level"], ("new", "old")[n % 2]),
        )

    await asyncio.gather(*(say(database, ada, *submission(n)) for n in range(12)))
    stored = await answers_of(database, ada)
    winner = int(stored[quiz["why"].id].text.removeprefix("say "))
    assert {id_: one.options for id_, one in stored.items()} == {
        one.question.id: tuple(option.id for option in one.options) for one in submission(winner)
    }
    assert set(await tagged(database, ada)) == {TOOLS[winner % 3], CATEGORIES[winner % 3]}
    viewer = await find_viewer(database, user_key="ada")
    assert viewer.settings[ONBOARDING_SETTING]["experience"] == [("new", "old")[winner % 2]]
    assert viewer.version == 12
    assert len(await database.fetch(select(OnboardingResponse.id))) == 4


async def test_it_takes_a_constant_number_of_statements(database: Database, statements: CountStatements) -> None:
    quiz, ada = await prepare(database), await actor(database)
    counts = []
    for options in ((("suno",), ("music",)), (TOOLS[1:], CATEGORIES[1:])):
        with statements(database) as issued:
            await say(
                database, ada, choice(quiz["tools"], *options[0]), choice(quiz["categories"], *options[1]),
                choice(quiz["why"], "art"), choice(quiz["level"], "new"),
            )  # fmt: skip
        counts.append(len(issued))
    # The lock, the earlier answers, the terms; the answers, the interests, their marks; the actor, the outbox. The
    # second time also the interests that go.
    assert counts == [8, 9]


async def test_an_import_does_not_bring_back_what_was_taken_away(database: Database) -> None:
    await prepare(database)
    suno, music = InterestRecord(name="suno", kind=TermKind.TOOL), InterestRecord(name="music", kind=TermKind.CATEGORY)
    sent = [UserRecord(key="ada", username="Ada", tags=(suno, music))]
    async with database.write() as connection:
        await upsert_users(connection, sent)
    ada = await actor(database)
    ids = await term_ids(database)
    async with database.write() as connection:
        assert await remove_interest(connection, ada, ids["suno"])
        assert not await remove_interest(connection, ada, ids["suno"])
        await upsert_users(connection, sent)
    assert set(await tagged(database, ada)) == {"music"}
    async with database.write() as connection:
        await store_stated_interests(connection, ada, [ids["suno"]])
    assert (await tagged(database, ada))["suno"] == (1.0, InterestSource.MANUAL)


async def test_stated_interests_are_those_and_no_others(database: Database) -> None:
    quiz, ada = await prepare(database), await actor(database)
    ids = await term_ids(database)
    await say(database, ada, choice(quiz["tools"], "suno", "godot"))
    async with database.write() as connection:
        await connection.execute(
            insert(ActorInterest), [{"actor_id": ada, "term_id": ids["film"], "confidence": 0.4, "source": "learned"}]
        )
        assert await store_stated_interests(connection, ada, [ids["suno"], ids["music"]])
        assert not await store_stated_interests(connection, ada, [ids["music"], ids["suno"]])
    assert await tagged(database, ada) == {
        "suno": (1.0, InterestSource.MANUAL), "music": (1.0, InterestSource.MANUAL),
        "film": (0.4, InterestSource.LEARNED),
    }  # fmt: skip
    marked = await database.fetch(select(RemovedInterest.term_id))
    assert [row.term_id for row in marked] == [ids["godot"]]
