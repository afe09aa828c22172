"""One word per concept: replaced words stay out of names, docstrings, comments and documents."""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("gateway", "resolvers", "scoring", "db")

NAMES = {
    "asker": "caller",
    "behaviour": "behavior",
    "catalogue": "catalog",
    "circle": "cluster",
    "circles": "clusters",
    "comer": "actor",
    "comers": "actors",
    "coming": "engagement",
    "comings": "engagements",
    "crowd": "network cap",
    "crowds": "network cap",
    "deed": "interaction",
    "deeds": "interactions",
    "fellow": "user neighbor",
    "fellows": "user neighbors",
    "kinship": "neighbor kind",
    "mailbox": "notification queue",
    "neighbour": "neighbor",
    "neighbours": "neighbors",
    "pulse": "decayed counters",
    "pulses": "decayed counters",
    "quiz": "onboarding",
    "shadow": "index document or projection",
    "shadows": "index documents or projections",
    "synchronisation": "synchronization",
    "synchroniser": "synchronizer",
    "touched": "engaged",
    "touches": "engagements",
    "truth": "database",
    "visitors": "callers or actors",
}
"""Words that no identifier has as a part, and what to write instead."""

PROPER_NAMES = {"from_quiz", "QUIZ", "quiz", "visitors"}
"""Names of stored rows and libraries: the interest source and viewer stage QUIZ, `sqlalchemy.sql.visitors`."""

PHRASES = {
    r"the truth": "the database",
    r"the original design": "the specification",
    r"the night": "nightly training",
    r"the plan('s)?": "the baseline, or the specification",
    r"what serves": "the active model",
    r"passed by": "shown but not opened",
    r"mend(s|ed|ing)?": "fix, repair or correct",
    r"deeds?": "interactions",
    r"touch(es|ed)": "engagements, engaged with",
    r"fellows?": "user neighbors",
    r"kinship": "neighbor lists",
    r"shadows?": "projections or index documents",
    r"pulses?": "decayed counters",
    r"mailbox(es)?": "notification queue",
    r"busy (hours?|clock)": "active hours",
    r"(neighbour|behaviour|catalogue|colour|favourite|honour)\w*": "American spelling",
    r"\w*(synchron|normal|personal|recogn|initial|random|serial|organ|author)is(e|ing|ation)\w*": "American spelling",
}
"""Phrases that no docstring, comment or document has, and what to write instead."""

QUESTION_WORDS = ("What", "Who", "Whose", "Whom", "How", "Where", "When", "Why", "Which")
"""A docstring names the thing; it does not begin with one of these."""

PATTERNS = {re.compile(rf"\b({phrase})\b", re.IGNORECASE): instead for phrase, instead in PHRASES.items()}
PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")


def _tracked(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [
        ROOT / name for name in listed.splitlines() if "/migrations/versions/" not in name and (ROOT / name).exists()
    ]


def _sources() -> list[Path]:
    return _tracked(*(f"{layer}/*.py" for layer in LAYERS))


def _documents() -> list[Path]:
    return _tracked("*.md")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _docstrings(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.lineno, node.value.value


def _prose(path: Path) -> Iterator[tuple[int, str]]:
    if path.suffix != ".py":
        yield from enumerate(path.read_text().splitlines(), 1)
        return
    yield from _docstrings(path)
    for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _identifiers(path: Path) -> set[tuple[str, int]]:
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return {(token.string, token.start[0]) for token in tokens if token.type == tokenize.NAME}


def test_identifiers_use_the_words_of_the_glossary() -> None:
    found = [
        f"{_name(path)}:{line}: {name} (use: {NAMES[part.lower()]})"
        for path in _sources()
        for name, line in sorted(_identifiers(path), key=lambda one: one[1])
        for part in PART.findall(name)
        if part.lower() in NAMES and name not in PROPER_NAMES
    ]
    assert found == []


@pytest.mark.parametrize("files", [_sources, _documents], ids=["code", "documents"])
def test_prose_uses_the_words_of_the_glossary(files) -> None:
    found = [
        f"{_name(path)}:{line}: {match[0]} (use: {instead})"
        for path in files()
        for line, text in _prose(path)
        for pattern, instead in PATTERNS.items()
        for match in pattern.finditer(re.sub(r"`[^`\n]*`|https?://\S+", "", text))
    ]
    assert found == []


def test_docstrings_name_the_thing() -> None:
    found = [
        f"{_name(path)}:{line}: {text.strip().splitlines()[0]}"
        for path in _sources()
        for line, text in _docstrings(path)
        if text.strip().split(maxsplit=1)[:1] and text.strip().split(maxsplit=1)[0].rstrip(",.:") in QUESTION_WORDS
    ]
    assert found == []


def test_the_rules_find_what_they_forbid() -> None:
    assert PART.findall("AskerOf_deeds") == ["Asker", "Of", "deeds"]
    assert [pattern for pattern in PATTERNS if pattern.search("Mended by the truth at the night.")]
