"""Onboarding questions generated from the catalog, nightly: the tools and categories that best distinguish viewers.

The options of a question change only if the gain of the best options is at least a tenth higher than the gain of the
current options, because answers to different options are not comparable. Questions that the platform uploaded are never
changed.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
import orjson

from db.database.engine import Database
from db.models import QuestionType, TermKind
from db.onboarding.question_records import OptionRecord, QuestionRecord
from db.onboarding.questions import Question, all_questions, replace_generated_questions
from db.onboarding.term_audiences import CommonTerm, LikeTable, common_terms, coverage, latest_likes
from scoring import tunables
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

_TERM_KIND = {QuestionType.TOOL_SELECT.value: TermKind.TOOL, QuestionType.CATEGORY_SELECT.value: TermKind.CATEGORY}
_MAX_CHOICES = {QuestionType.USE_CASE.value: tunables.MAX_USE_CASES, QuestionType.EXPERIENCE.value: 1}


@cache
def _templates() -> list[dict[str, Any]]:
    """Read the four questions in four languages. Only the options of the first two questions are generated."""
    templates: list[dict[str, Any]] = orjson.loads(files(__package__).joinpath("question_templates.json").read_bytes())
    return templates


async def refresh_questions(database: Database) -> int:
    """Regenerate the generated questions, in four statements and one transaction; return how many changed."""
    offered = await common_terms(database, tunables.MIN_OPTION_PROJECTS)
    likes, catalog = await latest_likes(database), await coverage(database)
    current = {question.key: question for question in await all_questions(database)}
    records: list[QuestionRecord] = []
    for template in _templates():
        type_ = template["type"]
        fields = {**template, "order": len(records), "max_choices": _MAX_CHOICES.get(type_)}
        if type_ in _TERM_KIND:
            kind = _TERM_KIND[type_]
            terms = [term for term in offered if term.kind is kind][: tunables.OPTIONS_CONSIDERED]
            bits, gain = _measure(_ids(terms), likes, offered, catalog)
            options = [_option(term) for term in _select(bits, gain, terms, current.get(template["key"]))]
            if len(options) < tunables.MIN_OPTIONS:
                continue
            fields |= {"options": options, "max_choices": min(tunables.MAX_CHOICES, len(options))}
        records.append(QuestionRecord.model_validate(fields))
    async with database.write() as connection:
        return await replace_generated_questions(connection, records)


def _measure(
    options: Integers, likes: LikeTable, offered: Sequence[CommonTerm], catalog: tuple[Integers, Integers]
) -> tuple[Bits, Gain]:
    """Return the rows that each option reaches, and the gain function: information, or coverage if likes are few."""
    audience, bits = option_audience(likes.actors, likes.projects, likes.terms, options)
    if audience.size >= tunables.MIN_AUDIENCE:
        categories = _ids(term for term in offered if term.kind is TermKind.CATEGORY)
        outcomes = categories if categories.size > 1 else _ids(offered)
        return bits, information_gain(bits, category_shares(likes.actors, likes.terms, audience, outcomes))
    incidence = option_incidence(*catalog, options)
    return incidence, coverage_gain(incidence)


def _select(bits: Bits, gain: Gain, terms: Sequence[CommonTerm], current: Question | None) -> list[CommonTerm]:
    """Select the options, the most common first. The current options stay, in their order, if nearly as good."""
    if not bits.size:
        return []
    best = choose_options(bits, gain, tunables.MAX_OPTIONS)
    column = {term.key: n for n, term in enumerate(terms)}
    current_columns = [column.get(option.id) for option in current.options] if current and current.automatic else []
    remaining = [n for n in current_columns if n is not None]
    if len(remaining) == len(current_columns) >= len(best):
        # The gain of an option depends on the options before it, so both sets are compared in the order of
        # `choose_options`.
        order = choose_options(bits[:, remaining], lambda weight: gain(weight)[remaining], len(remaining))
        remaining_by_gain = [remaining[n] for n in order]
        if total_gain(bits, gain, remaining_by_gain) >= tunables.OPTION_RETENTION_SHARE * total_gain(bits, gain, best):
            return [terms[n] for n in remaining]
    return [terms[n] for n in sorted(best)]


def _option(term: CommonTerm) -> OptionRecord:
    target = {"tool": term.key} if term.kind is TermKind.TOOL else {"category": term.key}
    return OptionRecord(id=term.key, label=term.name[:200], description=(term.description or "")[:300], **target)


def _ids(terms: Iterable[CommonTerm]) -> Integers:
    return np.array([term.id for term in terms], dtype=np.int64)
