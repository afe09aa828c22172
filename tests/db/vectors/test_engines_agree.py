"""Both engines find the same projects: they score the same terms by the same formula."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from db.vectors.base import ProjectDocument, Vector, VectorFilter
from db.vectors.embedded import EmbeddedVectorStore
from tests.db.vectors.conftest import DIMENSION, MODEL, MakeWeaviateStore
from tests.db.vectors.objects import project

SIZE, VOCABULARY, COMMON = 400, 1_500, 30
"""Words are drawn with probability 1 / (rank + COMMON), like a language without its stop words."""


def vocabulary(generator: np.random.Generator) -> tuple[list[str], Vector]:
    """Make words that no stemmer changes, and the frequency of each."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprtvz" for vowel in "aou"]
    words = dict.fromkeys("".join(generator.choice(syllables, 4)) + "k" for _ in range(2 * VOCABULARY))
    chances = 1 / (np.arange(VOCABULARY) + COMMON)
    return list(words)[:VOCABULARY], chances / chances.sum()


def corpus() -> list[ProjectDocument]:
    """Make projects of words with realistic frequencies."""
    generator = np.random.default_rng(7)
    words, chances = vocabulary(generator)

    def some(least: int, most: int) -> tuple[str, ...]:
        count = generator.integers(least, most + 1)
        return tuple(generator.choice(words, count, p=chances).tolist())

    made = []
    for id_ in range(1, SIZE + 1):
        title, description, tools, topics = " ".join(some(2, 5)), " ".join(some(4, 25)), some(0, 2), some(0, 3)
        base = project(id_, generator.standard_normal(DIMENSION).astype(np.float32))
        combined = " ".join(filter(None, (title, description, " ".join(topics), ", ".join(tools))))
        made.append(
            replace(
                base,
                title=title,
                description=description,
                combined_text=combined,
                tool_names=tools,
                category_names=(),
                topics=topics,
            )
        )
    return made


def shared(ours: Sequence[int], theirs: Sequence[int]) -> int:
    return len(set(ours) & set(theirs))


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 0.7, 0.9])
async def test_the_first_ten_of_both_engines_share_nine(
    tmp_path: Path, make_weaviate_store: MakeWeaviateStore, alpha: float
):
    embedded, weaviate = EmbeddedVectorStore(tmp_path / "vectors.sqlite"), make_weaviate_store()
    generator = np.random.default_rng(8)
    agreements, objects = [], corpus()
    try:
        for store in (embedded, weaviate):
            await store.prepare(MODEL, DIMENSION)
            await store.upsert(objects)
        for _ in range(20):
            query = " ".join(generator.choice(objects[generator.integers(SIZE)].description.split(), 3))
            vector = generator.standard_normal(DIMENSION).astype(np.float32)
            found = [await store.hybrid(query, vector, alpha, 10, VectorFilter()) for store in (embedded, weaviate)]
            agreements.append(shared(found[0].ids.tolist(), found[1].ids.tolist()))
    finally:
        await embedded.close()
        await weaviate.close()
    assert np.mean(agreements) >= 9, agreements
