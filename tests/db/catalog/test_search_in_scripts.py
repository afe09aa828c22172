"""A title finds its project by its own words, in each script, in both indexes and in SQL on both databases."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sqlalchemy import select

from db.catalog.catalog_entries import search_tools, tools_by_key, upsert_projects, upsert_tools
from db.catalog.keyword_search import title_matches
from db.catalog.project_cards import ProjectFilter
from db.database.engine import Database
from db.models import Project
from db.records import ProjectRecord, ToolRecord
from db.vectors.base import VectorFilter, VectorStore
from db.vectors.embedded import EmbeddedVectorStore
from tests.db.vectors.conftest import make_weaviate_store, weaviate_address, weaviate_prefix  # noqa: F401 (fixtures)
from tests.db.vectors.objects import DIMENSION, MODEL, project, unit


@dataclass(frozen=True)
class Title:
    """A title, and queries that find it and no other title."""

    text: str
    queries: tuple[str, ...]


TITLES = {
    "Latin": Title("Überblick über Crème brûlée", ("überblick", "UBERBLICK", "creme", "BRÛLÉE", "Cre\u0300me")),
    "decomposed Latin": Title("Pin\u0303ata para niños", ("piñata", "PINATA", "niños")),
    "full-width": Title("Ｒｅｔｒｏ　ＤＯＳ", ("retro", "DOS", "Ｒｅｔｒｏ")),
    "ligature and sharp s": Title("Gro\u00dfer Sta\ufb00ellauf", ("GROSSER", "großer", "staffellauf")),
    "Greek": Title("Ο δρόμος της Αθήνας", ("ΔΡΟΜΟΣ", "δρόμος", "αθηνασ", "ΑΘΉΝΑΣ")),
    "Cyrillic": Title("Ёлка в лесу", ("ёлка", "ЕЛКА", "лесу")),
    "Arabic": Title("كِتَابُ الطَّبْخ", ("كتاب", "الطبخ", "كتـــاب")),
    "Hebrew": Title("שִׁיר לַיֶּלֶד", ("שיר", "לילד", "שִׁיר")),
    "Devanagari": Title("हिन्दी में कहानी", ("हिन्दी", "कहानी", "हिन्दी कहानी")),
    "Tamil": Title("தமிழ் பாடல்கள்", ("தமிழ்", "பாடல்கள்")),
    "Thai": Title("วิธีปลูกมะม่วง", ("ปลูก", "มะม่วง", "วิธี")),
    "Vietnamese": Title("Phở bò Đà Nẵng", ("phở", "pho", "đà nẵng", "DA NANG")),
    "Chinese": Title("水彩画入门教程", ("水彩画", "教程", "入门", "水彩")),
    "Japanese": Title("黒猫のイラストを描く", ("黒猫", "猫", "イラスト", "ｲﾗｽﾄ", "描く")),
    "Korean": Title("작은 정원을 가꾸기", ("정원", "정원을", "가꾸기")),
    "Turkish": Title("DIŞ KAPI İÇİN kilit", ("dış", "kapı", "KAPI", "için", "İÇİN", "kilit")),
    "emoji": Title("🪴🎨", ("🪴", "🎨", "🎨🪴")),
    "joined emoji": Title("👩🏽‍🚀 on Mars", ("👩‍🚀", "🚀", "👩🏿‍🚀", "mars")),
    "symbols and digits": Title("C# ★ 1,250 ٤٥٦", ("★", "1,250", "٤٥٦", "C#")),
}

LONE_ACCENTS = ("´", "¨", "¯", "\u0301")
"""Queries that consist of what search ignores."""

Search = Callable[[str], Awaitable[list[str]]]


async def _search_in_index(store: VectorStore) -> Search:
    await store.prepare(MODEL, DIMENSION)
    names = list(TITLES)
    documents = [
        replace(project(id_, unit(1)), title=TITLES[name].text, description="", combined_text=TITLES[name].text,
                tool_names=(), category_names=(), topics=())
        for id_, name in enumerate(names)
    ]  # fmt: skip
    await store.upsert(documents)

    async def search(query: str) -> list[str]:
        hits = await store.hybrid(query, None, 0.0, len(names), VectorFilter())
        return [names[id_] for id_ in hits.ids.tolist()]

    return search


async def _search_in_sql(database: Database) -> Search:
    records = [ProjectRecord(key=name, title=title.text, type="article") for name, title in TITLES.items()]
    async with database.write() as connection:
        await upsert_projects(connection, records)
    keys = {row.id: row.key for row in await database.fetch(select(Project.id, Project.key))}

    async def search(query: str) -> list[str]:
        return [keys[id_] for id_, _ in await title_matches(database, query, len(keys), ProjectFilter())]

    return search


@pytest.fixture(params=["embedded", "weaviate", "sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> VectorStore | Database:
    """Return an empty index or database of each engine."""
    if request.param == "embedded":
        return EmbeddedVectorStore(tmp_path / "vectors.sqlite")
    if request.param == "weaviate":
        store: VectorStore = request.getfixturevalue("make_weaviate_store")()
        return store
    database: Database = request.getfixturevalue(f"{request.param}_database")
    return database


async def test_each_title_finds_its_project_by_its_own_words(engine: VectorStore | Database):
    search = await (_search_in_sql(engine) if isinstance(engine, Database) else _search_in_index(engine))
    cases = [(script, query) for script, title in TITLES.items() for query in (title.text, *title.queries)]
    found = {(script, query): await search(query) for script, query in cases}
    assert {case: names for case, names in found.items() if names[:1] != [case[0]]} == {}
    assert await search("黑") == await search("ไม่") == await search("дорога") == []
    assert [await search(text) for text in LONE_ACCENTS] == [[]] * len(LONE_ACCENTS)
    if not isinstance(engine, Database):
        await engine.close()


TOOLS = ("Überzeit", "Яндекс Диск", "IŞILDAK", "100%_echt/x", "工具箱")


async def test_tools_are_found_by_a_part_of_their_name_in_any_case(database: Database):
    async with database.write() as connection:
        await upsert_tools(connection, [ToolRecord(key=f"t{n}", name=name) for n, name in enumerate(TOOLS)])
    found = {"überz": 0, "ЯНДЕКС": 1, "ışıl": 2, "%_": 3, "ECHT/": 3, "具": 4}
    for text, number in found.items():
        assert [tool.name for tool in await search_tools(database, text, 9)] == [TOOLS[number]]
    for text in ("nothing", *LONE_ACCENTS):
        assert await search_tools(database, text, 9) == []
        assert len(await tools_by_key(database, ["t0", "t1"], not_matching=text)) == 2
