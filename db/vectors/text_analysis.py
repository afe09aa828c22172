"""Words as the index knows them: what a text becomes before either engine sees it, and a query with it.

Both engines are given the same stems and score them by the same formula over one text a project, so that they find the
same. Left to themselves they split, stem and weigh each in a way of its own: Weaviate's BM25F over six properties
reached half of the embedded index's reciprocal rank on the same queries (bench/README.md, "Search").
"""
# ruff: noqa: SIM905 (a list of 33 words takes 33 lines)

import re
import unicodedata
from functools import lru_cache

from snowballstemmer import stemmer  # type: ignore[import-untyped]

from db.vectors.base import ProjectDocument

ANALYSIS = 1
"""To be raised with every change here: what was indexed by another analysis counts as stale, and is written anew."""

STOP_WORDS = frozenset(
    "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
    "this to was will with".split()
)
"""Weaviate's English preset."""

MAX_WORDS = 64
"""Different words of a query that are looked for; the rest of a long one is left out."""

LONGEST_TERM = 64
"""Letters of a word that count: nobody types more, and a text without spaces must not become one huge term."""

KNOWN_TERMS = 65_536
"""Words whose terms are remembered: to stem one takes 20 us, to remember it 0.1."""

_WORD = re.compile(r"[^\W_]+")


def query_words(query: str) -> list[str]:
    """Give the different words of a query in their order and in lower case, without stop words."""
    words = dict.fromkeys(word for word in _words(query) if word not in STOP_WORDS)
    return list(words)[:MAX_WORDS]


def query_terms(query: str) -> list[str]:
    """Give the different terms of a query, in the order of its words."""
    return list(dict.fromkeys(term for word in query_words(query) if (term := stem_of(word))))


def matched_words(query: str, text: str) -> list[str]:
    """Give the words of a query that a text holds, endings aside."""
    held = {stem_of(word) for word in _words(text)}
    return [word for word in query_words(query) if stem_of(word) in held]


def search_terms_of(project: ProjectDocument) -> str:
    """Give the terms that a project is found by, repeats and all.

    Its combined text holds everything once; the title counts three times, the description and the names of terms twice.
    """
    names = " ".join((*project.tool_names, *project.category_names, *project.topics))
    text = f"{project.combined_text} {project.title} {project.title} {project.description} {names}"
    return " ".join(term for word in _words(text) if word not in STOP_WORDS and (term := stem_of(word)))


@lru_cache(maxsize=KNOWN_TERMS)
def stem_of(word: str) -> str:
    """Cut a word to what its forms have in common: no accents, no English ending (Snowball's second Porter stemmer).

    Empty for a word that comes out as a stop word, which Weaviate would not look for.

    >>> [term_of(word) for word in ("parsing", "parsed", "parses", "cafés", "ins")]
    ['pars', 'pars', 'pars', 'cafe', '']
    """
    plain = word[:LONGEST_TERM]
    if not plain.isascii():
        marked = unicodedata.normalize("NFD", plain)
        plain = unicodedata.normalize("NFC", "".join(sign for sign in marked if not unicodedata.combining(sign)))
    # A stemmer has a state and is not to be shared by threads.
    term: str = stemmer("english").stemWord(plain)
    return "" if term in STOP_WORDS else term


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())
