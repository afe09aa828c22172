"""Contract of every vector store: keywords, fusion, tools, and a rebuild without interruption.

An engine joins by its name in `SEARCHING_STORES`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from db.errors import StoreUnavailable
from db.vectors.base import PROJECT, HybridHits, ProjectDocument, Vector, VectorFilter, document_uuid
from tests.db.vectors.conftest import DIMENSION, MODEL
from tests.db.vectors.objects import EPOCH, profile, project, tool, unit

SEARCHING_STORES = ("embedded", "weaviate")
EVERYTHING = VectorFilter()

pytestmark = pytest.mark.parametrize("make_store", SEARCHING_STORES, indirect=True)


def text(id_: int, title: str, description: str = "", vector: Vector | None = None, **features: Any) -> ProjectDocument:
    """Make a project with this text only."""
    features = {"tool_names": (), "category_names": (), "topics": (), **features}
    base = project(id_, unit(1, id_) if vector is None else vector, owner=features.pop("owner", None))
    names = (name for kind in ("tool_names", "category_names", "topics") for name in features[kind])
    combined = " ".join(filter(None, (title, description, *names)))
    return replace(base, title=title, description=description, combined_text=combined, **features)


TEXTS = [
    text(1, "Fine-tuning a language model", "train adapters on your own data"),
    text(2, "A garden planner", "plants, seasons and a language of flowers", owner=10),
    text(3, "Chess coach", "openings explained", tool_names=("Claude",), topics=("games",)),
    text(4, "Weather station", "sensors on a balcony", category_names=("hardware",)),
    text(5, "A language model that plays chess", "a language model, a board and patience", owner=11),
]


async def keyword_hits(store: Any, query: str, limit: int, where: VectorFilter = EVERYTHING) -> HybridHits:
    """Search by keywords only."""
    hits: HybridHits = await store.hybrid(query, None, 0.0, limit, where)
    return hits


async def keyword_ids(store: Any, query: str) -> list[int]:
    """Return the projects that a keyword search finds, best first."""
    return (await keyword_hits(store, query, 10)).ids.tolist()


class TestKeyword:
    async def test_a_word_finds_the_projects_that_hold_it(self, vector_store: Any):
        await vector_store.upsert(TEXTS)
        assert set(await keyword_ids(vector_store, "language")) == {1, 2, 5}
        assert await keyword_ids(vector_store, "BALCONY!") == [4]

    async def test_names_of_tools_categories_and_topics_are_words_too(self, vector_store: Any):
        await vector_store.upsert(TEXTS)
        for word, id_ in (("claude", 3), ("hardware", 4), ("games", 3)):
            assert await keyword_ids(vector_store, word) == [id_]

    async def test_a_title_counts_for_more_than_a_description(self, vector_store: Any):
        await vector_store.upsert([text(1, "one thing", "a lantern"), text(2, "a lantern", "one thing")])
        hits = await keyword_hits(vector_store, "lantern", 10)
        assert hits.ids.tolist() == [2, 1]
        assert hits.scores.tolist() == [1, 0]

    async def test_more_matching_words_come_first_and_ties_are_ordered_by_uuid(self, vector_store: Any):
        same = [text(id_, "red kite") for id_ in (9, 4)]
        await vector_store.upsert([*same, text(5, "red barn"), text(6, "blue sea")])
        first, second = sorted((9, 4), key=lambda id_: document_uuid(PROJECT, f"p{id_}"))
        assert await keyword_ids(vector_store, "red kite") == [first, second, 5]

    async def test_a_filter_holds_and_a_limit_cuts(self, vector_store: Any):
        await vector_store.upsert(TEXTS)
        not_mine = await keyword_hits(vector_store, "language", 10, VectorFilter(exclude_owner=10))
        assert set(not_mine.ids.tolist()) == {1, 5}
        assert len((await keyword_hits(vector_store, "language", 2)).ids) == 2
        assert len((await keyword_hits(vector_store, "language", 0)).ids) == 0

    async def test_what_was_removed_or_rewritten_is_not_found_by_its_old_words(self, vector_store: Any):
        await vector_store.upsert(TEXTS)
        await vector_store.remove(PROJECT, ["p1"])
        await vector_store.upsert([text(2, "A garden planner", "plants and seasons")])
        assert await keyword_ids(vector_store, "language") == [5]

    async def test_a_query_without_a_word_finds_nothing(self, vector_store: Any):
        await vector_store.upsert(TEXTS)
        for query in ("", "   ", '"', "*", "-", "(", "🙂", "the and of", "\0", "\ud800"):
            assert await keyword_ids(vector_store, query) == [], query

    async def test_operators_are_no_operators(self, vector_store: Any):
        await vector_store.upsert(TEXTS)
        operators = (
            '"chess',
            "chess*",
            "chess NEAR",
            "chess OR",
            "-chess",
            "title:chess",
            "chess^9",
            "chess\0",
            "(chess",
        )
        for query in operators:
            assert set(await keyword_ids(vector_store, query)) == {3, 5}, query

    async def test_any_script_and_any_length_is_a_query(self, vector_store: Any):
        await vector_store.upsert([text(1, "שלום עולם"), text(2, "привет мир")])
        assert await keyword_ids(vector_store, "עולם") == [1]
        assert await keyword_ids(vector_store, "МИР " * 2_500) == [2]


class TestHybrid:
    @pytest.mark.parametrize("alpha", [0.0, 0.3, 0.7, 1.0])
    @pytest.mark.parametrize("where", [EVERYTHING, VectorFilter(exclude_owner=10, exclude_ids=frozenset({4}))])
    async def test_it_is_the_fusion_of_its_two_legs(self, vector_store: Any, alpha: float, where: VectorFilter):
        await vector_store.upsert(TEXTS)
        query, vector = "a language model for chess", unit(1, 3)
        by_vector = await vector_store.hybrid(query, vector, 1.0, 10, where)
        by_keywords = await vector_store.hybrid(query, vector, 0.0, 10, where)
        vector_part = dict(zip(by_vector.ids.tolist(), alpha * by_vector.scores, strict=True))
        keyword_part = dict(zip(by_keywords.ids.tolist(), (1 - alpha) * by_keywords.scores, strict=True))
        hits = await vector_store.hybrid(query, vector, alpha, 10, where)
        ids = hits.ids.tolist()
        found = (by_vector if alpha > 0 else None, by_keywords if alpha < 1 else None)
        assert set(ids) == {id_ for leg in found if leg is not None for id_ in leg.ids.tolist()}
        assert hits.vector_parts.tolist() == pytest.approx([vector_part.get(id_, 0) for id_ in ids], abs=1e-4)
        assert hits.keyword_parts.tolist() == pytest.approx([keyword_part.get(id_, 0) for id_ in ids], abs=1e-4)

    async def test_the_parts_add_up_to_the_score_and_scores_fall(self, vector_store: Any):
        await vector_store.upsert(TEXTS)
        hits = await vector_store.hybrid("language chess", unit(1, 2), 0.6, 10, EVERYTHING)
        assert hits.ids.tolist()
        assert hits.scores.tolist() == (hits.vector_parts + hits.keyword_parts).tolist()
        assert (np.diff(hits.scores) <= 1e-6).all()

    async def test_the_best_of_a_leg_gets_its_weight_and_the_worst_nothing(self, vector_store: Any):
        await vector_store.upsert(TEXTS)
        hits = await vector_store.hybrid("language model", unit(1, 1), 0.75, 10, EVERYTHING)
        assert max(hits.vector_parts) == pytest.approx(0.75)
        assert max(hits.keyword_parts) == pytest.approx(0.25)
        assert min(hits.vector_parts) == 0
        assert min(part for id_, part in zip(hits.ids, hits.keyword_parts, strict=True) if id_ in (1, 2, 5)) == 0

    async def test_the_window_and_not_the_limit_sets_the_zero(self, vector_store: Any):
        await vector_store.upsert(TEXTS)
        wide = await vector_store.hybrid("language model", unit(1, 1), 0.5, 10, EVERYTHING)
        narrow = await vector_store.hybrid("language model", unit(1, 1), 0.5, 2, EVERYTHING)
        assert narrow.ids.tolist() == wide.ids.tolist()[:2]
        assert narrow.scores.tolist() == pytest.approx(wide.scores.tolist()[:2])

    @pytest.mark.parametrize("vector", [None, np.zeros(DIMENSION, np.float32)])
    async def test_without_a_meaning_words_alone_count_at_their_weight(self, vector_store: Any, vector: Vector | None):
        await vector_store.upsert(TEXTS)
        hits = await vector_store.hybrid("language", vector, 0.7, 10, EVERYTHING)
        assert set(hits.ids.tolist()) == {1, 2, 5}
        assert not hits.vector_parts.any()
        assert max(hits.keyword_parts) == pytest.approx(0.3)
        assert (await vector_store.hybrid("language", vector, 1.0, 10, EVERYTHING)).ids.tolist() == []

    @pytest.mark.parametrize("query", ["", '"', "🙂", "the and"])
    async def test_without_words_the_meaning_alone_counts_at_its_weight(self, vector_store: Any, query: str):
        await vector_store.upsert(TEXTS)
        hits = await vector_store.hybrid(query, unit(1, 4), 0.7, 10, EVERYTHING)
        assert hits.ids.tolist() == (await vector_store.near(unit(1, 4), 10, EVERYTHING)).ids.tolist()
        assert max(hits.vector_parts) == pytest.approx(0.7)
        assert not hits.keyword_parts.any()

    @pytest.mark.parametrize("alpha", [-1.0, 2.0, float("nan")])
    async def test_an_alpha_that_is_no_weight_is_refused(self, vector_store: Any, alpha: float):
        with pytest.raises(ValueError, match="alpha"):
            await vector_store.hybrid("language", unit(1), alpha, 10, EVERYTHING)

    async def test_an_empty_index_gives_no_hits(self, vector_store: Any):
        assert (await vector_store.hybrid("language", unit(1), 0.7, 10, EVERYTHING)).ids.tolist() == []


class TestTools:
    async def test_the_nearest_tools_come_by_key(self, vector_store: Any):
        await vector_store.upsert([tool(1, unit(1)), tool(2, unit(1, 1)), tool(3, unit(0, 1))])
        pairs = await vector_store.nearest_tools(unit(1), 2)
        assert [key for key, _ in pairs] == ["t1", "t2"]
        assert [score for _, score in pairs] == pytest.approx([1.0, 0.5**0.5], abs=1e-5)

    async def test_nothing_is_near_to_a_vector_of_zeros(self, vector_store: Any):
        await vector_store.upsert([tool(1, unit(1))])
        assert await vector_store.nearest_tools(np.zeros(DIMENSION, np.float32), 2) == []


class TestListing:
    @pytest.mark.parametrize("limit", [1, 2, 4, 7, 100])
    async def test_fingerprints_are_listed_page_by_page_in_any_order_each_once(self, vector_store: Any, limit: int):
        names = ["b", "a", "Z", "10", "9", "é", "É", "A", "aB", "Ab", "ab", "AB", "_", "B"]
        made = [
            replace(project(id_, unit(1), key=key), fingerprint=f"f{key}") for id_, key in enumerate(names, start=1)
        ]
        await vector_store.upsert(made)
        listed: list[tuple[str, str]] = []
        while page := await vector_store.listing("Project", listed[-1][0] if listed else None, limit):
            listed += page
        assert sorted(listed) == [(key, f"f{key}") for key in sorted(names)]

    async def test_profiles_and_tools_are_listed_too(self, vector_store: Any):
        await vector_store.upsert([replace(profile(12, unit(1)), fingerprint="x")])
        await vector_store.upsert([replace(tool(3, unit(1)), fingerprint="y")])
        assert await vector_store.listing("UserProfile", None, 10) == [("12", "x")]
        assert await vector_store.listing("Tool", None, 10) == [("t3", "y")]


class TestUnused:
    async def test_collections_of_another_model_are_named_and_dropped(self, vector_store: Any):
        await vector_store.upsert([project(1, unit(1))])
        await vector_store.prepare("newer", DIMENSION)
        await vector_store.upsert([project(2, unit(1))])
        generation = await vector_store.stage()
        unused = await vector_store.unused()
        assert unused
        assert all("test_model_8" in name for name in unused)
        assert await vector_store.drop_unused() == unused
        assert await vector_store.unused() == []
        assert await found(vector_store) == [2]
        assert await vector_store.staged() == generation
        await vector_store.prepare(MODEL, DIMENSION)
        assert await found(vector_store) == []


class TestRebuild:
    async def test_a_staged_generation_is_not_seen_until_it_is_published(self, vector_store: Any):
        await vector_store.upsert([project(1, unit(1))])
        generation = await vector_store.stage()
        assert await vector_store.staged() == generation
        await vector_store.upsert([project(2, unit(1)), project(3, unit(1))], generation=generation)
        await vector_store.remove(PROJECT, ["p3"], generation=generation)
        assert await found(vector_store) == [1]
        assert await vector_store.listing("Project", None, 10, generation) == [("p2", "")]
        assert (await vector_store.counts(generation))["Project"] == 1
        await vector_store.publish(generation)
        assert await found(vector_store) == [2]
        assert await vector_store.staged() is None

    async def test_profiles_and_tools_change_over_too(self, vector_store: Any):
        await vector_store.upsert([profile(1, unit(1))])
        await vector_store.upsert([tool(1, unit(1))])
        generation = await vector_store.stage()
        await vector_store.upsert([profile(2, unit(1))], generation=generation)
        await vector_store.upsert([tool(2, unit(1))], generation=generation)
        await vector_store.publish(generation)
        assert await vector_store.profile(1) is None
        assert await vector_store.profile(2) is not None
        assert [key for key, _ in await vector_store.nearest_tools(unit(1), 9)] == ["t2"]

    async def test_searches_go_on_while_a_generation_is_published(self, vector_store: Any):
        await vector_store.upsert([project(1, unit(1))])
        generation = await vector_store.stage()
        await vector_store.upsert([project(2, unit(1))], generation=generation)
        seen = [await found(vector_store)]
        assert seen == [[1]]

        async def search() -> None:
            while seen[-1] != [2]:
                seen.append(await found(vector_store))

        await asyncio.gather(search(), search(), vector_store.publish(generation))
        assert all(one in ([1], [2]) for one in seen)

    async def test_a_discarded_generation_is_gone(self, vector_store: Any):
        await vector_store.upsert([project(1, unit(1))])
        generation = await vector_store.stage()
        await vector_store.discard(generation)
        assert await vector_store.staged() is None
        assert await found(vector_store) == [1]
        with pytest.raises(StoreUnavailable):
            await vector_store.publish(generation)

    async def test_staging_again_starts_empty(self, vector_store: Any):
        first = await vector_store.stage()
        await vector_store.upsert([project(1, unit(1))], generation=first)
        second = await vector_store.stage()
        assert await vector_store.listing("Project", None, 10, second) == []
        assert await vector_store.staged() == second

    async def test_a_store_prepared_anew_finds_the_generation_in_service(self, vector_store: Any):
        generation = await vector_store.stage()
        await vector_store.upsert([project(2, unit(1))], generation=generation)
        await vector_store.publish(generation)
        await vector_store.prepare("test-model", DIMENSION)
        assert await found(vector_store) == [2]


async def found(store: Any, objects: Sequence[int] = ()) -> list[int]:
    hits = await store.near(unit(1), 9, VectorFilter(created_after=EPOCH))
    return [id_ for id_ in hits.ids.tolist() if id_ not in objects]
