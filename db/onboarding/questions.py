"""Onboarding questions: reads, and writes of questions of the platform and of generated questions."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from db.catalog.terms import existing_terms, mark_terms_listed
from db.database.batches import upsert_batch
from db.database.column_types import KEYS, in_list
from db.database.engine import Database
from db.errors import InvalidRecord, UnknownReference
from db.models import OnboardingQuestion, QuestionType, TermKind, now
from db.onboarding.question_records import QuestionRecord, canonical_locale
from db.upsert_results import Refusal, UpsertResult, accepted, last_record_by_key, upsert_result

MAX_ACTIVE_QUESTIONS = 5
"""Maximum number of active questions. The specification has 3 to 5; with more questions, fewer viewers finish."""


@dataclass(frozen=True, slots=True)
class Option:
    """An option in one language. `term` is the (kind, key) of the tool or category of the option, if any."""

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
    least: int  # minimum number of chosen options
    most: int  # maximum number of chosen options
    allows_text: bool  # accepts an answer in the viewer's own words
    automatic: bool  # generated from the catalog
    version: int
    locale: str | None  # language of the text; None: original

    def option(self, id_: str) -> Option | None:
        """Return the option with this id; None if it does not exist."""
        return next((option for option in self.options if option.id == id_), None)


_COLUMNS = (
    "type", "text", "description", "options", "translations", "least", "most", "allows_text", "position", "active",
)  # fmt: skip
_ALL = select(*OnboardingQuestion.__table__.c).order_by(OnboardingQuestion.position, OnboardingQuestion.key)
_ACTIVE = _ALL.where(OnboardingQuestion.active)
_LOCKED = _ALL.with_for_update()
_UPSERT = upsert_batch(
    OnboardingQuestion, "key", *_COLUMNS, "automatic", "version", "created_at", "updated_at",
    key=["key"], keep=["created_at"],
)  # fmt: skip
_RETIRE = (
    update(OnboardingQuestion)
    .where(in_list(OnboardingQuestion.key, KEYS))
    .values(active=False, automatic=bindparam("is_automatic", type_=Boolean()), version=OnboardingQuestion.version + 1)
)


async def active_questions(database: Database, locale: str | None = None) -> list[Question]:
    """Read the active questions in order, in the closest language: ``de-CH``, then ``de``, then the original."""
    return [_question(row, locale) for row in await database.fetch(_ACTIVE)]


async def all_questions(database: Database, locale: str | None = None) -> list[Question]:
    """Read all questions, active and inactive, in the closest language as `active_questions` does."""
    return [_question(row, locale) for row in await database.fetch(_ALL)]


def _question(row: Any, locale: str | None) -> Question:
    language, texts = _translated(row.translations, locale)
    columns = ("id", "key", "position", "active", "least", "most", "allows_text", "automatic", "version")
    return Question(
        type=QuestionType(row.type),
        text=texts.get("text") or row.text,
        description=texts.get("description") or row.description,
        options=tuple(_option(option, locale) for option in row.options),
        locale=language,
        **{name: getattr(row, name) for name in columns},
    )


def _option(stored: Mapping[str, Any], locale: str | None) -> Option:
    _, texts = _translated(stored.get("translations") or {}, locale)
    term = stored.get("term")
    return Option(
        id=stored["id"],
        label=texts.get("label") or stored["label"],
        icon=stored["icon"],
        description=texts.get("description") or stored["description"],
        term=None if term is None else (TermKind(term["kind"]), term["key"]),
    )


def _translated(translations: Mapping[str, Any], locale: str | None) -> tuple[str | None, Mapping[str, str]]:
    """Return the closest available language and its texts; None if there is only the original."""
    candidate = canonical_locale(locale) if locale else ""
    while candidate:
        if candidate in translations:
            return candidate, translations[candidate]
        candidate = candidate.rpartition("-")[0]
    return None, {}


# --- writes --------------------------------------------------------------------------------------------------------


async def upsert_questions(
    connection: AsyncConnection, records: Sequence[QuestionRecord], *, retire_others: bool = False
) -> UpsertResult:
    """Store questions of the platform. A question replaces a generated question with the same key.

    `retire_others` deactivates all questions that are not among the records.

    Raises `InvalidRecord`, without writing, if more than `MAX_ACTIVE_QUESTIONS` would be active.
    """
    stored_questions = await _stored(connection)
    refusals = await _with_unknown_terms(connection, records)
    latest_records = last_record_by_key(accepted(records, refusals))
    keys = {record.key for record in latest_records}
    active_keys = {key for key, row in stored_questions.items() if row.active}
    retired_keys = sorted(active_keys - keys) if retire_others else []
    _require_few_active(
        active_keys - keys - {*retired_keys} | {record.key for record in latest_records if record.active}
    )
    added_keys, changed_keys = await _write(connection, latest_records, stored_questions, automatic=False)
    await mark_terms_listed(
        connection, {term for record in latest_records for option in record.options if (term := option.term)}
    )
    if retired_keys:
        await connection.execute(_RETIRE, {"keys": retired_keys, "is_automatic": False})
    return upsert_result(len(records), added_keys, changed_keys, refusals)


async def replace_generated_questions(connection: AsyncConnection, records: Sequence[QuestionRecord]) -> int:
    """Replace the generated questions; return the number of changed questions.

    Questions of the platform are not changed. If one of them is active, no generated question is added.
    """
    stored_questions = await _stored(connection)
    generated_questions = {key: row for key, row in stored_questions.items() if row.automatic}
    if any(row.active and not row.automatic for row in stored_questions.values()):
        records = [record for record in records if record.key in generated_questions]
    written_records = [
        record for record in records if record.key in generated_questions or record.key not in stored_questions
    ]
    added_keys, changed_keys = await _write(connection, written_records, stored_questions, automatic=True)
    retired_keys = sorted(
        {key for key, row in generated_questions.items() if row.active} - {record.key for record in written_records}
    )
    if retired_keys:
        await connection.execute(_RETIRE, {"keys": retired_keys, "is_automatic": True})
    return len(added_keys) + len(changed_keys) + len(retired_keys)


async def _stored(connection: AsyncConnection) -> dict[str, Any]:
    return {row.key: row for row in await connection.execute(_LOCKED)}


def _require_few_active(active_keys: Set[str]) -> None:
    if len(active_keys) > MAX_ACTIVE_QUESTIONS:
        raise InvalidRecord(
            f"{len(active_keys)} questions would be active, and at most {MAX_ACTIVE_QUESTIONS} may be: send others "
            f"with active false, or retire all others; active would be {', '.join(sorted(active_keys))}"
        )


async def _with_unknown_terms(connection: AsyncConnection, records: Sequence[QuestionRecord]) -> list[Refusal]:
    """Return refusals of the records that refer to an unknown tool or category."""
    names = {option.term for record in records for option in record.options if option.term is not None}
    terms = await existing_terms(connection, names)
    refused = []
    for index, record in enumerate(records):
        for option_index, option in enumerate(record.options):
            if option.term is not None and option.term not in terms:
                kind, key = option.term
                error = UnknownReference(f"there is no {kind.value} {key!r}", ("options", option_index, kind.value))
                refused.append(Refusal(index, error))
                break
    return refused


async def _write(
    connection: AsyncConnection,
    records: Sequence[QuestionRecord],
    stored_questions: Mapping[str, Any],
    *,
    automatic: bool,
) -> tuple[set[str], set[str]]:
    """Write the questions that differ; return the keys of new questions and of changed questions."""
    at, rows = now(), []
    for record in sorted(records, key=lambda record: record.key):
        columns, row = record.stored(), stored_questions.get(record.key)
        if row is not None and row.automatic == automatic and _equals(columns, row):
            continue
        version = 1 if row is None else row.version + (not _equals(columns, row))
        rows.append((record.key, *(columns[name] for name in _COLUMNS), automatic, version, at, at))
    if rows:
        await connection.execute(_UPSERT, {"rows": rows})
    written_keys = {row[0] for row in rows}
    return written_keys - stored_questions.keys(), written_keys & stored_questions.keys()


def _equals(columns: Mapping[str, Any], row: Any) -> bool:
    return all(getattr(row, name) == value for name, value in columns.items())
