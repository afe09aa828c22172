"""Onboarding questions: reads, and writes of those of the platform or generated from the catalog."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.terms import TERMS_BY_KEY, mark_terms_listed
from db.database.batches import upsert_batch
from db.database.column_types import TextList, in_list
from db.database.engine import Database
from db.errors import InvalidRecord, UnknownReference
from db.models import OnboardingQuestion, QuestionType, TermKind, now
from db.onboarding.question_records import QuestionRecord, canonical_locale
from db.upsert_results import Refusal, UpsertResult, last_record_by_key, upsert_result

MAX_ACTIVE_QUESTIONS = 5
"""Active questions at most, from the specification's "3-5": each further one costs viewers who would have finished."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option in one language; `term` is the (kind, key) of its tool or category, None if it has none."""

    id: str
    label: str
    icon: str
    description: str
    term: tuple[TermKind, str] | None


@dataclass(frozen=True, slots=True)
class Question:
    """A question in one language."""

    id: int
    key: str
    type: QuestionType
    text: str
    description: str
    options: tuple[Option, ...]
    position: int
    active: bool
    least: int  # bounds of the number of chosen options
    most: int
    allows_text: bool  # takes an answer in the viewer's own words
    automatic: bool  # generated from the catalog
    version: int
    locale: str | None  # of its text; None for the original

    def option(self, id_: str) -> Option | None:
        """Return the option with this id."""
        return next((option for option in self.options if option.id == id_), None)


_COLUMNS = (
    "type", "text", "description", "options", "translations", "least", "most", "allows_text", "position", "active",
)  # fmt: skip
_KEYS = bindparam("keys", type_=TextList())
_ALL = select(*OnboardingQuestion.__table__.c).order_by(OnboardingQuestion.position, OnboardingQuestion.key)
_ACTIVE = _ALL.where(OnboardingQuestion.active)
_LOCKED = _ALL.with_for_update()
_UPSERT = upsert_batch(
    OnboardingQuestion, "key", *_COLUMNS, "automatic", "version", "created_at", "updated_at",
    key=["key"], keep=["created_at"],
)  # fmt: skip
_RETIRE = (
    update(OnboardingQuestion)
    .where(in_list(OnboardingQuestion.key, _KEYS))
    .values(active=False, automatic=bindparam("is_automatic", type_=Boolean()), version=OnboardingQuestion.version + 1)
)


async def active_questions(database: Database, locale: str | None = None) -> list[Question]:
    """Read the active questions in order, in the closest language: ``de-CH``, else ``de``, else the original."""
    return [_question(row, locale) for row in await database.fetch(_ACTIVE)]


async def all_questions(database: Database, locale: str | None = None) -> list[Question]:
    """Read every question, active or not."""
    return [_question(row, locale) for row in await database.fetch(_ALL)]


def _question(row: Any, locale: str | None) -> Question:
    spoken, words = _translated(row.translations, locale)
    same = ("id", "key", "position", "active", "least", "most", "allows_text", "automatic", "version")
    return Question(
        type=QuestionType(row.type),
        text=words.get("text") or row.text,
        description=words.get("description") or row.description,
        options=tuple(_option(option, locale) for option in row.options),
        locale=spoken,
        **{name: getattr(row, name) for name in same},
    )


def _option(stored: Mapping[str, Any], locale: str | None) -> Option:
    _, words = _translated(stored.get("translations") or {}, locale)
    term = stored.get("term")
    return Option(
        id=stored["id"],
        label=words.get("label") or stored["label"],
        icon=stored["icon"],
        description=words.get("description") or stored["description"],
        term=None if term is None else (TermKind(term["kind"]), term["key"]),
    )


def _translated(translations: Mapping[str, Any], locale: str | None) -> tuple[str | None, Mapping[str, str]]:
    """Return the texts of a language, or of a wider one."""
    wanted = canonical_locale(locale) if locale else ""
    while wanted:
        if wanted in translations:
            return wanted, translations[wanted]
        wanted = wanted.rpartition("-")[0]
    return None, {}


# --- writing them --------------------------------------------------------------------------------------------------


async def upsert_questions(
    connection: AsyncConnection, records: Sequence[QuestionRecord], *, retire_others: bool = False
) -> UpsertResult:
    """Store questions of the platform; each replaces a generated one of its key.

    `retire_others`: whether to deactivate all questions that are not among the records.

    Raises `InvalidRecord` if more than `MAX_ACTIVE_QUESTIONS` would be active; nothing is written then.
    """
    stored = await _stored(connection)
    refused = await _with_unknown_terms(connection, records)
    bad = {refusal.index for refusal in refused}
    wanted = last_record_by_key([record for index, record in enumerate(records) if index not in bad])
    retired = _others(stored, wanted) if retire_others else []
    _require_short(stored, wanted, retired)
    added, changed = await _write(connection, wanted, stored, automatic=False)
    await mark_terms_listed(
        connection, {term for record in wanted for option in record.options if (term := option.term)}
    )
    if retired:
        await connection.execute(_RETIRE, {"keys": retired, "is_automatic": False})
    return upsert_result(len(records), added, changed, refused)


async def replace_generated_questions(connection: AsyncConnection, records: Sequence[QuestionRecord]) -> int:
    """Replace the generated questions; return the number of changes.

    Questions of the platform stay, and while any of them is active no generated one is added.
    """
    stored = await _stored(connection)
    generated = {key: row for key, row in stored.items() if row.automatic}
    if any(row.active and not row.automatic for row in stored.values()):
        records = [record for record in records if record.key in generated]
    wanted = [record for record in records if record.key in generated or record.key not in stored]
    added, changed = await _write(connection, wanted, stored, automatic=True)
    gone = sorted(key for key, row in generated.items() if row.active and key not in {record.key for record in wanted})
    if gone:
        await connection.execute(_RETIRE, {"keys": gone, "is_automatic": True})
    return len(added) + len(changed) + len(gone)


async def _stored(connection: AsyncConnection) -> dict[str, Any]:
    return {row.key: row for row in await connection.execute(_LOCKED)}


def _others(stored: Mapping[str, Any], wanted: Sequence[QuestionRecord]) -> list[str]:
    kept = {record.key for record in wanted}
    return sorted(key for key, row in stored.items() if row.active and key not in kept)


def _require_short(stored: Mapping[str, Any], wanted: Sequence[QuestionRecord], retired: Sequence[str]) -> None:
    active = {key for key, row in stored.items() if row.active} - set(retired)
    active -= {record.key for record in wanted}
    active |= {record.key for record in wanted if record.active}
    if len(active) > MAX_ACTIVE_QUESTIONS:
        raise InvalidRecord(
            f"{len(active)} questions would be active, and at most {MAX_ACTIVE_QUESTIONS} may be: send others with "
            f"active false, or retire all others; active would be {', '.join(sorted(active))}"
        )


async def _with_unknown_terms(connection: AsyncConnection, records: Sequence[QuestionRecord]) -> list[Refusal]:
    """Return refusals of the records that refer to an unknown tool or category."""
    named = {option.term for record in records for option in record.options if option.term is not None}
    if not named:
        return []
    rows = await connection.execute(TERMS_BY_KEY, {"keys": sorted({key for _, key in named})})
    known = {(TermKind(row.kind), row.key) for row in rows}
    refused = []
    for index, record in enumerate(records):
        for place, option in enumerate(record.options):
            if option.term is not None and option.term not in known:
                kind, key = option.term
                error = UnknownReference(f"there is no {kind.value} {key!r}", ("options", place, kind.value))
                refused.append(Refusal(index, error))
                break
    return refused


async def _write(
    connection: AsyncConnection, wanted: Sequence[QuestionRecord], stored: Mapping[str, Any], *, automatic: bool
) -> tuple[set[str], set[str]]:
    """Write the questions that differ; return the keys of the new and of the changed ones."""
    at, rows = now(), []
    for record in sorted(wanted, key=lambda record: record.key):
        columns, there = record.stored(), stored.get(record.key)
        if there is not None and there.automatic == automatic and _same(columns, there):
            continue
        version = 1 if there is None else there.version + (not _same(columns, there))
        rows.append((record.key, *(columns[name] for name in _COLUMNS), automatic, version, at, at))
    if rows:
        await connection.execute(_UPSERT, {"rows": rows})
    written = {row[0] for row in rows}
    return written - stored.keys(), written & stored.keys()


def _same(columns: Mapping[str, Any], there: Any) -> bool:
    return all(getattr(there, name) == value for name, value in columns.items())
