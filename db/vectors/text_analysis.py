"""Text analysis: splitting and stemming of texts and queries, the same for both engines.

Both engines index the same stems and score them by the same formula over one text for each project, so that they find
the same projects. With their built-in analysis the results differ: Weaviate's BM25F over six properties reached half of
the reciprocal rank of the embedded index on the same queries (bench/README.md, "Search").
"""
# ruff: noqa: SIM905 (a list of 33 words takes 33 lines)

import re
import unicodedata
from functools import lru_cache

from snowballstemmer import stemmer  # type: ignore[import-untyped]

from db.vectors.base import ProjectDocument

ANALYSIS_VERSION = 1
"""Version of the analysis. Raise it with every change here: documents of another version are indexed again."""

BM25_K1, BM25_B = 1.2, 0.75
"""BM25 parameters k1 and b of both engines: Weaviate's defaults."""

STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
    "this to was will with".split()
)
"""The stop words of Weaviate's English preset."""

MAX_QUERY_WORDS = 64
"""Maximum number of distinct words of a query; further words are ignored."""

MAX_TERM_LENGTH = 64
"""Maximum characters of a word, so that a text without spaces does not become one huge term."""

CACHED_STEMS = 65_536
"""Maximum number of cached stems. Stemming takes 20 us, a cache hit 0.1 us."""

_WORD = re.compile(r"[^\W_]+")


def query_words(query: str) -> list[str]:
    """Return the distinct words of a query in order, in lower case and without stop words."""
    words = dict.fromkeys(word for word in _words(query) if word not in STOP_WORDS)
    return list(words)[:MAX_QUERY_WORDS]


def query_terms(query: str) -> list[str]:
    """Return the distinct stems of a query, in the order of its words."""
    return list(dict.fromkeys(term for word in query_words(query) if (term := stem_of(word))))


def matched_words(query: str, text: str) -> list[str]:
    """Return the words of a query that occur in a text, compared by stem."""
    stems = {stem_of(word) for word in _words(text)}
    return [word for word in query_words(query) if stem_of(word) in stems]


def search_terms_of(project: ProjectDocument) -> str:
    """Return the stems of a project's texts, repetitions included.

    `combined_text` contains every text once, so the title counts three times, and the description and term names twice.
    """
    names = " ".join((*project.tool_names, *project.category_names, *project.topics))
    text = f"{project.combined_text} {project.title} {project.title} {project.description} {names}"
    return " ".join(term for word in _words(text) if word not in STOP_WORDS and (term := stem_of(word)))


@lru_cache(maxsize=CACHED_STEMS)
def stem_of(word: str) -> str:
    """Remove accents from a word and return its stem (Snowball's English stemmer).

    Returns an empty text if the stem is a stop word, because Weaviate ignores stop words.

    >>> [stem_of(word) for word in ("parsing", "parsed", "parses", "cafés", "ins")]
    ['pars', 'pars', 'pars', 'cafe', '']
    """
    plain = word[:MAX_TERM_LENGTH]
    if not plain.isascii():
        decomposed = unicodedata.normalize("NFD", plain)
        plain = unicodedata.normalize(
            "NFC", "".join(character for character in decomposed if not unicodedata.combining(character))
        )
    # A new stemmer for each call: a stemmer has state and is not thread-safe.
    term: str = stemmer("english").stemWord(plain)
    return "" if term in STOP_WORDS else term


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())
