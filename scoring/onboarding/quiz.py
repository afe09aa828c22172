"""The quiz that the catalogue makes of itself: it asks for the tools and categories that tell this audience apart.

It is made anew each night, and written only if the best options gain at least a tenth more than those that are asked:
a question that changes every day cannot be learned from. Questions that the platform has sent are never touched.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from db.engine import Database
from db.models import QuestionType, TermKind
from db.quiz.audiences import LikeTable, OfferedTerm, coverage, latest_likes, offered_terms
from db.quiz.questions import Question, all_questions, replace_automatic
from db.quiz.quiz_records import OptionRecord, QuestionRecord
from scoring import weights
from scoring.onboarding.question_options import (
    Bits,
    Gain,
    audience,
    carried,
    choose,
    covered,
    tastes,
    told_apart,
    worth,
)
from scoring.onboarding.quiz_texts import EXPERIENCES, QUESTIONS, USE_CASES, Offered, free_option, question_translations
from scoring.signals import Integers

_PICKED = {
    TermKind.TOOL: ("tools", QuestionType.TOOL_SELECT),
    TermKind.CATEGORY: ("categories", QuestionType.CATEGORY_SELECT),
}
"""The key and type of the question that asks for each kind of term."""


async def refresh_quiz(database: Database) -> int:
    """Make the questions that belong to the catalogue anew; give how many changed.

    Four statements read what is liked and offered, and one transaction writes what differs.
    """
    offered = await offered_terms(database, weights.OPTION_PROJECTS)
    likes, catalogue = await latest_likes(database), await coverage(database)
    asked = {question.key: question for question in await all_questions(database)}
    records: list[QuestionRecord] = []
    for kind, (key, type_) in _PICKED.items():
        terms = [term for term in offered if term.kind is kind][: weights.OPTIONS_CONSIDERED]
        bits, gain = _measure(_ids(terms), likes, offered, catalogue)
        chosen = _chosen(bits, gain, terms, asked.get(key))
        if len(chosen) >= weights.OPTIONS_LEAST:
            records.append(_picker(key, type_, [_term_option(term) for term in chosen], len(records)))
    records.append(_free("use-case", QuestionType.USE_CASE, USE_CASES, len(records)))
    records.append(_free("experience", QuestionType.EXPERIENCE, EXPERIENCES, len(records)))
    async with database.write() as connection:
        return await replace_automatic(connection, records)


def _measure(
    options: Integers, likes: LikeTable, offered: Sequence[OfferedTerm], catalogue: tuple[Integers, Integers]
) -> tuple[Bits, Gain]:
    """Say who or what each option reaches, and how to weigh them: by what they tell, or without likes by coverage."""
    people, bits = audience(likes.actors, likes.projects, likes.terms, options)
    if people.size >= weights.AUDIENCE_LEAST:
        categories = _ids(term for term in offered if term.kind is TermKind.CATEGORY)
        outcomes = categories if categories.size > 1 else _ids(offered)
        return bits, told_apart(bits, tastes(likes.actors, likes.terms, people, outcomes))
    reached = carried(*catalogue, options)
    return reached, covered(reached)


def _chosen(bits: Bits, gain: Gain, terms: Sequence[OfferedTerm], asked: Question | None) -> list[OfferedTerm]:
    """Choose the options, the most common first. Those asked already stay, in their order, if nearly as good."""
    if not bits.size:
        return []
    best = choose(bits, gain, weights.OPTIONS_MOST)
    column = {term.key: n for n, term in enumerate(terms)}
    before = [column.get(option.id) for option in asked.options] if asked is not None and asked.automatic else []
    kept = [n for n in before if n is not None]
    # Compared in the order in which `choose` would take them, for what an option gains depends on those before it.
    if len(kept) == len(before) >= len(best):
        ordered = [kept[n] for n in choose(bits[:, kept], lambda weight: gain(weight)[kept], len(kept))]
        if worth(bits, gain, ordered) >= weights.OPTIONS_STAY * worth(bits, gain, best):
            return [terms[n] for n in kept]
    return [terms[n] for n in sorted(best)]


def _term_option(term: OfferedTerm) -> OptionRecord:
    points_at = {"tool": term.key} if term.kind is TermKind.TOOL else {"category": term.key}
    return OptionRecord(id=term.key, label=term.name[:200], description=(term.description or "")[:300], **points_at)


def _picker(key: str, type_: QuestionType, options: Sequence[OptionRecord], order: int) -> QuestionRecord:
    return QuestionRecord(
        key=key,
        type=type_,
        text=QUESTIONS[type_].text[0],
        description=QUESTIONS[type_].description[0],
        translations=question_translations(QUESTIONS[type_]),
        options=tuple(options),
        max_choices=min(weights.CHOICES_MOST, len(options)),
        order=order,
    )


def _free(key: str, type_: QuestionType, offered: Sequence[Offered], order: int) -> QuestionRecord:
    is_use_case = type_ is QuestionType.USE_CASE
    return QuestionRecord(
        key=key,
        type=type_,
        text=QUESTIONS[type_].text[0],
        description=QUESTIONS[type_].description[0],
        translations=question_translations(QUESTIONS[type_]),
        options=tuple(free_option(one) for one in offered),
        max_choices=weights.USE_CASES_MOST if is_use_case else 1,
        allows_text=is_use_case,
        order=order,
    )


def _ids(terms: Iterable[OfferedTerm]) -> Integers:
    return np.array([term.id for term in terms], dtype=np.int64)
