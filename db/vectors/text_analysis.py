"""Text analysis: splitting, folding and stemming of texts and queries, the same for both engines and for SQL.

Both engines index the same terms and score them by the same formula over one text for each project, so that they find
the same projects. With their built-in analysis the results differ: Weaviate's BM25F over six properties reached half of
the reciprocal rank of the embedded index on the same queries (bench/README.md, "Search").

A word is a run of letters and digits with their combining marks. In scripts that are written without spaces, the words
are the pairs of neighboring characters. Each other symbol, such as an emoji, is a word of its own.
"""
# ruff: noqa: SIM905 (a list of 33 words takes 33 lines)

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise

import regex  # type: ignore[import-untyped]
from snowballstemmer import stemmer  # type: ignore[import-untyped]

from db.vectors.base import ProjectDocument

ANALYSIS_VERSION = 2
"""Version of the analysis. Raise it with every change here: an index of another version is filled again. A change of
`fold` also needs a migration that empties the folded texts, which `db.catalog.search_texts` fills."""

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

_UNSPACED = r"\p{Line_Break=SA}\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{Hangul}"
"""Scripts without spaces between words, such as Thai (line break class SA) and Chinese. Korean has spaces, but endings
that no stemmer here removes."""

_UNSPACED_LETTER = regex.compile(rf"(?V1)[[{_UNSPACED}]&&[\p{{L}}\p{{N}}]]")
_LETTER = regex.compile(r"[\p{L}\p{N}\p{M}]")
_SYMBOL = regex.compile(r"[\p{So}\p{Extended_Pictographic}]")
_IGNORED = regex.compile(r"[\p{Default_Ignorable_Code_Point}\u0640]")
"""Characters without a meaning for search: soft hyphens, joiners, variation selectors, and Arabic's elongation."""

_ACCENTS = regex.compile(
    r"(?V1)[[\p{M}&&[\p{sc=Inherited}\p{Hebrew}\p{Arabic}\p{Cyrillic}]]--[\u3099\u309A]]|" + _IGNORED.pattern
)
"""Accents and vowel points, which many texts leave out, and ignored characters. The marks of other scripts are letters
(Hindi, Thai), and those of kana make other letters."""

_PLAIN_LETTERS = dict(zip("ıđłøħ", "idloh", strict=True))
"""Letters with a stroke, and the dotless i, which no normalization decomposes."""

_UNSPACED_MARK = "\0"
_UNSPACED_RUN = re.compile(r"((?:\0.[^\w\0]*)+)|[^\0]+")  # \w contains no combining marks


class _CharacterTable(dict[int, str]):
    """Table for `str.translate` that computes the replacement of a character when it is first used."""

    def __init__(self, replacement_of: Callable[[str], str]) -> None:
        self._replacement_of = replacement_of

    def __missing__(self, code: int) -> str:
        replacement = self._replacement_of(chr(code))
        if unicodedata.category(chr(code))[0] != "C":  # bounds the table to the 160,000 assigned characters
            self[code] = replacement
        return replacement


def _separated(character: str) -> str:
    """Mark a letter of an unspaced script, set spaces around a symbol, and replace what is in no word by a space."""
    if _IGNORED.match(character):
        return ""
    if _UNSPACED_LETTER.match(character):
        return _UNSPACED_MARK + character
    if _LETTER.match(character):
        return character
    return f" {character} " if _SYMBOL.match(character) else " "


def _without_accent(character: str) -> str:
    return "" if _ACCENTS.match(character) else _PLAIN_LETTERS.get(character, character)


_SEPARATORS = _CharacterTable(_separated)
_UNACCENTED = _CharacterTable(_without_accent)


def fold(text: str) -> str:
    """Return a text in the form that keyword search compares: NFKC, full case folding, without accents.

    >>> [fold(text) for text in ("Überblick", "ЁЛКА", "ΟΔΥΣΣΕΥΣ", "İstanbul", "ＡＢＣ", "शान्ति")]
    ['uberblick', 'елка', 'οδυσσευσ', 'istanbul', 'abc', 'शान्ति']
    """
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKD", _normal(text)).translate(_UNACCENTED))


def query_words(query: str) -> list[str]:
    """Return the distinct words of a query in order, in lower case and without stop words."""
    words = dict.fromkeys(word for word in _words(query) if word not in STOP_WORDS)
    return list(words)[:MAX_QUERY_WORDS]


def query_terms(query: str) -> list[str]:
    """Return the distinct stems of a query, in the order of its words."""
    return list(dict.fromkeys(term for word in query_words(query) if (term := stem_of(word))))


def matched_words(query: str, text: str) -> list[str]:
    """Return the words of a query that occur in a text, compared by stem."""
    stems = {stem_of(word) for word in _words(text, single_letters=True)}
    return [word for word in query_words(query) if stem_of(word) in stems]


def join_pairs(words: Sequence[str]) -> list[str]:
    """Join consecutive pairs of letters of unspaced scripts into the text that they come from, for people.

    >>> join_pairs(["语言", "言模", "模型", "rust"])
    ['语言模型', 'rust']
    """
    joined: list[str] = []
    was_pair = False
    for word in words:
        letters = word.translate(_SEPARATORS).split(_UNSPACED_MARK)[1:]
        if was_pair and letters and joined[-1].endswith(letters[0]):
            joined[-1] += "".join(letters[1:])
        else:
            joined.append(word)
        was_pair = len(letters) > 1
    return joined


def search_terms_of(project: ProjectDocument) -> str:
    """Return the stems of a project's texts, repetitions included.

    `combined_text` contains every text once, so the title counts three times, and the description and term names twice.
    """
    names = " ".join((*project.tool_names, *project.category_names, *project.topics))
    text = f"{project.combined_text} {project.title} {project.title} {project.description} {names}"
    return " ".join(
        term for word in _words(text, single_letters=True) if word not in STOP_WORDS and (term := stem_of(word))
    )


@lru_cache(maxsize=CACHED_STEMS)
def stem_of(word: str) -> str:
    """Fold a word and return its stem (Snowball's English stemmer).

    Returns an empty text if the stem is a stop word, because Weaviate ignores stop words.

    >>> [stem_of(word) for word in ("parsing", "parsed", "parses", "cafés", "ins")]
    ['pars', 'pars', 'pars', 'cafe', '']
    """
    term = fold(word[:MAX_TERM_LENGTH])
    if term.isascii():
        # A new stemmer for each call: a stemmer has state and is not thread-safe.
        term = stemmer("english").stemWord(term)
    return "" if term in STOP_WORDS else term


def _normal(text: str) -> str:
    """Return a text in Unicode's NFKC, with full case folding."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def _words(text: str, *, single_letters: bool = False) -> Iterator[str]:
    """Yield the words of a text, case-folded, with accents.

    `single_letters` adds the single letters of unspaced scripts, so that a query of one letter finds longer runs.
    """
    normal = text.lower() if text.isascii() else _normal(text)
    for part in normal.translate(_SEPARATORS).split():
        if _UNSPACED_MARK not in part:
            yield part
            continue
        for run in _UNSPACED_RUN.finditer(part):
            if run[1] is None:
                yield run[0]
                continue
            letters = run[0].split(_UNSPACED_MARK)[1:]
            if single_letters or len(letters) == 1:
                yield from letters
            yield from (first + second for first, second in pairwise(letters))
