"""The quiz that the catalog makes of itself: it asks for the tools and categories that tell this audience apart.

It is made anew each night, and written only if the best options gain at least a tenth more than those that are asked:
a question that changes every day cannot be learned from. Questions that the platform has sent are never touched.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from db.database.engine import Database
from db.models import QuestionType, TermKind
from db.onboarding.question_records import OptionRecord, QuestionRecord
from db.onboarding.questions import Question, all_questions, replace_generated_questions
from db.onboarding.term_audiences import LikeTable, OfferedTerm, coverage, latest_likes, offered_terms
from scoring import weights
from scoring.mathematics.option_selection import (
    Bits,
    Gain,
    category_shares,
    choose_options,
    coverage_gain,
    information_gain,
    option_audience,
    option_incidence,
    total_gain,
)
from scoring.mathematics.signals import Integers
from scoring.onboarding.question_texts import (
    EXPERIENCES,
    QUESTIONS,
    USE_CASES,
    OptionText,
    option_record,
    question_translations,
)

_PICKED = {
    TermKind.TOOL: ("tools", QuestionType.TOOL_SELECT),
    TermKind.CATEGORY: ("categories", QuestionType.CATEGORY_SELECT),
}
"""The key and type of the question that asks for each kind of term."""


async def refresh_questions(database: Database) -> int:
    """Make the questions that belong to the catalog anew; give how many changed.

    Four statements read what is liked and offered, and one transaction writes what differs.
    """
    offered = await offered_terms(database, weights.MIN_OPTION_PROJECTS)
    likes, catalogue = await latest_likes(database), await coverage(database)
    asked = {question.key: question for question in await all_questions(database)}
    records: list[QuestionRecord] = []
    for kind, (key, type_) in _PICKED.items():
        terms = [term for term in offered if term.kind is kind][: weights.OPTIONS_CONSIDERED]
        bits, gain = _measure(_ids(terms), likes, offered, catalogue)
        chosen = _chosen(bits, gain, terms, asked.get(key))
        if len(chosen) >= weights.MIN_OPTIONS:
            records.append(_picker(key, type_, [_term_option(term) for term in chosen], len(records)))
    records.append(_free("use-case", QuestionType.USE_CASE, USE_CASES, len(records)))
    records.append(_free("experience", QuestionType.EXPERIENCE, EXPERIENCES, len(records)))
    async with database.write() as connection:
        return await replace_generated_questions(connection, records)


def _measure(
    options: Integers, likes: LikeTable, offered: Sequence[OfferedTerm], catalogue: tuple[Integers, Integers]
) -> tuple[Bits, Gain]:
    """Say who or what each option reaches, and how to weigh them: by what they tell, or without likes by coverage."""
    people, bits = option_audience(likes.actors, likes.projects, likes.terms, options)
    if people.size >= weights.MIN_AUDIENCE:
        categories = _ids(term for term in offered if term.kind is TermKind.CATEGORY)
        outcomes = categories if categories.size > 1 else _ids(offered)
        return bits, information_gain(bits, category_shares(likes.actors, likes.terms, people, outcomes))
    reached = option_incidence(*catalogue, options)
    return reached, coverage_gain(reached)


def _chosen(bits: Bits, gain: Gain, terms: Sequence[OfferedTerm], asked: Question | None) -> list[OfferedTerm]:
    """Choose the options, the most common first. Those asked already stay, in their order, if nearly as good."""
    if not bits.size:
        return []
    best = choose_options(bits, gain, weights.MAX_OPTIONS)
    column = {term.key: n for n, term in enumerate(terms)}
    before = [column.get(option.id) for option in asked.options] if asked is not None and asked.automatic else []
    kept = [n for n in before if n is not None]
    # Compared in the order in which `choose_options` would take them, for what an option gains depends on those before it.
    if len(kept) == len(before) >= len(best):
        ordered = [kept[n] for n in choose_options(bits[:, kept], lambda weight: gain(weight)[kept], len(kept))]
        if total_gain(bits, gain, ordered) >= weights.OPTION_RETENTION_SHARE * total_gain(bits, gain, best):
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
        max_choices=min(weights.MAX_CHOICES, len(options)),
        order=order,
    )


def _free(key: str, type_: QuestionType, offered: Sequence[OptionText], order: int) -> QuestionRecord:
    is_use_case = type_ is QuestionType.USE_CASE
    return QuestionRecord(
        key=key,
        type=type_,
        text=QUESTIONS[type_].text[0],
        description=QUESTIONS[type_].description[0],
        translations=question_translations(QUESTIONS[type_]),
        options=tuple(option_record(one) for one in offered),
        max_choices=weights.MAX_USE_CASES if is_use_case else 1,
        allows_text=is_use_case,
        order=order,
    )


def _ids(terms: Iterable[OfferedTerm]) -> Integers:
    return np.array([term.id for term in terms], dtype=np.int64)
