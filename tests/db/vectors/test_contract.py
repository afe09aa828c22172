"""Contract of every vector store: nearest projects, filters, writes."""

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.vectors.base import PROFILE, PROJECT, TOOL, Hits, ProjectDocument, Vector, VectorFilter, VectorStore
from tests.db.vectors.conftest import DIMENSION, MakeStore
from tests.db.vectors.objects import EPOCH, profile, project, tool, unit

EVERYTHING = VectorFilter()


def ids(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


class TestVectorStore:
    async def test_the_nearest_comes_first_with_its_cosine(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(0, 1)), project(2, unit(1)), project(3, unit(1, 1))])
        hits = await vector_store.near(unit(1), 2, EVERYTHING)
        assert hits.ids.tolist() == [2, 3]
        assert hits.scores.tolist() == pytest.approx([1.0, 0.5**0.5], abs=1e-5)

    async def test_equal_scores_are_ordered_by_id(self, vector_store: VectorStore):
        await vector_store.upsert([project(id_, unit(1, 2)) for id_ in (9, 4, 7, 1, 8)])
        hits = await vector_store.near(unit(1), 3, EVERYTHING)
        assert hits.ids.tolist() == [1, 4, 7]

    async def test_an_empty_index_gives_no_hits(self, vector_store: VectorStore):
        assert (await vector_store.near(unit(1), 5, EVERYTHING)).ids.tolist() == []

    async def test_nothing_is_near_to_a_vector_of_zeros(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(1))])
        assert (await vector_store.near(np.zeros(DIMENSION, np.float32), 5, EVERYTHING)).ids.tolist() == []

    async def test_the_length_of_a_vector_does_not_count(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(3, 4) * np.float32(5)), project(2, unit(1) / np.float32(9))])
        hits = await vector_store.near(unit(1) * np.float32(7), 2, EVERYTHING)
        assert hits.ids.tolist() == [2, 1]
        assert hits.scores.tolist() == pytest.approx([1.0, 0.6], abs=1e-5)

    async def test_writing_twice_changes_nothing(self, vector_store: VectorStore):
        objects = [project(1, unit(1)), project(2, unit(0, 1))]
        await vector_store.upsert(objects)
        await vector_store.upsert(objects)
        assert (await vector_store.near(unit(1), 9, EVERYTHING)).ids.tolist() == [1, 2]
        assert (await vector_store.counts())["Project"] == 2

    async def test_a_later_write_replaces_an_earlier_one(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(1), type_="article"), project(2, unit(1, 1))])
        await vector_store.near(unit(1), 9, EVERYTHING)
        await vector_store.upsert([project(1, unit(0, 1), type_="prompt")])
        assert (await vector_store.near(unit(1), 9, EVERYTHING)).ids.tolist() == [2, 1]
        only_prompts = VectorFilter(types=frozenset({"prompt"}))
        assert (await vector_store.near(unit(1), 9, only_prompts)).ids.tolist() == [1]

    async def test_a_project_made_anew_under_its_key_replaces_the_old_one(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(1), key="same")])
        await vector_store.near(unit(1), 9, EVERYTHING)
        await vector_store.upsert([project(2, unit(1), key="same")])
        assert (await vector_store.near(unit(1), 9, EVERYTHING)).ids.tolist() == [2]

    async def test_what_was_removed_is_not_found(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(1)), project(2, unit(1))])
        await vector_store.near(unit(1), 9, EVERYTHING)
        await vector_store.remove(PROJECT, ["p1", "never heard of"])
        assert (await vector_store.near(unit(1), 9, EVERYTHING)).ids.tolist() == [2]

    async def test_what_was_removed_can_come_back(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(1))])
        await vector_store.remove(PROJECT, ["p1"])
        await vector_store.near(unit(1), 9, EVERYTHING)
        await vector_store.upsert([project(1, unit(1))])
        assert (await vector_store.near(unit(1), 9, EVERYTHING)).ids.tolist() == [1]

    async def test_each_filter_holds(self, vector_store: VectorStore):
        await vector_store.upsert(
            [
                project(1, unit(1), owner=10, type_="article", terms=[1, 2], day=0),
                project(2, unit(1), owner=11, type_="prompt", terms=[2, 3], day=1),
                project(3, unit(1), owner=None, type_="prompt", terms=[], day=2),
            ]
        )

        async def found(where: VectorFilter) -> list[int]:
            return (await vector_store.near(unit(1), 9, where)).ids.tolist()

        assert await found(VectorFilter(exclude_owner=10)) == [2, 3]
        assert await found(VectorFilter(exclude_ids=frozenset({2, 99}))) == [1, 3]
        assert await found(VectorFilter(types=frozenset({"prompt", "unheard"}))) == [2, 3]
        assert await found(VectorFilter(types=frozenset({"unheard"}))) == []
        assert await found(VectorFilter(any_terms=(frozenset({1, 3}),))) == [1, 2]
        assert await found(VectorFilter(any_terms=(frozenset({1, 3}), frozenset({3})))) == [2]
        assert await found(VectorFilter(any_terms=(frozenset(),))) == []
        assert await found(VectorFilter(created_after=EPOCH + timedelta(days=1))) == [2, 3]
        assert await found(VectorFilter(created_after=EPOCH + timedelta(days=1, microseconds=1))) == [3]
        assert await found(VectorFilter(created_before=EPOCH + timedelta(days=1))) == [1]
        assert await found(VectorFilter(created_before=EPOCH + timedelta(days=1, microseconds=1))) == [1, 2]
        assert await found(VectorFilter(owner=10)) == [1]
        assert await found(VectorFilter(owner=10, exclude_owner=10)) == []

    async def test_similarities_keep_the_order_asked_for_and_say_what_is_missing(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(1)), project(2, unit(3, 4))])
        values = await vector_store.similarities(unit(1), ids(2, 77, 1))
        assert values.tolist() == pytest.approx([0.6, np.nan, 1.0], nan_ok=True, abs=1e-5)
        assert (await vector_store.similarities(unit(1), ids())).shape == (0,)

    async def test_vectors_of_projects_come_with_the_ids_that_are_known(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(1)), project(2, unit(3, 4))])
        known, vectors = await vector_store.project_vectors(ids(2, 77, 1))
        assert known.tolist() == [2, 1]
        assert np.allclose(vectors, [unit(3, 4), unit(1)])

    async def test_a_profile_is_kept_replaced_and_removed(self, vector_store: VectorStore):
        await vector_store.upsert([profile(5, unit(1)), profile(6, unit(0, 1))])
        await vector_store.upsert([profile(5, unit(1, 1))])
        assert np.allclose(await vector_store.profile(5), unit(1, 1))
        await vector_store.remove(PROFILE, ["5", "99"])
        assert await vector_store.profile(5) is None
        assert await vector_store.profile(6) is not None

    async def test_collections_are_counted(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(1))])
        await vector_store.upsert([profile(1, unit(1)), profile(2, unit(1))])
        await vector_store.upsert([tool(id_, unit(1)) for id_ in (1, 2, 3)])
        await vector_store.remove(TOOL, ["t2", "unheard"])
        assert await vector_store.counts() == {"Project": 1, "UserProfile": 2, "Tool": 2}

    @pytest.mark.parametrize("vector", [np.full(DIMENSION, np.nan, np.float32), np.ones(DIMENSION + 1, np.float32)])
    async def test_a_vector_that_does_not_fit_is_rejected_and_the_others_are_written(
        self, vector_store: VectorStore, vector: Vector
    ):
        rejected = await vector_store.upsert([project(1, unit(1)), project(2, vector)])
        assert rejected == {"p2": f"its vector of shape {vector.shape} is not 8 finite numbers"}
        assert await vector_store.upsert([project(3, vector)]) == {"p3": rejected["p2"]}
        assert (await vector_store.counts())["Project"] == 1

    async def test_a_space_of_another_model_starts_empty_and_leaves_the_old_one(self, vector_store: VectorStore):
        await vector_store.upsert([project(1, unit(1))])
        await vector_store.prepare("another-model", 4)
        assert (await vector_store.near(unit(1, dimension=4), 9, EVERYTHING)).ids.tolist() == []
        await vector_store.upsert([project(2, unit(1, dimension=4))])
        await vector_store.prepare("test-model", DIMENSION)
        assert (await vector_store.near(unit(1), 9, EVERYTHING)).ids.tolist() == [1]


components = st.lists(st.integers(-3, 3), min_size=DIMENSION, max_size=DIMENSION)
vectors = components.map(lambda values: np.array(values, np.float32))
projects = st.builds(
    lambda id_, vector, owner, type_, terms, day: project(
        id_, vector, owner=owner, type_=type_, terms=sorted(terms), day=day
    ),
    st.integers(1, 40),
    vectors,
    st.none() | st.integers(1, 3),
    st.sampled_from(["article", "prompt", "repo"]),
    st.sets(st.integers(1, 6), max_size=4),
    st.integers(0, 5),
)
filters = st.builds(
    VectorFilter,
    exclude_owner=st.none() | st.integers(1, 3),
    exclude_ids=st.frozensets(st.integers(1, 45), max_size=10),
    types=st.frozensets(st.sampled_from(["article", "prompt", "unheard"]), max_size=2),
    any_terms=st.lists(st.frozensets(st.integers(1, 7), min_size=1, max_size=3), max_size=2).map(tuple),
    created_after=st.none() | st.integers(0, 6).map(lambda day: EPOCH + timedelta(days=day)),
    created_before=st.none() | st.integers(0, 6).map(lambda day: EPOCH + timedelta(days=day)),
    owner=st.none() | st.integers(1, 3),
)
removals = st.sets(st.integers(1, 45)).map(lambda gone: [f"p{id_}" for id_ in sorted(gone)])
steps = st.lists(st.lists(projects, max_size=15, unique_by=lambda item: item.id) | removals, max_size=6)


def passes(item: ProjectDocument, where: VectorFilter) -> bool:
    return (
        (where.exclude_owner is None or item.owner_id != where.exclude_owner)
        and item.id not in where.exclude_ids
        and (not where.types or item.type in where.types)
        and all(group & set(item.term_ids) for group in where.any_terms)
        and (where.created_after is None or item.created_at >= where.created_after)
        and (where.created_before is None or item.created_at < where.created_before)
        and (where.owner is None or item.owner_id == where.owner)
    )


def brute_force(held: dict[int, ProjectDocument], vector: Vector, limit: int, where: VectorFilter) -> Hits:
    """Search by brute force, in double precision."""
    scored = []
    for item in held.values():
        lengths = np.linalg.norm(item.vector.astype(float)) * np.linalg.norm(vector.astype(float))
        cosine = float(item.vector.astype(float) @ vector.astype(float)) / lengths if lengths else 0.0
        if passes(item, where):
            scored.append((-round(cosine, 5), item.id))
    best = sorted(scored)[:limit] if vector.any() else []
    return Hits(np.array([id_ for _, id_ in best], np.int64), np.array([-score for score, _ in best], np.float32))


class TestSearchLaws:
    @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(steps=steps, vector=vectors, limit=st.integers(0, 45), where=filters)
    async def test_near_finds_what_brute_force_finds_after_any_history(
        self, make_store: MakeStore, steps: list, vector: Vector, limit: int, where: VectorFilter
    ):
        store = await make_store()
        held: dict[int, ProjectDocument] = {}
        for step in steps:
            if step and isinstance(step[0], str):
                await store.remove(PROJECT, step)
                held = {id_: item for id_, item in held.items() if item.key not in step}
            else:
                await store.upsert(step)
                held |= {item.id: item for item in step}
            await store.near(vector, 1, EVERYTHING)  # so that the matrix grows step by step
        expected = brute_force(held, vector, limit, where)
        hits = await store.near(vector, limit, where)
        assert hits.ids.tolist() == expected.ids.tolist()
        assert np.allclose(hits.scores, expected.scores, atol=2e-5)
