"""BM25F as Weaviate's block-max search scores it: each property by itself, with one idf a term for all of them.

For a term t in a property p of a document d, with f its count, l the property's tokens and L their mean:

    score = sum over p of boost(p) x sum over t of repeats(t) x idf(t) x f / (f + k1 x (1 - b + b x l / L))
    idf(t) = ln(1 + (N - n + 0.5) / (n + 0.5))

n is the number of documents with t in p, averaged (rounded down) over the properties that have t at all, and L is the
mean over documents averaged over the searched properties; both are counted over the whole collection, filter or not.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

BM25_K1, BM25_B = 1.2, 0.75
STOP_WORDS = frozenset(
    word
    for line in (
        "a an and are as at be but by for if in into is it no not of on or such",
        "that the their then there these they this to was will with",
    )
    for word in line.split()
)

Text = str | list[str]


@dataclass(frozen=True, slots=True)
class SearchedProperty:
    """A property of a keyword search: `title^2` counts twice."""

    name: str
    boost: int = 1

    @classmethod
    def parse(cls, text: str) -> "SearchedProperty":
        """Read ``title^2``."""
        name, _, boost = text.partition("^")
        return cls(name, int(boost) if boost else 1)


def words(text: Text, tokenization: str = "word") -> list[str]:
    """Split as a tokenization does; `word`: lower case, letters and digits only; `whitespace`: at spaces."""
    texts = [text] if isinstance(text, str) else text
    if tokenization == "whitespace":
        return [word for one in texts for word in one.split()]
    return [word for one in texts for word in re.findall(r"[^\W_]+", one.lower())]


def bm25f(
    documents: Mapping[str, Mapping[str, Text]],
    query: str,
    properties: Iterable[SearchedProperty],
    in_list: set[str] | None = None,
    tokenization: str = "word",
) -> dict[str, float]:
    """Score the documents that hold a word of the query; `in_list` is the filter's allow-list."""
    searched = list(properties)
    repeats = {word: count for word, count in Counter(words(query, tokenization)).items() if word not in STOP_WORDS}
    counts = {
        one.name: {key: _counted(document.get(one.name), tokenization) for key, document in documents.items()}
        for one in searched
    }
    mean = sum(_mean_length(counts[one.name]) for one in searched) / len(searched)
    idfs = {word: _idf(word, counts, len(documents)) for word in repeats}
    scores: dict[str, float] = {}
    for one in searched:
        for key, of_document in counts[one.name].items():
            if in_list is not None and key not in in_list:
                continue
            length = of_document.total()
            for word, repeat in repeats.items():
                if count := of_document[word]:
                    part = count / (count + BM25_K1 * (1 - BM25_B + BM25_B * length / mean))
                    scores[key] = scores.get(key, 0.0) + one.boost * repeat * idfs[word] * part
    return scores


def _counted(text: Text | None, tokenization: str) -> Counter[str]:
    return _counted_once(tuple(text) if isinstance(text, list) else (text or "",), tokenization)


@lru_cache(maxsize=200_000)
def _counted_once(texts: tuple[str, ...], tokenization: str) -> Counter[str]:
    return Counter(words(list(texts), tokenization))


def _mean_length(counts: Mapping[str, Counter[str]]) -> float:
    lengths = [count.total() for count in counts.values() if count]
    return sum(lengths) / len(lengths) if lengths else 0.0


def _idf(word: str, counts: Mapping[str, Mapping[str, Counter[str]]], documents: int) -> float:
    holding = [sum(word in count for count in of_property.values()) for of_property in counts.values()]
    holding = [count for count in holding if count]
    if not holding:
        return 0.0
    mean = sum(holding) // len(holding)
    return math.log(1 + (documents - mean + 0.5) / (mean + 0.5))
